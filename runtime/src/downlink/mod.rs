//! Commands: from an application's request to the device and back.
//!
//! [`Desk`] accepts and cancels, `next_step` decides what a device's commands need now, `encode` asks the codec for bytes.
//! The shard that owns the device takes the steps; the life cycle itself is `crate::command`.

mod batches;
mod desk;
mod encode;
mod operation;
mod step;
mod view;

pub use batches::{BatchError, Batches, Progress};
pub use desk::{Bounds, CommandError, Desk};
pub(crate) use encode::{Encoded, encode, read, written};
pub(crate) use operation::{Ended, asked, ended, parse};
pub use step::Reach;
pub(crate) use step::{HEAD, Step, next_step, overdue};
pub use view::command_json;
pub(crate) use view::event;
