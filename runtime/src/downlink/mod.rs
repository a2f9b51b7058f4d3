//! Commands: from an application's request to the device and back.

use std::sync::Arc;

use crate::catalog::Catalog;
use crate::model::{Command, CommandId, CommandState, DeviceId, Timestamp};
use crate::profile::Mistake;
use crate::shard::Router;
use crate::store::{Store, StoreError};

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
    #[error("the device's product has no codec; upload one first")]
    NoCodec,
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

/// Accepts and cancels commands.
#[derive(Clone)]
pub struct Desk {}

#[expect(
    clippy::unimplemented,
    unused_variables,
    missing_docs,
    clippy::missing_errors_doc,
    clippy::unused_async,
    reason = "skeleton"
)]
impl Desk {
    pub fn new(store: Store, catalog: Arc<Catalog>, router: Router) -> Self {
        unimplemented!()
    }
    pub async fn create(&self, new: NewCommand, now: Timestamp) -> Result<Command, CommandError> {
        unimplemented!()
    }
    pub async fn cancel(&self, id: CommandId, now: Timestamp) -> Result<Command, CommandError> {
        unimplemented!()
    }
}
