//! The importer for Huawei packages, `deviceType_manufacturerId_model.zip` (REFERENCE A.1-A.4, J.2).
//!
//! Zip bytes become our document and a map from its places to the package's; the document then takes the same way as any
//! other, and what is found there is told at the place in the package. Nothing here decides what a valid profile is.

mod archive;
mod convert;
mod device;
mod fields;
mod layout;
mod reader;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::checked::{self, Profile};
use super::mistake::{At, Findings, Mistake, Severity, code, quote};

pub use archive::MAX_PACKAGE_BYTES;

/// Whether an importer forgives known deviations (REFERENCE A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Every deviation is an error.
    Strict,
    /// Known harmless deviations are warnings.
    Lenient,
}

impl Strictness {
    /// How bad a deviation is that occurs in the field and does no harm.
    fn of_deviation(self) -> Severity {
        match self {
            Self::Strict => Severity::Error,
            Self::Lenient => Severity::Warning,
        }
    }
}

/// What an importer made of a package.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The profile in our format.
    pub profile: Profile,
    /// What was forgiven, and what is doubtful. The same list as [`Profile::warnings`].
    pub warnings: Vec<Mistake>,
}

/// Reads a Huawei package `deviceType_manufacturerId_model.zip` (REFERENCE A).
///
/// # Errors
/// Every mistake and warning of the package, if one of them is an error.
pub fn import_huawei(file_name: &str, zip: &[u8], strictness: Strictness) -> Result<Imported, Vec<Mistake>> {
    let name = file_name.rsplit(['/', '\\']).next().unwrap_or(file_name);
    let package = At::file(name);
    let mut import = Import { strictness, findings: Findings::default(), origins: Origins::default() };
    let Some(archive) = archive::open(&package, zip, &mut import) else {
        return Err(import.findings.into_list());
    };
    let package_files = layout::sort(&package, archive, &mut import);
    let document = convert::document(&package, package_files, &mut import);
    let Import { mut findings, origins, .. } = import;
    // Examined even if the package has errors, for the mistakes that only the whole document shows. Those without a place in
    // the package follow from what is missing, and that was told.
    let broken = findings.has_errors();
    match checked::build(&At::file(CONVERTED), document, Findings::default()) {
        Ok(profile) => {
            profile.warnings().iter().for_each(|mistake| findings.push(origins.back(mistake, &package)));
            let warnings = findings.verdict()?;
            Ok(Imported { profile: profile.with_warnings(warnings.clone()), warnings })
        }
        Err(mistakes) => {
            for mistake in mistakes.iter().filter(|mistake| !broken || origins.knows(mistake)) {
                findings.push(origins.back(mistake, &package));
            }
            Err(findings.into_list())
        }
    }
}

const CONVERTED: &str = "converted profile";

/// What every step of an import works with.
struct Import {
    strictness: Strictness,
    findings: Findings,
    origins: Origins,
}

impl Import {
    fn error(&mut self, at: &At, code: &'static str, reason: impl Into<String>, fix: impl Into<String>) {
        self.findings.error(at, code, reason, fix);
    }

    fn warning(&mut self, at: &At, code: &'static str, reason: impl Into<String>, fix: impl Into<String>) {
        self.findings.warning(at, code, reason, fix);
    }

    /// A deviation that occurs in the field: an error when strict.
    fn deviation(&mut self, at: &At, code: &'static str, reason: impl Into<String>, fix: impl Into<String>) {
        self.findings.add(self.strictness.of_deviation(), at, code, reason, fix);
    }
}

/// Where the places of the converted document come from.
#[derive(Default)]
struct Origins {
    places: BTreeMap<String, At>,
}

impl Origins {
    fn add(&mut self, converted: &At, origin: &At) {
        self.places.insert(converted.pointer.clone(), origin.clone());
    }

    /// The place itself, or the nearest around it that is known.
    fn find(&self, pointer: &str) -> Option<&At> {
        let mut pointer = pointer;
        loop {
            if let Some(origin) = self.places.get(pointer) {
                return Some(origin);
            }
            pointer = pointer.rsplit_once('/')?.0;
        }
    }

    fn knows(&self, mistake: &Mistake) -> bool {
        self.find(&mistake.pointer).is_some()
    }

    /// The mistake as one of the package.
    fn back(&self, mistake: &Mistake, package: &At) -> Mistake {
        let origin = self.find(&mistake.pointer).unwrap_or(package);
        Mistake { file: origin.file.clone(), pointer: origin.pointer.clone(), ..mistake.clone() }
    }
}

/// Holds the file name against the document (FAQ 4.1.1.2). The parts may contain `_`, so the whole is compared (J.2 rule 2).
fn check_file_name(package: &At, parts: &device::NameParts, import: &mut Import) {
    const RULE: &str = "the name is deviceType_manufacturerId_model.zip (FAQ 4.1.1.2)";
    let stem = parts.stem();
    let fix = format!("name the file {stem}.zip: {RULE}");
    let name = package.file.as_str();
    let Some((given, ending)) = name.rsplit_once('.').filter(|(_, ending)| ending.eq_ignore_ascii_case("zip")) else {
        return import.error(package, code::BAD_FILE_NAME, format!("{} does not end in .zip", quote(name)), fix);
    };
    if ending != "zip" {
        import.deviation(package, code::LAX_SPELLING, "the ending is .zip in small letters", fix.clone());
    }
    if given == stem || (parts.model_is_missing() && given.starts_with(&parts.prefix())) {
        return;
    }
    let reason = format!("the file is called {}, the document in it says {}", quote(given), quote(&stem));
    // What browsers and file managers make of a name when they save a second copy.
    let original = given.rsplit_once(" (").filter(|(_, copy)| copy.trim_end_matches(')').parse::<u8>().is_ok());
    let harmless = given.eq_ignore_ascii_case(&stem) || original.is_some_and(|(original, _)| original == stem);
    if harmless {
        import.deviation(package, code::FILE_NAME_DIFFERS, reason, fix);
    } else if given.split('_').filter(|part| !part.is_empty()).count() < 3 {
        let reason = format!("{} does not have the three parts deviceType, manufacturerId and model", quote(given));
        import.error(package, code::BAD_FILE_NAME, reason, fix);
    } else {
        import.error(package, code::FILE_NAME_DIFFERS, reason, fix);
    }
}
