//! The types that every decode makes, as native builds see them. In a component the generated types of the same names and
//! shapes take their place (`wit/v1`): turning one into the other would cost more than reading a frame.

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

/// A value and the position of its field in the table it belongs to.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// Position in the properties, parameters or response fields.
    pub index: u16,
    /// The value.
    pub value: Value,
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
    /// Position in [`Description::services`](super::Description::services).
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
    /// Position in [`Description::commands`](super::Description::commands), if the frame tells.
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
