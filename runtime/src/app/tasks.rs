//! The tasks of a gateway that are no part of a module: serving HTTP, and the sweeps that find what a hint missed.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;

use super::Parts;
use crate::api;
use crate::breaker::Policy;
use crate::catalog::Catalog;
use crate::clock;
use crate::downlink::Batches;
use crate::lwm2m::Answer;
use crate::model::{CommandId, CommandState, DeviceId, Timestamp};
use crate::shard::Router;
use crate::store::{Store, StoreError};
use crate::transport::Answers;
use crate::watch::{LOOK, Watch};

/// How often the shards are told whose silence has become too long: the precision of device states.
const SILENCE_SWEEP: Duration = Duration::from_secs(1);
/// How often commands that are due are looked for: the precision of EXPIRED.
const COMMAND_SWEEP: Duration = Duration::from_secs(1);
/// Due commands that one look takes up, and devices with open commands that it visits by turns, should a hint have been lost.
const DUE: usize = 4_096;
const VISITS: usize = 512;
/// How often new codec versions are judged.
const TRIAL_SWEEP: Duration = Duration::from_millis(250);
/// Registrations that are read and told in one go.
const REMEMBERED_AT_ONCE: usize = 1_024;
/// Answers that may wait for the servers while registrations are told.
const MOST_WAITING: usize = 64;
/// How often retention is looked at.
const RETENTION_SWEEP: Duration = Duration::from_secs(600);

/// Serves the API until `stopping`; requests under way are finished.
pub(super) fn serve_http(
    tasks: &mut JoinSet<&'static str>,
    listener: TcpListener,
    routes: api::Routes,
    stopping: watch::Receiver<bool>,
) {
    tasks.spawn(async move {
        if let Err(error) = api::serve(listener, routes, asked(stopping)).await {
            tracing::error!(%error, "the HTTP server failed");
        }
        "the HTTP server"
    });
}

/// Looks after open commands, and drops the days that retention no longer covers.
pub(super) fn sweep(tasks: &mut JoinSet<&'static str>, parts: &Parts, stopping: &watch::Receiver<bool>) {
    let (rounds, stop) = (Arc::new(Mutex::new(Rounds::new(parts.clone()))), stopping.clone());
    tasks.spawn(async move {
        every(COMMAND_SWEEP, stop, || {
            let rounds = Arc::clone(&rounds);
            move || {
                if let Err(error) = rounds.lock().unwrap_or_else(PoisonError::into_inner).look(clock::wall()) {
                    tracing::error!(%error, "open commands cannot be listed");
                }
            }
        })
        .await;
        "the command sweep"
    });
    let (retention, stop) = (parts.store.clone(), stopping.clone());
    tasks.spawn(async move {
        every(RETENTION_SWEEP, stop, || {
            let store = retention.clone();
            move || match store.expire(clock::wall()) {
                Ok(0) => {}
                Ok(days) => tracing::info!(days, "dropped days that retention no longer covers"),
                Err(error) => tracing::error!(%error, "retention failed"),
            }
        })
        .await;
        "the retention sweep"
    });
}

/// Tells the CoAP servers the registrations of an earlier life, beside the traffic: a device that speaks meanwhile is looked up.
pub(super) fn remember(tasks: &mut JoinSet<&'static str>, store: &Store, answers: Answers, mut stopping: watch::Receiver<bool>) {
    let store = store.clone();
    tasks.spawn(async move {
        let (mut after, mut count) = (None, 0);
        while !*stopping.borrow() {
            let store = store.clone();
            let read = tokio::task::spawn_blocking(move || store.registrations(after, REMEMBERED_AT_ONCE));
            let page = match read.await {
                Ok(Ok(page)) => page,
                Ok(Err(error)) => {
                    tracing::error!(%error, "registrations cannot be read");
                    return "the registrations";
                }
                Err(_) => return "the registrations",
            };
            count += page.items.len();
            answers.remember(page.items);
            after = page.next;
            if after.is_none() {
                answers.push(Answer::Remembered);
                tracing::info!(count, "told the CoAP servers which devices are registered");
                break;
            }
            // The servers' own traffic comes first.
            while answers.waiting() > MOST_WAITING && !*stopping.borrow() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        }
        let _owner_gone = stopping.wait_for(|stop| *stop).await;
        "the registrations"
    });
}

/// Reads when to look at silent devices, beside the traffic, and has them looked at when it is time.
pub(super) fn silence(tasks: &mut JoinSet<&'static str>, router: &Router, stopping: watch::Receiver<bool>) {
    let router = router.clone();
    tasks.spawn(async move {
        let learned = {
            let router = router.clone();
            tokio::task::spawn_blocking(move || router.learn_silent(None)).await
        };
        if !matches!(learned, Ok(Ok(()))) {
            tracing::error!(?learned, "devices cannot be read");
            return "the silence sweep";
        }
        every(SILENCE_SWEEP, stopping, || {
            let router = router.clone();
            move || router.look_at_silent(clock::wall())
        })
        .await;
        "the silence sweep"
    });
}

/// Makes the commands of batches.
pub(super) fn batches(tasks: &mut JoinSet<&'static str>, batches: Batches, stopping: watch::Receiver<bool>) {
    tasks.spawn(async move {
        batches.run(clock::wall, asked(stopping)).await;
        "the batches"
    });
}

/// How far the command sweep is. Waiting commands cost it nothing: it reads what is due, in order of time, and visits a few devices.
struct Rounds {
    parts: Parts,
    due: Option<(Timestamp, DeviceId, CommandId)>,
    visited: Option<DeviceId>,
    /// Commands that an earlier run of the gateway left SENT, still to be looked at, newest first; none = done.
    left: Option<Option<CommandId>>,
}

impl Rounds {
    fn new(parts: Parts) -> Self {
        Self { parts, due: None, visited: None, left: Some(None) }
    }

    fn look(&mut self, now: Timestamp) -> Result<(), StoreError> {
        let (store, router) = (&self.parts.store, &self.parts.router);
        if let Some(before) = self.left {
            let page = store.commands(None, Some(CommandState::Sent), before, DUE)?;
            page.items.iter().for_each(|command| router.hint(command.device));
            self.left = page.next.map(Some);
        }
        let due = store.due_commands(now, self.due, DUE)?;
        due.iter().for_each(|(_, device, command)| router.due(*device, *command));
        self.due = due.last().copied().filter(|_| due.len() == DUE);
        let devices = store.devices_with_open_commands(self.visited, VISITS)?;
        devices.iter().for_each(|device| router.hint(*device));
        self.visited = devices.last().copied().filter(|_| devices.len() == VISITS);
        Ok(())
    }
}

/// Judges new codec versions now and then.
pub(super) fn judge(tasks: &mut JoinSet<&'static str>, catalog: &Arc<Catalog>, policy: Policy, stopping: watch::Receiver<bool>) {
    let catalog = Arc::clone(catalog);
    tasks.spawn(async move {
        let mut tick = tokio::time::interval(TRIAL_SWEEP);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stop = asked(stopping);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return "the rollback policy",
                _ = tick.tick() => {}
            }
            catalog.judge_trials(policy, clock::wall()).await;
        }
    });
}

/// Delivers what is put into the watched folder.
pub(super) fn watch(tasks: &mut JoinSet<&'static str>, mut watch: Watch, stopping: watch::Receiver<bool>) {
    tasks.spawn(async move {
        let mut tick = tokio::time::interval(LOOK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let stop = asked(stopping);
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => return "the watched folder",
                _ = tick.tick() => {}
            }
            watch.look().await;
        }
    });
}

/// Runs blocking work now and then until `stopping`.
async fn every<W: FnOnce() + Send + 'static>(period: Duration, stopping: watch::Receiver<bool>, work: impl Fn() -> W) {
    let mut tick = tokio::time::interval(period);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let stop = asked(stopping);
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            _ = tick.tick() => {}
        }
        if tokio::task::spawn_blocking(work()).await.is_err() {
            tracing::error!("a sweep panicked");
            return;
        }
    }
}

/// Ends when the gateway is asked to stop, or its owner is gone.
async fn asked(mut stopping: watch::Receiver<bool>) {
    let _owner_gone = stopping.wait_for(|stop| *stop).await;
}
