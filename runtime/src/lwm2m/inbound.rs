//! What devices send: registration requests, and notifies of the observed /19/0/0 (LwM2M Core 6.2, 6.4; RFC 7641).
//!
//! Decides who a message is from, by location or token, and opens a ticket for it; grants nothing.

use crate::coap::{Code, Key, Kind, Message, empty_ack, reset};
use crate::model::Timestamp;

use super::exchange::{Ending, Purpose};
use super::request::{Refusal, Register, Update};
use super::roster::{Observation, Slot, spell, unspell};
use super::server::{Arrival, Server, What};
use super::{Occurrence, RegisterRequest, Remark, UplinkMessage};

/// What devices report: BinaryAppDataContainer, instance 0 (REFERENCE C.1).
pub(super) const REPORT_PATH: (u16, u16, u16) = (19, 0, 0);
/// `</rd>` in link format.
const DISCOVERY: &[u8] = b"</rd>";
const LINK_FORMAT: u16 = 40;

impl Server {
    pub(super) fn request(&mut self, wall: Timestamp, key: Key, arrival: Arrival, message: Message) {
        let mut segments = message.path.iter().map(String::as_str);
        let path = (segments.next(), segments.next(), segments.next());
        let refusal = |code, text| Refusal { code, text };
        let outcome = match (path, message.code) {
            _ if message.is_partial() => Err(refusal(Code::TOO_LARGE, "block-wise bodies are not taken")),
            ((Some("rd"), None | Some(""), None), Code::POST) => self.register(key, arrival, &message),
            ((Some("rd"), Some(location), None), Code::POST) if !location.is_empty() => {
                self.update(wall, key, arrival, location, &message)
            }
            ((Some("rd"), Some(location), None), Code::DELETE) if !location.is_empty() => self.deregister(key, arrival, location),
            ((Some("rd"), _, None), _) => Err(refusal(Code::METHOD_NOT_ALLOWED, "")),
            ((Some(".well-known"), Some("core"), None), Code::GET) => self.discover(&arrival, &message),
            ((Some(".well-known"), Some("core"), None), _) => Err(refusal(Code::METHOD_NOT_ALLOWED, "")),
            _ => Err(refusal(Code::NOT_FOUND, "no such resource")),
        };
        if let Err(Refusal { code, text }) = outcome {
            self.counters.refused += 1;
            let separator = if text.is_empty() { "" } else { ": " };
            self.remark(Remark::Refused { peer: arrival.peer, why: format!("{code:#}{separator}{text}") });
            let reply = self.refusal(&arrival, code, text);
            self.transmit(arrival.peer, reply);
        }
    }

    /// A refusal with its reason in plain text, unless that made it more than three times the request.
    pub(super) fn refusal(&mut self, arrival: &Arrival, code: Code, text: &str) -> Vec<u8> {
        let mut reply = self.reply(arrival, code);
        let bare = reply.to_bytes();
        if text.is_empty() || bare.len() + 1 + text.len() > 3 * arrival.bytes {
            return bare;
        }
        reply.payload = text.as_bytes().to_vec();
        reply.to_bytes()
    }

    fn discover(&mut self, arrival: &Arrival, message: &Message) -> Result<(), Refusal> {
        if message.accept.is_some_and(|accept| accept != LINK_FORMAT) {
            return Err(Refusal { code: Code::NOT_ACCEPTABLE, text: "" });
        }
        let reply = self.reply(arrival, Code::CONTENT).with_payload(LINK_FORMAT, DISCOVERY.to_vec());
        self.transmit(arrival.peer, reply.to_bytes());
        Ok(())
    }

    fn register(&mut self, key: Key, arrival: Arrival, message: &Message) -> Result<(), Refusal> {
        let Register { endpoint, lifetime_s, version, binding, objects } = Register::read(message)?;
        let (location, token) = (self.fresh(), self.fresh());
        if let Some(ticket) = self.open(key, arrival, What::Register) {
            let (location, token) = (spell(location), spell(token));
            let peer = arrival.peer;
            let request = RegisterRequest { ticket, endpoint, peer, lifetime_s, version, binding, objects, location, token };
            self.occur(Occurrence::Register(request));
        }
        Ok(())
    }

    fn update(&mut self, wall: Timestamp, key: Key, arrival: Arrival, location: &str, message: &Message) -> Result<(), Refusal> {
        let (location, slot) = self.locate(location)?;
        let Update { lifetime_s, binding, objects } = Update::read(message)?;
        let Some(mut registration) = self.roster.entry(slot).map(super::roster::Entry::registration) else { return Ok(()) };
        registration.peer = arrival.peer;
        registration.updated = wall;
        registration.lifetime_s = lifetime_s.unwrap_or(registration.lifetime_s);
        registration.binding = binding.unwrap_or(registration.binding);
        registration.objects = objects.unwrap_or(registration.objects);
        let what = What::Update { location, registration: Box::new(registration.clone()) };
        if let Some(ticket) = self.open(key, arrival, what) {
            self.occur(Occurrence::Update { ticket, registration });
        }
        Ok(())
    }

    fn deregister(&mut self, key: Key, arrival: Arrival, location: &str) -> Result<(), Refusal> {
        let (location, slot) = self.locate(location)?;
        let Some(device) = self.roster.entry(slot).map(|entry| entry.device) else { return Ok(()) };
        if let Some(ticket) = self.open(key, arrival, What::Deregister { location }) {
            self.occur(Occurrence::Deregister { ticket, device });
        }
        Ok(())
    }

    fn locate(&self, location: &str) -> Result<(u64, Slot), Refusal> {
        let number = unspell(location);
        number
            .and_then(|number| Some((number, self.roster.by_location(number)?)))
            .ok_or(Refusal { code: Code::NOT_FOUND, text: "not registered" })
    }

    /// A notify, or a response that comes by itself.
    pub(super) fn response(&mut self, key: Key, arrival: Arrival, message: Message) {
        let Some((token, slot)) = message.token.long().and_then(|token| Some((token, self.roster.by_token(token)?))) else {
            self.counters.unknown_token += 1;
            self.remark(Remark::UnknownToken { peer: arrival.peer });
            return self.transmit(arrival.peer, reset(arrival.mid));
        };
        self.move_to(slot, arrival.peer);
        if self.roster.entry(slot).is_none_or(|entry| entry.token != token) {
            self.acknowledge(key, &arrival);
            return self.finish(arrival.at, slot, Ending::Response(message.code, message.observe));
        }
        let first =
            self.roster.entry(slot).is_some_and(|entry| matches!(entry.observation, Observation::Wanted | Observation::Absent));
        let asked = self.current_purpose(slot) == Some(Purpose::Observe);
        if asked {
            self.finish(arrival.at, slot, Ending::Response(message.code, message.observe));
        }
        if !message.code.is_success() {
            self.acknowledge(key, &arrival);
            if !asked {
                self.lose_observation(slot, Ending::Response(message.code, message.observe));
            }
            return;
        }
        if let Some(entry) = self.roster.entry_mut(slot).filter(|_| message.observe.is_some()) {
            entry.observation = Observation::Established;
        }
        self.deliver(key, arrival, slot, message, first);
    }

    /// The ACK, the RST, or the response in the ACK, of something that the gateway asked.
    pub(super) fn settle_exchange(&mut self, now: std::time::Instant, peer: std::net::SocketAddr, message: Message) {
        if message.code == Code::EMPTY {
            let Some(slot) = self.awaiting.get(&(peer, message.mid)).copied() else { return };
            return match message.kind {
                Kind::Rst => self.finish(now, slot, Ending::Reset),
                _ => self.wait_for_response(slot),
            };
        }
        let Some(slot) = message.token.long().and_then(|token| self.roster.by_token(token)) else { return };
        let exchange = self.roster.entry(slot).and_then(|entry| entry.talk.as_ref()?.current.as_ref());
        let Some(exchange) = exchange.filter(|e| e.mid == message.mid && Some(e.token) == message.token.long()) else { return };
        let purpose = exchange.purpose;
        self.move_to(slot, peer);
        self.finish(now, slot, Ending::Response(message.code, message.observe));
        if purpose == Purpose::Observe && message.code.is_success() {
            // Nothing acknowledges an ACK: if this is not stored, it is not sent again.
            let key = self.dedup.key(peer, message.mid, &message.payload);
            let bytes = message.payload.len();
            let arrival = Arrival { at: now, peer, kind: Kind::Ack, mid: message.mid, token: message.token, bytes };
            self.deliver(key, arrival, slot, message, true);
        }
    }

    /// Hands a report up. The first response to Observe tells the state before any report: LiteOS sends it empty, others one
    /// zero byte as a placeholder. Neither is a report; a first response with anything else is, for some clients that
    /// report while registering never send it again. An empty notify has nothing to store.
    fn deliver(&mut self, key: Key, arrival: Arrival, slot: Slot, message: Message, first: bool) {
        let Some(device) = self.roster.entry(slot).map(|entry| entry.device) else { return };
        if message.payload.is_empty() || (first && message.payload == [0]) {
            return self.acknowledge(key, &arrival);
        }
        if message.is_partial() {
            self.remark(Remark::Partial { device });
        }
        if let Some(ticket) = self.open(key, arrival, What::Uplink) {
            let (content_format, payload) = (message.content_format, message.payload);
            self.occur(Occurrence::Uplink(UplinkMessage { ticket, device, path: REPORT_PATH, content_format, payload }));
        }
    }

    /// Takes note of a confirmable message that nothing needs to be stored of.
    fn acknowledge(&mut self, key: Key, arrival: &Arrival) {
        if arrival.kind == Kind::Con {
            self.dedup.open(arrival.at, key, crate::coap::EXCHANGE_LIFETIME);
            self.dedup.settle(&key, &[]);
            self.transmit(arrival.peer, empty_ack(arrival.mid));
        }
    }

    /// A number that is no token and no location yet.
    pub(super) fn fresh(&mut self) -> u64 {
        loop {
            let number = self.random.draw();
            if !self.roster.is_named(number) {
                return number;
            }
        }
    }
}
