//! Devices that leave memory and come back, and servers that share an address.

use super::*;

/// Answers the server's wish to know a device.
fn recall(bench: &mut Bench, registration: Option<&Registration>) -> Vec<Message> {
    assert_eq!(bench.occurrences(), [Occurrence::Recall { device: DEVICE }]);
    bench.answer(Answer::Recalled { device: DEVICE, registration: registration.cloned().map(Box::new) })
}

#[test]
fn a_restarted_server_knows_its_devices_by_their_tokens() {
    let mut before = bench();
    let (registration, _, observe) = before.register(1);
    let mut bench = bench();
    let later = before.wall.plus_ms(100_000);
    bench.server = Server::new(ServerConfig::default(), names(), [3; 32], (bench.now, later));
    bench.peer = "192.0.2.77:999".parse().unwrap();
    assert_eq!(bench.notify(Kind::Con, 4, observe.token, b"after"), [], "before anything was told: it is looked up");
    assert_eq!(recall(&mut bench, Some(&registration)), []);
    let ticket = bench.uplink().ticket;
    assert_eq!(bench.answer(Answer::Accept { ticket }), [empty(Kind::Ack, 4)]);
    bench.answer(Answer::Remember(vec![registration]));
    bench.answer(Answer::Remembered);
    assert_eq!((bench.server.registered(), bench.sent()), (1, vec![]), "nothing is observed anew");
    assert_eq!(bench.send(1).len(), 1);
    bench.wait(199);
    assert!(bench.server.is_registered(DEVICE));
    bench.wait(1);
    assert!(!bench.server.is_registered(DEVICE), "the lifetime did not stop with the server");
}

#[test]
fn a_store_that_came_from_another_gateway_is_known_by_what_it_says() {
    let mut before = bench();
    let (registration, _, observe) = before.register(1);
    let mut bench = bench();
    bench.server = Server::new(ServerConfig::default(), Names::new([99; 32]), [3; 32], (bench.now, bench.wall));
    let alien = Registration { device: DeviceId(8), location: "not-ours".to_owned(), ..registration.clone() };
    bench.answer(Answer::Remember(vec![registration.clone(), alien]));
    bench.answer(Answer::Remembered);
    bench.notify(Kind::Con, 4, observe.token, b"after");
    recall(&mut bench, Some(&registration));
    assert_eq!(bench.uplink().payload, b"after");
    bench.ask(Code::POST, 5, &format!("rd/{}", registration.location), &[]);
    assert!(matches!(bench.server.poll_occurrence(), Some(Occurrence::Update { .. })));
}

#[test]
fn an_idle_device_leaves_memory_and_comes_back_when_it_speaks_or_is_spoken_to() {
    let mut bench = bench_with(ServerConfig::default());
    let (_, _, observe) = bench.register(1);
    bench.reply(&observe, Code::CONTENT, Some(0), b"");
    bench.wait(59);
    assert_eq!(bench.server.awake(), 1, "it spoke less than a minute ago, or so");
    bench.wait(61);
    assert_eq!((bench.server.awake(), bench.server.registered()), (0, 1));
    let [Occurrence::Keep { registration }] = &bench.occurrences()[..] else { panic!("its observation is to be stored") };
    assert!(registration.observed);
    assert_eq!(bench.notify(Kind::Con, 9, observe.token, b"up"), []);
    assert_eq!(bench.notify(Kind::Con, 9, observe.token, b"up"), [], "a resend waits as well");
    recall(&mut bench, Some(registration));
    let ticket = bench.uplink().ticket;
    assert_eq!(bench.occurrences(), [], "one report");
    assert_eq!(bench.answer(Answer::Accept { ticket }), [empty(Kind::Ack, 9)]);
    bench.wait(121);
    assert_eq!((bench.server.awake(), bench.occurrences()), (0, vec![]), "nothing new to store");
    assert_eq!(bench.send(1), []);
    let sent = recall(&mut bench, Some(registration));
    assert_eq!((sent.len(), sent[0].code), (1, Code::PUT), "and nothing is observed anew");
}

#[test]
fn what_is_parked_is_bounded_and_ends_when_there_is_no_registration() {
    let mut bench = bench();
    let config = ServerConfig { parked_bytes: 1_000, ..ServerConfig::default() };
    bench.server = Server::new(config, names(), [3; 32], (bench.now, bench.wall));
    let token = Token::from(names().seal(DEVICE, Use::Observation, 5));
    for mid in 0..100 {
        bench.notify(Kind::Con, mid, token, b"up");
    }
    let parked = 100 - bench.server.counters().not_parked;
    assert!((5..15).contains(&parked), "{parked}");
    let resets = recall(&mut bench, None);
    assert_eq!(resets.len() as u64, parked);
    assert!(resets.iter().all(|message| message.kind == Kind::Rst));
    bench.answer(Answer::Remembered);
    assert_eq!(bench.notify(Kind::Con, 200, token, b"up"), [empty(Kind::Rst, 200)], "known to be nobody: not looked up");
    assert_eq!(bench.occurrences(), []);
}

/// What one server passes on is heard at the other.
#[test]
fn servers_that_share_an_address_act_as_one() {
    let at = |index| bench_with(ServerConfig { place: Place { index, count: 2 }, ..ServerConfig::default() });
    let (mut away, mut home) = (at(0), at(1));
    assert_eq!(Place { index: 0, count: 2 }.home(DEVICE), 1);
    fn over(from: &mut Bench, to: &mut Bench) -> Vec<Message> {
        while let Some((_, passed)) = from.server.poll_passed() {
            to.server.handle_passed(to.now, to.wall, passed);
        }
        assert!(!matches!(to.server.poll_passed(), Some((_, Passed::Datagram { .. }))), "nothing goes round in circles");
        to.sent()
    }
    away.ask(Code::POST, 1, "rd", &["ep=meter", "lt=300"]);
    let Some(Occurrence::Register(request)) = away.server.poll_occurrence() else { panic!() };
    let mut other = bench();
    let (registration, ..) = other.register(1);
    let created = away.answer(Answer::Register { ticket: request.ticket, registration: registration.clone() });
    assert_eq!((created.len(), created[0].code), (1, Code::CREATED));
    let observe = over(&mut away, &mut home).remove(0);
    assert_eq!((away.server.registered(), home.server.registered()), (0, 1));
    away.reply(&observe, Code::CONTENT, Some(0), b"");
    assert_eq!(over(&mut away, &mut home), []);
    away.notify(Kind::Con, 5, observe.token, b"up");
    over(&mut away, &mut home);
    let ticket = home.uplink().ticket;
    assert_eq!(ticket.server(), 1);
    assert_eq!(home.answer(Answer::Accept { ticket }), [empty(Kind::Ack, 5)]);
    let down = home.send(1).remove(0);
    away.hear(&empty(Kind::Rst, down.mid).to_bytes());
    assert_eq!(over(&mut away, &mut home), []);
    assert_eq!(home.occurrences(), [Occurrence::Reset { device: DEVICE, id: DownlinkId(1) }]);
    away.hear(&empty(Kind::Rst, 99).to_bytes());
    assert_eq!(over(&mut away, &mut home), [], "an RST to nothing ends at the last of them");
    away.ask(Code::DELETE, 8, &format!("rd/{}", registration.location), &[]);
    over(&mut away, &mut home);
    let Some(Occurrence::Deregister { ticket, .. }) = home.server.poll_occurrence() else { panic!() };
    assert_eq!(home.answer(Answer::Accept { ticket })[0].code, Code::DELETED);
}

#[test]
fn a_store_that_cannot_tell_ends_nothing() {
    let mut bench = bench();
    bench.server = Server::new(ServerConfig::default(), names(), [3; 32], (bench.now, bench.wall));
    let token = Token::from(names().seal(DEVICE, Use::Observation, 5));
    assert_eq!(bench.notify(Kind::Con, 1, token, b"up"), []);
    bench.send(7);
    assert_eq!(bench.occurrences(), [Occurrence::Recall { device: DEVICE }]);
    assert_eq!(bench.answer(Answer::NotRecalled { device: DEVICE }), [], "no RST: its observation goes on");
    assert_eq!(bench.occurrences(), [Occurrence::TimedOut { device: DEVICE, id: DownlinkId(7) }]);
    bench.notify(Kind::Con, 1, token, b"up");
    assert_eq!(bench.occurrences(), [Occurrence::Recall { device: DEVICE }], "its resend is a new attempt");
}
