//! The LwM2M server as a state machine: datagrams and `now` in, datagrams and occurrences out (LwM2M Core 1.1, chapter 6).
//!
//! No socket, clock, randomness or store. It decides nothing about who may come in and acknowledges nothing by itself: a
//! ticket is answered by the flows once the store has it.
//!
//! A registered device that is silent costs 4 bytes, the moment at which its lifetime ends. Its tokens and its location name it
//! ([`Names`]); when it speaks, or is spoken to, its registration is recalled from the store, and kept for a while.
//! Several servers share one address: each device has one of them as its home, and what comes to another is passed on ([`Passed`]).
//!
//! What a reader might ask: lifetime is renewed by Register and Update only, not by uplinks (LwM2M Core 6.2.2). Every notify of
//! object 19 is delivered, also an "older" one: a report is a fact of its own, not the newest state of something, so the rule of RFC
//! 7641 3.4 concerns the other observations only. What takes more than one datagram is joined before anybody hears of it. A message that carries a known token or location, both
//! unguessable, moves the device to the address it came from. Not here: bootstrap, DTLS.

mod addresses;
mod admission;
pub mod appdata;
mod ask;
mod bodies;
pub mod content;
mod downlink;
mod exchange;
mod inbound;
mod links;
mod names;
pub mod oma;
pub mod operation;
mod path;
mod recall;
mod request;
mod roster;
mod server;
#[cfg(test)]
mod tests;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Duration;

use crate::coap::{Fault, Timing, TransferLimits};
pub use crate::model::Wire;
use crate::model::{DeviceId, Registration};

pub use ask::{Ask, Reply};
pub use names::{Names, Use, spell, unspell};
pub use path::{BadPath, Level, MAX_ID, Path};
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
    /// Caps of bodies that take more than one datagram.
    pub transfer: TransferLimits,
    /// Most observations whose newest notify is remembered for two minutes.
    pub fresh_observations: usize,
    /// Added to every lifetime before it counts as over.
    pub lifetime_grace: Duration,
    /// A device that has neither spoken nor been spoken to for this long leaves memory, once or twice over.
    pub rest: Duration,
    /// Devices in memory above which idle ones leave it at once.
    pub awake_devices: usize,
    /// Bytes of datagrams that may wait for the registration of their device.
    pub parked_bytes: usize,
    /// Which of the servers this is, and how many share the address.
    pub place: Place,
}

/// One of several servers that share an address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Place {
    /// From 0.
    pub index: u8,
    /// How many there are, 1 or more.
    pub count: u8,
}

impl Place {
    /// The only one.
    pub const ALONE: Self = Self { index: 0, count: 1 };

    /// Where a device is at home.
    #[must_use]
    pub fn home(self, device: DeviceId) -> u8 {
        u8::try_from(device.0 % u64::from(self.count.max(1))).unwrap_or(0)
    }
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
            transfer: TransferLimits::default(),
            fresh_observations: 1 << 16,
            lifetime_grace: Duration::ZERO,
            rest: Duration::from_secs(60),
            awake_devices: 32_768,
            parked_bytes: 8 << 20,
            place: Place::ALONE,
        }
    }
}

/// A device's message that waits for its answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Ticket(pub u64);

impl Ticket {
    /// The server that holds it.
    #[must_use]
    pub fn server(self) -> u8 {
        self.0.to_be_bytes()[0]
    }
}

/// A downlink, as the flows know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct DownlinkId(pub u128);

/// How patiently a downlink is sent. The default are the documented times (REFERENCE C.6).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pace {
    /// Lowers the retransmissions.
    pub max_retransmit: Option<u8>,
    /// Paging cycle of an eDRX device: it hears nothing sooner, and the network keeps what is sent meanwhile, so every wait begins with it.
    pub paging: Duration,
}

/// How values came that nobody asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Came {
    /// A notify of an observation.
    Notified,
    /// Send, POST to /dp (LwM2M Core 1.1 6.4.6).
    Sent,
}

/// What a device did, and what the server needs of the flows.
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
    /// It sent values of other resources. `Answer::Accept` acknowledges.
    Resources(UplinkMessage, Came),
    /// Its lifetime is over, if the registration that is stored says so too; here it is gone.
    Expired {
        /// who
        device: DeviceId,
    },
    /// It answered what it was asked, with whatever code.
    Answered {
        /// who
        device: DeviceId,
        /// which
        id: DownlinkId,
        /// its answer
        reply: Reply,
    },
    /// It answered a downlink with RST: it could not make anything of it.
    Reset {
        /// who
        device: DeviceId,
        /// which
        id: DownlinkId,
    },
    /// No acknowledgement within the span, or it could not wait: the device is not registered (any more), registered anew
    /// meanwhile, or has as many downlinks waiting as it may.
    TimedOut {
        /// who
        device: DeviceId,
        /// which
        id: DownlinkId,
    },
    /// Its registration is needed: `Answer::Recalled`, or `Answer::NotRecalled`.
    Recall {
        /// whose
        device: DeviceId,
    },
    /// To be stored without hurry, unless the device has registered anew: it has another address, or is observed now.
    Keep {
        /// as it stands
        registration: Registration,
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
    /// Content formats that its root link offers (`ct`).
    pub formats: Vec<u16>,
}

/// Application data, or values of a resource.
#[derive(Debug, Clone, PartialEq)]
pub struct UplinkMessage {
    /// Answer to this.
    pub ticket: Ticket,
    /// Who.
    pub device: DeviceId,
    /// What was observed, such as `/19/0/0`; `/` of what was sent to /dp.
    pub path: Cow<'static, str>,
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
    /// The device says too much: 4.29 with the time after which it may come again (RFC 8516). Not for uplinks.
    Later {
        /// ticket
        ticket: Ticket,
        /// seconds
        max_age_s: u32,
    },
    /// Could not be queued: silence, forget that it came; the device's retransmission brings it again.
    Forget {
        /// ticket
        ticket: Ticket,
    },
    /// Ask a device, confirmable, when its turn comes.
    Send {
        /// whom
        device: DeviceId,
        /// which
        id: DownlinkId,
        /// what
        ask: Ask,
        /// as which message; none = as any
        wire: Option<Wire>,
        /// how patiently
        pace: Pace,
    },
    /// What the store has of a device that is to be recalled.
    Recalled {
        /// whose
        device: DeviceId,
        /// none = it has none
        registration: Option<Box<Registration>>,
    },
    /// The store could not tell: silence, and the device sends again.
    NotRecalled {
        /// whose
        device: DeviceId,
    },
    /// Registrations of an earlier life: when they end, and whether their numbers name their devices.
    Remember(Vec<Registration>),
    /// All registrations of an earlier life have been told: a number that names none of them is nobody's.
    Remembered,
    /// The device was deleted.
    Remove {
        /// who
        device: DeviceId,
    },
}

/// What is for another of the servers that share an address.
#[derive(Debug, Clone, PartialEq)]
pub enum Passed {
    /// A datagram of a device that is at home there.
    Datagram {
        /// from
        peer: SocketAddr,
        /// bytes
        datagram: Vec<u8>,
    },
    /// A device that registered here and is at home there.
    Registration(Box<Registration>),
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
    /// The device did not take an observation; it is tried again at the next Update or Register.
    NotObserved {
        /// who
        device: DeviceId,
        /// of this
        path: String,
        /// "4.04 Not Found", "RST", "no answer", "2.05 without Observe"
        why: String,
    },
    /// The rest of a notify did not come, so nothing was delivered; a confirmable one was not acknowledged.
    Partial {
        /// who
        device: DeviceId,
        /// of this
        path: String,
        /// bytes that had come
        bytes: usize,
        /// "no answer", "it changed while it was fetched"
        why: String,
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
    /// Notifies of which the rest did not come ([`Remark::Partial`]).
    pub partial: u64,
    /// Notifies that came after a newer one of the same observation, object 19 apart (RFC 7641 3.4).
    pub outdated: u64,
    /// Devices whose registration was read from the store because they spoke or were spoken to.
    pub recalled: u64,
    /// Datagrams that found no room to wait for that.
    pub not_parked: u64,
}

impl std::ops::AddAssign for Counters {
    fn add_assign(&mut self, other: Self) {
        self.datagrams += other.datagrams;
        self.malformed += other.malformed;
        self.duplicates += other.duplicates;
        self.refused += other.refused;
        self.unknown_token += other.unknown_token;
        self.busy += other.busy;
        self.retransmissions += other.retransmissions;
        self.partial += other.partial;
        self.outdated += other.outdated;
        self.recalled += other.recalled;
        self.not_parked += other.not_parked;
    }
}
