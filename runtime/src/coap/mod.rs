//! CoAP messages and the rules of its message layer, as values (RFC 7252, 7641, 7959, 9175).
//!
//! Bytes become a [`Message`] or a [`Malformed`] that knows the answer it deserves; what was heard before is remembered in
//! [`Dedup`]; a [`Confirmable`] says when to send again; bodies of many datagrams are joined and cut by [`Collector`],
//! [`Fetch`], [`Push`] and [`serve`]; [`Freshness`] puts notifies in order, [`Echo`] proves addresses. Knows no socket, clock or
//! LwM2M: `now` is an argument, random numbers come from a seed. coap-lite parses and builds, and is named here only; [`parse`]
//! refuses before it what it lets through. Not here: any security.

mod block;
mod dedup;
mod echo;
mod freshness;
mod front;
mod generations;
mod hash;
mod message;
mod random;
mod timing;
mod transfer;

pub use block::{Block, MAX_SZX};
pub use dedup::{Dedup, EXCHANGE_LIFETIME, Key, NON_LIFETIME, Seen};
pub use echo::{AMPLIFICATION, Echo};
pub use freshness::Freshness;
pub use front::{Fault, MAX_OPTIONS, Malformed, parse};
pub use generations::{Generations, Room};
pub use hash::KeyedState;
pub use message::{Code, Kind, Message, OCTET_STREAM, Tag, Token, empty_ack, reset};
pub use random::Random;
pub use timing::{Confirmable, Step, Timing};
pub use transfer::{Collected, Collector, Fetch, Fetched, Lost, Push, Pushed, TransferLimits, serve};
