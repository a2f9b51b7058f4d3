//! One command for many devices, and its progress.

use codecgate_tests::{Gateway, RawDevice, eventually, meter};
use serde_json::{Value, json};

fn valve() -> Value {
    json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(false), "expireTime": 3600 })
}

async fn settles(gateway: &Gateway, batch: &Value, phase: &str, by_state: &Value) -> Value {
    let path = format!("/api/v1/batches/{}", batch["id"]);
    eventually(&format!("{path} is {phase} with {by_state}"), || async {
        let now = gateway.api().get(&path).await.expect(200);
        (now["phase"] == phase && now["progress"]["byState"] == *by_state).then_some(now)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_reaches_every_device_of_its_product_and_only_the_failed_are_made_anew() {
    let mut gateway = Gateway::with(|config| config.downlink.open_per_device = 1).await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let mut devices = Vec::new();
    for index in 0..300 {
        devices.push(gateway.add_device(product, &format!("meter-{index}")).await);
    }
    let held = gateway.api().post(&format!("/api/v1/devices/{}/commands", devices[7]), &valve()).await.expect(201);

    let batch = json!({ "name": "close all", "command": valve(), "to": { "product": product } });
    let batch = gateway.api().post("/api/v1/batches", &batch).await.expect(201);
    let made = settles(&gateway, &batch, "running", &json!({ "PENDING": 299, "FAILED": 1 })).await;
    assert_eq!((&made["progress"]["total"], &made["progress"]["expected"]), (&json!(300), &json!(300)));
    let failed =
        gateway.api().get(&format!("/api/v1/batches/{}/commands?state=FAILED&limit=1000", batch["id"])).await.expect(200);
    assert_eq!((&failed["items"][0]["deviceId"], &failed["items"][0]["failure"]["code"]), (&json!(devices[7]), &json!("limit")));

    let mut meter = RawDevice::registered(gateway.coap_addr(), "meter-3").await;
    let bytes = meter.downlink().await;
    meter.report(&meter::answer(&bytes, 0)).await;
    settles(&gateway, &batch, "running", &json!({ "PENDING": 298, "FAILED": 1, "SUCCESSFUL": 1 })).await;

    gateway.api().delete(&format!("/api/v1/commands/{}", held["id"].as_str().unwrap())).await.expect(200);
    gateway.api().post(&format!("/api/v1/batches/{}/retry", batch["id"]), &json!({})).await.expect(200);
    let retried = settles(&gateway, &batch, "running", &json!({ "PENDING": 299, "SUCCESSFUL": 1 })).await;
    assert_eq!(retried["retries"], 1);
    let again = gateway.api().post(&format!("/api/v1/batches/{}/retry", batch["id"]), &json!({})).await;
    assert_eq!((again.status.as_u16(), &again.json()["code"]), (409, &json!("E4315")), "{}", again.text);

    gateway.restart().await;
    gateway.api().post(&format!("/api/v1/batches/{}/cancel", batch["id"]), &json!({})).await.expect(200);
    settles(&gateway, &batch, "canceled", &json!({ "CANCELED": 299, "SUCCESSFUL": 1 })).await;
    let listed = gateway.api().get(&format!("/api/v1/devices/{}/commands", devices[0])).await.expect(200);
    assert_eq!(listed["items"][0]["batchId"], batch["id"]);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_for_a_list_or_for_what_fits_a_filter() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let mut devices = Vec::new();
    for (endpoint, site) in [("north-1", "a"), ("north-2", "b"), ("south-1", "a")] {
        let body = json!({ "endpoint": endpoint, "productId": product, "attributes": { "site": site } });
        devices.push(gateway.api().post("/api/v1/devices", &body).await.expect(201)["id"].as_u64().unwrap());
    }
    for (to, count) in [
        (json!({ "devices": [devices[1], devices[0], devices[0]] }), 2),
        (json!({ "filter": { "endpointPrefix": "north" } }), 2),
        (json!({ "filter": { "product": product, "attributes": { "site": "a" } } }), 2),
        (json!({ "filter": { "state": "registered", "endpointPrefix": "south" } }), 1),
    ] {
        let batch = gateway.api().post("/api/v1/batches", &json!({ "command": valve(), "to": to })).await.expect(201);
        settles(&gateway, &batch, "running", &json!({ "PENDING": count })).await;
    }
    for (body, code) in [
        (json!({ "command": valve(), "to": { "devices": [devices[0], 4_711] } }), "E4202"),
        (json!({ "command": valve(), "to": { "product": 99 } }), "E4201"),
        (json!({ "command": { "service": "Meter", "name": "NO" }, "to": { "product": product } }), "E4404"),
        (json!({ "command": { "raw": { "hex": "00" }, "expireTime": 0 }, "to": { "devices": [] } }), "E4405"),
    ] {
        let refusal = gateway.api().post("/api/v1/batches", &body).await;
        assert_eq!(refusal.json()["code"], code, "{}", refusal.text);
    }
    gateway.stop().await;
}
