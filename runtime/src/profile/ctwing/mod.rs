//! The service table of the other platform (REFERENCE E.4): services of four kinds with numeric ids, their parameters in the order of
//! the bytes. It becomes a profile, and the layout of the platform's compact binary format (E.5); and a profile becomes a table again.
//!
//! Pure. The two forms of a table, JSON and CSV, are told in `profiles/README.md`. Knows no interpreter: the layout is a document
//! like any other.
//!
//! ```text
//! JSON --json--> Table --convert--> profile + layout
//! CSV  --rows--^       <--export--- profile
//! ```

mod convert;
mod export;
mod json;
mod rows;
#[cfg(test)]
mod tests;
mod words;

use serde_json::Number;

use super::mistake::{At, Findings, code};
use super::{Mistake, Profile};
use words::{Kind, Word};

pub use export::{to_csv, to_json};

/// Most bytes of a table.
const MAX_TABLE_BYTES: usize = 4 << 20;

/// What a table becomes.
#[derive(Debug, Clone)]
pub struct ThingModel {
    /// The profile.
    pub profile: Profile,
    /// Text of its `layout.json`.
    pub layout: String,
    /// What is doubtful, and what was taken for granted.
    pub warnings: Vec<Mistake>,
}

/// Whose table it is. What the table itself says counts more.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Identity {
    /// `manufacturerId`
    pub manufacturer_id: Option<String>,
    /// `model`
    pub model: Option<String>,
    /// `deviceType`
    pub device_type: Option<String>,
}

impl Identity {
    /// From a file name `deviceType_manufacturerId_model.csv`, if it has that form.
    #[must_use]
    pub fn of_file_name(name: &str) -> Self {
        let stem = name.rsplit(['/', '\\']).next().and_then(|name| name.rsplit_once('.')).map_or(name, |(stem, _)| stem);
        let parts: Vec<&str> = stem.split('_').collect();
        match parts.as_slice() {
            [device_type, manufacturer_id, model] if parts.iter().all(|part| !part.is_empty()) => Self {
                manufacturer_id: Some((*manufacturer_id).to_owned()),
                model: Some((*model).to_owned()),
                device_type: Some((*device_type).to_owned()),
            },
            _ => Self::default(),
        }
    }

    /// This, and where it says nothing the other.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            manufacturer_id: self.manufacturer_id.or(other.manufacturer_id),
            model: self.model.or(other.model),
            device_type: self.device_type.or(other.device_type),
        }
    }
}

/// Reads a service table: JSON if it begins with `{`, else CSV. Where neither table nor `otherwise` say whose it is, the file name is asked.
///
/// # Errors
/// All mistakes and warnings, if one of them is an error.
pub fn import_service_table(file_name: &str, bytes: &[u8], otherwise: Identity) -> Result<ThingModel, Vec<Mistake>> {
    let at = At::file(file_name);
    let mut findings = Findings::default();
    if bytes.len() > MAX_TABLE_BYTES {
        let reason = format!("the table has {} bytes, at most {MAX_TABLE_BYTES}", bytes.len());
        findings.error(&at, code::TOO_BIG, reason, "split the product");
        return Err(findings.into_list());
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    let is_json = bytes.trim_ascii_start().starts_with(b"{");
    let table = if is_json { json::read(&at, bytes, &mut findings) } else { rows::read(&at, bytes, &mut findings) };
    let Some(mut table) = table else { return Err(findings.into_list()) };
    table.identity = table.identity.or(otherwise).or(Identity::of_file_name(file_name));
    convert::convert(&at, &table, findings)
}

/// A table as it was read: nothing in it fits anything else yet.
#[derive(Debug, Default)]
struct Table {
    identity: Identity,
    services: Vec<Service>,
}

/// One service: one message of the device.
#[derive(Debug)]
struct Service {
    at: At,
    id: u16,
    identifier: String,
    name: Option<String>,
    kind: Kind,
    /// Of a response: the identifier of its command.
    command: Option<String>,
    params: Vec<Param>,
}

/// One parameter: some bytes of a message.
#[derive(Debug, Clone)]
struct Param {
    at: At,
    identifier: String,
    name: Option<String>,
    word: Word,
    /// Bytes; none = as the type has it, or as the value itself says.
    length: Option<u16>,
    min: Option<Number>,
    max: Option<Number>,
    step: Option<Number>,
    unit: Option<String>,
}
