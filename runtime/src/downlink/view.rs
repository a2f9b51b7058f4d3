//! A command as applications see it: in the API and as the `data` of its events.

use serde_json::{Value, json};

use crate::model::{Command, EventKind, NewEvent, Timestamp, Work};

/// The command as a JSON object; times are RFC 3339, members that do not apply are left out. The API shows the same.
#[must_use]
pub fn command_json(command: &Command) -> Value {
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string());
    let (service, name) = command.what.title();
    let history = command.history.iter().map(|step| {
        let mut object =
            json!({ "state": step.state, "time": step.at.to_string(), "reason": step.reason, "detail": step.detail });
        prune(&mut object);
        object
    });
    let operation = match &command.what {
        Work::Operation { request, .. } => Some(request),
        Work::Named { .. } | Work::Raw(_) => None,
    };
    let is_operation = operation.is_some();
    let mut object = json!({
        "id": command.id,
        "deviceId": command.device,
        "productId": command.product,
        "service": (!is_operation).then_some(service),
        "name": (!is_operation).then_some(name),
        "params": (!is_operation).then(|| command.what.params()),
        "operation": operation,
        "expireTime": command.expire_time_s,
        "maxRetransmit": command.max_retransmit,
        "priority": command.priority,
        "supersede": command.supersede,
        "batchId": command.batch,
        "state": command.state,
        "mid": command.mid,
        "created": command.created.to_string(),
        "expires": command.expires().to_string(),
        "sent": time(command.sent()),
        "delivered": time(command.delivered()),
        "ended": time(command.ended()),
        "errcode": command.errcode,
        "result": command.result,
        "failure": command.failure().map(|failure| json!({ "code": failure.reason, "detail": failure.detail })),
        "history": (!command.history.is_empty()).then(|| history.collect::<Vec<_>>()),
    });
    prune(&mut object);
    object
}

fn prune(object: &mut Value) {
    if let Some(members) = object.as_object_mut() {
        members.retain(|_, value| !value.is_null());
    }
}

/// The event of a command's newest step.
pub(crate) fn event(command: &Command, endpoint: &str) -> NewEvent {
    NewEvent {
        kind: EventKind::Command,
        device: command.device,
        endpoint: endpoint.to_owned(),
        product: command.product,
        time: command.moved(),
        raw: None,
        body: command_json(command).to_string(),
    }
}
