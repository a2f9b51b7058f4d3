//! The devices that are in memory: those that speak, are spoken to, or did so a while ago. Found by device number only; their
//! tokens and locations say whose they are. What devices of one model have in common (version, binding, object list) is kept once.
//! Sends nothing and knows no message.

use std::collections::{HashMap, HashSet, VecDeque};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use crate::coap::KeyedState;
use crate::model::{self, Asker, DeviceId, Registration, Timestamp};

use super::exchange::Talk;
use super::names::{spell, unspell};

/// Where a device lies. It may be another device's later; a serial number tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Slot(u32);

/// What devices of one model have in common.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(super) struct Traits {
    pub(super) version: String,
    pub(super) binding: String,
    pub(super) objects: Vec<String>,
    pub(super) formats: Vec<u16>,
}

impl From<&Registration> for Traits {
    fn from(registration: &Registration) -> Self {
        Self {
            version: registration.version.clone(),
            binding: registration.binding.clone(),
            objects: registration.objects.clone(),
            formats: registration.formats.clone(),
        }
    }
}

/// A registered device.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) device: DeviceId,
    pub(super) peer: SocketAddr,
    pub(super) location: u64,
    pub(super) registered: Timestamp,
    pub(super) updated: Timestamp,
    pub(super) moves: model::Moves,
    pub(super) traits: Arc<Traits>,
    pub(super) talk: Option<Box<Talk>>,
    pub(super) lifetime_s: u32,
    /// Last message id used towards it.
    pub(super) mid: u16,
    /// Whether what is stored is behind.
    pub(super) changed: bool,
    /// The observation of /19/0/0.
    pub(super) reports: Watch,
    /// Other observations.
    pub(super) watches: Vec<(String, Watch)>,
    /// Last heard or asked.
    pub(super) used: Instant,
}

/// An observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Watch {
    pub(super) token: u64,
    pub(super) state: Observation,
    pub(super) by: Asker,
}

/// Does the device observe, as far as we know?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Observation {
    /// To be asked for as soon as nothing else is under way.
    Wanted,
    /// Asked for, no first response yet; or refused, until the next Update.
    Absent,
    /// It was asked for in an earlier life of the server, perhaps. Asked for again at an Update before which no notify came: the
    /// server may have stopped between 2.01 and Observe.
    Restored,
    /// Notifies come.
    Established,
}

impl Observation {
    /// As the store knows it.
    fn stored(taken: bool) -> Self {
        if taken { Self::Established } else { Self::Restored }
    }
}

impl Entry {
    /// From what is stored; none if its location or a token was not made by a server.
    pub(super) fn new(registration: &Registration, traits: Arc<Traits>, mid: u16, now: Instant) -> Option<Self> {
        let watches = registration.observations.iter().map(|observation| {
            let watch =
                Watch { token: unspell(&observation.token)?, state: Observation::stored(observation.taken), by: observation.by };
            Some((observation.path.clone(), watch))
        });
        Some(Self {
            device: registration.device,
            peer: registration.peer,
            location: unspell(&registration.location)?,
            registered: registration.registered,
            updated: registration.updated,
            moves: registration.moves,
            traits,
            talk: None,
            lifetime_s: registration.lifetime_s,
            mid,
            changed: false,
            reports: Watch {
                token: unspell(&registration.token)?,
                state: Observation::stored(registration.observed),
                by: Asker::Product,
            },
            watches: watches.collect::<Option<_>>()?,
            used: now,
        })
    }

    /// As it is stored.
    pub(super) fn registration(&self) -> Registration {
        let taken = |watch: &Watch| watch.state == Observation::Established;
        let observations = self.watches.iter().map(|(path, watch)| model::Observation {
            path: path.clone(),
            token: spell(watch.token),
            taken: taken(watch),
            by: watch.by,
        });
        Registration {
            device: self.device,
            location: spell(self.location),
            token: spell(self.reports.token),
            peer: self.peer,
            lifetime_s: self.lifetime_s,
            version: self.traits.version.clone(),
            binding: self.traits.binding.clone(),
            objects: self.traits.objects.clone(),
            formats: self.traits.formats.clone(),
            observed: taken(&self.reports),
            observations: observations.collect(),
            registered: self.registered,
            updated: self.updated,
            moves: self.moves,
        }
    }

    /// Whether it has object 19, or does not say what it has.
    pub(super) fn has_object_19(&self) -> bool {
        let objects = &self.traits.objects;
        objects.is_empty() || objects.iter().any(|path| path == "/19" || path.starts_with("/19/"))
    }

    /// The observation of a token, with the path of those that are not /19/0/0.
    pub(super) fn watch(&self, token: u64) -> Option<(Option<&str>, Watch)> {
        if self.reports.token == token {
            return Some((None, self.reports));
        }
        self.watches.iter().find(|(_, watch)| watch.token == token).map(|(path, watch)| (Some(path.as_str()), *watch))
    }

    /// The same, to be changed.
    pub(super) fn watch_mut(&mut self, token: u64) -> Option<&mut Watch> {
        let others = self.watches.iter_mut().map(|(_, watch)| watch);
        std::iter::once(&mut self.reports).chain(others).find(|watch| watch.token == token)
    }

    /// All observations.
    pub(super) fn all_watches(&mut self) -> impl Iterator<Item = &mut Watch> {
        let asked = self.has_object_19();
        let others = self.watches.iter_mut().map(|(_, watch)| watch);
        std::iter::once(&mut self.reports).filter(move |_| asked).chain(others)
    }
}

/// All of them.
#[derive(Debug)]
pub(super) struct Roster {
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    by_device: HashMap<DeviceId, Slot, KeyedState>,
    /// When to look whether a device may leave memory, in order.
    pub(super) naps: VecDeque<(Instant, DeviceId)>,
    shelf: HashSet<Arc<Traits>, KeyedState>,
    sweep_at: usize,
}

impl Roster {
    pub(super) fn new(state: KeyedState) -> Self {
        Self {
            entries: Vec::new(),
            free: Vec::new(),
            by_device: HashMap::with_hasher(state),
            naps: VecDeque::new(),
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
        if let Some(place) = self.entries.get_mut(index(slot)) {
            *place = Some(entry);
        }
        slot
    }

    /// Takes a device out.
    pub(super) fn remove(&mut self, slot: Slot) -> Option<Entry> {
        let entry = self.entries.get_mut(index(slot))?.take()?;
        self.by_device.remove(&entry.device);
        self.free.push(slot);
        Some(entry)
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
