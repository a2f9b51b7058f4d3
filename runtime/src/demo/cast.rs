//! Who takes part: three devices per product, one per power mode, that speak real CoAP over UDP.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use super::frames;
use super::stage::{PLUGINS, Stage};
use crate::clock;
use crate::model::{Device, DeviceId, Endpoint, PowerMode};
use crate::simulate::{self, Conditions, DeviceConfig, Ground, SimulatedDevice};
use crate::store::{Commit, Expect, StoreError, Write};

/// The devices, and who they are to whom.
pub(super) struct Cast {
    pub(super) devices: Vec<SimulatedDevice>,
    /// Endpoint -> power mode and product, for the screen.
    pub(super) endpoints: HashMap<String, String>,
    /// Gets the command: the PSM water meter.
    pub(super) commanded: DeviceId,
}

const MODES: [(PowerMode, &str); 3] = [(PowerMode::Psm, "PSM"), (PowerMode::Edrx, "eDRX"), (PowerMode::Drx, "DRX")];
/// The report that the DRX water meter sends broken.
const CORRUPT: u32 = 2;

/// Adds the devices to the gateway.
pub(super) async fn invite(stage: &Stage) -> anyhow::Result<Cast> {
    let store = &stage.gateway.parts().store;
    let mut cast = Cast { devices: Vec::new(), endpoints: HashMap::new(), commanded: DeviceId(0) };
    for (which, (plugin, product)) in (0_u8..).zip(PLUGINS.into_iter().zip(&stage.products)) {
        for (seat, (mode, shown)) in (0_u8..).zip(MODES) {
            let endpoint = format!("8670000000000{which}{seat}");
            let device = Device {
                id: store.next_device_id(),
                endpoint: Endpoint::new(&*endpoint)?,
                product: *product,
                name: Some(format!("{plugin} {shown}")),
                power_mode: Some(mode),
                attributes: Default::default(),
                registration_timeout_s: 0,
                created: clock::wall(),
            };
            let mut id = device.id;
            let writes = vec![Write::PutDevice(device, Expect::Absent)];
            match store.commit(Commit { events: Vec::new(), writes }).await {
                Ok(()) => {}
                // An earlier demo on this folder added it.
                Err(StoreError::Exists(_)) => id = store.device_by_endpoint(&endpoint)?.map_or(id, |found| found.doc.id),
                Err(error) => return Err(error.into()),
            }
            if which == 0 && mode == PowerMode::Psm {
                cast.commanded = id;
            }
            cast.devices.push(device_of(plugin, seat, &endpoint, mode));
            cast.endpoints.insert(endpoint, format!("{plugin} {shown}"));
        }
    }
    Ok(cast)
}

fn device_of(plugin: &str, seat: u8, endpoint: &str, mode: PowerMode) -> SimulatedDevice {
    let mut config = DeviceConfig::new(endpoint, mode);
    config.paging = Duration::from_secs(2);
    config.awake = Duration::from_secs(3);
    let meter = plugin == PLUGINS[0];
    let payload = move |n| match (meter, mode) {
        (true, PowerMode::Drx) if n == CORRUPT => frames::corrupt_report(seat),
        (true, _) => frames::meter_report(seat, n),
        (false, _) => frames::smoke_report(n),
    };
    SimulatedDevice {
        on_downlink: Box::new(move |bytes| frames::meter_answer(bytes).filter(|_| meter).into_iter().collect()),
        ..SimulatedDevice::new(config, Duration::from_millis(3_000 + u64::from(seat) * 700), Box::new(payload))
    }
}

/// Lets them live until `stopping`.
pub(super) fn perform(
    tasks: &mut JoinSet<()>,
    devices: Vec<SimulatedDevice>,
    server: SocketAddr,
    stopping: &watch::Receiver<bool>,
) {
    let stopping = stopping.clone();
    tasks.spawn(async move {
        let (watcher, mut happenings) = mpsc::channel(64);
        let seed = *blake3::hash(&clock::wall().0.to_le_bytes()).as_bytes();
        let ground = Ground { server, seed, conditions: Conditions::PERFECT, sockets: None };
        let life = simulate::run(ground, devices, watcher, stopping);
        let listen = async {
            while let Some(reported) = happenings.recv().await {
                tracing::debug!(endpoint = %reported.endpoint, happening = ?reported.happening, "device");
            }
        };
        if let (Err(error), ()) = tokio::join!(life, listen) {
            tracing::error!(%error, "the demo's devices failed");
        }
    });
}
