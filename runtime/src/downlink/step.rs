//! What a device's commands need now (REFERENCE C.5, delivery mode). Pure: commands, reach and time in, one step out.

use crate::command::Happening;
use crate::model::{CommandState, Timestamp};
use crate::store::Versioned;

type Stored = Versioned<crate::model::Command>;

/// Whether a device can hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// No registration: there is no address.
    Gone,
    /// It sleeps; a cached command waits until it speaks.
    Asleep,
    /// It listens, or the network buffers for it.
    Listening,
}

/// The next thing to do.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Step<'a> {
    /// Nothing is due.
    Rest,
    /// Move this command without sending anything.
    Move(&'a Stored, Happening),
    /// Encode and send this command.
    Send {
        /// Which.
        command: &'a Stored,
        /// Others wait behind it (REFERENCE B.4 `hasMore`).
        has_more: bool,
    },
}

/// Decides for the open commands of one device, oldest first.
///
/// An immediate command (`expireTime` 0) goes out or fails at once and keeps no order. Cached commands go out strictly one
/// after the other: the next one when the one before was acknowledged or given up. `span_ms` is longer than any
/// retransmission span: a command that is SENT for longer has lost its outcome, by a restart for instance, and times out.
pub(crate) fn next_step(open: &[Stored], reach: Reach, now: Timestamp, span_ms: u64) -> Step<'_> {
    let in_state = |state| open.iter().filter(move |command| command.doc.state == state);
    if let Some(lost) = in_state(CommandState::Sent).find(|command| now.since(command.doc.sent.unwrap_or(now)) >= span_ms) {
        return Step::Move(lost, Happening::Unacknowledged);
    }
    let is_cached = |command: &&Stored| command.doc.expire_time_s > 0;
    if let Some(late) = in_state(CommandState::Pending).filter(is_cached).find(|command| now >= command.doc.expires()) {
        return Step::Move(late, Happening::Outlived);
    }
    let waiting = in_state(CommandState::Pending).count();
    let send = |command| Step::Send { command, has_more: waiting > 1 };
    if let Some(immediate) = in_state(CommandState::Pending).find(|command| !is_cached(command)) {
        return if reach == Reach::Gone { Step::Move(immediate, Happening::NotRegistered) } else { send(immediate) };
    }
    let busy = in_state(CommandState::Sent).next().is_some();
    match in_state(CommandState::Pending).next() {
        Some(cached) if reach == Reach::Listening && !busy => send(cached),
        _ => Step::Rest,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Command, CommandId, DeviceId, ProductId};
    use crate::store::Version;

    const SPAN: u64 = 240_000;

    fn command(id: u128, state: CommandState, expire_time_s: u64) -> Stored {
        let doc = Command {
            id: CommandId(id),
            device: DeviceId(1),
            product: ProductId(1),
            service: "Valve".to_owned(),
            name: "SET_VALVE".to_owned(),
            params: serde_json::json!({}),
            expire_time_s,
            max_retransmit: None,
            state,
            mid: None,
            created: Timestamp(1_000_000),
            sent: (state == CommandState::Sent).then_some(Timestamp(1_000_000)),
            delivered: None,
            ended: None,
            errcode: None,
            result: None,
            failure: None,
        };
        Versioned { doc, version: Version(1) }
    }

    /// `r` rest, `s<id>` / `S<id>` send (capital: others wait), `t` timeout, `e` expired, `n` not registered.
    fn shown(step: &Step<'_>) -> String {
        match step {
            Step::Rest => "r".to_owned(),
            Step::Send { command, has_more: false } => format!("s{}", command.doc.id.0),
            Step::Send { command, has_more: true } => format!("S{}", command.doc.id.0),
            Step::Move(command, Happening::Unacknowledged) => format!("t{}", command.doc.id.0),
            Step::Move(command, Happening::Outlived) => format!("e{}", command.doc.id.0),
            Step::Move(command, Happening::NotRegistered) => format!("n{}", command.doc.id.0),
            Step::Move(..) => "?".to_owned(),
        }
    }

    #[test]
    fn steps() {
        use CommandState::{Pending, Sent};
        use Reach::{Asleep, Gone, Listening};
        let cached = |id| command(id, Pending, 60);
        let at_once = |id| command(id, Pending, 0);
        let sent = |id| command(id, Sent, 60);
        let soon = 1_000_500;
        for (open, reach, now, expected) in [
            (vec![], Listening, soon, "r"),
            (vec![cached(1)], Listening, soon, "s1"),
            (vec![cached(1)], Asleep, soon, "r"),
            (vec![cached(1)], Gone, soon, "r"),
            (vec![cached(1), cached(2)], Listening, soon, "S1"),
            (vec![sent(1), cached(2)], Listening, soon, "r"),
            (vec![sent(1), cached(2)], Listening, 1_000_000 + SPAN, "t1"),
            (vec![cached(1)], Asleep, 1_060_000, "e1"),
            (vec![cached(1)], Listening, 1_060_000, "e1"),
            (vec![at_once(1)], Asleep, soon, "s1"),
            (vec![at_once(1)], Gone, soon, "n1"),
            (vec![cached(1), at_once(2)], Asleep, soon, "S2"),
            (vec![sent(1), at_once(2)], Listening, soon, "s2"),
            (vec![at_once(1)], Listening, 9_000_000, "s1"),
        ] {
            let step = next_step(&open, reach, Timestamp(now), SPAN);
            assert_eq!(shown(&step), expected, "{open:?} {reach:?}");
        }
    }
}
