//! Devices that sleep: whether one is there, when it will speak again, how long it listens, and whether it speaks too much.
//!
//! Pure: what happened and `now` come in, what follows comes out. Knows no store, shard or wire; what a change of state is told as
//! and when it is stored is decided where it is found (`shard`).

mod meter;
mod power;
mod rhythm;
mod state;

use serde::{Deserialize, Serialize};

use crate::lwm2m::appdata::DownShape;
use crate::model::{Device, DeviceId, Timestamp};

pub use meter::{Admission, Limit, Meter, count_in_second};
pub use power::{ModeFrom, effective_mode, is_queue_mode};
pub use rhythm::{Expected, Rhythm, Sign};
pub use state::{Change, DeviceState, Happening, Limits, Reason, next_look, transition};

/// What is stored of a device's presence: written with what caused a change, not with every uplink.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Presence {
    /// Whose.
    pub device: DeviceId,
    /// Where it stands.
    pub state: DeviceState,
    /// Since when.
    pub since: Timestamp,
    /// When it had been heard last, as of this writing.
    pub heard: Timestamp,
    /// What was learned of it, as of this writing.
    #[serde(default)]
    pub rhythm: Rhythm,
    /// How it takes payloads of object 19; none = nothing was learned, which is as opaque.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shape: Option<DownShape>,
}

impl Presence {
    /// Of a device that was just added.
    #[must_use]
    pub fn of(device: &Device) -> Self {
        let rhythm = Rhythm::default();
        let (state, since) = (DeviceState::Registered, device.created);
        Self { device: device.id, state, since, heard: Timestamp(0), rhythm, shape: None }
    }
}
