//! Numbers that name a device and tell nobody which: tokens and locations, 64 bits that only the gateway can read (RFC 7252 5.3.1
//! wants tokens that an outsider cannot guess).
//!
//! A number is a device number of 40 bits, a use of 2 and a nonce of 22, through a small keyed permutation (eight Feistel rounds over
//! SipHash). So a datagram says whose it is without an index of a million tokens in memory; whether the number is one that was
//! given, the stored registration tells. The key outlives the process: it lies in the data folder.

use std::hash::Hasher;

use siphasher::sip::SipHasher13;

use crate::model::DeviceId;

/// What a number is given for. The same nonce under two uses is two numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// Second segment of the Location-Path.
    Location,
    /// Token of an observation.
    Observation,
    /// Token of a downlink that the flows asked for.
    Downlink,
    /// Token of a request that the server makes by itself.
    Fetch,
}

/// Seals and opens such numbers. Cheap to clone.
#[derive(Clone)]
pub struct Names {
    keys: [(u64, u64); 2],
}

impl std::fmt::Debug for Names {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Names")
    }
}

/// Largest device number that fits, 2^40 - 1.
const MOST: u64 = (1 << 40) - 1;
const NONCE_BITS: u32 = 22;
const ROUNDS: u8 = 8;

impl Names {
    /// Bits of a nonce that count.
    pub const NONCES: u32 = 1 << NONCE_BITS;

    /// From a secret of 32 bytes.
    #[must_use]
    pub fn new(secret: [u8; 32]) -> Self {
        let (words, _) = secret.as_chunks::<8>();
        let word = |at: usize| words.get(at).copied().map(u64::from_le_bytes).unwrap_or_default();
        Self { keys: [(word(0), word(1)), (word(2), word(3))] }
    }

    /// The number of a device for a use. Bits of the nonce above 22 are left out, as are bits of the device number above 40: such
    /// a device is found by no number and has to be known otherwise.
    #[must_use]
    pub fn seal(&self, device: DeviceId, of: Use, nonce: u32) -> u64 {
        let of: u64 = match of {
            Use::Location => 0,
            Use::Observation => 1,
            Use::Downlink => 2,
            Use::Fetch => 3,
        };
        let nonce = u64::from(nonce & (Self::NONCES - 1));
        let (mut left, mut right) = halves((device.0 & MOST) << 24 | of << NONCE_BITS | nonce);
        for round in 0..ROUNDS {
            (left, right) = (right, left ^ self.mix(round, right));
        }
        whole(left, right)
    }

    /// Whose a number is if it is one, and for what.
    #[must_use]
    pub fn open(&self, number: u64) -> (DeviceId, Use) {
        let (mut left, mut right) = halves(number);
        for round in (0..ROUNDS).rev() {
            (left, right) = (right ^ self.mix(round, left), left);
        }
        let plain = whole(left, right);
        let of = match plain >> NONCE_BITS & 0b11 {
            0 => Use::Location,
            1 => Use::Observation,
            2 => Use::Downlink,
            _ => Use::Fetch,
        };
        (DeviceId(plain >> 24), of)
    }

    fn mix(&self, round: u8, half: u32) -> u32 {
        let (first, second) = if round.is_multiple_of(2) { (self.keys[0], self.keys[1]) } else { (self.keys[1], self.keys[0]) };
        let mut hasher = SipHasher13::new_with_keys(first.0, second.1);
        hasher.write_u64(u64::from(round) << 32 | u64::from(half));
        halves(hasher.finish()).1
    }
}

fn halves(number: u64) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = number.to_be_bytes();
    (u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]))
}

fn whole(left: u32, right: u32) -> u64 {
    u64::from(left) << 32 | u64::from(right)
}

/// A token or location as text: 16 hex digits.
#[must_use]
pub fn spell(number: u64) -> String {
    format!("{number:016x}")
}

/// The reverse of [`spell`]; none of any other text.
#[must_use]
pub fn unspell(text: &str) -> Option<u64> {
    let fits = text.len() == 16 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
    fits.then(|| u64::from_str_radix(text, 16).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const USES: [Use; 4] = [Use::Location, Use::Observation, Use::Downlink, Use::Fetch];

    proptest! {
        #[test]
        fn what_was_sealed_is_opened(secret: [u8; 32], device in 0..=MOST, of in 0_usize..4, nonce in 0..Names::NONCES) {
            let names = Names::new(secret);
            let number = names.seal(DeviceId(device), USES[of], nonce);
            prop_assert_eq!(names.open(number), (DeviceId(device), USES[of]));
            prop_assert_eq!(unspell(&spell(number)), Some(number));
        }

        /// A permutation: what nobody sealed opens too, and sealed again is the same number.
        #[test]
        fn any_number_opens(number: u64) {
            let _ = Names::new([3; 32]).open(number);
        }
    }

    #[test]
    fn numbers_of_neighbours_have_nothing_in_common() {
        let names = Names::new([7; 32]);
        let numbers: Vec<u64> =
            (0..4_096).map(|n| names.seal(DeviceId(n / 64), Use::Location, u32::try_from(n % 64).unwrap())).collect();
        let flips: u32 = numbers.windows(2).map(|pair| (pair[0] ^ pair[1]).count_ones()).sum();
        let mean = f64::from(flips) / 4_095.0;
        assert!((31.0..33.0).contains(&mean), "half of the bits differ, on average: {mean}");
        assert_ne!(numbers[5], Names::new([8; 32]).seal(DeviceId(0), Use::Location, 5), "another key, another number");
    }

    #[test]
    fn only_what_was_spelled_is_unspelled() {
        for text in ["", "1f", "000000000000001F", "+00000000000001f", "000000000000001f0", "00000000000000é"] {
            assert_eq!(unspell(text), None, "{text}");
        }
    }
}
