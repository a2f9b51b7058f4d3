//! Bodies that devices send block by block (RFC 7959 2.5, Block1 as the server).
//!
//! Blocks come in order, as RFC 7959 2.5 lets a server demand. A body is known by its sender and by what its request says apart
//! from token, block and sizes (RFC 7959 2.3, RFC 9175 3.3), so tokens may change with every block. A body that was joined
//! stays for a while: if its message could not be stored, the last block comes again alone.

use std::hash::{BuildHasher, Hash, Hasher};
use std::net::SocketAddr;
use std::time::Instant;

use super::TransferLimits;
use crate::coap::block::{Block, MAX_SZX};
use crate::coap::generations::{Generations, Room};
use crate::coap::hash::KeyedState;
use crate::coap::message::Message;

/// What an entry costs beside its bytes.
const OVERHEAD_BYTES: usize = 160;

/// Names a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct BodyKey {
    peer: SocketAddr,
    request: u64,
}

#[derive(Debug)]
struct Body {
    bytes: Vec<u8>,
    until: Instant,
    state: State,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Growing,
    Whole,
}

/// What a block leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Collected {
    /// That was the last one: here is the body.
    Whole(Vec<u8>),
    /// Answer 2.31 with this Block1.
    Continue(Block),
    /// Answer 4.08: blocks before this one are missing.
    Gap,
    /// Answer 4.13 with this Size1: the body has more bytes than that.
    TooLarge(u32),
    /// Answer 4.00: it is longer or shorter than a block of its size.
    Malformed,
}

/// The bodies that are on their way.
#[derive(Debug)]
pub struct Collector {
    bodies: Generations<BodyKey, Body>,
    limits: TransferLimits,
    state: KeyedState,
}

impl Collector {
    /// None yet.
    #[must_use]
    pub fn new(limits: TransferLimits, state: KeyedState) -> Self {
        let room = Room { entries: limits.bodies, weight: limits.bytes, turn: limits.lifetime };
        Self { bodies: Generations::new(room, state, |body| body.bytes.capacity() + OVERHEAD_BYTES), limits, state }
    }

    /// A block, or a request that has none and is the whole.
    pub fn collect(&mut self, now: Instant, peer: SocketAddr, message: &Message) -> Collected {
        let Some(block) = message.block1.filter(|block| block.is_partial()) else {
            return Collected::Whole(message.payload.clone());
        };
        let length = message.payload.len();
        if length > block.size() || (block.more && length < block.size()) {
            return Collected::Malformed;
        }
        let key = self.key(peer, message);
        let most = self.limits.body_bytes;
        let end = block.offset() + length;
        let promised = message.size1.map_or(0, |size| usize::try_from(size).unwrap_or(usize::MAX));
        if end.max(promised) > most {
            self.bodies.take(&key);
            return Collected::TooLarge(u32::try_from(most).unwrap_or(u32::MAX));
        }
        let body = self.bodies.take(&key).filter(|body| now < body.until && block.num > 0);
        let Some(mut body) = body.or_else(|| (block.num == 0).then(|| Body::new(now))) else { return Collected::Gap };
        let answer = body.take(block, &message.payload, self.limits.szx);
        body.until = now + self.limits.lifetime;
        self.bodies.put(now, key, body);
        answer
    }

    /// Bodies and bytes that are kept now.
    #[must_use]
    pub fn load(&self) -> (usize, usize) {
        (self.bodies.len(), self.bodies.weight())
    }

    fn key(&self, peer: SocketAddr, message: &Message) -> BodyKey {
        let mut hasher = self.state.build_hasher();
        message.code.hash(&mut hasher);
        message.path.hash(&mut hasher);
        message.query.hash(&mut hasher);
        message.content_format.hash(&mut hasher);
        message.accept.hash(&mut hasher);
        message.request_tag.hash(&mut hasher);
        BodyKey { peer, request: hasher.finish() }
    }
}

impl Body {
    fn new(now: Instant) -> Self {
        Self { bytes: Vec::new(), until: now, state: State::Growing }
    }

    fn take(&mut self, block: Block, payload: &[u8], szx: u8) -> Collected {
        let (offset, here) = (block.offset(), self.bytes.len());
        if offset == here && self.state == State::Growing {
            self.bytes.reserve_exact(payload.len());
            self.bytes.extend_from_slice(payload);
            if !block.more {
                self.state = State::Whole;
            }
        } else if self.bytes.get(offset..offset + payload.len()) != Some(payload) {
            return Collected::Gap;
        }
        let last = !block.more && self.state == State::Whole && offset + payload.len() == self.bytes.len();
        match (block.more, last) {
            (true, _) if block.num == 0 => Collected::Continue(Block { szx: block.szx.min(szx.min(MAX_SZX)), ..block }),
            (true, _) => Collected::Continue(block),
            (false, true) => Collected::Whole(self.bytes.clone()),
            (false, false) => Collected::Gap,
        }
    }
}
