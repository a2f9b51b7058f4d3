//! A command as it is stored. How it moves is decided in `command::transition` alone.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{BatchId, CommandState, DeviceId, Failure, ProductId, Reason, Sending, Timestamp, Transition, Work};

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

/// A command on its way (REFERENCE D.7).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", from = "Stored")]
pub struct Command {
    /// Id.
    pub id: CommandId,
    /// Whom it is for.
    pub device: DeviceId,
    /// The device's product.
    pub product: ProductId,
    /// What the device is to do.
    #[serde(flatten)]
    pub what: Work,
    /// Seconds; 0 = send at once, else keep until the device can hear it.
    pub expire_time_s: u64,
    /// 0..3, lowers the retransmissions of the downlink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_retransmit: Option<u8>,
    /// 0..9; of a device's cached commands the highest goes first.
    pub priority: u8,
    /// Of waiting commands with this key the device has one: a new one cancels the older.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub supersede: Option<String>,
    /// The batch that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchId>,
    /// Where it stands: the state of the last step.
    pub state: CommandState,
    /// 1..65535, given when it is sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mid: Option<u16>,
    /// When it was accepted.
    pub created: Timestamp,
    /// Every step after that, oldest first.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub history: Vec<Transition>,
    /// Its message, while it is SENT: after a crash the same goes out again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sending: Option<Sending>,
    /// `errcode` of the response.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub errcode: Option<u8>,
    /// Response fields by name, or the values of an LwM2M operation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result: Option<serde_json::Value>,
}

impl Command {
    /// `expireTime` when the caller names none: 48 hours (REFERENCE C.6).
    pub const DEFAULT_EXPIRE_S: u64 = 172_800;
    /// Priority when the caller names none.
    pub const DEFAULT_PRIORITY: u8 = 5;
    /// The most urgent.
    pub const MAX_PRIORITY: u8 = 9;
    /// Most retransmissions of a command (REFERENCE C.6).
    pub const MAX_RETRANSMIT: u8 = 3;

    /// A command that waits, cached for the default time.
    #[must_use]
    pub fn new(id: CommandId, (device, product): (DeviceId, ProductId), what: Work, created: Timestamp) -> Self {
        Self {
            id,
            device,
            product,
            what,
            expire_time_s: Self::DEFAULT_EXPIRE_S,
            max_retransmit: None,
            priority: Self::DEFAULT_PRIORITY,
            supersede: None,
            batch: None,
            state: CommandState::Pending,
            mid: None,
            created,
            history: Vec::new(),
            sending: None,
            errcode: None,
            result: None,
        }
    }

    /// Kept until the device can hear it; else it goes out at once or fails.
    #[must_use]
    pub fn is_cached(&self) -> bool {
        self.expire_time_s > 0
    }

    /// Until when it may be sent. An immediate command has no later: it is sent or fails at once.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.created.plus_ms(self.expire_time_s.saturating_mul(1_000))
    }

    /// When it left for the first time.
    #[must_use]
    pub fn sent(&self) -> Option<Timestamp> {
        self.history.iter().find(|step| step.state == CommandState::Sent).map(|step| step.at)
    }

    /// When it left for the last time: later than [`Command::sent`] after a restart of the gateway.
    #[must_use]
    pub fn last_sent(&self) -> Option<Timestamp> {
        self.history.iter().rev().find(|step| step.state == CommandState::Sent).map(|step| step.at)
    }

    /// When the acknowledgement came.
    #[must_use]
    pub fn delivered(&self) -> Option<Timestamp> {
        self.history.iter().find(|step| step.state == CommandState::Delivered).map(|step| step.at)
    }

    /// When it reached its final state.
    #[must_use]
    pub fn ended(&self) -> Option<Timestamp> {
        self.history.last().filter(|_| self.state.is_final()).map(|step| step.at)
    }

    /// The time of the newest thing that happened to it.
    #[must_use]
    pub fn moved(&self) -> Timestamp {
        self.history.last().map_or(self.created, |step| step.at)
    }

    /// Why it did not succeed.
    #[must_use]
    pub fn failure(&self) -> Option<Failure<'_>> {
        let step = self.history.last().filter(|_| self.state.is_final() && self.state != CommandState::Successful)?;
        Some(Failure { reason: step.reason?, detail: step.detail.as_deref().unwrap_or_default() })
    }

    /// When the gateway must look at it again though nobody asks: its expiry while it waits, the end of its span while it is under
    /// way. None once that is over.
    #[must_use]
    pub fn due(&self) -> Option<Timestamp> {
        match self.state {
            CommandState::Pending => Some(self.expires()),
            CommandState::Sent => Some(self.sending.as_ref().map_or(self.moved(), |sending| sending.until)),
            _ => None,
        }
    }

    /// Takes a step.
    pub fn step(&mut self, step: Transition) {
        self.state = step.state;
        self.history.push(step);
    }
}

/// How a command may be stored: today's members, and the times and the failure of the first codecgate instead of a history.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Stored {
    id: CommandId,
    device: DeviceId,
    product: ProductId,
    #[serde(flatten)]
    what: Work,
    expire_time_s: u64,
    max_retransmit: Option<u8>,
    #[serde(default = "default_priority")]
    priority: u8,
    supersede: Option<String>,
    batch: Option<BatchId>,
    state: CommandState,
    mid: Option<u16>,
    created: Timestamp,
    #[serde(default)]
    history: Vec<Transition>,
    sending: Option<Sending>,
    errcode: Option<u8>,
    result: Option<serde_json::Value>,
    sent: Option<Timestamp>,
    delivered: Option<Timestamp>,
    ended: Option<Timestamp>,
    failure: Option<StoredFailure>,
}

#[derive(Deserialize)]
struct StoredFailure {
    code: Option<Reason>,
    detail: String,
}

fn default_priority() -> u8 {
    Command::DEFAULT_PRIORITY
}

impl From<Stored> for Command {
    fn from(mut stored: Stored) -> Self {
        if stored.history.is_empty() {
            let passed =
                [(CommandState::Sent, stored.sent), (CommandState::Delivered, stored.delivered), (stored.state, stored.ended)];
            stored.history = passed.into_iter().filter_map(|(state, at)| Some(Transition::plain(state, at?))).collect();
            if let (Some(last), Some(failure)) = (stored.history.last_mut(), stored.failure) {
                (last.reason, last.detail) = (failure.code, Some(failure.detail));
            }
        }
        Self {
            id: stored.id,
            device: stored.device,
            product: stored.product,
            what: stored.what,
            expire_time_s: stored.expire_time_s,
            max_retransmit: stored.max_retransmit,
            priority: stored.priority,
            supersede: stored.supersede,
            batch: stored.batch,
            state: stored.state,
            mid: stored.mid,
            created: stored.created,
            history: stored.history,
            sending: stored.sending,
            errcode: stored.errcode,
            result: stored.result,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::{Repeat, Wire};
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

    #[test]
    fn a_command_of_the_first_codecgate_is_read() {
        let stored = r#"{"id":"00000000000000000000000000000007","device":1,"product":2,"service":"","name":"raw",
            "params":{"hex":"4D61"},"expireTimeS":60,"state":"TIMEOUT","mid":9,"created":1000,"sent":2000,"ended":5000,
            "failure":{"code":"no-acknowledgement","detail":"nobody answered"}}"#;
        let command: Command = serde_json::from_str(stored).unwrap();
        assert_eq!((command.what.clone(), command.priority, command.mid), (Work::Raw(b"Ma".to_vec()), 5, Some(9)));
        assert_eq!(
            (command.sent(), command.delivered(), command.ended()),
            (Some(Timestamp(2_000)), None, Some(Timestamp(5_000)))
        );
        assert_eq!(command.failure(), Some(Failure { reason: Reason::NoAcknowledgement, detail: "nobody answered" }));
    }

    #[test]
    fn a_command_round_trips() {
        let what = Work::Operation { request: json!({ "operation": "execute", "path": "/3/0/4" }), repeat: Repeat::Once };
        let mut command = Command::new(CommandId(1), (DeviceId(2), ProductId(3)), what, Timestamp(1_000));
        (command.supersede, command.batch, command.priority) = (Some("k".to_owned()), Some(BatchId(4)), 9);
        command.step(Transition::plain(CommandState::Sent, Timestamp(2_000)));
        let wire = Wire { mid: 7, nonce: 0x00ab_cdef };
        command.sending = Some(Sending { wire, request: vec![1, 0xFE], until: Timestamp(9_000) });
        let text = serde_json::to_string(&command).unwrap();
        assert_eq!(serde_json::from_str::<Command>(&text).unwrap(), command, "{text}");
        assert_eq!(command.due(), Some(Timestamp(9_000)));
    }
}
