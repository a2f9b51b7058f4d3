//! One vector through a codec: names into indices, the call, and what came as JSON by name.

use std::collections::HashSet;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json, json};

use super::compare::differences;
use super::parts::frame;
use super::vector::{Command, Direction, Placed, Refusal, Vector, bytes};
use super::{RECEIVED_MS, time, with_card};
use crate::codec::{Codec, decode, encode};
use crate::device::platform::Card;
use crate::error::Error;
use crate::fields::{Commands as _, Services as _};
use crate::wire::{Downlink, Field, FieldDescription, Message, Origin, ReportKind, Value, ValueType};

/// Every failure of every vector.
pub(super) fn all<C: Codec>(vectors: &[Placed]) -> Vec<String> {
    let mut names = HashSet::new();
    let mut failures = Vec::new();
    for Placed { place, vector } in vectors {
        if !names.insert(&vector.name) {
            failures.push(format!("{place}: another vector has this name"));
        }
        if vector.source.trim().is_empty() {
            failures.push(format!("{place}: the source is empty; a vector without one proves nothing"));
        }
        let card = Card { endpoint: vector.endpoint.clone(), attributes: vector.attributes.clone() };
        if let Err(lines) = with_card(card, || one::<C>(vector)) {
            let lines: String = lines.iter().map(|line| format!("\n    {line}")).collect();
            failures.push(format!("{place}:{lines}"));
        }
    }
    failures
}

fn one<C: Codec>(vector: &Vector) -> Result<(), Vec<String>> {
    let plan = plan::<C>(vector).map_err(|mistake| vec![mistake])?;
    let received = vector.received.as_deref().map_or(Some(RECEIVED_MS), time::parse);
    let received = received.ok_or_else(|| vec!["`received` is no RFC 3339 time".to_owned()])?;
    let origin = Origin::app_data(received);
    let (expected, got) = match plan {
        Plan::Decode { payload, expected } => (expected, decode::<C>(&payload, &origin).map(|list| show_messages::<C>(&list))),
        Plan::Encode { downlink, expected } => {
            (expected, encode::<C>(downlink, &origin).map(|bytes| json!(bytes.map(hex::encode_upper))))
        }
    };
    let lines = match (&expected, got) {
        (Expected::Meaning(expected), Ok(got)) => differences(expected, &got),
        (Expected::Meaning(expected), Err(error)) => vec![format!("expected {expected}"), format!("got      {error}")],
        (Expected::Refusal(kind, offset), Ok(got)) => {
            vec![format!("expected {}", show_refusal(kind, *offset)), format!("got      {got}")]
        }
        (Expected::Refusal(kind, offset), Err(error)) => refusal_differences(kind, *offset, &error),
    };
    if lines.is_empty() { Ok(()) } else { Err(lines) }
}

enum Plan {
    Decode { payload: Vec<u8>, expected: Expected },
    Encode { downlink: Downlink, expected: Expected },
}

enum Expected {
    Meaning(Json),
    Refusal(String, Option<u32>),
}

/// A vector whose keys fit together, or why they do not.
fn plan<C: Codec>(vector: &Vector) -> Result<Plan, String> {
    let refusal = vector.error.as_ref().map(|Refusal { kind, offset }| Expected::Refusal(kind.clone(), *offset));
    if vector.direction == Direction::Encode && vector.parts.is_some() {
        return Err("an encode vector has `hex` and no `parts`".into());
    }
    if vector.direction == Direction::Decode {
        let payload = match (&vector.hex, &vector.parts) {
            (Some(Some(hex)), None) => bytes(hex)?,
            (None, Some(parts)) => frame(parts)?,
            _ => return Err("a decode vector needs either `hex` or `parts`".into()),
        };
        if vector.command.is_some() || vector.report_ack.is_some() {
            return Err("a decode vector has no `command` and no `reportAck`".into());
        }
        let expected = match (&vector.messages, refusal) {
            (Some(messages), None) => Expected::Meaning(fill_in(messages)?),
            (None, Some(refusal)) => refusal,
            _ => return Err("a decode vector needs either `messages` or `error`".into()),
        };
        return Ok(Plan::Decode { payload, expected });
    }
    if vector.messages.is_some() {
        return Err("an encode vector has no `messages`".into());
    }
    let downlink = match (&vector.command, &vector.report_ack) {
        (Some(command), None) => command_downlink::<C>(command)?,
        (None, Some(ack)) => Downlink::ReportAck { uplink: bytes(&ack.uplink)?, errcode: ack.errcode, has_more: ack.has_more },
        _ => return Err("an encode vector needs either `command` or `reportAck`".into()),
    };
    let expected = match (&vector.hex, refusal) {
        (Some(None), None) => Expected::Meaning(Json::Null),
        (Some(Some(text)), None) => Expected::Meaning(json!(hex::encode_upper(bytes(text)?))),
        (None, Some(refusal)) => refusal,
        _ => return Err("an encode vector needs either `hex` (or null) or `error`".into()),
    };
    Ok(Plan::Encode { downlink, expected })
}

fn command_downlink<C: Codec>(command: &Command) -> Result<Downlink, String> {
    let mut table = (0u16..).zip(C::Commands::TABLE);
    let Some((index, description)) = table.find(|(_, row)| row.service == command.service && row.name == command.name) else {
        return Err(format!("the codec has no command {:?} in the service {:?}", command.name, command.service));
    };
    let mut fields = Vec::new();
    for (name, value) in &command.params {
        let mut params = (0u16..).zip(description.params);
        let Some((index, param)) = params.find(|(_, param)| param.name == name) else {
            return Err(format!("the command {:?} has no parameter {name:?}", command.name));
        };
        let value = read_value(param.value_type, value).ok_or(format!("{name}: {value} is not {:?}", param.value_type))?;
        fields.push(Field { index, value });
    }
    Ok(Downlink::Command { index, mid: command.mid, has_more: command.has_more, fields })
}

fn read_value(wanted: ValueType, value: &Json) -> Option<Value> {
    if value.is_null() {
        return Some(Value::Null);
    }
    Some(match wanted {
        ValueType::Boolean => Value::Boolean(value.as_bool()?),
        ValueType::Integer => Value::Integer(value.as_i64()?),
        ValueType::Number => Value::Number(value.as_f64()?),
        ValueType::Text => Value::Text(value.as_str()?.to_owned()),
        ValueType::Bytes => Value::Bytes(BASE64.decode(value.as_str()?).ok()?),
        ValueType::Timestamp => Value::Timestamp(time::parse(value.as_str()?)?),
        ValueType::Json => Value::Json(value.to_string()),
    })
}

/// The expected messages with every default written out and every time in one form.
fn fill_in(messages: &[Json]) -> Result<Json, String> {
    let mut filled = Vec::new();
    for (at, message) in messages.iter().enumerate() {
        let bad = |why: &str| format!("messages[{at}]: {why}");
        let only = message.as_object().filter(|object| object.len() == 1).and_then(|object| object.iter().next());
        let Some((kind, Json::Object(given))) = only else {
            return Err(bad("wanted {\"report\": {..}} or {\"response\": {..}}"));
        };
        let mut whole = match kind.as_str() {
            "report" => {
                json!({"service": null, "kind": "report", "eventTime": null, "values": {}, "hasMore": false})
            }
            "response" => json!({"mid": null, "errcode": null, "command": null, "values": {}}),
            other => return Err(bad(&format!("{other:?} is neither a report nor a response"))),
        };
        for (key, value) in given {
            let Some(slot) = whole.get_mut(key) else { return Err(bad(&format!("{kind} has no key {key:?}"))) };
            *slot = value.clone();
        }
        if let Some(Json::String(text)) = whole.get_mut("eventTime") {
            let Some(ms) = time::parse(text) else { return Err(bad(&format!("{text:?} is no RFC 3339 time"))) };
            *text = time::show(ms);
        }
        filled.push(json!({kind.as_str(): whole}));
    }
    Ok(Json::Array(filled))
}

fn show_messages<C: Codec>(messages: &[Message]) -> Json {
    messages
        .iter()
        .map(|message| match message {
            Message::Report(report) => {
                let service = C::Services::TABLE.get(usize::from(report.service));
                json!({"report": {
                    "service": service.map(|service| service.id),
                    "kind": match report.kind { ReportKind::Report => "report", ReportKind::Event => "event" },
                    "eventTime": report.event_time.map(time::show),
                    "values": show_fields(service.map(|service| service.properties), &report.fields),
                    "hasMore": report.has_more,
                }})
            }
            Message::Response(response) => {
                let command = response.command.and_then(|index| C::Commands::TABLE.get(usize::from(index)));
                json!({"response": {
                    "mid": response.mid,
                    "errcode": response.errcode,
                    "command": command.map(|command| command.name),
                    "values": show_fields(command.map(|command| command.response), &response.fields),
                }})
            }
        })
        .collect()
}

fn show_fields(table: Option<&[FieldDescription]>, fields: &[Field]) -> Json {
    let mut object = Map::new();
    for field in fields {
        let name = table.and_then(|table| table.get(usize::from(field.index))).map(|row| row.name.to_owned());
        object.insert(name.unwrap_or(format!("field {}", field.index)), show_value(&field.value));
    }
    Json::Object(object)
}

fn show_value(value: &Value) -> Json {
    match value {
        Value::Null => Json::Null,
        Value::Boolean(value) => json!(value),
        Value::Integer(value) => json!(value),
        Value::Number(value) => json!(value),
        Value::Text(value) => json!(value),
        Value::Bytes(value) => json!(BASE64.encode(value)),
        Value::Timestamp(value) => json!(time::show(*value)),
        Value::Json(value) => serde_json::from_str(value).unwrap_or(json!(format!("not JSON: {value}"))),
    }
}

fn refusal_differences(kind: &str, offset: Option<u32>, got: &Error) -> Vec<String> {
    if got.kind.as_str() == kind && (offset.is_none() || offset == got.offset) {
        return Vec::new();
    }
    vec![format!("expected {}", show_refusal(kind, offset)), format!("got      {got}")]
}

fn show_refusal(kind: &str, offset: Option<u32>) -> String {
    offset.map_or(format!("the error {kind}"), |offset| format!("the error {kind} at byte {offset}"))
}
