//! `store export` and `store import`: everything of a gateway moves into another folder and works there.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;

use codecgate_tests::{Api, Behaviour, Binary, RawDevice, Sink, component, eventually, meter, profile};
use serde_json::{Value, json};

use super::{PROGRAM, Ran, codecgate};

/// Any free port of this machine.
pub(super) const ANY: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

/// Adds the water meter with its codec.
pub(super) async fn prepare(api: &Api) -> u64 {
    let body = json!({ "profile": profile("water-meter"), "endpointFormat": "any", "powerMode": "psm" });
    let product = api.post("/api/v1/products", &body).await.expect(201)["id"].as_u64().unwrap();
    api.put(&format!("/api/v1/products/{product}/codec"), component("water-meter"), "application/wasm").await.expect(200);
    product
}

fn store(verb: &str, folder: &Path, rest: &[&str]) -> Ran {
    codecgate(".", ["store", verb, "--data", folder.to_str().unwrap()].iter().chain(rest))
}

/// Takes out what the gateway knows of a device in memory only, and so never after a restart.
fn leave_out_memory(answer: &mut Value) {
    match answer {
        Value::Object(fields) => {
            fields.remove("awakeUntil");
            if let Some(flow) = fields.get_mut("flow").and_then(Value::as_object_mut) {
                flow.remove("messages");
            }
            fields.values_mut().for_each(leave_out_memory);
        }
        Value::Array(items) => items.iter_mut().for_each(leave_out_memory),
        _ => {}
    }
}

/// Everything that the API shows and that a move must not change.
async fn shown(api: &Api, device: u64) -> Value {
    let mut all = serde_json::Map::new();
    for path in [
        "/api/v1/products/1".to_owned(),
        "/api/v1/products/1/codec".to_owned(),
        "/api/v1/devices".to_owned(),
        format!("/api/v1/devices/{device}"),
        format!("/api/v1/devices/{device}/events?limit=1000"),
        format!("/api/v1/devices/{device}/uplinks?limit=1000"),
        "/api/v1/dead-letters".to_owned(),
        "/api/v1/commands".to_owned(),
        "/api/v1/subscriptions".to_owned(),
    ] {
        let mut answer = api.get(&path).await.expect(200);
        leave_out_memory(&mut answer);
        if let Some(subscriptions) = answer["items"].as_array_mut() {
            // Counted since the start.
            subscriptions.iter_mut().filter_map(Value::as_object_mut).for_each(|item| drop(item.remove("health")));
        }
        all.insert(path, answer);
    }
    Value::Object(all)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gateway_moves_to_another_folder_with_everything() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to, file) = (folder.path().join("from"), folder.path().join("to"), folder.path().join("all.jsonl"));
    let binary = Binary::start(PROGRAM, &from, ANY);
    let api = binary.api();
    let product = prepare(api).await;
    let body = json!({ "endpoint": "meter-1", "productId": product, "name": "cellar", "attributes": { "floor": "-1" } });
    let device = api.post("/api/v1/devices", &body).await.expect(201)["id"].as_u64().unwrap();
    let sink = Sink::start(Behaviour::Accept).await;
    api.post("/api/v1/subscriptions", &json!({ "url": sink.url(), "kinds": ["report"] })).await.expect(201);
    let mut meter = RawDevice::registered(binary.coap_addr(), "meter-1").await;
    for number in 0..5 {
        meter.report(&meter::frame(number)).await;
    }
    meter.report(&meter::frame(5)[..9]).await;
    eventually("all reports are pushed", || async { (sink.events().len() == 5).then_some(()) }).await;
    let body = json!({ "endpoint": "meter-2", "productId": product });
    let asleep = api.post("/api/v1/devices", &body).await.expect(201)["id"].as_u64().unwrap();
    let body = json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(true) });
    let command = api.post(&format!("/api/v1/devices/{asleep}/commands"), &body).await.expect(201);
    let before = shown(api, device).await;
    let coap = binary.coap_addr();
    assert!(binary.end("TERM").success());

    let exported = store("export", &from, &["-o", file.to_str().unwrap()]);
    assert_eq!((exported.code, exported.out.as_str()), (Some(0), ""), "{exported:?}");
    let piped = store("export", &from, &[]);
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!((piped.code, piped.out == text), (Some(0), true), "the file and standard output are the same");
    let lines = text.lines().count();
    assert!(text.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()));
    assert!(exported.err.contains(&format!("exported {lines} ")), "{} of {lines}", exported.err);
    let imported = store("import", &to, &[file.to_str().unwrap()]);
    assert_eq!(imported.code, Some(0), "{imported:?}");

    let again = store("import", &to, &[file.to_str().unwrap()]);
    assert_eq!(again.code, Some(1), "{again:?}");
    assert!(again.err.contains("empty") || again.err.contains("without records"), "{}", again.err);

    let moved = Binary::start(PROGRAM, &to, coap);
    let after = shown(moved.api(), device).await;
    for (path, answer) in before.as_object().unwrap() {
        assert_eq!(&after[path], answer, "{path}");
    }
    // Not only shown: the codec decodes, the registration lives, the command waits, the cursor goes on.
    meter.report(&meter::frame(6)).await;
    eventually("the new report is pushed", || async { (sink.events().len() > 5).then_some(()) }).await;
    let readings: Vec<_> = sink.events().iter().map(|event| event["id"].clone()).collect();
    assert_eq!(readings.len(), 6, "what was pushed before is not pushed again: {readings:?}");
    let mut other = RawDevice::registered(coap, "meter-2").await;
    let bytes = other.downlink().await;
    other.report(&meter::answer(&bytes, 0)).await;
    let path = format!("/api/v1/commands/{}", command["id"].as_str().unwrap());
    eventually("the command that moved is successful", || async {
        (moved.api().get(&path).await.expect(200)["state"] == "SUCCESSFUL").then_some(())
    })
    .await;
    assert!(moved.end("TERM").success());
}

#[test]
fn a_file_that_was_cut_off_is_refused_and_leaves_no_half_gateway() {
    let folder = tempfile::tempdir().unwrap();
    let (from, to, file) = (folder.path().join("from"), folder.path().join("to"), folder.path().join("all.jsonl"));
    assert!(Binary::start(PROGRAM, &from, ANY).end("TERM").success());
    let exported = store("export", &from, &["-o", file.to_str().unwrap()]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let text = std::fs::read_to_string(&file).unwrap();
    let cut = text.lines().take(text.lines().count() - 1).collect::<Vec<_>>().join("\n");
    std::fs::write(&file, cut).unwrap();
    let ran = store("import", &to, &[file.to_str().unwrap()]);
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.contains("was cut off"), "{}", ran.err);
    let served = codecgate(".", ["serve", "--coap", "127.0.0.1:0", "--http", "127.0.0.1:0", "--data", to.to_str().unwrap()]);
    assert_eq!(served.code, Some(1), "{served:?}");
    assert!(served.err.contains("import into it did not finish"), "{}", served.err);
}
