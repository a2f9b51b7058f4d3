//! What the sandbox costs: the same six-value frame decoded natively and in a component, and the times of a codec's life.
//!
//! `cargo bench --bench decode [-- --quick | --steady]` prints medians of interleaved rounds: a busy moment of the machine
//! then hits all rows. The guest is `tests/hostile-codec`, whose frame parser is compiled natively into this file as well.
#![expect(clippy::expect_used, clippy::disallowed_methods, reason = "a bench reads the clock and stops at any surprise")]

#[path = "../../tests/hostile-codec/src/frame.rs"]
#[expect(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    unreachable_pub,
    dead_code,
    reason = "compiled into the guest too"
)]
mod frame;

use std::collections::BTreeMap;
use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use codecgate::cli::build::build_component;
use codecgate::codec::{CallError, DeviceCard, Host, Instances, Isolation, Limits};
use codecgate::model::{Endpoint, Field, Message, Origin, Report, ReportKind, Value};

/// Behaviours of the guest, first byte of the payload.
const LOOP: &[u8] = &[0x02];
const NOTHING: &[u8] = &[0xff];

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
    let guest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/hostile-codec");
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("codecs");
    let component = build_component(&guest, &target).expect("the guest compiles");
    let component = std::fs::read(component).expect("what was just built can be read");

    let host = Host::new(Limits::default(), Some(folder.path())).expect("a host");
    let codec = host.load(&component).expect("the guest is admitted");
    let mut reused = Instances::new(Arc::clone(&host));
    let fresh_host = Host::new(Limits { isolation: Isolation::Fresh, ..Limits::default() }, None).expect("a host");
    let fresh_codec = fresh_host.load(&component).expect("the guest is admitted");
    let mut fresh = Instances::new(fresh_host);
    let uncached = Host::new(Limits::default(), None).expect("a host");

    let endpoint = Endpoint::new("863703030000001").expect("valid");
    let card = Arc::new(DeviceCard { endpoint, attributes: Arc::new(BTreeMap::new()) });
    let origin = Origin::app_data(1_700_000_000_000);
    let payload = payload();
    assert_eq!(reused.decode(&codec, &card, &payload, &origin).as_ref(), native(&payload).as_ref().ok_or(&refused()));

    if std::env::args().any(|argument| argument == "--steady") {
        // Nothing but the call, for a profiler.
        (0..5_000_000).for_each(|_| drop(black_box(reused.decode(&codec, &card, black_box(&payload), &origin))));
        return;
    }
    let mut plain = Row::new("native: six values, owned", Unit::Nanoseconds, calls);
    let mut sandbox = Row::new("component: six values", Unit::Nanoseconds, calls);
    let mut nothing = Row::new("component: no value", Unit::Nanoseconds, calls);
    let mut pristine = Row::new("pristine instance + six values", Unit::Nanoseconds, calls / 20);
    let mut cached = Row::new("load from the cache, describe included", Unit::Milliseconds, 5);
    let mut compile = Row::new("compile and admit", Unit::Milliseconds, 1);
    let mut runaway = Row::new("runaway stopped", Unit::Milliseconds, 1);
    for _ in 0..rounds {
        plain.round(|| drop(black_box(native(black_box(&payload)))));
        sandbox.round(|| drop(black_box(reused.decode(&codec, &card, black_box(&payload), &origin))));
        nothing.round(|| drop(black_box(reused.decode(&codec, &card, NOTHING, &origin))));
        pristine.round(|| drop(black_box(fresh.decode(&fresh_codec, &card, black_box(&payload), &origin))));
        cached.round(|| drop(black_box(host.load(&component))));
        compile.round(|| drop(black_box(uncached.load(&component))));
        runaway.round(|| {
            let stopped = reused.decode(&codec, &card, LOOP, &origin);
            assert!(matches!(stopped, Err(CallError::Deadline { .. })), "{stopped:?}");
        });
    }

    println!("decode, {} bytes, {rounds} rounds; component {} bytes", payload.len(), component.len());
    let rows = [&plain, &sandbox, &nothing, &pristine, &cached, &compile, &runaway];
    rows.iter().for_each(|row| row.print());
    println!("{:<44}{:>12.2}", "component / native", sandbox.median() / plain.median());
}

fn refused() -> CallError {
    CallError::TooLarge { what: "the frame", size: 0, limit: 0 }
}

fn native(payload: &[u8]) -> Option<Vec<Message>> {
    let reading = frame::parse(payload).ok()?;
    let values = [
        Value::Integer(reading.volume),
        Value::Number(reading.flow),
        Value::Number(reading.temperature),
        Value::Integer(reading.battery),
        Value::Boolean(reading.valve_open),
        Value::Timestamp(reading.day * 86_400_000),
    ];
    let fields = (0..).zip(values).map(|(index, value)| Field { index, value }).collect();
    Some(vec![Message::Report(Report { service: 0, kind: ReportKind::Report, event_time: None, fields, has_more: false })])
}

/// A frame whose CRC fits.
fn payload() -> Vec<u8> {
    let mut payload = vec![0, 1];
    payload.extend(1_234_567u32.to_be_bytes());
    payload.extend((-150i32).to_be_bytes());
    payload.extend(215i16.to_be_bytes());
    payload.extend(3_600u16.to_be_bytes());
    payload.extend([1, 0x4c, 0xdb, 0]);
    let crc = frame::crc16(&payload);
    payload.extend(crc.to_le_bytes());
    payload
}
