//! The commands that run a gateway. They only turn arguments into what `app` and `demo` take.

use std::io::{self, Write};
use std::path::PathBuf;

use tokio::runtime::Runtime;
use tokio::signal::unix::{SignalKind, signal};

use super::{DemoArgs, Exit, Failure, ServeArgs};
use crate::app::Gateway;
use crate::config::Config;
use crate::demo;
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

pub(super) fn runtime() -> Result<Runtime, Failure> {
    tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed("the system gives no threads").because(error))
}

/// Ctrl-C or SIGTERM, heard from the call on and not only when it is awaited. To be called in a runtime.
pub(super) fn asked_to_stop() -> impl Future<Output = ()> {
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
