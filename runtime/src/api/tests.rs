//! The router as a whole over a real store: what needs no codec and no device behind it.

use std::net::SocketAddr;
use std::time::Duration;

use axum::body::Body;
use axum::http::{Method, StatusCode};
use futures_util::StreamExt;
use serde_json::{Value, json};
use tower::ServiceExt;

use super::*;
use crate::admission::{Bench, Policy};
use crate::catalog::{Rules, ShadowRuns};
use crate::codec::{Host, Limits};
use crate::config::Config;
use crate::downlink::Bounds;
use crate::lwm2m::Names;
use crate::model::{
    DeviceId, EndpointFormat, EventKind, NewEvent, PowerMode, Product, ProductId, ProductKey, Registration, Secret,
};
use crate::shard::{Shards, ShardsConfig};
use crate::store::{Durability, Expect, StoreConfig};
use crate::trace::Tracer;
use crate::transport::Answers;
use crate::webhook::PushConfig;

const KEY: &str = "key-of-the-api-tests";
/// 2024-01-31T12:00:00Z
const NOW: Timestamp = Timestamp(1_706_702_400_000);

/// A router over a store of its own.
struct Fixture {
    router: axum::Router,
    store: Store,
    stop: watch::Sender<bool>,
    _shards: Shards,
    _folder: tempfile::TempDir,
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let config = StoreConfig { cache_mib: 8, retention_days: 7, durability: Durability::Relaxed, queue: 64 };
        let store = Store::open(folder.path(), &config, NOW).unwrap();
        let clock = || NOW;
        let (stop, stopping) = watch::channel(false);
        let host = Host::new(Limits::default(), None).unwrap();
        let rules = Rules { keep: 5, breaker: Default::default(), shadow: ShadowRuns::Off };
        let bench = Bench { host: Arc::clone(&host), policy: Policy::default() };
        let catalog = Catalog::open(store.clone(), bench, rules).unwrap();
        let flow = Config::default().flow_limits();
        let config = ShardsConfig {
            count: 1,
            queue: 64,
            moves_per_hour: 9,
            names: Names::new([1; 32]),
            seed: [1; 32],
            flow,
            tracer: Tracer::default(),
            grace_ms: 1_000,
            ack_ms: 1_000,
            max_retransmit: 0,
        };
        let (shadow, _ends_with_the_process) = Shadow::start(store.clone(), Arc::clone(&catalog), Limits::default()).unwrap();
        let parts = (store.clone(), Arc::clone(&catalog));
        let (shards, devices) = Shards::start(&config, parts, &host, &shadow, &Answers::default()).unwrap();
        let redecoder = Arc::new(Redecoder::new(store.clone(), Arc::clone(&catalog), host));
        let desk = Desk::new(store.clone(), Arc::clone(&catalog), devices.clone(), Bounds { per_device: 8, total: 9 });
        let state = ApiState {
            shadow,
            redecoder,
            store: store.clone(),
            batches: Batches::new(desk.clone()),
            desk,
            catalog,
            router: devices,
            pusher: Arc::new(Pusher::start(store.clone(), PushConfig::new(clock)).unwrap()),
            keys: Arc::new(ApiKeys::new([&Secret::new(KEY)]).unwrap()),
            registration_timeout_s: 0,
            clock,
            metrics: MetricsAccess::Keyed,
            stopping,
        };
        Self { router: router(state), store, stop, _shards: shards, _folder: folder }
    }

    async fn send(&self, request: Request) -> Response {
        self.router.clone().oneshot(request).await.unwrap()
    }

    async fn ask(&self, method: Method, path: &str, body: Option<Value>) -> (StatusCode, Value) {
        let mut request = Request::builder().method(method).uri(path).header(header::AUTHORIZATION, format!("Bearer {KEY}"));
        if body.is_some() {
            request = request.header(header::CONTENT_TYPE, "application/json");
        }
        let body = body.map_or_else(Body::empty, |body| Body::from(body.to_string()));
        read(self.send(request.body(body).unwrap()).await).await
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        self.ask(Method::GET, path, None).await
    }

    /// A product with IMEI names and a device of it.
    async fn product_and_device(&self) -> DeviceId {
        let product = Product {
            id: ProductId(1),
            key: ProductKey { manufacturer_id: "Acme01".to_owned(), model: "WM1".to_owned() },
            device_type: "WaterMeter".to_owned(),
            profile: r#"{"services":[]}"#.to_owned(),
            endpoint_format: EndpointFormat::Imei,
            power_mode: PowerMode::Psm,
            habits: Default::default(),
            commands: Default::default(),
            observe: Vec::new(),
            codec: None,
            versions: Default::default(),
            created: NOW,
        };
        self.commit(Vec::new(), vec![Write::PutProduct(product, Expect::Absent)]).await;
        let body = json!({"endpoint": "867000000000001", "productId": 1, "name": "cellar", "attributes": {"site": "north"}});
        let (status, device) = self.ask(Method::POST, "/api/v1/devices", Some(body)).await;
        assert_eq!(status, StatusCode::CREATED, "{device}");
        DeviceId(device["id"].as_u64().unwrap())
    }

    async fn commit(&self, events: Vec<NewEvent>, writes: Vec<Write>) {
        self.store.commit(Commit { events, writes }).await.unwrap();
    }

    async fn append(&self, device: DeviceId, kind: EventKind, raw: Option<&[u8]>, body: &Value) {
        let fact = NewEvent {
            kind,
            device,
            endpoint: "867000000000001".to_owned(),
            product: ProductId(1),
            time: NOW,
            raw: raw.map(<[u8]>::to_vec),
            body: body.to_string(),
        };
        self.commit(vec![fact], Vec::new()).await;
    }
}

async fn read(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    let value = if bytes.is_empty() { Value::Null } else { serde_json::from_slice(&bytes).unwrap() };
    (status, value)
}

#[tokio::test]
async fn every_documented_path_is_served_and_asks_for_a_key() {
    let fixture = Fixture::new();
    let document: Value = serde_json::from_str(&openapi_document()).unwrap();
    let mut asked = 0;
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            if path == "/healthz" {
                continue;
            }
            let method: Method = method.to_uppercase().parse().unwrap();
            let request = Request::builder()
                .method(&method)
                .uri(path.replace("{id}", "1").replace("{number}", "1"))
                .body(Body::empty())
                .unwrap();
            let (status, problem) = read(fixture.send(request).await).await;
            assert_eq!((status, &problem["code"]), (StatusCode::UNAUTHORIZED, &json!("E4101")), "{method} {path}");
            asked += 1;
        }
    }
    assert!(asked > 20, "{asked}");
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems() {
    let fixture = Fixture::new();
    let (status, problem) = fixture.get("/api/v1/nothing").await;
    assert_eq!((status, &problem["code"]), (StatusCode::NOT_FOUND, &json!("E4008")));
    assert_eq!(problem["type"], "urn:codecgate:problem:E4008");
    let request = Request::builder()
        .method(Method::PATCH)
        .uri("/api/v1/devices")
        .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
        .body(Body::empty())
        .unwrap();
    let response = fixture.send(request).await;
    let allow = response.headers().get(header::ALLOW).unwrap().to_str().unwrap().to_owned();
    assert!(allow.contains("GET") && allow.contains("POST"), "{allow}");
    let (status, problem) = read(response).await;
    assert_eq!((status, &problem["code"]), (StatusCode::METHOD_NOT_ALLOWED, &json!("E4009")));
}

#[tokio::test]
async fn the_description_is_open_and_not_cached() {
    let fixture = Fixture::new();
    let response = fixture.send(Request::builder().uri("/api/v1/openapi.json").body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers().get(header::CACHE_CONTROL).unwrap(), "no-store");
    assert_eq!(read(response).await.1["info"]["title"], "codecgate");
}

#[tokio::test]
async fn a_device_is_let_in_shown_listed_and_deleted() {
    let fixture = Fixture::new();
    let id = fixture.product_and_device().await;
    let registration = Registration {
        device: id,
        location: "unguessable".to_owned(),
        token: "0011223344556677".to_owned(),
        peer: SocketAddr::from(([192, 0, 2, 7], 40_312)),
        lifetime_s: 86_400,
        version: "1.0".to_owned(),
        binding: "U".to_owned(),
        objects: vec!["/19/0".to_owned()],
        formats: Vec::new(),
        observed: false,
        observations: Vec::new(),
        registered: NOW,
        updated: NOW,
        moves: Default::default(),
    };
    fixture.commit(Vec::new(), vec![Write::PutRegistration(registration)]).await;

    let (_, shown) = fixture.get(&format!("/api/v1/devices/{id}")).await;
    assert_eq!(shown["endpoint"], "867000000000001");
    assert_eq!(shown["attributes"], json!({"site": "north"}));
    assert_eq!(shown["registration"]["expires"], "2024-02-01T12:00:00.000Z");
    assert_eq!((&shown["registered"], &shown["openCommands"]), (&json!(true), &json!(0)));
    assert!(!shown.to_string().contains("unguessable") && !shown.to_string().contains("0011223344556677"));

    let twice = json!({"endpoint": "867000000000001", "productId": 1});
    let (status, problem) = fixture.ask(Method::POST, "/api/v1/devices", Some(twice)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::CONFLICT, &json!("E4302")));
    let other = json!({"endpoint": "867000000000002", "productId": 1});
    assert_eq!(fixture.ask(Method::POST, "/api/v1/devices", Some(other)).await.0, StatusCode::CREATED);

    let (_, page) = fixture.get("/api/v1/devices?productId=1&limit=1").await;
    assert_eq!(page["items"][0]["id"], json!(id));
    let (_, rest) = fixture.get(&format!("/api/v1/devices?limit=1&after={}", page["next"].as_str().unwrap())).await;
    assert_eq!((&rest["items"][0]["endpoint"], &rest["next"]), (&json!("867000000000002"), &Value::Null));

    let (status, problem) = fixture.get("/api/v1/devices/4711").await;
    assert_eq!(
        (status, &problem["code"], &problem["detail"]),
        (StatusCode::NOT_FOUND, &json!("E4202"), &json!("there is no device 4711"))
    );
}

#[tokio::test]
async fn a_device_with_a_name_of_another_format_is_refused_with_the_format_in_words() {
    let fixture = Fixture::new();
    fixture.product_and_device().await;
    let body = json!({"endpoint": "urn:imei:867000000000009", "productId": 1});
    let (status, problem) = fixture.ask(Method::POST, "/api/v1/devices", Some(body)).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("E4405")));
    let mistake = &problem["mistakes"][0];
    assert_eq!((&mistake["pointer"], &mistake["code"]), (&json!("/endpoint"), &json!("E4411")));
    assert!(mistake["reason"].as_str().unwrap().contains("<15 digits>"), "{mistake}");
}

#[tokio::test]
async fn uplinks_events_and_dead_letters_are_listed() {
    let fixture = Fixture::new();
    let id = fixture.product_and_device().await;
    fixture.append(id, EventKind::DeviceRegistered, None, &json!({})).await;
    fixture.append(id, EventKind::Report, Some(&[0x0a, 0x0b]), &json!({"trace": "t1", "reports": []})).await;
    fixture.append(id, EventKind::DeadLetter, Some(&[0xff]), &json!({"trace": "t2", "reason": "checksum"})).await;

    let (_, uplinks) = fixture.get(&format!("/api/v1/devices/{id}/uplinks")).await;
    let rows: Vec<_> = uplinks["items"].as_array().unwrap().iter().map(|row| (&row["outcome"], &row["raw"])).collect();
    assert_eq!(rows, [(&json!("dead-letter"), &json!("ff")), (&json!("decoded"), &json!("0a0b"))]);
    let (_, events) = fixture.get(&format!("/api/v1/devices/{id}/events?limit=2")).await;
    assert_eq!(events["items"].as_array().unwrap().len(), 2);
    let next = events["next"].as_str().unwrap();
    let (_, events) = fixture.get(&format!("/api/v1/devices/{id}/events?limit=2&before={next}")).await;
    assert_eq!(events["items"][0]["kind"], "device-registered");
    let (_, letters) = fixture.get("/api/v1/dead-letters?productId=1").await;
    assert_eq!((letters["items"].as_array().unwrap().len(), &letters["items"][0]["raw"]), (1, &json!("ff")));
    assert_eq!(fixture.get("/api/v1/dead-letters?productId=2").await.1["items"], json!([]));
    assert_eq!(fixture.get("/api/v1/devices/4711/uplinks").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_subscription_shows_its_secret_once_and_goes() {
    let fixture = Fixture::new();
    let body = json!({"url": "http://127.0.0.1:9/", "kinds": ["report", "report", "command"]});
    let (status, created) = fixture.ask(Method::POST, "/api/v1/subscriptions", Some(body)).await;
    assert_eq!(status, StatusCode::CREATED, "{created}");
    let secret = created["secret"].as_str().unwrap();
    assert!(secret.starts_with("whsec_"));
    assert_eq!(created["kinds"], json!(["command", "report"]));
    let path = format!("/api/v1/subscriptions/{}", created["id"]);
    let (_, shown) = fixture.get(&path).await;
    let (_, listed) = fixture.get("/api/v1/subscriptions").await;
    assert!(!shown.to_string().contains(secret) && !listed.to_string().contains(secret));
    assert_eq!((&listed["items"][0]["id"], &shown["health"]["state"]), (&created["id"], &json!("delivering")));
    assert_eq!(fixture.ask(Method::DELETE, &path, None).await.0, StatusCode::NO_CONTENT);
    assert_eq!(fixture.ask(Method::DELETE, &path, None).await.1["code"], "E4204");
}

#[tokio::test]
async fn a_profile_with_mistakes_is_refused_with_all_of_them() {
    let fixture = Fixture::new();
    let profile = json!({"manufacturerId": "A", "services": [{"serviceId": "S", "properties": [{"name": "p", "type": "nope"}]}]});
    let (status, problem) = fixture.ask(Method::POST, "/api/v1/products", Some(json!({"profile": profile}))).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("E4402")), "{problem}");
    assert!(problem["mistakes"].as_array().unwrap().len() > 1, "{problem}");
}

#[tokio::test]
async fn what_is_no_zip_is_refused_with_its_file_and_fix() {
    let fixture = Fixture::new();
    let request = |query: &str| {
        Request::builder()
            .method(Method::POST)
            .uri(format!("/api/v1/products{query}"))
            .header(header::AUTHORIZATION, format!("Bearer {KEY}"))
            .header(header::CONTENT_TYPE, "application/zip")
            .body(Body::from("not a zip"))
            .unwrap()
    };
    let (status, problem) = read(fixture.send(request("?fileName=WaterMeter_Acme01_WM1.zip")).await).await;
    assert_eq!((status, &problem["code"]), (StatusCode::UNPROCESSABLE_ENTITY, &json!("E4402")), "{problem}");
    assert_ne!(problem["mistakes"][0]["fix"].as_str().unwrap(), "");
    let (status, problem) = read(fixture.send(request("")).await).await;
    assert_eq!((status, &problem["code"]), (StatusCode::BAD_REQUEST, &json!("E4002")), "{problem}");
}

/// Reads the stream until its text holds all of `wanted`.
async fn read_until(body: &mut axum::body::BodyDataStream, wanted: &[&str]) -> String {
    let mut text = String::new();
    let reading = async {
        while !wanted.iter().all(|part| text.contains(part)) {
            let bytes = body.next().await.expect("the stream goes on").unwrap();
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(10), reading).await.expect("the events come");
    text
}

#[tokio::test]
async fn a_stream_continues_after_the_last_event_id_and_goes_on_live_and_ends_at_stop() {
    let fixture = Fixture::new();
    let id = fixture.product_and_device().await;
    for number in 0..300 {
        fixture.append(id, EventKind::Report, None, &json!({"n": number})).await;
    }
    let (_, events) = fixture.get(&format!("/api/v1/devices/{id}/events?limit=300")).await;
    let oldest = events["items"].as_array().unwrap().last().unwrap()["id"].as_str().unwrap().to_owned();
    let open = |last: Option<String>| {
        let mut request =
            Request::builder().uri("/api/v1/events?kinds=report").header(header::AUTHORIZATION, format!("Bearer {KEY}"));
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        request.body(Body::empty()).unwrap()
    };
    let response = fixture.send(open(Some(oldest))).await;
    assert_eq!(response.headers().get(header::CONTENT_TYPE).unwrap(), "text/event-stream");
    let mut resumed = response.into_body().into_data_stream();
    let mut live = fixture.send(open(None)).await.into_body().into_data_stream();

    let text = read_until(&mut resumed, &["{\"n\":299}"]).await;
    let seen: Vec<&str> = text.lines().filter(|line| line.starts_with("data: ")).collect();
    assert_eq!(seen.len(), 299);
    assert!(seen[0].contains("{\"n\":1}"), "{}", seen[0]);

    read_until(&mut live, &["retry: "]).await;
    fixture.append(id, EventKind::Command, None, &json!({"n": 1_000})).await;
    fixture.append(id, EventKind::Report, None, &json!({"n": 1_001})).await;
    for stream in [&mut resumed, &mut live] {
        let text = read_until(stream, &["{\"n\":1001}"]).await;
        assert!(!text.contains("{\"n\":1000}") && !text.contains("{\"n\":299}"), "{text}");
    }

    fixture.stop.send_replace(true);
    for stream in [&mut resumed, &mut live] {
        let end = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.expect("the stream ends");
        assert!(end.is_none());
    }
}
