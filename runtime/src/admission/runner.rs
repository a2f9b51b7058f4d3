//! Runs vectors through a codec: one call each, told in the form in which vectors tell what they expect.

use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde_json::{Map, Value};

use crate::clock;
use crate::codec::{CallError, Codec, Cost, DeviceCard, Host, Instances, LogLine};
use crate::model::{self, Downlink, Message, Origin, Response, Timestamp};
use crate::profile::Plan;
use crate::vectors::{Answer, Ask, CommandAsk, Vector, report_json, response_json};

/// A codec with an instance of its own, asked vector by vector.
pub struct Runner<'a> {
    codec: &'a Arc<Codec>,
    plan: &'a Plan,
    instances: Instances,
}

/// How one call went.
#[derive(Debug, Clone)]
pub struct Ran {
    /// What came out.
    pub answer: Answer,
    /// Values that the profile does not allow; they are marked, never dropped, so they fail no vector.
    pub violations: Vec<String>,
    /// What the guest logged.
    pub log: Vec<LogLine>,
    /// What the call cost; nothing where it never reached the guest.
    pub cost: Cost,
    /// By the clock on the wall.
    pub took: Duration,
}

impl<'a> Runner<'a> {
    /// The host is the one that the codec was loaded into.
    #[must_use]
    pub fn new(codec: &'a Arc<Codec>, plan: &'a Plan, host: &Arc<Host>) -> Self {
        Self { codec, plan, instances: Instances::new(Arc::clone(host)) }
    }

    /// Asks what the vector asks; what it expects is not looked at.
    pub fn run(&mut self, vector: &Vector) -> Ran {
        let card = Arc::new(DeviceCard { endpoint: vector.endpoint.clone(), attributes: Arc::clone(&vector.attributes) });
        let origin = Origin::app_data(vector.received.0);
        let mut violations = Vec::new();
        let begin = clock::monotonic();
        let (answer, took) = match &vector.ask {
            Ask::Decode(payload) => {
                let decoded = self.instances.decode(self.codec, &card, payload, &origin);
                let took = clock::monotonic().duration_since(begin);
                let answer = match decoded {
                    Ok(messages) => self.tell(&messages, vector.received, &mut violations),
                    Err(error) => broken(error),
                };
                (answer, took)
            }
            ask => match self.downlink(ask) {
                Ok(downlink) => {
                    let encoded = self.instances.encode(self.codec, &card, downlink, &origin);
                    let took = clock::monotonic().duration_since(begin);
                    (encoded.map_or_else(broken, Answer::Bytes), took)
                }
                Err(why) => (Answer::Contradiction(why), Duration::ZERO),
            },
        };
        let (log, _) = self.instances.take_log();
        Ran { answer, violations, log, cost: self.instances.last_cost(), took }
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
    fn tell(&self, messages: &[Message], received: Timestamp, violations: &mut Vec<String>) -> Answer {
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
        told.collect::<Result<_, String>>().map_or_else(Answer::Contradiction, Answer::Messages)
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
        Ok(response_json(*mid, *errcode, self.plan.command_name(index).map(|(_, name)| name), values))
    }
}

fn broken(error: CallError) -> Answer {
    match error {
        CallError::Refused(fault) => fault.into(),
        other => Answer::Broken(other.to_string()),
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
