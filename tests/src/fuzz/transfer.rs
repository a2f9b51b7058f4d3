//! Random sequences of blocks for the machines of block-wise transfer.

use std::net::SocketAddr;
use std::time::Duration;

use codecgate::coap::{
    Block, Code, Collected, Collector, Fetch, Fetched, KeyedState, Kind, Message, Push, Random, Tag, Token, TransferLimits, serve,
};

use super::origin;

/// Steps of six bytes: which code and how long a payload; which sender and how much later; the number of a Block option; an
/// ETag. Each step is given to a server's, a client's and both sides' machines, as request and as response.
///
/// # Panics
/// A machine kept more than it may, or made a block that is larger than agreed.
pub fn transfer(bytes: &[u8]) {
    let limits = TransferLimits { body_bytes: 2_048, bytes: 16 << 10, bodies: 8, szx: 4, ..TransferLimits::default() };
    let mut now = origin();
    let mut collector = Collector::new(limits, KeyedState::new(&mut Random::new([7; 32])));
    let (mut fetch, mut push) = (Fetch::default(), Push::new(vec![0x5a; 1_500], 6));
    for step in bytes.as_chunks::<6>().0 {
        let [what, who, high, middle, low, etag] = *step;
        now += Duration::from_secs(u64::from(who >> 2));
        let block = Block::read(u32::from_be_bytes([0, high, middle, low]));
        let length = match (what >> 4, block) {
            (0..12, Some(block)) => block.size(),
            (length, _) => usize::from(length) * 70,
        };
        let message = |code| Message {
            block1: block,
            block2: block,
            size1: (etag & 0x40 != 0).then(|| u32::from(etag) << 4),
            size2: (etag & 0x80 != 0).then(|| u32::from(etag) << 4),
            etag: Tag::new(&[etag & 0x03]),
            payload: vec![what; length],
            ..Message::new(Kind::Con, code, 1, Token::default())
        };
        let from = SocketAddr::from(([10, 0, 0, who & 0x03], 5_683));
        let collected = collector.collect(now, from, &message(Code::POST));
        let (bodies, weight) = collector.load();
        assert!(bodies <= limits.bodies && weight <= limits.bytes, "{bodies} bodies, {weight} bytes");
        if let Collected::Whole(body) = collected {
            assert!(block.is_none_or(|block| !block.is_partial()) || body.len() <= limits.body_bytes);
        }
        let codes = [Code::CONTENT, Code::CONTINUE, Code::CHANGED, Code::INCOMPLETE, Code::TOO_LARGE, Code::BAD_REQUEST];
        let response = message(codes.get(usize::from(what & 0x07)).copied().unwrap_or(Code::NOT_FOUND));
        if let Fetched::Next(block) = fetch.take(&limits, &response) {
            assert!(!block.more && block.szx <= limits.szx && fetch.so_far().len() <= limits.body_bytes);
        }
        let _ = push.take(&response);
        let request = push.fill(Message::new(Kind::Con, Code::PUT, 1, Token::default()));
        assert!(request.payload.len() <= request.block1.map_or(1_500, Block::size));
        let reply = serve(&response, Message::new(Kind::Ack, Code::CONTENT, 1, Token::default()), bytes, limits.szx);
        assert!(reply.payload.len() <= 16 << limits.szx);
    }
}
