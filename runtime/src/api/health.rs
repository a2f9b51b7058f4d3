//! `/healthz`: whether the gateway does its work, for probes and for people. Needs no key and tells no names.
//!
//! Reads what the parts say of themselves; decides only what is healthy.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use super::{Api, Shared, off_reactor};
use crate::catalog::Census;
use crate::shard::UplinkCounts;
use crate::store::{Durability, StoreHealth};
use crate::webhook::{Activity, Health};

/// How the gateway is.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct HealthView {
    status: Status,
    #[schema(example = "0.1.0")]
    version: &'static str,
    store: StoreView,
    uplinks: UplinksView,
    subscriptions: SubscriptionsView,
    codecs: CodecsView,
}

/// Whether it does its work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Status {
    /// It does.
    Ok,
    /// The store has failed: nothing is taken any more.
    Failed,
}

/// The store.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StoreView {
    /// `durable`, or `relaxed`: a crash loses up to half a second.
    #[schema(example = "durable")]
    durability: &'static str,
    /// Bytes of the data folder.
    disk_bytes: u64,
    /// Commits waiting.
    queued: usize,
    /// The error after which nothing is committed.
    #[serde(skip_serializing_if = "Option::is_none")]
    fatal: Option<String>,
}

/// Uplinks since the start: `received` is the sum of the others.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct UplinksView {
    received: u64,
    decoded: u64,
    transparent: u64,
    dead_letters: u64,
    /// Not acknowledged: the devices send again.
    not_stored: u64,
    in_progress: u64,
    /// Whether the sum is right. Counted while uplinks move, so one look that says no means nothing; two in a row do.
    balanced: bool,
}

/// Who gets events.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionsView {
    total: usize,
    /// Those whose last delivery failed and is tried again.
    retrying: usize,
    /// Those whose receiver is left alone for a while.
    paused: usize,
    /// Undelivered events that were read from the log, of all.
    waiting: usize,
}

/// The codec versions in memory.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodecsView {
    /// Those at work.
    active: usize,
    /// Those of them that trapped or ran on too often: uplinks are kept without calling them, until a probe succeeds.
    degraded: usize,
    /// Products whose codec could not be loaded: their uplinks become dead letters until another version is put to work.
    broken: usize,
    /// Those that were replaced and still finish calls that began with them.
    draining: usize,
}

/// What the parts say of themselves at one moment; `/metrics` shows the same.
pub(super) struct Snapshot {
    pub(super) store: StoreHealth,
    pub(super) uplinks: UplinkCounts,
    pub(super) subscriptions: Vec<Health>,
    pub(super) codecs: Census,
}

impl Snapshot {
    /// Asks the parts. A store that cannot even be read counts as failed.
    pub(super) async fn take(api: &Api) -> Self {
        let store = api.parts.store.clone();
        let asked = off_reactor(move || (store.health(), store.subscriptions())).await;
        let (store, subscriptions) = match asked {
            Ok((health, Ok(subscriptions))) => (health, subscriptions),
            Ok((mut health, Err(error))) => {
                health.fatal.get_or_insert_with(|| error.to_string());
                (health, Vec::new())
            }
            Err(_) => (unknown_store(), Vec::new()),
        };
        let pusher = &api.parts.pusher;
        // A subscription of this very moment has no task yet: it is delivering.
        let subscriptions = subscriptions.iter().map(|subscription| pusher.health(subscription.id).unwrap_or_default()).collect();
        let (uplinks, codecs) = (api.parts.router.uplink_counts(), api.parts.catalog.census());
        Self { store, uplinks, subscriptions, codecs }
    }

    /// Subscriptions that do this.
    pub(super) fn doing(&self, activity: Activity) -> usize {
        self.subscriptions.iter().filter(|health| health.state == activity).count()
    }

    /// Undelivered events that were read from the log, of all subscriptions.
    pub(super) fn waiting(&self) -> usize {
        self.subscriptions.iter().map(|health| health.waiting).sum()
    }
}

/// What is said of a store that did not answer.
fn unknown_store() -> StoreHealth {
    let fatal = Some("the store does not answer".to_owned());
    StoreHealth { durability: Durability::Durable, disk_bytes: 0, queued: 0, fatal }
}

impl From<Snapshot> for HealthView {
    fn from(snapshot: Snapshot) -> Self {
        let subscriptions = SubscriptionsView {
            total: snapshot.subscriptions.len(),
            retrying: snapshot.doing(Activity::Retrying),
            paused: snapshot.doing(Activity::Paused),
            waiting: snapshot.waiting(),
        };
        let Snapshot { store, uplinks, codecs, .. } = snapshot;
        let ended = uplinks.decoded + uplinks.transparent + uplinks.dead_letter + uplinks.not_stored;
        Self {
            status: if store.fatal.is_some() { Status::Failed } else { Status::Ok },
            version: env!("CARGO_PKG_VERSION"),
            store: StoreView {
                durability: match store.durability {
                    Durability::Durable => "durable",
                    Durability::Relaxed => "relaxed",
                },
                disk_bytes: store.disk_bytes,
                queued: store.queued,
                fatal: store.fatal,
            },
            uplinks: UplinksView {
                received: uplinks.received,
                decoded: uplinks.decoded,
                transparent: uplinks.transparent,
                dead_letters: uplinks.dead_letter,
                not_stored: uplinks.not_stored,
                in_progress: uplinks.in_progress,
                balanced: uplinks.received == ended + uplinks.in_progress,
            },
            subscriptions,
            codecs: CodecsView {
                active: codecs.active,
                degraded: codecs.degraded,
                broken: codecs.broken,
                draining: codecs.draining,
            },
        }
    }
}

/// Tell how the gateway is.
#[utoipa::path(get, path = "/healthz", tag = "gateway", security(()),
    responses((status = 200, description = "It does its work", body = HealthView),
        (status = 503, description = "The store has failed", body = HealthView)))]
pub(super) async fn show_health(State(api): Shared) -> (StatusCode, Json<HealthView>) {
    let view = HealthView::from(Snapshot::take(&api).await);
    let status = match view.status {
        Status::Ok => StatusCode::OK,
        Status::Failed => StatusCode::SERVICE_UNAVAILABLE,
    };
    (status, Json(view))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(fatal: Option<&str>, uplinks: UplinkCounts) -> Snapshot {
        let fatal = fatal.map(str::to_owned);
        let store = StoreHealth { durability: Durability::Relaxed, disk_bytes: 1, queued: 2, fatal };
        let subscriptions = vec![Health { state: Activity::Paused, waiting: 7, ..Health::default() }];
        let codecs = Census { active: 3, degraded: 1, broken: 1, ..Census::default() };
        Snapshot { store, uplinks, subscriptions, codecs }
    }

    #[test]
    fn health_shows_relaxed_durability_and_whether_the_counts_add_up() {
        let counts = UplinkCounts { received: 15, decoded: 1, transparent: 2, dead_letter: 3, not_stored: 4, in_progress: 5 };
        let view = serde_json::to_value(HealthView::from(snapshot(None, counts))).unwrap();
        assert_eq!(view["status"], "ok");
        assert_eq!(view["store"]["durability"], "relaxed");
        assert_eq!(view["uplinks"]["balanced"], true);
        assert_eq!(view["subscriptions"], serde_json::json!({"total": 1, "retrying": 0, "paused": 1, "waiting": 7}));
        assert_eq!(view["codecs"], serde_json::json!({"active": 3, "degraded": 1, "broken": 1, "draining": 0}));
        let lost = UplinkCounts { received: 16, ..counts };
        assert!(!HealthView::from(snapshot(None, lost)).uplinks.balanced);
        assert_eq!(HealthView::from(snapshot(Some("disk"), counts)).status, Status::Failed);
    }
}
