//! CoAP by the sections of RFC 7252, against the real server with bytes written by hand.

use codecgate::coap::{Code, EXCHANGE_LIFETIME, NON_LIFETIME};
use codecgate::lwm2m::{Answer, Ask, Occurrence, Reply};

use crate::rig::{Flows, Rig, read, register, text};

const NOTHING: [&str; 0] = [];

fn write(payload: &str) -> Ask {
    Ask::new(Code::PUT, ["19", "1", "0"]).with_payload(42, payload.into())
}

/// The replies that a downlink got, as codes.
fn answers(rig: &Rig) -> Vec<Code> {
    let code = |occurrence: &Occurrence| match occurrence {
        Occurrence::Answered { reply: Reply { code, .. }, .. } => Some(*code),
        _ => None,
    };
    rig.told.iter().filter_map(code).collect()
}

/// A notify of /19/0/0: Observe and Content-Format 42 follow the head.
fn notify(head: &str, rig: &Rig, number: &str, payload: &str) -> String {
    format!("{head} {} 61{number} 612a ff{payload}", rig.reports)
}

#[test]
fn section_3_message_format() {
    let mut rig = Rig::new();
    for (what, datagram, answer) in [
        ("3 bytes", "400112", ""),
        ("version 0", "0001 1234", ""),
        ("version 2", "8001 1234", ""),
        ("version 3", "c001 1234", ""),
        ("token of 9 bytes", "4901 1234 010203040506070809", "70001234"),
        ("token of 15 bytes", "4f01 1234 0102030405060708090a0b0c0d0e0f", "70001234"),
        ("token cut off", "4401 1234 0102", "70001234"),
        ("option delta 15", "4001 1234 f0", "70001234"),
        ("option length 15", "4001 1234 bf", "70001234"),
        ("option cut off", "4001 1234 b472", "70001234"),
        ("payload marker without payload", "4002 1234 b27264 ff", "70001234"),
        ("the same in a NON", "5002 1234 b27264 ff", ""),
        ("the same in an ACK", "6045 1234 ff", ""),
        ("class 1", "4021 1234", "70001234"),
        ("class 7", "40e0 1234", "70001234"),
    ] {
        let answer: Vec<&str> = Some(answer).filter(|answer| !answer.is_empty()).into_iter().collect();
        assert_eq!(rig.hear(datagram), answer, "{what}");
    }
    assert_eq!((rig.asked, rig.server.counters().malformed), (0, 15));
}

#[test]
fn section_4_1_empty_messages() {
    let mut rig = Rig::new();
    assert_eq!(rig.hear("4000 0102"), ["70000102"], "4.3: a ping is answered with RST");
    assert_eq!(rig.hear("5000 0102"), NOTHING, "an empty NON is ignored");
    assert_eq!(rig.hear("4100 0102 01"), ["70000102"], "an empty message has no token");
    assert_eq!(rig.hear("6100 0102 01"), NOTHING);
}

#[test]
fn section_4_2_confirmable_messages() {
    let mut rig = Rig::registered();
    let sent = rig.send(1, write("on"));
    let put = read(&sent[0]);
    assert_eq!(rig.hear(&format!("6000 {:04x}", put.mid ^ 1)), NOTHING, "an ACK of another message id is ignored");
    assert_eq!(rig.hear(&format!("7000 {:04x}", put.mid ^ 1)), NOTHING, "an RST too");
    assert_eq!(rig.seconds(15), sent, "the same bytes again after 10 to 15 s");
    let late = rig.seconds(300);
    assert_eq!(late, [sent[0].as_str(), &sent[0]], "two more times");
    assert!(matches!(rig.told[..], [Occurrence::TimedOut { .. }]));
    assert_eq!(rig.hear(&format!("6844 {:04x} {}", put.mid, hex::encode(put.token.as_bytes()))), NOTHING, "too late");
    assert_eq!(rig.told.len(), 1);
    let put = read(&rig.send(2, write("off"))[0]);
    assert_eq!(rig.hear(&format!("7000 {:04x}", put.mid)), NOTHING);
    assert!(matches!(rig.told[1..], [Occurrence::Reset { .. }]), "RST ends it");
    assert_eq!(rig.hear(&format!("6844 {:04x} {}", put.mid, hex::encode(put.token.as_bytes()))), NOTHING, "a response after RST");
    assert_eq!(rig.told.len(), 2);
}

#[test]
fn section_4_2_an_acknowledgement_that_is_lost() {
    let mut rig = Rig::registered();
    let report = notify("4845 0010", &rig, "05", "01");
    assert_eq!(rig.hear(&report), ["60000010"]);
    assert_eq!(rig.hear(&report), ["60000010"], "the resend is acknowledged again");
    assert_eq!(rig.stored.len(), 1, "and stored once");
    rig.flows = Flows::Hold;
    let next = notify("4845 0011", &rig, "06", "02");
    assert_eq!(rig.hear(&next), NOTHING);
    assert_eq!(rig.hear(&next), NOTHING, "no acknowledgement before it is stored");
    let ticket = rig.held.remove(0);
    assert_eq!(rig.answer(Answer::Accept { ticket }), ["60000011"]);
}

#[test]
fn section_4_3_non_confirmable_messages() {
    let mut rig = Rig::registered();
    let report = notify("5845 0010", &rig, "05", "01");
    assert_eq!(rig.hear(&report), NOTHING);
    assert_eq!(rig.hear(&report), NOTHING);
    assert_eq!(rig.stored.len(), 1, "4.5: the copy is silently dropped");
    rig.wait(NON_LIFETIME);
    rig.hear(&report);
    assert_eq!(rig.stored.len(), 2, "after its lifetime the message id is another message's");
    assert_eq!(rig.hear("5045 0011 612a ff01"), ["70000011"], "a response that nobody asked for is rejected");
}

#[test]
fn section_4_4_message_ids() {
    let mut rig = Rig::registered();
    let mut last = read(&rig.send(0, write("x"))[0]);
    for id in 1..70_000 {
        rig.hear(&format!("6844 {:04x} {}", last.mid, hex::encode(last.token.as_bytes())));
        let next = read(&rig.send(id, write("x"))[0]);
        assert_eq!(next.mid, last.mid.wrapping_add(1), "message ids follow each other and wrap");
        assert_ne!(next.token, last.token);
        last = next;
        rig.told.clear();
    }
}

#[test]
fn section_4_5_deduplication() {
    let mut rig = Rig::new();
    let sent = rig.hear(&register("4402 0001 01020304"));
    assert_eq!(read(&sent[0]).code, Code::CREATED);
    assert_eq!(rig.hear(&register("4402 0001 01020304")), [sent[0].as_str()], "the same reply, and no second Observe");
    assert_eq!(rig.asked, 1);
    rig.wait(EXCHANGE_LIFETIME);
    rig.hear(&register("4402 0001 01020304"));
    assert_eq!(rig.asked, 2, "after its lifetime it is another Register");
    rig.hear(&register("4402 0002 01020304"));
    assert_eq!(rig.asked, 3, "another message id is another message");
}

#[test]
fn section_4_7_one_outstanding_request() {
    let mut rig = Rig::registered();
    let first = read(&rig.send(1, write("1"))[0]);
    assert_eq!(rig.send(2, write("2")), NOTHING, "NSTART is 1");
    let second = rig.hear(&format!("6844 {:04x} {}", first.mid, hex::encode(first.token.as_bytes())));
    assert_eq!(read(&second[0]).payload, b"2");
    let mut rig = Rig::registered();
    rig.send(1, write("1"));
    rig.send(2, write("2"));
    let sent = rig.seconds(500);
    assert_eq!(sent.iter().filter(|datagram| read(datagram).payload == b"2").count(), 4, "silence is followed by the next");
}

#[test]
fn section_5_2_1_piggybacked() {
    let mut rig = Rig::registered();
    let put = read(&rig.send(1, write("1"))[0]);
    let token = hex::encode(put.token.as_bytes());
    assert_eq!(rig.hear(&format!("6844 {:04x} {token}", put.mid ^ 1)), NOTHING);
    assert_eq!(rig.hear(&format!("6844 {:04x} {}00", put.mid, &token[2..])), NOTHING);
    assert_eq!(rig.hear(&format!("6044 {:04x}", put.mid)), NOTHING);
    assert_eq!(answers(&rig), [], "5.3.2: message id and token must both match");
    rig.hear(&format!("6884 {:04x} {token}", put.mid));
    assert_eq!(answers(&rig), [Code::NOT_FOUND]);
}

#[test]
fn section_5_2_2_separate() {
    let mut rig = Rig::registered();
    let put = read(&rig.send(1, write("1"))[0]);
    let token = hex::encode(put.token.as_bytes());
    assert_eq!(rig.hear(&format!("6000 {:04x}", put.mid)), NOTHING);
    assert_eq!(rig.seconds(100), NOTHING, "acknowledged: no resend");
    let response = format!("4844 0077 {token}");
    assert_eq!(rig.hear(&response), ["60000077"]);
    assert_eq!(rig.hear(&response), ["60000077"], "the acknowledgement was lost");
    assert_eq!(answers(&rig), [Code::CHANGED], "once");
    let put = read(&rig.send(2, write("2"))[0]);
    let response = format!("4844 0078 {}", hex::encode(put.token.as_bytes()));
    assert_eq!(rig.hear(&response), ["60000078"], "the response comes before the ACK");
    assert_eq!(answers(&rig), [Code::CHANGED, Code::CHANGED]);
    assert_eq!(rig.hear(&format!("6000 {:04x}", put.mid)), NOTHING, "which then means nothing");
    let put = read(&rig.send(3, write("3"))[0]);
    rig.hear(&format!("6000 {:04x}", put.mid));
    assert_eq!(rig.seconds(225), NOTHING);
    assert!(matches!(rig.told[2..], [Occurrence::TimedOut { .. }]), "the response never comes");
    let late = format!("4844 0079 {}", hex::encode(put.token.as_bytes()));
    assert_eq!(rig.hear(&late), ["70000079"], "too late");
}

#[test]
fn section_5_3_tokens() {
    for (head, token) in [("4002 0001", ""), ("4102 0001 7f", "7f"), ("4802 0001 0001020304050607", "0001020304050607")] {
        let created = read(&Rig::new().hear(&register(head))[0]);
        assert_eq!((created.code, hex::encode(created.token.as_bytes()).as_str()), (Code::CREATED, token));
    }
}

#[test]
fn section_5_4_options() {
    let (rd, core) = (text("rd"), format!("bb{} 04{}", text(".well-known"), text("core")));
    for (what, datagram, code) in [
        ("5.4.1: unknown critical", format!("4001 0001 91ff 2{}", &core[1..]), "4.02"),
        ("5.4.1: unknown elective", format!("4001 0001 a1ff 1{}", &core[1..]), "2.05"),
        ("5.4.5: a critical one twice", format!("4001 0001 {core} 61 28 01 28"), "4.02"),
        ("5.4.5: an elective one twice", format!("4001 0001 {core} 11 28 01 29"), "2.05"),
        ("5.10.1: Uri-Host empty", format!("4001 0001 30 8{}", &core[1..]), "4.02"),
        ("5.10.1: an empty Uri-Path", format!("4001 0001 b2{rd} 00"), "4.05"),
        ("5.10.1: Uri-Path of 255 bytes", format!("4001 0001 bdf2{}", "61".repeat(255)), "4.04"),
        ("5.10.1: Uri-Path of 256 bytes", format!("4001 0001 bdf3{}", "61".repeat(256)), "4.02"),
        ("5.10.2: Proxy-Uri", "4001 0001 d11661".to_owned(), "5.05"),
        ("5.10.4: an Accept that is not served", format!("4001 0001 {core} 61 32"), "4.06"),
        ("5.10.4: the Accept that is served", format!("4001 0001 {core} 61 28"), "2.05"),
        ("5.10.8.1: If-Match", format!("4001 0001 10 a{}", &core[1..]), "4.02"),
        ("5.10.8.2: If-None-Match", format!("4001 0001 50 6{}", &core[1..]), "4.02"),
        ("5.8: an unknown method", format!("401f 0001 {core}"), "4.05"),
        ("no such resource", format!("4001 0001 b1{}", text("x")), "4.04"),
    ] {
        let sent = Rig::new().hear(&datagram);
        assert_eq!(sent.iter().map(|datagram| read(datagram).code.to_string()).collect::<Vec<_>>(), [code], "{what}");
    }
    let non = format!("5001 0001 91ff 2{}", &core[1..]);
    assert_eq!(Rig::new().hear(&non), NOTHING, "5.4.1: a NON with an unknown critical option is rejected in silence");
}

#[test]
fn section_5_10_3_content_formats() {
    for (what, option, payload) in [
        ("none", "", "01"),
        ("0 bytes", "60", "02"),
        ("1 byte", "612a", "03"),
        ("2 bytes", "622d16", "04"),
        ("2 bytes, legacy", "620606", "05"),
        ("3 bytes are ignored", "6300002a", "06"),
    ] {
        let mut rig = Rig::registered();
        let report = format!("4845 0010 {} 6105 {option} ff{payload}", rig.reports);
        assert_eq!(rig.hear(&report), ["60000010"], "{what}");
        assert_eq!(hex::encode(&rig.stored[0].1), payload, "{what}");
    }
    let mut rig = Rig::registered();
    rig.flows = Flows::Hold;
    rig.hear(&format!("4402 0010 01020304 b2{} 122d17 ff01", text("dp")));
    let ticket = rig.held.remove(0);
    let refused = rig.answer(Answer::Refuse { ticket, code: 415 });
    assert_eq!(read(&refused[0]).code, Code::UNSUPPORTED_FORMAT, "4.15");
}

#[test]
fn section_4_6_a_large_datagram() {
    let mut rig = Rig::registered();
    let payload = "5a".repeat(60_000);
    assert_eq!(rig.hear(&notify("4845 0010", &rig, "05", &payload)), ["60000010"], "what IP carried is taken");
    assert_eq!(rig.stored[0].1.len(), 60_000);
}

#[test]
fn section_11_3_no_amplification() {
    let mut rig = Rig::new();
    for datagram in
        ["4000 0001", "4001 0002", "4002 0003 b27264", "4001 0004 bb2e77656c6c2d6b6e6f776e04636f7265", "4045 0005 ff01"]
    {
        let bytes = datagram.replace(' ', "").len() / 2;
        let sent: usize = rig.hear(datagram).iter().map(|answer| answer.len() / 2).sum();
        assert!(sent <= 3 * bytes, "{datagram}: {sent} bytes for {bytes}");
    }
}

/// RFC 7967, 2.1.
#[test]
fn no_response() {
    let (path, bits) = (format!("b2{}", text("dp")), |bits: u8| format!("d1ea {bits:02x} ff01"));
    let mut rig = Rig::registered();
    assert_eq!(rig.hear(&format!("4102 0010 07 {path} {}", bits(0x02))), ["60000010"], "an empty ACK instead of 2.04");
    assert_eq!(rig.hear(&format!("4102 0010 07 {path} {}", bits(0x02))), ["60000010"], "also to a duplicate");
    assert_eq!(rig.hear(&format!("5102 0011 07 {path} {}", bits(0x02))), NOTHING);
    assert_eq!(rig.stored.len(), 2);
    assert_eq!(read(&rig.hear(&format!("4102 0012 07 {path} {}", bits(0x18)))[0]).code, Code::CHANGED, "2.xx is wanted");
    let lost = format!("5102 0013 07 b1{} {}", text("x"), bits(0x08));
    assert_eq!(rig.hear(&lost), NOTHING, "no 4.04");
}
