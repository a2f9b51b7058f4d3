//! The order of a device's commands, the order of due times, the tally of a batch, and an older store.

use super::*;
use crate::model::{Batch, BatchId, Blueprint, Phase, Target};
use crate::store::keys;

fn with_devices(dir: &std::path::Path, devices: u64) -> Store {
    let store = open(dir);
    let mut start = vec![Write::PutProduct(product(1), Expect::Absent)];
    start.extend((1..=devices).map(|id| Write::PutDevice(device(id, 1), Expect::Absent)));
    store.commit_blocking(writes(start)).unwrap();
    store
}

fn put(store: &Store, command: Command) {
    store.commit_blocking(writes(vec![Write::PutCommand(command, Expect::Any)])).unwrap();
}

fn queued(store: &Store, device: u64, limit: usize) -> Vec<u64> {
    store.next_commands(DeviceId(device), limit).unwrap().iter().map(|found| number(&found.doc)).collect()
}

fn cached(n: u64, device: u64, priority: u8) -> Command {
    Command { expire_time_s: 60 + n, priority, ..command(n, device, CommandState::Pending) }
}

#[test]
fn commands_go_out_by_state_then_at_once_then_by_priority_then_by_age() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_devices(dir.path(), 2);
    for (n, priority) in [(1, 5), (2, 9), (3, 5), (4, 0), (5, 9)] {
        put(&store, cached(n, 1, priority));
    }
    put(&store, command(6, 1, CommandState::Pending));
    put(&store, command(7, 1, CommandState::Sent));
    put(&store, command(8, 1, CommandState::Delivered));
    put(&store, cached(9, 2, 5));
    assert_eq!(queued(&store, 1, 99), [7, 6, 2, 5, 1, 3, 4]);
    assert_eq!(queued(&store, 1, 3), [7, 6, 2]);
    assert_eq!((store.open_count(DeviceId(1), 99), store.open_count(DeviceId(1), 3), store.open_total()), (Ok(7), Ok(3), Ok(8)));
    assert_eq!(store.devices_with_open_commands(None, 1).unwrap(), [DeviceId(1)]);
    assert_eq!(store.devices_with_open_commands(Some(DeviceId(1)), 9).unwrap(), [DeviceId(2)]);

    let mut over = cached(2, 1, 9);
    over.step(Transition::plain(CommandState::Canceled, NOW.plus_ms(10)));
    put(&store, over);
    store.commit_blocking(writes(vec![Write::DeleteDevice(DeviceId(2))])).unwrap();
    assert_eq!((queued(&store, 1, 3), store.open_total()), (vec![7, 6, 5], Ok(6)));
}

#[test]
fn only_what_is_due_is_read_and_in_order() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_devices(dir.path(), 3);
    for n in [3, 1, 2] {
        put(&store, cached(n, n, 5));
    }
    let due = |after_ms, from, limit| store.due_commands(NOW.plus_ms(after_ms), from, limit).unwrap();
    assert_eq!(due(61_000, None, 9), []);
    let first = due(62_100, None, 9);
    assert_eq!(first.iter().map(|(_, device, _)| device.0).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(due(70_000, None, 1), first[..1]);
    assert_eq!(due(70_000, Some(first[0]), 1), first[1..]);
    assert_eq!(due(70_000, Some(due(70_000, None, 9)[2]), 9), []);
    let mut over = cached(1, 1, 5);
    over.step(Transition::plain(CommandState::Expired, NOW.plus_ms(61_001)));
    put(&store, over);
    assert_eq!(due(62_100, None, 9), first[1..]);
}

#[test]
fn a_batch_counts_the_newest_command_of_each_device() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_devices(dir.path(), 3);
    let id = store.next_batch_id();
    let blueprint = Blueprint::new(command(0, 1, CommandState::Pending).what, 60);
    let (target, phase) = (Target::Product(ProductId(1)), Phase::Running);
    let batch = Batch { id, name: "b".to_owned(), blueprint, target, phase, retries: 0, created: NOW };
    store.commit_blocking(writes(vec![Write::PutBatch(batch.clone(), Expect::Absent)])).unwrap();
    let of_batch = |command: Command| Command { batch: Some(id), ..command };
    let count = |state| store.batch_counts(id).unwrap().into_iter().find(|(of, _)| *of == state).unwrap().1;
    for n in 1..=3 {
        put(&store, of_batch(cached(n, n, 5)));
    }
    let mut failed = of_batch(cached(1, 1, 5));
    failed.step(Transition::plain(CommandState::Timeout, NOW));
    put(&store, failed.clone());
    assert_eq!((count(CommandState::Pending), count(CommandState::Timeout)), (2, 1));

    put(&store, of_batch(cached(11, 1, 5)));
    assert_eq!((count(CommandState::Pending), count(CommandState::Timeout)), (3, 0), "made anew");
    failed.step(Transition::plain(CommandState::Successful, NOW));
    put(&store, failed);
    assert_eq!((count(CommandState::Pending), count(CommandState::Successful)), (3, 0), "what it replaced counts no more");
    let page = store.batch_commands(id, None, 2).unwrap();
    assert_eq!(
        (page.items.iter().map(|found| number(&found.doc)).collect::<Vec<_>>(), page.next),
        (vec![11, 2], Some(DeviceId(2)))
    );
    assert_eq!(store.batch_commands(id, page.next, 2).unwrap().items.len(), 1);

    store.commit_blocking(writes(vec![Write::DeleteDevice(DeviceId(3))])).unwrap();
    assert_eq!((count(CommandState::Pending), count(CommandState::Canceled)), (2, 1), "it can no longer happen");
    drop(store);
    let store = open(dir.path());
    assert_eq!((store.batches().unwrap(), store.next_batch_id()), (vec![batch], BatchId(id.0 + 1)));
    store.commit_blocking(writes(vec![Write::DeleteBatch(id)])).unwrap();
    assert_eq!((store.batch(id), store.batch_counts(id).unwrap().iter().map(|(_, count)| count).sum::<u64>()), (Ok(None), 0));
}

#[test]
fn the_open_commands_of_an_older_store_are_queued_when_it_is_opened() {
    let dir = tempfile::tempdir().unwrap();
    let store = with_devices(dir.path(), 1);
    let state = &store.shared.engine.state;
    for n in 1..=600 {
        let command = cached(n, 1, 5);
        put(&store, command.clone());
        state.insert(keys::device_command(keys::Kind::OpenCommand, command.device, command.id), &[0]).unwrap();
        state.remove(keys::command_queue(&command).unwrap()).unwrap();
        state.remove(keys::command_due(&command).unwrap()).unwrap();
    }
    state.remove(keys::open_total()).unwrap();
    assert_eq!((queued(&store, 1, 9), store.open_total()), (vec![], Ok(0)));
    drop(store);
    let store = open(dir.path());
    assert_eq!((queued(&store, 1, 3), store.open_total()), (vec![1, 2, 3], Ok(600)));
    assert_eq!(store.due_commands(NOW.plus_ms(900_000), None, 999).unwrap().len(), 600);
    assert_eq!(store.shared.engine.state.scan_prefix(keys::key(keys::Kind::OpenCommand, &[])).count(), 0);
}
