//! The `data` object of an event, written straight to text: no tree of values on the hot path.

use std::fmt::Write;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::model::{CommandId, Response};

/// A JSON object under construction; begins with the trace and the provenance.
pub(crate) struct Body {
    text: String,
    list: List,
}

#[derive(PartialEq)]
enum List {
    None,
    Empty,
    Filled,
}

impl Body {
    /// `{"trace":"00c0ffee00000001","codec":"..","profile":".."`
    pub(crate) fn new(trace: u64, provenance: &str) -> Self {
        let mut text = String::with_capacity(320);
        let _ = write!(text, "{{\"trace\":\"{trace:016x}\",{provenance}");
        Self { text, list: List::None }
    }

    /// Adds bytes as upper-case hex, the way device documents print frames.
    pub(crate) fn hex(mut self, name: &str, bytes: &[u8]) -> Self {
        let _ = write!(self.text, ",\"{name}\":\"{}\"", hex::encode_upper(bytes));
        self
    }

    /// Adds bytes as base64 text.
    pub(crate) fn base64(mut self, name: &str, bytes: &[u8]) -> Self {
        let _ = write!(self.text, ",\"{name}\":\"{}\"", BASE64.encode(bytes));
        self
    }

    /// Adds a member that is JSON already.
    pub(crate) fn raw(mut self, name: &str, json: &str) -> Self {
        let _ = write!(self.text, ",\"{name}\":{json}");
        self
    }

    /// Opens the last member, a list.
    pub(crate) fn list(mut self, name: &str) -> Self {
        let _ = write!(self.text, ",\"{name}\":[");
        self.list = List::Empty;
        self
    }

    /// Adds an item to the open list.
    pub(crate) fn item<T>(&mut self, write: impl FnOnce(&mut String) -> Result<T, String>) -> Result<(), String> {
        if self.list == List::Filled {
            self.text.push(',');
        }
        self.list = List::Filled;
        write(&mut self.text).map(drop)
    }

    /// Closes what is open.
    pub(crate) fn finish(mut self) -> String {
        self.text.push_str(if self.list == List::None { "}" } else { "]}" });
        self.text
    }
}

/// `{"mid":7,"errcode":0,"command":"..32 hex.."|null,"ignored":"duplicate","values":{..}}`; `ignored` only when it moves no command.
#[expect(clippy::unnecessary_wraps, reason = "has the shape of the other item writers")]
pub(super) fn write_response(
    response: &Response,
    command: Option<CommandId>,
    values: &str,
    ignored: Option<&str>,
    out: &mut String,
) -> Result<(), String> {
    let _ = write!(out, "{{\"mid\":{},\"errcode\":{},\"command\":", response.mid, response.errcode);
    let _ = match command {
        Some(id) => write!(out, "\"{id}\""),
        None => write!(out, "null"),
    };
    if let Some(ignored) = ignored {
        let _ = write!(out, ",\"ignored\":\"{ignored}\"");
    }
    let _ = write!(out, ",\"values\":{values}}}");
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bodies_are_compact_json() {
        let mut body = Body::new(0xc0ffee, "\"profile\":\"ab\"").hex("payload", &[0xAB, 1]).list("reports");
        for n in 0..2 {
            body.item(|out| write!(out, "{{\"n\":{n}}}").map_err(|error| error.to_string())).unwrap();
        }
        let text = body.finish();
        assert_eq!(text, r#"{"trace":"0000000000c0ffee","profile":"ab","payload":"AB01","reports":[{"n":0},{"n":1}]}"#);
        assert_eq!(
            Body::new(1, "\"profile\":\"ab\"").list("reports").finish(),
            r#"{"trace":"0000000000000001","profile":"ab","reports":[]}"#
        );
        let mut out = String::new();
        let response = Response { mid: 7, errcode: 1, command: None, fields: Vec::new() };
        write_response(&response, None, "{}", Some("foreign-mid"), &mut out).unwrap();
        assert_eq!(out, r#"{"mid":7,"errcode":1,"command":null,"ignored":"foreign-mid","values":{}}"#);
    }

    /// `APPdata` of a push of the other platform for a transparent LwM2M product, as published in a public log.
    #[test]
    fn a_transparent_payload_is_told_as_other_platforms_tell_it() {
        let hex =
            "010156312E30000000002300000007FF0025383632353932303531363531343732000100323500383000000000000001010000000100000483";
        let base64 = "AQFWMS4wAAAAACMAAAAH/wAlODYyNTkyMDUxNjUxNDcyAAEAMjUAODAAAAAAAAABAQAAAAEAAASD";
        let payload = hex::decode(hex).unwrap();
        let text = Body::new(1, "\"profile\":\"ab\"").hex("payload", &payload).base64("payloadBase64", &payload).finish();
        assert!(text.ends_with(&format!(r#","payload":"{hex}","payloadBase64":"{base64}"}}"#)), "{text}");
    }
}
