//! The codec of a product is switched 200 times while many devices report without a pause: no uplink is lost, answered twice,
//! left undecoded, or decoded by a version that was not at work; and the process does not grow.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use codecgate_tests::{Api, Binary, RawDevice, component, eventually, meter, variant};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use super::PROGRAM;
use super::store::{ANY, prepare};

const SWAPS: usize = 200;
const DEVICES: usize = 24;
/// Versions that take turns.
const VERSIONS: u32 = 4;
/// Instances, compiled code and plans of 150 leaked versions would be several times as much.
const GROWTH_MIB: u64 = 48;

/// What was before what, over all devices and the switches: a count instead of a clock.
#[derive(Clone, Default)]
struct Order(Arc<AtomicU64>);

impl Order {
    fn next(&self) -> u64 {
        self.0.fetch_add(1, Ordering::SeqCst)
    }
}

/// An uplink as its device saw it.
struct Sent {
    litres: u32,
    begin: u64,
    end: u64,
}

/// A device that reports until it is told to stop.
async fn drive(mut device: RawDevice, order: Order, stop: Arc<AtomicBool>) -> (RawDevice, Vec<Sent>) {
    let mut all = Vec::new();
    for litres in 1.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        let begin = order.next();
        device.report(&meter::frame(litres)).await;
        all.push(Sent { litres, begin, end: order.next() });
    }
    (device, all)
}

/// A version was at work from some moment after its `begin` until some moment before the next one's `done`.
struct Turn {
    version: u64,
    begin: u64,
    done: u64,
}

/// Switches on and on; gives the turns, and the memory of the process after a quarter of them and at the end.
async fn switch(binary: &Binary, product: u64, order: &Order) -> (Vec<Turn>, u64, u64) {
    let base = format!("/api/v1/products/{product}/codec");
    let mut turns = vec![Turn { version: 1, begin: 0, done: 0 }];
    let mut early = 0;
    for swap in 0..SWAPS {
        if swap == SWAPS / 4 {
            early = binary.resident_mib();
        }
        let begin = order.next();
        // Every fifth switch takes the last one back.
        let path = match swap % 5 {
            4 => format!("{base}/rollback"),
            _ => format!("{base}/versions/{}/activate", 1 + (turns.last().unwrap().version % u64::from(VERSIONS))),
        };
        let switched = binary.api().post(&path, &Value::Null).await.expect(200);
        assert_eq!(switched["changed"], true, "{path}: {switched}");
        turns.push(Turn { version: switched["activeVersion"].as_u64().unwrap(), begin, done: order.next() });
    }
    (turns, early, binary.resident_mib())
}

/// What the gateway stored of a device: litres of each frame, and the version that decoded it.
async fn stored(api: &Api, device: u64) -> Vec<(u32, u64)> {
    let (mut all, mut before) = (Vec::new(), String::new());
    loop {
        let page = api.get(&format!("/api/v1/devices/{device}/uplinks?limit=1000{before}")).await.expect(200);
        for uplink in page["items"].as_array().unwrap() {
            assert_eq!(uplink["outcome"], "decoded", "{uplink}");
            let raw = hex::decode(uplink["raw"].as_str().unwrap()).unwrap();
            let litres = u32::from_be_bytes(raw[6..10].try_into().unwrap());
            all.push((litres, uplink["data"]["version"].as_u64().unwrap()));
        }
        match page["next"].as_str() {
            Some(next) => before = format!("&before={next}"),
            None => return all,
        }
    }
}

fn metric(page: &str, name: &str) -> u64 {
    let line = page.lines().find_map(|line| line.strip_prefix(name)).unwrap();
    line.trim().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_switches_under_load_lose_nothing_and_leave_nothing_behind() {
    let folder = tempfile::tempdir().unwrap();
    let binary = Binary::start(PROGRAM, &folder.path().join("data"), ANY);
    let api = binary.api();
    let product = prepare(api).await;
    for number in 2..=VERSIONS {
        let path = format!("/api/v1/products/{product}/codec?candidate=true");
        api.put(&path, variant(&component("water-meter"), number), "application/wasm").await.expect(200);
    }
    let order = Order::default();
    let (stop, mut tasks) = (Arc::new(AtomicBool::new(false)), JoinSet::new());
    for index in 0..DEVICES {
        let endpoint = format!("meter-{index}");
        let body = json!({ "endpoint": endpoint, "productId": product });
        let id = api.post("/api/v1/devices", &body).await.expect(201)["id"].as_u64().unwrap();
        let device = RawDevice::registered(binary.coap_addr(), &endpoint).await;
        let driven = drive(device, order.clone(), Arc::clone(&stop));
        tasks.spawn(async move { (id, driven.await) });
    }
    let (turns, early, late) = switch(&binary, product, &order).await;
    stop.store(true, Ordering::Relaxed);

    // The moments between which each version may have decoded.
    let mut windows: HashMap<u64, Vec<(u64, u64)>> = HashMap::new();
    for (turn, next) in turns.iter().zip(turns.iter().skip(1).map(|next| next.done).chain([u64::MAX])) {
        windows.entry(turn.version).or_default().push((turn.begin, next));
    }
    let (mut count, mut by_version) = (0, HashMap::new());
    while let Some(ended) = tasks.join_next().await {
        let (id, (device, sent)) = ended.unwrap();
        assert_eq!(device.answered_twice(), 0);
        let mut stored = stored(api, id).await;
        stored.sort_unstable();
        let litres: Vec<u32> = stored.iter().map(|(litres, _)| *litres).collect();
        assert_eq!(litres, sent.iter().map(|sent| sent.litres).collect::<Vec<_>>(), "each is stored once");
        for ((_, version), sent) in stored.iter().zip(&sent) {
            let fits = |(begin, end): &(u64, u64)| *begin <= sent.end && sent.begin <= *end;
            assert!(windows[version].iter().any(fits), "{} was decoded by {version}, which was not at work", sent.litres);
            *by_version.entry(*version).or_insert(0) += 1;
        }
        count += sent.len();
    }
    println!("{SWAPS} switches, {count} uplinks by version {by_version:?}, {early} MiB, then {late} MiB");
    assert_eq!(by_version.len(), VERSIONS as usize, "{by_version:?}");
    assert!(late <= early + GROWTH_MIB, "{early} MiB after a quarter of the switches, {late} MiB after all");
    let page = eventually("no version is draining", || async {
        let page = api.get("/metrics").await.text;
        (metric(&page, "codecgate_codec_versions{state=\"draining\"}") == 0).then_some(page)
    })
    .await;
    assert_eq!(metric(&page, "codecgate_codec_versions{state=\"active\"}"), 1);
    let switched = |how: &str| metric(&page, &format!("codecgate_codec_switches_total{{how=\"{how}\"}}"));
    assert_eq!((switched("upload"), switched("promote") + switched("rollback")), (1, SWAPS as u64));
    assert_eq!(metric(&page, "codecgate_events_total{kind=\"codec-switched\"}"), 1 + SWAPS as u64);
    assert!(binary.end("TERM").success());
}
