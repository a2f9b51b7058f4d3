//! kill -9 at any moment: what was acknowledged is there, and the index says what the blocks say.
//!
//! The test starts its own binary again as a writer, reads the numbers that the writer prints after their commit, kills it, and
//! looks. The folder is kept over the rounds, so kills hit recovery and checkpoints of a store with a past.

use std::collections::HashSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command as Child, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::*;

const DIR: &str = "CODECGATE_STORE_CRASH_DIR";
const FIRST: &str = "CODECGATE_STORE_CRASH_FIRST";
const ROUNDS: u64 = 10;
const IN_FLIGHT: u64 = 64;

fn ninth(n: u64) -> bool {
    n.is_multiple_of(9)
}

/// Device `n` exists if `n` is acknowledged and every ninth; its event is in the log in any case.
fn numbered(n: u64) -> Commit {
    // A day passes every 4,000 commits.
    let event = fact(EventKind::Report, n % 50, NOW.plus_ms(n / 4_000 * DAY), n);
    let put = ninth(n).then(|| Write::PutDevice(device(n + 1, 1), Expect::Absent));
    Commit { events: vec![event], writes: put.into_iter().collect() }
}

/// Not a test by itself: the process that is killed. Does nothing without its environment.
#[test]
fn crash_writer() {
    let (Ok(dir), Ok(first)) = (std::env::var(DIR), std::env::var(FIRST)) else { return };
    let store = open_with(Path::new(&dir), 700, None);
    let _ = store.commit_blocking(writes(vec![Write::PutProduct(product(1), Expect::Absent)]));
    let next = Arc::new(AtomicU64::new(first.parse().unwrap()));
    let (tell, told) = sync_channel(1_024);
    let submit = |n: u64| {
        let tell = tell.clone();
        let done = Box::new(move |answer: Result<(), StoreError>| {
            answer.unwrap();
            tell.send(n).unwrap();
        });
        store.submit(vec![Submission { commit: numbered(n), done }]).unwrap();
    };
    for _ in 0..IN_FLIGHT {
        submit(next.fetch_add(1, Ordering::Relaxed));
    }
    let mut out = std::io::stderr().lock();
    for n in told {
        // In one write: a kill leaves the line whole or away.
        out.write_all(format!("acked {n}\n").as_bytes()).unwrap();
        submit(next.fetch_add(1, Ordering::Relaxed));
        if n.is_multiple_of(3_001) {
            store.expire(NOW).unwrap();
        }
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acked = HashSet::new();
    for round in 0..ROUNDS {
        let first = acked.iter().max().map_or(0, |last| last + 2 * IN_FLIGHT);
        let mut child = Child::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::crash::crash_writer", "--nocapture"])
            .envs([(DIR, dir.path().as_os_str()), (FIRST, first.to_string().as_ref())])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Some rounds die young, some in the middle of a checkpoint.
        let lives = 1 + u64::from(blake3::hash(&round.to_be_bytes()).as_bytes()[0]) * 12;
        let mut of_round = 0;
        for line in lines.by_ref() {
            let line = line.unwrap();
            let Some(n) = line.strip_prefix("acked ") else { panic!("the writer says: {line}") };
            acked.insert(n.parse::<u64>().unwrap());
            of_round += 1;
            if of_round == lives {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(of_round >= lives);

        let store = open_with(dir.path(), 700, None);
        let stored = all_events(&store);
        let numbers: Vec<u64> =
            stored.iter().map(|event| event.fact.body[5..event.fact.body.len() - 1].parse().unwrap()).collect();
        let present: HashSet<u64> = numbers.iter().copied().collect();
        assert_eq!(present.len(), numbers.len(), "nothing twice");
        for n in &acked {
            assert!(present.contains(n), "round {round}: {n} was acknowledged and is gone");
        }
        for n in present.iter().filter(|n| ninth(**n)) {
            assert!(store.device(DeviceId(n + 1)).unwrap().is_some(), "round {round}: the event of {n} without its document");
        }
        assert_index_equals_blocks(&store);
        assert_eq!(blob_files(dir.path()), 0);
        if round % 2 == 0 {
            // As the writer was: without the checkpoint of an orderly stop.
            store.shared.fatal.set("stopped by the test".to_owned()).unwrap();
        }
    }
}
