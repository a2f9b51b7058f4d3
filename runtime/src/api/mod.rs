//! The HTTP API, `/api/v1`, and the two doors for machines, `/healthz` and `/metrics`.
//!
//! Turns requests into calls of the flows and the store, and their answers into JSON. Knows nothing of CoAP, of WebAssembly
//! or of how events are pushed; reads no clock but the one it is given; opens no socket (the caller serves the router).
//! Every refusal is a `problem::Problem`; `problem` is the one place that maps errors to HTTP.

mod batches;
mod codec_metrics;
mod codecs;
mod commands;
mod devices;
mod enrolment;
mod events;
mod extract;
mod generations;
mod health;
mod keys;
mod metrics;
mod openapi;
mod orders;
mod presence;
mod problem;
mod products;
mod receiver;
mod redecode;
mod serve;
mod subscriptions;
mod traces;
mod trials;
mod uplinks;
mod why;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use tokio::sync::watch;

use crate::catalog::Catalog;
use crate::downlink::{Batches, Desk};
use crate::model::Timestamp;
use crate::redecode::Redecoder;
use crate::shadow::Shadow;
use crate::shard;
use crate::store::{Commit, Store, StoreError, Write};
use crate::webhook::Pusher;

pub use receiver::receiver;
pub use serve::{Routes, serve};

pub use keys::{ApiKeys, BadKeys};
pub use openapi::document as openapi_document;

use problem::{Code, Problem};

/// Longest time that a request may take until its answer begins. Event streams answer at once and are not bound by it.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);

/// What the API is built over. Clones share everything.
#[derive(Clone)]
pub struct ApiState {
    /// Documents and the event log.
    pub store: Store,
    /// Products at work.
    pub catalog: Arc<Catalog>,
    /// Accepts and cancels commands.
    pub desk: Desk,
    /// One command for many devices.
    pub batches: Batches,
    /// The threads that own devices.
    pub router: shard::Router,
    /// Pushes events to subscriptions.
    pub pusher: Arc<Pusher>,
    /// Candidates beside the traffic.
    pub shadow: Shadow,
    /// Decodes again what was stored.
    pub redecoder: Arc<Redecoder>,
    /// Who may ask.
    pub keys: Arc<ApiKeys>,
    /// Of devices whose creation names none, seconds; 0 = never removed.
    pub registration_timeout_s: u32,
    /// The wall clock.
    pub clock: fn() -> Timestamp,
    /// Who may read `/metrics`.
    pub metrics: MetricsAccess,
    /// Becomes true when the gateway stops: event streams end, so that the server can.
    pub stopping: watch::Receiver<bool>,
}

/// Who may read `/metrics`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum MetricsAccess {
    /// Whoever has an API key.
    #[default]
    Keyed,
    /// Everybody who reaches the port.
    Open,
}

/// What the routes share: the parts and what the API itself counts and bounds.
struct Api {
    parts: ApiState,
    streams: events::Streams,
    requests: metrics::Requests,
}

/// The first argument of most routes.
type Shared = State<Arc<Api>>;

impl Api {
    fn now(&self) -> Timestamp {
        (self.parts.clock)()
    }

    /// Reads the store on a blocking thread: a look-up may have to go to the disk.
    async fn read<T, F>(&self, read: F) -> Result<T, Problem>
    where
        T: Send + 'static,
        F: FnOnce(&Store) -> Result<T, StoreError> + Send + 'static,
    {
        let store = self.parts.store.clone();
        Ok(off_reactor(move || read(&store)).await??)
    }

    /// Commits document changes; answers when they are durable.
    async fn commit(&self, writes: Vec<Write>) -> Result<(), Problem> {
        Ok(self.parts.store.commit(Commit { events: Vec::new(), writes }).await?)
    }
}

/// Runs what takes long or blocks away from the reactor's threads.
async fn off_reactor<T, F>(work: F) -> Result<T, Problem>
where
    T: Send + 'static,
    F: FnOnce() -> T + Send + 'static,
{
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|gone| Problem::new(Code::Internal, format!("the work for this request did not end: {gone}")))
}

/// All routes. The caller serves them and bounds how long reading a request's head may take.
pub fn router(state: ApiState) -> axum::Router {
    let keyed = middleware::from_fn_with_state(Arc::clone(&state.keys), keys::authenticate);
    let metrics_access = state.metrics;
    let streams = events::Streams::default();
    let api = Arc::new(Api { parts: state, streams, requests: metrics::Requests::default() });

    let documents = axum::Router::new()
        .route("/api/v1/products", get(products::list_products).post(products::create_product))
        .route(
            "/api/v1/products/{id}",
            get(products::show_product).patch(products::change_product).delete(products::delete_product),
        )
        .route("/api/v1/products/{id}/events", get(uplinks::list_product_events))
        .route("/api/v1/products/{id}/codec", put(codecs::install_codec).get(codecs::show_codec))
        .route("/api/v1/products/{id}/codec/rollback", post(codecs::roll_back))
        .route("/api/v1/products/{id}/codec/versions", get(codecs::list_versions))
        .route("/api/v1/products/{id}/codec/versions/{number}", get(codecs::show_version))
        .route("/api/v1/products/{id}/codec/versions/{number}/activate", post(codecs::activate_version))
        .route("/api/v1/products/{id}/codec/versions/{number}/shadow", get(trials::show_shadow))
        .route("/api/v1/products/{id}/codec/versions/{number}/calls", get(trials::show_calls))
        .route("/api/v1/products/{id}/redecode", post(redecode::redecode))
        .route("/api/v1/packages", post(codecs::deliver_package))
        .route("/api/v1/devices", get(devices::list_devices).post(devices::create_device))
        .route("/api/v1/devices/import", post(enrolment::import_devices))
        .route("/api/v1/devices/{id}", get(devices::show_device).delete(devices::delete_device))
        .route("/api/v1/devices/{id}/uplinks", get(uplinks::list_uplinks))
        .route("/api/v1/devices/{id}/events", get(uplinks::list_device_events))
        .route("/api/v1/dead-letters", get(uplinks::list_dead_letters))
        .route(
            "/api/v1/devices/{id}/trace",
            post(traces::begin_device_trace).get(traces::show_device_trace).delete(traces::end_device_trace),
        )
        .route("/api/v1/traces", get(traces::list_traces))
        .route("/api/v1/traces/{endpoint}", post(traces::begin_trace).get(traces::show_trace).delete(traces::end_trace))
        .route(
            "/api/v1/devices/{id}/commands",
            get(commands::list_device_commands).post(commands::create_command).delete(commands::cancel_device_commands),
        )
        .route("/api/v1/commands", get(commands::list_commands))
        .route("/api/v1/why/{id}", get(why::show_why))
        .route("/api/v1/commands/{id}", get(commands::show_command).delete(commands::delete_command))
        .route("/api/v1/commands/{id}/cancel", post(commands::cancel_command))
        .route("/api/v1/batches", get(batches::list_batches).post(batches::create_batch))
        .route("/api/v1/batches/{id}", get(batches::show_batch).delete(batches::delete_batch))
        .route("/api/v1/batches/{id}/commands", get(batches::list_batch_commands))
        .route("/api/v1/batches/{id}/retry", post(batches::retry_batch))
        .route("/api/v1/batches/{id}/cancel", post(batches::cancel_batch))
        .route("/api/v1/subscriptions", get(subscriptions::list_subscriptions).post(subscriptions::create_subscription))
        .route("/api/v1/subscriptions/{id}", get(subscriptions::show_subscription).delete(subscriptions::delete_subscription))
        .route("/api/v1/subscriptions/{id}/test", post(subscriptions::test_subscription))
        .route("/api/v1/events", get(events::follow_events))
        .route_layer(keyed.clone());

    let scrape = axum::Router::new().route("/metrics", get(metrics::scrape));
    let scrape = match metrics_access {
        MetricsAccess::Open => scrape,
        MetricsAccess::Keyed => scrape.route_layer(keyed),
    };

    let description = axum::body::Bytes::from(openapi::document());
    let open = axum::Router::new()
        .route("/healthz", get(health::show_health))
        .route("/api/v1/openapi.json", get(move || async move { ([(header::CONTENT_TYPE, "application/json")], description) }));

    documents
        .merge(scrape)
        .merge(open)
        .fallback(no_such_path)
        .method_not_allowed_fallback(no_such_method)
        .layer(middleware::from_fn_with_state(Arc::clone(&api), bound_and_count))
        .with_state(api)
}

async fn no_such_path(request: Request) -> Problem {
    Problem::new(Code::NoPath, format!("there is nothing at `{}`", request.uri().path()))
        .hint("GET /api/v1/openapi.json describes every path")
}

async fn no_such_method(request: Request) -> Problem {
    Problem::new(Code::Method, format!("`{}` cannot be done at `{}`", request.method(), request.uri().path()))
        .hint("the Allow header names the methods that can")
}

/// The outermost layer: ends what takes too long, counts answers, keeps answers out of caches.
async fn bound_and_count(State(api): Shared, request: Request, next: Next) -> Response {
    let mut response = match tokio::time::timeout(REQUEST_LIMIT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            let detail = format!("no answer within {} s; a change that was asked for may still happen", REQUEST_LIMIT.as_secs());
            Problem::new(Code::TooSlow, detail).hint("look whether it happened before you ask again").into_response()
        }
    };
    api.requests.count(response.status());
    let headers = response.headers_mut();
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

#[cfg(test)]
mod tests;
