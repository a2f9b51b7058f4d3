//! The messages as tables for people: offset, length, field, type, example; and one whole frame of each.

use codecgate_sdk::layout::{Content, Field, Given, Kind, Layout, Length, Meaning, Role, Shape};
use codecgate_sdk::wire::{self, Value};

use super::document::{Document, FieldDoc, MessageDoc};
use super::join::Rows;
use super::message::Placed;
use super::shape::{Base, Extent};

/// One message.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct MessageTable {
    /// Its name; of an answer, with that of the report.
    pub name: String,
    /// What it is, such as `report, up`.
    pub kind: String,
    /// Its fields.
    pub rows: Vec<Row>,
    /// A whole frame, hex; none where none could be made up.
    pub example: Option<String>,
}

/// One field.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Row {
    /// `2-4`; the end is not included. `..` where the payload tells.
    pub offset: String,
    /// Bytes.
    pub length: String,
    /// Its name.
    pub field: String,
    /// Type and what it means.
    #[serde(rename = "type")]
    pub field_type: String,
    /// Bytes of it in the example, hex.
    pub example: String,
}

/// The tables of all messages and answers, in the order of the document.
pub(super) fn tables(document: &Document, layout: &Layout, rows: &[Rows]) -> Vec<MessageTable> {
    let mut tables = Vec::new();
    for (index, (message, rows)) in document.messages.iter().zip(rows).enumerate() {
        let (Some(message), Some(made)) = (message, layout.messages.get(index)) else { continue };
        let mut given = sample(&made.kind, &made.fields);
        let example = layout.compose(index, &mut given).ok();
        let kind = match made.kind {
            Kind::Report { .. } => "report, up",
            Kind::Event { .. } => "event, up",
            Kind::Response { .. } => "response, up",
            Kind::Command { .. } => "command, down",
        };
        tables.push(table(message.name.clone(), kind, &message.fields, &rows.fields, example));
        tables.extend(answer_table(layout, message, made, rows));
    }
    tables
}

fn answer_table(
    layout: &Layout,
    message: &MessageDoc,
    made: &codecgate_sdk::layout::Message,
    rows: &Rows,
) -> Option<MessageTable> {
    let answer = made.answer.as_ref()?;
    let name = format!("answer of {}", message.name);
    let position = layout.messages.iter().position(|known| known.name == made.name)?;
    let mut uplink = layout.compose(position, &mut sample(&made.kind, &made.fields)).unwrap_or_default();
    // A report that is answered.
    for mark in &answer.when {
        let place = usize::from(mark.offset)..usize::from(mark.offset) + mark.bytes.len();
        if let Some(bytes) = uplink.get_mut(place) {
            bytes.copy_from_slice(&mark.bytes);
        }
    }
    let downlink = wire::Downlink::ReportAck { uplink, errcode: 0, has_more: false };
    let example = layout.encode(downlink, 0).ok().flatten();
    let fields = match &message.answer {
        Some(super::document::AnswerDoc::Fields { fields, .. }) => fields.as_slice(),
        _ => &[],
    };
    Some(table(name, "answer, down", fields, &rows.answer, example))
}

fn table(name: String, kind: &str, fields: &[Option<FieldDoc>], placed: &[Placed], example: Option<Vec<u8>>) -> MessageTable {
    let mut at = 0;
    let bytes = example.as_deref().unwrap_or_default();
    let rows = placed.iter().map(|place| {
        let field = fields.get(place.index).and_then(Option::as_ref);
        at += place.gap;
        let size = place.draft.size.unwrap_or_else(|| example_size(&place.draft.base));
        let shown = bytes.get(at..at + size).map(hex::encode_upper).unwrap_or_default();
        at += size;
        let offset = match (place.offset, place.draft.size) {
            (Some(start), Some(size)) => format!("{start}-{}", start + size),
            (Some(start), None) => format!("{start}-.."),
            (None, _) => "..".to_owned(),
        };
        let length = place.draft.size.map_or_else(|| "..".to_owned(), |size| size.to_string());
        let field_type = field.map_or_else(String::new, |field| told(field, place));
        Row { offset, length, field: place.name.clone(), field_type, example: shown }
    });
    let rows = rows.collect();
    MessageTable { name, kind: kind.to_owned(), rows, example: example.map(hex::encode_upper) }
}

/// Bytes of an example value of variable length.
const VARIABLE: usize = 1;

/// With the length in front, if there is one.
fn example_size(base: &Base) -> usize {
    match base {
        Base::Text(Extent::Known(Length::Prefix { width, .. })) | Base::Bytes(Extent::Known(Length::Prefix { width, .. })) => {
            VARIABLE + usize::from(*width)
        }
        _ => VARIABLE,
    }
}

/// `int16u x 0.1`, `varstring by length`.
fn told(field: &FieldDoc, place: &Placed) -> String {
    let mut text = field.word.clone();
    if let Base::Check(_) = place.draft.base {
        text = field.algorithm.clone().unwrap_or(text);
    }
    if place.draft.little && place.draft.size.is_none_or(|size| size > 1) {
        text.push_str(", little-endian");
    }
    let scale = field.scale.map(|scale| format!(" x {scale}"));
    let add = field.add.map(|add| format!(" + {add}"));
    let by = field.length_field.as_ref().map(|name| format!(" by {name}"));
    let default =
        Some(&place.draft.default).filter(|bytes| !bytes.is_empty()).map(|bytes| format!(" = 0x{}", hex::encode_upper(bytes)));
    let target = field.target.as_ref().map(|target| format!(" -> {target}"));
    text.extend([scale, add, by, default, target].into_iter().flatten());
    text
}

/// Values that are easy to find again.
pub(super) fn sample(kind: &Kind, fields: &[Field]) -> Given<'static> {
    let count = match kind {
        Kind::Report { services } | Kind::Event { services } => services.len(),
        Kind::Response { .. } | Kind::Command { .. } => 1,
    };
    let mut parts = vec![Vec::new(); count];
    for field in fields {
        if let Role::Value { part, index } = field.role
            && let Some(values) = parts.get_mut(usize::from(part))
        {
            values.push(wire::Field { index, value: value(&field.shape) });
        }
    }
    Given { mid: 1, event_time: Some(NOON_MS), received_ms: NOON_MS, parts, ..Given::default() }
}

/// 2024-01-31T12:00:00Z
const NOON_MS: u64 = 1_706_702_400_000;

fn value(shape: &Shape) -> Value {
    match shape {
        Shape::Number { meaning, .. } => match meaning {
            Meaning::Integer => Value::Integer(1),
            Meaning::Whole { factor, shift } => Value::Integer(factor.saturating_mul(shift.saturating_add(1))),
            Meaning::Flag => Value::Boolean(true),
            #[expect(clippy::cast_precision_loss, reason = "an example: the raw value is 1")]
            Meaning::Scaled(scale) => Value::Number(scale.factor() * (1 + scale.shift()) as f64),
            Meaning::Choice(words) => words.first().map_or(Value::Null, |(_, word)| Value::Text(word.clone())),
            Meaning::Seconds | Meaning::Milliseconds => Value::Timestamp(NOON_MS),
        },
        Shape::Float { .. } => Value::Number(1.5),
        Shape::BcdTime { .. } => Value::Timestamp(NOON_MS),
        Shape::Chunk { length, content, .. } => {
            let count = match length {
                Length::Fixed(count) => usize::from(*count),
                _ => VARIABLE,
            };
            match content {
                Content::Latin1 | Content::Utf8 => Value::Text("A".repeat(count)),
                Content::Json => Value::Json("{}".to_owned()),
                Content::Whole | Content::Decimal => Value::Integer(1),
                Content::Bytes => Value::Bytes(vec![0x41; count]),
                Content::Base64 => {
                    use base64::Engine as _;
                    Value::Text(base64::engine::general_purpose::STANDARD.encode(vec![0x41; count]))
                }
                Content::Bcd => Value::Text("12".repeat(count)),
            }
        }
        Shape::Constant | Shape::Padding { .. } | Shape::PayloadLength { .. } | Shape::Check { .. } => Value::Null,
    }
}
