//! When a cached command may go out, in virtual time, over a real store.

use std::collections::BTreeMap;

use super::*;
use crate::model::{Device, Endpoint, EndpointFormat, Product, ProductKey};
use crate::store::{Commit, Durability, Expect, StoreConfig, Write};

const START: Timestamp = Timestamp(1_700_000_000_000);
const LIMIT: Limit = Limit { messages: 1_200, window_ms: 1_200_000 };

/// A lane of a device that registered with this binding.
fn lane(binding: &str) -> Lane {
    let folder = tempfile::tempdir().unwrap();
    let config = StoreConfig { cache_mib: 8, retention_days: 7, durability: Durability::Relaxed, queue: 16 };
    let store = Store::open(folder.path(), &config, START).unwrap();
    let (id, product) = (DeviceId(1), ProductId(1));
    let product = Product {
        id: product,
        key: ProductKey { manufacturer_id: "acme".to_owned(), model: "m".to_owned() },
        device_type: "Meter".to_owned(),
        profile: "{}".to_owned(),
        endpoint_format: EndpointFormat::Any,
        power_mode: PowerMode::Psm,
        habits: Habits::default(),
        commands: Default::default(),
        observe: Vec::new(),
        codec: None,
        versions: Default::default(),
        created: START,
    };
    let device = Device {
        id,
        endpoint: Endpoint::new("dev-1").unwrap(),
        product: product.id,
        name: None,
        power_mode: None,
        attributes: BTreeMap::new(),
        registration_timeout_s: 0,
        created: START,
    };
    let registration: Registration = serde_json::from_value(serde_json::json!({
        "device": 1, "location": "1", "token": "2", "peer": "192.0.2.1:5683", "lifetimeS": 86_400, "version": "1.1",
        "binding": binding, "objects": [], "registered": START, "updated": START,
    }))
    .unwrap();
    let writes = vec![
        Write::PutProduct(product, Expect::Absent),
        Write::PutDevice(device, Expect::Absent),
        Write::PutRegistration(registration),
    ];
    store.commit_blocking(Commit { events: Vec::new(), writes }).unwrap();
    Lane::load(&store, id, Rhythm::default()).unwrap().unwrap()
}

fn after(seconds: u64) -> Timestamp {
    START.plus_ms(seconds * 1_000)
}

#[test]
fn three_modes_and_the_binding_decide_when_a_cached_command_goes_out() {
    use Reach::{Asleep, Listening};
    for (mode, binding, early, late) in [
        (PowerMode::Psm, "U", Listening, Asleep),
        (PowerMode::Drx, "UQ", Listening, Asleep),
        (PowerMode::Drx, "U", Listening, Listening),
        (PowerMode::Edrx, "UQ", Listening, Listening),
    ] {
        let mut lane = lane(binding);
        lane.heard(Sign::Report, START, &Habits::default());
        assert_eq!(lane.reach(mode, after(19)), early, "{mode:?} {binding}");
        assert_eq!(lane.reach(mode, after(20)), late, "{mode:?} {binding}");
        lane.left();
        assert_eq!(lane.reach(mode, after(1)), Reach::Gone);
    }
}

#[test]
fn has_more_holds_cached_commands_back_until_the_next_report_or_while_it_listens() {
    for mode in [PowerMode::Psm, PowerMode::Edrx, PowerMode::Drx] {
        let mut lane = lane("U");
        lane.heard(Sign::Report, START, &Habits::default());
        lane.holds(true);
        assert_eq!(lane.reach(mode, after(5)), Reach::Asleep, "{mode:?}");
        lane.acknowledged(after(6), &Habits::default());
        assert_eq!(lane.reach(mode, after(7)), Reach::Asleep, "what was sent at once does not end it");
        let ended = if mode == PowerMode::Psm { Reach::Asleep } else { Reach::Listening };
        assert_eq!(lane.reach(mode, after(26)), ended, "not for ever: {mode:?}");
        lane.heard(Sign::Report, after(30), &Habits::default());
        lane.holds(false);
        assert_eq!(lane.reach(mode, after(31)), Reach::Listening, "{mode:?}");
    }
}

#[test]
fn the_awake_time_is_the_products_until_it_is_learned() {
    let mut lane = lane("U");
    let habits = Habits { awake_s: Some(8), ..Habits::default() };
    lane.heard(Sign::Report, START, &habits);
    assert_eq!(lane.awake_until(), after(8));
    // Given up at once = it did not leave; given up later = the device slept.
    lane.unanswered(after(1), after(1), &habits);
    lane.heard(Sign::Report, after(100), &habits);
    assert_eq!(lane.awake_until(), after(108));
    lane.unanswered(after(101), after(300), &habits);
    lane.heard(Sign::Report, after(1_000), &habits);
    assert_eq!(lane.awake_until(), after(1_006));
}

#[test]
fn a_lane_is_idle_when_nothing_is_lost_with_it() {
    let mut lane = lane("U");
    lane.heard(Sign::Report, START, &Habits::default());
    assert!(!lane.is_idle(after(19), LIMIT) && lane.is_idle(after(20), LIMIT));
    lane.open = true;
    assert!(!lane.is_idle(after(20), LIMIT));
    lane.open = false;
    for _ in 0..200 {
        lane.meter.admit(after(20), LIMIT);
    }
    assert!(!lane.is_idle(after(60), LIMIT), "it said too much to be forgotten");
    assert!(lane.is_idle(after(20 + 1_200), LIMIT));
}
