//! What the flows answer, and the beginning and end of a registration (LwM2M Core 6.2).

use std::time::Instant;

use crate::coap::{Code, Kind, Message, empty_ack, reset};
use crate::model::{DeviceId, Registration};

use super::exchange::{Purpose, Queued, Talk};
use super::roster::{Observation, Slot, Traits};
use super::server::{Arrival, Pending, Server, What};
use super::{Answer, Occurrence, Passed, Ticket};

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
            Answer::Later { ticket, max_age_s } => {
                if let Some(pending) = self.close(ticket) {
                    self.dedup.forget(&pending.key);
                    let mut reply = self.reply(&pending.arrival, Code::TOO_MANY);
                    reply.max_age = Some(max_age_s);
                    self.transmit(pending.arrival.peer, reply.to_bytes());
                }
            }
            Answer::Forget { ticket } => {
                if let Some(pending) = self.close(ticket) {
                    self.dedup.forget(&pending.key);
                }
            }
            Answer::Send { device, id, ask, wire, pace } => {
                self.queue_downlink(now, device, Queued { id, ask, wire, pace });
            }
            Answer::Recalled { device, registration } => self.recalled(now, device, registration.as_deref()),
            Answer::NotRecalled { device } => self.not_recalled(device),
            Answer::Remember(registrations) => registrations.iter().for_each(|registration| self.remember(registration)),
            Answer::Remembered => self.remembered = true,
            Answer::Remove { device } => self.end(device),
        }
    }

    fn admit(&mut self, now: Instant, pending: Pending, registration: &Registration) {
        let elsewhere = self.config.place.home(registration.device) != self.config.place.index;
        if !elsewhere && self.join(now, registration).is_none() {
            return self.dedup.forget(&pending.key);
        }
        let mut reply = self.reply(&pending.arrival, Code::CREATED);
        reply.location = vec!["rd".to_owned(), registration.location.clone()];
        self.answer(&pending, &reply);
        if let Some(slot) = self.roster.by_device(registration.device) {
            self.advance(now, slot);
        }
        // Its home begins to observe when the 2.01 is on its way.
        self.pass(registration.device, || Passed::Registration(Box::new(registration.clone())));
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
            What::Send => {
                let reply = self.reply(&arrival, Code::CHANGED);
                self.answer(&pending, &reply);
            }
            What::Update { location, registration } => {
                let slot = self.at(registration.device, *location);
                let code = if slot.is_some() { Code::CHANGED } else { Code::NOT_FOUND };
                let reply = self.reply(&arrival, code);
                self.answer(&pending, &reply);
                if let Some(slot) = slot {
                    self.renew(now, slot, registration, &arrival);
                }
            }
            What::Deregister { device, location } => {
                let reply = self.reply(&arrival, Code::DELETED);
                self.answer(&pending, &reply);
                // Registered anew since, or out of memory: then the newer registration stays, or the store knows.
                let newer = self.roster.by_device(*device).is_some() && self.at(*device, *location).is_none();
                if !newer {
                    self.end(*device);
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

    fn answer(&mut self, pending: &Pending, reply: &Message) {
        let reply = pending.arrival.spell(reply);
        self.dedup.settle(&pending.key, &reply);
        self.transmit(pending.arrival.peer, reply);
    }

    /// The device's slot if it is registered at this location.
    fn at(&self, device: DeviceId, location: u64) -> Option<Slot> {
        let slot = self.roster.by_device(device)?;
        self.roster.entry(slot).filter(|entry| entry.location == location).map(|_| slot)
    }

    /// Takes a new registration in, in place of an earlier one of the same device; what is to be observed is asked for next. None if its location or
    /// token is no number of a server.
    pub(super) fn join(&mut self, now: Instant, registration: &Registration) -> Option<Slot> {
        let device = registration.device;
        self.end(device);
        let slot = self.wake(now, registration)?;
        self.expiries.set(device, registration.expires().plus_ms(self.grace_ms()));
        self.addresses.note(device, &registration.version, registration.peer);
        let entry = self.roster.entry_mut(slot)?;
        entry.all_watches().for_each(|watch| watch.state = Observation::Wanted);
        Some(slot)
    }

    /// Ends what a device's registration was.
    pub(super) fn end(&mut self, device: DeviceId) {
        self.expiries.clear(device);
        self.addresses.forget(device);
        self.lose_fetch(device, "the registration ended");
        if let Some(slot) = self.roster.by_device(device) {
            self.take_out(slot);
        }
    }

    /// Takes a device out of memory whose registration is over; what waited for it is over too.
    pub(super) fn take_out(&mut self, slot: Slot) {
        let Some(entry) = self.roster.remove(slot) else { return };
        let device = entry.device;
        let Some(Talk { current, queue }) = entry.talk.map(|talk| *talk) else { return };
        if let Some(exchange) = &current {
            self.awaiting.remove(&(exchange.sent_to, exchange.mid));
        }
        let under_way = current.and_then(|exchange| match exchange.purpose {
            Purpose::Downlink { id, .. } => Some(id),
            Purpose::Observe | Purpose::Fetch { .. } => None,
        });
        for id in under_way.into_iter().chain(queue.into_iter().map(|queued| queued.id)) {
            self.occur(Occurrence::TimedOut { device, id });
        }
    }

    fn renew(&mut self, now: Instant, slot: Slot, registration: &Registration, arrival: &Arrival) {
        let traits = self.roster.share(Traits::from(registration));
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        entry.lifetime_s = registration.lifetime_s;
        entry.updated = registration.updated;
        entry.traits = traits;
        let device = entry.device;
        for watch in entry.all_watches() {
            if matches!(watch.state, Observation::Absent | Observation::Restored) {
                watch.state = Observation::Wanted;
            }
        }
        self.expiries.set(device, registration.expires().plus_ms(self.grace_ms()));
        self.heard(now, slot, arrival.peer);
        self.advance(now, slot);
    }
}
