//! One moment for each of very many devices, in whole seconds: 4 bytes a device where devices lie close together, as the numbers
//! that the store gives do. Finding what is due reads all of it, a page at a time, which is cheaper than a heap that has to hold
//! a million timers. Knows no clock.

use std::collections::BTreeMap;

use super::{DeviceId, Timestamp};

/// Devices of one page.
const PAGE: u64 = 4_096;

/// When something is due, by device. A moment is kept in seconds, rounded up.
#[derive(Debug)]
pub struct Deadlines {
    pages: BTreeMap<u64, Page>,
    len: usize,
    /// None is earlier.
    earliest: u32,
    /// Pages still to look at in this round of [`Deadlines::take_due`].
    round: Vec<u64>,
}

#[derive(Debug)]
struct Page {
    /// Seconds since 1970; 0 = none.
    moments: Box<[u32]>,
    /// How many are not 0.
    used: usize,
    /// None is earlier.
    first: u32,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self { pages: BTreeMap::new(), len: 0, earliest: u32::MAX, round: Vec::new() }
    }
}

impl Deadlines {
    /// Sets a device's moment in place of an earlier one. Moments after the year 2106 are that year.
    pub fn set(&mut self, device: DeviceId, at: Timestamp) {
        let second = u32::try_from(at.0.div_ceil(1_000)).unwrap_or(u32::MAX).max(1);
        let page = self.pages.entry(device.0 / PAGE).or_insert_with(|| Page {
            moments: vec![0; usize::try_from(PAGE).unwrap_or(0)].into_boxed_slice(),
            used: 0,
            first: u32::MAX,
        });
        page.first = page.first.min(second);
        self.earliest = self.earliest.min(second);
        if let Some(moment) = page.moments.get_mut(place(device)) {
            if *moment == 0 {
                page.used += 1;
                self.len += 1;
            }
            *moment = second;
        }
    }

    /// A device's moment.
    #[must_use]
    pub fn at(&self, device: DeviceId) -> Option<Timestamp> {
        let second = *self.pages.get(&(device.0 / PAGE))?.moments.get(place(device))?;
        (second > 0).then(|| Timestamp(u64::from(second) * 1_000))
    }

    /// Takes a device's moment away.
    pub fn clear(&mut self, device: DeviceId) {
        let number = device.0 / PAGE;
        let Some(page) = self.pages.get_mut(&number) else { return };
        let Some(moment) = page.moments.get_mut(place(device)).filter(|moment| **moment > 0) else { return };
        *moment = 0;
        page.used -= 1;
        self.len -= 1;
        if page.used == 0 {
            self.pages.remove(&number);
        }
    }

    /// Takes out what is due, about `most` devices at once; asked again it goes on from there. Empty = nothing more is due now.
    pub fn take_due(&mut self, now: Timestamp, most: usize) -> Vec<DeviceId> {
        let now = u32::try_from(now.0 / 1_000).unwrap_or(u32::MAX);
        if now < self.earliest && self.round.is_empty() {
            return Vec::new();
        }
        if self.round.is_empty() {
            self.round = self.pages.iter().filter(|(_, page)| page.first <= now).map(|(number, _)| *number).collect();
        }
        let mut due = Vec::new();
        while due.len() < most {
            let Some(number) = self.round.pop() else { break };
            let Some(page) = self.pages.get_mut(&number) else { continue };
            page.first = u32::MAX;
            for (offset, moment) in (0..PAGE).zip(page.moments.iter_mut()) {
                if (1..=now).contains(moment) {
                    *moment = 0;
                    due.push(DeviceId(number * PAGE + offset));
                    page.used -= 1;
                    self.len -= 1;
                } else if *moment > 0 {
                    page.first = page.first.min(*moment);
                }
            }
            if page.used == 0 {
                self.pages.remove(&number);
            }
        }
        if self.round.is_empty() {
            self.earliest = self.pages.values().map(|page| page.first).min().unwrap_or(u32::MAX);
        }
        due
    }

    /// The earliest moment; may be earlier than that, never later.
    #[must_use]
    pub fn first(&self) -> Option<Timestamp> {
        (self.len > 0).then_some(Timestamp(u64::from(self.earliest) * 1_000))
    }

    /// Devices that have a moment.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Has none a moment?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
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
        /// Whatever is set, set again and cleared: it gives what a plain map gives.
        #[test]
        fn it_is_a_map(steps in proptest::collection::vec((0_u64..3, 0_u64..20_000, 0_u64..50), 1..200)) {
            let (mut deadlines, mut plain) = (Deadlines::default(), BTreeMap::new());
            for (kind, device, second) in steps {
                let (device, at) = (DeviceId(device), Timestamp((second + 1) * 1_000));
                match kind {
                    0 | 1 => {
                        deadlines.set(device, at);
                        plain.insert(device, at);
                    }
                    _ => {
                        deadlines.clear(device);
                        plain.remove(&device);
                    }
                }
            }
            prop_assert_eq!(deadlines.len(), plain.len());
            prop_assert!(plain.iter().all(|(device, at)| deadlines.at(*device) == Some(*at)));
            prop_assert!(deadlines.first() <= plain.values().min().copied() && deadlines.first().is_some() != plain.is_empty());
            let now = Timestamp(25_000);
            let mut due = Vec::new();
            loop {
                let some = deadlines.take_due(now, 3);
                if some.is_empty() {
                    break;
                }
                due.extend(some);
            }
            due.sort_unstable();
            let expected: Vec<_> = plain.iter().filter(|(_, at)| **at <= now).map(|(device, _)| *device).collect();
            prop_assert_eq!(due, expected);
            prop_assert_eq!(deadlines.len(), plain.values().filter(|at| **at > now).count());
        }
    }

    #[test]
    fn a_moment_is_rounded_up_and_a_number_may_be_any() {
        let mut deadlines = Deadlines::default();
        deadlines.set(DeviceId(u64::MAX - 1), Timestamp(1_001));
        assert_eq!(deadlines.at(DeviceId(u64::MAX - 1)), Some(Timestamp(2_000)));
        assert_eq!(deadlines.take_due(Timestamp(1_999), 10), []);
        assert_eq!(deadlines.take_due(Timestamp(2_000), 10), [DeviceId(u64::MAX - 1)]);
        assert!(deadlines.is_empty() && deadlines.first().is_none());
    }
}
