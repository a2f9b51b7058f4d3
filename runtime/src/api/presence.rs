//! How the presence of a device is shown: its state, when it listens, when it is expected, how much it says. Only shows.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::member;
use crate::catalog::Catalog;
use crate::model::{Device, Habits, PowerMode, Timestamp};
use crate::presence::{DeviceState, Expected, Limit, ModeFrom, effective_mode, is_queue_mode};
use crate::profile::Mistake;
use crate::shard::LaneView;
use crate::store::{Store, StoreError};

/// Where a device stands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PresenceView {
    /// `registered` = never came, `activated` = let in for the first time, `online` = spoke lately, `abnormal` = silent for longer than
    /// the product's `abnormalAfterS`, `offline` = silent for longer than `offlineAfterS`, deregistered, or its lifetime is over.
    state: DeviceState,
    #[schema(format = DateTime)]
    state_since: String,
    /// When it listens: its own mode, or its product's; a DRX device that registered in queue mode counts as `psm`.
    power_mode: PowerMode,
    /// Who decided the power mode.
    power_mode_from: ModeFrom,
    /// Whether a registration lives.
    registered: bool,
    /// When it last spoke.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_seen: Option<String>,
    /// When it is expected to wake, from what was learned of its rhythm; absent without enough history.
    #[serde(skip_serializing_if = "Option::is_none")]
    expected_next_wake: Option<ExpectedWake>,
}

impl PresenceView {
    /// As it is stored; `lane` = what its shard knows newer.
    pub(super) fn new(
        store: &Store,
        catalog: &Catalog,
        device: &Device,
        lane: Option<LaneView>,
        now: Timestamp,
    ) -> Result<Self, StoreError> {
        let presence = store.presence(device)?;
        let registration = store.registration(device.id)?;
        let last_seen = store.last_seen(device.id);
        let product_mode = catalog.active(device.product).map(|active| active.product.power_mode).unwrap_or_default();
        let queue_mode = registration.as_ref().is_some_and(|registration| is_queue_mode(&registration.binding));
        let (power_mode, power_mode_from) = effective_mode(product_mode, device.power_mode, queue_mode);
        let rhythm = lane.map_or_else(|| presence.rhythm.seen_at(last_seen), |lane| lane.rhythm);
        Ok(Self {
            state: presence.state,
            state_since: presence.since.to_string(),
            power_mode,
            power_mode_from,
            registered: registration.is_some(),
            last_seen: last_seen.map(|time| time.to_string()),
            expected_next_wake: rhythm.expected_next_wake(now).map(ExpectedWake::from),
        })
    }
}

/// When a device is expected to wake.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ExpectedWake {
    #[schema(format = DateTime)]
    at: String,
    /// It may be so many seconds earlier or later.
    spread_s: u64,
    /// Learned from so many wakes.
    wakes: u8,
}

impl From<Expected> for ExpectedWake {
    fn from(Expected { at, spread_ms, wakes }: Expected) -> Self {
        Self { at: at.to_string(), spread_s: spread_ms.div_ceil(1_000), wakes }
    }
}

/// How much a device says.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct FlowView {
    /// Messages in the window that runs.
    messages: u32,
    /// Most messages in a window; 0 = no limit.
    limit: u32,
    /// Length of a window, seconds.
    window_s: u64,
    /// Whether its last message was turned away.
    throttled: bool,
}

impl FlowView {
    /// A device that is not in its shard's memory said next to nothing.
    pub(super) fn new(lane: Option<LaneView>, limit: Limit) -> Self {
        Self {
            messages: lane.map_or(0, |lane| lane.messages),
            limit: limit.messages,
            window_s: limit.window_ms / 1_000,
            throttled: lane.is_some_and(|lane| lane.throttled),
        }
    }
}

/// What is known of a product's devices before they spoke.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HabitsView {
    /// Seconds of silence after which a device is abnormal.
    #[schema(example = 90_000)]
    abnormal_after_s: u32,
    /// Seconds of silence after which a device is offline.
    #[schema(example = 176_400)]
    offline_after_s: u32,
    /// Seconds that a sleeping device listens after it spoke, until experience tells better; null = 20.
    awake_s: Option<u8>,
    /// Seconds between two times that an eDRX device listens: downlinks wait so much longer before they are sent again; 0 = as for all.
    #[schema(example = 20.48)]
    edrx_cycle_s: f64,
}

impl From<Habits> for HabitsView {
    fn from(Habits { abnormal_after_s, offline_after_s, awake_s, edrx_cycle_s }: Habits) -> Self {
        Self { abnormal_after_s, offline_after_s, awake_s, edrx_cycle_s }
    }
}

/// What is to be known of a product's devices; what is not named stays as it is.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct HabitsRequest {
    /// Seconds of silence after which a device is abnormal, 1 to 31536000; 90000 (25 h) by default.
    abnormal_after_s: Option<u32>,
    /// Seconds of silence after which a device is offline, more than `abnormalAfterS`; 176400 (49 h) by default.
    offline_after_s: Option<u32>,
    /// Seconds that a sleeping device listens after it spoke, 2 to 120, until experience tells better.
    awake_s: Option<u8>,
    /// Seconds between two times that an eDRX device listens, 5.12 to 10485.76; 0 by default: as for all.
    edrx_cycle_s: Option<f64>,
}

impl HabitsRequest {
    /// The habits with these changes, or every mistake.
    pub(super) fn over(&self, was: Habits) -> Result<Habits, Vec<Mistake>> {
        let habits = Habits {
            abnormal_after_s: self.abnormal_after_s.unwrap_or(was.abnormal_after_s),
            offline_after_s: self.offline_after_s.unwrap_or(was.offline_after_s),
            awake_s: self.awake_s.or(was.awake_s),
            edrx_cycle_s: self.edrx_cycle_s.unwrap_or(was.edrx_cycle_s),
        };
        let mistake = |(name, reason): (&str, String)| {
            member(&format!("/habits/{name}"), "E4421", format!("{name}: {reason}"), "change it, or leave it out")
        };
        let mistakes: Vec<Mistake> = habits.mistakes().into_iter().map(mistake).collect();
        if mistakes.is_empty() { Ok(habits) } else { Err(mistakes) }
    }
}
