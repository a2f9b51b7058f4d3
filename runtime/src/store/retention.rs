//! What goes when its time is over: whole days of events, and ended commands of that age. Runs on the caller's thread, so that
//! the committer goes on. Retention = drop the day's tree.

use crate::model::{Command, CommandId, Timestamp};

use super::committer::Committer;
use super::engine::failed;
use super::keys::{self, Kind};
use super::staging::Staging;
use super::{Shared, StoreError, commands, index, records};

/// Keys written or commands looked at in one step.
const STEP: usize = 512;

/// Drops the days before the kept ones; never the newest, which the log goes on in. Gives how many.
pub(super) fn expire(shared: &Shared, now: Timestamp) -> Result<u32, StoreError> {
    let oldest = now.day().saturating_sub(shared.config.retention_days);
    let days = shared.days.all();
    if days.last().is_some_and(|newest| newest.number > now.day().saturating_add(1)) {
        tracing::warn!("the event log is ahead of the clock; events go to its last day until the clock is there");
    }
    let newest = days.last().map_or(0, |newest| newest.number);
    let over: Vec<_> = days.into_iter().filter(|day| day.number < oldest && day.number < newest).collect();
    if !over.is_empty() {
        // What memory knows of those days must be in their chunks before they are read for the last time.
        shared.alone(|committer| {
            committer.checkpoint();
            Ok(())
        })?;
    }
    let mut dropped = 0;
    for day in over {
        keep_last_seen(shared, &day)?;
        shared.days.drop_day(&day)?;
        dropped += 1;
    }
    expire_commands(shared, Timestamp(u64::from(oldest) * 86_400_000))?;
    Ok(dropped)
}

/// A device's last-seen time outlives its events.
fn keep_last_seen(shared: &Shared, day: &super::days::Day) -> Result<(), StoreError> {
    let mut batch = sled::Batch::default();
    let mut waiting = 0;
    let state = &shared.engine.state;
    index::seen_in(day, |device, seen| {
        if seen == Timestamp::default() || !state.contains_key(keys::device(device)).map_err(failed("reading"))? {
            return Ok(());
        }
        batch.insert(keys::seen(device), &seen.0.to_be_bytes());
        waiting += 1;
        if waiting >= STEP {
            waiting = 0;
            state.apply_batch(std::mem::take(&mut batch)).map_err(failed("keeping last-seen times"))?;
        }
        Ok(())
    })?;
    state.apply_batch(batch).map_err(failed("keeping last-seen times"))
}

/// Removes commands that were created before `oldest` and have ended, in steps between the groups.
fn expire_commands(shared: &Shared, oldest: Timestamp) -> Result<(), StoreError> {
    let bound = keys::command(CommandId::new(oldest, 0, 0));
    let mut from = keys::key(Kind::Command, &[]);
    loop {
        let state = &shared.engine.state;
        let mut ended = Vec::new();
        let mut looked = 0;
        for entry in state.range(from.clone()..bound.clone()).take(STEP) {
            let (key, head) = entry.map_err(failed("reading commands"))?;
            looked += 1;
            from = [&*key, &[0]].concat();
            let read = |key: &[u8]| state.get(key).map_err(failed("reading commands"));
            let command = records::decode::<Command, _>("command", &key, &head, &read)?;
            ended.extend(command.filter(|command| command.doc.state.is_final()).map(|command| command.doc.id));
        }
        if !ended.is_empty() {
            shared.alone(move |committer| committer.remove_commands(&ended))?;
        }
        if looked < STEP {
            return Ok(());
        }
    }
}

impl Committer {
    fn remove_commands(&mut self, ids: &[CommandId]) -> Result<(), StoreError> {
        let state = &self.shared.engine.state;
        let mut staging = Staging::new(state);
        for id in ids {
            commands::delete_command(&mut staging, *id)?;
        }
        staging.keep();
        staging.into_batch().map_or(Ok(()), |batch| state.apply_batch(batch).map_err(failed("removing commands")))
    }
}
