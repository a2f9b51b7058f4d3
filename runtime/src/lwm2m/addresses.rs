//! Which device has an address, for Send: it says who it is by its address alone (LwM2M Core 1.1 6.4.6). One address a device, for those
//! of LwM2M 1.1 and later, so what devices leave behind does not pile up. Knows no message.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::net::SocketAddr;

use crate::coap::KeyedState;
use crate::model::DeviceId;

/// Devices by a hash of their address, and the other way round. Two that share a hash cannot both use Send.
#[derive(Debug)]
pub(super) struct Addresses {
    devices: HashMap<u64, DeviceId, KeyedState>,
    keys: HashMap<DeviceId, u64, KeyedState>,
    state: KeyedState,
}

impl Addresses {
    pub(super) fn new(state: KeyedState) -> Self {
        Self { devices: HashMap::with_hasher(state), keys: HashMap::with_hasher(state), state }
    }

    pub(super) fn device(&self, peer: SocketAddr) -> Option<DeviceId> {
        self.devices.get(&self.state.hash_one(peer)).copied()
    }

    /// A device is here now, and no longer where it was.
    pub(super) fn note(&mut self, device: DeviceId, version: &str, peer: SocketAddr) {
        if version == "1" || version.starts_with("1.0") {
            return;
        }
        let key = self.state.hash_one(peer);
        if self.keys.get(&device) != Some(&key) {
            self.forget(device);
            self.keys.insert(device, key);
        }
        self.devices.insert(key, device);
    }

    /// A device is nowhere.
    pub(super) fn forget(&mut self, device: DeviceId) {
        if let Some(key) = self.keys.remove(&device)
            && self.devices.get(&key) == Some(&device)
        {
            self.devices.remove(&key);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> (usize, usize) {
        (self.devices.len(), self.keys.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::Random;

    #[test]
    fn a_device_has_one_address_and_leaves_nothing_behind() {
        let mut addresses = Addresses::new(KeyedState::new(&mut Random::new([1; 32])));
        let at = |port: u16| SocketAddr::from(([10, 0, 0, 1], port));
        for port in 1..1_000 {
            addresses.note(DeviceId(1), "1.1", at(port));
        }
        assert_eq!((addresses.device(at(999)), addresses.device(at(998)), addresses.len()), (Some(DeviceId(1)), None, (1, 1)));
        addresses.note(DeviceId(2), "1.1", at(999));
        assert_eq!(addresses.device(at(999)), Some(DeviceId(2)), "the newest counts");
        addresses.forget(DeviceId(1));
        assert_eq!(addresses.device(at(999)), Some(DeviceId(2)));
        addresses.forget(DeviceId(2));
        addresses.note(DeviceId(3), "1.0.0", at(5));
        assert_eq!(addresses.len(), (0, 0), "a device of 1.0 does not send");
    }
}
