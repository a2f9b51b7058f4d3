//! `device`: what an operator types about devices.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::GatewayArgs;

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum DeviceCommand {
    /// Show what happens to a device, step by step: packets, registration, codec, store, commands, pushes. The first call
    /// switches the trace on; also for a name that is refused.
    Trace(TraceArgs),
    /// Let in the devices of a list; what is wrong is told line by line. The same list again changes nothing.
    Import(DeviceImportArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct DeviceImportArgs {
    #[command(flatten)]
    pub(in crate::cli) gateway: GatewayArgs,
    /// CSV with a header (endpoint, productId or manufacturerId and model, name, powerMode, attributes.NAME), or a JSON array (*.json).
    #[arg(value_name = "FILE")]
    pub(in crate::cli) file: PathBuf,
    /// Only look: tell what would be done.
    #[arg(long)]
    pub(in crate::cli) dry_run: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TraceArgs {
    #[command(flatten)]
    pub(in crate::cli) gateway: GatewayArgs,
    /// Endpoint client name, exactly as the device sends it.
    #[arg(value_name = "ENDPOINT")]
    pub(in crate::cli) endpoint: String,
    /// Record from now on for so many minutes, at most 1,440.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=1_440))]
    pub(in crate::cli) minutes: u32,
    /// Go on and show each step as it comes, until the trace ends.
    #[arg(short, long, conflicts_with = "off")]
    pub(in crate::cli) follow: bool,
    /// Switch the trace off and forget its steps.
    #[arg(long)]
    pub(in crate::cli) off: bool,
    /// Language of the steps' fixed words.
    #[arg(long, value_name = "LANG", default_value = "en")]
    pub(in crate::cli) lang: Lang,
    /// Print each step as one line of JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

/// A language.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Lang {
    /// English
    En,
    /// Chinese
    Zh,
}
