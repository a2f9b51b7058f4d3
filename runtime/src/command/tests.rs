//! The whole table of states and happenings, and what holds whatever happens in whatever order.

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::model::{DeviceId, ProductId, Wire, Work};

const CREATED: Timestamp = Timestamp(1_000);

fn work(repeat: Repeat) -> Work {
    let named = || Work::Named { service: "Valve".to_owned(), name: "SET_VALVE".to_owned(), params: json!({ "open": true }) };
    match repeat {
        Repeat::Idempotent => named(),
        Repeat::Once => Work::Operation { request: json!({ "operation": "execute", "path": "/3/0/4" }), repeat },
    }
}

fn sending() -> Sending {
    Sending { wire: Wire { mid: 7, nonce: 9 }, request: vec![1], until: Timestamp(90_000) }
}

fn command(state: CommandState, repeat: Repeat) -> Command {
    let mut command = Command::new(CommandId(1), (DeviceId(1), ProductId(1)), work(repeat), CREATED);
    if state != CommandState::Pending {
        command.step(Transition::plain(CommandState::Sent, Timestamp(2_000)));
        command.step(Transition::plain(state, Timestamp(3_000)));
    }
    command.sending = (state == CommandState::Sent).then(sending);
    command
}

fn happenings() -> Vec<Happening> {
    let detail = || "why".to_owned();
    vec![
        Happening::Sent { mid: Some(7), sending: sending() },
        Happening::EncodeFailed { detail: detail() },
        Happening::NotRegistered,
        Happening::DeviceOffline { detail: detail() },
        Happening::NotAccepted { detail: detail() },
        Happening::OverLimit { detail: detail() },
        Happening::Acknowledged,
        Happening::Refused { detail: detail() },
        Happening::Unacknowledged,
        Happening::Unheard,
        Happening::Interrupted,
        Happening::Responded { errcode: 0, result: json!({}) },
        Happening::Responded { errcode: 3, result: json!({}) },
        Happening::Answered { result: Some(json!({ "/3/0/9": 100 })) },
        Happening::Outlived,
        Happening::Revoked,
        Happening::Superseded { by: CommandId(2) },
    ]
}

/// A column that is missing here does not compile: every variant has a place in the table.
fn column(happening: &Happening) -> usize {
    match happening {
        Happening::Sent { .. } => 0,
        Happening::EncodeFailed { .. } => 1,
        Happening::NotRegistered => 2,
        Happening::DeviceOffline { .. } => 3,
        Happening::NotAccepted { .. } => 4,
        Happening::OverLimit { .. } => 5,
        Happening::Acknowledged => 6,
        Happening::Refused { .. } => 7,
        Happening::Unacknowledged => 8,
        Happening::Unheard => 9,
        Happening::Interrupted => 10,
        Happening::Responded { errcode: 0, .. } => 11,
        Happening::Responded { .. } => 12,
        Happening::Answered { .. } => 13,
        Happening::Outlived => 14,
        Happening::Revoked => 15,
        Happening::Superseded { .. } => 16,
    }
}

/// The whole table: eight states by every happening. `-` = unmoved, else the first letter of the state that it moves to; N = SENT.
#[test]
fn the_whole_table() {
    let letter = |state| match state {
        CommandState::Pending => 'P',
        CommandState::Sent => 'N',
        CommandState::Delivered => 'D',
        CommandState::Successful => 'S',
        CommandState::Failed => 'F',
        CommandState::Timeout => 'T',
        CommandState::Expired => 'E',
        CommandState::Canceled => 'C',
    };
    for (repeat, table) in [
        (
            Repeat::Idempotent,
            [
                "NFFFFF--------ECC",
                "------DFTNNSFS---",
                "-----------SFS---",
                "-----------------",
                "-----------------",
                "------DF---SFS---",
                "-----------------",
                "-----------------",
            ],
        ),
        (
            Repeat::Once,
            [
                "NFFFFF--------ECC",
                "------DFTTTSFS---",
                "-----------SFS---",
                "-----------------",
                "-----------------",
                "------DF---SFS---",
                "-----------------",
                "-----------------",
            ],
        ),
    ] {
        for (state, row) in CommandState::ALL.into_iter().zip(table) {
            for (index, happening) in happenings().into_iter().enumerate() {
                assert_eq!(column(&happening), index);
                let before = command(state, repeat);
                let moved = transition(&before, happening.clone(), Timestamp(5_000));
                let told = moved.as_ref().map_or('-', |moved| letter(moved.state));
                assert_eq!(Some(told), row.chars().nth(index), "{repeat:?} {state:?} {happening:?}");
                let Ok(moved) = moved else { continue };
                assert_eq!(moved.history.len(), before.history.len() + 1, "each step is kept");
                assert_eq!(moved.moved(), Timestamp(5_000));
                assert_eq!(moved.ended().is_some(), moved.state.is_final(), "{state:?} {happening:?}");
                let unsuccessful = moved.state.is_final() && moved.state != CommandState::Successful;
                assert_eq!(moved.failure().is_some(), unsuccessful, "{state:?} {happening:?}");
                assert_eq!(
                    moved.sending.is_some(),
                    moved.state == CommandState::Sent,
                    "its message is kept while it is under way"
                );
                assert_eq!(moved.due().is_some(), moved.state.is_open());
            }
        }
    }
}

#[test]
fn what_may_not_be_repeated_says_so() {
    let moved = transition(&command(CommandState::Sent, Repeat::Once), Happening::Interrupted, Timestamp(5_000)).unwrap();
    let failure = moved.failure().unwrap();
    assert_eq!(failure.reason, Reason::OutcomeUnknown);
    assert!(failure.detail.contains("not repeated"), "{}", failure.detail);
    let mut older = command(CommandState::Sent, Repeat::Idempotent);
    older.sending = None;
    let moved = transition(&older, Happening::Interrupted, Timestamp(5_000)).unwrap();
    assert_eq!((moved.state, moved.failure().unwrap().reason), (CommandState::Timeout, Reason::OutcomeUnknown));
}

#[test]
fn what_comes_late_says_so() {
    let late = command(CommandState::Timeout, Repeat::Idempotent);
    let moved = transition(&late, Happening::Responded { errcode: 0, result: json!({}) }, Timestamp(63_000)).unwrap();
    let step = moved.history.last().unwrap();
    assert_eq!((step.reason, moved.failure()), (Some(Reason::Late), None));
    assert!(step.detail.as_deref().unwrap().contains("60 s"), "{step:?}");
}

proptest! {
    /// Whatever happens in whatever order: what is over stays over, save that the device's word lifts TIMEOUT; PENDING is never come
    /// back to; SENT is left for good; and the history is the way that it went.
    #[test]
    fn a_life_goes_forward(order in proptest::collection::vec(0_usize..17, 0..60), once: bool) {
        let all = happenings();
        let mut now = command(CommandState::Pending, if once { Repeat::Once } else { Repeat::Idempotent });
        let mut way = Vec::new();
        for (step, index) in order.into_iter().enumerate() {
            let happening = all[index].clone();
            let Ok(next) = transition(&now, happening.clone(), Timestamp(5_000 + step as u64)) else { continue };
            let word = matches!(
                happening,
                Happening::Responded { .. } | Happening::Answered { .. } | Happening::Acknowledged | Happening::Refused { .. }
            );
            prop_assert!(!now.state.is_final() || (now.state == CommandState::Timeout && word));
            prop_assert!(next.state != CommandState::Pending);
            prop_assert!(next.state != CommandState::Sent || now.state.is_open());
            prop_assert!(!(once && next.state == CommandState::Sent && now.state == CommandState::Sent), "never sent twice");
            way.push(next.state);
            prop_assert_eq!(next.history.iter().map(|step| step.state).collect::<Vec<_>>(), way.clone());
            prop_assert!(next.history.iter().map(|step| step.at).is_sorted());
            let stored: Command = serde_json::from_str(&serde_json::to_string(&next).unwrap()).unwrap();
            prop_assert_eq!(&stored, &next);
            now = next;
        }
    }
}
