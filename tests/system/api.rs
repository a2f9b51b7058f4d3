//! What the API promises to applications and operators, over real HTTP.

use coap_lite::{MessageType, RequestType};
use codecgate_tests::{Api, Gateway, KEY, RawDevice, eventually, meter, patience, root};
use reqwest::Method;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

#[tokio::test(flavor = "multi_thread")]
async fn without_a_key_nothing_is_told_but_health() {
    let gateway = Gateway::start().await;
    let client = reqwest::Client::new();
    let long = "x".repeat(10_000);
    for (key, code) in [(None, "E4101"), (Some("wrong-key-0123456789"), "E4102"), (Some(long.as_str()), "E4102")] {
        for path in ["/api/v1/products", "/api/v1/devices/1", "/api/v1/events", "/metrics"] {
            let request = client.get(format!("{}{path}", gateway.http_url()));
            let request = key.into_iter().fold(request, |request, key| request.bearer_auth(key));
            let response = request.send().await.unwrap();
            assert_eq!(response.status().as_u16(), 401, "{path}");
            assert_eq!(response.headers()["content-type"], "application/problem+json");
            let challenge = response.headers()["www-authenticate"].to_str().unwrap().to_owned();
            assert!(challenge.starts_with("Bearer"), "{challenge}");
            let problem: Value = serde_json::from_str(&response.text().await.unwrap()).unwrap();
            assert_eq!(problem["code"], code, "{problem}");
        }
    }
    for path in ["/healthz", "/api/v1/openapi.json"] {
        assert_eq!(client.get(format!("{}{path}", gateway.http_url())).send().await.unwrap().status().as_u16(), 200, "{path}");
    }
    gateway.stop().await;
}

async fn upload(api: &Api, folder: &str, name: &str) -> codecgate_tests::Answer {
    let package = std::fs::read(root().join("profiles").join(folder).join(name)).unwrap();
    let path = format!("/api/v1/products?fileName={name}&endpointFormat=imei&powerMode=psm");
    api.ask(Method::POST, &path, package, "application/zip").await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_vendor_package_becomes_a_product_and_a_broken_one_all_its_mistakes() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    for broken in ["WaterMeter_Acme01_Several", "WaterMeter_Acme01_UnsafeNames", "WaterMeter_Acme01_HiddenFiles"] {
        let refusal = upload(&api, "broken", &format!("{broken}.zip")).await;
        assert_eq!((refusal.status.as_u16(), refusal.content_type.as_str()), (422, "application/problem+json"));
        let report = root().join("profiles/broken").join(format!("{broken}.expected.json"));
        let expected: Value = serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap();
        assert_eq!((&refusal.json()["code"], &refusal.json()["mistakes"]), (&json!("E4402"), &expected), "{broken}");
    }
    let created = upload(&api, "huawei", "WaterMeter_Acme01_WM1.zip").await.expect(201);
    let names = (&created["manufacturerId"], &created["model"], &created["deviceType"]);
    assert_eq!(names, (&json!("Acme01"), &json!("WM1"), &json!("WaterMeter")));
    assert_eq!((&created["endpointFormat"], &created["powerMode"]), (&json!("imei"), &json!("psm")));
    let shown = api.get(&format!("/api/v1/products/{}", created["id"])).await.expect(200);
    assert_eq!(shown["profile"]["manufacturerId"], "Acme01");
    // What it shows is a profile that could be sent again.
    let other = shown["profile"].to_string().replace("\"WM1\"", "\"WM2\"");
    let body = json!({ "profile": serde_json::from_str::<Value>(&other).unwrap() });
    api.post("/api/v1/products", &body).await.expect(201);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_device_is_reset_and_let_in_no_more() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let product = gateway.add_product("water-meter", json!({})).await;
    let device = gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    meter.report(&meter::frame(1)).await;

    let refusal = api.delete(&format!("/api/v1/products/{product}")).await;
    assert_eq!((refusal.status.as_u16(), &refusal.json()["code"]), (409, &json!("E4303")), "{}", refusal.text);
    api.delete(&format!("/api/v1/devices/{device}")).await.expect(204);
    assert_eq!(api.delete(&format!("/api/v1/devices/{device}")).await.status.as_u16(), 404);

    let notify = meter.notify(&meter::frame(2), MessageType::Confirmable);
    assert_eq!(meter.exchange(&notify).await.header.get_type(), MessageType::Reset);
    let path: Vec<String> = meter.location().iter().map(|segment| (*segment).to_owned()).collect();
    let update = meter.request(RequestType::Post, &path.iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(meter.exchange(&update).await.header.get_code(), "4.04");
    assert_eq!(meter.register("meter-1").await.header.get_code(), "4.03");

    // The name is free, and what comes under it is another device.
    let again = gateway.add_device(product, "meter-1").await;
    assert_ne!(again, device);
    let listed = api.get(&format!("/api/v1/devices/{again}/events")).await.expect(200);
    assert_eq!(listed["items"], json!([]));
    api.delete(&format!("/api/v1/devices/{again}")).await.expect(204);
    api.delete(&format!("/api/v1/products/{product}")).await.expect(204);
    assert_eq!(api.get(&format!("/api/v1/products/{product}")).await.status.as_u16(), 404);
    gateway.stop().await;
}

/// The ids of a listing, page by page.
async fn pages(api: &Api, path: &str, cursor: &str) -> Vec<Vec<Value>> {
    let (mut pages, mut from) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("{path}?limit=2{from}")).await.expect(200);
        pages.push(page["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect());
        match page["next"].as_str() {
            Some(next) => from = format!("&{cursor}={next}"),
            None => return pages,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_each_other_without_gap_or_overlap() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let product = gateway.add_product("water-meter", json!({})).await;
    let mut devices = Vec::new();
    for number in 0..5 {
        devices.push(json!(gateway.add_device(product, &format!("meter-{number}")).await));
    }
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-0").await;
    for number in 0..5 {
        meter.report(&meter::frame(number)).await;
    }
    let path = format!("/api/v1/devices/{}/commands", devices[1]);
    let body = json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(true) });
    let mut commands = Vec::new();
    for _ in 0..4 {
        commands.insert(0, api.post(&path, &body).await.expect(201)["id"].clone());
    }

    let listed = pages(&api, "/api/v1/devices", "after").await;
    assert_eq!((listed.len(), listed.concat()), (3, devices.clone()));
    for path in [path.as_str(), "/api/v1/commands"] {
        // An even number: no empty page at the end.
        let listed = pages(&api, path, "before").await;
        assert_eq!((listed.len(), listed.concat()), (2, commands.clone()), "newest first");
    }
    let path = format!("/api/v1/devices/{}/uplinks", devices[0]);
    let whole = api.get(&path).await.expect(200);
    let whole: Vec<Value> = whole["items"].as_array().unwrap().iter().map(|item| item["id"].clone()).collect();
    let listed = pages(&api, &path, "before").await;
    assert_eq!((whole.len(), listed.iter().map(Vec::len).max(), listed.concat()), (5, Some(2), whole));
    for query in ["limit=0", "limit=1001", "limit=all", "limti=2", "before=yesterday"] {
        let refusal = api.get(&format!("{path}?{query}")).await;
        assert_eq!((refusal.status.as_u16(), &refusal.json()["code"]), (400, &json!("E4002")), "{query}");
    }
    gateway.stop().await;
}

/// An open `/api/v1/events`.
struct EventStream {
    response: reqwest::Response,
    text: String,
}

impl EventStream {
    async fn open(gateway: &Gateway, last: Option<&str>) -> Self {
        let request = reqwest::Client::new().get(format!("{}/api/v1/events?kinds=report", gateway.http_url())).bearer_auth(KEY);
        let request = last.into_iter().fold(request, |request, id| request.header("Last-Event-ID", id));
        let response = request.send().await.unwrap();
        assert_eq!(
            (response.status().as_u16(), &response.headers()["content-type"]),
            (200, &"text/event-stream".parse().unwrap())
        );
        Self { response, text: String::new() }
    }

    /// Id and reading of the next event.
    async fn next(&mut self) -> (String, Value) {
        loop {
            if let Some((frame, rest)) = self.text.split_once("\n\n") {
                let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                let (id, json) = (field("id: "), field("data: "));
                self.text = rest.to_owned();
                if let (Some(id), Some(json)) = (id, json) {
                    let event: Value = serde_json::from_str(&json).unwrap();
                    assert_eq!(event["id"], id.as_str());
                    return (id, event["data"]["reports"][0]["values"][meter::READING].clone());
                }
                continue;
            }
            let chunk = tokio::time::timeout(patience(), self.response.chunk()).await.unwrap().unwrap().unwrap();
            self.text.push_str(std::str::from_utf8(&chunk).unwrap());
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn events_stream_live_and_go_on_where_the_client_stopped() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    meter.report(&meter::frame(1_000)).await;
    let mut live = EventStream::open(&gateway, None).await;
    meter.report(&meter::frame(2_000)).await;
    let (id, reading) = live.next().await;
    assert_eq!(reading, json!(2.0), "a stream begins with what happens next");
    drop(live);

    meter.report(&meter::frame(3_000)).await;
    meter.report(&meter::frame(4_000)).await;
    let mut resumed = EventStream::open(&gateway, Some(&id)).await;
    assert_eq!(resumed.next().await.1, json!(3.0), "what was missed comes first");
    assert_eq!(resumed.next().await.1, json!(4.0));
    meter.report(&meter::frame(5_000)).await;
    assert_eq!(resumed.next().await.1, json!(5.0), "and then it is live again");
    let refusal = reqwest::Client::new().get(format!("{}/api/v1/events", gateway.http_url())).bearer_auth(KEY);
    let refusal = refusal.header("Last-Event-ID", "yesterday").send().await.unwrap();
    assert_eq!(refusal.status().as_u16(), 400);
    // An open stream does not hold up a stop.
    gateway.stop().await;
}

/// The sum of a metric's rows.
fn metric(text: &str, name: &str) -> u64 {
    let rows: Vec<&str> = text.lines().filter(|line| line.split(['{', ' ']).next() == Some(name)).collect();
    assert!(!rows.is_empty(), "{name} is not in\n{text}");
    rows.iter().map(|row| row.rsplit(' ').next().unwrap().parse::<u64>().unwrap()).sum()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sums_of_the_metrics_add_up() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    for number in 0..3 {
        meter.report(&meter::frame(number)).await;
    }
    meter.report(b"nonsense").await;
    let text = eventually("all uplinks have ended", || async {
        let answer = gateway.api().get("/metrics").await;
        assert!(answer.content_type.starts_with("text/plain; version=0.0.4"), "{}", answer.content_type);
        (metric(&answer.text, "codecgate_uplinks_in_progress") == 0).then_some(answer.text)
    })
    .await;
    assert_eq!((metric(&text, "codecgate_uplinks_received_total"), metric(&text, "codecgate_uplinks_total")), (4, 4));
    for row in [
        "codecgate_uplinks_total{outcome=\"decoded\"} 3",
        "codecgate_uplinks_total{outcome=\"dead-letter\"} 1",
        "codecgate_events_total{kind=\"report\"} 3",
        "codecgate_events_total{kind=\"dead-letter\"} 1",
        "codecgate_events_total{kind=\"device-registered\"} 1",
    ] {
        assert!(text.lines().any(|line| line == row), "{row} is not in\n{text}");
    }
    assert!(metric(&text, "codecgate_coap_datagrams_total") >= 6, "Register, the Observe's answer, four reports");
    eventually("the first uplink was weighed", || async {
        let text = gateway.api().get("/metrics").await.text;
        (metric(&text, "codecgate_codec_decode_fuel_count") == 1 && metric(&text, "codecgate_codec_decode_fuel_sum") > 1_000)
            .then_some(())
    })
    .await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_that_are_too_large_are_refused_with_the_limit() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let product = gateway.add_product("water-meter", json!({})).await;
    let device = json!({ "endpoint": "meter-1", "productId": product, "name": "x".repeat(1024 * 1024) });
    let document = api.post("/api/v1/devices", &device).await;
    let path = format!("/api/v1/products/{product}/codec");
    // So much that it is still on its way when the limit is reached: the refusal must arrive all the same.
    let codec = api.put(&path, vec![0; 40 * 1024 * 1024], "application/wasm").await;
    for (answer, limit) in [(document, "1048576"), (codec, "8388608")] {
        assert_eq!((answer.status.as_u16(), &answer.json()["code"]), (413, &json!("E4007")), "{}", answer.text);
        assert!(answer.text.contains(limit), "{}", answer.text);
    }

    // A client that asks before it sends is spared the sending.
    let mut socket = tokio::net::TcpStream::connect(gateway.http_url().trim_start_matches("http://")).await.unwrap();
    let head = format!(
        "PUT {path} HTTP/1.1\r\nHost: gateway\r\nAuthorization: Bearer {KEY}\r\nContent-Type: application/wasm\r\n\
         Content-Length: 9000000000\r\nExpect: 100-continue\r\n\r\n"
    );
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    tokio::time::timeout(patience(), socket.read_exact(&mut status)).await.unwrap().unwrap();
    assert_eq!(&status, b"HTTP/1.1 413");
    gateway.stop().await;
}

/// A component that imports an instance of this name and does nothing.
/// Sections: 7 type, 10 import (WebAssembly/component-model, design/mvp/Binary.md).
fn importing(name: &str) -> Vec<u8> {
    let length = u8::try_from(name.len()).unwrap();
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.extend([7, 3, 1, 0x42, 0]);
    bytes.extend([10, length + 5, 1, 0, length]);
    bytes.extend(name.as_bytes());
    bytes.extend([5, 0]);
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn faq_4_1_2_8_a_codec_that_is_not_admitted_is_refused_with_the_reason_and_the_old_one_stays() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let path = format!("/api/v1/products/{product}/codec");
    let before = gateway.api().get(&path).await.expect(200);
    for (component, code, told) in [
        (b"#!/bin/sh".to_vec(), "E1001", "no WebAssembly"),
        (Vec::new(), "E1001", "empty"),
        (b"\0asm\x01\0\0\0".to_vec(), "E1002", "core WebAssembly module"),
        (importing("wasi:cli/environment@0.2.6"), "E1010", "wasi:cli/environment@0.2.6"),
        (importing("codecgate:codec/log@2.0.0"), "E1011", "codecgate:codec/log@2.0.0"),
        (importing("codecgate:codec/log@1.0.0"), "E1020", "found nothing"),
    ] {
        let refusal = gateway.api().put(&path, component, "application/wasm").await;
        assert_eq!((refusal.status.as_u16(), &refusal.json()["code"]), (422, &json!(code)), "{}", refusal.text);
        assert!(refusal.json()["detail"].as_str().unwrap().contains(told), "{}", refusal.text);
        assert!(refusal.json()["hint"].is_string(), "{}", refusal.text);
    }
    assert_eq!(gateway.api().get(&path).await.expect(200), before);
    // The other sample is a good codec, of another product.
    let other = gateway.api().put(&path, codecgate_tests::component("smoke-detector"), "application/wasm").await;
    assert_eq!((other.status.as_u16(), &other.json()["code"]), (422, &json!("E4403")), "{}", other.text);
    assert!(other.json()["mistakes"].as_array().is_some_and(|mistakes| !mistakes.is_empty()), "{}", other.text);
    assert_eq!(gateway.api().get(&path).await.expect(200), before);
    gateway.stop().await;
}
