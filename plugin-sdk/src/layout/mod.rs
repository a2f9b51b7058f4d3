//! Codecs without code: what the messages of a product look like, as a value, and the interpreter that decodes and encodes by it.
//!
//! [`Layout`] is checked (`check.rs`), written to compact bytes and read again (`compact.rs`), put into a finished component
//! ([`slot`]), and interpreted (`read.rs`, `write.rs`), natively and in the component alike. It refuses to know documents and
//! profiles: who makes a layout out of those has decided every type and every offset. Its rules for lengths are those of a well-known
//! graphical codec designer ([`Lengths::Lenient`]) or none at all ([`Lengths::Strict`]).

mod base64;
mod check;
mod compact;
mod number;
mod read;
pub mod slot;
#[cfg(test)]
mod tests;
mod write;

use crate::error::Result;
use crate::wire::{Downlink, Message as Decoded, ValueType};

pub use check::Flaw;
pub use compact::{Damage, from_bytes, to_bytes};
pub use number::Scale;
pub use write::Given;

/// Everything that a product says and hears. Whoever interprets one has called [`Layout::check`], or got it from [`from_bytes`].
#[derive(Debug, Clone, PartialEq)]
pub struct Layout {
    /// Of the codec.
    pub name: String,
    /// Of the codec.
    pub version: String,
    /// What happens where lengths do not fit.
    pub lengths: Lengths,
    /// The table of services, in index order.
    pub services: Vec<Service>,
    /// The table of commands, in index order.
    pub commands: Vec<Command>,
    /// In the order in which they are tried.
    pub messages: Vec<Message>,
}

/// What happens where lengths do not fit. A number that is cut short is an error in both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lengths {
    /// A text or byte string that is cut short is null; bytes after the last field are not looked at.
    Lenient,
    /// Both are errors that name message, field and offset.
    Strict,
}

/// A service of the profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// `serviceId`
    pub id: String,
    /// In index order.
    pub properties: Vec<Column>,
}

/// A command of the profile.
#[derive(Debug, Clone, PartialEq)]
pub struct Command {
    /// `serviceId`
    pub service: String,
    /// Name of the command.
    pub name: String,
    /// Parameters, in index order.
    pub params: Vec<Column>,
    /// Response fields, in index order.
    pub response: Vec<Column>,
    /// Position of its message in [`Layout::messages`].
    pub message: u16,
}

/// Name and promised type of a value.
#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    /// Name in the profile.
    pub name: String,
    /// What the host is promised.
    pub value_type: ValueType,
}

/// One message.
#[derive(Debug, Clone, PartialEq)]
pub struct Message {
    /// For errors.
    pub name: String,
    /// What it is.
    pub kind: Kind,
    /// How it is told from the others of its direction.
    pub marks: Vec<Mark>,
    /// In the order of their bytes.
    pub fields: Vec<Field>,
    /// Fields at its end that stand several times.
    pub group: Option<Group>,
    /// What a report is answered with.
    pub answer: Option<Answer>,
}

/// The last fields of a report, if they stand several times: each time is a report of its own, such as a reading out of a backlog.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Group {
    /// Position of the first of them in [`Message::fields`].
    pub from: u16,
    /// The register that says how many times; none = up to the end of the message.
    pub count: Option<u8>,
}

/// What a message is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Values of these services, up. A field names its service by the position in this list.
    Report {
        /// Positions in [`Layout::services`].
        services: Vec<u16>,
    },
    /// The same as alarms.
    Event {
        /// Positions in [`Layout::services`].
        services: Vec<u16>,
    },
    /// The result of a command, up.
    Response {
        /// Position in [`Layout::commands`].
        command: u16,
    },
    /// A command, down.
    Command {
        /// Position in [`Layout::commands`].
        command: u16,
    },
}

/// Bytes that stand at a fixed place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    /// From the first byte of the message.
    pub offset: u16,
    /// What stands there.
    pub bytes: Vec<u8>,
}

/// The answer to a report.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// What the report must say to be answered; nothing = every one is.
    pub when: Vec<Mark>,
    /// In the order of their bytes.
    pub fields: Vec<Field>,
}

/// Some bytes of a message.
#[derive(Debug, Clone, PartialEq)]
pub struct Field {
    /// For errors.
    pub name: String,
    /// What the value is for.
    pub role: Role,
    /// How it is written.
    pub shape: Shape,
    /// What is written where no value is given.
    pub default: Vec<u8>,
    /// A message may end in front of it.
    pub optional: bool,
    /// This number is the length of the later field that names this register.
    pub counts: Option<u8>,
}

/// What the value of a field is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Nothing: a constant, padding, a length.
    Nothing,
    /// A property, a parameter or a response field.
    Value {
        /// Position in the services of the message; 0 in commands and responses.
        part: u8,
        /// Position in the table of the service or the command.
        index: u16,
    },
    /// Links a command and its response.
    Mid,
    /// The result of a command; in an answer, whether the report was decoded.
    Errcode,
    /// Further messages follow.
    HasMore,
    /// When the values were taken.
    EventTime,
    /// In an answer: when the report arrived.
    Received,
    /// In an answer: the bytes of the report at this place.
    Echo {
        /// From the first byte of the report.
        offset: u16,
    },
}

/// How a field is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// An integer.
    Number {
        /// Bytes, 1 to 8.
        width: u8,
        /// Two's complement.
        signed: bool,
        /// Lowest byte first.
        little: bool,
        /// What it stands for.
        meaning: Meaning,
    },
    /// IEEE 754.
    Float {
        /// 4 or 8 bytes.
        width: u8,
        /// Lowest byte first.
        little: bool,
        /// Decimal places that are meant; none = as many as tell one float from the next.
        places: Option<u8>,
    },
    /// A text or a byte string.
    Chunk {
        /// How many bytes.
        length: Length,
        /// What they are.
        content: Content,
        /// What fills it up; cut off when it is read.
        pad: Option<u8>,
    },
    /// Six bytes of decimal digits, year to second.
    BcdTime {
        /// Minutes ahead of UTC.
        ahead: i16,
    },
    /// The bytes of [`Field::default`].
    Constant,
    /// Bytes without meaning, written as 0.
    Padding {
        /// How many.
        count: u16,
    },
    /// How many bytes follow, up to the first check value or the end.
    PayloadLength {
        /// Bytes, 1 to 4.
        width: u8,
        /// Lowest byte first.
        little: bool,
        /// Added to the number of bytes that follow.
        adjust: i16,
    },
    /// A check value of all bytes before it.
    Check {
        /// Which.
        algorithm: Algorithm,
        /// The first byte that it covers.
        from: u16,
        /// Lowest byte first.
        little: bool,
    },
}

/// What an integer stands for.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// Itself.
    Integer,
    /// 0 = false.
    Flag,
    /// `(raw + shift) * factor`, a whole number.
    Whole {
        /// Value of one unit, not 0.
        factor: i64,
        /// Added to the raw number.
        shift: i64,
    },
    /// A decimal.
    Scaled(Scale),
    /// One of some texts.
    Choice(Vec<(i64, String)>),
    /// Seconds since 1970.
    Seconds,
    /// Milliseconds since 1970.
    Milliseconds,
}

/// How many bytes a text or byte string has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// Always so many.
    Fixed(u16),
    /// As the number in front says.
    Prefix {
        /// 1 or 2 bytes.
        width: u8,
        /// Lowest byte first.
        little: bool,
    },
    /// As an earlier field says, less the difference.
    Counted {
        /// See [`Field::counts`].
        register: u8,
        /// What the field says minus the number of bytes.
        difference: i16,
    },
    /// All that is left.
    Rest,
}

/// What a text or byte string holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Content {
    /// Text, one character a byte.
    Latin1,
    /// Text.
    Utf8,
    /// JSON text in UTF-8.
    Json,
    /// Bytes, told as base64 text.
    Base64,
    /// Bytes.
    Bytes,
    /// Decimal digits, two a byte.
    Bcd,
    /// A whole number, written as text.
    Whole,
    /// A number, written as text.
    Decimal,
}

/// Check values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Algorithm {
    /// [`crate::crc::CCITT_FALSE`]
    CcittFalse,
    /// [`crate::crc::MODBUS`]
    Modbus,
    /// [`crate::crc::XMODEM`]
    Xmodem,
    /// [`crate::crc::KERMIT`]
    Kermit,
    /// [`crate::crc::X25`]
    X25,
    /// [`crate::crc::ARC`]
    Arc,
    /// [`crate::crc::CRC32`]
    Crc32,
    /// [`crate::sums::sum8`]
    Sum8,
    /// [`crate::sums::sum16`]
    Sum16,
    /// [`crate::sums::xor8`]
    Xor8,
}

impl Layout {
    /// Whether it can be interpreted: every index, width and register is one that exists.
    ///
    /// # Errors
    /// The first flaw.
    pub fn check(&self) -> std::result::Result<(), Flaw> {
        check::check(self)
    }

    /// What a device's payload says.
    ///
    /// # Errors
    /// The refusal names message and field.
    pub fn decode(&self, payload: &[u8]) -> Result<Vec<Decoded>> {
        read::decode(self, payload)
    }

    /// The bytes of a command or of the answer to a report; none = send nothing. `received_ms`: when that is.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownCommand`](crate::ErrorKind::UnknownCommand),
    /// [`ErrorKind::BadParameter`](crate::ErrorKind::BadParameter) with the parameter's name.
    pub fn encode(&self, downlink: Downlink, received_ms: u64) -> Result<Option<Vec<u8>>> {
        write::encode(self, downlink, received_ms)
    }

    /// The bytes of one message, also of those that devices send: for examples and simulated devices.
    ///
    /// # Errors
    /// As [`Layout::encode`]; [`ErrorKind::Other`](crate::ErrorKind::Other) if there is no such message.
    pub fn compose(&self, message: usize, given: &mut Given<'_>) -> Result<Vec<u8>> {
        write::compose(self, message, given)
    }

    /// What one message says, also one that goes down: a report has its values, everything else is told as a response.
    ///
    /// # Errors
    /// As [`Layout::decode`]; [`ErrorKind::Other`](crate::ErrorKind::Other) if there is no such message.
    pub fn interpret(&self, message: usize, payload: &[u8]) -> Result<Vec<Decoded>> {
        read::interpret(self, message, payload)
    }
}

impl Message {
    /// Devices send it.
    #[must_use]
    pub fn is_up(&self) -> bool {
        !matches!(self.kind, Kind::Command { .. })
    }
}

impl Algorithm {
    /// Bytes of the check value.
    #[must_use]
    pub fn width(self) -> usize {
        match self {
            Self::Sum8 | Self::Xor8 => 1,
            Self::Crc32 => 4,
            _ => 2,
        }
    }

    fn of(self, bytes: &[u8]) -> u32 {
        use crate::crc::{ARC, CCITT_FALSE, CRC32, KERMIT, MODBUS, X25, XMODEM};
        let crc = match self {
            Self::CcittFalse => &CCITT_FALSE,
            Self::Modbus => &MODBUS,
            Self::Xmodem => &XMODEM,
            Self::Kermit => &KERMIT,
            Self::X25 => &X25,
            Self::Arc => &ARC,
            Self::Crc32 => return CRC32.of(bytes),
            Self::Sum8 => return crate::sums::sum8(bytes).into(),
            Self::Sum16 => return crate::sums::sum16(bytes).into(),
            Self::Xor8 => return crate::sums::xor8(bytes).into(),
        };
        crc.of(bytes).into()
    }
}
