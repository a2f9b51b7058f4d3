//! What an application may order of a device, as JSON: checked member by member, all mistakes at once. Whether the device's product
//! takes it is decided by `downlink`.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::problem::member;
use crate::downlink;
use crate::model::{Blueprint, Command, Work};
use crate::profile::Mistake;
use crate::vectors::hex_bytes;

/// Most bytes of a supersede key.
const SUPERSEDE_BYTES: usize = 64;

/// A command to send: by service and name, or as bytes to a device whose product has no codec.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CommandRequest {
    /// `serviceId` of the profile.
    #[serde(default)]
    #[schema(example = "Valve")]
    service: Option<String>,
    /// `commandName` of the profile.
    #[serde(default)]
    #[schema(example = "SET_VALVE")]
    name: Option<String>,
    /// The bytes, instead of service, name and params.
    #[serde(default)]
    raw: Option<RawRequest>,
    /// An LwM2M operation, instead of service, name and params: `read`, `write`, `execute`, `create`, `delete`, `discover`, `writeAttributes`,
    /// `observe`, `cancelObserve`, `readComposite`, `writeComposite`, `observeComposite` or `cancelObserveComposite`.
    #[serde(default)]
    #[schema(example = "read")]
    operation: Option<String>,
    /// Of an operation: the object, instance, resource or resource instance.
    #[serde(default)]
    #[schema(example = "/3/0/9")]
    path: Option<String>,
    /// Of `readComposite` and its like.
    #[serde(default)]
    paths: Option<Vec<String>>,
    /// Of `write`, `create` and `writeComposite`: a value, or values by path, such as `{"/3/0/14": "+02:00"}`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    values: Option<serde_json::Value>,
    /// Of `write`: `replace` drops what is not named, `update` keeps it.
    #[serde(default)]
    mode: Option<String>,
    /// Of `execute`, such as `0='5'`.
    #[serde(default)]
    arguments: Option<String>,
    /// Of `create`: the number of the instance; without it the device chooses.
    #[serde(default)]
    instance: Option<u16>,
    /// Of `writeAttributes`: `pmin`, `pmax`, `epmin`, `epmax`, `gt`, `lt`, `st`.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    attributes: Option<serde_json::Value>,
    /// Of `writeAttributes`: names of what is to be unset.
    #[serde(default)]
    unset: Option<Vec<String>>,
    /// Parameter -> value.
    #[serde(default = "no_params")]
    #[schema(value_type = Object, example = json!({"open": true}))]
    params: serde_json::Value,
    /// Seconds to keep it until the device can hear it; 0 = send at once or fail.
    #[serde(default = "default_expire_time")]
    #[schema(default = 172_800)]
    expire_time: u64,
    /// Lowers the retransmissions of the downlink.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 3)]
    max_retransmit: Option<u8>,
    /// Of a device's cached commands the highest goes first; within one priority the oldest.
    #[serde(default = "default_priority")]
    #[schema(minimum = 0, maximum = 9, default = 5)]
    priority: u8,
    /// Of waiting commands with this key the device has one: this one cancels the older. 1 to 64 bytes.
    #[serde(default)]
    #[schema(example = "valve")]
    supersede: Option<String>,
}

/// Bytes in one of three forms.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RawRequest {
    /// Hexadecimal, blanks allowed.
    #[serde(default)]
    #[schema(example = "4D61 6765")]
    hex: Option<String>,
    /// Base64 with padding.
    #[serde(default)]
    base64: Option<String>,
    /// Text, sent as UTF-8.
    #[serde(default)]
    text: Option<String>,
}

/// Most bytes of a raw command: what fits one datagram of a narrow-band network.
const MAX_RAW_BYTES: usize = 1_024;

impl RawRequest {
    fn bytes(self) -> Result<Vec<u8>, Mistake> {
        let wrong =
            |pointer: &str, reason: &str| member(pointer, "E4419", reason, "send one of hex, base64, text, with 1 to 1024 bytes");
        let bytes = match (self.hex, self.base64, self.text) {
            (Some(hex), None, None) => hex_bytes(&hex).map_err(|why| wrong("/raw/hex", &why))?,
            (None, Some(base64), None) => BASE64.decode(base64.trim()).map_err(|why| wrong("/raw/base64", &why.to_string()))?,
            (None, None, Some(text)) => text.into_bytes(),
            _ => return Err(wrong("/raw", "not exactly one of hex, base64, text")),
        };
        if bytes.is_empty() || bytes.len() > MAX_RAW_BYTES {
            return Err(wrong("/raw", &format!("{} bytes", bytes.len())));
        }
        Ok(bytes)
    }
}

impl CommandRequest {
    /// The order, or all that is wrong with the members at once.
    pub(super) fn order(mut self) -> Result<Blueprint, Vec<Mistake>> {
        let mut wrong = Vec::new();
        if let Some(count) = self.max_retransmit.filter(|count| *count > Command::MAX_RETRANSMIT) {
            let reason = format!("{count} is no number of retransmissions");
            wrong.push(member("/maxRetransmit", "E4418", reason, "a number from 0 to 3, or leave it out"));
        }
        if self.priority > Command::MAX_PRIORITY {
            let reason = format!("{} is no priority", self.priority);
            wrong.push(member("/priority", "E4430", reason, "a number from 0 to 9, 9 is the most urgent, or leave it out"));
        }
        if self.supersede.as_ref().is_some_and(|key| key.is_empty() || key.len() > SUPERSEDE_BYTES) {
            wrong.push(member("/supersede", "E4431", "the key is empty or too long", "1 to 64 bytes, or leave it out"));
        }
        match self.work() {
            Ok(what) if wrong.is_empty() => Ok(Blueprint {
                what,
                expire_time_s: self.expire_time,
                max_retransmit: self.max_retransmit,
                priority: self.priority,
                supersede: self.supersede,
            }),
            what => {
                wrong.extend(what.err().into_iter().flatten());
                Err(wrong)
            }
        }
    }

    fn work(&mut self) -> Result<Work, Vec<Mistake>> {
        let wrong = |pointer: &str, reason: &str, fix: &str| Err(vec![member(pointer, "E4419", reason, fix)]);
        let one = "send service and name, or raw for a product without codec, or an operation";
        let params = std::mem::replace(&mut self.params, no_params());
        let operation = self.operation();
        match (self.raw.take(), self.service.take(), self.name.take()) {
            (raw, None, None) if raw.is_some() || !operation.is_empty() => {
                if params != no_params() {
                    return wrong("/params", "only a named command has parameters", "leave params out, or name a command");
                }
                match raw {
                    Some(_) if !operation.is_empty() => wrong("/raw", "raw stands beside an operation", one),
                    Some(raw) => raw.bytes().map(Work::Raw).map_err(|mistake| vec![mistake]),
                    None => downlink::asked(operation.into()),
                }
            }
            (None, Some(service), Some(name)) if operation.is_empty() => Ok(Work::Named { service, name, params }),
            (Some(_), ..) => wrong("/raw", "raw stands beside service or name", one),
            _ if !operation.is_empty() => wrong("/operation", "an operation stands beside service or name", one),
            (None, service, _) => {
                wrong(if service.is_none() { "/service" } else { "/name" }, "service and name are missing", one)
            }
        }
    }

    /// The members of an operation that were given.
    fn operation(&mut self) -> serde_json::Map<String, Value> {
        let text = |text: Option<String>| text.map(Value::from);
        let members = [
            ("operation", text(self.operation.take())),
            ("path", text(self.path.take())),
            ("paths", self.paths.take().map(Value::from)),
            ("values", self.values.take()),
            ("mode", text(self.mode.take())),
            ("arguments", text(self.arguments.take())),
            ("instance", self.instance.take().map(Value::from)),
            ("attributes", self.attributes.take()),
            ("unset", self.unset.take().map(Value::from)),
        ];
        members.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
    }
}

fn default_priority() -> u8 {
    Command::DEFAULT_PRIORITY
}

fn no_params() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}

fn default_expire_time() -> u64 {
    Command::DEFAULT_EXPIRE_S
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_the_platforms_defaults() {
        let request: CommandRequest = serde_json::from_str(r#"{"service":"Valve","name":"SET_VALVE"}"#).unwrap();
        assert_eq!((request.expire_time, request.max_retransmit, request.params), (172_800, None, serde_json::json!({})));
        let misspelt = serde_json::from_str::<CommandRequest>(r#"{"service":"V","name":"S","expiretime":0}"#).unwrap_err();
        assert!(misspelt.to_string().contains("expiretime"), "{misspelt}");
    }

    #[test]
    fn bytes_come_in_one_of_three_forms() {
        let bytes = |json: &str| {
            let request: CommandRequest = serde_json::from_str(json).unwrap();
            match request.order().map(|order| order.what) {
                Ok(Work::Raw(bytes)) => Ok(bytes),
                Ok(_) => Ok(vec![]),
                Err(mistakes) => Err(mistakes.into_iter().map(|mistake| mistake.pointer).collect::<Vec<_>>()),
            }
        };
        for json in [r#"{"raw":{"hex":"4d 61"}}"#, r#"{"raw":{"base64":"TWE="}}"#, r#"{"raw":{"text":"Ma"}}"#] {
            assert_eq!(bytes(json), Ok(b"Ma".to_vec()), "{json}");
        }
        for (json, pointer) in [
            (r#"{"raw":{"hex":"4"}}"#, "/raw/hex"),
            (r#"{"raw":{"base64":"*"}}"#, "/raw/base64"),
            (r#"{"raw":{"text":""}}"#, "/raw"),
            (r#"{"raw":{"text":"a","hex":"00"}}"#, "/raw"),
            (r#"{"raw":{"text":"a"},"name":"SET"}"#, "/raw"),
            (r#"{"raw":{"text":"a"},"params":{"x":1}}"#, "/params"),
            (r#"{"name":"SET"}"#, "/service"),
        ] {
            assert_eq!(bytes(json), Err(vec![pointer.to_owned()]), "{json}");
        }
        assert_eq!(bytes(r#"{"maxRetransmit":9,"priority":10,"supersede":""}"#).unwrap_err().len(), 4);
    }
}
