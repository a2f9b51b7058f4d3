//! `/api/v1/why/{id}`: where a command or an uplink stands, whose move it is and what to do. Gathers the facts; judges nothing.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;

use super::extract::PathOf;
use super::problem::{Code, Problem};
use super::{Api, Shared};
use crate::catalog::{Catalog, Slot};
use crate::model::{Command, CommandId, CommandState, Device, DeviceId, Event, EventId, EventKind, Timestamp};
use crate::presence::{Presence, effective_mode, is_queue_mode};
use crate::store::{Store, StoreError};
use crate::uplink::{is_of_an_uplink, trace_of};
use crate::why::{self, Addressee, CommandFacts, UplinkFacts, Verdict};

/// Commands of a device that may go before the one that is asked about.
const BEFORE: usize = 32;
/// Events around the one that is asked about, among which those of the same uplink are.
const AROUND: usize = 64;

/// What a verdict is about.
#[derive(Debug, Clone, Copy, Serialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
enum Subject {
    Command,
    Uplink,
}

/// A verdict.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WhyView {
    /// What it is about.
    subject: Subject,
    /// The id that was asked for.
    id: String,
    /// Code, turn (`codec`, `gateway`, `network`, `device`, `application`, `nobody`), one sentence and advice in English and Chinese, evidence.
    #[serde(flatten)]
    #[schema(value_type = Object)]
    verdict: Verdict,
}

/// Why does it stand where it stands? `id` = a command, or an event of an uplink.
#[utoipa::path(get, path = "/api/v1/why/{id}", tag = "commands", params(("id" = String, Path)),
    responses((status = 200, body = WhyView), (status = 404, description = "Neither a command nor an uplink")))]
pub(super) async fn show_why(State(api): Shared, PathOf(id): PathOf<String>) -> Result<Json<WhyView>, Problem> {
    let now = api.now();
    let (subject, verdict) = match (id.parse::<CommandId>(), id.parse::<EventId>()) {
        (Ok(command), _) => (Subject::Command, of_command(&api, command, now).await?),
        (_, Ok(event)) => (Subject::Uplink, of_uplink(&api, event).await?),
        _ => {
            let detail = format!(
                "`{}` is neither the id of a command (32 hex digits) nor of an event (day-block-offset)",
                id.escape_debug()
            );
            return Err(
                Problem::new(Code::NoUplink, detail).hint("GET /api/v1/commands and GET /api/v1/devices/{id}/uplinks list them")
            );
        }
    };
    Ok(Json(WhyView { subject, id, verdict }))
}

/// What the store knows for a verdict on a command.
struct Known {
    command: Command,
    device: Device,
    presence: Presence,
    last_seen: Option<Timestamp>,
    queue_mode: Option<bool>,
    ahead: Option<(CommandId, CommandState)>,
}

async fn of_command(api: &Api, id: CommandId, now: Timestamp) -> Result<Verdict, Problem> {
    let known = api.read(move |store| known(store, id)).await?;
    let known = known.ok_or_else(|| Problem::new(Code::NoCommand, format!("there is no command {id}")))?;
    let lane = api.parts.router.view(known.device.id).await;
    let active = active_codec(&api.parts.catalog, &known.device);
    let product = api.parts.catalog.active(known.device.product);
    let product = product.as_ref().map(|active| &active.product);
    let (mode, _) = effective_mode(
        product.map(|product| product.power_mode).unwrap_or_default(),
        known.device.power_mode,
        known.queue_mode.unwrap_or(false),
    );
    let habits = product.map(|product| product.habits).unwrap_or_default();
    let rhythm = lane.as_ref().map_or_else(|| known.presence.rhythm.seen_at(known.last_seen), |lane| lane.rhythm);
    let device = Addressee {
        endpoint: known.device.endpoint.as_str(),
        mode,
        is_registered: known.queue_mode.is_some(),
        state: known.presence.state,
        last_seen: known.last_seen,
        awake_until: known.last_seen.map(|seen| seen.plus_ms(rhythm.awake_ms(&habits))),
        expected: rhythm.expected_next_wake(now),
    };
    Ok(why::command(CommandFacts { command: &known.command, device, ahead: known.ahead, has_codec: active }, now))
}

fn active_codec(catalog: &Catalog, device: &Device) -> bool {
    catalog.active(device.product).is_some_and(|active| matches!(active.codec, Slot::Active(_)))
}

fn known(store: &Store, id: CommandId) -> Result<Option<Known>, StoreError> {
    let Some(command) = store.command(id)?.map(|found| found.doc) else { return Ok(None) };
    let Some(device) = store.device(command.device)?.map(|found| found.doc) else { return Ok(None) };
    let ahead = store.next_commands(device.id, BEFORE)?.into_iter().map(|found| found.doc).take_while(|other| other.id != id);
    let ahead = ahead.last().filter(|_| command.state == CommandState::Pending).map(|other| (other.id, other.state));
    Ok(Some(Known {
        presence: store.presence(&device)?,
        last_seen: store.last_seen(device.id),
        queue_mode: store.registration(device.id)?.map(|registration| is_queue_mode(&registration.binding)),
        ahead,
        command,
        device,
    }))
}

async fn of_uplink(api: &Api, id: EventId) -> Result<Verdict, Problem> {
    let facts = api.read(move |store| uplink_facts(store, id)).await?;
    let facts = facts.ok_or_else(|| {
        Problem::new(Code::NoUplink, format!("there is no uplink {id}: no such event, or it tells of something else"))
            .hint("GET /api/v1/devices/{id}/uplinks lists uplinks; retention may have dropped it")
    })?;
    Ok(why::uplink(&facts))
}

fn uplink_facts(store: &Store, id: EventId) -> Result<Option<UplinkFacts>, StoreError> {
    let Some(event) = store.event(id)?.filter(|event| is_one(event.fact.kind)) else { return Ok(None) };
    let trace = trace_of(&event.fact.body);
    let events = around(store, event.fact.device, id)?;
    let mut same: Vec<Event> =
        events.into_iter().filter(|other| trace.is_some() && trace_of(&other.fact.body) == trace).collect();
    if same.is_empty() {
        same.push(event.clone());
    }
    let mut facts = UplinkFacts { endpoint: event.fact.endpoint.clone(), received: event.fact.time, ..UplinkFacts::default() };
    for event in &same {
        if is_one(event.fact.kind) {
            facts.kinds.push(event.fact.kind);
        }
        read_body(&mut facts, event);
        facts.is_corrected |= !store.corrections(event.id, 1)?.is_empty();
    }
    facts.kinds.sort_by_key(|kind| kind.as_str());
    Ok(Some(facts))
}

fn is_one(kind: EventKind) -> bool {
    is_of_an_uplink(kind) || kind == EventKind::Resources
}

/// The events of a device on both sides of one.
fn around(store: &Store, device: DeviceId, id: EventId) -> Result<Vec<Event>, StoreError> {
    let behind = EventId { offset: id.offset.saturating_add(8), ..id };
    Ok(store.device_events(device, Some(behind), AROUND)?.items)
}

fn read_body(facts: &mut UplinkFacts, event: &Event) {
    let Ok(body) = serde_json::from_str::<serde_json::Value>(&event.fact.body) else { return };
    let text = |value: &serde_json::Value| value.as_str().map(str::to_owned);
    if let Some(error) = body.get("error") {
        let member = |name| error.get(name).and_then(text).unwrap_or_default();
        facts.error = Some((member("code"), member("detail")));
    }
    facts.codec = facts.codec.take().or_else(|| body.get("codec").and_then(text));
    let reports = body.get("reports").and_then(serde_json::Value::as_array);
    let violations =
        |report: &serde_json::Value| report.get("violations").and_then(serde_json::Value::as_array).map_or(0, Vec::len);
    facts.marks += reports.into_iter().flatten().map(violations).sum::<usize>();
    let responses = body.get("responses").and_then(serde_json::Value::as_array);
    for response in responses.into_iter().flatten() {
        let mid = response.get("mid").and_then(serde_json::Value::as_u64).unwrap_or_default();
        let command = response.get("command").and_then(text).and_then(|id| id.parse().ok());
        facts.responses.push((mid, command));
    }
}
