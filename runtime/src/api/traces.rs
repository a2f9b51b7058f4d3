//! `/api/v1/traces` and `/api/v1/devices/{id}/trace`: what happens to one device, step by step. Switched on for a while, kept in memory.
//!
//! By endpoint, so that a device can be followed that is not let in; by number as well for one that is.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{JsonBody, Limit, Listing, PathOf, QueryOf};
use super::problem::{Code, Problem, member};
use super::{Api, Shared};
use crate::model::{Device, DeviceId, Endpoint};
use crate::trace::{Excerpt, Kind, MAX_TRACES, Outcome, Step, Turn};

/// Longest time of a trace, minutes.
const MOST_MINUTES: u32 = 24 * 60;

/// A trace with steps.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TraceView {
    /// The LwM2M endpoint client name.
    #[schema(example = "urn:imei:867000000000001")]
    endpoint: String,
    /// Absent while no device has this name, or it has not spoken since the trace began.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    device_id: Option<DeviceId>,
    /// When it was switched on.
    #[schema(format = DateTime)]
    began: String,
    /// When it switches itself off, or did. Steps stay until it is deleted, another trace needs the place, or the gateway stops.
    #[schema(format = DateTime)]
    until: String,
    /// Whether it records.
    live: bool,
    /// Steps that gave way to later ones: 1,000 are kept, or 256 KiB.
    dropped: u64,
    /// Number of the last step recorded.
    last: u64,
    /// Oldest first.
    steps: Vec<StepView>,
}

/// One step.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
struct StepView {
    /// Grows; give it as `after`.
    seq: u64,
    #[schema(format = DateTime)]
    time: String,
    step: Kind,
    outcome: Outcome,
    /// Whose move it is now.
    turn: Turn,
    /// The facts, in words.
    #[schema(example = "CON 2.05 Content mid 7 token 9a0c observe 3 format 42, 36 bytes; payload of 20: 0101...")]
    detail: String,
}

impl From<Step> for StepView {
    fn from(step: Step) -> Self {
        let Step { seq, time, kind, outcome, turn, detail } = step;
        Self { seq, time: time.to_string(), step: kind, outcome, turn, detail }
    }
}

impl From<Excerpt> for TraceView {
    fn from(excerpt: Excerpt) -> Self {
        let Excerpt { endpoint, device, began, until, live, dropped, last, steps } = excerpt;
        Self {
            endpoint,
            device_id: device,
            began: began.to_string(),
            until: until.to_string(),
            live,
            dropped,
            last,
            steps: steps.into_iter().map(StepView::from).collect(),
        }
    }
}

/// How long.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct TraceRequest {
    /// 1 to 1,440.
    #[serde(default = "ten")]
    #[schema(default = 10)]
    minutes: u32,
}

fn ten() -> u32 {
    10
}

/// Which steps.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct StepQuery {
    /// Those with a greater `seq`.
    #[serde(default)]
    after: u64,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// List traces, by endpoint, without their steps.
#[utoipa::path(get, path = "/api/v1/traces", tag = "traces", responses((status = 200, body = Listing<TraceView>)))]
pub(super) async fn list_traces(State(api): Shared) -> Json<Listing<TraceView>> {
    let all = api.parts.router.tracer().list().into_iter().map(TraceView::from).collect();
    Json(Listing::new(all, None::<&str>))
}

/// Trace an endpoint, registered or not, for a while; one that is traced goes on until the new time.
#[utoipa::path(post, path = "/api/v1/traces/{endpoint}", tag = "traces", params(("endpoint" = String, Path)), request_body = TraceRequest,
    responses((status = 200, body = TraceView), (status = 422, description = "Members cannot be taken"),
        (status = 503, description = "Too many traces record")))]
pub(super) async fn begin_trace(
    State(api): Shared,
    PathOf(endpoint): PathOf<String>,
    JsonBody(request): JsonBody<TraceRequest>,
) -> Result<Json<TraceView>, Problem> {
    let name = Endpoint::new(&endpoint).map_err(|bad| Problem::new(Code::BadPath, bad.to_string()))?;
    let found = api.read(move |store| store.device_by_endpoint(name.as_str())).await?;
    begin(&api, &endpoint, found.map(|found| found.doc.id), &request)
}

/// Show the steps of a trace.
#[utoipa::path(get, path = "/api/v1/traces/{endpoint}", tag = "traces", params(("endpoint" = String, Path), StepQuery),
    responses((status = 200, body = TraceView), (status = 404, description = "It is not traced")))]
pub(super) async fn show_trace(
    State(api): Shared,
    PathOf(endpoint): PathOf<String>,
    QueryOf(query): QueryOf<StepQuery>,
) -> Result<Json<TraceView>, Problem> {
    show(&api, &endpoint, &query)
}

/// Switch a trace off and forget its steps.
#[utoipa::path(delete, path = "/api/v1/traces/{endpoint}", tag = "traces", params(("endpoint" = String, Path)),
    responses((status = 204, description = "Forgotten"), (status = 404, description = "It is not traced")))]
pub(super) async fn end_trace(State(api): Shared, PathOf(endpoint): PathOf<String>) -> Result<StatusCode, Problem> {
    end(&api, &endpoint)
}

/// Trace a device for a while.
#[utoipa::path(post, path = "/api/v1/devices/{id}/trace", tag = "traces", params(("id" = u64, Path)), request_body = TraceRequest,
    responses((status = 200, body = TraceView), (status = 404, description = "No such device"),
        (status = 422, description = "Members cannot be taken"), (status = 503, description = "Too many traces record")))]
pub(super) async fn begin_device_trace(
    State(api): Shared,
    PathOf(id): PathOf<DeviceId>,
    JsonBody(request): JsonBody<TraceRequest>,
) -> Result<Json<TraceView>, Problem> {
    let device = named(&api, id).await?;
    begin(&api, device.endpoint.as_str(), Some(id), &request)
}

/// Show the steps of a device's trace.
#[utoipa::path(get, path = "/api/v1/devices/{id}/trace", tag = "traces", params(("id" = u64, Path), StepQuery),
    responses((status = 200, body = TraceView), (status = 404, description = "No such device, or it is not traced")))]
pub(super) async fn show_device_trace(
    State(api): Shared,
    PathOf(id): PathOf<DeviceId>,
    QueryOf(query): QueryOf<StepQuery>,
) -> Result<Json<TraceView>, Problem> {
    show(&api, named(&api, id).await?.endpoint.as_str(), &query)
}

/// Switch a device's trace off and forget its steps.
#[utoipa::path(delete, path = "/api/v1/devices/{id}/trace", tag = "traces", params(("id" = u64, Path)),
    responses((status = 204, description = "Forgotten"), (status = 404, description = "No such device, or it is not traced")))]
pub(super) async fn end_device_trace(State(api): Shared, PathOf(id): PathOf<DeviceId>) -> Result<StatusCode, Problem> {
    end(&api, named(&api, id).await?.endpoint.as_str())
}

async fn named(api: &Api, id: DeviceId) -> Result<Device, Problem> {
    let found = api.read(move |store| store.device(id)).await?;
    found.map(|found| found.doc).ok_or_else(|| Problem::new(Code::NoDevice, format!("there is no device {id}")))
}

fn begin(api: &Api, endpoint: &str, device: Option<DeviceId>, request: &TraceRequest) -> Result<Json<TraceView>, Problem> {
    if !(1..=MOST_MINUTES).contains(&request.minutes) {
        let reason = format!("a trace takes 1 to {MOST_MINUTES} minutes");
        return Err(Problem::members(vec![member("/minutes", "E4422", reason, "begin it again when it ends")]));
    }
    let until = api.now().plus_ms(u64::from(request.minutes) * 60_000);
    let begun = api.parts.router.tracer().begin(endpoint, device, until);
    let begun = begun.map_err(|full| {
        Problem::new(Code::TooManyTraces, full.to_string())
            .hint(format!("end one of the {MAX_TRACES} with DELETE /api/v1/traces/ENDPOINT, or wait until one ends"))
    });
    Ok(Json(begun?.into()))
}

fn show(api: &Api, endpoint: &str, query: &StepQuery) -> Result<Json<TraceView>, Problem> {
    let found = api.parts.router.tracer().steps(endpoint, query.after, query.limit.0);
    found.map(|excerpt| Json(excerpt.into())).ok_or_else(|| not_traced(endpoint))
}

fn end(api: &Api, endpoint: &str) -> Result<StatusCode, Problem> {
    if api.parts.router.tracer().end(endpoint) { Ok(StatusCode::NO_CONTENT) } else { Err(not_traced(endpoint)) }
}

fn not_traced(endpoint: &str) -> Problem {
    Problem::new(Code::NoTrace, format!("`{}` is not traced", endpoint.escape_debug()))
        .hint("begin with POST; a restart of the gateway forgets traces")
}
