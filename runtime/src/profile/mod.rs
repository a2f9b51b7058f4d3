//! Profiles: a JSON document becomes a checked [`Profile`], or every mistake in it is told at once.
//!
//! Pure: bytes in, values out. Knows neither the store nor a codec's machine, only its tables ([`crate::model::Description`]).

use crate::model::{Description, Field, ProductKey, Report, Response};

/// One deviation of a document. All of a document's are reported together.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Mistake {
    /// Which file, such as `service/Meter/profile/servicetype-capability.json`.
    pub file: String,
    /// JSON pointer into it, empty for the whole file.
    pub pointer: String,
    /// Error or warning.
    pub severity: Severity,
    /// Stable code, such as `E2104`.
    pub code: &'static str,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub fix: String,
}

/// How bad a mistake is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// The document is refused.
    Error,
    /// The document is taken.
    Warning,
}

/// A profile that is valid.
#[derive(Debug, Clone)]
pub struct Profile {}

/// Whether an importer forgives known deviations (REFERENCE A.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strictness {
    /// Every deviation is an error.
    Strict,
    /// Known harmless deviations are warnings.
    Lenient,
}

/// What an importer made of a package.
#[derive(Debug, Clone)]
pub struct Imported {
    /// The profile in our format.
    pub profile: Profile,
    /// What was forgiven.
    pub warnings: Vec<Mistake>,
}

/// Reads a Huawei package `deviceType_manufacturerId_model.zip` (REFERENCE A).
///
/// # Errors
/// Every mistake of the package.
#[expect(clippy::unimplemented, unused_variables, reason = "skeleton")]
pub fn import_huawei(file_name: &str, zip: &[u8], strictness: Strictness) -> Result<Imported, Vec<Mistake>> {
    unimplemented!()
}

#[expect(clippy::unimplemented, unused_variables, missing_docs, clippy::missing_errors_doc, reason = "skeleton")]
impl Profile {
    /// Reads a document in the format of `profiles/schema.json`. `file` is named in mistakes.
    pub fn parse(file: &str, json: &str) -> Result<Self, Vec<Mistake>> {
        unimplemented!()
    }
    /// The document again, pretty JSON in the format of `profiles/schema.json`.
    pub fn to_json(&self) -> String {
        unimplemented!()
    }
    pub fn key(&self) -> ProductKey {
        unimplemented!()
    }
    pub fn device_type(&self) -> &str {
        unimplemented!()
    }
    /// Checks a command's parameters against the profile, for the moment at which an application asks.
    pub fn check_params(&self, service: &str, command: &str, params: &serde_json::Value) -> Result<(), Vec<Mistake>> {
        unimplemented!()
    }
}

/// A profile joined with a codec's tables: arrays of checks and names, indexed as the codec indexes its fields.
#[derive(Debug, Clone)]
pub struct Plan {}

#[expect(clippy::unimplemented, unused_variables, missing_docs, clippy::missing_errors_doc, reason = "skeleton")]
impl Plan {
    /// Refuses what would fail later: a service, property, command or field that the profile lacks, or has with another type.
    pub fn join(profile: &Profile, description: &Description) -> Result<Self, Vec<Mistake>> {
        unimplemented!()
    }
    /// Appends one report as compact JSON:
    /// `{"service":"Meter","eventTime":"2024-01-31T12:00:00.000Z","values":{"reading":12.5},"violations":[{"property":"..","code":"..","detail":".."}]}`
    /// (`violations` only when there are some). A violation marks a value, it never drops one.
    /// Returns the number of violations, or why the report contradicts the plan (index out of range, wrong type, invalid JSON value).
    pub fn write_report(&self, report: &Report, received_ms: u64, out: &mut String) -> Result<usize, String> {
        unimplemented!()
    }
    /// Appends the response's fields as a compact JSON object by name; `command` = the plan's index of the command it answers.
    pub fn write_response(&self, command: u16, response: &Response, out: &mut String) -> Result<usize, String> {
        unimplemented!()
    }
    /// The codec's index of a command of the profile.
    pub fn command(&self, service: &str, name: &str) -> Option<u16> {
        unimplemented!()
    }
    /// The parameters as fields in the codec's order, coerced where the platforms coerce ("12" for an int, G.11).
    pub fn params(&self, command: u16, params: &serde_json::Value) -> Result<Vec<Field>, Vec<Mistake>> {
        unimplemented!()
    }
}
