//! The LwM2M server as a state machine: datagrams and `now` in, datagrams and occurrences out (LwM2M Core 1.1, chapter 6).
//!
//! No socket, clock, randomness or store. It decides nothing about who may come in and acknowledges nothing by itself: a
//! ticket is answered by the flows once the store has it.
//!
//! What a reader might ask: lifetime is renewed by Register and Update only, not by uplinks (LwM2M Core 6.2.2). Every notify
//! with a known token is delivered, also an "older" one: a report of object 19 is a fact of its own, not the newest state of
//! something, so the freshness rule of RFC 7641 3.4 does not apply. A message that carries a known token or location, both
//! unguessable, moves the device to the address it came from. Not here: block-wise bodies, Send (`/dp`), bootstrap, DTLS.

mod admission;
mod ask;
mod downlink;
mod exchange;
mod inbound;
mod links;
mod request;
mod roster;
mod server;
#[cfg(test)]
mod tests;

use std::net::SocketAddr;
use std::time::Duration;

use crate::coap::{Fault, Timing};
use crate::model::{DeviceId, Registration};

pub use ask::{Ask, Reply};
pub use server::Server;

/// Timers and caps.
#[derive(Debug, Clone)]
pub struct ServerConfig {
    /// First retransmission of a downlink after this, times 1..1.5.
    pub ack_timeout: Duration,
    /// RFC 7252 ACK_RANDOM_FACTOR.
    pub ack_random_factor: f64,
    /// Retransmissions of a downlink.
    pub max_retransmit: u8,
    /// Most tickets open at once; more is silence, and the device retransmits.
    pub open_tickets: usize,
    /// Most remembered (peer, message id) pairs.
    pub dedup_entries: usize,
    /// Most downlinks waiting for one device.
    pub downlinks_per_device: usize,
    /// Added to every lifetime before it counts as over.
    pub lifetime_grace: Duration,
}

impl Default for ServerConfig {
    fn default() -> Self {
        let timing = Timing::NARROWBAND;
        Self {
            ack_timeout: timing.ack_timeout,
            ack_random_factor: timing.random_factor,
            max_retransmit: timing.max_retransmit,
            open_tickets: 16_384,
            dedup_entries: 1 << 20,
            downlinks_per_device: 16,
            lifetime_grace: Duration::ZERO,
        }
    }
}

/// A device's message that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

/// A downlink, as the flows know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DownlinkId(pub u128);

/// What a device did.
#[derive(Debug, Clone, PartialEq)]
pub enum Occurrence {
    /// It wants in. Answer with `Answer::Register` or `Answer::Refuse`.
    Register(RegisterRequest),
    /// It renewed its registration (already changed in `registration`; counts when answered). `Answer::Accept` or `Refuse`.
    Update {
        /// ticket
        ticket: Ticket,
        /// the renewed registration, to be stored
        registration: Registration,
    },
    /// It leaves. `Answer::Accept` ends the registration.
    Deregister {
        /// ticket
        ticket: Ticket,
        /// who
        device: DeviceId,
    },
    /// It sent application data. `Answer::Accept` acknowledges.
    Uplink(UplinkMessage),
    /// Its lifetime is over; the registration is already gone here.
    Expired {
        /// who
        device: DeviceId,
    },
    /// A downlink was acknowledged with 2.04.
    Delivered {
        /// who
        device: DeviceId,
        /// which
        id: DownlinkId,
    },
    /// A downlink was refused with this code ("4.04 Not Found", "RST").
    Refused {
        /// who
        device: DeviceId,
        /// which
        id: DownlinkId,
        /// code and what it means
        code: String,
    },
    /// No acknowledgement within the span, or it could not wait: the device is not registered (any more), registered anew
    /// meanwhile, or has as many downlinks waiting as it may.
    TimedOut {
        /// who
        device: DeviceId,
        /// which
        id: DownlinkId,
    },
}

/// A Register that may be let in.
#[derive(Debug, Clone, PartialEq)]
pub struct RegisterRequest {
    /// Answer to this.
    pub ticket: Ticket,
    /// `ep` as sent.
    pub endpoint: String,
    /// From where.
    pub peer: SocketAddr,
    /// `lt`, default 86400.
    pub lifetime_s: u32,
    /// `lwm2m`, default "1.0".
    pub version: String,
    /// `b`, default "U".
    pub binding: String,
    /// Paths of the payload.
    pub objects: Vec<String>,
    /// Proposed location and observation token, made from the server's random numbers.
    pub location: String,
    /// Hex of 8 bytes.
    pub token: String,
}

/// Application data.
#[derive(Debug, Clone, PartialEq)]
pub struct UplinkMessage {
    /// Answer to this.
    pub ticket: Ticket,
    /// Who.
    pub device: DeviceId,
    /// Object, instance, resource of the observation.
    pub path: (u16, u16, u16),
    /// CoAP content format.
    pub content_format: Option<u16>,
    /// The bytes.
    pub payload: Vec<u8>,
}

/// What the flows answer.
#[derive(Debug, Clone, PartialEq)]
pub enum Answer {
    /// Let it in: 2.01 with the location, then Observe.
    Register {
        /// ticket
        ticket: Ticket,
        /// the stored registration
        registration: Registration,
    },
    /// It is durable: 2.04 / 2.02 / empty ACK.
    Accept {
        /// ticket
        ticket: Ticket,
    },
    /// 4.03 (not let in) or 5.03 (try later). For an uplink: 5.xx is silence, so that it comes again, others an RST, which
    /// ends the observation.
    Refuse {
        /// ticket
        ticket: Ticket,
        /// class * 100 + detail, such as 403
        code: u16,
    },
    /// Could not be queued: silence, forget that it came; the device's retransmission brings it again.
    Forget {
        /// ticket
        ticket: Ticket,
    },
    /// Send a payload to /19/1/0, content format 42, confirmable.
    Send {
        /// to whom
        device: DeviceId,
        /// which
        id: DownlinkId,
        /// the bytes
        payload: Vec<u8>,
        /// lowers the retransmissions
        max_retransmit: Option<u8>,
    },
    /// The device was deleted.
    Remove {
        /// who
        device: DeviceId,
    },
}

/// A datagram to send.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transmit {
    /// To.
    pub peer: SocketAddr,
    /// Bytes.
    pub datagram: Vec<u8>,
}

/// What an operator may want to know and no flow acts on. Kept in a small queue; what does not fit is only counted.
#[derive(Debug, Clone, PartialEq)]
pub enum Remark {
    /// A datagram that is no CoAP message, or has a critical option that is not understood.
    Malformed {
        /// from
        peer: SocketAddr,
        /// why
        fault: Fault,
    },
    /// A request that was refused without asking the flows.
    Refused {
        /// from
        peer: SocketAddr,
        /// such as `4.00 Bad Request: ep is missing`
        why: String,
    },
    /// A notify or response with a token that nobody has: answered with RST, which ends the observation.
    UnknownToken {
        /// from
        peer: SocketAddr,
    },
    /// More tickets are open than allowed: silence.
    Busy {
        /// from
        peer: SocketAddr,
    },
    /// The device did not take the observation of /19/0/0; it is tried again at the next Update or Register.
    NotObserved {
        /// who
        device: DeviceId,
        /// "4.04 Not Found", "RST", "no answer", "2.05 without Observe"
        why: String,
    },
    /// An uplink is only the first block of a larger body; it was delivered as it is.
    Partial {
        /// who
        device: DeviceId,
    },
}

/// What was counted since the start.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counters {
    /// Datagrams that came.
    pub datagrams: u64,
    /// Refused by the validating front.
    pub malformed: u64,
    /// Heard before.
    pub duplicates: u64,
    /// Requests refused without asking the flows.
    pub refused: u64,
    /// Notifies and responses with an unknown token.
    pub unknown_token: u64,
    /// Left in silence because too many tickets were open.
    pub busy: u64,
    /// Downlinks and Observes sent again.
    pub retransmissions: u64,
}
