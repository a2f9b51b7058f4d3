//! What a fleet is to be, from flags and a file together: every mistake at once. A key of the file is called as its flag, and a flag
//! goes before it.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Map, Value};

use super::args::{SimulateArgs, bytes, duration};
use super::{Failure, Streams, prove};
use crate::coap::MAX_SZX;
use crate::config;
use crate::model::PowerMode;
use crate::package::Package;
use crate::simulate::{Conditions, Fleet, Rebind, Version, Via, endpoints};
use crate::vectors::{Ask, Vector, parse};

/// What `simulate` runs.
pub(super) struct Plan {
    pub(super) fleet: Fleet,
    pub(super) conditions: Conditions,
    pub(super) sockets: Option<usize>,
    /// None = another one each time.
    pub(super) seed: Option<u64>,
    /// Where payloads were read from.
    pub(super) vectors: Option<PathBuf>,
}

/// Most devices of a fleet.
const MOST_DEVICES: u32 = 100_000;

pub(super) fn plan(args: &SimulateArgs, streams: &mut Streams<'_>) -> Result<Plan, Failure> {
    let mut keys = Keys { values: file(args.fleet.as_deref())?, mistakes: Vec::new() };
    for (key, value) in args.given() {
        keys.values.insert(key.to_owned(), value);
    }
    let payloads = payloads(&mut keys, args.fleet.as_deref(), streams)?;
    let count = keys.read("count", 1, |text| whole(text, 1, MOST_DEVICES));
    let named = keys.read("endpoint", Vec::new(), |text| endpoints(text, count));
    if named.is_empty() && !keys.values.contains_key("endpoint") {
        keys.mistake("endpoint", "is missing: the name of the first device".to_owned());
    }
    let modes = keys.read("power", vec![(PowerMode::Drx, 1)], shares);
    let version = keys.read("lwm2m", Version::V1_0, |text| match text {
        "1.0" => Ok(Version::V1_0),
        "1.1" => Ok(Version::V1_1),
        _ => Err("is no version: 1.0 or 1.1".to_owned()),
    });
    let via = keys.read("via", Via::Notify, |text| match text {
        "notify" => Ok(Via::Notify),
        "send" => Ok(Via::Send),
        _ => Err("is no way to report: notify or send".to_owned()),
    });
    let fleet = Fleet {
        endpoints: named,
        modes,
        lifetime_s: keys.read("lifetime", 86_400..=86_400, lifetimes),
        period: keys.read("every", Duration::from_secs(10), duration_of),
        jitter: keys.read("jitter", Duration::ZERO, duration_of),
        spread: keys.read("start", Duration::ZERO, duration_of),
        payloads,
        confirmable: !keys.read("non", false, |text| text.parse().map_err(|_| "is neither true nor false".to_owned())),
        version,
        via,
        szx: keys.read("block", MAX_SZX, |text| {
            let szx = (0_u8..=6).find(|szx| text == (16_u32 << szx).to_string());
            szx.ok_or_else(|| "is no size of a block: 16, 32, 64, 128, 256, 512 or 1024".to_owned())
        }),
        awake: keys.read("awake", Duration::from_secs(10), duration_of),
        paging: keys.read("paging", Duration::from_millis(20_480), duration_of),
        rebind: Rebind {
            silence: keys.read("rebind-silence", None, |text| duration(text).map(Some)),
            datagrams: keys.read("rebind-datagrams", None, |text| whole(text, 1, u32::MAX).map(Some)),
        },
    };
    let conditions = Conditions {
        loss: keys.read("loss", 0.0, percent),
        duplicates: keys.read("duplicates", 0.0, percent),
        delay: keys.read("delay", Duration::ZERO, duration_of),
    };
    let sockets = keys.read("sockets", None, |text| whole(text, 1, MOST_DEVICES).map(|count| usize::try_from(count).ok()));
    let seed = keys.read("seed", None, |text| text.parse().map(Some).map_err(|_| "is no whole number".to_owned()));
    keys.agree(&fleet, sockets);
    let vectors = vectors_path(&keys.values, args.fleet.as_deref());
    keys.finish(args.fleet.as_deref())?;
    Ok(Plan { fleet, conditions, sockets, seed, vectors })
}

/// What was said, and what is wrong with it.
struct Keys {
    values: Map<String, Value>,
    mistakes: Vec<String>,
}

/// All that may be said.
const KEYS: [&str; 22] = [
    "awake",
    "block",
    "count",
    "delay",
    "duplicates",
    "endpoint",
    "every",
    "hex",
    "jitter",
    "lifetime",
    "loss",
    "lwm2m",
    "non",
    "paging",
    "power",
    "rebind-datagrams",
    "rebind-silence",
    "seed",
    "sockets",
    "start",
    "vectors",
    "via",
];

impl Keys {
    fn read<T>(&mut self, key: &str, default: T, take: impl FnOnce(&str) -> Result<T, String>) -> T {
        let Some(value) = self.values.get(key) else { return default };
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            other => {
                let mistake = format!("`{other}` is neither a text nor a number");
                self.mistake(key, mistake);
                return default;
            }
        };
        match take(&text) {
            Ok(taken) => taken,
            Err(why) => {
                let mistake = if why.starts_with('`') { why } else { format!("`{text}` {why}") };
                self.mistake(key, mistake);
                default
            }
        }
    }

    fn mistake(&mut self, key: &str, mistake: String) {
        self.mistakes.push(format!("{key}: {mistake}"));
    }

    /// What is good alone and contradicts itself together.
    fn agree(&mut self, fleet: &Fleet, sockets: Option<usize>) {
        if fleet.via == Via::Send && fleet.version == Version::V1_0 {
            self.mistake("via", "Send came with LwM2M 1.1; add lwm2m 1.1".to_owned());
        }
        if fleet.jitter > fleet.period {
            self.mistake("jitter", "is longer than `every`".to_owned());
        }
        if sockets.is_some() {
            if fleet.modes.iter().any(|(mode, _)| *mode != PowerMode::Psm) {
                let why = "only psm devices can share: what comes for one that listens would find another";
                self.mistake("sockets", why.to_owned());
            }
            if fleet.rebind != Rebind::default() {
                self.mistake("sockets", "devices that share have no NAT address of their own: leave out rebind-*".to_owned());
            }
            if fleet.via == Via::Send {
                self.mistake("sockets", "a gateway knows who uses Send by the address alone: it cannot be shared".to_owned());
            }
        }
    }

    fn finish(mut self, file: Option<&Path>) -> Result<(), Failure> {
        let unknown: Vec<String> = self.values.keys().filter(|key| !KEYS.contains(&key.as_str())).cloned().collect();
        for key in unknown {
            self.mistake(&key, format!("does not exist; there are {}", KEYS.join(", ")));
        }
        if self.mistakes.is_empty() {
            return Ok(());
        }
        let place = file.map(|path| format!(" ({} and flags)", path.display())).unwrap_or_default();
        let told: String = self.mistakes.iter().map(|mistake| format!("\n  {mistake}")).collect();
        Err(Failure::usage(format!("the fleet cannot be{place}:{told}")))
    }
}

/// The file's keys; TOML, or JSON if it begins with `{`.
fn file(path: Option<&Path>) -> Result<Map<String, Value>, Failure> {
    let Some(path) = path else { return Ok(Map::new()) };
    let text = fs::read_to_string(path).map_err(|error| Failure::unreadable(path, error))?;
    let read = if text.trim_start().starts_with('{') {
        serde_json::from_str(&text).map_err(|error| error.to_string())
    } else {
        config::toml_document(&text)
    };
    let wrong = |why: String| Failure::usage(format!("{} is neither TOML nor JSON: {why}", path.display()));
    match read.map_err(wrong)? {
        Value::Object(keys) => Ok(keys),
        _ => Err(wrong("it is no table".to_owned())),
    }
}

/// What devices report: bytes that were given, and the payloads of decode vectors.
fn payloads(keys: &mut Keys, file: Option<&Path>, streams: &mut Streams<'_>) -> Result<Vec<Vec<u8>>, Failure> {
    let mut payloads = Vec::new();
    let given = match keys.values.get("hex") {
        Some(Value::Array(list)) => list.clone(),
        Some(one) => vec![one.clone()],
        None => Vec::new(),
    };
    for hex in given {
        match hex.as_str().map(bytes) {
            Some(Ok(payload)) => payloads.push(payload.0),
            Some(Err(why)) => keys.mistake("hex", why),
            None => keys.mistake("hex", format!("`{hex}` is no text")),
        }
    }
    if let Some(path) = vectors_path(&keys.values, file) {
        let vectors = vectors(&path, streams)?;
        let decoded = vectors.into_iter().filter_map(|vector| match vector.ask {
            Ask::Decode(payload) => Some(payload),
            Ask::Command(_) | Ask::Ack { .. } => None,
        });
        let before = payloads.len();
        payloads.extend(decoded);
        if payloads.len() == before {
            keys.mistake("vectors", format!("{} has none that are decoded", path.display()));
        }
    }
    if payloads.is_empty() && !keys.values.contains_key("hex") && !keys.values.contains_key("vectors") {
        keys.mistake("hex", "is missing: give payloads as hex, or vectors with a codec's folder or package".to_owned());
    }
    Ok(payloads)
}

/// Where the vectors are; a path in a file is relative to it.
fn vectors_path(values: &Map<String, Value>, file: Option<&Path>) -> Option<PathBuf> {
    let path = Path::new(values.get("vectors")?.as_str()?);
    let beside = file.and_then(Path::parent).map(|folder| folder.join(path)).filter(|beside| beside.exists());
    Some(beside.unwrap_or_else(|| path.to_owned()))
}

/// Those of a document (JSON), a codec's folder, or a package.
fn vectors(path: &Path, streams: &mut Streams<'_>) -> Result<Vec<Vector>, Failure> {
    if path.is_dir() {
        let documents = prove::documents(path, streams)?;
        return Ok(documents.into_iter().flat_map(|(_, vectors)| vectors).collect());
    }
    let file = fs::read(path).map_err(|error| Failure::unreadable(path, error))?;
    let wrong = |why: String| Failure::usage(format!("{} has no vectors that can be read: {why}", path.display()));
    let documents: Vec<String> = if file.starts_with(b"PK") {
        let package = Package::read(&file).map_err(|mistakes| wrong(format!("{} mistakes in the package", mistakes.len())))?;
        package.vectors().map(|(_, text)| text.to_owned()).collect()
    } else {
        vec![String::from_utf8(file).map_err(|error| wrong(error.to_string()))?]
    };
    let mut all = Vec::new();
    for text in documents {
        all.extend(parse(&text).map_err(|mistakes| wrong(mistakes.join("; ")))?);
    }
    Ok(all)
}

/// As [`duration`], and `0s`.
fn duration_of(text: &str) -> Result<Duration, String> {
    if matches!(text, "0" | "0s") { Ok(Duration::ZERO) } else { duration(text) }
}

fn whole(text: &str, least: u32, most: u32) -> Result<u32, String> {
    let number = text.parse().ok().filter(|number| (least..=most).contains(number));
    number.ok_or_else(|| format!("is no whole number from {least} to {most}"))
}

/// `5`, `0.5%`
fn percent(text: &str) -> Result<f64, String> {
    let number: Option<f64> = text.trim_end_matches('%').trim().parse().ok();
    let number = number.filter(|number| (0.0..=100.0).contains(number));
    number.map(|number| number / 100.0).ok_or_else(|| "is no percentage from 0 to 100".to_owned())
}

/// `psm`, `psm=3,drx=1`
fn shares(text: &str) -> Result<Vec<(PowerMode, u32)>, String> {
    let share = |part: &str| {
        let (name, weight) = part.split_once('=').unwrap_or((part, "1"));
        let mode = match name.trim() {
            "psm" => PowerMode::Psm,
            "edrx" => PowerMode::Edrx,
            "drx" => PowerMode::Drx,
            other => return Err(format!("`{other}` is no power mode: psm, edrx or drx, or shares such as psm=3,drx=1")),
        };
        let weight = weight.trim().parse().ok().filter(|weight| (1..=1_000_000).contains(weight));
        weight.map(|weight| (mode, weight)).ok_or_else(|| format!("`{part}` has no share: a whole number from 1"))
    };
    text.split(',').map(share).collect()
}

/// `24h`, `1h..24h`
fn lifetimes(text: &str) -> Result<std::ops::RangeInclusive<u32>, String> {
    let (least, most) = text.split_once("..").unwrap_or((text, text));
    let seconds = |text: &str| u32::try_from(duration(text)?.as_secs().max(1)).map_err(|error| error.to_string());
    let (least, most) = (seconds(least)?, seconds(most)?);
    if least <= most { Ok(least..=most) } else { Err("begins with the longer one".to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_of_a_fleet() {
        assert_eq!(shares("psm=3, drx"), Ok(vec![(PowerMode::Psm, 3), (PowerMode::Drx, 1)]));
        assert!(shares("psm=0").is_err() && shares("off").is_err());
        assert_eq!(lifetimes("1h..24h"), Ok(3_600..=86_400));
        assert_eq!(lifetimes("90s"), Ok(90..=90));
        assert!(lifetimes("2h..1h").is_err());
        assert_eq!((percent("5%"), percent("0.5")), (Ok(0.05), Ok(0.005)));
        assert!(percent("101").is_err() && percent("x").is_err());
        assert_eq!(duration_of("0s"), Ok(Duration::ZERO));
    }
}
