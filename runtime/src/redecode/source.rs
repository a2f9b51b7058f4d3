//! The uplinks of a selection, page by page, and where the next page begins. Reads the event log.

use super::{Request, Selection};
use crate::model::{Event, EventId, EventKind};
use crate::store::{Store, StoreError};
use crate::uplink;

/// Events that are read at once.
const PAGE: usize = 256;
/// Events of one uplink beside the one with the bytes, and the command transitions between them.
const SIBLINGS: usize = 300;

/// A page of carriers, the events that carry bytes.
pub(super) struct Batch {
    /// Each with the cursor after it.
    pub(super) carriers: Vec<Event>,
    /// Where the next page begins; none = this was the last.
    pub(super) next: Option<EventId>,
}

/// Reads from `cursor` on.
pub(super) fn read(store: &Store, request: &Request, cursor: Option<EventId>) -> Result<Batch, StoreError> {
    let (events, next) = match (request.selection, request.device) {
        (Selection::DeadLetters, _) => {
            let page = store.dead_letters(Some(request.product), cursor, PAGE)?;
            (page.items, page.next)
        }
        (Selection::Span { from, .. }, Some(device)) => {
            let page = store.device_events(device, cursor, PAGE)?;
            // Newest first: behind the first day there is nothing.
            let is_over = page.items.last().is_none_or(|last| last.id.day < from.day());
            (page.items, page.next.filter(|_| !is_over))
        }
        (Selection::Span { from, to }, None) => {
            let before_first = EventId { day: from.day().saturating_sub(1), block: u32::MAX, offset: u16::MAX };
            let events = store.events_after(Some(cursor.unwrap_or(before_first)), PAGE)?;
            // Events of a day may lie in the tree of the next one where a clock went back, but not further on.
            let last = events.last().map(|last| last.id).filter(|last| last.day <= to.day().saturating_add(1));
            (events, last)
        }
    };
    let carriers = events.into_iter().filter(|event| is_selected(event, request)).collect();
    Ok(Batch { carriers, next })
}

fn is_selected(event: &Event, request: &Request) -> bool {
    let fact = &event.fact;
    let in_span = match request.selection {
        Selection::DeadLetters => fact.kind == EventKind::DeadLetter,
        Selection::Span { from, to } => fact.time >= from && fact.time < to,
    };
    let wanted = fact.product == request.product && request.device.is_none_or(|device| device == fact.device);
    in_span && wanted && fact.raw.is_some() && uplink::is_of_an_uplink(fact.kind)
}

/// What the log says of an uplink: its events, the carrier first.
pub(super) fn whole(store: &Store, carrier: Event) -> Result<Vec<Event>, StoreError> {
    let trace = uplink::trace_of(&carrier.fact.body);
    let mut events = vec![carrier];
    let Some(first) = events.first().map(|first| (first.id, first.fact.device, first.fact.kind)) else { return Ok(events) };
    let (id, device, kind) = first;
    if matches!(kind, EventKind::DeadLetter | EventKind::Transparent) {
        return Ok(events);
    }
    // They were committed together: a device's events of one commit stand side by side.
    for event in store.events_after(Some(id), SIBLINGS)? {
        if event.fact.device != device {
            break;
        }
        if uplink::is_of_an_uplink(event.fact.kind) {
            if uplink::trace_of(&event.fact.body) != trace {
                break;
            }
            events.push(event);
        } else if event.fact.kind != EventKind::Command {
            break;
        }
    }
    Ok(events)
}
