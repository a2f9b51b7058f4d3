//! Block-wise transfer as values (RFC 7959): bodies that do not fit into one datagram, in both directions and both roles.
//!
//! | who has the body | who asks | here |
//! |---|---|---|
//! | the device, in a request of its own (Register, Update, Send) | it | [`Collector`] joins its blocks |
//! | the device, in an answer or a notify | the gateway | [`Fetch`] asks for the blocks that are missing |
//! | the gateway, in a request of its own (Write) | it | [`Push`] hands out block by block |
//! | the gateway, in an answer | the device | [`serve`] cuts out what is asked for |
//!
//! All memory is bounded by [`TransferLimits`]; what a peer says about sizes is believed only where it leads to a refusal.
//! Knows no socket, clock or device; who sends and what is stored is decided elsewhere.

mod collect;
mod fetch;
mod push;
mod serve;
#[cfg(test)]
mod tests;

use std::time::Duration;

use super::block::MAX_SZX;
use super::dedup::EXCHANGE_LIFETIME;

pub use collect::{Collected, Collector};
pub use fetch::{Fetch, Fetched, Lost};
pub use push::{Push, Pushed};
pub use serve::serve;

/// Caps of block-wise transfer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TransferLimits {
    /// Most bytes of one body.
    pub body_bytes: usize,
    /// Most bytes of all bodies that are not whole yet.
    pub bytes: usize,
    /// Most bodies that are not whole yet.
    pub bodies: usize,
    /// How long a body that a device sends waits for its next block.
    pub lifetime: Duration,
    /// How long the rest of a notify waits for a device that fell asleep.
    pub rest: Duration,
    /// Size exponent of blocks that the gateway makes, and the largest that it wants to get: 0 to 6, 16 to 1024 bytes.
    pub szx: u8,
}

impl Default for TransferLimits {
    fn default() -> Self {
        Self {
            body_bytes: 64 << 10,
            bytes: 16 << 20,
            bodies: 4_096,
            lifetime: EXCHANGE_LIFETIME,
            rest: Duration::from_secs(25 * 3_600),
            szx: MAX_SZX,
        }
    }
}
