//! Bytes from strangers: the server neither panics nor grows.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use codecgate::coap::{Code, Kind, Message, Token};
use codecgate::lwm2m::{Answer, Names, Occurrence, Server, ServerConfig};
use codecgate::model::{DeviceId, Registration, Timestamp};
use proptest::prelude::*;
use proptest::sample::Index;

const TOKEN: u64 = 0x0123_4567_89ab_cdef;
const LOCATION: &str = "00000000000000aa";
const WALL: Timestamp = Timestamp(1_700_000_000_000);

fn peer(number: u16) -> SocketAddr {
    ([10, 0, 0, 1], number).into()
}

/// It is registered.
fn registration() -> Registration {
    Registration {
        device: DeviceId(1),
        location: LOCATION.to_owned(),
        token: format!("{TOKEN:016x}"),
        peer: peer(1),
        lifetime_s: 86_400,
        version: "1.0".to_owned(),
        binding: "UQ".to_owned(),
        objects: vec!["/19/0".to_owned()],
        formats: Vec::new(),
        observed: true,
        observations: Vec::new(),
        registered: WALL,
        updated: WALL,
        moves: Default::default(),
    }
}

/// A server with one registered device and a downlink under way.
#[expect(clippy::disallowed_methods, reason = "an arbitrary origin of virtual time")]
fn server(config: ServerConfig) -> (Server, Instant) {
    let now = Instant::now();
    let mut server = Server::new(config, Names::new([6; 32]), [5; 32], (now, WALL));
    let registration = registration();
    server.handle_answer(now, Answer::Remember(vec![registration]));
    server.handle_answer(now, Answer::Remembered);
    (server, now)
}

fn seeds() -> Vec<Vec<u8>> {
    let message = |kind, code, token| Message::new(kind, code, 7, token);
    let mut notify = message(Kind::Con, Code::CONTENT, Token::from(TOKEN)).with_payload(42, b"report".to_vec());
    notify.observe = Some(5);
    let register = message(Kind::Con, Code::POST, Token::default())
        .with_path(["rd"])
        .with_query("ep=meter".to_owned())
        .with_query("lt=60".to_owned())
        .with_payload(40, b"</>;rt=\"oma.lwm2m\",</19/0>".to_vec());
    let at = |code| message(Kind::Con, code, Token::default()).with_path(["rd", LOCATION]);
    let response = message(Kind::Ack, Code::CHANGED, Token::from(TOKEN));
    let mut all = vec![notify.to_bytes(), register.to_bytes(), response.to_bytes()];
    all.extend([at(Code::POST).with_query("lt=9".to_owned()).to_bytes(), at(Code::DELETE).to_bytes()]);
    notify.kind = Kind::Non;
    all.push(notify.to_bytes());
    all
}

/// Hears a datagram and answers what comes of it in one of the possible ways.
fn feed(server: &mut Server, now: Instant, from: u16, datagram: &[u8], way: u8) {
    server.handle_datagram(now, WALL, peer(from), datagram);
    while let Some(occurrence) = server.poll_occurrence() {
        let ticket = match occurrence {
            Occurrence::Recall { device } => {
                let registration = Some(Box::new(registration()));
                server.handle_answer(now, Answer::Recalled { device, registration });
                continue;
            }
            Occurrence::Register(request) => request.ticket,
            Occurrence::Update { ticket, .. } | Occurrence::Deregister { ticket, .. } => ticket,
            Occurrence::Uplink(uplink) | Occurrence::Resources(uplink, _) => uplink.ticket,
            _ => continue,
        };
        match way % 4 {
            0 => server.handle_answer(now, Answer::Accept { ticket }),
            1 => server.handle_answer(now, Answer::Forget { ticket }),
            2 => server.handle_answer(now, Answer::Refuse { ticket, code: u16::from(way) * 3 }),
            _ => {}
        }
    }
    while let Some(transmit) = server.poll_transmit() {
        assert!(transmit.datagram.len() <= 3 * datagram.len().max(4), "amplifies");
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(datagrams in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..40)) {
        let (mut server, now) = server(ServerConfig::default());
        for datagram in datagrams {
            feed(&mut server, now, 2, &datagram, 0);
        }
    }

    #[test]
    fn damaged_messages_are_survived(
        changes in proptest::collection::vec((any::<Index>(), any::<Index>(), any::<u8>(), any::<u8>(), 0..3_u8), 0..60)
    ) {
        let (mut server, mut now) = server(ServerConfig { open_tickets: 4, ..ServerConfig::default() });
        let seeds = seeds();
        for (which, at, byte, way, kind) in changes {
            let mut datagram = which.get(&seeds).clone();
            let at = at.index(datagram.len());
            match kind {
                0 => datagram[at] = byte,
                1 => datagram.truncate(at),
                _ => datagram.insert(at, byte),
            }
            feed(&mut server, now, u16::from(byte % 3), &datagram, way);
            now += Duration::from_secs(u64::from(way));
            server.handle_timeout(now, WALL);
            // What time makes the server say answers no datagram.
            while server.poll_transmit().is_some() {}
        }
    }
}

#[test]
fn a_flood_of_registers_from_everywhere_stays_within_its_caps() {
    let config = ServerConfig { open_tickets: 100, dedup_entries: 200, ..ServerConfig::default() };
    let (mut server, now) = server(config);
    for number in 0..20_000_u16 {
        let register = Message::new(Kind::Con, Code::POST, number, Token::default())
            .with_path(["rd"])
            .with_query(format!("ep=stranger-{number}"));
        server.handle_datagram(now, WALL, peer(number), &register.to_bytes());
        while server.poll_occurrence().is_some() || server.poll_transmit().is_some() {}
        let (tickets, remembered) = server.load();
        assert!(tickets <= 100 && remembered <= 200);
    }
    assert_eq!(server.counters().busy, 19_900);
    let later = now + Duration::from_secs(248);
    for number in 0..200 {
        feed(&mut server, later, 1, &notify(number), 0);
    }
    assert_eq!(server.registered(), 1, "the registered device is still served");
}

fn notify(mid: u16) -> Vec<u8> {
    Message::new(Kind::Con, Code::CONTENT, mid, Token::from(TOKEN)).with_payload(42, vec![1]).to_bytes()
}
