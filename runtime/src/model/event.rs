//! Events: facts that are stored in the log and pushed to subscriptions.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{DeviceId, ProductId, Secret, Timestamp};

/// What an event tells. One uplink yields one event per kind it contains; exactly one of them carries the raw bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EventKind {
    /// A Register was accepted.
    DeviceRegistered,
    /// An Update was accepted.
    DeviceUpdated,
    /// The device deregistered.
    DeviceDeregistered,
    /// The registration's lifetime passed without a word.
    DeviceOffline,
    /// Decoded property values.
    Report,
    /// A decoded alarm or fault.
    EventReport,
    /// An uplink that only answers a command; the command's own event tells the result.
    Response,
    /// An uplink of a product without codec, passed on as it came.
    Transparent,
    /// An uplink that could not be decoded.
    DeadLetter,
    /// A command changed its state.
    Command,
    /// A product's codec version was put to work or taken back; about no device.
    CodecSwitched,
    /// A product's codec trapped or ran on too often: uplinks are stored without calling it; about no device.
    CodecDegraded,
    /// A degraded codec is called again; about no device.
    CodecRecovered,
    /// An uplink was decoded again, and subscribers are to know: the new values, and which event they correct.
    Corrected,
    /// An uplink was decoded again for the record only: pushed to nobody who does not ask for this kind.
    Redecoded,
    /// The device is in another state now: registered, activated, online, abnormal or offline.
    DeviceState,
    /// A device that was registered spoke from another address under the same name, or was kept from doing so.
    DeviceMoved,
    /// A device that never came was removed after its registration timeout.
    DeviceRemoved,
    /// Values of LwM2M resources that no codec decodes: notified, sent or read.
    Resources,
}

impl EventKind {
    /// All kinds.
    pub const ALL: [Self; 19] = [
        Self::DeviceRegistered,
        Self::DeviceUpdated,
        Self::DeviceDeregistered,
        Self::DeviceOffline,
        Self::Report,
        Self::EventReport,
        Self::Response,
        Self::Transparent,
        Self::DeadLetter,
        Self::Command,
        Self::CodecSwitched,
        Self::CodecDegraded,
        Self::CodecRecovered,
        Self::Corrected,
        Self::Redecoded,
        Self::DeviceState,
        Self::DeviceMoved,
        Self::DeviceRemoved,
        Self::Resources,
    ];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::DeviceRegistered => "device-registered",
            Self::DeviceUpdated => "device-updated",
            Self::DeviceDeregistered => "device-deregistered",
            Self::DeviceOffline => "device-offline",
            Self::Report => "report",
            Self::EventReport => "event-report",
            Self::Response => "response",
            Self::Transparent => "transparent",
            Self::DeadLetter => "dead-letter",
            Self::Command => "command",
            Self::CodecSwitched => "codec-switched",
            Self::CodecDegraded => "codec-degraded",
            Self::CodecRecovered => "codec-recovered",
            Self::Corrected => "corrected",
            Self::Redecoded => "redecoded",
            Self::DeviceState => "device-state",
            Self::DeviceMoved => "device-moved",
            Self::DeviceRemoved => "device-removed",
            Self::Resources => "resources",
        }
    }
}

/// Place of an event in the log: arrival day, block of the day, position in the block. Ordered, stable for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct EventId {
    /// Days since 1970.
    pub day: u32,
    /// Block of the day, from 0.
    pub block: u32,
    /// Position in the block, from 0.
    pub offset: u16,
}

/// `20780-184-3`
impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.day, self.block, self.offset)
    }
}

impl FromStr for EventId {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let mut parts = text.split('-');
        let id = (|| {
            Some(Self {
                day: parts.next()?.parse().ok()?,
                block: parts.next()?.parse().ok()?,
                offset: parts.next()?.parse().ok()?,
            })
        })();
        match (id, parts.next()) {
            (Some(id), None) => Ok(id),
            _ => Err(format!("`{text}` is no event id: day-block-offset")),
        }
    }
}

/// A fact to append.
#[derive(Debug, Clone, PartialEq)]
pub struct NewEvent {
    /// What it tells.
    pub kind: EventKind,
    /// Whom it is about; [`DeviceId::NONE`] = the product as a whole.
    pub device: DeviceId,
    /// The device's endpoint client name at that time; empty without a device.
    pub endpoint: String,
    /// The device's product.
    pub product: ProductId,
    /// When it happened, by the gateway's clock.
    pub time: Timestamp,
    /// The device's payload, on exactly one event of an uplink.
    pub raw: Option<Vec<u8>>,
    /// A compact JSON object: what subscribers see as `data`.
    pub body: String,
}

impl NewEvent {
    /// What the body of an event that corrects another begins with; the id and a quote follow.
    pub const CORRECTS: &'static str = "{\"original\":\"";

    /// The event that carries the bytes which were decoded again, if this one tells that they were.
    #[must_use]
    pub fn corrects(&self) -> Option<EventId> {
        if !matches!(self.kind, EventKind::Corrected | EventKind::Redecoded) {
            return None;
        }
        self.body.strip_prefix(Self::CORRECTS)?.split_once('"')?.0.parse().ok()
    }
}

/// A fact in the log.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Where it stands.
    pub id: EventId,
    /// What it says.
    pub fact: NewEvent,
}

impl Event {
    /// The event as it is pushed and listed: one compact JSON object without white space.
    #[must_use]
    pub fn to_json(&self) -> String {
        let fact = &self.fact;
        let (id, kind, time, product, body) = (self.id, fact.kind.as_str(), fact.time, fact.product, &fact.body);
        if fact.device == DeviceId::NONE {
            return format!(
                "{{\"id\":\"{id}\",\"kind\":\"{kind}\",\"time\":\"{time}\",\"productId\":{product},\"data\":{body}}}"
            );
        }
        // Endpoint names are visible ASCII; only quote and backslash need escaping.
        let endpoint = fact.endpoint.replace('\\', "\\\\").replace('"', "\\\"");
        format!(
            "{{\"id\":\"{id}\",\"kind\":\"{kind}\",\"time\":\"{time}\",\"productId\":{product},\"deviceId\":{},\"endpoint\":\"{endpoint}\",\"data\":{body}}}",
            fact.device,
        )
    }
}

/// Number of a subscription, given by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SubscriptionId(pub u32);

impl fmt::Display for SubscriptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Whose events a subscription gets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Scope {
    /// Everybody's.
    All,
    /// Those of one product's devices.
    Product(ProductId),
    /// Those of one device.
    Device(DeviceId),
}

/// Who gets which events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// Number.
    pub id: SubscriptionId,
    /// http or https address that the events are posted to.
    pub url: String,
    /// Key of the signature.
    pub secret: Secret,
    /// Whose events.
    pub scope: Scope,
    /// Which kinds; empty = all but `response` and `redecoded`.
    pub kinds: Vec<EventKind>,
    /// When it was created; it sees events from then on.
    pub created: Timestamp,
}

impl Subscription {
    /// Whether an event is for this subscription.
    #[must_use]
    pub fn wants(&self, fact: &NewEvent) -> bool {
        let in_scope = match self.scope {
            Scope::All => true,
            Scope::Product(product) => fact.product == product,
            Scope::Device(device) => fact.device == device,
        };
        let of_kind = if self.kinds.is_empty() {
            !matches!(fact.kind, EventKind::Response | EventKind::Redecoded)
        } else {
            self.kinds.contains(&fact.kind)
        };
        in_scope && of_kind
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn event_ids_order_and_round_trip() {
        let early = EventId { day: 20_000, block: 9, offset: 65_535 };
        let late = EventId { day: 20_000, block: 10, offset: 0 };
        assert!(early < late);
        assert_eq!(late.to_string().parse(), Ok(late));
        assert!("1-2".parse::<EventId>().is_err() && "1-2-3-4".parse::<EventId>().is_err());
    }

    #[test]
    fn an_event_is_one_compact_json_object() {
        let fact = NewEvent {
            kind: EventKind::Report,
            device: DeviceId(7),
            endpoint: "a\"b\\c".to_owned(),
            product: ProductId(1),
            time: Timestamp(0),
            raw: None,
            body: "{\"x\":1}".to_owned(),
        };
        let text = Event { id: EventId::default(), fact }.to_json();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(value.pointer("/endpoint"), Some(&"a\"b\\c".into()));
        assert_eq!(value.pointer("/data/x"), Some(&1.into()));
        assert!(!text.contains(": "), "{text}");
    }

    #[test]
    fn an_event_that_corrects_names_its_original() {
        let original = EventId { day: 20_780, block: 184, offset: 3 };
        let mut fact = NewEvent {
            kind: EventKind::Corrected,
            device: DeviceId(7),
            endpoint: "e".to_owned(),
            product: ProductId(1),
            time: Timestamp(0),
            raw: None,
            body: format!("{}{original}\",\"generation\":2}}", NewEvent::CORRECTS),
        };
        assert_eq!(fact.corrects(), Some(original));
        fact.body = "{\"original\":7}".to_owned();
        assert_eq!(fact.corrects(), None);
        fact.body = format!("{}{original}\"}}", NewEvent::CORRECTS);
        fact.kind = EventKind::Report;
        assert_eq!(fact.corrects(), None);
    }

    #[test]
    fn an_event_about_a_product_names_no_device() {
        let fact = NewEvent {
            kind: EventKind::CodecSwitched,
            device: DeviceId::NONE,
            endpoint: String::new(),
            product: ProductId(3),
            time: Timestamp(0),
            raw: None,
            body: "{}".to_owned(),
        };
        let value: serde_json::Value = serde_json::from_str(&Event { id: EventId::default(), fact }.to_json()).unwrap();
        assert_eq!((&value["kind"], &value["productId"]), (&"codec-switched".into(), &3.into()));
        assert!(value.get("deviceId").is_none() && value.get("endpoint").is_none(), "{value}");
    }
}
