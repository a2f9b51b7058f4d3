//! The files of versions on the store's shelf: a file goes when no version needs it and no version that does is on its way.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::store::{Store, StoreError};

/// Knows which files somebody is about to name in a version.
pub(super) struct Shelf {
    store: Store,
    /// Held while one file is removed, so that nobody begins to count on it meanwhile.
    pinned: Mutex<HashMap<String, usize>>,
}

/// While this lives the file stays. Dropped, it goes again unless a version needs it by then.
pub(super) struct Pin {
    shelf: Arc<Shelf>,
    digest: String,
    size: u64,
}

impl Shelf {
    pub(super) fn new(store: Store) -> Self {
        Self { store, pinned: Mutex::default() }
    }

    /// Durable when it returns.
    pub(super) fn put(self: &Arc<Self>, bytes: &[u8]) -> Result<Pin, StoreError> {
        let digest = blake3::hash(bytes).to_hex().to_string();
        *self.lock().entry(digest.clone()).or_default() += 1;
        let pin = Pin { shelf: Arc::clone(self), digest, size: bytes.len() as u64 };
        self.store.put_file(bytes)?;
        Ok(pin)
    }

    /// Removes those that nobody needs.
    pub(super) fn clear<'a>(&self, digests: impl Iterator<Item = &'a str>) {
        let pinned = self.lock();
        for digest in digests.filter(|digest| !pinned.contains_key(*digest)) {
            self.remove(digest);
        }
    }

    fn remove(&self, digest: &str) {
        if let Err(error) = self.store.remove_unused_file(digest) {
            tracing::warn!(digest, %error, "a file that no codec version needs stays");
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, usize>> {
        self.pinned.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Pin {
    /// blake3 of the file, hex.
    pub(super) fn digest(&self) -> &str {
        &self.digest
    }

    /// Its bytes.
    pub(super) fn size(&self) -> u64 {
        self.size
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        let mut pinned = self.shelf.lock();
        let left = pinned.get_mut(&self.digest).map_or(0, |count| {
            *count = count.saturating_sub(1);
            *count
        });
        if left == 0 {
            pinned.remove(&self.digest);
            self.shelf.remove(&self.digest);
        }
    }
}
