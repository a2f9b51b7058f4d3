//! What the store promises, shown on real folders. Fixtures here, one file per part of the promise.

use std::path::Path;
use std::sync::mpsc::sync_channel;

use crate::model::{
    Command, CommandId, CommandState, Device, DeviceId, Endpoint, EndpointFormat, Event, EventId, EventKind, NewEvent, PowerMode,
    Product, ProductId, ProductKey, Timestamp, Transition, Work,
};

use super::engine::{Engine, SyncStep};
use super::{Commit, Durability, Expect, Store, StoreConfig, StoreError, Submission, Write};

mod commands;
mod crash;
mod documents;
mod faults;
mod log;
mod model;
mod transfer;

const DAY: u64 = 86_400_000;
const NOW: Timestamp = Timestamp(20_000 * DAY + 5);

fn config() -> StoreConfig {
    StoreConfig { cache_mib: 8, retention_days: 7, durability: Durability::Durable, queue: 10_000 }
}

fn open(dir: &Path) -> Store {
    Store::open(dir, &config(), NOW).unwrap()
}

/// A checkpoint after every `checkpoint` positions; `sync` instead of the real one, if given.
fn open_with(dir: &Path, checkpoint: usize, sync: Option<SyncStep>) -> Store {
    let (engine, real) = Engine::open(dir, &config()).unwrap();
    Store::start(engine, sync.unwrap_or(real), &config(), NOW, checkpoint).unwrap()
}

fn product(id: u32) -> Product {
    Product {
        id: ProductId(id),
        key: ProductKey { manufacturer_id: "acme".to_owned(), model: format!("m{id}") },
        device_type: "Meter".to_owned(),
        profile: "{}".to_owned(),
        endpoint_format: EndpointFormat::Any,
        power_mode: PowerMode::Psm,
        habits: Default::default(),
        commands: Default::default(),
        observe: Vec::new(),
        codec: None,
        versions: Default::default(),
        created: NOW,
    }
}

fn device(id: u64, product: u32) -> Device {
    Device {
        id: DeviceId(id),
        endpoint: Endpoint::new(format!("dev-{id}")).unwrap(),
        product: ProductId(product),
        name: None,
        power_mode: None,
        attributes: std::collections::BTreeMap::new(),
        registration_timeout_s: 0,
        created: NOW,
    }
}

fn command(n: u64, device: u64, state: CommandState) -> Command {
    let what = Work::Named { service: "s".to_owned(), name: "c".to_owned(), params: serde_json::json!({"n": n}) };
    let created = NOW.plus_ms(n);
    let mut command = Command::new(CommandId::new(created, 0, n), (DeviceId(device), ProductId(1)), what, created);
    command.expire_time_s = 0;
    if state != CommandState::Pending {
        command.step(Transition::plain(state, created));
    }
    command
}

fn number(command: &Command) -> u64 {
    command.what.params()["n"].as_u64().unwrap()
}

fn fact(kind: EventKind, device: u64, time: Timestamp, n: u64) -> NewEvent {
    NewEvent {
        kind,
        device: DeviceId(device),
        endpoint: format!("dev-{device}"),
        product: ProductId(1),
        time,
        raw: (kind == EventKind::Report).then(|| n.to_be_bytes().to_vec()),
        body: format!("{{\"n\":{n}}}"),
    }
}

fn report(device: u64, n: u64) -> NewEvent {
    fact(EventKind::Report, device, NOW, n)
}

fn events(facts: Vec<NewEvent>) -> Commit {
    Commit { events: facts, writes: Vec::new() }
}

fn writes(writes: Vec<Write>) -> Commit {
    Commit { events: Vec::new(), writes }
}

/// Commits all of them as one submission; the answers in order.
fn commit_all(store: &Store, commits: Vec<Commit>) -> Vec<Result<(), StoreError>> {
    let (tell, told) = sync_channel(commits.len());
    let submission = |commit| {
        let tell = tell.clone();
        Submission { commit, done: Box::new(move |answer| tell.send(answer).unwrap()) }
    };
    assert!(store.submit(commits.into_iter().map(submission).collect()).is_ok());
    drop(tell);
    told.into_iter().collect()
}

fn all_events(store: &Store) -> Vec<Event> {
    let (mut all, mut after) = (Vec::new(), None);
    loop {
        let page = store.events_after(after, 100).unwrap();
        match page.last() {
            Some(last) => after = Some(last.id),
            None => return all,
        }
        all.extend(page);
    }
}

fn device_history(store: &Store, device: u64, page: usize) -> Vec<Event> {
    let (mut all, mut before) = (Vec::new(), None);
    loop {
        let found = store.device_events(DeviceId(device), before, page).unwrap();
        all.extend(found.items);
        before = found.next;
        if before.is_none() {
            return all;
        }
    }
}

/// The index says of every device what the blocks say.
fn assert_index_equals_blocks(store: &Store) {
    let mut by_device = std::collections::BTreeMap::<u64, Vec<Event>>::new();
    for event in all_events(store) {
        by_device.entry(event.fact.device.0).or_default().push(event);
    }
    for (device, mut events) in by_device {
        events.reverse();
        assert_eq!(device_history(store, device, 7), events, "device {device}");
    }
}

fn blob_files(dir: &Path) -> usize {
    std::fs::read_dir(dir.join("sled/blobs")).map_or(0, Iterator::count)
}

fn first_of(store: &Store) -> EventId {
    all_events(store)[0].id
}
