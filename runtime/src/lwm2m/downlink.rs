//! What the gateway asks of devices: Observe after a Register, and whatever the flows want (REFERENCE C.1, C.2, C.6).
//!
//! Plain Observe of /19/0/0 without Accept: LiteOS answers 42 to that, and clients that do not know 42 would answer 4.06 otherwise.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::Instant;

use crate::coap::{Code, Confirmable, Message, Step};
use crate::model::{Asker, DeviceId};

use super::bodies::{Left, Rest};
use super::exchange::{Change, Ending, Exchange, Purpose, Queued, Timer};
use super::inbound::REPORT_PATH;
use super::names::Use;
use super::roster::{Observation, Slot, Watch};
use super::server::Server;
use super::{Ask, Occurrence, Pace, Remark, Reply};

/// Most bytes of a downlink: what fits one UDP datagram with some room for the header.
const MAX_DOWNLINK_BYTES: usize = 65_000;
/// Devices that may seem to have one address, after rebindings, and still get message ids of their own.
const MAX_SHARED_PEER: usize = 64;
/// Observations of one device that the flows may ask for.
const MAX_WATCHES: usize = 64;

impl Server {
    pub(super) fn queue_downlink(&mut self, now: Instant, device: DeviceId, queued: Queued) {
        if queued.ask.payload.len() > MAX_DOWNLINK_BYTES {
            return self.occur(Occurrence::Answered { device, id: queued.id, reply: bare(Code::TOO_LARGE) });
        }
        match self.roster.by_device(device) {
            Some(slot) => self.queue(now, slot, queued),
            None => self.send_later(device, queued),
        }
    }

    /// Lets a downlink wait for its turn.
    pub(super) fn queue(&mut self, now: Instant, slot: Slot, queued: Queued) {
        let most = self.config.downlinks_per_device;
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        entry.used = now;
        let device = entry.device;
        let talk = entry.talk.get_or_insert_default();
        if talk.queue.len() < most {
            talk.queue.push_back(queued);
            self.advance(now, slot);
        } else {
            self.occur(Occurrence::TimedOut { device, id: queued.id });
        }
    }

    /// Starts what is next, if nothing is under way.
    pub(super) fn advance(&mut self, now: Instant, slot: Slot) {
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        if entry.talk.as_ref().is_some_and(|talk| talk.current.is_some()) {
            return;
        }
        let device = entry.device;
        if let Some((serial, message)) = self.next_block(slot, device) {
            let token = message.token.long().unwrap_or_default();
            return self.begin(now, slot, Purpose::Fetch { serial }, token, message, (None, Pace::default()));
        }
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        let wanted = entry.all_watches().find(|watch| watch.state == Observation::Wanted).map(|watch| {
            watch.state = Observation::Absent;
            watch.token
        });
        if let Some(token) = wanted {
            let path = entry.watch(token).and_then(|(path, _)| path).unwrap_or(REPORT_PATH);
            let mut ask = Ask::new(Code::GET, segments(path));
            ask.observe = Some(0);
            return self.begin(now, slot, Purpose::Observe, token, ask.message(0, token.into()), (None, Pace::default()));
        }
        match entry.talk.as_mut().and_then(|talk| talk.queue.pop_front()) {
            Some(Queued { id, ask, wire, pace }) => {
                let path = format!("/{}", ask.path.join("/"));
                let observed = if path == REPORT_PATH { Some(entry.reports.token) } else { None };
                let observed =
                    observed.or_else(|| entry.watches.iter().find(|(of, _)| *of == path).map(|(_, watch)| watch.token));
                let (token, change) = match (ask.observe, observed) {
                    // An observation is ended, or asked for again, under its own token (RFC 7641 3.6).
                    (Some(1), Some(token)) => (Some(token), Change::Ends),
                    (Some(0), Some(token)) => (Some(token), Change::Nothing),
                    (Some(0), None) => (None, Change::Begins(path)),
                    _ => (None, Change::Nothing),
                };
                let of = if matches!(change, Change::Begins(_)) { Use::Observation } else { Use::Downlink };
                let nonce = wire.map_or_else(|| self.draw_nonce(), |wire| wire.nonce);
                let token = token.unwrap_or_else(|| self.names.seal(device, of, nonce));
                let rest = Box::new(Rest::new(ask, token, pace, self.config.transfer.szx));
                let message = rest.message(token);
                let purpose = Purpose::Downlink { id, change, rest };
                self.begin(now, slot, purpose, token, message, (wire.map(|wire| wire.mid), pace));
            }
            None => entry.talk = None,
        }
    }

    fn begin(
        &mut self,
        now: Instant,
        slot: Slot,
        purpose: Purpose,
        token: u64,
        mut message: Message,
        (mid, pace): (Option<u16>, Pace),
    ) {
        let clock = Confirmable::start(now, &self.timing(pace), self.random.draw_fraction());
        let serial = self.serial();
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        let peer = entry.peer;
        let mid = mid.unwrap_or_else(|| {
            entry.mid = entry.mid.wrapping_add(1);
            for _ in 0..MAX_SHARED_PEER {
                if !self.awaiting.contains_key(&(peer, entry.mid)) {
                    break;
                }
                entry.mid = entry.mid.wrapping_add(1);
            }
            entry.mid
        });
        message.mid = mid;
        let datagram = message.to_bytes();
        self.awaiting.insert((peer, mid), slot);
        self.resends.push(Reverse(Timer { at: clock.deadline(), serial, slot }));
        let boxed = datagram.clone().into_boxed_slice();
        let exchange = Exchange { purpose, mid, token, sent_to: peer, datagram: boxed, clock, serial };
        entry.talk.get_or_insert_default().current = Some(exchange);
        self.transmit(peer, datagram);
    }

    pub(super) fn draw_nonce(&mut self) -> u32 {
        self.next_nonce = self.next_nonce.wrapping_add(1);
        self.next_nonce
    }

    fn current(&mut self, slot: Slot) -> Option<&mut Exchange> {
        self.roster.entry_mut(slot)?.talk.as_mut()?.current.as_mut()
    }

    /// An empty ACK: the response comes by itself.
    pub(super) fn wait_for_response(&mut self, slot: Slot) {
        let Some(exchange) = self.current(slot) else { return };
        exchange.clock.acknowledged();
        let timer = Timer { at: exchange.clock.deadline(), serial: exchange.serial, slot };
        self.resends.push(Reverse(timer));
    }

    pub(super) fn resend(&mut self, now: Instant, timer: Timer) {
        let slot = timer.slot;
        let Some(peer) = self.roster.entry(slot).map(|entry| entry.peer) else { return };
        let Some(exchange) = self.current(slot).filter(|exchange| exchange.serial == timer.serial) else { return };
        match exchange.clock.step(now) {
            Step::Wait => {}
            Step::GiveUp => self.finish(now, slot, Ending::Silence),
            Step::Resend => {
                let (before, mid) = (exchange.sent_to, exchange.mid);
                exchange.sent_to = peer;
                let (datagram, at) = (exchange.datagram.to_vec(), exchange.clock.deadline());
                self.awaiting.remove(&(before, mid));
                self.awaiting.insert((peer, mid), slot);
                self.resends.push(Reverse(Timer { at, ..timer }));
                self.counters.retransmissions += 1;
                self.transmit(peer, datagram);
            }
        }
    }

    /// The device was heard from this address; later resends go there.
    pub(super) fn heard(&mut self, now: Instant, slot: Slot, peer: SocketAddr) {
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        entry.used = now;
        let device = entry.device;
        self.fetches.stir(device);
        let Some(entry) = self.roster.entry_mut(slot).filter(|entry| entry.peer != peer) else { return };
        entry.peer = peer;
        entry.changed = true;
        self.addresses.note(device, &entry.traits.version, peer);
    }

    /// The device has taken an observation.
    pub(super) fn taken(&mut self, slot: Slot, token: u64) {
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        if let Some(watch) = entry.watch_mut(token).filter(|watch| watch.state != Observation::Established) {
            watch.state = Observation::Established;
            entry.changed = true;
        }
    }

    /// The exchange under way is over; the next may begin.
    pub(super) fn finish(&mut self, now: Instant, slot: Slot, ending: Ending) {
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        let device = entry.device;
        let Some(exchange) = entry.talk.as_mut().and_then(|talk| talk.current.take()) else { return };
        self.awaiting.remove(&(exchange.sent_to, exchange.mid));
        match exchange.purpose {
            Purpose::Observe => match &ending {
                Ending::Response(message) if message.code.is_success() && message.observe.is_some() => {
                    self.taken(slot, exchange.token)
                }
                _ => self.lose_observation(slot, exchange.token, &ending),
            },
            Purpose::Fetch { serial } => self.fetched(now, device, serial, &ending),
            Purpose::Downlink { id, change, mut rest } => {
                let occurrence = match ending {
                    Ending::Response(message) => match rest.take(&self.config.transfer, &message) {
                        Left::Reply(reply) => {
                            if reply.code.is_success() {
                                self.change_observations(slot, rest.token, change, reply.observe.is_some());
                            }
                            Occurrence::Answered { device, id, reply }
                        }
                        Left::Blocks => {
                            let nonce = self.draw_nonce();
                            let token = self.names.seal(device, Use::Downlink, nonce);
                            let (message, resends) = (rest.message(token), rest.pace);
                            let purpose = Purpose::Downlink { id, change, rest };
                            return self.begin(now, slot, purpose, token, message, (None, resends));
                        }
                    },
                    Ending::Reset => Occurrence::Reset { device, id },
                    Ending::Silence => Occurrence::TimedOut { device, id },
                };
                self.occur(occurrence);
            }
        }
        self.advance(now, slot);
    }

    fn change_observations(&mut self, slot: Slot, token: u64, change: Change, observes: bool) {
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        match change {
            Change::Begins(path) if observes && entry.watches.len() < MAX_WATCHES => {
                entry.watches.push((path, Watch { token, state: Observation::Established, by: Asker::Application }));
            }
            Change::Ends => {
                entry.watches.retain(|(_, watch)| watch.token != token);
                if entry.reports.token == token {
                    entry.reports.state = Observation::Absent;
                }
            }
            Change::Nothing | Change::Begins(_) => return,
        }
        entry.changed = true;
    }

    /// The device does not observe: it refused, did not answer, or ended it with an error code (RFC 7641 4.2).
    pub(super) fn lose_observation(&mut self, slot: Slot, token: u64, ending: &Ending) {
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        let device = entry.device;
        let path = entry.watch(token).and_then(|(path, _)| path).unwrap_or(REPORT_PATH).to_owned();
        if let Some(watch) = entry.watch_mut(token) {
            watch.state = Observation::Absent;
        }
        entry.changed = true;
        self.remark(Remark::NotObserved { device, path, why: ending.describe() });
    }
}

/// The segments of a path such as `/3/0/7`.
pub(super) fn segments(path: &str) -> impl Iterator<Item = &str> {
    path.split('/').filter(|segment| !segment.is_empty())
}

pub(super) fn bare(code: Code) -> Reply {
    Reply { code, content_format: None, observe: None, payload: Vec::new() }
}
