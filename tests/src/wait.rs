//! Waiting by polling with a limit, never by sleeping and hoping.

use std::future::Future;
use std::time::Duration;

/// How long a test waits for something that must come: machines are shared and slow at times.
#[must_use]
pub fn patience() -> Duration {
    Duration::from_secs(60)
}

/// Polls until `look` finds what it looks for.
///
/// # Panics
/// When [`patience`] ends first.
pub async fn eventually<T, F: Future<Output = Option<T>>>(what: &str, look: impl FnMut() -> F) -> T {
    eventually_within(patience(), what, look).await
}

/// The same with another limit, for what takes long by its nature.
///
/// # Panics
/// When the limit ends first.
pub async fn eventually_within<T, F: Future<Output = Option<T>>>(limit: Duration, what: &str, mut look: impl FnMut() -> F) -> T {
    let found = tokio::time::timeout(limit, async {
        loop {
            if let Some(found) = look().await {
                return found;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    found.await.unwrap_or_else(|_| panic!("waited {limit:?} in vain for: {what}"))
}
