//! New versions on trial: judged over their first uplinks against the version before them, and taken back by policy.
//!
//! Kept in memory: after a restart a version that is at work is no longer on trial.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::{ActiveProduct, Catalog, CatalogError, How, Order, Switch};
use crate::breaker::{Policy, Score, Verdict, judge};
use crate::model::{Actor, ProductId, Timestamp, VersionNumber};

/// A version that was put to work and is not judged yet.
#[derive(Debug, Clone, Copy)]
struct Trial {
    number: VersionNumber,
    /// Its score when it began: it may have been at work before.
    begun: Score,
    /// The score of the one that it replaced.
    old: Score,
}

/// Who is on trial.
#[derive(Default)]
pub(super) struct Trials {
    open: Mutex<HashMap<ProductId, Trial>>,
}

impl Trials {
    /// A version took the place of another. One that a rollback brought back is not on trial: it is what was trusted before.
    pub(super) fn begin(&self, was: Option<&ActiveProduct>, now: &ActiveProduct, how: How) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.remove(&now.product.id);
        let (Some(number), Some(new)) = (now.version, now.codec()) else { return };
        let Some(old) = was.and_then(ActiveProduct::codec).filter(|_| how != How::Rollback) else { return };
        let trial = Trial { number, begun: new.pulse.view().score(), old: old.pulse.view().score() };
        open.insert(now.product.id, trial);
    }

    fn all(&self) -> Vec<(ProductId, Trial)> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.iter().map(|(product, trial)| (*product, *trial)).collect()
    }

    fn end(&self, product: ProductId, number: VersionNumber) {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        if open.get(&product).is_some_and(|trial| trial.number == number) {
            open.remove(&product);
        }
    }
}

impl Catalog {
    /// Judges the versions on trial and takes back those that fail it. Call it now and then.
    pub async fn judge_trials(self: &Arc<Self>, policy: Policy, now: Timestamp) {
        for (id, trial) in self.trials.all() {
            let Some(active) = self.active(id).filter(|active| active.version == Some(trial.number)) else {
                self.trials.end(id, trial.number);
                continue;
            };
            let Some(codec) = active.codec() else { continue };
            let view = codec.pulse.view();
            let new = view.score().since(trial.begun);
            match judge(policy, new, trial.old, view.degraded) {
                Verdict::Wait => {}
                Verdict::Keep => self.trials.end(id, trial.number),
                Verdict::RollBack => {
                    let (failed, uplinks) = (new.failed, new.uplinks);
                    let comment = format!(
                        "{failed} of its first {uplinks} uplinks failed ({} %), {} % of those of the version before",
                        new.percent(),
                        trial.old.percent(),
                    );
                    drop(active);
                    self.take_back(id, trial.number, comment, now).await;
                }
            }
        }
    }

    async fn take_back(self: &Arc<Self>, id: ProductId, number: VersionNumber, comment: String, now: Timestamp) {
        let order = Order { by: Actor::Policy, comment: Some(comment.clone()), breaking: super::Breaking::Accept };
        match self.roll_back_from(id, number, order, now).await {
            Ok(Some(Switch { version, .. })) => {
                tracing::error!(product = %id, from = %number, to = %version.number, "took a codec version back: {comment}");
            }
            Ok(None) => {}
            Err(error @ (CatalogError::NothingToRollBack(_) | CatalogError::Unloadable { .. })) => {
                tracing::error!(product = %id, version = %number, %error, "a codec version fails and cannot be taken back: {comment}");
            }
            // It is tried again with the next look.
            Err(error) => {
                tracing::error!(product = %id, version = %number, %error, "a codec version could not be taken back");
                return;
            }
        }
        self.trials.end(id, number);
    }
}
