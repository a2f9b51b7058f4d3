//! SenML in JSON (RFC 8428 5): names of labels as text, bytes in base64url.

use std::borrow::Cow;
use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::senml::{Record, unknown};
use super::value::{ObjectLink, decimal, from_base64};
use super::{ContentError, Datum, Format, Odd, Place, Value, above, base_name, clip, name_below};

/// Members of an object as they are written, so that no digit of a number is lost.
pub(super) type Members<'p> = BTreeMap<Cow<'p, str>, &'p RawValue>;

/// The records.
pub(super) fn read(payload: &[u8]) -> Result<Vec<Record>, ContentError> {
    let list: Vec<&RawValue> = document(Format::SenmlJson, payload, "a list of records")?;
    let records = list.iter().enumerate().map(|(at, text)| {
        let members = members(text).and_then(record);
        members.map_err(|odd| odd.at(Format::SenmlJson, Place::Entry(at)))
    });
    records.collect()
}

/// What a JSON payload is, or where it stops being that.
pub(super) fn document<'p, T: serde::Deserialize<'p>>(
    format: Format,
    payload: &'p [u8],
    expected: &str,
) -> Result<T, ContentError> {
    serde_json::from_slice(payload)
        .map_err(|error| Odd::new(error.to_string(), expected).at(format, Place::Text(error.line(), error.column())))
}

/// The members of an entry.
pub(super) fn members(text: &RawValue) -> Result<Members<'_>, Odd> {
    serde_json::from_str(text.get()).map_err(|_| Odd::new(clip(text.get()), "an object"))
}

fn record(members: Members<'_>) -> Result<Record, Odd> {
    let mut record = Record::default();
    for (label, text) in members {
        match label.as_ref() {
            "bver" => record.version = Some(read_as(text, "a whole number")?),
            "bn" => record.base_name = Some(read_as(text, "text")?),
            "n" => record.name = Some(read_as(text, "text")?),
            "bt" => record.base_time = Some(seconds(text)?),
            "t" => record.time = Some(seconds(text)?),
            "bv" => record.base_value = Some(number(text)?),
            "v" => record.put(number(text)?)?,
            "vs" => record.put(Value::Text(read_as(text, "text")?))?,
            "vb" => record.put(Value::Boolean(read_as(text, "true or false")?))?,
            "vd" => record.put(Value::Opaque(bytes(text)?))?,
            "vlo" => record.put(Value::Link(link(text)?))?,
            other => unknown(other)?,
        }
    }
    Ok(record)
}

/// A member of a type that JSON has.
pub(super) fn read_as<T: serde::de::DeserializeOwned>(text: &RawValue, expected: &str) -> Result<T, Odd> {
    serde_json::from_str(text.get()).map_err(|_| Odd::new(clip(text.get()), expected))
}

/// A number, whole if it is written so.
pub(super) fn number(text: &RawValue) -> Result<Value, Odd> {
    let text = text.get();
    let whole = text.parse().map(Value::Integer).ok().or_else(|| text.parse().map(Value::Unsigned).ok());
    whole.or_else(|| decimal(text).map(Value::Float)).ok_or_else(|| Odd::new(clip(text), "a number"))
}

/// A time.
pub(super) fn seconds(text: &RawValue) -> Result<f64, Odd> {
    decimal(text.get()).ok_or_else(|| Odd::new(clip(text.get()), "seconds"))
}

/// `"3:0"`
pub(super) fn link(text: &RawValue) -> Result<ObjectLink, Odd> {
    let expected = "object:instance, such as \"3:0\"";
    ObjectLink::parse(&read_as::<String>(text, expected)?).ok_or_else(|| Odd::new(clip(text.get()), expected))
}

fn bytes(text: &RawValue) -> Result<Vec<u8>, Odd> {
    from_base64(&read_as::<String>(text, "base64url")?).ok_or_else(|| Odd::new(clip(text.get()), "base64url"))
}

/// A list of records, the base name in the first.
pub(super) fn write(values: &[Datum]) -> Result<Vec<u8>, ContentError> {
    let above = above(values);
    let mut list = Vec::with_capacity(values.len());
    for (at, datum) in values.iter().enumerate() {
        let mut record = Map::new();
        if at == 0 {
            record.extend(base_name(&above).map(|name| ("bn".to_owned(), Json::String(name))));
        }
        record.insert("n".to_owned(), Json::String(name_below(&above, &datum.path)));
        if let Some(time) = datum.time {
            record.insert("t".to_owned(), finite(time, at, Format::SenmlJson)?);
        }
        let member = match &datum.value {
            Value::None => None,
            Value::Text(text) => Some(("vs", Json::String(text.clone()))),
            Value::Integer(number) | Value::Time(number) => Some(("v", (*number).into())),
            Value::Unsigned(number) => Some(("v", (*number).into())),
            Value::Float(number) => Some(("v", finite(*number, at, Format::SenmlJson)?)),
            Value::Boolean(value) => Some(("vb", Json::Bool(*value))),
            Value::Opaque(bytes) => Some(("vd", Json::String(URL_SAFE_NO_PAD.encode(bytes)))),
            Value::Link(link) => Some(("vlo", Json::String(link.to_string()))),
        };
        record.extend(member.map(|(label, value)| (label.to_owned(), value)));
        list.push(Json::Object(record));
    }
    Ok(Json::Array(list).to_string().into_bytes())
}

/// A number of JSON, which has no NaN and no infinity.
pub(super) fn finite(number: f64, at: usize, format: Format) -> Result<Json, ContentError> {
    let number = serde_json::Number::from_f64(number).map(Json::Number);
    number.ok_or_else(|| Odd::new("no finite number", "a finite one").at(format, Place::Entry(at)))
}
