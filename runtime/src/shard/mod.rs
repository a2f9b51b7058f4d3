//! Worker threads that own devices: everything about one device happens on one thread, in order.

use crate::model::DeviceId;

/// Sends work to the shard that owns the device. Cheap to clone.
#[derive(Clone)]
pub struct Router {}

#[expect(clippy::unimplemented, unused_variables, missing_docs, reason = "skeleton")]
impl Router {
    /// Look at the device's commands. A hint: may be lost, a sweep finds what it missed.
    pub fn hint(&self, device: DeviceId) {
        unimplemented!()
    }
    /// The device was deleted: forget its registration.
    pub fn forget(&self, device: DeviceId) {
        unimplemented!()
    }
    /// Uplinks by how they ended since start: (decoded, transparent, dead letter), and those received and not yet ended.
    pub fn uplink_counts(&self) -> UplinkCounts {
        unimplemented!()
    }
}

/// Every uplink ends as exactly one of these; received = the sum of the others.
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
