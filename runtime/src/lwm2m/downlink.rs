//! What the gateway asks of devices: Observe of /19/0/0 after a Register, and PUT of /19/1/0 (REFERENCE C.1, C.2, C.6).
//!
//! Plain Observe without Accept: LiteOS answers 42 to that, and clients that do not know 42 would answer 4.06 otherwise.

use std::cmp::Reverse;
use std::net::SocketAddr;
use std::time::Instant;

use crate::coap::{Code, Confirmable, Kind, Message, OCTET_STREAM, Step};
use crate::model::DeviceId;

use super::exchange::{Ending, Exchange, Purpose, Queued, Timer};
use super::roster::{Observation, Slot};
use super::server::Server;
use super::{DownlinkId, Occurrence, Remark};

/// Most bytes of a downlink: what fits one UDP datagram with some room for the header.
const MAX_DOWNLINK_BYTES: usize = 65_000;
/// Devices that may seem to have one address, after rebindings, and still get message ids of their own.
const MAX_SHARED_PEER: usize = 64;

impl Server {
    pub(super) fn queue_downlink(
        &mut self,
        now: Instant,
        device: DeviceId,
        id: DownlinkId,
        payload: Vec<u8>,
        max_retransmit: Option<u8>,
    ) {
        if payload.len() > MAX_DOWNLINK_BYTES {
            return self.occur(Occurrence::Refused { device, id, code: format!("{:#}", Code::TOO_LARGE) });
        }
        let most = self.config.downlinks_per_device;
        let slot = self.roster.by_device(device);
        let talk = slot.and_then(|slot| self.roster.entry_mut(slot)).map(|entry| entry.talk.get_or_insert_default());
        match (slot, talk) {
            (Some(slot), Some(talk)) if talk.queue.len() < most => {
                talk.queue.push_back(Queued { id, payload, max_retransmit });
                self.advance(now, slot);
            }
            _ => self.occur(Occurrence::TimedOut { device, id }),
        }
    }

    /// Starts what is next, if nothing is under way.
    pub(super) fn advance(&mut self, now: Instant, slot: Slot) {
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        if entry.talk.as_ref().is_some_and(|talk| talk.current.is_some()) {
            return;
        }
        if entry.observation == Observation::Wanted {
            entry.observation = Observation::Absent;
            let token = entry.token;
            let mut message = Message::new(Kind::Con, Code::GET, 0, token.into()).with_path(["19", "0", "0"]);
            message.observe = Some(0);
            return self.begin(now, slot, Purpose::Observe, token, message, None);
        }
        match entry.talk.as_mut().and_then(|talk| talk.queue.pop_front()) {
            Some(Queued { id, payload, max_retransmit }) => {
                let token = self.fresh();
                self.roster.name(token, slot);
                let message = Message::new(Kind::Con, Code::PUT, 0, token.into())
                    .with_path(["19", "1", "0"])
                    .with_payload(OCTET_STREAM, payload);
                self.begin(now, slot, Purpose::Downlink(id), token, message, max_retransmit);
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
        max_retransmit: Option<u8>,
    ) {
        let clock = Confirmable::start(now, &self.timing(max_retransmit), self.random.draw_fraction());
        let serial = self.serial();
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        let peer = entry.peer;
        entry.mid = entry.mid.wrapping_add(1);
        for _ in 0..MAX_SHARED_PEER {
            if !self.awaiting.contains_key(&(peer, entry.mid)) {
                break;
            }
            entry.mid = entry.mid.wrapping_add(1);
        }
        message.mid = entry.mid;
        let datagram = message.to_bytes();
        self.awaiting.insert((peer, message.mid), slot);
        self.resends.push(Reverse(Timer { at: clock.deadline(), serial, slot }));
        let boxed = datagram.clone().into_boxed_slice();
        let exchange = Exchange { purpose, mid: message.mid, token, sent_to: peer, datagram: boxed, clock, serial };
        entry.talk.get_or_insert_default().current = Some(exchange);
        self.transmit(peer, datagram);
    }

    pub(super) fn current_purpose(&self, slot: Slot) -> Option<Purpose> {
        Some(self.roster.entry(slot)?.talk.as_ref()?.current.as_ref()?.purpose)
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
    pub(super) fn move_to(&mut self, slot: Slot, peer: SocketAddr) {
        if let Some(entry) = self.roster.entry_mut(slot) {
            entry.peer = peer;
        }
    }

    /// The exchange under way is over; the next may begin.
    pub(super) fn finish(&mut self, now: Instant, slot: Slot, ending: Ending) {
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        let device = entry.device;
        let Some(exchange) = entry.talk.as_mut().and_then(|talk| talk.current.take()) else { return };
        self.awaiting.remove(&(exchange.sent_to, exchange.mid));
        match exchange.purpose {
            Purpose::Observe => {
                entry.observation = Observation::Absent;
                match ending {
                    Ending::Response(code, Some(_)) if code.is_success() => entry.observation = Observation::Established,
                    _ => self.remark(Remark::NotObserved { device, why: ending.describe() }),
                }
            }
            Purpose::Downlink(id) => {
                self.roster.unname(exchange.token);
                self.occur(match ending {
                    Ending::Response(code, _) if code.is_success() => Occurrence::Delivered { device, id },
                    Ending::Response(..) | Ending::Reset => Occurrence::Refused { device, id, code: ending.describe() },
                    Ending::Silence => Occurrence::TimedOut { device, id },
                });
            }
        }
        self.advance(now, slot);
    }

    /// A notify with an error code ended the observation (RFC 7641 4.2).
    pub(super) fn lose_observation(&mut self, slot: Slot, ending: Ending) {
        if let Some(entry) = self.roster.entry_mut(slot) {
            entry.observation = Observation::Absent;
            let device = entry.device;
            self.remark(Remark::NotObserved { device, why: ending.describe() });
        }
    }
}
