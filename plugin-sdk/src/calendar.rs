//! Days and dates of the Gregorian calendar, after Howard Hinnant's public algorithm
//! (<https://howardhinnant.github.io/date_algorithms.html>). Knows no time zone.

pub(crate) const DAY_MS: u64 = 86_400_000;
/// Days from 0000-03-01 to 1970-01-01.
const EPOCH_DAYS: u64 = 719_468;
/// Days of 400 years.
const ERA_DAYS: u64 = 146_097;

/// Days since 1970; none for a day that the month does not have.
pub(crate) fn days(year: u64, month: u64, day: u64) -> Option<u64> {
    let year = if month <= 2 { year.checked_sub(1)? } else { year };
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day.checked_sub(1)?;
    let of_era = year % 400 * 365 + year % 400 / 4 - year % 400 / 100 + of_year;
    let days = (year / 400 * ERA_DAYS + of_era).checked_sub(EPOCH_DAYS)?;
    (date(days).1 == month && date(days).2 == day).then_some(days)
}

/// Year, month and day.
pub(crate) fn date(days: u64) -> (u64, u64, u64) {
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
