//! One server and bytes written by hand: hexadecimal in, hexadecimal out, virtual time between. The flows store everything at once,
//! unless they are told to hold or to forget.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use codecgate::coap::{Message, parse};
use codecgate::lwm2m::{
    Answer, Ask, DownlinkId, Names, Occurrence, Pace, RegisterRequest, Remark, Server, ServerConfig, Ticket, Use, spell,
};
use codecgate::model::{DeviceId, Observation, Registration, Timestamp};

const WALL: Timestamp = Timestamp(1_700_000_000_000);

/// What the flows do with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flows {
    Store,
    Hold,
    Forget,
}

pub(crate) struct Rig {
    pub(crate) server: Server,
    pub(crate) flows: Flows,
    /// Path and payload of what was stored.
    pub(crate) stored: Vec<(String, Vec<u8>)>,
    /// Tickets that the flows hold.
    pub(crate) held: Vec<Ticket>,
    /// How many Registers, Updates and Deregisters the flows were asked about.
    pub(crate) asked: usize,
    /// Everything else that the server told.
    pub(crate) told: Vec<Occurrence>,
    /// Token of the observation of /19/0/0, of /3/0, and the location, in hexadecimal.
    pub(crate) reports: String,
    pub(crate) values: String,
    pub(crate) location: String,
    pub(crate) peer: SocketAddr,
    now: Instant,
    start: Instant,
    registration: Option<Registration>,
}

/// Text as hexadecimal.
pub(crate) fn text(text: &str) -> String {
    hex::encode(text)
}

/// Register of meter-7 with the objects 3 and 19; kind, token and message id first.
pub(crate) fn register(head: &str) -> String {
    let (ep, lt, version) = (text("ep=meter-7"), text("lt=3000"), text("lwm2m=1.1"));
    format!("{head} b2{} 4a{ep} 07{lt} 09{version} ff{}", text("rd"), text("</3/0>,</19/0>"))
}

/// The message of a datagram.
pub(crate) fn read(datagram: &str) -> Message {
    parse(&hex::decode(datagram).expect("hexadecimal")).expect("a message")
}

impl Rig {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of virtual time")]
    pub(crate) fn with(config: ServerConfig) -> Self {
        let now = Instant::now();
        let mut server = Server::new(config, Names::new([6; 32]), [5; 32], (now, WALL));
        server.handle_answer(now, Answer::Remembered);
        Self {
            server,
            flows: Flows::Store,
            stored: Vec::new(),
            held: Vec::new(),
            asked: 0,
            told: Vec::new(),
            reports: String::new(),
            values: String::new(),
            location: String::new(),
            peer: "192.0.2.1:5683".parse().unwrap(),
            now,
            start: now,
            registration: None,
        }
    }

    pub(crate) fn new() -> Self {
        Self::with(ServerConfig::default())
    }

    /// Registered and observed, as the LiteOS client answers; /3/0 is observed too.
    pub(crate) fn registered() -> Self {
        Self::registered_with(ServerConfig::default())
    }

    pub(crate) fn registered_with(config: ServerConfig) -> Self {
        let mut rig = Self::with(config);
        let sent = rig.hear(&register("4402 0001 01020304"));
        let (reports, values) = (read(&sent[1]), rig.answer_observes(&sent[1]));
        assert_eq!(
            (reports.path, values.path),
            (vec!["19", "0", "0"].into_iter().map(Into::into).collect(), vec!["3".into(), "0".into()])
        );
        rig.stored.clear();
        rig
    }

    /// Answers both Observes; returns the second.
    pub(crate) fn answer_observes(&mut self, first: &str) -> Message {
        let first = read(first);
        let sent = self.hear(&format!("6845 {:04x} {} 60", first.mid, hex::encode(first.token.as_bytes())));
        let second = read(&sent[0]);
        self.hear(&format!("6845 {:04x} {} 60 ff00", second.mid, hex::encode(second.token.as_bytes())));
        second
    }

    /// A datagram comes from the device; what is sent then.
    pub(crate) fn hear(&mut self, datagram: &str) -> Vec<String> {
        let bytes = hex::decode(datagram.replace(' ', "")).unwrap_or_else(|error| panic!("{datagram}: {error}"));
        self.server.handle_datagram(self.now, self.wall(), self.peer, &bytes);
        self.drain()
    }

    /// Time passes; what is sent meanwhile.
    pub(crate) fn wait(&mut self, span: Duration) -> Vec<String> {
        let (end, mut sent) = (self.now + span, Vec::new());
        while let Some(due) = self.server.poll_timeout().filter(|due| *due <= end) {
            self.now = self.now.max(due);
            self.server.handle_timeout(self.now, self.wall());
            sent.extend(self.drain());
        }
        self.now = end;
        sent
    }

    pub(crate) fn seconds(&mut self, seconds: u64) -> Vec<String> {
        self.wait(Duration::from_secs(seconds))
    }

    /// The flows ask the device.
    pub(crate) fn send(&mut self, id: u128, ask: Ask) -> Vec<String> {
        let send = Answer::Send { device: DeviceId(7), id: DownlinkId(id), ask, wire: None, pace: Pace::default() };
        self.answer(send)
    }

    pub(crate) fn answer(&mut self, answer: Answer) -> Vec<String> {
        self.server.handle_answer(self.now, answer);
        self.drain()
    }

    pub(crate) fn remarks(&mut self) -> Vec<Remark> {
        std::iter::from_fn(|| self.server.poll_remark()).collect()
    }

    fn wall(&self) -> Timestamp {
        WALL.plus_ms(u64::try_from((self.now - self.start).as_millis()).unwrap())
    }

    fn drain(&mut self) -> Vec<String> {
        while let Some(occurrence) = self.server.poll_occurrence() {
            match occurrence {
                Occurrence::Register(request) => {
                    self.asked += 1;
                    let (ticket, registration) = (request.ticket, self.admit(request));
                    self.decide(ticket, Answer::Register { ticket, registration });
                }
                Occurrence::Update { ticket, .. } | Occurrence::Deregister { ticket, .. } => {
                    self.asked += 1;
                    self.decide(ticket, Answer::Accept { ticket });
                }
                Occurrence::Uplink(message) | Occurrence::Resources(message, _) => {
                    if self.flows == Flows::Store {
                        self.stored.push((message.path.into_owned(), message.payload));
                    }
                    self.decide(message.ticket, Answer::Accept { ticket: message.ticket });
                }
                Occurrence::Recall { device } => {
                    let registration = self.registration.clone().map(Box::new);
                    self.server.handle_answer(self.now, Answer::Recalled { device, registration });
                }
                Occurrence::Keep { registration } => self.registration = Some(registration),
                other => self.told.push(other),
            }
        }
        std::iter::from_fn(|| self.server.poll_transmit()).map(|transmit| hex::encode(transmit.datagram)).collect()
    }

    fn decide(&mut self, ticket: Ticket, answer: Answer) {
        match self.flows {
            Flows::Store => self.server.handle_answer(self.now, answer),
            Flows::Hold => self.held.push(ticket),
            Flows::Forget => self.server.handle_answer(self.now, Answer::Forget { ticket }),
        }
    }

    fn admit(&mut self, request: RegisterRequest) -> Registration {
        let (names, nonce) = (Names::new([6; 32]), u32::try_from(self.asked).unwrap());
        let seal = |of, nonce| spell(names.seal(DeviceId(7), of, nonce));
        (self.reports, self.values) = (seal(Use::Observation, nonce), seal(Use::Observation, 1_000 + nonce));
        self.location = text(&seal(Use::Location, nonce));
        let registration = Registration {
            device: DeviceId(7),
            location: seal(Use::Location, nonce),
            token: self.reports.clone(),
            peer: request.peer,
            lifetime_s: request.lifetime_s,
            version: request.version,
            binding: request.binding,
            objects: request.objects,
            formats: request.formats,
            observed: false,
            observations: vec![Observation {
                path: "/3/0".to_owned(),
                token: self.values.clone(),
                taken: false,
                by: Default::default(),
            }],
            registered: self.wall(),
            updated: self.wall(),
            moves: Default::default(),
        };
        self.registration = Some(registration.clone());
        registration
    }
}
