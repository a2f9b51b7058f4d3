//! `simulate` against a running gateway.

use std::process::Stdio;

use codecgate_tests::{Binary, meter, patience, tell};
use serde_json::json;
use tokio::io::{AsyncBufReadExt, BufReader};

use super::store::{ANY, prepare};
use super::{PROGRAM, codecgate};

#[tokio::test(flavor = "multi_thread")]
async fn a_simulated_device_tells_that_its_reports_are_acknowledged_and_leaves_when_asked() {
    let folder = tempfile::tempdir().unwrap();
    let binary = Binary::start(PROGRAM, &folder.path().join("data"), ANY);
    let product = prepare(binary.api()).await;
    let body = json!({ "endpoint": "meter-1", "productId": product });
    let device = binary.api().post("/api/v1/devices", &body).await.expect(201)["id"].as_u64().unwrap();

    let frame = hex::encode(meter::frame(7));
    let server = binary.coap_addr().to_string();
    let mut child = tokio::process::Command::new(PROGRAM)
        .args(["simulate", "--server", &server, "--endpoint", "meter-1", "--hex", &frame, "--every", "1s"])
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut said = Vec::new();
    let talk = async {
        while let Some(line) = lines.next_line().await.unwrap() {
            let ready = line.contains("was acknowledged");
            said.push(line);
            if ready {
                break;
            }
        }
        tell(child.id().unwrap(), "TERM");
        while let Some(line) = lines.next_line().await.unwrap() {
            said.push(line);
        }
    };
    tokio::time::timeout(patience(), talk).await.unwrap_or_else(|_| panic!("it says no more and does not end"));
    assert_eq!(child.wait().await.unwrap().code(), Some(0), "{said:?}");
    for step in ["is registered", "is observed", "sent report 0", "report 0 was acknowledged", "left"] {
        assert!(said.iter().any(|line| line == &format!("meter-1 {step}") || line.contains(step)), "{step}: {said:?}");
    }
    let page = binary.api().get(&format!("/api/v1/devices/{device}/uplinks")).await.expect(200);
    assert_eq!(page["items"][0]["outcome"], "decoded", "{page}");
    assert_eq!(page["items"][0]["raw"].as_str().map(str::to_lowercase), Some(frame));
    assert!(binary.end("TERM").success());
}

#[test]
fn payloads_and_addresses_are_checked_before_anything_is_sent() {
    for (line, told) in [
        ("--server 127.0.0.1:5683 --endpoint a --hex 0", "is no hex"),
        ("--server 127.0.0.1 --endpoint a --hex 00", "HOST:PORT"),
        ("--server 127.0.0.1:5683 --endpoint a --hex 00 --every now", "250ms, 20s, 5m or 2h"),
        ("--server 127.0.0.1:5683 --endpoint a --hex 00 --power off", "psm, edrx or drx"),
    ] {
        let ran = codecgate(".", std::iter::once("simulate").chain(line.split_whitespace()));
        assert_eq!(ran.code, Some(2), "{line}: {ran:?}");
        assert!(ran.err.contains(told), "{line}: {}", ran.err);
    }
}
