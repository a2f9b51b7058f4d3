//! kill -9 of the real binary at random moments, under load: every acknowledged uplink and every accepted command is there
//! afterwards, and every event is delivered at least once.
//!
//! `CODECGATE_KILL_ROUNDS` changes the number of kills; `CODECGATE_SEED` repeats the moments of a run.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at any surprise")]

mod commands;
mod fleet;

use std::collections::{HashMap, HashSet};
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use codecgate_tests::{Api, Behaviour, Binary, RawDevice, Sink, component, eventually, meter, profile};
use serde_json::json;

const PROGRAM: &str = env!("CARGO_BIN_EXE_codecgate");
/// Devices that report.
const REPORTING: u32 = 4;
/// Devices that never register: their commands stay PENDING.
const SILENT: u32 = 8;

/// Numbers that look random and can be repeated.
struct Moments(u64);

impl Moments {
    fn next(&mut self, below: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % below
    }
}

fn number(name: &str, otherwise: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise)
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_acknowledged_or_accepted_is_lost() {
    let rounds = number("CODECGATE_KILL_ROUNDS", 20);
    let seed = number("CODECGATE_SEED", u64::from(std::process::id()));
    println!("{rounds} rounds, CODECGATE_SEED={seed}");
    let mut moments = Moments(seed);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let coap = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();

    let mut binary = Binary::start(PROGRAM, &data, coap);
    let sink = Sink::start(Behaviour::Accept).await;
    let devices = prepare(binary.api(), &sink).await;

    // The API moves to another port with each start; who sends commands looks it up here.
    let api = Arc::new(Mutex::new(binary.api().clone()));
    let acknowledged = Arc::new(Mutex::new(Vec::<u32>::new()));
    let accepted = Arc::new(Mutex::new(Vec::<String>::new()));
    let mut tasks = tokio::task::JoinSet::new();
    for index in 0..REPORTING {
        let mut device = RawDevice::registered(coap, &format!("meter-{index}")).await;
        let acknowledged = Arc::clone(&acknowledged);
        tasks.spawn(async move {
            for n in 0.. {
                let litres = index * 1_000_000 + n;
                device.report_until_acknowledged(&meter::frame(litres), Duration::from_millis(100)).await;
                acknowledged.lock().unwrap().push(litres);
            }
        });
    }
    let silent: Vec<u64> = (0..SILENT).map(|index| devices[&format!("silent-{index}")]).collect();
    let (asking, taken) = (Arc::clone(&api), Arc::clone(&accepted));
    tasks.spawn(async move {
        for device in silent.into_iter().cycle() {
            let body = json!({ "service": meter::VALVE.0, "name": meter::VALVE.1, "params": meter::valve(true) }).to_string();
            let path = format!("/api/v1/devices/{device}/commands");
            let now = asking.lock().unwrap().clone();
            let asked = now.try_ask(reqwest::Method::POST, &path, body.into_bytes(), "application/json").await;
            match asked {
                Ok(answer) if answer.status == 201 => {
                    taken.lock().unwrap().push(answer.json()["id"].as_str().unwrap().to_owned())
                }
                Ok(_) | Err(_) => {}
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    });

    for _ in 0..rounds {
        tokio::time::sleep(Duration::from_millis(20 + moments.next(600))).await;
        binary.kill();
        binary = Binary::start(PROGRAM, &data, coap);
        *api.lock().unwrap() = binary.api().clone();
    }
    // Load goes on for a moment, so that the last start is seen to take it.
    let before = acknowledged.lock().unwrap().len();
    eventually("devices report again after the last kill", || async {
        (acknowledged.lock().unwrap().len() > before + 20).then_some(())
    })
    .await;
    tasks.shutdown().await;

    let acknowledged = std::mem::take(&mut *acknowledged.lock().unwrap());
    let accepted = std::mem::take(&mut *accepted.lock().unwrap());
    println!("{} uplinks acknowledged, {} commands accepted", acknowledged.len(), accepted.len());
    assert!(acknowledged.len() > 100 && accepted.len() > 20, "the load was no load");

    let mut stored = HashSet::new();
    for index in 0..REPORTING {
        let mut before = String::new();
        loop {
            let device = devices[&format!("meter-{index}")];
            let page = binary.api().get(&format!("/api/v1/devices/{device}/uplinks?limit=1000{before}")).await.expect(200);
            for uplink in page["items"].as_array().unwrap() {
                assert_eq!(uplink["outcome"], "decoded", "{uplink}");
                stored.insert(uplink["raw"].as_str().unwrap().to_uppercase());
            }
            match page["next"].as_str() {
                Some(next) => before = format!("&before={next}"),
                None => break,
            }
        }
    }
    for litres in &acknowledged {
        assert!(stored.contains(&hex::encode_upper(meter::frame(*litres))), "the acknowledged uplink {litres} is lost");
    }
    for id in &accepted {
        let command = binary.api().get(&format!("/api/v1/commands/{id}")).await.expect(200);
        assert_eq!(command["state"], "PENDING");
    }
    eventually("every acknowledged uplink and accepted command was pushed", || async {
        let events = sink.events();
        let readings: HashSet<String> = events
            .iter()
            .filter_map(|event| event["data"]["reports"][0]["values"][meter::READING].as_f64())
            .map(|cubic_metres| format!("{cubic_metres:.3}"))
            .collect();
        let commands: HashSet<&str> = events.iter().filter_map(|event| event["data"]["id"].as_str()).collect();
        let all = acknowledged.iter().all(|litres| readings.contains(&format!("{:.3}", f64::from(*litres) / 1_000.0)))
            && accepted.iter().all(|id| commands.contains(id.as_str()));
        all.then_some(())
    })
    .await;
    binary.kill();
}

/// Product, codec, devices and subscription; returns the devices by name.
async fn prepare(api: &Api, sink: &Sink) -> HashMap<String, u64> {
    let reporting = (0..REPORTING).map(|index| format!("meter-{index}"));
    let endpoints: Vec<_> = reporting.chain((0..SILENT).map(|index| format!("silent-{index}"))).collect();
    let devices = provision(api, &endpoints).await;
    let wanted = json!({ "url": sink.url(), "kinds": ["report", "command"] });
    api.post("/api/v1/subscriptions", &wanted).await.expect(201);
    devices
}

/// Product, codec and devices; returns the devices by name.
async fn provision(api: &Api, endpoints: &[String]) -> HashMap<String, u64> {
    let body = json!({ "profile": profile("water-meter"), "endpointFormat": "any", "powerMode": "psm" });
    let product = api.post("/api/v1/products", &body).await.expect(201)["id"].as_u64().unwrap();
    api.put(&format!("/api/v1/products/{product}/codec"), component("water-meter"), "application/wasm").await.expect(200);
    let mut devices = HashMap::new();
    for endpoint in endpoints {
        let body = json!({ "endpoint": endpoint, "productId": product });
        let device = api.post("/api/v1/devices", &body).await.expect(201)["id"].as_u64().unwrap();
        devices.insert(endpoint.clone(), device);
    }
    devices
}
