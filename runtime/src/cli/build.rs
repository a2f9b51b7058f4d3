//! Builds a codec crate into a component with nothing but cargo: `wasm32-unknown-unknown` and the component linker that
//! ships with rustc. Knows nothing of what the component exports; admission does. Blocking: seconds to minutes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

mod cargo;

use cargo::{COMPONENT_LINKER, TARGET, library, release_build, tool};

/// Links a core module, from which the component is then made here.
const CORE_LINKER: &str = "rust-lld";

/// Why there is no component.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The folder holds no crate.
    #[error("{} has no Cargo.toml: name the folder of a codec crate", .dir.display())]
    NoCrate {
        /// The folder.
        dir: PathBuf,
    },
    /// A tool of the Rust toolchain does not start.
    #[error("`{}` does not start: install Rust with https://rustup.rs", .tool.display())]
    NoTool {
        /// Name or path of the tool.
        tool: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// The toolchain lacks the WebAssembly target and it could not be added.
    #[error("the Rust toolchain cannot build for {TARGET}: run `rustup target add {TARGET}`\n{output}")]
    NoTarget {
        /// What rustup said.
        output: String,
    },
    /// The compiler refused.
    #[error("the codec in {} does not compile\n{stderr}", .dir.display())]
    Failed {
        /// The folder.
        dir: PathBuf,
        /// What cargo and rustc said.
        stderr: String,
    },
    /// The crate compiles to no WebAssembly file.
    #[error("the crate in {} makes no WebAssembly: put `crate-type = [\"cdylib\", \"rlib\"]` under `[lib]` in its Cargo.toml", .dir.display())]
    NoCdylib {
        /// The folder.
        dir: PathBuf,
    },
    /// The module does not describe an interface.
    #[error("{} is a core module and no component can be made of it: {reason}; does the crate export a codec?", .module.display())]
    NotEncoded {
        /// The core module.
        module: PathBuf,
        /// What wit-component says.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}", .path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
}

/// Builds the crate in `dir` for release and returns the path of the component, inside `target_dir`. The crate's own
/// `.cargo/config.toml` is honoured, its release profile is not: a codec is always built the same way.
///
/// # Errors
/// [`BuildError`]; its text says what to do.
pub fn build_component(dir: &Path, target_dir: &Path) -> Result<PathBuf, BuildError> {
    build(dir, target_dir, |_| {})
}

/// The same with tables of lines, so that a trap tells file and line. The code is the same; the file is some times larger.
///
/// # Errors
/// [`BuildError`]; its text says what to do.
pub fn build_with_lines(dir: &Path, target_dir: &Path) -> Result<PathBuf, BuildError> {
    build(dir, target_dir, |cargo| {
        cargo.env("CARGO_PROFILE_RELEASE_DEBUG", "line-tables-only").env("CARGO_PROFILE_RELEASE_STRIP", "none");
    })
}

fn build(dir: &Path, target_dir: &Path, change: impl Fn(&mut Command)) -> Result<PathBuf, BuildError> {
    let manifest = dir.join("Cargo.toml");
    let manifest = fs::canonicalize(&manifest).map_err(|_| BuildError::NoCrate { dir: dir.to_owned() })?;
    let dir = manifest.parent().unwrap_or(dir);
    let target_dir = std::path::absolute(target_dir).map_err(|source| BuildError::Io { path: target_dir.to_owned(), source })?;
    ensure_target(dir)?;
    let with = |linker: &str| {
        let mut cargo = release_build(&manifest, dir, &target_dir, linker);
        change(&mut cargo);
        run(&mut cargo)
    };
    let mut output = with(COMPONENT_LINKER)?;
    if !output.status.success() && lacks_linker(&output.stderr) {
        output = with(CORE_LINKER)?;
    }
    if !output.status.success() {
        return Err(BuildError::Failed { dir: dir.to_owned(), stderr: text(&output.stderr) });
    }
    let built = artifact(&text(&output.stdout), &manifest).ok_or_else(|| BuildError::NoCdylib { dir: dir.to_owned() })?;
    as_component(built)
}

/// Looks into the sysroot, which is right with and without rustup; asks rustup only for what is missing.
fn ensure_target(dir: &Path) -> Result<(), BuildError> {
    let sysroot = run(Command::new(tool("RUSTC", "rustc")).current_dir(dir).args(["--print", "sysroot"]))?;
    if library(&text(&sysroot.stdout)).is_dir() {
        return Ok(());
    }
    eprintln!("The Rust target {TARGET} is not installed; running `rustup target add {TARGET}`.");
    let added = run(Command::new("rustup").current_dir(dir).args(["target", "add", TARGET]))
        .map_err(|error| BuildError::NoTarget { output: error.to_string() })?;
    if added.status.success() { Ok(()) } else { Err(BuildError::NoTarget { output: text(&added.stderr) }) }
}

fn run(command: &mut Command) -> Result<Output, BuildError> {
    command.output().map_err(|source| BuildError::NoTool { tool: command.get_program().into(), source })
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lacks_linker(stderr: &[u8]) -> bool {
    let stderr = text(stderr);
    stderr.contains(COMPONENT_LINKER) && stderr.contains("not found")
}

/// The WebAssembly file of the package asked for, from cargo's messages (one JSON object a line).
fn artifact(messages: &str, manifest: &Path) -> Option<PathBuf> {
    messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find_map(|message| {
        let ours =
            message.get("reason")? == "compiler-artifact" && Path::new(message.get("manifest_path")?.as_str()?) == manifest;
        let files = message.get("filenames")?.as_array()?;
        let file = files.iter().filter_map(Value::as_str).map(PathBuf::from);
        file.filter(|_| ours).find(|file| file.extension().is_some_and(|ending| ending == "wasm"))
    })
}

/// The file itself if it is a component already; else one made of it, beside it.
fn as_component(built: PathBuf) -> Result<PathBuf, BuildError> {
    let module = fs::read(&built).map_err(|source| BuildError::Io { path: built.clone(), source })?;
    if module.starts_with(b"\0asm\x0d\0\x01\0") {
        return Ok(built);
    }
    let component = encode(&module).map_err(|reason| BuildError::NotEncoded { module: built.clone(), reason })?;
    let path = built.with_extension("component.wasm");
    fs::write(&path, component).map_err(|source| BuildError::Io { path: path.clone(), source })?;
    Ok(path)
}

fn encode(module: &[u8]) -> Result<Vec<u8>, String> {
    let encoder = wit_component::ComponentEncoder::default();
    let encoded = encoder.validate(true).module(module).and_then(|mut encoder| encoder.encode());
    encoded.map_err(|error| format!("{error:#}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_crate_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let error = build_component(folder.path(), folder.path()).unwrap_err();
        assert!(error.to_string().contains("has no Cargo.toml"), "{error}");
    }

    #[test]
    fn a_crate_that_is_no_cdylib_learns_how_to_become_one() {
        let folder = tempfile::tempdir().unwrap();
        write_crate(folder.path(), "pub fn nothing() {}");
        let error = build_component(folder.path(), &folder.path().join("target")).unwrap_err();
        assert!(error.to_string().contains("crate-type = [\"cdylib\", \"rlib\"]"), "{error}");
    }

    #[test]
    fn what_the_compiler_says_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        write_crate(folder.path(), "pub fn broken() { nonsense }");
        let error = build_component(folder.path(), &folder.path().join("target")).unwrap_err();
        assert!(error.to_string().contains("cannot find value `nonsense`"), "{error}");
    }

    #[test]
    fn only_the_package_asked_for_is_taken_from_the_messages() {
        let messages = r#"
            {"reason":"compiler-artifact","manifest_path":"/dep/Cargo.toml","filenames":["/t/dep.wasm"]}
            {"reason":"build-script-executed"}
            not json
            {"reason":"compiler-artifact","manifest_path":"/mine/Cargo.toml","filenames":["/t/mine.rlib","/t/mine.wasm"]}
        "#;
        assert_eq!(artifact(messages, Path::new("/mine/Cargo.toml")), Some("/t/mine.wasm".into()));
        assert_eq!(artifact(messages, Path::new("/other/Cargo.toml")), None);
    }

    #[test]
    fn a_core_module_without_an_interface_is_told_apart_from_a_component() {
        let folder = tempfile::tempdir().unwrap();
        let component = folder.path().join("a.wasm");
        fs::write(&component, b"\0asm\x0d\0\x01\0").unwrap();
        assert_eq!(as_component(component.clone()).unwrap(), component);
        let core = folder.path().join("b.wasm");
        fs::write(&core, b"\0asm\x01\0\0\0").unwrap();
        match as_component(core) {
            Ok(path) => assert!(fs::read(path).unwrap().starts_with(b"\0asm\x0d\0\x01\0")),
            Err(error) => assert!(error.to_string().contains("core module"), "{error}"),
        }
    }

    fn write_crate(folder: &Path, code: &str) {
        fs::create_dir(folder.join("src")).unwrap();
        let manifest = "[package]\nname = \"lone\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
        fs::write(folder.join("Cargo.toml"), manifest).unwrap();
        fs::write(folder.join("src/lib.rs"), code).unwrap();
    }
}
