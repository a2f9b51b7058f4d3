//! Observations beside that of /19/0/0, downlinks of any kind, Send.

use super::*;

#[test]
fn other_resources_are_observed_too_and_their_values_told_as_such() {
    let mut bench = bench();
    bench.observe = vec!["/3/0/7".to_owned(), "/4/0".to_owned()];
    let (_, _, reports) = bench.register(1);
    let power = bench.reply(&reports, Code::CONTENT, Some(0), b"").remove(0);
    assert_eq!((power.path.join("/"), power.observe), ("3/0/7".to_owned(), Some(0)));
    let signal = bench.reply(&power, Code::CONTENT, Some(0), b"3300").remove(0);
    let told = |bench: &mut Bench| match bench.occurrences().remove(0) {
        Occurrence::Resources(message, Came::Notified) => (message.path.into_owned(), message.payload),
        other => panic!("{other:?}"),
    };
    assert_eq!(told(&mut bench), ("/3/0/7".to_owned(), b"3300".to_vec()), "the first answer is a value");
    bench.reply(&signal, Code::NOT_FOUND, None, b"");
    assert!(matches!(bench.remark(), Remark::NotObserved { path, .. } if path == "/4/0"));
    bench.notify(Kind::Con, 9, power.token, b"3290");
    assert_eq!(told(&mut bench), ("/3/0/7".to_owned(), b"3290".to_vec()));
}

#[test]
fn an_observation_is_begun_and_ended_by_a_downlink_under_one_token() {
    let mut bench = bench();
    bench.observed();
    let ask = |observe| {
        let mut ask = Ask::new(Code::GET, ["3303", "0", "5700"]);
        ask.observe = Some(observe);
        Answer::Send { device: DEVICE, id: DownlinkId(1), ask, wire: None, pace: Pace::default() }
    };
    let begin = bench.answer(ask(0)).remove(0);
    bench.reply(&begin, Code::CONTENT, Some(1), b"21.5");
    assert!(matches!(&bench.occurrences()[..], [Occurrence::Answered { reply, .. }] if reply.payload == b"21.5"));
    bench.notify(Kind::Con, 9, begin.token, b"22");
    assert!(matches!(&bench.occurrences()[..], [Occurrence::Resources(message, _)] if message.path == "/3303/0/5700"));
    let end = bench.answer(ask(1)).remove(0);
    assert_eq!((end.token, end.observe), (begin.token, Some(1)), "the same token (RFC 7641 3.6)");
    bench.reply(&end, Code::CONTENT, None, b"22");
    bench.occurrences();
    assert_eq!(bench.notify(Kind::Con, 10, begin.token, b"23"), [empty(Kind::Rst, 10)], "a notify after cancel is reset");
}

#[test]
fn a_downlink_is_the_same_message_again_after_a_restart() {
    let wire = Some(Wire { mid: 0x1234, nonce: 77 });
    let mut sent = Vec::new();
    for seed in [1, 2] {
        let mut bench = bench();
        bench.server = Server::new(ServerConfig::default(), names(), [seed; 32], (bench.now, bench.wall));
        bench.observed();
        let ask = Ask::new(Code::PUT, ["19", "1", "0"]).with_payload(OCTET_STREAM, b"open".to_vec());
        sent.push(bench.answer(Answer::Send { device: DEVICE, id: DownlinkId(1), ask, wire, pace: Pace::default() }).remove(0));
    }
    assert_eq!((sent[0].mid, &sent[0]), (0x1234, &sent[1]));
}

#[test]
fn send_is_taken_from_the_address_of_a_registered_device() {
    let mut bench = bench();
    let post = |bench: &mut Bench, mid, payload: &[u8]| {
        let message = Message::new(Kind::Con, Code::POST, mid, Token::new(&[4]).unwrap()).with_path(["dp"]);
        bench.hear(&message.with_payload(112, payload.to_vec()).to_bytes())
    };
    assert_eq!(post(&mut bench, 1, b"\x80")[0].code, Code::NOT_FOUND);
    bench.ask(Code::POST, 2, "rd", &["ep=meter", "lwm2m=1.1"]);
    let Some(Occurrence::Register(request)) = bench.server.poll_occurrence() else { panic!() };
    let registration = Registration {
        device: DEVICE,
        location: spell(names().seal(DEVICE, Use::Location, 1)),
        token: spell(names().seal(DEVICE, Use::Observation, 1)),
        peer: request.peer,
        lifetime_s: 300,
        version: request.version,
        binding: request.binding,
        objects: vec!["/3/0".to_owned()],
        formats: Vec::new(),
        observed: false,
        observations: Vec::new(),
        registered: bench.wall,
        updated: bench.wall,
        moves: Default::default(),
    };
    let sent = bench.answer(Answer::Register { ticket: request.ticket, registration });
    assert_eq!(sent.len(), 1, "a device without object 19 is not asked to observe it");
    assert_eq!(post(&mut bench, 3, b"\x81\xa0"), []);
    let Some(Occurrence::Resources(message, Came::Sent)) = bench.server.poll_occurrence() else { panic!() };
    assert_eq!((message.device, message.content_format, message.payload.as_slice()), (DEVICE, Some(112), &b"\x81\xa0"[..]));
    assert_eq!(bench.answer(Answer::Accept { ticket: message.ticket })[0].code, Code::CHANGED);
    assert_eq!(post(&mut bench, 3, b"\x81\xa0")[0].code, Code::CHANGED, "a duplicate is answered again");
    bench.peer = "192.0.2.200:5683".parse().unwrap();
    assert_eq!(post(&mut bench, 4, b"\x80")[0].code, Code::NOT_FOUND);
    assert_eq!(bench.occurrences(), []);
}

#[test]
fn a_refused_observe_is_remarked_and_tried_again_at_the_update() {
    let mut bench = bench();
    let (registration, _, observe) = bench.register(1);
    bench.reply(&observe, Code::NOT_FOUND, None, b"");
    assert_eq!(
        bench.remark(),
        Remark::NotObserved { device: DEVICE, path: "/19/0/0".to_owned(), why: "4.04 Not Found".to_owned() }
    );
    bench.ask(Code::POST, 2, &format!("rd/{}", registration.location), &[]);
    let Some(Occurrence::Update { ticket, .. }) = bench.server.poll_occurrence() else { panic!() };
    let sent = bench.answer(Answer::Accept { ticket });
    assert_eq!((sent[1].code, sent[1].token, sent[1].observe), (Code::GET, observe.token, Some(0)));
    bench.notify(Kind::Con, 3, observe.token, b"before the ACK of Observe");
    assert_eq!(bench.uplink().payload, b"before the ACK of Observe");
}

#[test]
fn an_error_notify_ends_the_observation_until_the_update() {
    let mut bench = bench();
    let token = bench.observed();
    let gone = Message::new(Kind::Con, Code::NOT_FOUND, 9, token).to_bytes();
    assert_eq!(bench.hear(&gone), [empty(Kind::Ack, 9)]);
    assert_eq!(
        bench.remark(),
        Remark::NotObserved { device: DEVICE, path: "/19/0/0".to_owned(), why: "4.04 Not Found".to_owned() }
    );
    assert_eq!(bench.occurrences(), []);
}
