//! The LwM2M server, simulated devices, the flows' part and a bad network between them, in virtual time.
//!
//! Everything random comes from one seed, printed when a test fails.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use codecgate::coap::{Code, Random};
use codecgate::lwm2m::{
    Answer, Ask, DownlinkId, Names, Occurrence, Pace, RegisterRequest, Server, ServerConfig, Ticket, Use, spell,
};
use codecgate::model::{DeviceId, Registration, Timestamp};
use codecgate::simulate::{Conditions, Device, DeviceConfig, Happening, Nat, Network, Rebind};

/// Where the wall clock begins.
const WALL: Timestamp = Timestamp(1_700_000_000_000);

/// The gateway's key, which it keeps over a restart.
fn names() -> Names {
    Names::new([0x4e; 32])
}

/// What the network and the flows do to a message.
#[derive(Clone, Copy)]
pub(crate) struct Weather {
    /// Chance that a datagram is lost.
    pub(crate) loss: f64,
    /// Chance that it comes twice.
    pub(crate) duplicates: f64,
    /// Every copy takes this long at most: later ones overtake earlier ones.
    pub(crate) delay: Duration,
    /// Chance that the flows cannot take a message.
    pub(crate) forget: f64,
    /// The flows take this long at most.
    pub(crate) commit: Duration,
}

impl Weather {
    pub(crate) const FAIR: Self =
        Self { loss: 0.0, duplicates: 0.0, delay: Duration::from_millis(50), forget: 0.0, commit: Duration::from_millis(10) };
    pub(crate) const FOUL: Self =
        Self { loss: 0.3, duplicates: 0.2, delay: Duration::from_secs(3), forget: 0.1, commit: Duration::from_secs(2) };
    pub(crate) const CUT: Self = Self { loss: 1.0, ..Self::FAIR };
}

enum Arrival {
    AtServer(SocketAddr, Vec<u8>),
    AtDevice(SocketAddr, Vec<u8>),
    Answer(Box<Answer>, Option<(DeviceId, Vec<u8>)>),
}

pub(crate) struct Simulated {
    pub(crate) device: Device,
    pub(crate) address: SocketAddr,
    pub(crate) nat: Nat,
    pub(crate) happenings: Vec<Happening>,
}

pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) now: Instant,
    pub(crate) weather: Weather,
    pub(crate) devices: Vec<Simulated>,
    /// What the store has: payloads in their order, and the registrations.
    pub(crate) stored: BTreeMap<DeviceId, Vec<Vec<u8>>>,
    pub(crate) registrations: BTreeMap<DeviceId, Registration>,
    /// Everything else that the server told, with its time.
    pub(crate) told: Vec<(Instant, Occurrence)>,
    /// What the server sent, with its time.
    pub(crate) sent: Vec<(Instant, SocketAddr, Vec<u8>)>,
    start: Instant,
    random: Random,
    network: Network,
    arrivals: BTreeMap<(Instant, u64), Arrival>,
    next: u64,
    timers: BinaryHeap<Reverse<(Instant, usize)>>,
}

/// Runs a scenario with each seed; the one in `CODECGATE_SEED` alone, if it is set.
pub(crate) fn check(seeds: u64, scenario: impl Fn(u64)) {
    struct Told(u64);
    impl Drop for Told {
        fn drop(&mut self) {
            if std::thread::panicking() {
                eprintln!("failed with CODECGATE_SEED={}", self.0);
            }
        }
    }
    let one = std::env::var("CODECGATE_SEED").ok().map(|text| text.parse().expect("CODECGATE_SEED is a number"));
    for seed in one.map_or(0..seeds, |seed: u64| seed..seed + 1) {
        let told = Told(seed);
        scenario(seed);
        drop(told);
    }
}

fn seed_of(seed: u64, part: u8) -> [u8; 32] {
    let mut bytes = [part; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes
}

/// Device number of the n-th simulated device.
pub(crate) fn id(index: usize) -> DeviceId {
    DeviceId(index as u64)
}

impl World {
    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin of virtual time")]
    pub(crate) fn new(seed: u64, config: ServerConfig, devices: Vec<DeviceConfig>) -> Self {
        let devices = devices.into_iter().enumerate().map(|(index, config)| {
            let config = DeviceConfig { endpoint: format!("meter-{index}"), ..config };
            let address = format!("10.0.{}.{}:5683", index / 200, index % 200 + 1).parse().unwrap();
            Simulated {
                device: Device::new(config, seed_of(seed, u8::try_from(index).unwrap())),
                address,
                nat: Nat::new(Rebind::default()),
                happenings: Vec::new(),
            }
        });
        let now = Instant::now();
        Self {
            server: Server::new(config, names(), seed_of(seed, 0xff), (now, WALL)),
            now,
            start: now,
            weather: Weather::FAIR,
            devices: devices.collect(),
            stored: BTreeMap::new(),
            registrations: BTreeMap::new(),
            told: Vec::new(),
            sent: Vec::new(),
            random: Random::new(seed_of(seed, 0xfe)),
            network: Network::new(Conditions::PERFECT, seed_of(seed, 0xfc)),
            arrivals: BTreeMap::new(),
            next: 0,
            timers: BinaryHeap::new(),
        }
    }

    /// Registers all devices and waits until they are observed.
    pub(crate) fn settled(seed: u64, config: ServerConfig, devices: Vec<DeviceConfig>) -> Self {
        let mut world = Self::new(seed, config, devices);
        world.start();
        world.run(Duration::from_secs(30));
        assert!(world.devices.iter().all(|simulated| simulated.device.is_idle()), "all registered and observed");
        world
    }

    pub(crate) fn start(&mut self) {
        for index in 0..self.devices.len() {
            self.devices[index].device.start(self.now);
            self.drain_device(index);
        }
    }

    pub(crate) fn wall(&self) -> Timestamp {
        let since = u64::try_from((self.now - self.start).as_millis()).unwrap();
        WALL.plus_ms(since)
    }

    pub(crate) fn report(&mut self, index: usize, payload: Vec<u8>) -> u32 {
        let n = self.devices[index].device.report(self.now, payload);
        self.drain_device(index);
        n
    }

    pub(crate) fn send(&mut self, index: usize, number: u128) {
        self.send_payload(index, number, number.to_be_bytes().to_vec());
    }

    pub(crate) fn send_payload(&mut self, index: usize, number: u128, payload: Vec<u8>) {
        self.send_with(index, number, payload, None);
    }

    /// With fewer retransmissions.
    pub(crate) fn send_with(&mut self, index: usize, number: u128, payload: Vec<u8>, max_retransmit: Option<u8>) {
        let ask = Ask::new(Code::PUT, ["19", "1", "0"]).with_payload(42, payload);
        let send = Answer::Send {
            device: id(index),
            id: DownlinkId(number),
            ask,
            wire: None,
            pace: Pace { max_retransmit, ..Pace::default() },
        };
        self.server.handle_answer(self.now, send);
        self.drain_server();
    }

    pub(crate) fn leave(&mut self, index: usize) {
        self.devices[index].device.leave(self.now);
        self.drain_device(index);
    }

    /// The server stops dead and another one takes its place; what was on its way to the flows is lost.
    pub(crate) fn restart(&mut self, seed: u64, config: ServerConfig) {
        self.arrivals.retain(|_, arrival| !matches!(arrival, Arrival::Answer(..)));
        self.server = Server::new(config, names(), seed_of(seed, 0xfd), (self.now, self.wall()));
        let registrations = self.registrations.values().cloned().collect();
        self.server.handle_answer(self.now, Answer::Remember(registrations));
        self.server.handle_answer(self.now, Answer::Remembered);
    }

    /// What the store has of a device.
    pub(crate) fn stored(&self, index: usize) -> &[Vec<u8>] {
        self.stored.get(&id(index)).map(Vec::as_slice).unwrap_or_default()
    }

    /// Outcomes of a downlink.
    pub(crate) fn outcomes(&self, number: u128) -> Vec<&(Instant, Occurrence)> {
        let of = |occurrence: &Occurrence| match occurrence {
            Occurrence::Answered { id, .. } | Occurrence::Reset { id, .. } | Occurrence::TimedOut { id, .. } => id.0 == number,
            _ => false,
        };
        self.told.iter().filter(|(_, occurrence)| of(occurrence)).collect()
    }

    /// Lets time pass.
    pub(crate) fn run(&mut self, span: Duration) {
        let end = self.now + span;
        loop {
            let arrival = self.arrivals.first_key_value().map(|((at, _), _)| *at);
            let device = self.timers.peek().map(|Reverse((at, _))| *at);
            let due = [arrival, device, self.server.poll_timeout()].into_iter().flatten().min();
            let Some(due) = due.filter(|due| *due <= end) else { break };
            self.now = self.now.max(due);
            if arrival.is_some_and(|at| at <= self.now) {
                let (_, arrival) = self.arrivals.pop_first().unwrap();
                self.arrive(arrival);
            }
            if self.timers.peek().is_some_and(|Reverse((at, _))| *at <= self.now) {
                let Reverse((_, index)) = self.timers.pop().unwrap();
                if self.devices[index].device.poll_timeout().is_some_and(|at| at <= self.now) {
                    self.devices[index].device.handle_timeout(self.now);
                    self.drain_device(index);
                }
            }
            if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
                self.server.handle_timeout(self.now, self.wall());
                self.drain_server();
            }
        }
        self.now = end;
    }

    fn arrive(&mut self, arrival: Arrival) {
        match arrival {
            Arrival::AtServer(from, datagram) => {
                self.server.handle_datagram(self.now, self.wall(), from, &datagram);
                self.drain_server();
            }
            Arrival::AtDevice(to, datagram) => {
                if let Some(index) = self.devices.iter().position(|simulated| simulated.address == to) {
                    self.devices[index].device.handle_datagram(self.now, &datagram);
                    self.drain_device(index);
                }
            }
            Arrival::Answer(answer, payload) => {
                if let Some((device, payload)) = payload {
                    self.stored.entry(device).or_default().push(payload);
                }
                if let Answer::Register { registration, .. } = &*answer {
                    self.registrations.insert(registration.device, registration.clone());
                }
                self.server.handle_answer(self.now, *answer);
                self.drain_server();
            }
        }
    }

    fn drain_device(&mut self, index: usize) {
        while let Some(datagram) = self.devices[index].device.poll_transmit() {
            let simulated = &mut self.devices[index];
            if simulated.nat.sends(self.now) {
                simulated.address.set_port(simulated.address.port() + 1);
            }
            let from = simulated.address;
            self.post(&datagram, |datagram| Arrival::AtServer(from, datagram));
        }
        while let Some(happening) = self.devices[index].device.poll_happening() {
            self.devices[index].happenings.push(happening);
        }
        if let Some(at) = self.devices[index].device.poll_timeout() {
            self.timers.push(Reverse((at, index)));
        }
    }

    fn drain_server(&mut self) {
        while let Some(transmit) = self.server.poll_transmit() {
            self.sent.push((self.now, transmit.peer, transmit.datagram.clone()));
            self.post(&transmit.datagram, |datagram| Arrival::AtDevice(transmit.peer, datagram));
        }
        while let Some(occurrence) = self.server.poll_occurrence() {
            match occurrence {
                Occurrence::Register(request) => {
                    let registration = self.admit(request.clone());
                    self.decide(request.ticket, Answer::Register { ticket: request.ticket, registration }, None);
                }
                Occurrence::Update { ticket, registration } => {
                    self.registrations.insert(registration.device, registration);
                    self.decide(ticket, Answer::Accept { ticket }, None);
                }
                Occurrence::Deregister { ticket, .. } => self.decide(ticket, Answer::Accept { ticket }, None),
                Occurrence::Uplink(up) => {
                    self.decide(up.ticket, Answer::Accept { ticket: up.ticket }, Some((up.device, up.payload)));
                }
                Occurrence::Recall { device } => {
                    let registration = self.registrations.get(&device).cloned().map(Box::new);
                    self.decide(Ticket(u64::MAX), Answer::Recalled { device, registration }, None);
                }
                Occurrence::Keep { registration } => {
                    let known = self.registrations.get(&registration.device);
                    if known.is_some_and(|known| known.location == registration.location && known.updated <= registration.updated)
                    {
                        self.registrations.insert(registration.device, registration);
                    }
                }
                other => self.told.push((self.now, other)),
            }
        }
    }

    fn admit(&mut self, request: RegisterRequest) -> Registration {
        let device = DeviceId(request.endpoint.strip_prefix("meter-").unwrap().parse().unwrap());
        let nonce = u32::try_from(self.random.draw() >> 32).unwrap();
        Registration {
            device,
            location: spell(names().seal(device, Use::Location, nonce)),
            token: spell(names().seal(device, Use::Observation, nonce)),
            peer: request.peer,
            lifetime_s: request.lifetime_s,
            version: request.version,
            binding: request.binding,
            objects: request.objects,
            formats: request.formats,
            observed: false,
            observations: Vec::new(),
            registered: self.wall(),
            updated: self.wall(),
            moves: Default::default(),
        }
    }

    /// The flows take their time, and now and then cannot.
    fn decide(&mut self, ticket: Ticket, answer: Answer, payload: Option<(DeviceId, Vec<u8>)>) {
        let at = self.now + self.weather.commit.mul_f64(self.random.draw_fraction());
        let recall = matches!(answer, Answer::Recalled { .. });
        let forget = self.random.draw_fraction() < self.weather.forget && !recall;
        let arrival = if forget {
            Arrival::Answer(Box::new(Answer::Forget { ticket }), None)
        } else {
            Arrival::Answer(Box::new(answer), payload)
        };
        self.schedule(at, arrival);
    }

    fn post(&mut self, datagram: &[u8], arrival: impl Fn(Vec<u8>) -> Arrival) {
        let Weather { loss, duplicates, delay, .. } = self.weather;
        self.network.change(Conditions { loss, duplicates, delay });
        for at in self.network.carry(self.now) {
            self.schedule(at, arrival(datagram.to_vec()));
        }
    }

    fn schedule(&mut self, at: Instant, arrival: Arrival) {
        self.next += 1;
        self.arrivals.insert((at, self.next), arrival);
    }
}

/// The payload of report n.
pub(crate) fn payload(n: u32) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

/// Reports that a device counts as acknowledged, and as lost.
pub(crate) fn acknowledged_and_lost(world: &World, index: usize) -> (Vec<u32>, Vec<u32>) {
    let (mut acknowledged, mut lost) = (Vec::new(), Vec::new());
    for happening in &world.devices[index].happenings {
        match happening {
            Happening::Acknowledged { n } => acknowledged.push(*n),
            Happening::Lost { n } => lost.push(*n),
            _ => {}
        }
    }
    (acknowledged, lost)
}

/// Every acknowledged report is stored once, every other at most once, in order; every report is acknowledged or told lost.
pub(crate) fn assert_reports(world: &World, reports: u32) {
    for index in 0..world.devices.len() {
        let (acknowledged, lost) = acknowledged_and_lost(world, index);
        let stored = world.stored(index);
        assert!(stored.is_sorted() && stored.windows(2).all(|pair| pair[0] != pair[1]), "device {index}: {stored:?}");
        for n in &acknowledged {
            assert!(stored.contains(&payload(*n)), "device {index}: report {n} was acknowledged and is not stored");
        }
        let mut ended = [acknowledged, lost].concat();
        ended.sort_unstable();
        assert_eq!(ended, (0..reports).collect::<Vec<_>>(), "device {index}: reports that ended");
    }
}
