//! kill -9 while commands are under way: what was SENT goes out again as the same message, and what may not be done twice does not.

use std::net::UdpSocket;

use coap_lite::{MessageType, ResponseType};
use codecgate_tests::{Binary, RawDevice, eventually, meter, reply, uri};
use serde_json::{Value, json};

use super::{PROGRAM, provision};

async fn reaches(binary: &Binary, command: &Value, wanted: &str) -> Value {
    let path = format!("/api/v1/commands/{}", command["id"].as_str().unwrap());
    eventually(&format!("{path} is {wanted}"), || async {
        let now = binary.api().get(&path).await.expect(200);
        (now["state"] == wanted).then_some(now)
    })
    .await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_was_sent_goes_out_again_as_the_same_message() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let coap = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut binary = Binary::start(PROGRAM, &data, coap);
    let devices = provision(binary.api(), &["meter-1".to_owned()]).await;
    let path = format!("/api/v1/devices/{}/commands", devices["meter-1"]);
    let mut device = RawDevice::registered(coap, "meter-1").await;
    let body = json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(true) });
    let command = binary.api().post(&path, &body).await.expect(201);
    let first = device.next_request().await;
    reaches(&binary, &command, "SENT").await;

    binary.kill();
    binary = Binary::start(PROGRAM, &data, coap);
    let again = device.next_request().await;
    assert_eq!(
        (again.header.message_id, again.get_token(), &again.payload),
        (first.header.message_id, first.get_token(), &first.payload),
        "the device knows it as a duplicate"
    );
    assert_eq!(again.header.get_type(), MessageType::Confirmable);
    device.send(&reply(&again, ResponseType::Changed)).await;
    let delivered = reaches(&binary, &command, "DELIVERED").await;
    let steps: Vec<_> = delivered["history"].as_array().unwrap().iter().map(|step| (&step["state"], &step["reason"])).collect();
    assert_eq!(
        steps,
        [(&json!("SENT"), &Value::Null), (&json!("SENT"), &json!("resent")), (&json!("DELIVERED"), &Value::Null)],
        "{delivered}"
    );

    // What may not be done twice is not.
    let execute =
        binary.api().post(&path, &json!({ "operation": "execute", "path": "/3/0/4", "expireTime": 0 })).await.expect(201);
    let request = device.next_request().await;
    assert_eq!(uri(&request), "3/0/4");
    reaches(&binary, &execute, "SENT").await;
    binary.kill();
    binary = Binary::start(PROGRAM, &data, coap);
    let unknown = reaches(&binary, &execute, "TIMEOUT").await;
    assert_eq!(unknown["failure"]["code"], "outcome-unknown", "{unknown}");
    // The next command is the next thing that the device hears.
    binary.api().post(&path, &body).await.expect(201);
    device.report(&meter::frame(7)).await;
    assert_eq!(uri(&device.next_request().await), "19/1/0", "the Execute was not repeated");
    binary.kill();
}

/// A batch is made in pieces: a kill in the middle of it leaves out no device and gives none two commands.
#[tokio::test(flavor = "multi_thread")]
async fn a_batch_is_completed_after_a_kill() {
    const DEVICES: u64 = 900;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let coap = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut binary = Binary::start(PROGRAM, &data, coap);
    provision(binary.api(), &[]).await;
    let product = binary.api().get("/api/v1/products").await.expect(200)["items"][0]["id"].clone();
    let list: Vec<Value> = (0..DEVICES).map(|n| json!({ "endpoint": format!("meter-{n}"), "productId": product })).collect();
    binary.api().post("/api/v1/devices/import", &json!(list)).await.expect(200);
    let command = json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(true) });
    let batch = json!({ "name": "all", "command": command, "to": { "product": product } });
    let batch = binary.api().post("/api/v1/batches", &batch).await.expect(201)["id"].clone();
    let path = format!("/api/v1/batches/{batch}");
    let total = |shown: &Value| shown["progress"]["total"].as_u64().unwrap_or(0);
    eventually("some of it is made", || async { (total(&binary.api().get(&path).await.expect(200)) > 0).then_some(()) }).await;
    binary.kill();
    binary = Binary::start(PROGRAM, &data, coap);
    eventually("all of it is made", || async { (total(&binary.api().get(&path).await.expect(200)) == DEVICES).then_some(()) })
        .await;
    let commands = binary.api().get("/api/v1/commands?limit=1000").await.expect(200)["items"].as_array().unwrap().clone();
    let devices: std::collections::BTreeSet<u64> = commands.iter().map(|command| command["deviceId"].as_u64().unwrap()).collect();
    assert_eq!((commands.len() as u64, devices.len() as u64), (DEVICES, DEVICES), "one command each");
    binary.kill();
}
