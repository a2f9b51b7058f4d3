//! Every uplink ends as exactly one of decoded, transparent, dead letter; the sums add up; nothing is stored twice.

use coap_lite::MessageType;
use codecgate_tests::{Behaviour, Gateway, RawDevice, Sink, eventually, meter};
use serde_json::{Value, json};

async fn uplinks(gateway: &Gateway, device: u64) -> Vec<Value> {
    let page = gateway.api().get(&format!("/api/v1/devices/{device}/uplinks?limit=1000")).await.expect(200);
    page["items"].as_array().cloned().unwrap_or_default()
}

async fn sums(gateway: &Gateway) -> Value {
    gateway.api().get("/healthz").await.expect(200)["uplinks"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn bytes_become_values_and_a_signed_event() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let device = gateway.add_device(product, "867000000000001").await;
    let sink = Sink::start(Behaviour::Accept).await;
    let subscription = json!({ "url": sink.url(), "kinds": ["report"], "secret": "a-secret-of-the-test" });
    gateway.api().post("/api/v1/subscriptions", &subscription).await.expect(201);

    let mut meter = RawDevice::registered(gateway.coap_addr(), "867000000000001").await;
    let frame = meter::frame(12_345);
    meter.report(&frame).await;

    // Acknowledged means durable: it is listed without waiting.
    let listed = uplinks(&gateway, device).await;
    assert_eq!(listed.len(), 1, "{listed:?}");
    assert_eq!(listed[0]["outcome"], "decoded");
    assert_eq!(listed[0]["raw"].as_str().map(str::to_uppercase), Some(hex::encode_upper(&frame)));

    let event = eventually("the report is pushed", || async { sink.events().first().cloned() }).await;
    assert_eq!(event["kind"], "report");
    assert_eq!(event["endpoint"], "867000000000001");
    assert_eq!(event["data"]["reports"][0]["values"][meter::READING], json!(12.345), "{event}");
    let received = &sink.got()[0];
    assert!(received.headers.contains_key("webhook-signature") && received.headers.contains_key("webhook-id"));
    assert_eq!(received.headers["webhook-id"], event["id"].as_str().unwrap());
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupt_frame_becomes_a_dead_letter_and_hurts_nobody_else() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let device = gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;

    let mut corrupt = meter::frame(1);
    corrupt[6] ^= 0xFF;
    meter.report(&corrupt).await;
    meter.report(&meter::frame(2)).await;
    meter.report(&meter::frame(3)[..7]).await;

    let letters = gateway.api().get("/api/v1/dead-letters").await.expect(200);
    let letters = letters["items"].as_array().cloned().unwrap_or_default();
    assert_eq!(letters.len(), 2, "{letters:?}");
    let text = serde_json::to_string(&letters).unwrap();
    assert!(text.contains("truncated") && text.contains("checksum"), "{text}");
    let outcomes: Vec<_> = uplinks(&gateway, device).await.iter().map(|uplink| uplink["outcome"].clone()).collect();
    assert_eq!(outcomes, ["dead-letter", "decoded", "dead-letter"], "newest first");
    let sums = sums(&gateway).await;
    assert_eq!((&sums["received"], &sums["decoded"], &sums["deadLetters"]), (&json!(3), &json!(1), &json!(2)), "{sums}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_product_without_codec_passes_bytes_on() {
    let gateway = Gateway::start().await;
    let api = gateway.api();
    let body = json!({ "profile": codecgate_tests::profile("water-meter"), "endpointFormat": "any", "powerMode": "drx" });
    let product = api.post("/api/v1/products", &body).await.expect(201)["id"].as_u64().unwrap();
    let device = gateway.add_device(product, "plain-1").await;
    let mut plain = RawDevice::registered(gateway.coap_addr(), "plain-1").await;
    plain.report(&[0xDE, 0xAD]).await;
    let listed = uplinks(&gateway, device).await;
    assert_eq!(listed[0]["outcome"], "transparent", "{listed:?}");
    assert_eq!(listed[0]["raw"].as_str().map(str::to_uppercase).as_deref(), Some("DEAD"));
    assert_eq!(listed[0]["data"]["payloadBase64"], "3q0=", "{listed:?}");

    // Down it goes the same way: as the application wrote it.
    let path = format!("/api/v1/devices/{device}/commands");
    let sent = api.post(&path, &json!({ "raw": { "text": "Ma" }, "expireTime": 0 })).await.expect(201);
    assert_eq!((&sent["name"], &sent["params"]["hex"]), (&json!("raw"), &json!("4D61")));
    assert_eq!(plain.downlink().await, b"Ma");
    let id = sent["id"].as_str().unwrap().to_owned();
    eventually("the bytes are delivered", || async {
        let command = api.get(&format!("/api/v1/commands/{id}")).await.expect(200);
        (command["state"] == "DELIVERED").then_some(())
    })
    .await;
    let named = api.post(&path, &json!({ "service": "Meter", "name": "SET_VALVE", "params": { "open": true } })).await;
    assert_eq!((named.status.as_u16(), &named.json()["code"]), (409, &json!("E4306")), "{}", named.text);
    let with_codec = gateway.add_product("smoke-detector", json!({})).await;
    let meter = gateway.add_device(with_codec, "detector-1").await;
    let raw = api.post(&format!("/api/v1/devices/{meter}/commands"), &json!({ "raw": { "hex": "00" } })).await;
    assert_eq!((raw.status.as_u16(), &raw.json()["code"]), (409, &json!("E4312")), "{}", raw.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_duplicate_is_answered_again_and_stored_once() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let device = gateway.add_device(product, "meter-1").await;
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let notify = meter.notify(&meter::frame(1), MessageType::Confirmable);
    for _ in 0..5 {
        let answer = meter.exchange(&notify).await;
        assert_eq!(answer.header.get_type(), MessageType::Acknowledgement);
    }
    assert_eq!(uplinks(&gateway, device).await.len(), 1);

    let quiet = meter.notify(&meter::frame(2), MessageType::NonConfirmable);
    for _ in 0..5 {
        meter.send(&quiet).await;
    }
    meter.report(&meter::frame(3)).await;
    eventually("the unconfirmed report is stored once", || async { (uplinks(&gateway, device).await.len() == 3).then_some(()) })
        .await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swapping_a_codec_under_load_loses_nothing() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let mut devices = Vec::new();
    for number in 0..8 {
        let endpoint = format!("meter-{number}");
        let id = gateway.add_device(product, &endpoint).await;
        devices.push((id, RawDevice::registered(gateway.coap_addr(), &endpoint).await));
    }
    const EACH: u32 = 100;
    let load = async {
        let mut tasks = tokio::task::JoinSet::new();
        for (id, mut device) in devices {
            tasks.spawn(async move {
                for number in 0..EACH {
                    device.report(&meter::frame(number)).await;
                }
                id
            });
        }
        tasks.join_all().await
    };
    // The same component with one byte more in a custom section is another version to the gateway.
    let component = codecgate_tests::component("water-meter");
    let swap = async {
        for version in 0_u8..6 {
            let mut next = component.clone();
            next.extend([0, 4, 2, b'v', b'n', version]);
            let answer = gateway.api().put(&format!("/api/v1/products/{product}/codec"), next, "application/wasm").await;
            let _ = answer.expect(200);
        }
    };
    let (ids, ()) = tokio::join!(load, swap);
    for id in ids {
        let listed = uplinks(&gateway, id).await;
        assert_eq!(listed.len(), EACH as usize);
        assert!(listed.iter().all(|uplink| uplink["outcome"] == "decoded"));
    }
    let sums = sums(&gateway).await;
    assert_eq!((&sums["received"], &sums["decoded"]), (&json!(8 * EACH), &json!(8 * EACH)), "{sums}");
    gateway.stop().await;
}
