//! `product import` and `export`: a product of another platform becomes a folder that `plugin test` and `plugin push` take, with a report of
//! everything that was changed, guessed or left out.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use super::args::{Begin, ProductExportArgs, ProductImportArgs};
use super::{Exit, Failure, Streams, new, profile};
use crate::layout::CheckedLayout;
use crate::profile::{
    Identity, Mistake, Profile, Strictness, import_huawei, import_service_table, layout_skeleton, rust_skeleton, to_csv, to_json,
};

const REPORT: &str = "IMPORTED.md";
const EXAMPLES: &str = "vectors/examples.json";

/// What was found at the path.
struct Found {
    file: PathBuf,
    /// Codecs of the vendor, which are Java.
    jars: Vec<PathBuf>,
}

/// What is written.
struct Product {
    profile: Profile,
    files: Vec<(&'static str, String)>,
    warnings: Vec<Mistake>,
    /// What nobody but a person can do.
    left: Vec<String>,
}

pub(super) fn import(args: &ProductImportArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let found = find(&args.path)?;
    let bytes = fs::read(&found.file).map_err(|error| Failure::unreadable(&found.file, error))?;
    let name = found.file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let product = if bytes.starts_with(b"PK") { package(args, &found, &name, &bytes) } else { table(args, &name, &bytes) };
    let product = match product? {
        Ok(product) => product,
        Err(mistakes) => {
            for mistake in &mistakes {
                writeln!(streams.err, "{}", profile::shown(mistake))?;
            }
            return Err(Failure::failed(format!("{} is not imported", found.file.display())).hint("see `codecgate explain CODE`"));
        }
    };
    let dir = args.output.clone().unwrap_or_else(|| PathBuf::from(product.profile.key().model));
    new::is_free(&dir)?;
    let report = report(&product, &name);
    let files = product.files.iter().map(|(place, text)| (*place, text.as_str()));
    for (place, text) in files.chain([(REPORT, report.as_str())]) {
        new::put(&dir, place, text)?;
    }
    for warning in &product.warnings {
        writeln!(streams.err, "{}", profile::shown(warning))?;
    }
    for left in &product.left {
        writeln!(streams.err, "to do: {left}")?;
    }
    writeln!(streams.err, "imported {}; next\n  codecgate plugin test {}", product.profile.summary(), new::shown(&dir))?;
    writeln!(streams.out, "{}", dir.display())?;
    Ok(Exit::Done)
}

pub(super) fn export(args: &ProductExportArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let profile = profile::load(&args.profile, streams)?;
    let file = args.profile.display().to_string();
    let as_json = args.output.as_ref().is_some_and(|path| path.extension().is_some_and(|end| end.eq_ignore_ascii_case("json")));
    let text = match if as_json { to_json(&file, &profile) } else { to_csv(&file, &profile) } {
        Ok(text) => text,
        Err(mistakes) => {
            for mistake in &mistakes {
                writeln!(streams.err, "{}", profile::shown(mistake))?;
            }
            return Err(Failure::failed("a service table cannot say all of this profile"));
        }
    };
    match &args.output {
        Some(path) => fs::write(path, text).map_err(|error| Failure::unwritable(path, error))?,
        None => write!(streams.out, "{text}")?,
    }
    Ok(Exit::Done)
}

/// The file itself, or the only one in a folder that can be a product; and the jars beside it.
fn find(path: &Path) -> Result<Found, Failure> {
    let is_jar = |path: &Path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy().to_lowercase();
        name.ends_with(".jar") || name == "package.zip"
    };
    let folder = if path.is_dir() {
        path
    } else {
        path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
    };
    let entries = fs::read_dir(folder).map_err(|error| Failure::unreadable(folder, error))?;
    let mut files: Vec<PathBuf> =
        entries.filter_map(|entry| entry.ok().map(|entry| entry.path())).filter(|path| path.is_file()).collect();
    files.sort();
    let (jars, others): (Vec<PathBuf>, Vec<PathBuf>) = files.into_iter().partition(|path| is_jar(path));
    if !path.is_dir() {
        return Ok(Found { file: path.to_owned(), jars });
    }
    let can_be = |path: &PathBuf| {
        path.extension().is_some_and(|end| ["zip", "csv", "json"].iter().any(|known| end.eq_ignore_ascii_case(known)))
    };
    let mut products = others.into_iter().filter(can_be);
    match (products.next(), products.next()) {
        (Some(file), None) => Ok(Found { file, jars }),
        (None, _) => Err(Failure::usage(format!("{} has no package (zip) and no service table (csv, json)", path.display()))),
        (Some(one), Some(other)) => {
            let failure = Failure::usage(format!("{} has several: {}, {}", path.display(), one.display(), other.display()));
            Err(failure.hint("name the file itself"))
        }
    }
}

type Outcome = Result<Result<Product, Vec<Mistake>>, Failure>;

fn table(args: &ProductImportArgs, name: &str, bytes: &[u8]) -> Outcome {
    let identity = Identity {
        manufacturer_id: args.manufacturer_id.clone(),
        model: args.model.clone(),
        device_type: args.device_type.clone(),
    };
    let model = match import_service_table(name, bytes, identity) {
        Ok(model) => model,
        Err(mistakes) => return Ok(Err(mistakes)),
    };
    let layout = match CheckedLayout::parse("layout.json", &model.layout, &model.profile) {
        Ok(layout) => layout,
        Err(mistakes) => return Ok(Err(mistakes)),
    };
    let vectors = layout.example_vectors("made up by codecgate from the layout");
    let warnings = model.warnings.into_iter().chain(layout.warnings().iter().cloned()).collect();
    let files = vec![
        ("profile.json", lines(&model.profile.to_json())),
        ("layout.json", lines(&model.layout)),
        (EXAMPLES, lines(&vectors)),
    ];
    let left = vec![
        "hold layout.json against a frame of a real device: byte order, widths of truth values and times are those that devices of this platform \
         commonly have"
            .to_owned(),
        format!("replace the frames of {EXAMPLES} by those of devices"),
    ];
    Ok(Ok(Product { profile: model.profile, files, warnings, left }))
}

fn package(args: &ProductImportArgs, found: &Found, name: &str, bytes: &[u8]) -> Outcome {
    let strictness = if args.lenient { Strictness::Lenient } else { Strictness::Strict };
    let imported = match import_huawei(name, bytes, strictness) {
        Ok(imported) => imported,
        Err(mistakes) => return Ok(Err(mistakes)),
    };
    let (profile, mut warnings) = (imported.profile, imported.warnings);
    let mut left: Vec<String> = found
        .jars
        .iter()
        .map(|jar| {
            format!(
                "{} needs porting: it is Java, and nothing of it was read",
                jar.file_name().unwrap_or_default().to_string_lossy()
            )
        })
        .collect();
    let mut files = vec![("profile.json", lines(&profile.to_json()))];
    let begin = args.begin.unwrap_or(if found.jars.is_empty() { Begin::Layout } else { Begin::Rust });
    match begin {
        Begin::Rust => {
            files.extend(new::crate_files(&crate_name(&profile), args.sdk.as_deref())?);
            files.push(("src/lib.rs", rust_skeleton(&profile)));
            files.push((EXAMPLES, NOT_PORTED.to_owned()));
            left.push("write `decode` and `encode` in src/lib.rs; `plugin run --format huawei` shows what the old codec would have said".to_owned());
        }
        Begin::Layout => {
            let text = layout_skeleton(&profile);
            let layout = match CheckedLayout::parse("layout.json", &text, &profile) {
                Ok(layout) => layout,
                Err(mistakes) => return Ok(Err(mistakes)),
            };
            warnings.extend(layout.warnings().iter().cloned());
            files.push(("layout.json", lines(&text)));
            files.push((EXAMPLES, lines(&layout.example_vectors("made up by codecgate from a guessed layout"))));
            left.push(
                "a package says nothing of bytes: every messageId, width and order in layout.json is a guess; take them from the designer or the \
                 device's document"
                    .to_owned(),
            );
        }
    }
    Ok(Ok(Product { profile, files, warnings, left }))
}

const NOT_PORTED: &str = r#"[
  { "name": "nothing is ported yet", "source": "made up by codecgate", "direction": "decode", "hex": "00", "error": { "kind": "unsupported", "offset": 0 } }
]
"#;

/// A name that cargo takes.
fn crate_name(profile: &Profile) -> String {
    let key = profile.key();
    let name: String =
        key.model.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' }).take(24).collect();
    let name = name.trim_matches('-');
    if new::name(name).is_ok() { name.to_owned() } else { format!("codec-{name}").trim_end_matches('-').to_owned() }
}

fn lines(text: &str) -> String {
    format!("{}\n", text.trim_end())
}

fn report(product: &Product, name: &str) -> String {
    let mut text = format!("# {}\n\nImported from `{name}`: {}.\n", product.profile.key(), product.profile.summary());
    text.push_str("\n## To do\n\n");
    for left in &product.left {
        let _ = writeln!(text, "- {left}");
    }
    text.push_str("\n## Deviations\n\n");
    if product.warnings.is_empty() {
        text.push_str("None.\n");
    }
    for mistake in &product.warnings {
        let Mistake { file, pointer, code, reason, fix, .. } = mistake;
        let _ = writeln!(text, "- {code} {file}{pointer}: {reason}. Fix: {fix}.");
    }
    text
}
