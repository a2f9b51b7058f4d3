//! Whole uplinks per second (CoAP in, decoded, checked, durable, acknowledged) against a bare CoAP echo, interleaved in one run;
//! then a swap of the codec under load, the way to the webhook at half load, memory per idle device, and a thousand products
//! against one.
//!
//! `cargo bench --bench uplink [-- --quick] [ratio|swap|push|memory|products ..]`. Ratios are what counts: the load shares the
//! machine. `fleet`, a million registered devices, takes some minutes and a gigabyte of disk, and runs only when it is named
//! (`--sockets N` shares its address).
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::disallowed_methods,
    reason = "a bench reads the clock and stops at any surprise"
)]

mod crowd;
mod fleet;
mod memory;
mod products;
mod push;
#[path = "../rig/mod.rs"]
mod rig;
mod swap;

use std::time::Duration;

use codecgate::app::Gateway;
use rig::{Load, Wire, drive, median};

struct Plan {
    devices: usize,
    rounds: usize,
    round: Duration,
    idle: u32,
    fleet: [u32; 3],
    products: u32,
    /// Sections to run; none = all.
    only: Vec<String>,
}

impl Plan {
    fn wants(&self, section: &str) -> bool {
        self.only.is_empty() || self.only.iter().any(|name| name == section)
    }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let only = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let plan = if quick {
        Plan {
            devices: 256,
            rounds: 3,
            round: Duration::from_secs(1),
            idle: 2_000,
            fleet: [1_000, 4_000, 10_000],
            products: 16,
            only,
        }
    } else {
        Plan {
            devices: 1024,
            rounds: 7,
            round: Duration::from_secs(3),
            idle: 20_000,
            fleet: [10_000, 100_000, 1_000_000],
            products: 1_000,
            only,
        }
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    runtime.block_on(run(plan));
}

async fn run(plan: Plan) {
    let component = rig::water_meter();
    if plan.only.iter().any(|name| name == "fleet") {
        let sockets = std::env::args().skip_while(|argument| argument != "--sockets").nth(1);
        return fleet::section(&component, &plan.fleet, sockets.map_or(1, |number| number.parse().unwrap())).await;
    }
    let data = tempfile::tempdir().unwrap();
    let gateway = rig::gateway(data.path(), |_| {}).await;
    let product = rig::product(&gateway, &component, "WM20").await;

    let mut devices = rig::fleet(&gateway, &[product], plan.devices, "bench").await;
    if plan.wants("ratio") {
        ratio(&gateway, &mut devices, &plan).await;
    }
    if plan.wants("swap") {
        swap::section(&gateway, product, &component, &mut devices, plan.round).await;
    }
    if plan.wants("push") {
        push::section(&gateway, &mut devices, plan.round).await;
    }
    if plan.wants("memory") {
        memory::section(&gateway, product, plan.idle).await;
    }
    if plan.wants("products") {
        for code in [rig::Code::Shared, rig::Code::Own] {
            products::section(&mut devices, &component, (plan.products, code), (plan.rounds, plan.round / 2)).await;
        }
    }
    gateway.stop().await.unwrap();
}

async fn ratio(gateway: &Gateway, devices: &mut Vec<Wire>, plan: &Plan) {
    let mut bare = Vec::new();
    let echo = rig::echo();
    for _ in 0..plan.devices {
        bare.push(Wire::unregistered(echo).await);
    }
    println!(
        "{} devices, each with one confirmable notify under way; {} rounds of {:?} each, interleaved",
        plan.devices, plan.rounds, plan.round
    );
    let (mut ratios, mut echoes, mut uplinks) = (Vec::new(), Vec::<Load>::new(), Vec::<Load>::new());
    drive(&mut bare, plan.round / 3, None).await;
    drive(devices, plan.round / 3, None).await;
    for _ in 0..plan.rounds {
        let echo = drive(&mut bare, plan.round, None).await;
        let uplink = drive(devices, plan.round, None).await;
        ratios.push(uplink.rate / echo.rate);
        echoes.push(echo);
        uplinks.push(uplink);
    }
    let show = |name: &str, loads: &[Load]| {
        let of = |pick: fn(&Load) -> f64| median(loads.iter().map(pick).collect());
        println!(
            "{name:<28} {:>9.0} /s   p50 {:>7.2} ms   p99 {:>7.2} ms   resent {}",
            of(|load| load.rate),
            of(|load| load.p50.as_secs_f64() * 1e3),
            of(|load| load.p99.as_secs_f64() * 1e3),
            loads.iter().map(|load| load.resent).sum::<u64>(),
        );
    };
    show("bare CoAP echo", &echoes);
    show("whole uplink, durable", &uplinks);
    println!("{:<28} {:>9.2}        (floor 0.30, goal 0.50)", "ratio, median of rounds", median(ratios));
    println!("uplinks: {:?}", gateway.parts().router.uplink_counts());
}
