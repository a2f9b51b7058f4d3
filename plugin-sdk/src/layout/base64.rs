//! Base64 (RFC 4648 section 4, with padding), as the designer tells byte strings. Small rather than fast.

const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

pub(super) fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let index = (word >> (18 - 6 * place)) & 0x3F;
            let letter = LETTERS.get(index as usize).copied().filter(|_| place <= group.len());
            text.push(letter.map_or('=', char::from));
        }
    }
    text
}

/// None: not base64. White space is no base64 either.
pub(super) fn decode(text: &str) -> Option<Vec<u8>> {
    let letters = text.as_bytes();
    let body = letters.strip_suffix(b"==").or_else(|| letters.strip_suffix(b"=")).unwrap_or(letters);
    if !letters.len().is_multiple_of(4) || body.len() % 4 == 1 {
        return None;
    }
    let mut bytes = Vec::with_capacity(body.len() / 4 * 3 + 2);
    for group in body.chunks(4) {
        let mut word = 0_u32;
        for letter in group {
            word = (word << 6) | u32::from(value(*letter)?);
        }
        // Two letters hold one byte, three hold two; bits that are left over are zero.
        let spare = match group.len() {
            4 => 0,
            3 => 2,
            _ => 4,
        };
        if word & ((1 << spare) - 1) != 0 {
            return None;
        }
        let [_, all @ ..] = (word >> spare).to_be_bytes();
        let skip = 4 - group.len();
        bytes.extend_from_slice(all.get(skip..)?);
    }
    Some(bytes)
}

fn value(letter: u8) -> Option<u8> {
    Some(match letter {
        b'A'..=b'Z' => letter - b'A',
        b'a'..=b'z' => letter - b'a' + 26,
        b'0'..=b'9' => letter - b'0' + 52,
        b'+' => 62,
        b'/' => 63,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use ::base64::Engine as _;
    use ::base64::engine::general_purpose::STANDARD;
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_broken_is_none() {
        for text in ["Bj", "B", "AQ=", "AQ==AQ==", "A===", "====", "=", "AB==", "AQ =", "AQ-_", "AQI=\n", "äöü="] {
            assert_eq!(decode(text), None, "{text}");
        }
        assert_eq!(decode(""), Some(Vec::new()));
    }

    proptest! {
        #[test]
        fn it_is_what_the_library_says(bytes in prop::collection::vec(any::<u8>(), 0..40), text in "[A-Za-z0-9+/=]{0,12}") {
            prop_assert_eq!(encode(&bytes), STANDARD.encode(&bytes));
            prop_assert_eq!(decode(&encode(&bytes)), Some(bytes));
            prop_assert_eq!(decode(&text), STANDARD.decode(&text).ok());
        }
    }
}
