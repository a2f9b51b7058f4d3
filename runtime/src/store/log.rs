//! Reading the event log: forwards for subscriptions, backwards for a device or the dead letters. Only what is durable is seen.

use std::sync::Arc;

use crate::model::{DeviceId, Event, EventId, ProductId, Timestamp};

use super::keys::{self, Lane};
use super::{Page, Shared, StoreError, block};

/// A page of events ends early when it holds that many bytes.
const PAGE_BYTES: usize = 1 << 20;

/// Oldest first, after `after`.
pub(super) fn events_after(shared: &Shared, after: Option<EventId>, limit: usize) -> Result<Vec<Event>, StoreError> {
    let Some(head) = *shared.head.borrow() else { return Ok(Vec::new()) };
    let mut from = after.map_or_else(EventId::default, following);
    let (mut events, mut bytes) = (Vec::new(), 0);
    let first_day = from.day;
    for day in shared.days.all().iter().filter(|day| day.number >= first_day) {
        if day.number > from.day {
            from = EventId { day: day.number, block: 0, offset: 0 };
        }
        while from <= head && events.len() < limit && bytes < PAGE_BYTES {
            let block = match shared.recent.find(from.day, from.block) {
                Some(block) => block,
                None => match day.block_from(from.block)? {
                    Some(block) => {
                        let block = Arc::new(block);
                        shared.recent.keep(Arc::clone(&block));
                        block
                    }
                    None => break,
                },
            };
            let Some(last) = block.last() else { break };
            for event in block.iter().filter(|event| event.id >= from && event.id <= head) {
                if events.len() >= limit || bytes >= PAGE_BYTES {
                    return Ok(events);
                }
                bytes += block::size_hint(&event.fact);
                events.push(event.clone());
            }
            from = following(EventId { offset: u16::MAX, ..last.id });
        }
    }
    Ok(events)
}

/// The first place that can come after.
fn following(id: EventId) -> EventId {
    match id.offset.checked_add(1) {
        Some(offset) => EventId { offset, ..id },
        None => EventId { day: id.day, block: id.block.saturating_add(1), offset: 0 },
    }
}

/// The event at a place; none when it does not exist, is not durable or its day was dropped.
pub(super) fn event(shared: &Shared, id: EventId) -> Result<Option<Event>, StoreError> {
    if shared.head.borrow().is_none_or(|head| id > head) {
        return Ok(None);
    }
    let block = read_block(shared, id)?;
    Ok(block.and_then(|block| block.get(usize::from(id.offset)).cloned()))
}

fn read_block(shared: &Shared, id: EventId) -> Result<Option<Arc<Vec<Event>>>, StoreError> {
    // First the day: a block may outlive it among the recent ones.
    let Some(day) = shared.days.day(id.day) else { return Ok(None) };
    if let Some(block) = shared.recent.find(id.day, id.block) {
        return Ok(Some(block));
    }
    Ok(day.block(id.block)?.map(Arc::new))
}

/// Newest first, older than `before`.
pub(super) fn lane_events(
    shared: &Shared,
    lane: Lane,
    before: Option<EventId>,
    limit: usize,
) -> Result<Page<Event, EventId>, StoreError> {
    let limit = limit.max(1);
    let mut places = shared.index.places(&shared.days, lane, before, limit.saturating_add(1))?;
    let mut more = places.len() > limit;
    places.truncate(limit);
    let (mut items, mut bytes) = (Vec::with_capacity(places.len()), 0);
    let mut at: Option<Arc<Vec<Event>>> = None;
    let mut last = None;
    for place in places {
        if bytes >= PAGE_BYTES {
            more = true;
            break;
        }
        last = Some(place);
        let holds = |block: &Arc<Vec<Event>>| block.first().is_some_and(|e| (e.id.day, e.id.block) == (place.day, place.block));
        if !at.as_ref().is_some_and(holds) {
            // None: the day was dropped a moment ago.
            at = read_block(shared, place)?;
        }
        if let Some(event) = at.as_ref().and_then(|block| block.get(usize::from(place.offset))) {
            bytes += block::size_hint(&event.fact);
            items.push(event.clone());
        }
    }
    Ok(Page { items, next: last.filter(|_| more) })
}

/// The lane of dead letters.
pub(super) fn dead_letter_lane(product: Option<ProductId>) -> Lane {
    product.map_or(Lane::AllDeadLetters, Lane::DeadLetters)
}

/// When the device was last heard, also when that is longer ago than events are kept.
pub(super) fn last_seen(shared: &Shared, device: DeviceId) -> Result<Option<Timestamp>, StoreError> {
    if let Some(seen) = shared.index.seen(&shared.days, device)? {
        return Ok(Some(seen));
    }
    let stored = shared.engine.state.get(keys::seen(device)).map_err(super::engine::failed("reading"))?;
    Ok(stored.and_then(|bytes| keys::number_at(&bytes)).map(Timestamp))
}
