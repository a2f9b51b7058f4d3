//! Reading documents: products, devices, registrations, commands, codec versions, subscriptions. Knows no writing.

use serde::de::DeserializeOwned;
use sled::{IVec, Tree};

use crate::model::{
    CodecVersion, Command, CommandId, CommandState, Device, DeviceId, EventId, Product, ProductId, ProductKey, Registration,
    Subscription, SubscriptionId, VersionNumber,
};

use crate::presence::Presence;

use super::apply::command_of;
use super::engine::failed;
use super::keys::{self, Kind};
use super::{Page, StoreError, Versioned, records};

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

    pub(super) fn open_commands(&self, device: DeviceId) -> Result<Vec<Versioned<Command>>, StoreError> {
        let mut open = Vec::new();
        for key in self.0.scan_prefix(keys::key(Kind::OpenCommand, &[&device.0.to_be_bytes()])).keys() {
            if let Some(id) = command_of(&key.map_err(failed("reading commands"))?) {
                open.extend(self.command(id)?.filter(|command| super::apply::is_open(command.doc.state)));
            }
        }
        Ok(open)
    }

    pub(super) fn devices_with_open_commands(&self) -> Result<Vec<DeviceId>, StoreError> {
        let prefix = keys::key(Kind::OpenCommand, &[]);
        let mut devices = Vec::new();
        for key in self.0.scan_prefix(&prefix).keys() {
            let key = key.map_err(failed("reading commands"))?;
            let device = key.strip_prefix(&*prefix).and_then(keys::number_at).map(DeviceId);
            devices.extend(device.filter(|device| devices.last() != Some(device)));
        }
        Ok(devices)
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
