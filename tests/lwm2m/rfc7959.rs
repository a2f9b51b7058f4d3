//! Block-wise transfer by the sections of RFC 7959, against the real server with bytes written by hand.

use std::time::Duration;

use codecgate::coap::{Block, Code, EXCHANGE_LIFETIME, TransferLimits};
use codecgate::lwm2m::{Ask, Occurrence, Remark, Reply, ServerConfig};

use crate::rig::{Flows, Rig, read, text};

const NOTHING: [&str; 0] = [];

fn head(mid: u16, token: u8) -> String {
    format!("4102 {mid:04x} {token:02x}")
}

/// A block of a Register of meter-7: number and More bit with the size exponent, as one byte.
fn register(mid: u16, token: u8, block: u8, payload: &str) -> String {
    let (ep, rd) = (text("ep=meter-7"), text("rd"));
    format!("{} b2{rd} 4a{ep} c1{block:02x} ff{}", head(mid, token), text(payload))
}

/// A block of a Send.
fn send(mid: u16, options: &str, payload: &str) -> String {
    format!("{} b2{} 1170 {options} ff{payload}", head(mid, 9), text("dp"))
}

fn block(num: u32, more: bool, szx: u8) -> Option<Block> {
    Some(Block { num, more, szx })
}

/// Code and Block1 of what was sent.
fn seen(sent: &[String]) -> (String, Option<Block>) {
    let message = read(&sent[0]);
    (message.code.to_string(), message.block1)
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at % 251).unwrap()).collect()
}

fn small() -> ServerConfig {
    ServerConfig { transfer: TransferLimits { body_bytes: 64, ..TransferLimits::default() }, ..ServerConfig::default() }
}

#[test]
fn section_2_2_options() {
    let mut rig = Rig::new();
    assert_eq!(seen(&rig.hear(&register(1, 1, 0x0f, "</3/0>,</19/0>,x"))).0, "4.00", "size exponent 7");
    let rest = format!("b2{} 4a{}", text("rd"), text("ep=meter-7"));
    assert_eq!(seen(&rig.hear(&format!("{} {rest} c108 0108 ff00", head(2, 1)))).0, "4.02", "two Block1 options");
    assert_eq!(seen(&rig.hear(&format!("{} {rest} 8108 0108 ff00", head(3, 1)))).0, "4.02", "two Block2 options");
    assert_eq!(seen(&rig.hear(&format!("{} {rest} c400000008 ff00", head(4, 1)))).0, "4.02", "a Block1 of 4 bytes");
    assert_eq!(seen(&rig.hear(&register(5, 1, 0x08, "</3/0>"))).0, "4.00", "a block that is shorter than it says");
    assert_eq!(rig.asked, 0);
    let whole = rig.hear(&register(6, 1, 0x06, "</3/0>"));
    assert_eq!(seen(&whole), ("2.01".to_owned(), block(0, false, 6)), "number 0 without More is the whole");
}

/// A Register of 37 bytes in blocks of 16, each with a token of its own.
#[test]
fn section_2_5_register_in_blocks() {
    let mut rig = Rig::new();
    assert_eq!(rig.hear(&register(1, 1, 0x08, "</1/0>,</3/0>,</")), ["615f000101d10e08"]);
    assert_eq!(seen(&rig.hear(&register(2, 2, 0x18, "19/0>,</19/1>,</"))), ("2.31".to_owned(), block(1, true, 0)));
    assert_eq!(rig.asked, 0);
    let sent = rig.hear(&register(3, 3, 0x20, "5/0>"));
    assert_eq!(seen(&sent), ("2.01".to_owned(), block(2, false, 0)), "the last one says its number");
    assert_eq!((read(&sent[0]).token.as_bytes(), rig.asked), (&[3][..], 1));
    assert_eq!(rig.hear(&register(3, 3, 0x20, "5/0>")), sent[..1], "a duplicate of the last block");
    assert_eq!(rig.asked, 1);
    assert_eq!(read(&sent[1]).path, ["19", "0", "0"], "the objects of all blocks count");
}

#[test]
fn section_2_5_the_last_block_is_full() {
    let mut rig = Rig::new();
    rig.hear(&register(1, 1, 0x08, "</1/0>,</3/0>,</"));
    assert_eq!(seen(&rig.hear(&register(2, 1, 0x10, "19/0>,</19/1>   "))).0, "2.01");
}

#[test]
fn section_2_5_update_in_blocks() {
    let mut rig = Rig::registered();
    let update = |rig: &Rig, mid, block: u8, payload: &str| {
        format!("{} b2{} 0d03{} d103{block:02x} ff{}", head(mid, 1), text("rd"), rig.location, text(payload))
    };
    let first = update(&rig, 0x10, 0x08, "</1/0>,</3/0>,</");
    assert_eq!(seen(&rig.hear(&first)), ("2.31".to_owned(), block(0, true, 0)));
    let last = update(&rig, 0x11, 0x10, "19/0>");
    assert_eq!(seen(&rig.hear(&last)), ("2.04".to_owned(), block(1, false, 0)));
    assert_eq!(rig.asked, 2);
}

#[test]
fn section_2_5_send_in_blocks_that_could_not_be_stored() {
    let mut rig = Rig::registered();
    rig.hear(&send(0x10, "d10208", &"aa".repeat(16)));
    rig.flows = Flows::Forget;
    let last = send(0x11, "d10210", "bb");
    assert_eq!(rig.hear(&last), NOTHING, "silence: it comes again");
    rig.flows = Flows::Store;
    assert_eq!(seen(&rig.hear(&last)), ("2.04".to_owned(), block(1, false, 0)), "the blocks before are still there");
    assert_eq!(rig.stored, [("/".to_owned(), [vec![0xaa; 16], vec![0xbb]].concat())]);
}

#[test]
fn section_2_9_2_incomplete() {
    let mut rig = Rig::registered();
    let full = "aa".repeat(16);
    assert_eq!(seen(&rig.hear(&send(0x10, "d10218", &full))).0, "4.08", "the first block is missing");
    assert_eq!(seen(&rig.hear(&send(0x11, "d10208", &full))).0, "2.31");
    assert_eq!(seen(&rig.hear(&send(0x12, "d10228", &full))).0, "4.08", "a block is left out");
    assert_eq!(seen(&rig.hear(&send(0x13, "d10218", &full))).0, "2.31", "and may come after all");
    assert_eq!(seen(&rig.hear(&send(0x14, "d10218", &full))).0, "2.31", "also twice");
    rig.wait(EXCHANGE_LIFETIME);
    assert_eq!(seen(&rig.hear(&send(0x15, "d10228", &full))).0, "4.08", "sent too long ago");
    assert_eq!(rig.stored, []);
}

#[test]
fn section_2_9_3_too_large() {
    let mut rig = Rig::registered_with(small());
    let full = "aa".repeat(16);
    for num in 0..4_u8 {
        assert_eq!(seen(&rig.hear(&send(0x11 + u16::from(num), &format!("d102{:02x}", num << 4 | 8), &full))).0, "2.31");
    }
    let refused = rig.hear(&send(0x20, "d10248", &full));
    assert_eq!((seen(&refused), read(&refused[0]).size1), (("4.13".to_owned(), None), Some(64)), "it says how much is taken");
    assert_eq!(rig.server.transfers().0, 0);
    let lie = rig.hear(&send(0x22, "d10208 d114ff", &full));
    assert_eq!(seen(&lie).0, "4.13", "4: Size1 says that it will be");
    let far = rig.hear(&send(0x23, "d302fffff8", &full));
    assert_eq!(seen(&far).0, "4.13", "block 1,048,575 costs nothing");
    assert_eq!(rig.server.transfers().0, 0);
}

/// The same request twice at one time, kept apart by Request-Tag (RFC 9175 3.4).
#[test]
fn section_2_5_interleaved() {
    let mut rig = Rig::registered();
    let tagged = |mid, block: u8, tag: u8, payload: &str| send(mid, &format!("d102{block:02x} d1fc{tag:02x}"), payload);
    rig.hear(&tagged(0x10, 0x08, 1, &"a1".repeat(16)));
    rig.hear(&tagged(0x11, 0x08, 2, &"b1".repeat(16)));
    rig.hear(&tagged(0x12, 0x10, 1, "a2"));
    rig.hear(&tagged(0x13, 0x10, 2, "b2"));
    let bodies: Vec<&[u8]> = rig.stored.iter().map(|(_, body)| body.as_slice()).collect();
    let body = |first: u8, last: u8| [vec![first; 16], vec![last]].concat();
    assert_eq!(bodies, [body(0xa1, 0xa2), body(0xb1, 0xb2)]);
    rig.hear(&send(0x14, "d10208", &"c1".repeat(16)));
    rig.hear(&send(0x15, "d10208", &"d1".repeat(16)));
    rig.hear(&send(0x16, "d10210", "d2"));
    assert_eq!(rig.stored[2].1, body(0xd1, 0xd2), "without a tag the second begins anew");
}

#[test]
fn section_2_5_a_late_copy_of_the_first_block_begins_nothing() {
    let mut rig = Rig::registered();
    let first = send(0x10, "d10208", &"aa".repeat(16));
    let sent = rig.hear(&first);
    rig.hear(&send(0x11, "d10218", &"bb".repeat(16)));
    assert_eq!(rig.hear(&first), sent, "the same answer again");
    assert_eq!(seen(&rig.hear(&send(0x12, "d10220", "cc"))).0, "2.04");
    assert_eq!(rig.stored[0].1.len(), 33);
}

#[test]
fn a_hundred_thousand_bodies_that_never_end_cost_constant_memory() {
    let transfer = TransferLimits { bodies: 64, bytes: 64 << 10, body_bytes: 4 << 10, ..TransferLimits::default() };
    let mut rig = Rig::with(ServerConfig { transfer, dedup_entries: 1_000, ..ServerConfig::default() });
    for number in 0..100_000_u32 {
        let [_, high, middle, low] = number.to_be_bytes();
        rig.peer = std::net::SocketAddr::from(([10, high, middle, low], 5_683));
        let sent = rig.hear(&register(1, 1, 0x08, "</1/0>,</3/0>,</"));
        assert_eq!(seen(&sent).0, "2.31");
        let (bodies, bytes) = rig.server.transfers();
        assert!(bodies <= 64 && bytes <= 64 << 10, "{bodies} bodies, {bytes} bytes");
        assert!(rig.server.load().1 <= 1_000);
    }
}

/// A downlink of 2,500 bytes goes in three blocks.
#[test]
fn section_2_5_write_in_blocks() {
    let mut rig = Rig::registered();
    let mut sent = rig.send(1, Ask::new(Code::PUT, ["19", "1", "0"]).with_payload(42, bytes(2_500)));
    let (mut body, mut mids) = (Vec::new(), Vec::new());
    for num in 0..3_u8 {
        let put = read(&sent[0]);
        assert_eq!((put.block1, put.content_format), (block(u32::from(num), num < 2, 6), Some(42)));
        assert_eq!(put.size1, Some(2_500).filter(|_| num == 0));
        mids.push((put.mid, put.token));
        body.extend(put.payload);
        let (code, echo) = if num < 2 { ("5f", num << 4 | 0x0e) } else { ("44", 0x26) };
        sent = rig.hear(&format!("68{code} {:04x} {} d10e{echo:02x}", put.mid, hex::encode(put.token.as_bytes())));
    }
    assert_eq!(body, bytes(2_500));
    assert!(mids[0] != mids[1] && mids[1].1 != mids[2].1, "each block is a request of its own");
    assert!(matches!(&rig.told[..], [Occurrence::Answered { reply: Reply { code: Code::CHANGED, .. }, .. }]));
}

#[test]
fn section_2_3_the_device_wants_smaller_blocks() {
    let mut rig = Rig::registered();
    let first = read(&rig.send(1, Ask::new(Code::PUT, ["19", "1", "0"]).with_payload(42, bytes(2_500)))[0]);
    let second = read(&rig.hear(&format!("685f {:04x} {} d10e0a", first.mid, hex::encode(first.token.as_bytes())))[0]);
    assert_eq!((second.block1, second.payload), (block(16, true, 2), bytes(2_500)[1_024..1_088].to_vec()));
    let mut rig = Rig::registered();
    let whole = read(&rig.send(1, Ask::new(Code::PUT, ["19", "1", "0"]).with_payload(42, bytes(300)))[0]);
    assert_eq!((whole.block1, whole.payload.len()), (None, 300));
    let hint = rig.hear(&format!("688d {:04x} {} d10e0a", whole.mid, hex::encode(whole.token.as_bytes())));
    assert_eq!((read(&hint[0]).block1, read(&hint[0]).size1), (block(0, true, 2), Some(300)), "2.9.3: 4.13 with a hint");
    let lost = rig.hear(&format!("6888 {:04x} {}", read(&hint[0]).mid, hex::encode(read(&hint[0]).token.as_bytes())));
    assert_eq!(read(&lost[0]).block1, block(0, true, 2), "2.9.2: 4.08 begins anew");
    rig.hear(&format!("6888 {:04x} {}", read(&lost[0]).mid, hex::encode(read(&lost[0]).token.as_bytes())));
    assert!(matches!(&rig.told[..], [Occurrence::Answered { reply: Reply { code: Code::INCOMPLETE, .. }, .. }]), "once");
}

/// The device's part of a fetch: answers GET with Block2 by slices of a body.
struct Served {
    body: Vec<u8>,
    etag: u8,
    szx: u8,
}

impl Served {
    /// ETag (option 4), Content-Format and Block2 of a slice, and its payload. Observe, option 6, comes between.
    fn slice(&self, num: u32, observe: &str) -> String {
        let size = 16 << self.szx;
        let from = size * usize::try_from(num).unwrap();
        let to = self.body.len().min(from + size);
        let more = u32::from(to < self.body.len());
        let format = if observe.is_empty() { "812a" } else { "612a" };
        let value = num << 4 | more << 3 | u32::from(self.szx);
        format!("41{:02x} {observe} {format} b3{value:06x} ff{}", self.etag, hex::encode(&self.body[from..to]))
    }

    /// The first block as a notify.
    fn notify(&self, mid: u16, token: &str) -> String {
        format!("4845 {mid:04x} {token} {}", self.slice(0, "2105"))
    }

    /// The answer to a request for a block.
    fn answer(&self, request: &str) -> String {
        let get = read(request);
        assert_eq!((get.code, get.observe), (Code::GET, None), "2.6: the rest is asked for without Observe");
        let num = get.block2.expect("a block is asked for").num;
        format!("6845 {:04x} {} {}", get.mid, hex::encode(get.token.as_bytes()), self.slice(num, ""))
    }
}

#[test]
fn section_2_6_a_notification_in_blocks() {
    let served = Served { body: bytes(150), etag: 1, szx: 2 };
    for (path, token) in [("/19/0/0", 0), ("/3/0", 1)] {
        let mut rig = Rig::registered();
        let token = if token == 0 { rig.reports.clone() } else { rig.values.clone() };
        let first = served.notify(0x10, &token);
        let mut sent = rig.hear(&first);
        assert_eq!(sent.len(), 1, "no acknowledgement: only the next block is asked for");
        assert_ne!(hex::encode(read(&sent[0]).token.as_bytes()), token, "2.6: under a token of its own");
        assert_eq!(read(&sent[0]).block2, block(1, false, 2));
        assert_eq!(rig.hear(&first), NOTHING, "the resend is met with silence");
        sent = rig.hear(&served.answer(&sent[0]));
        assert_eq!(rig.stored, []);
        assert_eq!(rig.hear(&served.answer(&sent[0])), ["60000010"], "acknowledged when the whole is stored");
        assert_eq!(rig.stored, [(path.to_owned(), bytes(150))]);
        assert_eq!(rig.hear(&first), ["60000010"]);
        assert_eq!(rig.server.transfers(), (0, 0));
    }
}

/// The body is there and cannot be stored: the device sends it again, and it is fetched again.
#[test]
fn section_2_6_a_body_that_could_not_be_stored() {
    let (mut rig, served) = (Rig::registered(), Served { body: bytes(40), etag: 1, szx: 1 });
    let first = served.notify(0x10, &rig.reports.clone());
    rig.flows = Flows::Forget;
    let sent = rig.hear(&first);
    assert_eq!(rig.hear(&served.answer(&sent[0])), NOTHING);
    rig.flows = Flows::Store;
    let sent = rig.hear(&first);
    assert_eq!(rig.hear(&served.answer(&sent[0])), ["60000010"]);
    assert_eq!(rig.stored[0].1, bytes(40));
}

#[test]
fn section_2_4_the_body_changes_meanwhile() {
    let mut rig = Rig::registered();
    let (before, after) = (Served { body: bytes(100), etag: 1, szx: 1 }, Served { body: bytes(90), etag: 2, szx: 1 });
    let sent = rig.hear(&before.notify(0x10, &rig.values.clone()));
    let mut sent = rig.hear(&after.answer(&sent[0]));
    assert_eq!(read(&sent[0]).block2, block(0, false, 1), "another ETag: from the beginning");
    for _ in 0..3 {
        sent = rig.hear(&after.answer(&sent[0]));
    }
    assert_eq!(rig.stored[0].1, bytes(90));
    let sent = rig.hear(&before.notify(0x20, &rig.reports.clone()));
    assert_eq!(rig.hear(&after.answer(&sent[0])), NOTHING, "another report comes by itself; this one is lost");
    assert_eq!((rig.stored.len(), rig.server.counters().partial), (1, 1));
}

#[test]
fn section_2_6_resumed_after_a_long_sleep() {
    let (mut rig, served) = (Rig::registered(), Served { body: bytes(100), etag: 1, szx: 1 });
    let sent = rig.hear(&served.notify(0x10, &rig.values.clone()));
    rig.hear(&served.answer(&sent[0]));
    let resends = rig.seconds(1_000);
    assert!(resends.len() >= 3, "it sleeps: the second block is asked for in vain");
    assert_eq!(rig.seconds(1_000), NOTHING, "and then not any more");
    rig.wait(Duration::from_secs(900));
    let report = format!("4845 0011 {} 6106 ff07", rig.reports);
    let sent = rig.hear(&report);
    assert_eq!(sent[1..], ["60000011"]);
    assert_eq!(read(&sent[0]).block2, block(2, false, 1), "it speaks: the next block is asked for");
    let sent = rig.hear(&served.answer(&sent[0]));
    assert_eq!(rig.hear(&served.answer(&sent[0])), NOTHING, "nothing is left to acknowledge");
    assert_eq!(rig.stored.last(), Some(&("/3/0".to_owned(), bytes(100))));
}

#[test]
fn section_2_6_what_does_not_come_is_told_of() {
    let served = Served { body: bytes(100), etag: 1, szx: 1 };
    let begun = || {
        let mut rig = Rig::registered();
        let sent = rig.hear(&served.notify(0x10, &rig.reports.clone()));
        (rig, read(&sent[0]))
    };
    let lost = |rig: &mut Rig| match &rig.remarks()[..] {
        [Remark::Partial { bytes, why, .. }] => (*bytes, why.clone()),
        other => panic!("{other:?}"),
    };
    let (mut rig, get) = begun();
    rig.hear(&format!("6884 {:04x} {}", get.mid, hex::encode(get.token.as_bytes())));
    assert_eq!(lost(&mut rig), (32, "the device answered 4.04 Not Found".to_owned()));
    let (mut rig, get) = begun();
    rig.hear(&format!("7000 {:04x}", get.mid));
    assert_eq!(lost(&mut rig), (32, "RST".to_owned()));
    let (mut rig, _) = begun();
    let newer = format!("4845 0011 {} 6106 ff07", rig.reports);
    assert_eq!(rig.hear(&newer), ["60000011"]);
    assert_eq!(lost(&mut rig), (32, "a newer notify came".to_owned()));
    let (mut rig, _) = begun();
    rig.hear(&format!("4404 0011 01020304 b2{} 0d03{}", text("rd"), rig.location));
    assert_eq!(lost(&mut rig), (32, "the registration ended".to_owned()));
    assert_eq!((rig.server.counters().partial, rig.stored.len(), rig.server.transfers()), (1, 0, (0, 0)));
}

/// 4: Size2 is only believed where it leads to a refusal.
#[test]
fn section_4_sizes_that_are_not_true() {
    let mut rig = Rig::registered_with(small());
    let token = rig.reports.clone();
    let huge = format!("4845 0010 {token} 6105 612a b10a 5204d2 ff{}", "aa".repeat(64));
    assert_eq!(rig.hear(&huge), ["70000010"], "more than is taken: ends the observation");
    assert!(matches!(rig.remarks()[..], [Remark::Partial { .. }, Remark::NotObserved { .. }]));
    let mut rig = Rig::registered_with(small());
    let served = Served { body: bytes(100), etag: 1, szx: 1 };
    let mut sent = rig.hear(&served.notify(0x10, &rig.reports.clone()));
    for _ in 0..2 {
        sent = rig.hear(&served.answer(&sent[0]));
    }
    assert_eq!(sent, NOTHING, "it does not stop by itself: it is stopped");
    assert_eq!(rig.server.counters().partial, 1);
}

#[test]
fn section_2_4_an_answer_in_blocks() {
    let (mut rig, served) = (Rig::registered(), Served { body: bytes(3_000), etag: 1, szx: 6 });
    let get = read(&rig.send(1, Ask::new(Code::GET, ["3"]))[0]);
    let mut sent = rig.hear(&format!("6845 {:04x} {} {}", get.mid, hex::encode(get.token.as_bytes()), served.slice(0, "")));
    for num in 1..3 {
        assert_eq!((read(&sent[0]).path, read(&sent[0]).block2), (vec!["3".to_owned()], block(num, false, 6)));
        sent = rig.hear(&served.answer(&sent[0]));
    }
    let [Occurrence::Answered { reply, .. }] = &rig.told[..] else { panic!("{:?}", rig.told) };
    assert_eq!((reply.code, reply.content_format, &reply.payload), (Code::CONTENT, Some(42), &bytes(3_000)));
    let get = read(&rig.send(2, Ask::new(Code::GET, ["3"]))[0]);
    let first =
        read(&rig.hear(&format!("6845 {:04x} {} {}", get.mid, hex::encode(get.token.as_bytes()), served.slice(0, "")))[0]);
    rig.hear(&format!("6884 {:04x} {}", first.mid, hex::encode(first.token.as_bytes())));
    assert!(matches!(&rig.told[1..], [Occurrence::Answered { reply: Reply { code: Code::NOT_FOUND, .. }, .. }]));
}

/// Early negotiation of an answer of ours.
#[test]
fn section_2_4_discovery_in_blocks() {
    let (mut rig, core) = (Rig::new(), format!("bb{} 04{}", text(".well-known"), text("core")));
    let whole = read(&rig.hear(&format!("4001 0001 {core}"))[0]);
    assert_eq!((whole.code, whole.content_format), (Code::CONTENT, Some(40)));
    let piece = |rig: &mut Rig, num: u8| read(&rig.hear(&format!("4001 0002 {core} c1{:02x}", num << 4))[0]);
    let (first, second) = (piece(&mut rig, 0), piece(&mut rig, 1));
    assert_eq!((first.block2, first.payload.as_slice()), (block(0, true, 0), &whole.payload[..16]));
    assert_eq!((second.block2, second.payload.as_slice()), (block(1, true, 0), &whole.payload[16..32]));
    assert_eq!(first.etag, second.etag);
    assert_eq!(piece(&mut rig, 15).code, Code::BAD_REQUEST, "there is no such block");
}
