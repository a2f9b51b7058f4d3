//! Why a codec refuses: one of eight stable classes, a text for people, and the byte at which it went wrong.
//! (`wit/v1`, `codec-error`.)

use std::borrow::Cow;
use std::fmt;

/// What decoding and encoding answer.
pub type Result<T> = std::result::Result<T, Error>;

/// The refusal of a payload or a command. The host stores it with the dead letter, or fails the command with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Error {
    /// The class, which is what a machine looks at.
    pub kind: ErrorKind,
    /// What a person reads.
    pub detail: Cow<'static, str>,
    /// Byte offset in the payload, when the refusal is about one place of it.
    pub offset: Option<u32>,
}

/// Classes of refusals; the names are stable (`wit/v1`, `error-kind`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErrorKind {
    /// The payload ends before the field does. The [`Reader`](crate::Reader) says so by itself.
    Truncated,
    /// A check value does not fit the bytes.
    Checksum,
    /// A format version that this codec does not speak.
    UnsupportedVersion,
    /// A field has a value that cannot be.
    BadField,
    /// A command, or an answer to one, that this codec does not know.
    UnknownCommand,
    /// A parameter that cannot be encoded.
    BadParameter,
    /// Understood and not supported.
    Unsupported,
    /// Anything else.
    Other,
}

impl ErrorKind {
    /// The stable text, as in the WIT enum and in vector files.
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

impl Error {
    /// A refusal that is not about one byte; see [`Error::at`] and [`Reader::refuse`](crate::Reader::refuse).
    #[must_use]
    pub fn new(kind: ErrorKind, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { kind, detail: detail.into(), offset: None }
    }

    /// [`ErrorKind::BadParameter`], for `encode`.
    #[must_use]
    pub fn bad_parameter(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::BadParameter, detail)
    }

    /// [`ErrorKind::Unsupported`].
    #[must_use]
    pub fn unsupported(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(ErrorKind::Unsupported, detail)
    }

    /// The same refusal, about the byte at `offset`.
    #[must_use]
    pub fn at(mut self, offset: usize) -> Self {
        self.offset = Some(u32::try_from(offset).unwrap_or(u32::MAX));
        self
    }
}

/// `truncated at byte 7: 4 bytes wanted, 2 left`.
impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind.as_str())?;
        if let Some(offset) = self.offset {
            write!(f, " at byte {offset}")?;
        }
        write!(f, ": {}", self.detail)
    }
}

impl std::error::Error for Error {}
