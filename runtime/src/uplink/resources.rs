//! Values of LwM2M resources that no codec decodes: what other observations notify, and what devices send to /dp.

use std::borrow::Cow;

use serde_json::{Map, Value as Json, json};

use super::body::Body;
use super::registration::Whose;
use crate::lwm2m::content::{Basis, Datum, decode_numbered, to_json};
use crate::lwm2m::{Came, Path, UplinkMessage, oma};
use crate::model::{EventKind, NewEvent, Timestamp};

/// Times below this are seconds from the arrival on (RFC 8428 4.5.3).
const RELATIVE_BELOW: f64 = 268_435_456.0;

/// The event that tells them. The bytes are in it as well unless all of what they say is told for sure.
pub(crate) fn resources(whose: Whose<'_>, message: &UplinkMessage, came: Came, (now, trace): (Timestamp, u64)) -> NewEvent {
    let how = match came {
        Came::Notified => "\"notified\"",
        Came::Sent => "\"sent\"",
    };
    let format = message.content_format.map_or_else(|| "null".to_owned(), |format| format.to_string());
    let body = Body::new(trace, &format!("\"how\":{how}"))
        .raw("path", &Json::from(&*message.path).to_string())
        .raw("contentFormat", &format);
    let body = match read(message) {
        Ok(values) => {
            let body = body.raw("values", &by_path(&values).to_string()).raw("names", &names(&values).to_string());
            let body = if is_a_history(&values) { body.raw("records", &records(&values, now).to_string()) } else { body };
            let guessed: Vec<&Path> =
                values.iter().filter(|datum| datum.basis == Basis::Guessed).map(|datum| &datum.path).collect();
            match guessed.as_slice() {
                [] => body,
                guessed => body.raw("guessed", &json!(guessed).to_string()).hex("payload", &message.payload),
            }
        }
        Err(reason) => body.raw("reason", &Json::from(reason).to_string()).hex("payload", &message.payload),
    };
    whose.event(EventKind::Resources, now, body.finish())
}

fn read(message: &UplinkMessage) -> Result<Vec<Datum>, String> {
    let base: Path = message.path.parse().map_err(|error: crate::lwm2m::BadPath| error.to_string())?;
    // An empty answer to an Observe tells that there is nothing yet.
    if message.payload.is_empty() {
        return Ok(Vec::new());
    }
    decode_numbered(message.content_format, &base, &message.payload, &oma::kind).map_err(|error| error.to_string())
}

/// The last value of each path.
fn by_path(values: &[Datum]) -> Json {
    Json::Object(values.iter().map(|datum| (datum.path.to_string(), to_json(&datum.value))).collect())
}

/// What the registry calls them.
fn names(values: &[Datum]) -> Json {
    let mut names = Map::new();
    for path in values.iter().map(|datum| &datum.path) {
        let object = path.object().and_then(oma::object).map(|object| object.name);
        let name = path.resource().and_then(|_| oma::name(path));
        let told: Vec<&str> = object.into_iter().chain(name).collect();
        if !told.is_empty() {
            names.insert(path.to_string(), told.join(" / ").into());
        }
    }
    Json::Object(names)
}

/// Whether a list by path would lose something: times, or several values of one path.
fn is_a_history(values: &[Datum]) -> bool {
    let mut paths: Vec<&Path> = values.iter().map(|datum| &datum.path).collect();
    paths.sort_unstable();
    values.iter().any(|datum| datum.time.is_some()) || paths.windows(2).any(|pair| matches!(pair, [a, b] if a == b))
}

/// All values in their order, each with its moment.
fn records(values: &[Datum], now: Timestamp) -> Json {
    let record = |datum: &Datum| {
        let time = datum.time.map_or(Cow::Borrowed("arrival"), |seconds| moment(seconds, now).to_string().into());
        json!({ "path": datum.path, "value": to_json(&datum.value), "time": time })
    };
    values.iter().map(record).collect()
}

/// A time of SenML; before 1970 is 1970.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast of a float saturates")]
fn moment(seconds: f64, now: Timestamp) -> Timestamp {
    let away_ms = (seconds.abs() * 1_000.0).round() as u64;
    match (seconds < RELATIVE_BELOW, seconds < 0.0) {
        (true, true) => Timestamp(now.0.saturating_sub(away_ms)),
        (true, false) => now.plus_ms(away_ms),
        (false, _) => Timestamp(away_ms),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lwm2m::Ticket;
    use crate::model::{DeviceId, ProductId};

    const NOW: Timestamp = Timestamp(1_700_000_000_000);

    fn told(path: &'static str, content_format: Option<u16>, payload: &[u8]) -> Json {
        let whose = Whose { device: DeviceId(1), endpoint: "urn:imei:867000000000001", product: ProductId(1) };
        let message = UplinkMessage {
            ticket: Ticket(1),
            device: DeviceId(1),
            path: path.into(),
            content_format,
            payload: payload.to_vec(),
        };
        let event = resources(whose, &message, Came::Notified, (NOW, 1));
        assert_eq!(event.kind, EventKind::Resources);
        serde_json::from_str(&event.body).unwrap()
    }

    #[test]
    fn values_are_told_by_path_and_named() {
        let body = told("/3/0", Some(11_542), &[0xc1, 9, 98, 0x86, 6, 0x41, 0, 1, 0x41, 1, 5]);
        assert_eq!(body["values"], json!({ "/3/0/9": 98, "/3/0/6/0": 1, "/3/0/6/1": 5 }));
        assert_eq!(body["names"]["/3/0/9"], "Device / Battery Level");
        assert_eq!((&body["how"], &body["path"]), (&json!("notified"), &json!("/3/0")));
        assert_eq!((body.get("payload"), body.get("records"), body.get("reason")), (None, None, None));
        assert_eq!(told("/3/0/9", None, b"98")["values"], json!({ "/3/0/9": 98 }));
        assert_eq!(told("/3/0", Some(11_542), b"")["values"], json!({}));
    }

    #[test]
    fn a_history_keeps_every_record() {
        let body = told(
            "/",
            Some(110),
            br#"[{"bn":"/3303/0/","n":"5700","v":21,"t":-60},{"n":"5700","v":22.5},{"bt":1.6e9,"n":"5700","v":3}]"#,
        );
        assert_eq!(body["values"], json!({ "/3303/0/5700": 3.0 }));
        assert_eq!(
            body["records"],
            json!([
                { "path": "/3303/0/5700", "value": 21.0, "time": "2023-11-14T22:12:20.000Z" },
                { "path": "/3303/0/5700", "value": 22.5, "time": "arrival" },
                { "path": "/3303/0/5700", "value": 3.0, "time": "2020-09-13T12:26:40.000Z" },
            ])
        );
    }

    #[test]
    fn what_is_guessed_or_not_understood_keeps_its_bytes() {
        let body = told("/33000/0", Some(11_542), &[0xc1, 1, 98]);
        assert_eq!((&body["values"], &body["guessed"]), (&json!({ "/33000/0/1": 98 }), &json!(["/33000/0/1"])));
        assert_eq!(body["payload"], "C10162");
        let body = told("/3/0", Some(11_542), &[0xc1, 9]);
        assert!(body["reason"].as_str().unwrap().contains("TLV (11542), byte 0"), "{body}");
        assert_eq!((body.get("values"), &body["payload"]), (None, &json!("C109")));
        assert!(told("/3/0", Some(50), b"{}")["reason"].as_str().unwrap().contains("content format 50"));
    }
}
