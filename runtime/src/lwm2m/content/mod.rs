//! Payloads of LwM2M: values by path to bytes and back, in every content format (LwM2M Core 1.1 7.4, RFC 8428, RFC 6690).
//!
//! Knows neither operations nor devices. What a format does not state of a value's type is taken from the caller's types, and
//! guessed where those are silent; a guess is marked. Nothing is repaired: what is not well-formed is refused with its place.
//! A value that has another type than it should is kept as it was sent, so that a slightly wrong client is still heard.

mod cbor;
mod guess;
mod json;
mod links;
mod notation;
mod senml;
mod senml_cbor;
mod senml_json;
mod single;
#[cfg(test)]
mod tests;
mod tlv;
mod value;

use std::fmt;

use super::path::{Level, Path};

pub use links::{Attributes, Link, links, write_links};
pub use notation::{Mistake, from_json, to_json};
pub use value::{Kind, ObjectLink, Value};

/// Most values of one payload.
pub const MAX_VALUES: usize = 4_096;
/// Most bytes of one payload.
pub const MAX_PAYLOAD_BYTES: usize = 1 << 20;

/// A content format that LwM2M uses (LwM2M Core 1.1 7.4, CoAP Content-Formats registry).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Format {
    /// `text/plain`, 0: one value.
    Text,
    /// `application/link-format`, 40: what there is, no values.
    Link,
    /// `application/octet-stream`, 42: one opaque value.
    Opaque,
    /// `application/cbor`, 60: one value.
    Cbor,
    /// `application/senml+json`, 110.
    SenmlJson,
    /// `application/senml+cbor`, 112.
    SenmlCbor,
    /// `application/vnd.oma.lwm2m+tlv`, 11542.
    Tlv,
    /// The number that TLV had before it was registered, 1542.
    TlvLegacy,
    /// `application/vnd.oma.lwm2m+json`, 11543, of LwM2M 1.0.
    Json,
    /// The number that it had before it was registered, 1543.
    JsonLegacy,
}

impl Format {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::Text,
        Self::Link,
        Self::Opaque,
        Self::Cbor,
        Self::SenmlJson,
        Self::SenmlCbor,
        Self::Tlv,
        Self::TlvLegacy,
        Self::Json,
        Self::JsonLegacy,
    ];

    /// The number of a Content-Format or Accept option.
    #[must_use]
    pub fn number(self) -> u16 {
        match self {
            Self::Text => 0,
            Self::Link => 40,
            Self::Opaque => 42,
            Self::Cbor => 60,
            Self::SenmlJson => 110,
            Self::SenmlCbor => 112,
            Self::Tlv => 11_542,
            Self::TlvLegacy => 1_542,
            Self::Json => 11_543,
            Self::JsonLegacy => 1_543,
        }
    }

    /// By its number.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.number() == number)
    }

    /// As people say it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Link => "link format",
            Self::Opaque => "opaque",
            Self::Cbor => "CBOR",
            Self::SenmlJson => "SenML JSON",
            Self::SenmlCbor => "SenML CBOR",
            Self::Tlv | Self::TlvLegacy => "TLV",
            Self::Json | Self::JsonLegacy => "LwM2M JSON",
        }
    }
}

/// `TLV (11542)`
impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.name(), self.number())
    }
}

/// The type that the value of a path should have, if it is known.
pub type Types<'t> = &'t dyn Fn(&Path) -> Option<Kind>;

/// Where a value's type is known from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Basis {
    /// The format or the caller's types say it.
    Known,
    /// Bytes of an unknown resource, read as what they look like.
    Guessed,
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub struct Datum {
    /// Resource or resource instance. An instance without resources, or a resource without instances, has [`Value::None`].
    pub path: Path,
    /// What it is.
    pub value: Value,
    /// Seconds since 1970; below 2^28 seconds from the arrival on (RFC 8428 4.5.3). None = the time of arrival.
    pub time: Option<f64>,
    /// Where its type is known from.
    pub basis: Basis,
}

impl Datum {
    /// A value of now.
    #[must_use]
    pub fn new(path: Path, value: Value) -> Self {
        Self { path, value, time: None, basis: Basis::Known }
    }
}

/// Where in a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// The payload as a whole.
    Whole,
    /// Byte offset, from 0.
    Byte(usize),
    /// Position in the list of values, from 0.
    Entry(usize),
    /// Line and column, from 1.
    Text(usize, usize),
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Whole => f.write_str("payload"),
            Self::Byte(at) => write!(f, "byte {at}"),
            Self::Entry(at) => write!(f, "entry {at}"),
            Self::Text(line, column) => write!(f, "line {line} column {column}"),
        }
    }
}

/// A payload that is not what its format says, or values that a format cannot carry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}, {place}: {found}; expected {expected}", .format.map_or("a format of its own".to_owned(), |format| format.to_string()))]
pub struct ContentError {
    /// Which format; none if it has none of LwM2M.
    pub format: Option<Format>,
    /// Where.
    pub place: Place,
    /// What stands there.
    pub found: String,
    /// What could stand there.
    pub expected: String,
}

impl ContentError {
    /// A content format that is none of LwM2M.
    #[must_use]
    pub fn unknown_format(number: u16) -> Self {
        let known = Format::ALL.map(|format| format.number().to_string()).join(", ");
        Self { format: None, place: Place::Whole, found: format!("content format {number}"), expected: format!("one of {known}") }
    }
}

/// What is odd, by somebody who does not know where it stands.
struct Odd {
    found: String,
    expected: String,
}

impl Odd {
    fn new(found: impl Into<String>, expected: impl Into<String>) -> Self {
        Self { found: found.into(), expected: expected.into() }
    }

    fn at(self, format: Format, place: Place) -> ContentError {
        ContentError { format: Some(format), place, found: self.found, expected: self.expected }
    }
}

/// The values of a payload that came from `base`: what was read, observed or (with [`Path::ROOT`]) sent by the device.
///
/// # Errors
/// What is wrong and where: not well-formed, a value outside of `base`, too much of it.
pub fn decode(format: Format, base: &Path, payload: &[u8], types: Types<'_>) -> Result<Vec<Datum>, ContentError> {
    if payload.len() > MAX_PAYLOAD_BYTES {
        let odd = Odd::new(format!("{} bytes", payload.len()), format!("at most {MAX_PAYLOAD_BYTES}"));
        return Err(odd.at(format, Place::Whole));
    }
    match format {
        Format::Text | Format::Opaque | Format::Cbor => single::decode(format, base, payload, types).map(|datum| vec![datum]),
        Format::SenmlJson => senml::resolve(format, base, senml_json::read(payload)?, types),
        Format::SenmlCbor => senml::resolve(format, base, senml_cbor::read(payload)?, types),
        Format::Tlv | Format::TlvLegacy => tlv::decode(format, base, payload, types),
        Format::Json | Format::JsonLegacy => json::decode(format, base, payload, types),
        Format::Link => Err(valueless(format)),
    }
}

/// As [`decode`], by the number of a Content-Format option. Without one it is what such payloads mostly are: text or bytes of a
/// resource, TLV of what holds resources, SenML of the root.
///
/// # Errors
/// As [`decode`], or the number is of no format of LwM2M.
pub fn decode_numbered(number: Option<u16>, base: &Path, payload: &[u8], types: Types<'_>) -> Result<Vec<Datum>, ContentError> {
    let printable = || std::str::from_utf8(payload).is_ok_and(|text| !text.chars().any(char::is_control));
    let format = match (number, base.level()) {
        (Some(number), _) => Format::from_number(number).ok_or_else(|| ContentError::unknown_format(number))?,
        (None, Level::Root) => Format::SenmlCbor,
        (None, Level::Object | Level::Instance) => Format::Tlv,
        (None, Level::Resource | Level::ResourceInstance) if printable() => Format::Text,
        (None, Level::Resource | Level::ResourceInstance) => Format::Opaque,
    };
    decode(format, base, payload, types)
}

/// The payload that writes values at `base`, all of them there or below.
///
/// # Errors
/// The format cannot carry them: several values in a format of one, a time where there is no place for it, NaN in text.
pub fn encode(format: Format, base: &Path, values: &[Datum]) -> Result<Vec<u8>, ContentError> {
    if let Some(at) = values.iter().position(|datum| !base.contains(&datum.path)) {
        let path = values.get(at).map_or(Path::ROOT, |datum| datum.path);
        return Err(Odd::new(format!("a value of {path}"), format!("values of {base}")).at(format, Place::Entry(at)));
    }
    if values.len() > MAX_VALUES {
        return Err(too_many(format));
    }
    let payload = match format {
        Format::Text | Format::Opaque | Format::Cbor => single::encode(format, base, values),
        Format::SenmlJson => senml_json::write(values),
        Format::SenmlCbor => senml_cbor::write(values),
        Format::Tlv | Format::TlvLegacy => tlv::encode(format, base, values),
        Format::Json | Format::JsonLegacy => json::encode(format, values),
        Format::Link => Err(valueless(format)),
    }?;
    if payload.len() > MAX_PAYLOAD_BYTES {
        let odd = Odd::new(format!("{} bytes", payload.len()), format!("at most {MAX_PAYLOAD_BYTES}"));
        return Err(odd.at(format, Place::Whole));
    }
    Ok(payload)
}

fn valueless(format: Format) -> ContentError {
    Odd::new("paths with attributes", "values: text, opaque, CBOR, TLV, SenML or LwM2M JSON").at(format, Place::Whole)
}

fn too_many(format: Format) -> ContentError {
    Odd::new(format!("more than {MAX_VALUES} values"), "fewer").at(format, Place::Entry(MAX_VALUES))
}

/// The path that most names can be written below: the deepest one strictly above all.
fn above(values: &[Datum]) -> Path {
    // Nothing is above the root: what names it is written below it too.
    let parents = values.iter().map(|datum| datum.path.parent().unwrap_or(Path::ROOT));
    parents.reduce(|a, b| a.shared(&b)).unwrap_or(Path::ROOT)
}

/// The base name of [`above`], with the slash that names are put behind; none if it is the root.
fn base_name(above: &Path) -> Option<String> {
    (above.level() != Level::Root).then(|| format!("{above}/"))
}

/// The rest of a path below [`above`]; below the root with its slash.
fn name_below(above: &Path, path: &Path) -> String {
    let text = path.to_string();
    match base_name(above) {
        Some(base) => text.strip_prefix(&base).unwrap_or(&text).to_owned(),
        None => text,
    }
}

/// The path of a base name and a name put together (RFC 8428 4.5.1); relative ones are taken to be below `base`.
fn named(base: &Path, base_name: &str, name: &str) -> Result<Path, Odd> {
    let full = format!("{base_name}{name}");
    let text = match full.as_str() {
        "/" => "/",
        other => other.trim_end_matches('/'),
    };
    let path = if text.is_empty() {
        *base
    } else if text.starts_with('/') {
        text.parse().map_err(|_| Odd::new(format!("the name `{}`", clip(text)), "a path such as /3/0/9"))?
    } else {
        let ids = text.parse::<Path>().map_err(|_| Odd::new(format!("the name `{}`", clip(text)), "a path such as /3/0/9"))?;
        let below = ids.ids().iter().try_fold(*base, |path, id| path.child(*id));
        below.ok_or_else(|| Odd::new(format!("the name `{}` below {base}", clip(text)), "a path of at most four numbers"))?
    };
    inside(base, path)
}

fn inside(base: &Path, path: Path) -> Result<Path, Odd> {
    if base.contains(&path) { Ok(path) } else { Err(Odd::new(format!("a value of {path}"), format!("values of {base}"))) }
}

/// What is shown of a text from outside.
fn clip(text: &str) -> String {
    let shown: String = text.chars().take(40).collect();
    if shown.len() < text.len() { format!("{shown}..") } else { shown }
}
