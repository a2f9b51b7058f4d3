//! SenML in CBOR (RFC 8428 6): labels are small numbers, except `vlo` of LwM2M.

use minicbor::data::Type;
use minicbor::{Decoder, Encoder};

use super::senml::{Record, unknown};
use super::value::{Kind, ObjectLink};
use super::{ContentError, Datum, Format, MAX_VALUES, Odd, Place, Value, above, base_name, cbor, clip, name_below, too_many};

/// Object link (LwM2M Core 1.1 7.4.4).
const LINK: &str = "vlo";

/// Labels of RFC 8428 6, table 6.
mod label {
    pub(super) const VERSION: i64 = -1;
    pub(super) const BASE_NAME: i64 = -2;
    pub(super) const BASE_TIME: i64 = -3;
    pub(super) const BASE_VALUE: i64 = -5;
    pub(super) const NAME: i64 = 0;
    pub(super) const VALUE: i64 = 2;
    pub(super) const TEXT: i64 = 3;
    pub(super) const BOOLEAN: i64 = 4;
    pub(super) const TIME: i64 = 6;
    pub(super) const BYTES: i64 = 8;
}

/// The records.
pub(super) fn read(payload: &[u8]) -> Result<Vec<Record>, ContentError> {
    let mut decoder = Decoder::new(payload);
    let read = records(&mut decoder).and_then(|records| {
        let ended = decoder.position() == payload.len();
        if ended { Ok(records) } else { Err(Odd::new("bytes behind the list", "one list of records")) }
    });
    let records = read.map_err(|odd| odd.at(Format::SenmlCbor, Place::Byte(decoder.position())))?;
    if records.len() > MAX_VALUES { Err(too_many(Format::SenmlCbor)) } else { Ok(records) }
}

fn records(decoder: &mut Decoder<'_>) -> Result<Vec<Record>, Odd> {
    let length = decoder.array().map_err(|error| Odd::new(error.to_string(), "a list of records"))?;
    let mut records = Vec::new();
    while more(decoder, length, records.len())? && records.len() <= MAX_VALUES {
        records.push(record(decoder)?);
    }
    Ok(records)
}

fn record(decoder: &mut Decoder<'_>) -> Result<Record, Odd> {
    let length = decoder.map().map_err(|error| Odd::new(error.to_string(), "a record, which is a map"))?;
    let mut record = Record::default();
    let mut read = 0;
    while more(decoder, length, read)? {
        match decoder.datatype() {
            Ok(Type::String | Type::StringIndef) => named(decoder, &mut record)?,
            _ => numbered(decoder, &mut record)?,
        }
        read += 1;
    }
    Ok(record)
}

/// Whether another item of a list or map comes; takes the mark at the end of one without a length.
fn more(decoder: &mut Decoder<'_>, length: Option<u64>, read: usize) -> Result<bool, Odd> {
    let cut = |error: minicbor::decode::Error| Odd::new(error.to_string(), "another item or the end of the list");
    match length {
        Some(length) => Ok(u64::try_from(read).is_ok_and(|read| read < length)),
        None if decoder.datatype().map_err(cut)? == Type::Break => decoder.skip().map(|()| false).map_err(cut),
        None => Ok(true),
    }
}

fn named(decoder: &mut Decoder<'_>, record: &mut Record) -> Result<(), Odd> {
    let name = cbor::text(decoder)?;
    if name == LINK {
        let text = cbor::text(decoder)?;
        let link = ObjectLink::parse(&text);
        return record.put(Value::Link(link.ok_or_else(|| Odd::new(clip(&text), "object:instance, such as 3:0"))?));
    }
    unknown(&name)?;
    skip(decoder)
}

fn numbered(decoder: &mut Decoder<'_>, record: &mut Record) -> Result<(), Odd> {
    match decoder.i64().map_err(|error| Odd::new(error.to_string(), "a label: a number or text"))? {
        label::VERSION => match cbor::read(decoder)? {
            Value::Integer(version) => record.version = Some(version),
            other => return Err(unexpected(&other, "a whole number as version")),
        },
        label::BASE_NAME => record.base_name = Some(cbor::text(decoder)?),
        label::NAME => record.name = Some(cbor::text(decoder)?),
        label::BASE_TIME => record.base_time = Some(seconds(decoder)?),
        label::TIME => record.time = Some(seconds(decoder)?),
        label::BASE_VALUE => record.base_value = Some(number(decoder)?),
        label::VALUE => record.put(number(decoder)?)?,
        label::TEXT => record.put(Value::Text(cbor::text(decoder)?))?,
        label::BOOLEAN => match cbor::read(decoder)? {
            value @ Value::Boolean(_) => record.put(value)?,
            other => return Err(unexpected(&other, "true or false")),
        },
        label::BYTES => match cbor::read(decoder)? {
            value @ Value::Opaque(_) => record.put(value)?,
            other => return Err(unexpected(&other, "bytes")),
        },
        _ => skip(decoder)?,
    }
    Ok(())
}

fn number(decoder: &mut Decoder<'_>) -> Result<Value, Odd> {
    match cbor::read(decoder)? {
        value @ (Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) | Value::Time(_)) => Ok(value),
        other => Err(unexpected(&other, "a number")),
    }
}

fn seconds(decoder: &mut Decoder<'_>) -> Result<f64, Odd> {
    match number(decoder)?.coerce(Some(Kind::Float)) {
        Value::Float(seconds) if seconds.is_finite() => Ok(seconds),
        other => Err(unexpected(&other, "seconds")),
    }
}

fn unexpected(value: &Value, expected: &str) -> Odd {
    Odd::new(format!("a value of type {}", value.kind().map_or("none", Kind::name)), expected)
}

fn skip(decoder: &mut Decoder<'_>) -> Result<(), Odd> {
    decoder.skip().map_err(|error| Odd::new(error.to_string(), "a value"))
}

/// A list of records, the base name in the first.
pub(super) fn write(values: &[Datum]) -> Result<Vec<u8>, ContentError> {
    let mut encoder = Encoder::new(Vec::new());
    let written = list(values, &mut encoder);
    cbor::finished(Format::SenmlCbor, encoder, written)
}

fn list(values: &[Datum], encoder: &mut Encoder<Vec<u8>>) -> cbor::Written {
    let above = above(values);
    encoder.array(values.len().try_into().unwrap_or(u64::MAX))?;
    for (at, datum) in values.iter().enumerate() {
        let base = base_name(&above).filter(|_| at == 0);
        let members = [base.is_some(), true, datum.time.is_some(), datum.value != Value::None];
        encoder.map(members.into_iter().map(u64::from).sum())?;
        if let Some(base) = base {
            encoder.i64(label::BASE_NAME)?.str(&base)?;
        }
        encoder.i64(label::NAME)?.str(&name_below(&above, &datum.path))?;
        if let Some(time) = datum.time {
            encoder.i64(label::TIME)?;
            cbor::write(&Value::Float(time), encoder)?;
        }
        match &datum.value {
            Value::None => continue,
            Value::Link(_) => encoder.str(LINK)?,
            Value::Text(_) => encoder.i64(label::TEXT)?,
            Value::Boolean(_) => encoder.i64(label::BOOLEAN)?,
            Value::Opaque(_) => encoder.i64(label::BYTES)?,
            Value::Integer(_) | Value::Unsigned(_) | Value::Float(_) | Value::Time(_) => encoder.i64(label::VALUE)?,
        };
        cbor::write(&datum.value, encoder)?;
    }
    Ok(())
}
