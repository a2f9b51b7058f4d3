//! What crosses the border to the host, by index and without names: `wit/v1` as plain Rust, the same on every target.
//!
//! Authors rarely touch it; the derive macros fill it. It knows no type of the generated bindings.

/// One value.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The field is there and has no value.
    Null,
    /// true / false
    Boolean(bool),
    /// Whole number.
    Integer(i64),
    /// Number with a fraction.
    Number(f64),
    /// Unicode text.
    Text(String),
    /// Bytes; base64 in JSON.
    Bytes(Vec<u8>),
    /// Milliseconds since 1970-01-01T00:00:00Z.
    Timestamp(u64),
    /// JSON text.
    Json(String),
}

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

/// A value and the position of its field in the table it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Position in the properties, parameters or response fields.
    pub index: u16,
    /// The value.
    pub value: Value,
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

/// Property values, or an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportKind {
    /// Property values.
    Report,
    /// An alarm or a fault.
    Event,
}

/// Values of one service at one time.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// Position in [`Description::services`].
    pub service: u16,
    /// Report or event report.
    pub kind: ReportKind,
    /// Milliseconds since 1970; none = the time of arrival.
    pub event_time: Option<u64>,
    /// The values; `index` = position in the service's properties.
    pub fields: Vec<Field>,
    /// Further uplinks follow at once.
    pub has_more: bool,
}

/// A device's answer to a command.
#[derive(Debug, Clone, PartialEq)]
pub struct Response {
    /// The command's mid, 1..65535.
    pub mid: u16,
    /// 0 = success.
    pub errcode: u8,
    /// Position in [`Description::commands`], if the frame tells.
    pub command: Option<u16>,
    /// The values; `index` = position in the command's response fields.
    pub fields: Vec<Field>,
}

/// One thing that a payload says.
#[derive(Debug, Clone, PartialEq)]
pub enum Message {
    /// Values.
    Report(Report),
    /// An answer to a command.
    Response(Response),
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
