//! The log: order, paging, days, retention, the index before and after a restart.

use super::*;

#[test]
fn events_come_back_in_order_forwards_and_per_device_backwards() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 300, None);
    let watch = store.watch_events();
    assert_eq!((store.last_event(), store.events_after(None, 10).unwrap().len()), (None, 0));
    for round in 0..20_u64 {
        let commits = (0..50).map(|n| events(vec![report((round * 50 + n) % 13, round * 50 + n)])).collect();
        assert!(commit_all(&store, commits).iter().all(Result::is_ok));
    }
    let all = all_events(&store);
    let numbers: Vec<_> = all.iter().map(|event| event.fact.body.clone()).collect();
    assert_eq!(numbers, (0..1_000).map(|n| format!("{{\"n\":{n}}}")).collect::<Vec<_>>());
    assert!(all.is_sorted_by_key(|event| event.id));
    assert_eq!(*watch.borrow(), store.last_event());
    assert_eq!(store.last_event(), all.last().map(|event| event.id));
    assert_index_equals_blocks(&store);
    assert_eq!(store.event(all[5].id).unwrap().as_ref(), Some(&all[5]));
    assert_eq!(store.event(EventId { offset: 60_000, ..all[5].id }).unwrap(), None);
    assert!(store.appended().contains(&(EventKind::Report, 1_000)));
}

#[test]
fn large_events_are_kept_whole_and_too_large_ones_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let noise = |n: u32| -> String { (0..n).map(|n| blake3::hash(&n.to_be_bytes()).to_hex().to_string()).collect() };
    let mut large = report(1, 1);
    large.raw = Some(vec![7; 64 << 10]);
    large.body = format!("\"{}\"", noise(32_767));
    let (mut raw, mut body) = (report(1, 2), report(1, 3));
    raw.raw = Some(vec![0; (64 << 10) + 1]);
    body.body = "x".repeat((2 << 20) + 1);
    let answers = commit_all(
        &store,
        vec![events(vec![report(1, 0), large.clone(), report(2, 1)]), events(vec![report(1, 9), raw]), events(vec![body])],
    );
    assert!(
        answers[0].is_ok() && answers[1..].iter().all(|answer| matches!(answer, Err(StoreError::TooLarge(_)))),
        "{answers:?}"
    );
    drop(store);
    let store = open(dir.path());
    let facts: Vec<_> = all_events(&store).into_iter().map(|event| event.fact).collect();
    assert_eq!(facts, [report(1, 0), large, report(2, 1)]);
    assert_eq!(device_history(&store, 1, 10).len(), 2);
    assert_eq!(blob_files(dir.path()), 0);
}

#[test]
fn the_index_after_a_restart_is_the_index_before_it() {
    for orderly in [true, false] {
        let dir = tempfile::tempdir().unwrap();
        let store = open_with(dir.path(), 100, None);
        let mut n = 0;
        for round in 0..12 {
            let facts = (0..40).map(|_| {
                n += 1;
                let kind = if n % 5 == 0 { EventKind::DeadLetter } else { EventKind::Report };
                fact(kind, n * n % 17, NOW.plus_ms(n), n)
            });
            store.commit_blocking(events(facts.collect())).unwrap();
            if round == 6 {
                store.commit_blocking(events(vec![fact(EventKind::Command, 3, NOW.plus_ms(DAY), 0)])).unwrap();
            }
        }
        let seen = |store: &Store| (0..17).map(|id| store.last_seen(DeviceId(id))).collect::<Vec<_>>();
        let letters = |store: &Store| store.dead_letters(None, None, 1_000).unwrap().items;
        let before = (all_events(&store), seen(&store), letters(&store), device_history(&store, 4, 3));
        assert_eq!(before.2.len(), 96);
        if !orderly {
            // As a kill would: the committer stops where it is, without the last checkpoint.
            store.shared.fatal.set("stopped by the test".to_owned()).unwrap();
        }
        drop(store);
        let store = open_with(dir.path(), 100, None);
        assert_eq!((all_events(&store), seen(&store), letters(&store), device_history(&store, 4, 3)), before);
        assert_index_equals_blocks(&store);
    }
}

#[test]
fn dead_letters_are_listed_per_product_and_over_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let letters = (0..30).map(|n| {
        let mut letter = fact(EventKind::DeadLetter, n % 4, NOW, n);
        letter.product = ProductId(u32::try_from(n % 2).unwrap());
        letter
    });
    store.commit_blocking(events(letters.collect())).unwrap();
    let page = store.dead_letters(Some(ProductId(1)), None, 4).unwrap();
    let bodies: Vec<_> = page.items.iter().map(|event| &*event.fact.body).collect();
    assert_eq!(bodies, ["{\"n\":29}", "{\"n\":27}", "{\"n\":25}", "{\"n\":23}"]);
    let rest = store.dead_letters(Some(ProductId(1)), page.next, 100).unwrap();
    assert_eq!((rest.items.len(), rest.next), (11, None));
    assert_eq!(store.dead_letters(None, None, 100).unwrap().items.len(), 30);
}

#[test]
fn the_day_moves_on_and_never_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for (n, time) in [NOW, NOW.plus_ms(DAY), Timestamp(NOW.0 - DAY), NOW.plus_ms(3 * DAY)].into_iter().enumerate() {
        store.commit_blocking(events(vec![fact(EventKind::Report, 1, time, n as u64)])).unwrap();
    }
    let days: Vec<_> = all_events(&store).iter().map(|event| (event.id.day, event.id.block)).collect();
    assert_eq!(days, [(20_000, 0), (20_001, 0), (20_001, 1), (20_003, 0)]);
    assert_index_equals_blocks(&store);
    drop(store);
    let store = open(dir.path());
    store.commit_blocking(events(vec![report(1, 9)])).unwrap();
    assert_eq!(store.last_event().unwrap(), EventId { day: 20_003, block: 1, offset: 0 });
}

#[test]
fn retention_drops_whole_days_and_keeps_what_outlives_them() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let start = vec![
        Write::PutProduct(product(1), Expect::Absent),
        Write::PutDevice(device(1, 1), Expect::Absent),
        Write::PutDevice(device(2, 1), Expect::Absent),
        Write::PutCommand(command(0, 1, CommandState::Successful), Expect::Absent),
        Write::PutCommand(command(1, 1, CommandState::Pending), Expect::Absent),
    ];
    store.commit_blocking(writes(start)).unwrap();
    for day in 0..10 {
        let of = if day == 0 { 2 } else { 1 };
        store.commit_blocking(events(vec![fact(EventKind::Report, of, NOW.plus_ms(day * DAY), day)])).unwrap();
    }
    let first = first_of(&store);
    let now = NOW.plus_ms(9 * DAY);
    assert_eq!(store.expire(now), Ok(2));
    assert_eq!(store.expire(now), Ok(0));
    assert_eq!(first_of(&store).day, 20_002);
    assert_eq!(store.events_after(Some(first), 1).unwrap()[0].id.day, 20_002, "an old cursor goes on with the oldest kept");
    assert_eq!(store.event(first).unwrap(), None);
    assert_eq!(device_history(&store, 1, 3).len(), 8);
    assert_eq!(device_history(&store, 2, 3), []);
    let commands = store.commands(None, None, None, 9).unwrap().items;
    assert_eq!(commands.iter().map(|command| command.state).collect::<Vec<_>>(), [CommandState::Pending]);
    for _ in 0..2 {
        assert_eq!(store.last_seen(DeviceId(1)), Some(now));
        store.close().unwrap();
    }
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.last_seen(DeviceId(2)), Some(NOW), "longer ago than events are kept");
    assert_eq!(store.last_seen(DeviceId(1)), Some(now));
    assert_eq!(store.expire(NOW.plus_ms(90 * DAY)), Ok(7), "the newest day stays");
    assert_index_equals_blocks(&store);
    store.commit_blocking(events(vec![fact(EventKind::Report, 1, NOW.plus_ms(90 * DAY), 0)])).unwrap();
    assert_eq!(store.last_event().unwrap().day, 20_090);
}

#[test]
fn readers_see_only_whole_ordered_prefixes_while_writers_write() {
    let dir = tempfile::tempdir().unwrap();
    let store = open_with(dir.path(), 500, None);
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for round in 0..60_u64 {
                let facts = (0..40).map(|n| fact(EventKind::Report, n % 5, NOW.plus_ms(round * DAY / 20), round * 40 + n));
                store.commit_blocking(events(facts.collect())).unwrap();
            }
        });
        while !writer.is_finished() {
            let seen = all_events(&store);
            assert!(seen.iter().enumerate().all(|(n, event)| event.fact.body == format!("{{\"n\":{n}}}")));
            let history = device_history(&store, 3, 11);
            assert!(history.is_sorted_by(|newer, older| newer.id > older.id));
            assert!(history.len() * 5 >= seen.len());
        }
    });
    assert_eq!(all_events(&store).len(), 2_400);
}

#[test]
fn corrections_are_found_by_the_event_they_correct() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let report = |device| fact(EventKind::Report, device, NOW, device);
    store.commit_blocking(events(vec![report(1), report(2)])).unwrap();
    let originals: Vec<EventId> = all_events(&store).into_iter().map(|event| event.id).collect();
    let correction = |kind, original: EventId, generation: u32| crate::model::NewEvent {
        body: format!("{}{original}\",\"generation\":{generation}}}", crate::model::NewEvent::CORRECTS),
        ..fact(kind, 1, NOW.plus_ms(2 * DAY), 0)
    };
    store.commit_blocking(events(vec![correction(EventKind::Redecoded, originals[0], 2)])).unwrap();
    store.commit_blocking(events(vec![correction(EventKind::Corrected, originals[0], 3)])).unwrap();
    let found = |store: &Store, original| {
        let found = store.corrections(original, 9).unwrap();
        found.into_iter().map(|event| event.fact.kind).collect::<Vec<_>>()
    };
    let expected = [EventKind::Corrected, EventKind::Redecoded];
    assert_eq!((found(&store, originals[0]).as_slice(), found(&store, originals[1])), (expected.as_slice(), vec![]));
    assert_eq!(store.last_seen(DeviceId(1)), Some(NOW), "the device itself did not speak");
    store.close().unwrap();
    drop(store);
    assert_eq!(found(&open(dir.path()), originals[0]), expected);
}
