//! The rest of a body whose first block a device sent (RFC 7959 2.4, 2.6, Block2 as the client).
//!
//! One block after the other, each asked for by a request of its own; how long a block takes is nobody's business here, so a
//! transfer goes on where it stopped when the device comes back from a long sleep. Ends after a bounded number of blocks.

use super::TransferLimits;
use crate::coap::block::Block;
use crate::coap::message::{Code, Message, Tag};

/// How often a body that changes meanwhile is begun anew.
const MAX_RESTARTS: u8 = 2;

/// A body that is fetched. Give it the first message, then every answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Fetch {
    body: Vec<u8>,
    etag: Option<Tag>,
    content_format: Option<u16>,
    szx: u8,
    restarts: u8,
}

/// What an answer leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fetched {
    /// Ask for this block.
    Next(Block),
    /// That was the last one: here is the body.
    Whole(Vec<u8>),
    /// It does not come.
    Lost(Lost),
}

/// Why a body does not come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// More than [`TransferLimits::body_bytes`].
    #[error("it has more bytes than are taken")]
    TooLarge,
    /// It was another one each time.
    #[error("it changed while it was fetched")]
    Changed,
    /// The device has no such block.
    #[error("the device answered {0:#}")]
    Refused(Code),
    /// A block of another size than it says.
    #[error("a block is longer or shorter than it says")]
    Malformed,
}

impl Lost {
    /// What the answer comes to for who asked.
    #[must_use]
    pub fn code(self) -> Code {
        match self {
            Self::TooLarge => Code::TOO_LARGE,
            Self::Refused(code) => code,
            Self::Changed | Self::Malformed => Code::BAD_GATEWAY,
        }
    }
}

impl Fetch {
    /// For a body that is gone when it changes: it is lost then, and not begun anew.
    #[must_use]
    pub fn of_a_fact() -> Self {
        Self { restarts: MAX_RESTARTS, ..Self::default() }
    }

    /// What has come; a body that was lost is told of with this.
    #[must_use]
    pub fn so_far(&self) -> &[u8] {
        &self.body
    }

    /// The first message's content format.
    #[must_use]
    pub fn content_format(&self) -> Option<u16> {
        self.content_format
    }

    /// The block that comes next.
    #[must_use]
    pub fn next(&self) -> Option<Block> {
        Block::at(self.body.len(), false, self.szx)
    }

    /// Bytes that it holds.
    #[must_use]
    pub fn weight(&self) -> usize {
        self.body.capacity()
    }

    /// The first block, or the answer to what was asked for.
    pub fn take(&mut self, limits: &TransferLimits, message: &Message) -> Fetched {
        if !message.code.is_success() {
            // 4.08: a device that slept no longer knows the body. 4.00, 4.02: it is shorter now.
            let begin_anew =
                !self.body.is_empty() && matches!(message.code, Code::INCOMPLETE | Code::BAD_REQUEST | Code::BAD_OPTION);
            return if begin_anew { self.restart() } else { Fetched::Lost(Lost::Refused(message.code)) };
        }
        let block = message.block2.unwrap_or(Block { num: 0, more: false, szx: self.szx });
        if block.num == 0 {
            self.body.clear();
            (self.etag, self.content_format) = (message.etag, message.content_format);
        } else if self.is_another(message) {
            return self.restart();
        }
        let length = message.payload.len();
        let fits = message.block2.is_none() || (length <= block.size() && (!block.more || length == block.size()));
        if !fits || block.offset() != self.body.len() {
            return Fetched::Lost(Lost::Malformed);
        }
        let promised = message.size2.map_or(0, |size| usize::try_from(size).unwrap_or(usize::MAX));
        if (block.offset() + length).max(promised) > limits.body_bytes {
            return Fetched::Lost(Lost::TooLarge);
        }
        self.body.reserve_exact(length);
        self.body.extend_from_slice(&message.payload);
        if !block.more {
            return Fetched::Whole(std::mem::take(&mut self.body));
        }
        self.szx = block.szx.min(limits.szx);
        self.next().map_or(Fetched::Lost(Lost::TooLarge), Fetched::Next)
    }

    /// A block of another state of the resource (RFC 7959 2.4). What a message does not say is no difference.
    fn is_another(&self, message: &Message) -> bool {
        let differs = |(one, other)| one != other;
        self.etag.zip(message.etag).is_some_and(differs)
            || self.content_format.zip(message.content_format).is_some_and(|(one, other)| one != other)
    }

    fn restart(&mut self) -> Fetched {
        if self.restarts >= MAX_RESTARTS {
            return Fetched::Lost(Lost::Changed);
        }
        self.restarts += 1;
        self.body.clear();
        Fetched::Next(Block { num: 0, more: false, szx: self.szx })
    }
}
