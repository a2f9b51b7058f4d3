//! Vectors of a codec: bytes and their meaning in both directions, read from `vectors/*.json`, and what counts as equal.
//!
//! Pure: text in, values out. Who runs them is not known here: the SDK runs the same documents natively, `admission` in the sandbox.
//! Also [`mutate`]: the damaged payloads that a codec must survive.
//!
//! A document is a JSON list of
//! `{"name", "source", "direction": "decode", "hex", "messages": [..] | "error": {"kind", "offset"?}}` and
//! `{"name", "source", "direction": "encode", "command": {..} | "reportAck": {..}, "hex": text or null | "error": {..}}`,
//! each with optional `endpoint` and `attributes` of the device and the time `received`.

mod answer;
mod document;
pub mod huawei;
pub mod mutate;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::model::{Endpoint, Timestamp};

pub use answer::{Answer, Fault, holds, report_json, response_json, same};
pub use document::{hex_bytes, parse};

/// Most bytes of a document.
pub const MAX_DOCUMENT_BYTES: usize = 4 << 20;

/// One vector, checked: it says what goes in and what must come out.
#[derive(Debug, Clone)]
pub struct Vector {
    /// Unique in its document.
    pub name: String,
    /// Of the device.
    pub endpoint: Endpoint,
    /// The operator's attributes of the device.
    pub attributes: Arc<BTreeMap<String, String>>,
    /// Time of arrival.
    pub received: Timestamp,
    /// What goes in.
    pub ask: Ask,
    /// What must come out.
    pub expected: Answer,
}

/// What goes into the codec.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// A device's payload.
    Decode(Vec<u8>),
    /// A command, by name.
    Command(CommandAsk),
    /// The acknowledgement of a report.
    Ack {
        /// The device's payload.
        uplink: Vec<u8>,
        /// 0 = decoded, 1 = not decoded.
        errcode: u8,
        /// Commands wait for the device.
        has_more: bool,
    },
}

/// A command as an application would ask for it, with the mid that the gateway would give it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
pub struct CommandAsk {
    /// `serviceId` of the profile.
    pub service: String,
    /// `commandName` of the profile.
    pub name: String,
    /// 1..65535
    pub mid: u16,
    /// More commands wait.
    #[serde(default)]
    pub has_more: bool,
    /// By name.
    #[serde(default)]
    pub params: Map<String, Value>,
}
