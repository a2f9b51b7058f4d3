//! What crosses the border to the host, by index and without names: `wit/v1` as plain Rust, the same on every target.
//!
//! Authors rarely touch it; the derive macros fill it.

#[cfg(not(target_arch = "wasm32"))]
mod native;

#[cfg(target_arch = "wasm32")]
pub use crate::guest::bindings::codecgate::codec::types::{Field, Message, Report, ReportKind, Response, Value};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{Field, Message, Report, ReportKind, Response, Value};

/// The type that a codec promises for a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueType {
    /// [`Value::Boolean`]
    Boolean,
    /// [`Value::Integer`]
    Integer,
    /// [`Value::Number`]
    Number,
    /// [`Value::Text`]
    Text,
    /// [`Value::Bytes`]
    Bytes,
    /// [`Value::Timestamp`]
    Timestamp,
    /// [`Value::Json`]
    Json,
}

/// How a payload came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// CoAP over UDP.
    Coap,
    /// Handed in by a tool.
    Other,
}

/// Where a payload came from, or where one goes. Scalars only; texts are asked for through [`device`](crate::device).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The way it came.
    pub transport: Transport,
    /// LwM2M object id; 19 = application data.
    pub object: u16,
    /// Object instance id.
    pub instance: u16,
    /// Resource id.
    pub resource: u16,
    /// CoAP content format; none when the message had none.
    pub content_format: Option<u16>,
    /// Time of arrival, milliseconds since 1970.
    pub received_ms: u64,
}

impl Origin {
    /// `/19/0/0` over CoAP with content format 42, where NB-IoT devices report.
    #[must_use]
    pub fn app_data(received_ms: u64) -> Self {
        Self { transport: Transport::Coap, object: 19, instance: 0, resource: 0, content_format: Some(42), received_ms }
    }
}

/// What the host asks to be turned into bytes.
#[derive(Debug, Clone, PartialEq)]
pub enum Downlink {
    /// A command.
    Command {
        /// Position in [`Description::commands`].
        index: u16,
        /// 1..65535, unique among the commands in flight of one device.
        mid: u16,
        /// More commands wait for this device.
        has_more: bool,
        /// The parameters; `index` = position in the command's params.
        fields: Vec<Field>,
    },
    /// The application-level answer to a report.
    ReportAck {
        /// The device's payload.
        uplink: Vec<u8>,
        /// 0 = decoded, 1 = not decoded.
        errcode: u8,
        /// Commands wait for this device.
        has_more: bool,
    },
}

/// Name and type of one field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldDescription {
    /// Name in the profile.
    pub name: &'static str,
    /// Promised type.
    pub value_type: ValueType,
}

/// A service that the codec reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ServiceDescription {
    /// `serviceId` of the profile.
    pub id: &'static str,
    /// Its properties, in index order.
    pub properties: &'static [FieldDescription],
}

/// A command that the codec encodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CommandDescription {
    /// `serviceId` of the profile.
    pub service: &'static str,
    /// `commandName` of the profile.
    pub name: &'static str,
    /// Parameters, in index order.
    pub params: &'static [FieldDescription],
    /// Response fields, in index order.
    pub response: &'static [FieldDescription],
}

/// The tables of a codec. They follow from its types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Description {
    /// The codec's package name.
    pub name: &'static str,
    /// The codec's package version.
    pub version: &'static str,
    /// What it reports.
    pub services: &'static [ServiceDescription],
    /// What it encodes.
    pub commands: &'static [CommandDescription],
}
