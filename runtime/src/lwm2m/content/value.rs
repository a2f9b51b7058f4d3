//! One value and its data type, in the bytes of TLV and in text (LwM2M Core 1.1 Appendix C).

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use super::{Odd, clip};
use crate::lwm2m::path::MAX_ID;

/// A data type (LwM2M Core 1.1 Appendix C). Corelnk is text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// UTF-8.
    Text,
    /// Signed, 8 to 64 bits.
    Integer,
    /// Unsigned, 8 to 64 bits; since 1.1.
    Unsigned,
    /// 32 or 64 bits.
    Float,
    /// 0 or 1.
    Boolean,
    /// Bytes.
    Opaque,
    /// Seconds since 1970, UTC.
    Time,
    /// Object and instance.
    Link,
}

impl Kind {
    /// As errors and documents call it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "integer",
            Self::Unsigned => "unsigned",
            Self::Float => "float",
            Self::Boolean => "boolean",
            Self::Opaque => "opaque",
            Self::Time => "time",
            Self::Link => "link",
        }
    }
}

/// A reference to an object instance; 65535:65535 refers to none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectLink {
    /// Object.
    pub object: u16,
    /// Instance.
    pub instance: u16,
}

impl ObjectLink {
    /// Refers to nothing.
    pub const NOTHING: Self = Self { object: MAX_ID + 1, instance: MAX_ID + 1 };

    /// Reads `3:0`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (object, instance) = text.split_once(':')?;
        let number = |text: &str| text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
        Some(Self { object: number(object)?, instance: number(instance)? })
    }
}

/// `3:0`
impl fmt::Display for ObjectLink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.object, self.instance)
    }
}

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// There is none: an empty resource or instance, or a path whose value is asked for.
    None,
    /// UTF-8.
    Text(String),
    /// Whole number.
    Integer(i64),
    /// Whole number that is known to be unsigned, or too large for [`Value::Integer`].
    Unsigned(u64),
    /// Number.
    Float(f64),
    /// true / false.
    Boolean(bool),
    /// Bytes.
    Opaque(Vec<u8>),
    /// Seconds since 1970, UTC.
    Time(i64),
    /// Object and instance.
    Link(ObjectLink),
}

impl Value {
    /// Its type; none of nothing.
    #[must_use]
    pub fn kind(&self) -> Option<Kind> {
        match self {
            Self::None => None,
            Self::Text(_) => Some(Kind::Text),
            Self::Integer(_) => Some(Kind::Integer),
            Self::Unsigned(_) => Some(Kind::Unsigned),
            Self::Float(_) => Some(Kind::Float),
            Self::Boolean(_) => Some(Kind::Boolean),
            Self::Opaque(_) => Some(Kind::Opaque),
            Self::Time(_) => Some(Kind::Time),
            Self::Link(_) => Some(Kind::Link),
        }
    }

    /// From the bytes of a TLV. Nothing in the place of a number is [`Value::None`].
    pub(super) fn from_bytes(kind: Kind, bytes: &[u8]) -> Result<Self, Odd> {
        let odd = |expected: &str| Odd::new(format!("{} bytes of a value of type {}", bytes.len(), kind.name()), expected);
        match kind {
            Kind::Text => match std::str::from_utf8(bytes) {
                Ok(text) => Ok(Self::Text(text.to_owned())),
                Err(_) => Err(odd("UTF-8")),
            },
            Kind::Opaque => Ok(Self::Opaque(bytes.to_vec())),
            _ if bytes.is_empty() => Ok(Self::None),
            Kind::Integer => signed(bytes).map(Self::Integer).ok_or_else(|| odd("1, 2, 4 or 8")),
            Kind::Time => signed(bytes).map(Self::Time).ok_or_else(|| odd("1, 2, 4 or 8")),
            Kind::Unsigned => unsigned(bytes).map(Self::Unsigned).ok_or_else(|| odd("1, 2, 4 or 8")),
            Kind::Float => float(bytes).map(Self::Float).ok_or_else(|| odd("4 or 8")),
            Kind::Boolean => match bytes {
                [0] => Ok(Self::Boolean(false)),
                [1] => Ok(Self::Boolean(true)),
                _ => Err(odd("one byte, 0 or 1")),
            },
            Kind::Link => match bytes {
                [a, b, c, d] => {
                    let (object, instance) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
                    Ok(Self::Link(ObjectLink { object, instance }))
                }
                _ => Err(odd("4")),
            },
        }
    }

    /// The bytes of a TLV, as few as hold it.
    pub(super) fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::None => Vec::new(),
            Self::Text(text) => text.as_bytes().to_vec(),
            Self::Integer(number) | Self::Time(number) => shortest_signed(*number),
            Self::Unsigned(number) => shortest_unsigned(*number),
            Self::Float(number) => match short(*number) {
                Some(short) => short.to_be_bytes().to_vec(),
                None => number.to_be_bytes().to_vec(),
            },
            Self::Boolean(value) => vec![u8::from(*value)],
            Self::Opaque(bytes) => bytes.clone(),
            Self::Link(link) => [link.object.to_be_bytes(), link.instance.to_be_bytes()].concat(),
        }
    }

    /// From plain text: numbers in decimal, booleans as 0 and 1, bytes as base64.
    pub(super) fn from_text(kind: Kind, text: &str) -> Result<Self, Odd> {
        let odd = |expected: &str| Odd::new(format!("`{}` of type {}", clip(text), kind.name()), expected);
        let trimmed = text.trim();
        match kind {
            Kind::Text => Ok(Self::Text(text.to_owned())),
            Kind::Opaque => from_base64(text).map(Self::Opaque).ok_or_else(|| odd("base64")),
            _ if trimmed.is_empty() => Ok(Self::None),
            Kind::Integer => trimmed.parse().map(Self::Integer).map_err(|_| odd("a whole number of at most 64 bits")),
            Kind::Unsigned => trimmed.parse().map(Self::Unsigned).map_err(|_| odd("a whole number from 0 to 2^64-1")),
            Kind::Time => trimmed.parse().map(Self::Time).map_err(|_| odd("whole seconds since 1970")),
            Kind::Float => decimal(trimmed).map(Self::Float).ok_or_else(|| odd("a decimal number")),
            Kind::Boolean => match trimmed {
                "0" | "false" => Ok(Self::Boolean(false)),
                "1" | "true" => Ok(Self::Boolean(true)),
                _ => Err(odd("0 or 1")),
            },
            Kind::Link => ObjectLink::parse(trimmed).map(Self::Link).ok_or_else(|| odd("object:instance, such as 3:0")),
        }
    }

    /// As plain text. None of a number that is not finite.
    pub(super) fn to_text(&self) -> Option<String> {
        Some(match self {
            Self::None => String::new(),
            Self::Text(text) => text.clone(),
            Self::Integer(number) | Self::Time(number) => number.to_string(),
            Self::Unsigned(number) => number.to_string(),
            Self::Float(number) => number.is_finite().then(|| number.to_string())?,
            Self::Boolean(value) => u8::from(*value).to_string(),
            Self::Opaque(bytes) => BASE64.encode(bytes),
            Self::Link(link) => link.to_string(),
        })
    }

    /// As a value of another type if it says the same, else as it is.
    pub(super) fn coerce(self, kind: Option<Kind>) -> Self {
        let Some(kind) = kind else { return self };
        let whole = match &self {
            Self::Integer(number) | Self::Time(number) => Some(i128::from(*number)),
            Self::Unsigned(number) => Some(i128::from(*number)),
            Self::Float(number) => whole(*number),
            _ => None,
        };
        let same = match (kind, &self) {
            (Kind::Integer, _) if whole.is_some() => whole.and_then(|n| i64::try_from(n).ok()).map(Self::Integer),
            (Kind::Time, _) if whole.is_some() => whole.and_then(|n| i64::try_from(n).ok()).map(Self::Time),
            (Kind::Unsigned, _) if whole.is_some() => whole.and_then(|n| u64::try_from(n).ok()).map(Self::Unsigned),
            #[expect(clippy::cast_precision_loss, reason = "a number of type float has 53 bits")]
            (Kind::Float, Self::Integer(number)) => Some(Self::Float(*number as f64)),
            #[expect(clippy::cast_precision_loss, reason = "a number of type float has 53 bits")]
            (Kind::Float, Self::Unsigned(number)) => Some(Self::Float(*number as f64)),
            (Kind::Boolean, Self::Integer(number @ (0 | 1))) => Some(Self::Boolean(*number == 1)),
            (Kind::Text | Kind::Opaque, _) => None,
            (_, Self::Text(text)) => Self::from_text(kind, text).ok(),
            _ => None,
        };
        same.unwrap_or(self)
    }
}

/// Base64 of either alphabet, padded or not: clients differ.
pub(super) fn from_base64(text: &str) -> Option<Vec<u8>> {
    let plain: String = text
        .trim_end_matches('=')
        .chars()
        .map(|c| {
            if c == '-' {
                '+'
            } else if c == '_' {
                '/'
            } else {
                c
            }
        })
        .collect();
    base64::engine::general_purpose::STANDARD_NO_PAD.decode(plain).ok()
}

/// A finite number in decimal, without the words that Rust reads as numbers.
pub(super) fn decimal(text: &str) -> Option<f64> {
    let plain = text.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'));
    plain.then(|| text.parse::<f64>().ok()).flatten().filter(|number| number.is_finite())
}

fn sized(bytes: &[u8]) -> bool {
    matches!(bytes.len(), 1 | 2 | 4 | 8)
}

pub(super) fn signed(bytes: &[u8]) -> Option<i64> {
    let start = if bytes.first().is_some_and(|byte| byte & 0x80 != 0) { -1 } else { 0 };
    sized(bytes).then(|| bytes.iter().fold(start, |number: i64, byte| number << 8 | i64::from(*byte)))
}

fn unsigned(bytes: &[u8]) -> Option<u64> {
    sized(bytes).then(|| bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte)))
}

pub(super) fn float(bytes: &[u8]) -> Option<f64> {
    if let Ok(bytes) = <[u8; 4]>::try_from(bytes) {
        return Some(f64::from(f32::from_be_bytes(bytes)));
    }
    <[u8; 8]>::try_from(bytes).ok().map(f64::from_be_bytes)
}

fn shortest_signed(number: i64) -> Vec<u8> {
    if let Ok(number) = i8::try_from(number) {
        number.to_be_bytes().to_vec()
    } else if let Ok(number) = i16::try_from(number) {
        number.to_be_bytes().to_vec()
    } else if let Ok(number) = i32::try_from(number) {
        number.to_be_bytes().to_vec()
    } else {
        number.to_be_bytes().to_vec()
    }
}

fn shortest_unsigned(number: u64) -> Vec<u8> {
    if let Ok(number) = u8::try_from(number) {
        number.to_be_bytes().to_vec()
    } else if let Ok(number) = u16::try_from(number) {
        number.to_be_bytes().to_vec()
    } else if let Ok(number) = u32::try_from(number) {
        number.to_be_bytes().to_vec()
    } else {
        number.to_be_bytes().to_vec()
    }
}

/// In 32 bits, if none is lost.
#[expect(clippy::cast_possible_truncation, reason = "what was lost is looked for")]
pub(super) fn short(number: f64) -> Option<f32> {
    let short = number as f32;
    (f64::from(short).to_bits() == number.to_bits()).then_some(short)
}

/// A number without a fraction, of at most 64 bits and a sign.
#[expect(clippy::cast_possible_truncation, reason = "the range was looked at")]
fn whole(number: f64) -> Option<i128> {
    (number.fract() == 0.0 && number.abs() < 2e19).then_some(number as i128)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of LwM2M Core 1.1 Appendix C and their borders.
    #[test]
    fn values_in_bytes() {
        let link = |object, instance| Value::Link(ObjectLink { object, instance });
        for (value, bytes) in [
            (Value::Integer(0), &[0][..]),
            (Value::Integer(-1), &[0xff]),
            (Value::Integer(127), &[0x7f]),
            (Value::Integer(128), &[0x00, 0x80]),
            (Value::Integer(-128), &[0x80]),
            (Value::Integer(3_800), &[0x0e, 0xd8]),
            (Value::Integer(0x0001_0000), &[0, 1, 0, 0]),
            (Value::Integer(i64::MIN), &[0x80, 0, 0, 0, 0, 0, 0, 0]),
            (Value::Unsigned(128), &[0x80]),
            (Value::Unsigned(u64::MAX), &[0xff; 8]),
            (Value::Time(1_367_491_215), &[0x51, 0x82, 0x42, 0x8f]),
            (Value::Float(1.0), &[0x3f, 0x80, 0, 0]),
            (Value::Float(0.1), &[0x3f, 0xb9, 0x99, 0x99, 0x99, 0x99, 0x99, 0x9a]),
            (Value::Boolean(true), &[1]),
            (Value::Text("Open".into()), b"Open"),
            (Value::Opaque(vec![0, 0xff]), &[0, 0xff]),
            (link(66, 0), &[0, 0x42, 0, 0]),
            (Value::Link(ObjectLink::NOTHING), &[0xff; 4]),
        ] {
            assert_eq!(value.to_bytes(), bytes, "{value:?}");
            assert_eq!(Value::from_bytes(value.kind().unwrap(), bytes).ok(), Some(value));
        }
        for (kind, bytes) in [(Kind::Integer, &[1, 2, 3][..]), (Kind::Boolean, &[2]), (Kind::Float, &[0]), (Kind::Link, &[0, 3])]
        {
            assert!(Value::from_bytes(kind, bytes).is_err(), "{kind:?}");
        }
        assert!(Value::from_bytes(Kind::Text, &[0xff]).is_err());
        assert_eq!(Value::from_bytes(Kind::Integer, &[]).ok(), Some(Value::None));
    }

    #[test]
    fn values_in_text() {
        for (kind, text, value) in [
            (Kind::Integer, "-42", Value::Integer(-42)),
            (Kind::Float, "21.5", Value::Float(21.5)),
            (Kind::Float, "1e3", Value::Float(1_000.0)),
            (Kind::Boolean, "1", Value::Boolean(true)),
            (Kind::Boolean, "false", Value::Boolean(false)),
            (Kind::Opaque, "AQI=", Value::Opaque(vec![1, 2])),
            (Kind::Opaque, "-_8", Value::Opaque(vec![0xfb, 0xff])),
            (Kind::Time, "1367491215", Value::Time(1_367_491_215)),
            (Kind::Link, "66:1", Value::Link(ObjectLink { object: 66, instance: 1 })),
            (Kind::Text, " a ", Value::Text(" a ".into())),
        ] {
            assert_eq!(Value::from_text(kind, text).ok(), Some(value), "{text}");
        }
        for (kind, text) in [
            (Kind::Integer, "1.5"),
            (Kind::Float, "nan"),
            (Kind::Float, "1e999"),
            (Kind::Boolean, "2"),
            (Kind::Opaque, "???"),
            (Kind::Link, "3"),
            (Kind::Link, "+3:0"),
        ] {
            assert!(Value::from_text(kind, text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_value_of_another_type_is_taken_if_it_says_the_same() {
        for (value, kind, expected) in [
            (Value::Integer(5), Kind::Float, Value::Float(5.0)),
            (Value::Float(5.0), Kind::Integer, Value::Integer(5)),
            (Value::Float(5.5), Kind::Integer, Value::Float(5.5)),
            (Value::Integer(-1), Kind::Unsigned, Value::Integer(-1)),
            (Value::Integer(7), Kind::Time, Value::Time(7)),
            (Value::Unsigned(u64::MAX), Kind::Integer, Value::Unsigned(u64::MAX)),
            (Value::Text("98".into()), Kind::Integer, Value::Integer(98)),
            (Value::Text("high".into()), Kind::Integer, Value::Text("high".into())),
            (Value::Integer(1), Kind::Boolean, Value::Boolean(true)),
            (Value::Integer(2), Kind::Boolean, Value::Integer(2)),
            (Value::Integer(1), Kind::Text, Value::Integer(1)),
            (Value::Float(1e300), Kind::Integer, Value::Float(1e300)),
        ] {
            assert_eq!(value.coerce(Some(kind)), expected);
        }
        assert_eq!(Value::Integer(1).coerce(None), Value::Integer(1));
    }
}
