//! Bearer keys: who may ask. Knows hashes of keys, never keys; knows nothing of what is asked.

use std::fmt;
use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::Response;

use super::problem::{Code, Problem};
use crate::model::{Actor, Secret};

/// The keys that open the API, as blake3 hashes.
pub struct ApiKeys {
    hashes: Vec<blake3::Hash>,
}

/// Keys that cannot protect anything.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadKeys {
    /// Nobody could ask.
    #[error("there is no API key; name at least one")]
    None,
    /// Short, or with characters that no header carries.
    #[error("API key number {number} must be at least {} visible ASCII characters", ApiKeys::MIN_BYTES)]
    Weak {
        /// Position in the list, from 1.
        number: usize,
    },
}

impl ApiKeys {
    /// Fewest bytes of a key.
    pub const MIN_BYTES: usize = 16;

    /// Takes the keys; only their hashes are kept.
    ///
    /// # Errors
    /// [`BadKeys`] when there is none or one of them is no key.
    pub fn new<'a>(keys: impl IntoIterator<Item = &'a Secret>) -> Result<Self, BadKeys> {
        let mut hashes = Vec::new();
        for (index, key) in keys.into_iter().enumerate() {
            let text = key.expose().as_bytes();
            if text.len() < Self::MIN_BYTES || !text.iter().all(u8::is_ascii_graphic) {
                return Err(BadKeys::Weak { number: index + 1 });
            }
            hashes.push(blake3::hash(text));
        }
        if hashes.is_empty() { Err(BadKeys::None) } else { Ok(Self { hashes }) }
    }

    /// Whether the key is one of ours. Takes the same time for every wrong key: hashes are compared in constant time, and all of them.
    #[must_use]
    pub fn admit(&self, key: &str) -> bool {
        let presented = blake3::hash(key.as_bytes());
        self.hashes.iter().fold(false, |found, hash| found | (*hash == presented))
    }
}

impl fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ApiKeys({})", self.hashes.len())
    }
}

/// Lets a request pass that carries `Authorization: Bearer KEY` with one of the keys (RFC 6750 2.1).
pub(super) async fn authenticate(
    State(keys): State<Arc<ApiKeys>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    const HINT: &str = "send the header `Authorization: Bearer KEY` with a key of the gateway's configuration";
    match bearer(request.headers()) {
        Some(key) if keys.admit(key) => {
            let caller = Caller(Actor::Key(fingerprint(key)));
            request.extensions_mut().insert(caller);
            Ok(next.run(request).await)
        }
        Some(_) => Err(Problem::new(Code::WrongKey, "the key is none of the gateway's").hint(HINT)),
        None => Err(Problem::new(Code::NoKey, "the request carries no bearer key").hint(HINT)),
    }
}

/// Who asks: the key that let the request in, by its fingerprint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Caller(pub(super) Actor);

impl<S: Send + Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let caller = parts.extensions.get::<Self>().cloned();
        caller.ok_or_else(|| Problem::new(Code::NoKey, "nobody let this request in"))
    }
}

/// The first 8 hex digits of the key's blake3: tells keys apart and tells nobody the key (32 bits of a hash of at least 16
/// characters).
fn fingerprint(key: &str) -> String {
    blake3::hash(key.as_bytes()).to_hex().chars().take(8).collect()
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, key) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| key.trim())
}

#[cfg(test)]
mod tests {
    use axum::body::Body;
    use axum::http::StatusCode;
    use axum::middleware;
    use axum::routing::get;
    use tower::ServiceExt;

    use super::*;

    fn keys(texts: &[&str]) -> Result<ApiKeys, BadKeys> {
        let secrets: Vec<Secret> = texts.iter().map(|text| Secret::new(*text)).collect();
        ApiKeys::new(&secrets)
    }

    #[test]
    fn keys_that_protect_nothing_are_refused() {
        assert_eq!(keys(&[]).unwrap_err(), BadKeys::None);
        assert_eq!(keys(&["a-long-enough-key", "short"]).unwrap_err(), BadKeys::Weak { number: 2 });
        assert_eq!(keys(&["has a blank in its middle"]).unwrap_err(), BadKeys::Weak { number: 1 });
        assert_eq!(format!("{:?}", keys(&["a-long-enough-key"]).unwrap()), "ApiKeys(1)");
    }

    #[tokio::test]
    async fn only_a_bearer_with_one_of_the_keys_passes() {
        let keys = Arc::new(keys(&["first-key-0123456789", "second-key-0123456789"]).unwrap());
        let router = axum::Router::new()
            .route("/", get(|Caller(actor)| async move { actor.to_string() }))
            .route_layer(middleware::from_fn_with_state(keys, authenticate));
        for (header_value, status) in [
            (None, StatusCode::UNAUTHORIZED),
            (Some("Bearer first-key-0123456789"), StatusCode::OK),
            (Some("bearer second-key-0123456789"), StatusCode::OK),
            (Some("Bearer first-key-012345678"), StatusCode::UNAUTHORIZED),
            (Some("Basic first-key-0123456789"), StatusCode::UNAUTHORIZED),
            (Some("first-key-0123456789"), StatusCode::UNAUTHORIZED),
            (Some("Bearer "), StatusCode::UNAUTHORIZED),
        ] {
            let mut request = Request::builder().uri("/");
            if let Some(value) = header_value {
                request = request.header(header::AUTHORIZATION, value);
            }
            let response = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
            assert_eq!(response.status(), status, "{header_value:?}");
            assert_eq!(response.headers().contains_key(header::WWW_AUTHENTICATE), status == StatusCode::UNAUTHORIZED);
            if status == StatusCode::OK {
                let shown = axum::body::to_bytes(response.into_body(), 100).await.unwrap();
                let key = header_value.unwrap().split(' ').nth(1).unwrap();
                assert_eq!(shown, format!("key:{}", fingerprint(key)));
            }
        }
    }
}
