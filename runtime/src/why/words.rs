//! Spans of time as people say them, in both languages.

use super::Words;
use crate::model::Timestamp;

/// `3 s`, `12 min`, `5 h 20 min`, `2 days 3 h`.
pub(super) fn span(ms: u64) -> Words {
    let seconds = ms / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => Words::new(format!("{seconds} s"), format!("{seconds} 秒")),
        (0, 0, _) => Words::new(format!("{minutes} min"), format!("{minutes} 分钟")),
        (0, ..) => Words::new(format!("{hours} h {} min", minutes % 60), format!("{hours} 小时 {} 分钟", minutes % 60)),
        _ => Words::new(format!("{days} d {} h", hours % 24), format!("{days} 天 {} 小时", hours % 24)),
    }
}

/// How long ago.
pub(super) fn since(at: Timestamp, now: Timestamp) -> Words {
    span(now.since(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_short() {
        for (ms, en, zh) in [
            (0, "0 s", "0 秒"),
            (59_999, "59 s", "59 秒"),
            (60_000, "1 min", "1 分钟"),
            (19_200_000, "5 h 20 min", "5 小时 20 分钟"),
            (183_600_000, "2 d 3 h", "2 天 3 小时"),
        ] {
            assert_eq!(span(ms), Words::new(en, zh));
        }
    }
}
