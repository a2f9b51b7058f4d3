//! The window in virtual time: a receiver that fails as a script or chance has it, and the laws that hold all the same.

use proptest::prelude::*;

use super::*;

const SECOND: Duration = Duration::from_secs(1);
const LIMITS: Limits = Limits { waiting: 16, bytes: 1_000, span: 32 };

fn place(n: u32) -> EventId {
    EventId { day: 1, block: n / 3, offset: u16::try_from(n % 3).unwrap() }
}

/// Event `n` of the log; the log holds an unwanted event before each wanted one.
fn wanted(n: u32, device: u64) -> Wanted {
    let before = Some(place(2 * n));
    Wanted { id: place(2 * n + 1), before, device: DeviceId(device), time: Timestamp(n.into()), body: "{}".into() }
}

fn window(pause_after: u32) -> Window {
    Window::new(Some(place(0)), LIMITS, Gate::new(pause_after, 180 * SECOND, 8), Backoff::new(SECOND, 300 * SECOND, 1))
}

fn read(window: &mut Window, devices: &[u64]) {
    let begin = u32::try_from(window.first).unwrap() + u32::try_from(window.slots.len()).unwrap();
    let events: Vec<_> = (begin..).zip(devices).map(|(n, device)| wanted(n, *device)).collect();
    let scanned = events.last().map(|event| event.id);
    window.handle_read(events, scanned);
}

fn send_all(window: &mut Window, now: Duration) -> Vec<u64> {
    std::iter::from_fn(|| window.poll_send(now)).map(|sending| sending.seq).collect()
}

#[test]
fn a_failed_event_holds_up_its_device_only() {
    let mut window = window(10);
    read(&mut window, &[1, 1, 2, 2]);
    assert_eq!(send_all(&mut window, SECOND), [0, 2], "one per device");
    window.handle_failed(0, SECOND, None);
    window.handle_delivered(2);
    assert_eq!(send_all(&mut window, SECOND), [3], "device 2 goes on, device 1 waits");
    window.handle_delivered(3);
    assert_eq!(window.cursor(), Some(place(0)), "the cursor stands before the oldest undelivered event");
    let due = window.poll_timeout(SECOND).unwrap();
    assert!(due > SECOND && due <= 2 * SECOND);
    assert_eq!(window.mood(SECOND), Mood::Retrying);
    assert_eq!(send_all(&mut window, due), [0]);
    window.handle_delivered(0);
    assert_eq!(window.cursor(), Some(place(2)));
    assert_eq!(send_all(&mut window, due), [1]);
    window.handle_delivered(1);
    assert_eq!(window.cursor(), window.scanned);
    assert!(window.tails.is_empty() && window.slots.is_empty() && window.bytes == 0 && window.waiting == 0);
}

#[test]
fn unwanted_events_move_the_cursor() {
    let mut window = window(10);
    window.handle_read(Vec::new(), Some(place(40)));
    assert_eq!(window.cursor(), Some(place(40)));
}

#[test]
fn a_dead_receiver_is_probed_with_an_event_that_was_tried_least() {
    let mut window = window(2);
    read(&mut window, &[1]);
    for _ in 0..2 {
        let due = window.poll_timeout(Duration::ZERO).unwrap_or_default();
        assert_eq!(send_all(&mut window, due), [0]);
        window.handle_failed(0, due, None);
    }
    read(&mut window, &[2, 3]);
    assert_eq!(send_all(&mut window, 100 * SECOND), [] as [u64; 0]);
    let until = window.poll_timeout(100 * SECOND).unwrap();
    assert_eq!(window.mood(100 * SECOND), Mood::Paused(Some(until)));
    assert_eq!(send_all(&mut window, until), [1], "not the one that may never be taken, and no second one");
    assert_eq!(window.mood(until), Mood::Paused(None));
    window.handle_delivered(1);
    assert_eq!(window.mood(until), Mood::Delivering);
    assert_eq!(send_all(&mut window, until), [0, 2], "nothing waits out the dead time");
}

#[test]
fn a_rest_is_kept_up_to_the_longest_wait() {
    let mut window = window(10);
    read(&mut window, &[1, 2]);
    assert_eq!(window.poll_send(SECOND).unwrap().seq, 0);
    window.handle_failed(0, SECOND, Some(Duration::from_secs(86_400)));
    assert_eq!(send_all(&mut window, 300 * SECOND), [] as [u64; 0]);
    assert_eq!(window.poll_timeout(SECOND), Some(301 * SECOND));
    assert_eq!(send_all(&mut window, 301 * SECOND), [0, 1]);
}

#[test]
fn a_full_window_reads_on_when_a_quarter_is_free() {
    let mut window = window(10);
    read(&mut window, &(0..16).collect::<Vec<_>>());
    assert_eq!(window.room(), 0);
    for expected in [0, 0, 0, 4] {
        let seq = window.poll_send(SECOND).unwrap().seq;
        window.handle_delivered(seq);
        assert_eq!(window.room(), expected);
    }
}

/// What chance does in one turn.
#[derive(Debug, Clone)]
enum Turn {
    Read(Vec<u64>),
    Land { which: usize, fails: bool, rest_s: Option<u64> },
    Wait(u64),
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        proptest::collection::vec(0_u64..4, 0..5).prop_map(Turn::Read),
        (any::<usize>(), any::<bool>(), proptest::option::weighted(0.1, 0_u64..1_000))
            .prop_map(|(which, fails, rest_s)| Turn::Land { which, fails, rest_s }),
        (0_u64..200_000).prop_map(Turn::Wait),
    ]
}

proptest! {
    #[test]
    fn in_order_per_device_at_least_once_whatever_the_receiver_does(turns in proptest::collection::vec(turn(), 0..200)) {
        let mut window = window(3);
        let mut devices: Vec<u64> = Vec::new();
        let mut delivered: Vec<u64> = Vec::new();
        let mut flying: Vec<u64> = Vec::new();
        let mut now = Duration::ZERO;
        let device = |devices: &[u64], seq: u64| devices[usize::try_from(seq).unwrap()];
        // After the script the receiver recovers, and everything must get through.
        let recovery = (0..).map(|n| match n % 2 {
            0 => Turn::Land { which: 0, fails: false, rest_s: None },
            _ => Turn::Wait(300_000),
        });
        let scripted = turns.len();
        for (n, turn) in turns.into_iter().chain(recovery.take(2_000)).enumerate() {
            if n > scripted && delivered.len() == devices.len() {
                break;
            }
            match turn {
                Turn::Read(more) if more.len() <= window.room() => {
                    let begin = u32::try_from(devices.len()).unwrap();
                    let events: Vec<_> = (begin..).zip(&more).map(|(n, device)| wanted(n, *device)).collect();
                    let scanned = events.last().map(|event| event.id);
                    devices.extend(more);
                    window.handle_read(events, scanned);
                }
                Turn::Read(_) => {}
                Turn::Land { which, fails, rest_s } if !flying.is_empty() => {
                    let seq = flying.remove(which % flying.len());
                    if fails {
                        window.handle_failed(seq, now, rest_s.map(Duration::from_secs));
                    } else {
                        window.handle_delivered(seq);
                        delivered.push(seq);
                    }
                }
                Turn::Land { .. } => {}
                Turn::Wait(ms) => now += Duration::from_millis(ms),
            }
            while let Some(sending) = window.poll_send(now) {
                let of = device(&devices, sending.seq);
                prop_assert!(flying.iter().all(|other| device(&devices, *other) != of), "two of one device at {n}");
                prop_assert!(!delivered.contains(&sending.seq), "delivered again");
                let earlier = (0..sending.seq).filter(|seq| device(&devices, *seq) == of);
                prop_assert!(earlier.clone().all(|seq| delivered.contains(&seq)), "out of order at {n}");
                flying.push(sending.seq);
                prop_assert!(flying.len() <= 8);
            }
            let done = (0..).take_while(|seq| delivered.contains(seq)).count();
            let cursor = if done < devices.len() { Some(place(2 * u32::try_from(done).unwrap())) } else { window.scanned };
            prop_assert_eq!(window.cursor(), cursor);
            prop_assert!(window.waiting() <= LIMITS.waiting && window.slots.len() <= LIMITS.span);
        }
        prop_assert_eq!(delivered.len(), devices.len(), "something was never delivered");
        prop_assert!(window.tails.is_empty() && window.resting.is_empty() && window.ready.is_empty());
    }
}
