//! The life of a command, seen from the application and from the device (REFERENCE C.5).

use std::time::Duration;

use codecgate_tests::{Behaviour, Gateway, RawDevice, Sink, eventually, meter};
use serde_json::{Value, json};

async fn state(gateway: &Gateway, command: &Value) -> String {
    let id = command["id"].as_str().unwrap();
    let now = gateway.api().get(&format!("/api/v1/commands/{id}")).await.expect(200);
    now["state"].as_str().unwrap().to_owned()
}

async fn reaches(gateway: &Gateway, command: &Value, wanted: &str) -> Value {
    let id = command["id"].as_str().unwrap();
    eventually(&format!("{id} is {wanted}"), || async {
        let now = gateway.api().get(&format!("/api/v1/commands/{id}")).await.expect(200);
        (now["state"] == wanted).then_some(now)
    })
    .await
}

async fn ask(gateway: &Gateway, device: u64, expire_time: u64) -> Value {
    let body =
        json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(true), "expireTime": expire_time });
    gateway.api().post(&format!("/api/v1/devices/{device}/commands"), &body).await.expect(201)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cached_command_waits_for_the_device_and_comes_back_successful() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let device = gateway.add_device(product, "meter-1").await;
    let sink = Sink::start(Behaviour::Accept).await;
    let wanted = json!({ "url": sink.url(), "kinds": ["command"] });
    gateway.api().post("/api/v1/subscriptions", &wanted).await.expect(201);

    let first = ask(&gateway, device, 3_600).await;
    let second = ask(&gateway, device, 3_600).await;
    assert_eq!(state(&gateway, &first).await, "PENDING");

    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    for command in [&first, &second] {
        let bytes = device.downlink().await;
        reaches(&gateway, command, "DELIVERED").await;
        device.report(&meter::answer(&bytes, 0)).await;
        let ended = reaches(&gateway, command, "SUCCESSFUL").await;
        assert_eq!(ended["errcode"], 0);
    }

    let transitions = eventually("eight transitions are pushed", || async {
        let events = sink.events();
        (events.len() == 8).then_some(events)
    })
    .await;
    for command in [&first, &second] {
        let own: Vec<_> = transitions.iter().map(|event| &event["data"]).filter(|data| data["id"] == command["id"]).collect();
        let states: Vec<_> = own.iter().filter_map(|data| data["state"].as_str()).collect();
        assert_eq!(states, ["PENDING", "SENT", "DELIVERED", "SUCCESSFUL"]);
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_of_the_device_fails_the_command() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let command = ask(&gateway, id, 60).await;
    let bytes = device.downlink().await;
    device.report(&meter::answer(&bytes, 3)).await;
    let ended = reaches(&gateway, &command, "FAILED").await;
    assert_eq!((&ended["errcode"], &ended["failure"]["code"]), (&json!(3), &json!("device-error")));
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_an_acknowledgement_it_times_out_and_a_late_answer_lifts_it() {
    let gateway = Gateway::with(|config| {
        config.downlink.ack_timeout = Duration::from_millis(100);
        config.downlink.max_retransmit = 1;
    })
    .await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let command = ask(&gateway, id, 0).await;
    let unanswered = device.next_request().await;
    let timed_out = reaches(&gateway, &command, "TIMEOUT").await;
    assert_eq!(timed_out["failure"]["code"], "no-acknowledgement");
    device.report(&meter::answer(&unanswered.payload, 0)).await;
    reaches(&gateway, &command, "SUCCESSFUL").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_says_why() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;

    let at_once = ask(&gateway, id, 0).await;
    assert_eq!(reaches(&gateway, &at_once, "FAILED").await["failure"]["code"], "not-registered");
    let short = ask(&gateway, id, 1).await;
    assert_eq!(reaches(&gateway, &short, "EXPIRED").await["failure"]["code"], "expired");

    let revoked = ask(&gateway, id, 3_600).await;
    let path = format!("/api/v1/commands/{}/cancel", revoked["id"].as_str().unwrap());
    gateway.api().post(&path, &json!({})).await.expect(200);
    assert_eq!(state(&gateway, &revoked).await, "CANCELED");
    let again = gateway.api().post(&path, &json!({})).await;
    assert_eq!(again.status.as_u16(), 409, "{}", again.text);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn all_mistakes_of_a_command_are_told_at_once() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let path = format!("/api/v1/devices/{id}/commands");
    let body =
        json!({ "service": meter::PERIOD.0, "name": meter::PERIOD.1, "params": { meter::PERIOD.2: "soon", "nonsense": 1 } });
    let refusal = gateway.api().post(&path, &body).await;
    assert_eq!(refusal.status.as_u16(), 422, "{}", refusal.text);
    assert_eq!(refusal.content_type, "application/problem+json");
    let mistakes = refusal.json()["mistakes"].as_array().cloned().unwrap_or_default();
    assert_eq!(mistakes.len(), 2, "{}", refusal.text);
    gateway.stop().await;
}
