//! The component side: exports that call the author's codec, imports that call the host. The only place that knows the
//! generated bindings. WebAssembly only.

use std::marker::PhantomData;
use std::sync::{Once, OnceLock};

use bindings::codecgate::codec as host;
use bindings::exports::codecgate::codec::codec as exports;
use host::types as wit;

use crate::codec::{self, Exported};
use crate::error::{Error, ErrorKind};
use crate::layout::{Column, Damage, Layout, slot};
use crate::log::Level;
use crate::wire;

/// Generated from `wit/v1`.
#[doc(hidden)]
pub mod bindings {
    wit_bindgen::generate!({
        path: "../wit/v1",
        world: "plugin",
        pub_export_macro: true,
        export_macro_name: "export_component",
        additional_derives: [PartialEq],
        default_bindings_module: "codecgate_sdk::guest::bindings",
    });
}

pub(crate) fn log(level: Level, text: &str) {
    let level = match level {
        Level::Debug => host::log::Level::Debug,
        Level::Info => host::log::Level::Info,
        Level::Warn => host::log::Level::Warn,
        Level::Error => host::log::Level::Error,
    };
    host::log::log(level, text);
}

pub(crate) fn endpoint() -> String {
    host::device::endpoint()
}

pub(crate) fn attribute(name: &str) -> Option<String> {
    host::device::attribute(name)
}

/// A codec as a component. [`export!`](crate::export) names it; nobody else needs to.
#[doc(hidden)]
#[derive(Debug)]
pub struct Component<C>(PhantomData<C>);

/// Without this a panic is a bare trap: the host would not learn its text.
fn tell_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| std::panic::set_hook(Box::new(|panic| log(Level::Error, &panic.to_string()))));
}

impl<C: Exported> exports::Guest for Component<C> {
    fn describe() -> wit::Description {
        tell_panics();
        description(codec::describe::<C>())
    }

    fn decode(payload: Vec<u8>, origin: wit::Origin) -> Result<Vec<wit::Message>, wit::CodecError> {
        tell_panics();
        codec::decode::<C>(&payload, &from_origin(origin)).map_err(error)
    }

    fn encode(downlink: wit::Downlink, origin: wit::Origin) -> Result<Option<Vec<u8>>, wit::CodecError> {
        tell_panics();
        codec::encode::<C>(from_downlink(downlink), &from_origin(origin)).map_err(error)
    }
}

/// The interpreter of layouts as a component; [`export_interpreter!`](crate::export_interpreter) names it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Interpreter<S>(PhantomData<S>);

/// Where the layout lies.
#[doc(hidden)]
pub trait Slot {
    /// The whole slot.
    fn bytes() -> &'static [u8];
}

/// Read once an instance: the slot never changes while it lives.
fn layout<S: Slot>() -> Result<&'static Layout, wit::CodecError> {
    static LAYOUT: OnceLock<Result<Layout, Damage>> = OnceLock::new();
    let read = LAYOUT.get_or_init(|| crate::arena::outside(|| slot::read(S::bytes())));
    read.as_ref().map_err(|damage| error(Error::new(ErrorKind::Other, damage.to_string())))
}

impl<S: Slot> exports::Guest for Interpreter<S> {
    /// Panics without a whole layout: the host then refuses the component and tells this text.
    #[expect(clippy::panic, reason = "`describe` has no other way to refuse")]
    fn describe() -> wit::Description {
        tell_panics();
        match layout::<S>() {
            Ok(layout) => layout_description(layout),
            Err(error) => panic!("{}", error.detail),
        }
    }

    fn decode(payload: Vec<u8>, _: wit::Origin) -> Result<Vec<wit::Message>, wit::CodecError> {
        tell_panics();
        layout::<S>()?.decode(&payload).map_err(error)
    }

    fn encode(downlink: wit::Downlink, origin: wit::Origin) -> Result<Option<Vec<u8>>, wit::CodecError> {
        tell_panics();
        layout::<S>()?.encode(from_downlink(downlink), origin.received_at).map_err(error)
    }
}

fn layout_description(layout: &Layout) -> wit::Description {
    let columns = |list: &[Column]| {
        let field =
            |column: &Column| wit::FieldDescription { name: column.name.clone(), value_type: value_type(column.value_type) };
        list.iter().map(field).collect()
    };
    wit::Description {
        name: layout.name.clone(),
        version: layout.version.clone(),
        services: layout
            .services
            .iter()
            .map(|service| wit::ServiceDescription { id: service.id.clone(), properties: columns(&service.properties) })
            .collect(),
        commands: layout
            .commands
            .iter()
            .map(|command| wit::CommandDescription {
                service: command.service.clone(),
                name: command.name.clone(),
                params: columns(&command.params),
                response: columns(&command.response),
            })
            .collect(),
    }
}

fn from_origin(origin: wit::Origin) -> wire::Origin {
    wire::Origin {
        transport: match origin.transport {
            wit::Transport::Coap => wire::Transport::Coap,
            wit::Transport::Other => wire::Transport::Other,
        },
        object: origin.object,
        instance: origin.instance,
        resource: origin.resource,
        content_format: (origin.content_format != u16::MAX).then_some(origin.content_format),
        received_ms: origin.received_at,
    }
}

fn from_downlink(downlink: wit::Downlink) -> wire::Downlink {
    match downlink {
        wit::Downlink::Command(command) => {
            wire::Downlink::Command { index: command.index, mid: command.mid, has_more: command.has_more, fields: command.fields }
        }
        wit::Downlink::ReportAck(ack) => {
            wire::Downlink::ReportAck { uplink: ack.uplink, errcode: ack.errcode, has_more: ack.has_more }
        }
    }
}

fn error(error: Error) -> wit::CodecError {
    let kind = match error.kind {
        ErrorKind::Truncated => wit::ErrorKind::Truncated,
        ErrorKind::Checksum => wit::ErrorKind::Checksum,
        ErrorKind::UnsupportedVersion => wit::ErrorKind::UnsupportedVersion,
        ErrorKind::BadField => wit::ErrorKind::BadField,
        ErrorKind::UnknownCommand => wit::ErrorKind::UnknownCommand,
        ErrorKind::BadParameter => wit::ErrorKind::BadParameter,
        ErrorKind::Unsupported => wit::ErrorKind::Unsupported,
        ErrorKind::Other => wit::ErrorKind::Other,
    };
    wit::CodecError { kind, detail: error.detail.into_owned(), offset: error.offset }
}

fn description(description: wire::Description) -> wit::Description {
    let fields = |list: &[wire::FieldDescription]| {
        list.iter()
            .map(|field| wit::FieldDescription { name: field.name.to_owned(), value_type: value_type(field.value_type) })
            .collect()
    };
    wit::Description {
        name: description.name.to_owned(),
        version: description.version.to_owned(),
        services: description
            .services
            .iter()
            .map(|service| wit::ServiceDescription { id: service.id.to_owned(), properties: fields(service.properties) })
            .collect(),
        commands: description
            .commands
            .iter()
            .map(|command| wit::CommandDescription {
                service: command.service.to_owned(),
                name: command.name.to_owned(),
                params: fields(command.params),
                response: fields(command.response),
            })
            .collect(),
    }
}

fn value_type(value_type: wire::ValueType) -> wit::ValueType {
    match value_type {
        wire::ValueType::Boolean => wit::ValueType::Boolean,
        wire::ValueType::Integer => wit::ValueType::Integer,
        wire::ValueType::Number => wit::ValueType::Number,
        wire::ValueType::Text => wit::ValueType::Text,
        wire::ValueType::Bytes => wit::ValueType::Bytes,
        wire::ValueType::Timestamp => wit::ValueType::Timestamp,
        wire::ValueType::Json => wit::ValueType::Json,
    }
}
