//! Every state with every reason has a verdict of its own, in both languages; the questions of the vendor's FAQ are answered.

use std::collections::BTreeSet;

use super::*;
use crate::model::{
    Command, CommandId, CommandState, DeviceId, EventKind, PowerMode, ProductId, Reason, Timestamp, Transition, Work,
};
use crate::presence::{DeviceState, Expected};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn device() -> Addressee<'static> {
    Addressee {
        endpoint: "meter-1",
        mode: PowerMode::Psm,
        is_registered: true,
        state: DeviceState::Online,
        last_seen: Some(Timestamp(NOW.0 - 3_600_000)),
        awake_until: Some(Timestamp(NOW.0 - 3_580_000)),
        expected: None,
    }
}

fn waiting() -> Command {
    let what = Work::Named { service: "Valve".to_owned(), name: "SET_VALVE".to_owned(), params: serde_json::json!({}) };
    Command::new(CommandId(7), (DeviceId(1), ProductId(1)), what, Timestamp(NOW.0 - 60_000))
}

fn after(steps: &[(CommandState, Option<Reason>)]) -> Command {
    let mut command = waiting();
    for (state, reason) in steps {
        let detail = reason.map(|_| "because of this".to_owned());
        command.step(Transition { state: *state, at: Timestamp(NOW.0 - 30_000), reason: *reason, detail });
    }
    command
}

fn judge(command: &Command, device: Addressee<'_>) -> Verdict {
    super::command(CommandFacts { command, device, ahead: None, has_codec: true }, NOW)
}

fn assert_told(verdict: &Verdict) {
    let words = [Some(&verdict.why), verdict.advice.as_ref()];
    for Words { en, zh } in words.into_iter().flatten() {
        assert!(!en.is_empty() && en.is_ascii(), "{en}");
        assert!(zh.chars().any(|c| ('\u{4e00}'..='\u{9fff}').contains(&c)), "{zh}");
    }
    assert!(verdict.evidence.iter().any(|evidence| evidence.name == "state" || evidence.name == "events"));
}

#[test]
fn every_end_has_a_verdict_of_its_own() {
    use CommandState::{Canceled, Expired, Failed, Timeout};
    let mut codes = BTreeSet::new();
    for (state, reason, turn) in [
        (Failed, Reason::EncodeFailed, Turn::Codec),
        (Failed, Reason::NotAccepted, Turn::Application),
        (Failed, Reason::Limit, Turn::Application),
        (Failed, Reason::NotRegistered, Turn::Application),
        (Failed, Reason::OfflineDevice, Turn::Application),
        (Failed, Reason::DeviceRefused, Turn::Device),
        (Failed, Reason::DeviceError, Turn::Device),
        (Timeout, Reason::NoAcknowledgement, Turn::Network),
        (Timeout, Reason::OutcomeUnknown, Turn::Application),
        (Expired, Reason::Expired, Turn::Device),
        (Canceled, Reason::Canceled, Turn::Nobody),
        (Canceled, Reason::Superseded, Turn::Nobody),
    ] {
        let verdict = judge(&after(&[(state, Some(reason))]), device());
        assert_told(&verdict);
        assert_eq!(verdict.turn, turn, "{reason:?}");
        assert_eq!(verdict.code, reason.as_str(), "programs may decide by either");
        assert!(codes.insert(verdict.code), "{}", verdict.code);
    }
    // Resent and late are no ends.
    assert_eq!(codes.len(), Reason::ALL.len() - 2);
}

#[test]
fn a_command_that_waits_says_what_for() {
    let command = waiting();
    let asleep = judge(&command, device());
    assert_eq!((asleep.code, asleep.turn), ("device-asleep", Turn::Device));
    let expected = Some(Expected { at: NOW.plus_ms(600_000), spread_ms: 60_000, wakes: 9 });
    let told = judge(&command, Addressee { expected, ..device() });
    assert!(told.why.en.contains(&NOW.plus_ms(600_000).to_string()) && told.why.zh.contains("1 分钟"), "{:?}", told.why);
    let awake = Some(NOW.plus_ms(5_000));
    for (device, has_codec, ahead, code) in [
        (Addressee { awake_until: awake, ..device() }, true, None, "going-out"),
        (Addressee { mode: PowerMode::Drx, ..device() }, true, None, "going-out"),
        (Addressee { is_registered: false, ..device() }, true, None, "not-registered"),
        (Addressee { is_registered: false, state: DeviceState::Registered, ..device() }, true, None, "never-registered"),
        (device(), false, None, "codec-missing"),
        (device(), true, Some((CommandId(3), CommandState::Sent)), "behind-another"),
    ] {
        let verdict = super::command(CommandFacts { command: &command, device, ahead, has_codec }, NOW);
        assert_told(&verdict);
        assert_eq!(verdict.code, code);
    }
}

#[test]
fn faq_4_1_3_6_where_a_command_stands() {
    use CommandState::{Delivered, Sent, Successful};
    for (steps, code, turn) in [
        (&[(Sent, None)][..], "awaiting-acknowledgement", Turn::Network),
        (&[(Sent, None), (Delivered, None)], "awaiting-response", Turn::Device),
        (&[(Sent, None), (Delivered, None), (Successful, None)], "done", Turn::Nobody),
        (
            &[(Sent, None), (CommandState::Timeout, Some(Reason::NoAcknowledgement)), (Successful, Some(Reason::Late))],
            "done",
            Turn::Nobody,
        ),
    ] {
        let verdict = judge(&after(steps), device());
        assert_told(&verdict);
        assert_eq!((verdict.code, verdict.turn), (code, turn));
    }
    let mut raw = after(&[(Sent, None), (Delivered, None)]);
    raw.what = Work::Raw(vec![1]);
    assert_eq!(judge(&raw, device()).code, "delivered-for-good");
}

#[test]
fn faq_4_1_3_7_and_8_what_became_of_an_uplink() {
    let of =
        |kinds: &[EventKind]| UplinkFacts { endpoint: "meter-1".to_owned(), kinds: kinds.to_vec(), ..UplinkFacts::default() };
    let error = |code: &str| Some((code.to_owned(), "at byte 3".to_owned()));
    for (facts, code, turn) in [
        (of(&[EventKind::Report]), "decoded", Turn::Nobody),
        (UplinkFacts { marks: 2, ..of(&[EventKind::Report]) }, "decoded-with-marks", Turn::Device),
        (of(&[EventKind::Transparent]), "transparent", Turn::Application),
        (of(&[EventKind::Resources]), "resources", Turn::Nobody),
        (UplinkFacts { responses: vec![(7, None)], ..of(&[EventKind::Response]) }, "response-unmatched", Turn::Codec),
        (UplinkFacts { responses: vec![(7, Some(CommandId(1)))], ..of(&[EventKind::Response]) }, "response", Turn::Nobody),
        (UplinkFacts { error: error("checksum"), ..of(&[EventKind::DeadLetter]) }, "dead-letter", Turn::Device),
        (UplinkFacts { error: error("trap"), ..of(&[EventKind::DeadLetter]) }, "dead-letter", Turn::Codec),
        (UplinkFacts { error: error("codec-degraded"), ..of(&[EventKind::DeadLetter]) }, "dead-letter", Turn::Codec),
        (UplinkFacts { error: error("bad-field"), ..of(&[EventKind::DeadLetter]) }, "dead-letter", Turn::Codec),
        (UplinkFacts { error: error("trap"), is_corrected: true, ..of(&[EventKind::DeadLetter]) }, "redecoded", Turn::Nobody),
    ] {
        let verdict = uplink(&facts);
        assert_told(&verdict);
        assert_eq!((verdict.code, verdict.turn), (code, turn), "{facts:?}");
    }
}
