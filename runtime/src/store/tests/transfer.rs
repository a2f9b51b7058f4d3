//! Export and import: everything comes over, nothing half.

use super::*;
use crate::model::{Scope, Secret, Subscription, SubscriptionId};
use crate::presence::{DeviceState, Presence};

fn filled(dir: &Path) -> Store {
    let store = open(dir);
    let subscription = Subscription {
        id: SubscriptionId(4),
        url: "http://localhost/".to_owned(),
        secret: Secret::new("hidden"),
        scope: Scope::Device(DeviceId(1)),
        kinds: vec![EventKind::Report],
        created: NOW,
    };
    let start = vec![
        Write::PutProduct(product(1), Expect::Absent),
        Write::PutDevice(device(1, 1), Expect::Absent),
        Write::PutDevice(device(8, 1), Expect::Absent),
        Write::PutPresence(Presence::of(&device(8, 1))),
        Write::PutPresence(Presence { state: DeviceState::Abnormal, ..Presence::of(&device(1, 1)) }),
        Write::PutCommand(command(1, 1, CommandState::Sent), Expect::Absent),
        Write::PutSubscription(subscription),
        Write::DeleteDevice(DeviceId(8)),
    ];
    store.commit_blocking(writes(start)).unwrap();
    for round in 0..30 {
        let facts = (0..50).map(|n| fact(EventKind::Report, n % 3, NOW.plus_ms(round * DAY / 10), round * 50 + n));
        store.commit_blocking(events(facts.collect())).unwrap();
    }
    let mut large = report(1, 0);
    large.body = format!("\"{}\"", "ab".repeat(500_000));
    store.commit_blocking(events(vec![large])).unwrap();
    store.commit_blocking(writes(vec![Write::PutCursor(SubscriptionId(4), all_events(&store)[77].id)])).unwrap();
    store.put_file(b"component").unwrap();
    store
}

#[test]
fn an_export_imported_elsewhere_is_the_same_store() {
    let (dir, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = filled(dir.path());
    let mut export = Vec::new();
    let lines = store.export(&mut export).unwrap();
    assert_eq!(export.iter().filter(|byte| **byte == b'\n').count() as u64, lines);

    let copy = open(other.path());
    assert_eq!(copy.import(&mut &*export), Ok(lines));
    assert!(matches!(copy.import(&mut &*export), Err(StoreError::Exists(_))), "only into an empty store");
    copy.commit_blocking(events(vec![fact(EventKind::Report, 1, NOW.plus_ms(3 * DAY), 0)])).unwrap();
    drop(copy);
    let copy = open(other.path());
    assert_eq!(copy.next_device_id(), DeviceId(9), "the deleted device's number is not given again");
    let before = all_events(&store);
    let after = all_events(&copy);
    assert_eq!(after.get(..before.len()), Some(&*before));
    assert_eq!(after.len(), before.len() + 1);
    assert_eq!(copy.cursor(SubscriptionId(4)), store.cursor(SubscriptionId(4)));
    assert_eq!(copy.next_commands(DeviceId(1), 1).unwrap()[0].doc, store.next_commands(DeviceId(1), 1).unwrap()[0].doc);
    assert_eq!(copy.subscriptions(), store.subscriptions());
    assert_eq!(copy.presence(&device(1, 1)).unwrap().state, DeviceState::Abnormal);
    assert_eq!(copy.presence(&device(8, 1)), Ok(Presence::of(&device(8, 1))), "that of a deleted device went with it");
    assert_eq!(copy.device_by_endpoint("dev-1"), store.device_by_endpoint("dev-1"));
    assert_eq!(copy.file(blake3::hash(b"component").to_hex().as_str()).unwrap().as_deref(), Some(&b"component"[..]));
    assert_index_equals_blocks(&copy);
    let mut again = Vec::new();
    store.export(&mut again).unwrap();
    assert_eq!(again, export, "an export of the same store is the same text");
}

#[test]
fn a_broken_export_names_its_line_and_the_half_store_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(dir.path());
    let mut export = Vec::new();
    store.export(&mut export).unwrap();
    let lines: Vec<&[u8]> = export.split_inclusive(|byte| *byte == b'\n').collect();
    let without_end = lines[..lines.len() - 1].concat();
    let mut bad_line = lines.clone();
    bad_line[40] = b"{\"event\":7}\n";
    let mut missing_event = lines.clone();
    missing_event.remove(61);
    for (broken, place) in [
        (without_end, "cut off"),
        (bad_line.concat(), "line 41"),
        (missing_event.concat(), "line 62"),
        (b"{}\n".to_vec(), "line 1"),
    ] {
        let other = tempfile::tempdir().unwrap();
        let copy = open(other.path());
        let error = copy.import(&mut &*broken).unwrap_err();
        assert!(error.to_string().contains(place), "{error}");
        drop(copy);
        let reopened = Store::open(other.path(), &config(), NOW);
        assert_eq!(reopened.is_err(), place != "line 1", "nothing was taken before the header was understood");
    }
}
