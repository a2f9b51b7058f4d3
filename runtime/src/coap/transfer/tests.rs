//! Both ends of each transfer against each other, and what goes wrong on the way; the numbers are sections of RFC 7959.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::*;
use crate::coap::block::Block;
use crate::coap::hash::KeyedState;
use crate::coap::{Code, Kind, Message, Random, Tag, Token};

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
fn origin() -> Instant {
    Instant::now()
}

fn peer() -> SocketAddr {
    "192.0.2.1:5683".parse().unwrap()
}

fn limits(szx: u8) -> TransferLimits {
    TransferLimits { szx, body_bytes: 4_096, bytes: 64 << 10, bodies: 100, ..TransferLimits::default() }
}

fn collector(szx: u8) -> Collector {
    Collector::new(limits(szx), KeyedState::new(&mut Random::new([7; 32])))
}

fn body(length: usize) -> Vec<u8> {
    (0..length).map(|at| u8::try_from(at * 7 % 251).unwrap()).collect()
}

fn request() -> Message {
    Message::new(Kind::Con, Code::POST, 1, Token::default()).with_path(["rd"])
}

fn block1(num: u32, more: bool, szx: u8, payload: &[u8]) -> Message {
    Message { block1: Some(Block { num, more, szx }), payload: payload.to_vec(), ..request() }
}

fn block2(num: u32, more: bool, szx: u8, payload: &[u8], etag: u8) -> Message {
    let block2 = Some(Block { num, more, szx });
    let message = Message::new(Kind::Ack, Code::CONTENT, 1, Token::default());
    Message { block2, payload: payload.to_vec(), etag: Tag::new(&[etag]), ..message }
}

fn answered(code: Code, block1: Option<Block>) -> Message {
    Message { block1, ..Message::new(Kind::Ack, code, 1, Token::default()) }
}

/// What a server answers to a block.
fn answer(collected: &Collected, request: &Message) -> Message {
    match collected {
        Collected::Whole(_) => answered(Code::CHANGED, request.block1),
        Collected::Continue(block) => answered(Code::CONTINUE, Some(*block)),
        Collected::Gap => answered(Code::INCOMPLETE, None),
        Collected::TooLarge(_) => answered(Code::TOO_LARGE, None),
        Collected::Malformed => answered(Code::BAD_REQUEST, None),
    }
}

proptest! {
    /// 2.5: whatever the sizes, with every block heard twice.
    #[test]
    fn what_is_pushed_is_collected(length in 0..4_096_usize, ours in 0..7_u8, theirs in 0..7_u8) {
        let (now, mut collector, mut push) = (origin(), collector(ours), Push::new(body(length), theirs));
        for _ in 0..=256 {
            let request = push.fill(request());
            prop_assert!(request.payload.len() <= 16 << theirs);
            let collected = collector.collect(now, peer(), &request);
            if request.block1.is_some_and(|block| block.num > 0) {
                prop_assert_eq!(&collector.collect(now, peer(), &request), &collected, "the same block again");
            }
            match push.take(&answer(&collected, &request)) {
                Pushed::Next => {}
                Pushed::Done => {
                    prop_assert_eq!(collected, Collected::Whole(body(length)));
                    return Ok(());
                }
                Pushed::Confused => prop_assert!(false, "{:?}", collected),
            }
        }
        prop_assert!(false, "it does not end");
    }

    /// 2.4: whatever the sizes, from the first block of a notify or of an answer.
    #[test]
    fn what_is_served_is_fetched(length in 0..4_096_usize, ours in 0..7_u8, theirs in 0..7_u8) {
        let (mut fetch, mut asked) = (Fetch::default(), request());
        for _ in 0..=256 {
            let reply = serve(&asked, Message::new(Kind::Ack, Code::CONTENT, 1, Token::default()), &body(length), theirs);
            prop_assert!(reply.payload.len() <= 16 << theirs);
            match fetch.take(&limits(ours), &reply) {
                Fetched::Next(block) => asked.block2 = Some(block),
                Fetched::Whole(whole) => {
                    prop_assert_eq!(whole, body(length));
                    return Ok(());
                }
                Fetched::Lost(lost) => prop_assert!(false, "{}", lost),
            }
        }
        prop_assert!(false, "it does not end");
    }

    /// Whatever a peer answers, each of the machines ends, and within its limits.
    #[test]
    fn nonsense_ends(answers in proptest::collection::vec((0..8_usize, 0..1_u32 << 20, any::<bool>(), 0..7_u8, 0..1_100_usize), 0..200)) {
        let codes = [Code::CONTENT, Code::CONTINUE, Code::CHANGED, Code::INCOMPLETE, Code::TOO_LARGE, Code::BAD_REQUEST, Code::NOT_FOUND, Code::VALID];
        let (mut fetch, mut push, mut collector) = (Fetch::default(), Push::new(body(3_000), 6), collector(2));
        for (code, num, more, szx, length) in answers {
            let block = Some(Block { num: num % 8, more, szx });
            let message = Message { block1: block, block2: block, payload: body(length), ..answered(codes[code], None) };
            let _ = fetch.take(&limits(6), &message);
            prop_assert!(fetch.so_far().len() <= 4_096);
            let _ = push.take(&message);
            prop_assert!(push.fill(request()).payload.len() <= 1_024);
            collector.collect(origin(), peer(), &Message { code: Code::POST, ..message });
            prop_assert!(collector.load().1 <= 64 << 10);
        }
    }
}

/// 2.3, 2.5, 2.9.2, 2.9.3.
#[test]
fn blocks_that_are_not_the_next_one() {
    let (now, mut collector) = (origin(), collector(6));
    let mut take = |num, more, szx, length| collector.collect(now, peer(), &block1(num, more, szx, &body(length)));
    assert_eq!(take(1, true, 0, 16), Collected::Gap, "number 0 is missing");
    assert_eq!(take(0, true, 0, 16), Collected::Continue(Block { num: 0, more: true, szx: 0 }));
    assert_eq!(take(2, true, 0, 16), Collected::Gap, "number 1 is missing");
    assert_eq!(take(1, true, 0, 16), Collected::Continue(Block { num: 1, more: true, szx: 0 }), "what came is kept");
    assert_eq!(take(1, true, 0, 15), Collected::Malformed, "short of its size");
    assert_eq!(take(2, false, 0, 17), Collected::Malformed, "longer than its size");
    assert_eq!(take(0, true, 0, 16), Collected::Continue(Block { num: 0, more: true, szx: 0 }), "begun anew");
    assert_eq!(take(2, false, 0, 3), Collected::Gap, "of the old body");
    assert_eq!(take(1, false, 0, 16), Collected::Whole([body(16), body(16)].concat()), "the last block is full");
    assert_eq!(take(2, true, 0, 16), Collected::Gap, "the body is whole");
}

/// 2.3: 128 bytes are taken, then it goes on with 32.
#[test]
fn a_smaller_size_is_agreed_with_the_first_block() {
    let (now, mut collector, mut push) = (origin(), collector(1), Push::new(body(300), 3));
    let first = push.fill(request());
    assert_eq!((first.block1, first.size1), (Some(Block { num: 0, more: true, szx: 3 }), Some(300)));
    let collected = collector.collect(now, peer(), &first);
    assert_eq!(collected, Collected::Continue(Block { num: 0, more: true, szx: 1 }));
    assert_eq!(push.take(&answer(&collected, &first)), Pushed::Next);
    let second = push.fill(request());
    assert_eq!((second.block1, second.payload.len(), second.size1), (Some(Block { num: 4, more: true, szx: 1 }), 32, None));
}

/// 2.9.3, RFC 9175 3.4.
#[test]
fn bodies_are_kept_apart_by_sender_request_and_tag() {
    let (now, mut collector) = (origin(), collector(6));
    let other_peer: SocketAddr = "192.0.2.1:5684".parse().unwrap();
    let tagged = |message: Message, tag: u8| Message { request_tag: vec![Tag::new(&[tag]).unwrap()], ..message };
    let elsewhere = |message: Message| Message { path: vec!["dp".to_owned()], ..message };
    let token = |message: Message, token: u64| Message { token: Token::from(token), mid: 77, ..message };
    for payload in 0..5_u8 {
        let first = block1(0, true, 0, &[payload; 16]);
        let (from, first) = match payload {
            0 => (other_peer, first),
            1 => (peer(), tagged(first, 1)),
            2 => (peer(), tagged(first, 2)),
            3 => (peer(), elsewhere(first)),
            _ => (peer(), first),
        };
        collector.collect(now, from, &token(first, 1));
    }
    for payload in 0..5_u8 {
        let last = block1(1, false, 0, b"end");
        let (from, last) = match payload {
            0 => (other_peer, last),
            1 => (peer(), tagged(last, 1)),
            2 => (peer(), tagged(last, 2)),
            3 => (peer(), elsewhere(last)),
            _ => (peer(), last),
        };
        let whole = [&[payload; 16][..], b"end"].concat();
        assert_eq!(collector.collect(now, from, &token(last, 2)), Collected::Whole(whole), "{payload}");
    }
}

#[test]
fn a_body_waits_for_its_next_block_and_not_for_ever() {
    let (start, mut collector) = (origin(), collector(6));
    collector.collect(start, peer(), &block1(0, true, 0, &body(16)));
    let late = start + EXCHANGE_LIFETIME - Duration::from_millis(1);
    assert!(matches!(collector.collect(late, peer(), &block1(1, true, 0, &body(16))), Collected::Continue(_)));
    let too_late = late + EXCHANGE_LIFETIME;
    assert_eq!(collector.collect(too_late, peer(), &block1(2, true, 0, &body(16))), Collected::Gap);
}

/// A block far behind reserves nothing, and sizes that are only said neither.
#[test]
fn what_is_said_costs_nothing() {
    let (now, mut collector) = (origin(), collector(6));
    assert_eq!(collector.collect(now, peer(), &block1(0xf_ffff, true, 6, &body(1_024))), Collected::TooLarge(4_096));
    assert_eq!(collector.collect(now, peer(), &block1(0xf_ffff, false, 0, &[])), Collected::TooLarge(4_096));
    let huge = Message { size1: Some(u32::MAX), ..block1(0, true, 6, &body(1_024)) };
    assert_eq!(collector.collect(now, peer(), &huge), Collected::TooLarge(4_096));
    assert_eq!(collector.load(), (0, 0));
    let modest = Message { size1: Some(20), ..block1(0, true, 6, &body(1_024)) };
    assert!(matches!(collector.collect(now, peer(), &modest), Collected::Continue(_)), "it says too little: no harm");
    for num in 1..4 {
        assert!(matches!(collector.collect(now, peer(), &block1(num, true, 6, &body(1_024))), Collected::Continue(_)));
    }
    assert_eq!(collector.collect(now, peer(), &block1(4, false, 6, &[1])), Collected::TooLarge(4_096));
    assert_eq!(collector.load().0, 0, "and the blocks before are dropped");
}

#[test]
fn a_hundred_thousand_bodies_that_never_end_stay_within_the_caps() {
    let (start, mut collector) = (origin(), collector(6));
    for number in 0..100_000_u32 {
        let [_, a, b, c] = number.to_be_bytes();
        let from = SocketAddr::from(([10, a, b, c], 5_683));
        collector.collect(start, from, &block1(0, true, 6, &body(1_024)));
        let (bodies, bytes) = collector.load();
        assert!(bodies <= 100 && bytes <= 64 << 10);
        let next = collector.collect(start, from, &block1(1, true, 6, &body(1_024)));
        assert!(matches!(next, Collected::Continue(_)), "the newest goes on");
    }
}

/// 2.9.3, 2.9.2, 2.5.
#[test]
fn what_a_device_answers_to_blocks() {
    let hint = |szx| Some(Block { num: 0, more: true, szx });
    let echo = |num, szx| Some(Block { num, more: true, szx });
    let one = || Push::new(body(100), 6);
    let blocks = || Push::new(body(3_000), 6);
    for (what, mut push, code, block, expected) in [
        ("one datagram is answered", one(), Code::CHANGED, None, Pushed::Done),
        ("one datagram is refused", one(), Code::NOT_FOUND, None, Pushed::Done),
        ("one datagram is too large", one(), Code::TOO_LARGE, hint(1), Pushed::Next),
        ("too large without a hint", one(), Code::TOO_LARGE, None, Pushed::Done),
        ("a hint that is no smaller", blocks(), Code::TOO_LARGE, hint(6), Pushed::Done),
        ("4.08 without blocks", one(), Code::INCOMPLETE, None, Pushed::Done),
        ("the block is taken", blocks(), Code::CONTINUE, echo(0, 6), Pushed::Next),
        ("taken without Block1", blocks(), Code::CONTINUE, None, Pushed::Next),
        ("taken one by one", blocks(), Code::CHANGED, echo(0, 6), Pushed::Next),
        ("another block is taken", blocks(), Code::CONTINUE, echo(1, 6), Pushed::Confused),
        ("more is wanted than there is", one(), Code::CONTINUE, None, Pushed::Confused),
        ("blocks are refused", blocks(), Code::BAD_OPTION, None, Pushed::Done),
    ] {
        assert_eq!(push.take(&answered(code, block)), expected, "{what}");
    }
    let mut push = one();
    push.take(&answered(Code::TOO_LARGE, hint(1)));
    assert_eq!(push.fill(request()).block1, Some(Block { num: 0, more: true, szx: 1 }), "in blocks, from the beginning");
    let mut push = blocks();
    push.take(&answered(Code::CONTINUE, echo(0, 6)));
    assert_eq!(push.take(&answered(Code::INCOMPLETE, None)), Pushed::Next);
    assert_eq!(push.fill(request()).block1, Some(Block { num: 0, more: true, szx: 6 }), "from the beginning");
    assert_eq!(push.take(&answered(Code::INCOMPLETE, None)), Pushed::Done, "once");
}

/// 2.4, 2.6, 2.8.
#[test]
fn a_body_that_changes_is_begun_anew() {
    let (limits, mut fetch) = (limits(6), Fetch::default());
    let first = Fetched::Next(Block { num: 0, more: false, szx: 0 });
    let mut take = |message| fetch.take(&limits, &message);
    assert_eq!(take(block2(0, true, 0, &[1; 16], 1)), Fetched::Next(Block { num: 1, more: false, szx: 0 }));
    assert_eq!(take(block2(1, true, 0, &[2; 16], 2)), first, "another ETag");
    assert_eq!(take(block2(0, true, 0, &[2; 16], 2)), Fetched::Next(Block { num: 1, more: false, szx: 0 }));
    assert_eq!(take(answered(Code::INCOMPLETE, None)), first, "forgotten during a long sleep");
    take(block2(0, true, 0, &[3; 16], 3));
    let whole = [[3; 16], [3; 16]].concat();
    assert_eq!(take(block2(1, false, 0, &[3; 16], 3)), Fetched::Whole(whole), "the last block is full");
    let mut fetch = Fetch::default();
    let mut ends = (0..4_u8).map(|etag| {
        fetch.take(&limits, &block2(0, true, 0, &[1; 16], etag));
        fetch.take(&limits, &block2(1, true, 0, &[1; 16], etag + 100))
    });
    assert_eq!(ends.nth(2), Some(Fetched::Lost(Lost::Changed)), "not for ever");
}

#[test]
fn a_body_that_does_not_come() {
    let begun = || {
        let mut fetch = Fetch::default();
        fetch.take(&limits(6), &block2(0, true, 0, &[1; 16], 1));
        fetch
    };
    let lie = Message { size2: Some(4_097), ..block2(1, true, 0, &[1; 16], 1) };
    let small_lie = Message { size2: Some(3), ..block2(1, true, 0, &[1; 16], 1) };
    for (what, answer, expected) in [
        ("short of its size", block2(1, true, 0, &[1; 15], 1), Fetched::Lost(Lost::Malformed)),
        ("longer than its size", block2(1, false, 0, &[1; 17], 1), Fetched::Lost(Lost::Malformed)),
        ("another block", block2(2, true, 0, &[1; 16], 1), Fetched::Lost(Lost::Malformed)),
        ("gone", answered(Code::NOT_FOUND, None), Fetched::Lost(Lost::Refused(Code::NOT_FOUND))),
        ("Size2 is too large", lie, Fetched::Lost(Lost::TooLarge)),
        ("Size2 is too small", small_lie, Fetched::Next(Block { num: 2, more: false, szx: 0 })),
        ("the whole at once", answered(Code::CONTENT, None), Fetched::Whole(vec![])),
    ] {
        assert_eq!(begun().take(&limits(6), &answer), expected, "{what}");
    }
    let mut fetch = Fetch::default();
    let last = (0..5).map(|num| fetch.take(&limits(6), &block2(num, true, 6, &[1; 1_024], 1))).last();
    assert_eq!(last, Some(Fetched::Lost(Lost::TooLarge)), "it does not stop by itself");
}

/// 2.4: early negotiation, a size that shrinks later, a block behind the end.
#[test]
fn pieces_that_are_asked_for() {
    let whole = body(100);
    let ask = |num, szx| Message { block2: Some(Block { num, more: false, szx }), ..request() };
    let bare = || answered(Code::CONTENT, None);
    let piece = |reply: Message| (reply.code, reply.block2.map(|block| (block.num, block.more, block.szx)), reply.payload.len());
    for (what, request, szx, expected) in [
        ("the whole fits", request(), 6, (Code::CONTENT, None, 100)),
        ("it does not fit", request(), 2, (Code::CONTENT, Some((0, true, 2)), 64)),
        ("smaller ones are wanted", ask(0, 1), 6, (Code::CONTENT, Some((0, true, 1)), 32)),
        ("the last one", ask(3, 1), 6, (Code::CONTENT, Some((3, false, 1)), 4)),
        ("larger ones than ours", ask(1, 2), 0, (Code::CONTENT, Some((4, true, 0)), 16)),
        ("a block is asked for and the whole fits", ask(0, 6), 6, (Code::CONTENT, Some((0, false, 6)), 100)),
        ("behind the end", ask(4, 1), 6, (Code::BAD_REQUEST, None, 0)),
        ("far behind the end", ask(0xf_ffff, 6), 6, (Code::BAD_REQUEST, None, 0)),
    ] {
        assert_eq!(piece(serve(&request, bare(), &whole, szx)), expected, "{what}");
    }
    let first = serve(&ask(0, 1), bare(), &whole, 6);
    let second = serve(&ask(1, 1), bare(), &whole, 6);
    assert_eq!((first.size2, second.size2), (Some(100), None));
    assert!(first.etag.is_some() && first.etag == second.etag);
    assert_ne!(first.etag, serve(&ask(0, 1), bare(), &body(99), 6).etag);
}
