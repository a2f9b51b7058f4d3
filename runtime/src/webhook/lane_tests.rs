//! Reading the log for a subscription, against a log that is a list.

use super::*;
use crate::model::{DeviceId, EventKind, NewEvent, ProductId, Scope, Secret, Timestamp};

fn event(day: u32, block: u32, offset: u16, device: u64, ms: u64) -> Event {
    let fact = NewEvent {
        kind: EventKind::Report,
        device: DeviceId(device),
        endpoint: "meter".to_owned(),
        product: ProductId(1),
        time: Timestamp(ms),
        raw: None,
        body: "{}".to_owned(),
    };
    Event { id: EventId { day, block, offset }, fact }
}

fn scan(scope: Scope, cursor: Option<EventId>, chunk: usize) -> Scan {
    let subscription = Subscription {
        id: SubscriptionId(1),
        url: "http://localhost/".to_owned(),
        secret: Secret::new("x"),
        scope,
        kinds: Vec::new(),
        created: Timestamp(100),
    };
    Scan::new(Arc::new(subscription), cursor, chunk)
}

/// As the store does it: oldest first, no more than one block.
fn read_list(log: &[Event]) -> impl FnMut(Option<EventId>, usize) -> Result<Vec<Event>, StoreError> + '_ {
    |after, limit| {
        let rest = log.iter().filter(|event| after.is_none_or(|after| event.id > after));
        let block = rest.clone().next().map(|event| (event.id.day, event.id.block));
        Ok(rest.take_while(|event| Some((event.id.day, event.id.block)) == block).take(limit).cloned().collect())
    }
}

#[test]
fn it_reads_over_blocks_and_days_and_knows_what_lies_before_each_event() {
    let log = [event(1, 0, 0, 7, 200), event(1, 0, 1, 8, 200), event(1, 1, 0, 7, 200), event(2, 0, 0, 7, 200)];
    let mut scan = scan(Scope::Device(DeviceId(7)), None, 10);
    let piece = scan.read(read_list(&log)).unwrap();
    let seen: Vec<_> = piece.chunk.events.iter().map(|event| (event.before, event.id)).collect();
    assert_eq!(seen, [(None, log[0].id), (Some(log[1].id), log[2].id), (Some(log[2].id), log[3].id)]);
    assert!(piece.chunk.caught_up && piece.gap.is_none());
    assert_eq!(piece.chunk.scanned, Some(log[3].id));
}

#[test]
fn a_piece_is_no_larger_than_asked_for_and_the_next_goes_on() {
    let log: Vec<_> = (0..10).map(|n| event(1, n / 4, u16::try_from(n % 4).unwrap(), 1, 200)).collect();
    let mut scan = scan(Scope::All, None, 3);
    let mut all = Vec::new();
    loop {
        let piece = scan.read(read_list(&log)).unwrap();
        assert!(piece.chunk.events.len() <= 3);
        all.extend(piece.chunk.events.iter().map(|event| event.id));
        if piece.chunk.caught_up {
            break;
        }
    }
    assert_eq!(all, log.iter().map(|event| event.id).collect::<Vec<_>>());
}

#[test]
fn without_a_cursor_what_happened_before_the_subscription_is_passed_over() {
    let log = [event(1, 0, 0, 1, 99), event(1, 0, 1, 1, 100)];
    let piece = scan(Scope::All, None, 10).read(read_list(&log)).unwrap();
    assert_eq!(piece.chunk.events.len(), 1);
    let piece = scan(Scope::All, Some(EventId { day: 0, block: 9, offset: 0 }), 10).read(read_list(&log)).unwrap();
    assert_eq!(piece.chunk.events.len(), 2, "behind a stored cursor everything counts");
}

#[test]
fn dropped_days_are_noticed_unless_they_had_been_read_to_their_end() {
    let old = [event(1, 0, 0, 1, 200), event(1, 0, 1, 1, 200)];
    let kept = [event(9, 0, 0, 1, 200)];
    let mut behind = scan(Scope::All, None, 1);
    assert!(!behind.read(read_list(&old)).unwrap().chunk.caught_up);
    assert_eq!(behind.read(read_list(&kept)).unwrap().gap, Some(old[0].id));

    let mut complete = scan(Scope::All, None, 10);
    assert!(complete.read(read_list(&old)).unwrap().chunk.caught_up);
    assert_eq!(complete.read(read_list(&kept)).unwrap().gap, None);

    let mut quiet = scan(Scope::All, Some(old[0].id), 10);
    let both = [old[0].clone(), kept[0].clone()];
    assert_eq!(quiet.read(read_list(&both)).unwrap().gap, None, "the day is there, nothing followed");
}

#[test]
fn unwanted_events_move_the_scan_and_do_not_hold_it_up() {
    let log: Vec<_> = (0..10_000).map(|n| event(1, n / 100, u16::try_from(n % 100).unwrap(), 1, 200)).collect();
    let mut scan = scan(Scope::Device(DeviceId(2)), None, 256);
    let piece = scan.read(read_list(&log)).unwrap();
    assert!(piece.chunk.events.is_empty() && !piece.chunk.caught_up);
    assert!(piece.chunk.scanned >= Some(log[SCANNED_AT_ONCE - 1].id), "{:?}", piece.chunk.scanned);
}
