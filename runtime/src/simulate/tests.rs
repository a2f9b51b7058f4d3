//! Devices by hand, and a device on a real socket.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use tokio::net::UdpSocket;
use tokio::sync::{mpsc, watch};

use super::{Conditions, Device, DeviceConfig, Ground, Happening, Reported, SimulatedDevice, Version, Via, run};
use crate::coap::{Code, Kind, Message, OCTET_STREAM, Token, empty_ack, parse};
use crate::model::PowerMode;

#[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
fn origin() -> Instant {
    Instant::now()
}

fn observe() -> Message {
    let mut message = Message::new(Kind::Con, Code::GET, 1, Token::from(5)).with_path(["19", "0", "0"]);
    message.observe = Some(0);
    message
}

/// A device that is registered and observed.
fn observed(mode: PowerMode, now: Instant) -> Device {
    settle(Device::new(DeviceConfig::new("meter", mode), [1; 32]), now)
}

fn settle(mut device: Device, now: Instant) -> Device {
    device.start(now);
    let register = parse(&device.poll_transmit().unwrap()).unwrap();
    assert_eq!((register.code, register.path.as_slice()), (Code::POST, &["rd".to_owned()][..]));
    assert!(register.query.contains(&"ep=meter".to_owned()));
    let mut created = Message::new(Kind::Ack, Code::CREATED, register.mid, register.token);
    created.location = vec!["rd".to_owned(), "0a".to_owned()];
    device.handle_datagram(now, &created.to_bytes());
    device.handle_datagram(now, &observe().to_bytes());
    let response = parse(&device.poll_transmit().unwrap()).unwrap();
    assert_eq!((response.code, response.observe, response.payload.len()), (Code::CONTENT, Some(0), 0));
    assert_eq!(happenings(&mut device), [Happening::Registered, Happening::Observed]);
    device
}

fn happenings(device: &mut Device) -> Vec<Happening> {
    std::iter::from_fn(|| device.poll_happening()).collect()
}

fn downlink(mid: u16) -> Vec<u8> {
    let message = Message::new(Kind::Con, Code::PUT, mid, Token::from(u64::from(mid))).with_path(["19", "1", "0"]);
    message.with_payload(OCTET_STREAM, b"down".to_vec()).to_bytes()
}

#[test]
fn a_sleeping_device_hears_what_its_mode_lets_it() {
    let heard = Happening::Downlink { payload: b"down".to_vec() };
    for (mode, at_once, later) in [
        (PowerMode::Drx, vec![heard.clone()], vec![]),
        (PowerMode::Psm, vec![Happening::Missed], vec![]),
        (PowerMode::Edrx, vec![], vec![heard.clone()]),
    ] {
        let now = origin();
        let mut device = observed(mode, now);
        device.handle_datagram(now + Duration::from_secs(5), &downlink(2));
        assert_eq!(happenings(&mut device), std::slice::from_ref(&heard), "{mode:?} awake");
        let asleep = now + Duration::from_secs(100);
        device.handle_datagram(asleep, &downlink(3));
        assert_eq!(happenings(&mut device), at_once, "{mode:?} asleep");
        device.handle_timeout(asleep + Duration::from_millis(20_480));
        assert_eq!(happenings(&mut device), later, "{mode:?} at its paging time");
    }
}

#[test]
fn a_duplicate_downlink_is_answered_again_and_taken_once() {
    let now = origin();
    let mut device = observed(PowerMode::Drx, now);
    device.handle_datagram(now, &downlink(2));
    device.handle_datagram(now, &downlink(2));
    assert_eq!(happenings(&mut device).len(), 1);
    assert_eq!(device.poll_transmit(), device.poll_transmit());
}

#[test]
fn a_report_is_resent_until_it_is_acknowledged_and_the_next_waits() {
    let now = origin();
    let mut device = observed(PowerMode::Psm, now);
    device.report(now, b"a".to_vec());
    device.report(now, b"b".to_vec());
    let first = device.poll_transmit().unwrap();
    assert_eq!(device.poll_transmit(), None);
    let due = device.poll_timeout().unwrap();
    device.handle_timeout(due);
    assert_eq!(device.poll_transmit(), Some(first.clone()));
    device.handle_datagram(due, &empty_ack(parse(&first).unwrap().mid));
    assert_eq!(happenings(&mut device), [Happening::Sent { n: 0 }, Happening::Acknowledged { n: 0 }, Happening::Sent { n: 1 }]);
    assert_eq!(parse(&device.poll_transmit().unwrap()).unwrap().payload, b"b");
}

#[test]
fn a_full_backlog_tells_what_it_loses() {
    let mut device = Device::new(DeviceConfig { backlog: 2, ..DeviceConfig::new("m", PowerMode::Drx) }, [0; 32]);
    for n in 0..4 {
        device.report(origin(), vec![n]);
    }
    assert_eq!(happenings(&mut device), [Happening::Lost { n: 0 }, Happening::Lost { n: 1 }]);
}

#[test]
fn a_device_that_sends_needs_no_observation_and_registers_anew_when_it_is_not_known() {
    let now = origin();
    let config = DeviceConfig { version: Version::V1_1, via: Via::Send, ..DeviceConfig::new("meter", PowerMode::Psm) };
    let mut device = Device::new(config, [1; 32]);
    device.start(now);
    let register = parse(&device.poll_transmit().unwrap()).unwrap();
    for parameter in ["lwm2m=1.1", "b=U", "Q"] {
        assert!(register.query.contains(&parameter.to_owned()), "{:?}", register.query);
    }
    let mut created = Message::new(Kind::Ack, Code::CREATED, register.mid, register.token);
    created.location = vec!["rd".to_owned(), "0a".to_owned()];
    device.handle_datagram(now, &created.to_bytes());
    device.report(now, vec![0xbb; 30]);
    let sent = parse(&device.poll_transmit().unwrap()).unwrap();
    assert_eq!((sent.code, sent.path.as_slice(), sent.content_format), (Code::POST, &["dp".to_owned()][..], Some(112)));
    assert_eq!(sent.payload[..14], *b"\x81\xa2\x00\x67/19/0/0\x08\x58\x1e");
    assert_eq!(sent.payload[14..], [0xbb; 30]);
    let unknown = Message::new(Kind::Ack, Code::NOT_FOUND, sent.mid, sent.token);
    device.handle_datagram(now, &unknown.to_bytes());
    assert_eq!(parse(&device.poll_transmit().unwrap()).unwrap().path, ["rd"], "it registers anew");
    let told = happenings(&mut device);
    assert!(told.ends_with(&[Happening::Unobserved, Happening::Dropped]), "{told:?}");
}

#[test]
fn a_psm_device_rests_when_its_window_is_over() {
    let now = origin();
    let device = observed(PowerMode::Psm, now);
    assert!(!device.is_resting(now) && device.is_resting(now + Duration::from_secs(10)));
    assert_eq!(observed(PowerMode::Drx, now).rests_at(), None);
}

/// The least server: lets everything in, observes, acknowledges, and sends one downlink after the first report.
async fn serve(socket: UdpSocket, reports: mpsc::Sender<Vec<u8>>) {
    let mut buffer = [0; 1_500];
    let mut asked = false;
    loop {
        let (length, peer): (usize, SocketAddr) = socket.recv_from(&mut buffer).await.unwrap();
        let message = parse(&buffer[..length]).unwrap();
        let mut replies = Vec::new();
        match message.code {
            Code::POST => {
                let mut created = Message::new(Kind::Ack, Code::CREATED, message.mid, message.token);
                created.location = vec!["rd".to_owned(), "0a".to_owned()];
                replies.extend([created.to_bytes(), observe().to_bytes()]);
            }
            Code::DELETE => replies.push(Message::new(Kind::Ack, Code::DELETED, message.mid, message.token).to_bytes()),
            Code::CONTENT if message.kind == Kind::Con => {
                replies.push(empty_ack(message.mid));
                reports.send(message.payload).await.unwrap();
                if !std::mem::replace(&mut asked, true) {
                    replies.push(downlink(7));
                }
            }
            _ => {}
        }
        for reply in replies {
            socket.send_to(&reply, peer).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_device_on_a_real_socket_reports_answers_and_leaves() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let server = socket.local_addr().unwrap();
    let (reports_in, mut reports) = mpsc::channel(16);
    let (watcher, mut watched) = mpsc::channel::<Reported>(64);
    let (stop, stopped) = watch::channel(false);
    let payload = Box::new(|n| vec![0xaa, u8::try_from(n).unwrap()]);
    let device = SimulatedDevice {
        on_downlink: Box::new(|payload| vec![[b"re:", payload].concat()]),
        deregister: true,
        ..SimulatedDevice::new(DeviceConfig::new("meter", PowerMode::Psm), Duration::MAX, payload)
    };
    let script = async {
        let first: Vec<u8> = reports.recv().await.unwrap();
        assert_eq!(first, [0xaa, 0]);
        assert_eq!(reports.recv().await.unwrap(), b"re:down");
        let mut seen: Vec<Happening> = Vec::new();
        while !seen.contains(&Happening::Acknowledged { n: 1 }) {
            seen.push(watched.recv().await.unwrap().happening);
        }
        stop.send(true).unwrap();
        while let Some(reported) = watched.recv().await {
            seen.push(reported.happening);
        }
        seen
    };
    let ground = Ground { server, seed: [1; 32], conditions: Conditions::PERFECT, sockets: None };
    let lives = run(ground, vec![device], watcher, stopped);
    let all = async {
        tokio::select! {
            () = serve(socket, reports_in) => unreachable!("it serves for ever"),
            (outcome, seen) = async { tokio::join!(lives, script) } => {
                outcome.unwrap();
                seen
            }
        }
    };
    let seen = tokio::time::timeout(Duration::from_secs(20), all).await.expect("in time");
    assert_eq!(seen.last(), Some(&Happening::Deregistered), "{seen:?}");
}
