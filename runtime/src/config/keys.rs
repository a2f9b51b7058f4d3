//! The keys of the document: one line each, with what is allowed. What a key means is said in `codecgate.example.toml`.

use std::path::PathBuf;

use super::reader::{Document, Mistake, Section};
use super::{Coap, Codec, Config, Devices, Downlink, Http, Log, Store, Webhook};
use crate::codec::Isolation;
use crate::model::Secret;
use crate::package::{PublicKey, Root, Trust};
use crate::store::Durability;
use crate::telemetry::{self, LogFormat};

/// Reads every key, then reports all mistakes together.
pub(super) fn read(toml: &str) -> Result<Config, Vec<Mistake>> {
    let document = Document::parse(toml)?;
    let config = root(&document.root());
    document.finish()?;
    Ok(config)
}

/// Every key that a document may have, as full paths.
#[cfg(test)]
pub(super) fn known() -> Vec<String> {
    let document = Document::parse("").unwrap();
    root(&document.root());
    document.known()
}

fn root(top: &Section<'_>) -> Config {
    let default = Config::default();
    Config {
        data_dir: folder(top, "data_dir").unwrap_or(default.data_dir),
        workers: top.count("workers", 1..=1_024, default.workers),
        coap: coap(&top.section("coap"), &default.coap),
        http: http(&top.section("http"), default.http),
        store: store(&top.section("store"), &default.store),
        codec: codec(&top.section("codec"), default.codec),
        devices: devices(&top.section("devices"), &default.devices),
        downlink: downlink(&top.section("downlink"), &default.downlink),
        webhook: webhook(&top.section("webhook"), &default.webhook),
        log: log(&top.section("log"), default.log),
    }
}

fn folder(section: &Section<'_>, name: &str) -> Option<PathBuf> {
    let check = |text: &str| if text.is_empty() { Err("the name of a folder".to_owned()) } else { Ok(PathBuf::from(text)) };
    section.text(name, "the name of a folder", check)
}

fn coap(section: &Section<'_>, default: &Coap) -> Coap {
    Coap {
        listen: section.address("listen", default.listen),
        sockets: section.count("sockets", 1..=64, default.sockets),
        moves_per_hour: section.count("moves_per_hour", 0..=65_535, default.moves_per_hour),
    }
}

fn http(section: &Section<'_>, default: Http) -> Http {
    let allowed = format!("a list of texts, each of {} or more visible ASCII characters", Config::MIN_KEY_CHARS);
    let fits = |key: &str| key.len() >= Config::MIN_KEY_CHARS && key.bytes().all(|b| b.is_ascii_graphic());
    Http {
        listen: section.address("listen", default.listen),
        keys: section.secrets("keys", &allowed, fits).map_or(default.keys, |keys| keys.into_iter().map(Secret::new).collect()),
        metrics_open: section.flag("metrics_open", default.metrics_open),
    }
}

fn store(section: &Section<'_>, default: &Store) -> Store {
    let durability = [("durable", Durability::Durable), ("relaxed", Durability::Relaxed)];
    Store {
        cache_mib: section.count("cache_mib", 1..=65_536, default.cache_mib),
        retention_days: section.count("retention_days", 1..=3_650, default.retention_days),
        durability: section.one_of("durability", &durability, default.durability),
        queue: section.count("queue", 1..=16_777_216, default.queue),
    }
}

fn codec(section: &Section<'_>, default: Codec) -> Codec {
    let isolation = [("reused", Isolation::Reused), ("fresh", Isolation::Fresh)];
    Codec {
        memory_mib: section.count("memory_mib", 1..=1_024, default.memory_mib),
        deadline_ms: section.count("deadline_ms", 1..=60_000, default.deadline_ms),
        payload_bytes: section.count("payload_bytes", 1..=1_048_576, default.payload_bytes),
        messages: section.count("messages", 1..=65_536, default.messages),
        output_bytes: section.count("output_bytes", 1_024..=16_777_216, default.output_bytes),
        log_lines: section.count("log_lines", 0..=1_024, default.log_lines),
        calls_per_instance: section.count("calls_per_instance", 1..=1_000_000_000, default.calls_per_instance),
        isolation: section.one_of("isolation", &isolation, default.isolation),
        trust: trust(section).unwrap_or(default.trust),
        require_signature: section.flag("require_signature", default.require_signature),
        keep_versions: section.count("keep_versions", 1..=1_000, default.keep_versions),
        breaker_faults: section.count("breaker_faults", 1..=1_000_000, default.breaker_faults),
        breaker_window: section.seconds("breaker_window_s", 0.001..=86_400.0, default.breaker_window),
        breaker_pause: section.seconds("breaker_pause_s", 0.001..=86_400.0, default.breaker_pause),
        auto_rollback: section.flag("auto_rollback", default.auto_rollback),
        rollback_uplinks: section.count("rollback_uplinks", 1..=1_000_000_000, default.rollback_uplinks),
        rollback_margin_percent: section.count("rollback_margin_percent", 0..=100, default.rollback_margin_percent),
        shadow: section.flag("shadow", default.shadow),
        watch_dir: folder(section, "watch_dir").or(default.watch_dir),
        watch_create: section.flag("watch_create", default.watch_create),
    }
}

/// Each `NAME ed25519:HEX`.
fn trust(section: &Section<'_>) -> Option<Trust> {
    let root = |text: &str| {
        let (name, key) = text.rsplit_once(' ')?;
        let name = name.trim();
        let key = PublicKey::parse(key).ok()?;
        (!name.is_empty()).then(|| Root { name: name.to_owned(), key })
    };
    let allowed = "a list of texts, each a name, a space and a public key as `codecgate plugin keygen` writes it (ed25519:...)";
    let roots = section.secrets("trust", allowed, |text| root(text).is_some())?;
    Some(Trust { roots: roots.iter().filter_map(|text| root(text)).collect() })
}

fn devices(section: &Section<'_>, default: &Devices) -> Devices {
    let timeout = 0..=Config::MAX_REGISTRATION_TIMEOUT_S;
    Devices {
        registration_timeout_s: section.count("registration_timeout_s", timeout, default.registration_timeout_s),
        messages: section.count("messages", 0..=1_000_000_000, default.messages),
        message_window: section.seconds("message_window_s", 1.0..=86_400.0, default.message_window),
        application_messages_per_s: section.count(
            "application_messages_per_s",
            0..=10_000_000,
            default.application_messages_per_s,
        ),
    }
}

fn downlink(section: &Section<'_>, default: &Downlink) -> Downlink {
    Downlink {
        ack_timeout: section.seconds("ack_timeout_s", 0.01..=600.0, default.ack_timeout),
        ack_random_factor: section.number("ack_random_factor", 1.0..=3.0, default.ack_random_factor),
        max_retransmit: section.count("max_retransmit", 0..=8, default.max_retransmit),
        block_bytes: section.count("block_bytes", 16..=1_024, default.block_bytes),
        open_per_device: section.count("open_per_device", 1..=100_000, default.open_per_device),
        open_total: section.count("open_total", 1..=1_000_000_000, default.open_total),
    }
}

fn webhook(section: &Section<'_>, default: &Webhook) -> Webhook {
    let hook = Webhook {
        in_flight: section.count("in_flight", 1..=65_536, default.in_flight),
        connect_timeout: section.seconds("connect_timeout_s", 0.01..=300.0, default.connect_timeout),
        timeout: section.seconds("timeout_s", 0.01..=3_600.0, default.timeout),
        retry_min: section.millis("retry_min_ms", 1..=3_600_000, default.retry_min),
        retry_max: section.seconds("retry_max_s", 0.001..=86_400.0, default.retry_max),
        breaker_failures: section.count("breaker_failures", 1..=1_000_000, default.breaker_failures),
        breaker_pause: section.seconds("breaker_pause_s", 0.001..=86_400.0, default.breaker_pause),
    };
    if hook.retry_max < hook.retry_min {
        let found = format!("{} s", hook.retry_max.as_secs_f64());
        section.contradiction("retry_max_s", &found, &format!("no less than retry_min_ms, {} ms", hook.retry_min.as_millis()));
    }
    hook
}

fn log(section: &Section<'_>, default: Log) -> Log {
    let format = [("text", LogFormat::Text), ("json", LogFormat::Json)];
    let filter = |text: &str| match telemetry::check_filter(text) {
        Ok(()) => Ok(text.to_owned()),
        Err(why) => Err(format!("a filter such as `info` or `info,codecgate::lwm2m=debug` ({why})")),
    };
    Log {
        filter: section
            .text("filter", "a filter such as `info` or `info,codecgate::lwm2m=debug`", filter)
            .unwrap_or(default.filter),
        format: section.one_of("format", &format, default.format),
    }
}
