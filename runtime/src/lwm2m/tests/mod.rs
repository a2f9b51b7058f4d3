//! The server by hand: one datagram in, the bytes and occurrences out. Networks with loss are in the system tests.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use super::server::Arrival;
use super::{
    Answer, Ask, Came, Counters, DownlinkId, Names, Occurrence, Pace, Passed, Place, Remark, Reply, Server, ServerConfig, Ticket,
    UplinkMessage, Use, Wire, spell,
};
use crate::coap::{Code, EXCHANGE_LIFETIME, Kind, Message, OCTET_STREAM, Token, parse};
use crate::model::{DeviceId, Observation, Registration, Timestamp};

mod ets;
mod memory;
mod observations;

const DEVICE: DeviceId = DeviceId(7);

struct Bench {
    server: Server,
    now: Instant,
    wall: Timestamp,
    peer: SocketAddr,
    nonce: u32,
    /// What is to be observed beside /19/0/0.
    observe: Vec<String>,
}

/// Devices stay in memory; `memory` lets them leave it.
fn bench() -> Bench {
    bench_with(ServerConfig { rest: Duration::from_secs(100_000), ..ServerConfig::default() })
}

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
fn bench_with(config: ServerConfig) -> Bench {
    let peer = "192.0.2.1:5683".parse().unwrap();
    let (now, wall) = (Instant::now(), Timestamp(1_700_000_000_000));
    let mut server = Server::new(config, names(), [1; 32], (now, wall));
    server.handle_answer(now, Answer::Remembered);
    Bench { server, now, wall, peer, nonce: 0, observe: Vec::new() }
}

fn names() -> Names {
    Names::new([2; 32])
}

impl Bench {
    fn wait(&mut self, seconds: u64) {
        self.now += Duration::from_secs(seconds);
        self.wall = self.wall.plus_ms(seconds * 1_000);
        self.server.handle_timeout(self.now, self.wall);
    }

    fn hear(&mut self, datagram: &[u8]) -> Vec<Message> {
        self.server.handle_datagram(self.now, self.wall, self.peer, datagram);
        self.sent()
    }

    fn ask(&mut self, code: Code, mid: u16, path: &str, query: &[&str]) -> Vec<Message> {
        let mut message = Message::new(Kind::Con, code, mid, Token::new(&[9]).unwrap()).with_path(path.split('/'));
        message.query = query.iter().map(|&parameter| parameter.to_owned()).collect();
        self.hear(&message.to_bytes())
    }

    fn notify(&mut self, kind: Kind, mid: u16, token: Token, payload: &[u8]) -> Vec<Message> {
        let mut message = Message::new(kind, Code::CONTENT, mid, token).with_payload(OCTET_STREAM, payload.to_vec());
        message.observe = Some(u32::from(mid));
        self.hear(&message.to_bytes())
    }

    fn sent(&mut self) -> Vec<Message> {
        std::iter::from_fn(|| self.server.poll_transmit()).map(|t| parse(&t.datagram).unwrap()).collect()
    }

    fn answer(&mut self, answer: Answer) -> Vec<Message> {
        self.server.handle_answer(self.now, answer);
        self.sent()
    }

    fn uplink(&mut self) -> UplinkMessage {
        match self.server.poll_occurrence() {
            Some(Occurrence::Uplink(uplink)) => uplink,
            other => panic!("no uplink but {other:?}"),
        }
    }

    fn remark(&mut self) -> Remark {
        self.server.poll_remark().expect("a remark")
    }

    /// Registers DEVICE; returns the 2.01 and the Observe.
    fn register(&mut self, mid: u16) -> (Registration, Message, Message) {
        assert_eq!(self.ask(Code::POST, mid, "rd", &["ep=meter", "lt=300", "b=UQ"]), []);
        let Some(Occurrence::Register(request)) = self.server.poll_occurrence() else { panic!("no Register") };
        self.nonce += 1;
        let registration = Registration {
            device: DEVICE,
            location: spell(names().seal(DEVICE, Use::Location, self.nonce)),
            token: spell(names().seal(DEVICE, Use::Observation, self.nonce)),
            peer: request.peer,
            lifetime_s: request.lifetime_s,
            version: request.version,
            binding: request.binding,
            objects: request.objects,
            formats: request.formats,
            observed: false,
            observations: self
                .observe
                .iter()
                .zip(1_000..)
                .map(|(path, nonce)| Observation {
                    path: path.clone(),
                    token: spell(names().seal(DEVICE, Use::Observation, nonce)),
                    taken: false,
                    by: Default::default(),
                })
                .collect(),
            registered: self.wall,
            updated: self.wall,
            moves: Default::default(),
        };
        let mut sent = self.answer(Answer::Register { ticket: request.ticket, registration: registration.clone() }).into_iter();
        (registration, sent.next().unwrap(), sent.next().unwrap())
    }

    /// Registers and answers the Observe as the LiteOS client does; returns the observation's token.
    fn observed(&mut self) -> Token {
        let (_, _, observe) = self.register(1);
        self.reply(&observe, Code::CONTENT, Some(0), b"");
        observe.token
    }

    fn reply(&mut self, to: &Message, code: Code, observe: Option<u32>, payload: &[u8]) -> Vec<Message> {
        let mut message = Message::new(Kind::Ack, code, to.mid, to.token);
        (message.observe, message.payload) = (observe, payload.to_vec());
        self.hear(&message.to_bytes())
    }

    fn send(&mut self, id: u128) -> Vec<Message> {
        let (device, id) = (DEVICE, DownlinkId(id));
        let ask = Ask::new(Code::PUT, ["19", "1", "0"]).with_payload(OCTET_STREAM, b"down".to_vec());
        self.answer(Answer::Send { device, id, ask, wire: None, pace: Pace::default() })
    }

    fn occurrences(&mut self) -> Vec<Occurrence> {
        std::iter::from_fn(|| self.server.poll_occurrence()).collect()
    }
}

fn empty(kind: Kind, mid: u16) -> Message {
    Message::new(kind, Code::EMPTY, mid, Token::default())
}

#[test]
fn a_register_is_answered_with_its_location_and_observed() {
    let mut bench = bench();
    let (registration, created, observe) = bench.register(5);
    assert_eq!((created.kind, created.code, created.mid, created.token.as_bytes()), (Kind::Ack, Code::CREATED, 5, &[9][..]));
    assert_eq!(created.location, ["rd", registration.location.as_str()]);
    assert_eq!((observe.kind, observe.code, observe.observe), (Kind::Con, Code::GET, Some(0)));
    assert_eq!(observe.path, ["19", "0", "0"]);
    assert_eq!(hex::encode(observe.token.as_bytes()), registration.token);
    let again = bench.ask(Code::POST, 5, "rd", &["ep=meter", "lt=300", "b=UQ"]);
    assert_eq!(again, [created], "a duplicate gets the same bytes and asks nobody");
    assert_eq!(bench.occurrences(), []);
}

#[test]
fn the_empty_first_response_is_no_uplink() {
    for (payload, code) in [(&b""[..], Code::CONTENT), (&[0], Code::CONTENT), (b"", Code::CHANGED)] {
        let mut bench = bench();
        let (_, _, observe) = bench.register(1);
        assert_eq!(bench.reply(&observe, code, Some(0), payload), []);
        assert_eq!((bench.occurrences(), bench.server.poll_remark()), (vec![], None), "{payload:?}");
    }
}

#[test]
fn a_first_response_with_a_report_is_an_uplink() {
    let mut bench = bench();
    let (_, _, observe) = bench.register(1);
    bench.reply(&observe, Code::CONTENT, Some(0), b"report");
    let uplink = bench.uplink();
    assert_eq!(uplink.payload, b"report");
    assert_eq!(bench.answer(Answer::Accept { ticket: uplink.ticket }), [], "an ACK is not acknowledged");
    bench.reply(&observe, Code::CONTENT, Some(0), b"report");
    assert_eq!(bench.occurrences(), [], "nor delivered twice");
}

#[test]
fn a_notify_is_acknowledged_when_it_is_stored_and_not_before() {
    let mut bench = bench();
    let token = bench.observed();
    assert_eq!(bench.notify(Kind::Con, 10, token, b"up"), []);
    let uplink = bench.uplink();
    assert_eq!((uplink.device, uplink.path, uplink.content_format), (DEVICE, "/19/0/0".into(), Some(42)));
    assert_eq!(bench.notify(Kind::Con, 10, token, b"up"), [], "a duplicate of what is in work: silence");
    assert_eq!(bench.answer(Answer::Accept { ticket: uplink.ticket }), [empty(Kind::Ack, 10)]);
    assert_eq!(bench.notify(Kind::Con, 10, token, b"up"), [empty(Kind::Ack, 10)], "a duplicate is answered again");
    assert_eq!(bench.occurrences(), []);
    assert_eq!(bench.server.counters().duplicates, 2);
    bench.wait(EXCHANGE_LIFETIME.as_secs());
    bench.notify(Kind::Con, 10, token, b"up");
    assert_eq!(bench.uplink().payload, b"up", "the message id is free again after its lifetime");
}

#[test]
fn a_non_confirmable_notify_is_taken_once_and_never_answered() {
    let mut bench = bench();
    let token = bench.observed();
    assert_eq!(bench.notify(Kind::Non, 10, token, b"up"), []);
    let ticket = bench.uplink().ticket;
    assert_eq!(bench.answer(Answer::Accept { ticket }), []);
    assert_eq!(bench.notify(Kind::Non, 10, token, b"up"), []);
    assert_eq!(bench.occurrences(), []);
}

#[test]
fn a_forgotten_uplink_comes_again() {
    let mut bench = bench();
    let token = bench.observed();
    for answer in [|ticket| Answer::Forget { ticket }, |ticket| Answer::Refuse { ticket, code: 503 }] {
        bench.notify(Kind::Con, 10, token, b"up");
        let ticket = bench.uplink().ticket;
        assert_eq!(bench.answer(answer(ticket)), [], "silence");
        assert_eq!(bench.answer(answer(ticket)), [], "a closed ticket is nothing");
    }
    bench.notify(Kind::Con, 10, token, b"up");
    let ticket = bench.uplink().ticket;
    assert_eq!(bench.answer(Answer::Refuse { ticket, code: 403 }), [empty(Kind::Rst, 10)]);
}

#[test]
fn an_older_observe_number_is_delivered_too() {
    let mut bench = bench();
    let token = bench.observed();
    for mid in [20, 10, 0xffff, 0] {
        bench.notify(Kind::Non, mid, token, b"up");
        bench.uplink();
    }
}

#[test]
fn other_bytes_under_a_message_id_in_use_are_another_message() {
    let mut bench = bench();
    let token = bench.observed();
    for payload in [b"one", b"two"] {
        bench.notify(Kind::Con, 10, token, payload);
        let uplink = bench.uplink();
        assert_eq!(uplink.payload, payload);
        bench.answer(Answer::Accept { ticket: uplink.ticket });
    }
}

#[test]
fn requests_that_are_refused_at_once() {
    let mut bench = bench();
    bench.register(1);
    let unknown = "rd/00000000000000ff";
    for (mid, (code, path, query, expected)) in (100..).zip([
        (Code::POST, "rd", &["lt=60"][..], Code::BAD_REQUEST),
        (Code::POST, "rd", &["ep=a", "lt=0"], Code::BAD_REQUEST),
        (Code::POST, "rd", &["ep=a", "lwm2m=2.0"], Code::PRECONDITION_FAILED),
        (Code::GET, "rd", &[], Code::METHOD_NOT_ALLOWED),
        (Code::PUT, "rd/x", &[], Code::METHOD_NOT_ALLOWED),
        (Code(0x05), "rd", &[], Code::METHOD_NOT_ALLOWED),
        (Code(0x1f), "rd", &[], Code::METHOD_NOT_ALLOWED),
        (Code::POST, unknown, &[], Code::NOT_FOUND),
        (Code::POST, "rd/x", &[], Code::NOT_FOUND),
        (Code::DELETE, unknown, &[], Code::NOT_FOUND),
        (Code::POST, "rd/a/b", &["ep=a"], Code::NOT_FOUND),
        (Code::POST, "dp", &[], Code::NOT_FOUND),
        (Code::POST, "bs", &["ep=a"], Code::NOT_FOUND),
        (Code::GET, "", &[], Code::NOT_FOUND),
    ]) {
        let sent = bench.ask(code, mid, path, query);
        assert_eq!(sent.iter().map(|m| (m.kind, m.code, m.mid)).collect::<Vec<_>>(), [(Kind::Ack, expected, mid)], "{path}");
        assert!(matches!(bench.remark(), Remark::Refused { .. }));
    }
    assert_eq!(bench.occurrences(), []);
    let missing = bench.ask(Code::POST, 99, "rd", &["lt=60", "b=UQ", "lwm2m=1.0"]);
    assert_eq!(missing[0].payload, b"ep is missing");
    let known = bench.ask(Code::GET, 200, ".well-known/core", &[]);
    let links = b"</rd>;rt=\"core.rd\";ct=40,</dp>;ct=\"110 112\"";
    assert_eq!((known[0].code, known[0].payload.as_slice()), (Code::CONTENT, &links[..]));
}

#[test]
fn a_large_answer_waits_until_the_address_is_proven() {
    let mut bench = bench();
    let request = Message::new(Kind::Con, Code::GET, 5, Token::default());
    let arrival = Arrival::new(bench.now, bench.peer, &request, 20);
    let answer = vec![0x5a; 61];
    assert_eq!(bench.server.challenge(bench.wall, &arrival, &[], answer[1..].to_vec()), answer[1..], "three times 20 bytes");
    let challenge = parse(&bench.server.challenge(bench.wall, &arrival, &[], answer.clone())).unwrap();
    assert_eq!((challenge.kind, challenge.code, challenge.mid), (Kind::Ack, Code::UNAUTHORIZED, 5));
    assert_eq!(bench.server.challenge(bench.wall, &arrival, &challenge.echo, answer.clone()), answer, "it repeats the Echo");
    let elsewhere = Arrival { peer: "192.0.2.9:5683".parse().unwrap(), ..arrival };
    assert_ne!(bench.server.challenge(bench.wall, &elsewhere, &challenge.echo, answer.clone()), answer, "another address");
}

#[test]
fn an_unknown_token_is_reset_and_the_device_stops() {
    let mut bench = bench();
    for (mid, token) in (0..).zip([Token::default(), Token::new(&[1]).unwrap(), Token::from(5)]) {
        assert_eq!(bench.notify(Kind::Con, mid, token, b"up"), [empty(Kind::Rst, mid)]);
        assert_eq!(bench.notify(Kind::Non, mid, token, b"up"), [empty(Kind::Rst, mid)]);
    }
    assert_eq!(bench.server.load(), (0, 0), "strangers cost no memory");
}

#[test]
fn messages_that_answer_nothing() {
    let mut bench = bench();
    let token = bench.observed();
    assert_eq!(bench.hear(&empty(Kind::Con, 3).to_bytes()), [empty(Kind::Rst, 3)], "ping");
    for (kind, mid) in [(Kind::Non, 3), (Kind::Ack, 3), (Kind::Rst, 3)] {
        assert_eq!(bench.hear(&empty(kind, mid).to_bytes()), [], "{kind:?}");
    }
    let stale = Message::new(Kind::Ack, Code::CONTENT, 77, token).with_payload(42, b"x".to_vec());
    assert_eq!(bench.hear(&stale.to_bytes()), [], "a response in an ACK to nothing");
    assert_eq!(bench.occurrences(), []);
}

#[test]
fn an_update_counts_when_it_is_answered() {
    let mut bench = bench();
    let (registration, ..) = bench.register(1);
    let path = format!("rd/{}", registration.location);
    bench.wait(200);
    bench.sent();
    bench.peer = "192.0.2.9:1024".parse().unwrap();
    assert_eq!(bench.ask(Code::POST, 2, &path, &["lt=600"]), []);
    let Some(Occurrence::Update { ticket, registration: renewed }) = bench.server.poll_occurrence() else { panic!() };
    let expected = Registration { lifetime_s: 600, peer: bench.peer, updated: bench.wall, ..registration };
    assert_eq!(renewed, expected);
    assert_eq!(bench.answer(Answer::Accept { ticket })[0].code, Code::CHANGED);
    bench.wait(599);
    assert!(!bench.occurrences().contains(&Occurrence::Expired { device: DEVICE }));
    bench.wait(1);
    assert!(bench.occurrences().contains(&Occurrence::Expired { device: DEVICE }));
    bench.sent();
    assert_eq!(bench.ask(Code::POST, 3, &path, &[])[0].code, Code::NOT_FOUND);
}

#[test]
fn a_shorter_lifetime_ends_sooner_and_once() {
    let mut bench = bench();
    let (registration, ..) = bench.register(1);
    for (mid, query) in [(2, "lt=50"), (3, "lt=100"), (4, "lt=20")] {
        bench.ask(Code::POST, mid, &format!("rd/{}", registration.location), &[query]);
        let Some(Occurrence::Update { ticket, .. }) = bench.server.poll_occurrence() else { panic!() };
        bench.answer(Answer::Accept { ticket });
    }
    bench.wait(19);
    assert_eq!(bench.occurrences(), []);
    bench.wait(1);
    assert_eq!(bench.occurrences(), [Occurrence::Expired { device: DEVICE }]);
    bench.wait(200_000);
    assert_eq!((bench.occurrences(), bench.server.poll_timeout()), (vec![], None));
}

#[test]
fn a_deregister_ends_what_waits_and_is_answered_again() {
    let mut bench = bench();
    let (registration, ..) = bench.register(1);
    bench.send(1);
    let path = format!("rd/{}", registration.location);
    bench.ask(Code::DELETE, 2, &path, &[]);
    let Some(Occurrence::Deregister { ticket, device: DEVICE }) = bench.server.poll_occurrence() else { panic!() };
    let deleted = bench.answer(Answer::Accept { ticket });
    assert_eq!(deleted[0].code, Code::DELETED);
    assert_eq!(bench.occurrences(), [Occurrence::TimedOut { device: DEVICE, id: DownlinkId(1) }]);
    assert_eq!(bench.ask(Code::DELETE, 2, &path, &[]), deleted);
    assert_eq!(bench.server.registered(), 0);
}

#[test]
fn a_register_of_the_same_device_replaces_and_another_on_the_same_address_does_not() {
    let mut bench = bench();
    let token = bench.observed();
    bench.ask(Code::POST, 50, "rd", &["ep=other"]);
    let Some(Occurrence::Register(request)) = bench.server.poll_occurrence() else { panic!() };
    assert_eq!(bench.answer(Answer::Refuse { ticket: request.ticket, code: 403 })[0].code, Code::FORBIDDEN);
    bench.notify(Kind::Con, 51, token, b"still");
    assert_eq!(bench.uplink().payload, b"still");
    let (_, _, observe) = bench.register(52);
    assert_eq!(bench.notify(Kind::Con, 53, token, b"old"), [empty(Kind::Rst, 53)]);
    bench.notify(Kind::Con, 54, observe.token, b"new");
    assert_eq!(bench.uplink().payload, b"new");
    assert_eq!(bench.server.registered(), 1);
}

#[test]
fn a_refused_register_is_asked_about_again() {
    let mut bench = bench();
    for _ in 0..2 {
        bench.ask(Code::POST, 1, "rd", &["ep=stranger"]);
        let Some(Occurrence::Register(request)) = bench.server.poll_occurrence() else { panic!() };
        assert_eq!(bench.answer(Answer::Refuse { ticket: request.ticket, code: 503 })[0].code, Code::UNAVAILABLE);
        assert_eq!(bench.server.load(), (0, 0));
    }
}

#[test]
fn one_downlink_at_a_time_and_each_outcome() {
    let mut bench = bench();
    bench.observed();
    let first = bench.send(1);
    assert_eq!((first[0].code, first[0].content_format, first[0].payload.as_slice()), (Code::PUT, Some(42), &b"down"[..]));
    assert_eq!(first[0].path, ["19", "1", "0"]);
    assert_eq!(bench.send(2), []);
    assert_eq!(bench.send(3), []);
    let answered = |id, code| {
        let reply = Reply { code, content_format: None, observe: None, payload: Vec::new() };
        Occurrence::Answered { device: DEVICE, id: DownlinkId(id), reply }
    };
    let second = bench.reply(&first[0], Code::CHANGED, None, b"");
    assert_eq!(bench.occurrences(), [answered(1, Code::CHANGED)]);
    let third = bench.reply(&second[0], Code::NOT_FOUND, None, b"");
    assert_eq!(bench.occurrences(), [answered(2, Code::NOT_FOUND)]);
    assert_eq!(bench.hear(&empty(Kind::Rst, third[0].mid).to_bytes()), []);
    assert_eq!(bench.occurrences(), [Occurrence::Reset { device: DEVICE, id: DownlinkId(3) }]);
    let fourth = bench.send(4);
    assert_eq!(bench.hear(&empty(Kind::Ack, fourth[0].mid).to_bytes()), []);
    bench.wait(100);
    assert_eq!(bench.sent(), [], "an empty ACK ends the resends");
    let separate = Message::new(Kind::Con, Code::CHANGED, 900, fourth[0].token).to_bytes();
    assert_eq!(bench.hear(&separate), [empty(Kind::Ack, 900)]);
    assert_eq!(bench.hear(&separate), [empty(Kind::Ack, 900)]);
    assert_eq!(bench.occurrences(), [answered(4, Code::CHANGED)]);
}

#[test]
fn an_unanswered_downlink_is_resent_to_the_newest_address_and_times_out_once() {
    let mut bench = bench();
    let token = bench.observed();
    bench.send(1);
    bench.peer = "192.0.2.9:1024".parse().unwrap();
    bench.notify(Kind::Non, 5, token, b"up");
    bench.uplink();
    let start = bench.now;
    let mut resends = Vec::new();
    while bench.occurrences().is_empty() {
        bench.now = bench.server.poll_timeout().unwrap();
        bench.server.handle_timeout(bench.now, bench.wall);
        while let Some(transmit) = bench.server.poll_transmit() {
            assert_eq!(transmit.peer, bench.peer);
            resends.push(bench.now - start);
        }
    }
    assert_eq!(resends.len(), 3);
    let span = bench.now - start;
    assert!((150..=225).contains(&span.as_secs()), "{span:?}");
    assert_eq!(bench.server.counters().retransmissions, 3);
}

#[test]
fn what_cannot_wait_times_out_at_once() {
    let mut bench = bench_with(ServerConfig { downlinks_per_device: 1, ..ServerConfig::default() });
    let timed_out = |id| vec![Occurrence::TimedOut { device: DEVICE, id: DownlinkId(id) }];
    bench.send(1);
    assert_eq!(bench.occurrences(), timed_out(1), "not registered");
    bench.observed();
    for id in [2, 3] {
        bench.send(id);
    }
    assert_eq!(bench.occurrences(), []);
    bench.send(4);
    assert_eq!(bench.occurrences(), timed_out(4), "one under way, one waiting, no more");
    bench.answer(Answer::Remove { device: DEVICE });
    assert_eq!(bench.occurrences(), [timed_out(2), timed_out(3)].concat());
}

#[test]
fn open_tickets_are_bounded_and_age_out() {
    let mut bench = bench_with(ServerConfig { open_tickets: 2, ..ServerConfig::default() });
    for mid in 0..5 {
        bench.ask(Code::POST, mid, "rd", &["ep=a"]);
    }
    assert_eq!(bench.occurrences().len(), 2);
    assert_eq!((bench.server.load(), bench.server.counters().busy), ((2, 2), 3));
    assert_eq!(bench.server.counters(), Counters { datagrams: 5, busy: 3, ..Counters::default() });
    assert_eq!(bench.answer(Answer::Accept { ticket: Ticket(99) }), []);
}

#[test]
fn replies_to_strangers_stay_within_three_times_the_request() {
    let mut bench = bench();
    for datagram in [&[0x40, 0x02, 0, 1][..], &[0x40, 0x01, 0, 1, 0xb0], &[0x40, 0x02, 0, 1, 0xb2, b'r', b'd']] {
        bench.server.handle_datagram(bench.now, bench.wall, bench.peer, datagram);
        let reply = bench.server.poll_transmit().unwrap().datagram;
        assert!(reply.len() <= 3 * datagram.len());
    }
}
