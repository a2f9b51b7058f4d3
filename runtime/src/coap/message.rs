//! A CoAP message as the gateway sees it, and its bytes. Knows only the options that the gateway uses (RFC 7252 3, 5.10,
//! 12; RFC 7959, 7967, 8132, 9175).

use std::fmt;

use coap_lite::{CoapOption, MessageClass, MessageType, Packet};

use super::block::Block;

/// Content format of raw bytes, `application/octet-stream` (RFC 7252 12.3).
pub const OCTET_STREAM: u16 = 42;
/// Number of the Echo option (RFC 9175 2.2.1).
pub(super) const ECHO: u16 = 252;
/// Number of the Request-Tag option (RFC 9175 3.2.1).
pub(super) const REQUEST_TAG: u16 = 292;

/// Message type (RFC 7252 4.2, 4.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Wants an acknowledgement.
    Con,
    /// Wants none.
    Non,
    /// Acknowledges.
    Ack,
    /// Refuses.
    Rst,
}

/// Code: class in the upper 3 bits, detail in the lower 5 (RFC 7252 12.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Code(pub u8);

impl Code {
    /// 0.00
    pub const EMPTY: Self = Self(0x00);
    /// 0.01
    pub const GET: Self = Self(0x01);
    /// 0.02
    pub const POST: Self = Self(0x02);
    /// 0.03
    pub const PUT: Self = Self(0x03);
    /// 0.04
    pub const DELETE: Self = Self(0x04);
    /// 0.05 (RFC 8132)
    pub const FETCH: Self = Self(0x05);
    /// 0.06 (RFC 8132)
    pub const PATCH: Self = Self(0x06);
    /// 0.07 (RFC 8132)
    pub const IPATCH: Self = Self(0x07);
    /// 2.01
    pub const CREATED: Self = Self(0x41);
    /// 2.02
    pub const DELETED: Self = Self(0x42);
    /// 2.03
    pub const VALID: Self = Self(0x43);
    /// 2.04
    pub const CHANGED: Self = Self(0x44);
    /// 2.05
    pub const CONTENT: Self = Self(0x45);
    /// 2.31 (RFC 7959)
    pub const CONTINUE: Self = Self(0x5f);
    /// 4.00
    pub const BAD_REQUEST: Self = Self(0x80);
    /// 4.01
    pub const UNAUTHORIZED: Self = Self(0x81);
    /// 4.02
    pub const BAD_OPTION: Self = Self(0x82);
    /// 4.03
    pub const FORBIDDEN: Self = Self(0x83);
    /// 4.04
    pub const NOT_FOUND: Self = Self(0x84);
    /// 4.05
    pub const METHOD_NOT_ALLOWED: Self = Self(0x85);
    /// 4.06
    pub const NOT_ACCEPTABLE: Self = Self(0x86);
    /// 4.08 (RFC 7959)
    pub const INCOMPLETE: Self = Self(0x88);
    /// 4.12
    pub const PRECONDITION_FAILED: Self = Self(0x8c);
    /// 4.13
    pub const TOO_LARGE: Self = Self(0x8d);
    /// 4.15
    pub const UNSUPPORTED_FORMAT: Self = Self(0x8f);
    /// 4.29 (RFC 8516)
    pub const TOO_MANY: Self = Self(0x9d);
    /// 5.00
    pub const INTERNAL: Self = Self(0xa0);
    /// 5.01
    pub const NOT_IMPLEMENTED: Self = Self(0xa1);
    /// 5.02
    pub const BAD_GATEWAY: Self = Self(0xa2);
    /// 5.03
    pub const UNAVAILABLE: Self = Self(0xa3);
    /// 5.04
    pub const GATEWAY_TIMEOUT: Self = Self(0xa4);
    /// 5.05
    pub const NO_PROXY: Self = Self(0xa5);

    /// From class * 100 + detail, such as 403. None unless the class is 2, 4 or 5 and the detail below 32.
    #[must_use]
    pub fn response(number: u16) -> Option<Self> {
        let (class, detail) = (number / 100, number % 100);
        let fits = matches!(class, 2 | 4 | 5) && detail < 32;
        fits.then(|| u8::try_from((class << 5) | detail).ok()).flatten().map(Self)
    }

    /// Upper 3 bits.
    #[must_use]
    pub fn class(self) -> u8 {
        self.0 >> 5
    }

    /// A method, known or not.
    #[must_use]
    pub fn is_request(self) -> bool {
        self.class() == 0 && self != Self::EMPTY
    }

    /// Class 2, 4 or 5.
    #[must_use]
    pub fn is_response(self) -> bool {
        matches!(self.class(), 2 | 4 | 5)
    }

    /// Class 2.
    #[must_use]
    pub fn is_success(self) -> bool {
        self.class() == 2
    }

    /// Is a response of this class not wanted, by a request with this No-Response (RFC 7967 2.1)?
    #[must_use]
    pub fn is_unwanted(self, no_response: Option<u8>) -> bool {
        no_response.is_some_and(|classes| classes >> (self.class().max(1) - 1) & 1 == 1)
    }

    /// The registered name, empty for others.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            0x41 => "Created",
            0x42 => "Deleted",
            0x43 => "Valid",
            0x44 => "Changed",
            0x45 => "Content",
            0x5f => "Continue",
            0x80 => "Bad Request",
            0x81 => "Unauthorized",
            0x82 => "Bad Option",
            0x83 => "Forbidden",
            0x84 => "Not Found",
            0x85 => "Method Not Allowed",
            0x86 => "Not Acceptable",
            0x88 => "Request Entity Incomplete",
            0x89 => "Conflict",
            0x8c => "Precondition Failed",
            0x8d => "Request Entity Too Large",
            0x8f => "Unsupported Content-Format",
            0x96 => "Unprocessable Entity",
            0x9d => "Too Many Requests",
            0xa0 => "Internal Server Error",
            0xa1 => "Not Implemented",
            0xa2 => "Bad Gateway",
            0xa3 => "Service Unavailable",
            0xa4 => "Gateway Timeout",
            0xa5 => "Proxying Not Supported",
            _ => "",
        }
    }
}

/// `4.04`; the alternate form adds the name: `4.04 Not Found`.
impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.class(), self.0 & 0x1f)?;
        if f.alternate() && !self.name().is_empty() { write!(f, " {}", self.name()) } else { Ok(()) }
    }
}

/// 0 to 8 bytes that tie a response to its request (RFC 7252 5.3.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Token {
    len: u8,
    bytes: [u8; 8],
}

impl Token {
    /// Takes up to 8 bytes; none if there are more.
    #[must_use]
    pub fn new(bytes: &[u8]) -> Option<Self> {
        let mut token = Self { len: u8::try_from(bytes.len()).ok()?, bytes: [0; 8] };
        token.bytes.get_mut(..bytes.len())?.copy_from_slice(bytes);
        Some(token)
    }

    /// The bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// As a number, if it has all 8 bytes: the tokens that the gateway makes.
    #[must_use]
    pub fn long(&self) -> Option<u64> {
        (self.len == 8).then_some(u64::from_be_bytes(self.bytes))
    }
}

impl From<u64> for Token {
    fn from(number: u64) -> Self {
        Self { len: 8, bytes: number.to_be_bytes() }
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Token({})", hex::encode(self.as_bytes()))
    }
}

/// ETag or Request-Tag: as opaque and as long as a token (RFC 7252 5.10.6, RFC 9175 3.2).
pub type Tag = Token;

/// One message. Options that the gateway has no use for are not kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Type.
    pub kind: Kind,
    /// Code.
    pub code: Code,
    /// Message id.
    pub mid: u16,
    /// Token.
    pub token: Token,
    /// Observe, 24 bits; one that is longer is elective and ignored (RFC 7252 5.4.3).
    pub observe: Option<u32>,
    /// Content-Format by number, listed or not.
    pub content_format: Option<u16>,
    /// Accept by number.
    pub accept: Option<u16>,
    /// Uri-Path segments.
    pub path: Vec<String>,
    /// Uri-Query parameters.
    pub query: Vec<String>,
    /// Location-Path segments.
    pub location: Vec<String>,
    /// Which piece of a request's body this is, or which is answered (RFC 7959).
    pub block1: Option<Block>,
    /// Which piece of a response's body this is, or which is asked for (RFC 7959).
    pub block2: Option<Block>,
    /// Bytes of the whole request's body, as its sender says; most bytes that are taken, in a 4.13 (RFC 7959 4).
    pub size1: Option<u32>,
    /// Bytes of the whole response's body, as its sender says (RFC 7959 4).
    pub size2: Option<u32>,
    /// The first ETag, 1 to 8 bytes.
    pub etag: Option<Tag>,
    /// Seconds that a response is fresh.
    pub max_age: Option<u32>,
    /// Proof of an address, 1 to 40 bytes; empty is none (RFC 9175 2).
    pub echo: Vec<u8>,
    /// What keeps bodies apart that are sent piece by piece at one time (RFC 9175 3).
    pub request_tag: Vec<Tag>,
    /// Classes of responses that are not wanted, bit 1 for 2.xx, 3 for 4.xx, 4 for 5.xx (RFC 7967).
    pub no_response: Option<u8>,
    /// Payload.
    pub payload: Vec<u8>,
}

impl Message {
    /// A message without options and payload.
    #[must_use]
    pub fn new(kind: Kind, code: Code, mid: u16, token: Token) -> Self {
        Self {
            kind,
            code,
            mid,
            token,
            observe: None,
            content_format: None,
            accept: None,
            path: Vec::new(),
            query: Vec::new(),
            location: Vec::new(),
            block1: None,
            block2: None,
            size1: None,
            size2: None,
            etag: None,
            max_age: None,
            echo: Vec::new(),
            request_tag: Vec::new(),
            no_response: None,
            payload: Vec::new(),
        }
    }

    /// With these Uri-Path segments.
    #[must_use]
    pub fn with_path<'a>(mut self, segments: impl IntoIterator<Item = &'a str>) -> Self {
        self.path = segments.into_iter().map(str::to_owned).collect();
        self
    }

    /// With one more Uri-Query parameter.
    #[must_use]
    pub fn with_query(mut self, parameter: String) -> Self {
        self.query.push(parameter);
        self
    }

    /// With a payload in a content format.
    #[must_use]
    pub fn with_payload(mut self, content_format: u16, payload: Vec<u8>) -> Self {
        self.content_format = Some(content_format);
        self.payload = payload;
        self
    }

    /// Is its body only a piece of a larger one? Block1 counts in a request, Block2 in a response: the other way round they
    /// tell of the other side's body.
    #[must_use]
    pub fn is_partial(&self) -> bool {
        let block = if self.code.is_request() { self.block1 } else { self.block2 };
        block.is_some_and(Block::is_partial)
    }

    /// The bytes.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut packet = Packet::new();
        packet.header.set_version(1);
        packet.header.set_type(match self.kind {
            Kind::Con => MessageType::Confirmable,
            Kind::Non => MessageType::NonConfirmable,
            Kind::Ack => MessageType::Acknowledgement,
            Kind::Rst => MessageType::Reset,
        });
        packet.header.code = MessageClass::from(self.code.0);
        packet.header.message_id = self.mid;
        packet.set_token(self.token.as_bytes().to_vec());
        for (option, texts) in
            [(CoapOption::UriPath, &self.path), (CoapOption::UriQuery, &self.query), (CoapOption::LocationPath, &self.location)]
        {
            for text in texts {
                packet.add_option(option, text.as_bytes().to_vec());
            }
        }
        let numbers = [
            (CoapOption::Observe, self.observe),
            (CoapOption::ContentFormat, self.content_format.map(u32::from)),
            (CoapOption::Accept, self.accept.map(u32::from)),
            (CoapOption::MaxAge, self.max_age),
            (CoapOption::Block1, self.block1.map(Block::value)),
            (CoapOption::Block2, self.block2.map(Block::value)),
            (CoapOption::Size1, self.size1),
            (CoapOption::Size2, self.size2),
            (CoapOption::NoResponse, self.no_response.map(u32::from)),
        ];
        for (option, number) in numbers {
            if let Some(number) = number {
                packet.add_option(option, shortest(number));
            }
        }
        let etag = self.etag.iter().map(|etag| (CoapOption::ETag, etag.as_bytes()));
        let echo = Some(&self.echo).filter(|echo| !echo.is_empty()).map(|echo| (CoapOption::Unknown(ECHO), echo.as_slice()));
        let tags = self.request_tag.iter().map(|tag| (CoapOption::Unknown(REQUEST_TAG), tag.as_bytes()));
        for (option, bytes) in etag.chain(echo).chain(tags) {
            packet.add_option(option, bytes.to_vec());
        }
        packet.payload.clone_from(&self.payload);
        packet.to_bytes_unlimited().unwrap_or_default()
    }
}

/// The 4 bytes of an empty acknowledgement, written by hand: one per uplink.
#[must_use]
pub fn empty_ack(mid: u16) -> Vec<u8> {
    let [high, low] = mid.to_be_bytes();
    vec![0x60, 0x00, high, low]
}

/// The 4 bytes of a reset.
#[must_use]
pub fn reset(mid: u16) -> Vec<u8> {
    let [high, low] = mid.to_be_bytes();
    vec![0x70, 0x00, high, low]
}

/// An unsigned option value without leading zeros (RFC 7252 3.2).
fn shortest(number: u32) -> Vec<u8> {
    number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_written_as_the_rfc_writes_them() {
        for (number, text) in [(404, "4.04 Not Found"), (201, "2.01 Created"), (503, "5.03 Service Unavailable")] {
            assert_eq!(format!("{:#}", Code::response(number).unwrap()), text);
        }
        for bad in [0, 100, 132, 232, 299, 300, 432, 600, 999, u16::MAX] {
            assert_eq!(Code::response(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_token_has_at_most_eight_bytes() {
        assert_eq!(Token::new(&[1, 2]).unwrap().as_bytes(), [1, 2]);
        assert_eq!(Token::new(&[0; 9]), None);
        assert_eq!(Token::new(&[0; 300]), None);
        assert_eq!(Token::from(7).long(), Some(7));
        assert_eq!(Token::new(&[7]).unwrap().long(), None);
    }
}
