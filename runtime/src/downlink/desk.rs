//! The desk at which applications leave commands: checked against the profile, stored, then hinted to the device's shard.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::view;
use crate::catalog::{Catalog, Slot};
use crate::command::{Happening, transition};
use crate::model::{Command, CommandId, CommandState, Device, DeviceId, Timestamp};
use crate::profile::{Mistake, Severity, code};
use crate::shard::{self, Router};
use crate::store::{Commit, Expect, Store, StoreError, Write};

/// Most commands of one device that wait or are under way.
const MAX_OPEN: usize = 128;

/// What an application asks for.
#[derive(Debug, Clone)]
pub struct NewCommand {
    /// For whom.
    pub device: DeviceId,
    /// `serviceId`
    pub service: String,
    /// `commandName`
    pub name: String,
    /// Object: parameter -> value.
    pub params: serde_json::Value,
    /// Seconds; 0 = at once.
    pub expire_time_s: u64,
    /// 0..3
    pub max_retransmit: Option<u8>,
}

/// Why a command was not accepted or not canceled.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// No such device.
    #[error("there is no device {0}")]
    NoDevice(DeviceId),
    /// No such command.
    #[error("there is no command {0}")]
    NoCommand(CommandId),
    /// The product has no codec that could encode it.
    #[error("the device's product has no working codec; upload one first")]
    NoCodec,
    /// Bytes for a product whose commands have names.
    #[error("the device's product has a codec: its commands have a service, a name and parameters")]
    NotTransparent,
    /// It contradicts the profile; every mistake is told.
    #[error("the command does not fit the profile ({} mistakes)", .0.len())]
    Invalid(Vec<Mistake>),
    /// It has gone too far to be canceled.
    #[error("the command is {} and can no longer be canceled", .0.as_str())]
    TooLate(CommandState),
    /// The device has as many open commands as it may.
    #[error("the device already has {0} open commands; wait or cancel some")]
    TooMany(usize),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Accepts and cancels commands. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    store: Store,
    catalog: Arc<Catalog>,
    router: Router,
    ids: Arc<Ids>,
}

/// Source of command ids: a counter for order, keyed hashes of it for unguessable bits.
#[derive(Default)]
struct Ids {
    counter: AtomicU16,
    keys: RandomState,
}

impl Ids {
    fn next(&self, now: Timestamp) -> CommandId {
        let counter = self.counter.fetch_add(1, Ordering::Relaxed);
        let mut hasher = self.keys.build_hasher();
        hasher.write_u64(now.0);
        hasher.write_u16(counter);
        CommandId::new(now, counter, hasher.finish())
    }
}

impl Desk {
    /// A desk over the running parts.
    #[must_use]
    pub fn new(store: Store, catalog: Arc<Catalog>, router: Router) -> Self {
        Self { store, catalog, router, ids: Arc::default() }
    }

    /// Accepts a command: it is durable as PENDING when this returns.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was stored then.
    pub async fn create(&self, new: NewCommand, now: Timestamp) -> Result<Command, CommandError> {
        let device = self.store.device(new.device)?.ok_or(CommandError::NoDevice(new.device))?.doc;
        let product = self.catalog.active(device.product).ok_or(CommandError::NoCodec)?;
        product.profile.check_params(&new.service, &new.name, &new.params).map_err(CommandError::Invalid)?;
        let Slot::Active(active) = &product.codec else { return Err(CommandError::NoCodec) };
        let Some(index) = active.plan.command(&new.service, &new.name) else {
            return Err(CommandError::Invalid(vec![not_in_codec(&new)]));
        };
        active.plan.params(index, &new.params).map_err(CommandError::Invalid)?;
        self.accept(&device, new, now).await
    }

    /// Accepts bytes as they are for a device whose product has no codec; otherwise as [`Desk::create`]. No response can be matched with
    /// them, so DELIVERED is the most that they reach.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was stored then.
    pub async fn create_raw(
        &self,
        device: DeviceId,
        payload: &[u8],
        (expire_time_s, max_retransmit): (u64, Option<u8>),
        now: Timestamp,
    ) -> Result<Command, CommandError> {
        let device = self.store.device(device)?.ok_or(CommandError::NoDevice(device))?.doc;
        let product = self.catalog.active(device.product).ok_or(CommandError::NoCodec)?;
        if !matches!(product.codec, Slot::Transparent) {
            return Err(CommandError::NotTransparent);
        }
        let params = serde_json::json!({ "hex": hex::encode_upper(payload) });
        let (service, name) = (String::new(), Command::RAW.to_owned());
        self.accept(&device, NewCommand { device: device.id, service, name, params, expire_time_s, max_retransmit }, now).await
    }

    async fn accept(&self, device: &Device, new: NewCommand, now: Timestamp) -> Result<Command, CommandError> {
        let open = self.store.open_commands(device.id)?.len();
        if open >= MAX_OPEN {
            return Err(CommandError::TooMany(open));
        }
        let command = Command {
            id: self.ids.next(now),
            device: device.id,
            product: device.product,
            service: new.service,
            name: new.name,
            params: new.params,
            expire_time_s: new.expire_time_s,
            max_retransmit: new.max_retransmit,
            state: CommandState::Pending,
            mid: None,
            created: now,
            sent: None,
            delivered: None,
            ended: None,
            errcode: None,
            result: None,
            failure: None,
        };
        let events = vec![view::event(&command, device.endpoint.as_str())];
        let writes = vec![Write::PutCommand(command.clone(), Expect::Absent)];
        self.store.commit(Commit { events, writes }).await?;
        shard::moved(self.router.tracer(), &command);
        self.router.hint(device.id);
        Ok(command)
    }

    /// Revokes a command that still waits.
    ///
    /// # Errors
    /// [`CommandError::TooLate`] once it left or ended.
    pub async fn cancel(&self, id: CommandId, now: Timestamp) -> Result<Command, CommandError> {
        loop {
            let found = self.store.command(id)?.ok_or(CommandError::NoCommand(id))?;
            let next = transition(&found.doc, Happening::Revoked, now).map_err(|unmoved| CommandError::TooLate(unmoved.0))?;
            let device = self.store.device(next.device)?.ok_or(CommandError::NoCommand(id))?.doc;
            let events = vec![view::event(&next, device.endpoint.as_str())];
            let writes = vec![Write::PutCommand(next.clone(), Expect::Version(found.version))];
            match self.store.commit(Commit { events, writes }).await {
                Ok(()) => {
                    shard::moved(self.router.tracer(), &next);
                    self.router.hint(next.device);
                    return Ok(next);
                }
                // It was being sent meanwhile: look again.
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

fn not_in_codec(new: &NewCommand) -> Mistake {
    Mistake {
        file: "command".to_owned(),
        pointer: "/name".to_owned(),
        severity: Severity::Error,
        code: code::COMMAND_NOT_ENCODED,
        reason: format!("the profile has {}.{}, the active codec does not", new.service, new.name),
        fix: "install a codec version that encodes it".to_owned(),
    }
}
