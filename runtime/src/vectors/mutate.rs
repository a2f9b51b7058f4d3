//! Damaged payloads that a codec must refuse or read, never trap on: cut off, with a bit turned over, or of random bytes.
//!
//! Pure and seeded: the same payloads and the same seed give the same damage, so that a failure can be shown again.

/// Bits turned over of one payload, at most: longer payloads get some of theirs, evenly spread.
const FLIPS: usize = 512;
/// Bytes of a random payload, at most.
const RANDOM_BYTES: u64 = 64;

/// Every beginning of the payload, the empty one first, the whole one left out. Of a very long payload, `most` of them.
pub fn truncations(payload: &[u8], most: usize) -> impl Iterator<Item = &[u8]> {
    let step = payload.len().div_ceil(most.max(1)).max(1);
    (0..payload.len()).step_by(step).filter_map(|length| payload.get(..length))
}

/// The payload with one bit turned over: every bit, or of a long payload some 500, evenly spread.
pub fn bit_flips(payload: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    let bits = payload.len().saturating_mul(8);
    let step = bits.div_ceil(FLIPS).max(1);
    (0..bits).step_by(step).map(|bit| {
        let mut flipped = payload.to_vec();
        if let Some(byte) = flipped.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        flipped
    })
}

/// Payloads of 0 to 64 random bytes; every second one begins like one of `known`, so that it passes the first checks of a codec.
pub fn random<'a>(seed: u64, known: &'a [&'a [u8]]) -> impl Iterator<Item = Vec<u8>> + 'a {
    let mut dice = Dice(seed);
    std::iter::from_fn(move || {
        let from_known = dice.below(2) == 0;
        let count = known.len() as u64;
        let start = if from_known && count > 0 { usize::try_from(dice.below(count)).ok() } else { None };
        let mut payload: Vec<u8> = match start.and_then(|at| known.get(at)) {
            Some(known) => {
                let keep = usize::try_from(dice.below(known.len() as u64 + 1)).unwrap_or_default();
                known.iter().take(keep).copied().collect()
            }
            None => Vec::new(),
        };
        let tail = dice.below(RANDOM_BYTES + 1);
        payload.extend((0..tail).map(|_| dice.byte()));
        Some(payload)
    })
}

/// SplitMix64: small, seeded, good enough to make damage.
#[derive(Debug, Clone)]
pub struct Dice(pub u64);

impl Dice {
    /// The next 64 bits.
    pub fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// 0 to `end` - 1; 0 where `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.roll().checked_rem(end).unwrap_or_default()
    }

    /// Any byte.
    pub fn byte(&mut self) -> u8 {
        let [byte, ..] = self.roll().to_le_bytes();
        byte
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_beginning_and_every_bit_is_there_once() {
        let cut: Vec<&[u8]> = truncations(&[1, 2, 3], 64).collect();
        assert_eq!(cut, [&[][..], &[1], &[1, 2]]);
        assert_eq!(truncations(&[0; 1_000], 64).count(), 63);
        let flipped: Vec<Vec<u8>> = bit_flips(&[0, 0xff]).collect();
        assert_eq!(flipped.len(), 16);
        assert_eq!((&flipped[0], &flipped[15]), (&vec![1, 0xff], &vec![0, 0x7f]));
        assert!(bit_flips(&[0; 4_096]).count() <= FLIPS);
        assert_eq!(truncations(&[], 64).count() + bit_flips(&[]).count(), 0);
    }

    #[test]
    fn one_seed_is_one_row_of_payloads() {
        let known: &[&[u8]] = &[&[1, 2, 3, 4]];
        let row = |seed| random(seed, known).take(200).collect::<Vec<_>>();
        assert_eq!(row(7), row(7));
        assert_ne!(row(7), row(8));
        assert!(row(7).iter().any(|payload| payload.starts_with(&[1, 2, 3])));
        assert!(row(7).iter().all(|payload| payload.len() <= 68));
        assert_eq!(random(1, &[]).take(5).count(), 5);
    }
}
