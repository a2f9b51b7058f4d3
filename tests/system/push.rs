//! Webhooks: at least once, in order per device, and a dead receiver holds up only itself.

use std::time::Duration;

use codecgate_tests::{Behaviour, Gateway, RawDevice, Sink, eventually, meter};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_receiver_holds_up_only_itself_and_gets_everything_later() {
    // On a busy machine the dead one fails often enough to be left alone for a while.
    let gateway = Gateway::with(|config| config.webhook.breaker_pause = Duration::from_millis(200)).await;
    let product = gateway.add_product("water-meter", json!({})).await;
    gateway.add_device(product, "meter-1").await;
    gateway.add_device(product, "meter-2").await;
    let fine = Sink::start(Behaviour::Accept).await;
    let dead = Sink::start(Behaviour::Status(503)).await;
    let slow = Sink::start(Behaviour::Slow(Duration::from_millis(50))).await;
    for sink in [&fine, &dead, &slow] {
        let wanted = json!({ "url": sink.url(), "kinds": ["report"] });
        gateway.api().post("/api/v1/subscriptions", &wanted).await.expect(201);
    }
    let mut one = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let mut two = RawDevice::registered(gateway.coap_addr(), "meter-2").await;
    for number in 0..10 {
        one.report(&meter::frame(number)).await;
        two.report(&meter::frame(number)).await;
    }
    eventually("the good receivers have all", || async {
        (fine.events().len() >= 20 && slow.events().len() >= 20).then_some(())
    })
    .await;
    assert!(dead.events().is_empty());
    dead.behave(Behaviour::Accept);
    eventually("the dead one gets all when it lives again", || async {
        let mut ids: Vec<_> = dead.events().iter().map(|event| event["id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        (ids.len() == 20).then_some(())
    })
    .await;
    for sink in [&fine, &dead, &slow] {
        for endpoint in ["meter-1", "meter-2"] {
            let mut readings: Vec<f64> = Vec::new();
            for event in sink.events().iter().filter(|event| event["endpoint"] == endpoint) {
                let reading = event["data"]["reports"][0]["values"][meter::READING].as_f64().unwrap();
                // Delivered twice is allowed, out of order is not.
                if readings.last() != Some(&reading) {
                    readings.push(reading);
                }
            }
            assert!(readings.is_sorted(), "{endpoint}: {readings:?}");
        }
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_can_be_tested_and_sees_only_its_scope() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let wanted = gateway.add_device(product, "meter-1").await;
    gateway.add_device(product, "meter-2").await;
    let sink = Sink::start(Behaviour::Accept).await;
    let body = json!({ "url": sink.url(), "deviceId": wanted, "kinds": ["report"] });
    let subscription = gateway.api().post("/api/v1/subscriptions", &body).await.expect(201);
    let path = format!("/api/v1/subscriptions/{}/test", subscription["id"]);
    let attempt = gateway.api().post(&path, &json!({})).await.expect(200);
    assert!(attempt.to_string().contains("204"), "{attempt}");
    assert_eq!(sink.events()[0]["kind"], "test");

    let mut one = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let mut two = RawDevice::registered(gateway.coap_addr(), "meter-2").await;
    two.report(&meter::frame(1)).await;
    one.report(&meter::frame(2)).await;
    let event = eventually("the report", || async { sink.events().get(1).cloned() }).await;
    assert_eq!(event["endpoint"], "meter-1");
    gateway.stop().await;
}
