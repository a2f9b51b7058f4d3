//! Simulated NB-IoT devices: LwM2M clients that register, are observed, report and take downlinks, and sleep as real ones do.
//!
//! [`Device`] and [`Network`] are sans-IO like the server, so that all meet in virtual time; [`run`] puts devices on real UDP sockets for the
//! demo, the command line and load. A [`Fleet`] describes many at once, a [`Tally`] counts what they did. Knows nothing of the gateway's inside: it speaks CoAP (REFERENCE C.1, C.2; behaviour as seen
//! from the LiteOS client).

mod device;
mod fleet;
mod network;
mod radio;
mod run;
mod sockets;
mod tally;
#[cfg(test)]
mod tests;

use std::time::Duration;

use crate::coap::{Code, MAX_SZX, Timing};
use crate::model::PowerMode;

pub use device::Device;
pub use fleet::{Fleet, endpoints};
pub use network::{Conditions, Nat, Network, Rebind};
pub use run::{Ground, MakePayload, Reported, SimulatedDevice, TakeDownlink, run};
pub use tally::Tally;

/// What kind of device it is.
#[derive(Debug, Clone)]
pub struct DeviceConfig {
    /// `ep`.
    pub endpoint: String,
    /// When it listens.
    pub power_mode: PowerMode,
    /// `lt`, seconds; it updates when four fifths of it are over.
    pub lifetime_s: u32,
    /// Reports as CON or as NON; Send is always CON.
    pub confirmable: bool,
    /// `lwm2m`
    pub version: Version,
    /// How its reports travel.
    pub via: Via,
    /// Retransmission of its own messages.
    pub timing: Timing,
    /// How long PSM and eDRX devices listen after they spoke or heard something (T3324).
    pub awake: Duration,
    /// How often an eDRX device listens otherwise.
    pub paging: Duration,
    /// Most reports that wait to be sent; the oldest gives way.
    pub backlog: usize,
    /// Size exponent of its blocks (RFC 7959), 0 to 6: what is longer than 16 << `szx` bytes it sends block by block, and it asks for
    /// blocks no larger than that.
    pub szx: u8,
}

impl DeviceConfig {
    /// A device of this name with CON reports and the timing of RFC 7252 (2 s, 4 resends).
    #[must_use]
    pub fn new(endpoint: impl Into<String>, power_mode: PowerMode) -> Self {
        Self {
            endpoint: endpoint.into(),
            power_mode,
            lifetime_s: 86_400,
            confirmable: true,
            version: Version::V1_0,
            via: Via::Notify,
            timing: Timing { ack_timeout: Duration::from_secs(2), random_factor: 1.5, max_retransmit: 4 },
            awake: Duration::from_secs(10),
            paging: Duration::from_millis(20_480),
            backlog: 64,
            szx: MAX_SZX,
        }
    }
}

/// Version of LwM2M.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 1.0
    V1_0,
    /// 1.1
    V1_1,
}

impl Version {
    /// As in `lwm2m=`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V1_0 => "1.0",
            Self::V1_1 => "1.1",
        }
    }
}

/// How reports travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// Notifies of /19/0/0.
    Notify,
    /// Send, POST to /dp, since LwM2M 1.1 (6.4.6).
    Send,
}

/// What happened to a device, for who watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Happening {
    /// 2.01 came.
    Registered,
    /// /19/0/0 is observed: reports can go out.
    Observed,
    /// 2.04 to an Update came.
    Updated,
    /// 2.02 came.
    Deregistered,
    /// A report went out for the first time.
    Sent {
        /// its number, from 0
        n: u32,
    },
    /// A report was acknowledged (CON only).
    Acknowledged {
        /// its number
        n: u32,
    },
    /// Nobody acknowledged a report, or the backlog was full: it is lost.
    Lost {
        /// its number
        n: u32,
    },
    /// A registration request was refused, or nobody answered (none).
    Refused {
        /// with this
        code: Option<Code>,
    },
    /// A report was reset: nobody observes any more. It registers again and sends the report again.
    Unobserved,
    /// A payload came to /19/1/0.
    Downlink {
        /// the bytes
        payload: Vec<u8>,
    },
    /// A datagram came while it slept.
    Missed,
    /// It was registered and takes itself for that no longer.
    Dropped,
    /// NAT gave it another address.
    Rebound,
}
