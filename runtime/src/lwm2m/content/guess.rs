//! What the bytes of a resource look like that nobody knows the type of: TLV does not say it.

use super::value::{Value, float, signed};

/// Text if all of it is printable, else a number if it has the length of one, else bytes. Whole numbers are taken for
/// large only if they make no sensible float.
pub(super) fn guess(bytes: &[u8]) -> Value {
    let printable = std::str::from_utf8(bytes).ok().filter(|text| !text.chars().any(char::is_control));
    match (bytes.len(), printable) {
        (0, _) => Value::Opaque(Vec::new()),
        // Texts of a letter or two are rarer than small numbers.
        (1 | 2, _) => signed(bytes).map_or(Value::None, Value::Integer),
        (_, Some(text)) => Value::Text(text.to_owned()),
        (4 | 8, None) => number(bytes).unwrap_or_else(|| Value::Opaque(bytes.to_vec())),
        _ => Value::Opaque(bytes.to_vec()),
    }
}

fn number(bytes: &[u8]) -> Option<Value> {
    let (whole, float) = (signed(bytes)?, float(bytes)?);
    let sensible = (1e-6..1e9).contains(&float.abs());
    Some(if whole.unsigned_abs() >= 1 << 24 && sensible { Value::Float(float) } else { Value::Integer(whole) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_for_what_they_look_like() {
        for (bytes, value) in [
            (&[0x62][..], Value::Integer(98)),
            (&[0x0e, 0xd8], Value::Integer(3_800)),
            (&[0, 1, 0, 0], Value::Integer(65_536)),
            (&21.5_f32.to_be_bytes(), Value::Float(21.5)),
            (&(-0.125_f64).to_be_bytes(), Value::Float(-0.125)),
            (&[0, 0, 0, 0, 0, 0, 0, 9], Value::Integer(9)),
            (b"Open", Value::Text("Open".into())),
            ("Zähler 1".as_bytes(), Value::Text("Zähler 1".into())),
            (&[1, 2, 3], Value::Opaque(vec![1, 2, 3])),
            (&[0xff; 5], Value::Opaque(vec![0xff; 5])),
            (&[], Value::Opaque(Vec::new())),
        ] {
            assert_eq!(guess(bytes), value);
        }
    }
}
