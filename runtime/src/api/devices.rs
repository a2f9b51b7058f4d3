//! `/api/v1/devices`: who is let in. Checks names against the product's format; knows nothing of how devices speak.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::extract::{JsonBody, Limit, Listing, PathOf, QueryOf};
use super::presence::{FlowView, PresenceView};
use super::problem::{Code, Problem, member};
use super::{Api, Shared};
use crate::lwm2m::{Path, oma};
use crate::model::{Device, DeviceId, Endpoint, EndpointFormat, PowerMode, ProductId, Registration, Timestamp};
use crate::presence::DeviceState;
use crate::profile::Mistake;
use crate::store::{Expect, StoreError, Write};

/// Most bytes of a device's name.
const NAME_BYTES: usize = 256;
/// Longest registration timeout (REFERENCE C.6).
const LONGEST_TIMEOUT_S: u32 = 2_147_483_647;
/// Devices that one listing by state looks at.
const LOOKED_AT: usize = 20_000;
/// Most attributes of a device.
const ATTRIBUTES: usize = 32;
/// Most bytes of an attribute's name.
const ATTRIBUTE_NAME_BYTES: usize = 64;
/// Most bytes of an attribute's value.
const ATTRIBUTE_BYTES: usize = 1_024;

/// A device as it is listed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceView {
    #[schema(value_type = u64, example = 7)]
    id: DeviceId,
    /// The LwM2M endpoint client name.
    #[schema(value_type = String, example = "urn:imei:867000000000001")]
    endpoint: Endpoint,
    #[schema(value_type = u32, example = 1)]
    product_id: ProductId,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    /// What a codec may ask for by name.
    attributes: BTreeMap<String, String>,
    /// Removed when it did not register within so many seconds after it was created; 0 = never.
    registration_timeout_s: u32,
    #[schema(format = DateTime)]
    created: String,
    #[serde(flatten)]
    presence: PresenceView,
}

impl DeviceView {
    fn new(device: Device, presence: PresenceView) -> Self {
        Self {
            id: device.id,
            endpoint: device.endpoint,
            product_id: device.product,
            name: device.name,
            attributes: device.attributes,
            registration_timeout_s: device.registration_timeout_s,
            created: device.created.to_string(),
            presence,
        }
    }
}

/// A device with its registration and its open commands.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct DeviceDetail {
    #[serde(flatten)]
    device: DeviceView,
    /// Absent while the device is not registered.
    #[serde(skip_serializing_if = "Option::is_none")]
    registration: Option<RegistrationView>,
    /// Until when a device that sleeps listens, by what was learned of it; absent while it sleeps.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(format = DateTime)]
    awake_until: Option<String>,
    flow: FlowView,
    /// Commands that are PENDING or SENT.
    open_commands: usize,
}

/// A live LwM2M registration. Location and token are secrets between device and gateway and are not shown.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct RegistrationView {
    /// Where the device was last heard.
    #[schema(example = "192.0.2.7:40312")]
    peer: String,
    /// `lt`, seconds.
    lifetime: u32,
    /// `lwm2m`, as sent.
    version: String,
    /// `b`, as sent.
    binding: String,
    /// Object and instance paths.
    objects: Vec<String>,
    /// Names of the objects that are well-known.
    #[schema(value_type = Object, example = json!({"/3": "Device"}))]
    object_names: BTreeMap<String, &'static str>,
    /// First Register.
    #[schema(format = DateTime)]
    registered: String,
    /// Last Register or Update.
    #[schema(format = DateTime)]
    updated: String,
    /// When it ends unless the device speaks before.
    #[schema(format = DateTime)]
    expires: String,
}

impl From<Registration> for RegistrationView {
    fn from(registration: Registration) -> Self {
        Self {
            peer: registration.peer.to_string(),
            lifetime: registration.lifetime_s,
            expires: registration.expires().to_string(),
            version: registration.version,
            binding: registration.binding,
            object_names: object_names(&registration.objects),
            objects: registration.objects,
            registered: registration.registered.to_string(),
            updated: registration.updated.to_string(),
        }
    }
}

fn object_names(paths: &[String]) -> BTreeMap<String, &'static str> {
    let object = |path: &String| path.parse::<Path>().ok()?.object();
    paths.iter().filter_map(object).filter_map(|id| Some((format!("/{id}"), oma::object(id)?.name))).collect()
}

/// A device to let in.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DeviceRequest {
    /// The endpoint client name, in the product's format.
    #[schema(example = "urn:imei:867000000000001")]
    endpoint: String,
    #[schema(value_type = u32, example = 1)]
    product_id: ProductId,
    /// At most 256 bytes.
    #[serde(default)]
    name: Option<String>,
    /// Overrides the product's power mode.
    #[serde(default)]
    power_mode: Option<PowerMode>,
    /// At most 32, with names of at most 64 and values of at most 1,024 bytes.
    #[serde(default)]
    attributes: BTreeMap<String, String>,
    /// Remove it when it did not register within so many seconds, at most 2147483647; 0 = never. Otherwise as
    /// `devices.registration_timeout_s` says.
    #[serde(default)]
    registration_timeout_s: Option<u32>,
}

impl DeviceRequest {
    /// Of which product it is to be.
    pub(super) fn product(&self) -> ProductId {
        self.product_id
    }

    /// The device, without a number yet, or every mistake. `format` = that of the product, none = there is no such product;
    /// `timeout_s` = its registration timeout unless it says one.
    pub(super) fn device(self, format: Option<EndpointFormat>, timeout_s: u32, now: Timestamp) -> Result<Device, Vec<Mistake>> {
        let endpoint = self.check(format)?;
        Ok(Device {
            id: DeviceId::NONE,
            endpoint,
            product: self.product_id,
            name: self.name,
            power_mode: self.power_mode,
            attributes: self.attributes,
            registration_timeout_s: self.registration_timeout_s.unwrap_or(timeout_s),
            created: now,
        })
    }

    /// Holds every member against its rule. `format` = that of the product, none = there is no such product.
    fn check(&self, format: Option<EndpointFormat>) -> Result<Endpoint, Vec<Mistake>> {
        let mut mistakes = Vec::new();
        let endpoint = Endpoint::new(self.endpoint.as_str()).and_then(|endpoint| {
            format.unwrap_or_default().check(&endpoint)?;
            Ok(endpoint)
        });
        if let Err(refusal) = &endpoint {
            let reason =
                format!("this product's endpoints are written as {}; got `{}`", refusal.expected, refusal.got.escape_debug());
            mistakes.push(member("/endpoint", "E4411", reason, "write the name exactly as the device's module sends it"));
        }
        if format.is_none() {
            let reason = format!("there is no product {}", self.product_id);
            mistakes.push(member("/productId", "E4412", reason, "create the product first, or name one of GET /api/v1/products"));
        }
        if self.name.as_ref().is_some_and(|name| name.len() > NAME_BYTES) {
            mistakes.push(member("/name", "E4413", format!("the name has more than {NAME_BYTES} bytes"), "shorten it"));
        }
        if self.attributes.len() > ATTRIBUTES {
            mistakes.push(member("/attributes", "E4414", format!("there are more than {ATTRIBUTES} attributes"), "drop some"));
        }
        for (name, value) in &self.attributes {
            if name.is_empty() || name.len() > ATTRIBUTE_NAME_BYTES || value.len() > ATTRIBUTE_BYTES {
                let pointer = format!("/attributes/{}", name.replace('~', "~0").replace('/', "~1"));
                let reason = format!("a name has 1 to {ATTRIBUTE_NAME_BYTES} bytes and a value at most {ATTRIBUTE_BYTES}");
                mistakes.push(member(&pointer, "E4414", reason, "shorten it"));
            }
        }
        if self.registration_timeout_s.is_some_and(|seconds| seconds > LONGEST_TIMEOUT_S) {
            let reason = format!("the timeout is more than {LONGEST_TIMEOUT_S} seconds");
            mistakes.push(member("/registrationTimeoutS", "E4420", reason, "shorten it, or write 0 for never"));
        }
        match endpoint {
            Ok(endpoint) if mistakes.is_empty() => Ok(endpoint),
            _ => Err(mistakes),
        }
    }
}

/// Which devices.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct DeviceQuery {
    /// Those of one product.
    #[param(value_type = Option<u32>)]
    product_id: Option<ProductId>,
    /// Those in this state. A page may have fewer devices than its limit, or none, while there is a next one.
    state: Option<DeviceState>,
    /// Those with a greater id.
    #[param(value_type = Option<u64>)]
    after: Option<DeviceId>,
    #[serde(default)]
    #[param(value_type = Option<u16>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
}

/// List devices, in order of id.
#[utoipa::path(get, path = "/api/v1/devices", tag = "devices", params(DeviceQuery),
    responses((status = 200, body = Listing<DeviceView>)))]
pub(super) async fn list_devices(
    State(api): Shared,
    QueryOf(query): QueryOf<DeviceQuery>,
) -> Result<Json<Listing<DeviceView>>, Problem> {
    let (catalog, now) = (Arc::clone(&api.parts.catalog), api.now());
    let page = api.read(move |store| {
        let view = |device: Device| -> Result<DeviceView, StoreError> {
            let presence = PresenceView::new(store, &catalog, &device, None, now)?;
            Ok(DeviceView::new(device, presence))
        };
        let Some(state) = query.state else {
            let page = store.devices(query.product_id, query.after, query.limit.0)?;
            let views = page.items.into_iter().map(view).collect::<Result<Vec<_>, _>>()?;
            return Ok(Listing::new(views, page.next));
        };
        let (mut views, mut after, mut looked) = (Vec::new(), query.after, 0);
        loop {
            let page = store.devices(query.product_id, after, query.limit.0)?;
            for device in page.items {
                (after, looked) = (Some(device.id), looked + 1);
                if store.presence(&device)?.state == state {
                    views.push(view(device)?);
                }
                if views.len() == query.limit.0 {
                    return Ok(Listing::new(views, after));
                }
            }
            if page.next.is_none() || looked >= LOOKED_AT {
                return Ok(Listing::new(views, page.next));
            }
        }
    });
    Ok(Json(page.await?))
}

/// Let a device in.
#[utoipa::path(post, path = "/api/v1/devices", tag = "devices", request_body = DeviceRequest,
    responses((status = 201, body = DeviceView), (status = 409, description = "The endpoint is taken"),
        (status = 422, description = "Members cannot be taken")))]
pub(super) async fn create_device(State(api): Shared, JsonBody(request): JsonBody<DeviceRequest>) -> Result<Response, Problem> {
    let product = request.product_id;
    let format = api.read(move |store| store.product(product)).await?.map(|stored| stored.doc.endpoint_format);
    let device = request.device(format, api.parts.registration_timeout_s, api.now()).map_err(Problem::members)?;
    let device = Device { id: api.parts.store.next_device_id(), ..device };
    api.commit(vec![Write::PutDevice(device.clone(), Expect::Absent)]).await?;
    api.parts.router.added(&device);
    let location = format!("/api/v1/devices/{}", device.id);
    let presence = PresenceView::new(&api.parts.store, &api.parts.catalog, &device, None, api.now())?;
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], Json(DeviceView::new(device, presence))).into_response())
}

/// Show a device with its registration and its number of open commands.
#[utoipa::path(get, path = "/api/v1/devices/{id}", tag = "devices", params(("id" = u64, Path)),
    responses((status = 200, body = DeviceDetail), (status = 404, description = "No such device")))]
pub(super) async fn show_device(State(api): Shared, PathOf(id): PathOf<DeviceId>) -> Result<Json<DeviceDetail>, Problem> {
    let lane = api.parts.router.view(id).await;
    let (catalog, limit, now) = (Arc::clone(&api.parts.catalog), api.parts.router.device_limit(), api.now());
    let found = api.read(move |store| {
        let Some(stored) = store.device(id)? else { return Ok(None) };
        let presence = PresenceView::new(store, &catalog, &stored.doc, lane, now)?;
        Ok(Some(DeviceDetail {
            device: DeviceView::new(stored.doc, presence),
            registration: store.registration(id)?.map(RegistrationView::from),
            awake_until: lane.filter(|lane| lane.awake_until > now).map(|lane| lane.awake_until.to_string()),
            flow: FlowView::new(lane, limit),
            open_commands: store.open_count(id, usize::MAX)?,
        }))
    });
    found.await?.map(Json).ok_or_else(|| no_device(id))
}

/// Delete a device, its registration and its commands. Its events stay until retention drops them.
#[utoipa::path(delete, path = "/api/v1/devices/{id}", tag = "devices", params(("id" = u64, Path)),
    responses((status = 204, description = "Deleted"), (status = 404, description = "No such device")))]
pub(super) async fn delete_device(State(api): Shared, PathOf(id): PathOf<DeviceId>) -> Result<StatusCode, Problem> {
    must_exist(&api, id).await?;
    api.commit(vec![Write::DeleteDevice(id)]).await?;
    api.parts.router.forget(id);
    Ok(StatusCode::NO_CONTENT)
}

/// Refuses with 404 when there is no such device.
pub(super) async fn must_exist(api: &Api, id: DeviceId) -> Result<(), Problem> {
    api.read(move |store| store.device(id)).await?.map(|_| ()).ok_or_else(|| no_device(id))
}

fn no_device(id: DeviceId) -> Problem {
    Problem::new(Code::NoDevice, format!("there is no device {id}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(json: &str, format: Option<EndpointFormat>) -> Result<Endpoint, Vec<(String, &'static str)>> {
        let request: DeviceRequest = serde_json::from_str(json).unwrap();
        request.check(format).map_err(|mistakes| mistakes.into_iter().map(|mistake| (mistake.pointer, mistake.code)).collect())
    }

    #[test]
    fn an_endpoint_is_held_against_the_products_format() {
        let json = r#"{"endpoint":"867000000000001","productId":1}"#;
        assert_eq!(check(json, Some(EndpointFormat::Imei)).unwrap().as_str(), "867000000000001");
        assert_eq!(check(json, Some(EndpointFormat::UrnImei)).unwrap_err(), [("/endpoint".to_owned(), "E4411")]);
        let request: DeviceRequest = serde_json::from_str(json).unwrap();
        let mistakes = request.check(Some(EndpointFormat::UrnImei)).unwrap_err();
        assert!(mistakes[0].reason.contains("urn:imei:<15 digits>; got `867000000000001`"), "{}", mistakes[0].reason);
    }

    #[test]
    fn all_mistakes_of_a_device_are_told_at_once() {
        let name = "n".repeat(257);
        let json =
            format!(r#"{{"endpoint":"","productId":9,"name":"{name}","attributes":{{"":"x","a/b":"{}"}}}}"#, "v".repeat(1_025));
        let pointers: Vec<String> = check(&json, None).unwrap_err().into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/endpoint", "/productId", "/name", "/attributes/", "/attributes/a~1b"]);
    }
}
