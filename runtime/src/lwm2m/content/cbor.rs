//! One CBOR item as a value (RFC 8949; LwM2M Core 1.1 7.4.3). minicbor reads and writes; half floats are read here, so that
//! it needs no crate for them.

use minicbor::data::{Tag, Type};
use minicbor::{Decoder, Encoder};

use super::value::short;
use super::{ContentError, Format, Odd, Place, Value};
use crate::model::Timestamp;

/// Text with a date and time (RFC 8949 3.4.1).
const DATE_TEXT: u64 = 0;
/// Seconds since 1970 (RFC 8949 3.4.2).
const EPOCH: u64 = 1;

/// What encoding can end with: writing to memory cannot fail.
pub(super) type Written = Result<(), minicbor::encode::Error<std::convert::Infallible>>;

/// A payload of one item.
pub(super) fn decode(payload: &[u8]) -> Result<Value, ContentError> {
    let mut decoder = Decoder::new(payload);
    let value = read(&mut decoder).map_err(|odd| odd.at(Format::Cbor, Place::Byte(decoder.position())))?;
    if decoder.position() < payload.len() {
        let odd = Odd::new("bytes behind the value", "one value");
        return Err(odd.at(Format::Cbor, Place::Byte(decoder.position())));
    }
    Ok(value)
}

/// A payload of one item.
pub(super) fn encode(value: &Value) -> Result<Vec<u8>, ContentError> {
    let mut encoder = Encoder::new(Vec::new());
    let written = match value {
        Value::Time(seconds) => encoder.tag(Tag::new(EPOCH)).and_then(|encoder| encoder.i64(*seconds)).map(drop),
        other => write(other, &mut encoder),
    };
    finished(Format::Cbor, encoder, written)
}

/// The bytes, if all was written.
pub(super) fn finished(format: Format, encoder: Encoder<Vec<u8>>, written: Written) -> Result<Vec<u8>, ContentError> {
    written.map_err(|error| Odd::new(error.to_string(), "a value").at(format, Place::Whole))?;
    Ok(encoder.into_writer())
}

/// The next item.
pub(super) fn read(decoder: &mut Decoder<'_>) -> Result<Value, Odd> {
    const EXPECTED: &str = "a number, text, bytes, boolean, null or time";
    let broken = |error: minicbor::decode::Error| Odd::new(error.to_string(), EXPECTED);
    match decoder.datatype().map_err(broken)? {
        Type::U8 | Type::U16 | Type::U32 | Type::U64 => {
            let number = decoder.u64().map_err(broken)?;
            Ok(i64::try_from(number).map_or(Value::Unsigned(number), Value::Integer))
        }
        Type::I8 | Type::I16 | Type::I32 | Type::I64 => decoder.i64().map(Value::Integer).map_err(broken),
        Type::Int => Err(Odd::new("a number below -2^63", "a whole number of at most 64 bits")),
        Type::F16 => half(decoder).map(Value::Float),
        Type::F32 => decoder.f32().map(|number| Value::Float(number.into())).map_err(broken),
        Type::F64 => decoder.f64().map(Value::Float).map_err(broken),
        Type::Bool => decoder.bool().map(Value::Boolean).map_err(broken),
        Type::Null | Type::Undefined => decoder.skip().map(|()| Value::None).map_err(broken),
        Type::String | Type::StringIndef => text(decoder).map(Value::Text),
        Type::Bytes | Type::BytesIndef => bytes(decoder).map(Value::Opaque),
        Type::Tag => time(decoder),
        other => Err(Odd::new(format!("an item of type {other}"), EXPECTED)),
    }
}

/// Text in one piece or several.
pub(super) fn text(decoder: &mut Decoder<'_>) -> Result<String, Odd> {
    let broken = |error: minicbor::decode::Error| Odd::new(error.to_string(), "text");
    decoder.str_iter().and_then(Iterator::collect).map_err(broken)
}

/// Bytes in one piece or several.
fn bytes(decoder: &mut Decoder<'_>) -> Result<Vec<u8>, Odd> {
    let broken = |error: minicbor::decode::Error| Odd::new(error.to_string(), "bytes");
    let mut all = Vec::new();
    for piece in decoder.bytes_iter().map_err(broken)? {
        all.extend_from_slice(piece.map_err(broken)?);
    }
    Ok(all)
}

fn time(decoder: &mut Decoder<'_>) -> Result<Value, Odd> {
    let expected = "tag 0 with a date and time, or tag 1 with seconds since 1970";
    let tag = decoder.tag().map_err(|error| Odd::new(error.to_string(), expected))?;
    let moment = match (tag.as_u64(), decoder.datatype()) {
        (DATE_TEXT | EPOCH, Ok(kind)) if kind != Type::Tag => read(decoder)?,
        _ => Value::None,
    };
    match (tag.as_u64(), moment) {
        (EPOCH, moment) => match moment.coerce(Some(super::Kind::Time)) {
            time @ Value::Time(_) => Ok(time),
            _ => Err(Odd::new("tag 1 without whole seconds", expected)),
        },
        (DATE_TEXT, Value::Text(text)) => {
            let parsed = Timestamp::parse(&text).ok().and_then(|time| i64::try_from(time.0 / 1_000).ok());
            parsed.map(Value::Time).ok_or_else(|| Odd::new(format!("the time `{}`", super::clip(&text)), expected))
        }
        (number, _) => Err(Odd::new(format!("tag {number}"), expected)),
    }
}

/// A float of 16 bits (RFC 8949 Appendix D).
fn half(decoder: &mut Decoder<'_>) -> Result<f64, Odd> {
    let at = decoder.position();
    let bits = match decoder.input().get(at..at.saturating_add(3)) {
        Some([_, high, low]) => u16::from_be_bytes([*high, *low]),
        _ => return Err(Odd::new("the end", "a float of 16 bits")),
    };
    decoder.set_position(at + 3);
    let (exponent, fraction) = (i32::from(bits >> 10 & 0x1f), f64::from(bits & 0x3ff));
    let size = match exponent {
        0 => fraction * 2_f64.powi(-24),
        31 if fraction == 0.0 => f64::INFINITY,
        31 => f64::NAN,
        _ => (fraction + 1_024.0) * 2_f64.powi(exponent - 25),
    };
    Ok(if bits & 0x8000 == 0 { size } else { -size })
}

/// An item.
pub(super) fn write(value: &Value, encoder: &mut Encoder<Vec<u8>>) -> Written {
    match value {
        Value::None => encoder.null()?,
        Value::Text(text) => encoder.str(text)?,
        Value::Integer(number) | Value::Time(number) => encoder.i64(*number)?,
        Value::Unsigned(number) => encoder.u64(*number)?,
        Value::Float(number) => match short(*number) {
            Some(short) => encoder.f32(short)?,
            None => encoder.f64(*number)?,
        },
        Value::Boolean(value) => encoder.bool(*value)?,
        Value::Opaque(bytes) => encoder.bytes(bytes)?,
        Value::Link(link) => encoder.str(&link.to_string())?,
    };
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Samples of RFC 8949 Appendix A.
    #[test]
    fn items_of_the_rfc() {
        for (hex, value) in [
            ("00", Value::Integer(0)),
            ("1903e8", Value::Integer(1_000)),
            ("1bffffffffffffffff", Value::Unsigned(u64::MAX)),
            ("3903e7", Value::Integer(-1_000)),
            ("3b7fffffffffffffff", Value::Integer(i64::MIN)),
            ("f93c00", Value::Float(1.0)),
            ("f93e00", Value::Float(1.5)),
            ("f97bff", Value::Float(65_504.0)),
            ("f90001", Value::Float(5.960_464_477_539_063e-8)),
            ("f9c400", Value::Float(-4.0)),
            ("f97c00", Value::Float(f64::INFINITY)),
            ("fa47c35000", Value::Float(100_000.0)),
            ("fb3ff199999999999a", Value::Float(1.1)),
            ("f4", Value::Boolean(false)),
            ("f6", Value::None),
            ("f7", Value::None),
            ("c074323031332d30332d32315432303a30343a30305a", Value::Time(1_363_896_240)),
            ("c11a514b67b0", Value::Time(1_363_896_240)),
            ("4401020304", Value::Opaque(vec![1, 2, 3, 4])),
            ("6449455446", Value::Text("IETF".into())),
            ("5f42010243030405ff", Value::Opaque(vec![1, 2, 3, 4, 5])),
            ("7f657374726561646d696e67ff", Value::Text("streaming".into())),
        ] {
            assert_eq!(decode(&hex::decode(hex).unwrap()), Ok(value), "{hex}");
        }
        assert!(matches!(decode(&[0xf9, 0x7e, 0x00]), Ok(Value::Float(number)) if number.is_nan()));
    }

    #[test]
    fn what_is_no_single_value_is_refused_with_its_place() {
        for (hex, at, words) in [
            ("", 0, "end"),
            ("3bffffffffffffffff", 0, "below -2^63"),
            ("80", 0, "array"),
            ("0000", 1, "behind the value"),
            ("c249010000000000000000", 1, "tag 2"),
            ("c1c1c100", 1, "tag 1"),
            ("f97c", 0, "end"),
            ("62ff", 0, ""),
        ] {
            let error = decode(&hex::decode(hex).unwrap()).unwrap_err();
            assert!(error.to_string().contains(words), "{hex}: {error}");
            assert!(matches!(error.place, Place::Byte(byte) if byte >= at), "{hex}: {error}");
        }
    }

    #[test]
    fn a_time_is_written_with_its_tag() {
        assert_eq!(encode(&Value::Time(1_363_896_240)).map(hex::encode), Ok("c11a514b67b0".into()));
        assert_eq!(encode(&Value::Float(1.1)).map(hex::encode), Ok("fb3ff199999999999a".into()));
        assert_eq!(encode(&Value::Float(1.5)).map(hex::encode), Ok("fa3fc00000".into()));
    }
}
