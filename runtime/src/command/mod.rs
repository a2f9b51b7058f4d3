//! The life of a command: eight states, one function that moves it (REFERENCE C.5; ARCHITECTURE, invariant 10).
//!
//! Pure: a command, what happened and the time go in; the moved command comes out. Knows neither store nor network.

use crate::model::{Command, CommandState, Failure, Timestamp};

/// What can happen to a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// The codec made bytes of it under this mid; the datagram is about to leave.
    Sent {
        /// 1..65535
        mid: u16,
    },
    /// The codec refused it, trapped, or made no bytes.
    EncodeFailed {
        /// Why, in the codec's words.
        detail: String,
    },
    /// An immediate command for a device that has no registration.
    NotRegistered,
    /// The device acknowledged the datagram with 2.04.
    Acknowledged,
    /// The device refused the datagram.
    Refused {
        /// CoAP code and meaning.
        detail: String,
    },
    /// The retransmission span ended without an acknowledgement.
    Unacknowledged,
    /// The device's response with this mid came.
    Responded {
        /// 0 = success.
        errcode: u8,
        /// Response fields by name.
        result: serde_json::Value,
    },
    /// `expireTime` passed while it waited.
    Outlived,
    /// The application revoked it.
    Revoked,
}

/// A happening that means nothing in the command's state; the command stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a command that is {} cannot be moved by this", .0.as_str())]
pub struct Unmoved(pub CommandState);

/// Moves a command. Every change of a command's state anywhere goes through here.
///
/// ```text
/// PENDING --Sent--> SENT --Acknowledged--> DELIVERED --Responded--> SUCCESSFUL | FAILED
///    |               | |--Unacknowledged--> TIMEOUT
///    |               | |--Refused--> FAILED
///    |               | `--Responded--> SUCCESSFUL | FAILED      the acknowledgement was lost, the answer was not
///    |--EncodeFailed, NotRegistered--> FAILED
///    |--Outlived--> EXPIRED
///    `--Revoked--> CANCELED                                     TIMEOUT --Responded--> SUCCESSFUL | FAILED
/// ```
///
/// A response lifts TIMEOUT: the device has shown that it did what it was told. The platforms leave this open (REFERENCE C.5).
///
/// # Errors
/// [`Unmoved`] when the happening does not concern a command in this state; duplicates and races end here.
pub fn transition(command: &Command, happening: Happening, now: Timestamp) -> Result<Command, Unmoved> {
    use CommandState as S;
    let mut next = command.clone();
    match (command.state, happening) {
        (S::Pending, Happening::Sent { mid }) => {
            next.state = S::Sent;
            next.mid = Some(mid);
            next.sent = Some(now);
        }
        (S::Pending, Happening::EncodeFailed { detail }) => fail(&mut next, S::Failed, "encode-failed", detail, now),
        (S::Pending, Happening::NotRegistered) => {
            let detail = "the device has no registration, so an immediate command cannot reach it; give it an expireTime";
            fail(&mut next, S::Failed, "not-registered", detail.to_owned(), now);
        }
        (S::Pending, Happening::Outlived) => {
            let detail = format!("it could not be sent within {} s", command.expire_time_s);
            fail(&mut next, S::Expired, "expired", detail, now);
        }
        (S::Pending, Happening::Revoked) => {
            next.state = S::Canceled;
            next.ended = Some(now);
        }
        (S::Sent, Happening::Acknowledged) => {
            next.state = S::Delivered;
            next.delivered = Some(now);
        }
        (S::Sent, Happening::Unacknowledged) => {
            let detail = "the device did not acknowledge the downlink".to_owned();
            fail(&mut next, S::Timeout, "no-acknowledgement", detail, now);
        }
        (S::Sent, Happening::Refused { detail }) => fail(&mut next, S::Failed, "device-refused", detail, now),
        (S::Sent | S::Delivered | S::Timeout, Happening::Responded { errcode, result }) => {
            next.errcode = Some(errcode);
            next.result = Some(result);
            next.failure = None;
            next.ended = Some(now);
            next.state = S::Successful;
            if errcode != 0 {
                fail(&mut next, S::Failed, "device-error", format!("the device answered with errcode {errcode}"), now);
            }
        }
        (state, _) => return Err(Unmoved(state)),
    }
    Ok(next)
}

fn fail(command: &mut Command, state: CommandState, code: &str, detail: String, now: Timestamp) {
    command.state = state;
    command.ended = Some(now);
    command.failure = Some(Failure { code: code.to_owned(), detail });
}

/// The next mid of a device: from 1 upward, wraps to 1, skips those in flight (REFERENCE J.3). None when all are taken.
#[must_use]
pub fn next_mid(last: u16, in_flight: &[u16]) -> Option<u16> {
    let mut mid = last;
    for _ in 0..u16::MAX {
        mid = if mid == u16::MAX { 1 } else { mid + 1 };
        if !in_flight.contains(&mid) {
            return Some(mid);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{CommandId, DeviceId, ProductId};

    fn command(state: CommandState) -> Command {
        Command {
            id: CommandId(1),
            device: DeviceId(1),
            product: ProductId(1),
            service: "Valve".to_owned(),
            name: "SET_VALVE".to_owned(),
            params: serde_json::json!({"open": true}),
            expire_time_s: 60,
            max_retransmit: None,
            state,
            mid: Some(9),
            created: Timestamp(1_000),
            sent: None,
            delivered: None,
            ended: None,
            errcode: None,
            result: None,
            failure: None,
        }
    }

    fn happenings() -> Vec<Happening> {
        let result = serde_json::json!({});
        vec![
            Happening::Sent { mid: 7 },
            Happening::EncodeFailed { detail: "bad".to_owned() },
            Happening::NotRegistered,
            Happening::Acknowledged,
            Happening::Refused { detail: "4.04".to_owned() },
            Happening::Unacknowledged,
            Happening::Responded { errcode: 0, result: result.clone() },
            Happening::Responded { errcode: 3, result },
            Happening::Outlived,
            Happening::Revoked,
        ]
    }

    /// The whole table: eight states by ten happenings; `-` = unmoved.
    #[test]
    fn the_whole_table() {
        use CommandState::{Canceled as C, Delivered as D, Expired as E, Failed as F, Sent as N, Successful as S, Timeout as T};
        let none = [None; 10];
        let table = [
            (CommandState::Pending, [Some(N), Some(F), Some(F), None, None, None, None, None, Some(E), Some(C)]),
            (N, [None, None, None, Some(D), Some(F), Some(T), Some(S), Some(F), None, None]),
            (D, [None, None, None, None, None, None, Some(S), Some(F), None, None]),
            (S, none),
            (F, none),
            (T, [None, None, None, None, None, None, Some(S), Some(F), None, None]),
            (E, none),
            (C, none),
        ];
        for (state, row) in table {
            for (happening, expected) in happenings().into_iter().zip(row) {
                let moved = transition(&command(state), happening.clone(), Timestamp(5_000));
                assert_eq!(moved.clone().ok().map(|c| c.state), expected, "{state:?} {happening:?}");
                if let Ok(moved) = moved {
                    assert_eq!(moved.ended.is_some(), moved.state.is_final(), "{state:?} {happening:?}");
                    let failed = matches!(moved.state, F | T | E);
                    assert_eq!(moved.failure.is_some(), failed, "{state:?} {happening:?}");
                }
            }
        }
    }

    proptest! {
        /// Whatever happens in whatever order, a command that is over stays over, save that a response lifts TIMEOUT.
        #[test]
        fn what_is_over_stays_over(order in proptest::collection::vec(0_usize..10, 0..40)) {
            let all = happenings();
            let mut now = command(CommandState::Pending);
            for (step, index) in order.into_iter().enumerate() {
                let happening = all[index].clone();
                if let Ok(next) = transition(&now, happening.clone(), Timestamp(step as u64)) {
                    let lifted = now.state == CommandState::Timeout && matches!(happening, Happening::Responded { .. });
                    prop_assert!(!now.state.is_final() || lifted);
                    prop_assert!(next.state != CommandState::Pending);
                    now = next;
                }
            }
        }

        #[test]
        fn a_mid_is_never_zero_and_never_in_flight(last: u16, busy in proptest::collection::vec(1_u16.., 0..50)) {
            let mid = next_mid(last, &busy).unwrap();
            prop_assert!(mid != 0 && !busy.contains(&mid));
        }
    }
}
