//! Makes the interpreter of layouts (`plugins/layout`) for `crate::layout`, which carries its bytes: a nested cargo with a target
//! folder of its own, the same that `codecgate plugin build` runs.

use std::path::{Path, PathBuf};
use std::process::Command;

#[path = "src/cli/build/cargo.rs"]
mod cargo;

use cargo::{COMPONENT_LINKER, TARGET, library, release_build, tool};

/// All that the interpreter is made of. Other members of the workspace change more often.
const MADE_OF: [&str; 7] = [
    "plugins/layout",
    "plugin-sdk/src",
    "plugin-sdk/Cargo.toml",
    "plugin-sdk/derive/src",
    "plugin-sdk/derive/Cargo.toml",
    "wit/v1",
    "runtime/src/cli/build/cargo.rs",
];

fn main() {
    if let Err(why) = interpreter() {
        println!(
            "cargo::error=the interpreter of layouts (plugins/layout) cannot be built: {}",
            why.replace('\n', "\ncargo::error=")
        );
    }
}

fn interpreter() -> Result<(), String> {
    let own = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("cargo names no folder")?);
    let root = own.parent().ok_or("the package lies in no workspace")?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo names no folder for what is made")?);
    for part in MADE_OF {
        println!("cargo::rerun-if-changed={}", root.join(part).display());
    }
    has_target(root)?;
    let (dir, target_dir) = (root.join("plugins/layout"), out.join("interpreter"));
    // Without names: they would be a ninth of it, and an interpreter that cannot trap has no use for them.
    let mut cargo = release_build(&dir.join("Cargo.toml"), root, &target_dir, COMPONENT_LINKER);
    let built = cargo.env("CARGO_PROFILE_RELEASE_STRIP", "symbols").output();
    let built = built.map_err(|error| format!("cargo does not start: {error}"))?;
    if !built.status.success() {
        return Err(String::from_utf8_lossy(&built.stderr).into_owned());
    }
    let made = target_dir.join(TARGET).join("release/layout.wasm");
    let component = std::fs::read(&made).map_err(|error| format!("{}: {error}", made.display()))?;
    if !component.starts_with(b"\0asm\x0d\0\x01\0") {
        return Err(format!("{} is no component: the linker {COMPONENT_LINKER} of this Rust makes none", made.display()));
    }
    let (path, known) = (out.join("interpreter.wasm"), std::fs::read(out.join("interpreter.wasm")).unwrap_or_default());
    if known != component {
        std::fs::write(&path, component).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    Ok(())
}

/// As `plugin build` does: what rustup did not install by itself is installed now.
fn has_target(root: &Path) -> Result<(), String> {
    let asked = Command::new(tool("RUSTC", "rustc")).current_dir(root).args(["--print", "sysroot"]).output();
    let asked = asked.map_err(|error| format!("rustc does not start: {error}"))?;
    let library = library(&String::from_utf8_lossy(&asked.stdout));
    if library.is_dir() {
        return Ok(());
    }
    let missing = format!("the Rust target {TARGET} is not installed: run `rustup target add {TARGET}`");
    println!("cargo::warning=the Rust target {TARGET} is not installed; running `rustup target add {TARGET}`");
    match Command::new("rustup").current_dir(root).args(["target", "add", TARGET]).output() {
        Ok(_) if library.is_dir() => Ok(()),
        Ok(added) => Err(format!("{missing}\n{}", String::from_utf8_lossy(&added.stderr))),
        Err(error) => Err(format!("{missing}\nrustup does not start: {error}")),
    }
}
