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

#[tokio::test(flavor = "multi_thread")]
async fn one_command_shows_a_fleet_on_an_empty_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let binary = Binary::start(PROGRAM, &data, ANY);
    let key = std::fs::read_to_string(data.join("api-key")).unwrap();
    let (server, base) = (binary.coap_addr().to_string(), binary.api().base().to_owned());
    std::fs::write(
        folder.path().join("fleet.toml"),
        "endpoint = \"fleet-001\"\npower = \"psm=3,drx=1\"\nevery = \"500ms\"\njitter = \"100ms\"\nstart = \"500ms\"\nloss = 5\n\
         duplicates = 5\ndelay = \"50ms\"\nrebind-datagrams = 5\n",
    )
    .unwrap();
    let fleet = folder.path().join("fleet.toml");
    let args = [
        "simulate",
        "--server",
        &server,
        "--fleet",
        fleet.to_str().unwrap(),
        "--count",
        "40",
        "--vectors",
        "plugins/water-meter",
        "--provision",
        "--gateway",
        &base,
        "--key",
        key.trim(),
        "--seed",
        "7",
        "--for",
        "6s",
        "--json",
    ];
    let ran = codecgate(".", args);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    assert!(ran.err.contains("40 devices added"), "{}", ran.err);
    let last: serde_json::Value = serde_json::from_str(ran.out.lines().last().unwrap()).unwrap();
    let count = |name: &str| last[name].as_u64().unwrap();
    assert!(count("registrations") >= 40, "{last}");
    assert!(count("acknowledged") >= 40 && count("rebound") > 0, "{last}");
    let devices = binary.api().get("/api/v1/devices?limit=1000").await.expect(200);
    assert_eq!(devices["items"].as_array().map(Vec::len), Some(40));
    let health = binary.api().get("/healthz").await.expect(200);
    assert!(health.to_string().contains("decoded"), "{health}");
    assert!(binary.end("TERM").success());
}

#[tokio::test(flavor = "multi_thread")]
async fn sleeping_devices_take_turns_on_a_few_sockets_and_devices_of_1_1_send() {
    let folder = tempfile::tempdir().unwrap();
    let binary = Binary::start(PROGRAM, &folder.path().join("data"), ANY);
    let product = prepare(binary.api()).await;
    for n in 1..=20 {
        let body = json!({ "endpoint": format!("meter-{n:02}"), "productId": product });
        binary.api().post("/api/v1/devices", &body).await.expect(201);
    }
    let (frame, server) = (hex::encode(meter::frame(7)), binary.coap_addr().to_string());
    let common = ["simulate", "--server", &server, "--hex", &frame, "--count", "20", "--endpoint", "meter-01", "--json"];
    let sums = |rest: &[&str]| -> serde_json::Value {
        let ran = codecgate(".", common.iter().chain(rest));
        assert_eq!(ran.code, Some(0), "{ran:?}");
        serde_json::from_str(ran.out.lines().last().unwrap()).unwrap()
    };
    let shared = sums(&["--power", "psm", "--sockets", "4", "--awake", "50ms", "--every", "1h", "--for", "8s"]);
    assert_eq!((&shared["registrations"], &shared["acknowledged"]), (&json!(20), &json!(20)), "{shared}");
    let sent = sums(&["--lwm2m", "1.1", "--via", "send", "--every", "1s", "--for", "4s"]);
    assert!(sent["acknowledged"].as_u64().unwrap() >= 20, "{sent}");
    assert!(binary.end("TERM").success());
}
