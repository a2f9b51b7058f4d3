//! CoAP messages and the rules of its message layer, as values (RFC 7252).
//!
//! Bytes become a [`Message`] or a [`Malformed`] that knows the answer it deserves; what was heard before is remembered in
//! [`Dedup`]; a [`Confirmable`] says when to send again. Knows no socket, clock or LwM2M: `now` is an argument, random numbers
//! come from a seed. coap-lite parses and builds, and is named here only; [`parse`] refuses before it what it lets through.
//! Not here: block-wise transfer (RFC 7959) and any security.

mod block;
mod dedup;
mod front;
mod hash;
mod message;
mod random;
mod timing;

pub use block::{Block, MAX_SZX};
pub use dedup::{Dedup, EXCHANGE_LIFETIME, Key, NON_LIFETIME, Seen};
pub use front::{Fault, MAX_OPTIONS, Malformed, parse};
pub use hash::KeyedState;
pub use message::{Code, Kind, Message, OCTET_STREAM, Tag, Token, empty_ack, reset};
pub use random::Random;
pub use timing::{Confirmable, Step, Timing};
