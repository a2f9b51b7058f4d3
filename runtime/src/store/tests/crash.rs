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

fn assert_nothing_lost(store: &Store, acked: &HashSet<u64>) {
    let number = |event: &Event| event.fact.body[5..event.fact.body.len() - 1].parse::<u64>().unwrap();
    let numbers: Vec<u64> = all_events(store).iter().map(number).collect();
    let present: HashSet<u64> = numbers.iter().copied().collect();
    assert_eq!(present.len(), numbers.len(), "nothing twice");
    for n in acked {
        assert!(present.contains(n), "{n} was acknowledged and is gone");
    }
    for n in present.iter().filter(|n| ninth(**n)) {
        assert!(store.device(DeviceId(n + 1)).unwrap().is_some(), "the event of {n} without its document");
    }
    assert_index_equals_blocks(store);
}

fn writer(dir: &Path, first: u64, program: &mut Child) -> std::process::Child {
    program
        .args(["--exact", "store::tests::crash::crash_writer", "--nocapture"])
        .envs([(DIR, dir.as_os_str()), (FIRST, first.to_string().as_ref())])
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

/// Not a test by itself: the process that is killed. Does nothing without its environment.
#[test]
fn crash_writer() {
    let (Ok(dir), Ok(first)) = (std::env::var(DIR), std::env::var(FIRST)) else { return };
    let mut out = std::io::stderr().lock();
    out.write_all(b"opening\n").unwrap();
    let store = open_with(Path::new(&dir), 700, None);
    let _ = store.commit_blocking(writes(vec![Write::PutProduct(product(1), Expect::Absent)]));
    let next = Arc::new(AtomicU64::new(first.parse().unwrap()));
    let (tell, told) = sync_channel(4_096);
    let submit = |n: u64| {
        let tell = tell.clone();
        let done = Box::new(move |answer: Result<(), StoreError>| tell.send(answer.map(|()| n)).unwrap());
        store.submit(vec![Submission { commit: numbered(n), done }]).map_err(drop)
    };
    for _ in 0..IN_FLIGHT {
        submit(next.fetch_add(1, Ordering::Relaxed)).unwrap();
    }
    for answer in &told {
        let line = match &answer {
            Ok(n) => format!("acked {n}\n"),
            Err(fault) => format!("failed: {fault}\n"),
        };
        // In one write: a kill leaves the line whole or away.
        out.write_all(line.as_bytes()).unwrap();
        if answer.is_err() {
            break;
        }
        // Not taken any more: the failure is among the answers to come.
        let _ = submit(next.fetch_add(1, Ordering::Relaxed));
    }
    let fatal = store.health().fatal.unwrap();
    assert_eq!(store.close(), Err(StoreError::Fatal(fatal)));
    drop(store);
    out.write_all(b"stopped\n").unwrap();
}

/// Until sled writes its snapshot, the moment at which a kill leaves half of one; or not at all, when the disk was quicker.
fn wait_for_half_snapshot(dir: &Path) {
    for _ in 0..3_000 {
        let names = std::fs::read_dir(dir.join("sled")).into_iter().flatten().flatten().map(|entry| entry.file_name());
        if names.into_iter().any(|name| name.to_string_lossy().ends_with(".generating")) {
            return;
        }
    }
}

#[test]
fn what_was_acknowledged_survives_kill_9() {
    let dir = tempfile::tempdir().unwrap();
    let mut acked = HashSet::new();
    for round in 0..ROUNDS {
        let first = acked.iter().max().map_or(0, |last| last + 2 * IN_FLIGHT);
        let mut child = writer(dir.path(), first, &mut Child::new(std::env::current_exe().unwrap()));
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        // Some rounds die young, some in the middle of a checkpoint.
        let dies_opening = round % 3 == 2;
        let lives = 1 + u64::from(blake3::hash(&round.to_be_bytes()).as_bytes()[0]) * 12;
        let mut of_round = 0;
        for line in lines.by_ref() {
            let line = line.unwrap();
            if line == "opening" {
                if dies_opening {
                    wait_for_half_snapshot(dir.path());
                    child.kill().unwrap();
                }
                continue;
            }
            let Some(n) = line.strip_prefix("acked ") else { panic!("the writer says: {line}") };
            acked.insert(n.parse::<u64>().unwrap());
            of_round += 1;
            if of_round == lives {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(of_round >= lives || dies_opening);

        let store = open_with(dir.path(), 700, None);
        assert_nothing_lost(&store, &acked);
        assert_eq!(blob_files(dir.path()), 0);
        if round % 2 == 0 {
            // As the writer was: without the checkpoint of an orderly stop.
            store.shared.fatal.set("stopped by the test".to_owned()).unwrap();
        }
    }
}

/// A limit on the size of files stands for the full disk: sled's writes fail in the middle of the load.
#[cfg(unix)]
#[test]
fn a_disk_that_fills_up_stops_the_acknowledgements_and_loses_none() {
    let dir = tempfile::tempdir().unwrap();
    let program = std::env::current_exe().unwrap();
    let mut shell = Child::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 5000; exec \"$0\" \"$@\""]).arg(program);
    let mut child = writer(dir.path(), 0, &mut shell);
    let lines = BufReader::new(child.stderr.take().unwrap()).lines().map(Result::unwrap);
    let (acks, said): (Vec<String>, Vec<String>) = lines.partition(|line| line.starts_with("acked "));
    assert!(child.wait().unwrap().success(), "{said:?}");
    let [opening, .., failed, stopped] = &*said else { panic!("the writer says: {said:?}") };
    assert_eq!((&**opening, &**stopped), ("opening", "stopped"), "{said:?}");
    assert!(failed.starts_with("failed: the store has failed") && failed.contains("File too large"), "{failed}");
    let acked: HashSet<u64> = acks.iter().map(|line| line["acked ".len()..].parse().unwrap()).collect();
    assert!(acked.len() > 1_000);
    assert_nothing_lost(&open_with(dir.path(), 700, None), &acked);
}
