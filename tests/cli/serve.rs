//! `serve`: what stops it before it begins, and how it ends.

use std::net::{SocketAddr, TcpListener, UdpSocket};

use codecgate_tests::{Binary, RawDevice, eventually, tell};
use serde_json::json;
use tempfile::TempDir;

use super::store::{ANY, prepare};
use super::{PROGRAM, codecgate};

fn folder() -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").to_str().unwrap().to_owned();
    (folder, data)
}

#[test]
fn all_mistakes_of_a_configuration_are_told_with_their_keys() {
    let (folder, _) = folder();
    let file = folder.path().join("gateway.toml");
    let text = "data_dir = \"\"\nworker = 2\n[coap]\nlisten = \"nowhere\"\n[http]\nkeys = [\"short\"]\n\
                [store]\nretention_days = 0\ndurability = \"maybe\"\n[codec]\nmemory_mib = \"16\"\n[lgo]\nfilter = \"info\"\n";
    std::fs::write(&file, text).unwrap();
    let ran = codecgate(".", ["serve", "--config", file.to_str().unwrap()]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{ran:?}");
    let keys =
        ["data_dir", "worker", "coap.listen", "http.keys", "store.retention_days", "store.durability", "codec.memory_mib", "lgo"];
    for key in keys {
        assert!(ran.err.contains(key), "{key} is not in\n{}", ran.err);
    }
    assert!(ran.err.contains("8 mistakes") && !ran.err.contains("short"), "a key is not shown: {}", ran.err);
}

#[test]
fn a_busy_port_is_named_with_the_key_that_changes_it() {
    let udp = UdpSocket::bind("127.0.0.1:0").unwrap();
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let (udp, tcp) = (udp.local_addr().map(|at| (udp, at)).unwrap(), tcp.local_addr().map(|at| (tcp, at)).unwrap());
    for (coap, http, busy, key) in [
        (udp.1, ANY, format!("{}/udp", udp.1), "coap.listen or --coap"),
        (ANY, tcp.1, format!("{}/tcp", tcp.1), "http.listen or --http"),
    ] {
        let (_folder, data) = folder();
        let ran = codecgate(".", ["serve", "--data", &data, "--coap", &coap.to_string(), "--http", &http.to_string()]);
        assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
        assert!(ran.err.contains(&busy) && ran.err.contains(key), "{}", ran.err);
        assert!(ran.err.contains("in use"), "the system's reason: {}", ran.err);
    }
}

#[test]
fn two_gateways_do_not_share_a_folder() {
    let (folder, data) = folder();
    let first = Binary::start(PROGRAM, &folder.path().join("data"), ANY);
    let ran = codecgate(".", ["serve", "--data", &data, "--coap", "127.0.0.1:0", "--http", "127.0.0.1:0"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains(&data) && ran.err.contains("another codecgate is using it"), "{}", ran.err);
    let ran = codecgate(".", ["store", "export", "--data", &data]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains("hint: stop the gateway"), "{}", ran.err);
    assert!(first.end("TERM").success(), "the first one did not notice");
}

#[tokio::test(flavor = "multi_thread")]
async fn term_and_interrupt_end_it_in_order_and_what_was_acknowledged_is_there() {
    let (folder, _) = folder();
    let data = folder.path().join("data");
    let mut binary = Binary::start(PROGRAM, &data, ANY);
    let product = prepare(binary.api()).await;
    let body = json!({ "endpoint": "meter-1", "productId": product });
    let device = binary.api().post("/api/v1/devices", &body).await.expect(201)["id"].as_u64().unwrap();
    let coap: SocketAddr = binary.coap_addr();
    let mut meter = RawDevice::registered(coap, "meter-1").await;
    for (number, signal) in ["TERM", "INT"].into_iter().enumerate() {
        meter.report(&codecgate_tests::meter::frame(u32::try_from(number).unwrap())).await;
        let ended = binary.end(signal);
        assert_eq!(ended.code(), Some(0), "{signal}");
        binary = Binary::start(PROGRAM, &data, coap);
        let page = binary.api().get(&format!("/api/v1/devices/{device}/uplinks")).await.expect(200);
        assert_eq!(page["items"].as_array().map(Vec::len), Some(number + 1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_goes_away_ends_no_gateway() {
    let (folder, data) = folder();
    let file = std::fs::File::create(folder.path().join("log")).unwrap();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut child = tokio::process::Command::new(PROGRAM)
        .args(["serve", "--coap", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", &data])
        .stdout(writer)
        .stderr(file)
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let log = eventually("it serves", || async {
        let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
        log.contains(" serves").then_some(log)
    })
    .await;
    tell(child.id().unwrap(), "TERM");
    assert_eq!(child.wait().await.unwrap().code(), Some(0), "{log}");
    let log = std::fs::read_to_string(folder.path().join("log")).unwrap();
    assert!(!log.contains("panicked"), "{log}");
}
