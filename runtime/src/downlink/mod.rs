//! Commands: from an application's request to the device and back.
//!
//! [`Desk`] accepts and cancels, `next_step` decides what a device's commands need now, `encode` asks the codec for bytes.
//! The shard that owns the device takes the steps; the life cycle itself is `crate::command`.

mod desk;
mod encode;
mod step;
mod view;

pub use desk::{CommandError, Desk, NewCommand};
pub(crate) use encode::{Encoded, encode};
pub use step::Reach;
pub(crate) use step::{Step, next_step};
pub use view::command_json;
pub(crate) use view::event;
