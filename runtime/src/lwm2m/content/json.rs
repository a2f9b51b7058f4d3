//! JSON of LwM2M 1.0, `{"bn":"/3/0/","e":[{"n":"9","v":98}]}` (LwM2M 1.0 6.4.4). Bytes are base64 in `sv`, as texts are.

use serde_json::value::RawValue;
use serde_json::{Map, Value as Json};

use super::super::path::{Level, Path};
use super::senml_json::{Members, document, finite, link, members, number, read_as, seconds};
use super::value::from_base64;
use super::{
    Basis, ContentError, Datum, Format, Kind, MAX_VALUES, Odd, Place, Types, Value, above, base_name, clip, name_below, named,
    too_many,
};

/// Values below `base`.
pub(super) fn decode(format: Format, base: &Path, payload: &[u8], types: Types<'_>) -> Result<Vec<Datum>, ContentError> {
    let outer: &RawValue = document(format, payload, "an object with a list `e`")?;
    let outer = members(outer).map_err(|odd| odd.at(format, Place::Whole))?;
    let header = |label: &str| outer.get(label).copied();
    let whole = |odd: Odd| odd.at(format, Place::Whole);
    let base_name: String = header("bn").map_or(Ok(String::new()), |text| read_as(text, "text")).map_err(whole)?;
    let base_time = header("bt").map(seconds).transpose().map_err(whole)?;
    let list = header("e").ok_or_else(|| whole(Odd::new("no `e`", "a list `e` of values")))?;
    let list: Vec<&RawValue> =
        serde_json::from_str(list.get()).map_err(|_| whole(Odd::new("no list in `e`", "a list of values")))?;
    if list.len() > MAX_VALUES {
        return Err(too_many(format));
    }
    let values = list.into_iter().enumerate().map(|(at, text)| {
        let members = members(text).and_then(|members| entry(base, &base_name, base_time, &members, types));
        members.map_err(|odd| odd.at(format, Place::Entry(at)))
    });
    values.collect()
}

fn entry(base: &Path, base_name: &str, base_time: Option<f64>, members: &Members<'_>, types: Types<'_>) -> Result<Datum, Odd> {
    let name: String = members.get("n").map_or(Ok(String::new()), |text| read_as(text, "text"))?;
    let path = named(base, base_name, &name)?;
    let time = members.get("t").map(|text| seconds(text)).transpose()?;
    let time = match (base_time, time) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0.0) + b.unwrap_or(0.0)),
    };
    let kind = types(&path);
    let (mut value, mut basis) = (Value::None, Basis::Known);
    for (label, text) in members {
        let found = match label.as_ref() {
            "v" => number(text)?,
            "bv" => Value::Boolean(read_as(text, "true or false")?),
            "ov" => Value::Link(link(text)?),
            "sv" => {
                let text: String = read_as(text, "text")?;
                // Only the type tells bytes from text.
                basis = if kind.is_none() { Basis::Guessed } else { Basis::Known };
                match kind {
                    Some(Kind::Opaque) => Value::Opaque(from_base64(&text).ok_or_else(|| Odd::new(clip(&text), "base64"))?),
                    _ => Value::Text(text),
                }
            }
            _ => continue,
        };
        if std::mem::replace(&mut value, found) != Value::None {
            return Err(Odd::new("a second value", "one of v, sv, bv, ov"));
        }
    }
    if value != Value::None && path.level() < Level::Resource {
        return Err(Odd::new(format!("a value of {path}"), "values of resources and resource instances"));
    }
    Ok(Datum { path, value: value.coerce(kind), time, basis })
}

/// One object with all values.
pub(super) fn encode(format: Format, values: &[Datum]) -> Result<Vec<u8>, ContentError> {
    let above = above(values);
    let mut list = Vec::with_capacity(values.len());
    for (at, datum) in values.iter().enumerate() {
        let mut entry = Map::new();
        entry.insert("n".to_owned(), Json::String(name_below(&above, &datum.path)));
        if let Some(time) = datum.time {
            entry.insert("t".to_owned(), finite(time, at, format)?);
        }
        let member = match &datum.value {
            Value::None => None,
            Value::Integer(number) | Value::Time(number) => Some(("v", (*number).into())),
            Value::Unsigned(number) => Some(("v", (*number).into())),
            Value::Float(number) => Some(("v", finite(*number, at, format)?)),
            Value::Boolean(value) => Some(("bv", Json::Bool(*value))),
            Value::Link(link) => Some(("ov", Json::String(link.to_string()))),
            Value::Text(_) | Value::Opaque(_) => datum.value.to_text().map(|text| ("sv", Json::String(text))),
        };
        entry.extend(member.map(|(label, value)| (label.to_owned(), value)));
        list.push(Json::Object(entry));
    }
    let mut outer = Map::new();
    outer.extend(base_name(&above).map(|name| ("bn".to_owned(), Json::String(name))));
    outer.insert("e".to_owned(), Json::Array(list));
    Ok(Json::Object(outer).to_string().into_bytes())
}
