//! How many versions live: at work, and replaced but still finishing calls. Counts; decides nothing.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::{ActiveProduct, Catalog, How, Slot};

/// What the catalog counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Census {
    /// Products.
    pub products: usize,
    /// Versions at work.
    pub active: usize,
    /// Those of them that are left alone because they trapped or ran on too often.
    pub degraded: usize,
    /// Products whose codec could not be loaded.
    pub broken: usize,
    /// Versions that were replaced and still finish calls that began with them.
    pub draining: usize,
    /// Switches since the start, in the order of [`How::ALL`].
    pub switches: [u64; How::ALL.len()],
}

#[derive(Default)]
pub(super) struct Counters {
    replaced: Mutex<Vec<Weak<ActiveProduct>>>,
    switches: [AtomicU64; How::ALL.len()],
}

impl Counters {
    /// Another took its place in the table.
    pub(super) fn replaced(&self, product: Option<Arc<ActiveProduct>>) {
        let mut replaced = self.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.retain(|product| product.strong_count() > 0);
        replaced.extend(product.filter(|product| product.codec().is_some()).map(|product| Arc::downgrade(&product)));
    }

    pub(super) fn switched(&self, how: How) {
        for (counted, counter) in How::ALL.iter().zip(&self.switches) {
            counter.fetch_add(u64::from(*counted == how), Ordering::Relaxed);
        }
    }
}

impl Catalog {
    /// What is loaded at this moment.
    #[must_use]
    pub fn census(&self) -> Census {
        let table = self.active.load();
        let count = |wanted: fn(&Slot) -> bool| table.values().filter(|product| wanted(&product.codec)).count();
        let mut replaced = self.census.replaced.lock().unwrap_or_else(PoisonError::into_inner);
        replaced.retain(|product| product.strong_count() > 0);
        Census {
            products: table.len(),
            active: count(|slot| matches!(slot, Slot::Active(_))),
            degraded: count(|slot| matches!(slot, Slot::Active(codec) if codec.pulse.view().degraded)),
            broken: count(|slot| matches!(slot, Slot::Broken(_))),
            draining: replaced.len(),
            switches: self.census.switches.each_ref().map(|counter| counter.load(Ordering::Relaxed)),
        }
    }
}
