//! The LwM2M server as a state machine: datagrams and `now` in, datagrams and occurrences out (LwM2M Core 1.1, chapter 6).
//!
//! No socket, clock, randomness or store. It decides nothing about who may come in and acknowledges nothing by itself: a
//! ticket is answered by the flows once the store has it.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use crate::model::{DeviceId, Registration, Timestamp};

/// Timers and caps (DESIGN 10).
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
    /// A downlink was refused with this code ("4.04").
    Refused {
        /// who
        device: DeviceId,
        /// which
        id: DownlinkId,
        /// code and what it means
        code: String,
    },
    /// No acknowledgement within the span, or the registration ended while it waited.
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
    /// 4.03 (not let in) or 5.03 (try later).
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

/// The server.
pub struct Server {}

#[expect(clippy::unimplemented, unused_variables, missing_docs, reason = "skeleton")]
impl Server {
    /// `seed` feeds tokens, locations and jitter; take it from the system's randomness.
    pub fn new(config: ServerConfig, seed: [u8; 32]) -> Self {
        unimplemented!()
    }
    /// Registrations of an earlier life. `wall` and `now` are the same moment.
    pub fn restore(&mut self, now: Instant, wall: Timestamp, registrations: Vec<Registration>) {
        unimplemented!()
    }
    pub fn handle_datagram(&mut self, now: Instant, wall: Timestamp, peer: SocketAddr, datagram: &[u8]) {
        unimplemented!()
    }
    pub fn handle_answer(&mut self, now: Instant, answer: Answer) {
        unimplemented!()
    }
    pub fn handle_timeout(&mut self, now: Instant, wall: Timestamp) {
        unimplemented!()
    }
    pub fn poll_timeout(&self) -> Option<Instant> {
        unimplemented!()
    }
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        unimplemented!()
    }
    pub fn poll_occurrence(&mut self) -> Option<Occurrence> {
        unimplemented!()
    }
}
