//! RFC 3339 in UTC, for vector files.

use crate::calendar::{DAY_MS, date, days};

/// `2024-01-31T12:00:00Z` with up to three places after the point, from 1970 on.
pub(super) fn parse(text: &str) -> Option<u64> {
    let (date, clock) = text.strip_suffix('Z')?.split_once('T')?;
    let (clock, fraction) = clock.split_once('.').unwrap_or((clock, "0"));
    let (year, rest) = date.split_once('-')?;
    let (month, day) = rest.split_once('-')?;
    let (hour, rest) = clock.split_once(':')?;
    let (minute, second) = rest.split_once(':')?;
    let number = |text: &str, width: usize, most: u64| -> Option<u64> {
        let digits = text.len() == width && text.bytes().all(|byte| byte.is_ascii_digit());
        digits.then(|| text.parse().ok()).flatten().filter(|number| *number <= most)
    };
    if fraction.is_empty() || fraction.len() > 3 {
        return None;
    }
    let days = days(number(year, 4, 9999)?, number(month, 2, 12)?, number(day, 2, 31)?)?;
    let milli = number(&format!("{fraction:0<3}"), 3, 999)?;
    let seconds = number(hour, 2, 23)? * 3_600 + number(minute, 2, 59)? * 60 + number(second, 2, 59)?;
    Some(days * DAY_MS + seconds * 1_000 + milli)
}

/// `2024-01-31T12:00:00.000Z`
pub(super) fn show(ms: u64) -> String {
    let (year, month, day) = date(ms / DAY_MS);
    let (second, milli) = (ms / 1_000, ms % 1_000);
    let (hour, minute, second) = (second / 3_600 % 24, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_moments_both_ways() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("2024-01-31T12:00:00.000Z", 1_706_702_400_000),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            assert_eq!(parse(text), Some(ms), "{text}");
            assert_eq!(show(ms), text);
        }
        assert_eq!(parse("2024-01-31T12:00:00Z"), Some(1_706_702_400_000));
        for wrong in ["", "2023-02-29T00:00:00Z", "2024-13-01T00:00:00Z", "2024-01-01", "2024-01-01T00:00:00+01:00"] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
