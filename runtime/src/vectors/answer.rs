//! What comes out of a codec, in one form in which equal meanings are equal.

use std::fmt;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::model::{CodecFault, FaultKind, ReportKind, Timestamp};

/// What comes out of a codec.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Of `decode`, each in the form of [`report_json`] or [`response_json`].
    Messages(Vec<Value>),
    /// Of `encode`; none = nothing is sent.
    Bytes(Option<Vec<u8>>),
    /// The codec refused in its own words.
    Fault(Fault),
    /// What no vector expects: an answer that contradicts the codec's own tables or the profile.
    Contradiction(String),
    /// What no vector expects: a trap, a deadline, a limit.
    Broken(String),
}

/// Kind and place of a codec's refusal; its words are for people and not compared.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// The class.
    pub kind: FaultKind,
    /// Byte offset in the payload. In a vector: none = anywhere.
    pub offset: Option<u32>,
}

impl From<CodecFault> for Answer {
    fn from(fault: CodecFault) -> Self {
        Self::Fault(Fault { kind: fault.kind, offset: fault.offset })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages(messages) => write!(f, "{}", Value::from(messages.clone())),
            Self::Bytes(Some(bytes)) => f.write_str(&hex::encode(bytes)),
            Self::Bytes(None) => f.write_str("nothing to send"),
            Self::Fault(Fault { kind, offset }) => {
                write!(f, "the error {}", kind.as_str())?;
                offset.map_or(Ok(()), |offset| write!(f, " at byte {offset}"))
            }
            Self::Contradiction(why) | Self::Broken(why) => f.write_str(why),
        }
    }
}

/// One way to write a report, so that equal meanings are equal JSON.
#[must_use]
pub fn report_json(service: &str, kind: ReportKind, time: Option<Timestamp>, values: Value, has_more: bool) -> Value {
    let mut body = Map::new();
    body.insert("service".to_owned(), service.into());
    body.insert("kind".to_owned(), json!(kind));
    body.extend(time.map(|time| ("eventTime".to_owned(), time.to_string().into())));
    body.insert("values".to_owned(), values);
    body.extend(has_more.then(|| ("hasMore".to_owned(), true.into())));
    json!({ "report": body })
}

/// One way to write a response.
#[must_use]
pub fn response_json(mid: u16, errcode: u8, command: Option<&str>, values: Value) -> Value {
    let mut body = Map::new();
    body.insert("mid".to_owned(), mid.into());
    body.insert("errcode".to_owned(), errcode.into());
    body.extend(command.map(|command| ("command".to_owned(), command.into())));
    body.insert("values".to_owned(), values);
    json!({ "response": body })
}

/// Whether an answer is what a vector expects.
#[must_use]
pub fn holds(expected: &Answer, got: &Answer) -> bool {
    match (expected, got) {
        (Answer::Messages(expected), Answer::Messages(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| same(expected, got))
        }
        (Answer::Fault(expected), Answer::Fault(got)) => {
            expected.kind == got.kind && (expected.offset.is_none() || expected.offset == got.offset)
        }
        (expected, got) => expected == got,
    }
}

/// Equal JSON, where 1 and 1.0 are one number and the order of keys means nothing.
#[must_use]
pub fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(l), Value::Number(r)) => l == r || ((l.is_f64() || r.is_f64()) && l.as_f64() == r.as_f64()),
        (Value::Array(l), Value::Array(r)) => l.len() == r.len() && l.iter().zip(r).all(|(l, r)| same(l, r)),
        (Value::Object(l), Value::Object(r)) => {
            l.len() == r.len() && l.iter().all(|(key, l)| r.get(key).is_some_and(|r| same(l, r)))
        }
        _ => left == right,
    }
}
