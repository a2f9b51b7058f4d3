//! A frame as its parts, for vectors whose authors think in fields: `["01", {"u16": 314}, {"crc16": "modbus"}]`. Check values are computed, so that
//! nobody does it by hand.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::Value;

use super::time;
use crate::crc::{self, Crc16};
use crate::{Timestamp, Writer};

/// What a part can be, for errors and for `VECTORS.md`.
const KNOWN: &str = "u8 to u64, i8 to i64 (in steps of 8, _le for the lowest byte first), f32, f64 (and _le), hex, text, base64, bcd, zeros, unix, \
                     unix_ms, crc16 and crc16_le (ccitt-false, modbus, xmodem, kermit, x25, arc), crc32, crc32_le, sum8, sum16, xor8";

/// The bytes of a list of parts: hex texts, and objects with one key, the kind of the part.
///
/// # Errors
/// The first part that cannot be written, with its position.
pub fn frame(parts: &[Value]) -> Result<Vec<u8>, String> {
    let mut out = Writer::new();
    for (position, part) in parts.iter().enumerate() {
        out = append(out, part).map_err(|why| format!("part {position}: {why}"))?;
    }
    Ok(out.into_bytes())
}

fn append(out: Writer, part: &Value) -> Result<Writer, String> {
    if let Some(text) = part.as_str() {
        return Ok(out.bytes(&super::vector::bytes(text)?));
    }
    let only = part.as_object().filter(|members| members.len() == 1).and_then(|members| members.iter().next());
    let Some((kind, value)) = only else {
        return Err(format!("{part} is neither a text in hex nor an object with one key"));
    };
    let text = || value.as_str().ok_or_else(|| format!("{kind} takes a text"));
    let failed = |error: crate::Error| error.to_string();
    match kind.as_str() {
        "hex" => Ok(out.bytes(&super::vector::bytes(text()?)?)),
        "text" => Ok(out.bytes(text()?.as_bytes())),
        "base64" => BASE64.decode(text()?).map(|bytes| out.bytes(&bytes)).map_err(|error| error.to_string()),
        "bcd" => {
            let digits = text()?;
            out.bcd(digits, digits.len().div_ceil(2)).map_err(failed)
        }
        "zeros" => {
            let count = value.as_u64().filter(|count| *count <= 65_535).ok_or("zeros takes a number of bytes")?;
            Ok((0..count).fold(out, |out, _| out.u8(0)))
        }
        "unix" => out.unix(Timestamp(moment(text()?)?)).map_err(failed),
        "unix_ms" => Ok(out.u64(moment(text()?)?)),
        "crc16" => Ok(out.crc16(crc16(text()?)?)),
        "crc16_le" => Ok(out.crc16_le(crc16(text()?)?)),
        "crc32" => Ok(out.crc32(&crc::CRC32)),
        "crc32_le" => Ok(out.crc32_le(&crc::CRC32)),
        "sum8" => Ok(out.sum8()),
        "sum16" => Ok(out.sum16()),
        "xor8" => Ok(out.xor8()),
        _ => number(out, kind, value),
    }
}

fn moment(text: &str) -> Result<u64, String> {
    time::parse(text).ok_or_else(|| format!("{text:?} is no time such as 2024-01-31T12:00:00Z"))
}

fn crc16(name: &str) -> Result<&'static Crc16, String> {
    Ok(match name {
        "ccitt-false" => &crc::CCITT_FALSE,
        "modbus" => &crc::MODBUS,
        "xmodem" => &crc::XMODEM,
        "kermit" => &crc::KERMIT,
        "x25" => &crc::X25,
        "arc" => &crc::ARC,
        other => return Err(format!("no CRC-16 is called {other:?}")),
    })
}

/// `u16`, `i24_le`, `f32`.
fn number(out: Writer, kind: &str, value: &Value) -> Result<Writer, String> {
    let unknown = || format!("no part is called {kind:?}; there are {KNOWN}");
    let (plain, little) = kind.strip_suffix("_le").map_or((kind, false), |plain| (plain, true));
    let bits: usize = plain.get(1..).and_then(|bits| bits.parse().ok()).ok_or_else(unknown)?;
    let bytes = Some(bits / 8).filter(|bytes| bits.is_multiple_of(8) && (1..=8).contains(bytes)).ok_or_else(unknown)?;
    let whole = || format!("{kind} takes a whole number, not {value}");
    let failed = |error: crate::Error| error.to_string();
    match (plain.as_bytes().first(), little) {
        (Some(b'u'), false) => out.uint(value.as_u64().ok_or_else(whole)?, bytes).map_err(failed),
        (Some(b'u'), true) => out.uint_le(value.as_u64().ok_or_else(whole)?, bytes).map_err(failed),
        (Some(b'i'), false) => out.int(value.as_i64().ok_or_else(whole)?, bytes).map_err(failed),
        (Some(b'i'), true) => out.int_le(value.as_i64().ok_or_else(whole)?, bytes).map_err(failed),
        (Some(b'f'), little) => {
            let float = value.as_f64().ok_or_else(|| format!("{kind} takes a number, not {value}"))?;
            #[expect(clippy::cast_possible_truncation, reason = "a float of 4 bytes is asked for")]
            let mut raw = match bytes {
                4 => (float as f32).to_be_bytes().to_vec(),
                8 => float.to_be_bytes().to_vec(),
                _ => return Err(unknown()),
            };
            if little {
                raw.reverse();
            }
            Ok(out.bytes(&raw))
        }
        _ => Err(unknown()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn hex(parts: &Value) -> Result<String, String> {
        frame(parts.as_array().unwrap()).map(hex::encode_upper)
    }

    #[test]
    fn each_kind_of_part_has_its_bytes() {
        for (parts, expected) in [
            (json!(["02 013A"]), "02013A"),
            (json!([{ "u8": 2 }, { "u16": 314 }]), "02013A"),
            (json!([{ "i16": -1 }, { "u24_le": 1 }, { "i64": -2 }]), "FFFF010000FFFFFFFFFFFFFFFE"),
            (json!([{ "f32": 1.5 }, { "f32_le": 1.5 }, { "f64": 1 }]), "3FC000000000C03F3FF0000000000000"),
            (json!([{ "text": "水" }, { "bcd": "12345678" }, { "zeros": 2 }, { "base64": "AQI=" }]), "E6B0B41234567800000102"),
            (json!([{ "unix": "1970-01-01T00:01:00Z" }, { "unix_ms": "1970-01-01T00:00:01Z" }]), "0000003C00000000000003E8"),
            // The check value of the catalogue of CRCs: that of "123456789".
            (json!([{ "text": "123456789" }, { "crc16_le": "modbus" }]), "313233343536373839374B"),
            (json!([{ "text": "123456789" }, { "crc32": true }]), "313233343536373839CBF43926"),
            (json!(["0102", { "sum8": true }, { "xor8": true }]), "01020300"),
        ] {
            assert_eq!(hex(&parts).as_deref(), Ok(expected), "{parts}");
        }
    }

    #[test]
    fn what_is_no_part_is_told_with_its_place() {
        for (parts, told) in [
            (json!(["0"]), "part 0"),
            (json!(["00", 5]), "part 1: 5 is neither"),
            (json!([{ "u16": 70_000 }]), "part 0"),
            (json!([{ "u16": -1 }]), "whole number"),
            (json!([{ "u9": 1 }]), "no part is called \"u9\""),
            (json!([{ "f24": 1 }]), "no part is called \"f24\""),
            (json!([{ "crc16": "quux" }]), "quux"),
            (json!([{ "u8": 1, "u16": 2 }]), "one key"),
            (json!([{ "unix": "today" }]), "today"),
        ] {
            let why = hex(&parts).unwrap_err();
            assert!(why.contains(told), "{parts}: {why}");
        }
    }
}
