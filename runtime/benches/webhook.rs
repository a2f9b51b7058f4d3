//! How fast one subscription drains, and how late a push is at half of that: a real store, a real HTTP receiver, one machine.
//!
//! `cargo bench --bench webhook`. The receiver shares the cores; the floor is p99 100 ms from the event to its
//! request at half load, the goal 20 ms.
#![expect(clippy::unwrap_used, clippy::disallowed_methods, reason = "a bench measures time and stops at the first fault")]

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use axum::Router;
use axum::http::StatusCode;
use codecgate::model::{DeviceId, EventKind, NewEvent, ProductId, Scope, Secret, Subscription, SubscriptionId, Timestamp};
use codecgate::store::{Commit, Durability, Store, StoreConfig, Submission, Write};
use codecgate::webhook::{PushConfig, Pusher};

const EVENTS: u64 = 100_000;
const DEVICES: u64 = 10_000;
const PACED: Duration = Duration::from_secs(5);

fn micros() -> u64 {
    u64::try_from(SystemTime::UNIX_EPOCH.elapsed().unwrap().as_micros()).unwrap()
}

fn clock() -> Timestamp {
    Timestamp(micros() / 1_000)
}

/// The time is the event's body, so that the receiver can tell how late it comes.
fn fact(n: u64) -> NewEvent {
    NewEvent {
        kind: EventKind::Report,
        device: DeviceId(n % DEVICES),
        endpoint: "urn:imei:867000000000001".to_owned(),
        product: ProductId(1),
        time: clock(),
        raw: Some(vec![0; 20]),
        body: format!("{{\"service\":\"Meter\",\"values\":{{\"reading\":12345,\"battery\":3.6}},\"at\":{}}}", micros()),
    }
}

async fn append(store: &Store, events: Vec<NewEvent>) {
    while store.health().queued > 512 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    store.commit(Commit { events, writes: Vec::new() }).await.unwrap();
}

#[tokio::main]
async fn main() {
    let late: Arc<Mutex<Vec<u64>>> = Arc::default();
    let seen = Arc::clone(&late);
    let app = Router::new().fallback(move |body: String| {
        let at = body.rsplit_once("\"at\":").unwrap().1.trim_end_matches('}').parse::<u64>().unwrap();
        seen.lock().unwrap().push(micros().saturating_sub(at));
        std::future::ready(StatusCode::NO_CONTENT)
    });
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let mut server = tokio::task::JoinSet::new();
    server.spawn(async move { axum::serve(listener, app).await.unwrap() });

    let dir = tempfile::tempdir().unwrap();
    let config = StoreConfig { cache_mib: 64, retention_days: 7, durability: Durability::Durable, queue: 65_536 };
    let store = Store::open(dir.path(), &config, clock()).unwrap();
    let subscription = Subscription {
        id: SubscriptionId(1),
        url,
        secret: Secret::new("bench"),
        scope: Scope::All,
        kinds: Vec::new(),
        created: Timestamp(0),
    };
    let writes = vec![Write::PutSubscription(subscription)];
    store.commit(Commit { events: Vec::new(), writes }).await.unwrap();
    for n in 0..EVENTS / 500 {
        append(&store, (n * 500..(n + 1) * 500).map(fact).collect()).await;
    }
    let arrived = || late.lock().unwrap().len() as u64;
    let began = Instant::now();
    let pusher = Pusher::start(store.clone(), PushConfig::new(clock)).unwrap();
    while arrived() < EVENTS {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let rate = EVENTS * 1_000 / u64::try_from(began.elapsed().as_millis()).unwrap();
    println!("backlog of {EVENTS} events, one subscription: {rate} pushes/s");

    late.lock().unwrap().clear();
    let (began, mut sent) = (Instant::now(), 0);
    while began.elapsed() < PACED {
        let due = rate / 2 * u64::try_from(began.elapsed().as_millis()).unwrap() / 1_000;
        let batch = (sent..due).map(|n| Submission {
            commit: Commit { events: vec![fact(n)], writes: Vec::new() },
            done: Box::new(|result| result.unwrap()),
        });
        assert!(store.submit(batch.collect()).is_ok(), "the store is too slow for this rate");
        sent = due;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let limit = Instant::now() + Duration::from_secs(30);
    while arrived() < sent {
        assert!(Instant::now() < limit, "{} of {sent} arrived", arrived());
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut late = std::mem::take(&mut *late.lock().unwrap());
    late.sort_unstable();
    let at = |permille: usize| late.get(late.len() * permille / 1_000).map_or(0.0, |us| *us as f64 / 1_000.0);
    println!("at {} events/s: request {:.1} ms (p50), {:.1} ms (p99) after the event", rate / 2, at(500), at(990));
    pusher.stop().await;
    store.close().unwrap();
}
