//! The server: its state, and the way of a datagram through the message layer (RFC 7252 4). What a request means is in
//! `inbound`, what an answer of the flows does in `admission`, what the gateway sends by itself in `downlink`.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Instant;

use crate::coap::{
    self, Block, Code, Collector, Dedup, EXCHANGE_LIFETIME, Echo, Freshness, Key, KeyedState, Kind, Message, NON_LIFETIME,
    Random, Seen, Timing, Token,
};
use crate::model::{Deadlines, DeviceId, Registration, Timestamp};

use super::addresses::Addresses;
use super::bodies::Fetches;
use super::exchange::Timer;
use super::names::{Names, unspell};
use super::recall::Park;
use super::roster::{Roster, Slot};
use super::{Counters, Occurrence, Pace, Passed, Place, Remark, ServerConfig, Ticket, Transmit};

/// Most remarks kept between two polls.
const MAX_REMARKS: usize = 64;

/// Devices whose lifetime ends that are looked at in one go.
const EXPIRED_AT_ONCE: usize = 256;

/// The LwM2M server of one socket. After every `handle_*`, poll until nothing is left; queues grow by what one call causes.
#[derive(Debug)]
pub struct Server {
    pub(super) config: ServerConfig,
    pub(super) names: Names,
    pub(super) random: Random,
    /// The same moment on two clocks.
    pub(super) origin: (Instant, Timestamp),
    pub(super) dedup: Dedup,
    pub(super) roster: Roster,
    pub(super) park: Park,
    /// When registrations end: of all devices, also of those that are not in memory.
    pub(super) expiries: Deadlines,
    /// Whose the numbers are that do not name their device.
    pub(super) strays: HashMap<u64, DeviceId, KeyedState>,
    /// Where devices are that may use Send.
    pub(super) addresses: Addresses,
    /// Whether `expiries` knows all registrations.
    pub(super) remembered: bool,
    /// What is heard now was passed on by another server.
    second_hand: bool,
    tickets: HashMap<Ticket, Pending, KeyedState>,
    next_ticket: u64,
    next_serial: u32,
    /// Of tokens: no two of four million are the same.
    pub(super) next_nonce: u32,
    /// Own message ids for non-confirmable replies.
    next_mid: u16,
    /// Exchanges under way by where they went and their message id: empty ACK and RST have no token.
    pub(super) awaiting: HashMap<(SocketAddr, u16), Slot, KeyedState>,
    pub(super) collector: Collector,
    pub(super) fetches: Fetches,
    pub(super) freshness: Freshness,
    pub(super) echo: Echo,
    pub(super) resends: BinaryHeap<Reverse<Timer>>,
    transmits: VecDeque<Transmit>,
    passed: VecDeque<(u8, Passed)>,
    occurrences: VecDeque<Occurrence>,
    remarks: VecDeque<Remark>,
    pub(super) counters: Counters,
}

/// A message whose ticket is open.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) key: Key,
    pub(super) arrival: Arrival,
    pub(super) what: What,
}

/// How a message came, and so how its answer goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrival {
    pub(super) at: Instant,
    pub(super) peer: SocketAddr,
    pub(super) kind: Kind,
    pub(super) mid: u16,
    pub(super) token: Token,
    /// Bytes of the request; a reply to a stranger stays within three times that.
    pub(super) bytes: usize,
    /// Which block of the request's body it was; a reply says so (RFC 7959 2.3).
    pub(super) block1: Option<Block>,
    /// Classes of responses that are not wanted.
    pub(super) no_response: Option<u8>,
}

impl Arrival {
    pub(super) fn new(at: Instant, peer: SocketAddr, message: &Message, bytes: usize) -> Self {
        let Message { kind, mid, token, block1, no_response, .. } = *message;
        Self { at, peer, kind, mid, token, bytes, block1, no_response }
    }

    /// The reply as it is sent: an empty ACK, or nothing, if its class is not wanted (RFC 7967 2.1).
    pub(super) fn spell(&self, reply: &Message) -> Vec<u8> {
        match (reply.code.is_unwanted(self.no_response), self.kind) {
            (false, _) => reply.to_bytes(),
            (true, Kind::Con) => coap::empty_ack(self.mid),
            (true, _) => Vec::new(),
        }
    }
}

#[derive(Debug)]
pub(super) enum What {
    Register,
    Update {
        location: u64,
        registration: Box<Registration>,
    },
    Deregister {
        device: DeviceId,
        location: u64,
    },
    Uplink,
    /// POST to /dp: a request, and so answered with a code.
    Send,
}

impl Server {
    /// A server without registrations: [`Answer::Remember`](super::Answer::Remember) tells those of an earlier life. `names` reads
    /// the numbers given then; `seed` feeds message ids and jitter; `now` and `wall` are the same moment.
    #[must_use]
    pub fn new(config: ServerConfig, names: Names, seed: [u8; 32], (now, wall): (Instant, Timestamp)) -> Self {
        let mut random = Random::new(seed);
        let state = KeyedState::new(&mut random);
        Self {
            dedup: Dedup::new(config.dedup_entries, state),
            roster: Roster::new(state),
            park: Park::new(state, config.parked_bytes),
            expiries: Deadlines::default(),
            strays: HashMap::with_hasher(state),
            addresses: Addresses::new(state),
            remembered: false,
            second_hand: false,
            tickets: HashMap::with_hasher(state),
            next_ticket: u64::from(config.place.index) << 56,
            next_serial: 0,
            next_nonce: u32::from(random.draw_mid()) << 6,
            next_mid: random.draw_mid(),
            awaiting: HashMap::with_hasher(state),
            collector: Collector::new(config.transfer, state),
            fetches: Fetches::new(&config.transfer, state),
            freshness: Freshness::new(config.fresh_observations, state),
            echo: Echo::new(random.draw_secret()),
            resends: BinaryHeap::new(),
            transmits: VecDeque::new(),
            passed: VecDeque::new(),
            occurrences: VecDeque::new(),
            remarks: VecDeque::new(),
            counters: Counters::default(),
            origin: (now, wall),
            names,
            config,
            random,
        }
    }

    /// A datagram came.
    pub fn handle_datagram(&mut self, now: Instant, wall: Timestamp, peer: SocketAddr, datagram: &[u8]) {
        self.counters.datagrams += 1;
        self.hear(now, wall, peer, datagram);
    }

    /// Another server of this address passed something on.
    pub fn handle_passed(&mut self, now: Instant, wall: Timestamp, passed: Passed) {
        match passed {
            Passed::Datagram { peer, datagram } => {
                self.second_hand = true;
                self.hear(now, wall, peer, &datagram);
                self.second_hand = false;
            }
            Passed::Registration(registration) => {
                if let Some(slot) = self.join(now, &registration) {
                    self.advance(now, slot);
                }
            }
        }
    }

    /// As [`Self::handle_datagram`], of one that may have been parked or passed on.
    pub(super) fn hear(&mut self, now: Instant, wall: Timestamp, peer: SocketAddr, datagram: &[u8]) {
        let message = match coap::parse(datagram) {
            Ok(message) => message,
            Err(malformed) => {
                self.counters.malformed += 1;
                self.remark(Remark::Malformed { peer, fault: malformed.fault });
                if let Some(answer) = malformed.answer {
                    self.transmit(peer, answer);
                }
                return;
            }
        };
        let (kind, mid) = (message.kind, message.mid);
        if matches!(kind, Kind::Ack | Kind::Rst) {
            return self.settle_exchange(now, peer, message, datagram);
        }
        if message.code == Code::EMPTY {
            if kind == Kind::Con {
                self.transmit(peer, coap::reset(mid));
            }
            return;
        }
        let key = self.dedup.key(peer, mid, datagram);
        if let Some(seen) = self.dedup.find(now, &key) {
            self.counters.duplicates += 1;
            let again = match seen {
                Seen::Open => None,
                Seen::Answered([]) => (kind == Kind::Con).then(|| coap::empty_ack(mid)),
                Seen::Answered(reply) => Some(reply.to_vec()),
            };
            if let Some(reply) = again {
                self.transmit(peer, reply);
            }
            return;
        }
        let arrival = Arrival::new(now, peer, &message, datagram.len());
        if message.code.is_request() {
            self.request(wall, key, arrival, message, datagram);
        } else {
            self.response(wall, key, arrival, message, datagram);
        }
    }

    /// Time has passed: resends, gives up, expires, lets devices rest.
    pub fn handle_timeout(&mut self, now: Instant, _wall: Timestamp) {
        while let Some(timer) = due(&mut self.resends, now) {
            self.resend(now, timer);
        }
        self.nap(now);
        let moment = self.steady(now);
        if self.expiries.first().is_some_and(|first| first <= moment) {
            for device in self.expiries.take_due(moment, EXPIRED_AT_ONCE) {
                self.end(device);
                self.occur(Occurrence::Expired { device });
            }
        }
    }

    /// When to call [`Self::handle_timeout`]; now and then earlier than needed.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Instant> {
        let resend = self.resends.peek().map(|Reverse(timer)| timer.at);
        let expiry = self.expiries.first().map(|first| self.instant_of(first));
        [resend, expiry, self.nap_at()].into_iter().flatten().min()
    }

    /// What is for another server of this address, and its place.
    pub fn poll_passed(&mut self) -> Option<(u8, Passed)> {
        self.passed.pop_front()
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing that a device did.
    pub fn poll_occurrence(&mut self) -> Option<Occurrence> {
        self.occurrences.pop_front()
    }

    /// The next remark for the operator's log.
    pub fn poll_remark(&mut self) -> Option<Remark> {
        self.remarks.pop_front()
    }

    /// What was counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        self.counters
    }

    /// Registered devices, as far as they have been told or have registered here.
    #[must_use]
    pub fn registered(&self) -> usize {
        self.expiries.len()
    }

    /// Registered devices that are in memory.
    #[must_use]
    pub fn awake(&self) -> usize {
        self.roster.len()
    }

    /// Is this device registered?
    #[must_use]
    pub fn is_registered(&self, device: DeviceId) -> bool {
        self.expiries.at(device).is_some()
    }

    /// Whose a message is, as far as its token or location tells. For who looks on: a number that nobody gave names somebody too,
    /// and is found out only when the message is handled.
    #[must_use]
    pub fn owner(&self, message: &Message) -> Option<DeviceId> {
        let number = match message.path.as_slice() {
            [rd, location] if rd == "rd" => unspell(location),
            _ => message.token.long(),
        };
        number.map(|number| self.named(number))
    }

    /// Messages that wait for their answer, and messages remembered.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.tickets.len(), self.dedup.len())
    }

    /// Bodies that take more than one datagram and are not whole yet, and the bytes they cost.
    #[must_use]
    pub fn transfers(&self) -> (usize, usize) {
        let (ours, theirs) = (self.fetches.load(), self.collector.load());
        (ours.0 + theirs.0, ours.1 + theirs.1)
    }

    pub(super) fn transmit(&mut self, peer: SocketAddr, datagram: Vec<u8>) {
        if !datagram.is_empty() {
            self.transmits.push_back(Transmit { peer, datagram });
        }
    }

    /// Passes on what is for another server; false if it is for this one.
    pub(super) fn pass(&mut self, device: DeviceId, passed: impl FnOnce() -> Passed) -> bool {
        let home = self.config.place.home(device);
        let elsewhere = home != self.config.place.index;
        if elsewhere {
            self.passed.push_back((home, passed()));
        }
        elsewhere
    }

    /// Passes a message without token on to all others: one of them may have asked what it answers.
    pub(super) fn ask_around(&mut self, peer: SocketAddr, datagram: &[u8]) {
        if self.second_hand {
            return;
        }
        let Place { index, count } = self.config.place;
        for other in (0..count).filter(|other| *other != index) {
            self.passed.push_back((other, Passed::Datagram { peer, datagram: datagram.to_vec() }));
        }
    }

    pub(super) fn occur(&mut self, occurrence: Occurrence) {
        self.occurrences.push_back(occurrence);
    }

    pub(super) fn remark(&mut self, remark: Remark) {
        if self.remarks.len() < MAX_REMARKS {
            self.remarks.push_back(remark);
        }
    }

    pub(super) fn serial(&mut self) -> u32 {
        self.next_serial = self.next_serial.wrapping_add(1);
        self.next_serial
    }

    /// Remembers the message and opens its ticket, unless too many are open. A ticket that was never answered goes with the
    /// memory of its message.
    pub(super) fn open(&mut self, key: Key, arrival: Arrival, what: What) -> Option<Ticket> {
        if self.tickets.len() >= self.config.open_tickets {
            self.counters.busy += 1;
            self.remark(Remark::Busy { peer: arrival.peer });
            return None;
        }
        let lifetime = if arrival.kind == Kind::Non { NON_LIFETIME } else { EXCHANGE_LIFETIME };
        if self.dedup.open(arrival.at, key, lifetime) {
            self.tickets.retain(|_, pending| arrival.at.saturating_duration_since(pending.arrival.at) < EXCHANGE_LIFETIME);
        }
        let ticket = Ticket(self.next_ticket);
        self.next_ticket += 1;
        self.tickets.insert(ticket, Pending { key, arrival, what });
        Some(ticket)
    }

    /// Closes a ticket; none if it is unknown or was answered already.
    pub(super) fn close(&mut self, ticket: Ticket) -> Option<Pending> {
        self.tickets.remove(&ticket)
    }

    /// A reply to a request: piggybacked for CON, a NON of its own otherwise (RFC 7252 5.2).
    pub(super) fn reply(&mut self, arrival: &Arrival, code: Code) -> Message {
        let mut reply = match arrival.kind {
            Kind::Con => Message::new(Kind::Ack, code, arrival.mid, arrival.token),
            Kind::Non | Kind::Ack | Kind::Rst => {
                self.next_mid = self.next_mid.wrapping_add(1);
                Message::new(Kind::Non, code, self.next_mid, arrival.token)
            }
        };
        // A Block1 beside an error would be a hint at another size.
        reply.block1 = arrival.block1.filter(|_| code.is_success());
        reply
    }

    pub(super) fn timing(&self, pace: Pace) -> Timing {
        let most = self.config.max_retransmit;
        let timing = Timing {
            ack_timeout: self.config.ack_timeout,
            random_factor: self.config.ack_random_factor,
            max_retransmit: pace.max_retransmit.map_or(most, |wanted| wanted.min(most)),
        };
        timing.suited(pace.paging)
    }
}

fn due(heap: &mut BinaryHeap<Reverse<Timer>>, now: Instant) -> Option<Timer> {
    let Reverse(timer) = *heap.peek()?;
    if timer.at > now {
        return None;
    }
    heap.pop();
    Some(timer)
}
