//! The queue of one device: order, replacement, limits, what is ignored, what a restart does (USERS, pains 13, 14, 20).

use std::time::Duration;

use coap_lite::{CoapOption, ResponseType};
use codecgate_tests::{Answer, Gateway, RawDevice, eventually, meter, reply, uri};
use serde_json::{Value, json};

fn order(extra: &Value) -> Value {
    let mut body = json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(true) });
    if let (Some(body), Some(extra)) = (body.as_object_mut(), extra.as_object()) {
        body.extend(extra.clone());
    }
    body
}

async fn send(gateway: &Gateway, device: u64, extra: Value) -> Answer {
    gateway.api().post(&format!("/api/v1/devices/{device}/commands"), &order(&extra)).await
}

async fn now(gateway: &Gateway, command: &Value) -> Value {
    gateway.api().get(&format!("/api/v1/commands/{}", command["id"].as_str().unwrap())).await.expect(200)
}

async fn reaches(gateway: &Gateway, command: &Value, wanted: &str) -> Value {
    eventually(&format!("{} is {wanted}", command["id"]), || async {
        let now = now(gateway, command).await;
        (now["state"] == wanted).then_some(now)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_most_urgent_goes_first_and_the_history_tells_each_step() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let mut commands = Vec::new();
    for priority in [5, 0, 9, 5] {
        commands.push(send(&gateway, id, json!({ "priority": priority })).await.expect(201));
    }
    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    for index in [2, 0, 3, 1] {
        let bytes = device.downlink().await;
        device.report(&meter::answer(&bytes, 0)).await;
        let ended = reaches(&gateway, &commands[index], "SUCCESSFUL").await;
        let states: Vec<_> = ended["history"].as_array().unwrap().iter().map(|step| step["state"].as_str().unwrap()).collect();
        assert_eq!(states.first().zip(states.last()), Some((&"SENT", &"SUCCESSFUL")), "{ended}");
        assert_eq!(
            (&ended["sent"], &ended["ended"]),
            (&ended["history"][0]["time"], &ended["history"][states.len() - 1]["time"])
        );
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_newer_command_takes_the_place_of_one_that_waits_and_not_of_one_that_left() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let first = send(&gateway, id, json!({ "supersede": "valve" })).await.expect(201);
    let other = send(&gateway, id, json!({ "supersede": "period" })).await.expect(201);
    let second = send(&gateway, id, json!({ "supersede": "valve" })).await.expect(201);
    let canceled = now(&gateway, &first).await;
    assert_eq!((&canceled["state"], &canceled["failure"]["code"]), (&json!("CANCELED"), &json!("superseded")));
    assert!(canceled["failure"]["detail"].as_str().unwrap().contains(second["id"].as_str().unwrap()), "{canceled}");
    assert_eq!(now(&gateway, &other).await["state"], "PENDING", "another key");

    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let unanswered = device.next_request().await;
    reaches(&gateway, &other, "SENT").await;
    let refusal = send(&gateway, id, json!({ "supersede": "period" })).await;
    assert_eq!((refusal.status.as_u16(), &refusal.json()["code"]), (409, &json!("E4313")), "{}", refusal.text);
    assert!(refusal.text.contains(other["id"].as_str().unwrap()), "{}", refusal.text);
    device.report(&meter::answer(&unanswered.payload, 0)).await;
    reaches(&gateway, &other, "SUCCESSFUL").await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_says_how_full_it_is_and_what_to_do() {
    let gateway = Gateway::with(|config| (config.downlink.open_per_device, config.downlink.open_total) = (3, 5)).await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let (one, two) = (gateway.add_device(product, "meter-1").await, gateway.add_device(product, "meter-2").await);
    for _ in 0..3 {
        send(&gateway, one, json!({})).await.expect(201);
    }
    let full = send(&gateway, one, json!({})).await;
    assert_eq!((full.status.as_u16(), &full.json()["code"]), (429, &json!("E4406")), "{}", full.text);
    assert!(full.text.contains("3 open commands") && full.text.contains("open_per_device"), "{}", full.text);
    for _ in 0..2 {
        send(&gateway, two, json!({})).await.expect(201);
    }
    let full = send(&gateway, two, json!({})).await;
    assert_eq!((full.status.as_u16(), &full.json()["code"]), (429, &json!("E4408")), "{}", full.text);

    let path = format!("/api/v1/devices/{one}/commands");
    let wrong = gateway.api().delete(&format!("{path}?state=SENT")).await;
    assert_eq!(wrong.status.as_u16(), 409, "{}", wrong.text);
    assert_eq!(gateway.api().delete(&format!("{path}?state=PENDING")).await.expect(200), json!({ "canceled": 3 }));
    let listed = gateway.api().get(&format!("{path}?state=CANCELED")).await.expect(200);
    assert_eq!(listed["items"].as_array().map(Vec::len), Some(3));
    assert_eq!(listed["items"][0]["failure"]["code"], "canceled");
    send(&gateway, one, json!({})).await.expect(201);
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_response_that_moves_nothing_is_told_and_counted() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let command = send(&gateway, id, json!({})).await.expect(201);
    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let bytes = device.downlink().await;
    let foreign = [&[0x81, 1, 0x7F, 0xFF], &bytes[4..]].concat();
    for answer in [meter::answer(&foreign, 0), meter::answer(&bytes, 0), meter::answer(&bytes, 3)] {
        device.report(&answer).await;
    }
    assert_eq!(reaches(&gateway, &command, "SUCCESSFUL").await["errcode"], 0);
    let events = gateway.api().get(&format!("/api/v1/devices/{id}/events")).await.expect(200);
    let mut ignored: Vec<_> = events["items"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|event| event["kind"] == "response")
        .map(|event| event["data"]["responses"][0]["ignored"].clone())
        .collect();
    ignored.reverse();
    assert_eq!(ignored, [json!("foreign-mid"), Value::Null, json!("duplicate")], "{events}");
    let metrics = gateway.api().get("/metrics").await.text;
    for line in
        ["codecgate_responses_ignored_total{why=\"duplicate\"} 1", "codecgate_responses_ignored_total{why=\"foreign-mid\"} 1"]
    {
        assert!(metrics.contains(line), "{metrics}");
    }
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_edrx_device_has_the_time_that_its_product_gives_it() {
    let gateway = Gateway::with(|config| {
        config.downlink.ack_timeout = Duration::from_millis(200);
        config.downlink.ack_random_factor = 1.0;
        config.downlink.max_retransmit = 0;
    })
    .await;
    let product = gateway.add_product("water-meter", json!({ "powerMode": "edrx" })).await;
    let settings = gateway.api().patch(&format!("/api/v1/products/{product}"), &json!({ "edrxTimeout": 2 })).await.expect(200);
    assert_eq!(settings["edrxTimeout"], 2);
    let id = gateway.add_device(product, "meter-1").await;
    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let command = send(&gateway, id, json!({})).await.expect(201);
    for _ in 0..3 {
        device.next_request().await;
    }
    let given_up = reaches(&gateway, &command, "TIMEOUT").await;
    let history = given_up["history"].as_array().unwrap();
    assert!(history.len() >= 4 && history[1]["reason"] == "resent", "{given_up}");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn operations_on_resources_go_through_the_same_queue() {
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "meter-1").await;
    let path = format!("/api/v1/devices/{id}/commands");
    let read = gateway.api().post(&path, &json!({ "operation": "read", "path": "/3/0/9" })).await.expect(201);
    assert_eq!(read["operation"], json!({ "operation": "read", "path": "/3/0/9" }));
    let execute = gateway.api().post(&path, &json!({ "operation": "execute", "path": "/3/0/4" })).await.expect(201);
    let wrong = gateway.api().post(&path, &json!({ "operation": "read", "path": "three" })).await;
    assert_eq!((wrong.status.as_u16(), &wrong.json()["code"]), (422, &json!("E4405")), "{}", wrong.text);

    let mut device = RawDevice::registered(gateway.coap_addr(), "meter-1").await;
    let request = device.next_request().await;
    assert_eq!((request.header.get_code().as_str(), uri(&request).as_str()), ("0.01", "3/0/9"));
    let mut answer = reply(&request, ResponseType::Content);
    answer.add_option(CoapOption::ContentFormat, vec![]);
    answer.payload = b"98".to_vec();
    device.send(&answer).await;
    let ended = reaches(&gateway, &read, "SUCCESSFUL").await;
    assert_eq!(ended["result"], json!({ "/3/0/9": 98 }), "{ended}");

    let request = device.next_request().await;
    assert_eq!((request.header.get_code().as_str(), uri(&request).as_str()), ("0.02", "3/0/4"));
    device.send(&reply(&request, ResponseType::MethodNotAllowed)).await;
    let ended = reaches(&gateway, &execute, "FAILED").await;
    assert_eq!(ended["failure"]["code"], "device-refused");
    assert!(ended["failure"]["detail"].as_str().unwrap().starts_with("4.05"), "{ended}");
    gateway.stop().await;
}
