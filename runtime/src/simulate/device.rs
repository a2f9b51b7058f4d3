//! A simulated device as a state machine. Speaks CoAP to one server; its payloads mean nothing here.

mod answer;

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::coap::{
    self, Code, Collector, Confirmable, KeyedState, Kind, Message, OCTET_STREAM, Push, Pushed, Random, Step, Token,
    TransferLimits, serve,
};
use crate::model::PowerMode;

use super::radio::{Radio, Reception};
use super::{DeviceConfig, Happening, Version, Via};

/// What it lists when it registers, as the LiteOS client does.
const OBJECTS: &[u8] = br#"</>;rt="oma.lwm2m",</1/0>,</3/0>,</4/0>,</19/0>,</19/1>"#;
const LINK_FORMAT: u16 = 40;
const SENML_CBOR: u16 = 112;
/// Where it reports, and where it takes downlinks.
const REPORTS: &str = "/19/0/0";
/// After a refused or unanswered Register.
const RETRY: Duration = Duration::from_secs(30);
/// Reports wait and nobody observes: an Update reminds the server.
const REMINDER: Duration = Duration::from_secs(60);
/// Requests of the server that are remembered to answer duplicates.
const REMEMBERED: usize = 8;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Stage {
    /// Registers when the time has come.
    Out { at: Instant },
    /// Registered at these Location-Path segments.
    In { location: Vec<String> },
    /// Has left or was never started.
    Off,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Purpose {
    Register,
    Update,
    Deregister,
    Report { n: u32, payload: Vec<u8> },
}

#[derive(Debug)]
struct Exchange {
    purpose: Purpose,
    mid: u16,
    token: Token,
    datagram: Vec<u8>,
    clock: Confirmable,
    /// The body of a Register, perhaps in blocks.
    push: Option<Push>,
}

/// A device. Call `handle_*` with what happened and poll until nothing is left.
#[derive(Debug)]
pub struct Device {
    config: DeviceConfig,
    random: Random,
    radio: Radio,
    stage: Stage,
    exchange: Option<Exchange>,
    observer: Option<Token>,
    sequence: u32,
    mid: u16,
    leaving: bool,
    update_at: Option<Instant>,
    reports: VecDeque<(u32, Vec<u8>)>,
    next_n: u32,
    answered: VecDeque<(u16, Token, Vec<u8>)>,
    /// The newest report, for who asks for its further blocks.
    reported: Vec<u8>,
    /// Downlinks that come block by block.
    collector: Collector,
    /// Non-confirmable reports that an RST may still refer to.
    spoken: VecDeque<u16>,
    transmits: VecDeque<Vec<u8>>,
    happenings: VecDeque<Happening>,
}

impl Device {
    /// A device that is switched off. `seed` feeds message ids, tokens and jitter.
    #[must_use]
    pub fn new(config: DeviceConfig, seed: [u8; 32]) -> Self {
        let mut random = Random::new(seed);
        Self {
            radio: Radio::new(config.power_mode, config.awake, config.paging),
            mid: random.draw_mid(),
            collector: Collector::new(
                TransferLimits { szx: config.szx, ..TransferLimits::default() },
                KeyedState::new(&mut random),
            ),
            random,
            config,
            reported: Vec::new(),
            stage: Stage::Off,
            exchange: None,
            observer: None,
            sequence: 0,
            leaving: false,
            update_at: None,
            reports: VecDeque::new(),
            next_n: 0,
            answered: VecDeque::new(),
            spoken: VecDeque::new(),
            transmits: VecDeque::new(),
            happenings: VecDeque::new(),
        }
    }

    /// Switches it on: it registers.
    pub fn start(&mut self, now: Instant) {
        self.leaving = false;
        self.stage = Stage::Out { at: now };
        self.advance(now);
    }

    /// Something to report. Goes out when it is registered, observed and its turn. Returns its number.
    pub fn report(&mut self, now: Instant, payload: Vec<u8>) -> u32 {
        let n = self.next_n;
        self.next_n += 1;
        if self.reports.len() >= self.config.backlog.max(1)
            && let Some((n, _)) = self.reports.pop_front()
        {
            self.happenings.push_back(Happening::Lost { n });
        }
        self.reports.push_back((n, payload));
        self.advance(now);
        n
    }

    /// It deregisters and switches off. Reports that wait are not sent.
    pub fn leave(&mut self, now: Instant) {
        self.leaving = true;
        self.advance(now);
    }

    /// Is it registered and observed, with nothing to send and nothing under way?
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.observer.is_some() && self.exchange.is_none() && self.reports.is_empty()
    }

    /// When it neither speaks nor hears until its next report or Update; none while it has something to do, and of one that listens
    /// on and on.
    #[must_use]
    pub fn rests_at(&self) -> Option<Instant> {
        let done = match self.stage {
            Stage::In { .. } => self.is_idle(),
            Stage::Out { .. } | Stage::Off => self.exchange.is_none(),
        };
        self.radio.sleeps_at().filter(|_| done && self.transmits.is_empty())
    }

    /// Does it rest now?
    #[must_use]
    pub fn is_resting(&self, now: Instant) -> bool {
        self.rests_at().is_some_and(|at| at <= now)
    }

    /// A datagram came from the server.
    pub fn handle_datagram(&mut self, now: Instant, datagram: &[u8]) {
        match self.radio.receive(now, self.exchange.is_some(), datagram) {
            Reception::Heard => self.hear(now, datagram),
            Reception::Held => {}
            Reception::Missed => self.happenings.push_back(Happening::Missed),
        }
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Instant) {
        for datagram in self.radio.paged(now) {
            self.hear(now, &datagram);
        }
        match self.exchange.as_mut().map(|exchange| exchange.clock.step(now)) {
            Some(Step::Resend) => {
                let datagram = self.exchange.as_ref().map(|exchange| exchange.datagram.clone()).unwrap_or_default();
                self.send(now, datagram);
            }
            Some(Step::GiveUp) => {
                if let Some(exchange) = self.exchange.take() {
                    self.unanswered(now, exchange.purpose);
                }
            }
            Some(Step::Wait) | None => {}
        }
        self.advance(now);
    }

    /// When to call [`Self::handle_timeout`].
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let due = match (&self.exchange, &self.stage) {
            (Some(exchange), _) => Some(exchange.clock.deadline()),
            (None, Stage::Out { at }) => Some(*at),
            (None, Stage::In { .. }) => self.update_at,
            (None, Stage::Off) => None,
        };
        [due, self.radio.page_at()].into_iter().flatten().min()
    }

    /// The next datagram for the server.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.transmits.pop_front()
    }

    /// The next thing that happened.
    pub fn poll_happening(&mut self) -> Option<Happening> {
        self.happenings.pop_front()
    }

    fn send(&mut self, now: Instant, datagram: Vec<u8>) {
        self.radio.stay_awake(now);
        self.transmits.push_back(datagram);
    }

    fn happen(&mut self, happening: Happening) {
        self.happenings.push_back(happening);
    }

    /// Starts what is next: leaving, registering, updating, reporting.
    fn advance(&mut self, now: Instant) {
        while self.exchange.is_none() {
            let (purpose, location) = match &self.stage {
                Stage::Off => return,
                Stage::Out { .. } if self.leaving => {
                    self.stage = Stage::Off;
                    return;
                }
                Stage::Out { at } if *at <= now => (Purpose::Register, Vec::new()),
                Stage::Out { .. } => return,
                Stage::In { location } if self.leaving => (Purpose::Deregister, location.clone()),
                Stage::In { location } => match (self.observer, self.update_at) {
                    (_, Some(at)) if at <= now => (Purpose::Update, location.clone()),
                    _ if self.config.via == Via::Send => match self.reports.pop_front() {
                        Some((n, payload)) => {
                            self.happen(Happening::Sent { n });
                            (Purpose::Report { n, payload }, Vec::new())
                        }
                        None => return,
                    },
                    (Some(observer), _) => match self.reports.pop_front() {
                        Some((n, payload)) => {
                            self.notify(now, observer, n, payload);
                            continue;
                        }
                        None => return,
                    },
                    (None, Some(at)) => {
                        if !self.reports.is_empty() {
                            self.update_at = Some(at.min(now + REMINDER));
                        }
                        return;
                    }
                    (None, None) => return,
                },
            };
            self.request(now, purpose, &location);
        }
    }

    fn request(&mut self, now: Instant, purpose: Purpose, location: &[String]) {
        let mid = self.next_mid();
        let token = self.draw_token();
        if purpose == Purpose::Register {
            self.observer = None;
            let push = Push::new(OBJECTS.to_vec(), self.config.szx);
            return self.begin(now, purpose, &push.fill(self.registration(mid, token)), Some(push));
        }
        let message = |code| Message::new(Kind::Con, code, mid, token).with_path(location.iter().map(String::as_str));
        let message = match &purpose {
            Purpose::Update => message(Code::POST).with_query(format!("lt={}", self.config.lifetime_s)),
            Purpose::Report { payload, .. } => message(Code::POST).with_path(["dp"]).with_payload(SENML_CBOR, pack(payload)),
            Purpose::Register | Purpose::Deregister => message(Code::DELETE),
        };
        self.begin(now, purpose, &message, None);
    }

    fn registration(&self, mid: u16, token: Token) -> Message {
        let mut message = Message::new(Kind::Con, Code::POST, mid, token)
            .with_path(["rd"])
            .with_query(format!("lwm2m={}", self.config.version.as_str()))
            .with_query(format!("ep={}", self.config.endpoint))
            .with_query(format!("lt={}", self.config.lifetime_s));
        // Queue mode is a parameter of its own since 1.1 (LwM2M Core 1.1 6.2.1).
        let binding: &[&str] = match (self.config.version, self.config.power_mode) {
            (_, PowerMode::Drx) => &["b=U"],
            (Version::V1_0, _) => &["b=UQ"],
            (Version::V1_1, _) => &["b=U", "Q"],
        };
        message.query.extend(binding.iter().copied().map(str::to_owned));
        message.content_format = Some(LINK_FORMAT);
        message
    }

    /// The next block of a Register, with a token of its own.
    fn go_on(&mut self, now: Instant, push: Push) {
        let (mid, token) = (self.next_mid(), self.draw_token());
        let message = push.fill(self.registration(mid, token));
        self.begin(now, Purpose::Register, &message, Some(push));
    }

    fn draw_token(&mut self) -> Token {
        Token::new(self.random.draw().to_be_bytes().get(..4).unwrap_or_default()).unwrap_or_default()
    }

    fn notify(&mut self, now: Instant, observer: Token, n: u32, payload: Vec<u8>) {
        let mid = self.next_mid();
        self.sequence = (self.sequence + 1) & 0x00ff_ffff;
        let kind = if self.config.confirmable { Kind::Con } else { Kind::Non };
        let mut message = Message::new(kind, Code::CONTENT, mid, observer);
        (message.content_format, message.observe) = (Some(OCTET_STREAM), Some(self.sequence));
        self.reported.clone_from(&payload);
        let message = serve(&message.clone(), message, &payload, self.config.szx);
        self.happen(Happening::Sent { n });
        if self.config.confirmable {
            return self.begin(now, Purpose::Report { n, payload }, &message, None);
        }
        if self.spoken.len() >= REMEMBERED {
            self.spoken.pop_front();
        }
        self.spoken.push_back(mid);
        self.send(now, message.to_bytes());
    }

    fn begin(&mut self, now: Instant, purpose: Purpose, message: &Message, push: Option<Push>) {
        let clock = Confirmable::start(now, &self.config.timing, self.random.draw_fraction());
        let datagram = message.to_bytes();
        self.exchange =
            Some(Exchange { purpose, mid: message.mid, token: message.token, datagram: datagram.clone(), clock, push });
        self.send(now, datagram);
    }

    fn next_mid(&mut self) -> u16 {
        self.mid = self.mid.wrapping_add(1);
        self.mid
    }

    fn hear(&mut self, now: Instant, datagram: &[u8]) {
        let message = match coap::parse(datagram) {
            Ok(message) => message,
            Err(malformed) => {
                if let Some(answer) = malformed.answer {
                    self.send(now, answer);
                }
                return;
            }
        };
        self.radio.stay_awake(now);
        match (message.kind, message.code) {
            (Kind::Ack, Code::EMPTY) => match &mut self.exchange {
                Some(Exchange { mid, purpose: Purpose::Report { .. }, .. }) if *mid == message.mid => self.settle(now, None),
                Some(exchange) if exchange.mid == message.mid => exchange.clock.acknowledged(),
                _ => {}
            },
            (Kind::Ack, _) => {
                if self.exchange.as_ref().is_some_and(|e| e.mid == message.mid && e.token == message.token) {
                    self.settle(now, Some(message));
                }
            }
            (Kind::Rst, _) => self.reset(now, message.mid),
            (Kind::Con, Code::EMPTY) => self.send(now, coap::reset(message.mid)),
            (Kind::Non, Code::EMPTY) => {}
            (kind, code) if code.is_request() => self.answer(now, kind, message),
            (kind, _) => {
                let ours = self.exchange.as_ref().is_some_and(|exchange| exchange.token == message.token);
                if kind == Kind::Con {
                    self.send(now, if ours { coap::empty_ack(message.mid) } else { coap::reset(message.mid) });
                }
                if ours {
                    self.settle(now, Some(message));
                }
            }
        }
        self.advance(now);
    }

    /// The exchange under way was answered; none = an empty ACK, which is all that a report gets.
    fn settle(&mut self, now: Instant, answer: Option<Message>) {
        let Some(exchange) = self.exchange.take() else { return };
        if let (Some(mut push), Some(message)) = (exchange.push, &answer)
            && push.take(message) == Pushed::Next
        {
            return self.go_on(now, push);
        }
        match (exchange.purpose, answer.map(|message| (message.code, message.location))) {
            // Sent, and the server does not know this address any more.
            (Purpose::Report { n, payload }, Some((Code::NOT_FOUND, _))) => {
                self.reports.push_front((n, payload));
                self.happen(Happening::Unobserved);
                self.drop_out(now);
            }
            (Purpose::Report { n, .. }, Some((code, _))) if !code.is_success() => {
                self.happen(Happening::Refused { code: Some(code) });
                self.happen(Happening::Lost { n });
            }
            (Purpose::Report { n, .. }, _) => self.happen(Happening::Acknowledged { n }),
            (Purpose::Register, Some((Code::CREATED, location))) => {
                self.stage = Stage::In { location };
                self.update_later(now);
                self.happen(Happening::Registered);
            }
            (Purpose::Update, Some((Code::CHANGED, _))) => {
                self.update_later(now);
                self.happen(Happening::Updated);
            }
            (Purpose::Deregister, answer) => {
                self.stage = Stage::Off;
                self.observer = None;
                self.happen(match answer {
                    Some((Code::DELETED, _)) => Happening::Deregistered,
                    other => Happening::Refused { code: other.map(|(code, _)| code) },
                });
            }
            (purpose, answer) => {
                let wait = if purpose == Purpose::Update { Duration::ZERO } else { RETRY };
                self.drop_out(now + wait);
                self.happen(Happening::Refused { code: answer.map(|(code, _)| code) });
            }
        }
    }

    fn unanswered(&mut self, now: Instant, purpose: Purpose) {
        match purpose {
            Purpose::Report { n, .. } => self.happen(Happening::Lost { n }),
            Purpose::Deregister => self.stage = Stage::Off,
            Purpose::Register | Purpose::Update => {
                self.drop_out(now + RETRY);
                self.happen(Happening::Refused { code: None });
            }
        }
    }

    /// It is not registered any more, as far as it knows, and registers then.
    fn drop_out(&mut self, at: Instant) {
        if let Stage::In { .. } = std::mem::replace(&mut self.stage, Stage::Out { at }) {
            self.happen(Happening::Dropped);
        }
    }

    fn update_later(&mut self, now: Instant) {
        self.update_at = Some(now + Duration::from_secs(u64::from(self.config.lifetime_s) * 4 / 5));
    }

    /// The server refused a message of ours: a report is kept, and it registers again.
    fn reset(&mut self, now: Instant, mid: u16) {
        if let Some(exchange) = self.exchange.take_if(|exchange| exchange.mid == mid) {
            if let Purpose::Report { n, payload } = exchange.purpose {
                self.reports.push_front((n, payload));
            }
        } else if !self.spoken.contains(&mid) {
            return;
        }
        self.spoken.clear();
        self.observer = None;
        self.happen(Happening::Unobserved);
        self.drop_out(now);
    }
}

/// One opaque value of [`REPORTS`] as SenML CBOR (RFC 8428 6: label 0 is the name, 8 the bytes).
fn pack(payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x81, 0xa2, 0x00, 0x60 | u8::try_from(REPORTS.len()).unwrap_or_default()];
    bytes.extend(REPORTS.as_bytes());
    bytes.push(0x08);
    match (u8::try_from(payload.len()), u16::try_from(payload.len())) {
        (Ok(short), _) if short < 24 => bytes.push(0x40 | short),
        (Ok(short), _) => bytes.extend([0x58, short]),
        // A datagram holds no more than 64 KiB.
        (_, long) => bytes.extend([&[0x59][..], &long.unwrap_or(u16::MAX).to_be_bytes()].concat()),
    }
    bytes.extend(payload);
    bytes
}
