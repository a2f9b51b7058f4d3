//! `simulate`: what a fleet is to be. The flags are texts here; `cli::fleet` reads them together with the file, so that every mistake is
//! told at once.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use serde_json::Value;

use super::{GatewayArgs, address, duration};

/// `simulate`
#[derive(Debug, Args)]
pub struct SimulateArgs {
    /// CoAP address of the gateway, such as 127.0.0.1:5683.
    #[arg(long, value_name = "ADDR", value_parser = address)]
    pub server: SocketAddr,
    /// What the flags say, from a file (TOML or JSON): keys are called as the flags, and flags go before them.
    #[arg(long, value_name = "FILE")]
    pub fleet: Option<PathBuf>,
    /// Endpoint client name; with --count, that of the first device.
    #[arg(long, value_name = "EP")]
    endpoint: Option<String>,
    /// How many devices. The digits at the end of the name count up; a name without digits gets them: meter-1, meter-2.
    #[arg(long, value_name = "N")]
    count: Option<String>,
    /// Payloads, sent one after the other and again from the first; may be given several times.
    #[arg(long, value_name = "HEX")]
    hex: Vec<String>,
    /// Payloads from decode vectors: a codec's folder, a package, or a document.
    #[arg(long, value_name = "PATH")]
    vectors: Option<String>,
    /// Pause between reports of a device [default: 10s].
    #[arg(long, value_name = "TIME")]
    every: Option<String>,
    /// Every pause is at most so much shorter or longer.
    #[arg(long, value_name = "TIME")]
    jitter: Option<String>,
    /// Devices are switched on spread over this time [default: 0s, a reconnect storm].
    #[arg(long, value_name = "TIME")]
    start: Option<String>,
    /// When devices listen: psm, edrx or drx, or shares: psm=3,drx=1 [default: drx].
    #[arg(long, value_name = "MODES")]
    power: Option<String>,
    /// How long sleeping devices listen after they spoke [default: 10s].
    #[arg(long, value_name = "TIME")]
    awake: Option<String>,
    /// How often eDRX devices listen otherwise [default: 20480ms].
    #[arg(long, value_name = "TIME")]
    paging: Option<String>,
    /// Lifetime of registrations, or from..to [default: 24h].
    #[arg(long, value_name = "TIME")]
    lifetime: Option<String>,
    /// LwM2M version: 1.0 or 1.1 [default: 1.0].
    #[arg(long, value_name = "VERSION")]
    lwm2m: Option<String>,
    /// How reports travel: notify, or send (LwM2M 1.1) [default: notify].
    #[arg(long, value_name = "WAY")]
    via: Option<String>,
    /// Notify with confirmable messages (the default).
    #[arg(long, conflicts_with = "non")]
    con: bool,
    /// Notify with non-confirmable messages.
    #[arg(long)]
    non: bool,
    /// Size of blocks, 16 to 1024 bytes: what is larger goes in several [default: 1024].
    #[arg(long, value_name = "BYTES")]
    block: Option<String>,
    /// Datagrams that are lost, per cent, in each direction.
    #[arg(long, value_name = "PERCENT")]
    loss: Option<String>,
    /// Datagrams that come twice, per cent.
    #[arg(long, value_name = "PERCENT")]
    duplicates: Option<String>,
    /// Every datagram takes this long at most, and may overtake others.
    #[arg(long, value_name = "TIME")]
    delay: Option<String>,
    /// NAT gives a device another address after so much silence.
    #[arg(long, value_name = "TIME")]
    rebind_silence: Option<String>,
    /// NAT gives a device another address after every so many datagrams.
    #[arg(long, value_name = "N")]
    rebind_datagrams: Option<String>,
    /// psm devices take turns on so many sockets; without it each has its own.
    #[arg(long, value_name = "N")]
    sockets: Option<String>,
    /// The same number makes the same devices and the same losses.
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// End after this time; without it, at Ctrl-C.
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    pub(in crate::cli) span: Option<Duration>,
    /// Print a line of JSON a second, and one at the end.
    #[arg(long)]
    pub(in crate::cli) json: bool,
    /// Add the devices to the gateway first, over its API. On an empty gateway the product is made from the codec that --vectors names.
    #[arg(long)]
    pub(in crate::cli) provision: bool,
    /// The product of the devices that are added: its number, or manufacturerId/model.
    #[arg(long, value_name = "PRODUCT", requires = "provision")]
    pub(in crate::cli) product: Option<String>,
    #[command(flatten)]
    pub(in crate::cli) gateway: GatewayArgs,
}

impl SimulateArgs {
    /// The flags that were given, as the keys of a file.
    pub(in crate::cli) fn given(&self) -> Vec<(&'static str, Value)> {
        let texts = [
            ("endpoint", &self.endpoint),
            ("count", &self.count),
            ("vectors", &self.vectors),
            ("every", &self.every),
            ("jitter", &self.jitter),
            ("start", &self.start),
            ("power", &self.power),
            ("awake", &self.awake),
            ("paging", &self.paging),
            ("lifetime", &self.lifetime),
            ("lwm2m", &self.lwm2m),
            ("via", &self.via),
            ("block", &self.block),
            ("loss", &self.loss),
            ("duplicates", &self.duplicates),
            ("delay", &self.delay),
            ("rebind-silence", &self.rebind_silence),
            ("rebind-datagrams", &self.rebind_datagrams),
            ("sockets", &self.sockets),
            ("seed", &self.seed),
        ];
        let mut given: Vec<_> = texts.into_iter().filter_map(|(key, text)| Some((key, Value::String(text.clone()?)))).collect();
        if !self.hex.is_empty() {
            given.push(("hex", self.hex.clone().into()));
        }
        if self.con || self.non {
            given.push(("non", self.non.into()));
        }
        given
    }
}
