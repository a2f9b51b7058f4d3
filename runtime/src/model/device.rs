//! Products, devices, endpoints and registrations.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;

use serde::{Deserialize, Serialize};

use super::{Habits, Timestamp, VersionLine};

/// Number of a product, given by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProductId(pub u32);

/// Number of a device, given by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeviceId(pub u64);

impl DeviceId {
    /// No device: an event with it is about its product as a whole.
    pub const NONE: Self = Self(u64::MAX);
}

impl fmt::Display for ProductId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DeviceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The LwM2M endpoint client name: 1 to 128 bytes of visible ASCII.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Endpoint(String);

impl Endpoint {
    /// Most bytes of an endpoint client name.
    pub const MAX_BYTES: usize = 128;

    /// Takes the name if it can be one.
    ///
    /// # Errors
    /// [`BadEndpoint`] when it is empty, too long, or has a character that is no visible ASCII.
    pub fn new(text: impl Into<String>) -> Result<Self, BadEndpoint> {
        let text = text.into();
        if text.is_empty() || text.len() > Self::MAX_BYTES || !text.bytes().all(|b| b.is_ascii_graphic()) {
            return Err(BadEndpoint { expected: "1 to 128 visible ASCII characters", got: text });
        }
        Ok(Self(text))
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Endpoint {
    type Error = BadEndpoint;
    fn try_from(text: String) -> Result<Self, BadEndpoint> {
        Self::new(text)
    }
}

impl From<Endpoint> for String {
    fn from(endpoint: Endpoint) -> Self {
        endpoint.0
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// An endpoint client name that does not fit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected}, got `{}`", got.escape_debug())]
pub struct BadEndpoint {
    /// What would fit.
    pub expected: &'static str,
    /// What came.
    pub got: String,
}

/// How the devices of a product name themselves (REFERENCE E.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum EndpointFormat {
    /// 15 digits.
    Imei,
    /// `urn:imei:` and 15 digits.
    UrnImei,
    /// `urn:imei-imsi:`, 15 digits, `-`, 15 digits.
    UrnImeiImsi,
    /// Whatever the operator registered.
    #[default]
    Any,
}

impl EndpointFormat {
    /// The format in words, for messages: "this product expects ...".
    #[must_use]
    pub fn describe(self) -> &'static str {
        match self {
            Self::Imei => "<15 digits>",
            Self::UrnImei => "urn:imei:<15 digits>",
            Self::UrnImeiImsi => "urn:imei-imsi:<15 digits>-<15 digits>",
            Self::Any => "1 to 128 visible ASCII characters",
        }
    }

    /// Holds the name against the format.
    ///
    /// # Errors
    /// [`BadEndpoint`] with the expected form in words.
    pub fn check(self, endpoint: &Endpoint) -> Result<(), BadEndpoint> {
        let is_id = |text: &str| text.len() == 15 && text.bytes().all(|b| b.is_ascii_digit());
        let text = endpoint.as_str();
        let fits = match self {
            Self::Any => true,
            Self::Imei => is_id(text),
            Self::UrnImei => text.strip_prefix("urn:imei:").is_some_and(is_id),
            Self::UrnImeiImsi => text
                .strip_prefix("urn:imei-imsi:")
                .and_then(|rest| rest.split_once('-'))
                .is_some_and(|(imei, imsi)| is_id(imei) && is_id(imsi)),
        };
        if fits { Ok(()) } else { Err(BadEndpoint { expected: self.describe(), got: text.to_owned() }) }
    }

    /// The 15-digit IMEI inside a name of any format, if there is one: finds the device that a misconfigured module means.
    #[must_use]
    pub fn imei_of(text: &str) -> Option<&str> {
        let tail = text.strip_prefix("urn:imei:").or_else(|| text.strip_prefix("urn:imei-imsi:")).unwrap_or(text);
        let imei = tail.get(0..15)?;
        let ends = matches!(tail.as_bytes().get(15), None | Some(b'-'));
        (ends && imei.bytes().all(|b| b.is_ascii_digit())).then_some(imei)
    }
}

/// When a device listens (REFERENCE C.5, E.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PowerMode {
    /// Sleeps between reports: downlinks wait until it speaks.
    #[default]
    Psm,
    /// Listens in long intervals; the network buffers.
    Edrx,
    /// Listens always.
    Drx,
}

/// What is unique about a product: the pair that codecs and profiles are found by (REFERENCE A.2, B.1).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ProductKey {
    /// `manufacturerId`
    pub manufacturer_id: String,
    /// `model`
    pub model: String,
}

impl fmt::Display for ProductKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.manufacturer_id, self.model)
    }
}

/// All devices of one model: one profile and one active codec version.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Product {
    /// Number.
    pub id: ProductId,
    /// Unique pair.
    pub key: ProductKey,
    /// `deviceType` of the profile.
    pub device_type: String,
    /// The profile document (JSON text as in `profiles/schema.json`). It was valid when it was stored.
    pub profile: String,
    /// How its devices name themselves.
    pub endpoint_format: EndpointFormat,
    /// When its devices listen.
    pub power_mode: PowerMode,
    /// How long silence is normal, and what else is known of them beforehand.
    #[serde(default)]
    pub habits: Habits,
    /// How commands for its devices are taken and given up.
    #[serde(default)]
    pub commands: CommandRules,
    /// What is observed of its devices beside /19/0/0, such as `/3/0/7`: asked for at every Register.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observe: Vec<String>,
    /// blake3 of the active codec component, hex; none = transparent.
    pub codec: Option<String>,
    /// Its codec versions by what they do. `profile` and `codec` are those of the active one.
    #[serde(default)]
    pub versions: VersionLine,
    /// When it was created.
    pub created: Timestamp,
}

/// What a product says of the commands for its devices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct CommandRules {
    /// Whether parameters of another JSON type are taken where their meaning is plain: `"12"` for an int, 12 for a text.
    pub coerce_params: bool,
    /// Seconds that an eDRX device has for its acknowledgement; none = the span of the retransmissions (REFERENCE C.5).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub edrx_timeout_s: Option<u32>,
}

/// A device that the operator let in.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Device {
    /// Number.
    pub id: DeviceId,
    /// Its endpoint client name, unique.
    pub endpoint: Endpoint,
    /// Its product.
    pub product: ProductId,
    /// The operator's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Overrides the product's power mode.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_mode: Option<PowerMode>,
    /// What a codec may ask for by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
    /// Removed when it did not register within so many seconds after it was created; 0 = never.
    #[serde(default)]
    pub registration_timeout_s: u32,
    /// When it was created.
    pub created: Timestamp,
}

/// A live LwM2M registration (LwM2M Core 6.2). Kept so that a restart costs the device nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Registration {
    /// Whose it is.
    pub device: DeviceId,
    /// Second Location-Path segment, unguessable: `/rd/{location}`.
    pub location: String,
    /// Token of the observation of /19/0/0, 8 random bytes as hex; a notify is known by it, also from a new address.
    pub token: String,
    /// Where the device was last heard.
    pub peer: SocketAddr,
    /// `lt`, seconds.
    pub lifetime_s: u32,
    /// `lwm2m`, as sent.
    pub version: String,
    /// `b`, as sent.
    pub binding: String,
    /// Object and instance paths of the payload, such as `/19/0`.
    pub objects: Vec<String>,
    /// Content formats that its root link offers (`ct`), if it says so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub formats: Vec<u16>,
    /// Whether it has taken the observation of /19/0/0.
    #[serde(default)]
    pub observed: bool,
    /// What else is observed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub observations: Vec<Observation>,
    /// First Register.
    pub registered: Timestamp,
    /// Last Register or Update; with `lifetime_s` it gives the end.
    pub updated: Timestamp,
    /// Registers from elsewhere while a registration lived.
    #[serde(default, skip_serializing_if = "Moves::is_none")]
    pub moves: Moves,
}

/// How often a device registered from another address while it was registered, within an hour. Without security anybody may register
/// under a name that he knows: this is how it shows, and what limits it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Moves {
    /// The first of this hour.
    pub since: Timestamp,
    /// How many since then, with those that were refused.
    pub count: u16,
}

impl Moves {
    const HOUR_MS: u64 = 3_600_000;

    /// None so far.
    #[must_use]
    pub fn is_none(&self) -> bool {
        self.count == 0
    }

    /// With one more.
    #[must_use]
    pub fn and_one(self, now: Timestamp) -> Self {
        if self.is_none() || now.since(self.since) >= Self::HOUR_MS {
            return Self { since: now, count: 1 };
        }
        Self { count: self.count.saturating_add(1), ..self }
    }
}

/// An observation of a device's object, instance or resource (LwM2M Core 6.4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Observation {
    /// Such as `/3/0/7`.
    pub path: String,
    /// Its token, 8 bytes as hex.
    pub token: String,
    /// Whether the device has taken it.
    #[serde(default)]
    pub taken: bool,
    /// Who wants it.
    #[serde(default)]
    pub by: Asker,
}

/// Who wants an observation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Asker {
    /// The device's product names it; one that the product no longer names is not asked for again.
    #[default]
    Product,
    /// An application asked for it; it stays when the device registers anew.
    Application,
}

impl Registration {
    /// When it ends unless the device speaks before.
    #[must_use]
    pub fn expires(&self) -> Timestamp {
        self.updated.plus_ms(u64::from(self.lifetime_s) * 1_000)
    }
}

/// Text that is never printed. `Debug` shows its length only.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(String);

impl Secret {
    /// Wraps the text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text, for the one place that needs it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({} bytes)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn endpoint_formats() {
        let imei = "867000000000001";
        for (format, good, bad) in [
            (EndpointFormat::Imei, imei.to_owned(), format!("urn:imei:{imei}")),
            (EndpointFormat::UrnImei, format!("urn:imei:{imei}"), imei.to_owned()),
            (EndpointFormat::UrnImeiImsi, format!("urn:imei-imsi:{imei}-460001234567890"), format!("urn:imei:{imei}")),
            (EndpointFormat::Imei, imei.to_owned(), "86700000000000".to_owned()),
        ] {
            assert_eq!(format.check(&Endpoint::new(&*good).unwrap()), Ok(()), "{format:?}");
            let refusal = format.check(&Endpoint::new(&*bad).unwrap()).unwrap_err();
            assert!(refusal.to_string().contains(format.describe()), "{refusal}");
            assert_eq!(EndpointFormat::imei_of(&good), Some(imei));
        }
        assert_eq!(EndpointFormat::imei_of("my-meter"), None);
        assert!(Endpoint::new("a b").is_err() && Endpoint::new("").is_err() && Endpoint::new("x".repeat(129)).is_err());
    }

    #[test]
    fn moves_are_counted_by_the_hour() {
        let mut moves = Moves::default();
        for minute in [0, 10, 59] {
            moves = moves.and_one(Timestamp(7_000 + minute * 60_000));
        }
        assert_eq!(moves, Moves { since: Timestamp(7_000), count: 3 });
        assert_eq!(moves.and_one(Timestamp(7_000 + 3_600_000)).count, 1);
    }

    #[test]
    fn a_product_that_was_stored_before_there_were_versions_is_read() {
        let stored = r#"{"id":1,"key":{"manufacturerId":"A","model":"M"},"deviceType":"T","profile":"{}",
            "endpointFormat":"imei","powerMode":"psm","codec":"ab","created":7}"#;
        let product: Product = serde_json::from_str(stored).unwrap();
        assert_eq!((product.codec.as_deref(), product.versions), (Some("ab"), VersionLine::default()));
        assert_eq!(product.habits, Habits::default());
    }

    #[test]
    fn a_secret_is_not_printed() {
        assert_eq!(format!("{:?}", Secret::new("hunter2")), "Secret(7 bytes)");
    }
}
