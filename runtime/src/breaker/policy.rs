//! Whether a new version is taken back: its failures over its first uplinks against those of the version before it. Pure.

/// When a new version is taken back by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// The new version is judged after so many uplinks; at least 1.
    pub uplinks: u64,
    /// By so many percentage points its failure rate may exceed the old one's.
    pub margin_percent: u32,
}

/// What became of a version's uplinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Score {
    /// How many the codec was called for.
    pub uplinks: u64,
    /// How many of these became dead letters.
    pub failed: u64,
}

impl Score {
    /// What came after an earlier score of the same version.
    #[must_use]
    pub fn since(self, earlier: Self) -> Self {
        Self { uplinks: self.uplinks.saturating_sub(earlier.uplinks), failed: self.failed.saturating_sub(earlier.failed) }
    }

    /// Percent of failures, rounded down; none = 0.
    #[must_use]
    pub fn percent(self) -> u64 {
        self.failed.saturating_mul(100).checked_div(self.uplinks).unwrap_or(0)
    }
}

/// What to do with a new version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Not enough is known.
    Wait,
    /// It stays, whatever it does from now on.
    Keep,
    /// It is taken back.
    RollBack,
}

/// Judges a new version. A version that is left alone already (`degraded`) is judged at once, since no more will be known of
/// it. An old version of which nothing is known counts as one without failures.
#[must_use]
pub fn judge(policy: Policy, new: Score, old: Score, degraded: bool) -> Verdict {
    if new.uplinks == 0 || (new.uplinks < policy.uplinks && !degraded) {
        return Verdict::Wait;
    }
    // failed_new / new > failed_old / old + margin / 100, without division.
    let (new_uplinks, old_uplinks) = (u128::from(new.uplinks), u128::from(old.uplinks.max(1)));
    let left = u128::from(new.failed).saturating_mul(old_uplinks).saturating_mul(100);
    let allowed = u128::from(old.failed).saturating_mul(new_uplinks).saturating_mul(100);
    let margin = u128::from(policy.margin_percent).saturating_mul(new_uplinks).saturating_mul(old_uplinks);
    let right = allowed.saturating_add(margin);
    if left > right { Verdict::RollBack } else { Verdict::Keep }
}
