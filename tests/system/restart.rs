//! A restart costs devices and applications nothing.

use codecgate_tests::{Behaviour, Gateway, RawDevice, Sink, eventually, meter};
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn devices_report_on_and_events_go_on_after_a_restart() {
    let mut gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let sink = Sink::start(Behaviour::Status(500)).await;
    let wanted = json!({ "url": sink.url(), "kinds": ["report"] });
    gateway.api().post("/api/v1/subscriptions", &wanted).await.expect(201);
    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    meter.report(&meter::frame(1)).await;
    let body = json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(false), "expireTime": 3600 });
    let waiting = gateway.api().post(&format!("/api/v1/devices/{id}/commands"), &body).await.expect(201);

    gateway.restart().await;
    sink.behave(Behaviour::Accept);

    // No new Register, no new Observe: the old token is still good.
    meter.report(&meter::frame(2)).await;
    eventually("both reports are pushed", || async {
        let mut ids: Vec<_> = sink.events().iter().map(|event| event["id"].to_string()).collect();
        ids.sort();
        ids.dedup();
        (ids.len() == 2).then_some(())
    })
    .await;
    let bytes = meter.downlink().await;
    meter.report(&meter::answer(&bytes, 0)).await;
    let path = format!("/api/v1/commands/{}", waiting["id"].as_str().unwrap());
    eventually("the command that waited is successful", || async {
        (gateway.api().get(&path).await.expect(200)["state"] == "SUCCESSFUL").then_some(())
    })
    .await;
    let listed = gateway.api().get(&format!("/api/v1/devices/{id}/uplinks")).await.expect(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(3));
    gateway.stop().await;
}
