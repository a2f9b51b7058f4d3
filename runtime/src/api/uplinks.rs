//! What devices said: uplinks with all that was made of them, the raw list of a device's events, dead letters.
//!
//! Reads the event log; knows that the events of one uplink stand together, share a `trace`, and that one carries the bytes.

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::extract::{Limit, Listing, PathOf, QueryOf, Text};
use super::generations::{self, GenerationView, Generations};
use super::problem::Problem;
use super::{Shared, codecs, devices};
use crate::model::{DeviceId, Event, EventId, EventKind, ProductId};
use crate::store::{Page, StoreError};
use crate::uplink::{is_of_an_uplink, trace_of};

/// Most events that are read for one page of uplinks; a device with few uplinks among many other events gets shorter pages.
const SCANNED: usize = 10_000;
/// Events that are read from the store at once.
const CHUNK: usize = 500;
/// Most command transitions that stand between events of one uplink: a payload answers at most as many commands as it has messages.
const COMMANDS_BETWEEN: usize = 256;

/// How an uplink ended; each ends as exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Outcome {
    /// The codec made values of it.
    Decoded,
    /// The product has no codec.
    Transparent,
    /// It could not be decoded.
    DeadLetter,
}

/// An uplink: the bytes and what was made of them.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UplinkView {
    /// Id of the event that carries the bytes.
    #[schema(example = "20780-184-3")]
    pub(super) id: String,
    #[schema(format = DateTime)]
    pub(super) time: String,
    pub(super) outcome: Outcome,
    /// 1 = as it was decoded when it came; more = it was decoded again, and this is what the newest codec made of it.
    pub(super) generation: u32,
    /// The event that tells the newest generation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) corrected_by: Option<String>,
    /// Kind of the event that carries the bytes.
    kind: EventKind,
    /// The payload, hex.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "0a0b0c")]
    raw: Option<String>,
    /// What was made of it: values, or why it could not be decoded.
    #[schema(value_type = Object)]
    pub(super) data: Box<RawValue>,
    /// What else the same payload said, in the order of the log.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) siblings: Vec<SiblingView>,
    /// Every generation, the newest first; only with `generations=all`, and only of what was decoded again.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) generations: Vec<GenerationView>,
}

/// Another event of the same uplink.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SiblingView {
    id: String,
    kind: EventKind,
    #[schema(value_type = Object)]
    data: Box<RawValue>,
}

/// An event as it stands in the log.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EventView {
    /// Place in the log: day, block, position. Ordered and stable.
    #[schema(example = "20780-184-3")]
    id: String,
    kind: EventKind,
    #[schema(format = DateTime)]
    time: String,
    #[schema(value_type = u32)]
    product_id: ProductId,
    /// Absent when the event is about the product as a whole.
    #[schema(value_type = Option<u64>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<DeviceId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    #[schema(value_type = Object)]
    data: Box<RawValue>,
    /// The payload, hex, on the one event of an uplink that carries it.
    #[serde(skip_serializing_if = "Option::is_none")]
    raw: Option<String>,
}

impl From<Event> for EventView {
    fn from(Event { id, fact }: Event) -> Self {
        let of_device = fact.device != DeviceId::NONE;
        Self {
            id: id.to_string(),
            kind: fact.kind,
            time: fact.time.to_string(),
            product_id: fact.product,
            device_id: of_device.then_some(fact.device),
            endpoint: of_device.then_some(fact.endpoint),
            data: as_json(&fact.body),
            raw: fact.raw.map(hex::encode),
        }
    }
}

/// The body as it was stored. One that is no JSON is shown as a text rather than hidden or allowed to break the answer.
pub(super) fn as_json(body: &str) -> Box<RawValue> {
    match serde_json::from_str::<&RawValue>(body) {
        Ok(raw) => raw.to_owned(),
        Err(_) => serde_json::value::to_raw_value(body).unwrap_or_else(|_| RawValue::NULL.to_owned()),
    }
}

/// Which events of a device.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BeforeQuery {
    /// Those that are older than this event.
    #[param(value_type = Option<String>, example = "20780-184-3")]
    before: Option<Text<EventId>>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// Which uplinks of a device, and what of them.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct UplinkQuery {
    /// Those that are older than this event.
    #[param(value_type = Option<String>, example = "20780-184-3")]
    before: Option<Text<EventId>>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// `newest` of what was decoded again, or `all`.
    #[serde(default)]
    #[param(inline)]
    generations: Generations,
}

/// Which dead letters.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeadLetterQuery {
    /// Those of one product's devices.
    #[param(value_type = Option<u32>)]
    product_id: Option<ProductId>,
    /// Those that are older than this event.
    #[param(value_type = Option<String>, example = "20780-184-3")]
    before: Option<Text<EventId>>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// List a device's uplinks, newest first, raw and decoded.
#[utoipa::path(get, path = "/api/v1/devices/{id}/uplinks", tag = "events", params(("id" = u64, Path), UplinkQuery),
    responses((status = 200, body = Listing<UplinkView>), (status = 404, description = "No such device")))]
pub(super) async fn list_uplinks(
    State(api): Shared,
    PathOf(device): PathOf<DeviceId>,
    QueryOf(query): QueryOf<UplinkQuery>,
) -> Result<Json<Listing<UplinkView>>, Problem> {
    devices::must_exist(&api, device).await?;
    let page = api.read(move |store| {
        let events = |before, limit| store.device_events(device, before, limit);
        let page = uplinks(events, query.before.map(|Text(id)| id), query.limit.0)?;
        let shown = page.items.into_iter().map(|uplink| {
            let (original, uplink) = view(uplink);
            generations::lay_over(store, original, uplink, query.generations)
        });
        Ok((shown.collect::<Result<Vec<_>, StoreError>>()?, page.next))
    });
    let (items, next) = page.await?;
    Ok(Json(Listing::new(items, next)))
}

/// List a device's events of all kinds, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{id}/events", tag = "events", params(("id" = u64, Path), BeforeQuery),
    responses((status = 200, body = Listing<EventView>), (status = 404, description = "No such device")))]
pub(super) async fn list_device_events(
    State(api): Shared,
    PathOf(device): PathOf<DeviceId>,
    QueryOf(query): QueryOf<BeforeQuery>,
) -> Result<Json<Listing<EventView>>, Problem> {
    devices::must_exist(&api, device).await?;
    let before = query.before.map(|Text(id)| id);
    let page = api.read(move |store| store.device_events(device, before, query.limit.0)).await?;
    Ok(Json(Listing::new(page.items.into_iter().map(EventView::from).collect(), page.next)))
}

/// List what happened to a product as a whole, newest first: the switches of its codec.
#[utoipa::path(get, path = "/api/v1/products/{id}/events", tag = "events", params(("id" = u32, Path), BeforeQuery),
    responses((status = 200, body = Listing<EventView>), (status = 404, description = "No such product")))]
pub(super) async fn list_product_events(
    State(api): Shared,
    PathOf(product): PathOf<ProductId>,
    QueryOf(query): QueryOf<BeforeQuery>,
) -> Result<Json<Listing<EventView>>, Problem> {
    codecs::find(&api, product).await?;
    let before = query.before.map(|Text(id)| id);
    let page = api.read(move |store| store.product_events(product, before, query.limit.0)).await?;
    Ok(Json(Listing::new(page.items.into_iter().map(EventView::from).collect(), page.next)))
}

/// List dead letters, newest first: uplinks that could not be decoded, with the bytes and the reason.
#[utoipa::path(get, path = "/api/v1/dead-letters", tag = "events", params(DeadLetterQuery),
    responses((status = 200, body = Listing<EventView>)))]
pub(super) async fn list_dead_letters(
    State(api): Shared,
    QueryOf(query): QueryOf<DeadLetterQuery>,
) -> Result<Json<Listing<EventView>>, Problem> {
    let before = query.before.map(|Text(id)| id);
    let page = api.read(move |store| store.dead_letters(query.product_id, before, query.limit.0)).await?;
    Ok(Json(Listing::new(page.items.into_iter().map(EventView::from).collect(), page.next)))
}

/// The events of one uplink, newest first, never empty.
type Uplink = Vec<Event>;

/// Gathers the events of a device into uplinks, newest first, until a page is full, the log ends or enough was read.
fn uplinks(
    events: impl Fn(Option<EventId>, usize) -> Result<Page<Event, EventId>, StoreError>,
    mut before: Option<EventId>,
    limit: usize,
) -> Result<Page<Uplink, EventId>, StoreError> {
    let mut done: Vec<Uplink> = Vec::new();
    let mut open = Open::default();
    let mut scanned = 0;
    // All that is newer than this is in `done` or belongs to no uplink: where the next page begins.
    let mut settled = before;
    while scanned < SCANNED || !open.events.is_empty() {
        let page = events(before, CHUNK)?;
        scanned += page.items.len();
        for event in page.items {
            if !open.takes(&event) {
                settled = open.events.last().map(|last| last.id);
                done.push(std::mem::take(&mut open).events);
                if done.len() == limit {
                    return Ok(Page { items: done, next: settled });
                }
            }
            let id = event.id;
            open.add(event);
            if open.events.is_empty() {
                settled = Some(id);
            }
        }
        match page.next {
            Some(next) => before = Some(next),
            None => {
                if !open.events.is_empty() {
                    done.push(open.events);
                }
                return Ok(Page { items: done, next: None });
            }
        }
    }
    Ok(Page { items: done, next: settled })
}

/// The uplink whose events are being gathered.
#[derive(Default)]
struct Open {
    events: Uplink,
    trace: Option<String>,
    /// Commands' events seen since its last one.
    between: usize,
}

impl Open {
    /// Whether the event, next older in the log, may stand before it: it is of the same uplink, or is a command's transition
    /// that the uplink caused.
    fn takes(&self, event: &Event) -> bool {
        if self.events.is_empty() {
            return true;
        }
        if is_of_an_uplink(event.fact.kind) {
            let trace = trace_of(&event.fact.body);
            return trace.is_some() && trace == self.trace;
        }
        event.fact.kind == EventKind::Command && self.between < COMMANDS_BETWEEN
    }

    fn add(&mut self, event: Event) {
        if is_of_an_uplink(event.fact.kind) {
            self.trace = trace_of(&event.fact.body);
            self.between = 0;
            self.events.push(event);
        } else {
            self.between += 1;
        }
    }
}

/// The uplink as it came, and the event that carries its bytes.
fn view(mut uplink: Uplink) -> (EventId, UplinkView) {
    uplink.reverse();
    let carrier = uplink.iter().position(|event| event.fact.raw.is_some()).unwrap_or(0);
    let has = |kind| uplink.iter().any(|event| event.fact.kind == kind);
    let outcome = if has(EventKind::DeadLetter) {
        Outcome::DeadLetter
    } else if has(EventKind::Transparent) {
        Outcome::Transparent
    } else {
        Outcome::Decoded
    };
    let Event { id, fact } = uplink.remove(carrier);
    let view = UplinkView {
        id: id.to_string(),
        time: fact.time.to_string(),
        outcome,
        generation: 1,
        corrected_by: None,
        generations: Vec::new(),
        kind: fact.kind,
        raw: fact.raw.map(hex::encode),
        data: as_json(&fact.body),
        siblings: uplink
            .into_iter()
            .map(|Event { id, fact }| SiblingView { id: id.to_string(), kind: fact.kind, data: as_json(&fact.body) })
            .collect(),
    };
    (id, view)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NewEvent, Timestamp};

    fn event(block: u32, offset: u16, kind: EventKind, trace: Option<&str>, raw: Option<&[u8]>) -> Event {
        let body = trace.map_or_else(|| "{}".to_owned(), |trace| format!(r#"{{"trace":"{trace}","n":{offset}}}"#));
        let fact = NewEvent {
            kind,
            device: DeviceId(7),
            endpoint: "e".to_owned(),
            product: ProductId(1),
            time: Timestamp(0),
            raw: raw.map(<[u8]>::to_vec),
            body,
        };
        Event { id: EventId { day: 1, block, offset }, fact }
    }

    /// Oldest first; serves pages of `chunk` however many are asked for.
    fn serve(log: &[Event], chunk: usize) -> impl Fn(Option<EventId>, usize) -> Result<Page<Event, EventId>, StoreError> {
        move |before, limit| {
            let mut older: Vec<Event> = log.iter().rev().filter(|event| before.is_none_or(|id| event.id < id)).cloned().collect();
            let more = older.len() > limit.min(chunk);
            older.truncate(limit.min(chunk));
            let next = if more { older.last().map(|event| event.id) } else { None };
            Ok(Page { items: older, next })
        }
    }

    fn log() -> Vec<Event> {
        vec![
            event(0, 0, EventKind::DeviceRegistered, None, None),
            event(1, 0, EventKind::Report, Some("a"), Some(&[0x0a])),
            event(1, 1, EventKind::EventReport, Some("a"), None),
            event(1, 2, EventKind::Command, None, None),
            event(2, 0, EventKind::Response, Some("b"), None),
            event(2, 1, EventKind::Command, None, None),
            event(2, 2, EventKind::Report, Some("b"), Some(&[0x0b])),
            event(3, 0, EventKind::DeadLetter, Some("c"), Some(&[0x0c])),
            event(3, 1, EventKind::Transparent, Some("d"), Some(&[0x0d])),
            event(4, 0, EventKind::DeviceUpdated, None, None),
        ]
    }

    fn raws(page: &Page<Uplink, EventId>) -> Vec<(String, Outcome, usize)> {
        let views = page.items.iter().cloned().map(|uplink| view(uplink).1);
        views.map(|view| (view.raw.unwrap_or_default(), view.outcome, view.siblings.len())).collect()
    }

    #[test]
    fn events_of_one_uplink_are_one_entry_whatever_the_pages_of_the_store() {
        let expected = [
            ("0d".to_owned(), Outcome::Transparent, 0),
            ("0c".to_owned(), Outcome::DeadLetter, 0),
            ("0b".to_owned(), Outcome::Decoded, 1),
            ("0a".to_owned(), Outcome::Decoded, 1),
        ];
        let log = log();
        for chunk in 1..=log.len() + 1 {
            let page = uplinks(serve(&log, chunk), None, 100).unwrap();
            assert_eq!((raws(&page).as_slice(), page.next), (expected.as_slice(), None), "pages of {chunk}");
        }
    }

    #[test]
    fn pages_of_any_size_join_without_gap_or_overlap() {
        let log = log();
        let whole = raws(&uplinks(serve(&log, 100), None, 100).unwrap());
        for limit in 1..=5 {
            let (mut joined, mut before) = (Vec::new(), None);
            loop {
                let page = uplinks(serve(&log, 2), before, limit).unwrap();
                assert!(page.items.len() <= limit);
                joined.extend(raws(&page));
                match page.next {
                    Some(next) => before = Some(next),
                    None => break,
                }
            }
            assert_eq!(joined, whole, "pages of {limit}");
        }
    }

    #[test]
    fn a_scan_without_uplinks_ends_and_goes_on_where_it_ended() {
        let mut log = vec![event(0, 0, EventKind::Report, Some("old"), Some(&[0x01]))];
        log.extend((1..=12_000).map(|block| event(block, 0, EventKind::DeviceUpdated, None, None)));
        let first = uplinks(serve(&log, CHUNK), None, 1).unwrap();
        assert!(first.items.is_empty());
        let second = uplinks(serve(&log, CHUNK), first.next, 1).unwrap();
        assert_eq!(raws(&second), [("01".to_owned(), Outcome::Decoded, 0)]);

        // The newest uplink stands before the long silence: it is listed, and the next page goes on after it.
        log.push(event(12_001, 0, EventKind::Report, Some("new"), Some(&[0x02])));
        let first = uplinks(serve(&log, CHUNK), None, 10).unwrap();
        assert_eq!(raws(&first), [("02".to_owned(), Outcome::Decoded, 0)]);
        let second = uplinks(serve(&log, CHUNK), first.next, 10).unwrap();
        assert_eq!(raws(&second), [("01".to_owned(), Outcome::Decoded, 0)]);
    }

    #[test]
    fn a_listed_event_is_the_pushed_one_and_its_bytes() {
        let event = event(1, 0, EventKind::Report, Some("a"), Some(&[0xff, 0x00]));
        let pushed: serde_json::Value = serde_json::from_str(&event.to_json()).unwrap();
        let mut listed = serde_json::to_value(EventView::from(event)).unwrap();
        assert_eq!(listed.as_object_mut().unwrap().remove("raw"), Some("ff00".into()));
        assert_eq!(listed, pushed);
    }
}
