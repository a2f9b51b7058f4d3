//! The breaker as a table of what happens when, its laws under any order of events, and the policy as a table.

use proptest::prelude::*;

use super::*;

const SETTINGS: Settings = Settings { faults: 3, window_ms: 100, pause_ms: 50 };

/// A line of a story: at this time, this, with this answer.
enum Step {
    Ask(u64, Turn),
    End(u64, Turn, Ending, Option<Change>),
}
use Step::{Ask, End};

fn tell(story: &[Step]) -> Breaker {
    let mut breaker = Breaker::new(SETTINGS);
    for (line, step) in story.iter().enumerate() {
        match step {
            Ask(now, turn) => assert_eq!(breaker.ask(*now), *turn, "line {line}"),
            End(now, turn, ending, change) => assert_eq!(breaker.ended(*turn, *ending, *now), *change, "line {line}"),
        }
    }
    breaker
}

/// Opened at 20.
fn opened() -> Vec<Step> {
    vec![
        Ask(0, Turn::Call),
        End(0, Turn::Call, Ending::Fault, None),
        End(10, Turn::Call, Ending::Fault, None),
        End(20, Turn::Call, Ending::Fault, Some(Change::Degraded)),
    ]
}

fn then(mut story: Vec<Step>, more: impl IntoIterator<Item = Step>) -> Vec<Step> {
    story.extend(more);
    story
}

#[test]
fn faults_within_the_window_open_and_a_probe_closes() {
    let rest = [
        Ask(20, Turn::Hold),
        Ask(69, Turn::Hold),
        Ask(70, Turn::Probe),
        Ask(71, Turn::Hold),
        End(75, Turn::Probe, Ending::Fine, Some(Change::Recovered)),
        Ask(75, Turn::Call),
    ];
    assert!(tell(&then(opened(), rest)).is_closed());
}

#[test]
fn faults_that_are_far_apart_do_not_open() {
    let story: Vec<Step> = (0..10).map(|n| End(n * 60, Turn::Call, Ending::Fault, None)).collect();
    assert!(tell(&story).is_closed());
    // The window includes its first moment.
    let edge = [
        End(0, Turn::Call, Ending::Fault, None),
        End(50, Turn::Call, Ending::Fault, None),
        End(100, Turn::Call, Ending::Fault, Some(Change::Degraded)),
    ];
    tell(&edge);
}

#[test]
fn a_failed_probe_waits_for_another_pause() {
    let rest = [
        Ask(70, Turn::Probe),
        End(80, Turn::Probe, Ending::Fault, None),
        Ask(129, Turn::Hold),
        Ask(130, Turn::Probe),
        End(131, Turn::Probe, Ending::Fine, Some(Change::Recovered)),
    ];
    tell(&then(opened(), rest));
}

#[test]
fn a_probe_that_is_never_heard_of_is_tried_again() {
    let rest = [
        Ask(70, Turn::Probe),
        Ask(119, Turn::Hold),
        Ask(120, Turn::Probe),
        // The first one comes after all.
        End(121, Turn::Probe, Ending::Fine, Some(Change::Recovered)),
        End(122, Turn::Probe, Ending::Fine, None),
        End(122, Turn::Probe, Ending::Fault, None),
        Ask(122, Turn::Call),
    ];
    tell(&then(opened(), rest));
}

#[test]
fn calls_that_began_before_it_opened_decide_nothing() {
    let rest = [
        End(21, Turn::Call, Ending::Fine, None),
        End(22, Turn::Call, Ending::Fault, None),
        Ask(70, Turn::Probe),
        End(71, Turn::Call, Ending::Fine, None),
        End(71, Turn::Call, Ending::Fault, None),
        End(71, Turn::Hold, Ending::Fine, None),
        Ask(72, Turn::Hold),
    ];
    assert!(!tell(&then(opened(), rest)).is_closed());
}

#[test]
fn faults_from_before_an_outage_are_forgotten() {
    let rest = [
        Ask(70, Turn::Probe),
        End(71, Turn::Probe, Ending::Fine, Some(Change::Recovered)),
        End(72, Turn::Call, Ending::Fault, None),
        End(73, Turn::Call, Ending::Fault, None),
        End(74, Turn::Call, Ending::Fault, Some(Change::Degraded)),
    ];
    tell(&then(opened(), rest));
}

#[test]
fn one_fault_is_enough_where_it_is_set_so() {
    let mut breaker = Breaker::new(Settings { faults: 1, ..SETTINGS });
    assert_eq!(breaker.ended(Turn::Call, Ending::Fault, 5), Some(Change::Degraded));
}

#[derive(Debug, Clone)]
enum Act {
    Wait(u64),
    Ask,
    End(usize, Ending),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        (0..80_u64).prop_map(Act::Wait),
        Just(Act::Ask),
        (any::<usize>(), prop_oneof![Just(Ending::Fine), Just(Ending::Fault)])
            .prop_map(|(which, ending)| Act::End(which, ending)),
    ]
}

proptest! {
    /// Whatever the order: changes alternate, at most one probe a pause, no call while it is open, and it never stays open for
    /// want of a probe.
    #[test]
    fn laws_hold_in_any_order(acts in proptest::collection::vec(act(), 0..200)) {
        let mut breaker = Breaker::new(SETTINGS);
        let (mut now, mut open, mut under_way, mut last_probe) = (0_u64, false, Vec::new(), None::<u64>);
        for act in acts {
            match act {
                Act::Wait(ms) => now += ms,
                Act::Ask => {
                    let turn = breaker.ask(now);
                    prop_assert_eq!(open, turn != Turn::Call);
                    if turn == Turn::Probe {
                        prop_assert!(last_probe.is_none_or(|last| now >= last + SETTINGS.pause_ms));
                        last_probe = Some(now);
                    }
                    under_way.push(turn);
                }
                Act::End(which, ending) if !under_way.is_empty() => {
                    let turn = under_way.swap_remove(which % under_way.len());
                    match breaker.ended(turn, ending, now) {
                        Some(Change::Degraded) => {
                            prop_assert!(!open && ending == Ending::Fault && turn == Turn::Call);
                            open = true;
                        }
                        Some(Change::Recovered) => {
                            prop_assert!(open && ending == Ending::Fine && turn == Turn::Probe);
                            (open, last_probe) = (false, None);
                        }
                        None => {}
                    }
                }
                Act::End(..) => {}
            }
            prop_assert_eq!(breaker.is_closed(), !open);
            prop_assert!(breaker.faults.len() < 3);
        }
        if open {
            prop_assert_eq!(breaker.ask(now + SETTINGS.pause_ms), Turn::Probe);
        }
    }

    /// More failures never speak for a version, and no number overflows.
    #[test]
    fn failing_more_is_never_better(uplinks in 1..u64::MAX, failed: u64, more: u64, old in any::<(u64, u64)>(), margin in 0..100_u32) {
        let policy = Policy { uplinks: 1, margin_percent: margin };
        let old = Score { uplinks: old.0, failed: old.1.min(old.0) };
        let new = |failed: u64| Score { uplinks, failed: failed.min(uplinks) };
        let worse = failed.saturating_add(more);
        if judge(policy, new(failed), old, false) == Verdict::RollBack {
            prop_assert_eq!(judge(policy, new(worse), old, false), Verdict::RollBack);
        }
    }
}

#[test]
fn the_policy_is_a_table() {
    let policy = Policy { uplinks: 100, margin_percent: 10 };
    let score = |uplinks, failed| Score { uplinks, failed };
    for (new, old, degraded, verdict) in [
        (score(0, 0), score(1_000, 0), false, Verdict::Wait),
        (score(0, 0), score(1_000, 0), true, Verdict::Wait),
        (score(99, 99), score(1_000, 0), false, Verdict::Wait),
        (score(100, 10), score(1_000, 0), false, Verdict::Keep),
        (score(100, 11), score(1_000, 0), false, Verdict::RollBack),
        (score(100, 11), score(1_000, 10), false, Verdict::Keep),
        (score(100, 11), score(1_000, 9), false, Verdict::RollBack),
        (score(100, 60), score(100, 55), false, Verdict::Keep),
        // Nothing is known of the old one.
        (score(100, 10), score(0, 0), false, Verdict::Keep),
        (score(100, 11), score(0, 0), false, Verdict::RollBack),
        // It is left alone: no more will be known.
        (score(5, 5), score(1_000, 0), true, Verdict::RollBack),
        (score(5, 5), score(10, 10), true, Verdict::Keep),
    ] {
        assert_eq!(judge(policy, new, old, degraded), verdict, "{new:?} against {old:?}");
    }
    assert_eq!((score(8, 1).percent(), score(0, 0).percent()), (12, 0));
    assert_eq!(score(8, 3).since(score(5, 1)), score(3, 2));
}
