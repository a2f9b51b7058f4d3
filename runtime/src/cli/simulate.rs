//! `simulate`: runs a fleet against a gateway, adds it there if asked, and tells what it does.

use std::io::Write;
use std::time::Duration;

use serde_json::json;
use tokio::sync::{mpsc, watch};

use super::args::SimulateArgs;
use super::fleet::{self, Plan};
use super::gateway::{asked_to_stop, runtime};
use super::remote::Remote;
use super::{Exit, Failure, Streams, ship};
use crate::clock;
use crate::simulate::{self, Ground, Happening, Reported, SimulatedDevice, Tally};
use crate::{app, telemetry};

/// Fleets up to this size are told device by device.
const EACH: usize = 10;
/// Requests that add devices at a time.
const AT_ONCE: usize = 32;
/// Devices added between two words about it.
const WORD_EVERY: usize = 1_000;

pub(super) fn simulate(args: &SimulateArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let plan = fleet::plan(args, streams)?;
    telemetry::start("info", telemetry::LogFormat::Text).map_err(|error| Failure::usage(error.to_string()))?;
    let seed = match plan.seed {
        Some(number) => *blake3::hash(&number.to_le_bytes()).as_bytes(),
        None => app::seed()?,
    };
    let devices = plan.fleet.devices(seed);
    if args.provision {
        provision(args, &plan, &devices, streams)?;
    }
    let how = match (args.json, devices.len() <= EACH) {
        (true, _) => Telling::Json,
        (false, true) => Telling::Each,
        (false, false) => Telling::Sums,
    };
    let ground = Ground { server: args.server, seed, conditions: plan.conditions, sockets: plan.sockets };
    runtime()?
        .block_on(async {
            let asked = asked_to_stop();
            let over = async {
                match args.span {
                    Some(span) => tokio::time::sleep(span).await,
                    None => std::future::pending().await,
                }
            };
            let (stop, stopping) = watch::channel(false);
            let (watcher, happenings) = mpsc::channel(4_096);
            let life = simulate::run(ground, devices, watcher, stopping);
            // Stopping devices say goodbye, and somebody must listen meanwhile.
            let told = async { tokio::join!(life, tell(happenings, how, streams.out, &stop)).0 };
            tokio::pin!(told);
            tokio::select! {
                ended = &mut told => return ended,
                () = asked => {}
                () = over => {}
            }
            stop.send_replace(true);
            told.await
        })
        .map_err(|error| Failure::failed("the devices cannot be simulated").because(error))?;
    Ok(Exit::Done)
}

/// How what happens is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Telling {
    /// Every step of every device.
    Each,
    /// A line of sums a second.
    Sums,
    /// The same as JSON.
    Json,
}

/// Tells what happens, and the sums at the end. Stops the devices when nobody reads that any more.
async fn tell(mut happenings: mpsc::Receiver<Reported>, how: Telling, out: &mut dyn Write, stop: &watch::Sender<bool>) {
    let begun = clock::monotonic();
    let (mut tally, mut before, mut last) = (Tally::default(), Tally::default(), begun);
    let mut say = |line: String| {
        if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
            stop.send_replace(true);
        }
    };
    let mut second = tokio::time::interval(Duration::from_secs(1));
    second.tick().await;
    loop {
        tokio::select! {
            reported = happenings.recv() => {
                let Some(Reported { endpoint, happening }) = reported else { break };
                tally.add(&happening);
                if how == Telling::Each && happening != Happening::Dropped {
                    say(format!("{endpoint} {}", in_words(&happening)));
                }
            }
            _ = second.tick(), if how != Telling::Each => {
                let now = clock::monotonic();
                say(line(how, &tally, &before, now.saturating_duration_since(begun), now.saturating_duration_since(last)));
                (before, last) = (tally, now);
            }
        }
    }
    let whole = clock::monotonic().saturating_duration_since(begun);
    if how != Telling::Each {
        say(line(how, &tally, &Tally::default(), whole, whole));
    }
}

fn line(how: Telling, tally: &Tally, before: &Tally, at: Duration, span: Duration) -> String {
    if how == Telling::Json { tally.json(before, at, span) } else { tally.line(before, at, span) }
}

fn in_words(happening: &Happening) -> String {
    match happening {
        Happening::Registered => "is registered".to_owned(),
        Happening::Observed => "is observed and can report".to_owned(),
        Happening::Updated => "renewed its registration".to_owned(),
        Happening::Deregistered => "left".to_owned(),
        Happening::Sent { n } => format!("sent report {n}"),
        Happening::Acknowledged { n } => format!("report {n} was acknowledged: the gateway has it on disk"),
        Happening::Lost { n } => format!("report {n} was lost: nobody acknowledged it"),
        Happening::Refused { code: Some(code) } => {
            format!("was refused with {code}: is it added to the gateway, under this name? `codecgate device trace` explains")
        }
        Happening::Refused { code: None } => "got no answer: is the gateway there?".to_owned(),
        Happening::Unobserved => "is no longer observed; registers again".to_owned(),
        Happening::Downlink { payload } => format!("got a downlink {}", hex::encode_upper(payload)),
        Happening::Missed => "slept through a datagram".to_owned(),
        Happening::Dropped => "is not registered any more".to_owned(),
        Happening::Rebound => "has another address now".to_owned(),
    }
}

/// Adds the devices to a product, which is made of the codec if none is named.
fn provision(args: &SimulateArgs, plan: &Plan, devices: &[SimulatedDevice], streams: &mut Streams<'_>) -> Result<(), Failure> {
    let remote = Remote::new(&args.gateway.gateway, args.gateway.key.as_deref())?;
    let product = match (&args.product, &plan.vectors) {
        (Some(product), _) => remote.product(product)?,
        (None, Some(path)) => ship::deliver(&remote, path, streams)?,
        (None, None) => {
            return Err(Failure::usage("it is not known to which product the devices belong")
                .hint("add --product, or --vectors with the folder or package of a codec"));
        }
    };
    let body = |device: &SimulatedDevice| {
        let (endpoint, mode) = (&device.config.endpoint, device.config.power_mode);
        json!({ "endpoint": endpoint, "productId": product, "powerMode": mode }).to_string().into_bytes()
    };
    let (mut added, mut known) = (0, 0);
    for part in devices.chunks(WORD_EVERY) {
        let (new, old) = remote.create_all("/api/v1/devices", part.iter().map(body).collect(), AT_ONCE)?;
        (added, known) = (added + new, known + old);
        writeln!(streams.err, "product {product}: {added} devices added, {known} were there already")?;
    }
    Ok(())
}
