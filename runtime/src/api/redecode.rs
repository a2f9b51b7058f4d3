//! `/api/v1/products/{id}/redecode`: stored uplinks are decoded again, first to see, then to keep.
//!
//! Carries the question in and the report out; what is decoded and written is `redecode`'s.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::extract::{JsonBody, PathOf};
use super::keys::Caller;
use super::problem::{Code, Problem};
use super::trials::DifferenceView;
use super::{Shared, codecs, off_reactor};
use crate::model::{DeviceId, EventId, ProductId, Timestamp, VersionNumber};
use crate::redecode::{Example, Fate, Mode, Report, Request, Selection};

/// Uplinks of one piece when nobody says how many.
const LIMIT: usize = 200;
/// Most uplinks of one piece.
const MOST: usize = 1_000;

/// Which uplinks are decoded again, and what happens with the result.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RedecodeBody {
    /// Those that could not be decoded. Either this, or `from` and `to`.
    #[serde(default)]
    dead_letters: bool,
    /// All that came from this moment on ...
    #[schema(format = DateTime)]
    from: Option<String>,
    /// ... until before this one.
    #[schema(format = DateTime)]
    to: Option<String>,
    /// Only this device's.
    #[schema(value_type = Option<u64>)]
    device: Option<DeviceId>,
    /// With this codec version; without it, with the one at work.
    #[schema(value_type = Option<u32>)]
    version: Option<VersionNumber>,
    /// `preview` writes nothing.
    #[serde(default)]
    mode: ModeView,
    /// With `commit`: whether subscriptions get a `corrected` event for each uplink that says something else now.
    #[serde(default)]
    emit: bool,
    /// `next` of the piece before.
    #[schema(example = "20780-184-3")]
    cursor: Option<String>,
    /// Most uplinks of this piece.
    #[schema(minimum = 1, maximum = 1000, default = 200)]
    limit: Option<usize>,
}

/// What happens with the result.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ModeView {
    /// It is shown.
    #[default]
    Preview,
    /// It becomes the next generation of each uplink that says something else now.
    Commit,
}

/// What a piece came to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RedecodeReport {
    mode: ModeView,
    /// The version that decoded.
    #[schema(value_type = Option<u32>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<VersionNumber>,
    /// Uplinks that were looked at: the sum of the next five.
    looked_at: u64,
    /// They could not be decoded, and say something now.
    repaired: u64,
    /// They say something else now.
    changed: u64,
    /// They say the same.
    unchanged: u64,
    /// The version cannot decode them; what was known of them stays.
    failed: u64,
    /// What is known of them was made by this very version.
    skipped: u64,
    /// Events that were written.
    written: u64,
    /// A few of each.
    examples: Vec<RedecodeExample>,
    /// Give it as `cursor` to go on; absent when that was all.
    #[serde(skip_serializing_if = "Option::is_none")]
    next: Option<String>,
}

/// An uplink that says something else now, or cannot be decoded.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RedecodeExample {
    /// Id of the event that carries the bytes.
    original: String,
    #[schema(format = DateTime)]
    time: String,
    #[schema(value_type = u64)]
    device_id: DeviceId,
    /// The payload, hex.
    payload: String,
    /// `repaired`, `changed` or `failed`.
    outcome: &'static str,
    /// What was known of it; null = it was not decoded.
    #[schema(value_type = Object)]
    before: Option<Value>,
    /// What the version makes of it.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    after: Option<Value>,
    /// Why the version cannot decode it.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
    differences: Vec<DifferenceView>,
}

impl From<Example> for RedecodeExample {
    fn from(example: Example) -> Self {
        let (after, error) = match example.after {
            Ok(after) => (Some(after), None),
            Err(error) => (None, Some(error)),
        };
        Self {
            original: example.original.to_string(),
            time: example.time.to_string(),
            device_id: example.device,
            payload: hex::encode(example.payload),
            outcome: match example.fate {
                Fate::Repaired => "repaired",
                Fate::Changed => "changed",
                Fate::Unchanged => "unchanged",
                Fate::Failed => "failed",
                Fate::Skipped => "skipped",
            },
            before: example.before,
            after,
            error,
            differences: example.differences.into_iter().map(DifferenceView::from).collect(),
        }
    }
}

fn shown(mode: ModeView, report: Report) -> RedecodeReport {
    RedecodeReport {
        mode,
        version: report.version,
        looked_at: report.looked_at,
        repaired: report.repaired,
        changed: report.changed,
        unchanged: report.unchanged,
        failed: report.failed,
        skipped: report.skipped,
        written: report.written,
        examples: report.examples.into_iter().map(RedecodeExample::from).collect(),
        next: report.next.map(|next| next.to_string()),
    }
}

/// Reads what is asked for; every refusal says what to write instead.
fn request(product: ProductId, Caller(by): Caller, body: &RedecodeBody) -> Result<Request, Problem> {
    let wrong = |detail: String| Problem::new(Code::Members, detail);
    let time = |name: &str, text: &str| {
        Timestamp::parse(text).map_err(|_| wrong(format!("`{name}` is `{text}`; write it as 2026-01-31T12:00:00Z")))
    };
    let selection = match (body.dead_letters, &body.from, &body.to) {
        (true, None, None) => Selection::DeadLetters,
        (false, Some(from), Some(to)) => Selection::Span { from: time("from", from)?, to: time("to", to)? },
        _ => return Err(wrong("say which uplinks: either `deadLetters`: true, or `from` and `to`".to_owned())),
    };
    let mode = match (body.mode, body.emit) {
        (ModeView::Preview, false) => Mode::Preview,
        (ModeView::Commit, false) => Mode::Record,
        (ModeView::Commit, true) => Mode::Emit,
        (ModeView::Preview, true) => return Err(wrong("a preview emits nothing: leave `emit` out, or commit".to_owned())),
    };
    let limit = body.limit.unwrap_or(LIMIT);
    if !(1..=MOST).contains(&limit) {
        return Err(wrong(format!("`limit` is {limit}; it may be 1 to {MOST}")));
    }
    let cursor = body.cursor.as_deref().map(str::parse::<EventId>).transpose().map_err(wrong)?;
    let (device, version) = (body.device, body.version);
    Ok(Request { product, device, selection, version, mode, cursor, limit, by })
}

/// Decode stored uplinks again: see what a version makes of them, then keep it as a new generation.
///
/// Works out one bounded piece; go on with `next` as `cursor`. The old generation stays. A piece may be asked for again, also
/// after a crash: what was corrected by the same version is skipped.
#[utoipa::path(post, path = "/api/v1/products/{id}/redecode", tag = "codecs", params(("id" = u32, Path)),
    request_body = RedecodeBody,
    responses((status = 200, body = RedecodeReport), (status = 404, description = "No such product or version"),
        (status = 409, description = "The product's uplinks are being decoded again already, or it has no codec"),
        (status = 422, description = "The body does not say which uplinks")))]
pub(super) async fn redecode(
    State(api): Shared,
    PathOf(id): PathOf<ProductId>,
    caller: Caller,
    JsonBody(body): JsonBody<RedecodeBody>,
) -> Result<Json<RedecodeReport>, Problem> {
    codecs::find(&api, id).await?;
    let request = request(id, caller, &body)?;
    let (redecoder, now) = (Arc::clone(&api.parts.redecoder), api.now());
    let report = off_reactor(move || redecoder.run(&request, now)).await??;
    Ok(Json(shown(body.mode, report)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Actor;

    fn asked(body: Value) -> Result<Request, Problem> {
        request(ProductId(1), Caller(Actor::Tool), &serde_json::from_value(body).unwrap())
    }

    #[test]
    fn what_is_asked_for_is_a_table() {
        use serde_json::json;
        let request = asked(json!({ "deadLetters": true })).unwrap();
        assert_eq!((request.selection, request.mode, request.limit), (Selection::DeadLetters, Mode::Preview, LIMIT));
        let span =
            json!({ "from": "2026-01-31T12:00:00Z", "to": "2026-01-31T13:00:00Z", "mode": "commit", "device": 7, "version": 2 });
        let request = asked(span).unwrap();
        assert_eq!((request.mode, request.device, request.version), (Mode::Record, Some(DeviceId(7)), Some(VersionNumber(2))));
        let emit = asked(json!({ "deadLetters": true, "mode": "commit", "emit": true, "cursor": "1-2-3" })).unwrap();
        assert_eq!((emit.mode, emit.cursor), (Mode::Emit, Some(EventId { day: 1, block: 2, offset: 3 })));
        for wrong in [
            json!({}),
            json!({ "from": "2026-01-31T12:00:00Z" }),
            json!({ "deadLetters": true, "from": "2026-01-31T12:00:00Z", "to": "2026-01-31T13:00:00Z" }),
            json!({ "from": "yesterday", "to": "today" }),
            json!({ "deadLetters": true, "emit": true }),
            json!({ "deadLetters": true, "limit": 0 }),
            json!({ "deadLetters": true, "limit": 1_001 }),
            json!({ "deadLetters": true, "cursor": "x" }),
        ] {
            assert!(asked(wrong.clone()).is_err(), "{wrong}");
        }
    }
}
