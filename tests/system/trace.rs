//! One device's exchange in words, as the vendor's device log tells it (FAQ 4.1.3.6 to 4.1.3.8): what came, what became of it, whose
//! move it is.

use codecgate_tests::{Behaviour, Gateway, RawDevice, Sink, eventually, meter};
use serde_json::{Value, json};

/// Steps of a trace: `packet-in ok gateway: ...`.
async fn steps(gateway: &Gateway, endpoint: &str) -> Vec<String> {
    let shown = gateway.api().get(&format!("/api/v1/traces/{endpoint}?limit=1000")).await.expect(200);
    let words = |step: &Value| {
        let text = |name: &str| step[name].as_str().unwrap().to_owned();
        format!("{} {} {}: {}", text("step"), text("outcome"), text("turn"), text("detail"))
    };
    shown["steps"].as_array().unwrap().iter().map(words).collect()
}

/// That the steps hold these beginnings and words in this order, other steps between them.
fn assert_story(told: &[String], story: &[(&str, &str)]) {
    let mut rest = told.iter();
    for (begin, word) in story {
        assert!(rest.any(|step| step.starts_with(begin) && step.contains(word)), "`{begin} .. {word}`:\n{}", told.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_is_followed_from_its_first_word_to_the_push() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    gateway.add_device(product, "meter-2").await;
    let sink = Sink::start(Behaviour::Accept).await;
    let wanted = json!({ "url": sink.url(), "kinds": ["report", "dead-letter", "command"] });
    gateway.api().post("/api/v1/subscriptions", &wanted).await.expect(201);
    let path = format!("/api/v1/devices/{id}/trace");
    gateway.api().get(&path).await.expect(404);
    let begun = gateway.api().post(&path, &json!({})).await.expect(200);
    assert_eq!((&begun["live"], &begun["endpoint"], &begun["deviceId"]), (&json!(true), &json!("meter-1"), &json!(id)));

    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let mut other = RawDevice::registered(gateway.coap_addr(), "meter-2").await;
    other.report(&meter::frame(1)).await;
    let command = json!({ "service": "Meter", "name": "SET_REPORT_PERIOD", "params": { "minutes": 15 }, "expireTime": 3_600 });
    device.report(&meter::frame(7)).await;
    gateway.api().post(&format!("/api/v1/devices/{id}/commands"), &command).await.expect(201);
    device.downlink().await;
    device.report(&[0xff]).await;
    eventually("all is told", || async {
        let told = steps(&gateway, "meter-1").await;
        let dead = told.iter().any(|step| step.starts_with("push ok") && step.contains("attempt 1"));
        (dead && told.iter().any(|step| step.contains("dead-letter") && step.starts_with("store ok"))).then_some(())
    })
    .await;
    let told = steps(&gateway, "meter-1").await;
    assert_story(
        &told,
        &[
            ("packet-in ok gateway", "CON 0.02 POST mid"),
            ("registration ok", "device-registered"),
            ("store ok", "durable after"),
            ("packet-out ok", "2.01 Created"),
            ("packet-out ok device", "/19/0/0 observe 0"),
            ("packet-in ok", "2.05 Content"),
            ("codec ok", "of 20 bytes at /19/0/0 in format 42: codec water-meter"),
            ("codec ok", "report: {"),
            ("store ok", "report "),
            ("packet-out ok", "ACK 0.00 empty"),
            ("command ok", "is PENDING"),
            ("codec ok", "encodes Meter.SET_REPORT_PERIOD"),
            ("command ok device", "is SENT"),
            ("packet-out ok device", "PUT"),
            ("packet-in ok", "2.04 Changed"),
            ("command ok", "is DELIVERED"),
            ("codec failed codec-author", "a dead letter"),
            ("store ok", "dead-letter"),
        ],
    );
    assert!(told.iter().all(|step| !step.contains("meter-2")), "only one device: {told:?}");

    let listed = gateway.api().get("/api/v1/traces").await.expect(200);
    assert_eq!((listed["items"].as_array().unwrap().len(), &listed["items"][0]["steps"]), (1, &json!([])));
    let page = gateway.api().get(&format!("{path}?after=2&limit=3")).await.expect(200);
    let numbers: Vec<_> = page["steps"].as_array().unwrap().iter().map(|step| step["seq"].as_u64().unwrap()).collect();
    assert_eq!(numbers, [3, 4, 5]);
    assert_eq!(gateway.api().delete(&path).await.status, 204);
    gateway.api().get(&path).await.expect(404);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_refused_can_be_traced_by_the_name_it_sends() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let begun = gateway.api().post("/api/v1/traces/meter-9", &json!({ "minutes": 5 })).await.expect(200);
    assert_eq!(begun.get("deviceId"), None);
    let mut device = RawDevice::new(gateway.coap_addr()).await;
    assert_eq!(device.register("meter-9").await.header.get_code(), "4.03");
    let told = steps(&gateway, "meter-9").await;
    assert_story(
        &told,
        &[
            ("packet-in ok", "ep=meter-9"),
            ("registration failed operator", "add it with POST /api/v1/devices"),
            ("packet-out ok", "4.03 Forbidden"),
        ],
    );
    let id = gateway.add_device(product, "meter-9").await;
    assert_eq!(device.register("meter-9").await.header.get_code(), "2.01");
    let shown = gateway.api().get("/api/v1/traces/meter-9").await.expect(200);
    assert_eq!(shown["deviceId"], id, "its device is known since it was let in");

    for minutes in [0, 1_441] {
        let refused = gateway.api().post("/api/v1/traces/x", &json!({ "minutes": minutes })).await.expect(422);
        assert!(refused.to_string().contains("E4422"), "{refused}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_push_that_fails_is_told_with_its_reason() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("smoke-detector", json!({})).await;
    let id = gateway.add_device(product, "smoke-1").await;
    let sink = Sink::start(Behaviour::Status(503)).await;
    gateway.api().post("/api/v1/subscriptions", &json!({ "url": sink.url() })).await.expect(201);
    gateway.api().post(&format!("/api/v1/devices/{id}/trace"), &json!({})).await.expect(200);
    RawDevice::registered(gateway.coap_addr(), "smoke-1").await;
    eventually("the second attempt is told", || async {
        let told = steps(&gateway, "smoke-1").await;
        let again =
            |step: &String| step.starts_with("push failed application") && step.contains("attempt 2") && step.contains("503");
        told.iter().any(again).then_some(())
    })
    .await;
    sink.behave(Behaviour::Accept);
    eventually("it is told that it was delivered", || async {
        steps(&gateway, "smoke-1").await.iter().any(|step| step.starts_with("push ok nobody")).then_some(())
    })
    .await;
    gateway.stop().await;
}
