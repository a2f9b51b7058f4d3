//! One uplink becomes its events: decoded, transparent or dead letter, never nothing and never two of these.
//!
//! Decides; commits nothing. The raw bytes travel on exactly one event, so that a payload is stored once and can be decoded
//! again after a codec was mended (a decoded payload is never silently missing).

mod body;
mod content;
mod death;
mod registration;
mod resources;

use std::borrow::Cow;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use body::Body;
use death::{Death, dead_letter};
use serde_json::json;

use crate::breaker::{Change, Turn};
use crate::catalog::{ActiveCodec, ActiveProduct, CallEnd, Site, Slot};
use crate::clock;
use crate::coap::OCTET_STREAM;
use crate::codec::{DeviceCard, Instances, LogLine};
use crate::command::Happening;
use crate::lwm2m::appdata::{Container, DownShape};
use crate::lwm2m::{BadPath, UplinkMessage};
use crate::model::{
    Command, CommandState, DeviceId, Downlink, EventKind, Message, NewEvent, Origin, Report, ReportKind, Response, Timestamp,
    Transport,
};
use crate::store::Versioned;

pub(crate) use content::{content, is_of_an_uplink, sent_before, stored_content, trace_of};
pub(crate) use death::run_line;
pub(crate) use registration::{Before, Whose, deregistered, offline, registered, updated};
pub(crate) use resources::resources;

/// Whom an uplink is from, as far as its events need it.
#[derive(Clone, Copy)]
pub(crate) struct Sender<'a> {
    pub(crate) device: DeviceId,
    pub(crate) product: &'a ActiveProduct,
    pub(crate) card: &'a Arc<DeviceCard>,
}

impl Sender<'_> {
    fn event(&self, kind: EventKind, time: Timestamp, raw: Option<Vec<u8>>, body: String) -> NewEvent {
        let endpoint = self.card.endpoint.as_str().to_owned();
        NewEvent { kind, device: self.device, endpoint, product: self.product.product.id, time, raw, body }
    }
}

/// How an uplink ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Decoded,
    Transparent,
    DeadLetter,
}

/// What a response's mid leads to.
pub(crate) enum Matched {
    /// This command.
    Command(Box<Versioned<Command>>),
    /// The response names none, and several are outstanding.
    Several,
    /// No command that is remembered.
    Foreign,
}

impl Matched {
    /// What a response without mid answers, of the commands that are remembered: the only one that is outstanding.
    pub(crate) fn alone(remembered: impl Iterator<Item = Versioned<Command>>) -> Self {
        let is_outstanding = |state| matches!(state, CommandState::Sent | CommandState::Delivered);
        let mut outstanding = remembered.filter(|command| is_outstanding(command.doc.state));
        match (outstanding.next(), outstanding.next()) {
            (Some(only), None) => Self::Command(Box::new(only)),
            (Some(_), Some(_)) => Self::Several,
            (None, _) => Self::Foreign,
        }
    }
}

/// Why a response moves no command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ignored {
    /// The mid of no command, or no mid and none is outstanding.
    Foreign,
    /// No mid, and several commands are outstanding.
    Several,
    /// The command has its result already: a duplicate.
    Duplicate,
    /// The command was told to be over: FAILED, EXPIRED or CANCELED.
    Over,
}

impl Ignored {
    pub(crate) const ALL: [Self; 4] = [Self::Foreign, Self::Several, Self::Duplicate, Self::Over];

    /// The stable text.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Foreign => "foreign-mid",
            Self::Several => "several-outstanding",
            Self::Duplicate => "duplicate",
            Self::Over => "command-over",
        }
    }

    /// Place in [`Ignored::ALL`].
    pub(crate) fn index(self) -> usize {
        Self::ALL.iter().position(|other| *other == self).unwrap_or_default()
    }
}

/// What an uplink came to.
pub(crate) struct Outcome {
    pub(crate) end: End,
    /// To be committed together.
    pub(crate) events: Vec<NewEvent>,
    /// Commands that it answers, and how.
    pub(crate) answered: Vec<(Versioned<Command>, Happening)>,
    /// Its responses that answer none.
    pub(crate) ignored: Vec<Ignored>,
    /// The device says that more uplinks follow at once: cached commands wait for the last (REFERENCE B.3).
    pub(crate) has_more: bool,
    /// The codec's application-level answer to the report.
    pub(crate) ack: Option<Vec<u8>>,
    /// The codec failed at a place that nobody looked at yet.
    pub(crate) wonder: Option<Site>,
    /// The call of `decode`, if there was one.
    pub(crate) call: Option<Call>,
}

/// What a call of the codec took and said.
pub(crate) struct Call {
    pub(crate) took: Duration,
    pub(crate) memory_bytes: usize,
    pub(crate) log: Vec<LogLine>,
}

impl Outcome {
    fn empty(end: End) -> Self {
        let (events, answered, ignored) = (Vec::new(), Vec::new(), Vec::new());
        Self { end, events, answered, ignored, has_more: false, ack: None, wonder: None, call: None }
    }
}

/// How an uplink reached the gateway, as its codec is told.
pub(crate) fn origin_of(message: &UplinkMessage, now: Timestamp) -> Origin {
    let mut numbers = message.path.split('/').skip(1).map(|number| number.parse().unwrap_or_default());
    let mut next = || numbers.next().unwrap_or_default();
    let (object, instance, resource) = (next(), next(), next());
    let content_format = message.content_format;
    Origin { transport: Transport::Coap, object, instance, resource, content_format, received_ms: now.0 }
}

/// The payloads of a message of object 19, each as a message of its own: clients wrap them in TLV, SenML or JSON, and send several at
/// once (REFERENCE C.1). What is not wrapped, or not as its format says, stays as it came, so that the codec's word on it is kept.
/// With them the shape that such a client takes a downlink in.
pub(crate) fn payloads(message: &UplinkMessage) -> (Cow<'_, [UplinkMessage]>, DownShape) {
    let as_it_came = (Cow::Borrowed(slice::from_ref(message)), DownShape::Opaque);
    if Container::is_plain(message.content_format) {
        return as_it_came;
    }
    let read = message
        .path
        .parse()
        .map_err(|error: BadPath| error.to_string())
        .and_then(|path| Container::read(&path, message.content_format, &message.payload).map_err(|error| error.to_string()));
    match read {
        Ok(container) if container.payloads.is_empty() => as_it_came,
        Ok(container) => {
            let unwrapped = |payload| UplinkMessage { payload, content_format: Some(OCTET_STREAM), ..message.clone() };
            (container.payloads.into_iter().map(unwrapped).collect(), container.shape)
        }
        Err(reason) => {
            tracing::warn!(device = %message.device, reason, "a report is not what its content format says; the codec gets it as it is");
            as_it_came
        }
    }
}

/// What a dead letter and the log say of a codec that is left alone.
const DEGRADED: &str =
    "the codec trapped or ran on too often and is not called for a while; uplinks are kept and can be decoded again (redecode)";

/// Works out one uplink. `find` looks up the device's command that was sent with a mid; `waiting` tells the codec's answer
/// that commands wait.
pub(crate) fn work(
    instances: &mut Instances,
    sender: Sender<'_>,
    message: &UplinkMessage,
    (now, trace): (Timestamp, u64),
    waiting: bool,
    find: impl FnMut(u16) -> Matched,
) -> Outcome {
    let origin = origin_of(message, now);
    let payload = &message.payload;
    let active = match &sender.product.codec {
        Slot::Transparent => {
            let body = Body::new(trace, &sender.product.provenance).hex("payload", payload);
            let body = body.base64("payloadBase64", payload).finish();
            return ended(End::Transparent, sender.event(EventKind::Transparent, now, Some(payload.clone()), body));
        }
        Slot::Broken(why) => {
            return dead_letter(sender, payload, (now, trace), &Death::host("codec-not-loaded", why), &[]);
        }
        Slot::Active(active) => active,
    };
    let begun = clock::monotonic();
    let turn = active.pulse.ask(begun);
    if turn == Turn::Hold {
        active.pulse.ended(turn, CallEnd::Held, Duration::ZERO, 0, begun);
        return dead_letter(sender, payload, (now, trace), &Death::host("codec-degraded", DEGRADED), &[]);
    }
    let decoded = instances.decode(&active.codec, sender.card, payload, &origin);
    let ended = clock::monotonic();
    let memory = instances.last_cost().memory_bytes;
    let log = pass_on_log(instances, sender, "decode");
    let (mut outcome, end, told) = match decoded {
        Ok(messages) => match write_messages(active, sender, &messages, payload, (now, trace), find) {
            Ok(mut outcome) => {
                if messages.iter().any(|message| matches!(message, Message::Report(_))) {
                    outcome.ack = acknowledge(instances, active, sender, payload, &origin, waiting);
                }
                (outcome, CallEnd::Decoded, None)
            }
            Err(why) => {
                let death = Death::host("broken-promise", &why);
                (dead_letter(sender, payload, (now, trace), &death, &log), CallEnd::BrokenPromise, None)
            }
        },
        Err(error) => {
            let mut death = Death::call(&error);
            let wonder = death.note(&active.pulse, payload, now);
            let outcome = dead_letter(sender, payload, (now, trace), &death, &log);
            (Outcome { wonder, ..outcome }, CallEnd::from(&error), Some(death.to_json(payload, &[])))
        }
    };
    let change = active.pulse.ended(turn, end, ended.saturating_duration_since(begun), memory, ended);
    outcome.events.extend(change.map(|change| changed(active, sender, change, told, now)));
    outcome.call = Some(Call { took: ended.saturating_duration_since(begun), memory_bytes: memory, log });
    outcome
}

/// The event that tells the operator that a codec is left alone, or called again.
fn changed(
    active: &ActiveCodec,
    sender: Sender<'_>,
    change: Change,
    error: Option<serde_json::Value>,
    now: Timestamp,
) -> NewEvent {
    let ActiveProduct { product, version, .. } = sender.product;
    let settings = active.pulse.settings();
    let kind = match change {
        Change::Degraded => {
            tracing::error!(product = %product.key, version = ?version.map(|number| number.0), faults = settings.faults, "{DEGRADED}");
            EventKind::CodecDegraded
        }
        Change::Recovered => {
            tracing::warn!(product = %product.key, version = ?version.map(|number| number.0), "a degraded codec answered and is called again");
            EventKind::CodecRecovered
        }
    };
    let mut body =
        json!({ "version": version, "codec": active.codec.digest().get(..16), "endpoint": sender.card.endpoint.as_str() });
    if let (Some(error), Some(members)) = (error, body.as_object_mut()) {
        members.insert("faults".to_owned(), settings.faults.into());
        members.insert("windowMs".to_owned(), settings.window_ms.into());
        members.insert("pauseMs".to_owned(), settings.pause_ms.into());
        members.insert("error".to_owned(), error);
    }
    let (device, endpoint) = (DeviceId::NONE, String::new());
    NewEvent { kind, device, endpoint, product: product.id, time: now, raw: None, body: body.to_string() }
}

/// Asks the codec for its application-level answer (REFERENCE B.4 cloudRsp). A codec that fails here loses only the answer.
fn acknowledge(
    instances: &mut Instances,
    active: &ActiveCodec,
    sender: Sender<'_>,
    payload: &[u8],
    origin: &Origin,
    has_more: bool,
) -> Option<Vec<u8>> {
    let ask = Downlink::ReportAck { uplink: payload.to_vec(), errcode: 0, has_more };
    let answer = instances.encode(&active.codec, sender.card, ask, origin);
    pass_on_log(instances, sender, "encode");
    answer.unwrap_or_else(|error| {
        tracing::warn!(endpoint = %sender.card.endpoint, %error, "the codec made no answer to a report");
        None
    })
}

fn ended(end: End, event: NewEvent) -> Outcome {
    Outcome { events: vec![event], ..Outcome::empty(end) }
}

/// Sorts the messages into at most one event a kind, in the order report, event report, response; the first carries the bytes.
fn write_messages(
    active: &ActiveCodec,
    sender: Sender<'_>,
    messages: &[Message],
    payload: &[u8],
    (now, trace): (Timestamp, u64),
    mut find: impl FnMut(u16) -> Matched,
) -> Result<Outcome, String> {
    let mut outcome = Outcome::empty(End::Decoded);
    let mut raw = Some(payload.to_vec());
    let provenance = &sender.product.provenance;
    for (kind, event_kind) in [(ReportKind::Report, EventKind::Report), (ReportKind::Event, EventKind::EventReport)] {
        let mut reports = reports_of(messages, kind).peekable();
        if reports.peek().is_none() {
            continue;
        }
        let mut body = Body::new(trace, provenance).list("reports");
        for report in reports {
            outcome.has_more |= report.has_more;
            body.item(|out| active.plan.write_report(report, now.0, out))?;
        }
        outcome.events.push(sender.event(event_kind, now, raw.take(), body.finish()));
    }
    let responses = messages.iter().filter_map(|message| match message {
        Message::Response(response) => Some(response),
        Message::Report(_) => None,
    });
    let mut body = Body::new(trace, provenance).list("responses");
    let mut any = false;
    for response in responses {
        any = true;
        let (command, ignored) = match find(response.mid) {
            Matched::Command(command) => {
                let twice = outcome.answered.iter().any(|(answered, _)| answered.doc.id == command.doc.id);
                let ignored = if twice { Some(Ignored::Duplicate) } else { ignored(&command.doc) };
                (Some(*command), ignored)
            }
            Matched::Several => (None, Some(Ignored::Several)),
            Matched::Foreign => (None, Some(Ignored::Foreign)),
        };
        let values = response_values(active, command.as_ref(), response)?;
        let id = command.as_ref().map(|found| found.doc.id);
        body.item(|out| body::write_response(response, id, &values, ignored.map(Ignored::as_str), out))?;
        outcome.ignored.extend(ignored);
        if let Some(command) = command.filter(|_| ignored.is_none()) {
            let result = serde_json::from_str(&values).map_err(|error| format!("response values are no JSON: {error}"))?;
            outcome.answered.push((command, Happening::Responded { errcode: response.errcode, result }));
        }
    }
    // An uplink of which the codec made nothing is decoded too; its event says so with an empty list.
    if any || raw.is_some() {
        let kind = if any { EventKind::Response } else { EventKind::Report };
        let body = if any { body } else { Body::new(trace, provenance).list("reports") };
        outcome.events.push(sender.event(kind, now, raw.take(), body.finish()));
    }
    Ok(outcome)
}

/// Whether a command is past hearing a response.
fn ignored(command: &Command) -> Option<Ignored> {
    match command.state {
        CommandState::Sent | CommandState::Delivered | CommandState::Timeout => None,
        CommandState::Successful => Some(Ignored::Duplicate),
        // The device's own error was its response; another one is a duplicate.
        CommandState::Failed if command.errcode.is_some() => Some(Ignored::Duplicate),
        CommandState::Pending | CommandState::Failed | CommandState::Expired | CommandState::Canceled => Some(Ignored::Over),
    }
}

fn reports_of(messages: &[Message], kind: ReportKind) -> impl Iterator<Item = &Report> {
    messages.iter().filter_map(move |message| match message {
        Message::Report(report) if report.kind == kind => Some(report),
        _ => None,
    })
}

/// The response's fields by name; by the frame's own command if it tells, else by the command that was sent with this mid.
fn response_values(active: &ActiveCodec, command: Option<&Versioned<Command>>, response: &Response) -> Result<String, String> {
    let by_mid = command.and_then(|found| {
        let (service, name) = found.doc.what.title();
        active.plan.command(service, name)
    });
    let mut values = String::new();
    match response.command.or(by_mid) {
        Some(index) => drop(active.plan.write_response(index, response, &mut values)?),
        None => values.push_str("{}"),
    }
    Ok(values)
}

fn pass_on_log(instances: &mut Instances, sender: Sender<'_>, call: &str) -> Vec<LogLine> {
    let (lines, dropped) = instances.take_log();
    for line in &lines {
        let (product, endpoint, text) = (&sender.product.product.key, &sender.card.endpoint, &line.text);
        match line.level {
            "error" => tracing::error!(target: "codec", %product, %endpoint, call, "{text}"),
            "warn" => tracing::warn!(target: "codec", %product, %endpoint, call, "{text}"),
            "info" => tracing::info!(target: "codec", %product, %endpoint, call, "{text}"),
            _ => tracing::debug!(target: "codec", %product, %endpoint, call, "{text}"),
        }
    }
    if dropped > 0 {
        tracing::warn!(target: "codec", endpoint = %sender.card.endpoint, dropped, "the codec logged more lines than a call may");
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommandId, ProductId, Work};
    use crate::store::Version;

    #[test]
    fn a_response_without_mid_answers_the_only_command_that_is_outstanding() {
        let alone = |states: &[CommandState]| {
            let commands = states.iter().zip(1..).map(|(state, id)| {
                let mut doc = Command::new(CommandId(id), (DeviceId(1), ProductId(1)), Work::Raw(vec![1]), Timestamp(0));
                doc.state = *state;
                Versioned { doc, version: Version(1) }
            });
            match Matched::alone(commands.collect::<Vec<_>>().into_iter()) {
                Matched::Command(command) => format!("{}", command.doc.id.0),
                Matched::Several => "several".to_owned(),
                Matched::Foreign => "none".to_owned(),
            }
        };
        use CommandState::{Delivered, Failed, Sent, Successful, Timeout};
        assert_eq!(alone(&[Successful, Delivered, Failed]), "2");
        assert_eq!(alone(&[Timeout, Sent]), "2");
        assert_eq!(alone(&[Sent, Delivered]), "several");
        assert_eq!(alone(&[Successful, Timeout]), "none");
    }
}
