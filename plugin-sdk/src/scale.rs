//! Numbers that a device sends as integers: a raw value times a scale. Without binary noise: 233 at a scale of 0.1 is 23.3, not
//! 23.300000000000004, because the double nearest to the decimal is computed in one division.

use crate::error::{Error, Result};

/// Most decimal places of a scale.
const PLACES: i32 = 15;
/// Largest integer up to which doubles hold every integer.
pub(crate) const EXACT: f64 = 9_007_199_254_740_992.0;

/// `raw * scale`, as the decimal that is meant.
///
/// ```
/// use codecgate_sdk::scale::scaled;
/// assert_eq!(scaled(233, 0.1), 23.3);
/// assert_eq!(scaled(-7, 0.05), -0.35);
/// assert_eq!(scaled(3, 100.0), 300.0);
/// ```
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "raw values of devices are far below 2^53; beyond that a double holds no unit")]
pub fn scaled(raw: impl Into<i64>, scale: f64) -> f64 {
    let raw = raw.into() as f64;
    match fraction(scale) {
        Some((numerator, denominator)) if (raw * numerator).abs() <= EXACT => raw * numerator / denominator,
        _ => raw * scale,
    }
}

/// The raw value that a device wants for `value` at this scale: the nearest integer.
///
/// ```
/// use codecgate_sdk::scale::raw;
/// assert_eq!(raw("limit", 23.3, 0.1)?, 233);
/// # Ok::<(), codecgate_sdk::Error>(())
/// ```
///
/// # Errors
/// `bad-parameter` with the parameter's `name` when the value is no number, or none that 53 bits can hold
#[expect(clippy::cast_possible_truncation, reason = "it was rounded and fits 53 bits")]
pub fn raw(name: &str, value: f64, scale: f64) -> Result<i64> {
    let raw = match fraction(scale) {
        Some((numerator, denominator)) => value * denominator / numerator,
        None => value / scale,
    };
    let raw = raw.round();
    if raw.abs() <= EXACT { Ok(raw as i64) } else { Err(Error::bad_parameter(format!("{name}: no raw value for it"))) }
}

/// The scale as a decimal fraction with the fewest places: 0.05 is 5 / 100.
pub(crate) fn fraction(scale: f64) -> Option<(f64, f64)> {
    (0..=PLACES).find_map(|places| {
        let denominator = 10_f64.powi(places);
        let numerator = (scale * denominator).round();
        let is_it = numerator / denominator == scale && numerator.abs() <= EXACT && numerator != 0.0;
        is_it.then_some((numerator, denominator))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_printed_is_what_is_meant() {
        for (raw, scale, text) in [
            (233, 0.1, "23.3"),
            (3, 0.1, "0.3"),
            (233, 0.3, "69.9"),
            (12_345, 0.001, "12.345"),
            (-1, 0.01, "-0.01"),
            (7, 0.125, "0.875"),
            (5, 1.0, "5"),
            (0, 0.1, "0"),
            (9, 1e-6, "0.000009"),
            (12, 1000.0, "12000"),
        ] {
            assert_eq!(scaled(raw, scale).to_string(), text);
        }
        assert!((scaled(3, 1.0 / 3.0) - 1.0).abs() < 1e-12, "a scale that is no short decimal is multiplied");
        assert_eq!(scaled(5, 0.0), 0.0);
    }

    #[test]
    fn what_no_raw_value_stands_for_is_refused() {
        assert!(raw("limit", f64::NAN, 0.1).is_err());
        assert!(raw("limit", 1.0, 0.0).is_err());
        assert_eq!(raw("limit", 1e18, 0.1).unwrap_err().to_string(), "bad-parameter: limit: no raw value for it");
    }

    proptest! {
        #[test]
        fn raw_values_come_back(value in -1_000_000_000_i64..1_000_000_000, places in 0_i32..7, step in 1_i32..100) {
            let scale = f64::from(step) / 10_f64.powi(places);
            prop_assert_eq!(raw("x", scaled(value, scale), scale).unwrap(), value);
            let shown = scaled(value, scale).to_string();
            prop_assert!(shown.split_once('.').is_none_or(|(_, places)| places.len() <= 8), "{}", shown);
        }
    }
}
