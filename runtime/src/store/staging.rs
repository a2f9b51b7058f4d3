//! What a group of commits is about to change: read through it, then keep or drop what one commit did. Knows no document.
//!
//! The committer is the only writer, so versions are checked here, before the transaction, against what the group will have
//! written by then. The transaction itself only applies finished batches: sled may run it twice and it does not matter.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use serde::de::DeserializeOwned;
use sled::{IVec, Tree};

use super::engine::failed;
use super::{Expect, StoreError, Versioned, keys, records};

type Changes = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// Changes to the `state` tree, in two layers: the group's, and those of the commit being looked at.
pub(super) struct Staging<'a> {
    tree: &'a Tree,
    group: Changes,
    commit: Changes,
}

impl<'a> Staging<'a> {
    pub(super) fn new(tree: &'a Tree) -> Self {
        Self { tree, group: Changes::new(), commit: Changes::new() }
    }

    /// The commit's changes become the group's.
    pub(super) fn keep(&mut self) {
        if self.group.is_empty() {
            std::mem::swap(&mut self.group, &mut self.commit);
        } else {
            self.group.append(&mut self.commit);
        }
    }

    /// The commit's changes are forgotten.
    pub(super) fn discard(&mut self) {
        self.commit.clear();
    }

    /// What the group changes, for one transaction; none when nothing.
    pub(super) fn into_batch(self) -> Option<sled::Batch> {
        let mut batch = sled::Batch::default();
        let is_empty = self.group.is_empty();
        for (key, value) in self.group {
            match value {
                Some(value) => batch.insert(key, value),
                None => batch.remove(key),
            }
        }
        (!is_empty).then_some(batch)
    }

    pub(super) fn get(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        match self.commit.get(key).or_else(|| self.group.get(key)) {
            Some(change) => Ok(change.as_deref().map(IVec::from)),
            None => self.tree.get(key).map_err(failed("reading")),
        }
    }

    pub(super) fn has(&self, key: &[u8]) -> Result<bool, StoreError> {
        Ok(self.get(key)?.is_some())
    }

    pub(super) fn put(&mut self, key: Vec<u8>, value: Vec<u8>) {
        self.commit.insert(key, Some(value));
    }

    pub(super) fn delete(&mut self, key: Vec<u8>) {
        self.commit.insert(key, None);
    }

    /// All keys with the prefix, with their values, as the group will leave them.
    pub(super) fn under(&self, prefix: &[u8]) -> Result<Vec<(Vec<u8>, IVec)>, StoreError> {
        let mut names = BTreeSet::new();
        for name in self.tree.scan_prefix(prefix).keys() {
            names.insert(name.map_err(failed("scanning"))?.to_vec());
        }
        for layer in [&self.group, &self.commit] {
            let from_prefix = layer.range(prefix.to_vec()..).map(|(name, _)| name);
            names.extend(from_prefix.take_while(|name| name.starts_with(prefix)).cloned());
        }
        let mut found = Vec::new();
        for name in names {
            if let Some(value) = self.get(&name)? {
                found.push((name, value));
            }
        }
        Ok(found)
    }

    /// The document under a key.
    pub(super) fn load<T: DeserializeOwned>(&self, what: &'static str, key: &[u8]) -> Result<Option<Versioned<T>>, StoreError> {
        records::load(what, key, |key| self.get(key))
    }

    /// Writes a document with the next version, if the stored one is as expected.
    pub(super) fn store<T: Serialize>(
        &mut self,
        what: &'static str,
        key: Vec<u8>,
        doc: &T,
        expect: Expect,
    ) -> Result<(), StoreError> {
        let stored = self.get(&key)?.map(|head| records::shape(what, &head)).transpose()?;
        match (expect, stored) {
            (Expect::Any, _) | (Expect::Absent, None) => {}
            (Expect::Version(wanted), Some((version, _))) if wanted.0 == version => {}
            _ => return Err(StoreError::Conflict(what)),
        }
        let version = stored.map_or(0, |(version, _)| version) + 1;
        let record = records::encode(what, doc, version)?;
        self.drop_chunks(&key, stored);
        for (number, chunk) in (0..).zip(record.chunks) {
            self.put(keys::chunk(&key, version, number), chunk);
        }
        self.put(key, record.head);
        Ok(())
    }

    /// Removes a document with all its parts.
    pub(super) fn remove(&mut self, what: &'static str, key: Vec<u8>) -> Result<(), StoreError> {
        if let Some(head) = self.get(&key)? {
            let shape = records::shape(what, &head)?;
            self.drop_chunks(&key, Some(shape));
            self.delete(key);
        }
        Ok(())
    }

    fn drop_chunks(&mut self, key: &[u8], stored: Option<(u64, u16)>) {
        if let Some((version, chunks)) = stored {
            for number in 0..chunks {
                self.delete(keys::chunk(key, version, number));
            }
        }
    }

    /// Remembers the highest number ever given under a name.
    pub(super) fn raise_counter(&mut self, name: &str, number: u64) -> Result<(), StoreError> {
        let key = keys::key(keys::Kind::Counter, &[name.as_bytes()]);
        let highest = self.get(&key)?.and_then(|bytes| keys::number_at(&bytes)).unwrap_or(0);
        if number > highest {
            self.put(key, number.to_be_bytes().to_vec());
        }
        Ok(())
    }
}
