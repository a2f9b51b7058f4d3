//! The validating front: bytes that are no CoAP message end here, with the answer they deserve (RFC 7252 3, 4.2, 4.3, 5.4;
//! RFC 7959 2.2).
//!
//! One walk over the option headers, without memory, before coap-lite allocates anything. coap-lite alone accepts other
//! versions, an empty payload after the marker, empty messages with content, reserved classes, unknown critical options and
//! 60,000 options in one datagram.

use coap_lite::{CoapOption, Packet};

use super::block::Block;
use super::message::{Code, ECHO, Kind, Message, REQUEST_TAG, Tag, Token, reset};

/// Most options in one message; each costs an allocation.
pub const MAX_OPTIONS: usize = 64;

/// What is wrong with a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Shorter than the header.
    #[error("shorter than the 4 bytes of a header")]
    Short,
    /// Not CoAP, or one from the future.
    #[error("version is not 1")]
    Version,
    /// 9 to 15, or longer than the datagram.
    #[error("token length does not fit")]
    TokenLength,
    /// An option header or value does not fit.
    #[error("an option does not fit into the datagram")]
    Option,
    /// More than [`MAX_OPTIONS`].
    #[error("more than {MAX_OPTIONS} options")]
    TooManyOptions,
    /// The marker 0xff ends the datagram.
    #[error("payload marker without payload")]
    NoPayload,
    /// Code 0.00 with anything behind the header.
    #[error("empty message with content")]
    NotEmpty,
    /// Class 1, 3, 6 or 7.
    #[error("reserved code class")]
    ReservedClass,
    /// A request as ACK, anything as RST.
    #[error("this code does not go with this message type")]
    KindAndCode,
    /// A critical option that is unknown, repeated or of a wrong length.
    #[error("critical option {0} is unknown, repeated or malformed")]
    Critical(u16),
    /// A Block option with the reserved size exponent 7 (RFC 7959 2.2).
    #[error("block option {0} has the reserved size exponent 7")]
    BlockSize(u16),
    /// Proxy-Uri or Proxy-Scheme.
    #[error("proxying is not offered")]
    Proxy,
    /// A text option is not UTF-8.
    #[error("a text option is not UTF-8")]
    Text,
}

/// A datagram that is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{fault}")]
pub struct Malformed {
    /// Why.
    pub fault: Fault,
    /// What to send back: an RST, or 4.xx/5.05 to a readable request, for confirmable messages; nothing for all others.
    pub answer: Option<Vec<u8>>,
}

struct Header<'a> {
    kind: Kind,
    code: Code,
    mid: u16,
    token: Token,
    rest: &'a [u8],
}

/// Reads one datagram.
///
/// # Errors
/// [`Malformed`] with the answer of RFC 7252 4.2: silence for another version, for ACK, RST and NON; RST for a confirmable
/// message with a format error; 4.02 (5.05) for a confirmable request with a critical option that is not understood; 4.00 for one
/// with a reserved block size.
pub fn parse(datagram: &[u8]) -> Result<Message, Malformed> {
    let silent = |fault| Malformed { fault, answer: None };
    let [first, code, high, low, behind @ ..] = datagram else { return Err(silent(Fault::Short)) };
    if first >> 6 != 1 {
        return Err(silent(Fault::Version));
    }
    let kind = match first >> 4 & 0b11 {
        0 => Kind::Con,
        1 => Kind::Non,
        2 => Kind::Ack,
        _ => Kind::Rst,
    };
    let (code, mid) = (Code(*code), u16::from_be_bytes([*high, *low]));
    let refuse = |fault| Malformed { fault, answer: (kind == Kind::Con).then(|| reset(mid)) };
    let Some((token, rest)) = behind.split_at_checked(usize::from(first & 0x0f)) else {
        return Err(refuse(Fault::TokenLength));
    };
    let Some(token) = Token::new(token) else { return Err(refuse(Fault::TokenLength)) };
    let header = Header { kind, code, mid, token, rest };
    check(&header).and_then(|()| read(&header, datagram)).map_err(|fault| match fault {
        Fault::Critical(_) | Fault::Text if kind == Kind::Con && code.is_request() => answered(&header, fault, Code::BAD_OPTION),
        Fault::Proxy if kind == Kind::Con && code.is_request() => answered(&header, fault, Code::NO_PROXY),
        Fault::BlockSize(_) if kind == Kind::Con && code.is_request() => answered(&header, fault, Code::BAD_REQUEST),
        fault => refuse(fault),
    })
}

fn answered(header: &Header<'_>, fault: Fault, code: Code) -> Malformed {
    Malformed { fault, answer: Some(Message::new(Kind::Ack, code, header.mid, header.token).to_bytes()) }
}

fn check(header: &Header<'_>) -> Result<(), Fault> {
    let code = header.code;
    if code == Code::EMPTY {
        let bare = header.rest.is_empty() && header.token.as_bytes().is_empty();
        return if bare { Ok(()) } else { Err(Fault::NotEmpty) };
    }
    if !code.is_request() && !code.is_response() {
        return Err(Fault::ReservedClass);
    }
    if header.kind == Kind::Rst || (header.kind == Kind::Ack && code.is_request()) {
        return Err(Fault::KindAndCode);
    }
    walk(header.rest)
}

/// Walks over the option headers. Format errors win over options that are not understood.
fn walk(mut rest: &[u8]) -> Result<(), Fault> {
    let (mut number, mut last, mut count) = (0_u16, 0_u16, 0_usize);
    let mut misunderstood = None;
    while let [first, behind @ ..] = rest {
        if *first == 0xff {
            if behind.is_empty() {
                return Err(Fault::NoPayload);
            }
            break;
        }
        count += 1;
        if count > MAX_OPTIONS {
            return Err(Fault::TooManyOptions);
        }
        let (delta, behind) = extended(first >> 4, behind)?;
        let (length, behind) = extended(first & 0x0f, behind)?;
        number = number.checked_add(delta).ok_or(Fault::Option)?;
        let (value, behind) = behind.split_at_checked(usize::from(length)).ok_or(Fault::Option)?;
        if misunderstood.is_none() {
            misunderstood = judge(number, value, count > 1 && number == last);
        }
        (last, rest) = (number, behind);
    }
    misunderstood.map_or(Ok(()), Err)
}

/// The 4-bit field of an option header with its extension (RFC 7252 3.1).
fn extended(nibble: u8, rest: &[u8]) -> Result<(u16, &[u8]), Fault> {
    match (nibble, rest) {
        (0..=12, _) => Ok((u16::from(nibble), rest)),
        (13, [byte, rest @ ..]) => Ok((u16::from(*byte) + 13, rest)),
        (14, [high, low, rest @ ..]) => {
            let value = u16::from_be_bytes([*high, *low]).checked_add(269).ok_or(Fault::Option)?;
            Ok((value, rest))
        }
        _ => Err(Fault::Option),
    }
}

/// Critical options that are taken, each with its lengths; odd numbers are critical (RFC 7252 5.4.1, 5.10). If-Match and
/// If-None-Match are not: nothing here has a state that they could be compared with (RFC 7252 5.10.8).
fn judge(number: u16, value: &[u8], repeated: bool) -> Option<Fault> {
    let length = value.len();
    let fits = match number {
        11 | 15 => length <= 255,
        3 => !repeated && (1..=255).contains(&length),
        7 | 17 => !repeated && length <= 2,
        23 | 27 if !repeated && length <= 3 && value.last().is_some_and(|byte| byte & 0x07 == 7) => {
            return Some(Fault::BlockSize(number));
        }
        23 | 27 => !repeated && length <= 3,
        35 | 39 => return Some(Fault::Proxy),
        _ => number.is_multiple_of(2),
    };
    (!fits).then_some(Fault::Critical(number))
}

fn read(header: &Header<'_>, datagram: &[u8]) -> Result<Message, Fault> {
    let mut message = Message::new(header.kind, header.code, header.mid, header.token);
    if header.rest.is_empty() {
        return Ok(message);
    }
    let packet = Packet::from_bytes(datagram).map_err(|_| Fault::Option)?;
    for (number, values) in packet.options() {
        let first = || values.front().map(Vec::as_slice).unwrap_or_default();
        let texts = || -> Result<Vec<String>, Fault> {
            values.iter().map(|value| String::from_utf8(value.clone()).map_err(|_| Fault::Text)).collect()
        };
        match CoapOption::from(*number) {
            CoapOption::Observe => message.observe = unsigned(first(), 3),
            CoapOption::ContentFormat => message.content_format = unsigned(first(), 2).and_then(|n| u16::try_from(n).ok()),
            CoapOption::Accept => message.accept = unsigned(first(), 2).and_then(|n| u16::try_from(n).ok()),
            CoapOption::UriPath => message.path = texts()?,
            CoapOption::UriQuery => message.query = texts()?,
            CoapOption::LocationPath => message.location = texts()?,
            CoapOption::MaxAge => message.max_age = unsigned(first(), 4),
            CoapOption::Block1 => message.block1 = unsigned(first(), 3).and_then(Block::read),
            CoapOption::Block2 => message.block2 = unsigned(first(), 3).and_then(Block::read),
            CoapOption::Size1 => message.size1 = unsigned(first(), 4),
            CoapOption::Size2 => message.size2 = unsigned(first(), 4),
            CoapOption::NoResponse => message.no_response = unsigned(first(), 1).and_then(|n| u8::try_from(n).ok()),
            CoapOption::ETag => message.etag = Tag::new(first()).filter(|etag| !etag.as_bytes().is_empty()),
            CoapOption::Unknown(ECHO) if first().len() <= 40 => message.echo = first().to_vec(),
            CoapOption::Unknown(REQUEST_TAG) => message.request_tag = values.iter().filter_map(|tag| Tag::new(tag)).collect(),
            _ => {}
        }
    }
    message.payload = packet.payload;
    Ok(message)
}

fn unsigned(value: &[u8], longest: usize) -> Option<u32> {
    (value.len() <= longest).then(|| value.iter().fold(0, |number, byte| (number << 8) | u32::from(*byte)))
}

#[cfg(test)]
mod tests;
