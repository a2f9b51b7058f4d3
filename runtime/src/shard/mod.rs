//! Worker threads that own devices: everything about one device happens on one thread, in order, without a lock.
//!
//! [`Router`] finds the shard of a device; [`Shards`] owns the threads. What a shard does with a job is told in `worker`,
//! what an uplink or a command means in `crate::uplink` and `crate::downlink`.

mod errands;
mod flow;
mod gate;
mod hands;
mod lane;
mod patience;
mod router;
mod signs;
mod silence;
mod told;
mod worker;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

pub use flow::FlowLimits;
pub use lane::{Lane, LaneView};
pub use router::Router;
pub(crate) use told::moved;
pub use worker::{Shards, ShardsConfig};

use tokio::sync::oneshot;

use crate::lwm2m::Occurrence;
use crate::model::{CommandId, Device, DeviceId};
use crate::uplink::Ignored;

/// Work for a shard.
#[expect(clippy::large_enum_variant, reason = "nearly every job is an uplink; a box would cost each an allocation")]
pub(crate) enum Job {
    /// A device did something; for a Register the device that it named.
    Occurrence(Occurrence, Option<Box<Device>>),
    /// Look at the device's commands.
    Hint(DeviceId),
    /// The device may have been silent for too long, or never have come.
    Look(DeviceId),
    /// Somebody wants to see its lane; no answer = it is not in memory.
    View(DeviceId, oneshot::Sender<LaneView>),
    /// The time of this command may be over.
    Due(DeviceId, CommandId),
    /// The device was deleted.
    Forget(DeviceId),
    /// Something lies in the mailbox.
    Wake,
    /// Finish.
    Stop,
}

/// Every uplink ends as exactly one of decoded, transparent, dead letter or not stored; received = the sum + in progress.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UplinkCounts {
    /// Taken from devices.
    pub received: u64,
    /// Ended as decoded.
    pub decoded: u64,
    /// Ended as transparent.
    pub transparent: u64,
    /// Ended as dead letter.
    pub dead_letter: u64,
    /// Not stored (queue full, store failed): not acknowledged, the device sends again.
    pub not_stored: u64,
    /// Not ended yet.
    pub in_progress: u64,
}

/// Counts of uplinks, shared by the shards.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) received: AtomicU64,
    pub(crate) decoded: AtomicU64,
    pub(crate) transparent: AtomicU64,
    pub(crate) dead_letter: AtomicU64,
    pub(crate) not_stored: AtomicU64,
    /// Messages that flow control did not let in.
    pub(crate) device_throttled: AtomicU64,
    pub(crate) application_throttled: AtomicU64,
    /// Responses that moved no command, by `uplink::Ignored`.
    pub(crate) ignored: [AtomicU64; Ignored::ALL.len()],
}

impl Counters {
    pub(crate) fn add(counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn snapshot(self: &Arc<Self>) -> UplinkCounts {
        // The ends are read before the beginning, so that the difference is never negative.
        let decoded = self.decoded.load(Ordering::Acquire);
        let transparent = self.transparent.load(Ordering::Acquire);
        let dead_letter = self.dead_letter.load(Ordering::Acquire);
        let not_stored = self.not_stored.load(Ordering::Acquire);
        let received = self.received.load(Ordering::Acquire);
        let ended = decoded + transparent + dead_letter + not_stored;
        UplinkCounts { received, decoded, transparent, dead_letter, not_stored, in_progress: received.saturating_sub(ended) }
    }
}
