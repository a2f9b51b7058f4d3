//! RFC 3339 in UTC, for vector files. Days and dates after Howard Hinnant's public algorithm
//! (<https://howardhinnant.github.io/date_algorithms.html>).

const DAY_MS: u64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;
/// Days of 400 years.
const ERA_DAYS: u64 = 146_097;

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

/// Days since 1970; none for a day that the month does not have.
fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    let days = (year / 400 * ERA_DAYS + of_era).checked_sub(EPOCH_DAYS)?;
    (date(days).1 == month && date(days).2 == day).then_some(days)
}

fn date(days: u64) -> (u64, u64, u64) {
    let days = days.saturating_add(EPOCH_DAYS);
    let of_era = days % ERA_DAYS;
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = year_of_era + days / ERA_DAYS * 400 + u64::from(month <= 2);
    (year, month, day)
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
