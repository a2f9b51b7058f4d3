//! What the gateway asks of a device and what the device answers, as CoAP carries it (LwM2M Core 1.1 6.3, 6.4; LwM2M Transport 6.4).
//!
//! Says nothing of message ids, tokens and times: those belong to the exchange. What the payloads mean is for `content`.

use crate::coap::{Code, Kind, Message, Token};

/// A request to a device, without what ties it to one exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ask {
    /// Method: GET, POST, PUT, DELETE, FETCH or iPATCH.
    pub code: Code,
    /// Uri-Path segments, such as `["3", "0", "9"]`.
    pub path: Vec<String>,
    /// Uri-Query parameters, such as `pmin=10` of Write-Attributes.
    pub query: Vec<String>,
    /// Observe: 0 registers, 1 cancels (RFC 7641 2).
    pub observe: Option<u32>,
    /// Format of the payload.
    pub content_format: Option<u16>,
    /// Format that the answer should have.
    pub accept: Option<u16>,
    /// The bytes.
    pub payload: Vec<u8>,
}

impl Ask {
    /// A request without options and payload.
    #[must_use]
    pub fn new<S: Into<String>>(code: Code, path: impl IntoIterator<Item = S>) -> Self {
        let path = path.into_iter().map(Into::into).collect();
        Self { code, path, query: Vec::new(), observe: None, content_format: None, accept: None, payload: Vec::new() }
    }

    /// With a payload in a content format.
    #[must_use]
    pub fn with_payload(mut self, content_format: u16, payload: Vec<u8>) -> Self {
        self.content_format = Some(content_format);
        self.payload = payload;
        self
    }

    /// The confirmable message that asks it.
    #[must_use]
    pub fn message(&self, mid: u16, token: Token) -> Message {
        let mut message = Message::new(Kind::Con, self.code, mid, token);
        message.path.clone_from(&self.path);
        message.query.clone_from(&self.query);
        message.observe = self.observe;
        message.content_format = self.content_format;
        message.accept = self.accept;
        message.payload.clone_from(&self.payload);
        message
    }
}

/// A device's answer to an [`Ask`], without what tied it to the exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// Class 2, 4 or 5.
    pub code: Code,
    /// Format of the payload.
    pub content_format: Option<u16>,
    /// Sequence number, if the answer began an observation.
    pub observe: Option<u32>,
    /// The bytes.
    pub payload: Vec<u8>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::parse;

    #[test]
    fn an_ask_arrives_as_it_was_meant() {
        let mut ask = Ask::new(Code::PUT, ["3", "0", "9"]);
        ask.query = vec!["pmin=10".into(), "pmax=60".into()];
        ask.observe = Some(0);
        ask.accept = Some(11_542);
        let ask = ask.with_payload(112, vec![0x80]);
        let arrived = parse(&ask.message(0xbeef, Token::from(7)).to_bytes()).unwrap();
        assert_eq!((arrived.kind, arrived.code, arrived.mid, arrived.token), (Kind::Con, Code::PUT, 0xbeef, Token::from(7)));
        assert_eq!((arrived.path, arrived.query), (ask.path, ask.query));
        assert_eq!((arrived.observe, arrived.content_format, arrived.accept), (Some(0), Some(112), Some(11_542)));
        assert_eq!(arrived.payload, [0x80]);
    }
}
