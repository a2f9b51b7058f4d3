//! The codec of a product is replaced again and again while its devices report: nothing may be lost, stored or answered
//! twice, or left undecoded.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use codecgate::app::Gateway;
use codecgate::model::{EventId, ProductId, Timestamp};

use super::rig::{self, Wire, drive};

pub(super) async fn section(gateway: &Gateway, product: ProductId, component: &[u8], devices: &mut Vec<Wire>, time: Duration) {
    let parts = gateway.parts();
    let (start, before) = (parts.store.last_event(), parts.router.uplink_counts());
    devices.iter_mut().for_each(|wire| wire.acked = 0);

    let catalog = parts.catalog.clone();
    let versions: Vec<Vec<u8>> = (0..2).map(|number| rig::variant(component, number, rig::Code::Own)).collect();
    let swaps = async {
        let begin = Instant::now();
        let mut swaps = 0;
        for version in versions.iter().cycle().take_while(|_| begin.elapsed() < time) {
            catalog.install(product, version.clone(), Timestamp(0)).await.unwrap();
            swaps += 1;
        }
        swaps
    };
    let (load, swaps) = tokio::join!(drive(devices, time, None), swaps);

    let stored = stored(gateway, start);
    let (mut sent, mut lost, mut twice) = (0, 0, 0);
    for wire in devices.iter() {
        let stored = stored.get(&wire.endpoint).copied().unwrap_or(0);
        sent += wire.acked;
        lost += wire.acked.saturating_sub(stored);
        twice += stored.saturating_sub(wire.acked);
    }
    let after = parts.router.uplink_counts();
    let undecoded = (after.dead_letter - before.dead_letter) + (after.transparent - before.transparent);
    println!(
        "{swaps} swaps of the codec under {:.0} uplinks/s: {sent} acknowledged, {lost} lost, {twice} stored twice, {} answered twice, {undecoded} undecoded",
        load.rate, load.strays
    );
}

/// Uplinks in the event log by endpoint: exactly one event of an uplink carries its bytes.
fn stored(gateway: &Gateway, start: Option<EventId>) -> HashMap<String, u64> {
    let (mut stored, mut cursor) = (HashMap::new(), start);
    loop {
        let events = gateway.parts().store.events_after(cursor, 4_096).unwrap();
        let Some(last) = events.last() else { return stored };
        cursor = Some(last.id);
        for event in events.into_iter().filter(|event| event.fact.raw.is_some()) {
            *stored.entry(event.fact.endpoint).or_insert(0) += 1;
        }
    }
}
