//! A table whose memory is bounded whatever strangers put into it: two generations, of which the older is dropped whole.
//!
//! What is put in stays for one turn at least, and for two at most. When the younger generation is full, by number or by
//! weight, the older goes early. Nothing is ever searched for what is over. Knows nothing of what it keeps.

use std::collections::HashMap;
use std::hash::Hash;
use std::time::{Duration, Instant};

use super::hash::KeyedState;

/// How much a table keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Room {
    /// Most entries.
    pub entries: usize,
    /// Most weight of all together; one that is heavier than half of it alone is not kept.
    pub weight: usize,
    /// A generation takes entries for this long.
    pub turn: Duration,
}

/// The table.
#[derive(Debug)]
pub struct Generations<K, V> {
    young: HashMap<K, V, KeyedState>,
    old: HashMap<K, V, KeyedState>,
    state: KeyedState,
    half: Room,
    weigh: fn(&V) -> usize,
    young_weight: usize,
    old_weight: usize,
    turned: Option<Instant>,
}

impl<K: Eq + Hash, V> Generations<K, V> {
    /// An empty table; `weigh` tells what a value weighs, the same as long as it lies in the table.
    #[must_use]
    pub fn new(room: Room, state: KeyedState, weigh: fn(&V) -> usize) -> Self {
        let half = Room { entries: (room.entries / 2).max(1), weight: room.weight / 2, ..room };
        let table = || HashMap::with_hasher(state);
        Self { young: table(), old: table(), state, half, weigh, young_weight: 0, old_weight: 0, turned: None }
    }

    /// What lies there.
    #[must_use]
    pub fn find(&self, key: &K) -> Option<&V> {
        self.young.get(key).or_else(|| self.old.get(key))
    }

    /// To change what does not change its weight.
    pub fn find_mut(&mut self, key: &K) -> Option<&mut V> {
        self.young.get_mut(key).or_else(|| self.old.get_mut(key))
    }

    /// Takes it out.
    pub fn take(&mut self, key: &K) -> Option<V> {
        let (value, weight) = match self.young.remove(key) {
            Some(value) => (value, &mut self.young_weight),
            None => (self.old.remove(key)?, &mut self.old_weight),
        };
        *weight = weight.saturating_sub((self.weigh)(&value));
        Some(value)
    }

    /// Puts it in, among the youngest. When that turned the generations, what went with the older one.
    pub fn put(&mut self, now: Instant, key: K, value: V) -> Option<HashMap<K, V, KeyedState>> {
        self.take(&key);
        let weight = (self.weigh)(&value);
        let turned = *self.turned.get_or_insert(now);
        let full = self.young.len() >= self.half.entries || self.young_weight + weight > self.half.weight;
        let turn = full || now.saturating_duration_since(turned) >= self.half.turn;
        let gone = turn.then(|| {
            let expected = self.young.len().min(self.half.entries);
            let young = std::mem::replace(&mut self.young, HashMap::with_capacity_and_hasher(expected, self.state));
            self.old_weight = std::mem::take(&mut self.young_weight);
            self.turned = Some(now);
            std::mem::replace(&mut self.old, young)
        });
        if weight <= self.half.weight {
            self.young_weight += weight;
            self.young.insert(key, value);
        }
        gone
    }

    /// Entries.
    #[must_use]
    pub fn len(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// Is nothing there?
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Of all entries together.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.young_weight + self.old_weight
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::Random;

    #[expect(clippy::disallowed_methods, reason = "an arbitrary origin")]
    fn origin() -> Instant {
        Instant::now()
    }

    fn table(entries: usize, weight: usize) -> Generations<u32, Vec<u8>> {
        let room = Room { entries, weight, turn: Duration::from_secs(10) };
        Generations::new(room, KeyedState::new(&mut Random::new([7; 32])), Vec::len)
    }

    #[test]
    fn an_entry_stays_a_turn_and_goes_after_two() {
        let (start, mut table) = (origin(), table(100, 1_000));
        table.put(start, 1, vec![1]);
        for (second, there) in [(9, true), (10, true), (19, true), (20, false)] {
            table.put(start + Duration::from_secs(second), 2, vec![2]);
            assert_eq!(table.find(&1).is_some(), there, "after {second} s");
        }
    }

    #[test]
    fn number_and_weight_are_bounded() {
        let (start, mut table) = (origin(), table(100, 1_000));
        for key in 0..10_000_u32 {
            table.put(start, key, vec![0; usize::try_from(key % 97).unwrap()]);
            assert!(table.len() <= 100 && table.weight() <= 1_000);
            assert!(table.find(&key).is_some(), "the newest is there");
        }
        table.put(start, 5, vec![0; 501]);
        assert_eq!(table.find(&5), None, "too heavy");
        for key in 0..10_000 {
            table.take(&key);
        }
        assert_eq!((table.len(), table.weight()), (0, 0));
    }
}
