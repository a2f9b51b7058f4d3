//! `/api/v1/devices/import`: many devices at once, told line by line. Each row is held against the same rules as a single device.

use std::collections::HashMap;

use axum::Json;
use axum::extract::{Request, State};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use super::devices::DeviceRequest;
use super::extract::{QueryOf, is_json, media_type, read_body, wrong_media_type};
use super::problem::{Code, Problem};
use super::{Shared, off_reactor};
use crate::enrol::{self, Row, Unreadable};
use crate::model::{Device, DeviceId, EndpointFormat, ProductId, ProductKey, Timestamp};
use crate::store::{Commit, Expect, Store, StoreError, Write};

/// Most bytes of a list: some 80,000 devices.
const LIST_BYTES: usize = 8 << 20;
/// Devices of one commit.
const PIECE: usize = 256;

/// How a list is taken.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct EnrolmentQuery {
    /// Only look: the report says what would be done.
    #[serde(default)]
    dry_run: bool,
}

/// What became of a list.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct EnrolmentReport {
    /// Nothing was stored.
    dry_run: bool,
    /// Devices that were let in, or would be.
    created: usize,
    /// Devices that were there already, under the same product.
    existing: usize,
    refused: usize,
    /// Each line of the list, in order.
    lines: Vec<LineView>,
}

/// What became of one line.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct LineView {
    /// Line of a CSV file, or place in a JSON array, from 1.
    line: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    endpoint: Option<String>,
    outcome: Outcome,
    /// The device that was made, or is there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u64>)]
    device_id: Option<DeviceId>,
    /// Why it was refused: the code of the first mistake.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<&'static str>,
    /// Every mistake of the line.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
}

/// How a line ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// It is let in, or would be.
    Created,
    /// It was there.
    Exists,
    /// It has mistakes.
    Refused,
}

impl LineView {
    fn refused(line: u64, endpoint: Option<String>, (code, reason, fix): (&'static str, String, String)) -> Self {
        let (code, reason, fix) = (Some(code), Some(reason), Some(fix));
        Self { line, endpoint, outcome: Outcome::Refused, device_id: None, code, reason, fix }
    }

    fn settled(line: u64, endpoint: String, outcome: Outcome, device: Option<DeviceId>) -> Self {
        Self { line, endpoint: Some(endpoint), outcome, device_id: device, code: None, reason: None, fix: None }
    }
}

/// Let many devices in.
///
/// A CSV table with a header row (`endpoint,productId` or `manufacturerId,model`, `name`, `powerMode`, `registrationTimeout`,
/// `attributes.NAME`), or a JSON array of what a single device is made of. Lines without mistakes are taken, the others told. The same
/// list again changes nothing.
#[utoipa::path(post, path = "/api/v1/devices/import", tag = "devices", params(EnrolmentQuery),
    request_body(description = "A table, or an array", content((String = "text/csv"), (Vec<DeviceRequest> = "application/json"))),
    responses((status = 200, body = EnrolmentReport), (status = 422, description = "The list cannot be read at all")))]
pub(super) async fn import_devices(State(api): Shared, request: Request) -> Result<Json<EnrolmentReport>, Problem> {
    let query: EnrolmentQuery = QueryOf::of(request.uri())?;
    let read: fn(&[u8]) -> Result<Vec<Row>, Unreadable> = match media_type(request.headers()) {
        json if is_json(json) => enrol::from_json,
        table if table.eq_ignore_ascii_case("text/csv") => enrol::from_csv,
        other => return Err(wrong_media_type(other, "text/csv or application/json")),
    };
    let body = read_body(request, LIST_BYTES).await?;
    let (store, timeout_s, now) = (api.parts.store.clone(), api.parts.registration_timeout_s, api.now());
    let report = off_reactor(move || {
        let rows = read(&body).map_err(|wrong| Problem::new(Code::Shape, wrong.to_string()).hint(wrong.fix))?;
        Ok::<_, Problem>(Enrolment::new(&store, query.dry_run, (timeout_s, now)).take(rows)?)
    });
    Ok(Json(report.await??))
}

/// A list that is being taken. Blocks.
struct Enrolment<'a> {
    store: &'a Store,
    dry_run: bool,
    timeout_s: u32,
    now: Timestamp,
    products: HashMap<ProductId, Option<EndpointFormat>>,
    keys: HashMap<ProductKey, Option<ProductId>>,
    /// Endpoints of the list, and the line that named each.
    named: HashMap<String, u64>,
    lines: Vec<LineView>,
    /// Devices to be stored, and the places of their lines.
    waiting: Vec<(usize, Device)>,
}

impl<'a> Enrolment<'a> {
    fn new(store: &'a Store, dry_run: bool, (timeout_s, now): (u32, Timestamp)) -> Self {
        let (products, keys, named) = (HashMap::new(), HashMap::new(), HashMap::new());
        Self { store, dry_run, timeout_s, now, products, keys, named, lines: Vec::new(), waiting: Vec::new() }
    }

    fn take(mut self, rows: Vec<Row>) -> Result<EnrolmentReport, StoreError> {
        for row in rows {
            let endpoint = row.written.as_ref().ok().and_then(|members| members.get("endpoint")?.as_str()).map(str::to_owned);
            let told = self.row(row.line, row.written)?;
            self.lines.push(told.unwrap_or_else(|why| LineView::refused(row.line, endpoint, why)));
            if self.waiting.len() == PIECE {
                self.store_waiting()?;
            }
        }
        self.store_waiting()?;
        let count = |outcome| self.lines.iter().filter(|line| line.outcome == outcome).count();
        let (created, existing, refused) = (count(Outcome::Created), count(Outcome::Exists), count(Outcome::Refused));
        Ok(EnrolmentReport { dry_run: self.dry_run, created, existing, refused, lines: self.lines })
    }

    /// One row: its line of the report, or code, reason and fix of its refusal.
    fn row(
        &mut self,
        line: u64,
        written: Result<Map<String, Value>, String>,
    ) -> Result<Result<LineView, (&'static str, String, String)>, StoreError> {
        let shape = |reason: String| ("E4401", reason, "write the row like those of the documentation".to_owned());
        let mut members = match written {
            Ok(members) => members,
            Err(why) => return Ok(Err(shape(why))),
        };
        if let Err(why) = self.resolve(&mut members)? {
            return Ok(Err(why));
        }
        let request: DeviceRequest = match serde_json::from_value(Value::Object(members)) {
            Ok(request) => request,
            Err(error) => return Ok(Err(shape(error.to_string()))),
        };
        let format = self.format(request.product())?;
        let product = request.product();
        let device = match request.device(format, self.timeout_s, self.now) {
            Ok(device) => device,
            Err(mistakes) => {
                let all = |of: fn(&crate::profile::Mistake) -> &str| mistakes.iter().map(of).collect::<Vec<_>>().join("; ");
                let code = mistakes.first().map_or("E4405", |mistake| mistake.code);
                return Ok(Err((code, all(|mistake| &mistake.reason), all(|mistake| &mistake.fix))));
            }
        };
        let endpoint = device.endpoint.as_str().to_owned();
        if let Some(earlier) = self.named.insert(endpoint.clone(), line) {
            let reason = format!("line {earlier} names the same endpoint");
            return Ok(Err(("E4302", reason, "remove one of the two".to_owned())));
        }
        if let Some(known) = self.store.device_by_endpoint(&endpoint)? {
            if known.doc.product == product {
                return Ok(Ok(LineView::settled(line, endpoint, Outcome::Exists, Some(known.doc.id))));
            }
            let reason = format!("device {} of product {} has this endpoint", known.doc.id, known.doc.product);
            return Ok(Err(("E4302", reason, "delete that one first, or name its product".to_owned())));
        }
        if self.dry_run {
            return Ok(Ok(LineView::settled(line, endpoint, Outcome::Created, None)));
        }
        let device = Device { id: self.store.next_device_id(), ..device };
        let told = LineView::settled(line, endpoint, Outcome::Created, Some(device.id));
        self.waiting.push((self.lines.len(), device));
        Ok(Ok(told))
    }

    /// Puts the number of a product in place of its manufacturerId and model.
    fn resolve(&mut self, members: &mut Map<String, Value>) -> Result<Result<(), (&'static str, String, String)>, StoreError> {
        let mut part = |name: &str| members.remove(name).and_then(|value| value.as_str().map(str::to_owned));
        let (Some(manufacturer_id), Some(model)) = (part("manufacturerId"), part("model")) else { return Ok(Ok(())) };
        let key = ProductKey { manufacturer_id, model };
        let found = match self.keys.get(&key) {
            Some(known) => *known,
            None => {
                let found = self.store.product_by_key(&key)?.map(|product| product.doc.id);
                self.keys.insert(key.clone(), found);
                found
            }
        };
        let Some(product) = found else {
            let fix = "create the product first, or mend manufacturerId and model".to_owned();
            return Ok(Err(("E4412", format!("there is no product {key}"), fix)));
        };
        members.insert("productId".to_owned(), product.0.into());
        Ok(Ok(()))
    }

    /// How a product's devices name themselves; none = there is no such product.
    fn format(&mut self, product: ProductId) -> Result<Option<EndpointFormat>, StoreError> {
        if let Some(known) = self.products.get(&product) {
            return Ok(*known);
        }
        let format = self.store.product(product)?.map(|stored| stored.doc.endpoint_format);
        self.products.insert(product, format);
        Ok(format)
    }

    /// Stores what waits, together; if one of them cannot be, each alone.
    fn store_waiting(&mut self) -> Result<(), StoreError> {
        let waiting = std::mem::take(&mut self.waiting);
        let put = |device: &Device| Write::PutDevice(device.clone(), Expect::Absent);
        let writes: Vec<_> = waiting.iter().map(|(_, device)| put(device)).collect();
        if writes.is_empty() {
            return Ok(());
        }
        match self.store.commit_blocking(Commit { events: Vec::new(), writes }) {
            Ok(()) => return Ok(()),
            Err(StoreError::Exists(_) | StoreError::Conflict(_)) => {}
            Err(error) => return Err(error),
        }
        for (place, device) in waiting {
            let commit = Commit { events: Vec::new(), writes: vec![put(&device)] };
            let why = match self.store.commit_blocking(commit) {
                Ok(()) => continue,
                Err(why @ (StoreError::Exists(_) | StoreError::Conflict(_))) => why.to_string(),
                Err(error) => return Err(error),
            };
            if let Some(line) = self.lines.get_mut(place) {
                let endpoint = Some(device.endpoint.as_str().to_owned());
                *line = LineView::refused(
                    line.line,
                    endpoint,
                    ("E4302", why, "somebody else changed it meanwhile: send the list again".to_owned()),
                );
            }
        }
        Ok(())
    }
}
