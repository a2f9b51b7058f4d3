//! A body that goes to a device block by block (RFC 7959 2.5, Block1 as the client).
//!
//! A body that fits into one block goes without a Block option, and block-wise only if the device asks for smaller ones.

use crate::coap::block::{Block, MAX_SZX};
use crate::coap::message::{Code, Message};

/// A body under way. [`Self::fill`] a request, send it, and give the response to [`Self::take`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Push {
    body: Vec<u8>,
    offset: usize,
    szx: u8,
    form: Form,
    restart: Restart,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    OneDatagram,
    Blocks,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Restart {
    Allowed,
    Used,
}

/// What a response leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pushed {
    /// Send the next block.
    Next,
    /// The response is the answer to the whole request.
    Done,
    /// The device took a block as another one, or more blocks than there are: nobody knows what it has.
    Confused,
}

impl Push {
    /// Nothing is sent yet. Blocks have at most 16 << `szx` bytes.
    #[must_use]
    pub fn new(body: Vec<u8>, szx: u8) -> Self {
        let szx = szx.min(MAX_SZX);
        let form = if body.len() <= 16 << szx { Form::OneDatagram } else { Form::Blocks };
        Self { body, offset: 0, szx, form, restart: Restart::Allowed }
    }

    /// Puts the block that is due into a request: payload, Block1, and with the first one Size1. The request as it was if the
    /// body has more blocks than can be counted.
    #[must_use]
    pub fn fill(&self, mut request: Message) -> Message {
        request.payload = self.body.get(self.offset..self.end()).unwrap_or_default().to_vec();
        if self.form == Form::Blocks {
            request.block1 = Block::at(self.offset, !self.is_last(), self.szx);
            request.size1 = u32::try_from(self.body.len()).ok().filter(|_| self.offset == 0);
        }
        request
    }

    /// The response to the block that was sent last.
    pub fn take(&mut self, response: &Message) -> Pushed {
        match (response.code, response.block1) {
            (Code::TOO_LARGE, Some(hint)) if hint.szx < self.szx => {
                (self.szx, self.form, self.offset) = (hint.szx, Form::Blocks, 0);
                Pushed::Next
            }
            (Code::INCOMPLETE, _) if self.form == Form::Blocks && self.restart == Restart::Allowed => {
                (self.restart, self.offset) = (Restart::Used, 0);
                Pushed::Next
            }
            (Code::CONTINUE, _) if self.is_last() => Pushed::Confused,
            (code, echoed) if code.is_success() && !self.is_last() => {
                let sent = Block::at(self.offset, true, self.szx).map(|block| block.num);
                if echoed.is_some_and(|echoed| Some(echoed.num) != sent) {
                    return Pushed::Confused;
                }
                self.offset = self.end();
                self.szx = echoed.map_or(self.szx, |echoed| echoed.szx.min(self.szx));
                Pushed::Next
            }
            _ => Pushed::Done,
        }
    }

    /// Did it go in one datagram?
    #[must_use]
    pub fn is_one_datagram(&self) -> bool {
        self.form == Form::OneDatagram
    }

    fn end(&self) -> usize {
        match self.form {
            Form::OneDatagram => self.body.len(),
            Form::Blocks => (self.offset + (16 << self.szx)).min(self.body.len()),
        }
    }

    fn is_last(&self) -> bool {
        self.end() == self.body.len()
    }
}
