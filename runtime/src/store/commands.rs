//! What a command and a batch mean in keys: the record, the device's queue, the order of due times, lists by device and state, the
//! tally of a batch. Knows no transaction and no disk.

use sled::Tree;

use crate::model::{Batch, BatchId, Command, CommandId, CommandState};

use super::apply::require_device;
use super::engine::failed;
use super::keys::{self, Kind};
use super::staging::Staging;
use super::{Expect, StoreError, records};

/// The command at the end of an index key.
pub(super) fn command_of(key: &[u8]) -> Option<CommandId> {
    key.last_chunk().map(|bytes| CommandId(u128::from_be_bytes(*bytes)))
}

pub(super) fn put_command(staging: &mut Staging<'_>, command: &Command, expect: Expect) -> Result<(), StoreError> {
    require_device(staging, command.device)?;
    let key = keys::command(command.id);
    let old = staging.load::<Command>("command", &key)?.map(|old| old.doc);
    if let Some(old) = &old {
        unlist(staging, old);
    }
    staging.put(keys::device_command(Kind::DeviceCommand, command.device, command.id), vec![keys::state_code(command.state)]);
    staging.put(keys::state_command(command.state, command.id), Vec::new());
    for key in [keys::command_queue(command), keys::command_due(command)].into_iter().flatten() {
        staging.put(key, Vec::new());
    }
    let (before, after) = (old.as_ref().is_some_and(|old| old.state.is_open()), command.state.is_open());
    count_open(staging, before, after)?;
    if let Some(batch) = command.batch {
        tally(staging, batch, old.as_ref().map(|old| old.state), command)?;
    }
    staging.store("command", key, command, expect)
}

fn unlist(staging: &mut Staging<'_>, command: &Command) {
    staging.delete(keys::device_command(Kind::DeviceCommand, command.device, command.id));
    staging.delete(keys::state_command(command.state, command.id));
    for key in [keys::command_queue(command), keys::command_due(command)].into_iter().flatten() {
        staging.delete(key);
    }
}

fn count_open(staging: &mut Staging<'_>, before: bool, after: bool) -> Result<(), StoreError> {
    match (before, after) {
        (false, true) => add(staging, keys::open_total(), 1),
        (true, false) => add(staging, keys::open_total(), -1),
        _ => Ok(()),
    }
}

fn add(staging: &mut Staging<'_>, key: Vec<u8>, change: i64) -> Result<(), StoreError> {
    let count = staging.get(&key)?.and_then(|bytes| keys::number_at(&bytes)).unwrap_or(0);
    staging.put(key, count.saturating_add_signed(change).to_be_bytes().to_vec());
    Ok(())
}

/// Of each device the batch counts its newest command; one that was made anew no longer counts, whatever still becomes of it.
fn tally(staging: &mut Staging<'_>, batch: BatchId, old: Option<CommandState>, command: &Command) -> Result<(), StoreError> {
    let place = keys::batch_command(batch, command.device);
    let newest = staging.get(&place)?.and_then(|id| command_of(&id));
    let before = match newest {
        Some(newest) if newest == command.id => old,
        Some(newest) if newest > command.id => return Ok(()),
        Some(replaced) => staging.load::<Command>("command", &keys::command(replaced))?.map(|replaced| replaced.doc.state),
        None => None,
    };
    staging.put(place, command.id.0.to_be_bytes().to_vec());
    if let Some(before) = before {
        add(staging, keys::batch_count(batch, before), -1)?;
    }
    add(staging, keys::batch_count(batch, command.state), 1)
}

/// Removes a command with its index keys. Its batch keeps what it counted; what can no longer happen counts as canceled.
pub(super) fn delete_command(staging: &mut Staging<'_>, id: CommandId) -> Result<(), StoreError> {
    let key = keys::command(id);
    if let Some(old) = staging.load::<Command>("command", &key)?.map(|old| old.doc) {
        unlist(staging, &old);
        count_open(staging, old.state.is_open(), false)?;
        if let Some(batch) = old.batch {
            let place = keys::batch_command(batch, old.device);
            if staging.get(&place)?.and_then(|newest| command_of(&newest)) == Some(id) {
                staging.delete(place);
                if !old.state.is_final() {
                    add(staging, keys::batch_count(batch, old.state), -1)?;
                    add(staging, keys::batch_count(batch, CommandState::Canceled), 1)?;
                }
            }
        }
    }
    staging.remove("command", key)
}

pub(super) fn put_batch(staging: &mut Staging<'_>, batch: &Batch, expect: Expect) -> Result<(), StoreError> {
    staging.raise_counter("batch", batch.id.0)?;
    staging.store("batch", keys::batch(batch.id), batch, expect)
}

/// Removes a batch with its tally; its commands stay.
pub(super) fn delete_batch(staging: &mut Staging<'_>, id: BatchId) -> Result<(), StoreError> {
    for kind in [Kind::BatchCommand, Kind::BatchCount] {
        for (key, _) in staging.under(&keys::key(kind, &[&id.0.to_be_bytes()]))? {
            staging.delete(key);
        }
    }
    staging.remove("batch", keys::batch(id))
}

/// Puts the open commands of an older codecgate into today's queues. It had one index of them, without order and due time.
pub(super) fn queue_older(state: &Tree) -> Result<(), StoreError> {
    loop {
        let mut batch = sled::Batch::default();
        let mut staging = Staging::new(state);
        let mut moved = 0;
        for key in state.scan_prefix(keys::key(Kind::OpenCommand, &[])).keys().take(512) {
            let key = key.map_err(failed("reading commands"))?;
            moved += 1;
            let found = match command_of(&key) {
                Some(id) => records::load::<Command, _>("command", &keys::command(id), |key| {
                    state.get(key).map_err(failed("reading commands"))
                })?,
                None => None,
            };
            if let Some(command) = found.map(|found| found.doc).filter(|command| command.state.is_open()) {
                for key in [keys::command_queue(&command), keys::command_due(&command)].into_iter().flatten() {
                    staging.put(key, Vec::new());
                }
                add(&mut staging, keys::open_total(), 1)?;
            }
            staging.delete(key.to_vec());
        }
        staging.keep();
        if let Some(changes) = staging.into_batch() {
            batch = changes;
        }
        state.apply_batch(batch).map_err(failed("ordering commands"))?;
        if moved < 512 {
            return Ok(());
        }
    }
}
