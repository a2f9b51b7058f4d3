//! The epoch ticker: one thread that moves the engine's epoch on, once a millisecond.
//!
//! It only ticks. What a tick means for a call is decided by `guest::Watch`. Ends with the value that owns it.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use wasmtime::{Engine, EngineWeak};

/// Length of an epoch.
pub(super) const TICK: Duration = Duration::from_millis(1);

/// Owns the thread.
#[derive(Debug)]
pub(super) struct Ticker {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Ticker {
    /// Starts ticking. The thread holds the engine weakly.
    ///
    /// # Errors
    /// The operating system gives no thread.
    pub(super) fn start(engine: &Engine) -> io::Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let (stopped, engine) = (Arc::clone(&stop), engine.weak());
        let thread = thread::Builder::new().name("codec-epoch".into()).spawn(move || run(&stopped, &engine))?;
        Ok(Self { stop, thread: Some(thread) })
    }
}

/// Keeps to a schedule, since a sleep of 1 ms takes 1.06 to 1.2; forgets what it missed while the machine was busy.
#[expect(clippy::disallowed_methods, reason = "ticking is what this thread is for; nothing else sees the time it reads")]
fn run(stopped: &AtomicBool, engine: &EngineWeak) {
    let mut next = Instant::now();
    while !stopped.load(Ordering::Relaxed) {
        next = (next + TICK).max(Instant::now());
        thread::sleep(next.saturating_duration_since(Instant::now()));
        let Some(engine) = engine.upgrade() else { return };
        engine.increment_epoch();
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            // It cannot panic, and a host that goes away has nobody left to tell.
            let _ = thread.join();
        }
    }
}
