//! Observe by the sections of RFC 7641, against the real server with bytes written by hand.

use std::time::Duration;

use codecgate::coap::Code;
use codecgate::lwm2m::Remark;

use crate::rig::{Flows, Rig, read, register, text};

const NOTHING: [&str; 0] = [];

/// A notify with a number of 3 bytes and a payload of one, confirmable, with message id and token.
fn notify(mid: u16, token: &str, number: u32, payload: u8) -> String {
    format!("4845 {mid:04x} {token} 63{number:06x} ff{payload:02x}")
}

fn ack(mid: u16) -> Vec<String> {
    vec![format!("6000{mid:04x}")]
}

fn payloads(rig: &Rig) -> Vec<u8> {
    rig.stored.iter().map(|(_, payload)| payload[0]).collect()
}

#[test]
fn section_3_1_the_first_notification() {
    let begun = || {
        let mut rig = Rig::new();
        let observe = read(&rig.hear(&register("4402 0001 01020304"))[1]);
        assert_eq!((observe.code, observe.observe), (Code::GET, Some(0)));
        assert_eq!(hex::encode(observe.token.as_bytes()), rig.reports);
        (rig, observe.mid)
    };
    for (what, first, stored) in [
        ("LiteOS tells nothing yet", "60", &b""[..]),
        ("a placeholder", "60 ff00", b""),
        ("a report from before", "60 ff0102", &[1, 2]),
    ] {
        let (mut rig, mid) = begun();
        rig.hear(&format!("6845 {mid:04x} {} {first}", rig.reports));
        assert_eq!(rig.stored.first().map(|(_, payload)| payload.as_slice()).unwrap_or_default(), stored, "{what}");
        assert_eq!(rig.remarks(), [], "{what}");
    }
    let (mut rig, mid) = begun();
    rig.hear(&format!("6845 {mid:04x} {}", rig.reports));
    assert!(matches!(&rig.remarks()[..], [Remark::NotObserved { path, .. }] if path == "/19/0/0"), "2.05 without Observe");
    let (mut rig, mid) = begun();
    let report = notify(0x10, &rig.reports, 1, 9);
    assert!(rig.hear(&report).contains(&"60000010".to_owned()), "a notify that overtakes the response");
    rig.hear(&format!("6845 {mid:04x} {} 60", rig.reports));
    assert_eq!(payloads(&rig), [9]);
}

#[test]
fn section_3_4_reordering() {
    let mut rig = Rig::registered();
    let values = rig.values.clone();
    let mut mid = 0x100;
    let mut tell = |rig: &mut Rig, number, payload| {
        mid += 1;
        assert_eq!(rig.hear(&notify(mid, &values, number, payload)), ack(mid), "all are acknowledged");
    };
    for (number, payload) in [(5, 1), (7, 2), (6, 3), (8, 4), (0x80_0007, 5), (7, 6), (0xff_ffff, 7), (0, 8), (0xff_fffe, 9)] {
        tell(&mut rig, number, payload);
    }
    assert_eq!(payloads(&rig), [1, 2, 4, 5, 7, 8], "older ones are not stored, and numbers wrap at 24 bits");
    assert_eq!(rig.server.counters().outdated, 3);
    rig.seconds(128);
    tell(&mut rig, 0xff_fff0, 10);
    assert_eq!(rig.stored.len(), 6, "128 s are not more than 128 s");
    rig.wait(Duration::from_secs(1));
    tell(&mut rig, 0xff_fff0, 11);
    assert_eq!(payloads(&rig)[6..], [11], "after 128 s any number is newer");
}

/// A report of object 19 is a fact of its own, whatever its number.
#[test]
fn section_3_4_does_not_concern_application_data() {
    let mut rig = Rig::registered();
    for (mid, number) in [(1, 7), (2, 6), (3, 7), (4, 0)] {
        let report = notify(mid, &rig.reports, number, u8::try_from(mid).unwrap());
        assert_eq!(rig.hear(&report), ack(mid));
    }
    assert_eq!(payloads(&rig), [1, 2, 3, 4]);
}

/// What could not be stored comes again under its number, and counts.
#[test]
fn section_3_4_a_notification_that_was_not_stored() {
    let mut rig = Rig::registered();
    let value = notify(0x10, &rig.values.clone(), 5, 1);
    rig.flows = Flows::Forget;
    assert_eq!(rig.hear(&value), NOTHING);
    rig.flows = Flows::Store;
    assert_eq!(rig.hear(&value), ack(0x10));
    assert_eq!(payloads(&rig), [1]);
}

#[test]
fn section_3_5_transmission() {
    let mut rig = Rig::registered();
    let report = notify(0x10, &rig.reports, 5, 1);
    assert_eq!(rig.hear(&report), ack(0x10), "a confirmable one is acknowledged");
    let quiet = format!("58{}", &notify(0x11, &rig.reports, 6, 2)[2..]);
    assert_eq!(rig.hear(&quiet), NOTHING);
    assert_eq!(payloads(&rig), [1, 2]);
    assert_eq!(rig.hear(&notify(0x12, "0102030405060708", 7, 3)), ["70000012"], "an unknown token is rejected");
    let location = String::from_utf8(hex::decode(&rig.location).unwrap()).unwrap();
    assert_eq!(rig.hear(&notify(0x13, &location, 7, 3)), ["70000013"], "a location is no token");
}

#[test]
fn section_3_6_cancellation() {
    let mut rig = Rig::registered();
    rig.hear(&format!("4402 0010 01020304 b2{} 0d03{}", text("rd"), rig.location));
    let leave = format!("4404 0011 01020304 b2{} 0d03{}", text("rd"), rig.location);
    assert_eq!(read(&rig.hear(&leave)[0]).code, Code::DELETED);
    let report = notify(0x12, &rig.reports, 9, 1);
    assert_eq!(rig.hear(&report), ["70000012"], "a notify after Deregister is rejected, which ends the observation there");
    assert_eq!(rig.stored, []);
}

#[test]
fn section_3_3_1_observed_again_with_the_same_token() {
    let mut rig = Rig::registered();
    let error = format!("4884 0010 {}", rig.reports);
    assert_eq!(rig.hear(&error), ack(0x10));
    let sent = rig.hear(&format!("4402 0011 01020304 b2{} 0d03{}", text("rd"), rig.location));
    let (changed, observe) = (read(&sent[0]), read(&sent[1]));
    assert_eq!((changed.code, observe.code, observe.observe), (Code::CHANGED, Code::GET, Some(0)));
    assert_eq!(hex::encode(observe.token.as_bytes()), rig.reports, "4.1: the entry is replaced, not doubled");
}

#[test]
fn section_4_2_an_error_ends_the_observation() {
    for class in ["80", "84", "a0"] {
        let mut rig = Rig::registered();
        let error = format!("48{class} 0010 {}", rig.values);
        assert_eq!(rig.hear(&error), ack(0x10));
        assert!(matches!(&rig.remarks()[..], [Remark::NotObserved { path, .. }] if path == "/3/0"));
        assert_eq!(rig.stored, []);
    }
}

#[test]
fn section_4_5_several_observations_of_one_device() {
    let mut rig = Rig::registered();
    let (reports, values) = (rig.reports.clone(), rig.values.clone());
    assert_eq!(rig.hear(&notify(0x10, &values, 50, 1)), ack(0x10));
    assert_eq!(rig.hear(&notify(0x11, &reports, 3, 2)), ack(0x11));
    assert_eq!(rig.hear(&notify(0x12, &values, 51, 3)), ack(0x12));
    let paths: Vec<&str> = rig.stored.iter().map(|(path, _)| path.as_str()).collect();
    assert_eq!(paths, ["/3/0", "/19/0/0", "/3/0"], "each has its own numbers");
}

#[test]
fn registered_again_observations_begin_anew() {
    let mut rig = Rig::registered();
    let (before, values) = (rig.reports.clone(), rig.values.clone());
    rig.hear(&notify(0x10, &values, 500, 1));
    let sent = rig.hear(&register("4402 0020 01020304"));
    assert_ne!(rig.reports, before);
    assert_eq!(rig.hear(&notify(0x21, &before, 4, 1)), ["70000021"], "the old observation is over");
    rig.answer_observes(&sent[1]);
    let value = notify(0x22, &rig.values.clone(), 1, 7);
    assert_eq!(rig.hear(&value), ack(0x22));
    assert_eq!(payloads(&rig).last(), Some(&7), "its numbers begin anew");
}
