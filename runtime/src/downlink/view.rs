//! A command as applications see it: in the API and as the `data` of its events.

use serde_json::{Value, json};

use crate::model::{Command, EventKind, NewEvent, Timestamp};

/// The command as a JSON object; times are RFC 3339, members that do not apply are left out. The API shows the same.
#[must_use]
pub fn command_json(command: &Command) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let mut object = json!({
        "id": command.id,
        "deviceId": command.device,
        "productId": command.product,
        "service": command.service,
        "name": command.name,
        "params": command.params,
        "expireTime": command.expire_time_s,
        "maxRetransmit": command.max_retransmit,
        "state": command.state,
        "mid": command.mid,
        "created": command.created.to_string(),
        "expires": command.expires().to_string(),
        "sent": time(command.sent),
        "delivered": time(command.delivered),
        "ended": time(command.ended),
        "errcode": command.errcode,
        "result": command.result,
        "failure": command.failure,
    });
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
    object
}

/// The event of a command's transition, at the time of the newest thing that happened to it.
pub(crate) fn event(command: &Command, endpoint: &str) -> NewEvent {
    let times = [Some(command.created), command.sent, command.delivered, command.ended];
    NewEvent {
        kind: EventKind::Command,
        device: command.device,
        endpoint: endpoint.to_owned(),
        product: command.product,
        time: times.into_iter().flatten().max().unwrap_or(command.created),
        raw: None,
        body: command_json(command).to_string(),
    }
}
