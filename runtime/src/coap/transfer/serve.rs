//! A large answer of ours, piece by piece (RFC 7959 2.4, Block2 as the server). Keeps nothing: the body is there each time.

use crate::coap::block::{Block, MAX_SZX};
use crate::coap::message::{Code, Message, Tag};

/// The answer with the piece of `body` that `request` asks for: no Block2 where the whole fits and none is asked for. Blocks are
/// of the size that the request wants, and no larger than 16 << `szx` bytes. 4.00 where the body has no such block.
#[must_use]
pub fn serve(request: &Message, mut reply: Message, body: &[u8], szx: u8) -> Message {
    let szx = szx.min(MAX_SZX);
    let asked = request.block2.unwrap_or(Block { num: 0, more: false, szx });
    if request.block2.is_none() && body.len() <= 16 << szx {
        reply.payload = body.to_vec();
        return reply;
    }
    let (offset, szx) = (asked.offset(), asked.szx.min(szx));
    let end = body.len().min(offset.saturating_add(16 << szx));
    let block = Block::at(offset, end < body.len(), szx).filter(|_| offset == 0 || offset < body.len());
    let Some(block) = block else {
        return Message { content_format: None, code: Code::BAD_REQUEST, ..reply };
    };
    reply.payload = body.get(offset..end).unwrap_or_default().to_vec();
    reply.block2 = Some(block);
    reply.size2 = u32::try_from(body.len()).ok().filter(|_| offset == 0);
    reply.etag = blake3::hash(body).as_bytes().first_chunk::<4>().and_then(|bytes| Tag::new(bytes));
    reply
}
