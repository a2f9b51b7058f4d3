//! SenML records and what they resolve to (RFC 8428 4, LwM2M Core 1.1 7.4.4). Knows neither JSON nor CBOR.

use super::super::path::{Level, Path};
use super::{ContentError, Datum, Format, MAX_VALUES, Odd, Place, Types, Value, clip, named, too_many};

/// Newest version of SenML that is understood (RFC 8428 4.4).
const VERSION: i64 = 10;

/// One record as it stands there. What LwM2M has no use for (units, sums, update times) is not kept.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// `bver`
    pub(super) version: Option<i64>,
    /// `bn`
    pub(super) base_name: Option<String>,
    /// `bt`
    pub(super) base_time: Option<f64>,
    /// `bv`
    pub(super) base_value: Option<Value>,
    /// `n`
    pub(super) name: Option<String>,
    /// `t`
    pub(super) time: Option<f64>,
    /// `v`, `vs`, `vb`, `vd` or `vlo`
    pub(super) value: Option<Value>,
}

impl Record {
    /// Keeps the value of a record, which has one.
    pub(super) fn put(&mut self, value: Value) -> Result<(), Odd> {
        match self.value.replace(value) {
            None => Ok(()),
            Some(_) => Err(Odd::new("a second value", "one of v, vs, vb, vd, vlo")),
        }
    }
}

/// What an unknown label means: those that end with `_` must be understood (RFC 8428 4.4).
pub(super) fn unknown(label: &str) -> Result<(), Odd> {
    if label.ends_with('_') {
        return Err(Odd::new(format!("the label `{}`", clip(label)), "no label that must be understood"));
    }
    Ok(())
}

/// The values of records: names, times and numbers with their bases. A record without name and value only sets bases.
pub(super) fn resolve(format: Format, base: &Path, records: Vec<Record>, types: Types<'_>) -> Result<Vec<Datum>, ContentError> {
    if records.len() > MAX_VALUES {
        return Err(too_many(format));
    }
    let (mut base_name, mut base_time, mut base_value) = (String::new(), None, None);
    let mut found = Vec::with_capacity(records.len());
    for (at, record) in records.into_iter().enumerate() {
        let here = |odd: Odd| odd.at(format, Place::Entry(at));
        if let Some(version) = record.version.filter(|version| *version > VERSION) {
            return Err(here(Odd::new(format!("SenML version {version}"), format!("at most {VERSION}"))));
        }
        let sets_bases = record.base_name.is_some() || record.base_time.is_some() || record.base_value.is_some();
        base_name = record.base_name.unwrap_or(base_name);
        base_time = record.base_time.or(base_time);
        base_value = record.base_value.or(base_value);
        if record.name.is_none() && record.value.is_none() && sets_bases {
            continue;
        }
        let path = named(base, &base_name, record.name.as_deref().unwrap_or_default()).map_err(here)?;
        let value = match (record.value, &base_value) {
            (None, None) => Value::None,
            (None, Some(value)) => value.clone(),
            (Some(value), None) => value,
            (Some(value), Some(base)) => sum(value, base),
        };
        if value != Value::None && path.level() < Level::Resource {
            return Err(here(Odd::new(format!("a value of {path}"), "values of resources and resource instances")));
        }
        let time = match (base_time, record.time) {
            (None, None) => None,
            (a, b) => Some(a.unwrap_or(0.0) + b.unwrap_or(0.0)),
        };
        found.push(Datum { time, ..Datum::new(path, value.coerce(types(&path))) });
    }
    Ok(found)
}

/// A base value is added to numbers and to nothing else.
#[expect(clippy::cast_precision_loss, reason = "what does not fit whole numbers is a float, which has 53 bits")]
fn sum(value: Value, base: &Value) -> Value {
    let float = |value: &Value| match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Unsigned(number) => Some(*number as f64),
        Value::Float(number) => Some(*number),
        _ => None,
    };
    match (&value, base) {
        (Value::Integer(a), Value::Integer(b)) if a.checked_add(*b).is_some() => Value::Integer(a.saturating_add(*b)),
        _ => match (float(&value), float(base)) {
            (Some(a), Some(b)) => Value::Float(a + b),
            _ => value,
        },
    }
}
