//! What the flows answer, and the beginning and end of a registration (LwM2M Core 6.2).

use std::time::{Duration, Instant};

use crate::coap::{Code, Kind, empty_ack, reset};
use crate::model::{DeviceId, Registration};

use super::exchange::{Purpose, Talk, Timer};
use super::roster::{Entry, Observation, Slot, Traits, unspell};
use super::server::{Arrival, Pending, Server, What};
use super::{Answer, Occurrence, Ticket};

impl Server {
    /// The flows have decided. An answer to a ticket that is closed already is nothing.
    pub fn handle_answer(&mut self, now: Instant, answer: Answer) {
        match answer {
            Answer::Register { ticket, registration } => {
                if let Some(pending) = self.close(ticket) {
                    self.admit(now, pending, &registration);
                }
            }
            Answer::Accept { ticket } => self.accept(now, ticket),
            Answer::Refuse { ticket, code } => self.refuse(ticket, code),
            Answer::Forget { ticket } => {
                if let Some(pending) = self.close(ticket) {
                    self.dedup.forget(&pending.key);
                }
            }
            Answer::Send { device, id, payload, max_retransmit } => self.queue_downlink(now, device, id, payload, max_retransmit),
            Answer::Remove { device } => {
                if let Some(slot) = self.roster.by_device(device) {
                    self.take_out(slot);
                }
            }
        }
    }

    fn admit(&mut self, now: Instant, pending: Pending, registration: &Registration) {
        let left = lifetime(registration).saturating_sub(now.saturating_duration_since(pending.arrival.at));
        let Some(slot) = self.take_in(registration, now, left, Observation::Wanted) else {
            return self.dedup.forget(&pending.key);
        };
        let mut reply = self.reply(&pending.arrival, Code::CREATED);
        reply.location = vec!["rd".to_owned(), registration.location.clone()];
        self.answer(&pending, reply.to_bytes());
        self.advance(now, slot);
    }

    fn accept(&mut self, now: Instant, ticket: Ticket) {
        let Some(pending) = self.close(ticket) else { return };
        let arrival = pending.arrival;
        match &pending.what {
            What::Uplink => {
                self.dedup.settle(&pending.key, &[]);
                if arrival.kind == Kind::Con {
                    self.transmit(arrival.peer, empty_ack(arrival.mid));
                }
            }
            What::Update { location, registration } => {
                let slot = self.roster.by_location(*location);
                let code = if slot.is_some() { Code::CHANGED } else { Code::NOT_FOUND };
                let reply = self.reply(&arrival, code).to_bytes();
                self.answer(&pending, reply);
                if let Some(slot) = slot {
                    self.renew(now, slot, registration, &arrival);
                }
            }
            What::Deregister { location } => {
                let reply = self.reply(&arrival, Code::DELETED).to_bytes();
                self.answer(&pending, reply);
                if let Some(slot) = self.roster.by_location(*location) {
                    self.take_out(slot);
                }
            }
            // A Register is let in with its registration or not at all.
            What::Register => self.dedup.forget(&pending.key),
        }
    }

    /// What is refused is not remembered: asked again, it is decided again.
    fn refuse(&mut self, ticket: Ticket, code: u16) {
        let Some(pending) = self.close(ticket) else { return };
        self.dedup.forget(&pending.key);
        let code = Code::response(code).unwrap_or(Code::FORBIDDEN);
        let arrival = pending.arrival;
        let datagram = match pending.what {
            What::Uplink if code.class() == 5 || arrival.kind == Kind::Ack => return,
            What::Uplink => reset(arrival.mid),
            _ => self.refusal(&arrival, code, ""),
        };
        self.transmit(arrival.peer, datagram);
    }

    fn answer(&mut self, pending: &Pending, reply: Vec<u8>) {
        self.dedup.settle(&pending.key, &reply);
        self.transmit(pending.arrival.peer, reply);
    }

    /// Takes a registration in, in place of an earlier one of the same device. None if its location or token is not ours.
    pub(super) fn take_in(
        &mut self,
        registration: &Registration,
        now: Instant,
        left: Duration,
        observation: Observation,
    ) -> Option<Slot> {
        let (location, token) = (unspell(&registration.location)?, unspell(&registration.token)?);
        let earlier =
            [self.roster.by_device(registration.device), self.roster.by_token(token), self.roster.by_location(location)];
        for slot in earlier.into_iter().flatten() {
            self.take_out(slot);
        }
        let traits = self.roster.share(Traits {
            version: registration.version.clone(),
            binding: registration.binding.clone(),
            objects: registration.objects.clone(),
        });
        let (serial, mid) = (self.serial(), self.random.draw_mid());
        let expires = now + left + self.config.lifetime_grace;
        let slot = self.roster.insert(Entry {
            device: registration.device,
            peer: registration.peer,
            token,
            location,
            registered: registration.registered,
            updated: registration.updated,
            expires,
            traits,
            talk: None,
            lifetime_s: registration.lifetime_s,
            serial,
            mid,
            observation,
        });
        self.expiries.push(std::cmp::Reverse(Timer { at: expires, serial, slot }));
        Some(slot)
    }

    /// Ends a registration; what waited for it is over.
    pub(super) fn take_out(&mut self, slot: Slot) -> Option<DeviceId> {
        let entry = self.roster.remove(slot)?;
        let device = entry.device;
        if let Some(Talk { current, queue }) = entry.talk.map(|talk| *talk) {
            if let Some(exchange) = &current {
                self.awaiting.remove(&(exchange.sent_to, exchange.mid));
            }
            let under_way = current.and_then(|exchange| match exchange.purpose {
                Purpose::Downlink(id) => Some(id),
                Purpose::Observe => None,
            });
            for id in under_way.into_iter().chain(queue.into_iter().map(|queued| queued.id)) {
                self.occur(Occurrence::TimedOut { device, id });
            }
        }
        Some(device)
    }

    fn renew(&mut self, now: Instant, slot: Slot, registration: &Registration, arrival: &Arrival) {
        let traits = self.roster.share(Traits {
            version: registration.version.clone(),
            binding: registration.binding.clone(),
            objects: registration.objects.clone(),
        });
        let expires = arrival.at + lifetime(registration) + self.config.lifetime_grace;
        let fresh = self.serial();
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        entry.lifetime_s = registration.lifetime_s;
        entry.updated = registration.updated;
        entry.traits = traits;
        // The timer that is set looks again when it is due; only one that is too late is replaced.
        let sooner = expires < entry.expires;
        entry.expires = expires;
        if matches!(entry.observation, Observation::Absent | Observation::Restored) {
            entry.observation = Observation::Wanted;
        }
        if sooner {
            entry.serial = fresh;
            self.expiries.push(std::cmp::Reverse(Timer { at: expires, serial: fresh, slot }));
        }
        self.move_to(slot, arrival.peer);
        self.advance(now, slot);
    }

    pub(super) fn expire(&mut self, now: Instant, timer: Timer) {
        let Some(entry) = self.roster.entry(timer.slot).filter(|entry| entry.serial == timer.serial) else { return };
        if entry.expires > now {
            self.expiries.push(std::cmp::Reverse(Timer { at: entry.expires, ..timer }));
        } else if let Some(device) = self.take_out(timer.slot) {
            self.occur(Occurrence::Expired { device });
        }
    }
}

fn lifetime(registration: &Registration) -> Duration {
    Duration::from_secs(u64::from(registration.lifetime_s))
}
