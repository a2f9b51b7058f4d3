//! The shapes of a layout document (`profiles/layout.schema.json`). A part that has the wrong structure is left out here: the
//! schema told it, and the rest is examined all the same.

use serde::Deserialize;
use serde_json::Value as Json;

/// A whole document.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) name: Option<String>,
    pub(super) version: String,
    pub(super) little: bool,
    pub(super) strict: bool,
    /// None: its structure is wrong.
    pub(super) messages: Vec<Option<MessageDoc>>,
}

/// One message.
#[derive(Debug)]
pub(super) struct MessageDoc {
    pub(super) name: String,
    pub(super) kind: KindWord,
    pub(super) service: Option<String>,
    pub(super) command: Option<String>,
    /// None: its structure is wrong. Those that repeat are the last ones.
    pub(super) fields: Vec<Option<FieldDoc>>,
    pub(super) repeat: Option<RepeatDoc>,
    pub(super) answer: Option<AnswerDoc>,
}

/// The last fields of a message, where they repeat.
#[derive(Debug)]
pub(super) struct RepeatDoc {
    /// Position of the first of them.
    pub(super) from: usize,
    /// The field that says how many times; none = up to the end.
    pub(super) count: Option<String>,
}

/// What a message is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum KindWord {
    Report,
    Event,
    Response,
    Command,
}

/// What a report is answered with.
#[derive(Debug)]
pub(super) enum AnswerDoc {
    Hex(String),
    Fields { when: Option<WhenDoc>, fields: Vec<Option<FieldDoc>> },
}

#[derive(Debug, Deserialize)]
pub(super) struct WhenDoc {
    pub(super) field: String,
    pub(super) is: i64,
}

/// One field.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct FieldDoc {
    pub(super) name: String,
    #[serde(rename = "type")]
    pub(super) word: String,
    pub(super) length: Option<u16>,
    pub(super) offset: Option<String>,
    pub(super) default: Option<String>,
    pub(super) scale: Option<f64>,
    pub(super) add: Option<f64>,
    pub(super) places: Option<u8>,
    pub(super) values: Option<serde_json::Map<String, Json>>,
    pub(super) length_field: Option<String>,
    pub(super) difference: Option<i16>,
    pub(super) prefix: Option<u8>,
    #[serde(default)]
    pub(super) rest: bool,
    pub(super) byte_order: Option<OrderWord>,
    pub(super) charset: Option<CharsetWord>,
    pub(super) pad: Option<String>,
    pub(super) utc_offset: Option<i16>,
    #[serde(default)]
    pub(super) optional: bool,
    pub(super) role: Option<RoleWord>,
    pub(super) target: Option<String>,
    pub(super) service: Option<String>,
    pub(super) echo: Option<String>,
    pub(super) algorithm: Option<String>,
    pub(super) from: Option<u16>,
    pub(super) adjust: Option<i16>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum OrderWord {
    Big,
    Little,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum CharsetWord {
    Latin1,
    Utf8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum RoleWord {
    Value,
    MessageId,
    Mid,
    Errcode,
    HasMore,
    EventTime,
    PayloadLength,
    ReceivedTime,
    Unmapped,
}

impl Document {
    /// Every part has the right structure, so that positions mean something.
    pub(super) fn is_whole(&self) -> bool {
        self.messages.iter().all(|message| message.as_ref().is_some_and(MessageDoc::is_whole))
    }
}

impl MessageDoc {
    pub(super) fn is_whole(&self) -> bool {
        let answer = match &self.answer {
            Some(AnswerDoc::Fields { fields, .. }) => fields.as_slice(),
            _ => &[],
        };
        self.fields.iter().chain(answer).all(Option::is_some)
    }
}

impl KindWord {
    pub(super) fn is_up(self) -> bool {
        self != Self::Command
    }
}

/// None where there is nothing that could be examined.
pub(super) fn read(value: &Json) -> Option<Document> {
    let text = |key: &str| value.get(key).and_then(Json::as_str);
    Some(Document {
        name: text("name").map(str::to_owned),
        version: text("version").unwrap_or_default().to_owned(),
        little: text("byteOrder") == Some("little"),
        strict: text("lengths") == Some("strict"),
        messages: value.get("messages")?.as_array()?.iter().map(message).collect(),
    })
}

fn message(value: &Json) -> Option<MessageDoc> {
    let text = |key: &str| value.get(key).and_then(Json::as_str).map(str::to_owned);
    let mut all = fields(value.get("fields")?)?;
    let repeat = value.get("repeat").and_then(|repeat| {
        let count = repeat.get("count").and_then(Json::as_str).map(str::to_owned);
        let from = all.len();
        all.extend(fields(repeat.get("fields")?)?);
        Some(RepeatDoc { from, count })
    });
    Some(MessageDoc {
        name: text("name")?,
        kind: serde_json::from_value(value.get("kind")?.clone()).ok()?,
        service: text("service"),
        command: text("command"),
        fields: all,
        repeat,
        answer: value.get("answer").and_then(answer),
    })
}

/// `AAAA0000` is what the designer fills in.
fn answer(value: &Json) -> Option<AnswerDoc> {
    match value {
        Json::Bool(true) => Some(AnswerDoc::Hex("AAAA0000".to_owned())),
        Json::String(hex) => Some(AnswerDoc::Hex(hex.clone())),
        Json::Object(object) => {
            let when = object.get("when").and_then(|when| serde_json::from_value(when.clone()).ok());
            Some(AnswerDoc::Fields { when, fields: object.get("fields").and_then(fields).unwrap_or_default() })
        }
        _ => None,
    }
}

fn fields(value: &Json) -> Option<Vec<Option<FieldDoc>>> {
    Some(value.as_array()?.iter().map(|field| serde_json::from_value(field.clone()).ok()).collect())
}
