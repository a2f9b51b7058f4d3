//! What can be typed: commands, options, and the small texts inside them (durations, hex, addresses).

use std::net::{SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand};

mod device;
mod layout;
mod plugin;
mod product;
mod simulate;

pub(super) use device::{DeviceCommand, DeviceImportArgs, Lang, TraceArgs};
pub(super) use layout::{LayoutArgs, LayoutBuildArgs, LayoutCommand, LayoutExplainArgs};
pub(super) use plugin::{
    BenchArgs, BuildArgs, CheckPluginArgs, Format, InspectArgs, KeygenArgs, NewArgs, PluginCommand, PromoteArgs, PushArgs,
    RollbackArgs, RunArgs, SignArgs, TestArgs, TrustArgs, VerifyArgs, VersionsArgs,
};

pub use simulate::SimulateArgs;

pub(super) use product::{Begin, ProductCommand, ProductExportArgs, ProductImportArgs};

/// A self-hosted gateway for NB-IoT / LwM2M devices with sandboxed codec plugins.
#[derive(Debug, Parser)]
#[command(name = "codecgate", version, disable_help_subcommand = true)]
pub(super) struct Cli {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Run the gateway until Ctrl-C or SIGTERM.
    Serve(ServeArgs),
    /// Show everything at work: a gateway, sample products, simulated devices, a webhook receiver.
    Demo(DemoArgs),
    /// Be one or many devices that register and report.
    Simulate(Box<SimulateArgs>),
    /// Check or import product profiles.
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Bring products of other platforms, and take them back.
    #[command(subcommand)]
    Product(ProductCommand),
    /// Let devices into a running gateway, and look at one of them.
    #[command(subcommand)]
    Device(DeviceCommand),
    /// Build, test and try codec plugins.
    #[command(subcommand)]
    Plugin(PluginCommand),
    /// Explain a code of a refusal, such as E1007; without one, list all.
    Explain(ExplainArgs),
    /// Where does a command or an uplink stand, whose move is it, and what is to be done?
    Why(WhyArgs),
    /// Decode stored uplinks again: see what a codec version makes of them, then keep it.
    Redecode(RedecodeArgs),
    /// Save or restore a data folder. The gateway must not be running on it.
    #[command(subcommand)]
    Store(StoreCommand),
}

/// `serve`
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Configuration (TOML); without one everything has its default.
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder, instead of `data_dir`.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// UDP address for devices, instead of `coap.listen`; port 0 = any free one.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub coap: Option<SocketAddr>,
    /// TCP address of the API, instead of `http.listen`; port 0 = any free one.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub http: Option<SocketAddr>,
}

/// `demo`
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// End after this time, with exit code 0 only if everything was seen to work; without it the demo runs until Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub span: Option<Duration>,
    /// Data folder; without it a fresh one that the demo names.
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
pub(super) enum ProfileCommand {
    /// Check profiles (our JSON) and vendor packages (zip); every mistake is told with file, JSON pointer, reason and fix.
    Check(CheckArgs),
    /// Turn a vendor package `deviceType_manufacturerId_model.zip` into a profile.
    Import(ImportArgs),
}

#[derive(Debug, Args)]
pub(super) struct CheckArgs {
    /// Profiles and packages.
    #[arg(required = true, value_name = "FILE")]
    pub(super) files: Vec<PathBuf>,
    /// Known harmless deviations of packages are warnings.
    #[arg(long)]
    pub(super) lenient: bool,
    /// Print one JSON document instead of text.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct ImportArgs {
    /// The package.
    #[arg(value_name = "ZIP")]
    pub(super) package: PathBuf,
    /// Write the profile here instead of to standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
    /// Known harmless deviations are warnings.
    #[arg(long)]
    pub(super) lenient: bool,
}

/// Which gateway, and the key that opens it.
#[derive(Debug, Args)]
pub(super) struct GatewayArgs {
    /// Address of the gateway's API.
    #[arg(long, value_name = "URL", env = "CODECGATE_GATEWAY", default_value = "http://127.0.0.1:8080")]
    pub(super) gateway: String,
    /// A key of the gateway. Other users of this machine see arguments: better set the variable.
    #[arg(long, value_name = "KEY", env = "CODECGATE_KEY", hide_env_values = true)]
    pub(super) key: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct WhyArgs {
    #[command(flatten)]
    pub(super) gateway: GatewayArgs,
    /// Id of a command (32 hex digits), or of an event of an uplink, such as 20780-184-3.
    #[arg(value_name = "ID")]
    pub(super) id: String,
    /// Language of the answer.
    #[arg(long, value_name = "LANG", default_value = "en")]
    pub(super) lang: Lang,
    /// Print the answer as JSON, in both languages.
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Debug, Args)]
pub(super) struct RedecodeArgs {
    #[command(flatten)]
    pub(super) gateway: GatewayArgs,
    /// The product: its number, or manufacturerId/model.
    #[arg(long, value_name = "PRODUCT")]
    pub(super) product: String,
    /// All uplinks from this moment on, such as 2026-01-31T12:00:00Z; without it, the dead letters.
    #[arg(long, value_name = "TIME", requires = "to")]
    pub(super) from: Option<String>,
    /// Until before this moment.
    #[arg(long, value_name = "TIME", requires = "from")]
    pub(super) to: Option<String>,
    /// Only those of the device with this number.
    #[arg(long, value_name = "DEVICE")]
    pub(super) device: Option<u64>,
    /// Number of the codec version; without it, the one at work.
    #[arg(long = "codec-version", value_name = "NUMBER")]
    pub(super) version: Option<u32>,
    /// Keep what says something else now as a new generation.
    #[arg(long)]
    pub(super) commit: bool,
    /// Push a `corrected` event for each to the subscriptions.
    #[arg(long)]
    pub(super) emit: bool,
    /// Go on where an earlier run ended.
    #[arg(long, value_name = "EVENT")]
    pub(super) cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(super) struct ExplainArgs {
    /// The code, in any case.
    #[arg(value_name = "CODE")]
    pub(super) code: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(super) enum StoreCommand {
    /// Write all documents, events and files as lines of JSON.
    Export(ExportArgs),
    /// Read them into an empty data folder.
    Import(RestoreArgs),
}

#[derive(Debug, Args)]
pub(super) struct ExportArgs {
    /// Data folder.
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// Write here instead of to standard output.
    #[arg(short, long, value_name = "FILE")]
    pub(super) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(super) struct RestoreArgs {
    /// Data folder; made if it does not exist, must hold no records.
    #[arg(long, value_name = "DIR")]
    pub(super) data: PathBuf,
    /// The file that `store export` wrote; `-` = standard input.
    #[arg(value_name = "FILE")]
    pub(super) input: PathBuf,
}

/// Bytes written as hex; a type of its own so that clap takes a list of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Bytes(pub(super) Vec<u8>);

/// `20s`, `5m`, `1.5h`, `250ms`.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || format!("`{text}` is no time: write 250ms, 20s, 5m or 2h");
    let split = text.find(|c: char| c.is_ascii_alphabetic()).ok_or_else(expected)?;
    let (number, unit) = text.split_at_checked(split).ok_or_else(expected)?;
    let scale = match unit {
        "ms" => 0.001,
        "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err(expected()),
    };
    let number: f64 = number.parse().map_err(|_| expected())?;
    Duration::try_from_secs_f64(number * scale).ok().filter(|time| !time.is_zero()).ok_or_else(expected)
}

/// Hex with or without white space and colons between the bytes.
pub(super) fn bytes(text: &str) -> Result<Bytes, String> {
    let digits: String = text.chars().filter(|c| !c.is_whitespace() && *c != ':').collect();
    hex::decode(&digits).map(Bytes).map_err(|error| format!("`{text}` is no hex: {error}"))
}

/// An IP address or a name, and a port.
fn address(text: &str) -> Result<SocketAddr, String> {
    let expected = || format!("`{text}` is no address: write HOST:PORT, such as 127.0.0.1:5683 or [::1]:5683");
    text.parse().or_else(|_| text.to_socket_addrs().ok().and_then(|mut found| found.next()).ok_or_else(expected))
}

fn json(text: &str) -> Result<serde_json::Value, String> {
    serde_json::from_str(text).map_err(|error| format!("no JSON: {error}"))
}
