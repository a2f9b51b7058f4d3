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

use super::admission::Code;
use super::callee::{Callable, Callee};
use super::convert;
use super::faults::{self, Export};
use super::guest::{Guest, Journal};
use super::{CallError, Codec, Cost, DeviceCard, Host, Isolation, Limits, LogLine};
use crate::model::{Downlink, Message, Origin};

/// Calls of a worker after which it looks for instances whose code nobody holds any more.
const SWEEP_CALLS: u64 = 1_024;

/// Instances of one worker thread. Not shared; a worker owns its own, and at most one per codec.
pub struct Instances {
    host: Arc<Host>,
    /// By address of the code; the seat's weak reference keeps the address from being given to another. A tree, since
    /// most gateways have a handful of products and hashing costs more than searching one node.
    seats: BTreeMap<usize, Box<Held>>,
    calls: u64,
    journal: Journal,
    cost: Cost,
}

struct Held {
    seat: Seat,
    code: Weak<Code>,
    /// Number of the last call.
    used: u64,
}

impl Instances {
    /// None yet; they come with the first call of each codec.
    #[must_use]
    pub fn new(host: Arc<Host>) -> Self {
        host.workers.fetch_add(1, Ordering::Relaxed);
        Self { host, seats: BTreeMap::new(), calls: 0, journal: Journal::default(), cost: Cost::default() }
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
        convert::within("payload", payload.len(), codec.limits().payload_bytes)?;
        self.call(codec, Export::Decode, device, |callee, store, limits| callee.decode(store, payload, origin, limits))
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
            convert::within("payload", uplink.len(), codec.limits().payload_bytes)?;
        }
        self.call(codec, Export::Encode, device, |callee, store, limits| callee.encode(store, downlink, origin, limits))
    }

    /// What the guest logged in the last call, and how many lines were dropped.
    pub fn take_log(&mut self) -> (Vec<LogLine>, u32) {
        (mem::take(&mut self.journal.lines), mem::take(&mut self.journal.dropped))
    }

    /// What the last call that reached a guest cost.
    #[must_use]
    pub fn last_cost(&self) -> Cost {
        self.cost
    }

    fn call<R>(
        &mut self,
        codec: &Arc<Codec>,
        export: Export,
        device: &Arc<DeviceCard>,
        run: impl FnOnce(&Callee, &mut Store<Guest>, &Limits) -> wasmtime::Result<Result<R, CallError>>,
    ) -> Result<R, CallError> {
        let limits = codec.limits();
        let key = Arc::as_ptr(&codec.code).addr();
        self.calls += 1;
        let mut opened = false;
        let held = match self.seats.entry(key) {
            Entry::Occupied(held) => held.into_mut(),
            Entry::Vacant(place) => {
                opened = true;
                let seat = Seat::open(&codec.code.callable, &self.host, limits)
                    .map_err(|error| faults::explain(&error, export, &Journal::default(), limits))?;
                place.insert(Box::new(Held { seat, code: Arc::downgrade(&codec.code), used: 0 }))
            }
        };
        held.used = self.calls;
        let answer = held.seat.call(export, limits, Some(device), run);
        held.seat.swap_journal(&mut self.journal);
        self.cost = held.seat.cost();
        if answer.is_err() || held.seat.is_spent(limits) {
            self.seats.remove(&key);
        } else if opened || self.calls.is_multiple_of(SWEEP_CALLS) {
            self.make_room();
        }
        answer?
    }

    /// Lets go of instances whose version is no longer loaded, then of those that were called longest ago.
    fn make_room(&mut self) {
        self.seats.retain(|_, held| held.code.strong_count() > 0);
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
    callee: Callee,
    calls: u32,
    /// Memory when it was made; growth beyond it is what calls left behind.
    memory_at_start: usize,
    /// Fuel that a call gets, and what the last one left; none in a host that does not meter.
    fuel: Option<Fuel>,
}

#[derive(Clone, Copy)]
struct Fuel {
    given: u64,
    left: u64,
}

impl Seat {
    /// A pristine instance.
    ///
    /// # Errors
    /// It does not fit the limits, its start function trapped, or the pool has no slot.
    pub(super) fn open(callable: &Callable, host: &Host, limits: &Limits) -> wasmtime::Result<Self> {
        let mut store = Guest::store(callable.engine(), limits);
        let fuel = host.fuel.map(|given| Fuel { given, left: given });
        if let Some(fuel) = fuel {
            store.set_fuel(fuel.given)?;
        }
        let callee = callable.open(&mut store).map_err(|error| {
            if error.is::<PoolConcurrencyLimitError>() { error.context("no room for another instance") } else { error }
        })?;
        let memory_at_start = store.data().bounds.memory;
        Ok(Self { store, callee, calls: 0, memory_at_start, fuel })
    }

    /// Calls into the guest. After an outer error the instance is not to be used again; an inner one is the guest's answer.
    pub(super) fn call<R>(
        &mut self,
        export: Export,
        limits: &Limits,
        device: Option<&Arc<DeviceCard>>,
        run: impl FnOnce(&Callee, &mut Store<Guest>, &Limits) -> wasmtime::Result<Result<R, CallError>>,
    ) -> Result<Result<R, CallError>, CallError> {
        let guest = self.store.data_mut();
        guest.device = device.map(Arc::clone);
        guest.journal.clear();
        guest.watch.restart(limits);
        self.store.set_epoch_deadline(1);
        self.calls = self.calls.saturating_add(1);
        let fuelled = self.fuel.map_or(Ok(()), |fuel| self.store.set_fuel(fuel.given));
        let answer = fuelled.and_then(|()| run(&self.callee, &mut self.store, limits));
        if let Some(fuel) = &mut self.fuel {
            fuel.left = self.store.get_fuel().unwrap_or_default();
        }
        let guest = self.store.data_mut();
        guest.device = None;
        answer.map_err(|error| faults::explain(&error, export, &guest.journal, limits))
    }

    /// Of the last call.
    pub(super) fn cost(&self) -> Cost {
        Cost { fuel: self.fuel.map(|fuel| fuel.given.saturating_sub(fuel.left)), memory_bytes: self.store.data().bounds.memory }
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
