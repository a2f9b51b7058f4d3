//! What commands cost: created, sent and acknowledged over the real gateway; and one device's next step while more and more commands wait.
//!
//! `cargo bench -p codecgate --bench commands [throughput|waiting]`. Figures of one run belong together: each is told as a ratio to the first.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_precision_loss,
    clippy::as_conversions,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a bench stops at any surprise and reads the clock"
)]

#[path = "rig/mod.rs"]
#[expect(dead_code, reason = "the rig serves several benches")]
mod rig;

use std::path::Path;
use std::time::{Duration, Instant};

use coap_lite::{MessageClass, MessageType, Packet, ResponseType};
use codecgate::model::{
    Blueprint, Command, CommandId, CommandRules, Device, DeviceId, Endpoint, EndpointFormat, PowerMode, Product, ProductId,
    ProductKey, Timestamp, Work,
};
use codecgate::store::{Commit, Durability, Expect, Store, StoreConfig, Write};

/// Waiting commands at which the step is measured.
const WAITING: [u64; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Devices of the other bench, and commands of each.
const DEVICES: u64 = 64;
const EACH: u64 = 50;
const NOW: u64 = 1_700_000_000_000;

fn main() {
    let wanted = std::env::args().nth(1).filter(|arg| !arg.starts_with('-'));
    if wanted.as_deref().is_none_or(|name| name == "waiting") {
        waiting();
    }
    if wanted.as_deref().is_none_or(|name| name == "throughput") {
        tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap().block_on(throughput());
    }
}

/// A store of devices with one waiting command each, and one device that has a tenth of all.
fn waiting() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path());
    store.commit_blocking(Commit { events: Vec::new(), writes: vec![Write::PutProduct(product(), Expect::Absent)] }).unwrap();
    let crowded = DeviceId(1);
    let (mut made, mut first) = (0, None);
    println!("waiting commands | next step of a device | of the one that has a tenth of them | look for what is due");
    for goal in WAITING {
        while made < goal {
            let mut writes = Vec::new();
            for _ in 0..200 {
                made += 1;
                let device = if made % 10 == 0 { crowded } else { DeviceId(made + 1) };
                if device != crowded || made == 10 {
                    writes.push(Write::PutDevice(device_of(device), Expect::Any));
                }
                writes.push(Write::PutCommand(command(made, device), Expect::Absent));
            }
            store.commit_blocking(Commit { events: Vec::new(), writes }).unwrap();
        }
        let step = |device: DeviceId| median(|| assert!(!store.next_commands(device, 18).unwrap().is_empty()));
        let plain = step(DeviceId(goal / 2 + 2));
        let figures =
            [plain, step(crowded), median(|| assert!(store.due_commands(Timestamp(1), None, 4_096).unwrap().is_empty()))];
        let base = *first.get_or_insert(figures);
        let told: Vec<_> = figures
            .iter()
            .zip(base)
            .map(|(now, base)| format!("{now:?} ({:.2}x)", now.as_secs_f64() / base.as_secs_f64()))
            .collect();
        println!("{goal:>16} | {}", told.join(" | "));
    }
}

/// Median of many calls.
fn median(mut work: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..501)
        .map(|_| {
            let begun = Instant::now();
            work();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[times.len() / 2]
}

/// Commands through desk, codec, store and UDP: created until acknowledged. The devices listen always.
async fn throughput() {
    let folder = tempfile::tempdir().unwrap();
    let gateway = rig::gateway(folder.path(), |_| {}).await;
    let product = rig::product(&gateway, &rig::water_meter(), "WM20").await;
    let parts = gateway.parts().clone();
    let mut devices = Vec::new();
    let mut readers = tokio::task::JoinSet::new();
    for number in 1..=DEVICES {
        let device = Device { product, ..device_of(DeviceId(number)) };
        let writes = vec![Write::PutDevice(device.clone(), Expect::Absent)];
        parts.store.commit(Commit { events: Vec::new(), writes }).await.unwrap();
        let wire = rig::Wire::register(gateway.coap_addr(), device.endpoint.as_str()).await;
        readers.spawn(acknowledge(wire));
        devices.push(device.id);
    }
    let params = serde_json::json!({ "open": true });
    let what = Work::Named { service: "Meter".to_owned(), name: "SET_VALVE".to_owned(), params };
    let begun = Instant::now();
    let mut callers = tokio::task::JoinSet::new();
    for device in devices {
        let (desk, what) = (parts.desk.clone(), what.clone());
        callers.spawn(async move {
            for _ in 0..EACH {
                desk.create(device, Blueprint::new(what.clone(), 3_600), wall()).await.unwrap();
            }
        });
    }
    while let Some(done) = callers.join_next().await {
        done.unwrap();
    }
    let all = DEVICES * EACH;
    println!("created by {DEVICES} callers: {:.0} commands/s", all as f64 / begun.elapsed().as_secs_f64());
    while parts.store.open_total().unwrap() > 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    println!("created, sent, acknowledged: {:.0} commands/s over {DEVICES} devices", all as f64 / begun.elapsed().as_secs_f64());
    readers.shutdown().await;
    gateway.stop().await.unwrap();
}

/// Answers 2.04 to whatever comes.
async fn acknowledge(wire: rig::Wire) {
    let mut buffer = [0_u8; 2_048];
    loop {
        let length = wire.socket.recv(&mut buffer).await.unwrap();
        let Ok(request) = Packet::from_bytes(&buffer[..length]) else { continue };
        if !matches!(request.header.code, MessageClass::Request(_)) {
            continue;
        }
        let mut reply = Packet::new();
        reply.header.set_type(MessageType::Acknowledgement);
        reply.header.code = MessageClass::Response(ResponseType::Changed);
        reply.header.message_id = request.header.message_id;
        reply.set_token(request.get_token().to_vec());
        wire.socket.send(&reply.to_bytes().unwrap()).await.unwrap();
    }
}

fn wall() -> Timestamp {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    Timestamp(u64::try_from(since.as_millis()).unwrap())
}

fn open(folder: &Path) -> Store {
    let config = StoreConfig { cache_mib: 256, retention_days: 7, durability: Durability::Relaxed, queue: 1_024 };
    Store::open(folder, &config, Timestamp(NOW)).unwrap()
}

fn product() -> Product {
    Product {
        id: ProductId(1),
        key: ProductKey { manufacturer_id: "acme".to_owned(), model: "m".to_owned() },
        device_type: "t".to_owned(),
        profile: "{}".to_owned(),
        endpoint_format: EndpointFormat::Any,
        power_mode: PowerMode::Psm,
        habits: Default::default(),
        observe: Vec::new(),
        commands: CommandRules::default(),
        codec: None,
        versions: Default::default(),
        created: Timestamp(NOW),
    }
}

fn device_of(id: DeviceId) -> Device {
    Device {
        id,
        endpoint: Endpoint::new(format!("device-{id}")).unwrap(),
        product: ProductId(1),
        name: None,
        power_mode: Some(PowerMode::Drx),
        attributes: Default::default(),
        registration_timeout_s: 0,
        created: Timestamp(NOW),
    }
}

fn command(number: u64, device: DeviceId) -> Command {
    let what = Work::Raw(vec![1, 2, 3, 4]);
    Command::new(CommandId::new(Timestamp(NOW), 0, number), (device, ProductId(1)), what, Timestamp(NOW))
}
