//! `plugin bench`: what each vector costs in the gateway's host. Fuel is the figure to compare between machines and commits; times
//! are of this machine, now, and include reading the clock twice.

use std::time::Duration;

use super::args::BenchArgs;
use super::plugin::Bench;
use super::prove::documents;
use super::{Exit, Failure, Streams};
use crate::admission::Runner;
use crate::clock;
use crate::codec::{Host, Isolation, Limits};
use crate::vectors::{Answer, Vector};

/// Calls that are thrown away: caches and branch predictors learn.
const WARM: u32 = 500;
/// Calls with a pristine instance each.
const PRISTINE: u32 = 300;

pub(super) fn bench(args: &BenchArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let bench = Bench::new(&args.dir, streams)?;
    let documents = documents(&args.dir, streams)?;
    let refused = |refusal| Failure::failed("no host to measure in").because(refusal);
    let fresh = Host::new(Limits { isolation: Isolation::Fresh, ..bench.host.limits().clone() }, None).map_err(refused)?;
    let metered = Host::metered(bench.host.limits().clone()).map_err(refused)?;
    let begin = clock::monotonic();
    let pristine = fresh.load(&bench.component).map_err(refused)?;
    let compiled = clock::monotonic().duration_since(begin);
    let counted = metered.load(&bench.component).map_err(refused)?;

    writeln!(streams.out, "{:<60} {:>9} {:>9} {:>9} {:>9} {:>9}", "vector", "median ns", "p99 ns", "fresh ns", "fuel", "KiB")?;
    let mut live = Runner::new(&bench.codec, &bench.plan, &bench.host);
    let mut alone = Runner::new(&pristine, &bench.plan, &fresh);
    let mut broken = 0_usize;
    for vector in documents.iter().flat_map(|(_, vectors)| vectors) {
        let cost = Runner::new(&counted, &bench.plan, &metered).run(vector).cost;
        if let Answer::Broken(why) = live.run(vector).answer {
            broken += 1;
            writeln!(streams.out, "{:<60} {why}", shown(&vector.name))?;
            continue;
        }
        times(&mut live, vector, WARM);
        let called = times(&mut live, vector, args.calls);
        let first = times(&mut alone, vector, PRISTINE);
        writeln!(
            streams.out,
            "{:<60} {:>9} {:>9} {:>9} {:>9} {:>9}",
            shown(&vector.name),
            at(&called, 50),
            at(&called, 99),
            at(&first, 50),
            cost.fuel.unwrap_or_default(),
            cost.memory_bytes >> 10
        )?;
    }
    if cfg!(debug_assertions) {
        writeln!(
            streams.err,
            "this codecgate is a debug build: its share of each call is ten times that of a gateway (cargo run --release)"
        )?;
    }
    writeln!(
        streams.out,
        "component {} bytes, compiled and admitted in {} ms; compare fuel, the times are of this machine",
        bench.component.len(),
        compiled.as_millis()
    )?;
    Ok(if broken == 0 { Exit::Done } else { Exit::Failed })
}

/// Times of so many calls, the shortest first.
fn times(runner: &mut Runner<'_>, vector: &Vector, calls: u32) -> Vec<Duration> {
    let mut times: Vec<Duration> = (0..calls).map(|_| runner.run(vector).took).collect();
    times.sort_unstable();
    times
}

/// Nanoseconds within which so many per cent of the calls were done.
fn at(times: &[Duration], percent: usize) -> u128 {
    let index = (times.len() * percent / 100).min(times.len().saturating_sub(1));
    times.get(index).map_or(0, Duration::as_nanos)
}

/// As much of a name as the column takes.
fn shown(name: &str) -> String {
    if name.chars().count() <= 60 { name.to_owned() } else { name.chars().take(59).chain(['…']).collect() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_of_the_sorted_times() {
        let times: Vec<Duration> = (1..=200).map(Duration::from_nanos).collect();
        assert_eq!((at(&times, 50), at(&times, 99), at(&times, 100)), (101, 199, 200));
        assert_eq!(at(&[], 50), 0);
    }

    #[test]
    fn long_names_are_cut_at_a_character() {
        assert_eq!(shown("表"), "表");
        assert_eq!(shown(&"表".repeat(61)).chars().count(), 60);
    }
}
