//! `GET /api/v1/events`: the event log as server-sent events (WHATWG HTML 9.2), live and from any place in the log.
//!
//! A stream reads the log in bounded chunks when the client has taken the last one, so a slow client costs a chunk and nothing
//! more. Streams that stand at the same place share the chunk. Knows the log, not what appends to it.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use utoipa::IntoParams;

use super::extract::{Kinds, QueryOf, Text};
use super::problem::{Code, Problem};
use super::{Api, Shared, off_reactor};
use crate::model::{DeviceId, Event, EventId, EventKind, ProductId};
use crate::store::Store;

/// Most streams at a time.
const STREAMS: usize = 256;
/// Most streams that read the log at a time.
const READERS: usize = 2;
/// Most events of a chunk.
const CHUNK: usize = 128;
/// Chunks that are kept for streams that stand at the same place.
const SHARED_CHUNKS: usize = 8;
/// How often a silent stream shows that it lives.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// First bytes of a stream: the client sees that it is open, and comes back 2 s after it breaks.
const HELLO: &[u8] = b"retry: 2000\n\n";

/// What all streams share.
pub(super) struct Streams {
    seats: Arc<Semaphore>,
    readers: Semaphore,
    recent: Mutex<VecDeque<Chunk>>,
}

impl Default for Streams {
    fn default() -> Self {
        let (seats, readers) = (Arc::new(Semaphore::new(STREAMS)), Semaphore::new(READERS));
        Self { seats, readers, recent: Mutex::new(VecDeque::new()) }
    }
}

/// The events after a place in the log, ready to be sent.
#[derive(Clone)]
struct Chunk {
    after: Option<EventId>,
    entries: Arc<[Entry]>,
}

/// An event as it goes out, and what filters ask of it.
struct Entry {
    id: EventId,
    kind: EventKind,
    product: ProductId,
    device: DeviceId,
    frame: String,
}

impl From<Event> for Entry {
    fn from(event: Event) -> Self {
        let frame = frame(&event);
        Self { id: event.id, kind: event.fact.kind, product: event.fact.product, device: event.fact.device, frame }
    }
}

/// One event in the stream's format. Its JSON is one line; should a stored body hold a line break, each line becomes a `data:`.
fn frame(event: &Event) -> String {
    let json = event.to_json();
    let mut frame = format!("id: {}\nevent: {}\n", event.id, event.fact.kind.as_str());
    for line in json.split(['\n', '\r']) {
        frame.push_str("data: ");
        frame.push_str(line);
        frame.push('\n');
    }
    frame.push('\n');
    frame
}

impl Streams {
    /// Streams that are open.
    pub(super) fn open(&self) -> usize {
        STREAMS.saturating_sub(self.seats.available_permits())
    }

    /// The events after a place, at most [`CHUNK`]; empty = there are none yet.
    async fn after(&self, store: &Store, after: Option<EventId>) -> Result<Arc<[Entry]>, Problem> {
        if let Some(entries) = self.shared(after) {
            return Ok(entries);
        }
        let _turn = self.readers.acquire().await.map_err(|closed| Problem::new(Code::Internal, closed.to_string()))?;
        // Whoever held the turn before may have read the same place.
        if let Some(entries) = self.shared(after) {
            return Ok(entries);
        }
        let store = store.clone();
        let events = off_reactor(move || store.events_after(after, CHUNK)).await??;
        let entries: Arc<[Entry]> = events.into_iter().map(Entry::from).collect();
        if !entries.is_empty() {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            recent.truncate(SHARED_CHUNKS - 1);
            recent.push_front(Chunk { after, entries: Arc::clone(&entries) });
        }
        Ok(entries)
    }

    fn shared(&self, after: Option<EventId>) -> Option<Arc<[Entry]>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        recent.iter().find(|chunk| chunk.after == after).map(|chunk| Arc::clone(&chunk.entries))
    }
}

/// Which events, and from where.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EventQuery {
    /// Kinds with commas between; all but `response` when not given.
    #[param(value_type = Option<String>, example = "report,event-report")]
    kinds: Option<Text<Kinds>>,
    /// Those of one product's devices.
    #[param(value_type = Option<u32>)]
    product_id: Option<ProductId>,
    /// Those of one device.
    #[param(value_type = Option<u64>)]
    device_id: Option<DeviceId>,
    /// Begin after this event; a `Last-Event-ID` header goes before it. Without either the stream begins with what happens next.
    #[param(value_type = Option<String>, example = "20780-184-3")]
    after: Option<Text<EventId>>,
}

impl EventQuery {
    /// The same rule as a subscription's.
    fn wants(&self, entry: &Entry) -> bool {
        let of_kind = match &self.kinds {
            Some(Text(Kinds(kinds))) if !kinds.is_empty() => kinds.contains(&entry.kind),
            _ => entry.kind != EventKind::Response,
        };
        of_kind
            && self.product_id.is_none_or(|product| entry.product == product)
            && self.device_id.is_none_or(|device| entry.device == device)
    }
}

/// Follow events as they become durable (server-sent events).
///
/// `id:` is the event's id, `event:` its kind, `data:` its JSON. After a break the client's `Last-Event-ID` continues from the log,
/// without gap, as far back as events are kept.
#[utoipa::path(get, path = "/api/v1/events", tag = "events",
    params(EventQuery, ("Last-Event-ID" = Option<String>, Header, description = "Continue after this event")),
    responses((status = 200, description = "A stream that does not end", content_type = "text/event-stream", body = String),
        (status = 503, description = "Too many streams are open")))]
pub(super) async fn follow_events(
    State(api): Shared,
    QueryOf(query): QueryOf<EventQuery>,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let begin = match last_event_id(&headers)?.or(query.after.map(|Text(id)| id)) {
        Some(id) => Some(id),
        None => api.parts.store.last_event(),
    };
    let seat = Arc::clone(&api.streams.seats).try_acquire_owned().map_err(|_| {
        let detail = format!("{STREAMS} event streams are open, which is as many as there may be");
        Problem::new(Code::TooManyStreams, detail).hint("close one, or use a subscription")
    })?;
    let hints = api.parts.store.watch_events();
    let stopping = api.parts.stopping.clone();
    let follower = Follower { api, query, cursor: begin, hints, stopping, _seat: seat };
    let chunks = stream::unfold(follower, Follower::next);
    let body = stream::StreamExt::chain(stream::iter([Ok::<_, Infallible>(Bytes::from_static(HELLO))]), chunks);
    let headers = [
        (header::CONTENT_TYPE.as_str(), "text/event-stream"),
        (header::CACHE_CONTROL.as_str(), "no-cache"),
        // Asks proxies not to hold the stream back.
        ("x-accel-buffering", "no"),
    ];
    Ok((headers, Body::from_stream(body)).into_response())
}

fn last_event_id(headers: &HeaderMap) -> Result<Option<EventId>, Problem> {
    let Some(value) = headers.get("last-event-id") else { return Ok(None) };
    match value.to_str().unwrap_or("(not text)").trim() {
        "" => Ok(None),
        text => {
            text.parse().map(Some).map_err(|reason: String| Problem::new(Code::BadHeader, format!("Last-Event-ID: {reason}")))
        }
    }
}

/// One client's place in the log.
struct Follower {
    api: Arc<Api>,
    query: EventQuery,
    cursor: Option<EventId>,
    hints: watch::Receiver<Option<EventId>>,
    stopping: watch::Receiver<bool>,
    _seat: OwnedSemaphorePermit,
}

impl Follower {
    /// The next bytes for the client; none ends the stream, and the client comes back with its `Last-Event-ID`.
    async fn next(mut self) -> Option<(Result<Bytes, Infallible>, Self)> {
        loop {
            if *self.stopping.borrow_and_update() {
                return None;
            }
            // Marked as seen before the log is read: what is appended meanwhile wakes the next wait.
            self.hints.borrow_and_update();
            let entries = match self.read().await {
                Ok(entries) => entries,
                Err(problem) => {
                    tracing::warn!(?problem, "an event stream ends: the log cannot be read");
                    return None;
                }
            };
            let Some(last) = entries.last() else {
                tokio::select! {
                    hint = self.hints.changed() => hint.ok()?,
                    stop = self.stopping.changed() => stop.ok()?,
                    () = tokio::time::sleep(KEEP_ALIVE) => return Some((Ok(Bytes::from_static(b": keep-alive\n\n")), self)),
                }
                continue;
            };
            self.cursor = Some(last.id);
            let wanted: String =
                entries.iter().filter(|entry| self.query.wants(entry)).map(|entry| entry.frame.as_str()).collect();
            if !wanted.is_empty() {
                return Some((Ok(Bytes::from(wanted)), self));
            }
        }
    }

    /// What comes after the cursor; the log is not touched when nothing can.
    async fn read(&self) -> Result<Arc<[Entry]>, Problem> {
        let store = &self.api.parts.store;
        if self.cursor >= store.last_event() {
            return Ok(Arc::from([]));
        }
        self.api.streams.after(store, self.cursor).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{NewEvent, Timestamp};

    fn event(kind: EventKind, body: &str) -> Event {
        let fact = NewEvent {
            kind,
            device: DeviceId(7),
            endpoint: "e".to_owned(),
            product: ProductId(1),
            time: Timestamp(0),
            raw: None,
            body: body.to_owned(),
        };
        Event { id: EventId { day: 20_780, block: 184, offset: 3 }, fact }
    }

    #[test]
    fn an_event_is_one_frame() {
        assert_eq!(
            frame(&event(EventKind::Report, r#"{"x":1}"#)),
            "id: 20780-184-3\nevent: report\ndata: {\"id\":\"20780-184-3\",\"kind\":\"report\",\
             \"time\":\"1970-01-01T00:00:00.000Z\",\"productId\":1,\"deviceId\":7,\"endpoint\":\"e\",\"data\":{\"x\":1}}\n\n"
        );
    }

    #[test]
    fn a_line_break_in_a_body_cannot_end_or_forge_an_event() {
        let text = frame(&event(EventKind::Report, "{\"x\":\n\nid: 1\r\n1}"));
        assert!(text.lines().all(|line| ["id: 20780-184-3", "event: report", ""].contains(&line) || line.starts_with("data: ")));
        assert_eq!(text.matches("\n\n").count(), 1);
    }

    #[test]
    fn filters_are_those_of_a_subscription() {
        let wants = |query: &str, kind| {
            let query: EventQuery = QueryOf::of(&format!("/?{query}").parse().unwrap()).unwrap();
            query.wants(&Entry::from(event(kind, "{}")))
        };
        assert!(wants("", EventKind::Report) && !wants("", EventKind::Response));
        assert!(wants("kinds=response,report", EventKind::Response) && !wants("kinds=report", EventKind::Command));
        assert!(wants("productId=1&deviceId=7", EventKind::Report));
        assert!(!wants("productId=2", EventKind::Report) && !wants("productId=1&deviceId=8", EventKind::Report));
    }

    #[test]
    fn the_last_event_id_is_read_or_refused() {
        let read = |text: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert("last-event-id", header::HeaderValue::from_static(text));
            last_event_id(&headers)
        };
        assert_eq!(read("20780-184-3").unwrap(), Some(EventId { day: 20_780, block: 184, offset: 3 }));
        assert_eq!(read("").unwrap(), None);
        assert_eq!(read("17").unwrap_err().code(), "E4003");
        assert_eq!(last_event_id(&HeaderMap::new()).unwrap(), None);
    }
}
