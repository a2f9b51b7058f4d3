//! LwM2M operations as applications write them, `{"operation": "write", "path": "/3/0/14", "values": "+02:00"}`, and what came of them
//! as JSON (LwM2M Core 1.1 6.3, 6.4). What may be asked and how it is put into a message is decided by `lwm2m::operation`.

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

use crate::lwm2m::content::{Attributes, Link, Mistake as Odd, Value, from_json, to_json};
use crate::lwm2m::operation::{Offer, Operation, Outcome, Writing};
use crate::lwm2m::{Level, Path, Reply, oma};
use crate::model::{Registration, Repeat, Work};
use crate::profile::{Mistake, Severity};

/// An operation as it is written.
#[derive(Deserialize)]
#[serde(tag = "operation", rename_all = "camelCase", deny_unknown_fields)]
enum Written {
    Read {
        path: String,
    },
    Write {
        path: String,
        values: Json,
        #[serde(default)]
        mode: Option<Mode>,
    },
    Execute {
        path: String,
        #[serde(default)]
        arguments: String,
    },
    Create {
        path: String,
        #[serde(default)]
        instance: Option<u16>,
        #[serde(default)]
        values: Json,
    },
    Delete {
        path: String,
    },
    Discover {
        path: String,
    },
    #[serde(rename_all = "camelCase")]
    WriteAttributes {
        path: String,
        #[serde(default)]
        attributes: BTreeMap<String, f64>,
        #[serde(default)]
        unset: Vec<String>,
    },
    Observe {
        path: String,
    },
    CancelObserve {
        path: String,
    },
    ReadComposite {
        paths: Vec<String>,
    },
    WriteComposite {
        values: Json,
    },
    ObserveComposite {
        paths: Vec<String>,
    },
    CancelObserveComposite {
        paths: Vec<String>,
    },
}

/// What a write does to what it does not name.
#[derive(Deserialize)]
#[serde(rename_all = "lowercase")]
enum Mode {
    Replace,
    Update,
}

/// Reads an operation; whether a device can do it is asked of its offer.
///
/// # Errors
/// Every mistake, as those of a command.
pub(crate) fn parse(request: &Json) -> Result<Operation, Vec<Mistake>> {
    let written: Written =
        serde_json::from_value(request.clone()).map_err(|error| vec![mistake("", error.to_string(), SHAPE)])?;
    Ok(match written {
        Written::Read { path } => Operation::Read { path: of(&path)?, format: None },
        Written::Write { path, values, mode } => {
            let path = of(&path)?;
            let writing = match mode {
                Some(Mode::Replace) => Writing::Replace,
                Some(Mode::Update) => Writing::Update,
                // Whoever names some resources of an instance does not mean to drop the others.
                None if path.level() < Level::Resource => Writing::Update,
                None => Writing::Replace,
            };
            Operation::Write { path, writing, values: values_at(&path, &values)?, format: None }
        }
        Written::Execute { path, arguments } => Operation::Execute { path: of(&path)?, arguments },
        Written::Create { path, instance, values } => {
            let path = of(&path)?;
            let values = if values.is_null() { Vec::new() } else { values_at(&path, &values)? };
            Operation::Create { path, instance, values, format: None }
        }
        Written::Delete { path } => Operation::Delete { path: of(&path)? },
        Written::Discover { path } => Operation::Discover { path: of(&path)? },
        Written::WriteAttributes { path, attributes, unset } => {
            Operation::WriteAttributes { path: of(&path)?, attributes: conditions(&attributes)?, unset }
        }
        Written::Observe { path } => Operation::Observe { path: of(&path)?, format: None },
        Written::CancelObserve { path } => Operation::CancelObserve { path: of(&path)? },
        Written::ReadComposite { paths } => Operation::ReadComposite { paths: all(&paths)? },
        Written::WriteComposite { values } => Operation::WriteComposite { values: values_at(&Path::ROOT, &values)? },
        Written::ObserveComposite { paths } => Operation::ObserveComposite { paths: all(&paths)? },
        Written::CancelObserveComposite { paths } => Operation::CancelObserveComposite { paths: all(&paths)? },
    })
}

const SHAPE: &str = "write {\"operation\": \"read\", \"path\": \"/3/0/9\"}; operations: read, write, execute, create, delete, discover, \
                     writeAttributes, observe, cancelObserve, readComposite, writeComposite, observeComposite, cancelObserveComposite";

fn mistake(member: &str, reason: String, fix: &str) -> Mistake {
    let (file, pointer) = ("command".to_owned(), format!("/operation{member}"));
    Mistake { file, pointer, severity: Severity::Error, code: "E4435", reason, fix: fix.to_owned() }
}

fn of(path: &str) -> Result<Path, Vec<Mistake>> {
    path.parse().map_err(|bad: crate::lwm2m::BadPath| vec![mistake("/path", bad.to_string(), "write a path such as /3/0/9")])
}

fn all(paths: &[String]) -> Result<Vec<Path>, Vec<Mistake>> {
    let (mut good, mut bad) = (Vec::new(), Vec::new());
    for path in paths {
        match of(path) {
            Ok(path) => good.push(path),
            Err(wrong) => bad.extend(wrong),
        }
    }
    if bad.is_empty() { Ok(good) } else { Err(bad) }
}

fn values_at(base: &Path, values: &Json) -> Result<Vec<crate::lwm2m::content::Datum>, Vec<Mistake>> {
    from_json(base, values, &oma::kind).map_err(|odd| told(&odd))
}

/// What the LwM2M side finds wrong, as mistakes of a command.
pub(crate) fn told(odd: &[Odd]) -> Vec<Mistake> {
    let fix = "mend the path or the value; what the device can take is in its registration";
    odd.iter().map(|odd| mistake("", odd.to_string(), fix)).collect()
}

fn conditions(given: &BTreeMap<String, f64>) -> Result<Attributes, Vec<Mistake>> {
    let mut attributes = Attributes::default();
    let mut mistakes = Vec::new();
    for (name, value) in given {
        let fits = value.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(value);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "whole and in range")]
        let whole = fits.then_some(*value as u32);
        match (name.as_str(), whole) {
            ("pmin", Some(seconds)) => attributes.pmin = Some(seconds),
            ("pmax", Some(seconds)) => attributes.pmax = Some(seconds),
            ("epmin", Some(seconds)) => attributes.epmin = Some(seconds),
            ("epmax", Some(seconds)) => attributes.epmax = Some(seconds),
            ("gt", _) => attributes.gt = Some(*value),
            ("lt", _) => attributes.lt = Some(*value),
            ("st", _) => attributes.st = Some(*value),
            _ => {
                let fix = "pmin, pmax, epmin, epmax as whole seconds; gt, lt, st as numbers";
                mistakes.push(mistake(&format!("/attributes/{name}"), format!("{name} = {value} is no attribute"), fix));
            }
        }
    }
    if mistakes.is_empty() { Ok(attributes) } else { Err(mistakes) }
}

/// The work of an operation as it was written.
///
/// # Errors
/// As [`parse`].
pub(crate) fn asked(request: Json) -> Result<Work, Vec<Mistake>> {
    let repeat = repeat(&parse(&request)?);
    Ok(Work::Operation { request, repeat })
}

/// Whether it may be sent twice.
fn repeat(operation: &Operation) -> Repeat {
    if operation.is_idempotent() { Repeat::Idempotent } else { Repeat::Once }
}

/// What a device can take. One that is not registered may turn out to speak LwM2M 1.1; when it comes, it is asked again.
pub(crate) fn offer(registration: Option<&Registration>) -> Offer {
    registration.map_or_else(
        || Offer::parse("1.1", None),
        |known| {
            let formats: Vec<_> = known.formats.iter().map(ToString::to_string).collect();
            Offer::parse(&known.version, Some(&formats.join(" ")))
        },
    )
}

/// How an operation ended.
pub(crate) enum Ended {
    /// With what it gave, if it gives something.
    Well(Option<Json>),
    /// The device refused: code and meaning.
    Refused(String),
}

/// What a device's answer comes to.
pub(crate) fn ended(operation: &Operation, reply: &Reply) -> Ended {
    match operation.outcome(reply, &oma::kind) {
        Outcome::Values(values) => {
            let members = values.into_iter().filter(|datum| datum.value != Value::None);
            Ended::Well(Some(Json::Object(members.map(|datum| (datum.path.to_string(), to_json(&datum.value))).collect())))
        }
        Outcome::Links(links) => Ended::Well(Some(json!({ "links": links.iter().map(link).collect::<Vec<_>>() }))),
        Outcome::Done => Ended::Well(None),
        Outcome::Refused { code, meaning } => Ended::Refused(format!("{code:#}: {meaning}")),
        Outcome::Unreadable(error) => {
            Ended::Well(Some(json!({ "unreadable": error.to_string(), "payload": hex::encode_upper(&reply.payload) })))
        }
    }
}

fn link(link: &Link) -> Json {
    let mut members = Map::new();
    members.insert("path".to_owned(), link.path.to_string().into());
    if let Some(name) = oma::name(&link.path) {
        members.insert("name".to_owned(), name.into());
    }
    let attributes = link.attributes.parameters();
    if !attributes.is_empty() {
        members.insert("attributes".to_owned(), attributes.into());
    }
    Json::Object(members)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::Code;

    #[test]
    fn every_operation_can_be_written() {
        for (request, name) in [
            (json!({ "operation": "read", "path": "/3/0/9" }), "Read"),
            (json!({ "operation": "write", "path": "/3/0/14", "values": "+02:00" }), "Write"),
            (json!({ "operation": "write", "path": "/1/0", "values": { "1": 3600 }, "mode": "replace" }), "Write"),
            (json!({ "operation": "execute", "path": "/3/0/4" }), "Execute"),
            (json!({ "operation": "create", "path": "/2", "instance": 1, "values": { "/2/1/0": 3 } }), "Create"),
            (json!({ "operation": "delete", "path": "/2/1" }), "Delete"),
            (json!({ "operation": "discover", "path": "/3" }), "Discover"),
            (
                json!({ "operation": "writeAttributes", "path": "/3/0/9", "attributes": { "pmin": 10, "gt": 2.5 } }),
                "Write-Attributes",
            ),
            (json!({ "operation": "observe", "path": "/3/0/9" }), "Observe"),
            (json!({ "operation": "cancelObserve", "path": "/3/0/9" }), "Cancel Observation"),
            (json!({ "operation": "readComposite", "paths": ["/3/0/9", "/1"] }), "Read-Composite"),
            (json!({ "operation": "writeComposite", "values": { "/3/0/14": "+02:00" } }), "Write-Composite"),
        ] {
            let operation = parse(&request).unwrap();
            assert_eq!(operation.name(), name);
            let once = matches!(name, "Execute" | "Create");
            assert_eq!(repeat(&operation) == Repeat::Once, once, "{name}");
            assert!(operation.ask(&offer(None)).is_ok(), "{name}: {:?}", operation.ask(&offer(None)));
        }
    }

    #[test]
    fn what_cannot_be_asked_says_what_to_write() {
        for request in [
            json!({ "operation": "fly", "path": "/3" }),
            json!({ "operation": "read" }),
            json!({ "operation": "read", "path": "three" }),
            json!({ "operation": "read", "path": "/3", "valeus": 1 }),
            json!({ "operation": "writeAttributes", "path": "/3/0/9", "attributes": { "pmin": 1.5, "x": 1 } }),
        ] {
            let mistakes = parse(&request).unwrap_err();
            assert!(
                mistakes.iter().all(|mistake| !mistake.fix.is_empty() && mistake.pointer.starts_with("/operation")),
                "{request}"
            );
        }
    }

    #[test]
    fn an_answer_becomes_values_or_a_refusal() {
        let read = parse(&json!({ "operation": "read", "path": "/3/0/9" })).unwrap();
        let reply = |code, payload: &[u8]| Reply { code, content_format: Some(0), observe: None, payload: payload.to_vec() };
        let Ended::Well(Some(values)) = ended(&read, &reply(Code::CONTENT, b"98")) else { panic!("it was read") };
        assert_eq!(values, json!({ "/3/0/9": 98 }));
        let Ended::Refused(why) = ended(&read, &reply(Code::NOT_FOUND, b"")) else { panic!("it was refused") };
        assert!(why.starts_with("4.04") && why.contains("no such"), "{why}");
    }
}
