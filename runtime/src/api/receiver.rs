//! A webhook receiver of our own, for the demo: what an application would run, in twenty lines.
//!
//! Takes every event, answers 204, and passes the body on. It checks nothing and keeps nothing.

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use tokio::sync::mpsc::Sender;

/// `POST /events`: the body goes to `passed_on`; 503 when nobody takes it any more.
pub fn receiver(passed_on: Sender<String>) -> axum::Router {
    axum::Router::new().route("/events", post(take)).with_state(passed_on)
}

async fn take(State(passed_on): State<Sender<String>>, body: String) -> StatusCode {
    match passed_on.send(body).await {
        Ok(()) => StatusCode::NO_CONTENT,
        Err(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}
