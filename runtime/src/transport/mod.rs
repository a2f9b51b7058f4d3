//! Sockets: UDP in and out of the LwM2M server's state machine, on threads of their own.
//!
//! Knows the state machine ([`crate::lwm2m::Server`]) and a place to put what it reports; knows nothing of stores or codecs.
//! Answers come from other threads through [`Answers`]: one lock, one wake-up, many answers. Several servers share one address, each
//! with its own socket (SO_REUSEPORT): the kernel spreads devices over them by address, and what belongs to a device that is at home
//! at another server is passed on to it.

mod udp;

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

pub use udp::{CoapSocket, TransportError};

use crate::lwm2m::{Answer, Counters, Passed, Place};
use crate::model::Registration;

/// Datagrams that may wait for another server; more are dropped, and devices send again.
const MAX_PASSED: usize = 8_192;

/// Where the flows leave their answers for devices. Cheap to clone; bounded by the servers' open tickets and queues.
#[derive(Clone)]
pub struct Answers {
    boxes: Arc<[Letterbox]>,
}

impl Default for Answers {
    /// For one server.
    fn default() -> Self {
        Self::new(1)
    }
}

/// What waits for one server.
#[derive(Default)]
struct Letterbox {
    waiting: Mutex<Waiting>,
    ready: Notify,
    counters: Mutex<Counters>,
}

#[derive(Default)]
struct Waiting {
    answers: Vec<Answer>,
    passed: Vec<Passed>,
    datagrams: usize,
}

impl Answers {
    /// For so many servers, at least 1.
    #[must_use]
    pub fn new(servers: u8) -> Self {
        Self { boxes: (0..servers.max(1)).map(|_| Letterbox::default()).collect() }
    }

    /// How many servers there are.
    #[must_use]
    pub fn servers(&self) -> u8 {
        u8::try_from(self.boxes.len()).unwrap_or(u8::MAX)
    }

    /// Leaves one answer for the server that holds its ticket, or at which its device is at home.
    pub fn push(&self, answer: Answer) {
        let home = |device| Place { index: 0, count: self.servers() }.home(device);
        let to = match &answer {
            Answer::Register { ticket, .. }
            | Answer::Accept { ticket }
            | Answer::Refuse { ticket, .. }
            | Answer::Later { ticket, .. }
            | Answer::Forget { ticket } => ticket.server(),
            Answer::Send { device, .. }
            | Answer::Recalled { device, .. }
            | Answer::NotRecalled { device }
            | Answer::Remove { device } => home(*device),
            Answer::Remember(_) | Answer::Remembered => {
                // Each server takes what is its own.
                for index in 1..self.servers() {
                    self.leave(index, answer.clone());
                }
                0
            }
        };
        self.leave(to, answer);
    }

    /// Tells the servers registrations of an earlier life.
    pub fn remember(&self, registrations: Vec<Registration>) {
        self.push(Answer::Remember(registrations));
    }

    /// Answers that the servers have not taken yet.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.boxes.iter().map(|letterbox| letterbox.waiting().answers.len()).sum()
    }

    fn leave(&self, to: u8, answer: Answer) {
        if let Some(letterbox) = self.boxes.get(usize::from(to)) {
            letterbox.waiting().answers.push(answer);
            letterbox.ready.notify_one();
        }
    }

    /// Leaves for a server what another one heard.
    fn pass(&self, to: u8, passed: Passed) {
        let Some(letterbox) = self.boxes.get(usize::from(to)) else { return };
        let mut waiting = letterbox.waiting();
        if matches!(passed, Passed::Datagram { .. }) {
            if waiting.datagrams >= MAX_PASSED {
                return;
            }
            waiting.datagrams += 1;
        }
        waiting.passed.push(passed);
        drop(waiting);
        letterbox.ready.notify_one();
    }

    /// What the servers have counted.
    #[must_use]
    pub fn counters(&self) -> Counters {
        let mut sum = Counters::default();
        for letterbox in &*self.boxes {
            sum += *letterbox.counters.lock().unwrap_or_else(PoisonError::into_inner);
        }
        sum
    }

    fn publish(&self, index: u8, counters: Counters) {
        if let Some(letterbox) = self.boxes.get(usize::from(index)) {
            *letterbox.counters.lock().unwrap_or_else(PoisonError::into_inner) = counters;
        }
    }

    fn take(&self, index: u8, answers: &mut Vec<Answer>, passed: &mut Vec<Passed>) {
        let Some(letterbox) = self.boxes.get(usize::from(index)) else { return };
        let mut waiting = letterbox.waiting();
        std::mem::swap(&mut waiting.answers, answers);
        std::mem::swap(&mut waiting.passed, passed);
        waiting.datagrams = 0;
    }

    async fn ready(&self, index: u8) {
        match self.boxes.get(usize::from(index)) {
            Some(letterbox) => letterbox.ready.notified().await,
            None => std::future::pending().await,
        }
    }
}

impl Letterbox {
    fn waiting(&self) -> std::sync::MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
