//! The shapes of the store's contract: what is committed, what is read back. Knows nothing of sled, keys or files.
//! (`commit(all-or-nothing writes with expected versions)`, typed reads with opaque cursors.)

use crate::model::{
    Batch, BatchId, CodecVersion, Command, Device, DeviceId, EventId, NewEvent, Product, ProductId, Registration, Subscription,
    SubscriptionId, Timestamp, VersionNumber,
};

use crate::presence::Presence;

use super::StoreError;

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

/// An admitted codec as the first codecgate stored it: without number and profile. The catalog makes a [`CodecVersion`] of it
/// when it is opened; nothing writes new ones but the import of an old export.
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
    /// With its codec versions. `Conflict("product")` while it has devices, so that no device slips in behind the caller's check.
    DeleteProduct(ProductId),
    /// Unique by endpoint. `Conflict("product")` when its product is gone.
    PutDevice(Device, Expect),
    /// The device, its endpoint, its registration, its presence and its commands.
    DeleteDevice(DeviceId),
    /// One per device. `Conflict("device")` when the device is gone.
    PutRegistration(Registration),
    /// The device is gone from the network.
    DeleteRegistration(DeviceId),
    /// One per device. `Conflict("device")` when the device is gone.
    PutPresence(Presence),
    /// A command; its device's queue follows its state, and so does the tally of its batch. `Conflict("device")` when the device is gone.
    PutCommand(Command, Expect),
    /// A batch; progress is counted by its commands.
    PutBatch(Batch, Expect),
    /// With its tally; its commands stay.
    DeleteBatch(BatchId),
    /// A new codec version; it is never rewritten. `Conflict("version")` when the number is taken, `Conflict("product")` when its
    /// product is gone. An older codecgate's record of the same component goes.
    PutVersion(CodecVersion),
    /// Its files stay until [`super::Store::remove_unused_file`].
    DeleteVersion(ProductId, VersionNumber),
    /// A codec of an older codecgate, one record per product and digest.
    PutCodec(CodecRecord),
    /// A subscription.
    PutSubscription(Subscription),
    /// With its cursor.
    DeleteSubscription(SubscriptionId),
    /// Everything up to and including this event has been delivered. Nothing when the subscription is gone.
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

impl std::fmt::Debug for Submission {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Submission").field("commit", &self.commit).finish_non_exhaustive()
    }
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
