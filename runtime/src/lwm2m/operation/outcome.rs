//! What a device's answer to an operation means (LwM2M Core 1.1 6.3; LwM2M Transport 1.1 6.5).

use crate::coap::Code;

use super::super::ask::Reply;
use super::super::content::{ContentError, Datum, Format, Link, Types, decode_numbered, links};
use super::Operation;

/// What came of an operation.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// Values that were read or are observed now; none of an empty answer.
    Values(Vec<Datum>),
    /// What there is.
    Links(Vec<Link>),
    /// It was done.
    Done,
    /// The device refused.
    Refused {
        /// class 4 or 5, or a success that answers another question
        code: Code,
        /// what that means here
        meaning: &'static str,
    },
    /// The device did it, but what it says cannot be read.
    Unreadable(ContentError),
}

impl Operation {
    /// What an answer to this means.
    #[must_use]
    pub fn outcome(&self, reply: &Reply, types: Types<'_>) -> Outcome {
        match (self, reply.code) {
            (_, code) if !code.is_success() => Outcome::Refused { code, meaning: meaning(code) },
            (Self::Discover { .. }, Code::CONTENT) => links(&reply.payload).map_or_else(Outcome::Unreadable, Outcome::Links),
            (
                Self::Read { .. }
                | Self::Observe { .. }
                | Self::CancelObserve { .. }
                | Self::ReadComposite { .. }
                | Self::ObserveComposite { .. }
                | Self::CancelObserveComposite { .. },
                Code::CONTENT,
            ) => self.values(reply, types).map_or_else(Outcome::Unreadable, Outcome::Values),
            // A cancelled observation needs no values; LiteOS answers some Observes with 2.04 (REFERENCE C.2).
            (
                Self::Write { .. }
                | Self::Execute { .. }
                | Self::WriteAttributes { .. }
                | Self::WriteComposite { .. }
                | Self::CancelObserve { .. }
                | Self::CancelObserveComposite { .. }
                | Self::Observe { .. },
                Code::CHANGED,
            )
            | (Self::Create { .. }, Code::CREATED | Code::CHANGED)
            | (Self::Delete { .. }, Code::DELETED) => Outcome::Done,
            (_, code) => Outcome::Refused { code, meaning: "answers another question than was asked" },
        }
    }

    fn values(&self, reply: &Reply, types: Types<'_>) -> Result<Vec<Datum>, ContentError> {
        if reply.payload.is_empty() {
            return Ok(Vec::new());
        }
        // A device that does not say what it answers answers what was wanted.
        let wanted = match self {
            Self::Read { format, .. } | Self::Observe { format, .. } => format.map(Format::number),
            _ => None,
        };
        decode_numbered(reply.content_format.or(wanted), &self.path(), &reply.payload, types)
    }
}

/// What a refusal says, in words of LwM2M.
#[must_use]
pub fn meaning(code: Code) -> &'static str {
    match code {
        Code::BAD_REQUEST => "the device does not understand the request, or a value is not of its type or range",
        Code::UNAUTHORIZED => "this server has no right to do that",
        Code::BAD_OPTION => "the device does not know an option of the request",
        Code::FORBIDDEN => "the device does not serve this server, or not now",
        Code::NOT_FOUND => "the device has no such object, instance or resource",
        Code::METHOD_NOT_ALLOWED => "the object or resource has no such operation",
        Code::NOT_ACCEPTABLE => "the device cannot answer in the wanted content format",
        Code::INCOMPLETE => "the device lost a part of the request",
        Code::PRECONDITION_FAILED => "the device does not take it in its present state",
        Code::TOO_LARGE => "the request is larger than the device can take",
        Code::UNSUPPORTED_FORMAT => "the device does not take the content format",
        Code::TOO_MANY => "the device was asked too often",
        Code::INTERNAL => "the device failed while it did that",
        Code::NOT_IMPLEMENTED => "the device cannot do that at all",
        Code::UNAVAILABLE => "the device is busy: try later",
        code if code.class() == 4 => "the device refuses the request",
        _ => "the device failed",
    }
}
