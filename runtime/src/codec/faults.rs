//! What a failed call tells its reader: which function of the author, called by which export, and why. Works on what the
//! engine reports; knows nothing of instances.

use wasmtime::{FrameInfo, Trap, WasmBacktrace};

use super::guest::{Journal, OutOfMemory};
use super::{CallError, Limits};

/// The three exports of `wit/v1`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Export {
    Describe,
    Decode,
    Encode,
}

impl Export {
    fn as_str(self) -> &'static str {
        match self {
            Self::Describe => "describe",
            Self::Decode => "decode",
            Self::Encode => "encode",
        }
    }
}

/// How wasmtime 48 says that an answer outgrew `Store::set_hostcall_fuel`; the error's type is not public.
const ANSWER_TOO_LARGE: &str = "fuel allocated for hostcalls has been exhausted";
/// Frames of one function in a backtrace (20 frames at most) that make it an endless recursion.
const RECURSION_FRAMES: usize = 8;
/// Most frames that an error carries.
const FRAMES: usize = 16;
/// What is on the stack of every Rust guest and no codec author wrote.
const MACHINERY: [&str; 14] = [
    "core::",
    "alloc::",
    "std::",
    "dlmalloc::",
    "hashbrown::",
    "compiler_builtins::",
    "wit_bindgen::",
    "__rustc",
    "__rust",
    "rust_",
    "_rust_",
    "__wasm",
    "mem",
    "cabi_",
];

/// Explains why the engine gave no answer.
pub(super) fn explain(error: &wasmtime::Error, export: Export, journal: &Journal, limits: &Limits) -> CallError {
    let backtrace = error.downcast_ref::<WasmBacktrace>();
    let names: Vec<String> = backtrace.map(names).unwrap_or_default();
    let trap = error.downcast_ref::<Trap>().copied();
    if trap == Some(Trap::Interrupt) {
        return CallError::Deadline { function: place(&names, export), deadline_ms: limits.deadline_ms };
    }
    if trap == Some(Trap::OutOfFuel) {
        return CallError::OutOfFuel { function: place(&names, export), fuel: super::engine::FUEL };
    }
    if error.chain().any(|cause| cause.to_string().contains(ANSWER_TOO_LARGE)) {
        return CallError::TooLarge { what: "answer", size: limits.output_bytes.saturating_add(1), limit: limits.output_bytes };
    }
    let message = match (trap, &journal.last_words) {
        (Some(Trap::UnreachableCodeReached), Some(words)) => words.clone(),
        (Some(Trap::MemoryOutOfBounds | Trap::StackOverflow), _) if recursing(&names) => {
            "the stack overflowed: it calls itself without end".to_owned()
        }
        (Some(trap), _) => trap.to_string(),
        (None, _) => match error.downcast_ref::<OutOfMemory>() {
            Some(out_of_memory) => out_of_memory.to_string(),
            None => error.root_cause().to_string(),
        },
    };
    CallError::Trap { function: place(&names, export), message, frames: backtrace.map(frames).unwrap_or_default() }
}

/// The author's functions, innermost first: `meter::parse (src/frame.rs:12)`.
fn frames(backtrace: &WasmBacktrace) -> Vec<String> {
    let authored = backtrace.frames().iter().map(|frame| (name(frame), frame)).filter(|(name, _)| is_authored(name));
    authored.take(FRAMES).map(|(name, frame)| with_line(name, frame)).collect()
}

fn with_line(name: String, frame: &FrameInfo) -> String {
    let symbol = frame.symbols().iter().find(|symbol| symbol.file().is_some());
    match symbol.and_then(|symbol| Some((symbol.file()?, symbol.line()?))) {
        Some((file, line)) => format!("{name} ({file}:{line})"),
        None => name,
    }
}

/// Function names, innermost first, demangled and without hashes.
fn names(backtrace: &WasmBacktrace) -> Vec<String> {
    backtrace.frames().iter().map(name).collect()
}

fn name(frame: &FrameInfo) -> String {
    match frame.func_name() {
        Some(name) => format!("{:#}", rustc_demangle::demangle(name)),
        None => format!("function {}", frame.func_index()),
    }
}

fn recursing(names: &[String]) -> bool {
    names.iter().any(|name| names.iter().filter(|other| *other == name).count() >= RECURSION_FRAMES)
}

/// `meter::parse, called by decode`; only `decode` where the author's function was compiled into the export.
fn place(names: &[String], export: Export) -> String {
    match names.iter().find(|name| is_authored(name)) {
        Some(name) => format!("{name}, called by {}", export.as_str()),
        None => export.as_str().to_owned(),
    }
}

/// Not the standard library, not an allocator, not the glue that `wit-bindgen` generates.
fn is_authored(name: &str) -> bool {
    let path = name.trim_start_matches(['<', '&', '*', '[', '(']);
    let glue = name.contains("_cabi") || name.contains("__wit") || name.contains('#') || name.contains("post_return");
    !glue && !MACHINERY.iter().any(|prefix| path.starts_with(prefix))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    #[test]
    fn the_author_s_innermost_function_is_named() {
        let names = named(&[
            "__rustc::rust_panic",
            "std::panicking::panic_with_hook",
            "core::panicking::panic_fmt",
            "<alloc::vec::Vec<T> as core::ops::Index<I>>::index",
            "meter::frame::parse",
            "<meter::Meter as codecgate_sdk::Codec>::decode",
            "codecgate:codec/codec@1.0.0#decode",
        ]);
        assert_eq!(place(&names, Export::Decode), "meter::frame::parse, called by decode");
    }

    #[test]
    fn a_method_of_an_author_s_type_is_the_author_s() {
        assert!(is_authored("<meter::Meter as codecgate_sdk::Codec>::decode"));
        assert!(!is_authored("<core::option::Option<T>>::unwrap"));
        assert!(!is_authored("meter::exports::codecgate::codec::codec::_export_decode_cabi"));
        assert!(!is_authored("cabi_realloc"));
        assert!(!is_authored("memcpy"));
    }

    #[test]
    fn where_everything_was_inlined_the_export_is_named() {
        assert_eq!(place(&named(&["rust_begin_unwind", "codecgate:codec/codec@1.0.0#encode"]), Export::Encode), "encode");
    }

    #[test]
    fn one_function_over_and_over_is_a_recursion() {
        assert!(recursing(&named(&["deep"; 20])));
        assert!(!recursing(&named(&["a", "b", "c", "a", "b", "c"])));
    }
}
