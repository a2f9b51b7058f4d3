//! The committer's queue: bounded, taken from in groups. Knows neither keys nor disk.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::{Commit, StoreError, Submission, block};

/// Most submissions of a group.
const MOST: usize = 512;
/// Most bytes of events of a group. sled reuses a log segment once its own flush covered it, which is not the disk's word: under
/// 512 KiB of log between two syncs, no segment can be reused before it is safe.
const MOST_BYTES: usize = 256 << 10;
/// With that many queued, nobody waits for more.
const PLENTY: usize = 64;
/// How long the first of a small group waits for company.
const WINDOW: Duration = Duration::from_millis(1);

/// A step that needs the committer for itself: import.
pub(super) type Task = Box<dyn FnOnce(&mut super::committer::Committer) + Send>;

/// What the committer does next.
pub(super) enum Turn {
    /// Commit these together.
    Group(Vec<Submission>),
    /// Run this alone.
    Alone(Task),
    /// Nothing waits; there is time for housekeeping.
    Idle,
    /// Nothing waits and nothing will: stop.
    Stop,
}

enum Job {
    Commit(Submission),
    Alone(Task),
}

struct State {
    jobs: VecDeque<Job>,
    /// Why nothing more is taken.
    refusal: Option<StoreError>,
}

/// The queue. Senders never block.
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Condvar,
    limit: usize,
}

impl Queue {
    pub(super) fn new(limit: usize) -> Self {
        Self { state: Mutex::new(State { jobs: VecDeque::new(), refusal: None }), wake: Condvar::new(), limit }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn len(&self) -> usize {
        self.state().jobs.len()
    }

    /// Takes all or hands all back.
    pub(super) fn push(&self, batch: Vec<Submission>) -> Result<(), (StoreError, Vec<Submission>)> {
        let mut state = self.state();
        if let Some(refusal) = &state.refusal {
            return Err((refusal.clone(), batch));
        }
        let before = state.jobs.len();
        if before + batch.len() > self.limit {
            return Err((StoreError::Busy, batch));
        }
        state.jobs.extend(batch.into_iter().map(Job::Commit));
        let after = state.jobs.len();
        drop(state);
        // The committer sleeps while there is nothing, then until there is plenty.
        if (before == 0 && after > 0) || (before < PLENTY && after >= PLENTY) {
            self.wake.notify_one();
        }
        Ok(())
    }

    /// Queues a task, beyond the limit.
    pub(super) fn push_alone(&self, task: Task) -> Result<(), StoreError> {
        let mut state = self.state();
        if let Some(refusal) = &state.refusal {
            return Err(refusal.clone());
        }
        state.jobs.push_back(Job::Alone(task));
        drop(state);
        self.wake.notify_one();
        Ok(())
    }

    /// From now on pushes are answered with `refusal`; what is queued is still taken.
    pub(super) fn refuse(&self, refusal: StoreError) {
        self.state().refusal.get_or_insert(refusal);
        self.wake.notify_one();
    }

    /// Waits for work. `has_chores`: do not wait, there is housekeeping to do.
    pub(super) fn next(&self, has_chores: bool) -> Turn {
        let mut state = self.state();
        if state.jobs.is_empty() && state.refusal.is_none() {
            if has_chores {
                return Turn::Idle;
            }
            let nothing = |state: &mut State| state.jobs.is_empty() && state.refusal.is_none();
            state = self.wake.wait_while(state, nothing).unwrap_or_else(PoisonError::into_inner);
        }
        let few = |state: &mut State| state.jobs.len() < PLENTY && state.refusal.is_none();
        state = self.wake.wait_timeout_while(state, WINDOW, few).unwrap_or_else(PoisonError::into_inner).0;
        take_turn(&mut state)
    }
}

fn take_turn(state: &mut State) -> Turn {
    let mut group = Vec::with_capacity(state.jobs.len().min(MOST));
    let mut bytes = 0;
    while let Some(job) = state.jobs.pop_front() {
        match job {
            Job::Alone(task) if group.is_empty() => return Turn::Alone(task),
            Job::Alone(task) => {
                state.jobs.push_front(Job::Alone(task));
                break;
            }
            Job::Commit(submission) => {
                bytes += event_bytes(&submission.commit);
                group.push(submission);
                if group.len() >= MOST || bytes >= MOST_BYTES {
                    break;
                }
            }
        }
    }
    if group.is_empty() { Turn::Stop } else { Turn::Group(group) }
}

fn event_bytes(commit: &Commit) -> usize {
    commit.events.iter().map(block::size_hint).sum()
}
