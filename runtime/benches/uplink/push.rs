//! The way to the application: how late a webhook's request arrives after the event's time, at half of what the path sustains.
//!
//! The receiver runs in this process on a thread of its own; it answers 204 and does nothing else.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use codecgate::app::Gateway;
use codecgate::clock;
use codecgate::model::{EventKind, Scope, Secret, Subscription, Timestamp};
use codecgate::store::{Commit, Write};

use super::rig::{Wire, drive};

/// Milliseconds between the event's time and the request's arrival.
type Late = Arc<Mutex<Vec<u64>>>;

pub(super) async fn section(gateway: &Gateway, devices: &mut Vec<Wire>, time: Duration) {
    let late = Late::default();
    let receiver = receiver(Arc::clone(&late));
    let parts = gateway.parts();
    let subscription = Subscription {
        id: parts.store.next_subscription_id(),
        url: format!("http://{receiver}/"),
        secret: Secret::new("bench"),
        scope: Scope::All,
        kinds: vec![EventKind::Report],
        created: Timestamp(0),
    };
    let cursor = Write::PutCursor(subscription.id, parts.store.last_event().unwrap_or_default());
    let id = subscription.id;
    let writes = vec![Write::PutSubscription(subscription), cursor];
    parts.store.commit(Commit { events: Vec::new(), writes }).await.unwrap();
    parts.pusher.added(id).await.unwrap();

    // As much as goes in; the webhook falls behind, and its rate while it does is what it sustains beside uplinks.
    let begin = Instant::now();
    let full = drive(devices, time, None).await;
    let beside = late.lock().unwrap().len() as f64 / begin.elapsed().as_secs_f64();
    let sent = (full.rate * time.as_secs_f64()) as usize;
    settle(&late).await;
    println!(
        "webhook: {beside:.0} pushes/s beside {:.0} uplinks/s; the {sent} events arrived after {:.1} s",
        full.rate,
        begin.elapsed().as_secs_f64()
    );

    late.lock().unwrap().clear();
    let pause = Duration::from_secs_f64(devices.len() as f64 / (beside / 2.0));
    let paced = drive(devices, time.max(Duration::from_secs(3)), Some(pause)).await;
    settle(&late).await;
    let mut late = std::mem::take(&mut *late.lock().unwrap());
    late.sort_unstable();
    let at = |part: f64| late.get((late.len() as f64 * part) as usize).copied().unwrap_or_default();
    println!(
        "uplink -> webhook request at {:.0} uplinks/s: p50 {} ms, p99 {} ms, {} requests    (floor p99 100 ms, goal 20 ms)",
        paced.rate,
        at(0.50),
        at(0.99),
        late.len()
    );
    parts.store.commit(Commit { events: Vec::new(), writes: vec![Write::DeleteSubscription(id)] }).await.unwrap();
    parts.pusher.reload().await.unwrap();
}

/// Until nothing has arrived for half a second.
async fn settle(late: &Late) {
    let mut seen = usize::MAX;
    while std::mem::replace(&mut seen, late.lock().unwrap().len()) != seen {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn receiver(late: Late) -> SocketAddr {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let address = listener.local_addr().unwrap();
    let app = axum::Router::new().fallback(move |body: String| {
        let now = clock::wall().0;
        let time = body.split_once("\"time\":\"").unwrap().1.split('"').next().unwrap();
        late.lock().unwrap().push(now.saturating_sub(Timestamp::parse(time).unwrap().0));
        std::future::ready(StatusCode::NO_CONTENT)
    });
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async move { axum::serve(tokio::net::TcpListener::from_std(listener).unwrap(), app).await.unwrap() });
    });
    address
}
