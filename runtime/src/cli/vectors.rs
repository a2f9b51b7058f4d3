//! Vectors of a codec: bytes and their meaning in both directions, read from `vectors/*.json` and run through the component.
//!
//! The same files are run natively by the SDK's test runner; here they pass the sandbox, its limits and the profile. Knows
//! no file system: documents in, results out.
//!
//! A document is a JSON list of
//! `{"name", "source", "direction": "decode", "hex", "messages": [..] | "error": {"kind", "offset"?}}` and
//! `{"name", "source", "direction": "encode", "command": {..} | "reportAck": {..}, "hex": text or null | "error": {..}}`,
//! each with optional `endpoint` and `attributes` of the device and the time `received`.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::codec::{CallError, Codec, DeviceCard, Instances, LogLine};
use crate::model::{self, Downlink, Endpoint, FaultKind, Message, Origin, ReportKind, Response, Timestamp};
use crate::profile::Plan;

/// One vector, checked: it says what goes in and what must come out.
#[derive(Debug, Clone)]
pub struct Vector {
    /// Unique in its document by convention, shown in results.
    pub name: String,
    card: Arc<DeviceCard>,
    received: Timestamp,
    ask: Ask,
    expected: Answer,
}

/// What goes into the codec.
#[derive(Debug, Clone, PartialEq)]
enum Ask {
    Decode(Vec<u8>),
    Command(CommandAsk),
    Ack { uplink: Vec<u8>, errcode: u8, has_more: bool },
}

/// What comes out of it, in a form in which equal meanings are equal.
#[derive(Debug, Clone, PartialEq)]
enum Answer {
    Messages(Vec<Value>),
    Bytes(Option<Vec<u8>>),
    Fault(Fault),
    /// What no vector expects: a trap, a deadline, an answer that contradicts the profile.
    Broken(String),
}

/// How one vector went.
#[derive(Debug, Clone, PartialEq)]
pub struct VectorResult {
    /// Of the vector.
    pub name: String,
    /// Whether it holds.
    pub verdict: Verdict,
    /// What the vector says, as compact JSON or hex.
    pub expected: String,
    /// What the component said, likewise.
    pub got: String,
    /// Values that the profile does not allow; they are marked, never dropped, so they fail no vector.
    pub violations: Vec<String>,
    /// What the guest logged.
    pub log: Vec<LogLine>,
}

/// Whether a vector holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// It does.
    Pass,
    /// It does not.
    Fail,
}

/// Time of arrival where a vector names none: 2024-01-01T00:00:00Z, so that runs are the same every day.
const RECEIVED: Timestamp = Timestamp(1_704_067_200_000);

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Written {
    name: String,
    source: String,
    direction: Direction,
    #[serde(default, deserialize_with = "present")]
    hex: Option<Option<String>>,
    messages: Option<Vec<ExpectedMessage>>,
    error: Option<Fault>,
    command: Option<CommandAsk>,
    report_ack: Option<AckAsk>,
    endpoint: Option<String>,
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    received: Option<String>,
}

#[derive(Deserialize, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum Direction {
    Decode,
    Encode,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
enum ExpectedMessage {
    Report(ExpectedReport),
    Response(ExpectedResponse),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ExpectedReport {
    service: String,
    kind: Option<ReportKind>,
    event_time: Option<String>,
    #[serde(default)]
    values: Map<String, Value>,
    #[serde(default)]
    has_more: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct ExpectedResponse {
    mid: u16,
    errcode: u8,
    /// None = the frame does not tell it.
    command: Option<String>,
    #[serde(default)]
    values: Map<String, Value>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Fault {
    kind: FaultKind,
    /// In a vector: none = anywhere.
    offset: Option<u32>,
}

#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct CommandAsk {
    service: String,
    name: String,
    mid: u16,
    #[serde(default)]
    has_more: bool,
    #[serde(default)]
    params: Map<String, Value>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct AckAsk {
    uplink: String,
    #[serde(default)]
    errcode: u8,
    #[serde(default)]
    has_more: bool,
}

/// Tells `"hex": null` (nothing is sent) from no `hex` at all.
fn present<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Option<String>>, D::Error> {
    Option::deserialize(deserializer).map(Some)
}

/// Reads a document.
///
/// # Errors
/// Every mistake of it in words, each with the position or the name of its vector.
pub fn parse(json: &str) -> Result<Vec<Vector>, Vec<String>> {
    let list: Vec<Value> = serde_json::from_str(json).map_err(|error| vec![format!("no JSON list of vectors: {error}")])?;
    let (mut vectors, mut mistakes, mut names) = (Vec::new(), Vec::new(), BTreeSet::new());
    for (position, item) in list.into_iter().enumerate() {
        let name =
            item.get("name").and_then(Value::as_str).map_or_else(|| format!("vector {position}"), |name| format!("`{name}`"));
        match serde_json::from_value::<Written>(item).map_err(|error| error.to_string()).and_then(check) {
            Ok(vector) if names.insert(vector.name.clone()) => vectors.push(vector),
            Ok(_) => mistakes.push(format!("{name}: another vector has this name")),
            Err(mistake) => mistakes.push(format!("{name}: {mistake}")),
        }
    }
    if mistakes.is_empty() { Ok(vectors) } else { Err(mistakes) }
}

fn check(written: Written) -> Result<Vector, String> {
    let Written { name, source, direction, hex, messages, error, command, report_ack, endpoint, attributes, received } = written;
    if source.trim().is_empty() {
        return Err("`source` is empty; a vector without one proves nothing".to_owned());
    }
    let endpoint = Endpoint::new(endpoint.unwrap_or_else(|| "vector".to_owned())).map_err(|error| error.to_string())?;
    let card = Arc::new(DeviceCard { endpoint, attributes: Arc::new(attributes) });
    let received = received.map_or(Ok(RECEIVED), |text| Timestamp::parse(&text)).map_err(|error| error.to_string())?;
    let (ask, expected) = match (direction, command, report_ack) {
        (Direction::Decode, None, None) => {
            let payload = bytes(&hex.flatten().ok_or("a decode vector has `hex`")?)?;
            let expected = match (messages, error) {
                (Some(messages), None) => Answer::Messages(messages.into_iter().map(canonical).collect::<Result<_, _>>()?),
                (None, Some(fault)) => Answer::Fault(fault),
                _ => return Err("a decode vector has either `messages` or `error`".to_owned()),
            };
            (Ask::Decode(payload), expected)
        }
        (Direction::Decode, ..) => return Err("a decode vector has no `command` and no `reportAck`".to_owned()),
        (Direction::Encode, command, report_ack) => {
            let ask = match (command, report_ack) {
                (Some(command), None) => Ask::Command(command),
                (None, Some(AckAsk { uplink, errcode, has_more })) => Ask::Ack { uplink: bytes(&uplink)?, errcode, has_more },
                _ => return Err("an encode vector has either `command` or `reportAck`".to_owned()),
            };
            let expected = match (hex, error, messages) {
                (Some(hex), None, None) => Answer::Bytes(hex.map(|hex| bytes(&hex)).transpose()?),
                (None, Some(fault), None) => Answer::Fault(fault),
                _ => return Err("an encode vector has either `hex` (null = nothing is sent) or `error`".to_owned()),
            };
            (ask, expected)
        }
    };
    Ok(Vector { name, card, received, ask, expected })
}

fn bytes(text: &str) -> Result<Vec<u8>, String> {
    super::args::bytes(text).map(|bytes| bytes.0)
}

/// One way to write a message, so that equal meanings are equal JSON.
fn canonical(message: ExpectedMessage) -> Result<Value, String> {
    Ok(match message {
        ExpectedMessage::Report(ExpectedReport { service, kind, event_time, values, has_more }) => {
            let time = event_time.map(|text| Timestamp::parse(&text)).transpose().map_err(|error| error.to_string())?;
            report_json(&service, kind.unwrap_or(ReportKind::Report), time, values.into(), has_more)
        }
        ExpectedMessage::Response(ExpectedResponse { mid, errcode, command, values }) => {
            response_json(mid, errcode, command.as_deref(), values.into())
        }
    })
}

fn report_json(service: &str, kind: ReportKind, time: Option<Timestamp>, values: Value, has_more: bool) -> Value {
    let mut body = Map::new();
    body.insert("service".to_owned(), service.into());
    body.insert("kind".to_owned(), json!(kind));
    body.extend(time.map(|time| ("eventTime".to_owned(), time.to_string().into())));
    body.insert("values".to_owned(), values);
    body.extend(has_more.then(|| ("hasMore".to_owned(), true.into())));
    json!({ "report": body })
}

fn response_json(mid: u16, errcode: u8, command: Option<&str>, values: Value) -> Value {
    let mut body = Map::new();
    body.insert("mid".to_owned(), mid.into());
    body.insert("errcode".to_owned(), errcode.into());
    body.extend(command.map(|command| ("command".to_owned(), command.into())));
    body.insert("values".to_owned(), values);
    json!({ "response": body })
}

/// Runs vectors through a component, under the limits of the host that `instances` belongs to.
#[must_use]
pub fn run(vectors: &[Vector], codec: &Arc<Codec>, plan: &Plan, instances: &mut Instances) -> Vec<VectorResult> {
    let mut bench = Bench { codec, plan, instances };
    vectors.iter().map(|vector| bench.run(vector)).collect()
}

struct Bench<'a> {
    codec: &'a Arc<Codec>,
    plan: &'a Plan,
    instances: &'a mut Instances,
}

impl Bench<'_> {
    fn run(&mut self, vector: &Vector) -> VectorResult {
        let mut violations = Vec::new();
        let mut got = self.answer(vector, &mut violations);
        let (log, _) = self.instances.take_log();
        // A codec is a function: a second call on a used instance must say the same.
        let again = self.answer(vector, &mut Vec::new());
        if again.to_string() != got.to_string() {
            got = Answer::Broken(format!("{got}, and when asked again {again}: a codec must not keep anything between calls"));
        }
        let verdict = if holds(&vector.expected, &got) { Verdict::Pass } else { Verdict::Fail };
        let (expected, got) = (vector.expected.to_string(), got.to_string());
        VectorResult { name: vector.name.clone(), verdict, expected, got, violations, log }
    }

    fn answer(&mut self, vector: &Vector, violations: &mut Vec<String>) -> Answer {
        let origin = Origin::app_data(vector.received.0);
        if let Ask::Decode(payload) = &vector.ask {
            let answer = self.instances.decode(self.codec, &vector.card, payload, &origin);
            let told = answer.map_err(Answer::from).and_then(|messages| self.tell(&messages, vector.received, violations));
            return told.unwrap_or_else(|broken| broken);
        }
        match self.downlink(&vector.ask) {
            Ok(downlink) => {
                self.instances.encode(self.codec, &vector.card, downlink, &origin).map_or_else(Answer::from, Answer::Bytes)
            }
            Err(why) => Answer::Broken(why),
        }
    }

    fn downlink(&self, ask: &Ask) -> Result<Downlink, String> {
        match ask {
            Ask::Decode(_) => Err("a payload is no downlink".to_owned()),
            Ask::Ack { uplink, errcode, has_more } => {
                Ok(Downlink::ReportAck { uplink: uplink.clone(), errcode: *errcode, has_more: *has_more })
            }
            Ask::Command(CommandAsk { service, name, mid, has_more, params }) => {
                let unknown = || format!("the codec has no command {name} of service {service}");
                let index = self.plan.command(service, name).ok_or_else(unknown)?;
                let fields = self
                    .plan
                    .params(index, &Value::Object(params.clone()))
                    .map_err(|mistakes| mistakes.iter().map(|mistake| mistake.reason.clone()).collect::<Vec<_>>().join("; "))?;
                Ok(Downlink::Command { index, mid: *mid, has_more: *has_more, fields })
            }
        }
    }

    /// Names for indices, as the gateway writes them into events.
    fn tell(&self, messages: &[Message], received: Timestamp, violations: &mut Vec<String>) -> Result<Answer, Answer> {
        let told = messages.iter().map(|message| match message {
            Message::Report(report) => {
                let mut text = String::new();
                self.plan.write_report(report, received.0, &mut text)?;
                let body: Value = serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))?;
                violations.extend(body.get("violations").and_then(Value::as_array).into_iter().flatten().map(Value::to_string));
                let service = body.get("service").and_then(Value::as_str).unwrap_or_default();
                let time = report.event_time.map(Timestamp);
                Ok(report_json(service, report.kind, time, body.get("values").cloned().unwrap_or_default(), report.has_more))
            }
            Message::Response(response) => self.response(response),
        });
        told.collect::<Result<_, String>>().map(Answer::Messages).map_err(Answer::Broken)
    }

    /// Where the frame does not tell its command, fields have no names: the gateway finds the command by the mid.
    fn response(&self, response: &Response) -> Result<Value, String> {
        let Response { mid, errcode, command, fields } = response;
        let Some(index) = *command else {
            let named = fields.iter().map(|field| (format!("field {}", field.index), plain(&field.value)));
            return Ok(response_json(*mid, *errcode, None, named.collect::<Map<String, Value>>().into()));
        };
        let mut text = String::new();
        self.plan.write_response(index, response, &mut text)?;
        let values = serde_json::from_str(&text).map_err(|error| format!("{error} in {text}"))?;
        let name = self.codec.description().commands.get(usize::from(index)).map(|command| command.name.as_str());
        Ok(response_json(*mid, *errcode, name, values))
    }
}

fn plain(value: &model::Value) -> Value {
    match value {
        model::Value::Null => Value::Null,
        model::Value::Boolean(flag) => (*flag).into(),
        model::Value::Integer(number) => (*number).into(),
        model::Value::Number(number) => (*number).into(),
        model::Value::Text(text) => text.as_str().into(),
        model::Value::Bytes(bytes) => BASE64.encode(bytes).into(),
        model::Value::Timestamp(ms) => Timestamp(*ms).to_string().into(),
        model::Value::Json(text) => serde_json::from_str(text).unwrap_or_else(|_| format!("not JSON: {text}").into()),
    }
}

impl From<CallError> for Answer {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(fault) => Self::Fault(Fault { kind: fault.kind, offset: fault.offset }),
            other => Self::Broken(other.to_string()),
        }
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages(messages) => write!(f, "{}", Value::from(messages.clone())),
            Self::Bytes(Some(bytes)) => f.write_str(&hex::encode(bytes)),
            Self::Bytes(None) => f.write_str("nothing to send"),
            Self::Fault(Fault { kind, offset }) => {
                write!(f, "the error {}", kind.as_str())?;
                offset.map_or(Ok(()), |offset| write!(f, " at byte {offset}"))
            }
            Self::Broken(why) => f.write_str(why),
        }
    }
}

fn holds(expected: &Answer, got: &Answer) -> bool {
    match (expected, got) {
        (Answer::Messages(expected), Answer::Messages(got)) => {
            expected.len() == got.len() && expected.iter().zip(got).all(|(expected, got)| same(expected, got))
        }
        (Answer::Fault(expected), Answer::Fault(got)) => {
            expected.kind == got.kind && (expected.offset.is_none() || expected.offset == got.offset)
        }
        (expected, got) => expected == got,
    }
}

/// Equal JSON, where 1 and 1.0 are one number and the order of keys means nothing.
fn same(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Number(l), Value::Number(r)) => l == r || ((l.is_f64() || r.is_f64()) && l.as_f64() == r.as_f64()),
        (Value::Array(l), Value::Array(r)) => l.len() == r.len() && l.iter().zip(r).all(|(l, r)| same(l, r)),
        (Value::Object(l), Value::Object(r)) => {
            l.len() == r.len() && l.iter().all(|(key, l)| r.get(key).is_some_and(|r| same(l, r)))
        }
        _ => left == right,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_mistake_of_a_document_is_told() {
        let document = r#"[
            {"name": "a", "source": "x", "direction": "decode", "hex": "0G", "messages": []},
            {"name": "b", "source": "x", "direction": "decode", "hex": "00"},
            {"name": "c", "source": "x", "direction": "encode", "reportAck": {"uplink": "00"}},
            {"name": "d", "source": "x", "direction": "encode", "command": {"service": "S", "name": "N", "mid": 1}, "hex": null, "error": {"kind": "other"}},
            {"name": "e", "source": " ", "direction": "decode", "hex": "", "messages": []},
            {"name": "f", "source": "x", "direction": "decode", "hex": "", "mesages": []},
            {"name": "g", "source": "x", "direction": "decode", "hex": "", "error": {"kind": "lazy"}},
            {"name": "h", "source": "x", "direction": "decode", "hex": "", "messages": [{"report": {"service": "S", "eventTime": "noon"}}]},
            {"name": "i", "source": "x", "direction": "decode", "hex": "", "messages": []},
            {"name": "i", "source": "x", "direction": "decode", "hex": "", "messages": []},
            {"direction": "sideways"}
        ]"#;
        let mistakes = parse(document).unwrap_err();
        let places: Vec<&str> = mistakes.iter().map(|mistake| mistake.split(':').next().unwrap()).collect();
        assert_eq!(places, ["`a`", "`b`", "`c`", "`d`", "`e`", "`f`", "`g`", "`h`", "`i`", "vector 10"], "{mistakes:#?}");
        assert!(parse("{}").is_err());
    }

    #[test]
    fn nothing_to_send_is_not_the_same_as_saying_nothing() {
        let vectors = parse(
            r#"[{"name": "a", "source": "x", "direction": "encode", "reportAck": {"uplink": "00 01", "errcode": 1}, "hex": null}]"#,
        );
        let vectors = vectors.unwrap();
        assert_eq!(vectors[0].expected, Answer::Bytes(None));
        assert_eq!(vectors[0].ask, Ask::Ack { uplink: vec![0, 1], errcode: 1, has_more: false });
    }

    #[test]
    fn equal_meanings_are_equal() {
        let one = json!({"a": 1, "b": [2.0, null]});
        assert!(same(&one, &json!({"b": [2, null], "a": 1.0})));
        for other in [json!({"a": 1}), json!({"a": 1, "b": [2]}), json!({"a": 1, "b": [2, 0]}), json!({"a": "1", "b": [2, null]})]
        {
            assert!(!same(&one, &other), "{other}");
        }
        let spelt = |time: &str, extra: &str| {
            let report = format!(r#"{{"report": {{"service": "S", "eventTime": "{time}", "values": {{}}{extra}}}}}"#);
            canonical(serde_json::from_str(&report).unwrap()).unwrap()
        };
        assert_eq!(spelt("20240101T000000Z", ""), spelt("2024-01-01T00:00:00Z", r#", "kind": "report", "hasMore": false"#));
        assert_ne!(spelt("20240101T000000Z", ""), spelt("20240101T000000Z", r#", "hasMore": true"#));
    }

    #[test]
    fn a_fault_may_leave_open_where_it_is() {
        let fault = |offset| Answer::Fault(Fault { kind: FaultKind::Truncated, offset });
        assert!(holds(&fault(None), &fault(Some(3))) && holds(&fault(Some(3)), &fault(Some(3))));
        assert!(!holds(&fault(Some(3)), &fault(Some(4))) && !holds(&fault(Some(3)), &fault(None)));
        assert!(!holds(&fault(None), &Answer::Bytes(None)));
    }
}
