//! What is learned of a rhythm, in virtual time.

use proptest::prelude::*;

use super::*;

const START: Timestamp = Timestamp(1_700_000_000_000);

fn habits() -> Habits {
    Habits::default()
}

/// A device that reports at these moments after the start, ms.
fn reporting(moments: impl IntoIterator<Item = u64>) -> Rhythm {
    let mut rhythm = Rhythm::default();
    for moment in moments {
        rhythm.heard(START.plus_ms(moment), Sign::Report, &habits());
    }
    rhythm
}

#[test]
fn it_has_24_bytes_and_nothing_is_foretold_without_history() {
    assert_eq!(size_of::<Rhythm>(), 24);
    assert_eq!(Rhythm::default().expected_next_wake(START), None);
    assert_eq!(reporting([0, 3_600_000, 7_200_000]).expected_next_wake(START.plus_ms(7_200_000)), None);
    let rhythm = reporting((0..4).map(|n| n * 3_600_000));
    let next = rhythm.expected_next_wake(START.plus_ms(3 * 3_600_000 + 5)).unwrap();
    assert_eq!((next.at, next.wakes), (START.plus_ms(4 * 3_600_000), 3));
}

#[test]
fn words_of_one_wake_are_one_wake() {
    let mut rhythm = Rhythm::default();
    let mut wakes = 0;
    for hour in 0..6 {
        for offset in [0, 1_500, 9_000, 28_000] {
            wakes += u32::from(rhythm.heard(START.plus_ms(hour * 3_600_000 + offset), Sign::Report, &habits()));
        }
        rhythm.heard(START.plus_ms(hour * 3_600_000 + 30_000), Sign::Answer, &habits());
    }
    assert_eq!(wakes, 6);
    assert_eq!(rhythm.expected_next_wake(START.plus_ms(5 * 3_600_000)).unwrap().at, START.plus_ms(6 * 3_600_000));
}

#[test]
fn a_lost_report_and_one_by_hand_change_nothing() {
    let hours = [0, 1, 2, 3, 4, 6, 7, 8].map(|hour| hour * 3_600_000);
    let rhythm = reporting(hours.into_iter().chain([8 * 3_600_000 + 600_000]));
    let next = rhythm.expected_next_wake(START.plus_ms(8 * 3_600_000 + 700_000)).unwrap();
    // Foretold from the report by hand, an hour later, but the hour is still the hour.
    assert_eq!(next.at, START.plus_ms(9 * 3_600_000 + 600_000));
}

#[test]
fn who_only_registers_is_foretold_from_that_until_it_reports() {
    let mut rhythm = Rhythm::default();
    let day = 86_400_000;
    for n in 0..5 {
        rhythm.heard(START.plus_ms(n * day), Sign::Registration, &habits());
    }
    assert_eq!(rhythm.expected_next_wake(START.plus_ms(4 * day)).unwrap().at, START.plus_ms(5 * day));
    let hour = 3_600_000;
    for n in 0..5 {
        rhythm.heard(START.plus_ms(4 * day + n * hour), Sign::Report, &habits());
        // Updates between the reports do not count as wakes.
        rhythm.heard(START.plus_ms(4 * day + n * hour + hour / 2), Sign::Registration, &habits());
    }
    let next = rhythm.expected_next_wake(START.plus_ms(4 * day + 4 * hour + hour / 2)).unwrap();
    assert_eq!(next.at, START.plus_ms(4 * day + 5 * hour));
}

#[test]
fn what_keeps_silent_for_long_is_foretold_no_more() {
    let rhythm = reporting((0..10).map(|n| n * 3_600_000));
    let foretold = |hours: u64| rhythm.expected_next_wake(START.plus_ms(hours * 3_600_000));
    let (soon, late) = (foretold(9).unwrap(), foretold(12).unwrap());
    assert!(late.at > soon.at && late.spread_ms > soon.spread_ms, "{soon:?} {late:?}");
    assert_eq!(foretold(30), None);
}

#[test]
fn the_time_that_it_listens_is_learned_carefully_and_within_bounds() {
    let mut rhythm = Rhythm::default();
    let mut now = START;
    assert_eq!(rhythm.awake_ms(&habits()), 20_000);
    assert_eq!(rhythm.awake_ms(&Habits { awake_s: Some(8), ..habits() }), 8_000);
    // Acknowledgements early in the time teach nothing; late ones that it is longer.
    rhythm.heard(now, Sign::Report, &habits());
    rhythm.acknowledged(now.plus_ms(1_000), &habits());
    assert_eq!(rhythm.awake_ms(&habits()), 20_000);
    for _ in 0..100 {
        let before = rhythm.awake_ms(&habits());
        now = now.plus_ms(600_000);
        rhythm.heard(now, Sign::Report, &habits());
        now = now.plus_ms(before - 1_000);
        rhythm.acknowledged(now, &habits());
        assert!((before..=before + before / 8 + 1_000).contains(&rhythm.awake_ms(&habits())), "it grows by an eighth at most");
    }
    assert_eq!(rhythm.awake_ms(&habits()), 120_000);
    for _ in 0..100 {
        let before = rhythm.awake_ms(&habits());
        now = now.plus_ms(600_000);
        rhythm.heard(now, Sign::Report, &habits());
        rhythm.unanswered(now.plus_ms(500), &habits());
        assert!(rhythm.awake_ms(&habits()) >= before - before / 4 - 1_000, "it shrinks by a quarter at most");
    }
    assert_eq!(rhythm.awake_ms(&habits()), 2_000);
    // What was sent after the time had ended says nothing about it.
    rhythm.unanswered(now.plus_ms(60_000), &habits());
    assert_eq!(rhythm.awake_ms(&habits()), 2_000);
}

proptest! {
    /// A device that keeps its rhythm with jitter is foretold: nearly every wake falls within the spread.
    #[test]
    fn a_periodic_device_is_foretold_within_its_spread(
        period in 300_000_u64..90_000_000,
        percent in 0_u64..6,
        draws in proptest::collection::vec(0_u64..1_000, 60),
    ) {
        let jitter = period * percent / 100;
        let moments: Vec<u64> = (0..).zip(&draws).map(|(n, draw)| n * period + jitter * draw / 1_000).collect();
        let mut rhythm = Rhythm::default();
        let (mut hits, mut tries) = (0_u32, 0_u32);
        for (n, moment) in moments.iter().enumerate() {
            let now = START.plus_ms(*moment);
            if n >= 12 {
                let next = rhythm.expected_next_wake(START.plus_ms(moments[n - 1])).unwrap();
                tries += 1;
                hits += u32::from(next.at.since(now) + now.since(next.at) <= next.spread_ms);
            }
            rhythm.heard(now, Sign::Report, &habits());
        }
        prop_assert!(hits * 10 >= tries * 9, "{hits} of {tries}");
    }

    /// Another rhythm is known after a few wakes.
    #[test]
    fn a_new_rhythm_is_learned_in_a_few_wakes(before in 300_000_u64..90_000_000, factor in 2_u64..20, faster: bool) {
        let after = if faster { (before / factor).max(60_000) } else { before * factor };
        prop_assume!(after.abs_diff(before) > before / 3);
        let mut moments: Vec<u64> = (0..20).map(|n| n * before).collect();
        let change = 19 * before;
        moments.extend((1..=4).map(|n| change + n * after));
        let rhythm = reporting(moments);
        let last = START.plus_ms(change + 4 * after);
        let next = rhythm.expected_next_wake(last).unwrap();
        prop_assert!(next.at.since(last).abs_diff(after) <= next.spread_ms, "{next:?}");
    }

    /// Whatever happens in whatever order: bounds hold and nothing overflows.
    #[test]
    fn nothing_breaks_it(steps in proptest::collection::vec((0_u8..5, any::<u32>()), 0..200)) {
        let (mut rhythm, mut now) = (Rhythm::default(), START);
        for (kind, step) in steps {
            now = now.plus_ms(u64::from(step));
            match kind {
                0 => drop(rhythm.heard(now, Sign::Report, &habits())),
                1 => drop(rhythm.heard(now, Sign::Registration, &habits())),
                2 => drop(rhythm.heard(now, Sign::Answer, &habits())),
                3 => rhythm.acknowledged(now, &habits()),
                _ => rhythm.unanswered(Timestamp(now.0 - u64::from(step / 2)), &habits()),
            }
            prop_assert!((2_000..=120_000).contains(&rhythm.awake_ms(&habits())));
            prop_assert!(rhythm.expected_next_wake(now).is_none_or(|next| next.at.plus_ms(next.spread_ms) >= now));
            let stored: Rhythm = serde_json::from_str(&serde_json::to_string(&rhythm).unwrap()).unwrap();
            prop_assert_eq!(stored, rhythm);
        }
    }
}
