//! `/api/v1/batches`: one command for many devices. Whether it may be sent and how it is made is decided by `downlink`.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::commands::CommandView;
use super::extract::{JsonBody, Limit, Listing, PathOf, QueryOf};
use super::orders::CommandRequest;
use super::problem::{Code, Problem, member};
use super::{Shared, off_reactor};
use crate::downlink::{BatchError, Batches, Progress};
use crate::model::{Batch, BatchId, CommandState, DeviceId, ProductId, Target, Work};
use crate::presence::DeviceState;
use crate::profile::Mistake;
use crate::store::{Store, StoreError, Write};

/// Most bytes of a batch's name.
const NAME_BYTES: usize = 256;
/// Most devices that a batch may name one by one.
const NAMED_DEVICES: usize = 10_000;

/// A batch and how far it is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct BatchView {
    #[schema(value_type = u64, example = 3)]
    id: BatchId,
    name: String,
    /// What each device gets, as it was asked for.
    #[schema(value_type = Object)]
    command: serde_json::Value,
    /// Seconds that each waits for its device.
    expire_time: u64,
    /// For whom.
    #[schema(value_type = Object)]
    to: Target,
    /// `creating`, `retrying` or `canceling` while the gateway is at work, then `running`, or `canceled`.
    #[schema(example = "running")]
    phase: &'static str,
    /// How often the failed ones were made anew.
    retries: u32,
    #[schema(format = DateTime)]
    created: String,
    progress: ProgressView,
}

/// How far a batch is. Of each device its newest command counts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProgressView {
    /// Devices that have a command of the batch.
    total: u64,
    /// Devices that it is for, where that is known beforehand.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected: Option<u64>,
    /// Those whose command neither waits nor is under way.
    settled: u64,
    /// Devices by the state of their command; states without any are left out.
    #[schema(value_type = BTreeMap<String, u64>, example = json!({"SUCCESSFUL": 41, "PENDING": 1}))]
    by_state: BTreeMap<&'static str, u64>,
}

impl From<Progress> for ProgressView {
    fn from(progress: Progress) -> Self {
        let (total, settled, expected) = (progress.total(), progress.settled(), progress.expected);
        let some = progress.by_state.into_iter().filter(|(_, count)| *count > 0);
        Self { total, expected, settled, by_state: some.map(|(state, count)| (state.as_str(), count)).collect() }
    }
}

fn view(store: &Store, batch: Batch) -> Result<BatchView, StoreError> {
    let progress = Batches::progress(store, &batch)?.into();
    let (service, name) = batch.blueprint.what.title();
    let params = batch.blueprint.what.params();
    let command = match batch.blueprint.what {
        Work::Operation { .. } => params,
        _ => serde_json::json!({ "service": service, "name": name, "params": params }),
    };
    Ok(BatchView {
        id: batch.id,
        name: batch.name,
        command,
        expire_time: batch.blueprint.expire_time_s,
        to: batch.target,
        phase: batch.phase.as_str(),
        retries: batch.retries,
        created: batch.created.to_string(),
        progress,
    })
}

/// A command for many devices.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct BatchRequest {
    /// At most 256 bytes.
    #[serde(default)]
    name: String,
    /// As for one device. Commands of a batch are always cached: `expireTime` is at least 1.
    command: CommandRequest,
    to: TargetRequest,
}

/// For whom: exactly one member.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) enum TargetRequest {
    /// These, at most 10,000.
    #[schema(value_type = Vec<u64>)]
    Devices(Vec<DeviceId>),
    /// Every device of a product.
    #[schema(value_type = u32)]
    Product(ProductId),
    /// Those that fit all members.
    Filter(FilterRequest),
}

/// Which devices; a member that is left out fits all.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct FilterRequest {
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    product: Option<ProductId>,
    /// `registered`, `activated`, `online`, `abnormal` or `offline`.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    state: Option<DeviceState>,
    #[serde(default)]
    endpoint_prefix: Option<String>,
    /// Attributes that the device must have, with these values.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
}

impl From<TargetRequest> for Target {
    fn from(request: TargetRequest) -> Self {
        match request {
            TargetRequest::Devices(devices) => Self::Devices(devices),
            TargetRequest::Product(product) => Self::Product(product),
            TargetRequest::Filter(FilterRequest { product, state, endpoint_prefix, attributes }) => {
                let state = state.map(|state| state.as_str().to_owned());
                Self::Filter { product, state, endpoint_prefix, attributes }
            }
        }
    }
}

/// Send a command to many devices.
///
/// The batch is stored when this answers; its commands are made in the background, and wait for their devices like any cached command.
/// A device that cannot be given one gets a FAILED one that says why.
#[utoipa::path(post, path = "/api/v1/batches", tag = "batches", request_body = BatchRequest,
    responses((status = 201, body = BatchView), (status = 404, description = "A device or the product does not exist"),
        (status = 422, description = "It does not fit the profile; every mistake is told")))]
pub(super) async fn create_batch(State(api): Shared, JsonBody(request): JsonBody<BatchRequest>) -> Result<Response, Problem> {
    let mut mistakes = Vec::new();
    if request.name.len() > NAME_BYTES {
        mistakes.push(member("/name", "E4413", format!("the name has more than {NAME_BYTES} bytes"), "shorten it"));
    }
    match &request.to {
        TargetRequest::Devices(devices) if devices.is_empty() || devices.len() > NAMED_DEVICES => {
            let reason = format!("{} devices are named", devices.len());
            mistakes.push(member("/to/devices", "E4434", reason, "name 1 to 10000, or use product or filter"));
        }
        _ => {}
    }
    let order = request.command.order().map_err(|wrong| {
        mistakes.extend(wrong.into_iter().map(|mistake| Mistake { pointer: format!("/command{}", mistake.pointer), ..mistake }));
    });
    if order.as_ref().is_ok_and(|order| order.expire_time_s == 0) {
        let reason = "the commands of a batch are always cached";
        mistakes.push(member("/command/expireTime", "E4433", reason, "1 or more seconds, or leave it out"));
    }
    let Ok(order) = order else { return Err(Problem::members(mistakes)) };
    if !mistakes.is_empty() {
        return Err(Problem::members(mistakes));
    }
    let (batches, store, now) = (api.parts.batches.clone(), api.parts.store.clone(), api.now());
    let accepted = off_reactor(move || {
        let batch = batches.accept(request.name, order, request.to.into(), now)?;
        Ok::<_, Problem>(view(&store, batch)?)
    });
    let batch = accepted.await??;
    let location = format!("/api/v1/batches/{}", batch.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(batch)).into_response())
}

/// Which batches.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BatchQuery {
    /// Those that are older than this one.
    #[param(value_type = Option<u64>)]
    before: Option<BatchId>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// List batches, newest first.
#[utoipa::path(get, path = "/api/v1/batches", tag = "batches", params(BatchQuery), responses((status = 200, body = Listing<BatchView>)))]
pub(super) async fn list_batches(
    State(api): Shared,
    QueryOf(query): QueryOf<BatchQuery>,
) -> Result<Json<Listing<BatchView>>, Problem> {
    let listed = api.read(move |store| {
        let mut batches = store.batches()?;
        batches.retain(|batch| query.before.is_none_or(|before| batch.id < before));
        batches.reverse();
        let more = batches.len() > query.limit.0;
        batches.truncate(query.limit.0);
        let next = batches.last().map(|batch| batch.id).filter(|_| more);
        let views = batches.into_iter().map(|batch| view(store, batch)).collect::<Result<Vec<_>, _>>()?;
        Ok(Listing::new(views, next))
    });
    Ok(Json(listed.await?))
}

/// Show a batch and how far it is.
#[utoipa::path(get, path = "/api/v1/batches/{id}", tag = "batches", params(("id" = u64, Path)),
    responses((status = 200, body = BatchView), (status = 404, description = "No such batch")))]
pub(super) async fn show_batch(State(api): Shared, PathOf(id): PathOf<BatchId>) -> Result<Json<BatchView>, Problem> {
    let found = api.read(move |store| store.batch(id)?.map(|batch| view(store, batch.doc)).transpose());
    found.await?.map(Json).ok_or_else(|| no_batch(id))
}

/// Which devices of a batch.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct BatchCommandQuery {
    /// Those whose command is in this state; a page may then have fewer than `limit` and still a next one.
    state: Option<CommandState>,
    /// Those with a greater device id.
    #[param(value_type = Option<u64>)]
    after: Option<DeviceId>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// List the newest command of each device of a batch, in order of device.
#[utoipa::path(get, path = "/api/v1/batches/{id}/commands", tag = "batches", params(("id" = u64, Path), BatchCommandQuery),
    responses((status = 200, body = Listing<CommandView>), (status = 404, description = "No such batch")))]
pub(super) async fn list_batch_commands(
    State(api): Shared,
    PathOf(id): PathOf<BatchId>,
    QueryOf(query): QueryOf<BatchCommandQuery>,
) -> Result<Json<Listing<CommandView>>, Problem> {
    let found = api.read(move |store| {
        if store.batch(id)?.is_none() {
            return Ok(None);
        }
        let page = store.batch_commands(id, query.after, query.limit.0)?;
        let fitting = page.items.into_iter().map(|found| found.doc);
        let fitting = fitting.filter(|command| query.state.is_none_or(|state| command.state == state));
        Ok(Some(Listing::new(fitting.map(CommandView::from).collect(), page.next)))
    });
    found.await?.map(Json).ok_or_else(|| no_batch(id))
}

/// Make anew what failed, timed out or expired. The others are left alone.
#[utoipa::path(post, path = "/api/v1/batches/{id}/retry", tag = "batches", params(("id" = u64, Path)),
    responses((status = 200, body = BatchView), (status = 409, description = "It is at work, was canceled, or nothing failed")))]
pub(super) async fn retry_batch(State(api): Shared, PathOf(id): PathOf<BatchId>) -> Result<Json<BatchView>, Problem> {
    let batch = api.parts.batches.retry(id).await?;
    Ok(Json(api.read(move |store| view(store, batch)).await?))
}

/// Cancel what waits, and make no more. What was sent goes on.
#[utoipa::path(post, path = "/api/v1/batches/{id}/cancel", tag = "batches", params(("id" = u64, Path)),
    responses((status = 200, body = BatchView), (status = 409, description = "It was canceled already")))]
pub(super) async fn cancel_batch(State(api): Shared, PathOf(id): PathOf<BatchId>) -> Result<Json<BatchView>, Problem> {
    let batch = api.parts.batches.cancel(id).await?;
    Ok(Json(api.read(move |store| view(store, batch)).await?))
}

/// Forget a batch that is not at work. Its commands stay.
#[utoipa::path(delete, path = "/api/v1/batches/{id}", tag = "batches", params(("id" = u64, Path)),
    responses((status = 204, description = "Forgotten"), (status = 409, description = "It is at work")))]
pub(super) async fn delete_batch(State(api): Shared, PathOf(id): PathOf<BatchId>) -> Result<StatusCode, Problem> {
    let batch = api.read(move |store| store.batch(id)).await?.ok_or_else(|| no_batch(id))?.doc;
    if batch.phase.working().is_some() {
        return Err(BatchError::AtWork(batch.phase).into());
    }
    api.commit(vec![Write::DeleteBatch(id)]).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn no_batch(id: BatchId) -> Problem {
    Problem::new(Code::NoBatch, format!("there is no batch {id}"))
}
