//! The day trees: one per arrival day, dropped whole. Knows blocks by number, not what their events mean.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use sled::Tree;

use crate::model::{Event, EventId};

use super::engine::failed;
use super::{StoreError, block, keys};

/// All days that are kept.
pub(super) struct Days {
    db: sled::Db,
    days: RwLock<BTreeMap<u32, Arc<Day>>>,
}

/// One day.
pub(super) struct Day {
    /// Days since 1970.
    pub number: u32,
    tree: Tree,
    /// Dropping a tree under a reader is not defined by sled: readers hold this for reading, the drop for writing.
    is_kept: RwLock<bool>,
}

impl Day {
    /// Runs `read` on the tree; none when the day has been dropped.
    pub(super) fn with<R>(&self, read: impl FnOnce(&Tree) -> Result<R, StoreError>) -> Result<Option<R>, StoreError> {
        let is_kept = self.is_kept.read().unwrap_or_else(PoisonError::into_inner);
        if *is_kept { read(&self.tree).map(Some) } else { Ok(None) }
    }

    /// The first block whose number is `from` or higher.
    pub(super) fn block_from(&self, from: u32) -> Result<Option<Vec<Event>>, StoreError> {
        let read = |tree: &Tree| {
            let found = tree.range(keys::block(from)..).next().transpose().map_err(failed("reading the log"))?;
            let Some((key, head)) = found.filter(|(key, _)| key.starts_with(&keys::blocks())) else { return Ok(None) };
            let number = key.last_chunk().map_or(from, |bytes| u32::from_be_bytes(*bytes));
            self.decode(tree, number, &head).map(Some)
        };
        Ok(self.with(read)?.flatten())
    }

    /// The block with this number.
    pub(super) fn block(&self, number: u32) -> Result<Option<Vec<Event>>, StoreError> {
        let read = |tree: &Tree| {
            let head = tree.get(keys::block(number)).map_err(failed("reading the log"))?;
            head.map(|head| self.decode(tree, number, &head)).transpose()
        };
        Ok(self.with(read)?.flatten())
    }

    fn decode(&self, tree: &Tree, number: u32, head: &[u8]) -> Result<Vec<Event>, StoreError> {
        let mut chunks = Vec::new();
        for chunk in 0..block::chunk_count(head)? {
            let value = tree.get(keys::block_chunk(number, chunk)).map_err(failed("reading the log"))?;
            chunks.extend_from_slice(&value.unwrap_or_default());
        }
        block::decode_block(self.number, number, head, &chunks)
    }

    /// The number after the last block.
    pub(super) fn next_block(&self) -> Result<u32, StoreError> {
        let read = |tree: &Tree| {
            let last = tree.scan_prefix(keys::blocks()).next_back().transpose().map_err(failed("reading the log"))?;
            Ok(last.and_then(|(key, _)| key.last_chunk().map(|bytes| u32::from_be_bytes(*bytes) + 1)).unwrap_or(0))
        };
        Ok(self.with(read)?.unwrap_or(0))
    }

    /// The last event.
    pub(super) fn last_event(&self) -> Result<Option<EventId>, StoreError> {
        match self.next_block()?.checked_sub(1) {
            Some(number) => Ok(self.block(number)?.and_then(|events| events.last().map(|event| event.id))),
            None => Ok(None),
        }
    }
}

impl Days {
    /// Opens all days that the database has.
    pub(super) fn open(db: &sled::Db) -> Result<Self, StoreError> {
        let days = Self { db: db.clone(), days: RwLock::new(BTreeMap::new()) };
        for number in db.tree_names().iter().filter_map(|name| keys::tree_day(name)) {
            days.open_day(number)?;
        }
        Ok(days)
    }

    /// The day, created when it is new.
    pub(super) fn open_day(&self, number: u32) -> Result<Arc<Day>, StoreError> {
        if let Some(day) = self.day(number) {
            return Ok(day);
        }
        let tree = self.db.open_tree(keys::day_tree(number)).map_err(failed("opening a day"))?;
        let day = Arc::new(Day { number, tree, is_kept: RwLock::new(true) });
        self.days.write().unwrap_or_else(PoisonError::into_inner).insert(number, Arc::clone(&day));
        Ok(day)
    }

    pub(super) fn day(&self, number: u32) -> Option<Arc<Day>> {
        self.days.read().unwrap_or_else(PoisonError::into_inner).get(&number).cloned()
    }

    /// All days, oldest first.
    pub(super) fn all(&self) -> Vec<Arc<Day>> {
        self.days.read().unwrap_or_else(PoisonError::into_inner).values().cloned().collect()
    }

    /// Drops a day: readers of it are waited for, the committer is not stopped.
    pub(super) fn drop_day(&self, day: &Day) -> Result<(), StoreError> {
        self.days.write().unwrap_or_else(PoisonError::into_inner).remove(&day.number);
        *day.is_kept.write().unwrap_or_else(PoisonError::into_inner) = false;
        self.db.drop_tree(keys::day_tree(day.number)).map(drop).map_err(failed("dropping a day"))
    }
}
