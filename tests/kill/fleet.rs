//! A thousand simulated devices in three power modes, ten thousand commands, a network that loses and doubles, a gateway that is killed
//! again and again: in the end every command's state is what the devices' own record says, and none was heard twice.
//!
//! `CODECGATE_FLEET` changes the number of devices; `CODECGATE_SEED` repeats a run.

use std::collections::HashMap;
use std::net::UdpSocket;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use codecgate::model::PowerMode;
use codecgate::simulate::{Conditions, DeviceConfig, Ground, SimulatedDevice, run};
use codecgate_tests::{Api, Binary, eventually, eventually_within, meter};
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::{Moments, PROGRAM, number, provision};

/// Commands of each device, told apart by their parameter.
const COMMANDS: u64 = 10;
/// The one that the codec refuses: a period that does not divide a day.
const REFUSED: u64 = 7;
/// The one that devices answer with an errcode.
const FAILING: u64 = 8;
/// The one that is canceled as soon as all devices have it.
const CANCELED: u64 = COMMANDS;
/// What devices heard: endpoint and parameter, and how often.
type Record = Arc<Mutex<HashMap<(String, u64), u32>>>;

fn device(index: u64, record: &Record) -> SimulatedDevice {
    let endpoint = format!("meter-{index}");
    let mut config = DeviceConfig::new(&*endpoint, mode(index));
    config.timing.ack_timeout = Duration::from_millis(700);
    config.timing.max_retransmit = 8;
    (config.awake, config.paging) = (Duration::from_secs(3), Duration::from_millis(500));
    let payload = Box::new(move |n| meter::frame(u32::try_from(index).unwrap() * 1_000 + n));
    let mut simulated = SimulatedDevice::new(config, Duration::from_millis(2_500), payload);
    (simulated.start_after, simulated.jitter) = (Duration::from_millis(index % 2_500), Duration::from_millis(500));
    let record = Arc::clone(record);
    simulated.on_downlink = Box::new(move |bytes| {
        if !matches!(bytes.first(), Some(0x82)) {
            return Vec::new();
        }
        let minutes = u64::from(u16::from_be_bytes([bytes[5], bytes[6]]));
        *record.lock().unwrap().entry((endpoint.clone(), minutes)).or_default() += 1;
        vec![meter::answer(bytes, if minutes == FAILING { 3 } else { 0 })]
    });
    simulated
}

fn mode(index: u64) -> PowerMode {
    [PowerMode::Psm, PowerMode::Edrx, PowerMode::Drx][usize::try_from(index % 3).unwrap()]
}

/// Adds the devices; their endpoints by number.
async fn enrol(api: &Api, product: &Value, count: u64) -> HashMap<u64, String> {
    let line = |index| json!({ "endpoint": format!("meter-{index}"), "productId": product, "powerMode": mode(index) });
    let list: Vec<Value> = (0..count).map(line).collect();
    api.post("/api/v1/devices/import", &json!(list)).await.expect(200);
    let listed = api.get("/api/v1/devices?limit=1000").await.expect(200);
    let known = |device: &Value| (device["id"].as_u64().unwrap(), device["endpoint"].as_str().unwrap().to_owned());
    listed["items"].as_array().unwrap().iter().map(known).collect()
}

/// All commands in a state.
async fn in_state(api: &Api, state: &str) -> Vec<Value> {
    let (mut all, mut before) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/api/v1/commands?state={state}&limit=1000{before}")).await.expect(200);
        all.extend(page["items"].as_array().unwrap().iter().cloned());
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => return all,
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_commands_end_as_the_devices_say() {
    let (count, seed) = (number("CODECGATE_FLEET", 1_000), number("CODECGATE_SEED", u64::from(std::process::id())));
    println!("{count} devices, CODECGATE_SEED={seed}");
    let mut moments = Moments(seed);
    let folder = tempfile::tempdir().unwrap();
    let (data, config) = (folder.path().join("data"), folder.path().join("codecgate.toml"));
    std::fs::write(&config, "[downlink]\nack_timeout_s = 1\n[devices]\nmessages = 0\n").unwrap();
    let coap = UdpSocket::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start = || Binary::start_with(PROGRAM, &data, coap, &["--config".as_ref(), config.as_os_str()]);
    let mut binary = start();
    provision(binary.api(), &[]).await;
    let product = binary.api().get("/api/v1/products").await.expect(200)["items"][0]["id"].clone();
    let endpoints = enrol(binary.api(), &product, count).await;

    let record = Record::default();
    let fleet: Vec<_> = (0..count).map(|index| device(index, &record)).collect();
    let conditions = Conditions { loss: 0.1, duplicates: 0.05, delay: Duration::from_millis(30) };
    let ground = Ground { server: coap, seed: [u8::try_from(seed % 256).unwrap(); 32], conditions, sockets: None };
    let (stop, stopping) = watch::channel(false);
    let (watcher, mut watched) = mpsc::channel(1_024);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move { run(ground, fleet, watcher, stopping).await.unwrap() });
    tasks.spawn(async move { while watched.recv().await.is_some() {} });

    let (service, name, parameter) = meter::PERIOD;
    for minutes in 1..=COMMANDS {
        let command = json!({ "service": service, "name": name, "params": { (parameter): minutes }, "expireTime": 3_600 });
        let batch = json!({ "name": format!("to {minutes}"), "command": command, "to": { "product": product } });
        let batch = binary.api().post("/api/v1/batches", &batch).await.expect(201);
        if minutes == CANCELED {
            let path = format!("/api/v1/batches/{}", batch["id"]);
            eventually("the batch is made", || async {
                (binary.api().get(&path).await.expect(200)["progress"]["total"] == count).then_some(())
            })
            .await;
            binary.api().post(&format!("{path}/cancel"), &json!({})).await.expect(200);
        }
    }
    for _ in 0..4 {
        tokio::time::sleep(Duration::from_millis(1_500 + moments.next(4_000))).await;
        binary.kill();
        binary = start();
    }
    let api = binary.api();
    eventually_within(Duration::from_secs(300), "every command is over", || async {
        for state in ["PENDING", "SENT", "DELIVERED"] {
            let page = api.get(&format!("/api/v1/commands?state={state}&limit=1")).await.expect(200);
            if !page["items"].as_array().unwrap().is_empty() {
                return None;
            }
        }
        Some(())
    })
    .await;
    stop.send_replace(true);
    while let Some(ended) = tasks.join_next().await {
        ended.unwrap();
    }

    let record = std::mem::take(&mut *record.lock().unwrap());
    assert!(record.values().all(|times| *times == 1), "heard twice: {:?}", record.iter().find(|(_, times)| **times > 1));
    let mut seen = 0;
    for state in ["SUCCESSFUL", "FAILED", "TIMEOUT", "EXPIRED", "CANCELED"] {
        let commands = in_state(api, state).await;
        println!("{state:<10} {}", commands.len());
        for command in commands {
            let minutes = command["params"][parameter].as_u64().unwrap();
            let heard = record.contains_key(&(endpoints[&command["deviceId"].as_u64().unwrap()].clone(), minutes));
            let right = match state {
                "SUCCESSFUL" => heard && minutes != FAILING,
                "FAILED" if minutes == REFUSED => !heard && command["failure"]["code"] == "encode-failed",
                "FAILED" => heard && minutes == FAILING && command["errcode"] == 3,
                "CANCELED" => !heard && minutes == CANCELED,
                // It was given up: whether the device heard it, the gateway cannot know, but then its answer is on the way.
                "TIMEOUT" => !heard,
                _ => !heard,
            };
            assert!(right, "heard: {heard}, {command}");
            seen += 1;
        }
    }
    assert_eq!(seen, count * COMMANDS, "every command has one state");
    binary.kill();
}
