//! A CoAP message as the gateway sees it, and its bytes. Knows only the options that the gateway uses (RFC 7252 3, 5.10, 12).

use std::fmt;

use coap_lite::{CoapOption, MessageClass, MessageType, Packet};

/// Content format of raw bytes, `application/octet-stream` (RFC 7252 12.3).
pub const OCTET_STREAM: u16 = 42;

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
    /// 2.01
    pub const CREATED: Self = Self(0x41);
    /// 2.02
    pub const DELETED: Self = Self(0x42);
    /// 2.04
    pub const CHANGED: Self = Self(0x44);
    /// 2.05
    pub const CONTENT: Self = Self(0x45);
    /// 4.00
    pub const BAD_REQUEST: Self = Self(0x80);
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
    /// 4.12
    pub const PRECONDITION_FAILED: Self = Self(0x8c);
    /// 4.13
    pub const TOO_LARGE: Self = Self(0x8d);
    /// 5.03
    pub const UNAVAILABLE: Self = Self(0xa3);
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

    /// The registered name, empty for others.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self.0 {
            0x41 => "Created",
            0x42 => "Deleted",
            0x43 => "Valid",
            0x44 => "Changed",
            0x45 => "Content",
            0x80 => "Bad Request",
            0x81 => "Unauthorized",
            0x82 => "Bad Option",
            0x83 => "Forbidden",
            0x84 => "Not Found",
            0x85 => "Method Not Allowed",
            0x86 => "Not Acceptable",
            0x8c => "Precondition Failed",
            0x8d => "Request Entity Too Large",
            0x8f => "Unsupported Content-Format",
            0xa0 => "Internal Server Error",
            0xa1 => "Not Implemented",
            0xa3 => "Service Unavailable",
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
    /// Only a part of the body is here: Block1 or Block2 with the More bit, or a block that is not the first.
    pub partial: bool,
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
            partial: false,
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
        ];
        for (option, number) in numbers {
            if let Some(number) = number {
                packet.add_option(option, shortest(number));
            }
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
