//! Tables and laws of the validating front; the cases are those of RFC 7252 3, 4.2, 4.3, 5.4 and 5.10.

use proptest::prelude::*;

use super::*;

fn answer_of(datagram: &[u8]) -> (Fault, Option<Vec<u8>>) {
    let malformed = parse(datagram).expect_err("malformed");
    (malformed.fault, malformed.answer)
}

/// CON GET, mid 0x1234, no token, then `rest`.
fn con_get(rest: &[u8]) -> Vec<u8> {
    [&[0x40, 0x01, 0x12, 0x34], rest].concat()
}

#[test]
fn format_errors_and_their_answers() {
    let rst = Some(vec![0x70, 0x00, 0x12, 0x34]);
    let mut many = vec![0x00; MAX_OPTIONS + 1];
    many.extend([0xff, 1]);
    for (what, datagram, fault, answer) in [
        ("nothing", vec![], Fault::Short, None),
        ("3 bytes", vec![0x40, 0x01, 0x12], Fault::Short, None),
        ("version 0", vec![0x00, 0x01, 0x12, 0x34], Fault::Version, None),
        ("version 2", vec![0x80, 0x01, 0x12, 0x34], Fault::Version, None),
        ("version 3", vec![0xc0, 0x01, 0x12, 0x34], Fault::Version, None),
        (
            "TKL 9",
            con_get(&[0; 9]).into_iter().enumerate().map(|(i, b)| if i == 0 { 0x49 } else { b }).collect(),
            Fault::TokenLength,
            rst.clone(),
        ),
        ("TKL 15 in an ACK", [&[0x6f, 0x45, 0x12, 0x34][..], &[0; 15]].concat(), Fault::TokenLength, None),
        ("token cut off", vec![0x44, 0x01, 0x12, 0x34, 1, 2], Fault::TokenLength, rst.clone()),
        ("option delta 15", con_get(&[0xf0]), Fault::Option, rst.clone()),
        ("option length 15", con_get(&[0x0f]), Fault::Option, rst.clone()),
        ("option extension cut off", con_get(&[0xd0]), Fault::Option, rst.clone()),
        ("option extension half", con_get(&[0xe0, 0x00]), Fault::Option, rst.clone()),
        ("option value cut off", con_get(&[0xb4, b'r', b'd']), Fault::Option, rst.clone()),
        ("option number overflow", con_get(&[0xe0, 0xfe, 0xf2, 0xe0, 0xfe, 0xf2]), Fault::Option, rst.clone()),
        ("option length overflow", con_get(&[0x0e, 0xff, 0xff]), Fault::Option, rst.clone()),
        ("marker without payload", con_get(&[0xb1, b'x', 0xff]), Fault::NoPayload, rst.clone()),
        ("option bomb", con_get(&many), Fault::TooManyOptions, rst.clone()),
        ("ping with token", vec![0x41, 0x00, 0x12, 0x34, 1], Fault::NotEmpty, rst.clone()),
        ("ping with payload", vec![0x40, 0x00, 0x12, 0x34, 0xff, 1], Fault::NotEmpty, rst.clone()),
        ("empty ACK with token", vec![0x61, 0x00, 0x12, 0x34, 1], Fault::NotEmpty, None),
        ("class 1", vec![0x40, 0x21, 0x12, 0x34], Fault::ReservedClass, rst.clone()),
        ("class 7", vec![0x40, 0xe1, 0x12, 0x34], Fault::ReservedClass, rst.clone()),
        ("class 6 in a NON", vec![0x50, 0xc1, 0x12, 0x34], Fault::ReservedClass, None),
        ("a request as ACK", vec![0x60, 0x01, 0x12, 0x34], Fault::KindAndCode, None),
        ("a response as RST", vec![0x70, 0x45, 0x12, 0x34], Fault::KindAndCode, None),
    ] {
        assert_eq!(answer_of(&datagram), (fault, answer), "{what}");
    }
}

#[test]
fn critical_options_that_are_not_understood() {
    let bad_option = Some(vec![0x60, 0x82, 0x12, 0x34]);
    let long_path = con_get(&[&[0xbd, 0xf3][..], &[b'a'; 256], &[0xff, 1]].concat());
    for (what, rest, number) in [
        ("If-Match", vec![0x10], 1),
        ("If-None-Match", vec![0x50], 5),
        ("unknown critical 9", vec![0x91, 0x00], 9),
        ("Accept twice", vec![0xd1, 0x04, 40, 0x01, 40], 17),
        ("Accept of 3 bytes", vec![0xd3, 0x04, 0, 0, 40], 17),
        ("Uri-Host empty", vec![0x30], 3),
        ("Block1 of 4 bytes", vec![0xd4, 14, 0, 0, 0, 1], 27),
        ("Block2 twice", vec![0xd1, 10, 0x02, 0x01, 0x02], 23),
    ] {
        assert_eq!(answer_of(&con_get(&rest)), (Fault::Critical(number), bad_option.clone()), "{what}");
        let mut non = con_get(&rest);
        non[0] = 0x50;
        assert_eq!(answer_of(&non), (Fault::Critical(number), None), "{what}, NON");
    }
    assert_eq!(answer_of(&long_path), (Fault::Critical(11), bad_option.clone()), "Uri-Path of 256 bytes");
    assert_eq!(answer_of(&con_get(&[0xb1, 0xfe])), (Fault::Text, bad_option), "Uri-Path that is no UTF-8");
    assert_eq!(answer_of(&con_get(&[0xd1, 22, b'x'])), (Fault::Proxy, Some(vec![0x60, 0xa5, 0x12, 0x34])), "Proxy-Uri");
    for (number, delta) in [(23, 10), (27, 14)] {
        let (fault, answer) = answer_of(&con_get(&[0xd1, delta, 0x07]));
        assert_eq!((fault, answer), (Fault::BlockSize(number), Some(vec![0x60, 0x80, 0x12, 0x34])), "size exponent 7");
    }
    let response = [&[0x40, 0x45, 0x12, 0x34][..], &[0x91, 0x00]].concat();
    assert_eq!(answer_of(&response).1, Some(vec![0x70, 0x00, 0x12, 0x34]), "a response is reset, not answered");
}

#[test]
fn what_is_unusual_and_allowed() {
    let path = con_get(&[&[0xbd, 0xf2][..], &[b'a'; 255]].concat());
    assert_eq!(parse(&path).unwrap().path, ["a".repeat(255)]);
    assert_eq!(parse(&con_get(&[0xb0])).unwrap().path, [""], "an empty Uri-Path segment");
    assert_eq!(parse(&con_get(&[0x61, 5])).unwrap().observe, Some(5));
    assert_eq!(parse(&con_get(&[0x64, 0, 0, 0, 5])).unwrap().observe, None, "Observe of 4 bytes is ignored");
    assert_eq!(parse(&con_get(&[0xc0])).unwrap().content_format, Some(0), "Content-Format of 0 bytes is text/plain");
    assert_eq!(parse(&con_get(&[0xc2, 0x06, 0x06])).unwrap().content_format, Some(1542), "legacy TLV");
    assert_eq!(parse(&con_get(&[0xc2, 0xff, 0xfe])).unwrap().content_format, Some(65_534), "unlisted");
    assert_eq!(parse(&con_get(&[0xc3, 0, 0, 1])).unwrap().content_format, None, "Content-Format of 3 bytes is ignored");
    assert_eq!(parse(&con_get(&[0xe1, 0x01, 0x01, 0x0a])).map(|m| m.code), Ok(Code::GET), "unknown elective option 526");
    assert!(parse(&con_get(&[0xd1, 14, 0x08])).unwrap().is_partial(), "Block1 with the More bit");
    assert!(!parse(&con_get(&[0xd1, 14, 0x02])).unwrap().is_partial(), "Block1 that is the whole");
    assert!(!parse(&con_get(&[0xd1, 10, 0x18])).unwrap().is_partial(), "Block2 of a request asks for a piece");
    assert_eq!(parse(&con_get(&[0x40])).unwrap().etag, None, "an empty ETag is ignored");
    assert_eq!(parse(&con_get(&[0xd0, 239])).unwrap().echo, b"", "an empty Echo is ignored");
    let twice = parse(&con_get(&[0xe1, 0, 23, 7, 0x00])).unwrap().request_tag;
    assert_eq!(twice, [Tag::new(&[7]).unwrap(), Tag::default()], "Request-Tag may come again, and be empty");
    let quiet = parse(&con_get(&[0xd1, 245, 0x18])).unwrap();
    assert_eq!(
        [Code::CHANGED, Code::BAD_REQUEST, Code::UNAVAILABLE].map(|code| code.is_unwanted(quiet.no_response)),
        [false, true, true]
    );
    assert_eq!(parse(&[0x40, 0x00, 0x12, 0x34]).unwrap().code, Code::EMPTY);
}

fn messages() -> impl Strategy<Value = Message> {
    let kind = prop_oneof![Just(Kind::Con), Just(Kind::Non)];
    let code = prop_oneof![1..=7_u8, 0x40..=0x5f_u8, 0x80..=0xbf_u8];
    let texts = || proptest::collection::vec("[ -~é]{0,40}", 0..5);
    let numbers = (proptest::option::of(0..1_u32 << 24), any::<Option<u16>>(), any::<Option<u16>>());
    let payload = proptest::collection::vec(any::<u8>(), 0..100);
    let block =
        || proptest::option::of((0..1_u32 << 20, any::<bool>(), 0..7_u8).prop_map(|(num, more, szx)| Block { num, more, szx }));
    let tag = |least| proptest::collection::vec(any::<u8>(), least..=8).prop_map(|bytes| Tag::new(&bytes).unwrap());
    let pieces = (block(), block(), any::<Option<u32>>(), any::<Option<u32>>(), proptest::option::of(tag(1)));
    let rare = (
        any::<Option<u32>>(),
        proptest::collection::vec(any::<u8>(), 0..=40),
        proptest::collection::vec(tag(0), 0..3),
        any::<Option<u8>>(),
    );
    let token = proptest::collection::vec(any::<u8>(), 0..=8);
    (kind, code, any::<u16>(), token, numbers, texts(), texts(), payload, pieces, rare).prop_map(
        |(kind, code, mid, token, (observe, content_format, accept), path, query, payload, pieces, rare)| Message {
            block1: pieces.0,
            block2: pieces.1,
            size1: pieces.2,
            size2: pieces.3,
            etag: pieces.4,
            max_age: rare.0,
            echo: rare.1,
            request_tag: rare.2,
            no_response: rare.3,
            observe,
            content_format,
            accept,
            path,
            query,
            payload,
            ..Message::new(kind, Code(code), mid, Token::new(&token).unwrap())
        },
    )
}

proptest! {
    #[test]
    fn what_is_built_is_read_back(message in messages()) {
        prop_assert_eq!(parse(&message.to_bytes()), Ok(message));
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Err(malformed) = parse(&bytes) {
            let answer = malformed.answer.unwrap_or_default();
            prop_assert!(answer.len() <= bytes.len());
        }
    }

    #[test]
    fn a_damaged_message_is_read_or_refused(message in messages(), at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let mut bytes = message.to_bytes();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        let _ = parse(&bytes);
        bytes.truncate(at);
        let _ = parse(&bytes);
    }
}
