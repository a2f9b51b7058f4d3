//! The LwM2M server against simulated devices, in virtual time: what must hold whatever the network does.

#[cfg(test)]
mod blocks;
#[cfg(test)]
mod bytes;
#[cfg(test)]
mod rfc7252;
#[cfg(test)]
mod rfc7641;
#[cfg(test)]
mod rfc7959;
#[cfg(test)]
mod rig;
#[cfg(test)]
mod world;

use std::time::Duration;

use codecgate::coap::{Timing, parse};
use codecgate::lwm2m::{Occurrence, ServerConfig};
use codecgate::model::PowerMode;
use codecgate::simulate::{DeviceConfig, Happening, Nat, Rebind};

use world::{Weather, World, acknowledged_and_lost, assert_reports, check, id, payload};

/// A device that resends for up to 189 s, within the lifetime of an exchange.
fn stubborn(mode: PowerMode) -> DeviceConfig {
    let timing = Timing { ack_timeout: Duration::from_secs(2), random_factor: 1.5, max_retransmit: 5 };
    DeviceConfig { timing, ..DeviceConfig::new("", mode) }
}

fn all_modes() -> Vec<DeviceConfig> {
    [PowerMode::Psm, PowerMode::Edrx, PowerMode::Drx, PowerMode::Drx].map(stubborn).into()
}

#[test]
fn every_acknowledged_report_is_stored_once_and_in_order() {
    check(60, |seed| {
        let mut world = World::new(seed, ServerConfig::default(), all_modes());
        world.weather = Weather::FOUL;
        world.start();
        for n in 0..12 {
            for index in 0..world.devices.len() {
                assert_eq!(world.report(index, payload(n)), n);
            }
            world.run(Duration::from_secs(45));
        }
        world.weather = Weather::FAIR;
        world.run(Duration::from_secs(3_000));
        for index in 0..world.devices.len() {
            world.report(index, payload(12));
        }
        world.run(Duration::from_secs(60));
        assert_reports(&world, 13);
        for index in 0..world.devices.len() {
            assert_eq!(world.stored(index).last(), Some(&payload(12)), "a healed network delivers");
            assert!(world.devices[index].device.is_idle());
        }
        assert_eq!(world.server.load().0, 0, "no ticket is left");
    });
}

#[test]
fn a_device_whose_nat_forgets_it_loses_no_report_and_hears_downlinks_after_it_spoke() {
    for rebind in
        [Rebind { silence: Some(Duration::from_secs(30)), datagrams: None }, Rebind { silence: None, datagrams: Some(1) }]
    {
        check(10, |seed| {
            let mut world = World::settled(seed, ServerConfig::default(), vec![stubborn(PowerMode::Psm)]);
            let first = world.devices[0].address;
            world.devices[0].nat = Nat::new(rebind);
            for n in 0..8 {
                world.report(0, payload(n));
                world.run(Duration::from_secs(60));
            }
            assert_reports(&world, 8);
            assert_ne!(world.devices[0].address, first);
            world.report(0, payload(8));
            world.run(Duration::from_secs(1));
            world.send(0, 1);
            world.run(Duration::from_secs(5));
            let heard = |happening: &Happening| matches!(happening, Happening::Downlink { .. });
            assert_eq!(world.devices[0].happenings.iter().filter(|happening| heard(happening)).count(), 1, "seed {seed}");
            let again = world.devices[0].happenings.iter().filter(|happening| **happening == Happening::Registered).count();
            assert_eq!(again, 1, "its token tells who it is: it need not register again");
        });
    }
}

#[test]
fn non_confirmable_reports_come_at_most_once() {
    check(20, |seed| {
        let device = DeviceConfig { confirmable: false, ..stubborn(PowerMode::Drx) };
        let mut world = World::settled(seed, ServerConfig::default(), vec![device]);
        world.weather = Weather { loss: 0.0, forget: 0.0, ..Weather::FOUL };
        for n in 0..50 {
            world.report(0, payload(n));
            world.run(Duration::from_millis(700));
        }
        world.run(Duration::from_secs(10));
        let mut stored = world.stored(0).to_vec();
        stored.sort();
        assert_eq!(stored, (0..50).map(payload).collect::<Vec<_>>(), "without loss: each once, whatever their order");
    });
}

#[test]
fn every_downlink_has_one_outcome_and_what_is_delivered_was_heard() {
    check(40, |seed| {
        let mut world = World::settled(seed, ServerConfig::default(), vec![stubborn(PowerMode::Drx), stubborn(PowerMode::Edrx)]);
        world.weather = Weather { loss: 0.5, ..Weather::FOUL };
        for number in 0..10 {
            world.send(0, number);
            world.send(1, 100 + number);
            world.run(Duration::from_secs(5));
        }
        world.run(Duration::from_secs(10 * 225));
        for (index, number) in (0..10).map(|n| (0, n)).chain((100..110).map(|n| (1, n))) {
            let outcomes = world.outcomes(number);
            assert_eq!(outcomes.len(), 1, "{number}: {outcomes:?}");
            let heard = Happening::Downlink { payload: number.to_be_bytes().to_vec() };
            let times = world.devices[index].happenings.iter().filter(|happening| **happening == heard).count();
            let delivered = matches!(outcomes[0].1, Occurrence::Answered { .. });
            assert!(times <= 1 && (!delivered || times == 1), "{number} was heard {times} times, {:?}", outcomes[0].1);
        }
    });
}

#[test]
fn a_downlink_that_nobody_hears_keeps_the_documented_times() {
    check(50, |seed| {
        let mut world = World::settled(seed, ServerConfig::default(), vec![stubborn(PowerMode::Drx)]);
        world.weather = Weather::CUT;
        world.sent.clear();
        let start = world.now;
        world.send(0, 1);
        world.run(Duration::from_secs(300));
        let at: Vec<f64> = world.sent.iter().map(|(at, ..)| (*at - start).as_secs_f64()).collect();
        let waits: Vec<f64> = at.windows(2).map(|pair| pair[1] - pair[0]).collect();
        assert_eq!(waits.len(), 3);
        for (wait, range) in waits.iter().zip([10.0..=15.0, 20.0..=30.0, 40.0..=60.0]) {
            assert!(range.contains(wait), "{waits:?}");
        }
        assert!(world.sent.windows(2).all(|pair| pair[0].2 == pair[1].2), "the same bytes each time");
        let outcomes = world.outcomes(1);
        assert!(matches!(outcomes[..], [(_, Occurrence::TimedOut { .. })]));
        let span = (outcomes[0].0 - start).as_secs_f64();
        assert!((150.0..=225.0).contains(&span), "{span}");
    });
}

/// REFERENCE C.6: maxRetransmit 0..3. Each wait is twice the one before, so the span is T, 3T, 7T, 15T of a first wait T of 10 to 15 s.
#[test]
fn a_command_with_fewer_retransmissions_is_given_up_sooner() {
    check(20, |seed| {
        for most in 0..=3_u8 {
            let mut world = World::settled(seed, ServerConfig::default(), vec![stubborn(PowerMode::Drx)]);
            world.weather = Weather::CUT;
            world.sent.clear();
            let start = world.now;
            world.send_with(0, 1, vec![1], Some(most));
            world.run(Duration::from_secs(300));
            let at: Vec<f64> = world.sent.iter().map(|(at, ..)| (*at - start).as_secs_f64()).collect();
            assert_eq!(at.len(), usize::from(most) + 1);
            let outcomes = world.outcomes(1);
            assert!(matches!(outcomes[..], [(_, Occurrence::TimedOut { .. })]));
            let span = (outcomes[0].0 - start).as_secs_f64();
            let waits = f64::from((1_u32 << (most + 1)) - 1);
            let first = at.get(1).copied().unwrap_or(span);
            assert!((10.0..=15.0).contains(&first), "{at:?}");
            assert!((span - first * waits).abs() < 1.0, "{most}: {span} is {waits} times {first}, to the second");
        }
    });
}

#[test]
fn a_sleeping_psm_device_gets_its_downlink_right_after_it_reported() {
    check(10, |seed| {
        let mut world = World::settled(seed, ServerConfig::default(), vec![stubborn(PowerMode::Psm)]);
        world.run(Duration::from_secs(3_600));
        world.send(0, 1);
        world.run(Duration::from_secs(300));
        assert!(matches!(world.outcomes(1)[..], [(_, Occurrence::TimedOut { .. })]), "it sleeps");
        world.report(0, payload(0));
        world.run(Duration::from_secs(1));
        world.send(0, 2);
        world.run(Duration::from_secs(5));
        assert!(matches!(world.outcomes(2)[..], [(_, Occurrence::Answered { .. })]), "it is awake");
    });
}

#[test]
fn a_device_that_falls_silent_expires_when_its_lifetime_ends() {
    check(10, |seed| {
        let device = DeviceConfig { lifetime_s: 600, ..stubborn(PowerMode::Drx) };
        let mut world = World::settled(seed, ServerConfig::default(), vec![device]);
        world.run(Duration::from_secs(6_000));
        assert!(world.told.is_empty(), "updates keep it alive: {:?}", world.told);
        world.weather = Weather::CUT;
        let updated = world.registrations[&id(0)].updated;
        world.run(Duration::from_secs(1_000));
        assert!(matches!(world.told[..], [(_, Occurrence::Expired { .. })]));
        let left = Duration::from_millis(world.wall().since(updated)) - (world.now - world.told[0].0);
        assert!((Duration::from_secs(600)..Duration::from_secs(601)).contains(&left), "to the second: {left:?}");
        world.weather = Weather::FAIR;
        world.report(0, payload(0));
        world.run(Duration::from_secs(600));
        assert_eq!(world.stored(0), [payload(0)], "it registers again and reports");
    });
}

#[test]
fn a_restart_costs_the_devices_nothing() {
    check(20, |seed| {
        let mut world = World::settled(seed, ServerConfig::default(), all_modes());
        world.restart(seed, ServerConfig::default());
        world.sent.clear();
        for index in 0..world.devices.len() {
            world.report(index, payload(0));
        }
        world.run(Duration::from_secs(20));
        assert_reports(&world, 1);
        let acks = world.sent.iter().map(|(.., datagram)| datagram.len()).collect::<Vec<_>>();
        assert_eq!(acks, vec![4; world.devices.len()], "one empty ACK each and nothing else");
        world.send(2, 1);
        world.run(Duration::from_secs(5));
        assert!(matches!(world.outcomes(1)[..], [(_, Occurrence::Answered { .. })]));
    });
}

#[test]
fn a_restart_amid_reports_loses_none_that_was_acknowledged() {
    check(20, |seed| {
        let mut world = World::settled(seed, ServerConfig::default(), all_modes());
        world.weather = Weather { commit: Duration::from_secs(2), ..Weather::FAIR };
        for n in 0..10 {
            for index in 0..world.devices.len() {
                world.report(index, payload(n));
            }
            world.run(Duration::from_secs(1));
            world.restart(seed + u64::from(n), ServerConfig::default());
            world.run(Duration::from_secs(10));
        }
        world.run(Duration::from_secs(300));
        for index in 0..world.devices.len() {
            let (acknowledged, lost) = acknowledged_and_lost(&world, index);
            assert_eq!((acknowledged.len(), lost.len()), (10, 0));
            for n in 0..10 {
                // Duplicates are not known across a restart: a report whose acknowledgement was lost with the server may come twice.
                assert!(world.stored(index).contains(&payload(n)), "device {index} report {n}");
            }
        }
    });
}

#[test]
fn a_new_address_is_followed() {
    check(20, |seed| {
        let mut world = World::settled(seed, ServerConfig::default(), vec![stubborn(PowerMode::Drx)]);
        world.send(0, 0);
        world.run(Duration::from_secs(1));
        world.devices[0].address = "203.0.113.5:40000".parse().unwrap();
        world.send(0, 1);
        world.run(Duration::from_secs(1));
        assert!(world.outcomes(1).is_empty(), "sent to where it was");
        world.report(0, payload(0));
        world.run(Duration::from_secs(20));
        assert!(matches!(world.outcomes(1)[..], [(_, Occurrence::Answered { .. })]), "resent to where it is");
        assert_eq!(world.stored(0), [payload(0)]);
    });
}

#[test]
fn message_ids_wrap_and_come_back() {
    let mut world = World::settled(1, ServerConfig::default(), vec![stubborn(PowerMode::Drx)]);
    let reports = 66_000;
    for n in 0..reports {
        world.report(0, payload(n));
        world.run(Duration::from_millis(400));
        world.sent.clear();
        world.devices[0].happenings.clear();
    }
    assert_eq!(world.stored(0), (0..reports).map(payload).collect::<Vec<_>>());
}

#[test]
fn a_device_that_leaves_is_gone() {
    check(10, |seed| {
        let mut world = World::settled(seed, ServerConfig::default(), vec![stubborn(PowerMode::Psm)]);
        world.leave(0);
        world.run(Duration::from_secs(10));
        assert_eq!(world.devices[0].happenings.last(), Some(&Happening::Deregistered));
        assert!(!world.server.is_registered(id(0)));
        assert_eq!(world.server.load().0, 0);
    });
}

#[test]
fn a_message_is_built_as_it_is_read() {
    let world = World::settled(1, ServerConfig::default(), all_modes());
    for (.., datagram) in &world.sent {
        assert_eq!(parse(datagram).unwrap().to_bytes(), *datagram);
    }
}
