//! `/api/v1/commands` and a device's commands. What a command may be and where it may go is decided by `downlink`;
//! this only asks it and shows what is stored.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{JsonBody, Limit, Listing, PathOf, QueryOf};
use super::problem::{Code, Problem, member};
use super::{Api, Shared, devices};
use crate::downlink::NewCommand;
use crate::model::{Command, CommandId, CommandState, DeviceId, ProductId};
use crate::profile::Mistake;
use crate::vectors::hex_bytes;

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
    /// `serviceId` of the profile.
    #[schema(example = "Valve")]
    service: String,
    /// `commandName` of the profile.
    #[schema(example = "SET_VALVE")]
    name: String,
    #[schema(value_type = Object)]
    params: serde_json::Value,
    /// Seconds; 0 = sent at once or not at all.
    expire_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_retransmit: Option<u8>,
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
    /// The response's fields by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    result: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureView>,
}

/// Why a command did not succeed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FailureView {
    /// Stable.
    #[schema(example = "no-acknowledgement")]
    code: String,
    detail: String,
}

impl From<Command> for CommandView {
    fn from(command: Command) -> Self {
        Self {
            id: command.id,
            device_id: command.device,
            product_id: command.product,
            expires: command.expires().to_string(),
            service: command.service,
            name: command.name,
            params: command.params,
            expire_time: command.expire_time_s,
            max_retransmit: command.max_retransmit,
            state: command.state,
            mid: command.mid,
            created: command.created.to_string(),
            sent: command.sent.map(|time| time.to_string()),
            delivered: command.delivered.map(|time| time.to_string()),
            ended: command.ended.map(|time| time.to_string()),
            errcode: command.errcode,
            result: command.result,
            failure: command.failure.map(|failure| FailureView { code: failure.code, detail: failure.detail }),
        }
    }
}

/// A command to send: by service and name, or as bytes to a device whose product has no codec.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CommandRequest {
    /// `serviceId` of the profile.
    #[serde(default)]
    #[schema(example = "Valve")]
    service: Option<String>,
    /// `commandName` of the profile.
    #[serde(default)]
    #[schema(example = "SET_VALVE")]
    name: Option<String>,
    /// The bytes, instead of service, name and params.
    #[serde(default)]
    raw: Option<RawRequest>,
    /// Parameter -> value.
    #[serde(default = "no_params")]
    #[schema(value_type = Object, example = json!({"open": true}))]
    params: serde_json::Value,
    /// Seconds to keep it until the device can hear it; 0 = send at once or fail.
    #[serde(default = "default_expire_time")]
    #[schema(default = 172_800)]
    expire_time: u64,
    /// Lowers the retransmissions of the downlink.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 3)]
    max_retransmit: Option<u8>,
}

/// Bytes in one of three forms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawRequest {
    /// Hexadecimal, blanks allowed.
    #[serde(default)]
    #[schema(example = "4D61 6765")]
    hex: Option<String>,
    /// Base64 with padding.
    #[serde(default)]
    base64: Option<String>,
    /// Text, sent as UTF-8.
    #[serde(default)]
    text: Option<String>,
}

/// Most bytes of a raw command: what fits one datagram of a narrow-band network.
const MAX_RAW_BYTES: usize = 1_024;

impl RawRequest {
    fn bytes(self) -> Result<Vec<u8>, Mistake> {
        let wrong =
            |pointer: &str, reason: &str| member(pointer, "E4419", reason, "send one of hex, base64, text, with 1 to 1024 bytes");
        let bytes = match (self.hex, self.base64, self.text) {
            (Some(hex), None, None) => hex_bytes(&hex).map_err(|why| wrong("/raw/hex", &why))?,
            (None, Some(base64), None) => BASE64.decode(base64.trim()).map_err(|why| wrong("/raw/base64", &why.to_string()))?,
            (None, None, Some(text)) => text.into_bytes(),
            _ => return Err(wrong("/raw", "not exactly one of hex, base64, text")),
        };
        if bytes.is_empty() || bytes.len() > MAX_RAW_BYTES {
            return Err(wrong("/raw", &format!("{} bytes", bytes.len())));
        }
        Ok(bytes)
    }
}

/// What is asked for.
enum Asked {
    Named { service: String, name: String },
    Raw(Vec<u8>),
}

impl CommandRequest {
    /// All that is wrong with the members at once.
    fn asked(&mut self) -> Result<Asked, Problem> {
        let mut wrong = Vec::new();
        if let Some(count) = self.max_retransmit.filter(|count| *count > 3) {
            let reason = format!("{count} is no number of retransmissions");
            wrong.push(member("/maxRetransmit", "E4418", reason, "a number from 0 to 3, or leave it out"));
        }
        let asked = match (self.raw.take(), self.service.take(), self.name.take()) {
            (Some(_), None, None) if self.params != no_params() => {
                Err(member("/params", "E4419", "bytes have no parameters", "leave params out, or name a command"))
            }
            (Some(raw), None, None) => raw.bytes().map(Asked::Raw),
            (None, Some(service), Some(name)) => Ok(Asked::Named { service, name }),
            (Some(_), ..) => Err(member("/raw", "E4419", "raw stands beside service or name", "send one or the other")),
            (None, service, _) => {
                let missing = if service.is_none() { "/service" } else { "/name" };
                Err(member(missing, "E4419", "service and name are missing", "send both, or raw for a product without codec"))
            }
        };
        match asked {
            Ok(asked) if wrong.is_empty() => Ok(asked),
            asked => {
                wrong.extend(asked.err());
                Err(Problem::members(wrong))
            }
        }
    }
}

fn no_params() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

fn default_expire_time() -> u64 {
    Command::DEFAULT_EXPIRE_S
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
    responses((status = 201, body = CommandView), (status = 409, description = "The product has no codec, or has one and bytes were sent"),
        (status = 422, description = "It does not fit the profile; every mistake is told"),
        (status = 429, description = "The device has too many open commands")))]
pub(super) async fn create_command(
    State(api): Shared,
    PathOf(device): PathOf<DeviceId>,
    JsonBody(mut request): JsonBody<CommandRequest>,
) -> Result<Response, Problem> {
    let asked = request.asked()?;
    let CommandRequest { params, expire_time: expire_time_s, max_retransmit, .. } = request;
    let (desk, now) = (&api.parts.desk, api.now());
    let command = match asked {
        Asked::Raw(payload) => desk.create_raw(device, &payload, (expire_time_s, max_retransmit), now).await?,
        Asked::Named { service, name } => {
            desk.create(NewCommand { device, service, name, params, expire_time_s, max_retransmit }, now).await?
        }
    };
    let location = format!("/api/v1/commands/{}", command.id);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(CommandView::from(command))).into_response())
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
    use crate::model::Timestamp;

    #[test]
    fn a_request_has_the_platforms_defaults() {
        let request: CommandRequest = serde_json::from_str(r#"{"service":"Valve","name":"SET_VALVE"}"#).unwrap();
        assert_eq!((request.expire_time, request.max_retransmit, request.params), (172_800, None, serde_json::json!({})));
        let misspelt = serde_json::from_str::<CommandRequest>(r#"{"service":"V","name":"S","expiretime":0}"#).unwrap_err();
        assert!(misspelt.to_string().contains("expiretime"), "{misspelt}");
    }

    #[test]
    fn bytes_come_in_one_of_three_forms() {
        let bytes = |json: &str| {
            let mut request: CommandRequest = serde_json::from_str(json).unwrap();
            match request.asked() {
                Ok(Asked::Raw(bytes)) => Ok(bytes),
                Ok(Asked::Named { .. }) => Ok(vec![]),
                Err(problem) => Err(problem.body().mistakes.iter().map(|mistake| mistake.pointer.clone()).collect::<Vec<_>>()),
            }
        };
        for json in [r#"{"raw":{"hex":"4d 61"}}"#, r#"{"raw":{"base64":"TWE="}}"#, r#"{"raw":{"text":"Ma"}}"#] {
            assert_eq!(bytes(json), Ok(b"Ma".to_vec()), "{json}");
        }
        for (json, pointer) in [
            (r#"{"raw":{"hex":"4"}}"#, "/raw/hex"),
            (r#"{"raw":{"base64":"*"}}"#, "/raw/base64"),
            (r#"{"raw":{"text":""}}"#, "/raw"),
            (r#"{"raw":{"text":"a","hex":"00"}}"#, "/raw"),
            (r#"{"raw":{"text":"a"},"name":"SET"}"#, "/raw"),
            (r#"{"raw":{"text":"a"},"params":{"x":1}}"#, "/params"),
            (r#"{"name":"SET"}"#, "/service"),
        ] {
            assert_eq!(bytes(json), Err(vec![pointer.to_owned()]), "{json}");
        }
        assert_eq!(bytes(r#"{"maxRetransmit":9}"#).unwrap_err().len(), 2);
    }

    #[test]
    fn a_command_is_shown_in_camel_case_with_rfc_3339_times() {
        let command = Command {
            id: CommandId::new(Timestamp(1_706_702_400_123), 1, 2),
            device: DeviceId(7),
            product: ProductId(1),
            service: "Valve".to_owned(),
            name: "SET_VALVE".to_owned(),
            params: serde_json::json!({"open": true}),
            expire_time_s: 60,
            max_retransmit: None,
            state: CommandState::Sent,
            mid: Some(5),
            created: Timestamp(1_706_702_400_123),
            sent: Some(Timestamp(1_706_702_401_000)),
            delivered: None,
            ended: None,
            errcode: None,
            result: None,
            failure: None,
        };
        let expected = serde_json::json!({
            "id": "018d5f8a7c7b00010000000000000002", "deviceId": 7, "productId": 1, "service": "Valve", "name": "SET_VALVE",
            "params": {"open": true}, "expireTime": 60, "state": "SENT", "mid": 5, "created": "2024-01-31T12:00:00.123Z",
            "expires": "2024-01-31T12:01:00.123Z", "sent": "2024-01-31T12:00:01.000Z",
        });
        let mut shown = serde_json::to_value(CommandView::from(command.clone())).unwrap();
        assert_eq!(shown, crate::downlink::command_json(&command), "the API and the events show the same");
        shown["id"] = expected["id"].clone();
        assert_eq!(shown, expected);
    }
}
