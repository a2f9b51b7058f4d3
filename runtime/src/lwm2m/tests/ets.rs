//! OMA enabler tests of registration, the server's side (LightweightM2M-1.1-int-101 to 109; LwM2M Core 1.1 6.2, 6.5).

use super::*;

fn update(bench: &mut Bench, mid: u16, location: &str, query: &[&str]) -> (Registration, Message) {
    assert_eq!(bench.ask(Code::POST, mid, &format!("rd/{location}"), query), []);
    let Some(Occurrence::Update { ticket, registration }) = bench.server.poll_occurrence() else { panic!("no Update") };
    (registration, bench.answer(Answer::Accept { ticket }).remove(0))
}

fn send(bench: &mut Bench, ask: Ask) -> Message {
    bench.answer(Answer::Send { device: DEVICE, id: DownlinkId(1), ask, wire: None, pace: Pace::default() }).remove(0)
}

#[test]
fn ets_101_initial_registration() {
    let mut bench = bench();
    let objects = br#"</>;rt="oma.lwm2m";ct="60 112",</1/0>;ver=1.1,</3/0>,</19/0>"#;
    let mut register = Message::new(Kind::Con, Code::POST, 1, Token::new(&[9]).unwrap()).with_path(["rd"]);
    register.query = ["ep=urn:imei:867000000000001", "lt=86400", "lwm2m=1.1", "b=U", "Q"].map(str::to_owned).into();
    bench.hear(&register.with_payload(40, objects.to_vec()).to_bytes());
    let Some(Occurrence::Register(request)) = bench.server.poll_occurrence() else { panic!("no Register") };
    assert_eq!((request.endpoint.as_str(), request.lifetime_s), ("urn:imei:867000000000001", 86_400));
    assert_eq!((request.version.as_str(), request.binding.as_str()), ("1.1", "UQ"));
    assert_eq!((request.objects, request.formats), (["/1/0", "/3/0", "/19/0"].map(str::to_owned).into(), vec![60, 112]));
    let (_, created, _) = Bench::register(&mut self::bench(), 1);
    assert_eq!((created.code, created.location.len(), created.location[0].as_str()), (Code::CREATED, 2, "rd"));
}

#[test]
fn ets_102_registration_update() {
    let mut bench = bench();
    let (registration, ..) = bench.register(1);
    let (renewed, reply) = update(&mut bench, 2, &registration.location, &["lt=60"]);
    assert_eq!((reply.kind, reply.code, reply.mid), (Kind::Ack, Code::CHANGED, 2));
    assert_eq!((renewed.lifetime_s, &renewed.objects, &renewed.location), (60, &registration.objects, &registration.location));
    let message = Message::new(Kind::Con, Code::POST, 3, Token::default()).with_path(["rd", registration.location.as_str()]);
    bench.hear(&message.with_payload(40, b"</1/0>,</3303/0>".to_vec()).to_bytes());
    let Some(Occurrence::Update { registration: renewed, .. }) = bench.server.poll_occurrence() else { panic!("no Update") };
    assert_eq!(
        (renewed.objects, renewed.lifetime_s),
        (["/1/0", "/3303/0"].map(str::to_owned).into(), 60),
        "what is not said stays"
    );
}

#[test]
fn ets_103_deregistration() {
    let mut bench = bench();
    let (registration, ..) = bench.register(1);
    let path = format!("rd/{}", registration.location);
    assert_eq!(bench.ask(Code::DELETE, 2, &path, &[]), []);
    let Some(Occurrence::Deregister { ticket, .. }) = bench.server.poll_occurrence() else { panic!("no Deregister") };
    assert_eq!(bench.answer(Answer::Accept { ticket })[0].code, Code::DELETED);
    assert!(!bench.server.is_registered(DEVICE));
    assert_eq!(bench.ask(Code::POST, 3, &path, &[])[0].code, Code::NOT_FOUND);
}

#[test]
fn ets_104_registration_update_trigger() {
    let mut bench = bench();
    let (registration, _, observe) = bench.register(1);
    bench.reply(&observe, Code::CONTENT, Some(0), b"");
    let execute = send(&mut bench, Ask::new(Code::POST, ["1", "0", "8"]));
    assert_eq!((execute.code, execute.path.join("/"), execute.payload.len()), (Code::POST, "1/0/8".to_owned(), 0));
    bench.reply(&execute, Code::CHANGED, None, b"");
    assert!(matches!(&bench.occurrences()[..], [Occurrence::Answered { reply, .. }] if reply.code == Code::CHANGED));
    assert_eq!(update(&mut bench, 2, &registration.location, &[]).1.code, Code::CHANGED);
}

#[test]
fn ets_105_discarded_registration_update() {
    let mut bench = bench();
    let (registration, ..) = bench.register(1);
    bench.wait(301);
    bench.sent();
    assert!(bench.occurrences().contains(&Occurrence::Expired { device: DEVICE }));
    assert_eq!(bench.ask(Code::POST, 2, &format!("rd/{}", registration.location), &["lt=300"])[0].code, Code::NOT_FOUND);
    let (anew, created, _) = bench.register(3);
    assert_eq!(created.code, Code::CREATED);
    assert_ne!(anew.location, registration.location);
}

#[test]
fn ets_107_extending_the_lifetime() {
    let mut bench = bench();
    let (registration, _, observe) = bench.register(1);
    bench.reply(&observe, Code::CONTENT, Some(0), b"");
    let write = send(&mut bench, Ask::new(Code::PUT, ["1", "0", "1"]).with_payload(0, b"1000".to_vec()));
    assert_eq!((write.code, write.path.join("/"), write.content_format), (Code::PUT, "1/0/1".to_owned(), Some(0)));
    bench.reply(&write, Code::CHANGED, None, b"");
    assert!(matches!(&bench.occurrences()[..], [Occurrence::Answered { reply, .. }] if reply.code == Code::CHANGED));
    assert_eq!(update(&mut bench, 2, &registration.location, &["lt=1000"]).0.lifetime_s, 1_000);
    bench.wait(999);
    assert!(bench.server.is_registered(DEVICE));
    bench.wait(1);
    assert!(!bench.server.is_registered(DEVICE));
}

#[test]
fn ets_108_turning_on_queue_mode() {
    let mut bench = bench();
    let (registration, ..) = bench.register(1);
    for (mid, query, binding) in
        [(2, &["b=U"][..], "U"), (3, &["b=UQ"], "UQ"), (4, &["b=U"], "U"), (5, &["b=U", "Q"], "UQ"), (6, &["Q"], "UQ")]
    {
        let (renewed, reply) = update(&mut bench, mid, &registration.location, query);
        assert_eq!((renewed.binding.as_str(), reply.code), (binding, Code::CHANGED), "{query:?}");
    }
}

/// What waits for a sleeping device waits in the flows (`shard`); here: a silent one is given up without harm, and the next message
/// goes to where it wakes.
#[test]
fn ets_109_behaviour_in_queue_mode() {
    let mut bench = bench();
    let token = bench.observed();
    send(&mut bench, Ask::new(Code::GET, ["3", "0", "9"]));
    for _ in 0..30 {
        bench.wait(10);
    }
    assert!(matches!(&bench.occurrences()[..], [Occurrence::TimedOut { .. }, ..]));
    bench.sent();
    let path = format!("rd/{}", bench.register(40).0.location);
    assert!(path.len() > 3 && bench.server.is_registered(DEVICE));
    bench.peer = "192.0.2.50:5683".parse().unwrap();
    assert_eq!(bench.notify(Kind::Con, 50, token, b"old")[0].kind, Kind::Rst, "the registration before is over");
    let (_, _, observe) = bench.register(60);
    bench.reply(&observe, Code::CONTENT, Some(0), b"");
    assert_eq!(send(&mut bench, Ask::new(Code::GET, ["3", "0", "9"])).code, Code::GET);
}
