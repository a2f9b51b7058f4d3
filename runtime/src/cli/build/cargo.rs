//! The cargo that makes WebAssembly of a codec crate: target, linker, flags, and what must not leak in from an outer cargo.
//!
//! Also a part of this package's build script, which makes the interpreter of layouts the same way: names nothing but std.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

pub(crate) const TARGET: &str = "wasm32-unknown-unknown";
/// Turns the linked core module into a component. Ships with rustc, for wasm32-wasip2.
pub(crate) const COMPONENT_LINKER: &str = "wasm-component-ld";

/// Set by an outer `cargo run` or `cargo test`, or by a shell for native builds; none of it is meant for a codec.
const LEAKING: [&str; 14] = [
    "RUSTFLAGS",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS",
    "RUSTC_WORKSPACE_WRAPPER",
    "CARGO_INCREMENTAL",
    "CARGO_MAKEFLAGS",
    "MAKEFLAGS",
    "MFLAGS",
    "NUM_JOBS",
    "CARGO_MANIFEST_DIR",
    "OUT_DIR",
];

/// `cargo build --release` of a library for the target; its messages are JSON.
pub(crate) fn release_build(manifest: &Path, dir: &Path, target_dir: &Path, linker: &str) -> Command {
    let mut cargo = Command::new(tool("CARGO", "cargo"));
    for (name, _) in std::env::vars_os() {
        let profile = name.to_string_lossy().starts_with("CARGO_PROFILE_");
        if profile || LEAKING.iter().any(|leaking| name == *leaking) {
            cargo.env_remove(name);
        }
    }
    cargo
        .current_dir(dir)
        .args(["build", "--release", "--lib", "--color=never", "--message-format=json-render-diagnostics"])
        .args(["--target", TARGET, "--manifest-path"])
        .arg(manifest)
        .env("CARGO_TARGET_DIR", target_dir)
        .env("CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER", linker)
        .env("CARGO_PROFILE_RELEASE_LTO", "true")
        .env("CARGO_PROFILE_RELEASE_CODEGEN_UNITS", "1")
        .env("CARGO_PROFILE_RELEASE_OPT_LEVEL", "3")
        // Function names stay: they are what an error report of the gateway shows.
        .env("CARGO_PROFILE_RELEASE_STRIP", "debuginfo");
    cargo
}

/// Where the target's standard library lies, in what `rustc --print sysroot` names.
pub(crate) fn library(sysroot: &str) -> PathBuf {
    Path::new(sysroot.trim()).join("lib/rustlib").join(TARGET).join("lib")
}

/// The tool that an outer cargo names, else the one on the path.
pub(crate) fn tool(variable: &str, name: &str) -> OsString {
    std::env::var_os(variable).filter(|tool| !tool.is_empty()).unwrap_or_else(|| name.into())
}
