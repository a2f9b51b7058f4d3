//! The life of a command: eight states, one function that moves it (REFERENCE C.5; ARCHITECTURE, invariant 10).
//!
//! Pure: a command, what happened and the time go in; the moved command comes out. Knows neither store nor network.

mod mid;
#[cfg(test)]
mod tests;

use crate::model::{Command, CommandId, CommandState, Reason, Repeat, Sending, Timestamp, Transition};

pub use mid::next_mid;

/// What can happen to a command.
#[derive(Debug, Clone, PartialEq)]
pub enum Happening {
    /// It became a message, which is about to leave.
    Sent {
        /// 1..65535, by which the device's response is matched; none for an LwM2M operation, which its CoAP answer answers.
        mid: Option<u16>,
        /// The message, to be kept until its outcome is known.
        sending: Sending,
    },
    /// The codec refused it, trapped, or made no bytes.
    EncodeFailed {
        /// Why, in the codec's words.
        detail: String,
    },
    /// An immediate command for a device that has no registration.
    NotRegistered,
    /// An immediate command for a device that has been silent for too long.
    DeviceOffline {
        /// Since when, in a sentence.
        detail: String,
    },
    /// A command of a batch that does not fit the device's product.
    NotAccepted {
        /// Every mistake.
        detail: String,
    },
    /// A command of a batch for a device that has as many open commands as it may.
    OverLimit {
        /// How many.
        detail: String,
    },
    /// The device acknowledged the datagram with 2.04.
    Acknowledged,
    /// The device refused the datagram.
    Refused {
        /// CoAP code and meaning.
        detail: String,
    },
    /// The time for an acknowledgement ended without one.
    Unacknowledged,
    /// The span of the retransmissions ended, the time for an acknowledgement did not: the network keeps what an eDRX device is to get.
    Unheard,
    /// The gateway was restarted while it was under way.
    Interrupted,
    /// The device's response with this mid came.
    Responded {
        /// 0 = success.
        errcode: u8,
        /// Response fields by name.
        result: serde_json::Value,
    },
    /// The device answered an LwM2M operation with 2.xx.
    Answered {
        /// What it read, found or made; none where success is all there is to say.
        result: Option<serde_json::Value>,
    },
    /// `expireTime` passed while it waited.
    Outlived,
    /// The application revoked it.
    Revoked,
    /// A newer command took its place.
    Superseded {
        /// Which.
        by: CommandId,
    },
}

/// A happening that means nothing in the command's state; the command stays as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a command that is {} cannot be moved by this", .0.as_str())]
pub struct Unmoved(pub CommandState);

/// Moves a command. Every change of a command's state anywhere goes through here.
///
/// ```text
/// PENDING --Sent--> SENT --Acknowledged--> DELIVERED --Responded--> SUCCESSFUL | FAILED
///    |               | |--Answered--> SUCCESSFUL                     an LwM2M operation: the answer is all there is
///    |               | |--Unacknowledged--> TIMEOUT
///    |               | |--Refused--> FAILED
///    |               | |--Responded--> SUCCESSFUL | FAILED           the acknowledgement was lost, the answer was not
///    |               | `--Interrupted, Unheard--> SENT               the same message again, if it may be sent twice;
///    |               |                         \> TIMEOUT            else nobody knows whether it was done
///    |--EncodeFailed, NotRegistered, DeviceOffline, NotAccepted, OverLimit--> FAILED
///    |--Outlived--> EXPIRED
///    `--Revoked, Superseded--> CANCELED
/// TIMEOUT --Acknowledged--> DELIVERED, --Responded, Answered, Refused--> SUCCESSFUL | FAILED
/// ```
///
/// What the device says lifts TIMEOUT: it is the better witness. The platforms leave this open (REFERENCE C.5). Nothing lifts FAILED,
/// EXPIRED and CANCELED: the application was told that they are over.
///
/// # Errors
/// [`Unmoved`] when the happening does not concern a command in this state; duplicates and races end here.
pub fn transition(command: &Command, happening: Happening, now: Timestamp) -> Result<Command, Unmoved> {
    use CommandState as S;
    let mut next = command.clone();
    let failed = |reason: Reason, detail: String| because(S::Failed, now, reason, detail);
    let step = match (command.state, happening) {
        (S::Pending, Happening::Sent { mid, sending }) => {
            next.mid = mid;
            next.sending = Some(sending);
            Transition::plain(S::Sent, now)
        }
        (S::Pending, Happening::EncodeFailed { detail }) => failed(Reason::EncodeFailed, detail),
        (S::Pending, Happening::NotRegistered) => {
            let detail = "the device has no registration, so an immediate command cannot reach it; give it an expireTime";
            failed(Reason::NotRegistered, detail.to_owned())
        }
        (S::Pending, Happening::DeviceOffline { detail }) => failed(Reason::OfflineDevice, detail),
        (S::Pending, Happening::NotAccepted { detail }) => failed(Reason::NotAccepted, detail),
        (S::Pending, Happening::OverLimit { detail }) => failed(Reason::Limit, detail),
        (S::Pending, Happening::Outlived) => {
            let detail = format!("it could not be sent within {} s", command.expire_time_s);
            because(S::Expired, now, Reason::Expired, detail)
        }
        (S::Pending, Happening::Revoked) => {
            because(S::Canceled, now, Reason::Canceled, "the application canceled it before it was sent".to_owned())
        }
        (S::Pending, Happening::Superseded { by }) => {
            because(S::Canceled, now, Reason::Superseded, format!("the newer command {by} with the same key took its place"))
        }
        (S::Sent, Happening::Interrupted | Happening::Unheard) if command.what.repeat() == Repeat::Once => {
            let detail = "it was sent, its outcome was lost, and it may have been done: it is not repeated, because doing it twice is \
                          not the same as doing it once; look at the device before asking again";
            because(S::Timeout, now, Reason::OutcomeUnknown, detail.to_owned())
        }
        (S::Sent, Happening::Interrupted) if command.sending.is_none() => {
            let detail = "the gateway was restarted while it was under way, and an older codecgate kept no copy of the message";
            because(S::Timeout, now, Reason::OutcomeUnknown, detail.to_owned())
        }
        (S::Sent, Happening::Interrupted) => {
            let detail = "the gateway was restarted while it was under way: the same message goes out again";
            because(S::Sent, now, Reason::Resent, detail.to_owned())
        }
        (S::Sent, Happening::Unheard) => {
            let detail = "no acknowledgement yet, and the device has more time: the same message goes out again";
            because(S::Sent, now, Reason::Resent, detail.to_owned())
        }
        (S::Sent, Happening::Unacknowledged) => {
            let detail = "the device did not acknowledge the downlink".to_owned();
            because(S::Timeout, now, Reason::NoAcknowledgement, detail)
        }
        (S::Sent | S::Timeout, Happening::Acknowledged) => lifted(command, S::Delivered, now),
        (S::Sent | S::Timeout, Happening::Refused { detail }) => failed(Reason::DeviceRefused, detail),
        (S::Sent | S::Delivered | S::Timeout, Happening::Responded { errcode, result }) => {
            next.errcode = Some(errcode);
            next.result = Some(result);
            match errcode {
                0 => lifted(command, S::Successful, now),
                _ => failed(Reason::DeviceError, format!("the device answered with errcode {errcode}")),
            }
        }
        (S::Sent | S::Delivered | S::Timeout, Happening::Answered { result }) => {
            next.result = result;
            lifted(command, S::Successful, now)
        }
        (state, _) => return Err(Unmoved(state)),
    };
    next.step(step);
    if next.state != S::Sent {
        next.sending = None;
    }
    Ok(next)
}

fn because(state: CommandState, at: Timestamp, reason: Reason, detail: String) -> Transition {
    Transition { state, at, reason: Some(reason), detail: Some(detail) }
}

/// A step to something good; after TIMEOUT it says that it came late.
fn lifted(command: &Command, state: CommandState, at: Timestamp) -> Transition {
    if command.state != CommandState::Timeout {
        return Transition::plain(state, at);
    }
    let seconds = at.since(command.moved()) / 1_000;
    because(state, at, Reason::Late, format!("the device was heard {seconds} s after the command had been given up"))
}
