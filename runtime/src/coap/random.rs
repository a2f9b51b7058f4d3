//! Numbers that an outsider cannot guess, from a seed that the caller drew: same seed, same numbers (the output of keyed
//! BLAKE3). Draws nothing from the system.

/// A stream of numbers.
pub struct Random {
    reader: blake3::OutputReader,
    block: [u64; 8],
    left: usize,
}

impl std::fmt::Debug for Random {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Random")
    }
}

impl Random {
    /// Starts the stream of a seed.
    #[must_use]
    pub fn new(seed: [u8; 32]) -> Self {
        Self { reader: blake3::Hasher::new_keyed(&seed).finalize_xof(), block: [0; 8], left: 0 }
    }

    /// The next number.
    pub fn draw(&mut self) -> u64 {
        if self.left == 0 {
            let mut bytes = [0; 64];
            self.reader.fill(&mut bytes);
            for (word, chunk) in self.block.iter_mut().zip(bytes.as_chunks::<8>().0) {
                *word = u64::from_le_bytes(*chunk);
            }
            self.left = self.block.len();
        }
        self.left -= 1;
        self.block.get(self.left).copied().unwrap_or_default()
    }

    /// 32 bytes for a key.
    pub fn draw_secret(&mut self) -> [u8; 32] {
        let mut secret = [0; 32];
        secret.as_chunks_mut::<8>().0.iter_mut().for_each(|chunk| *chunk = self.draw().to_le_bytes());
        secret
    }

    /// A message id to start from.
    pub fn draw_mid(&mut self) -> u16 {
        let [high, low, ..] = self.draw().to_be_bytes();
        u16::from_be_bytes([high, low])
    }

    /// A number from 0 to below 1.
    pub fn draw_fraction(&mut self) -> f64 {
        let [a, b, c, d, ..] = self.draw().to_be_bytes();
        f64::from(u32::from_be_bytes([a, b, c, d])) / (f64::from(u32::MAX) + 1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_gives_its_stream_and_no_other() {
        let stream = |seed: u8| {
            let mut random = Random::new([seed; 32]);
            (0..100).map(|_| random.draw()).collect::<std::collections::BTreeSet<_>>()
        };
        assert_eq!(stream(1), stream(1));
        assert!(stream(1).is_disjoint(&stream(2)));
        assert_eq!(stream(1).len(), 100);
        let mut random = Random::new([3; 32]);
        assert!((0..1000).map(|_| random.draw_fraction()).all(|f| (0.0..1.0).contains(&f)));
    }
}
