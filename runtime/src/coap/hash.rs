//! A hash for tables that strangers may fill: keyed by the server's seed, a folded multiplication per 8 bytes.
//!
//! The standard library's keyed hash draws its key from the system, which pure code may not, and costs several times as much.

use std::hash::{BuildHasher, Hasher};

use super::random::Random;

/// Makes hashers with a secret key.
#[derive(Debug, Clone, Copy)]
pub struct KeyedState {
    start: u64,
    factor: u64,
}

impl KeyedState {
    /// Draws a key.
    #[must_use]
    pub fn new(random: &mut Random) -> Self {
        Self { start: random.draw(), factor: random.draw() | 1 }
    }
}

impl BuildHasher for KeyedState {
    type Hasher = KeyedHasher;
    fn build_hasher(&self) -> KeyedHasher {
        KeyedHasher { state: self.start, factor: self.factor }
    }
}

/// See [`KeyedState`].
#[derive(Debug, Clone)]
pub struct KeyedHasher {
    state: u64,
    factor: u64,
}

fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    #[expect(clippy::cast_possible_truncation, reason = "both halves are used")]
    let halves = (product as u64, (product >> 64) as u64);
    halves.0 ^ halves.1
}

impl Hasher for KeyedHasher {
    fn finish(&self) -> u64 {
        fold(self.state ^ 0x9e37_79b9_7f4a_7c15, self.factor.rotate_left(32))
    }

    fn write(&mut self, bytes: &[u8]) {
        let (words, tail) = bytes.as_chunks::<8>();
        for word in words {
            self.write_u64(u64::from_le_bytes(*word));
        }
        if !tail.is_empty() {
            let mut word = [0; 8];
            word.iter_mut().zip(tail).for_each(|(to, from)| *to = *from);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u64(&mut self, word: u64) {
        self.state = fold(self.state ^ word, self.factor).wrapping_add(self.factor);
    }

    fn write_u128(&mut self, word: u128) {
        self.write(&word.to_ne_bytes());
    }

    fn write_u8(&mut self, byte: u8) {
        self.write_u64(u64::from(byte));
    }

    fn write_u16(&mut self, word: u16) {
        self.write_u64(u64::from(word));
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(u64::from(word));
    }
}
