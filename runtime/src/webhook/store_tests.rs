//! The pusher with a real store and a real receiver: cursors over restarts, subscriptions that come and go.

use super::tests::{Receiver, config, subscription, until};
use super::*;
use crate::model::{DeviceId, EventKind, NewEvent, ProductId};
use crate::store::{Commit, Durability, StoreConfig, Write};

const CONFIG: StoreConfig = StoreConfig { cache_mib: 16, retention_days: 7, durability: Durability::Relaxed, queue: 1_024 };

fn open(dir: &tempfile::TempDir) -> Store {
    Store::open(dir.path(), &CONFIG, (config().clock)()).unwrap()
}

/// Event `n` of device `n` modulo 5; the body is what the receiver of `tests` reads.
fn fact(n: u32) -> NewEvent {
    NewEvent {
        kind: EventKind::Report,
        device: DeviceId(u64::from(n % 5)),
        endpoint: "meter".to_owned(),
        product: ProductId(1),
        time: (config().clock)(),
        raw: None,
        body: format!("{{\"n\":{n}}}"),
    }
}

async fn append(store: &Store, numbers: std::ops::Range<u32>) {
    for n in numbers {
        store.commit(Commit { events: vec![fact(n)], writes: Vec::new() }).await.unwrap();
    }
}

async fn subscribe(store: &Store, subscription: Subscription) {
    let mut writes = vec![Write::PutSubscription(subscription.clone())];
    writes.extend(store.last_event().map(|last| Write::PutCursor(subscription.id, last)));
    store.commit(Commit { events: Vec::new(), writes }).await.unwrap();
}

/// The numbers that arrived, in order, per device of five.
fn numbers(receiver: &Receiver) -> Vec<Vec<u32>> {
    let mut devices = vec![Vec::new(); 5];
    for got in receiver.got() {
        let event: serde_json::Value = serde_json::from_str(&got.body).unwrap();
        let n = u32::try_from(event["data"]["n"].as_u64().unwrap()).unwrap();
        let device: &mut Vec<u32> = &mut devices[usize::try_from(n % 5).unwrap()];
        if !device.contains(&n) {
            device.push(n);
        }
    }
    devices
}

fn expected(numbers: std::ops::Range<u32>) -> Vec<Vec<u32>> {
    (0..5).map(|device| numbers.clone().filter(|n| n % 5 == device).collect()).collect()
}

#[tokio::test]
async fn a_subscription_sees_what_happens_from_its_creation_on_and_a_stop_keeps_its_cursor() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::fine().await;
    let id = SubscriptionId(1);
    {
        let store = open(&dir);
        append(&store, 0..20).await;
        let pusher = Pusher::start(store.clone(), config()).unwrap();
        subscribe(&store, subscription(1, &receiver.url)).await;
        pusher.added(id).await.unwrap();
        append(&store, 20..60).await;
        until("all are delivered", || numbers(&receiver) == expected(20..60)).await;
        pusher.stop().await;
        assert_eq!(store.cursor(id).unwrap(), store.last_event());
        append(&store, 60..80).await;
        store.close().unwrap();
    }
    let store = open(&dir);
    let pusher = Pusher::start(store.clone(), config()).unwrap();
    until("what happened meanwhile is delivered", || numbers(&receiver) == expected(20..80)).await;
    // The receiver has an event before the pusher has its answer.
    until("all answers are counted", || (pusher.health(id).unwrap().delivered, pusher.totals().successes) == (20, 20)).await;
    assert_eq!(receiver.got().len(), 60, "nothing came twice");
    pusher.stop().await;
    store.close().unwrap();
}

#[tokio::test]
async fn a_pusher_that_dies_delivers_again_from_its_cursor_and_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let receiver = Receiver::fine().await;
    let store = open(&dir);
    subscribe(&store, subscription(1, &receiver.url)).await;
    for round in 0..5 {
        let pusher = Pusher::start(store.clone(), PushConfig { save_every: Duration::from_millis(5), ..config() }).unwrap();
        append(&store, round * 50..(round + 1) * 50).await;
        until("some are delivered", || receiver.got().len() > usize::try_from(round * 50).unwrap()).await;
        drop(pusher);
    }
    let pusher = Pusher::start(store.clone(), config()).unwrap();
    until("all are delivered", || numbers(&receiver) == expected(0..250)).await;
    pusher.stop().await;
    store.close().unwrap();
}

#[tokio::test]
async fn a_removed_subscription_gets_nothing_more_and_reload_finds_what_changed() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (Receiver::fine().await, Receiver::fine().await);
    let store = open(&dir);
    let pusher = Pusher::start(store.clone(), config()).unwrap();
    subscribe(&store, subscription(1, &first.url)).await;
    subscribe(&store, subscription(2, &second.url)).await;
    pusher.reload().await.unwrap();
    append(&store, 0..10).await;
    until("both have all", || first.got().len() == 10 && second.got().len() == 10).await;
    pusher.removed(SubscriptionId(1)).await;
    let writes = vec![Write::DeleteSubscription(SubscriptionId(1))];
    store.commit(Commit { events: Vec::new(), writes }).await.unwrap();
    pusher.reload().await.unwrap();
    append(&store, 10..20).await;
    until("the other has all", || second.got().len() == 20).await;
    assert_eq!(first.got().len(), 10);
    assert!(pusher.health(SubscriptionId(1)).is_none() && pusher.health(SubscriptionId(2)).is_some());
    // The same subscription with a new address goes on where it was.
    let moved = Write::PutSubscription(subscription(2, &first.url));
    store.commit(Commit { events: Vec::new(), writes: vec![moved] }).await.unwrap();
    pusher.added(SubscriptionId(2)).await.unwrap();
    append(&store, 20..30).await;
    until("the new address has the rest", || first.got().len() == 20).await;
    assert_eq!(second.got().len(), 20);
    pusher.stop().await;
    store.close().unwrap();
}
