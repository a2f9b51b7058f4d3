//! One field by itself: what its type, length and default say, whatever message it is in and whatever the profile says.

use codecgate_sdk::layout::{Algorithm, Length};

use super::document::{CharsetWord, Document, FieldDoc, OrderWord};
use crate::profile::{At, Findings, code, quote};

/// What a type is made of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Base {
    Integer { width: u8, signed: bool },
    Bool,
    Float { width: u8 },
    Text(Extent),
    Bytes(Extent),
    Bcd(Extent),
    Time { width: u8, milliseconds: bool },
    BcdTime,
    Constant,
    Padding { count: u16 },
    Check(Algorithm),
}

/// How many bytes a text or byte string has; a length field is found by the message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    Known(Length),
    ByField,
}

/// A field that makes sense by itself.
#[derive(Debug, Clone)]
pub(super) struct Draft {
    pub(super) base: Base,
    pub(super) little: bool,
    pub(super) default: Vec<u8>,
    pub(super) pad: Option<u8>,
    /// Bytes; none where the payload tells.
    pub(super) size: Option<usize>,
}

impl Draft {
    /// Unsigned, so that it can be a length or an id.
    pub(super) fn counts(&self) -> bool {
        matches!(self.base, Base::Integer { signed: false, .. })
    }

    pub(super) fn is_integer(&self) -> bool {
        matches!(self.base, Base::Integer { .. } | Base::Bool)
    }
}

/// None if the type and its length are too wrong to go on.
pub(super) fn draft(field: &FieldDoc, document: &Document, at: &At, findings: &mut Findings) -> Option<Draft> {
    unused_keys(field, at, findings);
    let base = base(field, document, at, findings)?;
    let fixed = |extent: &Extent| match extent {
        Extent::Known(Length::Fixed(count)) => Some(usize::from(*count)),
        _ => None,
    };
    let written = field.default.as_deref().map(|text| hex(text, &at.key("default"), findings));
    let default = match written {
        Some(bytes) => bytes?,
        None => Vec::new(),
    };
    let size = match &base {
        Base::Integer { width, .. } | Base::Float { width } | Base::Time { width, .. } => Some(usize::from(*width)),
        Base::Bool => Some(1),
        Base::Text(extent) | Base::Bytes(extent) | Base::Bcd(extent) => fixed(extent),
        Base::BcdTime => Some(6),
        Base::Constant => Some(default.len()),
        Base::Padding { count } => Some((*count).into()),
        Base::Check(algorithm) => Some(algorithm.width()),
    };
    let little = match field.byte_order {
        Some(order) => order == OrderWord::Little,
        None => document.little,
    };
    let default = fitting(default, &base, little, size, at, findings);
    let pad = field.pad.as_deref().and_then(|text| hex(text, &at.key("pad"), findings)).and_then(|bytes| bytes.first().copied());
    // A fixed binary of the strict kind has exactly its bytes; a shorter text is filled up.
    let filled = document.strict && matches!(&base, Base::Text(extent) if fixed(extent).is_some());
    Some(Draft { base, little, default, pad: pad.or(filled.then_some(0)), size })
}

fn base(field: &FieldDoc, document: &Document, at: &At, findings: &mut Findings) -> Option<Base> {
    let place = at.key("length");
    let mut needed = |what: &str| {
        let fix = format!("write `length`, the number of bytes of {what}");
        findings.error(at, code::LAYOUT_LENGTH, format!("{} has no length", quote(&field.name)), fix);
    };
    Some(match field.word.as_str() {
        "bool" => Base::Bool,
        "float" => Base::Float { width: 4 },
        "double" => Base::Float { width: 8 },
        "bcdTime" => Base::BcdTime,
        "const" => Base::Constant,
        "unixMs" => Base::Time { width: 8, milliseconds: true },
        "unix" => {
            let width = u8::try_from(field.length.unwrap_or(4)).ok().filter(|width| (1..=8).contains(width));
            if width.is_none() {
                findings.error(&place, code::LAYOUT_LENGTH, "a time has 1 to 8 bytes", "write 4, or leave it out");
            }
            Base::Time { width: width?, milliseconds: false }
        }
        word @ ("string" | "array" | "bcd" | "padding") => {
            let Some(count) = field.length else {
                needed(word);
                return None;
            };
            let extent = Extent::Known(Length::Fixed(count));
            match word {
                "string" => Base::Text(extent),
                "array" => Base::Bytes(extent),
                "bcd" => Base::Bcd(extent),
                _ => Base::Padding { count },
            }
        }
        word @ ("varstring" | "variant") => {
            let little = field.byte_order.map_or(document.little, |order| order == OrderWord::Little);
            let told = [field.length_field.is_some(), field.prefix.is_some(), field.rest];
            let extent = match (told, field.prefix) {
                ([true, false, false], _) => Extent::ByField,
                ([false, true, false], Some(width)) => Extent::Known(Length::Prefix { width, little }),
                ([false, false, true], _) => Extent::Known(Length::Rest),
                _ => {
                    let reason =
                        format!("{} has {word} without exactly one of `lengthField`, `prefix`, `rest`", quote(&field.name));
                    let fix = "name the earlier integer that holds its length in `lengthField`";
                    findings.error(at, code::LENGTH_FIELD, reason, fix);
                    return None;
                }
            };
            if word == "varstring" { Base::Text(extent) } else { Base::Bytes(extent) }
        }
        "check" => {
            let Some(algorithm) = field.algorithm.as_deref().and_then(algorithm) else {
                let fix = "write `algorithm`, such as `crc16-modbus`";
                findings.error(at, code::LAYOUT_LENGTH, "a check value has no algorithm", fix);
                return None;
            };
            Base::Check(algorithm)
        }
        word => {
            // int8u to int64s; other words are told by the schema.
            let (bits, sign) = word.strip_prefix("int")?.split_at_checked(word.len().checked_sub(4)?)?;
            let width = bits.parse::<u8>().ok()? / 8;
            Base::Integer { width, signed: sign == "s" }
        }
    })
}

fn algorithm(word: &str) -> Option<Algorithm> {
    Some(match word {
        "crc16-ccitt-false" => Algorithm::CcittFalse,
        "crc16-modbus" => Algorithm::Modbus,
        "crc16-xmodem" => Algorithm::Xmodem,
        "crc16-kermit" => Algorithm::Kermit,
        "crc16-x25" => Algorithm::X25,
        "crc16-arc" => Algorithm::Arc,
        "crc32" => Algorithm::Crc32,
        "sum8" => Algorithm::Sum8,
        "sum16" => Algorithm::Sum16,
        "xor8" => Algorithm::Xor8,
        _ => return None,
    })
}

/// Hexadecimal as people write it: `0x8`, `08`, `AAAA0000`, `01 02`.
pub(super) fn hex(text: &str, at: &At, findings: &mut Findings) -> Option<Vec<u8>> {
    let digits: String = text.chars().filter(|letter| !letter.is_whitespace()).collect();
    let digits = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")).unwrap_or(&digits);
    let whole = if digits.len().is_multiple_of(2) { digits.to_owned() } else { format!("0{digits}") };
    match hex::decode(&whole) {
        Ok(bytes) if !bytes.is_empty() => Some(bytes),
        _ => {
            let decimal = text.trim().parse::<u64>().map(|number| format!("; the number {number} is `0x{number:X}`"));
            let fix = format!("write hexadecimal digits, such as `0x08`{}", decimal.unwrap_or_default());
            findings.error(at, code::DEFAULT_NOT_HEX, format!("{} is not hexadecimal", quote(text)), fix);
            None
        }
    }
}

/// As many bytes as the field has: a number is filled up in front, in its byte order.
fn fitting(mut default: Vec<u8>, base: &Base, little: bool, size: Option<usize>, at: &At, findings: &mut Findings) -> Vec<u8> {
    let place = at.key("default");
    if default.is_empty() {
        if *base == Base::Constant {
            findings.error(at, code::DEFAULT_LENGTH, "a constant has no `default`", "write its bytes in `default`");
        }
        return default;
    }
    match (base, size) {
        (Base::Padding { .. } | Base::Check(_), _) => {
            let fix = "remove it, or take type const";
            findings.error(&place, code::LAYOUT_KEY, "padding and check values have no default", fix);
        }
        (Base::Integer { .. } | Base::Bool | Base::Time { .. } | Base::Float { .. }, Some(size)) if default.len() <= size => {
            let filled = size - default.len();
            default.splice(0..0, std::iter::repeat_n(0, filled));
            if little {
                default.reverse();
            }
        }
        (_, Some(size)) if default.len() > size => {
            let reason = format!("the default has {} bytes, the field {size}", default.len());
            findings.error(&place, code::DEFAULT_LENGTH, reason, "write as many bytes as the field has");
        }
        _ => {}
    }
    default
}

/// Keys that the type does not have are told: they would do nothing.
fn unused_keys(field: &FieldDoc, at: &At, findings: &mut Findings) {
    let word = field.word.as_str();
    let integer = word.starts_with("int");
    let numeric = integer || word == "float" || word == "double";
    let text = matches!(word, "string" | "varstring");
    let variable = matches!(word, "varstring" | "variant");
    let given = [
        ("length", field.length.is_some(), matches!(word, "string" | "array" | "bcd" | "padding" | "unix")),
        ("scale", field.scale.is_some(), integer),
        ("add", field.add.is_some(), integer),
        ("places", field.places.is_some(), matches!(word, "float" | "double")),
        ("values", field.values.is_some(), integer || word == "bool"),
        ("lengthField", field.length_field.is_some(), variable),
        ("difference", field.difference.is_some(), variable && field.length_field.is_some()),
        ("prefix", field.prefix.is_some(), variable),
        ("rest", field.rest, variable),
        ("byteOrder", field.byte_order.is_some(), numeric || variable || matches!(word, "unix" | "unixMs" | "check")),
        ("charset", field.charset.is_some_and(|charset| charset == CharsetWord::Utf8), text),
        ("pad", field.pad.is_some(), matches!(word, "string" | "array")),
        ("utcOffset", field.utc_offset.is_some(), word == "bcdTime"),
        ("algorithm", field.algorithm.is_some(), word == "check"),
        ("from", field.from.is_some(), word == "check"),
        ("adjust", field.adjust.is_some(), integer),
    ];
    for (key, _, _) in given.iter().filter(|(_, given, fits)| *given && !fits) {
        let reason = format!("type {word} has no `{key}`");
        let fix = match *key {
            "length" if integer => "remove it: the type says how many bytes it has",
            "prefix" | "lengthField" | "difference" | "rest" => "take type varstring or variant, or remove it",
            _ => "remove it, or take another type",
        };
        findings.error(&at.key(key), code::LAYOUT_KEY, reason, fix);
    }
}
