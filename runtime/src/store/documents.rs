//! Reading documents: products, devices, registrations, commands, codec versions, subscriptions. Knows no writing.

use serde::de::DeserializeOwned;
use sled::{IVec, Tree};

use crate::model::{
    Batch, BatchId, CodecVersion, Command, CommandId, CommandState, Device, DeviceId, EventId, Product, ProductId, ProductKey,
    Registration, Subscription, SubscriptionId, Timestamp, VersionNumber,
};

use crate::presence::Presence;

use super::commands::command_of;
use super::engine::failed;
use super::keys::{self, Kind};
use super::{Page, StoreError, Versioned, records};

/// When a command is due, whose it is, which it is.
pub(super) type Due = (Timestamp, DeviceId, CommandId);

/// The documents as they are committed; during a group's sync, a moment earlier.
pub(super) struct Documents<'a>(pub(super) &'a Tree);

impl Documents<'_> {
    fn value(&self, key: &[u8]) -> Result<Option<IVec>, StoreError> {
        self.0.get(key).map_err(failed("reading documents"))
    }

    fn number(&self, key: &[u8]) -> Result<Option<u64>, StoreError> {
        Ok(self.value(key)?.and_then(|bytes| keys::number_at(&bytes)))
    }

    fn load<T: DeserializeOwned>(&self, what: &'static str, key: &[u8]) -> Result<Option<Versioned<T>>, StoreError> {
        records::load(what, key, |key| self.value(key))
    }

    /// All documents of a kind whose key goes on with `part`.
    pub(super) fn all<T: DeserializeOwned>(
        &self,
        what: &'static str,
        kind: Kind,
        part: &[u8],
    ) -> Result<Vec<Versioned<T>>, StoreError> {
        let mut found = Vec::new();
        for entry in self.0.scan_prefix(keys::key(kind, &[part])) {
            let (key, head) = entry.map_err(failed("reading documents"))?;
            let here = records::decode(what, &key, &head, &|key: &[u8]| self.value(key))?;
            found.extend(match here {
                Some(found) => Some(found),
                None => self.load(what, &key)?,
            });
        }
        Ok(found)
    }

    pub(super) fn product(&self, id: ProductId) -> Result<Option<Versioned<Product>>, StoreError> {
        self.load("product", &keys::product(id))
    }

    pub(super) fn product_by_key(&self, unique: &ProductKey) -> Result<Option<Versioned<Product>>, StoreError> {
        let Some(owner) = self.value(&keys::product_key(unique))? else { return Ok(None) };
        let Some(id) = owner.first_chunk().map(|bytes| ProductId(u32::from_be_bytes(*bytes))) else { return Ok(None) };
        Ok(self.product(id)?.filter(|product| product.doc.key == *unique))
    }

    pub(super) fn device(&self, id: DeviceId) -> Result<Option<Versioned<Device>>, StoreError> {
        self.load("device", &keys::device(id))
    }

    pub(super) fn device_by_endpoint(&self, endpoint: &str) -> Result<Option<Versioned<Device>>, StoreError> {
        let Some(id) = self.number(&keys::endpoint(endpoint))? else { return Ok(None) };
        Ok(self.device(DeviceId(id))?.filter(|device| device.doc.endpoint.as_str() == endpoint))
    }

    pub(super) fn devices(
        &self,
        product: Option<ProductId>,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Page<Device, DeviceId>, StoreError> {
        let prefix = match product {
            Some(product) => keys::key(Kind::ProductDevice, &[&product.0.to_be_bytes()]),
            None => keys::key(Kind::Device, &[]),
        };
        let Page { items: ids, next } = self.device_ids(&prefix, after, limit)?;
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            items.extend(self.device(id)?.map(|device| device.doc));
        }
        Ok(Page { items, next })
    }

    pub(super) fn registrations(
        &self,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Page<Registration, DeviceId>, StoreError> {
        let Page { items: ids, next } = self.device_ids(&keys::key(Kind::Registration, &[]), after, limit)?;
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            items.extend(self.registration(id)?);
        }
        Ok(Page { items, next })
    }

    /// The devices at the end of keys with a prefix.
    fn device_ids(&self, prefix: &[u8], after: Option<DeviceId>, limit: usize) -> Result<Page<DeviceId, DeviceId>, StoreError> {
        let from = match after {
            // The key of the next possible device.
            Some(after) => [prefix, &after.0.to_be_bytes(), &[0]].concat(),
            None => prefix.to_vec(),
        };
        let limit = limit.max(1);
        let mut ids = Vec::new();
        for key in self.0.range(from..).keys().take(limit.saturating_add(1)) {
            let key = key.map_err(failed("reading devices"))?;
            let Some(id) = key.strip_prefix(prefix).and_then(keys::number_at) else { break };
            ids.push(DeviceId(id));
        }
        let is_more = ids.len() > limit;
        ids.truncate(limit);
        let next = ids.last().copied().filter(|_| is_more);
        Ok(Page { items: ids, next })
    }

    pub(super) fn device_count(&self, product: ProductId) -> Result<u64, StoreError> {
        Ok(self.number(&keys::device_count(product))?.unwrap_or(0))
    }

    pub(super) fn registration(&self, device: DeviceId) -> Result<Option<Registration>, StoreError> {
        Ok(self.load("registration", &keys::registration(device))?.map(|found| found.doc))
    }

    pub(super) fn presence(&self, device: DeviceId) -> Result<Option<Presence>, StoreError> {
        Ok(self.load("presence", &keys::presence(device))?.map(|found| found.doc))
    }

    pub(super) fn command(&self, id: CommandId) -> Result<Option<Versioned<Command>>, StoreError> {
        self.load("command", &keys::command(id))
    }

    pub(super) fn commands(
        &self,
        device: Option<DeviceId>,
        state: Option<CommandState>,
        before: Option<CommandId>,
        limit: usize,
    ) -> Result<Page<Command, CommandId>, StoreError> {
        let prefix = match (device, state) {
            (Some(device), _) => keys::key(Kind::DeviceCommand, &[&device.0.to_be_bytes()]),
            (None, Some(state)) => keys::key(Kind::StateCommand, &[&[keys::state_code(state)]]),
            (None, None) => keys::key(Kind::Command, &[]),
        };
        let bound = match before {
            Some(before) => [&prefix[..], &before.0.to_be_bytes()].concat(),
            // Ids have 16 bytes: behind all of them.
            None => [&prefix[..], &[0xff; 17]].concat(),
        };
        let limit = limit.max(1);
        let mut ids = Vec::new();
        for entry in self.0.range(prefix..bound).rev() {
            let (key, value) = entry.map_err(failed("reading commands"))?;
            let wanted = match (device, state) {
                (Some(_), Some(state)) => *value == [keys::state_code(state)],
                _ => true,
            };
            ids.extend(command_of(&key).filter(|_| wanted));
            if ids.len() > limit {
                break;
            }
        }
        let is_more = ids.len() > limit;
        ids.truncate(limit);
        let next = ids.last().copied().filter(|_| is_more);
        let mut items = Vec::with_capacity(ids.len());
        for id in ids {
            // It may have moved on since its index key was read.
            let found = self.command(id)?.map(|found| found.doc);
            items.extend(found.filter(|command| state.is_none_or(|state| command.state == state)));
        }
        Ok(Page { items, next })
    }

    /// The first of a device's open commands, in the order in which they go out.
    pub(super) fn next_commands(&self, device: DeviceId, limit: usize) -> Result<Vec<Versioned<Command>>, StoreError> {
        let mut open = Vec::new();
        for key in self.0.scan_prefix(keys::key(Kind::CommandQueue, &[&device.0.to_be_bytes()])).keys().take(limit) {
            if let Some(id) = command_of(&key.map_err(failed("reading commands"))?) {
                open.extend(self.command(id)?.filter(|command| command.doc.state.is_open()));
            }
        }
        Ok(open)
    }

    /// How many commands of a device are open; counts to `most`.
    pub(super) fn open_count(&self, device: DeviceId, most: usize) -> Result<usize, StoreError> {
        let keys = self.0.scan_prefix(keys::key(Kind::CommandQueue, &[&device.0.to_be_bytes()])).keys();
        keys.take(most).try_fold(0, |count, key| key.map(|_| count + 1).map_err(failed("counting commands")))
    }

    /// How many commands are open, of all devices.
    pub(super) fn open_total(&self) -> Result<u64, StoreError> {
        Ok(self.number(&keys::open_total())?.unwrap_or(0))
    }

    /// Open commands that are due by `now`, earliest first, after `after`.
    pub(super) fn due_commands(&self, now: Timestamp, after: Option<Due>, limit: usize) -> Result<Vec<Due>, StoreError> {
        let prefix = keys::key(Kind::CommandDue, &[]);
        let from = match after {
            Some((due, device, command)) => {
                [&prefix[..], &due.0.to_be_bytes(), &device.0.to_be_bytes(), &command.0.to_be_bytes(), &[0]].concat()
            }
            None => prefix.clone(),
        };
        let bound = [&prefix[..], &now.0.saturating_add(1).to_be_bytes()].concat();
        if from >= bound {
            return Ok(Vec::new());
        }
        let mut found = Vec::new();
        for key in self.0.range(from..bound).keys().take(limit) {
            found.extend(keys::due_at(&key.map_err(failed("reading commands"))?));
        }
        Ok(found)
    }

    /// Devices with open commands after `after`, in order of number; one seek a device, however many commands it has.
    pub(super) fn devices_with_open_commands(
        &self,
        mut after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Vec<DeviceId>, StoreError> {
        let prefix = keys::key(Kind::CommandQueue, &[]);
        let mut devices = Vec::new();
        while devices.len() < limit {
            let from = match after {
                Some(DeviceId(u64::MAX)) => break,
                Some(DeviceId(after)) => [&prefix[..], &(after + 1).to_be_bytes()].concat(),
                None => prefix.clone(),
            };
            let Some(key) = self.0.range(from..).keys().next() else { break };
            let key = key.map_err(failed("reading commands"))?;
            let Some(device) = key.strip_prefix(&*prefix).and_then(keys::number_at).map(DeviceId) else { break };
            devices.push(device);
            after = Some(device);
        }
        Ok(devices)
    }

    pub(super) fn batch(&self, id: BatchId) -> Result<Option<Versioned<Batch>>, StoreError> {
        self.load("batch", &keys::batch(id))
    }

    /// How many commands of a batch are in each state.
    pub(super) fn batch_counts(&self, id: BatchId) -> Result<Vec<(CommandState, u64)>, StoreError> {
        let count = |state| Ok((state, self.number(&keys::batch_count(id, state))?.unwrap_or(0)));
        CommandState::ALL.into_iter().map(count).collect()
    }

    /// The newest command of each device of a batch, in order of device, after `after`.
    pub(super) fn batch_commands(
        &self,
        id: BatchId,
        after: Option<DeviceId>,
        limit: usize,
    ) -> Result<Page<Versioned<Command>, DeviceId>, StoreError> {
        let prefix = keys::key(Kind::BatchCommand, &[&id.0.to_be_bytes()]);
        let from = match after {
            Some(after) => [&prefix[..], &after.0.to_be_bytes(), &[0]].concat(),
            None => prefix.clone(),
        };
        let (mut items, mut next, mut last) = (Vec::new(), None, None);
        for (position, entry) in self.0.range(from..).take(limit.saturating_add(1)).enumerate() {
            let (key, value) = entry.map_err(failed("reading a batch"))?;
            let Some(device) = key.strip_prefix(&*prefix).and_then(keys::number_at).map(DeviceId) else { break };
            if position == limit {
                next = last;
                break;
            }
            last = Some(device);
            if let Some(command) = command_of(&value) {
                items.extend(self.command(command)?);
            }
        }
        Ok(Page { items, next })
    }

    pub(super) fn version(&self, product: ProductId, number: VersionNumber) -> Result<Option<CodecVersion>, StoreError> {
        Ok(self.load("version", &keys::version(product, number))?.map(|found| found.doc))
    }

    /// Whether a version, or a codec of an older codecgate, needs the file.
    pub(super) fn needs_file(&self, digest: &str) -> Result<bool, StoreError> {
        for kind in [Kind::VersionFile, Kind::CodecDigest] {
            let prefix = keys::key(kind, &[digest.as_bytes(), &[0]]);
            if let Some(key) = self.0.scan_prefix(prefix).keys().next() {
                return key.map(|_| true).map_err(failed("reading codec versions"));
            }
        }
        Ok(false)
    }

    pub(super) fn subscription(&self, id: SubscriptionId) -> Result<Option<Subscription>, StoreError> {
        Ok(self.load("subscription", &keys::subscription(id))?.map(|found| found.doc))
    }

    pub(super) fn cursor(&self, id: SubscriptionId) -> Result<Option<EventId>, StoreError> {
        Ok(self.value(&keys::cursor(id))?.and_then(|bytes| keys::place_at(&bytes)))
    }

    /// Names and numbers of the keys of a kind that hold a number.
    pub(super) fn numbers(&self, kind: Kind) -> Result<Vec<(Vec<u8>, u64)>, StoreError> {
        let prefix = keys::key(kind, &[]);
        let mut found = Vec::new();
        for entry in self.0.scan_prefix(&prefix) {
            let (key, value) = entry.map_err(failed("reading documents"))?;
            found.extend(key.strip_prefix(&*prefix).map(<[u8]>::to_vec).zip(keys::number_at(&value)));
        }
        Ok(found)
    }

    /// The highest number ever given under a name.
    pub(super) fn counter(&self, name: &str) -> Result<u64, StoreError> {
        Ok(self.number(&keys::key(Kind::Counter, &[name.as_bytes()]))?.unwrap_or(0))
    }

    /// Where the last finished checkpoint ended.
    pub(super) fn checkpoint(&self) -> Result<Option<EventId>, StoreError> {
        Ok(self.value(&keys::key(Kind::Meta, &[b"checkpoint"]))?.and_then(|bytes| keys::place_at(&bytes)))
    }
}
