//! Devices that come into memory when they speak or are spoken to, and leave it when they rest.
//!
//! A registration is recalled from the store by the flows; meanwhile what came for the device is parked, within a bound of bytes. What
//! finds no room is forgotten, and the device sends it again.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::coap::KeyedState;
use crate::model::{DeviceId, Registration, Timestamp};

use super::exchange::Queued;
use super::names::unspell;
use super::roster::Slot;
use super::server::Server;
use super::{DownlinkId, Occurrence};

/// What waits for a registration.
#[derive(Debug)]
pub(super) enum Parked {
    Datagram { wall: Timestamp, peer: SocketAddr, datagram: Vec<u8> },
    Send(Queued),
}

impl Parked {
    fn bytes(&self) -> usize {
        // What the queue itself costs counts too: many empty datagrams are not free.
        64 + match self {
            Self::Datagram { datagram, .. } => datagram.len(),
            Self::Send(queued) => queued.ask.payload.len(),
        }
    }
}

/// All that waits.
#[derive(Debug)]
pub(super) struct Park {
    waiting: HashMap<DeviceId, Vec<Parked>, KeyedState>,
    bytes: usize,
    most: usize,
}

impl Park {
    pub(super) fn new(state: KeyedState, most: usize) -> Self {
        Self { waiting: HashMap::with_hasher(state), bytes: 0, most }
    }

    fn take(&mut self, device: DeviceId) -> Vec<Parked> {
        let taken = self.waiting.remove(&device).unwrap_or_default();
        self.bytes -= taken.iter().map(Parked::bytes).sum::<usize>();
        taken
    }
}

impl Server {
    /// The device of a number that the server gave, perhaps.
    pub(super) fn named(&self, number: u64) -> DeviceId {
        let stray = if self.strays.is_empty() { None } else { self.strays.get(&number).copied() };
        stray.unwrap_or_else(|| self.names.open(number).0)
    }

    /// Whether a device may be registered, as far as memory tells.
    pub(super) fn may_know(&self, device: DeviceId) -> bool {
        !self.remembered || self.expiries.at(device).is_some()
    }

    /// Notes when a registration of an earlier life ends, and numbers of it that do not name it: a store that was moved to another
    /// gateway has them. Registered anew since: nothing.
    pub(super) fn remember(&mut self, registration: &Registration) {
        let device = registration.device;
        if self.config.place.home(device) != self.config.place.index || self.expiries.at(device).is_some() {
            return;
        }
        self.expiries.set(device, registration.expires().plus_ms(self.grace_ms()));
        self.addresses.note(device, &registration.version, registration.peer);
        let tokens = registration.observations.iter().map(|observation| &observation.token);
        for text in [&registration.location, &registration.token].into_iter().chain(tokens) {
            if let Some(number) = unspell(text).filter(|number| self.names.open(*number).0 != device) {
                self.strays.entry(number).or_insert(device);
            }
        }
    }

    /// Parks what came and asks for the registration. False when there is no room.
    pub(super) fn park(&mut self, device: DeviceId, parked: Parked) -> bool {
        let bytes = parked.bytes();
        if self.park.bytes + bytes > self.park.most {
            self.counters.not_parked += 1;
            return false;
        }
        self.park.bytes += bytes;
        let waiting = self.park.waiting.entry(device).or_default();
        waiting.push(parked);
        if waiting.len() == 1 {
            self.occur(Occurrence::Recall { device });
        }
        true
    }

    /// The store has told what it has of a device.
    pub(super) fn recalled(&mut self, now: Instant, device: DeviceId, registration: Option<&Registration>) {
        self.counters.recalled += 1;
        let alive = registration.filter(|registration| {
            registration.device == device && registration.expires().plus_ms(self.grace_ms()) > self.steady(now)
        });
        let slot = match (self.roster.by_device(device), alive) {
            // It registered while the store was asked.
            (Some(slot), _) => Some(slot),
            (None, Some(registration)) => {
                self.remember(registration);
                self.wake(now, registration)
            }
            (None, None) => None,
        };
        for parked in self.park.take(device) {
            match (parked, slot) {
                (Parked::Datagram { wall, peer, datagram }, Some(_)) => self.hear(now, wall, peer, &datagram),
                (Parked::Datagram { peer, datagram, .. }, None) => self.disown(peer, &datagram),
                (Parked::Send(queued), Some(slot)) => self.queue(now, slot, queued),
                (Parked::Send(Queued { id, .. }), None) => self.occur(Occurrence::TimedOut { device, id }),
            }
        }
    }

    /// The store could not tell who it is: nothing is said, so that nothing ends. What the flows wanted sent is told lost; they look again.
    pub(super) fn not_recalled(&mut self, device: DeviceId) {
        for parked in self.park.take(device) {
            if let Parked::Send(Queued { id, .. }) = parked {
                self.occur(Occurrence::TimedOut { device, id });
            }
        }
    }

    /// Takes a stored registration into memory.
    pub(super) fn wake(&mut self, now: Instant, registration: &Registration) -> Option<Slot> {
        let traits = self.roster.share(registration.into());
        let mid = self.random.draw_mid();
        let entry = super::roster::Entry::new(registration, traits, mid, now)?;
        let slot = self.roster.insert(entry);
        self.roster.naps.push_back((now + self.config.rest, registration.device));
        Some(slot)
    }

    /// Sends a device out of memory if it has nothing under way; looks again later otherwise.
    pub(super) fn nap(&mut self, now: Instant) {
        let rest = self.config.rest;
        // A few at a time, so that a long queue holds nothing up.
        for _ in 0..64 {
            let Some((at, device)) = self.roster.naps.front().copied() else { return };
            let crowded = self.roster.len() > self.config.awake_devices;
            if at > now && !crowded {
                return;
            }
            self.roster.naps.pop_front();
            let Some(slot) = self.roster.by_device(device) else { continue };
            let Some(entry) = self.roster.entry(slot) else { continue };
            if entry.talk.is_some() || (!crowded && entry.used + rest > now) {
                self.roster.naps.push_back((now + rest, device));
                if crowded {
                    return;
                }
                continue;
            }
            if let Some(entry) = self.roster.remove(slot).filter(|entry| entry.changed) {
                self.occur(Occurrence::Keep { registration: entry.registration() });
            }
        }
    }

    pub(super) fn nap_at(&self) -> Option<Instant> {
        self.roster.naps.front().map(|(at, _)| *at)
    }

    /// A moment on the wall clock that no correction of the clock moves.
    pub(super) fn steady(&self, now: Instant) -> Timestamp {
        let since = now.saturating_duration_since(self.origin.0);
        self.origin.1.plus_ms(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }

    /// When [`Self::steady`] reaches a moment.
    pub(super) fn instant_of(&self, at: Timestamp) -> Instant {
        self.origin.0 + Duration::from_millis(at.since(self.origin.1))
    }

    pub(super) fn grace_ms(&self) -> u64 {
        u64::try_from(self.config.lifetime_grace.as_millis()).unwrap_or(u64::MAX)
    }

    /// A downlink for a device that is not in memory.
    pub(super) fn send_later(&mut self, device: DeviceId, queued: Queued) {
        let id: DownlinkId = queued.id;
        if !self.may_know(device) || !self.park(device, Parked::Send(queued)) {
            self.occur(Occurrence::TimedOut { device, id });
        }
    }
}
