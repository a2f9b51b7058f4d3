//! Bodies that take more than one datagram (RFC 7959): requests of devices are joined, notifies and answers are fetched to their
//! end, downlinks go out block by block.
//!
//! A confirmable notify is acknowledged when its whole body is stored and not before: while the rest is fetched, its resends
//! are met with silence. If the device gives up meanwhile, what comes is stored all the same. If the device falls asleep, the
//! rest is asked for when it speaks again. What cannot be fetched is told of, counted, and not delivered. One notify of a device
//! is fetched at a time; the newest of an observation counts.

use std::time::Instant;

use crate::coap::{
    Code, Collected, EXCHANGE_LIFETIME, Fetch, Fetched, Generations, Key, KeyedState, Kind, Message, NON_LIFETIME, Push, Pushed,
    Room, TransferLimits, reset,
};
use crate::model::DeviceId;

use super::downlink::{bare, segments};
use super::exchange::Ending;
use super::inbound::REPORT_PATH;
use super::names::Use;
use super::request::Refusal;
use super::roster::Slot;
use super::server::{Arrival, Server};
use super::{Ask, Pace, Remark, Reply};

/// What a fetch costs beside its bytes.
const OVERHEAD_BYTES: usize = 256;

/// A notify whose rest is fetched.
#[derive(Debug)]
struct Fetching {
    fetch: Fetch,
    serial: u32,
    stage: Stage,
    /// Token of the observation, and its path; none = /19/0/0.
    watch: u64,
    path: Option<String>,
    key: Key,
    arrival: Arrival,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The next block is to be asked for.
    Due,
    /// It is asked for.
    Asked,
    /// The device sleeps.
    Resting,
}

/// All of them, one of a device.
#[derive(Debug)]
pub(super) struct Fetches {
    table: Generations<DeviceId, Fetching>,
}

impl Fetches {
    pub(super) fn new(limits: &TransferLimits, state: KeyedState) -> Self {
        // Half of it is one generation: a body of the largest size finds room.
        let weight = limits.bytes.max(2 * (limits.body_bytes + OVERHEAD_BYTES));
        let room = Room { entries: limits.bodies, weight, turn: limits.rest };
        Self { table: Generations::new(room, state, |fetching| fetching.fetch.weight() + OVERHEAD_BYTES) }
    }

    /// The device speaks: it can be asked again.
    pub(super) fn stir(&mut self, device: DeviceId) {
        if let Some(fetching) = self.table.find_mut(&device).filter(|fetching| fetching.stage == Stage::Resting) {
            fetching.stage = Stage::Due;
        }
    }

    /// Notifies and bytes that wait for their rest.
    pub(super) fn load(&self) -> (usize, usize) {
        (self.table.len(), self.table.weight())
    }
}

impl Server {
    /// The request with its whole body; none if that is not here yet, which is answered (RFC 7959 2.5).
    pub(super) fn gather(&mut self, key: Key, arrival: &Arrival, mut message: Message) -> Option<Message> {
        if !message.is_partial() {
            return Some(message);
        }
        let refusal = |code, text| Refusal { code, text };
        match self.collector.collect(arrival.at, arrival.peer, &message) {
            Collected::Whole(body) => {
                message.payload = body;
                return Some(message);
            }
            Collected::Continue(block) => {
                let mut reply = self.reply(arrival, Code::CONTINUE);
                reply.block1 = Some(block);
                // Remembered: a late copy of the first block would begin the body anew.
                let datagram = arrival.spell(&reply);
                self.dedup.open(arrival.at, key, EXCHANGE_LIFETIME);
                self.dedup.settle(&key, &datagram);
                self.transmit(arrival.peer, datagram);
            }
            Collected::Gap => self.refuse_at_once(arrival, refusal(Code::INCOMPLETE, "blocks before this one are missing")),
            Collected::Malformed => self.refuse_at_once(arrival, refusal(Code::BAD_REQUEST, "a block is not as long as it says")),
            Collected::TooLarge(most) => {
                let mut reply = self.reply(arrival, Code::TOO_LARGE);
                reply.size1 = Some(most);
                self.counters.refused += 1;
                self.remark(Remark::Refused { peer: arrival.peer, why: format!("{:#}: more than {most} bytes", reply.code) });
                self.transmit(arrival.peer, arrival.spell(&reply));
            }
        }
        None
    }

    /// The first block of a notify came.
    pub(super) fn begin_fetch(&mut self, key: Key, arrival: Arrival, slot: Slot, path: Option<String>, message: &Message) {
        let Some(device) = self.roster.entry(slot).map(|entry| entry.device) else { return };
        // A report that changed is another report, which comes by itself.
        let mut fetch = if is_a_report(path.as_deref()) { Fetch::of_a_fact() } else { Fetch::default() };
        let (serial, watch) = (self.serial(), message.token.long().unwrap_or_default());
        if let Fetched::Lost(lost) = fetch.take(&self.config.transfer, message) {
            // It would be the same each time. An RST ends the observation; the next Update asks for it again.
            self.count_partial(device, path.as_deref(), message.payload.len(), lost.to_string());
            if arrival.kind != Kind::Ack {
                self.transmit(arrival.peer, reset(arrival.mid));
            }
            return self.lose_observation(slot, watch, &Ending::Reset);
        }
        let lifetime = if arrival.kind == Kind::Non { NON_LIFETIME } else { EXCHANGE_LIFETIME };
        self.dedup.open(arrival.at, key, lifetime);
        self.lose_fetch(device, "another notify came");
        self.keep(arrival.at, device, Fetching { fetch, serial, stage: Stage::Due, watch, path, key, arrival });
        self.advance(arrival.at, slot);
    }

    /// The request for the next block of a notify, if one is due.
    pub(super) fn next_block(&mut self, slot: Slot, device: DeviceId) -> Option<(u32, Message)> {
        let fetching = self.fetches.table.find_mut(&device).filter(|fetching| fetching.stage == Stage::Due)?;
        self.roster.entry(slot)?;
        fetching.stage = Stage::Asked;
        let mut ask = Ask::new(Code::GET, segments(fetching.path.as_deref().unwrap_or(REPORT_PATH)));
        ask.accept = fetching.fetch.content_format();
        let (serial, block) = (fetching.serial, fetching.fetch.next());
        let nonce = self.draw_nonce();
        let token = self.names.seal(device, Use::Fetch, nonce);
        Some((serial, Message { block2: block, ..ask.message(0, token.into()) }))
    }

    /// The request for a block has ended.
    pub(super) fn fetched(&mut self, now: Instant, device: DeviceId, serial: u32, ending: &Ending) {
        let Some(mut fetching) = self.fetches.table.take(&device) else { return };
        let taken = match ending {
            _ if fetching.serial != serial => None,
            Ending::Response(message) => Some(fetching.fetch.take(&self.config.transfer, message)),
            Ending::Silence => {
                fetching.stage = Stage::Resting;
                None
            }
            Ending::Reset => return self.lose(device, &fetching, ending.describe()),
        };
        match taken {
            None => self.keep(now, device, fetching),
            Some(Fetched::Next(_)) => {
                fetching.stage = Stage::Due;
                self.keep(now, device, fetching);
            }
            Some(Fetched::Whole(body)) => {
                let (content_format, mut arrival) = (fetching.fetch.content_format(), fetching.arrival);
                if now.saturating_duration_since(arrival.at) >= EXCHANGE_LIFETIME {
                    // Its message id may be another message's by now: nothing to acknowledge.
                    arrival.kind = Kind::Ack;
                }
                arrival.at = now;
                self.hand_up(fetching.key, arrival, device, fetching.path, content_format, body);
            }
            Some(Fetched::Lost(lost)) => self.lose(device, &fetching, lost.to_string()),
        }
    }

    /// A newer notify of the same observation came: blocks of both do not go together.
    pub(super) fn supersede(&mut self, device: DeviceId, watch: u64) {
        if self.fetches.table.find(&device).is_some_and(|fetching| fetching.watch == watch) {
            self.lose_fetch(device, "a newer notify came");
        }
    }

    /// Ends what is fetched of a device, if anything is.
    pub(super) fn lose_fetch(&mut self, device: DeviceId, why: &str) {
        if let Some(fetching) = self.fetches.table.take(&device) {
            self.lose(device, &fetching, why.to_owned());
        }
    }

    fn keep(&mut self, now: Instant, device: DeviceId, fetching: Fetching) {
        for (device, lost) in self.fetches.table.put(now, device, fetching).into_iter().flatten() {
            self.lose(device, &lost, "it waited too long, or others needed the room".to_owned());
        }
    }

    fn lose(&mut self, device: DeviceId, fetching: &Fetching, why: String) {
        // If the device sends it again, it is fetched again.
        self.dedup.forget(&fetching.key);
        self.count_partial(device, fetching.path.as_deref(), fetching.fetch.so_far().len(), why);
    }

    fn count_partial(&mut self, device: DeviceId, path: Option<&str>, bytes: usize, why: String) {
        self.counters.partial += 1;
        self.remark(Remark::Partial { device, path: path.unwrap_or(REPORT_PATH).to_owned(), bytes, why });
    }
}

/// Reports of object 19 are facts of their own; everything else that is observed is a state, of which the newest counts.
pub(super) fn is_a_report(path: Option<&str>) -> bool {
    path.is_none_or(|path| path.starts_with("/19/"))
}

/// What is left of a downlink: blocks of its body, then blocks of its answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Rest {
    ask: Ask,
    push: Push,
    /// The first message of an answer that has more blocks, and what has come.
    answer: Option<(Reply, Fetch)>,
    /// Of the first request: that of the observation which it begins.
    pub(super) token: u64,
    pub(super) pace: Pace,
}

/// What a response leaves to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Left {
    /// Send the next request.
    Blocks,
    /// That was all.
    Reply(Reply),
}

impl Rest {
    pub(super) fn new(mut ask: Ask, token: u64, pace: Pace, szx: u8) -> Self {
        let push = Push::new(std::mem::take(&mut ask.payload), szx);
        Self { ask, push, answer: None, token, pace }
    }

    /// The next request, without its message id.
    pub(super) fn message(&self, token: u64) -> Message {
        let message = self.ask.message(0, token.into());
        let Some((_, fetch)) = &self.answer else { return self.push.fill(message) };
        let mut message = Message { observe: None, block2: fetch.next(), ..message };
        // What is fetched is named by the body (RFC 8132 2).
        if self.ask.code == Code::FETCH && self.push.is_one_datagram() {
            message = self.push.fill(message);
        } else {
            message.content_format = None;
        }
        message
    }

    pub(super) fn take(&mut self, limits: &TransferLimits, message: &Message) -> Left {
        if self.answer.is_none() {
            match self.push.take(message) {
                Pushed::Next => return Left::Blocks,
                Pushed::Confused => return Left::Reply(bare(Code::INCOMPLETE)),
                Pushed::Done if !message.is_partial() => return Left::Reply(reply_of(message)),
                Pushed::Done => {}
            }
        }
        let (first, fetch) = self.answer.get_or_insert_with(|| (reply_of(message), Fetch::default()));
        match fetch.take(limits, message) {
            Fetched::Next(_) => Left::Blocks,
            Fetched::Whole(payload) => {
                let content_format = fetch.content_format();
                Left::Reply(Reply { code: first.code, content_format, observe: first.observe, payload })
            }
            Fetched::Lost(lost) => Left::Reply(bare(lost.code())),
        }
    }
}

fn reply_of(message: &Message) -> Reply {
    let Message { code, content_format, observe, .. } = *message;
    Reply { code, content_format, observe, payload: message.payload.clone() }
}
