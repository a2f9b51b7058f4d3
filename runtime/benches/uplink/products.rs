//! Many products at work against one: the same load on two gateways, interleaved, once spread over all products and once from devices of
//! one of them; what a loaded product weighs, and how long the start takes with them.

use std::time::{Duration, Instant};

use super::rig::resident;
use super::rig::{self, Code, Wire, drive, median};

pub(super) async fn section(
    devices: &mut Vec<Wire>,
    component: &[u8],
    (count, code): (u32, Code),
    (rounds, round): (usize, Duration),
) {
    let data = tempfile::tempdir().unwrap();
    let many = rig::gateway(data.path(), |_| {}).await;
    let (begin, before) = (Instant::now(), resident());
    let mut products = Vec::new();
    for number in 0..count {
        products.push(rig::product(&many, &rig::variant(component, number, code), &format!("WM{number}")).await);
    }
    let (loading, grown) = (begin.elapsed(), resident().saturating_sub(before));
    let mut spread = rig::fleet(&many, &products, devices.len(), "spread").await;
    let mut single = rig::fleet(&many, products.get(..1).unwrap_or_default(), devices.len(), "single").await;
    drive(&mut spread, round, None).await;
    let (mut ratios, mut rates, mut beside) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..rounds {
        let alone = drive(devices, round, None).await;
        let among = drive(&mut spread, round, None).await;
        let one = drive(&mut single, round, None).await;
        ratios.push(among.rate / alone.rate);
        rates.push(among.rate);
        beside.push(one.rate / alone.rate);
    }
    let whose = match code {
        Code::Shared => "that share one codec's code",
        Code::Own => "each with code of its own",
    };
    println!(
        "{count} products {whose} (installed in {:.1} s): {:.0} uplinks/s, {:.2} of one product    (floor 0.80, goal 0.98)",
        loading.as_secs_f64(),
        median(rates),
        median(ratios)
    );
    println!(
        "the same {count} loaded, devices of one of them: {:.2} of one product    (floor 0.80, goal 0.98); {} KiB of RSS each",
        median(beside),
        grown / u64::from(count) / 1_024
    );
    drop((spread, single));
    many.stop().await.unwrap();
    let mut starts = Vec::new();
    for _ in 0..rounds.max(3) {
        let begin = Instant::now();
        let again = rig::gateway(data.path(), |_| {}).await;
        starts.push(begin.elapsed().as_secs_f64());
        again.stop().await.unwrap();
    }
    println!("a gateway with {count} products starts in {:.3} s, each codec from the cache    (goal 1.000)", median(starts));
}
