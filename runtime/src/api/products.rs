//! `/api/v1/products`: profiles in our format or as a vendor's package. Their codecs are told in `codecs`.
//!
//! Profiles are checked by `profile`; this only carries bytes in and reports out.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::codecs::{self, VersionView};
use super::extract::{
    BINARY_BYTES, JSON_BYTES, JsonBody, Limit, Listing, PathOf, QueryOf, is_json, media_type, read_body, wrong_media_type,
};
use super::openapi::Binary;
use super::presence::{HabitsRequest, HabitsView};
use super::problem::{Code, Problem, member};
use super::{Shared, off_reactor};
use crate::catalog::NewProduct;
use crate::lwm2m::Path;
use crate::model::{EndpointFormat, Habits, PowerMode, Product, ProductId, VersionNumber};
use crate::profile::{Imported, Mistake, Profile, Strictness, import_huawei};
use crate::store::StoreError;

/// A product as it is listed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductView {
    #[schema(value_type = u32, example = 1)]
    id: ProductId,
    /// Unique together with `model`.
    #[schema(example = "Acme01")]
    manufacturer_id: String,
    #[schema(example = "WM1")]
    model: String,
    #[schema(example = "WaterMeter")]
    device_type: String,
    endpoint_format: EndpointFormat,
    power_mode: PowerMode,
    habits: HabitsView,
    /// What is observed of its devices beside /19/0/0.
    #[schema(example = json!(["/3/0/7"]))]
    observe: Vec<String>,
    /// Digest of the active codec; null = payloads are passed on as they come.
    codec: Option<String>,
    /// Number of the active codec version; null = payloads are passed on as they come.
    #[schema(value_type = Option<u32>)]
    codec_version: Option<VersionNumber>,
    #[schema(format = DateTime)]
    created: String,
    /// Whether parameters of another JSON type are taken where their meaning is plain: `"12"` for an int, 12 for a text.
    coerce_params: bool,
    /// Seconds that an eDRX device has to acknowledge a command; absent = the span of the retransmissions.
    #[serde(skip_serializing_if = "Option::is_none")]
    edrx_timeout: Option<u32>,
}

impl From<Product> for ProductView {
    fn from(product: Product) -> Self {
        Self {
            id: product.id,
            manufacturer_id: product.key.manufacturer_id,
            model: product.key.model,
            device_type: product.device_type,
            endpoint_format: product.endpoint_format,
            power_mode: product.power_mode,
            habits: product.habits.into(),
            observe: product.observe,
            codec: product.codec,
            codec_version: product.versions.active,
            created: product.created.to_string(),
            coerce_params: product.commands.coerce_params,
            edrx_timeout: product.commands.edrx_timeout_s,
        }
    }
}

/// A product with all that belongs to it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductDetail {
    #[serde(flatten)]
    product: ProductView,
    device_count: u64,
    /// The codec versions that are kept, in order of number.
    codecs: Vec<VersionView>,
    /// The profile, in the format of `profiles/schema.json`.
    #[schema(value_type = Object)]
    profile: Box<RawValue>,
}

/// A product that was just created.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct ProductCreated {
    #[serde(flatten)]
    product: ProductView,
    /// What was doubtful in the profile, and what a lenient import forgave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    warnings: Vec<Mistake>,
}

/// A product to create from a profile in our format.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProductRequest {
    /// The profile, in the format of `profiles/schema.json`.
    #[schema(value_type = Object)]
    profile: Box<RawValue>,
    #[serde(default)]
    endpoint_format: EndpointFormat,
    #[serde(default)]
    power_mode: PowerMode,
    #[serde(default)]
    habits: HabitsRequest,
    /// Paths of objects, instances or resources to observe beside /19/0/0, at most 16.
    #[serde(default)]
    #[schema(value_type = Vec<String>, example = json!(["/3/0/7"]))]
    observe: Vec<Path>,
}

/// Settings of a product to change; what is not named stays as it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProductChange {
    #[serde(default)]
    power_mode: Option<PowerMode>,
    #[serde(default)]
    habits: HabitsRequest,
    /// Whether parameters of another JSON type are taken where their meaning is plain: `"12"` for an int, 12 for a text.
    #[serde(default)]
    coerce_params: Option<bool>,
    /// Seconds that an eDRX device has to acknowledge a command, 1 to 86,400; 0 = the span of the retransmissions.
    #[serde(default)]
    #[schema(minimum = 0, maximum = 86_400)]
    edrx_timeout: Option<u32>,
    /// Paths to observe beside /19/0/0, in place of those before; a device is asked at its next Register.
    #[serde(default)]
    #[schema(value_type = Option<Vec<String>>, example = json!(["/3/0/7"]))]
    observe: Option<Vec<Path>>,
}

/// Most paths that are observed of a product's devices beside /19/0/0.
const MAX_OBSERVED: usize = 16;

/// Paths to observe as they are stored. Security is nobody's to read, the root is not observed, and /19/0/0 is anyway.
fn observed(paths: &[Path]) -> Result<Vec<String>, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    if paths.len() > MAX_OBSERVED {
        mistakes.push(member("/observe", "E4423", format!("{} paths are too many", paths.len()), "name at most 16"));
    }
    for (index, path) in paths.iter().enumerate() {
        if matches!(path.object(), None | Some(0)) || path.ids() == [19, 0, 0] {
            let reason = format!("{path} cannot be observed, or is observed by itself");
            mistakes.push(member(
                &format!("/observe/{index}"),
                "E4423",
                reason,
                "name an object, instance or resource, such as /3/0/7",
            ));
        }
    }
    if mistakes.is_empty() { Ok(paths.iter().map(Path::to_string).collect()) } else { Err(mistakes) }
}

/// Most seconds of an eDRX timeout.
const MAX_EDRX_TIMEOUT_S: u32 = 86_400;

/// The settings of a product that is created from a vendor's package.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PackageQuery {
    /// Name of the package, `deviceType_manufacturerId_model.zip`; needed with a zip.
    #[param(required = false, example = "WaterMeter_Acme01_WM1.zip")]
    file_name: String,
    /// Whether known harmless deviations are forgiven.
    #[serde(default)]
    lenient: bool,
    #[serde(default)]
    endpoint_format: EndpointFormat,
    #[serde(default)]
    power_mode: PowerMode,
}

/// Which page of the products.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ProductQuery {
    /// Those with a greater id.
    #[param(value_type = Option<u32>)]
    after: Option<ProductId>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// List products, in order of id.
#[utoipa::path(get, path = "/api/v1/products", tag = "products", params(ProductQuery),
    responses((status = 200, body = Listing<ProductView>)))]
pub(super) async fn list_products(
    State(api): Shared,
    QueryOf(query): QueryOf<ProductQuery>,
) -> Result<Json<Listing<ProductView>>, Problem> {
    let mut products: Vec<Product> = api.read(|store| store.products()).await?.into_iter().map(|stored| stored.doc).collect();
    products.retain(|product| query.after.is_none_or(|after| product.id > after));
    products.sort_by_key(|product| product.id);
    let more = products.len() > query.limit.0;
    products.truncate(query.limit.0);
    let next = if more { products.last().map(|product| product.id) } else { None };
    Ok(Json(Listing::new(products.into_iter().map(ProductView::from).collect(), next)))
}

/// Create a product.
///
/// From a profile in our format (JSON), or from a vendor's package (zip, with the settings in the query). All mistakes are
/// reported at once.
#[utoipa::path(post, path = "/api/v1/products", tag = "products", params(PackageQuery),
    request_body(description = "A profile in our format, or a vendor's package", content(
        (ProductRequest = "application/json"), (Binary = "application/zip"))),
    responses((status = 201, body = ProductCreated), (status = 409, description = "manufacturerId and model are taken"),
        (status = 422, description = "The profile has mistakes")))]
pub(super) async fn create_product(State(api): Shared, request: Request) -> Result<Response, Problem> {
    let (new, warnings) = match media_type(request.headers()) {
        json if is_json(json) => product_of_json(request).await?,
        zip if zip.eq_ignore_ascii_case("application/zip") => product_of_package(request).await?,
        other => return Err(wrong_media_type(other, "application/json or application/zip")),
    };
    let product = api.parts.catalog.create(new, api.now()).await?;
    let location = format!("/api/v1/products/{}", product.id);
    let created = ProductCreated { product: product.into(), warnings };
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(created)).into_response())
}

async fn product_of_json(request: Request) -> Result<(NewProduct, Vec<Mistake>), Problem> {
    if request.uri().query().is_some_and(|query| !query.is_empty()) {
        return Err(Problem::new(Code::BadQuery, "a product from JSON takes no query parameters").hint("put them into the body"));
    }
    let body = read_body(request, JSON_BYTES).await?;
    let ProductRequest { profile, endpoint_format, power_mode, habits, observe } = serde_json::from_slice(&body)?;
    let observe = observed(&observe).map_err(Problem::members)?;
    let habits = habits.over(Habits::default()).map_err(Problem::members)?;
    let profile = off_reactor(move || Profile::parse("profile", profile.get())).await?.map_err(refused_profile)?;
    let warnings = profile.warnings().to_vec();
    Ok((NewProduct { profile, endpoint_format, power_mode, habits, observe }, warnings))
}

async fn product_of_package(request: Request) -> Result<(NewProduct, Vec<Mistake>), Problem> {
    let query: PackageQuery = QueryOf::of(request.uri())?;
    let body = read_body(request, BINARY_BYTES).await?;
    let strictness = if query.lenient { Strictness::Lenient } else { Strictness::Strict };
    let imported = off_reactor(move || import_huawei(&query.file_name, &body, strictness)).await?;
    let Imported { profile, warnings } = imported.map_err(refused_profile)?;
    Ok((
        NewProduct {
            profile,
            endpoint_format: query.endpoint_format,
            power_mode: query.power_mode,
            habits: Default::default(),
            observe: Vec::new(),
        },
        warnings,
    ))
}

fn refused_profile(mistakes: Vec<Mistake>) -> Problem {
    let count = match mistakes.len() {
        1 => "1 mistake".to_owned(),
        many => format!("{many} mistakes"),
    };
    Problem::new(Code::Profile, format!("the profile has {count}")).with_mistakes(mistakes)
}

/// Show a product with its profile, codec versions and number of devices.
#[utoipa::path(get, path = "/api/v1/products/{id}", tag = "products", params(("id" = u32, Path)),
    responses((status = 200, body = ProductDetail), (status = 404, description = "No such product")))]
pub(super) async fn show_product(State(api): Shared, PathOf(id): PathOf<ProductId>) -> Result<Json<ProductDetail>, Problem> {
    let mut product = codecs::find(&api, id).await?;
    let (device_count, versions) = api.read(move |store| Ok((store.device_count(id)?, store.versions(id)?))).await?;
    let profile = RawValue::from_string(std::mem::take(&mut product.profile))
        .map_err(|error| StoreError::Corrupt { what: "profile", why: error.to_string() })?;
    let codecs = versions.into_iter().map(|version| VersionView::new(version, &product.versions)).collect();
    Ok(Json(ProductDetail { product: product.into(), device_count, codecs, profile }))
}

/// Change settings of a product. Devices are judged by the new ones at once; commands that wait go by the new power mode.
#[utoipa::path(patch, path = "/api/v1/products/{id}", tag = "products", params(("id" = u32, Path)), request_body = ProductChange,
    responses((status = 200, body = ProductView), (status = 404, description = "No such product"),
        (status = 422, description = "Members cannot be taken")))]
pub(super) async fn change_product(
    State(api): Shared,
    PathOf(id): PathOf<ProductId>,
    JsonBody(change): JsonBody<ProductChange>,
) -> Result<Json<ProductView>, Problem> {
    let mut wrong = Vec::new();
    if let Some(seconds) = change.edrx_timeout.filter(|seconds| *seconds > MAX_EDRX_TIMEOUT_S) {
        let reason = format!("{seconds} s is no time to wait for one acknowledgement");
        wrong.push(member("/edrxTimeout", "E4432", reason, "1 to 86400, or 0 for the default"));
    }
    let edit = move |product: &mut Product| {
        let habits = change.habits.over(product.habits).map_err(|more| wrong.iter().cloned().chain(more).collect::<Vec<_>>());
        product.habits = habits?;
        if !wrong.is_empty() {
            return Err(wrong.clone());
        }
        product.power_mode = change.power_mode.unwrap_or(product.power_mode);
        product.commands.coerce_params = change.coerce_params.unwrap_or(product.commands.coerce_params);
        if let Some(seconds) = change.edrx_timeout {
            product.commands.edrx_timeout_s = Some(seconds).filter(|seconds| *seconds > 0);
        }
        if let Some(paths) = &change.observe {
            product.observe = observed(paths)?;
        }
        Ok(())
    };
    let product = api.parts.catalog.configure(id, edit).await?.map_err(Problem::members)?;
    let router = api.parts.router.clone();
    off_reactor(move || router.learn_silent(Some(id))).await??;
    Ok(Json(product.into()))
}

/// Delete a product that has no devices.
#[utoipa::path(delete, path = "/api/v1/products/{id}", tag = "products", params(("id" = u32, Path)),
    responses((status = 204, description = "Deleted"), (status = 409, description = "The product has devices")))]
pub(super) async fn delete_product(State(api): Shared, PathOf(id): PathOf<ProductId>) -> Result<StatusCode, Problem> {
    api.parts.catalog.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}
