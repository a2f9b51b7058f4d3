//! One command for many devices: made, made anew or canceled in pieces, in the background.
//!
//! A piece is one commit: the commands of some devices, their events, and how far the batch is. A kill between two pieces costs nothing,
//! a kill within one undoes it; what was done is never done twice. Between pieces everybody else gets his turn.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::Notify;

use super::desk::{CommandError, Desk, put};
use crate::command::{Happening, transition};
use crate::model::{Batch, BatchId, Blueprint, CommandState, Device, DeviceId, Phase, ProductId, Target, Timestamp};
use crate::store::{Commit, Expect, Page, Store, StoreError, Versioned, Write};

/// Devices of one piece: their events stay well under what one group of the store takes.
const PIECE: usize = 128;

/// Why a batch was not accepted or not changed.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// No such batch.
    #[error("there is no batch {0}")]
    NoBatch(BatchId),
    /// These devices do not exist.
    #[error("there are no devices {}", shown(.0))]
    NoDevices(Vec<DeviceId>),
    /// It is being made, made anew or canceled.
    #[error("the batch is {}; ask again when that is done", .0.as_str())]
    AtWork(Phase),
    /// None of its commands failed.
    #[error("no command of the batch has failed, timed out or expired")]
    NothingToRetry,
    /// It was canceled.
    #[error("the batch was canceled")]
    Canceled,
    /// Its command is not accepted.
    #[error(transparent)]
    Command(#[from] CommandError),
}

impl From<StoreError> for BatchError {
    fn from(error: StoreError) -> Self {
        Self::Command(error.into())
    }
}

fn shown(devices: &[DeviceId]) -> String {
    let first: Vec<_> = devices.iter().take(10).map(ToString::to_string).collect();
    let more = devices.len().saturating_sub(first.len());
    if more == 0 { first.join(", ") } else { format!("{} and {more} more", first.join(", ")) }
}

/// Accepts batches and works on them. Cheap to clone.
#[derive(Clone)]
pub struct Batches {
    desk: Desk,
    bell: Arc<Notify>,
}

impl Batches {
    /// Over the desk that single commands are left at.
    #[must_use]
    pub fn new(desk: Desk) -> Self {
        Self { desk, bell: Arc::default() }
    }

    fn store(&self) -> &Store {
        &self.desk.store
    }

    /// Accepts a batch: it is durable when this returns, its commands follow. The command is held against every product that is known
    /// beforehand, named devices must exist. Blocks: reads each named device.
    ///
    /// # Errors
    /// [`BatchError`]; nothing was stored then.
    pub fn accept(&self, name: String, blueprint: Blueprint, mut target: Target, now: Timestamp) -> Result<Batch, BatchError> {
        let mut products: Vec<ProductId> = target.product().into_iter().collect();
        if let Target::Devices(devices) = &mut target {
            devices.sort_unstable();
            devices.dedup();
            let mut missing = Vec::new();
            for id in devices.iter() {
                match self.store().device(*id)? {
                    Some(device) => products.push(device.doc.product),
                    None => missing.push(*id),
                }
            }
            if !missing.is_empty() {
                return Err(BatchError::NoDevices(missing));
            }
        }
        products.sort_unstable();
        products.dedup();
        for product in products {
            self.desk.check(product, &blueprint.what)?;
        }
        let (id, phase) = (self.store().next_batch_id(), Phase::Creating { after: None });
        let batch = Batch { id, name, blueprint, target, phase, retries: 0, created: now };
        let writes = vec![Write::PutBatch(batch.clone(), Expect::Absent)];
        self.store().commit_blocking(Commit { events: Vec::new(), writes })?;
        self.bell.notify_one();
        Ok(batch)
    }

    /// Makes anew what failed, timed out or expired; the others are left alone.
    ///
    /// # Errors
    /// [`BatchError::AtWork`], [`BatchError::Canceled`], [`BatchError::NothingToRetry`], [`BatchError::NoBatch`].
    pub async fn retry(&self, id: BatchId) -> Result<Batch, BatchError> {
        self.turn(id, |store, batch| match batch.phase {
            Phase::Canceled => Err(BatchError::Canceled),
            Phase::Running => {
                let failed = store.batch_counts(id)?.into_iter().filter(|(state, _)| is_failed(*state));
                if failed.map(|(_, count)| count).sum::<u64>() == 0 {
                    return Err(BatchError::NothingToRetry);
                }
                batch.retries += 1;
                batch.phase = Phase::Retrying { after: None };
                Ok(())
            }
            busy => Err(BatchError::AtWork(busy)),
        })
        .await
    }

    /// Cancels what waits, and makes no more. What was sent goes on.
    ///
    /// # Errors
    /// [`BatchError::NoBatch`], [`BatchError::Canceled`].
    pub async fn cancel(&self, id: BatchId) -> Result<Batch, BatchError> {
        self.turn(id, |_, batch| {
            if matches!(batch.phase, Phase::Canceled | Phase::Canceling { .. }) {
                return Err(BatchError::Canceled);
            }
            batch.phase = Phase::Canceling { after: None };
            Ok(())
        })
        .await
    }

    async fn turn(
        &self,
        id: BatchId,
        change: impl Fn(&Store, &mut Batch) -> Result<(), BatchError>,
    ) -> Result<Batch, BatchError> {
        loop {
            let Versioned { doc: mut batch, version } = self.store().batch(id)?.ok_or(BatchError::NoBatch(id))?;
            change(self.store(), &mut batch)?;
            let writes = vec![Write::PutBatch(batch.clone(), Expect::Version(version))];
            match self.store().commit(Commit { events: Vec::new(), writes }).await {
                Ok(()) => {
                    self.bell.notify_one();
                    return Ok(batch);
                }
                // A piece was done meanwhile: look again.
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Works until nothing is left, then waits for the bell. Ends when `stop` does. `clock` = the wall clock.
    pub async fn run(self, clock: fn() -> Timestamp, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        loop {
            let here = self.clone();
            let round = async {
                // Whatever is left undone: a store that is busy is asked again a little later.
                match tokio::task::spawn_blocking(move || here.round(clock)).await {
                    Ok(Ok(true)) => {}
                    Ok(Ok(false)) => self.bell.notified().await,
                    Ok(Err(error)) => {
                        tracing::warn!(%error, "a piece of a batch was not done; it is tried again");
                        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                    }
                    Err(panic) => tracing::error!(%panic, "a piece of a batch panicked"),
                }
            };
            tokio::select! {
                () = &mut stop => return,
                () = round => {}
            }
        }
    }

    /// One piece of each batch that has something to do; false when none has.
    fn round(&self, clock: fn() -> Timestamp) -> Result<bool, CommandError> {
        let mut worked = false;
        for batch in self.store().batches()? {
            if batch.phase.working().is_some()
                && let Some(found) = self.store().batch(batch.id)?
            {
                worked = true;
                self.piece(found, clock())?;
            }
        }
        Ok(worked)
    }

    fn piece(&self, found: Versioned<Batch>, now: Timestamp) -> Result<(), CommandError> {
        let Versioned { doc: mut batch, version } = found;
        let mut commit = Commit::default();
        let mut hints = Vec::new();
        let next = match batch.phase {
            Phase::Creating { after } => {
                let page = self.candidates(&batch.target, after)?;
                let mut verdicts = Verdicts::default();
                for device in page.items {
                    if self.fits(&batch.target, &device)? {
                        self.make(&mut commit, &device, &batch, &mut verdicts, now)?;
                        hints.push(device.id);
                    }
                }
                page.next.map_or(Phase::Running, |after| Phase::Creating { after: Some(after) })
            }
            Phase::Retrying { after } => {
                let page = self.store().batch_commands(batch.id, after, PIECE)?;
                let mut verdicts = Verdicts::default();
                for failed in page.items.into_iter().filter(|found| is_failed(found.doc.state)) {
                    if let Some(device) = self.store().device(failed.doc.device)? {
                        self.make(&mut commit, &device.doc, &batch, &mut verdicts, now)?;
                        hints.push(device.doc.id);
                    }
                }
                page.next.map_or(Phase::Running, |after| Phase::Retrying { after: Some(after) })
            }
            Phase::Canceling { after } => {
                let page = self.store().batch_commands(batch.id, after, PIECE)?;
                for waiting in page.items {
                    if let Ok(next) = transition(&waiting.doc, Happening::Revoked, now)
                        && let Some(device) = self.store().device(next.device)?
                    {
                        hints.push(next.device);
                        put(&mut commit, &device.doc, next, Expect::Version(waiting.version));
                    }
                }
                page.next.map_or(Phase::Canceled, |after| Phase::Canceling { after: Some(after) })
            }
            Phase::Running | Phase::Canceled => return Ok(()),
        };
        batch.phase = next;
        commit.writes.push(Write::PutBatch(batch, Expect::Version(version)));
        match self.store().commit_blocking(commit) {
            Ok(()) => hints.into_iter().for_each(|device| self.desk.router.hint(device)),
            // A command was sent, a device deleted, the batch canceled meanwhile: the next round looks again.
            Err(StoreError::Conflict(_)) => {}
            Err(error) => return Err(error.into()),
        }
        Ok(())
    }

    /// The next devices that a batch may be for, and the last one that was looked at if there are more.
    fn candidates(&self, target: &Target, after: Option<DeviceId>) -> Result<Page<Device, DeviceId>, StoreError> {
        let Target::Devices(all) = target else { return self.store().devices(target.product(), after, PIECE) };
        let from = after.map_or(0, |after| all.partition_point(|id| *id <= after));
        let rest = all.get(from..).unwrap_or_default();
        let (piece, later) = rest.split_at(rest.len().min(PIECE));
        let mut items = Vec::with_capacity(piece.len());
        for id in piece {
            items.extend(self.store().device(*id)?.map(|found| found.doc));
        }
        Ok(Page { items, next: piece.last().copied().filter(|_| !later.is_empty()) })
    }

    fn fits(&self, target: &Target, device: &Device) -> Result<bool, StoreError> {
        let Target::Filter { product: _, endpoint_prefix, state, attributes } = target else { return Ok(true) };
        let named = endpoint_prefix.as_ref().is_none_or(|prefix| device.endpoint.as_str().starts_with(prefix));
        let marked = attributes.iter().all(|(name, value)| device.attributes.get(name) == Some(value));
        Ok(named && marked && self.stands(state.as_deref(), device)?)
    }

    fn stands(&self, state: Option<&str>, device: &Device) -> Result<bool, StoreError> {
        let Some(state) = state else { return Ok(true) };
        Ok(self.store().presence(device)?.state.as_str() == state)
    }

    /// A device's command. One that cannot be accepted is made all the same, and is FAILED with its reason: so that the batch tells of it.
    fn make(
        &self,
        commit: &mut Commit,
        device: &Device,
        batch: &Batch,
        verdicts: &mut Verdicts,
        now: Timestamp,
    ) -> Result<(), CommandError> {
        let command = self.desk.draft(device, batch.blueprint.clone(), Some(batch), now);
        let refusal = match verdicts.of(&self.desk, device.product, &batch.blueprint)? {
            Some(detail) => Some(Happening::NotAccepted { detail }),
            None => match self.desk.has_room(device.id) {
                Ok(()) => None,
                Err(CommandError::Store(error)) => return Err(error.into()),
                Err(full) => Some(Happening::OverLimit { detail: full.to_string() }),
            },
        };
        let (refusal, replaced) = match (refusal, self.desk.replaced(&command)) {
            (Some(refusal), _) => (Some(refusal), Vec::new()),
            (None, Ok(replaced)) => (None, replaced),
            (None, Err(CommandError::Store(error))) => return Err(error.into()),
            (None, Err(sent)) => (Some(Happening::NotAccepted { detail: sent.to_string() }), Vec::new()),
        };
        for old in replaced {
            if let Ok(canceled) = transition(&old.doc, Happening::Superseded { by: command.id }, now) {
                put(commit, device, canceled, Expect::Version(old.version));
            }
        }
        let command = match refusal {
            // It is new, so it is PENDING.
            Some(refusal) => transition(&command, refusal, now).unwrap_or(command),
            None => command,
        };
        put(commit, device, command, Expect::Absent);
        Ok(())
    }
}

/// Whether a retry makes a command in this state anew.
fn is_failed(state: CommandState) -> bool {
    matches!(state, CommandState::Failed | CommandState::Timeout | CommandState::Expired)
}

/// Whether products take the command of a batch, asked once a piece.
#[derive(Default)]
struct Verdicts(HashMap<ProductId, Option<String>>);

impl Verdicts {
    /// Why not; none = it is taken.
    fn of(&mut self, desk: &Desk, product: ProductId, blueprint: &Blueprint) -> Result<Option<String>, CommandError> {
        if let Some(known) = self.0.get(&product) {
            return Ok(known.clone());
        }
        let verdict = match desk.check(product, &blueprint.what) {
            Ok(()) => None,
            Err(CommandError::Store(error)) => return Err(error.into()),
            Err(CommandError::Invalid(mistakes)) => {
                let told: Vec<_> = mistakes.iter().map(|mistake| format!("{}: {}", mistake.pointer, mistake.reason)).collect();
                Some(told.join("; "))
            }
            Err(refusal) => Some(refusal.to_string()),
        };
        self.0.insert(product, verdict.clone());
        Ok(verdict)
    }
}

/// How far a batch is: what its devices' newest commands came to.
#[derive(Debug, Clone)]
pub struct Progress {
    /// Devices that have a command of the batch, by its state.
    pub by_state: Vec<(CommandState, u64)>,
    /// Devices that it is for, where that is known beforehand.
    pub expected: Option<u64>,
}

impl Batches {
    /// How far it is.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be read.
    pub fn progress(store: &Store, batch: &Batch) -> Result<Progress, StoreError> {
        let expected = match &batch.target {
            Target::Devices(devices) => Some(u64::try_from(devices.len()).unwrap_or(u64::MAX)),
            Target::Product(product) => Some(store.device_count(*product)?),
            Target::Filter { .. } => None,
        };
        Ok(Progress { by_state: store.batch_counts(batch.id)?, expected })
    }
}

impl Progress {
    /// Devices that have a command.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.by_state.iter().map(|(_, count)| count).sum()
    }

    /// Devices whose command is over, or DELIVERED and without a response yet.
    #[must_use]
    pub fn settled(&self) -> u64 {
        self.by_state.iter().filter(|(state, _)| !state.is_open()).map(|(_, count)| count).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_missing_devices_are_told_in_short() {
        let missing: Vec<_> = (1..=12).map(DeviceId).collect();
        let told = BatchError::NoDevices(missing).to_string();
        assert!(told.ends_with("9, 10 and 2 more"), "{told}");
    }

    #[test]
    fn a_retry_makes_anew_what_did_not_succeed_and_was_not_canceled() {
        let anew: Vec<_> = CommandState::ALL.into_iter().filter(|state| is_failed(*state)).collect();
        assert_eq!(anew, [CommandState::Failed, CommandState::Timeout, CommandState::Expired]);
    }
}
