//! Where a device's events lie: positions in memory since the last checkpoint, chunks of positions in the day trees before it.
//!
//! A checkpoint is written in slices. Memory is *sealed*, its lanes go out as chunks between the groups, and only when the last
//! one is durable is the mark moved. After a crash in the middle, positions behind the mark are rebuilt from the blocks, so a
//! lane may have some twice; they begin at the same place, and a reader that only ever goes down skips the repeats.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use sled::Tree;

use crate::model::{DeviceId, Event, EventId, EventKind, Paged, Timestamp};

use super::block::{Reader, is_from_device, put_number};
use super::days::{Day, Days};
use super::engine::failed;
use super::keys::{self, Lane};
use super::{StoreError, block};

/// Positions in one chunk value: at most 8 bytes each and a header stay below the size of a value.
const CHUNK: usize = 800;
const VERSION: u8 = 1;

/// The index.
pub(super) struct Index {
    memory: RwLock<Memory>,
    /// Seal when memory holds that many positions.
    limit: usize,
}

#[derive(Default)]
struct Memory {
    live: HashMap<Lane, Vec<EventId>>,
    count: usize,
    /// On its way into chunks; readable until those are durable.
    sealed: HashMap<Lane, Vec<EventId>>,
    /// When devices spoke last, of those that spoke since the checkpoint before the last start; 8 bytes a device.
    seen: Paged<Timestamp>,
    last: Option<EventId>,
}

/// A part of a sealed memory as keys and values of day trees.
#[derive(Default)]
pub(super) struct Slice {
    pub(super) lanes: Vec<Lane>,
    pub(super) chunks: Vec<(u32, Vec<u8>, Vec<u8>)>,
}

impl Index {
    pub(super) fn new(limit: usize) -> Self {
        Self { memory: RwLock::default(), limit }
    }

    fn read(&self) -> RwLockReadGuard<'_, Memory> {
        self.memory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Memory> {
        self.memory.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in events that are durable, in order.
    pub(super) fn add<'a>(&self, events: impl Iterator<Item = &'a Event>) {
        let mut memory = self.write();
        for event in events {
            let Event { id, fact } = event;
            let lane = if fact.device == DeviceId::NONE { Lane::Product(fact.product) } else { Lane::Device(fact.device) };
            memory.live.entry(lane).or_default().push(*id);
            memory.count += 1;
            if is_from_device(fact.kind) {
                let seen = memory.seen.at(fact.device);
                memory.seen.set(fact.device, fact.time.max(seen));
            }
            if fact.kind == EventKind::DeadLetter {
                memory.live.entry(Lane::DeadLetters(fact.product)).or_default().push(*id);
                memory.live.entry(Lane::AllDeadLetters).or_default().push(*id);
                memory.count += 2;
            }
            if let Some(original) = fact.corrects() {
                memory.live.entry(Lane::Corrections(original)).or_default().push(*id);
                memory.count += 1;
            }
            memory.last = Some(*id);
        }
    }

    /// Seals memory when it is time or when `now`; gives the last position in it, the mark to set when all slices are durable.
    pub(super) fn seal(&self, now: bool) -> Option<EventId> {
        let mut memory = self.write();
        if !memory.sealed.is_empty() || memory.count == 0 || (memory.count < self.limit && !now) {
            return None;
        }
        memory.sealed = std::mem::take(&mut memory.live);
        memory.count = 0;
        memory.last
    }

    /// The next lanes of the sealed memory, at most `most`; empty when there are none.
    pub(super) fn slice(&self, most: usize) -> Slice {
        let memory = self.read();
        let mut slice = Slice::default();
        for (lane, places) in memory.sealed.iter().take(most) {
            slice.lanes.push(*lane);
            let seen = match lane {
                Lane::Device(device) => memory.seen.at(*device),
                Lane::DeadLetters(_) | Lane::AllDeadLetters | Lane::Product(_) | Lane::Corrections(_) => Timestamp::default(),
            };
            for of_day in places.chunk_by(|one, next| one.day == next.day) {
                for chunk in of_day.chunks(CHUNK) {
                    if let Some(last) = chunk.last() {
                        slice.chunks.push((last.day, keys::lane_chunk(*lane, *last), encode_chunk(chunk, seen)));
                    }
                }
            }
        }
        slice
    }

    /// These lanes are durable as chunks.
    pub(super) fn release(&self, lanes: &[Lane]) {
        let mut memory = self.write();
        for lane in lanes {
            memory.sealed.remove(lane);
        }
        if memory.sealed.is_empty() {
            memory.sealed = HashMap::new();
        }
    }

    /// The positions of a lane below `before`, newest first, at most `limit`.
    pub(super) fn places(
        &self,
        days: &Days,
        lane: Lane,
        before: Option<EventId>,
        limit: usize,
    ) -> Result<Vec<EventId>, StoreError> {
        let mut down = Down { next: before, found: Vec::new(), limit };
        {
            // Memory first: a lane leaves it only when its chunks can be read.
            let memory = self.read();
            for layer in [&memory.live, &memory.sealed] {
                down.take(layer.get(&lane).map_or(&[][..], Vec::as_slice));
            }
        }
        for day in days.all().iter().rev().filter(|day| before.is_none_or(|before| day.number <= before.day)) {
            if down.is_full() {
                break;
            }
            day.with(|tree| chunks_down(tree, day.number, lane, &mut down))?;
        }
        Ok(down.found)
    }

    /// When the device was last heard, as far as memory and the kept days tell.
    pub(super) fn seen(&self, days: &Days, device: DeviceId) -> Result<Option<Timestamp>, StoreError> {
        let seen = self.read().seen.at(device);
        if seen > Timestamp::default() {
            return Ok(Some(seen));
        }
        let lane = keys::lane(Lane::Device(device));
        for day in days.all().iter().rev() {
            let newest = day.with(|tree| {
                for chunk in tree.scan_prefix(&lane).values().rev() {
                    let seen = chunk_seen(&chunk.map_err(failed("reading the index"))?)?;
                    if seen > Timestamp::default() {
                        return Ok(Some(seen));
                    }
                }
                Ok(None)
            })?;
            if let Some(seen) = newest.flatten() {
                return Ok(Some(seen));
            }
        }
        Ok(None)
    }

    /// Reads the blocks after `mark` into memory.
    pub(super) fn rebuild(&self, days: &Days, mark: Option<EventId>) -> Result<(), StoreError> {
        let from = mark.unwrap_or_default();
        for day in days.all().into_iter().filter(|day| day.number >= from.day) {
            let mut number = if day.number == from.day { from.block } else { 0 };
            while let Some(events) = day.block_from(number)? {
                self.add(events.iter().filter(|event| mark.is_none_or(|mark| event.id > mark)));
                match events.last().and_then(|event| event.id.block.checked_add(1)) {
                    Some(next) => number = next,
                    None => break,
                }
            }
        }
        Ok(())
    }
}

/// The newest time in each device lane's chunks of a day, in pieces of at most `most`.
pub(super) fn seen_in(day: &Day, mut visit: impl FnMut(DeviceId, Timestamp) -> Result<(), StoreError>) -> Result<(), StoreError> {
    day.with(|tree| {
        for entry in tree.scan_prefix(keys::device_lanes()) {
            let (key, chunk) = entry.map_err(failed("reading the index"))?;
            if let Some(device) = keys::lane_device(&key) {
                visit(device, chunk_seen(&chunk)?)?;
            }
        }
        Ok(())
    })
    .map(drop)
}

/// Collects positions downwards; what is not below the last one is a repeat.
struct Down {
    next: Option<EventId>,
    found: Vec<EventId>,
    limit: usize,
}

impl Down {
    fn is_full(&self) -> bool {
        self.found.len() >= self.limit
    }

    fn take(&mut self, ascending: &[EventId]) {
        let below = self.next.map_or(ascending.len(), |next| ascending.partition_point(|place| *place < next));
        for place in ascending.iter().take(below).rev() {
            if self.is_full() {
                return;
            }
            self.found.push(*place);
            self.next = Some(*place);
        }
    }
}

fn chunks_down(tree: &Tree, day: u32, lane: Lane, down: &mut Down) -> Result<(), StoreError> {
    let prefix = keys::lane(lane);
    let bound = down.next.filter(|next| next.day == day);
    let read = |chunk: Result<(sled::IVec, sled::IVec), sled::Error>| -> Result<Vec<EventId>, StoreError> {
        decode_chunk(day, &chunk.map_err(failed("reading the index"))?.1)
    };
    let Some(bound) = bound else {
        for chunk in tree.scan_prefix(&prefix).rev() {
            down.take(&read(chunk)?);
            if down.is_full() {
                break;
            }
        }
        return Ok(());
    };
    // The chunk that reaches beyond the bound may begin below it.
    let edge = keys::lane_chunk(lane, bound);
    let above = tree.range(edge.clone()..).next().filter(|chunk| chunk.as_ref().is_ok_and(|(key, _)| key.starts_with(&prefix)));
    for chunk in above.into_iter().chain(tree.range(prefix..edge).rev()) {
        down.take(&read(chunk)?);
        if down.is_full() {
            break;
        }
    }
    Ok(())
}

fn encode_chunk(places: &[EventId], seen: Timestamp) -> Vec<u8> {
    let mut out = vec![VERSION];
    put_number(seen.0, &mut out);
    put_number(places.len() as u64, &mut out);
    let mut block = 0;
    for place in places {
        put_number(u64::from(place.block - block), &mut out);
        put_number(u64::from(place.offset), &mut out);
        block = place.block;
    }
    debug_assert!(out.len() <= block::BLOCK_BYTES, "a chunk fits a value");
    out
}

fn open_chunk(bytes: &[u8]) -> Result<Reader<'_>, StoreError> {
    match bytes.split_first() {
        Some((&VERSION, rest)) => Ok(Reader { rest }),
        _ => Err(corrupt("its version is not ours; written by a newer codecgate?")),
    }
}

fn chunk_seen(bytes: &[u8]) -> Result<Timestamp, StoreError> {
    open_chunk(bytes)?.number().map(Timestamp)
}

fn decode_chunk(day: u32, bytes: &[u8]) -> Result<Vec<EventId>, StoreError> {
    let mut reader = open_chunk(bytes)?;
    reader.number()?;
    let count = usize::try_from(reader.number()?).unwrap_or(usize::MAX);
    let mut places = Vec::with_capacity(count.min(CHUNK));
    let mut block = 0_u32;
    for _ in 0..count {
        let step = u32::try_from(reader.number()?).map_err(|_| corrupt("block"))?;
        block = block.checked_add(step).ok_or_else(|| corrupt("block"))?;
        let offset = u16::try_from(reader.number()?).map_err(|_| corrupt("offset"))?;
        places.push(EventId { day, block, offset });
    }
    Ok(places)
}

fn corrupt(why: &str) -> StoreError {
    StoreError::Corrupt { what: "index chunk", why: why.to_owned() }
}

/// Blocks that were decoded, or committed, lately: subscriptions near the head read these.
#[derive(Default)]
pub(super) struct Recent {
    blocks: RwLock<VecDeque<Arc<Vec<Event>>>>,
}

/// Blocks kept. About 60 KiB each before compression at most, larger ones are not kept.
const RECENT: usize = 64;

impl Recent {
    pub(super) fn find(&self, day: u32, number: u32) -> Option<Arc<Vec<Event>>> {
        let blocks = self.blocks.read().unwrap_or_else(PoisonError::into_inner);
        let is_wanted =
            |events: &&Arc<Vec<Event>>| events.first().is_some_and(|event| (event.id.day, event.id.block) == (day, number));
        blocks.iter().rev().find(is_wanted).map(Arc::clone)
    }

    pub(super) fn keep(&self, events: Arc<Vec<Event>>) {
        let bytes: usize = events.iter().map(|event| block::size_hint(&event.fact)).sum();
        if bytes > 128 << 10 {
            return;
        }
        let mut blocks = self.blocks.write().unwrap_or_else(PoisonError::into_inner);
        if blocks.len() >= RECENT {
            blocks.pop_front();
        }
        blocks.push_back(events);
    }
}
