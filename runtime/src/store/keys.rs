//! The keys: big-endian, tenant first. Pure; knows no record.
//!
//! Tree `state`: `tenant u32 | kind u8 | ...`. Tree `ev-DDDDD` (one per arrival day, DDDDD = days since 1970):
//! `tenant u32 | section u8 | ...`. The tenant is 0 until there are several.

use crate::model::{
    BatchId, Command, CommandId, CommandState, DeviceId, EventId, ProductId, ProductKey, SubscriptionId, Timestamp, VersionNumber,
};

const TENANT: [u8; 4] = [0; 4];

/// Kinds of keys in `state`. A number is never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// name -> value: schema, checkpoint, import mark.
    Meta = 0x00,
    /// product -> record
    Product = 0x01,
    /// hash of (manufacturerId, model) -> product
    ProductKey = 0x02,
    /// device -> record
    Device = 0x03,
    /// endpoint -> device
    Endpoint = 0x04,
    /// product, device -> nothing
    ProductDevice = 0x05,
    /// product -> number of devices
    DeviceCount = 0x06,
    /// device -> record
    Registration = 0x07,
    /// command -> record
    Command = 0x08,
    /// device, command -> state
    DeviceCommand = 0x09,
    /// device, command -> state, while it is open; of an older codecgate, see `CommandQueue`
    OpenCommand = 0x0a,
    /// state, command -> nothing
    StateCommand = 0x0b,
    /// product, digest -> record of an older codecgate
    Codec = 0x0c,
    /// digest, product -> nothing; of an older codecgate
    CodecDigest = 0x0d,
    /// subscription -> record
    Subscription = 0x0e,
    /// subscription -> event id
    Cursor = 0x0f,
    /// name -> highest number ever given
    Counter = 0x10,
    /// device -> time it was last seen, once its events have passed retention
    Seen = 0x11,
    /// product, version number -> record
    Version = 0x12,
    /// digest of a file, product, version number -> nothing
    VersionFile = 0x13,
    /// device -> record
    Presence = 0x14,
    /// time, device, command -> nothing, while it is open: when the gateway must look at it though nobody asks
    CommandDue = 0x15,
    /// device, rank, command -> nothing, while it is open: the order in which they go out
    CommandQueue = 0x16,
    /// batch -> record
    Batch = 0x17,
    /// batch, device -> the newest command of the batch for it
    BatchCommand = 0x18,
    /// batch, state -> how many of those commands are in it
    BatchCount = 0x19,
    /// head key, version, chunk -> part of a long record
    Chunk = 0x7f,
}

/// A key of `state`; also the prefix of all keys that begin with these parts.
pub(super) fn key(kind: Kind, parts: &[&[u8]]) -> Vec<u8> {
    let mut key = Vec::with_capacity(5 + parts.iter().map(|part| part.len()).sum::<usize>());
    key.extend_from_slice(&TENANT);
    #[expect(clippy::as_conversions, reason = "the discriminant of a repr(u8) enum")]
    key.push(kind as u8);
    for part in parts {
        key.extend_from_slice(part);
    }
    key
}

pub(super) fn product(id: ProductId) -> Vec<u8> {
    key(Kind::Product, &[&id.0.to_be_bytes()])
}

pub(super) fn product_key(unique: &ProductKey) -> Vec<u8> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&(unique.manufacturer_id.len() as u64).to_be_bytes());
    hasher.update(unique.manufacturer_id.as_bytes());
    hasher.update(unique.model.as_bytes());
    key(Kind::ProductKey, &[hasher.finalize().as_bytes()])
}

pub(super) fn device(id: DeviceId) -> Vec<u8> {
    key(Kind::Device, &[&id.0.to_be_bytes()])
}

pub(super) fn endpoint(name: &str) -> Vec<u8> {
    key(Kind::Endpoint, &[name.as_bytes()])
}

pub(super) fn product_device(product: ProductId, device: DeviceId) -> Vec<u8> {
    key(Kind::ProductDevice, &[&product.0.to_be_bytes(), &device.0.to_be_bytes()])
}

pub(super) fn device_count(product: ProductId) -> Vec<u8> {
    key(Kind::DeviceCount, &[&product.0.to_be_bytes()])
}

pub(super) fn registration(device: DeviceId) -> Vec<u8> {
    key(Kind::Registration, &[&device.0.to_be_bytes()])
}

pub(super) fn presence(id: DeviceId) -> Vec<u8> {
    key(Kind::Presence, &[&id.0.to_be_bytes()])
}

pub(super) fn command(id: CommandId) -> Vec<u8> {
    key(Kind::Command, &[&id.0.to_be_bytes()])
}

pub(super) fn device_command(kind: Kind, device: DeviceId, id: CommandId) -> Vec<u8> {
    key(kind, &[&device.0.to_be_bytes(), &id.0.to_be_bytes()])
}

pub(super) fn state_command(state: CommandState, id: CommandId) -> Vec<u8> {
    key(Kind::StateCommand, &[&[state_code(state)], &id.0.to_be_bytes()])
}

/// When the gateway must look at the command; none once it is over.
pub(super) fn command_due(command: &Command) -> Option<Vec<u8>> {
    let due = command.due()?;
    Some(key(Kind::CommandDue, &[&due.0.to_be_bytes(), &command.device.0.to_be_bytes(), &command.id.0.to_be_bytes()]))
}

/// The command's place in its device's queue: what is under way, then what goes at once, then by priority; within each, by age. None
/// once it is over.
pub(super) fn command_queue(command: &Command) -> Option<Vec<u8>> {
    let rank = match command.state {
        CommandState::Sent => 0,
        CommandState::Pending if !command.is_cached() => 1,
        CommandState::Pending => 2 + Command::MAX_PRIORITY.saturating_sub(command.priority),
        _ => return None,
    };
    Some(key(Kind::CommandQueue, &[&command.device.0.to_be_bytes(), &[rank], &command.id.0.to_be_bytes()]))
}

/// How many commands are open.
pub(super) fn open_total() -> Vec<u8> {
    key(Kind::Meta, &[b"open-commands"])
}

pub(super) fn batch(id: BatchId) -> Vec<u8> {
    key(Kind::Batch, &[&id.0.to_be_bytes()])
}

pub(super) fn batch_command(batch: BatchId, device: DeviceId) -> Vec<u8> {
    key(Kind::BatchCommand, &[&batch.0.to_be_bytes(), &device.0.to_be_bytes()])
}

pub(super) fn batch_count(batch: BatchId, state: CommandState) -> Vec<u8> {
    key(Kind::BatchCount, &[&batch.0.to_be_bytes(), &[state_code(state)]])
}

/// Time, device and command of a key of `CommandDue`.
pub(super) fn due_at(key: &[u8]) -> Option<(Timestamp, DeviceId, CommandId)> {
    let (due, rest) = key.get(5..)?.split_first_chunk()?;
    let (device, rest) = rest.split_first_chunk()?;
    let due = Timestamp(u64::from_be_bytes(*due));
    Some((due, DeviceId(u64::from_be_bytes(*device)), CommandId(u128::from_be_bytes(*rest.first_chunk()?))))
}

pub(super) fn codec(product: ProductId, digest: &str) -> Vec<u8> {
    key(Kind::Codec, &[&product.0.to_be_bytes(), digest.as_bytes()])
}

pub(super) fn codec_digest(digest: &str, product: ProductId) -> Vec<u8> {
    key(Kind::CodecDigest, &[digest.as_bytes(), &[0], &product.0.to_be_bytes()])
}

pub(super) fn version(product: ProductId, number: VersionNumber) -> Vec<u8> {
    key(Kind::Version, &[&product.0.to_be_bytes(), &number.0.to_be_bytes()])
}

pub(super) fn version_file(digest: &str, product: ProductId, number: VersionNumber) -> Vec<u8> {
    key(Kind::VersionFile, &[digest.as_bytes(), &[0], &product.0.to_be_bytes(), &number.0.to_be_bytes()])
}

pub(super) fn subscription(id: SubscriptionId) -> Vec<u8> {
    key(Kind::Subscription, &[&id.0.to_be_bytes()])
}

pub(super) fn cursor(id: SubscriptionId) -> Vec<u8> {
    key(Kind::Cursor, &[&id.0.to_be_bytes()])
}

pub(super) fn seen(id: DeviceId) -> Vec<u8> {
    key(Kind::Seen, &[&id.0.to_be_bytes()])
}

pub(super) fn chunk(head: &[u8], version: u64, number: u16) -> Vec<u8> {
    key(Kind::Chunk, &[head, &version.to_be_bytes(), &number.to_be_bytes()])
}

/// The number of a command state in keys and index values. Never given again.
pub(super) fn state_code(state: CommandState) -> u8 {
    match state {
        CommandState::Pending => 0,
        CommandState::Sent => 1,
        CommandState::Delivered => 2,
        CommandState::Successful => 3,
        CommandState::Failed => 4,
        CommandState::Timeout => 5,
        CommandState::Expired => 6,
        CommandState::Canceled => 7,
    }
}

/// Name of an arrival day's tree.
pub(super) fn day_tree(day: u32) -> String {
    format!("ev-{day:05}")
}

/// The day of a tree, none if the tree is no day.
pub(super) fn tree_day(name: &[u8]) -> Option<u32> {
    std::str::from_utf8(name).ok()?.strip_prefix("ev-")?.parse().ok()
}

const SECTION_BLOCK: u8 = 0;
const SECTION_BLOCK_CHUNK: u8 = 1;

pub(super) fn blocks() -> Vec<u8> {
    [&TENANT[..], &[SECTION_BLOCK]].concat()
}

pub(super) fn block(number: u32) -> Vec<u8> {
    [&TENANT[..], &[SECTION_BLOCK], &number.to_be_bytes()].concat()
}

pub(super) fn block_chunk(number: u32, chunk: u16) -> Vec<u8> {
    [&TENANT[..], &[SECTION_BLOCK_CHUNK], &number.to_be_bytes(), &chunk.to_be_bytes()].concat()
}

/// Whose positions the index keeps together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Lane {
    /// All events of a device.
    Device(DeviceId),
    /// The dead letters of a product.
    DeadLetters(ProductId),
    /// All dead letters.
    AllDeadLetters,
    /// Events about a product as a whole.
    Product(ProductId),
    /// Those that correct this event.
    Corrections(EventId),
}

const SECTION_DEVICE_LANE: u8 = 2;

/// Prefix of all device lanes' index chunks.
pub(super) fn device_lanes() -> Vec<u8> {
    [&TENANT[..], &[SECTION_DEVICE_LANE]].concat()
}

/// Prefix of a lane's index chunks.
pub(super) fn lane(lane: Lane) -> Vec<u8> {
    let (section, id) = match lane {
        Lane::Device(device) => (SECTION_DEVICE_LANE, device.0),
        Lane::DeadLetters(product) => (3, u64::from(product.0)),
        Lane::AllDeadLetters => (4, 0),
        Lane::Product(product) => (5, u64::from(product.0)),
        Lane::Corrections(original) => (6, packed(original)),
    };
    [&TENANT[..], &[section], &id.to_be_bytes()].concat()
}

/// An event id in 64 bits. Days beyond the year 4800 and blocks beyond 2^28 of a day would share a lane; readers look again.
fn packed(id: EventId) -> u64 {
    (u64::from(id.day) << 44) | ((u64::from(id.block) & 0x0fff_ffff) << 16) | u64::from(id.offset)
}

/// An index chunk, named by the last position in it.
pub(super) fn lane_chunk(of: Lane, last: EventId) -> Vec<u8> {
    let mut key = lane(of);
    key.extend_from_slice(&last.block.to_be_bytes());
    key.extend_from_slice(&last.offset.to_be_bytes());
    key
}

/// The device of a device lane's chunk key.
pub(super) fn lane_device(key: &[u8]) -> Option<DeviceId> {
    key.get(5..).and_then(number_at).map(DeviceId)
}

/// A big-endian u64 at the beginning.
pub(super) fn number_at(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}

/// An event id as 10 bytes.
pub(super) fn place_bytes(id: EventId) -> Vec<u8> {
    [&id.day.to_be_bytes()[..], &id.block.to_be_bytes(), &id.offset.to_be_bytes()].concat()
}

/// The event id of 10 bytes.
pub(super) fn place_at(bytes: &[u8]) -> Option<EventId> {
    let (day, rest) = bytes.split_first_chunk()?;
    let (block, rest) = rest.split_first_chunk()?;
    let offset = rest.first_chunk()?;
    Some(EventId { day: u32::from_be_bytes(*day), block: u32::from_be_bytes(*block), offset: u16::from_be_bytes(*offset) })
}
