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

    proptest! {
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
