//! When a device listens: its product's power mode, its own, and what its registration says (REFERENCE C.5, E.1).

use serde::Serialize;

use crate::model::PowerMode;

/// Who decided the power mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ModeFrom {
    /// The product.
    Product,
    /// The device, against its product.
    Device,
    /// The registration: a DRX device in queue mode is treated as one that sleeps.
    Binding,
}

/// Whether a registration asks for queue mode: `UQ` in LwM2M 1.0, the parameter `Q` of 1.1, which is kept as the same letter.
#[must_use]
pub fn is_queue_mode(binding: &str) -> bool {
    binding.contains('Q')
}

/// The power mode that counts. `queue_mode` is that of the live registration.
#[must_use]
pub fn effective_mode(product: PowerMode, device: Option<PowerMode>, queue_mode: bool) -> (PowerMode, ModeFrom) {
    match device.unwrap_or(product) {
        PowerMode::Drx if queue_mode => (PowerMode::Psm, ModeFrom::Binding),
        mode => (mode, if device.is_some() { ModeFrom::Device } else { ModeFrom::Product }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_device_and_binding_decide_in_this_order() {
        use PowerMode::{Drx, Edrx, Psm};
        for (product, device, binding, expected) in [
            (Psm, None, "U", (Psm, ModeFrom::Product)),
            (Psm, Some(Drx), "U", (Drx, ModeFrom::Device)),
            (Drx, None, "UQ", (Psm, ModeFrom::Binding)),
            (Psm, Some(Drx), "UQS", (Psm, ModeFrom::Binding)),
            // Who listens in long intervals is reached through the network, with a queue or without.
            (Edrx, None, "UQ", (Edrx, ModeFrom::Product)),
            (Drx, Some(Psm), "U", (Psm, ModeFrom::Device)),
        ] {
            assert_eq!(effective_mode(product, device, is_queue_mode(binding)), expected, "{product:?} {device:?} {binding}");
        }
    }
}
