//! `/api/v1/products/{id}/codec`: the codec versions of a product, delivered, put to work, taken back.
//!
//! Carries bytes in and reports out; what a version is and how it is switched is `catalog`'s.

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::extract::{BINARY_BYTES, Listing, PathOf, QueryOf, media_type, read_body, wrong_media_type};
use super::keys::Caller;
use super::openapi::Binary;
use super::problem::{Code, Problem};
use super::{Api, Shared, off_reactor};
use crate::admission::Check;
use crate::catalog::{ActiveProduct, Aim, Breaking, Content, Missing, Novelty, Order, Push, Pushed, Switch};
use crate::model::{
    CodecVersion, Description, EndpointFormat, PowerMode, Product, ProductId, VersionLine, VersionNumber, VersionState,
};
use crate::package::MAX_PACKAGE_BYTES;
use crate::profile::{Compatibility, Profile};
use crate::store::StoreError;

/// Most characters of a comment.
const COMMENT_CHARS: usize = 1_000;

/// A codec version as it is listed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionView {
    /// Its number within the product.
    #[schema(value_type = u32, example = 3)]
    number: VersionNumber,
    state: VersionState,
    /// blake3 of the component, hex.
    digest: String,
    /// blake3 of the profile, hex.
    profile_digest: String,
    /// Digest of the package that it came in.
    #[serde(skip_serializing_if = "Option::is_none")]
    package: Option<String>,
    /// Who signed the package.
    #[serde(skip_serializing_if = "Option::is_none")]
    signer: Option<String>,
    /// The codec's own name.
    #[schema(example = "water-meter")]
    name: String,
    /// The codec's own version.
    #[schema(example = "0.1.0")]
    version: String,
    /// Bytes of the component.
    size: u64,
    #[schema(format = DateTime)]
    uploaded: String,
    /// `key:` and the first 8 hex digits of the API key's blake3, `watch` or `tool`.
    #[schema(example = "key:1a2b3c4d")]
    uploaded_by: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    comment: Option<String>,
    /// Since when it is at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    active_since: Option<String>,
    /// Until when it was at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    retired: Option<String>,
}

impl VersionView {
    pub(super) fn new(version: CodecVersion, line: &VersionLine) -> Self {
        let state = line.state_of(version.number);
        let retired = line.retired.iter().find(|retired| retired.number == version.number);
        Self {
            number: version.number,
            state,
            digest: version.component,
            profile_digest: version.profile_digest,
            package: version.package,
            signer: version.signer,
            name: version.name,
            version: version.version,
            size: version.size,
            uploaded: version.uploaded.to_string(),
            uploaded_by: version.uploaded_by.to_string(),
            comment: version.comment,
            active_since: line.since.filter(|_| state == VersionState::Active).map(|since| since.to_string()),
            retired: retired.map(|retired| retired.until.to_string()),
        }
    }
}

/// A codec version with all that belongs to it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct VersionDetail {
    #[serde(flatten)]
    version: VersionView,
    /// From the profile at work to this one's: what applications would notice.
    compatibility: Compatibility,
    /// The tables of the codec; absent when it cannot be loaded.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    /// The profile, in the format of `profiles/schema.json`.
    #[schema(value_type = Object)]
    profile: Box<RawValue>,
}

/// What became of a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodecInstalled {
    #[schema(value_type = u32)]
    product_id: ProductId,
    #[serde(flatten)]
    codec: VersionView,
    /// Whether this very content was there before.
    known: bool,
    /// The version whose place it took.
    #[schema(value_type = Option<u32>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    replaced: Option<VersionNumber>,
    /// From the profile that was at work to this one's.
    compatibility: Compatibility,
    /// The tables of the codec: what it reports and which commands it encodes.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    /// What works and may not be meant, such as commands of the profile that the codec does not encode.
    warnings: Vec<String>,
    /// What admission looked at; empty when the content was known.
    #[schema(value_type = Vec<Object>)]
    checks: Vec<Check>,
}

/// The codec of a product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodecVersions {
    /// Digest of the active one; null = transparent.
    active: Option<String>,
    /// Number of the active one; null = transparent.
    #[schema(value_type = Option<u32>)]
    active_version: Option<VersionNumber>,
    /// Where a rollback would go; null = nowhere.
    #[schema(value_type = Option<u32>)]
    rollback_version: Option<VersionNumber>,
    /// All that are kept, in order of number.
    versions: Vec<VersionView>,
}

/// What a switch did.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Switched {
    /// The version at work now.
    #[schema(value_type = u32)]
    active_version: VersionNumber,
    /// The one before; null = there was none, or it is the same.
    #[schema(value_type = Option<u32>)]
    replaced: Option<VersionNumber>,
    /// Whether anything changed: it may have been at work already.
    changed: bool,
    compatibility: Compatibility,
}

impl From<Switch> for Switched {
    fn from(switch: Switch) -> Self {
        Self {
            active_version: switch.version.number,
            replaced: switch.from,
            changed: switch.changed,
            compatibility: switch.compatibility,
        }
    }
}

/// What a delivery is to become.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PushQuery {
    /// Keep it as a candidate instead of putting it to work.
    #[serde(default)]
    candidate: bool,
    /// Put it to work although its profile breaks what applications may rely on.
    #[serde(default)]
    accept_breaking: bool,
    /// Why; it is kept with the version and stands in the event of the switch.
    comment: Option<String>,
}

/// What a delivered package is to become.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeliverQuery {
    /// Make the product from the package's profile when there is none.
    #[serde(default)]
    create: bool,
    /// How the devices of a product that is made name themselves.
    #[serde(default)]
    endpoint_format: EndpointFormat,
    /// When the devices of a product that is made listen.
    #[serde(default)]
    power_mode: PowerMode,
    /// Keep it as a candidate instead of putting it to work.
    #[serde(default)]
    candidate: bool,
    /// Put it to work although its profile breaks what applications may rely on.
    #[serde(default)]
    accept_breaking: bool,
    /// Why; it is kept with the version and stands in the event of the switch.
    comment: Option<String>,
}

/// What a switch needs to be told.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct SwitchQuery {
    /// Put it to work although its profile breaks what applications may rely on.
    #[serde(default)]
    accept_breaking: bool,
    /// Why; it stands in the event of the switch.
    comment: Option<String>,
}

/// Why a rollback.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct RollbackQuery {
    /// Why; it stands in the event of the switch.
    comment: Option<String>,
}

fn order(Caller(by): Caller, accept_breaking: bool, comment: Option<String>) -> Result<Order, Problem> {
    if comment.as_ref().is_some_and(|comment| comment.chars().count() > COMMENT_CHARS) {
        return Err(Problem::new(Code::BadQuery, format!("the comment has more than {COMMENT_CHARS} characters")));
    }
    let breaking = if accept_breaking { Breaking::Accept } else { Breaking::Refuse };
    Ok(Order { by, comment: comment.filter(|comment| !comment.is_empty()), breaking })
}

/// Deliver a codec: admit it, and make it the product's active one, or a candidate.
///
/// Traffic goes on; calls in flight finish on the version that they began with. The same content is one version however often it comes.
#[utoipa::path(put, path = "/api/v1/products/{id}/codec", tag = "codecs", params(("id" = u32, Path), PushQuery),
    request_body(description = "A component for the product's current profile, or a package", content(
        (Binary = "application/wasm"), (Binary = "application/zip"), (Binary = "application/vnd.codecgate.codec"))),
    responses((status = 200, body = CodecInstalled), (status = 409, description = "Its profile breaks what applications may rely on"),
        (status = 422, description = "Not admitted, or it does not fit the profile")))]
pub(super) async fn install_codec(
    State(api): Shared,
    PathOf(id): PathOf<ProductId>,
    caller: Caller,
    request: Request,
) -> Result<Json<CodecInstalled>, Problem> {
    let query: PushQuery = QueryOf::of(request.uri())?;
    let order = order(caller, query.accept_breaking, query.comment)?;
    let content = content(request).await?;
    let aim = if query.candidate { Aim::Candidate } else { Aim::Active };
    let pushed = api.parts.catalog.push(id, Push { content, aim, order }, api.now()).await?;
    installed(&api, pushed).await
}

/// Deliver a package to the product that it names.
///
/// For CI/CD: the same request works on a gateway that has the product and, with `create`, on an empty one.
#[utoipa::path(post, path = "/api/v1/packages", tag = "codecs", params(DeliverQuery),
    request_body(description = "A package", content(
        (Binary = "application/vnd.codecgate.codec"), (Binary = "application/zip"))),
    responses((status = 200, body = CodecInstalled), (status = 404, description = "There is no such product"),
        (status = 409, description = "Its profile breaks what applications may rely on"), (status = 422, description = "Not admitted")))]
pub(super) async fn deliver_package(
    State(api): Shared,
    caller: Caller,
    request: Request,
) -> Result<Json<CodecInstalled>, Problem> {
    let query: DeliverQuery = QueryOf::of(request.uri())?;
    let order = order(caller, query.accept_breaking, query.comment)?;
    let aim = if query.candidate { Aim::Candidate } else { Aim::Active };
    let (endpoint_format, power_mode) = (query.endpoint_format, query.power_mode);
    let missing = if query.create { Missing::Create { endpoint_format, power_mode } } else { Missing::Refuse };
    let content = content(request).await?;
    let pushed = api.parts.catalog.deliver(Push { content, aim, order }, missing, api.now()).await?;
    installed(&api, pushed).await
}

async fn content(request: Request) -> Result<Content, Problem> {
    let media_type = media_type(request.headers());
    let is = |known: &str| media_type.eq_ignore_ascii_case(known);
    if is("application/wasm") {
        return Ok(Content::Component(read_body(request, BINARY_BYTES).await?.to_vec()));
    }
    if is("application/zip") || is("application/vnd.codecgate.codec") {
        return Ok(Content::Package(read_body(request, MAX_PACKAGE_BYTES).await?.to_vec()));
    }
    Err(wrong_media_type(media_type, "application/wasm or application/vnd.codecgate.codec"))
}

async fn installed(api: &Api, pushed: Pushed) -> Result<Json<CodecInstalled>, Problem> {
    let Pushed { version, novelty, replaced, compatibility, edition, report, .. } = pushed;
    let line = find(api, version.product).await?.versions;
    let description = edition.codec().map(|active| active.codec.description().clone());
    let warnings = warnings(&edition, &compatibility);
    let checks = report.map(|report| report.checks).unwrap_or_default();
    Ok(Json(CodecInstalled {
        product_id: version.product,
        codec: VersionView::new(version, &line),
        known: novelty == Novelty::Known,
        replaced,
        compatibility,
        description,
        warnings,
        checks,
    }))
}

fn warnings(edition: &ActiveProduct, compatibility: &Compatibility) -> Vec<String> {
    let unencoded = edition.codec().map(|active| unencoded_commands(&edition.profile, active.codec.description()));
    let breaks = compatibility.breaks().map(|change| format!("breaking: {}: {}", change.place, change.detail));
    unencoded.unwrap_or_default().into_iter().chain(breaks).collect()
}

/// Commands of the profile that the codec does not encode: an application that asks for one is refused.
fn unencoded_commands(profile: &Profile, description: &Description) -> Vec<String> {
    let mut warnings = Vec::new();
    for service in profile.services() {
        for command in &service.commands {
            let encoded = description.commands.iter().any(|own| own.service == service.service_id && own.name == command.name);
            if !encoded {
                let (service, command) = (&service.service_id, &command.name);
                warnings.push(format!("the profile has the command {service}/{command}, the codec does not encode it"));
            }
        }
    }
    warnings
}

/// Show the codec of a product: what is at work, where a rollback would go, and all versions that are kept.
#[utoipa::path(get, path = "/api/v1/products/{id}/codec", tag = "codecs", params(("id" = u32, Path)),
    responses((status = 200, body = CodecVersions), (status = 404, description = "No such product")))]
pub(super) async fn show_codec(State(api): Shared, PathOf(id): PathOf<ProductId>) -> Result<Json<CodecVersions>, Problem> {
    let product = find(&api, id).await?;
    let versions = api.read(move |store| store.versions(id)).await?;
    let line = &product.versions;
    Ok(Json(CodecVersions {
        active: product.codec,
        active_version: line.active,
        rollback_version: line.rollback_target(),
        versions: versions.into_iter().map(|version| VersionView::new(version, line)).collect(),
    }))
}

/// List the codec versions of a product that are kept, newest first.
#[utoipa::path(get, path = "/api/v1/products/{id}/codec/versions", tag = "codecs", params(("id" = u32, Path)),
    responses((status = 200, body = Listing<VersionView>), (status = 404, description = "No such product")))]
pub(super) async fn list_versions(
    State(api): Shared,
    PathOf(id): PathOf<ProductId>,
) -> Result<Json<Listing<VersionView>>, Problem> {
    let line = find(&api, id).await?.versions;
    let versions = api.read(move |store| store.versions(id)).await?;
    let newest_first = versions.into_iter().rev().map(|version| VersionView::new(version, &line));
    Ok(Json(Listing::new(newest_first.collect(), None::<VersionNumber>)))
}

/// Show a codec version with its profile, its tables, and what putting it to work would change for applications.
#[utoipa::path(get, path = "/api/v1/products/{id}/codec/versions/{number}", tag = "codecs",
    params(("id" = u32, Path), ("number" = u32, Path)),
    responses((status = 200, body = VersionDetail), (status = 404, description = "No such product or version")))]
pub(super) async fn show_version(
    State(api): Shared,
    PathOf((id, number)): PathOf<(ProductId, VersionNumber)>,
) -> Result<Json<VersionDetail>, Problem> {
    let product = find(&api, id).await?;
    let version = api.read(move |store| store.version(id, number)).await?;
    let version = version.ok_or_else(|| {
        Problem::new(Code::NoVersion, format!("product {id} has no codec version {number}"))
            .hint("GET .../codec/versions lists them")
    })?;
    let catalog = std::sync::Arc::clone(&api.parts.catalog);
    let shown = off_reactor(move || {
        let compatibility = catalog.compare(&product, &version)?;
        // One that cannot be loaded is shown all the same.
        let edition = catalog.edition(id, number).ok();
        let description = edition.as_ref().and_then(|edition| edition.codec()).map(|active| active.codec.description().clone());
        let profile = RawValue::from_string(version.profile.clone())
            .map_err(|error| StoreError::Corrupt { what: "profile", why: error.to_string() })?;
        let version = VersionView::new(version, &product.versions);
        Ok::<_, Problem>(VersionDetail { version, compatibility, description, profile })
    });
    Ok(Json(shown.await??))
}

/// Put a version to work: promote a candidate, or go back to a retired one.
#[utoipa::path(post, path = "/api/v1/products/{id}/codec/versions/{number}/activate", tag = "codecs",
    params(("id" = u32, Path), ("number" = u32, Path), SwitchQuery),
    responses((status = 200, body = Switched), (status = 404, description = "No such product or version"),
        (status = 409, description = "Its profile breaks what applications may rely on")))]
pub(super) async fn activate_version(
    State(api): Shared,
    PathOf((id, number)): PathOf<(ProductId, VersionNumber)>,
    caller: Caller,
    QueryOf(query): QueryOf<SwitchQuery>,
) -> Result<Json<Switched>, Problem> {
    let order = order(caller, query.accept_breaking, query.comment)?;
    Ok(Json(api.parts.catalog.activate(id, number, order, api.now()).await?.into()))
}

/// Take the version at work back: the one that it replaced works again.
#[utoipa::path(post, path = "/api/v1/products/{id}/codec/rollback", tag = "codecs", params(("id" = u32, Path), RollbackQuery),
    responses((status = 200, body = Switched), (status = 404, description = "No such product"),
        (status = 409, description = "There is nothing to go back to")))]
pub(super) async fn roll_back(
    State(api): Shared,
    PathOf(id): PathOf<ProductId>,
    caller: Caller,
    QueryOf(query): QueryOf<RollbackQuery>,
) -> Result<Json<Switched>, Problem> {
    let order = order(caller, true, query.comment)?;
    Ok(Json(api.parts.catalog.roll_back(id, order, api.now()).await?.into()))
}

/// The product, or the problem that there is none.
pub(super) async fn find(api: &Api, id: ProductId) -> Result<Product, Problem> {
    let found = api.read(move |store| store.product(id)).await?;
    found.map(|stored| stored.doc).ok_or_else(|| Problem::new(Code::NoProduct, format!("there is no product {id}")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::CommandDescription;

    #[test]
    fn a_command_that_the_codec_does_not_encode_is_a_warning() {
        let profile = Profile::parse(
            "profile",
            r#"{"manufacturerId":"Acme01","model":"WM1","deviceType":"WaterMeter","services":[
                {"serviceId":"Valve","commands":[{"name":"SET_VALVE"},{"name":"TEST_VALVE"}]}]}"#,
        );
        let profile = profile.unwrap();
        let command = |name: &str| CommandDescription {
            service: "Valve".to_owned(),
            name: name.to_owned(),
            params: Vec::new(),
            response: Vec::new(),
        };
        let mut description = Description {
            name: "water-meter".to_owned(),
            version: "0.1.0".to_owned(),
            services: Vec::new(),
            commands: vec![command("SET_VALVE")],
        };
        let warnings = unencoded_commands(&profile, &description);
        assert_eq!(warnings, ["the profile has the command Valve/TEST_VALVE, the codec does not encode it"]);
        description.commands.push(command("TEST_VALVE"));
        assert!(unencoded_commands(&profile, &description).is_empty());
    }
}
