//! From JSON text to checked vectors, every mistake told. Knows the format and nothing of codecs.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use codecgate_sdk::testing::parts::frame;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::answer::{Answer, Fault, report_json, response_json};
use super::{Ask, CommandAsk, MAX_DOCUMENT_BYTES, Vector};
use crate::model::{Endpoint, ReportKind, Timestamp};

/// Time of arrival where a vector names none: 2024-01-01T00:00:00Z, so that runs are the same every day.
const RECEIVED: Timestamp = Timestamp(1_704_067_200_000);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    name: String,
    source: String,
    direction: Direction,
    #[serde(default, deserialize_with = "present")]
    hex: Option<Option<String>>,
    parts: Option<Vec<Value>>,
    messages: Option<Vec<ExpectedMessage>>,
    error: Option<Fault>,
    command: Option<CommandAsk>,
    report_ack: Option<AckAsk>,
    endpoint: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    received: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Decode,
    Encode,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum ExpectedMessage {
    Report(ExpectedReport),
    Response(ExpectedResponse),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ExpectedReport {
    service: String,
    kind: Option<ReportKind>,
    event_time: Option<String>,
    #[serde(default)]
    values: Map<String, Value>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub(super) struct ExpectedResponse {
    mid: u16,
    errcode: u8,
    /// None = the frame does not tell it.
    command: Option<String>,
    #[serde(default)]
    values: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AckAsk {
    uplink: String,
    #[serde(default)]
    errcode: u8,
    #[serde(default)]
    has_more: bool,
}

/// Tells `"hex": null` (nothing is sent) from no `hex` at all.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Reads a document.
///
/// # Errors
/// Every mistake of it in words, each with the position or the name of its vector.
pub fn parse(json: &str) -> Result<Vec<Vector>, Vec<String>> {
    if json.len() > MAX_DOCUMENT_BYTES {
        return Err(vec![format!("{} bytes; a document of vectors has at most {MAX_DOCUMENT_BYTES}", json.len())]);
    }
    let json = json.strip_prefix('\u{feff}').unwrap_or(json);
    let list: Vec<Value> = serde_json::from_str(json).map_err(|error| vec![format!("no JSON list of vectors: {error}")])?;
    let (mut vectors, mut mistakes, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (position, item) in list.into_iter().enumerate() {
        let name =
            item.get("name").and_then(Value::as_str).map_or_else(|| format!("vector {position}"), |name| format!("`{name}`"));
        match serde_json::from_value::<Written>(item).map_err(|error| error.to_string()).and_then(check) {
            Ok(vector) if names.insert(vector.name.clone()) => vectors.push(vector),
            Ok(_) => mistakes.push(format!("{name}: another vector has this name")),
            Err(mistake) => mistakes.push(format!("{name}: {mistake}")),
        }
    }
    if mistakes.is_empty() { Ok(vectors) } else { Err(mistakes) }
}

fn check(written: Written) -> Result<Vector, String> {
    let Written { name, source, direction, hex, parts, messages, error, command, report_ack, endpoint, attributes, received } =
        written;
    if source.trim().is_empty() {
        return Err("`source` is empty; a vector without one proves nothing".to_owned());
    }
    let endpoint = Endpoint::new(endpoint.unwrap_or_else(|| "vector".to_owned())).map_err(|error| error.to_string())?;
    let received = received.map_or(Ok(RECEIVED), |text| Timestamp::parse(&text)).map_err(|error| error.to_string())?;
    let (ask, expected) = match (direction, command, report_ack) {
        (Direction::Decode, None, None) => {
            let payload = match (hex.flatten(), parts) {
                (Some(hex), None) => hex_bytes(&hex)?,
                (None, Some(parts)) => frame(&parts)?,
                _ => return Err("a decode vector has either `hex` or `parts`".to_owned()),
            };
            let expected = match (messages, error) {
                (Some(messages), None) => Answer::Messages(messages.into_iter().map(canonical).collect::<Result<_, _>>()?),
                (None, Some(fault)) => Answer::Fault(fault),
                _ => return Err("a decode vector has either `messages` or `error`".to_owned()),
            };
            (Ask::Decode(payload), expected)
        }
        (Direction::Decode, ..) => return Err("a decode vector has no `command` and no `reportAck`".to_owned()),
        (Direction::Encode, ..) if parts.is_some() => return Err("an encode vector has `hex` and no `parts`".to_owned()),
        (Direction::Encode, command, report_ack) => {
            let ask = match (command, report_ack) {
                (Some(command), None) => Ask::Command(command),
                (None, Some(AckAsk { uplink, errcode, has_more })) => Ask::Ack { uplink: hex_bytes(&uplink)?, errcode, has_more },
                _ => return Err("an encode vector has either `command` or `reportAck`".to_owned()),
            };
            let expected = match (hex, error, messages) {
                (Some(hex), None, None) => Answer::Bytes(hex.map(|hex| hex_bytes(&hex)).transpose()?),
                (None, Some(fault), None) => Answer::Fault(fault),
                _ => return Err("an encode vector has either `hex` (null = nothing is sent) or `error`".to_owned()),
            };
            (ask, expected)
        }
    };
    Ok(Vector { name, endpoint, attributes: Arc::new(attributes), received, ask, expected })
}

/// Hex with or without white space and colons between the bytes.
///
/// # Errors
/// In words, with the text.
pub fn hex_bytes(text: &str) -> Result<Vec<u8>, String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    hex::decode(&digits).map_err(|error| format!("`{text}` is no hex: {error}"))
}

/// One way to write a message, so that equal meanings are equal JSON.
pub(super) fn canonical(message: ExpectedMessage) -> Result<Value, String> {
    Ok(match message {
        ExpectedMessage::Report(ExpectedReport { service, kind, event_time, values, has_more }) => {
            let time = event_time.map(|text| Timestamp::parse(&text)).transpose().map_err(|error| error.to_string())?;
            report_json(&service, kind.unwrap_or(ReportKind::Report), time, values.into(), has_more)
        }
        ExpectedMessage::Response(ExpectedResponse { mid, errcode, command, values }) => {
            response_json(mid, errcode, command.as_deref(), values.into())
        }
    })
}
