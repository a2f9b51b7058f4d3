//! CoAP stacks that we did not write, against a whole gateway over loopback: aiocoap and npm's coap-node as devices, libcoap as a rude
//! client. What each does in its own way is a test.
//!
//! They need tools that a plain `cargo test` should not ask for, so they run when `CODECGATE_FOREIGN=1` is set (`.ci/run` sets
//! it) and then fail, with the install command, when a tool is missing. `CODECGATE_PYTHON` names the Python that has aiocoap,
//! `CODECGATE_NODE_MODULES` the folder of coap-node.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: what goes wrong fails it"
)]

mod device;
mod libcoap;

use codecgate_tests::{Gateway, eventually, meter};
use serde_json::{Value, json};

use device::Device;
use libcoap::Client;

/// Whether the foreign stacks are asked for; says so when they are not.
fn asked() -> bool {
    let asked = std::env::var_os("CODECGATE_FOREIGN").is_some_and(|value| value == "1");
    if !asked {
        eprintln!("foreign clients not asked for: set CODECGATE_FOREIGN=1");
    }
    asked
}

async fn uplinks(gateway: &Gateway, device: u64) -> Vec<Value> {
    let page = gateway.api().get(&format!("/api/v1/devices/{device}/uplinks?limit=100")).await.expect(200);
    page["items"].as_array().cloned().unwrap_or_default()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aiocoap_device_registers_reports_obeys_and_leaves() {
    if !asked() {
        return;
    }
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({})).await;
    let id = gateway.add_device(product, "aiocoap-1").await;

    let mut device = Device::start(gateway.coap_addr(), "aiocoap-1");
    let location = device.event("registered").await["location"].clone();
    assert_eq!(location.as_array().map(Vec::len), Some(2), "Location-Path has two segments: {location}");
    assert_eq!(location[0], "rd");
    device.event("observed").await;

    for (litres, how) in [(1_000, "notify"), (2_000, "non"), (3_000, "notify")] {
        device.tell(&format!("{how} {}", hex::encode(meter::frame(litres)))).await;
        device.event("notified").await;
    }
    let listed = eventually("three reports are stored", || async {
        let listed = uplinks(&gateway, id).await;
        (listed.len() >= 3).then_some(listed)
    })
    .await;
    assert_eq!(listed.len(), 3, "the empty first answer is no uplink: {listed:?}");
    assert!(listed.iter().all(|uplink| uplink["outcome"] == "decoded"), "{listed:?}");

    let body = json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(true), "expireTime": 0 });
    let command = gateway.api().post(&format!("/api/v1/devices/{id}/commands"), &body).await.expect(201);
    // The codec answers reports as well; the command is the frame that begins with its own id.
    let bytes = loop {
        let put = device.event("put").await;
        assert_eq!(put["content_format"], 42);
        let bytes = hex::decode(put["hex"].as_str().unwrap()).unwrap();
        if bytes.first() == Some(&0x81) {
            break bytes;
        }
    };
    device.tell(&format!("notify {}", hex::encode(meter::answer(&bytes, 0)))).await;
    let path = format!("/api/v1/commands/{}", command["id"].as_str().unwrap());
    eventually("the command is SUCCESSFUL", || async {
        let now = gateway.api().get(&path).await.expect(200);
        (now["state"] == "SUCCESSFUL").then_some(now)
    })
    .await;

    device.tell("update").await;
    assert_eq!(device.event("updated").await["code"], "2.04");
    device.tell("deregister").await;
    assert_eq!(device.event("deregistered").await["code"], "2.02");
    device.end().await;
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_aiocoap_device_that_nobody_added_is_refused() {
    if !asked() {
        return;
    }
    let gateway = Gateway::start().await;
    let mut stranger = Device::start(gateway.coap_addr(), "stranger");
    assert_eq!(stranger.event("refused").await["code"], "4.03");
    gateway.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn libcoap_gets_the_right_refusals() {
    if !asked() {
        return;
    }
    let gateway = Gateway::start().await;
    let client = Client::new(gateway.coap_addr());
    let (big, huge) = ("x".repeat(3_000), "x".repeat(70_000));
    let links = ["</1/0>", "</3/0>", "</19/0>", "</19/1>"].repeat(20).join(",");
    for (arguments, path, expected) in [
        (&["-m", "get"][..], "nope", "4.04"),
        (&["-m", "get", "-N"], "nope", "4.04"),
        (&["-m", "get"], ".well-known/core", "2.05"),
        (&["-m", "post", "-t", "40", "-e", "</19/0>"], "rd", "4.00"),
        (&["-m", "post", "-e", "</19/0>"], "rd?ep=a&ep=b", "4.00"),
        (&["-m", "post", "-e", "</19/0>"], "rd?ep=a&lt=soon", "4.00"),
        (&["-m", "post", "-e", "</19/0>"], "rd?ep=a&lwm2m=9.9", "4.12"),
        (&["-m", "post", "-e", "</19/0>"], "rd?ep=nobody&lt=60", "4.03"),
        (&["-m", "post", "-e", "</19/0>", "-N"], "rd?ep=nobody&lt=60", "4.03"),
        (&["-m", "post"], "rd/xyz?lt=60", "4.04"),
        (&["-m", "delete"], "rd/xyz", "4.04"),
        (&["-m", "get"], "rd", "4.05"),
        // 2057 is no option and critical (odd); 2058 is elective and ignored.
        (&["-m", "get", "-O", "2057,x"], "nope", "4.02"),
        (&["-m", "get", "-O", "2058,x"], "nope", "4.04"),
        // RFC 7959: a body in blocks of 64 bytes is joined where it is wanted, and refused at its first block where it is not.
        (&["-m", "put", "-b", "64", "-e", &big], "nope", "4.04"),
        (&["-m", "post", "-b", "64", "-e", &big], "rd?ep=nobody", "4.00"),
        (&["-m", "post", "-b", "64", "-e", &links], "rd?ep=nobody", "4.03"),
        (&["-m", "post", "-b", "1024", "-e", &huge], "rd?ep=nobody", "4.13"),
    ] {
        let (code, told) = client.ask(arguments, path).await;
        assert_eq!(code.as_deref(), Some(expected), "{arguments:?} {path}\n{told}");
    }
    assert_eq!(gateway.api().get("/healthz").await.status, 200);
    gateway.stop().await;
}

/// coap-node says `lwm2m=1.0.0`, has no object 19, lists IPSO objects, answers Read in text or its own JSON, and takes a write of one value.
#[tokio::test(flavor = "multi_thread")]
async fn a_coap_node_device_is_read_written_observed_and_leaves() {
    if !asked() {
        return;
    }
    let gateway = Gateway::start().await;
    let product = gateway.add_product("water-meter", json!({ "powerMode": "drx" })).await;
    let id = gateway.add_device(product, "coap-node-1").await;
    let mut device = Device::coap_node(gateway.coap_addr(), "coap-node-1");
    assert_eq!(device.event("registered").await["code"], "2.01");
    let shown = gateway.api().get(&format!("/api/v1/devices/{id}")).await.expect(200);
    assert_eq!(shown["registration"]["version"], "1.0.0");
    let objects = shown["registration"]["objects"].to_string();
    assert!(objects.contains("/3303/0") && !objects.contains("/19"), "{objects}");
    assert_eq!(shown["registration"]["objectNames"]["/3303"], "Temperature", "{shown}");

    let ask = |operation: Value| {
        let (gateway, path) = (&gateway, format!("/api/v1/devices/{id}/commands"));
        async move {
            let asked = gateway.api().post(&path, &operation).await.expect(201);
            let path = format!("/api/v1/commands/{}", asked["id"].as_str().unwrap());
            eventually("the operation has an outcome", || async {
                let now = gateway.api().get(&path).await.expect(200);
                let over = ["SUCCESSFUL", "FAILED", "TIMEOUT"].iter().any(|state| now["state"] == *state);
                over.then_some(now)
            })
            .await
        }
    };
    let read = ask(json!({ "operation": "read", "path": "/3303/0/5700" })).await;
    assert_eq!((&read["state"], &read["result"]["/3303/0/5700"]), (&json!("SUCCESSFUL"), &json!(21.5)), "{read}");
    let nothing = ask(json!({ "operation": "read", "path": "/3303/0/5999" })).await;
    assert_eq!((&nothing["state"], &nothing["failure"]["code"]), (&json!("FAILED"), &json!("device-refused")), "{nothing}");
    let written = ask(json!({ "operation": "write", "path": "/3311/0/5850", "values": true })).await;
    assert_eq!(written["state"], "SUCCESSFUL", "{written}");
    assert!(device.event("written").await["value"] != false);
    let observed = ask(json!({ "operation": "observe", "path": "/3303/0/5700" })).await;
    assert_eq!(observed["state"], "SUCCESSFUL", "{observed}");
    device.tell("measure 22.5").await;
    eventually("the new value is an event", || async {
        let events = gateway.api().get(&format!("/api/v1/devices/{id}/events")).await.expect(200);
        let told = |event: &Value| event["kind"] == "resources" && event["data"]["values"]["/3303/0/5700"] == 22.5;
        events["items"].as_array().unwrap().iter().any(told).then_some(())
    })
    .await;
    device.tell("deregister").await;
    assert_eq!(device.event("deregistered").await["code"], "2.02");
    device.end().await;
    gateway.stop().await;
}
