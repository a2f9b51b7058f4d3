//! `/api/v1/products`: profiles in our format or as a vendor's package, and the codec of each product.
//!
//! Profiles are checked by `profile`, components admitted by `catalog`; this only carries bytes in and reports out.

use axum::Json;
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::extract::{
    BINARY_BYTES, JSON_BYTES, Limit, Listing, PathOf, QueryOf, is_json, media_type, read_body, wrong_media_type,
};
use super::openapi::Binary;
use super::problem::{Code, Problem};
use super::{Shared, off_reactor};
use crate::catalog::NewProduct;
use crate::model::{Description, EndpointFormat, PowerMode, Product, ProductId};
use crate::profile::{Imported, Mistake, Profile, Strictness, import_huawei};
use crate::store::{CodecRecord, StoreError};

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
    /// Digest of the active codec; null = payloads are passed on as they come.
    codec: Option<String>,
    #[schema(format = DateTime)]
    created: String,
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
            codec: product.codec,
            created: product.created.to_string(),
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
    /// All codec versions that were installed.
    codecs: Vec<CodecView>,
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

/// A codec version.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodecView {
    /// blake3 of the component, hex.
    digest: String,
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
}

impl From<CodecRecord> for CodecView {
    fn from(record: CodecRecord) -> Self {
        Self {
            digest: record.digest,
            name: record.name,
            version: record.version,
            size: record.size,
            uploaded: record.uploaded.to_string(),
        }
    }
}

/// A codec version that was just installed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodecInstalled {
    #[serde(flatten)]
    codec: CodecView,
    /// The tables of the codec: what it reports and which commands it encodes.
    #[schema(value_type = Object)]
    #[serde(skip_serializing_if = "Option::is_none")]
    description: Option<Description>,
    /// What works and may not be meant, such as commands of the profile that the codec does not encode.
    warnings: Vec<String>,
}

/// The codec versions of a product.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CodecVersions {
    /// Digest of the active one; null = transparent.
    active: Option<String>,
    versions: Vec<CodecView>,
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
}

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
    let ProductRequest { profile, endpoint_format, power_mode } = serde_json::from_slice(&body)?;
    let profile = off_reactor(move || Profile::parse("profile", profile.get())).await?.map_err(refused_profile)?;
    let warnings = profile.warnings().to_vec();
    Ok((NewProduct { profile, endpoint_format, power_mode }, warnings))
}

async fn product_of_package(request: Request) -> Result<(NewProduct, Vec<Mistake>), Problem> {
    let query: PackageQuery = QueryOf::of(request.uri())?;
    let body = read_body(request, BINARY_BYTES).await?;
    let strictness = if query.lenient { Strictness::Lenient } else { Strictness::Strict };
    let imported = off_reactor(move || import_huawei(&query.file_name, &body, strictness)).await?;
    let Imported { profile, warnings } = imported.map_err(refused_profile)?;
    Ok((NewProduct { profile, endpoint_format: query.endpoint_format, power_mode: query.power_mode }, warnings))
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
    let found = api.read(move |store| {
        let Some(stored) = store.product(id)? else { return Ok(None) };
        Ok(Some((stored.doc, store.device_count(id)?, store.codecs(id)?)))
    });
    let (mut product, device_count, codecs) = found.await?.ok_or_else(|| no_product(id))?;
    let profile = RawValue::from_string(std::mem::take(&mut product.profile))
        .map_err(|error| StoreError::Corrupt { what: "profile", why: error.to_string() })?;
    let codecs = codecs.into_iter().map(CodecView::from).collect();
    Ok(Json(ProductDetail { product: product.into(), device_count, codecs, profile }))
}

/// Delete a product that has no devices.
#[utoipa::path(delete, path = "/api/v1/products/{id}", tag = "products", params(("id" = u32, Path)),
    responses((status = 204, description = "Deleted"), (status = 409, description = "The product has devices")))]
pub(super) async fn delete_product(State(api): Shared, PathOf(id): PathOf<ProductId>) -> Result<StatusCode, Problem> {
    api.parts.catalog.delete(id).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Install a codec: admit the component, make it the product's active one.
///
/// Traffic goes on; calls in flight finish on the version that they began with.
#[utoipa::path(put, path = "/api/v1/products/{id}/codec", tag = "products", params(("id" = u32, Path)),
    request_body(content = Binary, content_type = "application/wasm", description = "A component of at most 8 MiB"),
    responses((status = 200, body = CodecInstalled), (status = 422, description = "Not admitted, or it does not fit the profile")))]
pub(super) async fn install_codec(
    State(api): Shared,
    PathOf(id): PathOf<ProductId>,
    request: Request,
) -> Result<Json<CodecInstalled>, Problem> {
    let media_type = media_type(request.headers());
    if !media_type.eq_ignore_ascii_case("application/wasm") {
        return Err(wrong_media_type(media_type, "application/wasm"));
    }
    let component = read_body(request, BINARY_BYTES).await?;
    let record = api.parts.catalog.install(id, component.to_vec(), api.now()).await?;
    let active = api.parts.catalog.active(id);
    let installed = active.as_ref().and_then(|product| product.codec().map(|codec| (product, codec)));
    // Another version may have been installed meanwhile; its tables are not this one's.
    let (description, warnings) = match installed.filter(|(_, codec)| codec.codec.digest() == record.digest) {
        Some((product, codec)) => {
            let description = codec.codec.description().clone();
            let warnings = unencoded_commands(&product.profile, &description);
            (Some(description), warnings)
        }
        None => (None, Vec::new()),
    };
    Ok(Json(CodecInstalled { codec: record.into(), description, warnings }))
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

/// List the codec versions of a product.
#[utoipa::path(get, path = "/api/v1/products/{id}/codec", tag = "products", params(("id" = u32, Path)),
    responses((status = 200, body = CodecVersions), (status = 404, description = "No such product")))]
pub(super) async fn list_codecs(State(api): Shared, PathOf(id): PathOf<ProductId>) -> Result<Json<CodecVersions>, Problem> {
    let found = api.read(move |store| {
        let Some(stored) = store.product(id)? else { return Ok(None) };
        Ok(Some((stored.doc.codec, store.codecs(id)?)))
    });
    let (active, codecs) = found.await?.ok_or_else(|| no_product(id))?;
    Ok(Json(CodecVersions { active, versions: codecs.into_iter().map(CodecView::from).collect() }))
}

fn no_product(id: ProductId) -> Problem {
    Problem::new(Code::NoProduct, format!("there is no product {id}"))
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
