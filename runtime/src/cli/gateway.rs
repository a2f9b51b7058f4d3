//! The commands that run a gateway or devices. They only turn arguments into what `app`, `demo` and `simulate` take.

use super::{DemoArgs, Exit, Failure, ServeArgs, SimulateArgs};
use crate::config::Config;

/// Runs the gateway until it is asked to stop.
pub(super) fn serve(args: &ServeArgs) -> Result<Exit, Failure> {
    let _config = configuration(args)?;
    Err(anyhow::anyhow!("`serve` is not built yet").into())
}

/// Shows everything at work.
pub(super) fn demo(_args: &DemoArgs) -> Result<Exit, Failure> {
    Err(anyhow::anyhow!("`demo` is not built yet").into())
}

/// Is one or many devices.
pub(super) fn simulate(args: &SimulateArgs) -> Result<Exit, Failure> {
    let _endpoints = args.endpoints().map_err(Failure::usage)?;
    Err(anyhow::anyhow!("`simulate` is not built yet").into())
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
