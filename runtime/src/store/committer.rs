//! The one thread that writes: takes what has queued, applies it in one transaction, makes it durable, then answers everybody.
//! Knows how to commit, not what for. (ARCHITECTURE, invariants 1 and 4.)

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use sled::Transactional;
use sled::transaction::{ConflictableTransactionError, TransactionError};

use crate::model::EventId;

use super::block::{self, Block, BlockWriter};
use super::engine::{SyncStep, failed, panic_text};
use super::index::Slice;
use super::keys::{self, Kind};
use super::queue::Turn;
use super::staging::Staging;
use super::{Commit, Done, Shared, StoreError, apply};

/// Index lanes written with one group. As many as a group can bring, so that a checkpoint ends before the next one begins.
const SLICE: usize = 512;

/// The writer's own state.
pub(super) struct Committer {
    pub(super) shared: Arc<Shared>,
    sync: SyncStep,
    writer: BlockWriter,
    day: u32,
    next_block: u32,
    /// Where the checkpoint mark goes when the sealed lanes are written.
    sealing: Option<EventId>,
}

impl Committer {
    pub(super) fn new(shared: Arc<Shared>, sync: SyncStep) -> Result<Self, StoreError> {
        let mut committer = Self { shared, sync, writer: BlockWriter::new(), day: 0, next_block: 0, sealing: None };
        committer.find_end()?;
        Ok(committer)
    }

    /// The log goes on after its newest block.
    pub(super) fn find_end(&mut self) -> Result<(), StoreError> {
        if let Some(newest) = self.shared.days.all().last() {
            self.day = newest.number;
            self.next_block = newest.next_block()?;
        }
        Ok(())
    }

    /// Until the queue is closed and empty.
    pub(super) fn run(mut self) {
        loop {
            match self.shared.queue.next(self.sealing.is_some()) {
                Turn::Group(submissions) => {
                    let (commits, dones) = submissions.into_iter().map(|one| (one.commit, one.done)).unzip();
                    self.group(commits, dones);
                }
                Turn::Alone(task) => {
                    if let Err(panic) = catch_unwind(AssertUnwindSafe(|| task(&mut self))) {
                        self.fail(panic_text(&*panic));
                    }
                }
                Turn::Idle => self.group(Vec::new(), Vec::new()),
                Turn::Stop => break,
            }
        }
        // The checkpoint of an orderly stop: the next open reads no block.
        self.checkpoint();
        if self.shared.fatal.get().is_none()
            && let Err(fault) = self.shared.engine.settle()
        {
            self.fail(format!("writing the database file at the stop: {fault}"));
        }
    }

    /// Writes everything that memory knows into chunks.
    pub(super) fn checkpoint(&mut self) {
        while self.shared.fatal.get().is_none() {
            if self.sealing.is_none() {
                self.sealing = self.shared.index.seal(true);
            }
            if self.sealing.is_none() {
                return;
            }
            self.group(Vec::new(), Vec::new());
        }
    }

    fn group(&mut self, commits: Vec<Commit>, dones: Vec<Done>) {
        let outcome = match self.shared.fatal.get() {
            Some(fatal) => Err(StoreError::Fatal(fatal.clone())),
            // sled may panic; whatever it did, nothing after it can be trusted.
            None => catch_unwind(AssertUnwindSafe(|| self.commit(commits)))
                .unwrap_or_else(|panic| Err(StoreError::Fatal(panic_text(&*panic)))),
        };
        let answers = match outcome {
            Ok(answers) => answers,
            Err(fault) => {
                let text = match fault {
                    StoreError::Fatal(text) => text,
                    other => other.to_string(),
                };
                self.fail(text.clone());
                dones.iter().map(|_| Err(StoreError::Fatal(text.clone()))).collect()
            }
        };
        for (done, answer) in dones.into_iter().zip(answers) {
            if catch_unwind(AssertUnwindSafe(|| done(answer))).is_err() {
                tracing::error!("a listener of a commit panicked; the commit itself is as it was answered");
            }
        }
    }

    fn fail(&self, text: String) {
        if self.shared.fatal.get().is_none() {
            tracing::error!(
                cause = %text,
                "the store has failed and commits nothing more; check the disk (space, health), then restart the gateway"
            );
        }
        let text = self.shared.fatal.get_or_init(|| text).clone();
        self.shared.queue.refuse(StoreError::Fatal(text));
    }

    /// One group, durable or an error that ends everything.
    fn commit(&mut self, commits: Vec<Commit>) -> Result<Vec<Result<(), StoreError>>, StoreError> {
        let shared = Arc::clone(&self.shared);
        let mut staging = Staging::new(&shared.engine.state);
        let mut blocks = Vec::new();
        let mut answers = Vec::with_capacity(commits.len());
        for commit in commits {
            let answer = stage(&mut staging, &commit);
            match &answer {
                Ok(()) => {
                    staging.keep();
                    self.append(commit, &mut blocks)?;
                }
                Err(StoreError::Fatal(text)) => return Err(StoreError::Fatal(text.clone())),
                Err(_) => staging.discard(),
            }
            answers.push(answer);
        }
        self.writer.close(self.day, &mut self.next_block, &mut blocks);
        let slice = self.checkpoint_slice();
        if write(&shared, staging.into_batch(), &blocks, self.day, &slice)? {
            (self.sync)().map_err(|fault| StoreError::Fatal(format!("writing the database file: {fault}")))?;
        }
        self.publish(blocks);
        self.checkpoint_step(&slice)?;
        Ok(answers)
    }

    fn append(&mut self, commit: Commit, blocks: &mut Vec<Block>) -> Result<(), StoreError> {
        if let Some(first) = commit.events.first() {
            // The first event of a group may open a day; a clock that goes back does not take the log with it.
            let day = first.time.day();
            let is_fresh_group = blocks.is_empty() && self.writer.is_empty();
            if is_fresh_group && (day > self.day || self.shared.days.day(self.day).is_none()) {
                self.day = day.max(self.day);
                self.next_block = self.shared.days.open_day(self.day)?.next_block()?;
            }
        }
        for fact in commit.events {
            self.writer.push(fact, self.day, &mut self.next_block, blocks);
        }
        Ok(())
    }

    fn publish(&self, blocks: Vec<Block>) {
        let Some(last) = blocks.last().and_then(|block| block.events.last()).map(|event| event.id) else { return };
        self.shared.index.add(blocks.iter().flat_map(|block| &block.events));
        for event in blocks.iter().flat_map(|block| &block.events) {
            if let Some(counter) = self.shared.appended.get(usize::from(block::kind_code(event.fact.kind))) {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        }
        for block in blocks {
            self.shared.recent.keep(Arc::new(block.events));
        }
        self.shared.head.send_replace(Some(last));
    }

    /// Lanes to write along with the group.
    fn checkpoint_slice(&mut self) -> Slice {
        if self.sealing.is_none() {
            self.sealing = self.shared.index.seal(false);
        }
        if self.sealing.is_some() { self.shared.index.slice(SLICE) } else { Slice::default() }
    }

    /// The slice is durable. When it was the last, the mark moves; it becomes durable with a later group, which is soon enough.
    fn checkpoint_step(&mut self, slice: &Slice) -> Result<(), StoreError> {
        let Some(mark) = self.sealing else { return Ok(()) };
        if slice.lanes.is_empty() {
            let key = keys::key(Kind::Meta, &[b"checkpoint"]);
            self.shared.engine.state.insert(key, keys::place_bytes(mark)).map_err(failed("marking the checkpoint"))?;
            self.sealing = None;
        } else {
            self.shared.index.release(&slice.lanes);
        }
        Ok(())
    }
}

fn stage(staging: &mut Staging<'_>, commit: &Commit) -> Result<(), StoreError> {
    commit.events.iter().try_for_each(block::check_size)?;
    commit.writes.iter().try_for_each(|write| apply::stage(staging, write))
}

/// Documents and blocks in one atomic step; index chunks beside it. False when there was nothing to write.
fn write(shared: &Shared, documents: Option<sled::Batch>, blocks: &[Block], day: u32, slice: &Slice) -> Result<bool, StoreError> {
    for (day, chunks) in slice_by_day(slice) {
        if let Some(day) = shared.days.day(day) {
            day.with(|tree| tree.apply_batch(chunks).map_err(failed("writing the index")))?;
        }
    }
    let mut log = sled::Batch::default();
    for block in blocks {
        log.insert(keys::block(block.number), &*block.head);
        for (number, chunk) in (0..).zip(&block.chunks) {
            log.insert(keys::block_chunk(block.number, number), &**chunk);
        }
    }
    let state = &shared.engine.state;
    match (documents, blocks.is_empty()) {
        (None, true) => return Ok(!slice.chunks.is_empty()),
        (Some(documents), true) => state.apply_batch(documents).map_err(failed("writing documents"))?,
        (documents, false) => {
            let day = shared.days.open_day(day)?;
            let written = day.with(|tree| match documents {
                None => tree.apply_batch(log).map_err(failed("writing the log")),
                Some(documents) => both(state, &documents, tree, &log),
            })?;
            written.ok_or_else(|| StoreError::Fatal("the day of the log was dropped while it was written".to_owned()))?;
        }
    }
    Ok(true)
}

/// Over two trees only a transaction is atomic. Nothing is decided in it, so it may run twice.
fn both(state: &sled::Tree, documents: &sled::Batch, day: &sled::Tree, log: &sled::Batch) -> Result<(), StoreError> {
    let done = (state, day).transaction(|(state, day)| {
        state.apply_batch(documents)?;
        day.apply_batch(log)?;
        Ok::<(), ConflictableTransactionError<()>>(())
    });
    done.map_err(|fault| match fault {
        TransactionError::Storage(fault) => failed("writing a transaction")(fault),
        TransactionError::Abort(()) => StoreError::Fatal("a transaction ended by itself".to_owned()),
    })
}

fn slice_by_day(slice: &Slice) -> impl Iterator<Item = (u32, sled::Batch)> {
    let mut days = std::collections::BTreeMap::<u32, sled::Batch>::new();
    for (day, key, value) in &slice.chunks {
        days.entry(*day).or_default().insert(&**key, &**value);
    }
    days.into_iter()
}
