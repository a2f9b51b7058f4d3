//! Traces by hand: who a step belongs to, bounds, expiry.

use super::*;
use crate::coap::{Kind as MessageKind, Message, Token};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

fn address(port: u16) -> SocketAddr {
    SocketAddr::from(([192, 0, 2, 1], port))
}

fn register(endpoint: &str) -> Message {
    let message = Message::new(MessageKind::Con, Code::POST, 1, Token::default()).with_path(["rd"]);
    message.with_query(format!("ep={endpoint}"))
}

fn traced(endpoint: &str, device: Option<DeviceId>) -> State {
    let mut state = State::default();
    state.begin(endpoint, device, NOW, NOW.plus_ms(1_000)).unwrap();
    state
}

#[test]
fn a_datagram_belongs_to_whom_it_names_or_to_whom_its_address_is() {
    let mut state = traced("meter-1", Some(DeviceId(7)));
    let mut whose = |peer, message: &Message, owner: Option<u64>| {
        let found = state.speaker(address(peer), Some(message), |_| owner.map(DeviceId));
        found.map(|trace| trace.seen_at(address(peer))).is_some()
    };
    let notify = Message::new(MessageKind::Con, Code::CONTENT, 2, Token::from(1));
    assert!(!whose(1, &notify, None), "nobody's address yet");
    assert!(whose(1, &register("meter-1"), None));
    assert!(whose(1, &notify, None), "the same address");
    assert!(whose(2, &notify, Some(7)), "another address, its number tells");
    assert!(!whose(3, &notify, Some(8)));
    assert!(!whose(1, &register("meter-2"), None), "another device has the address now");
    assert!(!whose(1, &notify, None));
    assert!(whose(2, &notify, None));
}

#[test]
fn a_trace_is_bounded_by_steps_and_by_bytes() {
    let mut state = traced("meter-1", None);
    let trace = state.find(Whom::Endpoint("meter-1")).unwrap();
    for _ in 0..MAX_STEPS + 5 {
        trace.push(NOW, Kind::Store, Outcome::Ok, Turn::Nobody, "short".to_owned());
    }
    assert_eq!((trace.steps.len(), trace.dropped, trace.steps[0].seq), (MAX_STEPS, 5, 6));
    for _ in 0..200 {
        trace.push(NOW, Kind::Store, Outcome::Ok, Turn::Nobody, "水".repeat(5_000));
    }
    assert!(trace.bytes <= TRACE_BYTES && trace.steps.len() < 200, "{} bytes in {} steps", trace.bytes, trace.steps.len());
    let bytes: usize = trace.steps.iter().map(|step| STEP_BYTES + step.detail.len()).sum();
    assert_eq!(bytes, trace.bytes);
    assert!(trace.steps.iter().all(|step| step.detail.len() <= DETAIL_BYTES));
}

#[test]
fn an_ended_trace_keeps_its_steps_until_another_needs_the_place() {
    let mut state = State::default();
    for n in 0..MAX_TRACES {
        state.begin(&format!("meter-{n}"), None, NOW, NOW.plus_ms(1_000 + n as u64)).unwrap();
    }
    assert_eq!(state.begin("late", None, NOW, NOW.plus_ms(1)).err(), Some(TooMany));
    state.expire(NOW.plus_ms(1_001));
    assert_eq!(state.traces.iter().filter(|trace| trace.live).count(), MAX_TRACES - 2);
    assert!(state.find(Whom::Endpoint("meter-0")).is_none() && state.traces[0].endpoint == "meter-0");
    state.begin("late", None, NOW, NOW.plus_ms(5_000)).unwrap();
    assert_eq!(state.traces.len(), MAX_TRACES);
    assert!(state.traces.iter().all(|trace| trace.endpoint != "meter-0"));
}

#[test]
fn a_tracer_is_off_until_something_is_traced_and_after_it_ended() {
    let tracer = Tracer::default();
    let note = || tracer.note(Whom::Endpoint("m"), Kind::Push, Outcome::Ok, Turn::Nobody, || "told".to_owned());
    note();
    assert!(!tracer.is_on() && tracer.steps("m", 0, 10).is_none());
    tracer.begin("m", None, Timestamp(u64::MAX)).unwrap();
    note();
    tracer.note(Whom::Endpoint("other"), Kind::Push, Outcome::Ok, Turn::Nobody, || unreachable!("it is not traced"));
    tracer.met("m", DeviceId(3));
    assert!(tracer.is_on() && tracer.follows(DeviceId(3)));
    note();
    let excerpt = tracer.steps("m", 1, 10).unwrap();
    assert_eq!((excerpt.steps.len(), excerpt.steps[0].seq, excerpt.last), (1, 2, 2));
    assert!(tracer.end("m") && !tracer.end("m") && !tracer.is_on());
    tracer.begin("m", None, Timestamp(1)).unwrap();
    note();
    assert!(!tracer.is_on(), "its time is over");
    assert_eq!(tracer.list()[0].last, 0);
}

#[test]
fn a_datagram_that_leaves_twice_is_sent_again() {
    let tracer = Tracer::default();
    tracer.begin("m", Some(DeviceId(1)), Timestamp(u64::MAX)).unwrap();
    let ask = Message::new(MessageKind::Con, Code::GET, 9, Token::from(5)).to_bytes();
    tracer.leaves(address(1), |_| Some(DeviceId(1)), &ask);
    tracer.leaves(address(1), |_| Some(DeviceId(1)), &ask);
    tracer.came(address(1), |_| None, &crate::coap::empty_ack(9));
    let counted = Counters { duplicates: 1, ..Counters::default() };
    tracer.heard(address(1), Counters::default(), counted);
    let told: Vec<(Kind, String)> =
        tracer.steps("m", 0, 9).unwrap().steps.into_iter().map(|step| (step.kind, step.detail)).collect();
    let kinds: Vec<Kind> = told.iter().map(|(kind, _)| *kind).collect();
    assert_eq!(kinds, [Kind::PacketOut, Kind::PacketOut, Kind::PacketIn, Kind::Message]);
    assert!(told[0].1.starts_with("to ") && told[1].1.starts_with("again to "), "{told:?}");
    assert!(told[2].1.contains("ACK 0.00 empty mid 9") && told[3].1.starts_with("heard before"), "{told:?}");
}
