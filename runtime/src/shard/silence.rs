//! The clock for devices that say nothing: one moment for each at which somebody should look (REFERENCE C.6).
//!
//! A device that speaks does not touch it. When its moment comes, its shard looks at when it was heard last, and either moves the
//! moment or changes the state. What is lost here is found at the next start, which reads all devices.

use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::catalog::Catalog;
use crate::model::{Deadlines, Device, DeviceId, ProductId, Timestamp};
use crate::presence::{DeviceState, Limits, next_look};
use crate::store::{Store, StoreError};

/// Devices read in one step.
const STEP: usize = 512;

/// Whose moments a scan sets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scan {
    /// All devices that have none yet.
    Missing,
    /// All devices of a product, whose limits are others now.
    Product(ProductId),
}

/// When somebody should look at devices.
#[derive(Default)]
pub(crate) struct Silence {
    deadlines: Mutex<Deadlines>,
}

impl Silence {
    /// Look at the device then; none = never.
    pub(crate) fn set(&self, device: DeviceId, at: Option<Timestamp>) {
        match at {
            Some(at) => self.deadlines().set(device, at),
            None => self.deadlines().clear(device),
        }
    }

    /// Devices that should be looked at now, about `most`.
    pub(crate) fn take_due(&self, now: Timestamp, most: usize) -> Vec<DeviceId> {
        self.deadlines().take_due(now, most)
    }

    /// Reads devices and sets their moments: from what is stored, which may be too early, never too late.
    pub(crate) fn scan(&self, store: &Store, catalog: &Catalog, scan: Scan) -> Result<(), StoreError> {
        let product = match scan {
            Scan::Missing => None,
            Scan::Product(product) => Some(product),
        };
        let mut after = None;
        loop {
            let page = store.devices(product, after, STEP)?;
            for device in &page.items {
                if scan == Scan::Missing && self.deadlines().at(device.id).is_some() {
                    continue;
                }
                if let Some(at) = moment(store, catalog, device)? {
                    self.set(device.id, Some(at));
                }
            }
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    fn deadlines(&self) -> MutexGuard<'_, Deadlines> {
        self.deadlines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// When to look at a device, as far as one or two records tell.
fn moment(store: &Store, catalog: &Catalog, device: &Device) -> Result<Option<Timestamp>, StoreError> {
    let Some(product) = catalog.active(device.product) else { return Ok(None) };
    let limits = Limits::from(&product.product.habits);
    let stored = store.stored_presence(device.id)?;
    if let Some(known) = stored.filter(|known| known.state != DeviceState::Registered) {
        return Ok(next_look(known.state, known.heard, limits));
    }
    // Registered by an older codecgate, or never.
    Ok(match store.registration(device.id)? {
        Some(registration) => next_look(DeviceState::Online, registration.updated, limits),
        None => removal(device),
    })
}

/// When a device that never came is removed; none = never.
pub(crate) fn removal(device: &Device) -> Option<Timestamp> {
    let timeout_ms = u64::from(device.registration_timeout_s) * 1_000;
    (timeout_ms > 0).then(|| device.created.plus_ms(timeout_ms))
}
