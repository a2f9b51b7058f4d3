//! `plugin new`: a codec crate that compiles, with a profile and one vector that passes. The files are those of
//! `plugin-sdk/template`, in which `{{name}}` and `{{sdk}}` are filled in.

use std::fs;
use std::path::{Path, PathBuf};

use super::args::NewArgs;
use super::{Exit, Failure, Streams};

/// Where each file goes.
const TEMPLATE: [(&str, &str); 6] = [
    ("Cargo.toml", include_str!("../../../plugin-sdk/template/Cargo.toml.in")),
    ("src/lib.rs", include_str!("../../../plugin-sdk/template/lib.rs.in")),
    ("profile.json", include_str!("../../../plugin-sdk/template/profile.json.in")),
    ("vectors/reports.json", include_str!("../../../plugin-sdk/template/vectors/reports.json")),
    ("README.md", include_str!("../../../plugin-sdk/template/README.md.in")),
    (".gitignore", include_str!("../../../plugin-sdk/template/gitignore.in")),
];

/// Where this program was built from: the SDK lies there on a developer's machine.
const CHECKOUT_SDK: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../plugin-sdk");

pub(super) fn new(args: &NewArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let dir = args.path.clone().unwrap_or_else(|| PathBuf::from(&args.name));
    is_free(&dir)?;
    let sdk = sdk(args.sdk.as_deref())?;
    for (place, text) in TEMPLATE {
        put(&dir, place, &filled(text, &args.name, &sdk))?;
    }
    writeln!(streams.out, "{}", dir.display())?;
    writeln!(
        streams.err,
        "made the codec crate {}: change src/lib.rs, profile.json and vectors/, then\n  codecgate plugin test {}",
        args.name,
        shown(&dir)
    )?;
    Ok(Exit::Done)
}

/// A folder that nothing would be lost in.
pub(super) fn is_free(dir: &Path) -> Result<(), Failure> {
    if dir.exists() && fs::read_dir(dir).map_or(true, |mut entries| entries.next().is_some()) {
        let failure = Failure::usage(format!("{} exists and is not an empty folder", dir.display()));
        return Err(failure.hint("name another folder"));
    }
    Ok(())
}

/// Writes one file of the folder.
pub(super) fn put(dir: &Path, place: &str, text: &str) -> Result<(), Failure> {
    let path = dir.join(place);
    let parent = path.parent().unwrap_or(dir);
    fs::create_dir_all(parent).map_err(|error| Failure::unwritable(parent, error))?;
    fs::write(&path, text).map_err(|error| Failure::unwritable(&path, error))
}

/// What makes a folder with a `src/lib.rs` a crate.
pub(super) fn crate_files(name: &str, sdk_dir: Option<&Path>) -> Result<Vec<(&'static str, String)>, Failure> {
    let sdk = sdk(sdk_dir)?;
    let files = TEMPLATE.iter().filter(|(place, _)| ["Cargo.toml", ".gitignore"].contains(place));
    Ok(files.map(|(place, text)| (*place, filled(text, name, &sdk))).collect())
}

fn filled(text: &str, name: &str, sdk: &str) -> String {
    text.replace("{{name}}", name).replace("{{sdk}}", sdk)
}

/// The dependency on the SDK, as a TOML value.
fn sdk(given: Option<&Path>) -> Result<String, Failure> {
    let place = match given {
        Some(place) => place.to_owned(),
        None => PathBuf::from(CHECKOUT_SDK),
    };
    match fs::canonicalize(&place) {
        Ok(path) if path.join("Cargo.toml").is_file() => Ok(format!("{{ path = {} }}", toml_text(&path.display().to_string()))),
        _ => {
            let failure = Failure::usage(format!("the SDK is not in {}", place.display()));
            Err(failure.hint("name the folder plugin-sdk of codecgate's sources with --sdk DIR"))
        }
    }
}

/// A TOML basic string (toml.io, v1.0.0, "String").
fn toml_text(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// A path as a shell takes it.
pub(super) fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// What cargo and the profile take as a name: letters, digits, `-` and `_`, a letter first.
///
/// # Errors
/// In words.
pub(super) fn name(text: &str) -> Result<String, String> {
    let inner = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    let fits = text.starts_with(|c: char| c.is_ascii_alphabetic()) && text.chars().all(inner) && text.len() <= 32;
    if fits && !["test", "core", "std", "alloc"].contains(&text) {
        return Ok(text.to_owned());
    }
    Err(format!(
        "`{text}` cannot name a crate: use up to 32 letters a-z, digits, `-` and `_`, a letter first (the folder may be called anything: --path)"
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_cargo_refuses_are_refused_first() {
        for good in ["my-meter", "WM_20", "a"] {
            assert_eq!(name(good), Ok(good.to_owned()));
        }
        for bad in ["", "1st", "水表", "a b", "core", "-x", &"x".repeat(33)] {
            assert!(name(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn paths_with_spaces_and_quotes_stay_whole() {
        assert_eq!(shown(Path::new("水表/meter")), "水表/meter");
        assert_eq!(shown(Path::new("my meter's")), "'my meter'\\''s'");
        assert_eq!(toml_text(r#"C:\a "b""#), r#""C:\\a \"b\"""#);
    }
}
