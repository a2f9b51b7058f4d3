//! What happens when it goes wrong: a second gateway, a half snapshot, a newer folder, a disk that fails, a full queue.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

fn open_error(dir: &Path) -> String {
    Store::open(dir, &config(), NOW).unwrap_err().to_string()
}

#[test]
fn a_second_gateway_on_the_folder_is_told_so() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let error = open_error(dir.path());
    assert!(error.contains("another codecgate is using it") && error.contains(&*dir.path().to_string_lossy()), "{error}");
    drop(store);
    open(dir.path());
}

#[test]
fn a_folder_that_cannot_be_used_is_explained() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("file"), b"").unwrap();
    let error = open_error(&dir.path().join("file"));
    assert!(error.contains("choose a folder"), "{error}");
}

#[test]
fn a_snapshot_that_a_kill_left_half_written_does_not_brick_the_folder() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_blocking(events(vec![report(1, 1)])).unwrap();
    drop(store);
    let half = dir.path().join("sled/snap.00000000000FFFFF.generating");
    std::fs::write(&half, b"").unwrap();
    assert_eq!(all_events(&open(dir.path())).len(), 1);
    assert!(!half.exists());
}

#[test]
fn a_folder_of_a_newer_version_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let key = crate::store::keys::key(crate::store::keys::Kind::Meta, &[b"schema"]);
    store.shared.engine.state.insert(key, &9_u32.to_be_bytes()).unwrap();
    drop(store);
    let error = open_error(dir.path());
    assert!(error.contains("schema 9") && error.contains("newer codecgate"), "{error}");
}

#[test]
fn a_damaged_database_is_an_error_and_not_a_panic() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    store.commit_blocking(events(vec![report(1, 1)])).unwrap();
    drop(store);
    std::fs::write(dir.path().join("sled/conf"), [0xff; 64]).unwrap();
    let error = open_error(dir.path());
    assert!(error.contains("cannot be read"), "{error}");
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_any_more() {
    let dir = tempfile::tempdir().unwrap();
    let is_full = Arc::new(AtomicBool::new(false));
    let probe = Arc::clone(&is_full);
    let sync: SyncStep =
        Box::new(move || if probe.load(Ordering::SeqCst) { Err(io::Error::from(io::ErrorKind::StorageFull)) } else { Ok(()) });
    let store = open_with(dir.path(), 1_000, Some(sync));
    store.commit_blocking(events(vec![report(1, 1)])).unwrap();
    let head = store.last_event();
    is_full.store(true, Ordering::SeqCst);
    let answers = commit_all(&store, (0..5).map(|n| events(vec![report(1, n)])).collect());
    assert!(
        answers.iter().all(|answer| matches!(answer, Err(StoreError::Fatal(text)) if text.contains("no storage space"))),
        "{answers:?}"
    );
    is_full.store(false, Ordering::SeqCst);
    assert!(matches!(store.commit_blocking(events(vec![report(1, 9)])), Err(StoreError::Fatal(_))), "never tried again");
    let done = Box::new(|_| ());
    assert_eq!(store.submit(vec![Submission { commit: Commit::default(), done }]).unwrap_err().len(), 1);
    assert_eq!(store.last_event(), head, "subscribers see nothing that is not durable");
    assert_eq!(all_events(&store).len(), 1);
    assert!(store.health().fatal.is_some_and(|text| text.contains("no storage space")));
    assert!(store.close().is_err());
}

#[test]
fn a_panic_inside_a_commit_is_fatal_and_a_panicking_listener_is_not() {
    let dir = tempfile::tempdir().unwrap();
    let panics = Arc::new(AtomicBool::new(false));
    let probe = Arc::clone(&panics);
    let sync: SyncStep = Box::new(move || if probe.load(Ordering::SeqCst) { panic!("page table is broken") } else { Ok(()) });
    let store = open_with(dir.path(), 1_000, Some(sync));
    let done = Box::new(|_| panic!("a bug of the listener"));
    store.submit(vec![Submission { commit: events(vec![report(1, 0)]), done }]).unwrap();
    store.commit_blocking(events(vec![report(1, 1)])).unwrap();
    panics.store(true, Ordering::SeqCst);
    let answer = store.commit_blocking(events(vec![report(1, 2)]));
    assert!(matches!(&answer, Err(StoreError::Fatal(text)) if text.contains("page table is broken")), "{answer:?}");
}

#[test]
fn a_full_queue_hands_everything_back_and_close_loses_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (enter, entered) = sync_channel::<()>(0);
    let (leave, left) = sync_channel::<()>(0);
    let mut is_first = true;
    let sync: SyncStep = Box::new(move || {
        if std::mem::take(&mut is_first) {
            enter.send(()).unwrap();
            left.recv().unwrap();
        }
        Ok(())
    });
    let (engine, _) = Engine::open(dir.path(), &config()).unwrap();
    let small = StoreConfig { queue: 10, ..config() };
    let store = Store::start(engine, sync, &small, NOW, 1_000).unwrap();
    let (tell, told) = sync_channel(100);
    let batch = |count: u64| -> Vec<Submission> {
        let one = |n| {
            let tell = tell.clone();
            Submission { commit: events(vec![report(1, n)]), done: Box::new(move |answer| tell.send(answer).unwrap()) }
        };
        (0..count).map(one).collect()
    };
    store.submit(batch(1)).unwrap();
    entered.recv().unwrap();
    store.submit(batch(8)).unwrap();
    assert_eq!(store.submit(batch(3)).unwrap_err().len(), 3);
    store.submit(batch(2)).unwrap();
    assert_eq!(store.health().queued, 10);
    assert_eq!(store.commit_blocking(Commit::default()), Err(StoreError::Busy));
    leave.send(()).unwrap();
    store.close().unwrap();
    assert_eq!(told.try_iter().filter(Result::is_ok).count(), 11);
    assert!(matches!(store.commit_blocking(Commit::default()), Err(StoreError::Fatal(text)) if text.contains("closed")));
    assert_eq!(all_events(&store).len(), 11);
}

#[tokio::test]
async fn commit_can_be_awaited_and_a_relaxed_store_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let relaxed = StoreConfig { durability: Durability::Relaxed, ..config() };
    let store = Store::open(dir.path(), &relaxed, NOW).unwrap();
    let mut watch = store.watch_events();
    let (committed, changed) = tokio::join!(store.commit(events(vec![report(1, 1)])), watch.changed());
    assert!(committed.is_ok() && changed.is_ok());
    assert_eq!(store.health().durability, Durability::Relaxed);
    assert!(store.health().disk_bytes > 0);
    store.close().unwrap();
    drop(store);
    assert_eq!(all_events(&open(dir.path())).len(), 1);
}
