//! A million registered devices: registrations per second in a storm, memory of an idle device at 10,000, 100,000 and 1,000,000, the
//! cost of an uplink as devices grow, a flood of strangers, and the restart with all of them.
//!
//! One process: the gateway, its store on disk, and the load, which shares the machine. Devices take turns on some hundred sockets;
//! each registers, answers the Observe of /19/0/0 and falls silent.

use std::path::Path;
use std::time::{Duration, Instant};

use codecgate::app::Gateway;

use super::crowd::{self, Crowd};
use super::rig::{self, Wire, drive, median, resident};

/// Devices that register beside each other.
const BESIDE: usize = 256;

async fn start(data: &Path, sockets: u8) -> Gateway {
    rig::gateway(data, |config| config.coap.sockets = sockets).await
}

pub(super) async fn section(component: &[u8], steps: &[u32], sockets: u8) {
    let data = tempfile::tempdir().unwrap();
    let gateway = start(data.path(), sockets).await;
    let product = rig::product(&gateway, component, "WM20").await;
    let most = steps.iter().copied().max().unwrap();
    let mut crowd = Crowd::new(most as usize, BESIDE).await;
    let echo = rig::echo();
    let mut bare = Vec::new();
    for _ in 0..BESIDE {
        bare.push(Wire::unregistered(echo).await);
    }

    println!("{sockets} CoAP sockets, {BESIDE} devices beside each other");
    let mut registered = 0;
    for &step in steps {
        let begin = Instant::now();
        for start in (registered..step).step_by(1_000) {
            rig::provision(&gateway, product, (start..(start + 1_000).min(step)).map(crowd::name)).await;
        }
        let provisioned = begin.elapsed();
        settle(&gateway).await;
        let before = resident();
        let storm = crowd.register(gateway.coap_addr(), registered..step).await;
        settle(&gateway).await;
        let count = u64::from(step - registered);
        let each = resident().saturating_sub(before) / count;
        println!(
            "{step:>9} registered: {:>7.0} registrations/s  p50 {:>6.1} ms  p99 {:>6.1} ms  resent {}   {each:>5} B of RSS each   ({} MiB in all; provisioned in {:.1} s)",
            storm.rate,
            storm.p50.as_secs_f64() * 1e3,
            storm.p99.as_secs_f64() * 1e3,
            storm.resent,
            resident() >> 20,
            provisioned.as_secs_f64(),
        );
        registered = step;
        for (among, what) in
            [(BESIDE as u32, "of the same 256 devices"), (registered, "of devices at random, most of them on disk")]
        {
            let (mut ratios, mut rates) = (Vec::new(), Vec::new());
            for round in 0..5 {
                let floor = drive(&mut bare, Duration::from_secs(1), None).await;
                let uplinks = crowd.report(gateway.coap_addr(), among, Duration::from_secs(2), round).await;
                ratios.push(uplinks.rate / floor.rate);
                rates.push(uplinks.rate);
            }
            println!("          uplinks {what}: {:>7.0} /s, {:.2} of a bare echo", median(rates), median(ratios));
        }
    }

    let before = resident();
    let flood = crowd.flood(gateway.coap_addr(), most / 5).await;
    println!(
        "{} Registers of strangers: {:.0} refused/s, RSS grew {} KiB",
        most / 5,
        flood.rate,
        resident().saturating_sub(before) >> 10
    );

    gateway.stop().await.unwrap();
    let begin = Instant::now();
    let gateway = start(data.path(), sockets).await;
    let up = begin.elapsed();
    crowd.report_once(gateway.coap_addr(), registered / 2).await;
    let first = begin.elapsed();
    println!(
        "restart with {registered} registrations: serving after {:.2} s, first uplink acknowledged after {:.2} s    (goal 3 s)",
        up.as_secs_f64(),
        first.as_secs_f64(),
    );
    println!("RSS after the restart: {} MiB", resident() >> 20);
    gateway.stop().await.unwrap();
}

/// Waits until nothing is queued.
async fn settle(gateway: &Gateway) {
    while gateway.parts().store.health().queued > 0 {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    tokio::time::sleep(Duration::from_secs(1)).await;
}
