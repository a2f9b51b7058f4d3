//! What a payload says, as one JSON object: for holding two decodes of the same bytes against each other, and for writing a
//! later one down.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::{body, response_values};
use crate::catalog::ActiveCodec;
use crate::model::{Command, DeviceId, Event, EventKind, Message, ReportKind, Timestamp};
use crate::store::{Store, StoreError, Version, Versioned};

/// Commands of a device that are looked through for the one that a response answers.
const COMMANDS: usize = 32;

/// `{"reports":[..],"eventReports":[..],"responses":[..]}`, each only if there are some; the items as in events.
///
/// # Errors
/// Why the messages break what the codec's tables promise.
pub(crate) fn content(
    active: &ActiveCodec,
    messages: &[Message],
    received_ms: u64,
    mut find: impl FnMut(u16) -> Option<Command>,
) -> Result<Value, String> {
    let (mut reports, mut event_reports, mut responses) = (Vec::new(), Vec::new(), Vec::new());
    for message in messages {
        let mut text = String::new();
        match message {
            Message::Report(report) => {
                active.plan.write_report(report, received_ms, &mut text)?;
                let list = if report.kind == ReportKind::Event { &mut event_reports } else { &mut reports };
                list.push(parse(&text)?);
            }
            Message::Response(response) => {
                // The version plays no part: nothing is written.
                let command = find(response.mid).map(|doc| Versioned { doc, version: Version(0) });
                let values = response_values(active, command.as_ref(), response)?;
                body::write_response(response, command.as_ref().map(|found| found.doc.id), &values, None, &mut text)?;
                responses.push(parse(&text)?);
            }
        }
    }
    Ok(object([("reports", reports), ("eventReports", event_reports), ("responses", responses)]))
}

/// The same of what stands in the log: the events of one uplink, or the one that corrected it. None = it was not decoded.
pub(crate) fn stored_content<'a>(events: impl IntoIterator<Item = &'a Event>) -> Option<Value> {
    let mut members = Map::new();
    for event in events {
        let Ok(Value::Object(mut data)) = serde_json::from_str::<Value>(&event.fact.body) else { return None };
        let names: &[(&str, &str)] = match event.fact.kind {
            EventKind::Report => &[("reports", "reports")],
            EventKind::EventReport => &[("reports", "eventReports")],
            EventKind::Response => &[("responses", "responses")],
            EventKind::Corrected | EventKind::Redecoded => {
                &[("reports", "reports"), ("eventReports", "eventReports"), ("responses", "responses")]
            }
            EventKind::Transparent | EventKind::DeadLetter => return None,
            _ => &[],
        };
        for (stored, name) in names {
            let list = data.remove(*stored).filter(|list| list.as_array().is_some_and(|list| !list.is_empty()));
            members.extend(list.map(|list| ((*name).to_owned(), list)));
        }
    }
    Some(Value::Object(members))
}

/// The newest command that was sent to a device under a mid before a moment.
///
/// # Errors
/// The store cannot be read.
pub(crate) fn sent_before(store: &Store, device: DeviceId, mid: u16, at: Timestamp) -> Result<Option<Command>, StoreError> {
    let recent = store.commands(Some(device), None, None, COMMANDS)?.items;
    Ok(recent.into_iter().find(|command| command.mid == Some(mid) && command.sent().is_some_and(|sent| sent <= at)))
}

/// Whether an event is one of those that an uplink became when it came.
pub(crate) fn is_of_an_uplink(kind: EventKind) -> bool {
    match kind {
        EventKind::Report | EventKind::EventReport | EventKind::Response | EventKind::Transparent | EventKind::DeadLetter => true,
        EventKind::DeviceRegistered
        | EventKind::DeviceUpdated
        | EventKind::DeviceDeregistered
        | EventKind::DeviceOffline
        | EventKind::Command
        | EventKind::CodecSwitched
        | EventKind::CodecDegraded
        | EventKind::CodecRecovered
        | EventKind::Corrected
        | EventKind::Redecoded
        | EventKind::DeviceState
        | EventKind::DeviceMoved
        | EventKind::DeviceRemoved
        | EventKind::Resources => false,
    }
}

/// What the events of one uplink share.
pub(crate) fn trace_of(body: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Traced {
        trace: Option<String>,
    }
    serde_json::from_str::<Traced>(body).ok()?.trace
}

fn parse(text: &str) -> Result<Value, String> {
    serde_json::from_str(text).map_err(|error| format!("a message is no JSON: {error}"))
}

fn object<const N: usize>(lists: [(&str, Vec<Value>); N]) -> Value {
    let filled = lists.into_iter().filter(|(_, list)| !list.is_empty());
    Value::Object(filled.map(|(name, list)| (name.to_owned(), Value::Array(list))).collect())
}
