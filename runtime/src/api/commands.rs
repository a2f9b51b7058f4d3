//! `/api/v1/commands` and a device's commands. What a command may be and where it may go is decided by `downlink`;
//! this only asks it and shows what is stored.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{JsonBody, Limit, Listing, PathOf, QueryOf};
use super::orders::CommandRequest;
use super::problem::{Code, Problem};
use super::{Api, Shared, devices};
use crate::downlink::CommandError;
use crate::model::{BatchId, Command, CommandId, CommandState, DeviceId, ProductId, Reason, Timestamp, Transition, Work};

/// A command and where it stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CommandView {
    #[schema(value_type = String, example = "018d5f8a7c00000100d1b2a35e7f9c44")]
    id: CommandId,
    #[schema(value_type = u64)]
    device_id: DeviceId,
    #[schema(value_type = u32)]
    product_id: ProductId,
    /// `serviceId` of the profile; empty for bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "Valve")]
    service: Option<String>,
    /// `commandName` of the profile; `raw` for bytes.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "SET_VALVE")]
    name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    params: Option<serde_json::Value>,
    /// An LwM2M operation as it was asked for, instead of service, name and params.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    operation: Option<serde_json::Value>,
    /// Seconds; 0 = sent at once or not at all.
    expire_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retransmit: Option<u8>,
    /// 0 to 9; of a device's cached commands the highest goes first.
    priority: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    supersede: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    batch_id: Option<BatchId>,
    state: CommandState,
    /// Number by which the device's response is matched, given when it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    mid: Option<u16>,
    #[schema(format = DateTime)]
    created: String,
    /// Until when it may be sent.
    #[schema(format = DateTime)]
    expires: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    sent: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    delivered: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    ended: Option<String>,
    /// `errcode` of the device's response, 0 = success.
    #[serde(skip_serializing_if = "Option::is_none")]
    errcode: Option<u8>,
    /// The response's fields by name, or what an operation gave.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    result: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureView>,
    /// Every step after PENDING, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    history: Vec<StepView>,
}

/// One step of a command.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StepView {
    state: CommandState,
    #[schema(format = DateTime)]
    time: String,
    /// Why, where the state does not say it; stable.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, example = "resent")]
    reason: Option<Reason>,
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
}

/// Why a command did not succeed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailureView {
    /// Stable.
    #[schema(value_type = String, example = "no-acknowledgement")]
    code: Reason,
    detail: String,
}

impl From<Command> for CommandView {
    fn from(command: Command) -> Self {
        let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
        let failure = command.failure().map(|failure| FailureView { code: failure.reason, detail: failure.detail.to_owned() });
        let (service, name) = command.what.title();
        let (service, name, params) = (service.to_owned(), name.to_owned(), command.what.params());
        let operation = matches!(command.what, Work::Operation { .. });
        Self {
            id: command.id,
            device_id: command.device,
            product_id: command.product,
            expires: command.expires().to_string(),
            service: (!operation).then_some(service),
            name: (!operation).then_some(name),
            params: (!operation).then(|| params.clone()),
            operation: operation.then_some(params),
            expire_time: command.expire_time_s,
            max_retransmit: command.max_retransmit,
            priority: command.priority,
            supersede: command.supersede.clone(),
            batch_id: command.batch,
            state: command.state,
            mid: command.mid,
            created: command.created.to_string(),
            sent: time(command.sent()),
            delivered: time(command.delivered()),
            ended: time(command.ended()),
            errcode: command.errcode,
            failure,
            result: command.result,
            history: command.history.into_iter().map(StepView::from).collect(),
        }
    }
}

impl From<Transition> for StepView {
    fn from(step: Transition) -> Self {
        Self { state: step.state, time: step.at.to_string(), reason: step.reason, detail: step.detail }
    }
}

/// Which commands of a device.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceCommandQuery {
    /// Those in this state.
    state: Option<CommandState>,
    /// Those that are older than this one.
    #[param(value_type = Option<String>)]
    before: Option<CommandId>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// Which commands.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct CommandQuery {
    /// Those of one device.
    #[param(value_type = Option<u64>)]
    device_id: Option<DeviceId>,
    /// Those in this state.
    state: Option<CommandState>,
    /// Those that are older than this one.
    #[param(value_type = Option<String>)]
    before: Option<CommandId>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// Send a command to a device.
///
/// It is stored as PENDING when this answers; it is sent at once when `expireTime` is 0 or the device listens, else when the
/// device next speaks.
#[utoipa::path(post, path = "/api/v1/devices/{id}/commands", tag = "commands", params(("id" = u64, Path)), request_body = CommandRequest,
    responses((status = 201, body = CommandView),
        (status = 409, description = "The product has no codec, or has one and bytes were sent; or the command that it would supersede was sent already"),
        (status = 422, description = "It does not fit the profile; every mistake is told"),
        (status = 429, description = "The device, or the gateway, has too many open commands")))]
pub(super) async fn create_command(
    State(api): Shared,
    PathOf(device): PathOf<DeviceId>,
    JsonBody(request): JsonBody<CommandRequest>,
) -> Result<Response, Problem> {
    let order = request.order().map_err(Problem::members)?;
    let command = api.parts.desk.create(device, order, api.now()).await?;
    let location = format!("/api/v1/commands/{}", command.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(CommandView::from(command))).into_response())
}

/// Cancel every command of a device that was not sent yet. What was sent goes on.
#[utoipa::path(delete, path = "/api/v1/devices/{id}/commands", tag = "commands",
    params(("id" = u64, Path), ("state" = Option<CommandState>, Query, description = "PENDING, the only one that can be canceled")),
    responses((status = 200, body = Canceled), (status = 404, description = "No such device"),
        (status = 409, description = "Commands in that state can no longer be canceled")))]
pub(super) async fn cancel_device_commands(
    State(api): Shared,
    PathOf(device): PathOf<DeviceId>,
    QueryOf(query): QueryOf<CancelQuery>,
) -> Result<Json<Canceled>, Problem> {
    if let Some(state) = query.state.filter(|state| *state != CommandState::Pending) {
        return Err(CommandError::TooLate(state).into());
    }
    Ok(Json(Canceled { canceled: api.parts.desk.cancel_all(device, api.now()).await? }))
}

/// Which commands are to be canceled.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CancelQuery {
    state: Option<CommandState>,
}

/// How many commands were canceled.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Canceled {
    canceled: usize,
}

/// List a device's commands, newest first.
#[utoipa::path(get, path = "/api/v1/devices/{id}/commands", tag = "commands", params(("id" = u64, Path), DeviceCommandQuery),
    responses((status = 200, body = Listing<CommandView>), (status = 404, description = "No such device")))]
pub(super) async fn list_device_commands(
    State(api): Shared,
    PathOf(device): PathOf<DeviceId>,
    QueryOf(query): QueryOf<DeviceCommandQuery>,
) -> Result<Json<Listing<CommandView>>, Problem> {
    devices::must_exist(&api, device).await?;
    page(&api, CommandQuery { device_id: Some(device), state: query.state, before: query.before, limit: query.limit }).await
}

/// List commands, newest first.
#[utoipa::path(get, path = "/api/v1/commands", tag = "commands", params(CommandQuery),
    responses((status = 200, body = Listing<CommandView>)))]
pub(super) async fn list_commands(
    State(api): Shared,
    QueryOf(query): QueryOf<CommandQuery>,
) -> Result<Json<Listing<CommandView>>, Problem> {
    page(&api, query).await
}

async fn page(api: &Api, query: CommandQuery) -> Result<Json<Listing<CommandView>>, Problem> {
    let page = api.read(move |store| store.commands(query.device_id, query.state, query.before, query.limit.0)).await?;
    Ok(Json(Listing::new(page.items.into_iter().map(CommandView::from).collect(), page.next)))
}

/// Show a command.
#[utoipa::path(get, path = "/api/v1/commands/{id}", tag = "commands", params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = CommandView), (status = 404, description = "No such command")))]
pub(super) async fn show_command(State(api): Shared, PathOf(id): PathOf<CommandId>) -> Result<Json<CommandView>, Problem> {
    let found = api.read(move |store| store.command(id)).await?;
    let stored = found.ok_or_else(|| Problem::new(Code::NoCommand, format!("there is no command {id}")))?;
    Ok(Json(stored.doc.into()))
}

/// Cancel a command that was not sent yet.
#[utoipa::path(post, path = "/api/v1/commands/{id}/cancel", tag = "commands", params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = CommandView), (status = 409, description = "Too late")))]
pub(super) async fn cancel_command(State(api): Shared, PathOf(id): PathOf<CommandId>) -> Result<Json<CommandView>, Problem> {
    Ok(Json(api.parts.desk.cancel(id, api.now()).await?.into()))
}

/// Cancel a command that was not sent yet; the same as `POST .../cancel`.
#[utoipa::path(delete, path = "/api/v1/commands/{id}", tag = "commands", params(("id" = String, Path, description = "32 hex digits")),
    responses((status = 200, body = CommandView), (status = 409, description = "Too late")))]
pub(super) async fn delete_command(api: Shared, id: PathOf<CommandId>) -> Result<Json<CommandView>, Problem> {
    cancel_command(api, id).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_in_camel_case_with_rfc_3339_times() {
        let created = Timestamp(1_706_702_400_123);
        let what =
            Work::Named { service: "Valve".to_owned(), name: "SET_VALVE".to_owned(), params: serde_json::json!({"open": true}) };
        let mut command = Command::new(CommandId::new(created, 1, 2), (DeviceId(7), ProductId(1)), what, created);
        (command.expire_time_s, command.mid) = (60, Some(5));
        command.step(Transition::plain(CommandState::Sent, Timestamp(1_706_702_401_000)));
        let expected = serde_json::json!({
            "id": "018d5f8a7c7b00010000000000000002", "deviceId": 7, "productId": 1, "service": "Valve", "name": "SET_VALVE",
            "params": {"open": true}, "expireTime": 60, "priority": 5, "state": "SENT", "mid": 5,
            "created": "2024-01-31T12:00:00.123Z", "expires": "2024-01-31T12:01:00.123Z", "sent": "2024-01-31T12:00:01.000Z",
            "history": [{"state": "SENT", "time": "2024-01-31T12:00:01.000Z"}],
        });
        let mut shown = serde_json::to_value(CommandView::from(command.clone())).unwrap();
        assert_eq!(shown, crate::downlink::command_json(&command), "the API and the events show the same");
        shown["id"] = expected["id"].clone();
        assert_eq!(shown, expected);
    }
}
