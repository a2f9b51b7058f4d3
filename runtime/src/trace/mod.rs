//! What happens to one device, step by step and in words: the device log that a vendor's platform has (FAQ 4.1.3.6).
//!
//! Switched on for one endpoint at a time, registered or not, and off by itself. Every part of the gateway tells its steps through a
//! [`Tracer`]; while nothing is traced that costs it one atomic load. Steps live in memory and in bounds, and a restart forgets
//! them: what must be kept is in the event log. Knows the words of CoAP, and no part that tells it something.

mod packet;
mod step;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::clock;
use crate::coap::{Code, Message};
use crate::lwm2m::Counters;
use crate::model::{DeviceId, Timestamp};

pub use step::{Kind, Language, Outcome, Step, Turn};

/// Most endpoints that are traced, or whose steps are kept.
pub const MAX_TRACES: usize = 64;
/// Most steps of one trace; the oldest gives way.
pub const MAX_STEPS: usize = 1_000;
/// Most bytes of one trace, and so 16 MiB of all; the oldest step gives way.
pub const TRACE_BYTES: usize = 256 << 10;
/// Most bytes of a step's detail.
pub const DETAIL_BYTES: usize = 2_048;
/// What a step costs beside its detail, roughly.
const STEP_BYTES: usize = 96;
/// Addresses at which a traced device was last seen.
const PEERS: usize = 4;
/// Datagrams that are remembered to know one that is sent again.
const SENT: usize = 16;

/// How steps reach their trace. Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Tracer {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    /// Traces that record.
    live: AtomicUsize,
    state: Mutex<State>,
}

impl std::fmt::Debug for Tracer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tracer").field("live", &self.shared.live).finish_non_exhaustive()
    }
}

/// Whom a step concerns.
#[derive(Debug, Clone, Copy)]
pub enum Whom<'a> {
    /// A device of the store.
    Device(DeviceId),
    /// Whoever uses this endpoint client name.
    Endpoint(&'a str),
    /// Whoever was last seen at this address.
    Peer(SocketAddr),
}

/// A trace as it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Excerpt {
    /// Endpoint client name.
    pub endpoint: String,
    /// Its device, if there is one.
    pub device: Option<DeviceId>,
    /// When it was switched on.
    pub began: Timestamp,
    /// When it switches itself off, or did.
    pub until: Timestamp,
    /// Whether it records.
    pub live: bool,
    /// Steps that gave way to later ones.
    pub dropped: u64,
    /// Number of the last step; 0 = none yet.
    pub last: u64,
    /// The steps that were asked for.
    pub steps: Vec<Step>,
}

/// As many endpoints are traced as can be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{MAX_TRACES} endpoints are traced, which is as many as there may be")]
pub struct TooMany;

impl Tracer {
    /// Whether anything is traced. The one question that costs something while nothing is.
    #[must_use]
    pub fn is_on(&self) -> bool {
        self.shared.live.load(Ordering::Relaxed) > 0
    }

    /// Switches a trace on, or lets one go on that is.
    ///
    /// # Errors
    /// [`TooMany`] when no other has ended that could give way.
    pub fn begin(&self, endpoint: &str, device: Option<DeviceId>, until: Timestamp) -> Result<Excerpt, TooMany> {
        self.with(|state, now| state.begin(endpoint, device, now, until).map(|trace| trace.excerpt(u64::MAX, 0)))
    }

    /// Switches a trace off and forgets its steps; false if there is none.
    pub fn end(&self, endpoint: &str) -> bool {
        self.with(|state, _| {
            let before = state.traces.len();
            state.traces.retain(|trace| trace.endpoint != endpoint);
            state.traces.len() < before
        })
    }

    /// At most `limit` steps after the one with this number; none if the endpoint is not traced.
    #[must_use]
    pub fn steps(&self, endpoint: &str, after: u64, limit: usize) -> Option<Excerpt> {
        self.with(|state, _| {
            let found = state.traces.iter().find(|trace| trace.endpoint == endpoint);
            found.map(|trace| trace.excerpt(after, limit))
        })
    }

    /// All traces without their steps, by name.
    #[must_use]
    pub fn list(&self) -> Vec<Excerpt> {
        let mut all: Vec<_> = self.with(|state, _| state.traces.iter().map(|trace| trace.excerpt(u64::MAX, 0)).collect());
        all.sort_by(|one: &Excerpt, other| one.endpoint.cmp(&other.endpoint));
        all
    }

    /// Tells a step. `detail` is asked for only if the one whom it concerns is traced.
    pub fn note(&self, whom: Whom<'_>, kind: Kind, outcome: Outcome, turn: Turn, detail: impl FnOnce() -> String) {
        if self.is_on() {
            self.with(|state, now| {
                if let Some(trace) = state.find(whom) {
                    trace.push(now, kind, outcome, turn, detail());
                }
            });
        }
    }

    /// Whether a device is traced.
    #[must_use]
    pub fn follows(&self, device: DeviceId) -> bool {
        self.is_on() && self.with(|state, _| state.find(Whom::Device(device)).is_some())
    }

    /// An endpoint is that of a device.
    pub fn met(&self, endpoint: &str, device: DeviceId) {
        if self.is_on() {
            self.with(|state, _| state.find(Whom::Endpoint(endpoint)).into_iter().for_each(|trace| trace.device = Some(device)));
        }
    }

    /// A datagram came. `owner` = the device that its numbers name, which need not be true.
    pub fn came(&self, peer: SocketAddr, owner: impl FnOnce(&Message) -> Option<DeviceId>, datagram: &[u8]) {
        let (message, words) = packet::explain(datagram);
        self.with(|state, now| {
            if let Some(trace) = state.speaker(peer, message.as_ref(), owner) {
                trace.seen_at(peer);
                trace.push(now, Kind::PacketIn, Outcome::Ok, Turn::Gateway, format!("from {peer}: {words}"));
            }
        });
    }

    /// What the message layer made of a datagram: what it had counted before and after it.
    pub fn heard(&self, peer: SocketAddr, before: Counters, after: Counters) {
        let verdict = if after.malformed > before.malformed {
            Some((
                Outcome::Failed,
                Turn::Device,
                "it is no CoAP message that can be taken: dropped, or refused with what follows",
            ))
        } else if after.duplicates > before.duplicates {
            Some((Outcome::Note, Turn::Device, "heard before: not acted on again; answered again if the answer is known"))
        } else if after.unknown_token > before.unknown_token {
            Some((Outcome::Failed, Turn::Device, "its token is nobody's: answered with RST; the device has to register anew"))
        } else if after.busy > before.busy {
            Some((Outcome::Failed, Turn::Device, "too many messages wait for their commit: silence, the device sends again"))
        } else if after.not_parked > before.not_parked {
            Some((Outcome::Failed, Turn::Device, "no room to wait for the registration: dropped, the device sends again"))
        } else if after.recalled > before.recalled {
            Some((Outcome::Note, Turn::Gateway, "the device was not in memory: its registration is read from the store"))
        } else {
            None
        };
        if let Some((outcome, turn, words)) = verdict {
            self.note(Whom::Peer(peer), Kind::Message, outcome, turn, || words.to_owned());
        }
    }

    /// A datagram leaves.
    pub fn leaves(&self, peer: SocketAddr, owner: impl FnOnce(&Message) -> Option<DeviceId>, datagram: &[u8]) {
        let (message, words) = packet::explain(datagram);
        self.with(|state, now| {
            if let Some(trace) = state.speaker(peer, message.as_ref(), owner) {
                trace.seen_at(peer);
                let again = if trace.sends_again(datagram) { "again " } else { "" };
                let asks = message.is_some_and(|message| message.code.is_request());
                let turn = if asks { Turn::Device } else { Turn::Nobody };
                trace.push(now, Kind::PacketOut, Outcome::Ok, turn, format!("{again}to {peer}: {words}"));
            }
        });
    }

    /// Works on the state; traces whose time is over cease to record.
    fn with<T>(&self, work: impl FnOnce(&mut State, Timestamp) -> T) -> T {
        let now = clock::wall();
        let mut state: MutexGuard<'_, State> = self.shared.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.expire(now);
        let result = work(&mut state, now);
        self.shared.live.store(state.traces.iter().filter(|trace| trace.live).count(), Ordering::Relaxed);
        result
    }
}

#[derive(Default)]
struct State {
    traces: Vec<Trace>,
}

struct Trace {
    endpoint: String,
    device: Option<DeviceId>,
    began: Timestamp,
    until: Timestamp,
    live: bool,
    next: u64,
    dropped: u64,
    bytes: usize,
    steps: VecDeque<Step>,
    peers: VecDeque<SocketAddr>,
    /// Hashes of datagrams that left.
    sent: VecDeque<blake3::Hash>,
}

impl State {
    fn begin(
        &mut self,
        endpoint: &str,
        device: Option<DeviceId>,
        now: Timestamp,
        until: Timestamp,
    ) -> Result<&mut Trace, TooMany> {
        let at = match self.traces.iter().position(|trace| trace.endpoint == endpoint) {
            Some(at) => at,
            None => {
                if self.traces.len() >= MAX_TRACES {
                    let oldest = self.traces.iter().enumerate().filter(|(_, trace)| !trace.live);
                    let (ended, _) = oldest.min_by_key(|(_, trace)| trace.until).ok_or(TooMany)?;
                    self.traces.remove(ended);
                }
                self.traces.push(Trace::new(endpoint, now));
                self.traces.len() - 1
            }
        };
        let trace = self.traces.get_mut(at).ok_or(TooMany)?;
        trace.device = device.or(trace.device);
        (trace.until, trace.live) = (until, true);
        Ok(trace)
    }

    fn expire(&mut self, now: Timestamp) {
        for trace in self.traces.iter_mut().filter(|trace| trace.live && trace.until <= now) {
            trace.live = false;
        }
    }

    fn find(&mut self, whom: Whom<'_>) -> Option<&mut Trace> {
        self.traces.iter_mut().filter(|trace| trace.live).find(|trace| match whom {
            Whom::Device(device) => trace.device == Some(device),
            Whom::Endpoint(endpoint) => trace.endpoint == endpoint,
            Whom::Peer(peer) => trace.peers.contains(&peer),
        })
    }

    /// Whose trace a message belongs to: it names an endpoint, or a device, or its address is known from such a one.
    fn speaker(
        &mut self,
        peer: SocketAddr,
        message: Option<&Message>,
        owner: impl FnOnce(&Message) -> Option<DeviceId>,
    ) -> Option<&mut Trace> {
        if let Some(message) = message {
            if message.code == Code::POST && message.path.iter().eq(["rd"]) {
                let endpoint = message.query.iter().find_map(|parameter| parameter.strip_prefix("ep="));
                if let Some(endpoint) = endpoint {
                    // The address may have been a traced device's, and is not any more.
                    let other = self.traces.iter_mut().filter(|trace| trace.endpoint != endpoint);
                    other.for_each(|trace| trace.peers.retain(|known| *known != peer));
                    return self.find(Whom::Endpoint(endpoint));
                }
            }
            if let Some(device) = owner(message).filter(|device| self.traces.iter().any(|t| t.live && t.device == Some(*device)))
            {
                return self.find(Whom::Device(device));
            }
        }
        self.find(Whom::Peer(peer))
    }
}

impl Trace {
    fn new(endpoint: &str, began: Timestamp) -> Self {
        Self {
            endpoint: endpoint.to_owned(),
            device: None,
            began,
            until: began,
            live: false,
            next: 1,
            dropped: 0,
            bytes: 0,
            steps: VecDeque::new(),
            peers: VecDeque::new(),
            sent: VecDeque::new(),
        }
    }

    fn push(&mut self, time: Timestamp, kind: Kind, outcome: Outcome, turn: Turn, mut detail: String) {
        if detail.len() > DETAIL_BYTES {
            detail.truncate(detail.floor_char_boundary(DETAIL_BYTES - 3));
            detail.push_str("...");
        }
        self.bytes += STEP_BYTES + detail.len();
        self.steps.push_back(Step { seq: self.next, time, kind, outcome, turn, detail });
        self.next += 1;
        while self.steps.len() > MAX_STEPS || self.bytes > TRACE_BYTES {
            let Some(oldest) = self.steps.pop_front() else { break };
            self.bytes -= STEP_BYTES + oldest.detail.len();
            self.dropped += 1;
        }
    }

    fn seen_at(&mut self, peer: SocketAddr) {
        if !self.peers.contains(&peer) {
            self.peers.truncate(PEERS - 1);
            self.peers.push_front(peer);
        }
    }

    fn sends_again(&mut self, datagram: &[u8]) -> bool {
        let hash = blake3::hash(datagram);
        let again = self.sent.contains(&hash);
        if !again {
            self.sent.truncate(SENT - 1);
            self.sent.push_front(hash);
        }
        again
    }

    fn excerpt(&self, after: u64, limit: usize) -> Excerpt {
        let steps = self.steps.iter().filter(|step| step.seq > after).take(limit).cloned().collect();
        Excerpt {
            endpoint: self.endpoint.clone(),
            device: self.device,
            began: self.began,
            until: self.until,
            live: self.live,
            dropped: self.dropped,
            last: self.next - 1,
            steps,
        }
    }
}

/// Bytes as a step shows them: hex, cut where it gets long.
#[must_use]
pub fn shown(bytes: &[u8]) -> String {
    packet::shown(bytes)
}
