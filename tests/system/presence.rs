//! Devices that sleep, as an operator sees them: states, silence, removal, flow control (REFERENCE C.6, C.7, D.10, E.2).

use std::time::Duration;

use coap_lite::{CoapOption, RequestType};
use codecgate_tests::{Behaviour, Gateway, RawDevice, Sink, eventually, meter};
use reqwest::Method;
use serde_json::{Value, json};

async fn change(gateway: &Gateway, product: u64, settings: Value) -> Value {
    let path = format!("/api/v1/products/{product}");
    gateway.api().ask(Method::PATCH, &path, settings.to_string().into_bytes(), "application/json").await.expect(200)
}

async fn shown(gateway: &Gateway, device: u64) -> Value {
    gateway.api().get(&format!("/api/v1/devices/{device}")).await.expect(200)
}

async fn is_in(gateway: &Gateway, device: u64, state: &str) {
    eventually(state, || async { (shown(gateway, device).await["state"] == state).then_some(()) }).await;
}

/// The changes of state that were told of a device, oldest first.
async fn changes(gateway: &Gateway, device: u64) -> Vec<(String, String, String)> {
    let listed = gateway.api().get(&format!("/api/v1/devices/{device}/events?limit=100")).await.expect(200);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let told = listed["items"].as_array().unwrap().iter().rev().filter(|event| event["kind"] == "device-state");
    told.map(|event| (text(&event["data"]["from"]), text(&event["data"]["to"]), text(&event["data"]["reason"]))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_is_told_once_also_over_a_restart_and_speaking_ends_it() {
    let mut gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    assert_eq!(shown(&gateway, id).await["state"], "registered");
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    is_in(&gateway, id, "activated").await;
    meter.report(&meter::frame(1)).await;
    is_in(&gateway, id, "online").await;
    let listed = gateway.api().get("/api/v1/devices?state=online").await.expect(200);
    assert_eq!(listed["items"][0]["id"], id);
    assert_eq!(gateway.api().get("/api/v1/devices?state=offline").await.expect(200)["items"], json!([]));

    // It becomes abnormal while the gateway is stopped, or a moment before or after that: it is told once.
    change(&gateway, product, json!({ "habits": { "abnormalAfterS": 1, "offlineAfterS": 86_400 } })).await;
    gateway.restart().await;
    is_in(&gateway, id, "abnormal").await;
    change(&gateway, product, json!({ "habits": { "offlineAfterS": 2 } })).await;
    is_in(&gateway, id, "offline").await;
    change(&gateway, product, json!({ "habits": { "abnormalAfterS": 80_000, "offlineAfterS": 86_400 } })).await;
    meter.report(&meter::frame(2)).await;
    is_in(&gateway, id, "online").await;
    let told = changes(&gateway, id).await;
    let told: Vec<_> = told.iter().map(|(from, to, reason)| (from.as_str(), to.as_str(), reason.as_str())).collect();
    let expected = [
        ("registered", "activated", "registration"),
        ("activated", "online", "spoke"),
        ("online", "abnormal", "silent"),
        ("abnormal", "offline", "silent"),
        ("offline", "online", "spoke"),
    ];
    assert_eq!(told, expected);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_deregisters_is_offline() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let location: Vec<String> = meter.location().iter().map(|segment| (*segment).to_owned()).collect();
    let leave = meter.request(RequestType::Delete, &location.iter().map(String::as_str).collect::<Vec<_>>());
    meter.exchange(&leave).await;
    is_in(&gateway, id, "offline").await;
    assert_eq!(changes(&gateway, id).await[1].2, "deregistered");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_device_that_never_came_is_removed_after_its_timeout() {
    let gateway = Gateway::with(|config| config.devices.registration_timeout_s = 3).await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let sink = Sink::start(Behaviour::Accept).await;
    let wanted = json!({ "url": sink.url(), "kinds": ["device-removed"] });
    gateway.api().post("/api/v1/subscriptions", &wanted).await.expect(201);
    let kept = json!({ "endpoint": "meter-1", "productId": product, "registrationTimeoutS": 0 });
    let kept = gateway.api().post("/api/v1/devices", &kept).await.expect(201);
    let late = json!({ "endpoint": "meter-2", "productId": product, "registrationTimeoutS": 2_147_483_648_u32 });
    gateway.api().post("/api/v1/devices", &late).await.expect(422);
    let came = gateway.add_device(product, "meter-3").await;
    RawDevice::registered(gateway.coap_addr(), "meter-3").await;
    let gone = gateway.add_device(product, "meter-4").await;
    let events = eventually("it is removed", || async {
        let events = sink.events();
        (!events.is_empty()).then_some(events)
    })
    .await;
    assert_eq!((&events[0]["deviceId"], &events[0]["data"]["timeoutS"]), (&json!(gone), &json!(3)));
    gateway.api().get(&format!("/api/v1/devices/{gone}")).await.expect(404);
    assert_eq!(shown(&gateway, came).await["state"], "activated");
    assert_eq!(shown(&gateway, kept["id"].as_u64().unwrap()).await["registrationTimeoutS"], 0);
    let mut stranger = RawDevice::new(gateway.coap_addr()).await;
    assert_eq!(stranger.register("meter-4").await.header.get_code(), "4.03");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_says_too_much_is_turned_away_until_its_window_ends() {
    let gateway = Gateway::with(|config| {
        config.devices.messages = 3;
        config.devices.message_window = Duration::from_secs(5);
    })
    .await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let location: Vec<String> = meter.location().iter().map(|segment| (*segment).to_owned()).collect();
    let path: Vec<&str> = location.iter().map(String::as_str).collect();
    let mut update = meter.request(RequestType::Post, &path);
    let refused = loop {
        let answer = meter.exchange(&update).await;
        if answer.header.get_code() == "4.29" {
            break answer;
        }
        assert_eq!(answer.header.get_code(), "2.04");
        update = meter.request(RequestType::Post, &path);
    };
    let max_age = refused.get_option(CoapOption::MaxAge).unwrap().front().unwrap().clone();
    assert!((1..=5).contains(&max_age[0]), "{max_age:?}");
    // A report hears nothing and is sent again, until the window ends.
    meter.report_until_acknowledged(&meter::frame(1), Duration::from_millis(300)).await;
    let flow = eventually("both edges are told", || async {
        let listed = gateway.api().get(&format!("/api/v1/devices/{id}/events?limit=100")).await.expect(200);
        let edges = listed["items"].as_array().unwrap().iter().rev().filter_map(|event| event["data"]["flow"].as_str());
        let edges: Vec<String> = edges.map(str::to_owned).collect();
        (edges.len() == 2).then_some(edges)
    });
    assert_eq!(flow.await, ["throttled", "ok"]);
    let device = shown(&gateway, id).await;
    assert_eq!((&device["flow"]["limit"], &device["flow"]["throttled"]), (&json!(3), &json!(false)));
    let metrics = gateway.api().get("/metrics").await.text;
    assert!(!metrics.contains("codecgate_flow_throttled_total{scope=\"device\"} 0"), "{metrics}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_says_when_its_devices_listen_and_all_mistakes_come_at_once() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let device = shown(&gateway, id).await;
    assert_eq!((&device["powerMode"], &device["powerModeFrom"]), (&json!("psm"), &json!("product")));
    assert!(device["awakeUntil"].is_string(), "{device}");
    let changed = change(&gateway, product, json!({ "powerMode": "drx", "habits": { "awakeS": 8 } })).await;
    assert_eq!(changed["habits"], json!({"abnormalAfterS": 90_000, "offlineAfterS": 176_400, "awakeS": 8, "edrxCycleS": 0.0}));
    assert_eq!(shown(&gateway, id).await["powerMode"], "drx");
    let bad = json!({ "habits": { "abnormalAfterS": 0, "offlineAfterS": 0, "awakeS": 1, "edrxCycleS": 1 } }).to_string();
    let path = format!("/api/v1/products/{product}");
    let refusal = gateway.api().ask(Method::PATCH, &path, bad.into_bytes(), "application/json").await.expect(422);
    let pointers: Vec<_> = refusal["mistakes"].as_array().unwrap().iter().map(|mistake| &mistake["pointer"]).collect();
    assert_eq!(pointers, ["/habits/abnormalAfterS", "/habits/offlineAfterS", "/habits/awakeS", "/habits/edrxCycleS"]);
    assert_eq!(gateway.api().get(&path).await.expect(200)["habits"]["awakeS"], 8, "nothing of it was taken");
    gateway.stop().await;
}
