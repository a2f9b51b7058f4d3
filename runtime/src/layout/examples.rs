//! An example of each message as a vector (`plugin-sdk/VECTORS.md`): frames that were made up, to be replaced by those of devices.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use codecgate_sdk::layout::{Column, Kind, Layout, Message};
use codecgate_sdk::wire;
use serde_json::{Map, Value as Json, json};

use super::{CheckedLayout, rows};
use crate::model::Timestamp;

impl CheckedLayout {
    /// A document of vectors that all hold: one for each message. `source` says where they come from.
    #[must_use]
    pub fn example_vectors(&self, source: &str) -> String {
        let vectors: Vec<Json> =
            self.layout.messages.iter().enumerate().filter_map(|(at, message)| self.example(at, message, source)).collect();
        serde_json::to_string_pretty(&vectors).unwrap_or_default()
    }

    fn example(&self, at: usize, message: &Message, source: &str) -> Option<Json> {
        let frame = self.layout.compose(at, &mut rows::sample(&message.kind, &message.fields)).ok()?;
        let hex = hex::encode_upper(&frame);
        let told = match message.kind {
            Kind::Command { command } => {
                let command = self.layout.commands.get(usize::from(command))?;
                // What goes down is read back as if it were an answer: its mid and its parameters.
                let read = self.layout.interpret(at, &frame).ok()?;
                let Some(wire::Message::Response(read)) = read.into_iter().next() else { return None };
                let params = values(&command.params, &read.fields);
                let asked = json!({ "service": command.service, "name": command.name, "mid": read.mid.max(1), "params": params });
                return Some(
                    json!({ "name": message.name, "source": source, "direction": "encode", "command": asked, "hex": hex }),
                );
            }
            _ => self.layout.decode(&frame).ok()?,
        };
        let messages: Vec<Json> = told.iter().filter_map(|message| shown(&self.layout, message)).collect();
        Some(json!({ "name": message.name, "source": source, "direction": "decode", "hex": hex, "messages": messages }))
    }
}

fn shown(layout: &Layout, message: &wire::Message) -> Option<Json> {
    Some(match message {
        wire::Message::Report(report) => {
            let service = layout.services.get(usize::from(report.service))?;
            let mut body = Map::new();
            body.insert("service".to_owned(), service.id.clone().into());
            if report.kind == wire::ReportKind::Event {
                body.insert("kind".to_owned(), "event".into());
            }
            if let Some(time) = report.event_time {
                body.insert("eventTime".to_owned(), Timestamp(time).to_string().into());
            }
            body.insert("values".to_owned(), Json::Object(values(&service.properties, &report.fields)));
            if report.has_more {
                body.insert("hasMore".to_owned(), true.into());
            }
            json!({ "report": body })
        }
        wire::Message::Response(response) => {
            let command = layout.commands.get(usize::from(response.command?))?;
            let values = values(&command.response, &response.fields);
            json!({ "response": { "mid": response.mid, "errcode": response.errcode, "command": command.name, "values": values } })
        }
    })
}

fn values(columns: &[Column], fields: &[wire::Field]) -> Map<String, Json> {
    let named =
        fields.iter().filter_map(|field| Some((columns.get(usize::from(field.index))?.name.clone(), value(&field.value))));
    named.collect()
}

fn value(value: &wire::Value) -> Json {
    match value {
        wire::Value::Null => Json::Null,
        wire::Value::Boolean(is) => (*is).into(),
        wire::Value::Integer(number) => (*number).into(),
        wire::Value::Number(number) => (*number).into(),
        wire::Value::Text(text) => text.clone().into(),
        wire::Value::Bytes(bytes) => BASE64.encode(bytes).into(),
        wire::Value::Timestamp(ms) => Timestamp(*ms).to_string().into(),
        wire::Value::Json(text) => serde_json::from_str(text).unwrap_or(Json::Null),
    }
}
