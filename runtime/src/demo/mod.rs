//! The demo: a whole gateway with sample products, simulated devices that speak real CoAP over UDP, and a webhook receiver.
//!
//! Everything goes the way that users go: codecs are built as authors build them, devices come over UDP, events over HTTP. It
//! shows what arrives, sends one command, feeds one corrupt frame, and knows at the end whether all of that happened.

mod cast;
mod frames;
mod score;
mod stage;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use tokio::sync::{mpsc, watch};

use crate::app::Gateway;
use score::Score;
use stage::Stage;

/// How the demo runs.
#[derive(Debug, Clone)]
pub struct Options {
    /// Ends by itself after this time; none = until Ctrl-C.
    pub bounded: Option<Duration>,
    /// Data folder; it is named on the screen and kept.
    pub data: PathBuf,
}

/// Runs the demo. `end` is Ctrl-C or a signal.
///
/// # Errors
/// Something could not be built or started, or, in the bounded form, something that had to happen did not: the text says what.
pub async fn run(options: Options, end: impl Future<Output = ()>) -> anyhow::Result<()> {
    let stage = Stage::build(&options).await.context("the demo could not be set up")?;
    let (stop_devices, stopping) = watch::channel(false);
    let (deliveries, mut delivered) = mpsc::channel(256);
    let mut tasks = stage.receiver(deliveries, stopping.clone()).await?;
    let cast = cast::invite(&stage).await?;
    stage.introduce(&options);
    cast::perform(&mut tasks, cast.devices, stage.gateway.coap_addr(), &stopping);

    let mut score = Score::new(&cast.endpoints);
    tokio::pin!(end);
    let over = async {
        match options.bounded {
            Some(time) => tokio::time::sleep(time).await,
            None => std::future::pending().await,
        }
    };
    tokio::pin!(over);
    let mut commanded = false;
    loop {
        tokio::select! {
            () = &mut end => break,
            () = &mut over => break,
            Some(event) = delivered.recv() => {
                score.note(&stage.gateway, &event);
                if !commanded && score.everybody_reported() {
                    commanded = true;
                    stage.command(cast.commanded).await?;
                }
            }
        }
    }
    stop_devices.send_replace(true);
    tasks.shutdown().await;
    let Stage { gateway, .. } = stage;
    finish(gateway, &options, &score).await
}

async fn finish(gateway: Gateway, options: &Options, score: &Score) -> anyhow::Result<()> {
    let counts = gateway.parts().router.uplink_counts();
    gateway.stop().await?;
    println!(
        "\nuplinks: {} received = {} decoded + {} transparent + {} dead letters + {} not stored + {} in progress",
        counts.received, counts.decoded, counts.transparent, counts.dead_letter, counts.not_stored, counts.in_progress
    );
    let missing = score.missing();
    if options.bounded.is_some() && !missing.is_empty() {
        bail!("the demo ended before all of it happened; missing: {}", missing.join(", "));
    }
    println!("stopped in order; the data stays in {}", options.data.display());
    Ok(())
}
