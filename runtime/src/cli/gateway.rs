//! The commands that run a gateway or devices. They only turn arguments into what `app`, `demo` and `simulate` take.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::{mpsc, watch};

use super::args::Bytes;
use super::{Confirm, DemoArgs, Exit, Failure, ServeArgs, SimulateArgs};
use crate::app::{self, Gateway};
use crate::config::Config;
use crate::demo;
use crate::simulate::{self, DeviceConfig, Happening, Reported, SimulatedDevice};
use crate::telemetry;

/// Where the demo keeps its data when nobody names a folder.
const DEMO_FOLDER: &str = "codecgate-demo";

/// Runs the gateway until it is asked to stop.
pub(super) fn serve(args: &ServeArgs) -> Result<Exit, Failure> {
    let config = configuration(args)?;
    telemetry::start(&config.log.filter, config.log.format).map_err(|error| Failure::usage(error.to_string()))?;
    runtime()?
        .block_on(async {
            let asked = asked_to_stop();
            let mut gateway = Gateway::start(&config).await?;
            let (coap, http, data) = (gateway.coap_addr(), gateway.http_addr(), gateway.folder().display());
            // Nobody has to read it, and a gateway serves all the same.
            let _ =
                writeln!(io::stdout(), "codecgate serves devices on coap://{coap} and the API on http://{http}, data in {data}");
            let failed = tokio::select! {
                () = asked => None,
                part = gateway.failed() => Some(part),
            };
            tracing::info!("stopping");
            let stopped = gateway.stop().await;
            match failed {
                None => stopped.map(|()| Exit::Done),
                Some(part) => {
                    if let Err(error) = stopped {
                        tracing::error!("{error:#}");
                    }
                    anyhow::bail!("{part} ended unasked; the log says why. What was acknowledged is safe")
                }
            }
        })
        .map_err(Failure::from)
}

/// Shows everything at work.
pub(super) fn demo(args: &DemoArgs) -> Result<Exit, Failure> {
    telemetry::start("warn", telemetry::LogFormat::Text).map_err(|error| Failure::usage(error.to_string()))?;
    let data = args.data.clone().unwrap_or_else(|| PathBuf::from(DEMO_FOLDER));
    let options = demo::Options { bounded: args.span, data };
    runtime()?.block_on(async { demo::run(options, asked_to_stop()).await }).map(|()| Exit::Done).map_err(Failure::from)
}

/// Is one or many devices.
pub(super) fn simulate(args: &SimulateArgs) -> Result<Exit, Failure> {
    let endpoints = args.endpoints().map_err(Failure::usage)?;
    telemetry::start("info", telemetry::LogFormat::Text).map_err(|error| Failure::usage(error.to_string()))?;
    let seed = app::seed()?;
    let payloads: Vec<Vec<u8>> = args.hex.iter().map(|Bytes(bytes)| bytes.clone()).collect();
    let devices = endpoints.iter().map(|endpoint| simulated(args, endpoint.as_str(), &payloads)).collect();
    let talk = endpoints.len() <= 10;
    runtime()?
        .block_on(async {
            let asked = asked_to_stop();
            let (stop, stopping) = watch::channel(false);
            let (watcher, happenings) = mpsc::channel(1_024);
            let life = simulate::run(args.server, seed, devices, watcher, stopping);
            // Stopping devices say goodbye, and somebody must listen meanwhile.
            let told = async { tokio::join!(life, tell(happenings, talk, &stop)).0 };
            tokio::pin!(told);
            tokio::select! {
                ended = &mut told => return ended,
                () = asked => {}
            }
            stop.send_replace(true);
            told.await
        })
        .map_err(|error| {
            Failure::failed("the devices cannot be simulated").because(error).hint("many devices need many sockets: ulimit -n")
        })?;
    Ok(Exit::Done)
}

fn simulated(args: &SimulateArgs, endpoint: &str, payloads: &[Vec<u8>]) -> SimulatedDevice {
    let mut config = DeviceConfig::new(endpoint, args.power);
    config.confirmable = args.confirm() == Confirm::Confirmable;
    let payloads = payloads.to_vec();
    SimulatedDevice {
        config,
        period: args.every,
        payload: Box::new(move |n| {
            let index = usize::try_from(n).unwrap_or_default().checked_rem(payloads.len()).unwrap_or_default();
            payloads.get(index).cloned().unwrap_or_default()
        }),
        on_downlink: Box::new(|_| Vec::new()),
        deregister: true,
    }
}

/// Prints what happens: every step of a few devices, a sum a second of many. Stops the devices when nobody reads that any more.
async fn tell(mut happenings: mpsc::Receiver<Reported>, each: bool, stop: &watch::Sender<bool>) {
    let say = |line: String| {
        if writeln!(io::stdout(), "{line}").is_err() {
            stop.send_replace(true);
        }
    };
    let (mut sent, mut acknowledged, mut lost) = (0_u64, 0_u64, 0_u64);
    let mut second = tokio::time::interval(Duration::from_secs(1));
    loop {
        tokio::select! {
            reported = happenings.recv() => match reported {
                None => return,
                Some(Reported { endpoint, happening }) => {
                    match happening {
                        Happening::Sent { .. } => sent += 1,
                        Happening::Acknowledged { .. } => acknowledged += 1,
                        Happening::Lost { .. } => lost += 1,
                        _ => {}
                    }
                    if each {
                        say(format!("{endpoint} {}", in_words(&happening)));
                    }
                }
            },
            _ = second.tick(), if !each => say(format!("{sent} sent, {acknowledged} acknowledged, {lost} lost")),
        }
    }
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
            format!("was refused with {code}: is it added to the gateway, under this name? the gateway's log explains")
        }
        Happening::Refused { code: None } => "got no answer: is the gateway there?".to_owned(),
        Happening::Unobserved => "is no longer observed; registers again".to_owned(),
        Happening::Downlink { payload } => format!("got a downlink {}", hex::encode_upper(payload)),
        Happening::Missed => "slept through a datagram".to_owned(),
    }
}

fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("the system gives no threads").because(error))
}

/// Ctrl-C or SIGTERM, heard from the call on and not only when it is awaited. To be called in a runtime.
fn asked_to_stop() -> impl Future<Output = ()> {
    let signals = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()));
    async move {
        let (Ok(mut interrupt), Ok(mut terminate)) = signals else {
            tracing::error!("signals cannot be heard; end the process with kill -9, nothing acknowledged is lost");
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    }
}

/// The file's configuration with what the arguments override.
pub(super) fn configuration(args: &ServeArgs) -> Result<Config, Failure> {
    let mut config = match &args.config {
        Some(path) => Config::load(path).map_err(|error| {
            Failure::usage("the configuration cannot be used")
                .because(error)
                .hint("runtime/codecgate.example.toml shows every key with its default")
        })?,
        None => Config::default(),
    };
    if let Some(data) = &args.data {
        config.data_dir.clone_from(data);
    }
    config.coap.listen = args.coap.unwrap_or(config.coap.listen);
    config.http.listen = args.http.unwrap_or(config.http.listen);
    Ok(config)
}
