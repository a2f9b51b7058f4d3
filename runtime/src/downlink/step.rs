//! What a device's commands need now (REFERENCE C.5, delivery mode). Pure: commands, reach and time in, one step out.

use crate::command::Happening;
use crate::model::{Command, CommandState, Repeat, Timestamp};
use crate::store::Versioned;

type Stored = Versioned<Command>;

/// Commands of a device that a decision needs: those under way, and the first that wait. A device with so many under way gets no more
/// until some have ended.
pub(crate) const HEAD: usize = 18;

/// Whether a device can hear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// No registration: there is no address.
    Gone,
    /// It has an address and was silent for so long that it counts as abnormal or offline (REFERENCE C.6).
    Silent,
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
    /// Move this command without making a message. One that is SENT then goes out again as it was.
    Move(&'a Stored, Happening),
    /// Encode and send this command.
    Send {
        /// Which.
        command: &'a Stored,
        /// Others wait behind it (REFERENCE B.4 `hasMore`).
        has_more: bool,
    },
}

/// Decides for the first open commands of one device, in the order in which they go out.
///
/// An immediate command (`expireTime` 0) goes out or fails at once and keeps no order. Cached commands go out strictly one
/// after the other: the next one when the one before was acknowledged or given up. What was SENT before `started` was sent by a
/// gateway that stopped: it goes out again as it was, or is given up.
///
/// Commands to abnormal and offline devices fail (REFERENCE C.6): the immediate ones. A cached one waits until its time is over; it
/// was made for a device that is not there.
pub(crate) fn next_step(open: &[Stored], reach: Reach, now: Timestamp, started: Timestamp) -> Step<'_> {
    let in_state = |state| open.iter().filter(move |command| command.doc.state == state);
    if let Some(step) = in_state(CommandState::Sent).find_map(|command| under_way(command, reach, now, started)) {
        return step;
    }
    if let Some((late, over)) = in_state(CommandState::Pending).find_map(|command| Some((command, overdue(&command.doc, now)?))) {
        return Step::Move(late, over);
    }
    let under_way = in_state(CommandState::Sent).count();
    let waiting = in_state(CommandState::Pending).count();
    let send = |command| Step::Send { command, has_more: waiting > 1 };
    if let Some(immediate) = in_state(CommandState::Pending).find(|command| !command.doc.is_cached()) {
        return match reach {
            Reach::Gone => Step::Move(immediate, Happening::NotRegistered),
            Reach::Silent => Step::Move(immediate, Happening::DeviceOffline { detail: SILENT.to_owned() }),
            Reach::Asleep | Reach::Listening => send(immediate),
        };
    }
    match in_state(CommandState::Pending).next() {
        Some(cached) if reach == Reach::Listening && under_way == 0 => send(cached),
        _ => Step::Rest,
    }
}

const SILENT: &str = "the device has been silent for so long that it counts as abnormal or offline, so an immediate command cannot reach \
                      it; give it an expireTime, and it waits until the device speaks";

/// What becomes of a command whose time is over.
pub(crate) fn overdue(command: &Command, now: Timestamp) -> Option<Happening> {
    match command.state {
        CommandState::Pending if command.is_cached() && now >= command.expires() => Some(Happening::Outlived),
        CommandState::Sent if command.sending.as_ref().is_some_and(|sending| now >= sending.until) => {
            Some(Happening::Unacknowledged)
        }
        _ => None,
    }
}

/// What a command that was sent needs.
fn under_way(command: &Stored, reach: Reach, now: Timestamp, started: Timestamp) -> Option<Step<'_>> {
    let doc = &command.doc;
    let of_an_earlier_run = doc.last_sent().is_some_and(|sent| sent < started);
    let kept = doc.sending.as_ref();
    if let Some(over) = overdue(doc, now) {
        return Some(Step::Move(command, over));
    }
    // Without a registration there is no address yet; it may come back before the time is over.
    let waits = reach == Reach::Gone && kept.is_some() && doc.what.repeat() == Repeat::Idempotent;
    (of_an_earlier_run && !waits).then_some(Step::Move(command, Happening::Interrupted))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommandId, DeviceId, ProductId, Sending, Transition, Wire, Work};
    use crate::store::Version;

    const SPAN: u64 = 240_000;
    const CREATED: Timestamp = Timestamp(1_000_000);

    fn command(id: u128, state: CommandState, expire_time_s: u64) -> Stored {
        let what = Work::Raw(vec![1]);
        let mut doc = Command::new(CommandId(id), (DeviceId(1), ProductId(1)), what, CREATED);
        doc.expire_time_s = expire_time_s;
        if state == CommandState::Sent {
            doc.step(Transition::plain(state, CREATED));
            let wire = Wire { mid: 1, nonce: 1 };
            doc.sending = Some(Sending { wire, request: Vec::new(), until: CREATED.plus_ms(SPAN) });
        }
        Versioned { doc, version: Version(1) }
    }

    fn once(id: u128) -> Stored {
        let mut stored = command(id, CommandState::Sent, 60);
        stored.doc.what = Work::Operation { request: serde_json::json!({}), repeat: Repeat::Once };
        stored
    }

    /// `r` rest, `s<id>` / `S<id>` send (capital: others wait), `t` timeout, `e` expired, `n` not registered, `o` offline, `i`
    /// interrupted.
    fn shown(step: &Step<'_>) -> String {
        match step {
            Step::Rest => "r".to_owned(),
            Step::Send { command, has_more: false } => format!("s{}", command.doc.id.0),
            Step::Send { command, has_more: true } => format!("S{}", command.doc.id.0),
            Step::Move(command, Happening::Unacknowledged) => format!("t{}", command.doc.id.0),
            Step::Move(command, Happening::Outlived) => format!("e{}", command.doc.id.0),
            Step::Move(command, Happening::NotRegistered) => format!("n{}", command.doc.id.0),
            Step::Move(command, Happening::DeviceOffline { .. }) => format!("o{}", command.doc.id.0),
            Step::Move(command, Happening::Interrupted) => format!("i{}", command.doc.id.0),
            Step::Move(..) => "?".to_owned(),
        }
    }

    #[test]
    fn steps() {
        use CommandState::{Pending, Sent};
        use Reach::{Asleep, Gone, Listening, Silent};
        let cached = |id| command(id, Pending, 60);
        let at_once = |id| command(id, Pending, 0);
        let sent = |id| command(id, Sent, 60);
        let soon = 1_000_500;
        for (open, reach, now, expected) in [
            (vec![], Listening, soon, "r"),
            (vec![cached(1)], Listening, soon, "s1"),
            (vec![cached(1)], Asleep, soon, "r"),
            (vec![cached(1)], Silent, soon, "r"),
            (vec![cached(1)], Gone, soon, "r"),
            (vec![cached(1), cached(2)], Listening, soon, "S1"),
            (vec![sent(1), cached(2)], Listening, soon, "r"),
            (vec![sent(1), cached(2)], Listening, 1_000_000 + SPAN, "t1"),
            (vec![cached(1)], Asleep, 1_060_000, "e1"),
            (vec![cached(1)], Listening, 1_060_000, "e1"),
            (vec![at_once(1)], Asleep, soon, "s1"),
            (vec![at_once(1)], Gone, soon, "n1"),
            (vec![at_once(1)], Silent, soon, "o1"),
            (vec![at_once(2), cached(1)], Asleep, soon, "S2"),
            (vec![sent(1), at_once(2)], Listening, soon, "s2"),
            (vec![at_once(1)], Listening, 9_000_000, "s1"),
        ] {
            let step = next_step(&open, reach, Timestamp(now), Timestamp(0));
            assert_eq!(shown(&step), expected, "{open:?} {reach:?}");
        }
    }

    #[test]
    fn what_an_earlier_run_sent_goes_out_again_or_is_given_up() {
        use Reach::{Asleep, Gone, Listening};
        let sent = || command(1, CommandState::Sent, 60);
        let mut older = sent();
        older.doc.sending = None;
        let restarted = Timestamp(1_010_000);
        for (open, reach, now, expected) in [
            (sent(), Listening, 1_020_000, "i1"),
            (sent(), Asleep, 1_020_000, "i1"),
            (sent(), Gone, 1_020_000, "r"),
            (sent(), Gone, 1_000_000 + SPAN, "t1"),
            (once(1), Gone, 1_020_000, "i1"),
            (once(1), Listening, 1_020_000, "i1"),
            (older, Gone, 1_020_000, "i1"),
        ] {
            let open = [open];
            assert_eq!(shown(&next_step(&open, reach, Timestamp(now), restarted)), expected, "{open:?} {reach:?}");
        }
    }
}
