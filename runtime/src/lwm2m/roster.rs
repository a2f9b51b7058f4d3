//! The registered devices and the three ways to find one: by device, by observation or request token, by location.
//!
//! Small on purpose: a registered idle device costs a slot, three index entries and a timer. What devices of one model have in
//! common (version, binding, object list) is kept once. Sends nothing and knows no message.

use std::collections::{HashMap, HashSet};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::coap::KeyedState;
use crate::model::{DeviceId, Registration, Timestamp};

use super::exchange::Talk;

/// Where a device lies. It may be another device's later; a serial number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// What devices of one model have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Traits {
    pub(super) version: String,
    pub(super) binding: String,
    pub(super) objects: Vec<String>,
}

/// A registered device.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) device: DeviceId,
    pub(super) peer: SocketAddr,
    pub(super) token: u64,
    pub(super) location: u64,
    pub(super) registered: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) expires: Instant,
    pub(super) traits: Arc<Traits>,
    pub(super) talk: Option<Box<Talk>>,
    pub(super) lifetime_s: u32,
    /// Names this registration in a timer.
    pub(super) serial: u32,
    /// Last message id used towards it.
    pub(super) mid: u16,
    /// Does it observe, as far as we know?
    pub(super) observation: Observation,
}

/// The observation of /19/0/0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Observation {
    /// To be asked for as soon as nothing else is under way.
    Wanted,
    /// Asked for, no first response yet; or refused, until the next Update.
    Absent,
    /// It was asked for in an earlier life of the server. Asked for again at an Update before which no notify came: the
    /// server may have stopped between 2.01 and Observe.
    Restored,
    /// Notifies come.
    Established,
}

impl Entry {
    /// As it is stored.
    pub(super) fn registration(&self) -> Registration {
        Registration {
            device: self.device,
            location: spell(self.location),
            token: spell(self.token),
            peer: self.peer,
            lifetime_s: self.lifetime_s,
            version: self.traits.version.clone(),
            binding: self.traits.binding.clone(),
            objects: self.traits.objects.clone(),
            registered: self.registered,
            updated: self.updated,
        }
    }
}

/// A token or location as text: 16 hex digits.
pub(super) fn spell(number: u64) -> String {
    format!("{number:016x}")
}

/// The reverse of [`spell`].
pub(super) fn unspell(text: &str) -> Option<u64> {
    let fits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    fits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

/// All of them.
#[derive(Debug)]
pub(super) struct Roster {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    by_device: HashMap<DeviceId, Slot, KeyedState>,
    by_token: HashMap<u64, Slot, KeyedState>,
    by_location: HashMap<u64, Slot, KeyedState>,
    shelf: HashSet<Arc<Traits>, KeyedState>,
    sweep_at: usize,
}

impl Roster {
    pub(super) fn new(state: KeyedState) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            by_device: HashMap::with_hasher(state),
            by_token: HashMap::with_hasher(state),
            by_location: HashMap::with_hasher(state),
            shelf: HashSet::with_hasher(state),
            sweep_at: 64,
        }
    }

    pub(super) fn len(&self) -> usize {
        self.by_device.len()
    }

    /// Takes a device in. The caller has removed an earlier entry of the same device.
    pub(super) fn insert(&mut self, entry: Entry) -> Slot {
        let slot = self.free.pop().unwrap_or_else(|| {
            self.entries.push(None);
            Slot(u32::try_from(self.entries.len() - 1).unwrap_or(u32::MAX))
        });
        self.by_device.insert(entry.device, slot);
        self.by_token.insert(entry.token, slot);
        self.by_location.insert(entry.location, slot);
        if let Some(place) = self.entries.get_mut(index(slot)) {
            *place = Some(entry);
        }
        slot
    }

    /// Takes a device out with all its tokens.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.entries.get_mut(index(slot))?.take()?;
        self.by_device.remove(&entry.device);
        self.by_location.remove(&entry.location);
        self.unname(entry.token);
        if let Some(exchange) = entry.talk.as_ref().and_then(|talk| talk.current.as_ref()) {
            self.unname(exchange.token);
        }
        self.free.push(slot);
        Some(entry)
    }

    /// A request's token leads to this device too.
    pub(super) fn name(&mut self, token: u64, slot: Slot) {
        self.by_token.insert(token, slot);
    }

    pub(super) fn unname(&mut self, token: u64) {
        self.by_token.remove(&token);
    }

    /// Is this token taken?
    pub(super) fn is_named(&self, token: u64) -> bool {
        self.by_token.contains_key(&token) || self.by_location.contains_key(&token)
    }

    pub(super) fn entry(&self, slot: Slot) -> Option<&Entry> {
        self.entries.get(index(slot))?.as_ref()
    }

    pub(super) fn entry_mut(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(index(slot))?.as_mut()
    }

    pub(super) fn by_device(&self, device: DeviceId) -> Option<Slot> {
        self.by_device.get(&device).copied()
    }

    pub(super) fn by_token(&self, token: u64) -> Option<Slot> {
        self.by_token.get(&token).copied()
    }

    pub(super) fn by_location(&self, location: u64) -> Option<Slot> {
        self.by_location.get(&location).copied()
    }

    /// The one copy of these traits. Those that nobody has any more go when the shelf has doubled.
    pub(super) fn share(&mut self, traits: Traits) -> Arc<Traits> {
        if let Some(shared) = self.shelf.get(&traits) {
            return Arc::clone(shared);
        }
        if self.shelf.len() >= self.sweep_at {
            self.shelf.retain(|traits| Arc::strong_count(traits) > 1);
            self.sweep_at = (self.shelf.len() * 2).max(64);
        }
        let shared = Arc::new(traits);
        self.shelf.insert(Arc::clone(&shared));
        shared
    }
}

fn index(slot: Slot) -> usize {
    usize::try_from(slot.0).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_idle_device_is_small() {
        assert!(size_of::<Option<Entry>>() <= 144, "{}", size_of::<Option<Entry>>());
    }

    #[test]
    fn only_what_was_spelled_is_unspelled() {
        assert_eq!(unspell(&spell(0x1f)), Some(0x1f));
        for text in ["", "1f", "000000000000001F", "+00000000000001f", "000000000000001f0", "00000000000000é"] {
            assert_eq!(unspell(text), None, "{text}");
        }
    }
}
