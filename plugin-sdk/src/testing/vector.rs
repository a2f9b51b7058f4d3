//! The vector file as it is written (table in [`super`]). Unknown keys are refused: a misspelt one would test nothing.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Map, Value};

/// One vector and the file it stands in.
pub(super) struct Placed {
    /// `reports.json: name`
    pub(super) place: String,
    pub(super) vector: Vector,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Vector {
    pub(super) name: String,
    pub(super) source: String,
    pub(super) direction: Direction,
    #[serde(default)]
    pub(super) endpoint: String,
    #[serde(default)]
    pub(super) attributes: BTreeMap<String, String>,
    pub(super) received: Option<String>,
    /// None = the key is not there, some none = null.
    #[serde(default, deserialize_with = "given")]
    pub(super) hex: Option<Option<String>>,
    /// The payload field by field, instead of `hex`.
    pub(super) parts: Option<Vec<Value>>,
    pub(super) messages: Option<Vec<Value>>,
    pub(super) command: Option<Command>,
    #[serde(rename = "reportAck")]
    pub(super) report_ack: Option<ReportAck>,
    pub(super) error: Option<Refusal>,
}

#[derive(Deserialize, Clone, Copy, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub(super) enum Direction {
    Decode,
    Encode,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct Command {
    pub(super) service: String,
    pub(super) name: String,
    pub(super) mid: u16,
    #[serde(default)]
    pub(super) has_more: bool,
    #[serde(default)]
    pub(super) params: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ReportAck {
    pub(super) uplink: String,
    #[serde(default)]
    pub(super) errcode: u8,
    #[serde(default)]
    pub(super) has_more: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refusal {
    pub(super) kind: String,
    pub(super) offset: Option<u32>,
}

/// Reads a file's list, or says what is wrong with it.
pub(super) fn parse(place: &str, json: &str) -> Result<Vec<Placed>, String> {
    let list: Vec<Vector> = serde_json::from_str(json).map_err(|error| format!("{place}: {error}"))?;
    Ok(list.into_iter().map(|vector| Placed { place: format!("{place}: {}", vector.name), vector }).collect())
}

/// Hex with spaces between bytes, if one likes.
pub(super) fn bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    hex::decode(&digits).map_err(|error| format!("{text:?} is not hex: {error}"))
}

fn given<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(input).map(Some)
}
