//! Documents: versions, uniqueness, indexes, numbers that are never given twice.

use super::*;
use crate::model::{Actor, CodecVersion, Registration, Scope, Secret, Subscription, SubscriptionId, VersionNumber};
use crate::store::{CodecRecord, Version};

fn registration(device: u64) -> Registration {
    Registration {
        device: DeviceId(device),
        location: "a/b".to_owned(),
        token: "00".to_owned(),
        peer: "127.0.0.1:5683".parse().unwrap(),
        lifetime_s: 60,
        version: "1.0".to_owned(),
        binding: "U".to_owned(),
        objects: vec!["/19/0".to_owned()],
        formats: Vec::new(),
        observed: false,
        observations: Vec::new(),
        registered: NOW,
        updated: NOW,
        moves: Default::default(),
    }
}

fn subscription(id: u32) -> Subscription {
    Subscription {
        id: SubscriptionId(id),
        url: "http://localhost/".to_owned(),
        secret: Secret::new("s"),
        scope: Scope::All,
        kinds: Vec::new(),
        created: NOW,
    }
}

#[test]
fn a_write_with_a_stale_version_fails_alone_and_its_neighbours_go_on() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let put = |name: &str, expect| {
        let mut changed = device(1, 1);
        changed.name = Some(name.to_owned());
        Commit { events: vec![report(1, 0)], writes: vec![Write::PutDevice(changed, expect)] }
    };
    store.commit_blocking(writes(vec![Write::PutProduct(product(1), Expect::Absent)])).unwrap();
    let answers = commit_all(
        &store,
        vec![
            put("first", Expect::Absent),
            put("again", Expect::Absent),
            put("second", Expect::Version(Version(1))),
            put("stale", Expect::Version(Version(1))),
            events(vec![report(1, 1)]),
        ],
    );
    let conflict = Err(StoreError::Conflict("device"));
    assert_eq!(answers, [Ok(()), conflict.clone(), Ok(()), conflict, Ok(())]);
    let found = store.device(DeviceId(1)).unwrap().unwrap();
    assert_eq!((found.doc.name.as_deref(), found.version), (Some("second"), Version(2)));
    assert_eq!(all_events(&store).len(), 3, "a refused commit leaves no event");
}

#[test]
fn of_many_racing_writers_one_wins_each_version() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let start = vec![Write::PutProduct(product(1), Expect::Absent), Write::PutDevice(device(1, 1), Expect::Absent)];
    store.commit_blocking(writes(start)).unwrap();
    let count = |store: &Store| -> u64 {
        let mut won = 0;
        while won < 20 {
            let found = store.device(DeviceId(1)).unwrap().unwrap();
            let mut next = found.doc;
            let n: u64 = next.name.as_deref().unwrap_or("0").parse().unwrap();
            next.name = Some((n + 1).to_string());
            match store.commit_blocking(writes(vec![Write::PutDevice(next, Expect::Version(found.version))])) {
                Ok(()) => won += 1,
                Err(fault) => assert_eq!(fault, StoreError::Conflict("device")),
            }
        }
        won
    };
    let total: u64 = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..6).map(|_| scope.spawn(|| count(&store))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).sum()
    });
    assert_eq!(store.device(DeviceId(1)).unwrap().unwrap().doc.name, Some(total.to_string()));
}

#[test]
fn unique_keys_are_taken_moved_and_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut twin = product(2);
    twin.key = product(1).key;
    let mut same_endpoint = device(2, 1);
    same_endpoint.endpoint = device(1, 1).endpoint;
    let answers = commit_all(
        &store,
        vec![
            writes(vec![Write::PutProduct(product(1), Expect::Absent)]),
            writes(vec![Write::PutProduct(twin.clone(), Expect::Absent)]),
            writes(vec![Write::PutDevice(device(1, 9), Expect::Absent)]),
            writes(vec![Write::PutDevice(device(1, 1), Expect::Absent)]),
            writes(vec![Write::PutDevice(same_endpoint.clone(), Expect::Absent)]),
            writes(vec![Write::DeleteProduct(ProductId(1))]),
        ],
    );
    assert!(matches!(answers[1], Err(StoreError::Exists(_))) && matches!(answers[4], Err(StoreError::Exists(_))), "{answers:?}");
    assert_eq!([&answers[2], &answers[5]], [&Err(StoreError::Conflict("product")); 2]);

    let mut renamed = device(1, 1);
    renamed.endpoint = Endpoint::new("renamed").unwrap();
    let moves = vec![Write::PutDevice(renamed, Expect::Any), Write::PutDevice(same_endpoint, Expect::Absent)];
    store.commit_blocking(writes(moves)).unwrap();
    assert_eq!(store.device_by_endpoint("renamed").unwrap().unwrap().doc.id, DeviceId(1));
    assert_eq!(store.device_by_endpoint("dev-1").unwrap().unwrap().doc.id, DeviceId(2));
    assert_eq!(store.device_count(ProductId(1)).unwrap(), 2);

    let gone = vec![
        Write::DeleteDevice(DeviceId(1)),
        Write::DeleteDevice(DeviceId(2)),
        Write::DeleteDevice(DeviceId(3)),
        Write::DeleteProduct(ProductId(1)),
        Write::PutProduct(twin, Expect::Absent),
    ];
    store.commit_blocking(writes(gone)).unwrap();
    assert_eq!(store.device_by_endpoint("renamed").unwrap(), None);
    assert_eq!(store.product_by_key(&product(1).key).unwrap().unwrap().doc.id, ProductId(2));
    assert_eq!(store.products().unwrap().len(), 1);
}

#[test]
fn devices_are_paged_in_order_per_product_and_over_all() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut start = vec![Write::PutProduct(product(1), Expect::Absent), Write::PutProduct(product(2), Expect::Absent)];
    start.extend((1..=25).map(|id| Write::PutDevice(device(id, if id % 3 == 0 { 2 } else { 1 }), Expect::Absent)));
    store.commit_blocking(writes(start)).unwrap();
    for (of, wanted) in [(None, 25), (Some(ProductId(1)), 17), (Some(ProductId(2)), 8)] {
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let page = store.devices(of, after, 4).unwrap();
            assert!(page.items.len() <= 4);
            seen.extend(page.items.iter().map(|device| device.id));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen.len(), wanted);
        assert!(seen.is_sorted());
    }
    assert_eq!(store.device_count(ProductId(2)).unwrap(), 8);
}

#[test]
fn the_command_indexes_follow_the_states() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let mut start = vec![Write::PutProduct(product(1), Expect::Absent)];
    start.extend((1..=3).map(|id| Write::PutDevice(device(id, 1), Expect::Absent)));
    for (n, (device, state)) in [
        (1, CommandState::Pending),
        (1, CommandState::Successful),
        (2, CommandState::Delivered),
        (3, CommandState::Sent),
        (1, CommandState::Pending),
    ]
    .into_iter()
    .enumerate()
    {
        start.push(Write::PutCommand(command(n as u64, device, state), Expect::Absent));
    }
    store.commit_blocking(writes(start)).unwrap();
    let open = |device| -> Vec<u64> {
        store.next_commands(DeviceId(device), 9).unwrap().iter().map(|found| number(&found.doc)).collect()
    };
    let listed = |device, state| -> Vec<u64> {
        let (mut all, mut before) = (Vec::new(), None);
        loop {
            let page = store.commands(device, state, before, 1).unwrap();
            all.extend(page.items.iter().map(number));
            before = page.next;
            if before.is_none() {
                return all;
            }
        }
    };
    assert_eq!((open(1), open(2), open(3)), (vec![0, 4], vec![], vec![3]));
    assert_eq!(store.devices_with_open_commands(None, 9).unwrap(), [DeviceId(1), DeviceId(3)]);
    assert_eq!(listed(None, None), [4, 3, 2, 1, 0]);
    assert_eq!(listed(Some(DeviceId(1)), None), [4, 1, 0]);
    assert_eq!(listed(Some(DeviceId(1)), Some(CommandState::Pending)), [4, 0]);
    assert_eq!(listed(None, Some(CommandState::Pending)), [4, 0]);

    let ended = [command(0, 1, CommandState::Expired), command(4, 1, CommandState::Sent), command(3, 3, CommandState::Timeout)];
    store.commit_blocking(writes(ended.map(|command| Write::PutCommand(command, Expect::Any)).to_vec())).unwrap();
    assert_eq!((open(1), open(3)), (vec![4], vec![]));
    assert_eq!(store.devices_with_open_commands(None, 9).unwrap(), [DeviceId(1)]);
    assert_eq!(listed(None, Some(CommandState::Pending)), [0; 0]);

    store.commit_blocking(writes(vec![Write::DeleteDevice(DeviceId(1))])).unwrap();
    assert_eq!(listed(None, None), [3, 2]);
    assert_eq!(store.devices_with_open_commands(None, 9).unwrap(), []);
    let orphan = writes(vec![Write::PutCommand(command(9, 1, CommandState::Pending), Expect::Absent)]);
    assert_eq!(store.commit_blocking(orphan), Err(StoreError::Conflict("device")));
}

#[test]
fn small_documents_come_back_after_a_restart_and_numbers_are_not_reused() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let ids = (store.next_product_id(), store.next_device_id(), store.next_device_id(), store.next_subscription_id());
    assert_eq!(ids, (ProductId(1), DeviceId(1), DeviceId(2), SubscriptionId(1)));
    let codec = CodecRecord {
        digest: "d".repeat(64),
        product: ProductId(1),
        name: "n".to_owned(),
        version: "1".to_owned(),
        size: 3,
        uploaded: NOW,
    };
    let other = CodecRecord { product: ProductId(7), ..codec.clone() };
    let at = EventId { day: 1, block: 2, offset: 3 };
    store
        .commit_blocking(writes(vec![
            Write::PutProduct(product(1), Expect::Absent),
            Write::PutProduct(product(7), Expect::Absent),
            Write::PutDevice(device(1, 1), Expect::Absent),
            Write::PutDevice(device(2, 1), Expect::Absent),
            Write::PutRegistration(registration(1)),
            Write::PutCodec(codec.clone()),
            Write::PutCodec(other.clone()),
            Write::PutSubscription(subscription(1)),
            Write::PutCursor(SubscriptionId(1), at),
            Write::PutCursor(SubscriptionId(2), at),
        ]))
        .unwrap();
    store.commit_blocking(writes(vec![Write::DeleteDevice(DeviceId(2))])).unwrap();
    drop(store);
    let store = open(dir.path());
    assert_eq!(store.next_device_id(), DeviceId(3));
    assert_eq!(store.next_product_id(), ProductId(8));
    assert_eq!(store.registrations(None, 10).unwrap().items, [registration(1)]);
    assert_eq!(store.registrations(Some(DeviceId(1)), 10).unwrap().items, []);
    assert_eq!(store.codecs(ProductId(1)).unwrap(), std::slice::from_ref(&codec));
    assert_eq!(store.subscriptions().unwrap(), [subscription(1)]);
    assert_eq!(store.cursor(SubscriptionId(1)).unwrap(), Some(at));
    assert_eq!(store.cursor(SubscriptionId(2)).unwrap(), None, "no cursor without its subscription");
    let gone = vec![
        Write::DeleteSubscription(SubscriptionId(1)),
        Write::DeleteRegistration(DeviceId(1)),
        Write::DeleteProduct(ProductId(7)),
    ];
    store.commit_blocking(writes(gone)).unwrap();
    assert_eq!((store.cursor(SubscriptionId(1)), store.registration(DeviceId(1))), (Ok(None), Ok(None)));
    assert_eq!(store.codecs(ProductId(7)).unwrap(), []);
    assert_eq!(store.codecs(ProductId(1)).unwrap(), [codec], "the other product still has it");
}

#[test]
fn a_large_profile_is_stored_in_parts_and_never_in_a_blob() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    for size in [900, 10, 300] {
        for id in 1..=20 {
            let mut large = product(id);
            large.profile = (0..size * 4_u32).map(|n| blake3::hash(&(n << 8 | id).to_be_bytes()).to_hex().to_string()).collect();
            store.commit_blocking(writes(vec![Write::PutProduct(large.clone(), Expect::Any)])).unwrap();
            assert_eq!(store.product(ProductId(id)).unwrap().unwrap().doc, large);
        }
    }
    assert_eq!(blob_files(dir.path()), 0);
    let keys = store.shared.engine.state.len();
    for id in 1..=20 {
        store.commit_blocking(writes(vec![Write::PutProduct(product(id), Expect::Any)])).unwrap();
    }
    assert!(store.shared.engine.state.len() < keys - 20 * 5, "old parts are removed");
}

fn version(product: u32, number: u32, component: &str) -> CodecVersion {
    CodecVersion {
        product: ProductId(product),
        number: VersionNumber(number),
        component: component.repeat(64),
        profile: "{}".to_owned(),
        profile_digest: "0".repeat(64),
        package: None,
        wishes: Default::default(),
        package_file: None,
        signer: None,
        name: "n".to_owned(),
        version: "1".to_owned(),
        size: 3,
        uploaded: NOW,
        uploaded_by: Actor::Watch,
        comment: None,
    }
}

#[test]
fn a_version_is_written_once_and_its_file_stays_while_any_product_needs_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let file = store.put_file(b"component").unwrap();
    let of = |product| CodecVersion { component: file.clone(), ..version(product, 1, "") };
    let answers = commit_all(
        &store,
        vec![
            writes(vec![Write::PutVersion(of(1))]),
            writes(vec![Write::PutProduct(product(1), Expect::Absent), Write::PutProduct(product(2), Expect::Absent)]),
            writes(vec![Write::PutVersion(of(1)), Write::PutVersion(of(2)), Write::PutVersion(version(1, 2, "b"))]),
            writes(vec![Write::PutVersion(version(1, 1, "c"))]),
        ],
    );
    let conflict = |what| Err(StoreError::Conflict(what));
    assert_eq!(answers, [conflict("product"), Ok(()), Ok(()), conflict("version")]);
    assert_eq!(store.versions(ProductId(1)).unwrap(), [of(1), version(1, 2, "b")]);
    assert_eq!(store.remove_unused_file(&file), Ok(false));
    store.commit_blocking(writes(vec![Write::DeleteVersion(ProductId(1), VersionNumber(1))])).unwrap();
    assert_eq!(store.version(ProductId(1), VersionNumber(1)), Ok(None));
    assert_eq!(store.remove_unused_file(&file), Ok(false), "the other product needs it");
    store.commit_blocking(writes(vec![Write::DeleteProduct(ProductId(2))])).unwrap();
    assert_eq!(store.versions(ProductId(2)).unwrap(), []);
    assert_eq!((store.remove_unused_file(&file), store.file(&file)), (Ok(true), Ok(None)));
}

#[test]
fn events_about_a_product_are_listed_for_it_and_for_no_device() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(dir.path());
    let switch = |product| crate::model::NewEvent {
        kind: crate::model::EventKind::CodecSwitched,
        device: DeviceId::NONE,
        endpoint: String::new(),
        product: ProductId(product),
        ..report(1, 0)
    };
    store.commit_blocking(events(vec![switch(1), report(1, 1), switch(2), switch(1)])).unwrap();
    let listed = |store: &Store| store.product_events(ProductId(1), None, 10).unwrap().items.len();
    assert_eq!((listed(&store), store.last_seen(DeviceId::NONE)), (2, None));
    drop(store);
    let store = open(dir.path());
    assert_eq!(listed(&store), 2, "from the chunks of the checkpoint");
    assert_eq!(store.product_events(ProductId(1), None, 1).unwrap().items[0].fact.product, ProductId(1));
}
