//! Sockets: UDP in and out of the LwM2M server's state machine, on a thread of its own.
//!
//! Knows the state machine ([`crate::lwm2m::Server`]) and a place to put what it reports; knows nothing of stores or codecs.
//! Answers come from other threads through [`Answers`]: one lock, one wake-up, many answers.

mod udp;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

pub use udp::{CoapSocket, TransportError};

use crate::lwm2m::{Answer, Counters};

/// Where the flows leave their answers for devices. Cheap to clone; bounded by the server's open tickets and queues.
#[derive(Clone, Default)]
pub struct Answers {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    waiting: Mutex<Vec<Answer>>,
    ready: Notify,
    counters: Mutex<Counters>,
}

impl Answers {
    /// Leaves one answer.
    pub fn push(&self, answer: Answer) {
        self.waiting().push(answer);
        self.shared.ready.notify_one();
    }

    /// What the transport has counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        *self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn publish(&self, counters: Counters) {
        *self.shared.counters.lock().unwrap_or_else(PoisonError::into_inner) = counters;
    }

    fn take(&self, into: &mut Vec<Answer>) {
        std::mem::swap(&mut *self.waiting(), into);
    }

    async fn ready(&self) {
        self.shared.ready.notified().await;
    }

    fn waiting(&self) -> std::sync::MutexGuard<'_, Vec<Answer>> {
        self.shared.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
