//! Wall-clock time as it is stored and shown. Reading the clock is not done here: `now` is an argument everywhere.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

const DAY_MS: u64 = 86_400_000;

impl Timestamp {
    /// Whole days since 1970, the name of the arrival day's tree.
    #[must_use]
    pub fn day(self) -> u32 {
        u32::try_from(self.0 / DAY_MS).unwrap_or(u32::MAX)
    }

    /// This time plus `ms` milliseconds, saturating.
    #[must_use]
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// Milliseconds from `earlier` to this, 0 if it lies before.
    #[must_use]
    pub fn since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Reads `2024-01-31T12:00:00.123Z` or the platforms' `20240131T120000Z` (REFERENCE A.4.3).
    ///
    /// # Errors
    /// [`BadTime`] when the text is neither.
    pub fn parse(text: &str) -> Result<Self, BadTime> {
        let bad = || BadTime(text.to_owned());
        let body = text.strip_suffix('Z').ok_or_else(bad)?;
        let (date, time) = body.split_once('T').ok_or_else(bad)?;
        let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
        let date: String = date.chars().filter(|c| *c != '-').collect();
        let clock: String = clock.chars().filter(|c| *c != ':').collect();
        if date.len() != 8 || clock.len() != 6 || fraction.len() > 9 {
            return Err(bad());
        }
        let number = |text: Option<&str>| -> Result<u64, BadTime> {
            let text = text.ok_or_else(bad)?;
            if text.bytes().all(|b| b.is_ascii_digit()) { text.parse().map_err(|_| bad()) } else { Err(bad()) }
        };
        let (year, month, day) = (number(date.get(0..4))?, number(date.get(4..6))?, number(date.get(6..8))?);
        let (hour, minute, second) = (number(clock.get(0..2))?, number(clock.get(2..4))?, number(clock.get(4..6))?);
        if year < 1970 || !(1..=12).contains(&month) || day == 0 || day > month_days(year, month) {
            return Err(bad());
        }
        if hour > 23 || minute > 59 || second > 59 {
            return Err(bad());
        }
        let mut milli = 0;
        if !fraction.is_empty() {
            let padded = format!("{fraction:0<3}");
            milli = number(padded.get(0..3))?;
        }
        let days = days_from_civil(year, month, day);
        Ok(Self(days * DAY_MS + hour * 3_600_000 + minute * 60_000 + second * 1_000 + milli))
    }
}

/// Prints RFC 3339 with milliseconds, `2024-01-31T12:00:00.123Z`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = civil_from_days(self.0 / DAY_MS);
        let rest = self.0 % DAY_MS;
        let (hour, minute, second, milli) = (rest / 3_600_000, rest / 60_000 % 60, rest / 1_000 % 60, rest % 1_000);
        if year > 9_999 {
            return write!(f, "{year}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{milli:03}Z");
        }
        // Every event prints a time or two: digits in place cost a tenth of seven formatted numbers.
        let mut text = *b"0000-00-00T00:00:00.000Z";
        put_digits(&mut text[0..4], year);
        put_digits(&mut text[5..7], month);
        put_digits(&mut text[8..10], day);
        put_digits(&mut text[11..13], hour);
        put_digits(&mut text[14..16], minute);
        put_digits(&mut text[17..19], second);
        put_digits(&mut text[20..23], milli);
        f.write_str(std::str::from_utf8(&text).unwrap_or_default())
    }
}

/// The last digits of a number, as many as there is place.
fn put_digits(place: &mut [u8], mut value: u64) {
    for digit in place.iter_mut().rev() {
        *digit = b'0' + u8::try_from(value % 10).unwrap_or(0);
        value /= 10;
    }
}

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no time: write 2024-01-31T12:00:00Z or 20240131T120000Z (UTC)")]
pub struct BadTime(pub String);

fn is_leap(year: u64) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn month_days(year: u64, month: u64) -> u64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days since 1970 of a date in the Gregorian calendar (the era formula over years that begin in March).
fn days_from_civil(year: u64, month: u64, day: u64) -> u64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted / 400;
    let year_of_era = shifted - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era).saturating_sub(719_468)
}

fn civil_from_days(days: u64) -> (u64, u64, u64) {
    let shifted = days + 719_468;
    let era = shifted / 146_097;
    let day_of_era = shifted % 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_index + 2) / 5 + 1;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_times_both_ways() {
        for (text, ms) in [
            ("1970-01-01T00:00:00.000Z", 0),
            ("2000-02-29T23:59:59.999Z", 951_868_799_999),
            ("2024-01-31T12:00:00.123Z", 1_706_702_400_123),
            ("2100-03-01T00:00:00.000Z", 4_107_542_400_000),
        ] {
            assert_eq!(Timestamp::parse(text), Ok(Timestamp(ms)), "{text}");
            assert_eq!(Timestamp(ms).to_string(), text);
        }
        assert_eq!(Timestamp(253_402_300_799_999).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Timestamp(253_402_300_800_000).to_string(), "10000-01-01T00:00:00.000Z");
        assert_eq!(Timestamp::parse("20151212T121212Z"), Timestamp::parse("2015-12-12T12:12:12Z"));
    }

    #[test]
    fn what_is_no_time_is_refused() {
        for text in [
            "",
            "Z",
            "2024-02-30T00:00:00Z",
            "2024-01-01T24:00:00Z",
            "2024-01-01T00:00:00",
            "2024-13-01T00:00:00Z",
            "+024-01-01T00:00:00Z",
        ] {
            assert!(Timestamp::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_day_round_trips() {
        for day in (0..60_000).step_by(17) {
            let time = Timestamp(day * DAY_MS + 1);
            assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        }
    }
}
