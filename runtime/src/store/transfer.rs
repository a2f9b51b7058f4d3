//! Export and import: the whole store as lines of JSON, the way to another version, another engine, a smaller disk.
//!
//! Line 1 is `{"codecgate":"export","version":1}`, then one document, event or file a line, last `{"end":{"lines":N}}`. Events keep
//! their ids, so cursors stay valid; versions of documents begin again at 1. An import runs under a mark in the store: if it
//! stops in the middle, the folder is refused at the next open instead of serving half of everything.

use std::io::{BufRead, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde::{Deserialize, Serialize};

use crate::model::{
    Batch, CodecVersion, Command, Device, DeviceId, Event, EventId, EventKind, NewEvent, Product, ProductId, Registration,
    Subscription, SubscriptionId, Timestamp,
};

use crate::presence::Presence;

use super::committer::Committer;
use super::documents::Documents;
use super::engine::{failed, import_mark};
use super::keys::{self, Kind};
use super::staging::Staging;
use super::{CodecRecord, Expect, Shared, StoreError, Write as Change, apply, block, log};

const VERSION: u32 = 1;
/// Lines handed to the committer at a time, and their bytes.
const STEP: usize = 512;
const STEP_BYTES: usize = 256 << 10;
/// A block with several events never holds more than that before compression.
const MOST_OF_BLOCK: usize = 128 << 10;

#[derive(Serialize, Deserialize)]
struct Header {
    codecgate: String,
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Line {
    Counter {
        name: String,
        value: u64,
    },
    File {
        digest: String,
        base64: String,
    },
    Product(Box<Product>),
    /// Of an older codecgate.
    Codec(CodecRecord),
    Version(Box<CodecVersion>),
    Device(Box<Device>),
    Registration(Box<Registration>),
    Presence(Box<Presence>),
    Batch(Box<Batch>),
    Command(Box<Command>),
    Subscription(Box<Subscription>),
    Cursor {
        subscription: SubscriptionId,
        event: String,
    },
    Seen {
        device: DeviceId,
        time: Timestamp,
    },
    Event(Box<EventLine>),
    End {
        lines: u64,
    },
}

#[derive(Serialize, Deserialize)]
struct EventLine {
    id: String,
    kind: EventKind,
    device: DeviceId,
    endpoint: String,
    product: ProductId,
    time: Timestamp,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
    body: String,
}

fn refuse(line: u64, why: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt { what: "export", why: format!("line {line}: {why}") }
}

struct Lines<'a> {
    out: &'a mut dyn Write,
    count: u64,
}

impl Lines<'_> {
    fn put(&mut self, line: &impl Serialize) -> Result<(), StoreError> {
        let text = serde_json::to_string(line);
        let text = text.map_err(|fault| StoreError::Corrupt { what: "document", why: fault.to_string() })?;
        self.count += 1;
        writeln!(self.out, "{text}").map_err(unwritten)
    }
}

#[expect(clippy::needless_pass_by_value, reason = "for map_err")]
fn unwritten(fault: std::io::Error) -> StoreError {
    StoreError::Fatal(format!("writing the export: {fault}"))
}

/// Writes everything; gives the number of lines. What is committed meanwhile may be in it or not: stop the gateway for a whole one.
pub(super) fn export(shared: &Shared, out: &mut dyn Write) -> Result<u64, StoreError> {
    let mut lines = Lines { out, count: 0 };
    lines.put(&Header { codecgate: "export".to_owned(), version: VERSION })?;
    export_documents(shared, &mut lines)?;
    let mut after = None;
    loop {
        let events = log::events_after(shared, after, STEP)?;
        let Some(last) = events.last() else { break };
        after = Some(last.id);
        for event in events {
            lines.put(&Line::Event(Box::new(event_line(event))))?;
        }
    }
    let total = lines.count + 1;
    lines.put(&Line::End { lines: total })?;
    lines.out.flush().map_err(unwritten)?;
    Ok(total)
}

fn export_documents(shared: &Shared, lines: &mut Lines<'_>) -> Result<(), StoreError> {
    let documents = Documents(&shared.engine.state);
    for (name, value) in documents.numbers(Kind::Counter)? {
        lines.put(&Line::Counter { name: String::from_utf8_lossy(&name).into_owned(), value })?;
    }
    for digest in shared.files.list()? {
        if let Some(bytes) = shared.files.read(&digest)? {
            lines.put(&Line::File { digest, base64: BASE64_STANDARD.encode(bytes) })?;
        }
    }
    for found in documents.all("product", Kind::Product, &[])? {
        lines.put(&Line::Product(Box::new(found.doc)))?;
    }
    for found in documents.all("codec", Kind::Codec, &[])? {
        lines.put(&Line::Codec(found.doc))?;
    }
    for found in documents.all("version", Kind::Version, &[])? {
        lines.put(&Line::Version(Box::new(found.doc)))?;
    }
    let mut after = None;
    loop {
        let page = documents.devices(None, after, STEP)?;
        for device in page.items {
            lines.put(&Line::Device(Box::new(device)))?;
        }
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    for found in documents.all("registration", Kind::Registration, &[])? {
        lines.put(&Line::Registration(Box::new(found.doc)))?;
    }
    for found in documents.all("presence", Kind::Presence, &[])? {
        lines.put(&Line::Presence(Box::new(found.doc)))?;
    }
    for found in documents.all("batch", Kind::Batch, &[])? {
        lines.put(&Line::Batch(Box::new(found.doc)))?;
    }
    for found in documents.all("command", Kind::Command, &[])? {
        lines.put(&Line::Command(Box::new(found.doc)))?;
    }
    for found in documents.all::<Subscription>("subscription", Kind::Subscription, &[])? {
        let id = found.doc.id;
        lines.put(&Line::Subscription(Box::new(found.doc)))?;
        if let Some(event) = documents.cursor(id)? {
            lines.put(&Line::Cursor { subscription: id, event: event.to_string() })?;
        }
    }
    for (device, time) in documents.numbers(Kind::Seen)? {
        let device = DeviceId(keys::number_at(&device).unwrap_or_default());
        lines.put(&Line::Seen { device, time: Timestamp(time) })?;
    }
    Ok(())
}

fn event_line(event: Event) -> EventLine {
    let NewEvent { kind, device, endpoint, product, time, raw, body } = event.fact;
    let raw = raw.map(|raw| BASE64_STANDARD.encode(raw));
    EventLine { id: event.id.to_string(), kind, device, endpoint, product, time, raw, body }
}

/// What the committer does with lines.
enum Item {
    Change(u64, Box<Change>),
    Counter(String, u64),
    Seen(DeviceId, Timestamp),
    Block { day: u32, number: u32, facts: Vec<NewEvent> },
}

impl Item {
    fn change(line: u64, change: Change) -> Self {
        Self::Change(line, Box::new(change))
    }
}

/// Collects lines and hands them to the committer in pieces.
struct Intake<'a> {
    shared: &'a Shared,
    items: Vec<Item>,
    bytes: usize,
    /// The block whose events are coming in.
    open: Option<OpenBlock>,
    /// Day and number of the newest block so far.
    last: Option<(u32, u32)>,
}

struct OpenBlock {
    day: u32,
    number: u32,
    facts: Vec<NewEvent>,
    bytes: usize,
}

/// Reads an export into an empty store; gives the number of lines.
pub(super) fn import(shared: &Shared, input: &mut dyn BufRead) -> Result<u64, StoreError> {
    if !is_empty(shared)? {
        return Err(StoreError::Exists("a document or an event".to_owned()));
    }
    let mut input = input.lines().zip(1_u64..).map(|(text, line)| (line, text));
    let header = input.next().ok_or_else(|| refuse(1, "it is empty"))?;
    let header: Header = parse(1, header.1)?;
    if header.codecgate != "export" || header.version > VERSION {
        return Err(refuse(1, "it is no export of a codecgate up to this version"));
    }
    let state = &shared.engine.state;
    state.insert(import_mark(), &[]).map_err(failed("marking the import"))?;
    settle(shared)?;
    let mut intake = Intake { shared, items: Vec::new(), bytes: 0, open: None, last: None };
    let (mut last, mut end) = (1, None);
    for (number, text) in input {
        last = number;
        if end.is_some() {
            return Err(refuse(number, "it goes on behind its end"));
        }
        match parse(number, text)? {
            Line::End { lines } if lines == number => end = Some(number),
            Line::End { lines } => return Err(refuse(number, format!("the export had {lines} lines"))),
            line => intake.take(number, line)?,
        }
    }
    let lines = end.ok_or_else(|| refuse(last, "the end is missing behind it, the export was cut off"))?;
    intake.close_block();
    intake.hand_over()?;
    shared.alone(|committer| committer.finish_import())?;
    settle(shared)?;
    state.remove(import_mark()).map_err(failed("ending the import"))?;
    settle(shared)?;
    Ok(lines)
}

fn parse<T: serde::de::DeserializeOwned>(number: u64, text: std::io::Result<String>) -> Result<T, StoreError> {
    let text = text.map_err(|fault| refuse(number, fault))?;
    serde_json::from_str(&text).map_err(|fault| refuse(number, fault))
}

fn settle(shared: &Shared) -> Result<(), StoreError> {
    shared.engine.settle().map_err(|fault| StoreError::Fatal(format!("writing the database file: {fault}")))
}

fn is_empty(shared: &Shared) -> Result<bool, StoreError> {
    let first_document = keys::key(Kind::Product, &[]);
    let has_document = shared.engine.state.range(first_document..).next().is_some();
    Ok(!has_document && shared.head.borrow().is_none())
}

impl Intake<'_> {
    fn take(&mut self, number: u64, line: Line) -> Result<(), StoreError> {
        if !matches!(line, Line::Event(_)) {
            self.close_block();
        }
        let item = match line {
            Line::Counter { name, value } => Item::Counter(name, value),
            Line::File { digest, base64 } => return self.file(number, &digest, &base64),
            Line::Product(product) => Item::change(number, Change::PutProduct(*product, Expect::Absent)),
            Line::Codec(codec) => Item::change(number, Change::PutCodec(codec)),
            Line::Version(version) => Item::change(number, Change::PutVersion(*version)),
            Line::Device(device) => Item::change(number, Change::PutDevice(*device, Expect::Absent)),
            Line::Registration(registration) => Item::change(number, Change::PutRegistration(*registration)),
            Line::Presence(presence) => Item::change(number, Change::PutPresence(*presence)),
            Line::Batch(batch) => Item::change(number, Change::PutBatch(*batch, Expect::Absent)),
            Line::Command(command) => Item::change(number, Change::PutCommand(*command, Expect::Absent)),
            Line::Subscription(subscription) => Item::change(number, Change::PutSubscription(*subscription)),
            Line::Cursor { subscription, event } => {
                let event = event.parse().map_err(|fault| refuse(number, fault))?;
                Item::change(number, Change::PutCursor(subscription, event))
            }
            Line::Seen { device, time } => Item::Seen(device, time),
            Line::Event(event) => return self.event(number, *event),
            Line::End { .. } => return Ok(()),
        };
        self.items.push(item);
        self.bytes += 512;
        self.hand_over_if_full()
    }

    fn file(&self, number: u64, digest: &str, base64: &str) -> Result<(), StoreError> {
        let bytes = BASE64_STANDARD.decode(base64).map_err(|fault| refuse(number, fault))?;
        let stored = self.shared.files.put(&bytes)?;
        if stored == digest { Ok(()) } else { Err(refuse(number, "the file does not hash to its digest")) }
    }

    fn event(&mut self, number: u64, line: EventLine) -> Result<(), StoreError> {
        let id: EventId = line.id.parse().map_err(|fault| refuse(number, fault))?;
        let raw = line.raw.map(|raw| BASE64_STANDARD.decode(raw)).transpose().map_err(|fault| refuse(number, fault))?;
        let EventLine { kind, device, endpoint, product, time, body, .. } = line;
        let fact = NewEvent { kind, device, endpoint, product, time, raw, body };
        block::check_size(&fact)?;
        let size = block::size_hint(&fact);
        if let Some(open) = &mut self.open
            && (open.day, open.number, open.facts.len()) == (id.day, id.block, usize::from(id.offset))
        {
            if open.bytes > MOST_OF_BLOCK {
                return Err(refuse(number, format!("event {id} does not fit its block")));
            }
            open.facts.push(fact);
            open.bytes += size;
            return Ok(());
        }
        let is_next = self.last.is_none_or(|(day, block)| (id.day, id.block) > (day, block));
        if id.offset != 0 || !is_next {
            return Err(refuse(number, format!("event {id} is out of order")));
        }
        self.close_block();
        self.last = Some((id.day, id.block));
        self.open = Some(OpenBlock { day: id.day, number: id.block, facts: vec![fact], bytes: size });
        self.hand_over_if_full()
    }

    fn close_block(&mut self) {
        if let Some(OpenBlock { day, number, facts, bytes }) = self.open.take() {
            self.bytes += bytes;
            self.items.push(Item::Block { day, number, facts });
        }
    }

    fn hand_over_if_full(&mut self) -> Result<(), StoreError> {
        if self.items.len() >= STEP || self.bytes >= STEP_BYTES { self.hand_over() } else { Ok(()) }
    }

    fn hand_over(&mut self) -> Result<(), StoreError> {
        let items = std::mem::take(&mut self.items);
        self.bytes = 0;
        self.shared.alone(move |committer| committer.import(items))
    }
}

impl Committer {
    fn import(&mut self, items: Vec<Item>) -> Result<(), StoreError> {
        let shared = &self.shared;
        let state = &shared.engine.state;
        let mut staging = Staging::new(state);
        for item in items {
            match item {
                Item::Change(line, change) => apply::stage(&mut staging, &change).map_err(|fault| match fault {
                    StoreError::Fatal(_) => fault,
                    other => refuse(line, other),
                })?,
                Item::Counter(name, value) => staging.raise_counter(&name, value)?,
                Item::Seen(device, time) => staging.put(keys::seen(device), time.0.to_be_bytes().to_vec()),
                Item::Block { day, number, facts } => {
                    let block = block::block_of(day, number, facts);
                    let mut batch = sled::Batch::default();
                    batch.insert(keys::block(number), block.head);
                    for (chunk, value) in (0..).zip(block.chunks) {
                        batch.insert(keys::block_chunk(number, chunk), value);
                    }
                    let day = shared.days.open_day(day)?;
                    day.with(|tree| tree.apply_batch(batch).map_err(failed("writing the log")))?;
                    shared.index.add(block.events.iter());
                    shared.head.send_replace(block.events.last().map(|event| event.id));
                }
            }
        }
        staging.keep();
        staging.into_batch().map_or(Ok(()), |batch| state.apply_batch(batch).map_err(failed("writing documents")))?;
        shared.engine.db.flush().map(drop).map_err(failed("flushing"))
    }

    fn finish_import(&mut self) -> Result<(), StoreError> {
        self.checkpoint();
        self.shared.ids.read(&Documents(&self.shared.engine.state))?;
        self.find_end()
    }
}
