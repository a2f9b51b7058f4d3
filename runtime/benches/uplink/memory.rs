//! Memory of a registered idle device: how much the whole process grows from provisioned to registered, over many devices.
//!
//! Counted is everything: the LwM2M session, the device's lane on its shard, the registration in the store's cache, the
//! allocator's waste. Each device has an address of its own (127.x.y.z); its socket is closed when it has registered.

use std::net::Ipv4Addr;

use codecgate::app::Gateway;
use codecgate::model::ProductId;
use tokio::task::JoinSet;

use super::rig::{self, Wire, resident};

/// Registrations under way at one time.
const BESIDE: u32 = 64;

pub(super) async fn section(gateway: &Gateway, product: ProductId, devices: u32) {
    // The first ones make what grows once: arenas, tables, the cache's first pages.
    let warm = devices / 4;
    for start in (0..warm + devices).step_by(500) {
        rig::provision(gateway, product, (start..(start + 500).min(warm + devices)).map(name)).await;
    }
    register(gateway, 0..warm).await;
    let before = resident();
    register(gateway, warm..warm + devices).await;
    let grown = resident().saturating_sub(before);
    println!("{devices} idle devices registered: {} bytes of RSS each    (floor 2048, goal 300)", grown / u64::from(devices));
}

fn name(n: u32) -> String {
    format!("urn:imei:86770300{n:07}")
}

async fn register(gateway: &Gateway, range: std::ops::Range<u32>) {
    let server = gateway.coap_addr();
    let mut under_way = JoinSet::new();
    for n in range {
        if under_way.len() >= BESIDE as usize {
            under_way.join_next().await.unwrap().unwrap();
        }
        let own = Ipv4Addr::from_bits(Ipv4Addr::new(127, 1, 0, 1).to_bits() + n);
        under_way.spawn(async move { drop(Wire::register_from(own, server, &name(n)).await) });
    }
    while let Some(done) = under_way.join_next().await {
        done.unwrap();
    }
}
