//! Where a command stands: its state, and each step to it with time and reason. How it moves is decided in `command::transition`.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Timestamp;

/// The eight states (REFERENCE C.5). The texts are the platforms' API values.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum CommandState {
    /// Stored, not yet sent.
    Pending,
    /// Handed to the network.
    Sent,
    /// The device's CoAP acknowledgement came.
    Delivered,
    /// The device's response with errcode 0 came, or its 2.xx to an LwM2M operation.
    Successful,
    /// The codec refused, the device refused, or its response carries an error.
    Failed,
    /// No acknowledgement in time, or the outcome is unknown.
    Timeout,
    /// `expireTime` passed before it could be sent.
    Expired,
    /// Revoked by the application, or superseded.
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

    /// The gateway still has something to do for it: send it, or wait for its acknowledgement.
    #[must_use]
    pub fn is_open(self) -> bool {
        matches!(self, Self::Pending | Self::Sent)
    }
}

/// Why a command is in its state, where the state alone does not say it. The texts are stable: programs decide by them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reason {
    /// An immediate command for a device without a registration.
    NotRegistered,
    /// An immediate command for a device that has been silent for so long that it counts as offline.
    OfflineDevice,
    /// The codec made no bytes of it.
    EncodeFailed,
    /// A command of a batch that does not fit the device's product.
    NotAccepted,
    /// A command of a batch for a device that has as many open commands as it may.
    Limit,
    /// The device's CoAP answer is 4.xx, 5.xx or RST.
    DeviceRefused,
    /// The device's response has an errcode.
    DeviceError,
    /// The retransmission span ended in silence.
    NoAcknowledgement,
    /// It was under way when the gateway stopped, may have been done, and is not repeated.
    OutcomeUnknown,
    /// `expireTime` passed.
    Expired,
    /// The application revoked it.
    Canceled,
    /// A newer command with the same `supersede` key took its place.
    Superseded,
    /// The gateway was restarted while it was under way: the same message went out again.
    Resent,
    /// The device's answer came after the command had been given up.
    Late,
}

impl Reason {
    /// All, in the order of a life.
    pub const ALL: [Self; 14] = [
        Self::NotRegistered,
        Self::OfflineDevice,
        Self::EncodeFailed,
        Self::NotAccepted,
        Self::Limit,
        Self::DeviceRefused,
        Self::DeviceError,
        Self::NoAcknowledgement,
        Self::OutcomeUnknown,
        Self::Expired,
        Self::Canceled,
        Self::Superseded,
        Self::Resent,
        Self::Late,
    ];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotRegistered => "not-registered",
            Self::OfflineDevice => "offline-device",
            Self::EncodeFailed => "encode-failed",
            Self::NotAccepted => "not-accepted",
            Self::Limit => "limit",
            Self::DeviceRefused => "device-refused",
            Self::DeviceError => "device-error",
            Self::NoAcknowledgement => "no-acknowledgement",
            Self::OutcomeUnknown => "outcome-unknown",
            Self::Expired => "expired",
            Self::Canceled => "canceled",
            Self::Superseded => "superseded",
            Self::Resent => "resent",
            Self::Late => "late",
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// One step of a command's life.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Transition {
    /// Where it came to.
    pub state: CommandState,
    /// When, by the gateway's clock.
    pub at: Timestamp,
    /// Why, where the state does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// What happened, in a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
}

impl Transition {
    /// A step that explains itself.
    #[must_use]
    pub fn plain(state: CommandState, at: Timestamp) -> Self {
        Self { state, at, reason: None, detail: None }
    }
}

/// Why a command did not succeed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Failure<'a> {
    /// Stable.
    pub reason: Reason,
    /// What happened, in a sentence.
    pub detail: &'a str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_those_that_are_stored() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.as_str());
        }
        for state in CommandState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.as_str());
        }
    }
}
