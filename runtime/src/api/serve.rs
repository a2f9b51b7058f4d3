//! Serving a router on a listener, with an end.

use std::future::Future;
use std::io;

use tokio::net::TcpListener;

/// Routes that can be served; made by [`super::router`] and [`super::receiver`].
pub type Routes = axum::Router;

/// Serves until `end`; then takes no new connections and finishes the requests under way.
///
/// # Errors
/// The listener failed.
pub async fn serve(listener: TcpListener, routes: Routes, end: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
    axum::serve(listener, routes).with_graceful_shutdown(end).await
}
