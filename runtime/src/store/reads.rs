//! The reading half of the contract: each method names what it gives, the work is done in `documents`, `log` and `files`.
//!
//! All reads are synchronous. One record costs microseconds from the cache; listings and old events belong on blocking threads.
//! All fail with [`StoreError::Corrupt`] for a record that cannot be read and [`StoreError::Fatal`] when the disk fails.

#![expect(clippy::missing_errors_doc, reason = "the same two errors everywhere, see above")]

use std::sync::atomic::Ordering;

use tokio::sync::watch;

use crate::model::{
    Batch, BatchId, CodecVersion, Command, CommandId, CommandState, Device, DeviceId, Event, EventId, EventKind, Product,
    ProductId, ProductKey, Registration, Subscription, SubscriptionId, Timestamp, VersionNumber,
};

use crate::presence::{DeviceState, Presence};

use super::documents::Documents;
use super::keys::{Kind, Lane};
use super::{CodecRecord, Page, Store, StoreError, StoreHealth, Versioned, block, log, retention, transfer};

impl Store {
    fn documents(&self) -> Documents<'_> {
        Documents(&self.shared.engine.state)
    }

    // documents

    /// The product with this number.
    pub fn product(&self, id: ProductId) -> Result<Option<Versioned<Product>>, StoreError> {
        self.documents().product(id)
    }

    /// The product with this (manufacturerId, model).
    pub fn product_by_key(&self, key: &ProductKey) -> Result<Option<Versioned<Product>>, StoreError> {
        self.documents().product_by_key(key)
    }

    /// All products, in order of number.
    pub fn products(&self) -> Result<Vec<Versioned<Product>>, StoreError> {
        self.documents().all("product", Kind::Product, &[])
    }

    /// The device with this number.
    pub fn device(&self, id: DeviceId) -> Result<Option<Versioned<Device>>, StoreError> {
        self.documents().device(id)
    }

    /// The device with this endpoint client name.
    pub fn device_by_endpoint(&self, endpoint: &str) -> Result<Option<Versioned<Device>>, StoreError> {
        self.documents().device_by_endpoint(endpoint)
    }

    /// In order of id, after `after`.
    pub fn devices(
        &self,
        product: Option<ProductId>,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Page<Device, DeviceId>, StoreError> {
        self.documents().devices(product, after, limit)
    }

    /// How many devices the product has.
    pub fn device_count(&self, product: ProductId) -> Result<u64, StoreError> {
        self.documents().device_count(product)
    }

    /// The device's live registration.
    pub fn registration(&self, device: DeviceId) -> Result<Option<Registration>, StoreError> {
        self.documents().registration(device)
    }

    /// Live registrations in order of device, those after one device.
    pub fn registrations(&self, after: Option<DeviceId>, limit: usize) -> Result<Page<Registration, DeviceId>, StoreError> {
        self.documents().registrations(after, limit)
    }

    /// Where the device stands, as it was stored last; of a device of an older codecgate, what follows from its registration and events.
    pub fn presence(&self, device: &Device) -> Result<Presence, StoreError> {
        if let Some(stored) = self.stored_presence(device.id)? {
            return Ok(stored);
        }
        let fresh = Presence::of(device);
        let (registration, seen) = (self.registration(device.id)?, self.last_seen(device.id));
        Ok(match (registration, seen) {
            (Some(registration), seen) => {
                let heard = seen.unwrap_or(registration.updated);
                Presence { state: DeviceState::Online, since: registration.registered, heard, ..fresh }
            }
            (None, Some(heard)) => Presence { state: DeviceState::Offline, since: heard, heard, ..fresh },
            (None, None) => fresh,
        })
    }

    /// The record that [`Store::presence`] begins with.
    pub fn stored_presence(&self, device: DeviceId) -> Result<Option<Presence>, StoreError> {
        self.documents().presence(device)
    }

    /// The command with this id.
    pub fn command(&self, id: CommandId) -> Result<Option<Versioned<Command>>, StoreError> {
        self.documents().command(id)
    }

    /// Newest first, older than `before`.
    pub fn commands(
        &self,
        device: Option<DeviceId>,
        state: Option<CommandState>,
        before: Option<CommandId>,
        limit: usize,
    ) -> Result<Page<Command, CommandId>, StoreError> {
        self.documents().commands(device, state, before, limit)
    }

    /// The first `limit` of those that are PENDING or SENT, in the order in which they go out: what is under way, what goes at once, then
    /// by priority; within each, oldest first. Costs the same however many there are.
    pub fn next_commands(&self, device: DeviceId, limit: usize) -> Result<Vec<Versioned<Command>>, StoreError> {
        self.documents().next_commands(device, limit)
    }

    /// How many commands of the device are PENDING or SENT; counts to `most`.
    pub fn open_count(&self, device: DeviceId, most: usize) -> Result<usize, StoreError> {
        self.documents().open_count(device, most)
    }

    /// How many commands are PENDING or SENT, of all devices.
    pub fn open_total(&self) -> Result<u64, StoreError> {
        self.documents().open_total()
    }

    /// When PENDING or SENT commands must be looked at, whose they are and which: those due by `now`, earliest first, after `after`. Reads
    /// nothing of those that are due later.
    pub fn due_commands(
        &self,
        now: Timestamp,
        after: Option<(Timestamp, DeviceId, CommandId)>,
        limit: usize,
    ) -> Result<Vec<(Timestamp, DeviceId, CommandId)>, StoreError> {
        self.documents().due_commands(now, after, limit)
    }

    /// Devices with a command that is PENDING or SENT, in order of id, after `after`.
    pub fn devices_with_open_commands(&self, after: Option<DeviceId>, limit: usize) -> Result<Vec<DeviceId>, StoreError> {
        self.documents().devices_with_open_commands(after, limit)
    }

    /// The batch with this number.
    pub fn batch(&self, id: BatchId) -> Result<Option<Versioned<Batch>>, StoreError> {
        self.documents().batch(id)
    }

    /// All batches, in order of number.
    pub fn batches(&self) -> Result<Vec<Batch>, StoreError> {
        Ok(bare(self.documents().all("batch", Kind::Batch, &[])?))
    }

    /// How many devices of a batch have their newest command in each state.
    pub fn batch_counts(&self, id: BatchId) -> Result<Vec<(CommandState, u64)>, StoreError> {
        self.documents().batch_counts(id)
    }

    /// The newest command of each device of a batch, in order of device, after `after`.
    pub fn batch_commands(
        &self,
        id: BatchId,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Page<Versioned<Command>, DeviceId>, StoreError> {
        self.documents().batch_commands(id, after, limit)
    }

    /// The product's codec version with this number.
    pub fn version(&self, product: ProductId, number: VersionNumber) -> Result<Option<CodecVersion>, StoreError> {
        self.documents().version(product, number)
    }

    /// The product's codec versions, in order of number.
    pub fn versions(&self, product: ProductId) -> Result<Vec<CodecVersion>, StoreError> {
        Ok(bare(self.documents().all("version", Kind::Version, &product.0.to_be_bytes())?))
    }

    /// What an older codecgate stored of the product's codecs, in order of digest.
    pub fn codecs(&self, product: ProductId) -> Result<Vec<CodecRecord>, StoreError> {
        Ok(bare(self.documents().all("codec", Kind::Codec, &product.0.to_be_bytes())?))
    }

    /// The subscription with this number.
    pub fn subscription(&self, id: SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        self.documents().subscription(id)
    }

    /// All subscriptions, in order of number.
    pub fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        Ok(bare(self.documents().all("subscription", Kind::Subscription, &[])?))
    }

    /// Up to where the subscription's events have been delivered; none = nothing yet.
    pub fn cursor(&self, id: SubscriptionId) -> Result<Option<EventId>, StoreError> {
        self.documents().cursor(id)
    }

    // files, content-addressed, outside sled

    /// Durable when it returns the blake3 in hex. A file stays until it is removed; the same bytes are stored once.
    pub fn put_file(&self, bytes: &[u8]) -> Result<String, StoreError> {
        self.shared.files.put(bytes)
    }

    /// The bytes with this blake3, verified; none when there are none.
    pub fn file(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        self.shared.files.read(digest)
    }

    /// Removes the file unless a codec version needs it; tells whether it is gone. The caller sees to it that no version that
    /// names the file is on its way.
    pub fn remove_unused_file(&self, digest: &str) -> Result<bool, StoreError> {
        if self.documents().needs_file(digest)? {
            return Ok(false);
        }
        self.shared.files.remove(digest)
    }

    // the log

    /// The newest durable event.
    #[must_use]
    pub fn last_event(&self) -> Option<EventId> {
        *self.shared.head.borrow()
    }

    /// Changes whenever events became durable.
    #[must_use]
    pub fn watch_events(&self) -> watch::Receiver<Option<EventId>> {
        self.shared.head.subscribe()
    }

    /// Oldest first, after `after` (none = from the oldest kept), at most `limit`, about 1 MiB at most; empty = caught up. A cursor into
    /// a day that retention dropped goes on with the oldest kept event.
    pub fn events_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<Event>, StoreError> {
        log::events_after(&self.shared, after, limit)
    }

    /// Newest first, older than `before`; a page ends early at about 1 MiB.
    pub fn device_events(
        &self,
        device: DeviceId,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Page<Event, EventId>, StoreError> {
        log::lane_events(&self.shared, Lane::Device(device), before, limit)
    }

    /// Events about a product as a whole (switches of its codec), newest first, older than `before`.
    pub fn product_events(
        &self,
        product: ProductId,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Page<Event, EventId>, StoreError> {
        log::lane_events(&self.shared, Lane::Product(product), before, limit)
    }

    /// The events that correct this one, newest first, at most `limit`.
    pub fn corrections(&self, original: EventId, limit: usize) -> Result<Vec<Event>, StoreError> {
        let mut found = log::lane_events(&self.shared, Lane::Corrections(original), None, limit)?.items;
        found.retain(|event| event.fact.corrects() == Some(original));
        Ok(found)
    }

    /// Dead letters, newest first, older than `before`; a page ends early at about 1 MiB.
    pub fn dead_letters(
        &self,
        product: Option<ProductId>,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Page<Event, EventId>, StoreError> {
        log::lane_events(&self.shared, log::dead_letter_lane(product), before, limit)
    }

    /// The event at this place; none when there is none, or its day was dropped.
    pub fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        log::event(&self.shared, id)
    }

    /// Time of the device's newest event that came from the device; kept when its events have passed retention. A record that
    /// cannot be read is logged and counts as none.
    #[must_use]
    pub fn last_seen(&self, device: DeviceId) -> Option<Timestamp> {
        log::last_seen(&self.shared, device).unwrap_or_else(|fault| {
            tracing::error!(%device, %fault, "cannot read when the device was last seen");
            None
        })
    }

    /// How many events of each kind the log took since the store was opened.
    #[must_use]
    pub fn appended(&self) -> Vec<(EventKind, u64)> {
        let count = |kind| self.shared.appended.get(usize::from(block::kind_code(kind))).map_or(0, |c| c.load(Ordering::Relaxed));
        EventKind::ALL.into_iter().map(|kind| (kind, count(kind))).collect()
    }

    // care

    /// Drops the days that retention no longer covers and the ended commands of that age; gives how many days. Call now and then, on
    /// a blocking thread: commits go on meanwhile.
    pub fn expire(&self, now: Timestamp) -> Result<u32, StoreError> {
        retention::expire(&self.shared, now)
    }

    /// What health shows. Walks the data folder: not for a hot path.
    #[must_use]
    pub fn health(&self) -> StoreHealth {
        StoreHealth {
            durability: self.shared.config.durability,
            disk_bytes: self.shared.engine.disk_bytes(),
            queued: self.shared.queue.len(),
            fatal: self.shared.fatal.get().cloned(),
        }
    }

    /// All documents, events and files as lines of JSON; gives the number of lines. The first line is a header, the last one the count.
    pub fn export(&self, out: &mut dyn std::io::Write) -> Result<u64, StoreError> {
        transfer::export(&self.shared, out)
    }

    /// Into an empty store; gives the number of lines. A broken line is [`StoreError::Corrupt`] with its number, and the folder is then
    /// refused at the next open. Event ids and cursors stay, versions of documents begin again.
    pub fn import(&self, input: &mut dyn std::io::BufRead) -> Result<u64, StoreError> {
        transfer::import(&self.shared, input)
    }
}

fn bare<T>(found: Vec<Versioned<T>>) -> Vec<T> {
    found.into_iter().map(|found| found.doc).collect()
}
