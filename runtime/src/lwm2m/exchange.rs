//! What the gateway itself asks of a device: one confirmable request at a time, the others wait (RFC 7252 4.7, NSTART = 1).

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Instant;

use crate::coap::{Code, Confirmable};

use super::DownlinkId;

/// Why it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    /// GET /19/0/0 with Observe.
    Observe,
    /// PUT /19/1/0.
    Downlink(DownlinkId),
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
    pub(super) payload: Vec<u8>,
    pub(super) max_retransmit: Option<u8>,
}

/// The conversation with one device; an idle device has none.
#[derive(Debug, Default)]
pub(super) struct Talk {
    pub(super) current: Option<Exchange>,
    pub(super) queue: VecDeque<Queued>,
}

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    /// A response; did it carry Observe?
    Response(Code, Option<u32>),
    /// RST.
    Reset,
    /// The span is over.
    Silence,
}

impl Ending {
    /// For people.
    pub(super) fn describe(self) -> String {
        match self {
            Self::Response(code, None) if code.is_success() => format!("{code} without Observe"),
            Self::Response(code, _) => format!("{code:#}"),
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
