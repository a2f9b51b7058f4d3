//! What the sandbox costs: one codec written with the SDK, called natively and as a component, and the times of a codec's life.
//!
//! `cargo bench --bench decode [-- --quick | --steady]` prints medians of interleaved rounds: a busy moment of the machine
//! then hits all rows. The codec is `six-values` beside this file: a 20-byte frame, its CRC, six typed values. What a call
//! costs whatever the codec does, and how a runaway ends, is shown with `tests/hostile-codec`. The same frame is also read by a
//! layout; only the day comes as a number there.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a bench reads the clock and stops at any surprise")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use codecgate::cli::build::build_component;
use codecgate::codec::{CallError, DeviceCard, Host, Instances, Isolation, Limits};
use codecgate::layout::CheckedLayout;
use codecgate::model::{Endpoint, Origin};
use codecgate::profile::Profile;
use codecgate_sdk::crc::MODBUS;
use six_values::SixValues;

/// Behaviours of the hostile guest, first byte of the payload.
const LOOP: &[u8] = &[0x02];
const NOTHING: &[u8] = &[0xff];
/// Milliseconds since 1970.
const NOW: u64 = 1_700_000_000_000;

struct Row {
    what: &'static str,
    unit: Unit,
    calls: u32,
    rounds: Vec<Duration>,
}

#[derive(Clone, Copy)]
enum Unit {
    Nanoseconds,
    Milliseconds,
}

impl Row {
    fn new(what: &'static str, unit: Unit, calls: u32) -> Self {
        Self { what, unit, calls, rounds: Vec::new() }
    }

    fn round(&mut self, mut call: impl FnMut()) {
        let start = Instant::now();
        (0..self.calls).for_each(|_| call());
        self.rounds.push(start.elapsed());
    }

    /// Seconds a call.
    fn median(&self) -> f64 {
        let mut rounds = self.rounds.clone();
        rounds.sort();
        rounds.get(rounds.len() / 2).copied().unwrap_or_default().as_secs_f64() / f64::from(self.calls)
    }

    fn print(&self) {
        let (value, unit) = match self.unit {
            Unit::Nanoseconds => (self.median() * 1e9, "ns"),
            Unit::Milliseconds => (self.median() * 1e3, "ms"),
        };
        println!("{:<44}{value:>12.2} {unit}", self.what);
    }
}

fn main() {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, calls) = if quick { (5, 2_000) } else { (31, 20_000) };
    let folder = tempfile::tempdir().expect("a folder");
    let component = build("benches/six-values");
    let hostile = build("../tests/hostile-codec");
    let profile = Profile::parse("profile.json", PROFILE).expect("a good profile");
    let layout = CheckedLayout::parse("layout.json", LAYOUT, &profile).expect("a good layout");
    let patched = layout.component().expect("it fits");

    let host = Host::new(Limits::default(), Some(folder.path())).expect("a host");
    let codec = host.load(&component).expect("the codec is admitted");
    let hostile = host.load(&hostile).expect("the guest is admitted");
    let drawn = host.load(&patched).expect("the layout is admitted");
    let mut reused = Instances::new(Arc::clone(&host));
    let fresh_host = Host::new(Limits { isolation: Isolation::Fresh, ..Limits::default() }, None).expect("a host");
    let fresh_codec = fresh_host.load(&component).expect("the codec is admitted");
    let mut fresh = Instances::new(fresh_host);
    let uncached = Host::new(Limits::default(), None).expect("a host");
    // As after a restart: nothing of the codec is alive, so that its code comes from the disk each time.
    let restarted = Host::new(Limits::default(), Some(folder.path())).expect("a host");

    let endpoint = Endpoint::new("863703030000001").expect("valid");
    let card = Arc::new(DeviceCard { endpoint, attributes: Arc::new(BTreeMap::new()) });
    let origin = Origin::app_data(NOW);
    let payload = payload();
    let native = |payload: &[u8]| codecgate_sdk::decode::<SixValues>(payload, &codecgate_sdk::Origin::app_data(NOW));
    let expected = native(&payload).expect("the frame is good");
    let sandboxed = reused.decode(&codec, &card, &payload, &origin).expect("the frame is good");
    assert_eq!(format!("{sandboxed:?}"), format!("{expected:?}"), "both worlds say the same");
    let told = format!("{:?}", reused.decode(&drawn, &card, &payload, &origin).expect("the frame is good"));
    let expected = format!("{expected:?}").replace("Timestamp(1699920000000)", "Integer(19675)");
    assert_eq!(told, expected, "a layout says the same");

    if std::env::args().any(|argument| argument == "--steady") {
        // Nothing but the call, for a profiler.
        (0..5_000_000).for_each(|_| drop(black_box(reused.decode(&codec, &card, black_box(&payload), &origin))));
        return;
    }
    let mut plain = Row::new("native: six values, owned", Unit::Nanoseconds, calls);
    let mut sandbox = Row::new("component: six values", Unit::Nanoseconds, calls);
    let mut by_layout = Row::new("component: six values by a layout", Unit::Nanoseconds, calls);
    let mut patch = Row::new("layout written into the interpreter", Unit::Nanoseconds, calls / 200);
    let mut nothing = Row::new("component: no value (the call itself)", Unit::Nanoseconds, calls);
    let mut pristine = Row::new("pristine instance + six values", Unit::Nanoseconds, calls / 20);
    let mut cached = Row::new("load from the cache, describe included", Unit::Milliseconds, 5);
    let mut compile = Row::new("compile and admit", Unit::Milliseconds, 1);
    let mut runaway = Row::new("runaway stopped", Unit::Milliseconds, 1);
    for _ in 0..rounds {
        plain.round(|| drop(black_box(native(black_box(&payload)))));
        sandbox.round(|| drop(black_box(reused.decode(&codec, &card, black_box(&payload), &origin))));
        by_layout.round(|| drop(black_box(reused.decode(&drawn, &card, black_box(&payload), &origin))));
        patch.round(|| drop(black_box(layout.component())));
        nothing.round(|| drop(black_box(reused.decode(&hostile, &card, NOTHING, &origin))));
        pristine.round(|| drop(black_box(fresh.decode(&fresh_codec, &card, black_box(&payload), &origin))));
        cached.round(|| drop(black_box(restarted.load(&component))));
        compile.round(|| drop(black_box(uncached.load(&component))));
        runaway.round(|| {
            let stopped = reused.decode(&hostile, &card, LOOP, &origin);
            assert!(matches!(stopped, Err(CallError::Deadline { .. })), "{stopped:?}");
        });
    }

    println!(
        "decode, {} bytes, {rounds} rounds; component {} bytes, of a layout {}",
        payload.len(),
        component.len(),
        patched.len()
    );
    let rows = [&plain, &sandbox, &by_layout, &patch, &nothing, &pristine, &cached, &compile, &runaway];
    rows.iter().for_each(|row| row.print());
    println!("{:<44}{:>12.2}", "component / native", sandbox.median() / plain.median());
    println!("{:<44}{:>12.2}", "layout / component", by_layout.median() / sandbox.median());
}

const PROFILE: &str = r#"{"manufacturerId": "A", "model": "M", "deviceType": "D", "services": [{"serviceId": "Meter", "properties": [
  {"name": "volume", "type": "long"}, {"name": "flow", "type": "decimal"}, {"name": "temperature", "type": "decimal"},
  {"name": "battery", "type": "int"}, {"name": "valveOpen", "type": "boolean"}, {"name": "day", "type": "int"}]}]}"#;

const LAYOUT: &str = r#"{"version": "1.0.0", "lengths": "strict", "messages": [{"name": "m", "kind": "report", "service": "Meter", "fields": [
  {"name": "start", "type": "const", "default": "0001"}, {"name": "volume", "type": "int32u"},
  {"name": "flow", "type": "int32s", "scale": 0.01}, {"name": "temperature", "type": "int16s", "scale": 0.1},
  {"name": "battery", "type": "int16u"}, {"name": "valveOpen", "type": "bool"}, {"name": "day", "type": "int16u"},
  {"name": "spare", "type": "padding", "length": 1},
  {"name": "crc", "type": "check", "algorithm": "crc16-modbus", "byteOrder": "little"}]}]}"#;

/// Builds a codec as authors do; `dir` is relative to this package.
fn build(dir: &str) -> Vec<u8> {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("codecs");
    let built = build_component(&Path::new(env!("CARGO_MANIFEST_DIR")).join(dir), &target);
    std::fs::read(built.expect("the codec compiles")).expect("what was just built can be read")
}

/// A frame whose CRC fits.
fn payload() -> Vec<u8> {
    let mut payload = vec![0, 1];
    payload.extend(1_234_567u32.to_be_bytes());
    payload.extend((-150i32).to_be_bytes());
    payload.extend(215i16.to_be_bytes());
    payload.extend(3_600u16.to_be_bytes());
    payload.extend([1, 0x4c, 0xdb, 0]);
    let crc = MODBUS.of(&payload);
    payload.extend(crc.to_le_bytes());
    payload
}
