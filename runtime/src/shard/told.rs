//! What a shard tells of devices that are traced: calls of the codec, what a commit holds, when it is durable. Changes nothing.

use std::time::Duration;

use super::Lane;
use crate::catalog::{ActiveProduct, Slot};
use crate::clock;
use crate::downlink::Encoded;
use crate::lwm2m::UplinkMessage;
use crate::model::{Command, CommandState, DeviceId, EventKind, NewEvent, Reason, Work};
use crate::store::{Done, Store, Submission, Write};
use crate::trace::{Kind, Outcome, Tracer, Turn, Whom, shown};
use crate::uplink::{self, End};

/// An uplink and what the codec made of it.
pub(super) fn decoded(
    tracer: &Tracer,
    lane: &Lane,
    product: &ActiveProduct,
    message: &UplinkMessage,
    outcome: &uplink::Outcome,
    trace: u64,
) {
    let (result, turn) = match outcome.end {
        End::Decoded => (Outcome::Ok, Turn::Gateway),
        End::Transparent => (Outcome::Note, Turn::Gateway),
        End::DeadLetter => (Outcome::Failed, Turn::Author),
    };
    tracer.note(Whom::Device(lane.device), Kind::Codec, result, turn, || {
        let end = match outcome.end {
            End::Decoded => "decoded",
            End::Transparent => "passed on as it came: the product has no codec",
            End::DeadLetter => "not decoded: a dead letter",
        };
        let format = message.content_format.map(|format| format!(" in format {format}")).unwrap_or_default();
        let (bytes, path) = (message.payload.len(), &message.path);
        let mut text = format!("uplink {trace:x} of {bytes} bytes at {path}{format}: {}; {}", speaker(product), end);
        if let Some(call) = &outcome.call {
            text.push_str(&format!(" in {}, {} KiB of memory", spent(call.took), call.memory_bytes >> 10));
            for line in &call.log {
                text.push_str(&format!("; {}: {}", line.level, line.text));
            }
        }
        text
    });
}

/// A command and the bytes that the codec made of it.
pub(super) fn encoded(
    tracer: &Tracer,
    lane: &Lane,
    product: &ActiveProduct,
    command: &Command,
    made: Result<&Encoded, &str>,
    took: Duration,
) {
    let (outcome, turn) = if made.is_ok() { (Outcome::Ok, Turn::Gateway) } else { (Outcome::Failed, Turn::Author) };
    tracer.note(Whom::Device(lane.device), Kind::Codec, outcome, turn, || {
        let (codec, called, time) = (speaker(product), called(command), spent(took));
        match made {
            Ok(Encoded { mid, ask }) => {
                let mid = mid.map(|mid| format!(" with mid {mid}")).unwrap_or_default();
                format!("{codec} encodes {called}{mid} in {time}: {}", shown(&ask.payload))
            }
            Err(why) => format!("{codec} does not encode {called}: {why}"),
        }
    });
}

/// Tells what is about to be committed, and tells when it is durable.
pub(super) fn watched(tracer: &Tracer, store: &Store, submission: Submission) -> Submission {
    let Submission { commit, done } = submission;
    let Some(device) = commit.events.first().map(|event| event.device).filter(|device| tracer.follows(*device)) else {
        return Submission { commit, done };
    };
    for event in &commit.events {
        announce(tracer, event);
    }
    for write in &commit.writes {
        if let Write::PutCommand(command, _) = write {
            moved(tracer, command);
        }
    }
    let done = durable(tracer.clone(), store.clone(), device, commit.events.len(), done);
    Submission { commit, done }
}

/// A command is in another state.
pub(crate) fn moved(tracer: &Tracer, command: &Command) {
    use CommandState as S;
    let reason = command.failure().map(|failure| failure.reason);
    let (outcome, turn) = match command.state {
        S::Pending => (Outcome::Ok, Turn::Gateway),
        S::Sent | S::Delivered => (Outcome::Ok, Turn::Device),
        S::Successful => (Outcome::Ok, Turn::Nobody),
        S::Canceled => (Outcome::Note, Turn::Nobody),
        S::Expired => (Outcome::Failed, Turn::Application),
        S::Failed if reason == Some(Reason::EncodeFailed) => (Outcome::Failed, Turn::Author),
        _ => (Outcome::Failed, Turn::Device),
    };
    tracer.note(Whom::Device(command.device), Kind::Command, outcome, turn, || {
        let failure = command.failure().map(|failure| format!(": {} ({})", failure.detail, failure.reason));
        let result = command.result.as_ref().map(|result| format!(", result {result}"));
        let mid = command.mid.map(|mid| format!(", mid {mid}"));
        let [failure, result, mid] = [failure, result, mid].map(Option::unwrap_or_default);
        format!("command {} {} is {}{mid}{result}{failure}", command.id, called(command), command.state.as_str())
    });
}

/// What an event says of the device's coming and going, or what came out of the codec.
fn announce(tracer: &Tracer, event: &NewEvent) {
    use EventKind as E;
    let (kind, outcome, turn) = match event.kind {
        E::DeviceRegistered | E::DeviceUpdated => (Kind::Registration, Outcome::Ok, Turn::Gateway),
        E::DeviceDeregistered | E::DeviceState | E::DeviceMoved => (Kind::Registration, Outcome::Note, Turn::Device),
        E::DeviceOffline => (Kind::Registration, Outcome::Failed, Turn::Device),
        E::Report | E::EventReport | E::Response | E::Transparent | E::Resources => (Kind::Codec, Outcome::Ok, Turn::Gateway),
        E::DeadLetter => (Kind::Codec, Outcome::Failed, Turn::Author),
        // Its command is told itself.
        _ => return,
    };
    tracer.note(Whom::Device(event.device), kind, outcome, turn, || format!("{}: {}", event.kind.as_str(), event.body));
}

fn durable(tracer: Tracer, store: Store, device: DeviceId, events: usize, done: Done) -> Done {
    let begun = clock::monotonic();
    Box::new(move |result| {
        let (outcome, turn) = if result.is_ok() { (Outcome::Ok, Turn::Gateway) } else { (Outcome::Failed, Turn::Device) };
        tracer.note(Whom::Device(device), Kind::Store, outcome, turn, || {
            let took = spent(clock::monotonic().saturating_duration_since(begun));
            match &result {
                Ok(()) => {
                    let newest = store.device_events(device, None, events).map(|page| page.items).unwrap_or_default();
                    let ids: Vec<_> =
                        newest.iter().rev().map(|event| format!("{} {}", event.fact.kind.as_str(), event.id)).collect();
                    format!("durable after {took}: {}", ids.join(", "))
                }
                Err(error) => format!("not stored: {error}; the device hears nothing and sends again"),
            }
        });
        done(result);
    })
}

/// The codec of a product, as it is known: `codec 0.1.0 (version 3, 9f2c51a07be3)`.
fn speaker(product: &ActiveProduct) -> String {
    match &product.codec {
        Slot::Transparent => "no codec".to_owned(),
        Slot::Broken(why) => format!("a codec that cannot be loaded ({why})"),
        Slot::Active(active) => {
            let description = active.codec.description();
            let number = product.version.map(|number| format!("version {}, ", number.0)).unwrap_or_default();
            let digest = active.codec.digest().get(..12).unwrap_or_default();
            format!("codec {} {} ({number}{digest})", description.name, description.version)
        }
    }
}

fn called(command: &Command) -> String {
    match &command.what {
        Work::Raw(_) => "bytes as they are".to_owned(),
        Work::Named { service, name, params } => format!("{service}.{name} {params}"),
        Work::Operation { request, .. } => format!("the operation {request}"),
    }
}

/// `0.35 ms`
fn spent(time: Duration) -> String {
    format!("{:.2} ms", time.as_secs_f64() * 1_000.0)
}
