//! The embedded store: documents, the event log that is also the outbox, and files. The only module that names sled.
//!
//! No iterator, transaction or raw key leaves it, so that another engine can serve the same contract. Writes go through one
//! committer thread; `done` is called after the commit is durable, never before.

use std::path::Path;

use crate::model::{
    Command, CommandId, CommandState, Device, DeviceId, Event, EventId, EventKind, NewEvent, Product, ProductId, ProductKey,
    Registration, Subscription, SubscriptionId, Timestamp,
};

/// How the store is opened.
#[derive(Debug, Clone)]
pub struct StoreConfig {
    /// sled's cache, MiB. Resident memory is about 2.5 times that.
    pub cache_mib: u64,
    /// Whole days of events to keep.
    pub retention_days: u32,
    /// When a commit counts.
    pub durability: Durability,
    /// Most submissions waiting for the committer; more are refused with [`StoreError::Busy`].
    pub queue: usize,
}

/// When a commit counts as done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// After the disk has it.
    Durable,
    /// After the process has it; a crash loses up to half a second. Health says so.
    Relaxed,
}

/// Version of a document, counted by its writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version(pub u64);

/// A document and its version.
#[derive(Debug, Clone, PartialEq)]
pub struct Versioned<T> {
    /// The document.
    pub doc: T,
    /// Its version, for [`Expect::Version`].
    pub version: Version,
}

/// What a write asks of the stored version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Nothing.
    Any,
    /// The document must not exist.
    Absent,
    /// The document must still have this version.
    Version(Version),
}

/// A codec version that was admitted; its component lies in the files under `digest`.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodecRecord {
    /// blake3 of the component, hex.
    pub digest: String,
    /// For which product.
    pub product: ProductId,
    /// The codec's own name.
    pub name: String,
    /// The codec's own version.
    pub version: String,
    /// Bytes of the component.
    pub size: u64,
    /// When it was uploaded.
    pub uploaded: Timestamp,
}

/// One document change.
#[derive(Debug, Clone)]
pub enum Write {
    /// Unique by key (manufacturerId, model).
    PutProduct(Product, Expect),
    /// Refused by callers while devices exist.
    DeleteProduct(ProductId),
    /// Unique by endpoint.
    PutDevice(Device, Expect),
    /// The device, its endpoint, its registration and its commands.
    DeleteDevice(DeviceId),
    /// One per device.
    PutRegistration(Registration),
    /// The device is gone from the network.
    DeleteRegistration(DeviceId),
    /// A command; the index of open commands follows its state.
    PutCommand(Command, Expect),
    /// A codec version.
    PutCodec(CodecRecord),
    /// A subscription.
    PutSubscription(Subscription),
    /// With its cursor.
    DeleteSubscription(SubscriptionId),
    /// Everything up to and including this event has been delivered.
    PutCursor(SubscriptionId, EventId),
}

/// All or nothing: events to append and documents to change.
#[derive(Debug, Clone, Default)]
pub struct Commit {
    /// Appended in this order, contiguous within a device.
    pub events: Vec<NewEvent>,
    /// Applied together with the events.
    pub writes: Vec<Write>,
}

/// Called by the committer when the commit is durable or has failed. Must not block.
pub type Done = Box<dyn FnOnce(Result<(), StoreError>) + Send>;

/// A commit on its way.
pub struct Submission {
    /// What to commit.
    pub commit: Commit,
    /// Whom to tell.
    pub done: Done,
}

/// Why the store did not do it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// A document changed since it was read; read again and decide again.
    #[error("{0} changed meanwhile")]
    Conflict(&'static str),
    /// A unique key is taken.
    #[error("{0} already exists")]
    Exists(String),
    /// The queue is full; try again later.
    #[error("the store's queue is full")]
    Busy,
    /// An event is larger than the store takes.
    #[error("{0} bytes are more than the store takes for one event")]
    TooLarge(usize),
    /// A stored record cannot be read.
    #[error("stored {what} cannot be read: {why}")]
    Corrupt {
        /// Which kind of record.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The disk or sled failed; nothing more is committed.
    #[error("the store has failed: {0}")]
    Fatal(String),
}

/// A page of a listing.
#[derive(Debug, Clone, PartialEq)]
pub struct Page<T, C> {
    /// The items.
    pub items: Vec<T>,
    /// Where the next page begins; none = this was the last.
    pub next: Option<C>,
}

/// What health shows of the store.
#[derive(Debug, Clone)]
pub struct StoreHealth {
    /// When a commit counts.
    pub durability: Durability,
    /// Bytes of the data folder.
    pub disk_bytes: u64,
    /// Commits waiting.
    pub queued: usize,
    /// The error after which nothing is committed, if there was one.
    pub fatal: Option<String>,
}

/// The store. Clones share it.
#[derive(Clone)]
pub struct Store {}

/// Skeleton: signatures that the other modules are written against.
#[expect(
    clippy::unimplemented,
    unused_variables,
    missing_docs,
    clippy::missing_errors_doc,
    clippy::unused_async,
    reason = "skeleton"
)]
impl Store {
    pub fn open(dir: &Path, config: &StoreConfig, now: Timestamp) -> Result<Self, StoreError> {
        unimplemented!()
    }
    /// Waits for what is queued, writes the checkpoint, flushes. Later commits are refused.
    pub fn close(&self) -> Result<(), StoreError> {
        unimplemented!()
    }

    // writes
    /// All accepted, or all handed back.
    pub fn submit(&self, batch: Vec<Submission>) -> Result<(), Vec<Submission>> {
        unimplemented!()
    }
    pub async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        unimplemented!()
    }
    /// For callers outside a runtime (command line tools, worker threads at start).
    pub fn commit_blocking(&self, commit: Commit) -> Result<(), StoreError> {
        unimplemented!()
    }
    pub fn next_product_id(&self) -> ProductId {
        unimplemented!()
    }
    pub fn next_device_id(&self) -> DeviceId {
        unimplemented!()
    }
    pub fn next_subscription_id(&self) -> SubscriptionId {
        unimplemented!()
    }

    // documents
    pub fn product(&self, id: ProductId) -> Result<Option<Versioned<Product>>, StoreError> {
        unimplemented!()
    }
    pub fn product_by_key(&self, key: &ProductKey) -> Result<Option<Versioned<Product>>, StoreError> {
        unimplemented!()
    }
    pub fn products(&self) -> Result<Vec<Versioned<Product>>, StoreError> {
        unimplemented!()
    }
    pub fn device(&self, id: DeviceId) -> Result<Option<Versioned<Device>>, StoreError> {
        unimplemented!()
    }
    pub fn device_by_endpoint(&self, endpoint: &str) -> Result<Option<Versioned<Device>>, StoreError> {
        unimplemented!()
    }
    /// In order of id, after `after`.
    pub fn devices(
        &self,
        product: Option<ProductId>,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Page<Device, DeviceId>, StoreError> {
        unimplemented!()
    }
    pub fn device_count(&self, product: ProductId) -> Result<u64, StoreError> {
        unimplemented!()
    }
    pub fn registration(&self, device: DeviceId) -> Result<Option<Registration>, StoreError> {
        unimplemented!()
    }
    pub fn registrations(&self) -> Result<Vec<Registration>, StoreError> {
        unimplemented!()
    }
    pub fn command(&self, id: CommandId) -> Result<Option<Versioned<Command>>, StoreError> {
        unimplemented!()
    }
    /// Newest first, older than `before`.
    pub fn commands(
        &self,
        device: Option<DeviceId>,
        state: Option<CommandState>,
        before: Option<CommandId>,
        limit: usize,
    ) -> Result<Page<Command, CommandId>, StoreError> {
        unimplemented!()
    }
    /// Those that are PENDING, SENT or DELIVERED, oldest first.
    pub fn open_commands(&self, device: DeviceId) -> Result<Vec<Versioned<Command>>, StoreError> {
        unimplemented!()
    }
    /// Devices with a command that is PENDING or SENT.
    pub fn devices_with_open_commands(&self) -> Result<Vec<DeviceId>, StoreError> {
        unimplemented!()
    }
    pub fn codec(&self, digest: &str) -> Result<Option<CodecRecord>, StoreError> {
        unimplemented!()
    }
    pub fn codecs(&self, product: ProductId) -> Result<Vec<CodecRecord>, StoreError> {
        unimplemented!()
    }
    pub fn subscription(&self, id: SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        unimplemented!()
    }
    pub fn subscriptions(&self) -> Result<Vec<Subscription>, StoreError> {
        unimplemented!()
    }
    pub fn cursor(&self, id: SubscriptionId) -> Result<Option<EventId>, StoreError> {
        unimplemented!()
    }

    // files, content-addressed, outside sled
    /// Durable when it returns the blake3 in hex.
    pub fn put_file(&self, bytes: &[u8]) -> Result<String, StoreError> {
        unimplemented!()
    }
    pub fn file(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        unimplemented!()
    }

    // the log
    /// The newest durable event.
    pub fn last_event(&self) -> Option<EventId> {
        unimplemented!()
    }
    /// Changes whenever events became durable.
    pub fn watch_events(&self) -> tokio::sync::watch::Receiver<Option<EventId>> {
        unimplemented!()
    }
    /// Oldest first, after `after` (none = from the oldest kept), at most `limit`, fewer at a block's end; empty = caught up.
    pub fn events_after(&self, after: Option<EventId>, limit: usize) -> Result<Vec<Event>, StoreError> {
        unimplemented!()
    }
    /// Newest first, older than `before`.
    pub fn device_events(
        &self,
        device: DeviceId,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Page<Event, EventId>, StoreError> {
        unimplemented!()
    }
    /// Dead letters, newest first, older than `before`.
    pub fn dead_letters(
        &self,
        product: Option<ProductId>,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Page<Event, EventId>, StoreError> {
        unimplemented!()
    }
    pub fn event(&self, id: EventId) -> Result<Option<Event>, StoreError> {
        unimplemented!()
    }
    /// Time of the device's newest event that came from the device.
    pub fn last_seen(&self, device: DeviceId) -> Option<Timestamp> {
        unimplemented!()
    }
    /// How many events of each kind the log took since the store was opened.
    pub fn appended(&self) -> Vec<(EventKind, u64)> {
        unimplemented!()
    }

    // care
    /// Drops the days that retention no longer covers. Call now and then.
    pub fn expire(&self, now: Timestamp) -> Result<u32, StoreError> {
        unimplemented!()
    }
    pub fn health(&self) -> StoreHealth {
        unimplemented!()
    }
    /// All documents, events and files as lines of JSON.
    pub fn export(&self, out: &mut dyn std::io::Write) -> Result<u64, StoreError> {
        unimplemented!()
    }
    /// Into an empty store.
    pub fn import(&self, input: &mut dyn std::io::BufRead) -> Result<u64, StoreError> {
        unimplemented!()
    }
}
