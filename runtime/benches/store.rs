//! Durable commits per second: the store against a plain file that appends and syncs in the same groups, in the same run.
//!
//! One commit is one uplink as the gateway writes it (a report with 20 raw bytes and a decoded body), from 10,000 devices in turn, or from a million that speak once.
//! A fixed number is in flight: an acknowledgement at once brings the next commit. `cargo bench -p codecgate --bench store`, `-- --quick`
//! for a short look. State the in-flight count and the disk's sync time (printed) with every figure.

#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    clippy::print_stdout,
    clippy::as_conversions,
    reason = "a bench measures time, prints, and stops at the first fault"
)]

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use codecgate::model::{DeviceId, EventKind, NewEvent, ProductId, Timestamp};
use codecgate::store::{Commit, Durability, Store, StoreConfig, Submission};

/// As the committer groups.
const GROUP: usize = 512;

fn main() {
    let is_quick = std::env::args().any(|argument| argument == "--quick");
    let (rounds, span) = if is_quick { (1, Duration::from_millis(500)) } else { (5, Duration::from_secs(2)) };
    let dir = tempfile::tempdir_in(".").unwrap();
    println!("fdatasync of 4 KiB: {:.2} ms (median of 50)", sync_ms(dir.path()));
    for (in_flight, devices) in [(1, 10_000), (64, 10_000), (256, 10_000), (1_024, 10_000), (4_096, 10_000), (1_024, 1_000_000)] {
        let mut pairs: Vec<(f64, f64, f64)> = (0..rounds)
            .map(|round| {
                let (store, cpu_us) =
                    store_rate(&dir.path().join(format!("{in_flight}-{devices}-{round}")), in_flight, devices, span);
                (store, file_rate(dir.path(), in_flight, devices, span), cpu_us)
            })
            .collect();
        pairs.sort_by(|one, other| (one.0 / one.1).total_cmp(&(other.0 / other.1)));
        let (store, file, cpu_us) = pairs[pairs.len() / 2];
        println!(
            "{in_flight:>5} in flight, {devices:>7} devices: store {store:>8.0}/s, plain append + fdatasync {file:>8.0}/s, ratio {:.2}, {cpu_us:.1} us CPU a commit",
            store / file
        );
    }
}

fn uplink(n: u64, devices: u64) -> NewEvent {
    let device = n.wrapping_mul(7_919) % devices;
    NewEvent {
        kind: EventKind::Report,
        device: DeviceId(device),
        endpoint: format!("urn:imei:86{device:013}"),
        product: ProductId(1),
        time: Timestamp(1_700_000_000_000 + n / 100),
        raw: Some([&n.to_be_bytes()[..], &device.to_be_bytes(), b"\x01\x02\x03\x04"].concat()),
        body: format!(
            "{{\"services\":[{{\"serviceId\":\"WaterMeter\",\"properties\":{{\"volume\":{},\"flow\":{},\"battery\":{},\"temperature\":{},\
             \"status\":0,\"serial\":\"{device:010}\"}}}}],\"codec\":\"water-meter 1.0.0\"}}",
            n * 37 % 1_000_000,
            n % 997,
            n % 100,
            n % 40
        ),
    }
}

/// Durable commits per second, and processor time of the whole process per commit.
fn store_rate(dir: &Path, in_flight: u64, devices: u64, span: Duration) -> (f64, f64) {
    let config = StoreConfig { cache_mib: 64, retention_days: 7, durability: Durability::Durable, queue: 8_192 };
    let store = Store::open(dir, &config, Timestamp(1_700_000_000_000)).unwrap();
    let (tell, told) = sync_channel(8_192);
    let submission = |n: u64, tell: SyncSender<()>| Submission {
        commit: Commit { events: vec![uplink(n, devices)], writes: Vec::new() },
        done: Box::new(move |answer| {
            answer.unwrap();
            // The receiver is gone when the span has ended.
            let _ = tell.try_send(());
        }),
    };
    let mut next = in_flight;
    store.submit((0..in_flight).map(|n| submission(n, tell.clone())).collect()).unwrap();
    let (begin, cpu) = (Instant::now(), cpu_seconds());
    let mut done = 0_u64;
    while begin.elapsed() < span {
        let count = drain(&told);
        done += count;
        // As a socket does: what came back together leaves together.
        store.submit((next..next + count).map(|n| submission(n, tell.clone())).collect()).unwrap();
        next += count;
    }
    let rate = done as f64 / begin.elapsed().as_secs_f64();
    let cpu_us = (cpu_seconds() - cpu) * 1e6 / done as f64;
    store.close().unwrap();
    (rate, cpu_us)
}

fn drain(told: &Receiver<()>) -> u64 {
    told.recv().unwrap();
    1 + told.try_iter().take(128).count() as u64
}

/// The floor of any log: the same bytes uncompressed, grouped alike, appended and synced.
fn file_rate(dir: &Path, in_flight: u64, devices: u64, span: Duration) -> f64 {
    let mut file = File::create(dir.join("plain")).unwrap();
    let (submit, queue) = sync_channel::<NewEvent>(8_192);
    let (tell, told) = sync_channel::<()>(8_192);
    let writer = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        while let Ok(first) = queue.recv() {
            bytes.clear();
            let mut count = 0;
            for event in std::iter::once(first).chain(queue.try_iter().take(GROUP - 1)) {
                bytes.extend_from_slice(&event.device.0.to_be_bytes());
                bytes.extend_from_slice(event.endpoint.as_bytes());
                bytes.extend_from_slice(event.raw.as_deref().unwrap_or_default());
                bytes.extend_from_slice(event.body.as_bytes());
                count += 1;
            }
            file.write_all(&bytes).unwrap();
            file.sync_data().unwrap();
            for _ in 0..count {
                let _ = tell.try_send(());
            }
        }
    });
    for n in 0..in_flight {
        submit.send(uplink(n, devices)).unwrap();
    }
    let (begin, mut next, mut done) = (Instant::now(), in_flight, 0_u64);
    while begin.elapsed() < span {
        let count = drain(&told);
        done += count;
        for n in next..next + count {
            submit.send(uplink(n, devices)).unwrap();
        }
        next += count;
    }
    let rate = done as f64 / begin.elapsed().as_secs_f64();
    drop(submit);
    writer.join().unwrap();
    rate
}

fn sync_ms(dir: &Path) -> f64 {
    let mut file = File::create(dir.join("sync")).unwrap();
    let mut times: Vec<f64> = (0..50)
        .map(|_| {
            file.write_all(&[1; 4_096]).unwrap();
            let begin = Instant::now();
            file.sync_data().unwrap();
            begin.elapsed().as_secs_f64() * 1e3
        })
        .collect();
    times.sort_by(f64::total_cmp);
    times[25]
}

/// User and system time of this process so far; 0 where there is no /proc.
fn cpu_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    (ticks(11) + ticks(12)) / 100.0
}
