//! What a device can take: its LwM2M version and the content formats that its Register names (LwM2M Core 1.1 6.2.1, 7.4).

use super::super::content::{Datum, Format, Value};
use super::super::path::Path;
use super::is_value;
use crate::model::Registration;

/// Version and formats of a device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Offer {
    /// `lwm2m` of the Register, major and minor.
    pub version: (u8, u8),
    /// `ct` of the root link; empty if the device does not say.
    pub formats: Vec<Format>,
}

/// A device of which nothing is known.
impl Default for Offer {
    fn default() -> Self {
        Self { version: (1, 0), formats: Vec::new() }
    }
}

impl Offer {
    /// Of a device that registered.
    #[must_use]
    pub fn of(registration: &Registration) -> Self {
        let formats = registration.formats.iter().filter_map(|number| Format::from_number(*number)).collect();
        Self { formats, ..Self::parse(&registration.version, None) }
    }

    /// From what a Register says: `lwm2m=1.1` (also `1.0.0`) and `ct="60 110 112 11542"`. What is not understood is left out.
    #[must_use]
    pub fn parse(version: &str, formats: Option<&str>) -> Self {
        let mut numbers = version.trim().split('.').map(|number| number.parse().ok());
        let version = match (numbers.next().flatten(), numbers.next().flatten()) {
            (Some(major), minor) => (major, minor.unwrap_or(0)),
            _ => Self::default().version,
        };
        let listed = formats.unwrap_or_default().trim_matches('"').split([' ', ',']);
        let formats = listed.filter_map(|number| Format::from_number(number.trim().parse().ok()?)).collect();
        Self { version, formats }
    }

    /// Whether it speaks this version or a later one.
    #[must_use]
    pub fn speaks(&self, major: u8, minor: u8) -> bool {
        self.version >= (major, minor)
    }

    /// For payloads of several values: what it offers, or what its version has.
    #[must_use]
    pub fn for_several(&self) -> Format {
        const OLD: [Format; 6] =
            [Format::Tlv, Format::TlvLegacy, Format::Json, Format::JsonLegacy, Format::SenmlCbor, Format::SenmlJson];
        const NEW: [Format; 6] =
            [Format::SenmlCbor, Format::SenmlJson, Format::Tlv, Format::TlvLegacy, Format::Json, Format::JsonLegacy];
        let order = if self.speaks(1, 1) { NEW } else { OLD };
        let [first, ..] = order;
        order.into_iter().find(|format| self.formats.contains(format)).unwrap_or(first)
    }

    /// For composite operations, which have SenML only.
    #[must_use]
    pub fn for_composite(&self) -> Format {
        let json = self.formats.contains(&Format::SenmlJson) && !self.formats.contains(&Format::SenmlCbor);
        if json { Format::SenmlJson } else { Format::SenmlCbor }
    }

    /// For a Write: one value of a resource may go without its path.
    #[must_use]
    pub fn for_write(&self, path: &Path, values: &[Datum]) -> Format {
        let [Datum { path: at, value, time: None, .. }] = values else { return self.for_several() };
        if at != path || !is_value(path) {
            return self.for_several();
        }
        match value {
            Value::Opaque(_) if self.formats.is_empty() || self.formats.contains(&Format::Opaque) => Format::Opaque,
            Value::Float(number) if !number.is_finite() => self.for_several(),
            Value::None => self.for_several(),
            _ if self.formats.contains(&Format::Text) => Format::Text,
            _ if self.formats.contains(&Format::Cbor) => Format::Cbor,
            _ => self.for_several(),
        }
    }
}
