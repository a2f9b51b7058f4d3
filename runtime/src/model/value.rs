//! What crosses the codec border, in the host's words. The same shapes as `wit/v1`, without a WebAssembly type.

use serde::{Deserialize, Serialize};

/// One value of a property, a parameter or a response field.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// The field is there but has no value (a short string field of a designer codec, REFERENCE B.6.4).
    Null,
    /// true / false.
    Boolean(bool),
    /// Whole number.
    Integer(i64),
    /// Number with a fraction; NaN and infinities are shown as null.
    Number(f64),
    /// Unicode text.
    Text(String),
    /// Bytes, base64 in JSON.
    Bytes(Vec<u8>),
    /// Milliseconds since 1970, RFC 3339 text in JSON.
    Timestamp(u64),
    /// JSON text. Not yet known to be JSON: the profile check finds out.
    Json(String),
}

/// The type of a field, as the codec promises it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
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

/// A value and the position of its field in the table that belongs to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Position in the table (properties, params or response).
    pub index: u16,
    /// The value.
    pub value: Value,
}

/// Property values, or an alarm.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ReportKind {
    /// Property values.
    Report,
    /// An alarm or a fault (CTWing "event", REFERENCE E.4).
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
    /// Further uplinks follow at once (REFERENCE B.3 `hasMore`).
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

/// What a codec is asked to turn into bytes.
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
    /// The application-level answer to a report (REFERENCE B.4 `cloudRsp`).
    ReportAck {
        /// The device's payload.
        uplink: Vec<u8>,
        /// 0 = decoded, 1 = not decoded.
        errcode: u8,
        /// Commands wait for this device.
        has_more: bool,
    },
}

/// How a payload reached the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// CoAP over UDP.
    Coap,
    /// Handed in by a tool.
    Other,
}

/// Where a payload came from; scalars only.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Origin {
    /// The way it came.
    pub transport: Transport,
    /// LwM2M object id, 19 for application data.
    pub object: u16,
    /// Object instance id.
    pub instance: u16,
    /// Resource id.
    pub resource: u16,
    /// CoAP content format, none when the message had none.
    pub content_format: Option<u16>,
    /// Time of arrival, milliseconds since 1970.
    pub received_ms: u64,
}

impl Origin {
    /// `/19/0/0` over CoAP, the uplink resource of NB-IoT devices (REFERENCE C.1).
    #[must_use]
    pub fn app_data(received_ms: u64) -> Self {
        Self { transport: Transport::Coap, object: 19, instance: 0, resource: 0, content_format: Some(42), received_ms }
    }
}

/// Why a codec refused, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CodecFault {
    /// The class of the fault.
    pub kind: FaultKind,
    /// What the codec says of it.
    pub detail: String,
    /// Byte offset in the payload.
    pub offset: Option<u32>,
}

/// Classes of codec faults; the texts are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FaultKind {
    /// The payload ends too early.
    Truncated,
    /// A check value does not fit.
    Checksum,
    /// A format version that the codec does not speak.
    UnsupportedVersion,
    /// A field has a value that cannot be.
    BadField,
    /// A command that the codec does not know.
    UnknownCommand,
    /// A parameter that cannot be encoded.
    BadParameter,
    /// Understood and not supported.
    Unsupported,
    /// Anything else.
    Other,
}

impl FaultKind {
    /// The stable text, as in the WIT enum.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Truncated => "truncated",
            Self::Checksum => "checksum",
            Self::UnsupportedVersion => "unsupported-version",
            Self::BadField => "bad-field",
            Self::UnknownCommand => "unknown-command",
            Self::BadParameter => "bad-parameter",
            Self::Unsupported => "unsupported",
            Self::Other => "other",
        }
    }
}

/// Name and type of one field.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDescription {
    /// Name in the profile.
    pub name: String,
    /// Promised type.
    #[serde(rename = "type")]
    pub value_type: ValueType,
}

/// A service that the codec reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceDescription {
    /// `serviceId` of the profile.
    pub id: String,
    /// Its properties, in index order.
    pub properties: Vec<FieldDescription>,
}

/// A command that the codec encodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommandDescription {
    /// `serviceId` of the profile.
    pub service: String,
    /// `commandName` of the profile.
    pub name: String,
    /// Parameters, in index order.
    pub params: Vec<FieldDescription>,
    /// Response fields, in index order.
    pub response: Vec<FieldDescription>,
}

/// The tables of a codec version, asked once when it is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Description {
    /// The codec's own name.
    pub name: String,
    /// The codec's own version.
    pub version: String,
    /// What it reports.
    pub services: Vec<ServiceDescription>,
    /// What it encodes.
    pub commands: Vec<CommandDescription>,
}
