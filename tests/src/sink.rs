//! A webhook receiver that remembers what it got, and can be made slow, broken or deaf.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// How the receiver answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// 204 at once.
    Accept,
    /// This status at once.
    Status(u16),
    /// 204 after this time.
    Slow(Duration),
}

/// One request.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body as it came.
    pub body: Bytes,
    /// Its body as JSON.
    pub json: Value,
    /// Whether it was answered with 2xx.
    pub accepted: bool,
}

#[derive(Clone)]
struct Shared {
    got: Arc<Mutex<Vec<Received>>>,
    behaviour: Arc<Mutex<Behaviour>>,
}

/// A running receiver; stops when it is dropped.
pub struct Sink {
    address: SocketAddr,
    shared: Shared,
    task: JoinHandle<()>,
}

impl Sink {
    /// Listens on a free port.
    ///
    /// # Panics
    /// When there is none.
    pub async fn start(behaviour: Behaviour) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let shared = Shared { got: Arc::default(), behaviour: Arc::new(Mutex::new(behaviour)) };
        let routes = axum::Router::new().route("/hook", post(receive)).with_state(shared.clone());
        let mut owner = tokio::task::JoinSet::new();
        owner.spawn(async move { axum::serve(listener, routes).await.expect("the sink serves") });
        #[expect(clippy::disallowed_methods, reason = "the handle is owned and aborted on drop")]
        let task = tokio::spawn(async move { while owner.join_next().await.is_some() {} });
        Self { address, shared, task }
    }

    /// Where events are posted to.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/hook", self.address)
    }

    /// Changes how it answers from now on.
    ///
    /// # Panics
    /// When another thread panicked.
    pub fn behave(&self, behaviour: Behaviour) {
        *self.shared.behaviour.lock().expect("no panic") = behaviour;
    }

    /// Everything that it got, in order.
    ///
    /// # Panics
    /// When another thread panicked.
    #[must_use]
    pub fn got(&self) -> Vec<Received> {
        self.shared.got.lock().expect("no panic").clone()
    }

    /// What it accepted, as JSON, in order.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        self.got().into_iter().filter(|received| received.accepted).map(|received| received.json).collect()
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn receive(State(shared): State<Shared>, headers: HeaderMap, body: Bytes) -> StatusCode {
    let behaviour = *shared.behaviour.lock().expect("no panic");
    let (status, pause) = match behaviour {
        Behaviour::Accept => (StatusCode::NO_CONTENT, None),
        Behaviour::Status(code) => (StatusCode::from_u16(code).unwrap_or(StatusCode::IM_A_TEAPOT), None),
        Behaviour::Slow(pause) => (StatusCode::NO_CONTENT, Some(pause)),
    };
    let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
    shared.got.lock().expect("no panic").push(Received { headers, body, json, accepted: status.is_success() });
    if let Some(pause) = pause {
        tokio::time::sleep(pause).await;
    }
    status
}
