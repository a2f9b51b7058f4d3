//! What devices send: registration requests, and notifies of what is observed (LwM2M Core 6.2, 6.4; RFC 7641).
//!
//! Decides who a message is from, by location or token, and opens a ticket for it; grants nothing.

use std::time::Instant;

use crate::coap::{self, AMPLIFICATION, Code, Key, Kind, Message, empty_ack, reset, serve};
use crate::model::{DeviceId, Timestamp};

use super::bodies::is_a_report;
use super::exchange::{Ending, Purpose};
use super::names::unspell;
use super::recall::Parked;
use super::request::{Refusal, Register, Update};
use super::roster::{Observation, Slot};
use super::server::{Arrival, Server, What};
use super::{Came, Occurrence, Passed, RegisterRequest, Remark, UplinkMessage};

/// What devices report: BinaryAppDataContainer, instance 0 (REFERENCE C.1).
pub(super) const REPORT_PATH: &str = "/19/0/0";
/// The registration interface and Send in link format (RFC 6690; LwM2M Core 6.2, 6.4.6).
const DISCOVERY: &[u8] = b"</rd>;rt=\"core.rd\";ct=40,</dp>;ct=\"110 112\"";
const LINK_FORMAT: u16 = 40;

/// Where a message belongs.
enum Whose {
    /// To a device in memory.
    Known(Slot),
    /// To nobody.
    Nobody,
    /// It was passed on or parked.
    Later,
}

impl Server {
    pub(super) fn request(&mut self, wall: Timestamp, key: Key, arrival: Arrival, message: Message, datagram: &[u8]) {
        let mut segments = message.path.iter().map(String::as_str);
        let path = (segments.next(), segments.next(), segments.next());
        let refusal = |code, text| Refusal { code, text };
        let outcome = match (path, message.code) {
            ((Some("rd"), None | Some(""), None), Code::POST) => self.register(key, arrival, message),
            ((Some("rd"), Some(location), None), Code::POST | Code::DELETE) if !location.is_empty() => {
                let number = unspell(location);
                match number.map_or(Whose::Nobody, |number| self.whose(wall, number, &arrival, datagram)) {
                    Whose::Later => Ok(()),
                    Whose::Known(slot) if self.is_at(slot, number) && message.code == Code::POST => {
                        self.update(wall, key, arrival, slot, message)
                    }
                    Whose::Known(slot) if self.is_at(slot, number) => {
                        self.deregister(key, arrival, slot);
                        Ok(())
                    }
                    Whose::Known(_) | Whose::Nobody => Err(refusal(Code::NOT_FOUND, "not registered")),
                }
            }
            ((Some("rd"), _, None), _) => Err(refusal(Code::METHOD_NOT_ALLOWED, "")),
            ((Some("dp"), None, None), Code::POST) => self.sent(wall, key, arrival, message, datagram),
            ((Some("dp"), None, None), _) => Err(refusal(Code::METHOD_NOT_ALLOWED, "")),
            ((Some(".well-known"), Some("core"), None), Code::GET) => self.discover(wall, &arrival, &message),
            ((Some(".well-known"), Some("core"), None), _) => Err(refusal(Code::METHOD_NOT_ALLOWED, "")),
            _ => Err(refusal(Code::NOT_FOUND, "no such resource")),
        };
        if let Err(refusal) = outcome {
            self.refuse_at_once(&arrival, refusal);
        }
    }

    pub(super) fn refuse_at_once(&mut self, arrival: &Arrival, Refusal { code, text }: Refusal) {
        self.counters.refused += 1;
        let separator = if text.is_empty() { "" } else { ": " };
        self.remark(Remark::Refused { peer: arrival.peer, why: format!("{code:#}{separator}{text}") });
        let reply = self.refusal(arrival, code, text);
        self.transmit(arrival.peer, reply);
    }

    /// Who a number stands for, with the device in memory.
    fn whose(&mut self, wall: Timestamp, number: u64, arrival: &Arrival, datagram: &[u8]) -> Whose {
        let device = self.named(number);
        let peer = arrival.peer;
        if self.pass(device, || Passed::Datagram { peer, datagram: datagram.to_vec() }) {
            return Whose::Later;
        }
        if let Some(slot) = self.roster.by_device(device) {
            return Whose::Known(slot);
        }
        if self.may_know(device) {
            self.park(device, Parked::Datagram { wall, peer, datagram: datagram.to_vec() });
            return Whose::Later;
        }
        Whose::Nobody
    }

    /// A parked datagram of a device that has no registration any more.
    pub(super) fn disown(&mut self, peer: std::net::SocketAddr, datagram: &[u8]) {
        let Ok(message) = coap::parse(datagram) else { return };
        if message.code.is_response() {
            return self.unknown_token(peer, message.mid);
        }
        let arrival = Arrival::new(self.origin.0, peer, &message, datagram.len());
        self.refuse_at_once(&arrival, Refusal { code: Code::NOT_FOUND, text: "not registered" });
    }

    fn is_at(&self, slot: Slot, location: Option<u64>) -> bool {
        location.is_some_and(|number| self.roster.entry(slot).is_some_and(|entry| entry.location == number))
    }

    /// A refusal with its reason in plain text, unless that made it more than three times the request.
    pub(super) fn refusal(&mut self, arrival: &Arrival, code: Code, text: &str) -> Vec<u8> {
        let mut reply = self.reply(arrival, code);
        if !text.is_empty() && reply.to_bytes().len() + 1 + text.len() <= AMPLIFICATION * arrival.bytes {
            reply.payload = text.as_bytes().to_vec();
        }
        arrival.spell(&reply)
    }

    /// What the server has (RFC 6690 4, LwM2M Core 6.2).
    fn discover(&mut self, wall: Timestamp, arrival: &Arrival, message: &Message) -> Result<(), Refusal> {
        if message.accept.is_some_and(|accept| accept != LINK_FORMAT) {
            return Err(Refusal { code: Code::NOT_ACCEPTABLE, text: "" });
        }
        let mut reply = self.reply(arrival, Code::CONTENT);
        reply.content_format = Some(LINK_FORMAT);
        let datagram = arrival.spell(&serve(message, reply, DISCOVERY, self.config.transfer.szx));
        let datagram = self.challenge(wall, arrival, &message.echo, datagram);
        self.transmit(arrival.peer, datagram);
        Ok(())
    }

    /// An address that is not proven gets three times its request at most; for more it repeats the request with the Echo that it
    /// is given (RFC 9175 2.4).
    pub(super) fn challenge(&mut self, wall: Timestamp, arrival: &Arrival, echo: &[u8], datagram: Vec<u8>) -> Vec<u8> {
        if datagram.len() <= AMPLIFICATION * arrival.bytes || self.echo.proves(wall, arrival.peer, echo) {
            return datagram;
        }
        let mut challenge = self.reply(arrival, Code::UNAUTHORIZED);
        challenge.echo = self.echo.value(wall, arrival.peer);
        arrival.spell(&challenge)
    }

    fn register(&mut self, key: Key, arrival: Arrival, message: Message) -> Result<(), Refusal> {
        let Some(message) = self.gather(key, &arrival, message) else { return Ok(()) };
        let Register { endpoint, lifetime_s, version, binding, objects, formats } = Register::read(&message)?;
        if let Some(ticket) = self.open(key, arrival, What::Register) {
            let peer = arrival.peer;
            let request = RegisterRequest { ticket, endpoint, peer, lifetime_s, version, binding, objects, formats };
            self.occur(Occurrence::Register(request));
        }
        Ok(())
    }

    fn update(&mut self, wall: Timestamp, key: Key, arrival: Arrival, slot: Slot, message: Message) -> Result<(), Refusal> {
        let Some(message) = self.gather(key, &arrival, message) else { return Ok(()) };
        let Update { lifetime_s, binding, objects } = Update::read(&message)?;
        let Some(entry) = self.roster.entry_mut(slot) else { return Ok(()) };
        entry.used = arrival.at;
        let (location, mut registration) = (entry.location, entry.registration());
        registration.peer = arrival.peer;
        registration.updated = wall;
        registration.lifetime_s = lifetime_s.unwrap_or(registration.lifetime_s);
        registration.binding = binding.unwrap_or(registration.binding);
        if let Some((objects, formats)) = objects {
            (registration.objects, registration.formats) = (objects, formats);
        }
        let what = What::Update { location, registration: Box::new(registration.clone()) };
        if let Some(ticket) = self.open(key, arrival, what) {
            self.occur(Occurrence::Update { ticket, registration });
        }
        Ok(())
    }

    fn deregister(&mut self, key: Key, arrival: Arrival, slot: Slot) {
        let Some(entry) = self.roster.entry(slot) else { return };
        let (device, location) = (entry.device, entry.location);
        if let Some(ticket) = self.open(key, arrival, What::Deregister { device, location }) {
            self.occur(Occurrence::Deregister { ticket, device });
        }
    }

    /// Send: values that the device chose to tell (LwM2M Core 1.1 6.4.6). It says who it is by its address alone.
    fn sent(&mut self, wall: Timestamp, key: Key, arrival: Arrival, message: Message, datagram: &[u8]) -> Result<(), Refusal> {
        let peer = arrival.peer;
        let Some(device) = self.addresses.device(peer) else {
            if self.config.place.count > 1 {
                self.ask_around(peer, datagram);
                return Ok(());
            }
            return Err(Refusal { code: Code::NOT_FOUND, text: "no registration from this address" });
        };
        let Some(slot) = self.roster.by_device(device) else {
            self.park(device, Parked::Datagram { wall, peer, datagram: datagram.to_vec() });
            return Ok(());
        };
        let Some(entry) = self.roster.entry_mut(slot).filter(|entry| entry.peer == peer) else {
            return Err(Refusal { code: Code::NOT_FOUND, text: "no registration from this address" });
        };
        entry.used = arrival.at;
        let Some(message) = self.gather(key, &arrival, message) else { return Ok(()) };
        if message.payload.is_empty() {
            return Err(Refusal { code: Code::BAD_REQUEST, text: "nothing was sent" });
        }
        if let Some(ticket) = self.open(key, arrival, What::Send) {
            let (path, content_format, payload) = ("/".into(), message.content_format, message.payload);
            self.occur(Occurrence::Resources(UplinkMessage { ticket, device, path, content_format, payload }, Came::Sent));
        }
        Ok(())
    }

    fn unknown_token(&mut self, peer: std::net::SocketAddr, mid: u16) {
        self.counters.unknown_token += 1;
        self.remark(Remark::UnknownToken { peer });
        self.transmit(peer, reset(mid));
    }

    /// A notify, or a response that comes by itself.
    pub(super) fn response(&mut self, wall: Timestamp, key: Key, arrival: Arrival, message: Message, datagram: &[u8]) {
        let Some(token) = message.token.long() else { return self.unknown_token(arrival.peer, arrival.mid) };
        let slot = match self.whose(wall, token, &arrival, datagram) {
            Whose::Known(slot) => slot,
            Whose::Later => return,
            Whose::Nobody => return self.unknown_token(arrival.peer, arrival.mid),
        };
        let Some(entry) = self.roster.entry_mut(slot) else { return };
        let device = entry.device;
        let asked = entry.talk.as_ref().and_then(|talk| talk.current.as_ref()).is_some_and(|exchange| exchange.token == token);
        let watch = entry.watch(token).map(|(path, watch)| (path.map(str::to_owned), watch.state));
        if !asked && watch.is_none() {
            return self.unknown_token(arrival.peer, arrival.mid);
        }
        self.heard(arrival.at, slot, arrival.peer);
        let first = matches!(watch, Some((_, Observation::Wanted | Observation::Absent)));
        if asked {
            self.freshness.forget((device.0, token));
            self.finish(arrival.at, slot, Ending::Response(Box::new(message.clone())));
        }
        let Some((path, _)) = watch else { return self.acknowledge(key, &arrival) };
        if !message.code.is_success() {
            self.acknowledge(key, &arrival);
            if !asked {
                self.lose_observation(slot, token, &Ending::Response(Box::new(message)));
            }
            return;
        }
        if message.observe.is_some() {
            self.taken(slot, token);
        }
        self.deliver(key, arrival, slot, path, message, first);
        self.advance(arrival.at, slot);
    }

    /// The ACK, the RST, or the response in the ACK, of something that the gateway asked.
    pub(super) fn settle_exchange(&mut self, now: Instant, peer: std::net::SocketAddr, message: Message, datagram: &[u8]) {
        if message.code == Code::EMPTY {
            let Some(slot) = self.awaiting.get(&(peer, message.mid)).copied() else { return self.ask_around(peer, datagram) };
            return match message.kind {
                Kind::Rst => self.finish(now, slot, Ending::Reset),
                _ => self.wait_for_response(slot),
            };
        }
        let Some(token) = message.token.long() else { return };
        let device = self.named(token);
        if self.pass(device, || Passed::Datagram { peer, datagram: datagram.to_vec() }) {
            return;
        }
        // What was asked is in memory: a conversation keeps its device awake.
        let Some(slot) = self.roster.by_device(device) else { return };
        let exchange = self.roster.entry(slot).and_then(|entry| entry.talk.as_ref()?.current.as_ref());
        let Some(exchange) = exchange.filter(|exchange| exchange.mid == message.mid && exchange.token == token) else { return };
        let observes = matches!(exchange.purpose, Purpose::Observe);
        self.heard(now, slot, peer);
        self.finish(now, slot, Ending::Response(Box::new(message.clone())));
        if observes && message.code.is_success() {
            let path = self.roster.entry(slot).and_then(|entry| entry.watch(token)?.0.map(str::to_owned));
            // Nothing acknowledges an ACK: if this is not stored, it is not sent again.
            let key = self.dedup.key(peer, message.mid, &message.payload);
            let arrival = Arrival::new(now, peer, &message, datagram.len());
            self.freshness.forget((device.0, token));
            self.deliver(key, arrival, slot, path, message, true);
        }
    }

    /// Hands a report, or values of what else is observed, up. The first response to Observe of /19/0/0 tells the state before any
    /// report: LiteOS sends it empty, others one zero byte as a placeholder. Neither is a report; a first response with anything
    /// else is, for some clients that report while registering never send it again. An empty notify has nothing to store.
    fn deliver(&mut self, key: Key, arrival: Arrival, slot: Slot, path: Option<String>, message: Message, first: bool) {
        let Some(device) = self.roster.entry(slot).map(|entry| entry.device) else { return };
        if message.payload.is_empty() || (first && path.is_none() && message.payload == [0]) {
            return self.acknowledge(key, &arrival);
        }
        let token = message.token.long().unwrap_or_default();
        let outdated = |number| !self.freshness.admit(arrival.at, (device.0, token), number);
        if !is_a_report(path.as_deref()) && message.observe.is_some_and(outdated) {
            self.counters.outdated += 1;
            return self.acknowledge(key, &arrival);
        }
        self.supersede(device, token);
        if message.is_partial() {
            return self.begin_fetch(key, arrival, slot, path, &message);
        }
        self.hand_up(key, arrival, device, path, message.content_format, message.payload);
    }

    /// A whole report, or values, for the flows.
    pub(super) fn hand_up(
        &mut self,
        key: Key,
        arrival: Arrival,
        device: DeviceId,
        path: Option<String>,
        content_format: Option<u16>,
        payload: Vec<u8>,
    ) {
        let Some(ticket) = self.open(key, arrival, What::Uplink) else { return };
        let told = |path| UplinkMessage { ticket, device, path, content_format, payload };
        self.occur(match path {
            None => Occurrence::Uplink(told(REPORT_PATH.into())),
            Some(path) if is_a_report(Some(&path)) => Occurrence::Uplink(told(path.into())),
            Some(path) => Occurrence::Resources(told(path.into()), Came::Notified),
        });
    }

    /// Takes note of a confirmable message that nothing needs to be stored of.
    fn acknowledge(&mut self, key: Key, arrival: &Arrival) {
        if arrival.kind == Kind::Con {
            self.dedup.open(arrival.at, key, coap::EXCHANGE_LIFETIME);
            self.dedup.settle(&key, &[]);
            self.transmit(arrival.peer, empty_ack(arrival.mid));
        }
    }
}
