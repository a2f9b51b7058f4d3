//! A fleet: what its devices have in common, and how they differ. Makes the devices; the same seed makes the same ones. Reads nothing.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::network::Rebind;
use super::{DeviceConfig, SimulatedDevice, Version, Via};
use crate::coap::Random;
use crate::model::{Endpoint, PowerMode};

/// What kind of fleet.
#[derive(Debug, Clone, PartialEq)]
pub struct Fleet {
    /// Endpoint client names, one each.
    pub endpoints: Vec<Endpoint>,
    /// When devices listen, and how large a share of them: weights.
    pub modes: Vec<(PowerMode, u32)>,
    /// `lt`, seconds; evenly spread.
    pub lifetime_s: RangeInclusive<u32>,
    /// Reports this often.
    pub period: Duration,
    /// Every pause is at most so much shorter or longer.
    pub jitter: Duration,
    /// They are switched on evenly spread over this time; zero = all at once, a reconnect storm.
    pub spread: Duration,
    /// What they report, one after the other and again from the first; neighbours begin at different ones.
    pub payloads: Vec<Vec<u8>>,
    /// CON or NON.
    pub confirmable: bool,
    /// LwM2M version.
    pub version: Version,
    /// How reports travel.
    pub via: Via,
    /// Size exponent of their blocks; reports that are larger go in pieces (RFC 7959).
    pub szx: u8,
    /// How long sleeping devices listen after they spoke.
    pub awake: Duration,
    /// How often eDRX devices listen otherwise.
    pub paging: Duration,
    /// When NAT gives them other addresses.
    pub rebind: Rebind,
}

impl Fleet {
    /// The devices. They deregister when they are stopped.
    #[must_use]
    pub fn devices(&self, seed: [u8; 32]) -> Vec<SimulatedDevice> {
        let mut random = Random::new(seed);
        let count = u32::try_from(self.endpoints.len()).unwrap_or(u32::MAX).max(1);
        let devices = (0_u32..).zip(&self.endpoints).map(|(place, endpoint)| {
            let mode = self.mode(random.draw_fraction());
            let config = DeviceConfig {
                lifetime_s: self.lifetime(random.draw_fraction()),
                confirmable: self.confirmable,
                version: self.version,
                via: self.via,
                szx: self.szx,
                awake: self.awake,
                paging: self.paging,
                ..DeviceConfig::new(endpoint.as_str(), mode)
            };
            let (payloads, first) = (self.payloads.clone(), place);
            let payload = move |n: u32| {
                let index = usize::try_from(first.wrapping_add(n)).unwrap_or_default().checked_rem(payloads.len());
                index.and_then(|index| payloads.get(index)).cloned().unwrap_or_default()
            };
            SimulatedDevice {
                start_after: self.spread * place / count,
                jitter: self.jitter,
                rebind: self.rebind,
                deregister: true,
                ..SimulatedDevice::new(config, self.period, Box::new(payload))
            }
        });
        devices.collect()
    }

    /// The mode at a point of the line on which every mode is as long as its weight.
    fn mode(&self, point: f64) -> PowerMode {
        let all: f64 = self.modes.iter().map(|(_, weight)| f64::from(*weight)).sum();
        let mut left = point * all;
        for (mode, weight) in &self.modes {
            left -= f64::from(*weight);
            if left < 0.0 {
                return *mode;
            }
        }
        self.modes.last().map_or_else(PowerMode::default, |(mode, _)| *mode)
    }

    fn lifetime(&self, point: f64) -> u32 {
        let (least, most) = (*self.lifetime_s.start(), *self.lifetime_s.end());
        let more = Duration::from_secs(u64::from(most.saturating_sub(least)) + 1).mul_f64(point).as_secs();
        least.saturating_add(u32::try_from(more).unwrap_or_default()).min(most)
    }
}

/// Names that count up from the digits at the end of the first; a first name without digits gets them: `meter-1`, `meter-2`.
///
/// # Errors
/// In words, when counting up leaves no name that can be one.
pub fn endpoints(first: &str, count: u32) -> Result<Vec<Endpoint>, String> {
    let stem = first.trim_end_matches(|c: char| c.is_ascii_digit());
    // 18 digits always fit; a longer row of digits counts in its last 18.
    let split = stem.len().max(first.len().saturating_sub(18));
    let (stem, digits) = first.split_at_checked(split).unwrap_or((first, ""));
    if digits.is_empty() && count == 1 {
        return Endpoint::new(first).map(|endpoint| vec![endpoint]).map_err(|error| error.to_string());
    }
    let (stem, start) = if digits.is_empty() { (format!("{stem}-"), 1) } else { (stem.to_owned(), digits.parse().unwrap_or(0)) };
    let width = digits.len();
    let count_up = |n: u32| Endpoint::new(format!("{stem}{:0width$}", start + u64::from(n))).map_err(|e| e.to_string());
    (0..count).map(count_up).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fleet(count: u32) -> Fleet {
        Fleet {
            endpoints: endpoints("meter-001", count).unwrap(),
            modes: vec![(PowerMode::Psm, 3), (PowerMode::Drx, 1)],
            lifetime_s: 60..=120,
            period: Duration::from_secs(10),
            jitter: Duration::ZERO,
            spread: Duration::from_secs(20),
            payloads: vec![vec![1], vec![2], vec![3]],
            confirmable: true,
            version: Version::V1_0,
            via: Via::Notify,
            szx: 6,
            awake: Duration::from_secs(1),
            paging: Duration::from_secs(1),
            rebind: Rebind::default(),
        }
    }

    #[test]
    fn a_seed_makes_the_same_devices_with_the_shares_that_were_asked_for() {
        let shape = |seed: u8| -> Vec<_> {
            let devices = fleet(1_000).devices([seed; 32]);
            devices.into_iter().map(|device| (device.config.power_mode, device.config.lifetime_s, device.start_after)).collect()
        };
        let one = shape(1);
        assert_eq!(one, shape(1));
        assert_ne!(one, shape(2));
        let psm = one.iter().filter(|(mode, ..)| *mode == PowerMode::Psm).count();
        assert!((700..800).contains(&psm), "{psm}");
        assert!(one.iter().all(|(_, lifetime, _)| (60..=120).contains(lifetime)));
        assert_eq!((one[0].2, one[500].2), (Duration::ZERO, Duration::from_secs(10)));
    }

    #[test]
    fn payloads_go_round_and_neighbours_begin_at_different_ones() {
        let mut devices = fleet(2).devices([0; 32]);
        let said: Vec<Vec<u8>> = (0..4).map(|n| (devices[0].payload)(n)).collect();
        assert_eq!(said, [[1], [2], [3], [1]]);
        assert_eq!((devices[1].payload)(0), [2]);
    }

    #[test]
    fn names_count_up() {
        let texts = |first, count| endpoints(first, count).map(|all| all.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(texts("867000000000009", 2).unwrap(), ["867000000000009", "867000000000010"]);
        assert_eq!(texts("meter", 2).unwrap(), ["meter-1", "meter-2"]);
        assert_eq!(texts("meter", 1).unwrap(), ["meter"]);
        assert!(texts("", 1).is_err());
    }
}
