//! What a command asks for, and the message that it became.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Timestamp;

/// What a device is to do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(from = "Written", into = "Written")]
pub enum Work {
    /// A command of the profile, encoded by the product's codec.
    Named {
        /// `serviceId`
        service: String,
        /// `commandName`
        name: String,
        /// Object, checked against the profile when it was accepted.
        params: Value,
    },
    /// Bytes that the application wrote, for products that have no codec.
    Raw(Vec<u8>),
    /// An LwM2M operation on a resource.
    Operation {
        /// As the application wrote it: `{"operation":"read","path":"/3/0/9"}`.
        request: Value,
        /// Whether it may be sent twice.
        repeat: Repeat,
    },
}

/// Whether doing something twice is the same as doing it once (RFC 7252 5.1: Execute and Create are POST).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Repeat {
    /// It is.
    Idempotent,
    /// It is not: what may have been done is not asked for again.
    Once,
}

/// `service` empty and this name: the application wrote the bytes.
const RAW: &str = "raw";

impl Work {
    /// Service and name; an operation has no service and its own word as name.
    #[must_use]
    pub fn title(&self) -> (&str, &str) {
        match self {
            Self::Named { service, name, .. } => (service, name),
            Self::Raw(_) => ("", RAW),
            Self::Operation { request, .. } => ("", request.get("operation").and_then(Value::as_str).unwrap_or("operation")),
        }
    }

    /// Parameters as they are shown: those of a named command, `{"hex": ..}` of bytes, the members of an operation.
    #[must_use]
    pub fn params(&self) -> Value {
        match self {
            Self::Named { params, .. } => params.clone(),
            Self::Raw(payload) => json!({ "hex": hex::encode_upper(payload) }),
            Self::Operation { request, .. } => request.clone(),
        }
    }

    /// A message to /19/1/0 is a PUT, which may be sent twice.
    #[must_use]
    pub fn repeat(&self) -> Repeat {
        match self {
            Self::Named { .. } | Self::Raw(_) => Repeat::Idempotent,
            Self::Operation { repeat, .. } => *repeat,
        }
    }
}

/// How work is stored; the first codecgate knew the first three members only.
#[derive(Serialize, Deserialize)]
struct Written {
    service: String,
    name: String,
    params: Value,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    repeat: Option<Repeat>,
}

impl From<Written> for Work {
    fn from(Written { service, name, params, repeat }: Written) -> Self {
        if let Some(repeat) = repeat {
            return Self::Operation { request: params, repeat };
        }
        let bytes = || hex::decode(params.get("hex")?.as_str()?).ok();
        match (service.is_empty() && name == RAW).then(bytes).flatten() {
            Some(payload) => Self::Raw(payload),
            None => Self::Named { service, name, params },
        }
    }
}

impl From<Work> for Written {
    fn from(work: Work) -> Self {
        let (service, name) = work.title();
        let (service, name) = (service.to_owned(), name.to_owned());
        let repeat = match work {
            Work::Operation { repeat, .. } => Some(repeat),
            Work::Named { .. } | Work::Raw(_) => None,
        };
        Self { service, name, params: work.params(), repeat }
    }
}

/// The identity of a CoAP request: with the same one it is *the same message again*, which the device knows as a duplicate
/// (RFC 7252 4.5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wire {
    /// CoAP message id.
    pub mid: u16,
    /// Of the token, 22 bits.
    pub nonce: u32,
}

/// The message of a command that is under way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sending {
    /// Its identity.
    pub wire: Wire,
    /// The request as CoAP writes it, without token (RFC 7252 3); hex when stored.
    #[serde(with = "hex_text")]
    pub request: Vec<u8>,
    /// Without an acknowledgement until then it is given up.
    pub until: Timestamp,
}

mod hex_text {
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &Vec<u8>, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex::encode_upper(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        hex::decode(String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_reads_back_as_it_was_written() {
        for work in [
            Work::Named { service: "Valve".to_owned(), name: "SET".to_owned(), params: json!({ "open": true }) },
            Work::Named { service: String::new(), name: RAW.to_owned(), params: json!({ "hex": "no hex" }) },
            Work::Raw(vec![0, 0xAB]),
            Work::Operation { request: json!({ "operation": "read", "path": "/3/0" }), repeat: Repeat::Idempotent },
            Work::Operation { request: json!({ "operation": "execute", "path": "/3/0/4" }), repeat: Repeat::Once },
        ] {
            let text = serde_json::to_string(&work).unwrap();
            assert_eq!(serde_json::from_str::<Work>(&text).unwrap(), work, "{text}");
        }
    }
}
