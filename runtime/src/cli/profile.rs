//! `profile check` and `profile import`: shows what [`crate::profile`] says of a document.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde::Serialize;

use super::args::{CheckArgs, ImportArgs};
use super::{Exit, Failure, Streams};
use crate::profile::{Imported, Mistake, Profile, Severity, Strictness, import_huawei};

/// What was found out about one file; with `--json` the list of these is printed.
#[derive(Serialize)]
struct Verdict {
    file: String,
    ok: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    product: Option<String>,
    mistakes: Vec<Mistake>,
}

pub(super) fn check(args: &CheckArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let verdicts: Vec<Verdict> = args.files.iter().map(|path| verdict(path, args.lenient)).collect::<Result<_, _>>()?;
    if args.json {
        let text = serde_json::to_string_pretty(&verdicts).map_err(std::io::Error::from)?;
        writeln!(streams.out, "{text}")?;
    } else {
        for verdict in &verdicts {
            tell(verdict, streams.out)?;
        }
    }
    Ok(if verdicts.iter().all(|verdict| verdict.ok) { Exit::Done } else { Exit::Failed })
}

pub(super) fn import(args: &ImportArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let bytes = fs::read(&args.package).map_err(|error| Failure::unreadable(&args.package, error))?;
    let imported = match import_huawei(&file_name(&args.package), &bytes, strictness(args.lenient)) {
        Ok(imported) => imported,
        Err(mistakes) => {
            let verdict = Verdict { file: args.package.display().to_string(), ok: false, product: None, mistakes };
            tell(&verdict, streams.err)?;
            return Ok(Exit::Failed);
        }
    };
    for warning in &imported.warnings {
        writeln!(streams.err, "{}", shown(warning))?;
    }
    let json = imported.profile.to_json();
    match &args.output {
        Some(path) => fs::write(path, format!("{}\n", json.trim_end())).map_err(|error| Failure::unwritable(path, error))?,
        None => writeln!(streams.out, "{}", json.trim_end())?,
    }
    Ok(Exit::Done)
}

/// A profile that must be good for the work to go on, such as that of a codec.
pub(super) fn load(path: &Path, streams: &mut Streams<'_>) -> Result<Profile, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, error))?;
    let file = path.display().to_string();
    Profile::parse(&file, &String::from_utf8_lossy(&bytes)).map_err(|mistakes| {
        let told = tell(&Verdict { file: file.clone(), ok: false, product: None, mistakes }, streams.err);
        told.map_or_else(Failure::from, |()| Failure::failed(format!("the profile {file} has mistakes")))
    })
}

fn verdict(path: &Path, lenient: bool) -> Result<Verdict, Failure> {
    let bytes = fs::read(path).map_err(|error| Failure::unreadable(path, error))?;
    let file = path.display().to_string();
    let is_package = bytes.starts_with(b"PK") || path.extension().is_some_and(|end| end.eq_ignore_ascii_case("zip"));
    let checked = if is_package {
        import_huawei(&file_name(path), &bytes, strictness(lenient))
    } else {
        // Bytes that are no UTF-8 become U+FFFD, which no name or number of a profile may hold.
        let parsed = Profile::parse(&file, &String::from_utf8_lossy(&bytes));
        parsed.map(|profile| Imported { profile, warnings: Vec::new() })
    };
    Ok(match checked {
        Ok(Imported { profile, warnings }) => {
            Verdict { file, ok: true, product: Some(profile.key().to_string()), mistakes: warnings }
        }
        Err(mistakes) => Verdict { file, ok: false, product: None, mistakes },
    })
}

fn strictness(lenient: bool) -> Strictness {
    if lenient { Strictness::Lenient } else { Strictness::Strict }
}

/// A package's own name carries meaning; its folder does not.
fn file_name(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

fn tell(verdict: &Verdict, out: &mut dyn Write) -> std::io::Result<()> {
    let errors = verdict.mistakes.iter().filter(|mistake| mistake.severity == Severity::Error).count();
    let warnings = verdict.mistakes.len() - errors;
    let mut counts = Vec::new();
    if errors > 0 {
        counts.push(counted(errors, "error"));
    }
    if warnings > 0 {
        counts.push(counted(warnings, "warning"));
    }
    if let Some(product) = &verdict.product {
        counts.insert(0, format!("ok, product {product}"));
    }
    writeln!(out, "{}: {}", verdict.file, counts.join(", "))?;
    for mistake in &verdict.mistakes {
        writeln!(out, "{}", shown(mistake))?;
    }
    Ok(())
}

fn counted(count: usize, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

/// Two indented lines: where and what; how to fix it.
pub(super) fn shown(mistake: &Mistake) -> String {
    let severity = match mistake.severity {
        Severity::Error => "error",
        Severity::Warning => "warning",
    };
    let anchor = if mistake.pointer.is_empty() { "" } else { "#" };
    let Mistake { file, pointer, code, reason, fix, .. } = mistake;
    format!("  {severity}[{code}] {file}{anchor}{pointer}: {reason}\n    fix: {fix}")
}
