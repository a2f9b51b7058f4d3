//! Pushes over real HTTP: pumps fed by hand, receivers on port 0 that behave as a test wants.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};
use std::time::Instant;

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::response::IntoResponse;
use tokio::sync::mpsc;

use super::pump::{Chunk, Progress};
use super::sign::Signer;
use super::window::Wanted;
use super::*;
use crate::model::{DeviceId, EventId, Scope, Secret};

fn clock() -> Timestamp {
    Timestamp(1_700_000_000_500)
}

/// Waits until `done`, at most ten seconds.
pub(super) async fn until(what: &str, mut done: impl FnMut() -> bool) {
    #[expect(clippy::disallowed_methods, reason = "the limit of a wait")]
    let limit = Instant::now() + Duration::from_secs(10);
    while !done() {
        #[expect(clippy::disallowed_methods, reason = "the limit of a wait")]
        let now = Instant::now();
        assert!(now < limit, "waited in vain until {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

#[derive(Debug, Clone)]
pub(super) struct Got {
    headers: HeaderMap,
    pub(super) body: String,
}

impl Got {
    fn event(&self) -> (u64, u32) {
        let (device, n) = self.body.split_once(' ').unwrap();
        (device.parse().unwrap(), n.parse().unwrap())
    }
}

/// A receiver; `answer` decides by how many requests came before.
pub(super) struct Receiver {
    pub(super) url: String,
    got: Arc<Mutex<Vec<Got>>>,
    _server: JoinSet<()>,
}

impl Receiver {
    async fn start<A: IntoResponse, F: Future<Output = A> + Send>(
        answer: impl Fn(usize, String) -> F + Clone + Send + Sync + 'static,
    ) -> Self {
        let got: Arc<Mutex<Vec<Got>>> = Arc::default();
        let log = Arc::clone(&got);
        let count = Arc::new(AtomicUsize::new(0));
        let app = Router::new().fallback(move |headers: HeaderMap, body: String| {
            let (log, count, answer) = (Arc::clone(&log), Arc::clone(&count), answer.clone());
            async move {
                log.lock().unwrap().push(Got { headers, body: body.clone() });
                answer(count.fetch_add(1, SeqCst), body).await
            }
        });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/events", listener.local_addr().unwrap());
        let mut server = JoinSet::new();
        server.spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self { url, got, _server: server }
    }

    pub(super) async fn fine() -> Self {
        Self::start(async |_, _| StatusCode::NO_CONTENT).await
    }

    pub(super) fn got(&self) -> Vec<Got> {
        self.got.lock().unwrap().clone()
    }

    /// Event numbers per device, in order of first arrival.
    fn firsts(&self) -> HashMap<u64, Vec<u32>> {
        let mut seen = HashSet::new();
        let mut firsts: HashMap<u64, Vec<u32>> = HashMap::new();
        for (device, n) in self.got().iter().map(Got::event).filter(|event| seen.insert(*event)) {
            firsts.entry(device).or_default().push(n);
        }
        firsts
    }
}

pub(super) fn subscription(id: u32, url: &str) -> Subscription {
    Subscription {
        id: SubscriptionId(id),
        url: url.to_owned(),
        secret: Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),
        scope: Scope::All,
        kinds: Vec::new(),
        created: Timestamp(0),
    }
}

pub(super) fn config() -> PushConfig {
    PushConfig {
        retry_min: Duration::from_millis(2),
        retry_max: Duration::from_millis(20),
        pause: Duration::from_millis(50),
        ..PushConfig::new(clock)
    }
}

/// A pump at work and its ends.
struct Bench {
    feed: mpsc::Sender<Chunk>,
    reached: watch::Receiver<Progress>,
    phase: watch::Sender<Phase>,
    report: Arc<Report>,
    task: JoinSet<Phase>,
}

impl Bench {
    fn start(config: &PushConfig, shared: &Arc<Shared>, subscription: &Subscription, cursor: Option<EventId>) -> Self {
        let report = Arc::new(Report::default());
        let pump = pump(config, subscription, cursor, &report, shared);
        let (feed, pieces) = mpsc::channel(1);
        let (progress, reached) = watch::channel(Progress { cursor, delivered: 0 });
        let (phase, phases) = watch::channel(Phase::Run);
        let mut task = JoinSet::new();
        task.spawn(pump.run(pieces, progress, phases));
        Self { feed, reached, phase, report, task }
    }

    fn alone(config: &PushConfig, url: &str) -> Self {
        Self::start(config, &Arc::new(shared(config).unwrap()), &subscription(1, url), None)
    }

    /// Feeds what lies in the log behind the cursor, up to event `to`.
    async fn feed(&self, to: u32, devices: u64) {
        let from = self.reached.borrow().cursor.map_or(0, |cursor| cursor.block + 1);
        for n in from..to {
            let chunk = Chunk { events: vec![event(n, devices)], scanned: Some(place(n)), caught_up: n + 1 == to };
            self.feed.send(chunk).await.unwrap();
        }
    }

    async fn all_delivered(&mut self, to: u32) {
        let wanted = Some(place(to - 1));
        let wait = self.reached.wait_for(|reached| reached.cursor == wanted);
        tokio::time::timeout(Duration::from_secs(10), wait).await.expect("not all delivered in time").unwrap();
    }

    fn health(&self) -> Health {
        self.report.lock().clone()
    }
}

fn place(n: u32) -> EventId {
    EventId { day: 1, block: n, offset: 0 }
}

fn event(n: u32, devices: u64) -> Wanted {
    let device = u64::from(n) % devices;
    let before = n.checked_sub(1).map(place);
    Wanted { id: place(n), before, device: DeviceId(device), time: clock(), body: format!("{device} {n}").into() }
}

fn in_order(to: u32, devices: u64) -> HashMap<u64, Vec<u32>> {
    let of = |device| (0..to).filter(|n| u64::from(*n) % devices == device).collect();
    (0..devices).map(|device| (device, of(device))).collect()
}

#[tokio::test]
async fn a_push_is_signed_and_names_the_event() {
    let receiver = Receiver::fine().await;
    let mut bench = Bench::alone(&config(), &receiver.url);
    bench.feed(1, 1).await;
    bench.all_delivered(1).await;
    let got = receiver.got().remove(0);
    let header = |name: &str| got.headers[name].to_str().unwrap().to_owned();
    assert_eq!(header("webhook-id"), "1-0-0");
    assert_eq!(header("webhook-timestamp"), "1700000000");
    let signer = Signer::new(&Secret::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"));
    assert_eq!(header("webhook-signature"), signer.sign("1-0-0", 1_700_000_000, &got.body));
    assert_eq!(header("content-type"), "application/json");
    assert!(header("user-agent").starts_with("codecgate/"));
    let health = bench.health();
    assert_eq!((health.delivered, health.attempts, health.waiting, health.caught_up), (1, 1, 0, true));
    assert_eq!((health.state, health.last_success), (Activity::Delivering, Some(clock())));
}

#[tokio::test]
async fn a_receiver_that_fails_now_and_then_gets_all_in_order() {
    let receiver = Receiver::start(async |n, _| match n % 3 {
        0 => StatusCode::INTERNAL_SERVER_ERROR,
        _ => StatusCode::OK,
    })
    .await;
    let mut bench = Bench::alone(&config(), &receiver.url);
    bench.feed(200, 7).await;
    bench.all_delivered(200).await;
    assert_eq!(receiver.firsts(), in_order(200, 7));
    let error = bench.health().last_error.unwrap();
    assert_eq!((error.status, &*error.text), (Some(500), "the receiver answered 500 Internal Server Error"));
}

#[tokio::test]
async fn a_dead_and_a_slow_receiver_hold_up_only_themselves() {
    // Accepts connections and never answers, at the price of every request that all may share.
    let dead = Receiver::start(async |_, _| std::future::pending::<StatusCode>().await).await;
    let slow = Receiver::start(async |_, _| tokio::time::sleep(Duration::from_millis(20)).await).await;
    let fine = Receiver::fine().await;
    let config = PushConfig { total_in_flight: 4, ..config() };
    let shared = Arc::new(shared(&config).unwrap());
    let start = |id, url: &str| Bench::start(&config, &shared, &subscription(id, url), None);
    let (dead_one, mut slow_one, mut fine_one) = (start(1, &dead.url), start(2, &slow.url), start(3, &fine.url));
    dead_one.feed(20, 20).await;
    until("the dead receiver holds all shared requests", || dead.got().len() == 5).await;
    tokio::join!(slow_one.feed(20, 20), fine_one.feed(1_000, 20));
    tokio::join!(slow_one.all_delivered(20), fine_one.all_delivered(1_000));
    assert_eq!(fine.firsts(), in_order(1_000, 20));
    assert_eq!((dead_one.health().delivered, dead_one.health().in_flight), (0, 5));
    assert_eq!(dead_one.reached.borrow().cursor, None);
}

#[tokio::test]
async fn a_receiver_that_is_down_is_left_alone_and_found_again() {
    let up = Arc::new(AtomicUsize::new(0));
    let switch = Arc::clone(&up);
    let receiver = Receiver::start(move |_, _| {
        let up = switch.load(SeqCst) == 1;
        async move { if up { StatusCode::OK } else { StatusCode::BAD_GATEWAY } }
    })
    .await;
    let config = PushConfig { pause: Duration::from_millis(300), ..config() };
    let mut bench = Bench::alone(&config, &receiver.url);
    bench.feed(30, 30).await;
    let left_alone = |health: Health| health.state == Activity::Paused && health.waiting == 30 && health.in_flight == 0;
    until("the receiver is left alone", || left_alone(bench.health())).await;
    let health = bench.health();
    assert!(health.paused_until > Some(clock()) && health.consecutive_failures >= 10, "{health:?}");
    assert!(health.oldest_undelivered == Some(clock()), "{health:?}");
    until("a probe was made", || bench.health().attempts > health.attempts).await;
    assert!(bench.health().in_flight <= 1);
    up.store(1, SeqCst);
    bench.all_delivered(30).await;
    assert_eq!(receiver.firsts(), in_order(30, 30));
}

#[tokio::test]
async fn after_a_crash_what_lies_behind_the_cursor_comes_again_and_nothing_is_missing() {
    let receiver = Receiver::start(async |_, _| tokio::time::sleep(Duration::from_millis(1)).await).await;
    let (mut cursor, mut crashes) = (None, 0);
    while cursor < Some(place(399)) {
        let config = config();
        let mut bench = Bench::start(&config, &Arc::new(shared(&config).unwrap()), &subscription(1, &receiver.url), cursor);
        bench.feed(400, 9).await;
        let before = cursor.map_or(0, |cursor| cursor.block);
        let step = bench.reached.wait_for(|now| now.cursor.is_some_and(|now| now.block >= (before + 70).min(399)));
        cursor = tokio::time::timeout(Duration::from_secs(10), step).await.unwrap().unwrap().cursor;
        drop(bench.task);
        crashes += 1;
    }
    assert!(crashes >= 2);
    assert_eq!(receiver.firsts(), in_order(400, 9));
    let ids: HashMap<_, _> = receiver.got().iter().map(|got| (got.event(), got.headers["webhook-id"].clone())).collect();
    assert!(receiver.got().iter().all(|got| ids[&got.event()] == got.headers["webhook-id"]), "an id changed");
}

#[tokio::test]
async fn a_stop_lets_requests_land_and_sends_no_more() {
    let receiver = Receiver::start(async |_, _| tokio::time::sleep(Duration::from_millis(50)).await).await;
    let mut bench = Bench::alone(&PushConfig { in_flight: 2, ..config() }, &receiver.url);
    bench.feed(10, 10).await;
    until("two requests fly", || receiver.got().len() == 2).await;
    bench.phase.send_replace(Phase::Stop);
    assert_eq!(bench.task.join_next().await.unwrap().unwrap(), Phase::Stop);
    assert_eq!(bench.reached.borrow().cursor, Some(place(1)));
    assert_eq!(receiver.got().len(), 2);
}

#[tokio::test]
async fn a_stop_does_not_wait_for_a_dead_receiver() {
    let receiver = Receiver::start(async |_, _| std::future::pending::<StatusCode>().await).await;
    let mut bench = Bench::alone(&PushConfig { stop_within: Duration::from_millis(20), ..config() }, &receiver.url);
    bench.feed(1, 1).await;
    until("the request flies", || receiver.got().len() == 1).await;
    bench.phase.send_replace(Phase::Stop);
    assert_eq!(bench.task.join_next().await.unwrap().unwrap(), Phase::Stop);
    assert_eq!(bench.reached.borrow().cursor, None);
}

#[tokio::test]
async fn a_test_delivery_tells_all_but_the_secret() {
    let receiver = Receiver::start(async |_, _| (StatusCode::IM_A_TEAPOT, "x".repeat(5_000))).await;
    let poster = shared(&config()).unwrap().poster;
    let attempt = poster.test(&subscription(9, &receiver.url)).await;
    assert_eq!((attempt.success, attempt.status, attempt.response.len()), (false, Some(418), 1_024));
    assert!(attempt.error.as_ref().unwrap().len() < 300, "{attempt:?}");
    let got = receiver.got().remove(0);
    assert_eq!(got.body, attempt.request_body);
    for (name, value) in &attempt.request_headers {
        assert_eq!(got.headers[*name], **value);
    }
    let body: serde_json::Value = serde_json::from_str(&got.body).unwrap();
    assert_eq!(body.pointer("/kind"), Some(&"test".into()));
    assert!(!serde_json::to_string(&attempt).unwrap().contains("MfKQ9r8G"));
}

#[tokio::test]
async fn each_failure_says_what_happened() {
    let moved = Receiver::start(async |_, _| (StatusCode::FOUND, [("location", "/elsewhere")])).await;
    let busy = Receiver::start(async |_, _| (StatusCode::SERVICE_UNAVAILABLE, [("retry-after", "7")], "come\nlater")).await;
    let silent = Receiver::start(async |_, _| std::future::pending::<StatusCode>().await).await;
    let closed = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let poster = shared(&PushConfig { request_timeout: Duration::from_millis(300), ..config() }).unwrap().poster;
    for (url, rest, words) in [
        (moved.url.clone(), None, "302 Found to /elsewhere; redirects are not followed"),
        (busy.url.clone(), Some(7), "503 Service Unavailable: comelater"),
        (silent.url.clone(), None, "no answer within 300ms"),
        (format!("http://{closed}/?token=hush"), None, "no connection: "),
        ("nonsense".to_owned(), None, "write it like https://"),
        (format!("{}#x", moved.url), None, "never sent to a server"),
    ] {
        let failure = poster.post(&Target::new(&subscription(1, &url)), "1", "{}".to_owned()).await.err().unwrap();
        assert!(failure.text.contains(words) && !failure.text.contains("hush"), "{}", failure.text);
        assert_eq!(failure.rest, rest.map(Duration::from_secs));
    }
    assert_eq!(moved.got().len(), 1, "the redirect was not followed");
}
