//! Decoders of outside bytes, each as a function that must come back whatever it is given. `tests/fuzz` drives them with libFuzzer
//! where a nightly compiler is at hand; [`shaken`] makes seeded damage of good samples, so that the test suite walks some way too.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use codecgate::codec::Anatomy;
use codecgate::config::Config;
use codecgate::layout::CheckedLayout;
use codecgate::lwm2m::appdata::Container;
use codecgate::lwm2m::content::{Datum, Format, Kind, Value, decode, encode, links, write_links};
use codecgate::lwm2m::{Names, Path, Server, ServerConfig};
use codecgate::model::Timestamp;
use codecgate::package::{Package, Parts};
use codecgate::profile::{Profile, Strictness, import_huawei};
use codecgate::vectors::mutate::Dice;
use codecgate::{coap, package, vectors};
use codecgate_sdk::layout::{from_bytes, to_bytes};
use codecgate_sdk::wire::Downlink;

mod transfer;

pub use transfer::transfer;

/// Name, decoder.
pub type Target = (&'static str, fn(&[u8]));

/// All of them.
pub const TARGETS: &[Target] = &[
    ("anatomy", anatomy),
    ("appdata", appdata),
    ("config", config),
    ("content_cbor", content_cbor),
    ("content_json", content_json),
    ("content_link", content_link),
    ("content_senml_cbor", content_senml_cbor),
    ("content_senml_json", content_senml_json),
    ("content_tlv", content_tlv),
    ("datagrams", datagrams),
    ("huawei", huawei),
    ("interpreter", interpreter),
    ("layout", layout),
    ("manifest", manifest),
    ("package", package),
    ("profile", profile),
    ("transfer", transfer),
    ("vectors", vectors),
];

/// A `*.codec` package: what opens is written and read again as the same.
pub fn package(bytes: &[u8]) {
    let opened = package::open(bytes);
    assert!(opened.manifest.is_some() || !opened.mistakes.is_empty(), "nothing was read and nothing said");
    if let Ok(package) = Package::read(bytes) {
        let written = package.write().expect("what was read can be written");
        let again = Package::read(&written).expect("what was written can be read");
        assert_eq!(again.digest(), package.digest());
    }
}

/// The manifest of a package, which names its texts as well.
pub fn manifest(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes).into_owned();
    let parts = Parts { manifest: text.clone(), component: EMPTY.to_vec(), profile: text.clone(), ..Parts::default() };
    match Package::new(parts) {
        Ok(package) => assert_eq!(package.profile(), text),
        Err(mistakes) => assert!(!mistakes.is_empty(), "refused without a word"),
    }
}

/// A component of nothing: a header.
const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

/// A document of vectors.
pub fn vectors(bytes: &[u8]) {
    if let Err(mistakes) = vectors::parse(&String::from_utf8_lossy(bytes)) {
        assert!(!mistakes.is_empty(), "refused without a word");
    }
}

/// A profile of ours.
pub fn profile(bytes: &[u8]) {
    if let Err(mistakes) = Profile::parse("profile.json", &String::from_utf8_lossy(bytes)) {
        assert!(!mistakes.is_empty(), "refused without a word");
    }
}

/// A vendor's package, strict and lenient.
pub fn huawei(bytes: &[u8]) {
    for strictness in [Strictness::Strict, Strictness::Lenient] {
        if let Err(mistakes) = import_huawei("WaterMeter_Acme01_WM1.zip", bytes, strictness) {
            assert!(!mistakes.is_empty(), "refused without a word");
        }
    }
}

/// A layout of ours, joined with a profile; what is taken is a component, and decodes whatever comes.
///
/// # Panics
/// When what was taken cannot be written into the interpreter.
pub fn layout(bytes: &[u8]) {
    let profile = Profile::parse("profile.json", LAYOUT_PROFILE).expect("the profile is good");
    match CheckedLayout::parse("layout.json", &String::from_utf8_lossy(bytes), &profile) {
        Ok(layout) => {
            assert!(layout.component().is_ok(), "what was measured fits");
            drop(layout.layout().decode(bytes));
        }
        Err(mistakes) => assert!(!mistakes.is_empty(), "refused without a word"),
    }
}

const LAYOUT_PROFILE: &str = include_str!("../../plugins/layouts/street-light/profile.json");

/// The compact form of a layout, which says of itself what the rest is: what is read decodes whatever comes.
pub fn interpreter(bytes: &[u8]) {
    if let Ok(layout) = from_bytes(bytes) {
        assert_eq!(from_bytes(&to_bytes(&layout)).as_ref(), Ok(&layout), "there is one way to write it");
        for end in 0..bytes.len().min(64) {
            drop(layout.decode(&bytes[..end]));
        }
        let ack = Downlink::ReportAck { uplink: bytes.to_vec(), errcode: 0, has_more: true };
        drop(layout.encode(ack, 0));
        drop(layout.encode(Downlink::Command { index: 0, mid: 1, has_more: false, fields: Vec::new() }, 0));
    }
}

/// Lists of devices: what is read has lines that follow each other.
pub fn devices(bytes: &[u8]) {
    for rows in [codecgate::enrol::from_csv(bytes), codecgate::enrol::from_json(bytes)].into_iter().flatten() {
        assert!(rows.windows(2).all(|pair| pair[0].line < pair[1].line), "rows are told in their order");
    }
}

/// A configuration.
pub fn config(bytes: &[u8]) {
    drop(Config::parse("codecgate.toml", &String::from_utf8_lossy(bytes)));
}

/// The sections of a component.
pub fn anatomy(bytes: &[u8]) {
    drop(Anatomy::read(bytes));
}

/// Object 19, in the format that the first byte picks.
pub fn appdata(bytes: &[u8]) {
    let Some((pick, payload)) = bytes.split_first() else { return };
    let format = Format::ALL.get(usize::from(*pick)).map(|format| format.number());
    if let Ok(container) = Container::read(&"/19/0/0".parse().expect("a path"), format, payload) {
        let told: usize = container.payloads.iter().map(Vec::len).sum();
        assert!(told <= payload.len(), "{container:?}");
    }
}

/// TLV, read as an answer to an object, an instance, a resource and a resource instance.
pub fn content_tlv(bytes: &[u8]) {
    content(Format::Tlv, bytes);
}

/// SenML in CBOR.
pub fn content_senml_cbor(bytes: &[u8]) {
    content(Format::SenmlCbor, bytes);
}

/// SenML in JSON.
pub fn content_senml_json(bytes: &[u8]) {
    content(Format::SenmlJson, bytes);
}

/// JSON of LwM2M 1.0.
pub fn content_json(bytes: &[u8]) {
    content(Format::Json, bytes);
}

/// One CBOR item.
pub fn content_cbor(bytes: &[u8]) {
    content(Format::Cbor, bytes);
}

/// Link format: what was read is written and read again as the same, unless a text holds marks of the format itself.
pub fn content_link(bytes: &[u8]) {
    if let Ok(found) = links(bytes) {
        let written = write_links(&found);
        let texts = found.iter().flat_map(|link| {
            let others = link.others.iter().flat_map(|(name, value)| value.iter().chain([name]));
            link.version.iter().chain(&link.uri).chain(others)
        });
        let marks = |c: char| c.is_control() || c.is_whitespace() || "\",;=<>".contains(c);
        let marked = texts.into_iter().any(|text| text.is_empty() || text.contains(marks));
        assert!(marked || links(&written).as_ref() == Ok(&found), "{found:?}");
    }
}

/// What is read lies below what was asked, and what can be written is read again as the same.
fn content(format: Format, bytes: &[u8]) {
    let read = |base: &Path, bytes: &[u8]| decode(format, base, bytes, &|_| Some(Kind::Opaque));
    for base in ["/3", "/3/0", "/3/0/6", "/3/0/6/1", "/"] {
        let base: Path = base.parse().expect("a path");
        let Ok(values) = read(&base, bytes) else { continue };
        assert!(values.iter().all(|datum| base.contains(&datum.path)), "{values:?}");
        let Ok(written) = encode(format, &base, &values) else { continue };
        // TLV has the order of paths and says nothing for an instance that is there and empty; SenML has no times but numbers.
        let told = |mut values: Vec<Datum>| {
            values.retain(|datum| datum.path != base || datum.value != Value::None);
            values.sort_by_key(|datum| datum.path);
            format!("{values:?}").replace("Time(", "Integer(")
        };
        assert_eq!(told(read(&base, &written).expect("what was written can be read")), told(values));
    }
}

/// Datagrams one after the other, each behind a length of one byte, from two peers: the message front, then the whole server.
pub fn datagrams(bytes: &[u8]) {
    let origin = origin();
    let mut server = Server::new(ServerConfig::default(), Names::new([7; 32]), [7; 32], (origin, Timestamp(0)));
    let mut rest = bytes;
    let mut turn = 0_u16;
    while let Some((length, tail)) = rest.split_first() {
        let (datagram, after) = tail.split_at(usize::from(*length).min(tail.len()));
        rest = after;
        if let Ok(message) = coap::parse(datagram) {
            assert_eq!(coap::parse(&message.to_bytes()).as_ref(), Ok(&message), "what was parsed is written as it was meant");
        }
        turn = turn.wrapping_add(1);
        let now = origin + Duration::from_secs(u64::from(turn));
        server.handle_datagram(
            now,
            Timestamp(u64::from(turn) * 1_000),
            SocketAddr::from(([127, 0, 0, 1], 5_000 + turn % 2)),
            datagram,
        );
        server.handle_timeout(now, Timestamp(u64::from(turn) * 1_000));
        while server.poll_transmit().is_some() {}
        while server.poll_occurrence().is_some() {}
        while server.poll_remark().is_some() {}
    }
}

#[expect(clippy::disallowed_methods, reason = "any origin does: the server only counts from it")]
fn origin() -> Instant {
    Instant::now()
}

/// One of the samples with some damage: bits, bytes, numbers of interest, pieces left out, doubled, or taken from another sample.
///
/// # Panics
/// There is no sample.
#[must_use]
pub fn shaken(samples: &[Vec<u8>], dice: &mut Dice) -> Vec<u8> {
    let mut bytes = pick(samples, dice).clone();
    for _ in 0..=dice.below(4) {
        let at = index(bytes.len() + 1, dice);
        let end = at + index(bytes.len() - at + 1, dice).min(64);
        match dice.below(8) {
            0 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte ^= 1 << dice.below(8)),
            1 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = dice.byte()),
            2 => bytes.iter_mut().skip(at).take(1).for_each(|byte| *byte = [0, 0x7f, 0x80, 0xff][index(4, dice)]),
            3 => drop(bytes.splice(at..at, (0..=dice.below(8)).map(|_| dice.byte()).collect::<Vec<_>>())),
            4 => drop(bytes.drain(at..end)),
            5 => drop(bytes.splice(at..at, bytes[at..end].to_vec())),
            6 => bytes.truncate(at),
            _ => {
                let other = pick(samples, dice);
                let from = index(other.len() + 1, dice);
                let to = from + index(other.len() - from + 1, dice).min(64);
                drop(bytes.splice(at..end, other[from..to].iter().copied()));
            }
        }
    }
    bytes
}

fn pick<'s>(samples: &'s [Vec<u8>], dice: &mut Dice) -> &'s Vec<u8> {
    &samples[index(samples.len(), dice)]
}

fn index(end: usize, dice: &mut Dice) -> usize {
    usize::try_from(dice.below(end as u64)).expect("below a length")
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::{Path, PathBuf};

    use super::*;
    use crate::root;
    use codecgate::coap::{Code, Kind, Message, Token};

    /// Damages of each decoder; `CODECGATE_FUZZ_ROUNDS` asks for more.
    fn rounds() -> usize {
        std::env::var("CODECGATE_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(4_000)
    }

    fn read(path: PathBuf) -> Vec<u8> {
        fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    fn folder(path: &Path, ending: &str) -> Vec<Vec<u8>> {
        let files = fs::read_dir(path).expect("a folder of samples").map(|entry| entry.expect("an entry").path());
        files.filter(|path| path.extension().is_some_and(|end| end == ending)).map(read).collect()
    }

    fn samples(target: &str) -> Vec<Vec<u8>> {
        match target {
            "anatomy" => vec![wat::parse_str("(component (core module (memory 1) (table 1 funcref) (func)))").expect("text")],
            "appdata" => {
                ["06860041010241000 1", "0582a321682f31392f302f302f006130084201 02a2006131084103", "092a"].map(hexed).into()
            }
            "config" => vec![read(root().join("runtime/codecgate.example.toml"))],
            "content_cbor" => ["1a5182428f", "c11a5182428f", "fb3ff199999999999a", "f93c00", "5f42010243030405ff", "6449455446"]
                .map(hexed)
                .into(),
            "content_json" => vec![
                br#"{"bn":"/3/0/","bt":25,"e":[{"n":"6/0","sv":"AQI="},{"n":"6/1","v":5,"t":-5},{"n":"9","bv":true}]}"#.into(),
            ],
            "content_link" => {
                vec![br#"</3>;ver=1.2;pmin=10,</3/0/6>;dim=8;gt=50;lt=42.2;obs,</0/1>;ssid=101;uri="coap://a:5683""#.into()]
            }
            "content_senml_cbor" => [
                "83a321652f332f302f006330 2f30024163a2006136026101a3006139021a5182428f0618 19",
                "9fbf217f622f36622f30ff006336 2f3102f93e00010105f5ffff",
                "82a200682f332f302f362f3103644f70656ea200682f332f302f362f3263766c6f6436363a30",
            ]
            .map(hexed)
            .into(),
            "content_senml_json" => vec![
                br#"[{"bn":"/3/0/","n":"6/1","vs":"AQI="},{"n":"9","v":95,"t":5},{"n":"13","vb":true},{"n":"22","vlo":"66:0"}]"#
                    .into(),
                br#"[{"bver":10,"bn":"/3/0/6/1","bt":1.5e9,"bv":20,"v":2.5,"t":-5},{"v":1},{"vd":"AQI"}]"#.into(),
            ],
            "content_tlv" => [
                "c303312e308606410001410105c10964c40d5182428f83064101 05",
                "080009c109648606410001410105",
                "0000 0201 8000",
                "d0060100",
            ]
            .map(hexed)
            .into(),
            "datagrams" => vec![session()],
            "devices" => vec![
                b"endpoint,productId,name,attributes.site\n867000000000001,1,\"a, b\",north\n".into(),
                br#"[{"endpoint":"867000000000001","productId":1}]"#.into(),
            ],
            "huawei" => [folder(&root().join("profiles/huawei"), "zip"), folder(&root().join("profiles/broken"), "zip")].concat(),
            "interpreter" => vec![to_bytes(street_light().layout())],
            "layout" => vec![read(root().join("plugins/layouts/street-light/layout.json"))],
            "manifest" => vec![MANIFEST.into()],
            "package" => vec![packed()],
            "profile" => vec![
                read(root().join("plugins/water-meter/profile.json")),
                read(root().join("profiles/parking-sensor.json")),
                read(root().join("profiles/broken/several-mistakes.json")),
            ],
            "transfer" => vec![blocks()],
            "vectors" => ["water-meter", "smoke-detector"]
                .iter()
                .flat_map(|name| folder(&root().join("plugins").join(name).join("vectors"), "json"))
                .collect(),
            other => panic!("no samples for {other}"),
        }
    }

    fn hexed(text: &str) -> Vec<u8> {
        hex::decode(text.replace(' ', "")).expect("hex")
    }

    fn street_light() -> CheckedLayout {
        let text = fs::read_to_string(root().join("plugins/layouts/street-light/layout.json")).expect("a sample");
        let profile = Profile::parse("profile.json", LAYOUT_PROFILE).expect("a good profile");
        CheckedLayout::parse("layout.json", &text, &profile).expect("a good layout")
    }

    /// A device registers, reports, updates and leaves.
    fn session() -> Vec<u8> {
        let register = Message::new(Kind::Con, Code::POST, 1, Token::from(1))
            .with_path(["rd"])
            .with_query("ep=urn:imei:867000000000001".into())
            .with_query("lt=300".into())
            .with_query("lwm2m=1.0".into())
            .with_query("b=U".into())
            .with_payload(40, b"</1/0>,</3/0>,</19/0>,</19/1>".to_vec());
        let mut notify = Message::new(Kind::Con, Code::CONTENT, 2, Token::from(2)).with_payload(42, vec![1, 2, 3]);
        notify.observe = Some(3);
        let update = Message::new(Kind::Con, Code::POST, 3, Token::from(3)).with_path(["rd", "0a"]).with_query("lt=60".into());
        let leave = Message::new(Kind::Con, Code::DELETE, 4, Token::from(4)).with_path(["rd", "0a"]);
        let datagrams = [register, notify, update, leave].map(|message| message.to_bytes());
        datagrams.iter().flat_map(|bytes| [&[u8::try_from(bytes.len()).expect("short")], &bytes[..]].concat()).collect()
    }

    /// Three blocks of 16 bytes that are sent, one of them twice, and three that are fetched.
    fn blocks() -> Vec<u8> {
        let step = |what: u8, block: u8, etag: u8| [what, 1, 0, 0, block, etag];
        [
            step(0x01, 0x08, 0),
            step(0x01, 0x18, 0),
            step(0x01, 0x18, 0),
            step(0x02, 0x20, 0),
            step(0x00, 0x08, 1),
            step(0x00, 0x10, 2),
        ]
        .concat()
    }

    const MANIFEST: &str =
        "interface = \"1.0.0\"\nmanufacturerId = \"Acme01\"\nmodel = \"WM1\"\nversion = \"1.0.0\"\n\n[limits]\nmemory_mib = 4\n";

    fn packed() -> Vec<u8> {
        let parts = Parts { manifest: MANIFEST.into(), component: EMPTY.to_vec(), profile: "{}".into(), ..Parts::default() };
        let package = Package::new(parts).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
        package.write().expect("a package")
    }

    #[test]
    fn each_decoder_has_its_fuzz_target() {
        let folder = root().join("tests/fuzz");
        let manifest = String::from_utf8(read(folder.join("Cargo.toml"))).expect("text");
        for (name, _) in TARGETS {
            let source = String::from_utf8(read(folder.join(format!("fuzz_targets/{name}.rs")))).expect("text");
            assert!(source.contains(&format!("codecgate_tests::fuzz::{name}(")), "{source}");
            assert!(manifest.contains(&format!("path = \"fuzz_targets/{name}.rs\"")), "{name} is missing in Cargo.toml");
        }
    }

    /// The same damage every time: what fails here fails again.
    #[test]
    fn no_decoder_is_hurt_by_damaged_samples() {
        for (name, target) in TARGETS {
            let samples = samples(name);
            assert!(!samples.is_empty(), "{name}");
            samples.iter().for_each(|sample| target(sample));
            let mut dice = Dice(0x5eed);
            for round in 0..rounds() {
                let bytes = shaken(&samples, &mut dice);
                let held = std::panic::catch_unwind(|| target(&bytes));
                assert!(held.is_ok(), "{name}, round {round}: {}", hex::encode(&bytes));
            }
        }
    }
}
