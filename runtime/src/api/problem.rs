//! Refusals as RFC 9457 problems, and the one place that maps every error of the gateway to HTTP.
//!
//! Knows the errors of the modules below, not the routes. Every mapping is exhaustive: a new error variant does not compile
//! until somebody decides here what a client is told.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use utoipa::ToSchema;

use crate::admission::{Outcome, Report};
use crate::catalog::CatalogError;
use crate::downlink::{BatchError, CommandError};
use crate::profile::{Change, Mistake, Severity};
use crate::redecode::RedecodeError;
use crate::store::StoreError;

/// Why the API refuses. Codes are stable: E40xx the request, E41xx the key, E42xx no such thing, E43xx the state of things,
/// E44xx what the body says, E45xx the gateway itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Code {
    BadPath,
    BadQuery,
    BadHeader,
    BadJson,
    BrokenBody,
    MediaType,
    TooLarge,
    NoPath,
    Method,
    NoKey,
    WrongKey,
    NoProduct,
    NoDevice,
    NoCommand,
    NoSubscription,
    NoVersion,
    NoTrace,
    NoBatch,
    NoUplink,
    ProductExists,
    Exists,
    ProductInUse,
    Changed,
    CommandTooLate,
    NoCodec,
    Breaking,
    NothingToRollBack,
    Unloadable,
    NoShadow,
    Redecoding,
    NotTransparent,
    SupersedesSent,
    BatchAtWork,
    BatchOver,
    Shape,
    Profile,
    CodecMismatch,
    Command,
    Members,
    TooManyCommands,
    OtherProduct,
    TooManyOpen,
    Busy,
    StoreFailed,
    Corrupt,
    Internal,
    TooSlow,
    TooManyStreams,
    TooManyTraces,
}

impl Code {
    /// All, in the order of their texts.
    pub(super) const ALL: [Self; 49] = [
        Self::BadPath,
        Self::BadQuery,
        Self::BadHeader,
        Self::BadJson,
        Self::BrokenBody,
        Self::MediaType,
        Self::TooLarge,
        Self::NoPath,
        Self::Method,
        Self::NoKey,
        Self::WrongKey,
        Self::NoProduct,
        Self::NoDevice,
        Self::NoCommand,
        Self::NoSubscription,
        Self::NoVersion,
        Self::NoTrace,
        Self::NoBatch,
        Self::NoUplink,
        Self::ProductExists,
        Self::Exists,
        Self::ProductInUse,
        Self::Changed,
        Self::CommandTooLate,
        Self::NoCodec,
        Self::Breaking,
        Self::NothingToRollBack,
        Self::Unloadable,
        Self::NoShadow,
        Self::Redecoding,
        Self::NotTransparent,
        Self::SupersedesSent,
        Self::BatchAtWork,
        Self::BatchOver,
        Self::Shape,
        Self::Profile,
        Self::CodecMismatch,
        Self::Command,
        Self::Members,
        Self::TooManyCommands,
        Self::OtherProduct,
        Self::TooManyOpen,
        Self::Busy,
        Self::StoreFailed,
        Self::Corrupt,
        Self::Internal,
        Self::TooSlow,
        Self::TooManyStreams,
        Self::TooManyTraces,
    ];

    /// Stable text, HTTP status, title.
    pub(super) fn row(self) -> (&'static str, StatusCode, &'static str) {
        match self {
            Self::BadPath => ("E4001", StatusCode::BAD_REQUEST, "The path is not understood"),
            Self::BadQuery => ("E4002", StatusCode::BAD_REQUEST, "The query is not understood"),
            Self::BadHeader => ("E4003", StatusCode::BAD_REQUEST, "A header is not understood"),
            Self::BadJson => ("E4004", StatusCode::BAD_REQUEST, "The body is not JSON"),
            Self::BrokenBody => ("E4005", StatusCode::BAD_REQUEST, "The body did not arrive whole"),
            Self::MediaType => ("E4006", StatusCode::UNSUPPORTED_MEDIA_TYPE, "The body has a type that is not taken here"),
            Self::TooLarge => ("E4007", StatusCode::PAYLOAD_TOO_LARGE, "Larger than the gateway takes"),
            Self::NoPath => ("E4008", StatusCode::NOT_FOUND, "No such path"),
            Self::Method => ("E4009", StatusCode::METHOD_NOT_ALLOWED, "No such method here"),
            Self::NoKey => ("E4101", StatusCode::UNAUTHORIZED, "An API key is needed"),
            Self::WrongKey => ("E4102", StatusCode::UNAUTHORIZED, "The API key is not known"),
            Self::NoProduct => ("E4201", StatusCode::NOT_FOUND, "No such product"),
            Self::NoDevice => ("E4202", StatusCode::NOT_FOUND, "No such device"),
            Self::NoCommand => ("E4203", StatusCode::NOT_FOUND, "No such command"),
            Self::NoSubscription => ("E4204", StatusCode::NOT_FOUND, "No such subscription"),
            Self::NoVersion => ("E4205", StatusCode::NOT_FOUND, "No such codec version"),
            Self::NoTrace => ("E4206", StatusCode::NOT_FOUND, "Not traced"),
            Self::NoBatch => ("E4207", StatusCode::NOT_FOUND, "No such batch"),
            Self::NoUplink => ("E4208", StatusCode::NOT_FOUND, "No such command or uplink"),
            Self::ProductExists => ("E4301", StatusCode::CONFLICT, "The product exists already"),
            Self::Exists => ("E4302", StatusCode::CONFLICT, "It exists already"),
            Self::ProductInUse => ("E4303", StatusCode::CONFLICT, "The product has devices"),
            Self::Changed => ("E4304", StatusCode::CONFLICT, "It changed meanwhile"),
            Self::CommandTooLate => ("E4305", StatusCode::CONFLICT, "Too late to cancel"),
            Self::NoCodec => ("E4306", StatusCode::CONFLICT, "The product has no codec"),
            Self::Breaking => ("E4307", StatusCode::CONFLICT, "The profile breaks what applications may rely on"),
            Self::NothingToRollBack => ("E4308", StatusCode::CONFLICT, "There is no earlier codec version"),
            Self::Unloadable => ("E4309", StatusCode::CONFLICT, "The codec version cannot be loaded"),
            Self::NoShadow => ("E4310", StatusCode::CONFLICT, "The codec version is not tried"),
            Self::Redecoding => ("E4311", StatusCode::CONFLICT, "The uplinks are being decoded again already"),
            Self::NotTransparent => ("E4312", StatusCode::CONFLICT, "The product has a codec"),
            Self::SupersedesSent => ("E4313", StatusCode::CONFLICT, "The command to supersede was sent already"),
            Self::BatchAtWork => ("E4314", StatusCode::CONFLICT, "The batch is being worked on"),
            Self::BatchOver => ("E4315", StatusCode::CONFLICT, "Nothing is left to do for the batch"),
            Self::Shape => ("E4401", StatusCode::UNPROCESSABLE_ENTITY, "The body has not the expected shape"),
            Self::Profile => ("E4402", StatusCode::UNPROCESSABLE_ENTITY, "The profile has mistakes"),
            Self::CodecMismatch => ("E4403", StatusCode::UNPROCESSABLE_ENTITY, "The codec does not fit the profile"),
            Self::Command => ("E4404", StatusCode::UNPROCESSABLE_ENTITY, "The command does not fit the profile"),
            Self::Members => ("E4405", StatusCode::UNPROCESSABLE_ENTITY, "Members of the body cannot be taken"),
            Self::TooManyCommands => ("E4406", StatusCode::TOO_MANY_REQUESTS, "The device has too many open commands"),
            Self::OtherProduct => ("E4407", StatusCode::UNPROCESSABLE_ENTITY, "It is made for another product"),
            Self::TooManyOpen => ("E4408", StatusCode::TOO_MANY_REQUESTS, "The gateway has too many open commands"),
            Self::Busy => ("E4501", StatusCode::SERVICE_UNAVAILABLE, "The gateway is busy"),
            Self::StoreFailed => ("E4502", StatusCode::SERVICE_UNAVAILABLE, "The store has failed"),
            Self::Corrupt => ("E4503", StatusCode::INTERNAL_SERVER_ERROR, "A stored record cannot be read"),
            Self::Internal => ("E4504", StatusCode::INTERNAL_SERVER_ERROR, "The gateway failed"),
            Self::TooSlow => ("E4505", StatusCode::SERVICE_UNAVAILABLE, "It took too long"),
            Self::TooManyStreams => ("E4506", StatusCode::SERVICE_UNAVAILABLE, "Too many event streams are open"),
            Self::TooManyTraces => ("E4507", StatusCode::SERVICE_UNAVAILABLE, "Too many endpoints are traced"),
        }
    }

    /// Seconds after which asking again may help, where that is so.
    fn retry_after(self) -> Option<&'static str> {
        match self {
            Self::Busy | Self::TooSlow | Self::TooManyStreams => Some("1"),
            Self::TooManyCommands | Self::TooManyOpen => Some("60"),
            _ => None,
        }
    }
}

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Problem {
    body: Box<ProblemBody>,
    retry_after: Option<&'static str>,
}

/// A refusal as the client reads it (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(as = Problem)]
pub(super) struct ProblemBody {
    /// `urn:codecgate:problem:` and the code.
    #[serde(rename = "type")]
    #[schema(example = "urn:codecgate:problem:E4202")]
    kind: String,
    /// The class of the problem in a few words.
    #[schema(example = "No such device")]
    title: &'static str,
    /// The HTTP status.
    #[schema(example = 404)]
    status: u16,
    /// What happened this time.
    #[schema(example = "there is no device 7")]
    detail: String,
    /// Stable: programs decide by it. A codec that was not admitted has the `E1xxx` code of its refusal.
    #[schema(example = "E4202")]
    code: &'static str,
    /// What to do.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
    /// Line of the body at which reading stopped, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    /// Column of that line, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    /// Every mistake of the document, at once.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) mistakes: Vec<Mistake>,
}

impl Problem {
    pub(super) fn new(code: Code, detail: impl Into<String>) -> Self {
        let (text, status, title) = code.row();
        let body = ProblemBody {
            kind: format!("urn:codecgate:problem:{text}"),
            title,
            status: status.as_u16(),
            detail: detail.into(),
            code: text,
            hint: None,
            line: None,
            column: None,
            mistakes: Vec::new(),
        };
        Self { body: Box::new(body), retry_after: code.retry_after() }
    }

    pub(super) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.body.hint = Some(hint.into());
        self
    }

    pub(super) fn with_mistakes(mut self, mistakes: Vec<Mistake>) -> Self {
        self.body.mistakes = mistakes;
        self
    }

    /// Members of a JSON body that have the right shape and cannot be taken.
    pub(super) fn members(mistakes: Vec<Mistake>) -> Self {
        let reasons: Vec<&str> = mistakes.iter().map(|mistake| mistake.reason.as_str()).collect();
        Self::new(Code::Members, reasons.join("; ")).with_mistakes(mistakes)
    }

    #[cfg(test)]
    pub(super) fn body(&self) -> &ProblemBody {
        &self.body
    }

    #[cfg(test)]
    pub(super) fn code(&self) -> &'static str {
        self.body.code
    }
}

/// A mistake in a member of a request's body.
pub(super) fn member(pointer: &str, code: &'static str, reason: impl Into<String>, fix: impl Into<String>) -> Mistake {
    Mistake {
        file: "body".to_owned(),
        pointer: pointer.to_owned(),
        severity: Severity::Error,
        code,
        reason: reason.into(),
        fix: fix.into(),
    }
}

/// A breaking change as a mistake of the profile.
fn breaking(change: &Change) -> Mistake {
    Mistake {
        file: "profile.json".to_owned(),
        pointer: format!("/{}", change.place),
        severity: Severity::Error,
        code: Code::Breaking.row().0,
        reason: format!("{}: {}", change.kind.as_str(), change.detail),
        fix: "keep it as it was, or add something new beside it".to_owned(),
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let Self { body: problem, retry_after } = self;
        let status = StatusCode::from_u16(problem.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        if status.is_server_error() {
            tracing::warn!(code = problem.code, detail = problem.detail, "the API refused a request for a reason of its own");
        }
        // Texts, numbers and lists of them always have a JSON form.
        let body = serde_json::to_vec(&problem).unwrap_or_default();
        let mut response = (status, [(header::CONTENT_TYPE, "application/problem+json")], body).into_response();
        if let Some(seconds) = retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(seconds));
        }
        if status == StatusCode::UNAUTHORIZED {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer realm=\"codecgate\""));
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        let detail = error.to_string();
        match error {
            StoreError::Conflict(_) => Self::new(Code::Changed, detail).hint("read it again, then decide again"),
            StoreError::Exists(_) => Self::new(Code::Exists, detail),
            StoreError::Busy => Self::new(Code::Busy, detail).hint("ask again a little later; nothing was changed"),
            StoreError::TooLarge(_) => Self::new(Code::TooLarge, detail),
            StoreError::Corrupt { .. } => Self::new(Code::Corrupt, detail).hint("look at the log and restore from an export"),
            StoreError::Fatal(_) => {
                Self::new(Code::StoreFailed, detail).hint("look at the disk and the log, then restart the gateway")
            }
        }
    }
}

/// The problem has the code of the first thing that is wrong; all of them are its mistakes.
fn not_admitted(report: &Report, detail: String) -> Problem {
    let mistakes: Vec<Mistake> = report.refusals().cloned().collect();
    let first = report.checks.iter().find(|check| check.outcome == Outcome::Refused);
    match (first.map(|check| check.check), mistakes.first()) {
        (Some("tables"), _) => Problem::new(Code::CodecMismatch, detail).with_mistakes(mistakes),
        (Some("profile"), _) => Problem::new(Code::Profile, detail).with_mistakes(mistakes),
        (_, Some(first)) => {
            let mut problem = Problem::new(Code::CodecMismatch, &first.reason).hint(&first.fix);
            problem.body.kind = format!("urn:codecgate:problem:{}", first.code);
            problem.body.title = "The codec was not admitted";
            problem.body.code = first.code;
            problem.with_mistakes(mistakes)
        }
        (_, None) => Problem::new(Code::CodecMismatch, detail),
    }
}

impl From<RedecodeError> for Problem {
    fn from(error: RedecodeError) -> Self {
        let detail = error.to_string();
        match error {
            RedecodeError::Busy(_) => Self::new(Code::Redecoding, detail).hint("ask again when it is done"),
            RedecodeError::NoCodec(_) => Self::new(Code::NoCodec, detail).hint("name a version, or put one to work"),
            RedecodeError::Catalog(error) => error.into(),
            RedecodeError::Store(error) => error.into(),
        }
    }
}

impl From<CatalogError> for Problem {
    fn from(error: CatalogError) -> Self {
        let detail = error.to_string();
        match error {
            CatalogError::NoProduct(_) => Self::new(Code::NoProduct, detail),
            CatalogError::NoSuchKey(_) => {
                Self::new(Code::NoProduct, detail).hint("say create=true to make it from the package's profile")
            }
            CatalogError::Nameless => {
                Self::new(Code::OtherProduct, detail).hint("PUT it to /api/v1/products/{id}/codec, or deliver a package")
            }
            CatalogError::Exists(_) => {
                Self::new(Code::ProductExists, detail).hint("change manufacturerId or model, or use the product that exists")
            }
            CatalogError::InUse { .. } => Self::new(Code::ProductInUse, detail),
            CatalogError::NoVersion { .. } => Self::new(Code::NoVersion, detail).hint("GET .../codec/versions lists them"),
            CatalogError::NothingToRollBack(_) => {
                Self::new(Code::NothingToRollBack, detail).hint("POST .../codec/versions/{number}/activate goes to any version that is kept")
            }
            CatalogError::Breaking(report) => Self::new(Code::Breaking, detail)
                .hint("keep what applications use, or say acceptBreaking=true, or deliver it with candidate=true and promote it later")
                .with_mistakes(report.breaks().map(breaking).collect()),
            CatalogError::OtherProduct { .. } => {
                Self::new(Code::OtherProduct, detail).hint("deliver it to its product, or mend manufacturerId and model of the profile")
            }
            CatalogError::Unloadable { .. } => Self::new(Code::Unloadable, detail).hint("deliver it again"),
            CatalogError::NotAdmitted(report) => not_admitted(&report, detail),
            CatalogError::Store(error) => error.into(),
        }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Self {
        let detail = error.to_string();
        match error {
            CommandError::NoDevice(_) => Self::new(Code::NoDevice, detail),
            CommandError::NoCommand(_) => Self::new(Code::NoCommand, detail),
            CommandError::NoCodec => Self::new(Code::NoCodec, detail).hint("PUT the component to /api/v1/products/{id}/codec"),
            CommandError::NotTransparent => {
                Self::new(Code::NotTransparent, detail).hint("send service, name and params instead of raw")
            }
            CommandError::Invalid(mistakes) => Self::new(Code::Command, detail).with_mistakes(mistakes),
            CommandError::TooLate(_) => Self::new(Code::CommandTooLate, detail),
            CommandError::NoProduct(_) => Self::new(Code::NoProduct, detail),
            CommandError::SupersedesSent(_) => Self::new(Code::SupersedesSent, detail)
                .hint("wait until it has its outcome, or leave the key out and let this one follow it"),
            CommandError::TooMany(_) => Self::new(Code::TooManyCommands, detail)
                .hint("wait until some have ended, cancel waiting ones (DELETE .../commands), give commands that replace each other a supersede key, or raise downlink.open_per_device"),
            CommandError::TooManyInAll(_) => Self::new(Code::TooManyOpen, detail)
                .hint("wait until some have ended, cancel waiting ones, or raise downlink.open_total"),
            CommandError::Store(error) => error.into(),
        }
    }
}

impl From<BatchError> for Problem {
    fn from(error: BatchError) -> Self {
        let detail = error.to_string();
        match error {
            BatchError::NoBatch(_) => Self::new(Code::NoBatch, detail),
            BatchError::NoDevices(_) => Self::new(Code::NoDevice, detail).hint("name devices of GET /api/v1/devices"),
            BatchError::AtWork(_) => Self::new(Code::BatchAtWork, detail).hint("GET the batch: its phase says when that is done"),
            BatchError::NothingToRetry => Self::new(Code::BatchOver, detail),
            BatchError::Canceled => Self::new(Code::BatchOver, detail).hint("send a new batch"),
            BatchError::Command(error) => error.into(),
        }
    }
}

/// A body that serde did not take: no JSON at all, or JSON of another shape.
impl From<serde_json::Error> for Problem {
    fn from(error: serde_json::Error) -> Self {
        use serde_json::error::Category;
        let code = match error.classify() {
            Category::Io | Category::Syntax | Category::Eof => Code::BadJson,
            Category::Data => Code::Shape,
        };
        let mut problem = Self::new(code, error.to_string());
        problem.body.line = Some(error.line());
        problem.body.column = Some(error.column());
        problem
    }
}

#[cfg(test)]
mod tests;
