//! When a device hears. PSM: only in a window after it spoke; what comes later is gone. eDRX: what comes later waits in the
//! network until the device listens. DRX: always (REFERENCE C.5, E.1).

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use crate::model::PowerMode;

/// Datagrams that the network keeps for one eDRX device.
const BUFFERED: usize = 8;

#[derive(Debug)]
pub(super) struct Radio {
    mode: PowerMode,
    awake: Duration,
    paging: Duration,
    awake_until: Option<Instant>,
    origin: Option<Instant>,
    held: VecDeque<Vec<u8>>,
    page_at: Option<Instant>,
}

/// What becomes of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reception {
    Heard,
    Held,
    Missed,
}

impl Radio {
    pub(super) fn new(mode: PowerMode, awake: Duration, paging: Duration) -> Self {
        let paging = paging.max(Duration::from_millis(1));
        Self { mode, awake, paging, awake_until: None, origin: None, held: VecDeque::new(), page_at: None }
    }

    /// It spoke or heard something.
    pub(super) fn stay_awake(&mut self, now: Instant) {
        self.origin.get_or_insert(now);
        self.awake_until = Some(now + self.awake);
    }

    /// A datagram comes. While a device waits for an answer it is connected and hears.
    pub(super) fn receive(&mut self, now: Instant, waiting: bool, datagram: &[u8]) -> Reception {
        let awake = waiting || self.awake_until.is_some_and(|until| now <= until);
        match self.mode {
            PowerMode::Drx => Reception::Heard,
            _ if awake => Reception::Heard,
            PowerMode::Edrx if self.held.len() < BUFFERED => {
                self.held.push_back(datagram.to_vec());
                let origin = *self.origin.get_or_insert(now);
                let into = now.saturating_duration_since(origin).as_nanos() % self.paging.as_nanos();
                let wait = self.paging.saturating_sub(Duration::from_nanos(u64::try_from(into).unwrap_or(u64::MAX)));
                self.page_at.get_or_insert(now + wait);
                Reception::Held
            }
            PowerMode::Edrx | PowerMode::Psm => Reception::Missed,
        }
    }

    /// When it ceases to hear; none of one that hears now and then or always.
    pub(super) fn sleeps_at(&self) -> Option<Instant> {
        self.awake_until.filter(|_| self.mode == PowerMode::Psm)
    }

    /// When held datagrams are heard.
    pub(super) fn page_at(&self) -> Option<Instant> {
        self.page_at
    }

    /// Held datagrams that are heard now.
    pub(super) fn paged(&mut self, now: Instant) -> VecDeque<Vec<u8>> {
        if self.page_at.is_some_and(|at| at <= now) {
            self.page_at = None;
            return std::mem::take(&mut self.held);
        }
        VecDeque::new()
    }
}
