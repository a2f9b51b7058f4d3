//! A datagram in words: type, code, message id, token, options, payload (RFC 7252 3). Decides nothing.

use std::fmt::Write;

use crate::coap::{self, Block, Code, Kind, Message};

/// Most bytes of a payload that are shown.
const SHOWN_BYTES: usize = 256;

/// The message and its words; without the message, why it is none.
pub(super) fn explain(datagram: &[u8]) -> (Option<Message>, String) {
    match coap::parse(datagram) {
        Ok(message) => {
            let words = words(&message, datagram.len());
            (Some(message), words)
        }
        Err(malformed) => {
            let fault = malformed.fault;
            let words = format!("{} bytes that are no CoAP message ({fault}): {}", datagram.len(), shown(datagram));
            (None, words)
        }
    }
}

/// `CON 0.02 POST mid 7 token 0102 /rd?ep=meter-1 format 40, 96 bytes; payload of 40: 3C2F...`
fn words(message: &Message, bytes: usize) -> String {
    let kind = match message.kind {
        Kind::Con => "CON",
        Kind::Non => "NON",
        Kind::Ack => "ACK",
        Kind::Rst => "RST",
    };
    let mut text = format!("{kind} {:#}", message.code);
    let mut add = |part: String| text.push_str(&part);
    add(method(message.code).to_owned());
    add(format!(" mid {}", message.mid));
    if !message.token.as_bytes().is_empty() {
        add(format!(" token {}", hex::encode(message.token.as_bytes())));
    }
    if !message.path.is_empty() {
        add(format!(" /{}", message.path.join("/")));
    }
    if !message.query.is_empty() {
        add(format!("?{}", message.query.join("&")));
    }
    if !message.location.is_empty() {
        add(format!(" location /{}", message.location.join("/")));
    }
    for (name, number) in [
        ("observe", message.observe),
        ("format", message.content_format.map(u32::from)),
        ("accept", message.accept.map(u32::from)),
        ("max-age", message.max_age),
        ("size1", message.size1),
        ("size2", message.size2),
        ("no-response", message.no_response.map(u32::from)),
    ] {
        if let Some(number) = number {
            add(format!(" {name} {number}"));
        }
    }
    for (name, block) in [("block1", message.block1), ("block2", message.block2)] {
        if let Some(block) = block {
            add(format!(" {name} {}", piece(block)));
        }
    }
    if let Some(etag) = message.etag {
        add(format!(" etag {}", hex::encode(etag.as_bytes())));
    }
    if !message.echo.is_empty() {
        add(format!(" echo {}", hex::encode(&message.echo)));
    }
    for tag in &message.request_tag {
        add(format!(" request-tag {}", hex::encode(tag.as_bytes())));
    }
    add(format!(", {bytes} bytes"));
    if !message.payload.is_empty() {
        add(format!("; payload of {}: {}", message.payload.len(), shown(&message.payload)));
    }
    text
}

fn method(code: Code) -> &'static str {
    match code {
        Code::EMPTY => " empty",
        Code::GET => " GET",
        Code::POST => " POST",
        Code::PUT => " PUT",
        Code::DELETE => " DELETE",
        Code::FETCH => " FETCH",
        Code::PATCH => " PATCH",
        Code::IPATCH => " iPATCH",
        _ => "",
    }
}

/// The three numbers of a block option in the option's own value (RFC 7959 2.2).
fn piece(block: Block) -> String {
    let value = block.value();
    let more = if value & 0x8 == 0 { "last" } else { "more follow" };
    format!("{} of {} bytes each, {more}", value >> 4, 1_u32 << ((value & 0x7) + 4))
}

/// Hex, cut where it gets long.
pub(super) fn shown(bytes: &[u8]) -> String {
    let mut text = hex::encode_upper(bytes.get(..SHOWN_BYTES).unwrap_or(bytes));
    if bytes.len() > SHOWN_BYTES {
        // Writing to a String cannot fail.
        let _ = write!(text, "... ({} more)", bytes.len() - SHOWN_BYTES);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coap::Token;

    #[test]
    fn a_register_in_words() {
        let message = Message::new(Kind::Con, Code::POST, 7, Token::new(&[1, 2]).unwrap()).with_path(["rd"]);
        let message = message.with_query("ep=meter-1".to_owned()).with_payload(40, b"</1/0>".to_vec());
        let (parsed, words) = explain(&message.to_bytes());
        assert_eq!(parsed.unwrap().path, ["rd"]);
        assert_eq!(words, "CON 0.02 POST mid 7 token 0102 /rd?ep=meter-1 format 40, 29 bytes; payload of 6: 3C2F312F303E");
    }

    #[test]
    fn what_is_no_message_is_told_too() {
        let (parsed, words) = explain(&[0xc0, 0, 0, 0]);
        assert!(parsed.is_none());
        assert_eq!(words, "4 bytes that are no CoAP message (version is not 1): C0000000");
    }

    #[test]
    fn a_long_payload_is_cut() {
        assert_eq!(shown(&[0xab; 300]).len(), 512 + "... (44 more)".len());
    }
}
