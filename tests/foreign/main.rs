//! CoAP stacks that we did not write, against a whole gateway over loopback: aiocoap as a device, libcoap as a rude client.
//!
//! They need tools that a plain `cargo test` should not ask for, so they run when `CODECGATE_FOREIGN=1` is set (`.ci/run` sets
//! it) and then fail, with the install command, when a tool is missing. `CODECGATE_PYTHON` names the Python that has aiocoap.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test: what goes wrong fails it"
)]

mod aiocoap;
mod libcoap;

use codecgate_tests::{Gateway, eventually, meter};
use serde_json::{Value, json};

use aiocoap::Device;
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
    let big = "x".repeat(3_000);
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
        // RFC 7959: a body in blocks of 64 bytes.
        (&["-m", "put", "-b", "64", "-e", &big], "nope", "4.13"),
        (&["-m", "post", "-b", "64", "-e", &big], "rd?ep=nobody", "4.13"),
    ] {
        let (code, told) = client.ask(arguments, path).await;
        assert_eq!(code.as_deref(), Some(expected), "{arguments:?} {path}\n{told}");
    }
    assert_eq!(gateway.api().get("/healthz").await.status, 200);
    gateway.stop().await;
}
