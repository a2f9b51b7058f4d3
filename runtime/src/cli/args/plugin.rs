//! `plugin`: what authors and release jobs type.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

use super::{Bytes, GatewayArgs, LayoutCommand, bytes, json};

#[derive(Debug, Subcommand)]
pub(in crate::cli) enum PluginCommand {
    /// Make a codec crate that compiles, with a profile and one vector that passes.
    New(NewArgs),
    /// Codecs without code: check, build and explain a layout.
    #[command(subcommand)]
    Layout(LayoutCommand),
    /// Build the codec crate in DIR into a component.
    Build(BuildArgs),
    /// Put a codec through the admission of the gateway: a package, or a folder that is built and packed first.
    Check(CheckPluginArgs),
    /// Tell what a package holds: product, version, files with their digests, signatures.
    Inspect(InspectArgs),
    /// Make a key to sign packages with.
    Keygen(KeygenArgs),
    /// Sign a package; an earlier signature of the same key is replaced.
    Sign(SignArgs),
    /// Tell who signed a package; exit code 0 if somebody who is trusted did.
    Verify(VerifyArgs),
    /// Prove a codec: native tests, vectors under the gateway's limits with their fuel, damaged payloads, generated commands.
    Test(TestArgs),
    /// Measure each vector in the gateway's host: time, fuel, memory.
    Bench(BenchArgs),
    /// Build, then decode one payload or encode one command.
    Run(RunArgs),
    /// Deliver a codec to a running gateway: built from DIR, or the FILE as it is.
    Push(PushArgs),
    /// Put a version to work: a candidate, or one that was at work before.
    Promote(PromoteArgs),
    /// Take the version at work back: the one that it replaced works again.
    Rollback(RollbackArgs),
    /// List the versions that a gateway keeps of a product.
    Versions(VersionsArgs),
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PushArgs {
    /// Folder of a codec crate or a layout, or a file to deliver.
    #[arg(value_name = "DIR|FILE")]
    pub(in crate::cli) path: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) gateway: GatewayArgs,
    /// The product: its number, or manufacturerId/model; a folder or a package names it by itself.
    #[arg(long, value_name = "PRODUCT")]
    pub(in crate::cli) product: Option<String>,
    /// Make the product from the package's profile when the gateway has none of that name.
    #[arg(long, conflicts_with = "product")]
    pub(in crate::cli) create: bool,
    /// Keep it as a candidate instead of putting it to work.
    #[arg(long)]
    pub(in crate::cli) candidate: bool,
    /// Put it to work although its profile breaks what applications may rely on.
    #[arg(long)]
    pub(in crate::cli) accept_breaking: bool,
    /// Why; kept with the version and told in the event of the switch.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) comment: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct PromoteArgs {
    /// Number of the version.
    #[arg(value_name = "VERSION")]
    pub(in crate::cli) version: u32,
    #[command(flatten)]
    pub(in crate::cli) gateway: GatewayArgs,
    /// The product: its number, or manufacturerId/model.
    #[arg(long, value_name = "PRODUCT")]
    pub(in crate::cli) product: String,
    /// Put it to work although its profile breaks what applications may rely on.
    #[arg(long)]
    pub(in crate::cli) accept_breaking: bool,
    /// Why; told in the event of the switch.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) comment: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct RollbackArgs {
    #[command(flatten)]
    pub(in crate::cli) gateway: GatewayArgs,
    /// The product: its number, or manufacturerId/model.
    #[arg(long, value_name = "PRODUCT")]
    pub(in crate::cli) product: String,
    /// Why; told in the event of the switch.
    #[arg(long, value_name = "TEXT")]
    pub(in crate::cli) comment: Option<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct VersionsArgs {
    #[command(flatten)]
    pub(in crate::cli) gateway: GatewayArgs,
    /// The product: its number, or manufacturerId/model.
    #[arg(long, value_name = "PRODUCT")]
    pub(in crate::cli) product: String,
    /// Print JSON instead of a table.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct NewArgs {
    /// Name of the crate and of the model.
    #[arg(value_parser = crate::cli::new::name)]
    pub(in crate::cli) name: String,
    /// Folder to make it in, instead of one of that name here.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) path: Option<PathBuf>,
    /// Folder `plugin-sdk` of codecgate's sources, where this program was not built from them.
    #[arg(long, value_name = "DIR")]
    pub(in crate::cli) sdk: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BuildArgs {
    /// Folder of the codec crate, or of a layout.
    pub(in crate::cli) dir: PathBuf,
    /// Copy the component here.
    #[arg(short, long, value_name = "FILE")]
    pub(in crate::cli) output: Option<PathBuf>,
    /// Write the package here too: component, profile, vectors, manifest.
    #[arg(short, long, value_name = "FILE.codec")]
    pub(in crate::cli) package: Option<PathBuf>,
}

/// Whose signatures count.
#[derive(Debug, Args)]
pub(in crate::cli) struct TrustArgs {
    /// Who is trusted: a public key, or a name and one. May be given several times.
    #[arg(long, value_name = "[NAME=]ed25519:HEX")]
    pub(in crate::cli) trust: Vec<String>,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct CheckPluginArgs {
    /// A package, or the folder of a codec crate or a layout.
    #[arg(value_name = "DIR|FILE")]
    pub(in crate::cli) path: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) trust: TrustArgs,
    /// Refuse what nobody trusted signed, as a gateway with `require_signature` does.
    #[arg(long)]
    pub(in crate::cli) require_signature: bool,
    /// Print the report as JSON.
    #[arg(long)]
    pub(in crate::cli) json: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct InspectArgs {
    /// A package, or the folder of a codec crate or a layout.
    #[arg(value_name = "DIR|FILE")]
    pub(in crate::cli) path: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct KeygenArgs {
    /// Where the private key is written; must not exist.
    #[arg(value_name = "FILE")]
    pub(in crate::cli) output: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct SignArgs {
    /// The package; it is replaced by the signed one.
    #[arg(value_name = "FILE.codec")]
    pub(in crate::cli) package: PathBuf,
    /// The private key, as `plugin keygen` wrote it.
    #[arg(long, value_name = "FILE")]
    pub(in crate::cli) key: PathBuf,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct VerifyArgs {
    /// The package.
    #[arg(value_name = "FILE.codec")]
    pub(in crate::cli) package: PathBuf,
    #[command(flatten)]
    pub(in crate::cli) trust: TrustArgs,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct TestArgs {
    /// Folder of the codec crate, or of a layout.
    pub(in crate::cli) dir: PathBuf,
    /// Leave the crate's native tests out.
    #[arg(long)]
    pub(in crate::cli) component_only: bool,
}

#[derive(Debug, Args)]
pub(in crate::cli) struct BenchArgs {
    /// Folder of the codec crate, or of a layout.
    pub(in crate::cli) dir: PathBuf,
    /// Calls of each vector.
    #[arg(long, value_name = "N", default_value_t = 5_000, value_parser = clap::value_parser!(u32).range(100..=10_000_000))]
    pub(in crate::cli) calls: u32,
}

#[derive(Debug, Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["hex", "command", "message"]))]
pub(in crate::cli) struct RunArgs {
    /// Folder of the codec crate, or of a layout.
    pub(in crate::cli) dir: PathBuf,
    /// Payload to decode.
    #[arg(long, value_name = "HEX", value_parser = bytes)]
    pub(in crate::cli) hex: Option<Bytes>,
    /// Command to encode.
    #[arg(long, value_name = "NAME")]
    pub(in crate::cli) command: Option<String>,
    /// Service of the command, where several have one of that name.
    #[arg(long, value_name = "ID", requires = "command")]
    pub(in crate::cli) service: Option<String>,
    /// Parameters, a JSON object.
    #[arg(long, value_name = "JSON", default_value = "{}", requires = "command", value_parser = json)]
    pub(in crate::cli) params: serde_json::Value,
    /// The command's mid, 1 to 65535.
    #[arg(long, value_name = "N", default_value_t = 1, requires = "command", value_parser = clap::value_parser!(u16).range(1..))]
    pub(in crate::cli) mid: u16,
    /// A `cloudReq` or `cloudRsp` of the vendor's, as its logs show it.
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(in crate::cli) message: Option<serde_json::Value>,
    /// In whose words answers are told.
    #[arg(long, value_name = "FORMAT", default_value = "codecgate")]
    pub(in crate::cli) format: Format,
}

/// In whose words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(in crate::cli) enum Format {
    /// As vectors tell it.
    Codecgate,
    /// `deviceReq` and `deviceRsp`.
    Huawei,
}
