//! How events lie in the log: several in one block, lz4, at most [`BLOCK_BYTES`] a value. Pure: bytes in, bytes out.
//!
//! An event is `kind u8 | device | product | time | endpoint | raw | body` with LEB128 numbers and length-prefixed bytes.
//! A block is `version u8 | form u8 | events u16 | plain bytes u32 | chunks u16 | payload`, numbers big-endian. A payload that does
//! not fit one value lies in `chunks` values of its own. sled puts 16 values on a leaf and writes leaves of more than 128 KiB to
//! files that it never syncs; 7,000 bytes a value keep every leaf below that.

use crate::model::{DeviceId, Event, EventId, EventKind, NewEvent, ProductId, Timestamp};

use super::StoreError;

/// Most bytes of one value in sled.
pub(super) const BLOCK_BYTES: usize = 7_000;
/// Most bytes of an event's raw payload.
pub(super) const MAX_RAW: usize = 64 << 10;
/// Most bytes of an event's body.
pub(super) const MAX_BODY: usize = 2 << 20;
const HEADER: usize = 10;
const PAYLOAD: usize = BLOCK_BYTES - HEADER;
/// A block is closed when it holds that much before compression, however well it compresses.
const MOST_PLAIN: usize = 60 << 10;
/// More than any block that we write, less than what a forged length could cost.
const MOST_DECODED: u32 = 4 << 20;
const VERSION: u8 = 1;
const PLAIN: u8 = 0;
const LZ4: u8 = 1;

/// The kinds by their number in the log. A number is never given again; the order is not that of the enum by accident only.
const KINDS: [EventKind; 19] = [
    EventKind::DeviceRegistered,
    EventKind::DeviceUpdated,
    EventKind::DeviceDeregistered,
    EventKind::DeviceOffline,
    EventKind::Report,
    EventKind::EventReport,
    EventKind::Response,
    EventKind::Transparent,
    EventKind::DeadLetter,
    EventKind::Command,
    EventKind::CodecSwitched,
    EventKind::CodecDegraded,
    EventKind::CodecRecovered,
    EventKind::Corrected,
    EventKind::Redecoded,
    EventKind::DeviceState,
    EventKind::DeviceMoved,
    EventKind::DeviceRemoved,
    EventKind::Resources,
];

/// Position of a kind in [`KINDS`].
pub(super) fn kind_code(kind: EventKind) -> u8 {
    match kind {
        EventKind::DeviceRegistered => 0,
        EventKind::DeviceUpdated => 1,
        EventKind::DeviceDeregistered => 2,
        EventKind::DeviceOffline => 3,
        EventKind::Report => 4,
        EventKind::EventReport => 5,
        EventKind::Response => 6,
        EventKind::Transparent => 7,
        EventKind::DeadLetter => 8,
        EventKind::Command => 9,
        EventKind::CodecSwitched => 10,
        EventKind::CodecDegraded => 11,
        EventKind::CodecRecovered => 12,
        EventKind::Corrected => 13,
        EventKind::Redecoded => 14,
        EventKind::DeviceState => 15,
        EventKind::DeviceMoved => 16,
        EventKind::DeviceRemoved => 17,
        EventKind::Resources => 18,
    }
}

/// Whether the device itself caused it: such events count for its last-seen time.
pub(super) fn is_from_device(kind: EventKind) -> bool {
    match kind {
        EventKind::DeviceRegistered
        | EventKind::DeviceUpdated
        | EventKind::DeviceDeregistered
        | EventKind::Report
        | EventKind::EventReport
        | EventKind::Response
        | EventKind::Transparent
        | EventKind::DeadLetter
        | EventKind::Resources => true,
        EventKind::DeviceOffline
        | EventKind::Command
        | EventKind::CodecSwitched
        | EventKind::CodecDegraded
        | EventKind::CodecRecovered
        | EventKind::Corrected
        | EventKind::Redecoded
        | EventKind::DeviceState
        | EventKind::DeviceMoved
        | EventKind::DeviceRemoved => false,
    }
}

/// Refuses what the log cannot hold.
///
/// # Errors
/// [`StoreError::TooLarge`] with the event's size.
pub(super) fn check_size(fact: &NewEvent) -> Result<(), StoreError> {
    let raw = fact.raw.as_ref().map_or(0, Vec::len);
    let fits = raw <= MAX_RAW && fact.body.len() <= MAX_BODY && fact.endpoint.len() <= 1_024;
    if fits { Ok(()) } else { Err(StoreError::TooLarge(size_hint(fact))) }
}

/// About how many bytes the event takes before compression.
pub(super) fn size_hint(fact: &NewEvent) -> usize {
    32 + fact.endpoint.len() + fact.body.len() + fact.raw.as_ref().map_or(0, Vec::len)
}

/// A block as it is stored.
#[derive(Debug, PartialEq)]
pub(super) struct Block {
    /// Its number in the day.
    pub number: u32,
    /// Value under the block's key.
    pub head: Vec<u8>,
    /// Values under the block's chunk keys; mostly none.
    pub chunks: Vec<Vec<u8>>,
    /// What it holds, with ids.
    pub events: Vec<Event>,
}

/// Fills blocks of one day. One lz4 call per block as long as the guess of the ratio holds.
#[derive(Debug)]
pub(super) struct BlockWriter {
    plain: Vec<u8>,
    /// Where each event ends in `plain`.
    ends: Vec<usize>,
    facts: Vec<NewEvent>,
    /// Plain bytes after which a block is closed; follows the ratio of the last block.
    target: usize,
    packed: Vec<u8>,
}

impl BlockWriter {
    pub(super) fn new() -> Self {
        Self { plain: Vec::new(), ends: Vec::new(), facts: Vec::new(), target: PAYLOAD, packed: Vec::new() }
    }

    /// Nothing waits to be closed.
    pub(super) fn is_empty(&self) -> bool {
        self.facts.is_empty()
    }

    /// Appends one event; closes a block into `out` when it is full. Numbers count on from `next`.
    pub(super) fn push(&mut self, fact: NewEvent, day: u32, next: &mut u32, out: &mut Vec<Block>) {
        let is_large = size_hint(&fact) > PAYLOAD;
        if is_large {
            self.close(day, next, out);
        }
        encode_event(&fact, &mut self.plain);
        self.ends.push(self.plain.len());
        self.facts.push(fact);
        if is_large || self.plain.len() >= self.target {
            self.close(day, next, out);
        }
    }

    /// Closes the block that is being filled, if it holds anything.
    pub(super) fn close(&mut self, day: u32, next: &mut u32, out: &mut Vec<Block>) {
        let facts = std::mem::take(&mut self.facts);
        let ends = std::mem::take(&mut self.ends);
        let plain = std::mem::take(&mut self.plain);
        if !facts.is_empty() {
            self.emit(&plain, 0, &ends, facts, day, next, out);
        }
        self.plain = plain;
        self.plain.clear();
        self.ends = ends;
        self.ends.clear();
    }

    /// `plain` begins at `base` of the buffer that `ends` counts in.
    #[expect(clippy::too_many_arguments, reason = "one recursive step; a struct for it would only rename the arguments")]
    fn emit(
        &mut self,
        plain: &[u8],
        base: usize,
        ends: &[usize],
        mut facts: Vec<NewEvent>,
        day: u32,
        next: &mut u32,
        out: &mut Vec<Block>,
    ) {
        let (form, size) = self.pack(plain);
        if size > PAYLOAD && facts.len() > 1 {
            let (left_ends, right_ends) = ends.split_at(facts.len() / 2);
            let middle = left_ends.last().copied().unwrap_or(base);
            let (left, right) = plain.split_at(middle.saturating_sub(base));
            let right_facts = facts.split_off(left_ends.len());
            self.target = self.target / 2 + PAYLOAD / 2;
            self.emit(left, base, left_ends, facts, day, next, out);
            self.emit(right, middle, right_ends, right_facts, day, next, out);
            return;
        }
        if form == LZ4 {
            // Aim a little below the limit: 15/16 of it at this block's ratio.
            self.target = (plain.len() * PAYLOAD / size.max(1) / 16 * 15).clamp(PAYLOAD, MOST_PLAIN);
        }
        let payload = if form == LZ4 { self.packed.get(..size).unwrap_or_default() } else { plain };
        out.push(store_block(form, payload, plain.len(), facts, day, *next));
        *next += 1;
    }

    fn pack(&mut self, plain: &[u8]) -> (u8, usize) {
        let most = lz4_flex::block::get_maximum_output_size(plain.len());
        if self.packed.len() < most {
            self.packed.resize(most, 0);
        }
        match lz4_flex::block::compress_into(plain, &mut self.packed) {
            Ok(size) if size < plain.len() => (LZ4, size),
            _ => (PLAIN, plain.len()),
        }
    }
}

/// One block of exactly these events, whatever their size; for import, where ids are kept.
pub(super) fn block_of(day: u32, number: u32, facts: Vec<NewEvent>) -> Block {
    let mut plain = Vec::new();
    for fact in &facts {
        encode_event(fact, &mut plain);
    }
    let mut writer = BlockWriter::new();
    let (form, size) = writer.pack(&plain);
    let payload = if form == LZ4 { writer.packed.get(..size).unwrap_or_default() } else { &plain };
    store_block(form, payload, plain.len(), facts, day, number)
}

fn store_block(form: u8, payload: &[u8], plain_len: usize, facts: Vec<NewEvent>, day: u32, number: u32) -> Block {
    let fits = payload.len() <= PAYLOAD;
    let chunks: Vec<Vec<u8>> = if fits { Vec::new() } else { payload.chunks(BLOCK_BYTES).map(<[u8]>::to_vec).collect() };
    let count = u16::try_from(facts.len()).unwrap_or(u16::MAX);
    let mut head = Vec::with_capacity(HEADER + if fits { payload.len() } else { 0 });
    head.extend_from_slice(&[VERSION, form]);
    head.extend_from_slice(&count.to_be_bytes());
    head.extend_from_slice(&u32::try_from(plain_len).unwrap_or(u32::MAX).to_be_bytes());
    head.extend_from_slice(&u16::try_from(chunks.len()).unwrap_or(u16::MAX).to_be_bytes());
    if fits {
        head.extend_from_slice(payload);
    }
    let events = (0..count).zip(facts).map(|(offset, fact)| Event { id: EventId { day, block: number, offset }, fact }).collect();
    Block { number, head, chunks, events }
}

/// How many chunk values belong to the block with this head.
///
/// # Errors
/// [`StoreError::Corrupt`] when it is no block.
pub(super) fn chunk_count(head: &[u8]) -> Result<u16, StoreError> {
    Reader { rest: head }.header().map(|header| header.chunks)
}

/// The events of a block. `chunks` = its chunk values joined, empty when it has none.
///
/// # Errors
/// [`StoreError::Corrupt`] when the bytes are no block of ours. Never panics, never allocates more than a few MiB.
pub(super) fn decode_block(day: u32, number: u32, head: &[u8], chunks: &[u8]) -> Result<Vec<Event>, StoreError> {
    let mut reader = Reader { rest: head };
    let header = reader.header()?;
    let payload = if header.chunks == 0 { reader.rest } else { chunks };
    let plain_len = usize::try_from(header.plain).map_err(|_| corrupt("length"))?;
    let unpacked;
    let plain = if header.form == LZ4 {
        unpacked = lz4_flex::block::decompress(payload, plain_len).map_err(|fault| corrupt(&fault.to_string()))?;
        &*unpacked
    } else {
        payload
    };
    if plain.len() != plain_len {
        return Err(corrupt("its length is not the one in its header"));
    }
    let mut reader = Reader { rest: plain };
    let mut events = Vec::with_capacity(usize::from(header.count).min(plain_len));
    for offset in 0..header.count {
        events.push(Event { id: EventId { day, block: number, offset }, fact: reader.event()? });
    }
    if reader.rest.is_empty() { Ok(events) } else { Err(corrupt("bytes after the last event")) }
}

fn corrupt(why: &str) -> StoreError {
    StoreError::Corrupt { what: "event block", why: why.to_owned() }
}

fn encode_event(fact: &NewEvent, out: &mut Vec<u8>) {
    out.push(kind_code(fact.kind));
    put_number(fact.device.0, out);
    put_number(u64::from(fact.product.0), out);
    put_number(fact.time.0, out);
    put_bytes(fact.endpoint.as_bytes(), out);
    match &fact.raw {
        None => out.push(0),
        Some(raw) => {
            out.push(1);
            put_bytes(raw, out);
        }
    }
    put_bytes(fact.body.as_bytes(), out);
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    put_number(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// LEB128, least significant group first.
pub(super) fn put_number(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    out.push(u8::try_from(number).unwrap_or(0));
}

struct Header {
    form: u8,
    count: u16,
    plain: u32,
    chunks: u16,
}

/// Reads what the writers above wrote; every step may find the bytes ending.
pub(super) struct Reader<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn header(&mut self) -> Result<Header, StoreError> {
        let [version, form] = self.array()?;
        if version != VERSION || form > LZ4 {
            return Err(corrupt(&format!("version {version}, form {form}: written by a newer codecgate?")));
        }
        let count = u16::from_be_bytes(self.array()?);
        let plain = u32::from_be_bytes(self.array()?);
        let chunks = u16::from_be_bytes(self.array()?);
        if plain > MOST_DECODED { Err(corrupt("too long")) } else { Ok(Header { form, count, plain, chunks }) }
    }

    fn event(&mut self) -> Result<NewEvent, StoreError> {
        let [code] = self.array()?;
        let kind = KINDS.get(usize::from(code)).copied().ok_or_else(|| corrupt(&format!("event kind {code}")))?;
        let device = DeviceId(self.number()?);
        let product = ProductId(u32::try_from(self.number()?).map_err(|_| corrupt("product"))?);
        let time = Timestamp(self.number()?);
        let endpoint = self.text()?;
        let raw = match self.array()? {
            [0] => None,
            [1] => Some(self.bytes()?.to_vec()),
            _ => return Err(corrupt("raw marker")),
        };
        let body = self.text()?;
        Ok(NewEvent { kind, device, endpoint, product, time, raw, body })
    }

    fn text(&mut self) -> Result<String, StoreError> {
        let text = std::str::from_utf8(self.bytes()?).map_err(|_| corrupt("text is not UTF-8"))?;
        Ok(text.to_owned())
    }

    fn bytes(&mut self) -> Result<&'a [u8], StoreError> {
        let length = usize::try_from(self.number()?).map_err(|_| corrupt("length"))?;
        let (bytes, rest) = self.rest.split_at_checked(length).ok_or_else(|| corrupt("ends too early"))?;
        self.rest = rest;
        Ok(bytes)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], StoreError> {
        let (bytes, rest) = self.rest.split_first_chunk::<N>().ok_or_else(|| corrupt("ends too early"))?;
        self.rest = rest;
        Ok(*bytes)
    }

    pub(super) fn number(&mut self) -> Result<u64, StoreError> {
        let mut number = 0_u64;
        for shift in (0..64).step_by(7) {
            let [byte] = self.array()?;
            let group = u64::from(byte & 0x7f);
            if shift == 63 && group > 1 {
                break;
            }
            number |= group << shift;
            if byte < 0x80 {
                return Ok(number);
            }
        }
        Err(corrupt("number too long"))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn fact() -> impl Strategy<Value = NewEvent> {
        let raw = proptest::option::of(proptest::collection::vec(any::<u8>(), 0..3_000));
        (0..10_usize, any::<u64>(), any::<u32>(), any::<u64>(), "[!-~]{0,40}", raw, "[a-z{}\":0-9]{0,9000}").prop_map(
            |(kind, device, product, time, endpoint, raw, body)| NewEvent {
                kind: KINDS[kind],
                device: DeviceId(device),
                endpoint,
                product: ProductId(product),
                time: Timestamp(time),
                raw,
                body,
            },
        )
    }

    fn read(block: &Block, day: u32) -> Vec<Event> {
        assert_eq!(usize::from(chunk_count(&block.head).unwrap()), block.chunks.len());
        decode_block(day, block.number, &block.head, &block.chunks.concat()).unwrap()
    }

    #[test]
    fn the_codes_of_the_kinds_are_their_places_in_the_table() {
        for kind in EventKind::ALL {
            assert_eq!(KINDS[usize::from(kind_code(kind))], kind);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_goes_in_comes_out_in_order_in_values_that_fit(facts in proptest::collection::vec(fact(), 1..80)) {
            let (mut writer, mut next, mut blocks) = (BlockWriter::new(), 7, Vec::new());
            for fact in &facts {
                writer.push(fact.clone(), 9, &mut next, &mut blocks);
            }
            writer.close(9, &mut next, &mut blocks);
            let mut seen = Vec::new();
            for (number, block) in (7..).zip(&blocks) {
                prop_assert_eq!(block.number, number);
                prop_assert!(block.head.len() <= BLOCK_BYTES && block.chunks.iter().all(|chunk| chunk.len() <= BLOCK_BYTES));
                prop_assert_eq!(&read(block, 9), &block.events);
                prop_assert!(block.events.is_sorted_by_key(|event| event.id));
                seen.extend(block.events.iter().map(|event| event.fact.clone()));
            }
            prop_assert_eq!(seen, facts.clone());
            let same = block_of(1, 2, facts);
            prop_assert_eq!(read(&same, 1), same.events);
        }

        #[test]
        fn damaged_bytes_are_an_error_not_a_panic(fact in fact(), at in any::<prop::sample::Index>(), with in any::<u8>()) {
            let block = block_of(1, 2, vec![fact]);
            let mut head = block.head.clone();
            *at.get_mut(&mut head) = with;
            let _ = decode_block(1, 2, &head, &block.chunks.concat());
            let _ = decode_block(1, 2, head.get(..at.index(head.len())).unwrap(), &[]);
            let _ = decode_block(1, 2, &head, &[with; 9]);
        }
    }

    #[test]
    fn similar_events_share_few_full_blocks() {
        let (mut writer, mut next, mut blocks) = (BlockWriter::new(), 0, Vec::new());
        for n in 0..5_000_u64 {
            let body =
                format!("{{\"serviceId\":\"WaterMeter\",\"properties\":{{\"volume\":{},\"battery\":{}}}}}", n * 37, n % 100);
            let raw = Some([&n.to_be_bytes()[..], b"FRAME"].concat());
            let endpoint = format!("urn:imei:86{:013}", n * 7_919);
            let fact = NewEvent {
                kind: EventKind::Report,
                device: DeviceId(n),
                endpoint,
                product: ProductId(1),
                time: Timestamp(1_700_000_000_000 + n),
                raw,
                body,
            };
            writer.push(fact, 1, &mut next, &mut blocks);
        }
        let full: usize = blocks.iter().map(|block| block.head.len()).sum();
        assert!(full / blocks.len() > BLOCK_BYTES * 3 / 4, "{} blocks of {} bytes", blocks.len(), full / blocks.len());
    }
}
