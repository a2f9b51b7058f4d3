//! Values of LwM2M resources that no codec decodes: what other observations notify, and what devices send to /dp.

use super::body::Body;
use super::registration::Whose;
use crate::lwm2m::{Came, UplinkMessage};
use crate::model::{EventKind, NewEvent, Timestamp};

/// The event that tells them.
pub(crate) fn resources(whose: Whose<'_>, message: &UplinkMessage, came: Came, (now, trace): (Timestamp, u64)) -> NewEvent {
    let how = match came {
        Came::Notified => "\"notified\"",
        Came::Sent => "\"sent\"",
    };
    let format = message.content_format.map_or_else(|| "null".to_owned(), |format| format.to_string());
    let body = Body::new(trace, &format!("\"how\":{how}"))
        .raw("path", &serde_json::Value::from(&*message.path).to_string())
        .raw("contentFormat", &format)
        .hex("payload", &message.payload);
    whose.event(EventKind::Resources, now, body.finish())
}
