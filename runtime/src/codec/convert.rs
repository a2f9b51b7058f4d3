//! Between the generated bindings and the words of `model`. Texts and byte values are moved, never copied, and lists are
//! turned over in place. Counts what an answer holds; whether an index exists in a table is not known here.

use super::guest::cut;
use super::wit::types as wire;
use super::{CallError, Limits};
use crate::model::{
    CodecFault, CommandDescription, Description, Downlink, FaultKind, Field, FieldDescription, Message, Origin, Report,
    ReportKind, Response, ServiceDescription, Transport, Value, ValueType,
};

/// What a message had in the place of a content format that was not there (`wit/v1`, `origin.content-format`).
pub(super) const NO_CONTENT_FORMAT: u16 = 0xffff;
/// Most bytes of the sentence in which a codec refuses.
const DETAIL_BYTES: usize = 1_024;
/// What a value without a length counts.
pub(super) const SCALAR_BYTES: usize = 8;

pub(super) fn origin(origin: &Origin) -> wire::Origin {
    wire::Origin {
        transport: match origin.transport {
            Transport::Coap => wire::Transport::Coap,
            Transport::Other => wire::Transport::Other,
        },
        object: origin.object,
        instance: origin.instance,
        resource: origin.resource,
        content_format: origin.content_format.unwrap_or(NO_CONTENT_FORMAT),
        received_at: origin.received_ms,
    }
}

pub(super) fn downlink(downlink: Downlink) -> wire::Downlink {
    match downlink {
        Downlink::Command { index, mid, has_more, fields } => wire::Downlink::Command(wire::Command {
            index,
            mid,
            has_more,
            fields: fields.into_iter().map(|field| wire::Field { index: field.index, value: wire_value(field.value) }).collect(),
        }),
        Downlink::ReportAck { uplink, errcode, has_more } => {
            wire::Downlink::ReportAck(wire::ReportAck { uplink, errcode, has_more })
        }
    }
}

/// # Errors
/// More messages or bytes than the limits allow.
pub(super) fn messages(answer: Vec<wire::Message>, limits: &Limits) -> Result<Vec<Message>, CallError> {
    within("messages", answer.len(), limits.messages)?;
    let bytes = answer.iter().flat_map(fields_of).map(|field| weight(&field.value)).sum();
    within("answer", bytes, limits.output_bytes)?;
    Ok(answer.into_iter().map(message).collect())
}

pub(super) fn fault(error: wire::CodecError) -> CallError {
    let kind = match error.kind {
        wire::ErrorKind::Truncated => FaultKind::Truncated,
        wire::ErrorKind::Checksum => FaultKind::Checksum,
        wire::ErrorKind::UnsupportedVersion => FaultKind::UnsupportedVersion,
        wire::ErrorKind::BadField => FaultKind::BadField,
        wire::ErrorKind::UnknownCommand => FaultKind::UnknownCommand,
        wire::ErrorKind::BadParameter => FaultKind::BadParameter,
        wire::ErrorKind::Unsupported => FaultKind::Unsupported,
        wire::ErrorKind::Other => FaultKind::Other,
    };
    CallError::Refused(CodecFault { kind, detail: cut(error.detail, DETAIL_BYTES), offset: error.offset })
}

/// A guest's sentence, cut to what an error may hold.
pub(super) fn detail(text: &str) -> String {
    text.get(..text.floor_char_boundary(DETAIL_BYTES)).unwrap_or(text).to_owned()
}

pub(super) fn description(answer: wire::Description) -> Description {
    Description {
        name: answer.name,
        version: answer.version,
        services: answer
            .services
            .into_iter()
            .map(|service| ServiceDescription { id: service.id, properties: table(service.properties) })
            .collect(),
        commands: answer
            .commands
            .into_iter()
            .map(|command| CommandDescription {
                service: command.service,
                name: command.name,
                params: table(command.params),
                response: table(command.response),
            })
            .collect(),
    }
}

/// # Errors
/// `size` is more than `limit`.
pub(super) fn within(what: &'static str, size: usize, limit: usize) -> Result<(), CallError> {
    if size > limit { Err(CallError::TooLarge { what, size, limit }) } else { Ok(()) }
}

fn fields_of(message: &wire::Message) -> &[wire::Field] {
    match message {
        wire::Message::Report(report) => &report.fields,
        wire::Message::Response(response) => &response.fields,
    }
}

fn weight(value: &wire::Value) -> usize {
    match value {
        wire::Value::Text(text) | wire::Value::Json(text) => text.len(),
        wire::Value::Bytes(bytes) => bytes.len(),
        wire::Value::Null
        | wire::Value::Boolean(_)
        | wire::Value::Integer(_)
        | wire::Value::Number(_)
        | wire::Value::Timestamp(_) => SCALAR_BYTES,
    }
}

fn message(message: wire::Message) -> Message {
    match message {
        wire::Message::Report(report) => Message::Report(Report {
            service: report.service,
            kind: match report.kind {
                wire::ReportKind::Report => ReportKind::Report,
                wire::ReportKind::Event => ReportKind::Event,
            },
            event_time: report.event_time,
            fields: fields(report.fields),
            has_more: report.has_more,
        }),
        wire::Message::Response(response) => Message::Response(Response {
            mid: response.mid,
            errcode: response.errcode,
            command: response.command,
            fields: fields(response.fields),
        }),
    }
}

/// The two field types have one size, so that the list is turned over in its own allocation.
fn fields(fields: Vec<wire::Field>) -> Vec<Field> {
    const { assert!(size_of::<wire::Field>() == size_of::<Field>() && align_of::<wire::Field>() == align_of::<Field>()) }
    fields.into_iter().map(|field| Field { index: field.index, value: value(field.value) }).collect()
}

fn value(value: wire::Value) -> Value {
    match value {
        wire::Value::Null => Value::Null,
        wire::Value::Boolean(value) => Value::Boolean(value),
        wire::Value::Integer(value) => Value::Integer(value),
        wire::Value::Number(value) => Value::Number(value),
        wire::Value::Text(value) => Value::Text(value),
        wire::Value::Bytes(value) => Value::Bytes(value),
        wire::Value::Timestamp(value) => Value::Timestamp(value),
        wire::Value::Json(value) => Value::Json(value),
    }
}

fn wire_value(value: Value) -> wire::Value {
    match value {
        Value::Null => wire::Value::Null,
        Value::Boolean(value) => wire::Value::Boolean(value),
        Value::Integer(value) => wire::Value::Integer(value),
        Value::Number(value) => wire::Value::Number(value),
        Value::Text(value) => wire::Value::Text(value),
        Value::Bytes(value) => wire::Value::Bytes(value),
        Value::Timestamp(value) => wire::Value::Timestamp(value),
        Value::Json(value) => wire::Value::Json(value),
    }
}

fn table(fields: Vec<wire::FieldDescription>) -> Vec<FieldDescription> {
    fields.into_iter().map(|field| FieldDescription { name: field.name, value_type: value_type(field.value_type) }).collect()
}

fn value_type(value_type: wire::ValueType) -> ValueType {
    match value_type {
        wire::ValueType::Boolean => ValueType::Boolean,
        wire::ValueType::Integer => ValueType::Integer,
        wire::ValueType::Number => ValueType::Number,
        wire::ValueType::Text => ValueType::Text,
        wire::ValueType::Bytes => ValueType::Bytes,
        wire::ValueType::Timestamp => ValueType::Timestamp,
        wire::ValueType::Json => ValueType::Json,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(fields: Vec<wire::Field>) -> wire::Message {
        wire::Message::Report(wire::Report {
            service: 3,
            kind: wire::ReportKind::Event,
            event_time: Some(7),
            fields,
            has_more: true,
        })
    }

    #[test]
    fn every_kind_of_value_survives_both_ways() {
        let values = [
            Value::Null,
            Value::Boolean(true),
            Value::Integer(-5),
            Value::Number(1.5),
            Value::Text("a".into()),
            Value::Bytes(vec![0, 255]),
            Value::Timestamp(9),
            Value::Json("{}".into()),
        ];
        for expected in values {
            assert_eq!(value(wire_value(expected.clone())), expected);
        }
    }

    #[test]
    fn a_report_keeps_its_list_and_its_text_where_they_are() {
        let answer = vec![report(vec![wire::Field { index: 2, value: wire::Value::Text("text".into()) }])];
        let (list, text) = match &fields_of(&answer[0])[0].value {
            wire::Value::Text(text) => (fields_of(&answer[0]).as_ptr().addr(), text.as_ptr().addr()),
            _ => panic!("a text was put in"),
        };
        let messages = messages(answer, &Limits::default()).unwrap();
        let Message::Report(report) = &messages[0] else { panic!("a report was put in") };
        assert_eq!((report.service, report.kind, report.event_time, report.has_more), (3, ReportKind::Event, Some(7), true));
        let Value::Text(moved) = &report.fields[0].value else { panic!("a text was put in") };
        assert_eq!((report.fields.as_ptr().addr(), moved.as_ptr().addr()), (list, text));
    }

    #[test]
    fn messages_and_bytes_are_counted_exactly() {
        let limits = Limits { messages: 2, output_bytes: 10, ..Limits::default() };
        let field = |bytes| wire::Field { index: 0, value: wire::Value::Bytes(vec![0; bytes]) };
        assert!(messages(vec![report(vec![field(10)]), report(vec![])], &limits).is_ok());
        assert_eq!(
            messages(vec![report(vec![field(5)]), report(vec![field(6)])], &limits),
            Err(CallError::TooLarge { what: "answer", size: 11, limit: 10 })
        );
        assert_eq!(
            messages(vec![report(vec![]), report(vec![]), report(vec![])], &limits),
            Err(CallError::TooLarge { what: "messages", size: 3, limit: 2 })
        );
    }

    #[test]
    fn a_missing_content_format_is_told_as_65535() {
        let none = Origin { content_format: None, ..Origin::app_data(1) };
        assert_eq!(origin(&none).content_format, 65_535);
        assert_eq!(origin(&Origin::app_data(1)).content_format, 42);
    }
}
