//! A guest that does what no codec should: the first byte of the payload says what. Written against the bare bindings, since
//! the SDK keeps its authors from most of this. Natively an empty crate; `tests/codec` loads it as a component.
#![cfg(target_arch = "wasm32")]

mod frame;

use std::cell::Cell;
use std::hint::black_box;

wit_bindgen::generate!({ path: "../../wit/v1", world: "plugin" });

use codecgate::codec::types::{
    CodecError, CommandDescription, Description, Downlink, ErrorKind, Field, FieldDescription, Message, Origin, Report,
    ReportKind, ServiceDescription, Value, ValueType,
};
use codecgate::codec::{device, log};
use exports::codecgate::codec::codec::Guest;

struct Hostile;

export!(Hostile);

/// A test overwrites this text in the component's bytes to choose how `describe` behaves.
static DESCRIBE: [u8; 24] = *b"describe-mode:well......";

/// The same for `decode`, whatever the payload.
static DECODE: [u8; 24] = *b"decode-mode:well........";

thread_local! {
    /// State that survives a call, as no codec should keep it.
    static CALLS: Cell<i64> = const { Cell::new(0) };
    static HOARD: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

impl Guest for Hostile {
    fn describe() -> Description {
        let mode = black_box(&DESCRIBE);
        let names: Vec<String> = match &mode[14..18] {
            b"trap" => panic!("describe gave up"),
            b"loop" => spin(),
            b"twin" => vec!["volume".into(), "volume".into()],
            b"huge" => vec!["name".repeat(40); 60_000],
            b"many" => (0..70_000).map(|n| n.to_string()).collect(),
            _ => ["volume", "flow", "temperature", "battery", "valve", "day"].map(String::from).to_vec(),
        };
        let field = |name: String| FieldDescription { name, value_type: ValueType::Integer };
        Description {
            name: "hostile".into(),
            version: "1.0.0".into(),
            services: vec![ServiceDescription { id: "Meter".into(), properties: names.into_iter().map(field).collect() }],
            commands: vec![CommandDescription {
                service: "Meter".into(),
                name: "SET_VALVE".into(),
                params: vec![FieldDescription { name: "open".into(), value_type: ValueType::Boolean }],
                response: vec![],
            }],
        }
    }

    fn decode(payload: Vec<u8>, origin: Origin) -> Result<Vec<Message>, CodecError> {
        let calls = CALLS.get() + 1;
        CALLS.set(calls);
        let (behaviour, rest) = payload.split_first().map_or((0xff, &[][..]), |(first, rest)| (*first, rest));
        let number = rest.first_chunk().map_or(0, |bytes| u16::from_be_bytes(*bytes));
        let more = match &black_box(&DECODE)[12..16] {
            b"trap" => return deep_inside::parse(b"decode gave up"),
            b"deaf" => return Err(refused(6)),
            b"more" => 1_000,
            _ => 0,
        };
        match behaviour {
            0x00 => read(&payload),
            0x01 => deep_inside::parse(rest),
            0x02 => spin(),
            0x03 => bomb(),
            0x04 => Ok(vec![report(Value::Integer(dig(u64::from(number)) as i64))]),
            0x05 => Ok(vec![report(Value::Bytes(vec![0; usize::from(number) << 10]))]),
            0x06 => Ok((0..number).map(|n| report(Value::Integer(i64::from(n) + more))).collect()),
            0x07 => {
                (0..number).for_each(|n| log::log(log::Level::Info, &format!("line {n} {}", "x".repeat(300))));
                Ok(vec![])
            }
            0x08 => Err(refused(number)),
            0x09 => {
                let attribute = device::attribute(&String::from_utf8_lossy(rest));
                let text = format!("{} {attribute:?} {}", device::endpoint(), origin.content_format);
                Ok(vec![report(Value::Text(text))])
            }
            0x0a => Ok(vec![report(Value::Integer(calls))]),
            0x0b => Ok(vec![message((0..300_000).map(|_| Field { index: 0, value: Value::Null }).collect())]),
            0x0c => core::arch::wasm32::unreachable(),
            0x0d => {
                HOARD.set(vec![1; usize::from(number) << 10]);
                Ok(vec![report(Value::Integer(calls))])
            }
            _ => Ok(vec![]),
        }
    }

    fn encode(downlink: Downlink, origin: Origin) -> Result<Option<Vec<u8>>, CodecError> {
        match downlink {
            Downlink::Command(command) if command.index == 0 => {
                let open = matches!(command.fields.as_slice(), [Field { index: 0, value: Value::Boolean(true) }]);
                let [high, low] = command.mid.to_be_bytes();
                Ok(Some(vec![0x51, high, low, u8::from(open)]))
            }
            // Says what it was given, down to the last parameter.
            Downlink::Command(command) if command.index == 1 => Ok(Some(format!("{command:?} {origin:?}").into_bytes())),
            Downlink::Command(command) => {
                Err(CodecError { kind: ErrorKind::UnknownCommand, detail: format!("no command {}", command.index), offset: None })
            }
            Downlink::ReportAck(ack) if ack.errcode == 0 => Ok(None),
            Downlink::ReportAck(ack) if ack.errcode == 1 => Ok(Some(vec![0xaa, ack.errcode])),
            Downlink::ReportAck(_) => Ok(Some(vec![0; 100_000])),
        }
    }
}

fn read(payload: &[u8]) -> Result<Vec<Message>, CodecError> {
    let reading = frame::parse(payload).map_err(|fault| match fault {
        frame::Fault::Truncated(at) => CodecError { kind: ErrorKind::Truncated, detail: "20 bytes".into(), offset: Some(at) },
        frame::Fault::Checksum(at) => CodecError { kind: ErrorKind::Checksum, detail: "CRC".into(), offset: Some(at) },
    })?;
    let values = [
        Value::Integer(reading.volume),
        Value::Number(reading.flow),
        Value::Number(reading.temperature),
        Value::Integer(reading.battery),
        Value::Boolean(reading.valve_open),
        Value::Timestamp(reading.day * 86_400_000),
    ];
    Ok(vec![message((0..).zip(values).map(|(index, value)| Field { index, value }).collect())])
}

fn message(fields: Vec<Field>) -> Message {
    Message::Report(Report { service: 0, kind: ReportKind::Report, event_time: None, fields, has_more: false })
}

fn report(value: Value) -> Message {
    message(vec![Field { index: 0, value }])
}

fn refused(kind: u16) -> CodecError {
    let kind = match kind {
        0 => ErrorKind::Truncated,
        1 => ErrorKind::Checksum,
        2 => ErrorKind::UnsupportedVersion,
        3 => ErrorKind::BadField,
        4 => ErrorKind::UnknownCommand,
        5 => ErrorKind::BadParameter,
        6 => ErrorKind::Unsupported,
        _ => ErrorKind::Other,
    };
    CodecError { kind, detail: "because".into(), offset: Some(3) }
}

mod deep_inside {
    use super::{CodecError, Message, log};

    /// Says why, as the SDK's panic hook does, and dies in the machinery of the standard library.
    #[inline(never)]
    pub(super) fn parse(text: &[u8]) -> Result<Vec<Message>, CodecError> {
        std::panic::set_hook(Box::new(|told| log::log(log::Level::Error, &told.to_string())));
        panic!("{}", String::from_utf8_lossy(text))
    }
}

#[inline(never)]
fn spin() -> ! {
    loop {
        black_box(());
    }
}

#[inline(never)]
fn bomb() -> ! {
    let mut hoard: Vec<Vec<u8>> = Vec::new();
    loop {
        hoard.push(black_box(vec![1; 1 << 20]));
    }
}

#[inline(never)]
fn dig(depth: u64) -> u64 {
    let room = black_box([depth; 16]);
    dig(depth + 1) + black_box(room)[3]
}
