//! `/api/v1/subscriptions`: who gets which events. Delivering them is `webhook`'s; this writes the documents and shows how it goes.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{JsonBody, Limit, Listing, PathOf, QueryOf};
use super::problem::{Code, Problem, member};
use super::{Api, Shared};
use crate::model::{DeviceId, EventKind, ProductId, Scope, Secret, Subscription, SubscriptionId, Timestamp};
use crate::profile::Mistake;
use crate::store::Write;
use crate::webhook::{Activity, Attempt, Health, check_url};

/// Fewest bytes of a secret that a caller brings.
const SECRET_MIN_BYTES: usize = 16;
/// Most bytes of a secret that a caller brings.
const SECRET_MAX_BYTES: usize = 256;

/// A subscription and how its deliveries go. The secret is not shown again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionView {
    #[schema(value_type = u32, example = 1)]
    id: SubscriptionId,
    #[schema(example = "https://example.com/codecgate")]
    url: String,
    /// Empty = all but `response`.
    kinds: Vec<EventKind>,
    /// Only the events of this product's devices.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>)]
    product_id: Option<ProductId>,
    /// Only the events of this device.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    device_id: Option<DeviceId>,
    #[schema(format = DateTime)]
    created: String,
    /// How deliveries go since the gateway started.
    #[serde(skip_serializing_if = "Option::is_none")]
    health: Option<DeliveryHealth>,
}

impl SubscriptionView {
    fn new(api: &Api, subscription: Subscription) -> Self {
        let (product_id, device_id) = match subscription.scope {
            Scope::All => (None, None),
            Scope::Product(product) => (Some(product), None),
            Scope::Device(device) => (None, Some(device)),
        };
        Self {
            id: subscription.id,
            kinds: subscription.kinds,
            product_id,
            device_id,
            created: subscription.created.to_string(),
            health: api.parts.pusher.health(subscription.id).map(DeliveryHealth::from),
            url: subscription.url,
        }
    }
}

/// How the deliveries of a subscription go.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryHealth {
    state: Activity,
    /// Until when the receiver is left alone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    paused_until: Option<String>,
    /// Undelivered events that were read from the log.
    waiting: usize,
    /// Whether `waiting` is the whole backlog.
    caught_up: bool,
    /// Time of the oldest undelivered event.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    oldest_undelivered: Option<String>,
    /// Requests on their way.
    in_flight: usize,
    /// Failures since the last success.
    consecutive_failures: u32,
    /// Events delivered.
    delivered: u64,
    /// Requests made.
    attempts: u64,
    /// How often retention dropped events before they were read.
    gaps: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    last_success: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_error: Option<DeliveryError>,
}

/// The last failure of a subscription.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeliveryError {
    #[schema(format = DateTime)]
    time: String,
    /// HTTP status, if the receiver answered at all.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    text: String,
}

impl From<Health> for DeliveryHealth {
    fn from(health: Health) -> Self {
        let shown = |time: Option<Timestamp>| time.map(|time| time.to_string());
        Self {
            state: health.state,
            paused_until: shown(health.paused_until),
            waiting: health.waiting,
            caught_up: health.caught_up,
            oldest_undelivered: shown(health.oldest_undelivered),
            in_flight: health.in_flight,
            consecutive_failures: health.consecutive_failures,
            delivered: health.delivered,
            attempts: health.attempts,
            gaps: health.gaps,
            last_success: shown(health.last_success),
            last_error: health.last_error.map(|error| DeliveryError {
                time: error.time.to_string(),
                status: error.status,
                text: error.text,
            }),
        }
    }
}

/// What came of a test delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TestResult {
    /// Whether a delivery would have succeeded: the answer was 2xx.
    success: bool,
    /// HTTP status, if there was an answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    /// From the request to the answer, milliseconds.
    latency_ms: u64,
    /// Why it failed.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    /// What was sent.
    request_headers: BTreeMap<&'static str, String>,
    /// What was sent.
    request_body: String,
    /// The first KiB of the answer's body.
    response: String,
}

impl From<Attempt> for TestResult {
    fn from(attempt: Attempt) -> Self {
        Self {
            success: attempt.success,
            status: attempt.status,
            latency_ms: attempt.latency_ms,
            error: attempt.error,
            request_headers: attempt.request_headers,
            request_body: attempt.request_body,
            response: attempt.response,
        }
    }
}

/// A subscription that was just created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SubscriptionCreated {
    #[serde(flatten)]
    subscription: SubscriptionView,
    /// Key of the signature, when the gateway made it: shown this once.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "whsec_...")]
    secret: Option<String>,
}

/// Who wants which events.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct SubscriptionRequest {
    /// http or https address that events are posted to.
    #[schema(example = "https://example.com/codecgate")]
    url: String,
    /// Which kinds; none = all but `response`.
    #[serde(default)]
    kinds: Vec<EventKind>,
    /// Only the events of this product's devices.
    #[serde(default)]
    #[schema(value_type = Option<u32>)]
    product_id: Option<ProductId>,
    /// Only the events of this device; not together with `productId`.
    #[serde(default)]
    #[schema(value_type = Option<u64>)]
    device_id: Option<DeviceId>,
    /// Key of the signature, 16 to 256 visible ASCII characters; made by the gateway when absent.
    #[serde(default)]
    #[schema(value_type = Option<String>)]
    secret: Option<Secret>,
}

impl SubscriptionRequest {
    /// Holds every member against its rule. `exists` = whether the product or device that it names does.
    fn check(&self, exists: bool) -> Result<Scope, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        if let Err(reason) = check_url(&self.url) {
            mistakes.push(member("/url", "E4415", reason.to_string(), "an http or https address that this machine can reach"));
        }
        let fits = |text: &str| {
            (SECRET_MIN_BYTES..=SECRET_MAX_BYTES).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic())
        };
        if self.secret.as_ref().is_some_and(|secret| !fits(secret.expose())) {
            let reason = format!("a secret has {SECRET_MIN_BYTES} to {SECRET_MAX_BYTES} visible ASCII characters");
            mistakes.push(member("/secret", "E4416", reason, "leave it out, and the gateway makes one"));
        }
        let scope = match (self.product_id, self.device_id) {
            (None, None) => Scope::All,
            (Some(product), None) => Scope::Product(product),
            (None, Some(device)) => Scope::Device(device),
            (Some(_), Some(device)) => {
                let reason = "a subscription is for a product or for a device, not for both";
                mistakes.push(member("/productId", "E4417", reason, "leave out productId: the device has one product"));
                Scope::Device(device)
            }
        };
        if !exists {
            let (pointer, reason) = match scope {
                Scope::Device(device) => ("/deviceId", format!("there is no device {device}")),
                Scope::Product(product) => ("/productId", format!("there is no product {product}")),
                Scope::All => ("", "there is nothing".to_owned()),
            };
            mistakes.push(member(pointer, "E4412", reason, "create it first"));
        }
        if mistakes.is_empty() { Ok(scope) } else { Err(mistakes) }
    }
}

/// Which page of the subscriptions.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SubscriptionQuery {
    /// Those with a greater id.
    #[param(value_type = Option<u32>)]
    after: Option<SubscriptionId>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// Subscribe an address to events. It sees events from now on.
#[utoipa::path(post, path = "/api/v1/subscriptions", tag = "subscriptions", request_body = SubscriptionRequest,
    responses((status = 201, body = SubscriptionCreated),
        (status = 422, description = "Members cannot be taken")))]
pub(super) async fn create_subscription(
    State(api): Shared,
    JsonBody(request): JsonBody<SubscriptionRequest>,
) -> Result<Response, Problem> {
    let (product, device) = (request.product_id, request.device_id);
    let exists = api.read(move |store| {
        Ok(match (product, device) {
            (_, Some(device)) => store.device(device)?.is_some(),
            (Some(product), None) => store.product(product)?.is_some(),
            (None, None) => true,
        })
    });
    let scope = request.check(exists.await?).map_err(Problem::members)?;
    let (secret, shown) = match request.secret {
        Some(secret) => (secret, None),
        None => {
            let text = fresh_secret()?;
            (Secret::new(text.as_str()), Some(text))
        }
    };
    let mut kinds = request.kinds;
    kinds.sort_by_key(|kind| kind.as_str());
    kinds.dedup();
    let store = &api.parts.store;
    let id = store.next_subscription_id();
    let subscription = Subscription { id, url: request.url, secret, scope, kinds, created: api.now() };
    // From here on. With an empty log: from the first event that there will be.
    let cursor = Write::PutCursor(id, store.last_event().unwrap_or_default());
    api.commit(vec![Write::PutSubscription(subscription.clone()), cursor]).await?;
    api.parts.pusher.added(id).await?;
    let created = SubscriptionCreated { subscription: SubscriptionView::new(&api, subscription), secret: shown };
    let location = format!("/api/v1/subscriptions/{id}");
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(created)).into_response())
}

/// 192 random bits in the form of the Standard Webhooks specification.
fn fresh_secret() -> Result<String, Problem> {
    let mut bytes = [0_u8; 24];
    getrandom::fill(&mut bytes)
        .map_err(|error| Problem::new(Code::Internal, format!("the system gives no random bytes: {error}")))?;
    Ok(format!("whsec_{}", base64::engine::general_purpose::STANDARD.encode(bytes)))
}

/// List subscriptions with how their deliveries go, in order of id.
#[utoipa::path(get, path = "/api/v1/subscriptions", tag = "subscriptions", params(SubscriptionQuery),
    responses((status = 200, body = Listing<SubscriptionView>)))]
pub(super) async fn list_subscriptions(
    State(api): Shared,
    QueryOf(query): QueryOf<SubscriptionQuery>,
) -> Result<Json<Listing<SubscriptionView>>, Problem> {
    let mut subscriptions = api.read(|store| store.subscriptions()).await?;
    subscriptions.retain(|subscription| query.after.is_none_or(|after| subscription.id > after));
    subscriptions.sort_by_key(|subscription| subscription.id);
    let more = subscriptions.len() > query.limit.0;
    subscriptions.truncate(query.limit.0);
    let next = if more { subscriptions.last().map(|subscription| subscription.id) } else { None };
    let views = subscriptions.into_iter().map(|subscription| SubscriptionView::new(&api, subscription));
    Ok(Json(Listing::new(views.collect(), next)))
}

/// Show a subscription with how its deliveries go.
#[utoipa::path(get, path = "/api/v1/subscriptions/{id}", tag = "subscriptions", params(("id" = u32, Path)),
    responses((status = 200, body = SubscriptionView), (status = 404, description = "No such subscription")))]
pub(super) async fn show_subscription(
    State(api): Shared,
    PathOf(id): PathOf<SubscriptionId>,
) -> Result<Json<SubscriptionView>, Problem> {
    let subscription = existing(&api, id).await?;
    Ok(Json(SubscriptionView::new(&api, subscription)))
}

/// Delete a subscription. What was not yet delivered to it will not be.
#[utoipa::path(delete, path = "/api/v1/subscriptions/{id}", tag = "subscriptions", params(("id" = u32, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "No such subscription")))]
pub(super) async fn delete_subscription(State(api): Shared, PathOf(id): PathOf<SubscriptionId>) -> Result<StatusCode, Problem> {
    existing(&api, id).await?;
    // First the task, so that it writes no cursor for what is gone.
    api.parts.pusher.removed(id).await;
    let deleted = api.commit(vec![Write::DeleteSubscription(id)]).await;
    if deleted.is_err() {
        api.parts.pusher.added(id).await?;
    }
    deleted.map(|()| StatusCode::NO_CONTENT)
}

/// Post a test event to a subscription's address now, once, and tell what came of it.
#[utoipa::path(post, path = "/api/v1/subscriptions/{id}/test", tag = "subscriptions", params(("id" = u32, Path)),
    responses((status = 200, description = "What the address answered, or why it did not", body = TestResult),
        (status = 404, description = "No such subscription")))]
pub(super) async fn test_subscription(
    State(api): Shared,
    PathOf(id): PathOf<SubscriptionId>,
) -> Result<Json<TestResult>, Problem> {
    let subscription = existing(&api, id).await?;
    Ok(Json(api.parts.pusher.test_delivery(&subscription).await.into()))
}

async fn existing(api: &Api, id: SubscriptionId) -> Result<Subscription, Problem> {
    let found = api.read(move |store| store.subscription(id)).await?;
    found.ok_or_else(|| Problem::new(Code::NoSubscription, format!("there is no subscription {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, exists: bool) -> Result<Scope, Vec<String>> {
        let request: SubscriptionRequest = serde_json::from_str(json).unwrap();
        request.check(exists).map_err(|mistakes| mistakes.into_iter().map(|mistake| mistake.pointer).collect())
    }

    #[test]
    fn a_subscription_has_one_scope() {
        assert_eq!(check(r#"{"url":"http://127.0.0.1:9/"}"#, true), Ok(Scope::All));
        assert_eq!(check(r#"{"url":"https://example.com/x","productId":3}"#, true), Ok(Scope::Product(ProductId(3))));
        assert_eq!(check(r#"{"url":"https://example.com/x","deviceId":3}"#, true), Ok(Scope::Device(DeviceId(3))));
    }

    #[test]
    fn all_mistakes_of_a_subscription_are_told_at_once() {
        let json = r#"{"url":"ftp://example.com","productId":1,"deviceId":2,"secret":"short"}"#;
        assert_eq!(check(json, false).unwrap_err(), ["/url", "/secret", "/productId", "/deviceId"]);
        let unknown = serde_json::from_str::<SubscriptionRequest>(r#"{"url":"x","kinds":["reports"]}"#).unwrap_err();
        assert!(unknown.to_string().contains("event-report"), "{unknown}");
    }

    #[test]
    fn secrets_are_made_fresh_and_do_not_show_in_debug() {
        let (first, second) = (fresh_secret().unwrap(), fresh_secret().unwrap());
        assert!(first.starts_with("whsec_") && first.len() == 38 && first != second);
        let request: SubscriptionRequest = serde_json::from_str(&format!(r#"{{"url":"http://h/","secret":"{first}"}}"#)).unwrap();
        assert!(!format!("{request:?}").contains(&first));
    }
}
