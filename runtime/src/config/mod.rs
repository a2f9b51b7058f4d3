//! Configuration: a TOML document becomes a checked [`Config`], or every mistake in it is told at once.
//!
//! A `Config` is valid or does not exist. It holds plain values; what a module wants of them it gets by a conversion
//! here, so no module reads configuration by itself. It starts nothing and generates no key. `runtime/codecgate.example.toml` documents every key, and a test holds the two together.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::admission;
use crate::breaker::{self, Policy};
use crate::catalog::{Rules, ShadowRuns};
use crate::coap::TransferLimits;
use crate::codec::{Isolation, Limits};
use crate::downlink::Bounds;
use crate::lwm2m::ServerConfig;
use crate::model::{Secret, Timestamp};
use crate::package::Trust;
use crate::presence::Limit;
use crate::shard::FlowLimits;
use crate::store::{Durability, StoreConfig};
use crate::telemetry::LogFormat;
use crate::webhook::PushConfig;

mod keys;
mod reader;
#[cfg(test)]
mod tests;

pub use reader::Mistake;

/// Everything an operator can set. [`Config::default`] is a working gateway.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// `data_dir`: the folder of the store, files, compiled codecs and the generated key; relative to the working directory.
    pub data_dir: PathBuf,
    /// `workers`: threads that own devices; default = cores, at most [`Config::MAX_DEFAULT_WORKERS`].
    pub workers: usize,
    /// `[coap]`
    pub coap: Coap,
    /// `[http]`
    pub http: Http,
    /// `[store]`
    pub store: Store,
    /// `[codec]`
    pub codec: Codec,
    /// `[devices]`
    pub devices: Devices,
    /// `[downlink]`
    pub downlink: Downlink,
    /// `[webhook]`
    pub webhook: Webhook,
    /// `[log]`
    pub log: Log,
}

/// Where devices come in.
#[derive(Debug, Clone, PartialEq)]
pub struct Coap {
    /// UDP address; port 0 = any free one.
    pub listen: SocketAddr,
    /// Sockets that share it, each with a thread; default = a quarter of the cores, 1 to 4.
    pub sockets: u8,
    /// Registers of a registered device from another IP address that are let in within an hour.
    pub moves_per_hour: u16,
}

/// Where applications and operators come in.
#[derive(Debug, Clone, PartialEq)]
pub struct Http {
    /// TCP address; port 0 = any free one.
    pub listen: SocketAddr,
    /// Bearer keys, at least [`Config::MIN_KEY_CHARS`] visible ASCII characters each. Empty = `app` generates one at the first start.
    pub keys: Vec<Secret>,
    /// Whether `/metrics` is readable without a key.
    pub metrics_open: bool,
}

/// How the store is opened; see [`StoreConfig`].
#[derive(Debug, Clone, PartialEq)]
pub struct Store {
    /// sled's cache, MiB.
    pub cache_mib: u64,
    /// Whole days of events to keep.
    pub retention_days: u32,
    /// When a commit counts.
    pub durability: Durability,
    /// Most submissions waiting for the committer.
    pub queue: usize,
}

/// Bounds of a codec; see [`Limits`].
#[derive(Debug, Clone, PartialEq)]
pub struct Codec {
    /// Linear memory, MiB.
    pub memory_mib: usize,
    /// Processor time that a call may take, milliseconds.
    pub deadline_ms: u64,
    /// Largest payload, bytes.
    pub payload_bytes: usize,
    /// Most messages of one decode.
    pub messages: usize,
    /// Most bytes of text and byte values in one answer.
    pub output_bytes: usize,
    /// Most log lines of one call.
    pub log_lines: usize,
    /// Calls after which an instance is replaced.
    pub calls_per_instance: u32,
    /// Whether an instance serves many calls.
    pub isolation: Isolation,
    /// Who may sign packages.
    pub trust: Trust,
    /// Whether a codec must come in a package that one of them signed.
    pub require_signature: bool,
    /// Retired codec versions, and candidates, that are kept of each product.
    pub keep_versions: usize,
    /// Traps and deadlines within `breaker_window` after which a codec is left alone.
    pub breaker_faults: u32,
    /// `breaker_window_s`
    pub breaker_window: Duration,
    /// `breaker_pause_s`: from one probe to the next.
    pub breaker_pause: Duration,
    /// Whether a new version that fails is taken back by itself.
    pub auto_rollback: bool,
    /// A new version is judged after so many uplinks.
    pub rollback_uplinks: u64,
    /// By so many percentage points its failure rate may exceed the old one's.
    pub rollback_margin_percent: u32,
    /// Whether candidates decode live traffic beside the version at work.
    pub shadow: bool,
    /// `watch_dir`: a folder whose files are delivered; relative to the working directory. None = no folder is watched.
    pub watch_dir: Option<PathBuf>,
    /// Whether a package in that folder makes its product when there is none.
    pub watch_create: bool,
}

/// What devices may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Devices {
    /// Seconds after which a device that never registered is removed, where its creation does not say; 0 = never.
    pub registration_timeout_s: u32,
    /// Most messages of one device in `message_window`; 0 = no limit.
    pub messages: u32,
    /// `message_window_s`
    pub message_window: Duration,
    /// Most messages of all devices of one product in a second; 0 = no limit.
    pub application_messages_per_s: u32,
}

/// Retransmission of what is sent to devices (RFC 7252 4.2, with the platforms' longer times).
#[derive(Debug, Clone, PartialEq)]
pub struct Downlink {
    /// `ack_timeout_s`: first retransmission after this, times 1 to `ack_random_factor`.
    pub ack_timeout: Duration,
    /// 1.0 to 3.0.
    pub ack_random_factor: f64,
    /// 0 to 8 retransmissions.
    pub max_retransmit: u8,
    /// What has more bytes goes out block by block: 16 to 1024, of which the largest power of two counts (RFC 7959).
    pub block_bytes: u16,
    /// Most open commands (PENDING or SENT) of one device; more are refused.
    pub open_per_device: usize,
    /// Most open commands of all devices.
    pub open_total: u64,
}

/// How events are pushed.
#[derive(Debug, Clone, PartialEq)]
pub struct Webhook {
    /// Most requests under way per subscription.
    pub in_flight: usize,
    /// `connect_timeout_s`
    pub connect_timeout: Duration,
    /// `timeout_s`: of a whole delivery.
    pub timeout: Duration,
    /// `retry_min_ms`: pause after the first failure.
    pub retry_min: Duration,
    /// `retry_max_s`: the longest pause.
    pub retry_max: Duration,
    /// Failures in a row after which a receiver is left alone for `breaker_pause`.
    pub breaker_failures: u32,
    /// `breaker_pause_s`
    pub breaker_pause: Duration,
}

/// What the gateway tells on standard error.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// A `tracing` filter such as `info,codecgate::lwm2m=debug`.
    pub filter: String,
    /// Text for people or JSON for machines.
    pub format: LogFormat,
}

/// Why there is no [`Config`].
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("{} cannot be read", path.display())]
    Unreadable {
        /// Which file.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// The document has mistakes: all of them.
    #[error("{file} has {}:{}", count(.mistakes.len()), .mistakes.iter().map(|m| format!("\n  {m}")).collect::<String>())]
    Invalid {
        /// Which document, as in messages.
        file: String,
        /// At least one, in the order of lines.
        mistakes: Vec<Mistake>,
    },
}

/// Any TOML document as JSON; times become texts.
///
/// # Errors
/// In words, with the place.
pub fn toml_document(text: &str) -> Result<serde_json::Value, String> {
    toml::from_str(text).map_err(|error| error.to_string())
}

fn count(mistakes: usize) -> String {
    if mistakes == 1 { "1 mistake".to_owned() } else { format!("{mistakes} mistakes") }
}

impl Default for Config {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Self {
            data_dir: PathBuf::from("codecgate-data"),
            workers: cores.min(Self::MAX_DEFAULT_WORKERS),
            coap: Coap {
                listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 5683),
                sockets: u8::try_from(cores / 4).unwrap_or(4).clamp(1, 4),
                moves_per_hour: 20,
            },
            http: Http { listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8080), keys: Vec::new(), metrics_open: false },
            store: Store { cache_mib: 64, retention_days: 7, durability: Durability::Durable, queue: 65_536 },
            codec: Codec {
                memory_mib: 16,
                deadline_ms: 10,
                payload_bytes: 64 * 1_024,
                messages: 256,
                output_bytes: 1_024 * 1_024,
                log_lines: 16,
                calls_per_instance: 10_000,
                isolation: Isolation::Reused,
                trust: Trust::default(),
                require_signature: false,
                keep_versions: 5,
                breaker_faults: 5,
                breaker_window: Duration::from_secs(60),
                breaker_pause: Duration::from_secs(30),
                auto_rollback: false,
                rollback_uplinks: 100,
                rollback_margin_percent: 10,
                shadow: true,
                watch_dir: None,
                watch_create: false,
            },
            devices: Devices {
                registration_timeout_s: 0,
                messages: 1_200,
                message_window: Duration::from_secs(1_200),
                application_messages_per_s: 0,
            },
            downlink: Downlink {
                ack_timeout: Duration::from_secs(10),
                ack_random_factor: 1.5,
                max_retransmit: 3,
                block_bytes: 1_024,
                open_per_device: 128,
                open_total: 2_000_000,
            },
            webhook: Webhook {
                in_flight: 64,
                connect_timeout: Duration::from_secs(5),
                timeout: Duration::from_secs(15),
                retry_min: Duration::from_secs(1),
                retry_max: Duration::from_secs(300),
                breaker_failures: 10,
                breaker_pause: Duration::from_secs(180),
            },
            log: Log { filter: "info".to_owned(), format: LogFormat::Text },
        }
    }
}

impl Config {
    /// Longest registration timeout, seconds (REFERENCE C.6).
    pub const MAX_REGISTRATION_TIMEOUT_S: u32 = 2_147_483_647;
    /// Shortest API key, characters.
    pub const MIN_KEY_CHARS: usize = 16;
    /// More worker threads than this only when the operator asks for them.
    pub const MAX_DEFAULT_WORKERS: usize = 32;

    /// Device messages waiting for their answer at once; more are left to the devices' retransmission.
    const OPEN_TICKETS: usize = 16_384;
    /// (peer, message id) pairs remembered for EXCHANGE_LIFETIME.
    const DEDUP_ENTRIES: usize = 262_144;
    /// Downlinks waiting for one device.
    const DOWNLINKS_PER_DEVICE: usize = 16;

    /// Reads and checks a file.
    ///
    /// # Errors
    /// [`ConfigError::Unreadable`], or [`ConfigError::Invalid`] with every mistake.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        let unreadable = |source| ConfigError::Unreadable { path: path.to_owned(), source };
        Self::parse(&path.display().to_string(), &std::fs::read_to_string(path).map_err(unreadable)?)
    }

    /// Checks a document; what it does not name has its default. `file` is named in the error.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] with every mistake.
    pub fn parse(file: &str, toml: &str) -> Result<Self, ConfigError> {
        keys::read(toml).map_err(|mistakes| ConfigError::Invalid { file: file.to_owned(), mistakes })
    }

    /// For [`crate::store::Store::open`].
    #[must_use]
    pub fn store_config(&self) -> StoreConfig {
        let Store { cache_mib, retention_days, durability, queue } = self.store;
        StoreConfig { cache_mib, retention_days, durability, queue }
    }

    /// For [`crate::codec::Host::new`].
    #[must_use]
    pub fn limits(&self) -> Limits {
        let codec = &self.codec;
        Limits {
            memory_bytes: codec.memory_mib.saturating_mul(1_024 * 1_024),
            deadline_ms: codec.deadline_ms,
            payload_bytes: codec.payload_bytes,
            messages: codec.messages,
            output_bytes: codec.output_bytes,
            log_lines: codec.log_lines,
            calls_per_instance: codec.calls_per_instance,
            isolation: codec.isolation,
        }
    }

    /// For [`crate::admission::Bench`].
    #[must_use]
    pub fn admission_policy(&self) -> admission::Policy {
        admission::Policy { trust: self.codec.trust.clone(), require_signature: self.codec.require_signature }
    }

    /// For [`crate::catalog::Catalog::open`].
    #[must_use]
    pub fn catalog_rules(&self) -> Rules {
        let codec = &self.codec;
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Rules {
            keep: codec.keep_versions,
            breaker: breaker::Settings {
                faults: codec.breaker_faults,
                window_ms: ms(codec.breaker_window),
                pause_ms: ms(codec.breaker_pause),
            },
            shadow: if codec.shadow { ShadowRuns::On } else { ShadowRuns::Off },
        }
    }

    /// When a new version is taken back by itself; none = never.
    #[must_use]
    pub fn rollback_policy(&self) -> Option<Policy> {
        let codec = &self.codec;
        let policy = Policy { uplinks: codec.rollback_uplinks, margin_percent: codec.rollback_margin_percent };
        codec.auto_rollback.then_some(policy)
    }

    /// For [`crate::lwm2m::Server::new`].
    #[must_use]
    pub fn server_config(&self) -> ServerConfig {
        ServerConfig {
            ack_timeout: self.downlink.ack_timeout,
            ack_random_factor: self.downlink.ack_random_factor,
            max_retransmit: self.downlink.max_retransmit,
            open_tickets: Self::OPEN_TICKETS,
            dedup_entries: Self::DEDUP_ENTRIES,
            downlinks_per_device: Self::DOWNLINKS_PER_DEVICE,
            transfer: TransferLimits { szx: szx_of(self.downlink.block_bytes), ..TransferLimits::default() },
            ..ServerConfig::default()
        }
    }

    /// For [`crate::shard::ShardsConfig`].
    #[must_use]
    pub fn flow_limits(&self) -> FlowLimits {
        let devices = &self.devices;
        let window_ms = u64::try_from(devices.message_window.as_millis()).unwrap_or(u64::MAX);
        let device = Limit { messages: devices.messages, window_ms };
        FlowLimits { device, application_per_s: devices.application_messages_per_s }
    }

    /// For [`crate::downlink::Desk::new`].
    #[must_use]
    pub fn command_bounds(&self) -> Bounds {
        Bounds { per_device: self.downlink.open_per_device, total: self.downlink.open_total }
    }

    /// For [`crate::webhook::Pusher::start`].
    #[must_use]
    pub fn push_config(&self, clock: fn() -> Timestamp) -> PushConfig {
        PushConfig {
            in_flight: self.webhook.in_flight,
            connect_timeout: self.webhook.connect_timeout,
            request_timeout: self.webhook.timeout,
            retry_min: self.webhook.retry_min,
            retry_max: self.webhook.retry_max,
            pause_after: self.webhook.breaker_failures,
            pause: self.webhook.breaker_pause,
            ..PushConfig::new(clock)
        }
    }
}

/// The size exponent of the largest block that is no larger than this.
fn szx_of(bytes: u16) -> u8 {
    (4..=10_u8).rev().find(|power| 1_u16 << power <= bytes).map_or(0, |power| power - 4)
}
