//! Values as applications see them: JSON by path, `{"/3/0/9": 98, "/3/0/13": "2013-05-02T10:40:15.000Z"}`.
//!
//! Bytes are base64, times RFC 3339, links `"3:0"`, nothing is null. Where the type of a path is not known, it follows from the
//! JSON; what JSON has no type for is then written `{"opaque": "AQI="}`, with the name of the type.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value as Json};

use super::super::path::{Level, Path};
use super::value::from_base64;
use super::{Datum, Kind, MAX_VALUES, ObjectLink, Types, Value, clip};
use crate::model::Timestamp;

/// Greatest moment that RFC 3339 can write, the last second of 9999.
const LAST_SECOND: u64 = 253_402_300_799;

/// One thing that is wrong with what an application asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Which path or member.
    pub at: String,
    /// What is wrong, and what could stand there.
    pub reason: String,
}

impl Mistake {
    /// A mistake at a path or member.
    pub fn new(at: impl fmt::Display, reason: impl Into<String>) -> Self {
        Self { at: at.to_string(), reason: reason.into() }
    }
}

/// `/3/0/9: "x", expected a whole number`
impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.reason)
    }
}

/// One value.
#[must_use]
pub fn to_json(value: &Value) -> Json {
    match value {
        Value::None => Json::Null,
        Value::Text(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Unsigned(number) => (*number).into(),
        Value::Float(number) => serde_json::Number::from_f64(*number).map_or(Json::Null, Json::Number),
        Value::Boolean(value) => (*value).into(),
        Value::Opaque(bytes) => BASE64.encode(bytes).into(),
        Value::Time(seconds) => match u64::try_from(*seconds) {
            Ok(seconds) if seconds <= LAST_SECOND => Timestamp(seconds * 1_000).to_string().into(),
            _ => (*seconds).into(),
        },
        Value::Link(link) => link.to_string().into(),
    }
}

/// Values for `base`: of a resource the value itself, or an object of values whose paths are relative (`"9"`) or whole
/// (`"/3/0/9"`).
///
/// # Errors
/// All mistakes: paths that are none or lie outside, values of another type, too many.
pub fn from_json(base: &Path, json: &Json, types: Types<'_>) -> Result<Vec<Datum>, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let mut values = Vec::new();
    match json {
        Json::Object(members) if named_type(members).is_none() => {
            if members.len() > MAX_VALUES {
                return Err(vec![Mistake::new(base, format!("{} values, expected at most {MAX_VALUES}", members.len()))]);
            }
            for (name, json) in members {
                match below(base, name).and_then(|path| datum(path, json, types)) {
                    Ok(datum) => values.push(datum),
                    Err(mistake) => mistakes.push(mistake),
                }
            }
        }
        json => match datum(*base, json, types) {
            Ok(datum) => values.push(datum),
            Err(mistake) => mistakes.push(mistake),
        },
    }
    if mistakes.is_empty() { Ok(values) } else { Err(mistakes) }
}

fn below(base: &Path, name: &str) -> Result<Path, Mistake> {
    let wrong = |reason: String| Mistake::new(clip(name), reason);
    let path: Path = name.parse().map_err(|error: super::super::path::BadPath| wrong(error.to_string()))?;
    let path = if name.starts_with('/') { Some(path) } else { path.ids().iter().try_fold(*base, |path, id| path.child(*id)) };
    let inside = path.filter(|path| base.contains(path));
    inside.ok_or_else(|| wrong(format!("does not lie in {base}")))
}

fn datum(path: Path, json: &Json, types: Types<'_>) -> Result<Datum, Mistake> {
    if path.level() < Level::Resource && !json.is_null() {
        return Err(Mistake::new(path, "an instance has no value itself, expected an object of values such as {\"9\": 98}"));
    }
    let (kind, json) = match json.as_object().and_then(named_type) {
        Some((kind, json)) => (Some(kind), json),
        None => (types(&path), json),
    };
    value(kind, json).map(|value| Datum::new(path, value)).map_err(|expected| {
        let shown = clip(&json.to_string());
        Mistake::new(path, format!("{shown}, expected {expected}"))
    })
}

/// The type and value of `{"opaque": "AQI="}`.
fn named_type(members: &Map<String, Json>) -> Option<(Kind, &Json)> {
    const KINDS: [Kind; 8] =
        [Kind::Text, Kind::Integer, Kind::Unsigned, Kind::Float, Kind::Boolean, Kind::Opaque, Kind::Time, Kind::Link];
    let mut members = members.iter();
    let ((name, json), None) = (members.next()?, members.next()) else { return None };
    KINDS.into_iter().find(|kind| kind.name() == name).map(|kind| (kind, json))
}

/// A value of a type, or what was expected.
fn value(kind: Option<Kind>, json: &Json) -> Result<Value, &'static str> {
    let text = json.as_str();
    let Some(kind) = kind else { return plain(json) };
    if json.is_null() {
        return Ok(Value::None);
    }
    let (value, expected) = match kind {
        Kind::Text => (text.map(|text| Value::Text(text.to_owned())), "text"),
        Kind::Integer => (json.as_i64().map(Value::Integer), "a whole number of 64 bits"),
        Kind::Unsigned => (json.as_u64().map(Value::Unsigned), "a whole number from 0 on"),
        Kind::Float => (json.as_f64().map(Value::Float), "a number"),
        Kind::Boolean => (json.as_bool().map(Value::Boolean), "true or false"),
        Kind::Opaque => (text.and_then(from_base64).map(Value::Opaque), "bytes as base64"),
        Kind::Link => (text.and_then(ObjectLink::parse).map(Value::Link), "a link such as \"3:0\""),
        Kind::Time => {
            let moment = text.and_then(|text| Timestamp::parse(text).ok()).and_then(|time| i64::try_from(time.0 / 1_000).ok());
            (moment.or(json.as_i64()).map(Value::Time), "a time such as \"2013-05-02T10:40:15Z\", or seconds since 1970")
        }
    };
    value.ok_or(expected)
}

/// A value of the type that the JSON has.
fn plain(json: &Json) -> Result<Value, &'static str> {
    match json {
        Json::Null => Ok(Value::None),
        Json::Bool(value) => Ok(Value::Boolean(*value)),
        Json::String(text) => Ok(Value::Text(text.clone())),
        Json::Number(number) => {
            let whole = number.as_i64().map(Value::Integer).or_else(|| number.as_u64().map(Value::Unsigned));
            whole.or_else(|| number.as_f64().map(Value::Float)).ok_or("a number of 64 bits")
        }
        Json::Array(_) | Json::Object(_) => Err("text, a number, true, false or a type such as {\"opaque\": \"AQI=\"}"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn types(path: &Path) -> Option<Kind> {
        match path.ids() {
            [3, 0, 9] => Some(Kind::Integer),
            [3, 0, 13] => Some(Kind::Time),
            [3, 0, 14] => Some(Kind::Text),
            [3, 0, 22] => Some(Kind::Link),
            [19, 0, 0, ..] => Some(Kind::Opaque),
            _ => None,
        }
    }

    #[test]
    fn values_are_read_as_they_are_written() {
        let base = "/3/0".parse().unwrap();
        let json = json!({ "/3/0/9": 98, "13": "2013-05-02T10:40:15.000Z", "14": "+02", "22": "66:0", "77": 1.5 });
        let values = from_json(&base, &json, &types).unwrap();
        assert_eq!(values[1], Datum::new("/3/0/13".parse().unwrap(), Value::Time(1_367_491_215)));
        let shown: Vec<Json> = values.iter().map(|datum| to_json(&datum.value)).collect();
        assert_eq!(json!(shown), json!([98, "2013-05-02T10:40:15.000Z", "+02", "66:0", 1.5]));
        let resource = "/19/0/0".parse().unwrap();
        assert_eq!(from_json(&resource, &json!("AQI="), &types).unwrap()[0].value, Value::Opaque(vec![1, 2]));
        let multiple = from_json(&resource, &json!({ "0": "AQ==", "1": "Ag==" }), &types).unwrap();
        assert_eq!(multiple[1], Datum::new("/19/0/0/1".parse().unwrap(), Value::Opaque(vec![2])));
        let unknown = "/33000/0/1".parse().unwrap();
        assert_eq!(from_json(&unknown, &json!({ "opaque": "AQI=" }), &types).unwrap()[0].value, Value::Opaque(vec![1, 2]));
        assert_eq!(to_json(&Value::Time(-5)), json!(-5));
        assert_eq!(to_json(&Value::Float(f64::NAN)), Json::Null);
    }

    #[test]
    fn all_mistakes_are_told() {
        let base = "/3/0".parse().unwrap();
        let json = json!({ "9": "98", "13": "today", "14": 2, "/4/0/1": 1, "x": 1, "1/2/3": 1, "8": [1] });
        let mistakes = from_json(&base, &json, &types).unwrap_err();
        let told: Vec<String> = mistakes.iter().map(Mistake::to_string).collect();
        assert_eq!(told.len(), 7, "{told:#?}");
        for words in
            ["/3/0/9: \"98\", expected a whole number", "/3/0/13: \"today\", expected a time", "/4/0/1: does not lie in /3/0"]
        {
            assert!(told.iter().any(|told| told.starts_with(words)), "{words}: {told:#?}");
        }
        assert!(from_json(&base, &json!(5), &types).is_err());
    }
}
