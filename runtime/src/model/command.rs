//! A command as it is stored. How it moves is decided in `command::transition` alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{DeviceId, ProductId, Timestamp};

/// 128 bits, 32 hex digits; begins with the time of creation, so that the order of ids is the order of creation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CommandId(pub u128);

impl CommandId {
    /// Time of creation, a counter that breaks ties, and random bits that make it unguessable.
    #[must_use]
    pub fn new(now: Timestamp, counter: u16, random: u64) -> Self {
        Self((u128::from(now.0 & 0xffff_ffff_ffff) << 80) | (u128::from(counter) << 64) | u128::from(random))
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl FromStr for CommandId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let fits = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
        let id = fits.then(|| u128::from_str_radix(text, 16).ok()).flatten();
        id.map(Self).ok_or_else(|| format!("`{text}` is no command id: 32 hex digits"))
    }
}

impl Serialize for CommandId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CommandId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// The eight states (REFERENCE C.5). The texts are the platforms' API values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CommandState {
    /// Stored, not yet sent.
    Pending,
    /// Handed to the network.
    Sent,
    /// The device's CoAP acknowledgement came.
    Delivered,
    /// The device's response with errcode 0 came.
    Successful,
    /// The codec refused, the device refused, or its response carries an error.
    Failed,
    /// No acknowledgement within the retransmission span.
    Timeout,
    /// `expireTime` passed before it could be sent.
    Expired,
    /// Revoked by the application.
    Canceled,
}

impl CommandState {
    /// All eight, in the order of a life.
    pub const ALL: [Self; 8] = [
        Self::Pending,
        Self::Sent,
        Self::Delivered,
        Self::Successful,
        Self::Failed,
        Self::Timeout,
        Self::Expired,
        Self::Canceled,
    ];

    /// The API text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Sent => "SENT",
            Self::Delivered => "DELIVERED",
            Self::Successful => "SUCCESSFUL",
            Self::Failed => "FAILED",
            Self::Timeout => "TIMEOUT",
            Self::Expired => "EXPIRED",
            Self::Canceled => "CANCELED",
        }
    }

    /// Nothing more is sent for it. DELIVERED still waits for a response, and a late one may yet lift TIMEOUT.
    #[must_use]
    pub fn is_final(self) -> bool {
        matches!(self, Self::Successful | Self::Failed | Self::Timeout | Self::Expired | Self::Canceled)
    }
}

/// Why a command did not succeed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failure {
    /// Stable code, such as `not-registered`, `encode-failed`, `device-refused`, `device-error`, `no-acknowledgement`.
    pub code: String,
    /// What happened, in a sentence.
    pub detail: String,
}

/// A command on its way (REFERENCE D.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    /// Id.
    pub id: CommandId,
    /// Whom it is for.
    pub device: DeviceId,
    /// The device's product.
    pub product: ProductId,
    /// `serviceId` of the profile; empty for a raw command ([`Command::raw`]).
    pub service: String,
    /// `commandName` of the profile.
    pub name: String,
    /// Parameters as given: an object, checked against the profile when it was accepted.
    pub params: serde_json::Value,
    /// Seconds; 0 = send at once, else keep until the device can hear it.
    pub expire_time_s: u64,
    /// 0..3, lowers the retransmissions of the downlink.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retransmit: Option<u8>,
    /// Where it stands.
    pub state: CommandState,
    /// 1..65535, given when it is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mid: Option<u16>,
    /// When it was accepted.
    pub created: Timestamp,
    /// When its datagram left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sent: Option<Timestamp>,
    /// When the acknowledgement came.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivered: Option<Timestamp>,
    /// When it reached a final state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended: Option<Timestamp>,
    /// `errcode` of the response.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub errcode: Option<u8>,
    /// Response fields by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
    /// Why it did not succeed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure: Option<Failure>,
}

impl Command {
    /// `expireTime` when the caller names none: 48 hours (REFERENCE C.6).
    pub const DEFAULT_EXPIRE_S: u64 = 172_800;

    /// Name of commands whose bytes the application wrote, for products that have no codec.
    pub const RAW: &str = "raw";

    /// The bytes, if the application wrote them. They stand in `params` as `{"hex": ..}`.
    #[must_use]
    pub fn raw(&self) -> Option<Vec<u8>> {
        if !self.service.is_empty() || self.name != Self::RAW {
            return None;
        }
        hex::decode(self.params.get("hex")?.as_str()?).ok()
    }

    /// Until when it may be sent. An immediate command has no later: it is sent or fails at once.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.created.plus_ms(self.expire_time_s.saturating_mul(1_000))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_sort_by_creation_and_round_trip() {
        let first = CommandId::new(Timestamp(1_700_000_000_000), 7, u64::MAX);
        let second = CommandId::new(Timestamp(1_700_000_000_000), 8, 0);
        let third = CommandId::new(Timestamp(1_700_000_000_001), 0, 0);
        assert!(first < second && second < third);
        assert_eq!(first.to_string().parse(), Ok(first));
        assert!("xyz".parse::<CommandId>().is_err());
    }
}
