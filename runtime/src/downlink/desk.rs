//! The desk at which applications leave commands: checked against the profile, stored, then hinted to the device's shard.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use super::{operation, view};
use crate::catalog::{ActiveProduct, Catalog, Slot};
use crate::command::{Happening, transition};
use crate::lwm2m::operation::Offer;
use crate::model::{Batch, Blueprint, Command, CommandId, CommandState, Device, DeviceId, ProductId, Timestamp, Work};
use crate::profile::{Coercion, Mistake, Severity, code};
use crate::shard::{self, Router};
use crate::store::{Commit, Expect, Store, StoreError, Versioned, Write};

/// Most commands of one device that one commit cancels.
const PIECE: usize = 128;

/// Bounds of open commands (PENDING or SENT); more are refused.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Of one device.
    pub per_device: usize,
    /// Of all devices.
    pub total: u64,
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
    /// No such product.
    #[error("there is no product {0}")]
    NoProduct(ProductId),
    /// The product has no codec that could encode it.
    #[error("the device's product has no working codec; upload one first")]
    NoCodec,
    /// Bytes for a product whose commands have names.
    #[error("the device's product has a codec: its commands have a service, a name and parameters")]
    NotTransparent,
    /// It contradicts the profile; every mistake is told.
    #[error("the command does not fit the profile or the device ({} mistakes)", .0.len())]
    Invalid(Vec<Mistake>),
    /// It has gone too far to be canceled.
    #[error("the command is {} and can no longer be canceled", .0.as_str())]
    TooLate(CommandState),
    /// The command that it would replace has left already.
    #[error("the command {0} with the same supersede key was sent already and can no longer be taken back")]
    SupersedesSent(CommandId),
    /// The device has as many open commands as it may.
    #[error("the device already has {0} open commands, the most that it may have")]
    TooMany(usize),
    /// The gateway has as many open commands as it may.
    #[error("the gateway already has {0} open commands, the most that it may have")]
    TooManyInAll(u64),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Accepts and cancels commands. Cheap to clone.
#[derive(Clone)]
pub struct Desk {
    pub(super) store: Store,
    catalog: Arc<Catalog>,
    pub(super) router: Router,
    ids: Arc<Ids>,
    bounds: Bounds,
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
    pub fn new(store: Store, catalog: Arc<Catalog>, router: Router, bounds: Bounds) -> Self {
        Self { store, catalog, router, ids: Arc::default(), bounds }
    }

    /// Accepts a command: it is durable as PENDING when this returns. Waiting ones with its `supersede` key are canceled in the same commit.
    ///
    /// # Errors
    /// [`CommandError`]; nothing was stored then.
    pub async fn create(&self, device: DeviceId, order: Blueprint, now: Timestamp) -> Result<Command, CommandError> {
        let device = self.store.device(device)?.ok_or(CommandError::NoDevice(device))?.doc;
        self.check(device.product, &order.what)?;
        if let Work::Operation { request, .. } = &order.what {
            let offer = operation::offer(self.store.registration(device.id)?.as_ref());
            possible(request, &offer)?;
        }
        self.has_room(device.id)?;
        let command = self.draft(&device, order, None, now);
        loop {
            let replaced = self.replaced(&command)?;
            let mut commit = Commit::default();
            for old in &replaced {
                // It waits: `replaced` saw to that.
                let canceled = transition(&old.doc, Happening::Superseded { by: command.id }, now);
                put(
                    &mut commit,
                    &device,
                    canceled.map_err(|unmoved| CommandError::TooLate(unmoved.0))?,
                    Expect::Version(old.version),
                );
            }
            put(&mut commit, &device, command.clone(), Expect::Absent);
            match self.store.commit(commit).await {
                Ok(()) => {
                    shard::moved(self.router.tracer(), &command);
                    self.router.hint(device.id);
                    return Ok(command);
                }
                // One of them was being sent meanwhile: look again.
                Err(StoreError::Conflict("command")) if !replaced.is_empty() => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Whether a product takes this work, held against its profile and its codec.
    ///
    /// # Errors
    /// [`CommandError::NoProduct`], [`CommandError::NoCodec`], [`CommandError::NotTransparent`], [`CommandError::Invalid`].
    pub fn check(&self, product: ProductId, work: &Work) -> Result<(), CommandError> {
        let product = self.catalog.active(product).ok_or(CommandError::NoProduct(product))?;
        match work {
            Work::Named { service, name, params } => fits(&product, service, name, params),
            Work::Raw(_) if matches!(product.codec, Slot::Transparent) => Ok(()),
            Work::Raw(_) => Err(CommandError::NotTransparent),
            Work::Operation { request, .. } => possible(request, &operation::offer(None)),
        }
    }

    /// Whether the device may have one more open command.
    ///
    /// # Errors
    /// [`CommandError::TooMany`], [`CommandError::TooManyInAll`].
    pub fn has_room(&self, device: DeviceId) -> Result<(), CommandError> {
        let open = self.store.open_count(device, self.bounds.per_device)?;
        if open >= self.bounds.per_device {
            return Err(CommandError::TooMany(open));
        }
        let total = self.store.open_total()?;
        if total >= self.bounds.total { Err(CommandError::TooManyInAll(total)) } else { Ok(()) }
    }

    /// A command that is stored nowhere yet.
    pub(super) fn draft(&self, device: &Device, order: Blueprint, batch: Option<&Batch>, now: Timestamp) -> Command {
        let command = Command::new(self.ids.next(now), (device.id, device.product), order.what, now);
        Command {
            expire_time_s: order.expire_time_s,
            max_retransmit: order.max_retransmit,
            priority: order.priority.min(Command::MAX_PRIORITY),
            supersede: order.supersede,
            batch: batch.map(|batch| batch.id),
            ..command
        }
    }

    /// The waiting commands that this one takes the place of.
    pub(super) fn replaced(&self, command: &Command) -> Result<Vec<Versioned<Command>>, CommandError> {
        let Some(key) = &command.supersede else { return Ok(Vec::new()) };
        let mut same = self.store.next_commands(command.device, self.bounds.per_device)?;
        same.retain(|open| open.doc.supersede.as_ref() == Some(key) && open.doc.id != command.id);
        match same.iter().find(|open| open.doc.state != CommandState::Pending) {
            Some(sent) => Err(CommandError::SupersedesSent(sent.doc.id)),
            None => Ok(same),
        }
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
            let mut commit = Commit::default();
            put(&mut commit, &device, next.clone(), Expect::Version(found.version));
            match self.store.commit(commit).await {
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

    /// Revokes every command of the device that still waits; gives how many. What was sent goes on.
    ///
    /// # Errors
    /// [`CommandError::NoDevice`], [`CommandError::Store`]; some may have been canceled then.
    pub async fn cancel_all(&self, device: DeviceId, now: Timestamp) -> Result<usize, CommandError> {
        let device = self.store.device(device)?.ok_or(CommandError::NoDevice(device))?.doc;
        let mut canceled = 0;
        loop {
            let mut commit = Commit::default();
            for open in self.store.next_commands(device.id, PIECE)? {
                if let Ok(next) = transition(&open.doc, Happening::Revoked, now) {
                    put(&mut commit, &device, next, Expect::Version(open.version));
                }
            }
            let count = commit.writes.len();
            if count == 0 {
                return Ok(canceled);
            }
            match self.store.commit(commit).await {
                Ok(()) => canceled += count,
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// Adds a command and the event of its newest step.
pub(super) fn put(commit: &mut Commit, device: &Device, command: Command, expect: Expect) {
    commit.events.push(view::event(&command, device.endpoint.as_str()));
    commit.writes.push(Write::PutCommand(command, expect));
}

/// An operation against what a device can take.
fn possible(request: &serde_json::Value, offer: &Offer) -> Result<(), CommandError> {
    let mistakes = operation::parse(request).map(|asked| operation::told(&asked.mistakes(offer)));
    match mistakes {
        Ok(mistakes) if mistakes.is_empty() => Ok(()),
        Ok(mistakes) | Err(mistakes) => Err(CommandError::Invalid(mistakes)),
    }
}

/// A named command against profile and codec; all mistakes at once.
fn fits(product: &ActiveProduct, service: &str, name: &str, params: &serde_json::Value) -> Result<(), CommandError> {
    let coercion = if product.product.commands.coerce_params { Coercion::Lenient } else { Coercion::Strict };
    product.profile.check_params(service, name, params, coercion).map_err(CommandError::Invalid)?;
    let Slot::Active(active) = &product.codec else { return Err(CommandError::NoCodec) };
    let Some(index) = active.plan.command(service, name) else {
        return Err(CommandError::Invalid(vec![not_in_codec(service, name)]));
    };
    active.plan.params(index, params).map(drop).map_err(CommandError::Invalid)
}

fn not_in_codec(service: &str, name: &str) -> Mistake {
    Mistake {
        file: "command".to_owned(),
        pointer: "/name".to_owned(),
        severity: Severity::Error,
        code: code::COMMAND_NOT_ENCODED,
        reason: format!("the profile has {service}.{name}, the active codec does not"),
        fix: "install a codec version that encodes it".to_owned(),
    }
}
