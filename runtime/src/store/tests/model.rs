//! Random commits against a model of plain maps, with restarts in between.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::*;
use crate::store::Version;

#[derive(Debug, Clone)]
enum Step {
    Put { id: u64, endpoint: u8, product: u32, expect: u8 },
    Delete { id: u64 },
    Append { device: u64, count: u8, day: u8 },
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1..6_u64, 0..6_u8, 1..3_u32, 0..4_u8).prop_map(|(id, endpoint, product, expect)| Step::Put { id, endpoint, product, expect }),
        2 => (1..6_u64).prop_map(|id| Step::Delete { id }),
        4 => (1..6_u64, 1..40_u8, 0..3_u8).prop_map(|(device, count, day)| Step::Append { device, count, day }),
        1 => Just(Step::Restart),
    ]
}

#[derive(Default)]
struct Model {
    devices: BTreeMap<u64, (Device, u64)>,
    facts: Vec<NewEvent>,
}

impl Model {
    fn put(&mut self, device: Device, expect: Expect) -> Result<(), StoreError> {
        let taken = self.devices.values().any(|(other, _)| other.endpoint == device.endpoint && other.id != device.id);
        if taken {
            return Err(StoreError::Exists(format!("a device with the endpoint `{}`", device.endpoint)));
        }
        let version = self.devices.get(&device.id.0).map(|(_, version)| *version);
        match (expect, version) {
            (Expect::Any, _) | (Expect::Absent, None) => {}
            (Expect::Version(wanted), Some(version)) if wanted.0 == version => {}
            _ => return Err(StoreError::Conflict("device")),
        }
        self.devices.insert(device.id.0, (device, version.unwrap_or(0) + 1));
        Ok(())
    }

    fn check(&self, store: &Store) {
        for id in 1..6 {
            let stored = store.device(DeviceId(id)).unwrap().map(|found| (found.doc, found.version.0));
            assert_eq!(stored.as_ref(), self.devices.get(&id));
            let count = self.devices.values().filter(|(device, _)| u64::from(device.product.0) == id).count() as u64;
            assert_eq!(store.device_count(ProductId(u32::try_from(id).unwrap())).unwrap(), count);
        }
        for n in 0..6 {
            let endpoint = format!("e{n}");
            let wanted = self.devices.values().map(|(device, _)| device).find(|device| device.endpoint.as_str() == endpoint);
            assert_eq!(store.device_by_endpoint(&endpoint).unwrap().map(|found| found.doc).as_ref(), wanted);
        }
        let facts: Vec<_> = all_events(store).into_iter().map(|event| event.fact).collect();
        assert_eq!(facts, self.facts);
        assert_index_equals_blocks(store);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 10, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_store_does_what_plain_maps_do(steps in proptest::collection::vec(step(), 1..50)) {
        let dir = tempfile::tempdir().unwrap();
        let mut store = open_with(dir.path(), 60, None);
        let products = [1, 2].map(|id| Write::PutProduct(product(id), Expect::Absent));
        store.commit_blocking(writes(products.to_vec())).unwrap();
        let mut model = Model::default();
        for step in steps {
            match step {
                Step::Put { id, endpoint, product, expect } => {
                    let mut put = device(id, product);
                    put.endpoint = Endpoint::new(format!("e{endpoint}")).unwrap();
                    let expect = match expect {
                        0 => Expect::Any,
                        1 => Expect::Absent,
                        n => Expect::Version(Version(u64::from(n) - 1)),
                    };
                    let commit = Commit { events: vec![report(id, 0)], writes: vec![Write::PutDevice(put.clone(), expect)] };
                    let wanted = model.put(put, expect);
                    if wanted.is_ok() {
                        model.facts.push(report(id, 0));
                    }
                    prop_assert_eq!(store.commit_blocking(commit), wanted);
                }
                Step::Delete { id } => {
                    model.devices.remove(&id);
                    store.commit_blocking(writes(vec![Write::DeleteDevice(DeviceId(id))])).unwrap();
                }
                Step::Append { device, count, day } => {
                    let time = NOW.plus_ms(u64::from(day) * DAY);
                    let facts: Vec<_> = (0..count).map(|n| fact(EventKind::Report, device, time, u64::from(n))).collect();
                    model.facts.extend(facts.clone());
                    let commits = facts.into_iter().map(|fact| events(vec![fact])).collect();
                    prop_assert!(commit_all(&store, commits).iter().all(Result::is_ok));
                }
                Step::Restart => {
                    drop(store);
                    store = open_with(dir.path(), 60, None);
                    model.check(&store);
                }
            }
        }
        model.check(&store);
        prop_assert_eq!(blob_files(dir.path()), 0);
    }
}
