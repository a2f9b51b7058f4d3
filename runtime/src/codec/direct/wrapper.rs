//! Recognises a component that is nothing but a wrapper around one core module, as wit-component makes it of a Rust or C codec.
//!
//! In such a component the three exports are three functions of one core module, lifted with that module's own memory, `cabi_realloc`
//! and `cabi_post_..`, and nothing of it runs at instantiation but that module. Then calling the core functions as the canonical ABI
//! says is the same as calling the component. Whatever is not known to be so is none, and takes wasmtime's own way. Reads
//! sections; validates nothing: the host does, with [`hollow`] and with the core module.

use std::ops::Range;

use wasmparser::{
    BinaryReader, CanonicalFunction, CanonicalOption, ComponentAlias, ComponentOuterAliasKind, ExternalKind, Instance, Parser,
    Payload,
};

use super::{DECODE, DESCRIBE, ENCODE, IMPORTS, MEMORY, REALLOC, post_return};

/// Section ids (WebAssembly/component-model, design/mvp/Binary.md; core specification 5.5.2).
const CORE_MODULE_SECTION: u8 = 1;
const CODE_SECTION: u8 = 10;
/// Bytes of the header of modules and components.
const HEADER: usize = 8;
/// A body with no local that is `unreachable`, after its size.
const EMPTY_BODY: [u8; 4] = [3, 0, 0x00, 0x0b];

/// The one core module that the component wraps.
pub(in crate::codec) fn core_module(component: &[u8]) -> Option<&[u8]> {
    let module = Sections::read(component)?.wrapped()?;
    let module = component.get(module)?;
    speaks_plainly(module).then_some(module)
}

/// What the index spaces of a component hold, as far as core functions need them.
#[derive(Default)]
struct Sections<'a> {
    modules: Vec<Range<usize>>,
    /// Module of each core instance; none where it only bundles items.
    instances: Vec<Option<u32>>,
    /// Instance and export of each core function; none where the host makes it.
    functions: Vec<Option<(u32, &'a str)>>,
    memories: Vec<(u32, &'a str)>,
    lifts: Vec<(u32, Box<[CanonicalOption]>)>,
}

/// What encloses a payload.
enum Inside {
    Module,
    Component,
}

impl<'a> Sections<'a> {
    fn read(component: &'a [u8]) -> Option<Self> {
        let mut sections = Self::default();
        let mut inside = Vec::new();
        for payload in Parser::new(0).parse_all(component) {
            let payload = payload.ok()?;
            match (inside.last(), payload) {
                (_, Payload::End(_)) => drop(inside.pop()),
                (Some(Inside::Module), _) => {}
                // Nested components rename types and functions; one that holds code does more.
                (
                    Some(Inside::Component),
                    Payload::ModuleSection { .. } | Payload::InstanceSection(_) | Payload::ComponentCanonicalSection(_),
                ) => return None,
                (_, Payload::ComponentSection { .. }) => inside.push(Inside::Component),
                (Some(Inside::Component), _) => {}
                (None, payload) => {
                    if sections.add(payload)? {
                        inside.push(Inside::Module);
                    }
                }
            }
        }
        Some(sections)
    }

    /// Takes in a section of the outermost component; true where a module begins.
    fn add(&mut self, payload: Payload<'a>) -> Option<bool> {
        match payload {
            Payload::ModuleSection { unchecked_range, .. } => {
                self.modules.push(unchecked_range);
                return Some(true);
            }
            Payload::InstanceSection(reader) => {
                for instance in reader {
                    self.instances.push(match instance.ok()? {
                        Instance::Instantiate { module_index, .. } => Some(module_index),
                        Instance::FromExports(_) => None,
                    });
                }
            }
            Payload::ComponentAliasSection(reader) => {
                for alias in reader {
                    self.alias(&alias.ok()?)?;
                }
            }
            Payload::ComponentCanonicalSection(reader) => {
                for function in reader {
                    match function.ok()? {
                        CanonicalFunction::Lift { core_func_index, options, .. } => self.lifts.push((core_func_index, options)),
                        CanonicalFunction::Lower { .. } => self.functions.push(None),
                        _ => return None,
                    }
                }
            }
            Payload::ComponentStartSection { .. } => return None,
            _ => {}
        }
        Some(false)
    }

    fn alias(&mut self, alias: &ComponentAlias<'a>) -> Option<()> {
        match *alias {
            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Func, instance_index, name } => {
                self.functions.push(Some((instance_index, name)));
            }
            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Memory, instance_index, name } => {
                self.memories.push((instance_index, name));
            }
            ComponentAlias::CoreInstanceExport { kind: ExternalKind::Table | ExternalKind::Global, .. } => {}
            ComponentAlias::CoreInstanceExport { .. }
            | ComponentAlias::Outer { kind: ComponentOuterAliasKind::CoreModule, .. }
            | ComponentAlias::InstanceExport { kind: wasmparser::ComponentExternalKind::Module, .. } => return None,
            ComponentAlias::InstanceExport { .. } | ComponentAlias::Outer { .. } => {}
        }
        Some(())
    }

    /// Where the module lies whose functions are lifted, if all three are of one instance and lifted as expected. That each
    /// name has the type that belongs to it need not be seen here: the types differ, and the host checks them.
    fn wrapped(&self) -> Option<Range<usize>> {
        let (first, _) = self.lifts.first()?;
        let (owner, _) = self.function(*first)?;
        let mut missing = vec![DESCRIBE, DECODE, ENCODE];
        for (lifted, options) in &self.lifts {
            let (instance, name) = self.function(*lifted)?;
            let place = missing.iter().position(|wanted| *wanted == name)?;
            missing.swap_remove(place);
            if instance != owner || !options.iter().all(|option| self.is_plain(option, owner, name)) {
                return None;
            }
        }
        let module = (*self.instances.get(usize::try_from(owner).ok()?)?)?;
        let module = self.modules.get(usize::try_from(module).ok()?)?.clone();
        missing.is_empty().then_some(module)
    }

    fn function(&self, index: u32) -> Option<(u32, &'a str)> {
        *self.functions.get(usize::try_from(index).ok()?)?
    }

    fn is_plain(&self, option: &CanonicalOption, owner: u32, name: &str) -> bool {
        match *option {
            CanonicalOption::UTF8 => true,
            CanonicalOption::Memory(index) => {
                usize::try_from(index).ok().and_then(|index| self.memories.get(index)) == Some(&(owner, MEMORY))
            }
            CanonicalOption::Realloc(index) => self.function(index) == Some((owner, REALLOC)),
            CanonicalOption::PostReturn(index) => self.function(index) == Some((owner, post_return(name).as_str())),
            _ => false,
        }
    }
}

/// Whether the module imports only what the host offers and expects no call before the first export.
fn speaks_plainly(module: &[u8]) -> bool {
    let plain = |payload: wasmparser::Result<Payload<'_>>| {
        Some(match payload.ok()? {
            Payload::ImportSection(reader) => reader.into_imports().all(|import| {
                import.is_ok_and(|import| IMPORTS.iter().any(|(from, name)| (*from, *name) == (import.module, import.name)))
            }),
            Payload::ExportSection(reader) => reader.into_iter().all(|export| export.is_ok_and(|it| it.name != "_initialize")),
            _ => true,
        })
    };
    Parser::new(0).parse_all(module).all(|payload| plain(payload) == Some(true))
}

/// The component with every function body replaced by `unreachable`: the same types and borders, and next to nothing to compile.
/// The host has wasmtime check it in place of the whole.
pub(in crate::codec) fn hollow(component: &[u8]) -> Option<Vec<u8>> {
    rewritten(component, |id, content| if id == CORE_MODULE_SECTION { hollow_module(content) } else { Some(content.to_vec()) })
}

fn hollow_module(module: &[u8]) -> Option<Vec<u8>> {
    rewritten(module, |id, content| {
        if id != CODE_SECTION {
            return Some(content.to_vec());
        }
        let mut reader = BinaryReader::new(content, 0);
        let count = reader.read_var_u32().ok()?;
        let head = content.get(..reader.original_position())?;
        let bodies = EMPTY_BODY.repeat(usize::try_from(count).ok().filter(|count| *count <= content.len())?);
        Some([head, &bodies].concat())
    })
}

/// The binary with the content of each section put through `change`.
fn rewritten(binary: &[u8], change: impl Fn(u8, &[u8]) -> Option<Vec<u8>>) -> Option<Vec<u8>> {
    let (header, sections) = binary.split_at_checked(HEADER)?;
    let mut written = header.to_vec();
    let mut reader = BinaryReader::new(sections, 0);
    while !reader.eof() {
        let id = reader.read_u8().ok()?;
        let length = usize::try_from(reader.read_var_u32().ok()?).ok()?;
        let content = change(id, reader.read_bytes(length).ok()?)?;
        written.push(id);
        leb(u32::try_from(content.len()).ok()?, &mut written);
        written.extend(content);
    }
    Some(written)
}

/// LEB128.
fn leb(mut number: u32, out: &mut Vec<u8>) {
    loop {
        let [low, ..] = number.to_le_bytes();
        number >>= 7;
        if number == 0 {
            return out.push(low & 0x7f);
        }
        out.push(low | 0x80);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wraps_nothing_is_no_wrapper() {
        assert_eq!(core_module(b"\0asm\x0d\0\x01\0"), None);
        assert_eq!(core_module(b"\0asm\x01\0\0\0"), None);
        assert_eq!(core_module(b""), None);
    }

    #[test]
    fn a_hollow_module_keeps_all_but_its_code() {
        // One type, one function, whose body is `nop; nop`, then a custom section `x`.
        let module = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x06\x01\x04\0\x01\x01\x0b\0\x03\x01xy";
        let expected = b"\0asm\x01\0\0\0\x01\x04\x01\x60\0\0\x03\x02\x01\0\x0a\x05\x01\x03\0\0\x0b\0\x03\x01xy";
        assert_eq!(hollow_module(module).unwrap(), expected);
        assert_eq!(hollow_module(&module[..20]), None, "cut short");
    }

    #[test]
    fn numbers_are_written_as_leb128() {
        let written = |number| {
            let mut out = Vec::new();
            leb(number, &mut out);
            out
        };
        assert_eq!(written(0), [0]);
        assert_eq!(written(127), [127]);
        assert_eq!(written(128), [0x80, 1]);
        assert_eq!(written(624_485), [0xe5, 0x8e, 0x26]);
        assert_eq!(written(u32::MAX), [0xff, 0xff, 0xff, 0xff, 0x0f]);
    }
}
