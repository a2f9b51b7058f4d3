//! The shapes of a profile document (`profiles/schema.json`). Only shapes: what they may hold is checked
//! in `structure` and `meaning`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Number, Value as Json};

/// A whole profile document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Document {
    #[serde(rename = "$schema", default, skip_serializing_if = "Option::is_none")]
    pub(super) schema: Option<String>,
    pub(super) manufacturer_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) manufacturer_name: Option<String>,
    pub(super) model: String,
    pub(super) device_type: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) protocol_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) capabilities: Option<Map<String, Json>>,
    pub(super) services: Vec<Service>,
}

/// What belongs together on a device.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Service {
    /// Name, unique in the profile.
    pub service_id: String,
    /// Kind of service; none = the same as the id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_type: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Property values or alarms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<crate::model::ReportKind>,
    /// CTWing's numeric service id (REFERENCE E.4).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u16>,
    /// What the device reports.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub properties: Vec<FieldSpec>,
    /// What the device can be told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub commands: Vec<CommandSpec>,
}

/// A command of a service.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CommandSpec {
    /// Name, unique in the service.
    pub name: String,
    /// CTWing's numeric service id of the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub number: Option<u16>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// Parameters.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub params: Vec<FieldSpec>,
    /// Fields of the device's answer.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub response: Vec<FieldSpec>,
    /// CTWing's numeric service id of the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_number: Option<u16>,
}

/// A property, a parameter or a response field.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FieldSpec {
    /// Name, unique in its list.
    pub name: String,
    /// Type.
    #[serde(rename = "type")]
    pub field_type: FieldType,
    /// Whether every report must have it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub required: bool,
    /// Smallest value of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub min: Option<Number>,
    /// Largest value of a number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max: Option<Number>,
    /// Step of a number, counted from `min` or from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub step: Option<Number>,
    /// Most characters of a text, most bytes of bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_length: Option<u32>,
    /// Unit, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit: Option<String>,
    /// Allowed texts.
    #[serde(rename = "enum", default, skip_serializing_if = "Option::is_none")]
    pub enum_values: Option<Vec<String>>,
    /// Letters R, W, E; properties only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// For people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// JSON Schema of a jsonObject's value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schema: Option<Json>,
    /// Place in the platform's binary format; carried, not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<Layout>,
}

/// Where CTWing's binary format puts a value (REFERENCE E.5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Layout {
    /// Bytes; none = the value brings its own length.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub length: Option<u16>,
}

/// Types of a profile: the union of the platforms' (REFERENCE A.4.3) and raw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FieldType {
    /// Whole number; also a truth value as 0 or 1. Its width is not checked: devices put 32-bit counters in it.
    Int,
    /// Whole number.
    Long,
    /// Number with a fraction.
    Decimal,
    /// Text.
    String,
    /// Point in time, RFC 3339 or `20240131T120000Z`.
    DateTime,
    /// JSON object or array.
    JsonObject,
    /// One of a list of texts.
    Enum,
    /// true or false.
    Boolean,
    /// Array of texts.
    StringList,
    /// Bytes, base64 in JSON.
    Bytes,
}

impl FieldType {
    /// The word in the document.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Int => "int",
            Self::Long => "long",
            Self::Decimal => "decimal",
            Self::String => "string",
            Self::DateTime => "dateTime",
            Self::JsonObject => "jsonObject",
            Self::Enum => "enum",
            Self::Boolean => "boolean",
            Self::StringList => "stringList",
            Self::Bytes => "bytes",
        }
    }

    /// The type that the document's word names.
    #[must_use]
    pub fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field_type| field_type.as_str() == word)
    }

    /// All types.
    pub const ALL: [Self; 10] = [
        Self::Int,
        Self::Long,
        Self::Decimal,
        Self::String,
        Self::DateTime,
        Self::JsonObject,
        Self::Enum,
        Self::Boolean,
        Self::StringList,
        Self::Bytes,
    ];

    /// `min`, `max` and `step` mean something.
    #[must_use]
    pub fn is_numeric(self) -> bool {
        matches!(self, Self::Int | Self::Long | Self::Decimal)
    }

    /// `maxLength` means something.
    #[must_use]
    pub fn has_length(self) -> bool {
        matches!(self, Self::String | Self::DateTime | Self::JsonObject | Self::Enum | Self::Bytes)
    }
}
