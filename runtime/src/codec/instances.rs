//! The instances of one worker: reused from call to call, replaced when they are spent or broke.
//!
//! A call runs on the caller's thread and ends by itself (epoch deadline); nothing here waits or locks. What a guest did
//! wrong is explained by `faults`.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::mem;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};

use wasmtime::{PoolConcurrencyLimitError, Store};

use super::convert;
use super::faults::{self, Export};
use super::guest::{Guest, Journal};
use super::wit::{Plugin, PluginPre};
use super::{CallError, Codec, DeviceCard, Host, Isolation, Limits, LogLine};
use crate::model::{Downlink, Message, Origin};

/// Instances of one worker thread. Not shared; a worker owns its own, and at most one per codec version.
pub struct Instances {
    host: Arc<Host>,
    /// By address of the codec; the seat's weak reference keeps the address from being given to another. A tree, since
    /// most gateways have a handful of products and hashing costs more than searching one node.
    seats: BTreeMap<usize, Held>,
    calls: u64,
    journal: Journal,
}

struct Held {
    seat: Seat,
    codec: Weak<Codec>,
    /// Number of the last call.
    used: u64,
}

impl Instances {
    /// None yet; they come with the first call of each codec.
    #[must_use]
    pub fn new(host: Arc<Host>) -> Self {
        host.workers.fetch_add(1, Ordering::Relaxed);
        Self { host, seats: BTreeMap::new(), calls: 0, journal: Journal::default() }
    }

    /// Turns a device's bytes into messages. Indices in them are the guest's word: whoever joins them with a table checks them.
    ///
    /// # Errors
    /// [`CallError`]; whatever it is, it concerns this call only.
    pub fn decode(
        &mut self,
        codec: &Arc<Codec>,
        device: &Arc<DeviceCard>,
        payload: &[u8],
        origin: &Origin,
    ) -> Result<Vec<Message>, CallError> {
        self.journal.clear();
        convert::within("payload", payload.len(), self.host.limits.payload_bytes)?;
        let origin = convert::origin(origin);
        let answer = self.call(codec, Export::Decode, device, |plugin, store| {
            plugin.codecgate_codec_codec().call_decode(store, payload, origin)
        })?;
        convert::messages(answer.map_err(convert::fault)?, &self.host.limits)
    }

    /// Turns a command or an acknowledgement into bytes for the device; none = send nothing.
    ///
    /// # Errors
    /// [`CallError`]; whatever it is, it concerns this call only.
    pub fn encode(
        &mut self,
        codec: &Arc<Codec>,
        device: &Arc<DeviceCard>,
        downlink: Downlink,
        origin: &Origin,
    ) -> Result<Option<Vec<u8>>, CallError> {
        self.journal.clear();
        if let Downlink::ReportAck { uplink, .. } = &downlink {
            convert::within("payload", uplink.len(), self.host.limits.payload_bytes)?;
        }
        let (downlink, origin) = (convert::downlink(downlink), convert::origin(origin));
        let answer = self.call(codec, Export::Encode, device, |plugin, store| {
            plugin.codecgate_codec_codec().call_encode(store, &downlink, origin)
        })?;
        let bytes = answer.map_err(convert::fault)?;
        convert::within("downlink", bytes.as_ref().map_or(0, Vec::len), self.host.limits.payload_bytes)?;
        Ok(bytes)
    }

    /// What the guest logged in the last call, and how many lines were dropped.
    pub fn take_log(&mut self) -> (Vec<LogLine>, u32) {
        (mem::take(&mut self.journal.lines), mem::take(&mut self.journal.dropped))
    }

    fn call<R>(
        &mut self,
        codec: &Arc<Codec>,
        export: Export,
        device: &Arc<DeviceCard>,
        run: impl FnOnce(&Plugin, &mut Store<Guest>) -> wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        let limits = &self.host.limits;
        let key = Arc::as_ptr(codec).addr();
        self.calls += 1;
        let mut opened = false;
        let held = match self.seats.entry(key) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(place) => {
                opened = true;
                let seat = Seat::open(&codec.pre, limits)
                    .map_err(|error| faults::explain(&error, export, &Journal::default(), limits))?;
                place.insert(Held { seat, codec: Arc::downgrade(codec), used: 0 })
            }
        };
        held.used = self.calls;
        let answer = held.seat.call(export, limits, Some(device), run);
        held.seat.swap_journal(&mut self.journal);
        if answer.is_err() || held.seat.is_spent(limits) {
            self.seats.remove(&key);
        } else if opened {
            self.make_room();
        }
        answer
    }

    /// Lets go of instances whose version is no longer loaded, then of those that were called longest ago.
    fn make_room(&mut self) {
        self.seats.retain(|_, held| held.codec.strong_count() > 0);
        while self.seats.len() > self.host.idle_cap() {
            let oldest = self.seats.iter().min_by_key(|(_, held)| held.used).map(|(key, _)| *key);
            let Some(oldest) = oldest else { return };
            self.seats.remove(&oldest);
        }
    }
}

impl Drop for Instances {
    fn drop(&mut self) {
        self.host.workers.fetch_sub(1, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Instances {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Instances").field("idle", &self.seats.len()).field("calls", &self.calls).finish_non_exhaustive()
    }
}

/// One live instance.
pub(super) struct Seat {
    store: Store<Guest>,
    plugin: Plugin,
    calls: u32,
    /// Memory when it was made; growth beyond it is what calls left behind.
    memory_at_start: usize,
}

impl Seat {
    /// A pristine instance.
    ///
    /// # Errors
    /// It does not fit the limits, its start function trapped, or the pool has no slot.
    pub(super) fn open(pre: &PluginPre<Guest>, limits: &Limits) -> wasmtime::Result<Self> {
        let mut store = Guest::store(pre.instance_pre().component(), limits);
        let plugin = pre.instantiate(&mut store).map_err(|error| {
            if error.is::<PoolConcurrencyLimitError>() { error.context("no room for another instance") } else { error }
        })?;
        let memory_at_start = store.data().bounds.memory;
        Ok(Self { store, plugin, calls: 0, memory_at_start })
    }

    /// Calls into the guest. After an error the instance is not to be used again.
    pub(super) fn call<R>(
        &mut self,
        export: Export,
        limits: &Limits,
        device: Option<&Arc<DeviceCard>>,
        run: impl FnOnce(&Plugin, &mut Store<Guest>) -> wasmtime::Result<R>,
    ) -> Result<R, CallError> {
        let guest = self.store.data_mut();
        guest.device = device.map(Arc::clone);
        guest.journal.clear();
        guest.watch.restart();
        self.store.set_epoch_deadline(1);
        self.calls = self.calls.saturating_add(1);
        let answer = run(&self.plugin, &mut self.store);
        let guest = self.store.data_mut();
        guest.device = None;
        answer.map_err(|error| faults::explain(&error, export, &guest.journal, limits))
    }

    fn swap_journal(&mut self, other: &mut Journal) {
        mem::swap(&mut self.store.data_mut().journal, other);
    }

    /// Whether the next call deserves another instance.
    fn is_spent(&self, limits: &Limits) -> bool {
        let grown = self.store.data().bounds.memory.saturating_sub(self.memory_at_start);
        limits.isolation == Isolation::Fresh || self.calls >= limits.calls_per_instance || grown > limits.memory_bytes / 4
    }
}
