//! `plugin layout check`, `build` and `explain`: codecs without code. What a layout is, is known by [`crate::layout`].

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::args::{LayoutArgs, LayoutBuildArgs, LayoutExplainArgs};
use super::{Exit, Failure, Streams, package, plugin, profile, ship};
use crate::layout::{CheckedLayout, MessageTable};
use crate::package::Package;
use crate::profile::{Mistake, Profile};

const LAYOUT: &str = "layout.json";

/// Whether the folder holds a layout instead of a crate.
pub(super) fn is_layout(dir: &Path) -> bool {
    dir.join(LAYOUT).is_file() && !dir.join("Cargo.toml").is_file()
}

/// Text of the layout in a folder without a crate.
pub(super) fn text(dir: &Path) -> Result<Option<String>, Failure> {
    let path = dir.join(LAYOUT);
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| Failure::unreadable(path, error));
    is_layout(dir).then(|| read(&path)).transpose()
}

/// The component of a folder with a layout, where components of crates are built too.
pub(super) fn component(dir: &Path, streams: &mut Streams<'_>) -> Result<PathBuf, Failure> {
    let layout = load(dir, streams)?;
    let folder = plugin::target_dir(dir).join("layouts");
    let name = fs::canonicalize(dir).ok().and_then(|dir| dir.file_name().map(|name| name.to_string_lossy().into_owned()));
    let path = folder.join(format!("{}.wasm", name.unwrap_or_else(|| "layout".to_owned())));
    fs::create_dir_all(&folder).map_err(|error| Failure::unwritable(&folder, error))?;
    fs::write(&path, patched(&layout)?).map_err(|error| Failure::unwritable(&path, error))?;
    Ok(path)
}

pub(super) fn check(args: &LayoutArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let Source { file, text, profile, .. } = source(&args.path, streams)?;
    let (ok, mistakes) = match CheckedLayout::parse(&file, &text, &profile) {
        Ok(layout) => (true, layout.warnings().to_vec()),
        Err(mistakes) => (false, mistakes),
    };
    if args.json {
        let json = serde_json::to_string_pretty(&mistakes).map_err(std::io::Error::from)?;
        writeln!(streams.out, "{json}")?;
    } else {
        for mistake in &mistakes {
            writeln!(streams.out, "{}", profile::shown(mistake))?;
        }
        writeln!(streams.out, "{file}: {}", if ok { "ok" } else { "refused" })?;
    }
    Ok(if ok { Exit::Done } else { Exit::Failed })
}

pub(super) fn build(args: &LayoutBuildArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let layout = load(&args.path, streams)?;
    let dir = folder(&args.path);
    let component = patched(&layout)?;
    if let Some(output) = &args.output {
        fs::write(output, &component).map_err(|error| Failure::unwritable(output, error))?;
        writeln!(streams.out, "{}", output.display())?;
    }
    if let Some(package) = &args.package {
        let packed = ship::pack(&dir, streams)?;
        package::replace(package, &packed)?;
        writeln!(streams.out, "{}", package.display())?;
    }
    if args.output.is_none() && args.package.is_none() {
        let made = self::component(&dir, streams)?;
        writeln!(streams.out, "{}", made.display())?;
    }
    writeln!(streams.err, "built {} bytes", component.len())?;
    Ok(Exit::Done)
}

pub(super) fn explain(args: &LayoutExplainArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let layout = load(&args.path, streams)?;
    if args.json {
        let json = serde_json::to_string_pretty(layout.tables()).map_err(std::io::Error::from)?;
        writeln!(streams.out, "{json}")?;
        return Ok(Exit::Done);
    }
    for table in layout.tables() {
        tell(table, streams.out)?;
    }
    Ok(Exit::Done)
}

fn tell(table: &MessageTable, out: &mut dyn Write) -> Result<(), Failure> {
    writeln!(out, "{} ({})", table.name, table.kind)?;
    let mut rows = vec![["OFFSET", "LENGTH", "FIELD", "TYPE", "EXAMPLE"].map(str::to_owned)];
    rows.extend(table.rows.iter().cloned().map(|row| [row.offset, row.length, row.field, row.field_type, row.example]));
    let widths: Vec<usize> = (0..5)
        .map(|column| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0))
        .collect();
    for row in rows.iter().filter(|_| !table.rows.is_empty()) {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(out, "  {}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    match &table.example {
        Some(example) => writeln!(out, "  frame: {example}\n")?,
        None => writeln!(out)?,
    }
    Ok(())
}

/// A layout and the profile that belongs to it.
struct Source {
    /// Named in mistakes.
    file: String,
    text: String,
    profile: Profile,
}

/// A folder with both, a layout with its profile beside it, or a package that was made of both.
fn source(path: &Path, streams: &mut Streams<'_>) -> Result<Source, Failure> {
    if path.is_file() {
        let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, error))?;
        if bytes.starts_with(b"PK") {
            return of_package(path, &bytes);
        }
    }
    let file = if path.is_dir() { path.join(LAYOUT) } else { path.to_owned() };
    let text = fs::read_to_string(&file).map_err(|error| Failure::unreadable(&file, error))?;
    let profile = profile::load(&folder(path).join("profile.json"), streams)?;
    Ok(Source { file: file.display().to_string(), text, profile })
}

fn of_package(path: &Path, bytes: &[u8]) -> Result<Source, Failure> {
    let told = |mistakes: &[Mistake]| mistakes.iter().map(|mistake| format!("\n{}", profile::shown(mistake))).collect::<String>();
    let refused = |mistakes: Vec<Mistake>| Failure::failed(format!("{}:{}", path.display(), told(&mistakes)));
    let package = Package::read(bytes).map_err(refused)?;
    let profile = Profile::parse("profile.json", package.profile()).map_err(refused)?;
    let Some(text) = package.layout() else {
        return Err(Failure::usage(format!("{} was not made of a layout", path.display())));
    };
    Ok(Source { file: format!("{}/{LAYOUT}", path.display()), text: text.to_owned(), profile })
}

fn load(path: &Path, streams: &mut Streams<'_>) -> Result<CheckedLayout, Failure> {
    let Source { file, text, profile, .. } = source(path, streams)?;
    match CheckedLayout::parse(&file, &text, &profile) {
        Ok(layout) => {
            for warning in layout.warnings() {
                writeln!(streams.err, "{}", profile::shown(warning))?;
            }
            Ok(layout)
        }
        Err(mistakes) => {
            for mistake in &mistakes {
                writeln!(streams.err, "{}", profile::shown(mistake))?;
            }
            Err(Failure::failed(format!("the layout {file} has mistakes")).hint("`codecgate explain CODE` tells more of a code"))
        }
    }
}

fn patched(layout: &CheckedLayout) -> Result<Vec<u8>, Failure> {
    layout.component().map_err(|error| Failure::failed("the layout cannot be written into the interpreter").because(error))
}

fn folder(path: &Path) -> PathBuf {
    if path.is_dir() {
        return path.to_owned();
    }
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or_else(|| Path::new(".")).to_owned()
}
