//! One command for many devices: for whom, and how far the gateway is with it.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{Command, DeviceId, ProductId, Timestamp, Work};

/// Number of a batch, given by the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(pub u64);

impl fmt::Display for BatchId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for BatchId {
    type Err = std::num::ParseIntError;
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        text.parse().map(Self)
    }
}

/// For whom a batch is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// These, in order of number, each once.
    Devices(Vec<DeviceId>),
    /// Those of a product that exist when the gateway comes to them.
    Product(ProductId),
    /// Those that fit.
    #[serde(rename_all = "camelCase")]
    Filter {
        /// Of this product.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        product: Option<ProductId>,
        /// The endpoint client name begins so.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        endpoint_prefix: Option<String>,
        /// In this device state when the gateway comes to them, such as `online`.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        state: Option<String>,
        /// Each of these attributes has this value.
        #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
        attributes: BTreeMap<String, String>,
    },
}

impl Target {
    /// The product to whose devices it is bound.
    #[must_use]
    pub fn product(&self) -> Option<ProductId> {
        match self {
            Self::Devices(_) => None,
            Self::Product(product) => Some(*product),
            Self::Filter { product, .. } => *product,
        }
    }
}

/// The command that every device of a batch gets. Always cached (REFERENCE D.8).
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Blueprint {
    /// What the devices are to do.
    #[serde(flatten)]
    pub what: Work,
    /// Seconds, at least 1.
    pub expire_time_s: u64,
    /// 0..3
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_retransmit: Option<u8>,
    /// 0..9
    pub priority: u8,
    /// See `Command::supersede`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub supersede: Option<String>,
}

impl Blueprint {
    /// With the defaults of a command.
    #[must_use]
    pub fn new(what: Work, expire_time_s: u64) -> Self {
        Self { what, expire_time_s, max_retransmit: None, priority: Command::DEFAULT_PRIORITY, supersede: None }
    }
}

/// How far the gateway is with making, repeating or canceling the commands of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Phase {
    /// Commands are made, for the devices after this one.
    Creating {
        /// none = from the first
        after: Option<DeviceId>,
    },
    /// Those that failed are made anew, for the devices after this one.
    Retrying {
        /// none = from the first
        after: Option<DeviceId>,
    },
    /// Those that wait are canceled, for the devices after this one.
    Canceling {
        /// none = from the first
        after: Option<DeviceId>,
    },
    /// Every command is made; the devices do the rest.
    Running,
    /// Canceled: what waited is canceled, what was sent goes on.
    Canceled,
}

impl Phase {
    /// The gateway has something to do, for the devices after this one.
    #[must_use]
    pub fn working(self) -> Option<Option<DeviceId>> {
        match self {
            Self::Creating { after } | Self::Retrying { after } | Self::Canceling { after } => Some(after),
            Self::Running | Self::Canceled => None,
        }
    }

    /// The stable word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Creating { .. } => "creating",
            Self::Retrying { .. } => "retrying",
            Self::Canceling { .. } => "canceling",
            Self::Running => "running",
            Self::Canceled => "canceled",
        }
    }
}

/// One command for many devices.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Batch {
    /// Number.
    pub id: BatchId,
    /// The application's name for it.
    pub name: String,
    /// What each device gets.
    pub blueprint: Blueprint,
    /// For whom.
    pub target: Target,
    /// How far it is.
    pub phase: Phase,
    /// How often the failed ones were made anew.
    #[serde(default)]
    pub retries: u32,
    /// When it was accepted.
    pub created: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_round_trips() {
        let filter = Target::Filter {
            product: Some(ProductId(1)),
            endpoint_prefix: Some("m".to_owned()),
            state: Some("online".to_owned()),
            attributes: BTreeMap::from([("site".to_owned(), "north".to_owned())]),
        };
        for target in [Target::Devices(vec![DeviceId(1)]), Target::Product(ProductId(2)), filter] {
            let what = Work::Raw(vec![1]);
            let blueprint = Blueprint::new(what, 60);
            let phase = Phase::Creating { after: Some(DeviceId(3)) };
            let (name, created) = ("n".to_owned(), Timestamp(1));
            let batch = Batch { id: BatchId(1), name, blueprint, target, phase, retries: 0, created };
            let text = serde_json::to_string(&batch).unwrap();
            assert_eq!(serde_json::from_str::<Batch>(&text).unwrap(), batch, "{text}");
        }
    }
}
