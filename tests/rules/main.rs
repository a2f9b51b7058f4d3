//! The rules of the house, held by a test: layers, file length, opening lines, one folder per outside crate, words.
//!
//! The tables below are the rules; runtime/ARCHITECTURE.md says why. Every check is a function from text to complaints, and
//! each is fed something bad as well, so that a check that finds nothing is known to be able to find something.

#![expect(clippy::unwrap_used, reason = "a test: what cannot be read fails it")]

mod checks;
mod source;

use std::path::{Path, PathBuf};

use checks::{Complaint, crates, dependencies, layers, length, opening, purity, words};
use source::Source;

/// Most lines of a file.
const LINES: usize = 500;

/// Modules of `runtime/src` by layer: a module may name those of earlier rows, and what its row adds.
const LAYERS: &[Layer] = &[
    Layer { name: "words", modules: &["model"], also: &[] },
    // Pure: no I/O, no clock, no randomness.
    Layer {
        name: "pure",
        modules: &[
            "breaker", "coap", "lwm2m", "profile", "command", "vectors", "package", "explain", "enrol", "layout", "presence",
            "why",
        ],
        also: &[("lwm2m", "coap"), ("package", "profile"), ("layout", "profile"), ("presence", "lwm2m"), ("why", "presence")],
    },
    Layer {
        name: "one outside thing each",
        modules: &["clock", "store", "codec", "trace", "transport", "webhook"],
        also: &[
            ("transport", "clock"),
            ("transport", "trace"),
            ("store", "clock"),
            ("codec", "clock"),
            ("trace", "clock"),
            ("webhook", "clock"),
            ("webhook", "store"),
            ("webhook", "trace"),
        ],
    },
    Layer {
        name: "flows",
        modules: &["admission", "catalog", "downlink", "redecode", "shadow", "shard", "uplink", "watch"],
        also: &[
            ("catalog", "admission"),
            ("downlink", "catalog"),
            ("downlink", "shard"),
            ("downlink", "uplink"),
            ("redecode", "catalog"),
            ("redecode", "shadow"),
            ("redecode", "uplink"),
            ("shadow", "catalog"),
            ("shadow", "uplink"),
            ("shard", "catalog"),
            ("shard", "downlink"),
            ("shard", "shadow"),
            ("shard", "uplink"),
            ("uplink", "catalog"),
            ("uplink", "downlink"),
            ("uplink", "shard"),
            ("watch", "catalog"),
        ],
    },
    Layer { name: "northbound", modules: &["api"], also: &[] },
    Layer { name: "parts of the composition", modules: &["telemetry"], also: &[] },
    Layer { name: "configuration", modules: &["config"], also: &[] },
    Layer { name: "composition", modules: &["app", "simulate"], also: &[] },
    Layer { name: "demonstration", modules: &["demo"], also: &[] },
    Layer { name: "command line", modules: &["cli"], also: &[("demo", "cli")] },
    Layer { name: "binary", modules: &["main"], also: &[] },
];

/// Modules of one layer.
struct Layer {
    name: &'static str,
    modules: &'static [&'static str],
    /// (who, whom) of the same row or of a later one.
    also: &'static [(&'static str, &'static str)],
}

/// Outside crates that one folder of `runtime/src` alone may name.
const ONE_FOLDER: &[(&str, &[&str])] = &[
    ("sled", &["store"]),
    ("lz4_flex", &["store"]),
    ("wasmtime", &["codec"]),
    ("wasmparser", &["codec"]),
    ("axum", &["api"]),
    ("utoipa", &["api"]),
    ("coap_lite", &["coap"]),
    ("minicbor", &["lwm2m"]),
    ("reqwest", &["webhook", "cli"]),
    ("jsonschema", &["profile"]),
    ("csv", &["profile", "enrol"]),
    ("zip", &["profile", "package"]),
    ("ed25519_dalek", &["package"]),
    ("siphasher", &["lwm2m"]),
    ("socket2", &["transport"]),
    ("clap", &["cli"]),
    ("rlimit", &["simulate"]),
    ("codecgate_sdk", &["layout", "vectors"]),
    ("wit_component", &["cli"]),
    ("toml", &["config", "package"]),
    ("tracing_subscriber", &["telemetry"]),
];

/// What pure modules and `model` do not name. `std::net::SocketAddr` is a value and allowed.
const IMPURE: &[&str] = &[
    "tokio",
    "std::net::UdpSocket",
    "std::net::TcpListener",
    "std::net::TcpStream",
    "std::net::ToSocketAddrs",
    "std::fs",
    "std::env",
    "std::process",
    "std::thread",
    "SystemTime",
    "Instant::now",
    ".elapsed",
    "rand",
    "getrandom",
    "tracing",
];

/// Words that name nothing. Parts of names between underscores or capitals are compared; `get_` at the
/// beginning of a name is found as well.
const WORDS: &[&str] = &["manager", "handler", "helper", "util", "utils", "common", "data", "info", "process"];

/// Names that are given from outside, with the reason.
const NAMED_OUTSIDE: &[(&str, &str)] = &[
    ("app_data", "the name of LwM2M object 19, BinaryAppDataContainer"),
    ("DataType", "Huawei's `dataType` of a property (REFERENCE A.4.3)"),
];

#[test]
fn modules_name_only_the_layers_above_them() {
    held(runtime().iter().flat_map(|source| layers(source, LAYERS)));
}

#[test]
fn pure_modules_touch_nothing_outside() {
    let pure: Vec<&str> = LAYERS.iter().take(2).flat_map(|layer| layer.modules.iter().copied()).collect();
    held(runtime().iter().filter(|source| pure.contains(&source.module())).flat_map(|source| purity(source, IMPURE)));
}

#[test]
fn an_outside_crate_has_one_folder() {
    held(runtime().iter().flat_map(|source| crates(source, ONE_FOLDER)));
}

#[test]
fn every_outside_crate_of_the_table_is_a_dependency() {
    let manifest = std::fs::read_to_string(root().join("runtime/Cargo.toml")).unwrap();
    held(dependencies(&manifest, ONE_FOLDER).into_iter());
}

#[test]
fn files_are_short_and_say_what_they_are() {
    let sources = everything();
    held(sources.iter().flat_map(|source| length(source, LINES).into_iter().chain(opening(source))));
}

#[test]
fn names_say_something() {
    held(everything().iter().flat_map(|source| words(source, WORDS, NAMED_OUTSIDE)));
}

/// The rules are nothing if no file is read.
#[test]
fn the_files_are_found() {
    let (runtime, everything) = (runtime(), everything());
    for layer in LAYERS {
        for module in layer.modules {
            assert!(runtime.iter().any(|source| source.module() == *module), "{}: no module {module}", layer.name);
        }
    }
    for folder in ["runtime/src", "plugin-sdk", "plugins", "tests"] {
        assert!(everything.iter().any(|source| source.path.starts_with(folder)), "no file in {folder}");
    }
}

fn held(complaints: impl Iterator<Item = Complaint>) {
    let all: Vec<String> = complaints.map(|complaint| format!("\n  {complaint}")).collect();
    assert!(all.is_empty(), "{} rules are broken:{}", all.len(), all.concat());
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn runtime() -> Vec<Source> {
    Source::below(&root(), &["runtime/src"])
}

fn everything() -> Vec<Source> {
    Source::below(&root(), &["runtime/src", "runtime/benches", "plugin-sdk", "plugins", "tests"])
}
