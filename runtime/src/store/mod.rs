//! The embedded store: documents, the event log that is also the outbox, and files. The only module that names sled.
//!
//! No iterator, transaction or raw key leaves it, so that another engine can serve the same contract. Writes go through one
//! committer thread; `done` is called after the commit is durable, never before.
//!
//! # How it lies on disk
//! `lock`, `sled/` and `files/` in the data folder. In sled: one tree `state` with all documents and their index keys, and one tree
//! `ev-DDDDD` per arrival day with event blocks and index chunks; retention drops the tree. Events of one group of commits are
//! packed into blocks of at most 7,000 bytes (`block`), because a key per event costs five times as much as the rest of the commit.
//!
//! # How a group is committed
//! The committer is the only writer of `state`. It checks versions and uniqueness against `state` overlaid with what the group
//! will change (`staging`), so a commit that conflicts fails alone and the others go on. Then it applies finished batches: a group
//! that only appends is one `Batch` on the day's tree (atomic, no reads); one that changes documents too is one transaction
//! over both trees, and its closure only inserts, so that sled may run it again. Then flush, fdatasync, index, answers.
//!
//! # What sled 0.34.7 needs
//! | fault | here |
//! |---|---|
//! | `flush` is no fsync on Linux | fdatasync through a second descriptor (`engine`) |
//! | a kill during open leaves `snap.*.generating`, corrupt for ever | removed before the open (`engine`) |
//! | reuses a segment after its own flush, not after the disk's | under 512 KiB of events per group (`queue`) |
//! | leaves over 128 KiB go to files that are never synced | no value over 7,000 bytes (`block`, `records`) |
//! | panics on damage and on a full disk | caught at open and in the committer; a failed group is fatal (`committer`) |
//! | dropping a tree under a reader is undefined | readers hold the day (`days`) |
//!
//! # What a reader sees
//! Events: only durable ones. Documents: as applied, which is up to one sync before they are durable; nobody is answered then.

mod apply;
mod block;
mod commands;
mod committer;
mod contract;
mod days;
mod documents;
mod engine;
mod files;
mod index;
mod keys;
mod log;
mod queue;
mod reads;
mod records;
mod retention;
mod staging;
mod transfer;

#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};

use crate::model::{BatchId, DeviceId, EventId, EventKind, ProductId, SubscriptionId, Timestamp};

pub use contract::{
    CodecRecord, Commit, Done, Durability, Expect, Page, StoreConfig, StoreHealth, Submission, Version, Versioned, Write,
};

use committer::Committer;
use documents::Documents;

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
    /// An event or a document is larger than the store takes: 64 KiB of raw payload, 2 MiB of body, 8 MiB of document.
    #[error("{0} bytes are more than the store takes for one record")]
    TooLarge(usize),
    /// A stored record, or a line of an export, cannot be read.
    #[error("stored {what} cannot be read: {why}")]
    Corrupt {
        /// Which kind of record.
        what: &'static str,
        /// What is wrong with it.
        why: String,
    },
    /// The disk or sled failed; nothing more is committed. Also: the folder cannot be opened.
    #[error("the store has failed: {0}")]
    Fatal(String),
}

/// Positions in memory after which a checkpoint is written: 2.4 MB, and 0.1 s of reading at the next open.
const CHECKPOINT: usize = 200_000;

/// What the committer and the readers share.
struct Shared {
    config: StoreConfig,
    days: days::Days,
    index: index::Index,
    recent: index::Recent,
    files: files::Files,
    queue: queue::Queue,
    ids: Ids,
    /// The newest durable event.
    head: watch::Sender<Option<EventId>>,
    fatal: OnceLock<String>,
    appended: [AtomicU64; EventKind::ALL.len()],
    /// Last, because it holds the lock of the folder.
    engine: engine::Engine,
}

/// The highest numbers given.
#[derive(Default)]
struct Ids {
    product: AtomicU32,
    device: AtomicU64,
    subscription: AtomicU32,
    batch: AtomicU64,
}

impl Ids {
    fn read(&self, documents: &Documents<'_>) -> Result<(), StoreError> {
        let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        self.product.fetch_max(narrow(documents.counter("product")?), Ordering::Relaxed);
        self.device.fetch_max(documents.counter("device")?, Ordering::Relaxed);
        self.batch.fetch_max(documents.counter("batch")?, Ordering::Relaxed);
        self.subscription.fetch_max(narrow(documents.counter("subscription")?), Ordering::Relaxed);
        Ok(())
    }
}

impl Shared {
    /// Runs a step on the committer's thread with nothing beside it.
    fn alone(&self, step: impl FnOnce(&mut Committer) -> Result<(), StoreError> + Send + 'static) -> Result<(), StoreError> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        self.queue.push_alone(Box::new(move |committer| {
            // The asker may be gone; the step counts all the same.
            let _ = tell.send(step(committer));
        }))?;
        told.recv().unwrap_or_else(|_| Err(self.refusal()))
    }

    fn refusal(&self) -> StoreError {
        StoreError::Fatal(self.fatal.get().cloned().unwrap_or_else(|| "it is closed".to_owned()))
    }
}

/// Stops the committer when the last clone of the store goes.
struct Owner {
    shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Owner {
    fn stop(&self) {
        self.shared.queue.refuse(StoreError::Fatal("it is closed".to_owned()));
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last clone may go in a `done`, on the committer's own thread.
        if let Some(thread) = thread.filter(|thread| thread.thread().id() != std::thread::current().id())
            && thread.join().is_err()
        {
            tracing::error!("the committer thread ended in a panic");
        }
    }
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The store. Clones share it; the folder is free again when the last one is gone.
#[derive(Clone)]
pub struct Store {
    shared: Arc<Shared>,
    owner: Arc<Owner>,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Store").field("dir", &self.shared.engine.dir).finish_non_exhaustive()
    }
}

impl Store {
    /// Whether there is a store in this folder; [`Store::open`] would make one.
    #[must_use]
    pub fn exists(dir: &Path) -> bool {
        engine::Engine::exists(dir)
    }

    /// Opens or creates the store in `dir` and starts its committer. Blocks: up to about a second per GiB of log.
    ///
    /// # Errors
    /// [`StoreError::Fatal`] when the folder cannot be used: in use by another gateway, not writable, damaged, or written by a newer
    /// version. The text says what to do.
    pub fn open(dir: &Path, config: &StoreConfig, now: Timestamp) -> Result<Self, StoreError> {
        let (engine, sync) = engine::Engine::open(dir, config)?;
        Self::start(engine, sync, config, now, CHECKPOINT)
    }

    fn start(
        engine: engine::Engine,
        sync: engine::SyncStep,
        config: &StoreConfig,
        now: Timestamp,
        checkpoint: usize,
    ) -> Result<Self, StoreError> {
        let days = days::Days::open(&engine.db)?;
        let mut head = None;
        for day in days.all().iter().rev() {
            head = day.last_event()?;
            if head.is_some() {
                break;
            }
        }
        if head.is_some_and(|head| head.day > now.day().saturating_add(1)) {
            tracing::warn!("the newest stored event lies in the future: is the clock right?");
        }
        commands::queue_older(&engine.state)?;
        let documents = Documents(&engine.state);
        let ids = Ids::default();
        ids.read(&documents)?;
        let index = index::Index::new(checkpoint);
        index.rebuild(&days, documents.checkpoint()?)?;
        let shared = Arc::new(Shared {
            config: config.clone(),
            days,
            index,
            recent: index::Recent::default(),
            files: files::Files::open(engine.dir.join("files"))?,
            queue: queue::Queue::new(config.queue),
            ids,
            head: watch::Sender::new(head),
            fatal: OnceLock::new(),
            appended: Default::default(),
            engine,
        });
        let committer = Committer::new(Arc::clone(&shared), sync)?;
        let thread = std::thread::Builder::new().name("store-committer".to_owned()).spawn(|| committer.run());
        let thread = thread.map_err(|fault| StoreError::Fatal(format!("starting the committer: {fault}")))?;
        let owner = Arc::new(Owner { shared: Arc::clone(&shared), thread: Mutex::new(Some(thread)) });
        Ok(Self { shared, owner })
    }

    /// Waits for what is queued, writes the checkpoint, flushes. Later commits are refused; reads go on.
    ///
    /// # Errors
    /// [`StoreError::Fatal`] when the store had failed or fails now.
    pub fn close(&self) -> Result<(), StoreError> {
        self.owner.stop();
        self.shared.fatal.get().map_or(Ok(()), |_| Err(self.shared.refusal()))
    }

    // writes

    /// All accepted, or all handed back: the queue is full, the store is closed or it has failed ([`Store::health`] tells).
    /// Never blocks. Submissions are committed in order.
    ///
    /// # Errors
    /// The batch, untouched.
    pub fn submit(&self, batch: Vec<Submission>) -> Result<(), Vec<Submission>> {
        self.shared.queue.push(batch).map_err(|(_, batch)| batch)
    }

    /// Commits and waits until it is durable. If the caller stops waiting, the commit happens all the same.
    ///
    /// # Errors
    /// [`StoreError::Conflict`], [`StoreError::Exists`], [`StoreError::TooLarge`]: nothing of it was done. [`StoreError::Busy`]: try
    /// later. [`StoreError::Fatal`]: the store has failed; whether this commit is on disk is unknown.
    pub async fn commit(&self, commit: Commit) -> Result<(), StoreError> {
        let (tell, told) = oneshot::channel();
        self.push(commit, Box::new(|answer| drop(tell.send(answer))))?;
        told.await.unwrap_or_else(|_| Err(self.shared.refusal()))
    }

    /// For callers outside a runtime (command line tools, worker threads at start).
    ///
    /// # Errors
    /// As [`Store::commit`].
    pub fn commit_blocking(&self, commit: Commit) -> Result<(), StoreError> {
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        self.push(commit, Box::new(move |answer| drop(tell.send(answer))))?;
        told.recv().unwrap_or_else(|_| Err(self.shared.refusal()))
    }

    fn push(&self, commit: Commit, done: Done) -> Result<(), StoreError> {
        self.shared.queue.push(vec![Submission { commit, done }]).map_err(|(why, _)| why)
    }

    /// A number that no product has or had.
    #[must_use]
    pub fn next_product_id(&self) -> ProductId {
        ProductId(self.shared.ids.product.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }

    /// A number that no device has or had.
    #[must_use]
    pub fn next_device_id(&self) -> DeviceId {
        DeviceId(self.shared.ids.device.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }

    /// A number that no subscription has or had.
    #[must_use]
    pub fn next_subscription_id(&self) -> SubscriptionId {
        SubscriptionId(self.shared.ids.subscription.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }

    /// A number that no batch has or had.
    #[must_use]
    pub fn next_batch_id(&self) -> BatchId {
        BatchId(self.shared.ids.batch.fetch_add(1, Ordering::Relaxed).saturating_add(1))
    }
}
