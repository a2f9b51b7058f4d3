//! The structure of a component, read without compiling or validating anything: what it imports, exports and asks for. A pass over
//! the sections, some microseconds; it finds what is damaged, and what would cost the compiler or the pool more than it may.

use wasmparser::{Parser, Payload};

use super::{Limits, Refusal};

/// Bytes of one function. Compilers need more than linear time for a function; the largest of a large Rust codec has 30 KB.
const MAX_FUNCTION_BYTES: usize = 1 << 20;
/// Core modules of a component. What wit-component emits has 1 to 3.
const MAX_MODULES: usize = 16;
/// Elements of all tables that an instance begins with; `guest` holds it to the same while it runs.
const MAX_TABLE_ELEMENTS: u64 = 20_000;
/// Largest page of a memory (WebAssembly core specification, 2.5.3.4).
const PAGE_BYTES: u64 = 64 << 10;

/// What a component is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Serialize)]
pub struct Anatomy {
    /// Names of what it imports.
    pub imports: Vec<String>,
    /// Names of what it exports.
    pub exports: Vec<String>,
    /// Core modules inside.
    pub modules: usize,
    /// Functions of all core modules.
    pub functions: usize,
    /// Bytes of their code.
    pub code_bytes: usize,
    /// Bytes of the largest of them.
    pub largest_function_bytes: usize,
    /// Bytes of static data.
    pub static_bytes: usize,
    /// Bytes of memory that an instance begins with.
    pub memory_bytes: u64,
    /// Elements of tables that an instance begins with.
    pub table_elements: u64,
    /// Name and bytes of each custom section: debug information, function names.
    pub custom: Vec<(String, usize)>,
}

impl Anatomy {
    /// Reads the sections.
    ///
    /// # Errors
    /// `E1006` when they do not add up.
    pub fn read(component: &[u8]) -> Result<Self, Refusal> {
        let mut anatomy = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload.map_err(|error| damaged(&error))?;
            match &payload {
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                // The outermost component ends as well.
                Payload::End(_) => depth = depth.saturating_sub(1),
                _ => {}
            }
            anatomy.add(payload, depth).map_err(|error| damaged(&error))?;
        }
        Ok(anatomy)
    }

    fn add(&mut self, payload: Payload<'_>, depth: usize) -> Result<(), wasmparser::BinaryReaderError> {
        match payload {
            Payload::ModuleSection { .. } => self.modules += 1,
            Payload::ComponentImportSection(reader) if depth == 0 => {
                for import in reader {
                    self.imports.push(import?.name.name.to_owned());
                }
            }
            Payload::ComponentExportSection(reader) if depth == 0 => {
                for export in reader {
                    self.exports.push(export?.name.name.to_owned());
                }
            }
            Payload::MemorySection(reader) => {
                for memory in reader {
                    let memory = memory?;
                    let page = memory.page_size_log2.map_or(PAGE_BYTES, |log| 1_u64.checked_shl(log).unwrap_or(PAGE_BYTES));
                    self.memory_bytes = self.memory_bytes.saturating_add(memory.initial.saturating_mul(page));
                }
            }
            Payload::TableSection(reader) => {
                for table in reader {
                    self.table_elements = self.table_elements.saturating_add(table?.ty.initial);
                }
            }
            Payload::CodeSectionEntry(body) => {
                let bytes = body.range().len();
                self.functions += 1;
                self.code_bytes = self.code_bytes.saturating_add(bytes);
                self.largest_function_bytes = self.largest_function_bytes.max(bytes);
            }
            Payload::DataSection(reader) => {
                for segment in reader {
                    self.static_bytes = self.static_bytes.saturating_add(segment?.data.len());
                }
            }
            Payload::CustomSection(custom) => self.custom.push((custom.name().to_owned(), custom.data().len())),
            _ => {}
        }
        Ok(())
    }

    /// What is too much for the compiler or for an instance.
    pub(super) fn check(&self, limits: &Limits) -> Vec<Refusal> {
        let mut wrong = Vec::new();
        if self.largest_function_bytes > MAX_FUNCTION_BYTES {
            let cause = format!("one function has {} bytes, at most {MAX_FUNCTION_BYTES}", self.largest_function_bytes);
            wrong.push(Refusal { code: "E1007", cause, fix: "split it, or keep tables as static data".into() });
        }
        if self.modules > MAX_MODULES {
            let cause = format!("{} core modules, at most {MAX_MODULES}", self.modules);
            wrong.push(Refusal { code: "E1007", cause, fix: "link the codec into one module".into() });
        }
        let memory = u64::try_from(limits.memory_bytes).unwrap_or(u64::MAX);
        if self.memory_bytes > memory {
            let cause = format!("it begins with {} bytes of memory, the limit is {memory}", self.memory_bytes);
            let fix = "static data and stack must fit the memory limit; a smaller stack: `-C link-arg=-zstack-size=65536`";
            wrong.push(Refusal { code: "E1033", cause, fix: fix.into() });
        }
        if self.table_elements > MAX_TABLE_ELEMENTS {
            let cause = format!("its tables begin with {} elements, at most {MAX_TABLE_ELEMENTS}", self.table_elements);
            wrong.push(Refusal { code: "E1034", cause, fix: "a codec of that size has too many functions: split it".into() });
        }
        wrong
    }
}

fn damaged(error: &wasmparser::BinaryReaderError) -> Refusal {
    Refusal {
        code: "E1006",
        cause: format!("the sections do not add up: {} (at offset {:#x})", error.message(), error.offset()),
        fix: "copy the file again: it was cut off or changed; or build it again".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_alone_is_a_component_of_nothing() {
        assert_eq!(Anatomy::read(b"\0asm\x0d\0\x01\0").unwrap(), Anatomy::default());
    }

    #[test]
    fn a_section_that_ends_after_the_file_is_told_with_its_place() {
        let refusal = Anatomy::read(b"\0asm\x0d\0\x01\0\x07\x20").unwrap_err();
        assert_eq!(refusal.code, "E1006");
        assert!(refusal.cause.contains("offset 0x"), "{refusal}");
    }

    #[test]
    fn everything_that_is_too_much_is_told() {
        let limits = Limits::default();
        let anatomy = Anatomy {
            largest_function_bytes: MAX_FUNCTION_BYTES + 1,
            modules: MAX_MODULES + 1,
            memory_bytes: (16 << 20) + 1,
            table_elements: 20_001,
            ..Anatomy::default()
        };
        let codes: Vec<&str> = anatomy.check(&limits).iter().map(|refusal| refusal.code).collect();
        assert_eq!(codes, ["E1007", "E1007", "E1033", "E1034"]);
        let fits = Anatomy { memory_bytes: 16 << 20, table_elements: 20_000, ..Anatomy::default() };
        assert_eq!(fits.check(&limits), []);
    }
}
