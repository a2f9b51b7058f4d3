//! A command's parameters: JSON by name becomes typed fields in table order, or every mistake in it is told.
//!
//! Coercions, the union of what the platforms take (REFERENCE G.11, A.4.3): numeric text for a number, a number for a text, true for
//! 1, `"true"` and `"false"` for a boolean. A strict reading refuses those and says what to write instead. No coercions: `12.0` for
//! a whole number, 0 and 1 for a truth value of type int, null for "not given". Here a limit is a refusal: nobody has acted on the
//! value yet.

use base64::Engine as _;
use serde_json::Value as Json;

use crate::model::{Field, Timestamp, Value, ValueType};

use super::check::Check;
use super::document::FieldType;
use super::json_text::{MAX_DEPTH, is_shallow};
use super::mistake::{At, Findings, Mistake, code, quote};
use super::structure::shown;
use super::suggest;

/// Whether a value of another JSON type is taken where its meaning is plain: `"12"` for an int, 12 for a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coercion {
    /// It is refused, and the refusal shows what to write.
    Strict,
    /// It is taken.
    Lenient,
}

/// Binds parameters to checks. `unheard` names parameters that the profile has and the codec cannot encode.
pub(super) fn bind(checks: &[Check], unheard: &[String], params: &Json, coercion: Coercion) -> Result<Vec<Field>, Vec<Mistake>> {
    let at = At::file("command").key("params");
    let mut findings = Findings::default();
    let empty = serde_json::Map::new();
    let given = match params {
        Json::Object(given) => given,
        Json::Null => &empty,
        other => {
            let reason = format!("the parameters are an object, not {}", shown(other));
            findings.error(&at, code::PARAMS_NOT_OBJECT, reason, "write {\"name\": value, ...}");
            return Err(findings.into_list());
        }
    };
    for name in given.keys() {
        if unheard.contains(name) {
            let reason = format!("the active codec cannot encode {}", quote(name));
            let fix = "leave it out, or install a codec version that knows it";
            findings.error(&at.key(name), code::PARAMETER_NOT_ENCODED, reason, fix);
        } else if !checks.iter().any(|check| check.name == *name) {
            let known: Vec<&str> = checks.iter().map(|check| check.name.as_str()).collect();
            let reason = format!("the command has no parameter {}", quote(name));
            findings.error(&at.key(name), code::UNKNOWN_PARAMETER, reason, suggest::advice(name, &known));
        }
    }
    let mut fields = Vec::with_capacity(given.len());
    for (position, check) in checks.iter().enumerate() {
        let place = at.key(&check.name);
        let Some(value) = given.get(&check.name).filter(|value| !value.is_null()) else {
            if check.required {
                let reason = format!("the parameter {} is missing", quote(&check.name));
                findings.error(&place, code::MISSING_PARAMETER, reason, format!("add it: {}", wanted(check)));
            }
            continue;
        };
        let given = value;
        let Some(value) = convert(check, given, &place, &mut findings) else {
            let reason = format!("{} does not fit type {}", shown(given), check.field_type.as_str());
            findings.error(&place, code::PARAMETER_TYPE, reason, format!("write {}", wanted(check)));
            continue;
        };
        if coercion == Coercion::Strict && !is_of_type(check.field_type, given) {
            let reason = format!("{} stands where type {} is expected", shown(given), check.field_type.as_str());
            let fix =
                format!("write {}: {}, or let the product take it (coerceParams)", quoted(&check.name), right(check, &value));
            findings.error(&place, code::PARAMETER_TYPE, reason, fix);
        }
        check.inspect(&value, &mut |word, detail| {
            let reason = format!("{word}: {detail}");
            findings.error(&place, code::PARAMETER_LIMIT, reason, "send a value within the limits of the profile");
        });
        // The plan has no more than 65,536 fields a table: `Plan::join` saw to it.
        if let Ok(index) = u16::try_from(position) {
            fields.push(Field { index, value });
        }
    }
    findings.verdict().map(|_| fields)
}

fn convert(check: &Check, given: &Json, at: &At, findings: &mut Findings) -> Option<Value> {
    let text = given.as_str();
    match (check.field_type, check.promised) {
        (FieldType::Int, ValueType::Boolean) => match whole(given)? {
            0 => Some(Value::Boolean(false)),
            1 => Some(Value::Boolean(true)),
            _ => None,
        },
        (FieldType::Int | FieldType::Long, _) => whole(given).map(Value::Integer),
        (FieldType::Decimal, ValueType::Integer) => whole(given).map(Value::Integer),
        (FieldType::Decimal, _) => number(given)?.as_f64().map(Value::Number),
        (FieldType::String | FieldType::Bytes, ValueType::Bytes) => {
            base64::engine::general_purpose::STANDARD.decode(text?).ok().map(Value::Bytes)
        }
        (FieldType::DateTime, ValueType::Timestamp) => Timestamp::parse(text?).ok().map(|time| Value::Timestamp(time.0)),
        (FieldType::String | FieldType::Enum, _) if given.is_number() => Some(Value::Text(given.to_string())),
        (FieldType::String | FieldType::Enum | FieldType::DateTime | FieldType::Bytes, _) => Some(Value::Text(text?.to_owned())),
        (FieldType::Boolean, _) => match (given, text) {
            (Json::Bool(flag), _) => Some(Value::Boolean(*flag)),
            (_, Some("true")) => Some(Value::Boolean(true)),
            (_, Some("false")) => Some(Value::Boolean(false)),
            _ => None,
        },
        (FieldType::JsonObject | FieldType::StringList, _) => {
            if !(given.is_object() || given.is_array()) || !is_shallow(given) {
                return None;
            }
            let compact = given.to_string();
            check.inspect_json(given, &compact, &mut |word, detail| {
                let reason = format!("{word}: {detail}");
                findings.error(at, code::PARAMETER_LIMIT, reason, "send a value that fits the profile's schema of it");
            });
            Some(Value::Json(compact))
        }
    }
}

/// Whether the JSON type is the one that the profile's type is written in.
fn is_of_type(field_type: FieldType, given: &Json) -> bool {
    match field_type {
        FieldType::Int | FieldType::Long | FieldType::Decimal => given.is_number(),
        FieldType::String | FieldType::Enum | FieldType::DateTime | FieldType::Bytes => given.is_string(),
        FieldType::Boolean => given.is_boolean(),
        FieldType::JsonObject | FieldType::StringList => true,
    }
}

/// The value as the profile's type is written in JSON.
fn right(check: &Check, value: &Value) -> String {
    match (check.field_type, value) {
        (FieldType::Int, Value::Boolean(flag)) => u8::from(*flag).to_string(),
        (_, Value::Boolean(flag)) => flag.to_string(),
        (_, Value::Integer(whole)) => whole.to_string(),
        (_, Value::Number(number)) => number.to_string(),
        (_, Value::Text(text)) => quoted(text),
        _ => wanted(check),
    }
}

fn quoted(text: &str) -> String {
    Json::String(text.to_owned()).to_string()
}

/// A JSON number, or a text that is one.
fn number(given: &Json) -> Option<serde_json::Number> {
    match given {
        Json::Number(number) => Some(number.clone()),
        Json::String(text) => serde_json::from_str(text.trim()).ok(),
        _ => None,
    }
}

/// A whole number; `12.0` is one, and true is 1.
fn whole(given: &Json) -> Option<i64> {
    if let Json::Bool(flag) = given {
        return Some(i64::from(*flag));
    }
    let number = number(given)?;
    if let Some(whole) = number.as_i64() {
        return Some(whole);
    }
    // Above 2^53 a fraction can no longer be seen, so such a number must be written without one.
    let value = number.as_f64().filter(|value| value.fract() == 0.0 && value.abs() <= 9_007_199_254_740_992.0)?;
    #[expect(clippy::cast_possible_truncation, reason = "whole and within 2^53")]
    let whole = value as i64;
    Some(whole)
}

/// What would fit, in words.
fn wanted(check: &Check) -> String {
    match (check.field_type, check.promised) {
        (FieldType::Int, ValueType::Boolean) => "0 or 1".to_owned(),
        (FieldType::Int | FieldType::Long, _) => "a whole number".to_owned(),
        (FieldType::Decimal, ValueType::Integer) => "a whole number (the codec encodes no fraction)".to_owned(),
        (FieldType::Decimal, _) => "a number".to_owned(),
        (_, ValueType::Bytes) => "bytes as base64 text (RFC 4648 section 4, with padding)".to_owned(),
        (FieldType::DateTime, _) => "a time as text, such as 2024-01-31T12:00:00Z".to_owned(),
        (FieldType::String | FieldType::Enum | FieldType::Bytes, _) => "a text".to_owned(),
        (FieldType::Boolean, _) => "true or false".to_owned(),
        (FieldType::JsonObject, _) => format!("an object or an array, nested at most {MAX_DEPTH} deep"),
        (FieldType::StringList, _) => "an array of texts".to_owned(),
    }
}
