//! How a codec version does: its calls and the places where it trapped, and, for a candidate, its shadow run against the version
//! at work.
//!
//! Shows what `catalog` and `shadow` keep in memory; decodes nothing.

use axum::Json;
use axum::extract::State;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::extract::PathOf;
use super::problem::{Code, Problem};
use super::{Api, Shared, codecs};
use crate::catalog::{CallEnd, SiteView};
use crate::model::{DeviceId, Product, ProductId, VersionNumber, VersionState};
use crate::shadow::compare::Difference;
use crate::shadow::{Example, Finding, Made, Run, Spent};
use crate::uplink::run_line;

/// A candidate's shadow run: live traffic is decoded by it too, beside the traffic, and compared.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShadowView {
    /// The candidate.
    #[schema(value_type = u32)]
    version: VersionNumber,
    state: ShadowState,
    /// The version at work that it is held against; absent while no uplink came.
    #[schema(value_type = Option<u32>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    against: Option<VersionNumber>,
    /// Since when.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    since: Option<String>,
    /// Uplinks that were compared: the sum of the next five.
    compared: u64,
    /// Both say the same, or refuse for the same reason.
    equal: u64,
    /// Both decode it, to something else.
    different: u64,
    /// Only the candidate decodes it.
    repaired: u64,
    /// Only the version at work decodes it.
    broken: u64,
    /// Neither decodes it, each for its own reason.
    both_fail: u64,
    /// Uplinks that were not compared because too many came at once.
    dropped: u64,
    /// Why nothing can be compared.
    #[serde(skip_serializing_if = "Option::is_none")]
    obstacle: Option<String>,
    /// What the version at work spends.
    active: SpentView,
    /// What the candidate spends.
    candidate: SpentView,
    /// A few of each kind.
    examples: Vec<ShadowExample>,
}

/// What a shadow run does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum ShadowState {
    /// It waits for the first uplink.
    Waiting,
    /// Uplinks are compared.
    Running,
    /// The version is no longer the newest candidate: this is what it came to.
    Ended,
}

/// Cost of decoding in the metered sandbox, the same for both versions.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct SpentView {
    /// Executed instructions of a call, roughly, on average: the same on every machine.
    fuel_mean: u64,
    fuel_max: u64,
    micros_mean: f64,
    micros_max: f64,
    /// Most linear memory after a call, bytes.
    memory_max: usize,
}

impl From<&Spent> for SpentView {
    fn from(spent: &Spent) -> Self {
        let mean = |sum: u64| sum.checked_div(spent.calls).unwrap_or_default();
        Self {
            fuel_mean: mean(spent.fuel),
            fuel_max: spent.fuel_max,
            micros_mean: micros(mean(spent.nanos)),
            micros_max: micros(spent.nanos_max),
            memory_max: spent.memory_max,
        }
    }
}

fn micros(nanos: u64) -> f64 {
    std::time::Duration::from_nanos(nanos).as_secs_f64() * 1e6
}

/// A payload of which the two versions make something else.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ShadowExample {
    /// `different`, `repaired`, `broken` or `both-fail`.
    finding: &'static str,
    #[schema(format = DateTime)]
    time: String,
    #[schema(value_type = u64)]
    device_id: DeviceId,
    /// The payload, hex.
    payload: String,
    active: MadeView,
    candidate: MadeView,
    differences: Vec<DifferenceView>,
}

/// What a version makes of a payload: messages, or why there are none.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum MadeView {
    /// `reports`, `eventReports` and `responses`.
    Content {
        #[schema(value_type = Object)]
        data: Value,
    },
    /// Why not.
    Nothing { code: String, detail: String },
}

impl From<Made> for MadeView {
    fn from(made: Made) -> Self {
        match made {
            Made::Content(data) => Self::Content { data },
            Made::Nothing { code, detail } => Self::Nothing { code, detail },
        }
    }
}

/// A place where two decodes differ.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DifferenceView {
    /// JSON pointer (RFC 6901).
    #[schema(example = "/reports/0/values/reading")]
    path: String,
    /// What stands there in the first; absent = nothing.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    from: Option<Value>,
    /// What stands there in the second; absent = nothing.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<Value>,
}

impl From<Difference> for DifferenceView {
    fn from(Difference { path, from, to }: Difference) -> Self {
        Self { path, from, to }
    }
}

impl From<Example> for ShadowExample {
    fn from(example: Example) -> Self {
        Self {
            finding: example.finding.as_str(),
            time: example.time.to_string(),
            device_id: example.device,
            payload: hex::encode(example.payload),
            active: example.active.into(),
            candidate: example.candidate.into(),
            differences: example.differences.into_iter().map(DifferenceView::from).collect(),
        }
    }
}

fn shadow_view(version: VersionNumber, run: Option<Run>, is_tried: bool) -> ShadowView {
    let state = match (&run, is_tried) {
        (_, false) => ShadowState::Ended,
        (None, true) => ShadowState::Waiting,
        (Some(_), true) => ShadowState::Running,
    };
    let (against, since) = (run.as_ref().map(|run| run.active), run.as_ref().map(|run| run.since.to_string()));
    let run = run.unwrap_or_else(|| Run::new(version, version, crate::model::Timestamp(0)));
    let count = |finding| Finding::ALL.iter().zip(run.findings).find(|(own, _)| **own == finding).map_or(0, |(_, count)| count);
    ShadowView {
        version,
        state,
        against,
        since,
        compared: run.compared(),
        equal: count(Finding::Equal),
        different: count(Finding::Different),
        repaired: count(Finding::Repaired),
        broken: count(Finding::Broken),
        both_fail: count(Finding::BothFail),
        dropped: run.dropped,
        active: SpentView::from(&run.spent_active),
        candidate: SpentView::from(&run.spent_candidate),
        examples: run.examples.into_iter().map(ShadowExample::from).collect(),
        obstacle: run.obstacle,
    }
}

/// How a version does since the gateway started.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PulseBody {
    #[schema(value_type = u32)]
    version: VersionNumber,
    state: VersionState,
    /// Whether it is left alone because it trapped or ran on too often.
    degraded: bool,
    /// Decodes by how they ended; `held` = it was not called.
    #[schema(value_type = Object, example = json!({"decoded": 41, "refused": 1, "trap": 0, "deadline": 0, "too-large": 0, "broken-promise": 0, "held": 0}))]
    outcomes: serde_json::Map<String, Value>,
    /// Most linear memory that an instance had after a call, bytes.
    memory_high: usize,
    /// Places where it trapped or ran on, the most frequent first.
    traps: Vec<TrapView>,
}

/// A place in a codec where calls end in a trap or at the deadline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct TrapView {
    /// `trap` or `deadline`.
    code: &'static str,
    /// The author's innermost function, and the export that was called.
    #[schema(example = "meter::parse, called by decode")]
    function: String,
    message: String,
    count: u64,
    #[schema(format = DateTime)]
    first: String,
    #[schema(format = DateTime)]
    last: String,
    /// The author's functions, innermost first; with file and line where the component carries them.
    frames: Vec<String>,
    /// Whether it was looked at with an engine that can tell file and line.
    explained: bool,
    /// The first payload that led there, hex.
    payload: String,
    /// Shows it again; DIR is the codec's folder.
    #[schema(example = "codecgate plugin run DIR --hex 0A0B0C")]
    run: String,
}

impl From<SiteView> for TrapView {
    fn from(seen: SiteView) -> Self {
        Self {
            code: seen.site.code,
            function: seen.site.function,
            message: seen.site.message,
            count: seen.count,
            first: seen.first.to_string(),
            last: seen.last.to_string(),
            frames: seen.frames.to_vec(),
            explained: seen.explained,
            run: run_line(&seen.payload),
            payload: hex::encode(seen.payload),
        }
    }
}

async fn version_of(api: &Api, id: ProductId, number: VersionNumber) -> Result<Product, Problem> {
    let product = codecs::find(api, id).await?;
    let version = api.read(move |store| store.version(id, number)).await?;
    let missing = || Problem::new(Code::NoVersion, format!("product {id} has no codec version {number}"));
    version.map(|_| product).ok_or_else(|| missing().hint("GET .../codec/versions lists them"))
}

/// Show a candidate's shadow run: how its decodes of live traffic compare with those of the version at work.
#[utoipa::path(get, path = "/api/v1/products/{id}/codec/versions/{number}/shadow", tag = "codecs",
    params(("id" = u32, Path), ("number" = u32, Path)),
    responses((status = 200, body = ShadowView), (status = 404, description = "No such product or version"),
        (status = 409, description = "The version is not tried: it is not the newest candidate, or candidates are not tried here")))]
pub(super) async fn show_shadow(
    State(api): Shared,
    PathOf((id, number)): PathOf<(ProductId, VersionNumber)>,
) -> Result<Json<ShadowView>, Problem> {
    version_of(&api, id, number).await?;
    let tried = api.parts.catalog.active(id).and_then(|active| active.candidate);
    let run = api.parts.shadow.run(id).filter(|run| run.candidate == number);
    if run.is_none() && tried != Some(number) {
        let detail = format!("version {number} of product {id} is not tried beside the traffic");
        let hint = match tried {
            Some(candidate) => format!("the newest candidate is: version {candidate}"),
            None => "the newest candidate after the version at work is, unless codec.shadow is false".to_owned(),
        };
        return Err(Problem::new(Code::NoShadow, detail).hint(hint));
    }
    Ok(Json(shadow_view(number, run, tried == Some(number))))
}

/// Show how a codec version does since the gateway started: outcomes, memory, and where it traps.
#[utoipa::path(get, path = "/api/v1/products/{id}/codec/versions/{number}/calls", tag = "codecs",
    params(("id" = u32, Path), ("number" = u32, Path)),
    responses((status = 200, body = PulseBody), (status = 404, description = "No such product or version")))]
pub(super) async fn show_calls(
    State(api): Shared,
    PathOf((id, number)): PathOf<(ProductId, VersionNumber)>,
) -> Result<Json<PulseBody>, Problem> {
    let product = version_of(&api, id, number).await?;
    let pulse = api.parts.catalog.pulse(id, number);
    let view = pulse.as_ref().map(|pulse| pulse.view()).unwrap_or_default();
    let outcomes = CallEnd::ALL.iter().zip(view.ends).map(|(end, count)| (end.as_str().to_owned(), count.into())).collect();
    Ok(Json(PulseBody {
        version: number,
        state: product.versions.state_of(number),
        degraded: view.degraded,
        outcomes,
        memory_high: view.memory_high,
        traps: pulse.map(|pulse| pulse.sites_seen()).unwrap_or_default().into_iter().map(TrapView::from).collect(),
    }))
}
