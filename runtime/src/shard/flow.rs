//! How much devices and applications may say, as the operator set it, and the counts of applications, which all shards share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{PoisonError, RwLock};

use crate::model::{ProductId, Timestamp};
use crate::presence::{Limit, count_in_second};

/// What may be said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FlowLimits {
    /// By one device; the vendors' is 1,200 messages in 20 min.
    pub device: Limit,
    /// By all devices of one product in a second, 0 = no limit; the vendors' is 120.
    pub application_per_s: u32,
}

/// The limits and what was counted.
pub(crate) struct Flow {
    limits: FlowLimits,
    seconds: RwLock<HashMap<ProductId, AtomicU64>>,
}

impl Flow {
    pub(crate) fn new(limits: FlowLimits) -> Self {
        Self { limits, seconds: RwLock::default() }
    }

    pub(crate) fn device_limit(&self) -> Limit {
        self.limits.device
    }

    /// Counts one message of a product's devices; false = this second is full.
    pub(crate) fn take_for(&self, product: ProductId, now: Timestamp) -> bool {
        let most = self.limits.application_per_s;
        if most == 0 {
            return true;
        }
        let count = |word: &AtomicU64| {
            word.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |word| count_in_second(word, now, most)).is_ok()
        };
        if let Some(word) = self.seconds.read().unwrap_or_else(PoisonError::into_inner).get(&product) {
            return count(word);
        }
        count(self.seconds.write().unwrap_or_else(PoisonError::into_inner).entry(product).or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_application_has_its_seconds() {
        let device = Limit { messages: 0, window_ms: 1 };
        let flow = Flow::new(FlowLimits { device, application_per_s: 120 });
        let taken = |product, at| (0..200).filter(|_| flow.take_for(ProductId(product), Timestamp(at))).count();
        assert_eq!((taken(1, 5_000), taken(2, 5_500), taken(1, 5_999), taken(1, 6_000)), (120, 120, 0, 120));
        let open = Flow::new(FlowLimits { device, application_per_s: 0 });
        assert!((0..1_000).all(|_| open.take_for(ProductId(1), Timestamp(5_000))));
    }
}
