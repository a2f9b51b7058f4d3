//! Numbers: a scale that is computed once, and floats as the decimals that are meant.

use crate::error::{Error, Result};
use crate::scale::{self, EXACT};

/// `(raw + shift) * factor`, exact where the factor is a short decimal: 233 at 0.1 is 23.3.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Scale {
    factor: f64,
    shift: i64,
    /// The factor as a fraction of whole numbers.
    fraction: Option<(f64, f64)>,
}

impl Scale {
    /// None if no raw value could be found for a value again.
    #[must_use]
    pub fn new(factor: f64, shift: i64) -> Option<Self> {
        let usable = factor.is_finite() && factor != 0.0 && shift.unsigned_abs() <= 1 << 53;
        usable.then(|| Self { factor, shift, fraction: scale::fraction(factor) })
    }

    /// Value of one unit of the raw value.
    #[must_use]
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// Added to the raw value.
    #[must_use]
    pub fn shift(&self) -> i64 {
        self.shift
    }

    #[expect(
        clippy::cast_precision_loss,
        reason = "raw values of devices are far below 2^53; beyond that a double holds no unit"
    )]
    pub(super) fn value(&self, raw: i64) -> f64 {
        let raw = raw.saturating_add(self.shift) as f64;
        match self.fraction {
            Some((numerator, denominator)) if (raw * numerator).abs() <= EXACT => raw * numerator / denominator,
            _ => raw * self.factor,
        }
    }

    pub(super) fn raw(&self, name: &str, value: f64) -> Result<i64> {
        let raw = match self.fraction {
            Some((numerator, denominator)) => value * denominator / numerator,
            None => value / self.factor,
        };
        whole(raw.round())
            .map(|raw| raw.saturating_sub(self.shift))
            .ok_or_else(|| Error::bad_parameter(format!("{name}: no raw value for it")))
    }
}

/// The whole number that a double is; none if it has a fraction or is beyond 53 bits.
#[expect(clippy::cast_possible_truncation, reason = "it is whole and fits 53 bits")]
pub(super) fn whole(value: f64) -> Option<i64> {
    (value.abs() <= EXACT && value.trunc() == value).then_some(value as i64)
}

/// The decimal with the fewest places that is this float: 23.3, not 23.299999237060547. With `places`, rounded to so many.
#[expect(clippy::cast_possible_truncation, reason = "whether the nearest float is the same one is the question")]
pub(super) fn decimal(float: f32, places: Option<u8>) -> f64 {
    let exact = f64::from(float);
    if let Some(places) = places {
        return rounded(exact, places);
    }
    // Outside of this a float is a whole number, or has more places than a decimal should be searched for.
    if !(1e-4..1e7).contains(&exact.abs()) {
        return exact;
    }
    (0..=11).map(|places| rounded(exact, places)).find(|decimal| (*decimal as f32).to_bits() == float.to_bits()).unwrap_or(exact)
}

/// Most significant digits that a double holds whatever they are.
const DIGITS: usize = 15;

/// A number that is written as text, such as `-12.50`; spaces and zero bytes around it are nothing.
pub(super) fn parsed(text: &[u8]) -> Option<f64> {
    let (negative, digits) = signed(text)?;
    let places = digits.iter().position(|byte| *byte == b'.').map_or(0, |point| digits.len() - point - 1);
    let mut mantissa = 0_u64;
    let mut points = 0;
    for byte in digits {
        match byte {
            b'0'..=b'9' => mantissa = mantissa.checked_mul(10)?.checked_add(u64::from(byte - b'0'))?,
            b'.' => points += 1,
            _ => return None,
        }
    }
    let fits = points <= 1 && digits.len() > points && places <= DIGITS && mantissa < 10_u64.pow(15);
    #[expect(clippy::cast_precision_loss, reason = "at most 15 digits, which a double holds")]
    let value = fits.then(|| mantissa as f64 / 10_f64.powi(i32::try_from(places).unwrap_or_default()))?;
    Some(if negative { -value } else { value })
}

/// The same without a fraction.
pub(super) fn parsed_whole(text: &[u8]) -> Option<i64> {
    let (negative, digits) = signed(text)?;
    let step = |number: i64, byte: &u8| {
        let digit = byte.is_ascii_digit().then(|| i64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_sub(digit)
    };
    let number = digits.iter().try_fold(0, step)?;
    if negative { Some(number) } else { number.checked_neg() }
}

fn signed(text: &[u8]) -> Option<(bool, &[u8])> {
    let blank = |byte: &u8| matches!(byte, b' ' | 0);
    let start = text.iter().position(|byte| !blank(byte))?;
    let end = text.iter().rposition(|byte| !blank(byte))?;
    match text.get(start..=end)? {
        [b'-', digits @ ..] if !digits.is_empty() => Some((true, digits)),
        [b'+', digits @ ..] if !digits.is_empty() => Some((false, digits)),
        digits => Some((false, digits)),
    }
}

/// The shortest way to write a number with at most nine decimal places. The formatting of the standard library would be a tenth of
/// the interpreter.
pub(super) fn printed(value: f64) -> Option<String> {
    let places = (0..=9_u8).find(|places| rounded(value, *places).to_bits() == value.to_bits() || (value == 0.0))?;
    let whole = whole((value.abs() * 10_f64.powi(places.into())).round())?;
    let tens = 10_i64.checked_pow(places.into())?;
    let sign = if value < 0.0 { "-" } else { "" };
    let mut text = format!("{sign}{}", whole / tens);
    if places > 0 {
        let fraction = format!("{}", whole % tens + tens);
        text.push('.');
        text.push_str(fraction.get(1..)?);
    }
    Some(text)
}

pub(super) fn rounded(value: f64, places: u8) -> f64 {
    let tens = 10_f64.powi(places.min(15).into());
    let whole = (value * tens).round();
    if whole.abs() <= EXACT { whole / tens } else { value }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn floats_are_told_as_they_are_meant() {
        for (float, text) in [(23.3_f32, "23.3"), (0.1, "0.1"), (-7.25, "-7.25"), (16.4025, "16.4025")] {
            assert_eq!(decimal(float, None).to_string(), text);
        }
        // A published position, six places.
        assert_eq!(decimal(f32::from_bits(0x4240_BFB7), Some(6)), 48.187_222);
        assert!(decimal(f32::NAN, None).is_nan() && decimal(f32::INFINITY, Some(2)).is_infinite());
    }

    #[test]
    fn a_shift_is_exact() {
        let scale = Scale::new(0.1, -400).unwrap();
        assert_eq!((scale.value(633).to_string(), scale.raw("t", 23.3).unwrap()), ("23.3".to_owned(), 633));
        assert_eq!((Scale::new(0.0, 0), Scale::new(f64::NAN, 0), Scale::new(1.0, i64::MIN)), (None, None, None));
    }

    #[test]
    fn numbers_are_read_and_written_as_text() {
        for (text, number) in [("23.5", 23.5), (" -0.05\0", -0.05), ("+7", 7.0), ("007.", 7.0), (".5", 0.5), ("0", 0.0)] {
            assert_eq!(parsed(text.as_bytes()), Some(number), "{text}");
        }
        for text in ["", " ", "-", ".", "1.2.3", "1e5", "12 3", "9999999999999999", "NaN"] {
            assert_eq!(parsed(text.as_bytes()), None, "{text}");
        }
        assert_eq!(parsed_whole(b"-9223372036854775808"), Some(i64::MIN));
        assert_eq!((parsed_whole(b"9223372036854775808"), parsed_whole(b"1.5"), parsed_whole(b" 42 ")), (None, None, Some(42)));
        for (number, text) in [(23.5, "23.5"), (-0.05, "-0.05"), (7.0, "7"), (1e9, "1000000000"), (0.0, "0")] {
            assert_eq!(printed(number).as_deref(), Some(text));
        }
        assert_eq!((printed(1.0 / 3.0), printed(f64::NAN), printed(1e300)), (None, None, None));
    }

    proptest! {
        #[test]
        fn written_numbers_come_back(raw in -999_999_999_999_i64..999_999_999_999, places in 0_i32..6) {
            #[expect(clippy::cast_precision_loss, reason = "twelve digits")]
            let number = raw as f64 / 10_f64.powi(places);
            let text = printed(number).unwrap();
            prop_assert_eq!(parsed(text.as_bytes()), Some(number), "{}", text);
            prop_assert_eq!(parsed_whole(raw.to_string().as_bytes()), Some(raw));
        }

        #[test]
        fn a_decimal_is_the_same_float(bits: u32) {
            let float = f32::from_bits(bits);
            prop_assume!(!float.is_nan());
            #[expect(clippy::cast_possible_truncation, reason = "the question")]
            let again = decimal(float, None) as f32;
            prop_assert_eq!(again.to_bits(), bits);
        }
    }
}
