//! How requests are read: paths, queries, JSON and binary bodies, each with its limit, and each refusal a problem.
//!
//! Knows axum's extractors and their rejections; knows no route.

use std::fmt::Display;
use std::str::FromStr;

use axum::body::Bytes;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use futures_util::StreamExt;
use serde::de::{DeserializeOwned, Deserializer, Error as _};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::problem::{Code, Problem};
use crate::model::EventKind;

/// Most bytes of a JSON body.
pub(super) const JSON_BYTES: usize = 1024 * 1024;
/// Most bytes of a component or a vendor's package.
pub(super) const BINARY_BYTES: usize = 8 * 1024 * 1024;
/// Most bytes of a body that are read only to be dropped.
const DROPPED_BYTES: usize = 64 * 1024 * 1024;

/// One page of a listing.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Listing<T> {
    /// The items of this page.
    pub(super) items: Vec<T>,
    /// Give it as `after` or `before` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) next: Option<String>,
}

impl<T> Listing<T> {
    pub(super) fn new(items: Vec<T>, next: Option<impl Display>) -> Self {
        Self { items, next: next.map(|cursor| cursor.to_string()) }
    }
}

/// A JSON body of at most [`JSON_BYTES`].
pub(super) struct JsonBody<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned> FromRequest<S> for JsonBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, _: &S) -> Result<Self, Problem> {
        let media_type = media_type(request.headers());
        if !is_json(media_type) {
            return Err(wrong_media_type(media_type, "application/json"));
        }
        let body = read_body(request, JSON_BYTES).await?;
        Ok(Self(serde_json::from_slice(&body)?))
    }
}

/// The path's parameters.
pub(super) struct PathOf<T>(pub(super) T);

impl<S: Send + Sync, T: DeserializeOwned + Send> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        match axum::extract::Path::from_request_parts(parts, state).await {
            Ok(axum::extract::Path(value)) => Ok(Self(value)),
            Err(rejection) => Err(Problem::new(Code::BadPath, rejection.body_text())),
        }
    }
}

/// The query. Unknown parameters are refused, so that a misspelt filter does not silently filter nothing.
pub(super) struct QueryOf<T>(pub(super) T);

impl<T: DeserializeOwned> QueryOf<T> {
    pub(super) fn of(uri: &axum::http::Uri) -> Result<T, Problem> {
        match axum::extract::Query::try_from_uri(uri) {
            Ok(axum::extract::Query(value)) => Ok(value),
            Err(rejection) => Err(Problem::new(Code::BadQuery, rejection.body_text())),
        }
    }
}

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for QueryOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        Self::of(&parts.uri).map(Self)
    }
}

/// How many items a page has: 1 to 1,000, 100 when not said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit(pub(super) usize);

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl<'de> Deserialize<'de> for Limit {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let number = text.parse().ok().filter(|number| (1..=1_000).contains(number));
        number.map(Self).ok_or_else(|| D::Error::custom(format!("`{text}` is no limit: a number from 1 to 1000")))
    }
}

/// A query parameter that is read by [`FromStr`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Text<T>(pub(super) T);

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Text<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map(Self).map_err(D::Error::custom)
    }
}

/// Event kinds as a list with commas; an empty one means what an empty list means in a subscription.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Kinds(pub(super) Vec<EventKind>);

impl FromStr for Kinds {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let names = text.split(',').map(str::trim).filter(|name| !name.is_empty());
        let kind_of = |name: &str| {
            EventKind::ALL.into_iter().find(|kind| kind.as_str() == name).ok_or_else(|| {
                format!("`{name}` is no event kind; there are {}", EventKind::ALL.map(EventKind::as_str).join(", "))
            })
        };
        names.map(kind_of).collect::<Result<_, _>>().map(Self)
    }
}

/// Reads a body of at most `limit` bytes. What is too large is read on for a while and dropped: closing a connection on which the
/// client still writes would reset it, and the client would never see the refusal.
pub(super) async fn read_body(request: Request, limit: usize) -> Result<Bytes, Problem> {
    let too_large = || Problem::new(Code::TooLarge, format!("the body has more than the {limit} bytes that are taken here"));
    let headers = request.headers();
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse().ok()).unwrap_or(0);
    // This client asks before it sends (RFC 9110 10.1.1).
    if announced > limit && headers.contains_key(header::EXPECT) {
        return Err(too_large());
    }
    let mut chunks = request.into_body().into_data_stream();
    let (mut body, mut came) = (Vec::with_capacity(announced.min(limit)), 0_usize);
    while let Some(chunk) = chunks.next().await {
        let chunk = chunk.map_err(|error| Problem::new(Code::BrokenBody, format!("the body ended early: {error}")))?;
        came = came.saturating_add(chunk.len());
        if came <= limit {
            body.extend_from_slice(&chunk);
        } else if came > limit.saturating_add(DROPPED_BYTES) {
            break;
        } else {
            body = Vec::new();
        }
    }
    if came > limit { Err(too_large()) } else { Ok(body.into()) }
}

/// The media type without its parameters, empty when there is none.
pub(super) fn media_type(headers: &HeaderMap) -> &str {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim()
}

pub(super) fn is_json(media_type: &str) -> bool {
    media_type.eq_ignore_ascii_case("application/json")
}

pub(super) fn wrong_media_type(got: &str, expected: &str) -> Problem {
    let got = if got.is_empty() { "no Content-Type".to_owned() } else { format!("`{got}`") };
    Problem::new(Code::MediaType, format!("the body comes with {got}")).hint(format!("send Content-Type: {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{DeviceId, EventId};

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(rename_all = "camelCase", deny_unknown_fields)]
    struct Example {
        device_id: Option<DeviceId>,
        before: Option<Text<EventId>>,
        kinds: Option<Text<Kinds>>,
        #[serde(default)]
        limit: Limit,
    }

    fn read(query: &str) -> Result<Example, Problem> {
        QueryOf::of(&format!("/x?{query}").parse().unwrap())
    }

    #[test]
    fn a_query_is_typed() {
        let example = read("deviceId=7&before=20780-184-3&kinds=report,command&limit=1000").unwrap();
        assert_eq!(example.device_id, Some(DeviceId(7)));
        assert_eq!(example.before, Some(Text(EventId { day: 20_780, block: 184, offset: 3 })));
        assert_eq!(example.kinds, Some(Text(Kinds(vec![EventKind::Report, EventKind::Command]))));
        assert_eq!((example.limit, read("").unwrap().limit), (Limit(1_000), Limit(100)));
    }

    #[test]
    fn what_a_query_cannot_mean_is_explained() {
        for (query, word) in [
            ("limit=0", "1 to 1000"),
            ("limit=1001", "1 to 1000"),
            ("limit=x", "1 to 1000"),
            ("before=yesterday", "day-block-offset"),
            ("kinds=reports", "event-report"),
            ("deviceId=-1", "deviceId"),
            ("devceId=1", "devceId"),
        ] {
            let problem = read(query).unwrap_err();
            assert_eq!(problem.code(), "E4002");
            let text = serde_json::to_string(problem.body()).unwrap();
            assert!(text.contains(word), "{query}: {text}");
        }
    }

    #[tokio::test]
    async fn a_body_has_a_limit_and_a_type() {
        let request = |media_type: &str, body: &str| {
            Request::builder().header(header::CONTENT_TYPE, media_type).body(body.to_owned().into()).unwrap()
        };
        let read = async |request| JsonBody::<Vec<u8>>::from_request(request, &()).await.map(|JsonBody(list)| list);
        assert_eq!(read(request("application/json; charset=utf-8", "[1,2]")).await.unwrap(), [1, 2]);
        assert_eq!(read(request("text/plain", "[1]")).await.unwrap_err().code(), "E4006");
        assert_eq!(read(request("application/json", "[1,")).await.unwrap_err().code(), "E4004");
        assert_eq!(read(request("application/json", "{}")).await.unwrap_err().code(), "E4401");
        let large = format!("[{}1]", " ".repeat(JSON_BYTES));
        assert_eq!(read(request("application/json", &large)).await.unwrap_err().code(), "E4007");
    }
}
