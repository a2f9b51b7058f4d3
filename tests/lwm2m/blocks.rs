//! Bodies of many datagrams between simulated devices and the server, in virtual time and whatever the network does.

use std::time::Duration;

use codecgate::lwm2m::{Occurrence, ServerConfig};
use codecgate::model::PowerMode;
use codecgate::simulate::{DeviceConfig, Happening};

use crate::stubborn;
use crate::world::{Weather, World, acknowledged_and_lost, check};

/// Devices with blocks of 16, 32 and 64 bytes.
fn devices() -> Vec<DeviceConfig> {
    (0..3).map(|szx| DeviceConfig { szx, ..stubborn(PowerMode::Drx) }).collect()
}

/// The body of report n: every byte says whose it is.
fn body(n: u32, length: usize) -> Vec<u8> {
    vec![u8::try_from(n).unwrap(); length]
}

#[test]
fn large_reports_are_stored_whole_or_not_at_all() {
    check(30, |seed| {
        let mut world = World::settled(seed, ServerConfig::default(), devices());
        world.weather = Weather::FOUL;
        for n in 0..8 {
            for index in 0..world.devices.len() {
                assert_eq!(world.report(index, body(n, 90)), n);
            }
            world.run(Duration::from_secs(120));
        }
        world.weather = Weather::FAIR;
        world.run(Duration::from_secs(3_000));
        for index in 0..world.devices.len() {
            world.report(index, body(8, 90));
        }
        world.run(Duration::from_secs(60));
        for index in 0..world.devices.len() {
            let (acknowledged, lost) = acknowledged_and_lost(&world, index);
            assert_eq!(acknowledged.len() + lost.len(), 9, "each report ends");
            let stored = world.stored(index);
            for (at, whole) in stored.iter().enumerate() {
                assert_eq!(*whole, body(u32::from(whole[0]), 90), "blocks of two reports do not go together");
                assert!(!stored[..at].contains(whole), "once");
            }
            for n in acknowledged {
                assert!(stored.contains(&body(n, 90)), "device {index}: report {n} was acknowledged and is not stored");
            }
            assert_eq!(stored.last(), Some(&body(8, 90)), "a healed network delivers");
        }
        assert_eq!(world.server.load().0, 0, "no ticket is left");
        assert!(world.server.transfers().0 <= 3, "only Registers, whose last block might come again");
    });
}

#[test]
fn large_downlinks_have_one_outcome_and_what_is_delivered_was_heard() {
    check(30, |seed| {
        let mut world = World::settled(seed, ServerConfig::default(), devices());
        world.weather = Weather { loss: 0.2, ..Weather::FOUL };
        let payload = |number: u32| body(number, 2_500);
        for number in 0..4_u32 {
            for index in 0..3_u32 {
                world.send_payload(
                    usize::try_from(index).unwrap(),
                    u128::from(number * 10 + index),
                    payload(number * 10 + index),
                );
            }
        }
        world.run(Duration::from_secs(40_000));
        for (number, index) in (0..4_u32).flat_map(|number| (0..3_u32).map(move |index| (number * 10 + index, index))) {
            let outcomes = world.outcomes(u128::from(number));
            assert_eq!(outcomes.len(), 1, "{number}: {outcomes:?}");
            let heard = Happening::Downlink { payload: payload(number) };
            let happenings = &world.devices[usize::try_from(index).unwrap()].happenings;
            let times = happenings.iter().filter(|happening| **happening == heard).count();
            let delivered = matches!(&outcomes[0].1, Occurrence::Answered { reply, .. } if reply.code.is_success());
            assert!(times <= 1 && (!delivered || times == 1), "{number} was heard {times} times, {:?}", outcomes[0].1);
        }
    });
}
