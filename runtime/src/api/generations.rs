//! Generations of an uplink: what it was taken for when it came, and what later codec versions made of the same bytes.
//!
//! Lays the corrections of the log over a listing of uplinks; the first generation is never changed.

use serde::Serialize;
use serde_json::value::RawValue;
use utoipa::ToSchema;

use super::uplinks::{Outcome, UplinkView, as_json};
use crate::model::{Event, EventId};
use crate::store::{Store, StoreError};

/// Most generations of one uplink that are shown.
const MOST: usize = 32;

/// Which generations a listing shows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Generations {
    /// The newest of each uplink.
    #[default]
    Newest,
    /// The newest, and all before it.
    All,
}

/// What one version made of an uplink.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct GenerationView {
    /// 1 = when it came.
    generation: u32,
    /// The event that tells it.
    #[schema(example = "20780-190-0")]
    id: String,
    /// When it was decoded.
    #[schema(format = DateTime)]
    time: String,
    outcome: Outcome,
    #[schema(value_type = Object)]
    data: Box<RawValue>,
}

#[derive(serde::Deserialize)]
struct Numbered {
    generation: u32,
}

fn view(Event { id, fact }: Event) -> GenerationView {
    let generation = serde_json::from_str::<Numbered>(&fact.body).map_or(2, |body| body.generation);
    let (id, time, data) = (id.to_string(), fact.time.to_string(), as_json(&fact.body));
    GenerationView { generation, id, time, outcome: Outcome::Decoded, data }
}

/// Shows the uplink as its newest generation says it is.
pub(super) fn lay_over(
    store: &Store,
    original: EventId,
    mut uplink: UplinkView,
    wanted: Generations,
) -> Result<UplinkView, StoreError> {
    let limit = if wanted == Generations::All { MOST } else { 1 };
    let mut corrections = store.corrections(original, limit)?.into_iter().map(view);
    let Some(newest) = corrections.next() else { return Ok(uplink) };
    uplink.generation = newest.generation;
    if wanted == Generations::All {
        let first = GenerationView {
            generation: 1,
            id: uplink.id.clone(),
            time: uplink.time.clone(),
            outcome: uplink.outcome,
            data: uplink.data.clone(),
        };
        let (id, time, data) = (newest.id.clone(), newest.time.clone(), newest.data.clone());
        let newest = GenerationView { id, time, data, ..newest };
        uplink.generations = std::iter::once(newest).chain(corrections).chain(std::iter::once(first)).collect();
    } else {
        // All that the newest says stands in its one event.
        uplink.siblings.clear();
    }
    uplink.corrected_by = Some(newest.id);
    uplink.outcome = newest.outcome;
    uplink.data = newest.data;
    Ok(uplink)
}
