//! JSON text appended to a String without an intermediate value: texts, numbers, times, bytes.
//!
//! Knows no profile. Number text is serde_json's: the shortest that reads back as the same number.

use std::fmt::Write as _;

use base64::Engine as _;
use serde_json::Value as Json;

use crate::model::Timestamp;

/// Appends a JSON text with quotes (RFC 8259 section 7).
pub(super) fn push_text(out: &mut String, text: &str) {
    out.push('"');
    let mut rest = text;
    while let Some(position) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        // The byte found is ASCII, so both cuts fall on character borders.
        let (clean, tail) = rest.split_at(position);
        out.push_str(clean);
        let mut chars = tail.chars();
        match chars.next() {
            Some('"') => out.push_str("\\\""),
            Some('\\') => out.push_str("\\\\"),
            Some('\n') => out.push_str("\\n"),
            Some('\r') => out.push_str("\\r"),
            Some('\t') => out.push_str("\\t"),
            Some(control) => append(out, format_args!("\\u{:04x}", u32::from(control))),
            None => {}
        }
        rest = chars.as_str();
    }
    out.push_str(rest);
    out.push('"');
}

/// Appends a number; NaN and infinities become null.
pub(super) fn push_number(out: &mut String, value: impl serde::Serialize) {
    // The longest number text is shorter than 32 bytes: i64 has 20 characters, f64 at most 24.
    let mut buffer = [0_u8; 32];
    let mut free = buffer.as_mut_slice();
    let written = serde_json::to_writer(&mut free, &value).is_ok();
    let left = free.len();
    let text = buffer.get(..buffer.len() - left).and_then(|bytes| std::str::from_utf8(bytes).ok());
    out.push_str(text.filter(|_| written).unwrap_or("null"));
}

/// Appends a time as RFC 3339 text with quotes.
pub(super) fn push_time(out: &mut String, ms: u64) {
    append(out, format_args!("\"{}\"", Timestamp(ms)));
}

/// Appends bytes as base64 text with quotes.
pub(super) fn push_bytes(out: &mut String, bytes: &[u8]) {
    out.push('"');
    base64::engine::general_purpose::STANDARD.encode_string(bytes, out);
    out.push('"');
}

fn append(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = out.write_fmt(text);
}

/// Deepest nesting of a structured value. Whole events nest it five levels deeper, and common parsers stop at 128.
pub(super) const MAX_DEPTH: usize = 64;

/// Whether a value is nested no deeper than [`MAX_DEPTH`].
pub(super) fn is_shallow(value: &Json) -> bool {
    fn within(value: &Json, left: usize) -> bool {
        match value {
            Json::Array(list) => left > 0 && list.iter().all(|entry| within(entry, left - 1)),
            Json::Object(map) => left > 0 && map.values().all(|entry| within(entry, left - 1)),
            _ => true,
        }
    }
    within(value, MAX_DEPTH)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn any_text_reads_back(text in any::<String>()) {
            let mut out = String::new();
            push_text(&mut out, &text);
            prop_assert_eq!(serde_json::from_str::<String>(&out).unwrap(), text);
        }

        #[test]
        fn any_number_reads_back(whole in any::<i64>(), number in any::<f64>()) {
            let mut out = String::new();
            push_number(&mut out, whole);
            prop_assert_eq!(out.parse::<i64>().unwrap(), whole);
            out.clear();
            push_number(&mut out, number);
            if number.is_finite() {
                prop_assert_eq!(out.parse::<f64>().unwrap().to_bits(), number.to_bits());
            } else {
                prop_assert_eq!(out, "null");
            }
        }
    }
}
