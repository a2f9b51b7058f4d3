//! One small value for each of very many devices, by their number: no key is stored, and numbers that lie close together, as those
//! that the store gives do, share a page. Knows nothing of what the values mean.

use std::collections::BTreeMap;

use super::DeviceId;

/// Values of one page.
const PAGE: u64 = 512;

/// A map from device to `T` at the size of a `T` a device. A device that was never set has the default value.
#[derive(Debug, Clone)]
pub struct Paged<T> {
    pages: BTreeMap<u64, Box<[T]>>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: BTreeMap::new() }
    }
}

impl<T: Copy + Default + PartialEq> Paged<T> {
    /// A device's value.
    #[must_use]
    pub fn at(&self, device: DeviceId) -> T {
        self.pages.get(&(device.0 / PAGE)).and_then(|page| page.get(place(device))).copied().unwrap_or_default()
    }

    /// Sets a device's value in place of an earlier one. The default value costs no page.
    pub fn set(&mut self, device: DeviceId, value: T) {
        let number = device.0 / PAGE;
        if value == T::default() && !self.pages.contains_key(&number) {
            return;
        }
        let fresh = || vec![T::default(); usize::try_from(PAGE).unwrap_or(0)].into_boxed_slice();
        if let Some(own) = self.pages.entry(number).or_insert_with(fresh).get_mut(place(device)) {
            *own = value;
        }
    }
}

fn place(device: DeviceId) -> usize {
    usize::try_from(device.0 % PAGE).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0_u64..3_000, 0_u8..4), 1..200)) {
            let (mut paged, mut plain) = (Paged::default(), BTreeMap::new());
            for (device, value) in steps {
                paged.set(DeviceId(device), value);
                plain.insert(device, value);
            }
            for device in 0..3_000 {
                prop_assert_eq!(paged.at(DeviceId(device)), plain.get(&device).copied().unwrap_or_default());
            }
        }
    }

    #[test]
    fn any_number_has_a_place() {
        let mut paged = Paged::default();
        paged.set(DeviceId(u64::MAX), 7_u64);
        assert_eq!((paged.at(DeviceId(u64::MAX)), paged.at(DeviceId(0))), (7, 0));
    }
}
