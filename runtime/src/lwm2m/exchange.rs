//! What the gateway itself asks of a device: one confirmable request at a time, the others wait (RFC 7252 4.7, NSTART = 1).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::coap::{Confirmable, Message};

use super::bodies::Rest;
use super::{Ask, DownlinkId, Pace, Wire};

/// Why it asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Purpose {
    /// GET with Observe of what the device is to tell.
    Observe,
    /// What the flows want of it.
    Downlink {
        id: DownlinkId,
        /// What a good answer changes about its observations.
        change: Change,
        /// What is left to send and to get.
        rest: Box<Rest>,
    },
    /// The next block of a notify.
    Fetch {
        /// Of which fetch.
        serial: u32,
    },
}

/// What a downlink does to the device's observations.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change {
    Nothing,
    /// Its token is that of an observation of this path.
    Begins(String),
    /// The observation with its token ends.
    Ends,
}

/// The request under way.
#[derive(Debug)]
pub(super) struct Exchange {
    pub(super) purpose: Purpose,
    pub(super) mid: u16,
    pub(super) token: u64,
    /// Where the last transmission went.
    pub(super) sent_to: SocketAddr,
    pub(super) datagram: Box<[u8]>,
    pub(super) clock: Confirmable,
    /// Names this exchange in a timer.
    pub(super) serial: u32,
}

/// A downlink that waits for its turn.
#[derive(Debug)]
pub(super) struct Queued {
    pub(super) id: DownlinkId,
    pub(super) ask: Ask,
    pub(super) wire: Option<Wire>,
    pub(super) pace: Pace,
}

/// The conversation with one device; an idle device has none.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pub(super) current: Option<Exchange>,
    pub(super) queue: VecDeque<Queued>,
}

/// How an exchange ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Ending {
    /// A response.
    Response(Box<Message>),
    /// RST.
    Reset,
    /// The span is over.
    Silence,
}

impl Ending {
    /// For people.
    pub(super) fn describe(&self) -> String {
        match self {
            Self::Response(message) if message.code.is_success() && message.observe.is_none() => {
                format!("{} without Observe", message.code)
            }
            Self::Response(message) => format!("{:#}", message.code),
            Self::Reset => "RST".to_owned(),
            Self::Silence => "no answer".to_owned(),
        }
    }
}

/// A deadline in a heap. Stale ones are recognised by their serial number and dropped when they are due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Timer {
    pub(super) at: Instant,
    pub(super) serial: u32,
    pub(super) slot: super::roster::Slot,
}
