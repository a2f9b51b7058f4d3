//! The OpenAPI 3.1 document, generated from the routes' types and held against the committed `openapi.json`.
//!
//! Also says how model types look in it: `model` names no outside crate, so their schemas are written here.

use std::collections::BTreeMap;

use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{
    ArrayBuilder, ContentBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Response, ResponseBuilder, Schema, SchemaFormat, Type,
};
use utoipa::{Modify, OpenApi, PartialSchema, ToSchema};

use super::problem::{Code, ProblemBody};
use super::{
    batches, codecs, commands, devices, enrolment, events, health, metrics, products, redecode, subscriptions, traces, trials,
    uplinks, why,
};
use crate::model::{CommandState, EndpointFormat, EventKind, PowerMode, VersionState};
use crate::presence::{DeviceState, ModeFrom};
use crate::profile::{Change, ChangeKind, Compatibility, Mistake, Severity};
use crate::trace::{self, Outcome, Turn};
use crate::webhook::Activity;

/// The document as pretty JSON, ending in a line break.
#[must_use]
pub fn document() -> String {
    // Every schema is plain data: it always has a JSON form.
    let mut text = Gateway::openapi().to_pretty_json().unwrap_or_default();
    text.push('\n');
    text
}

#[derive(OpenApi)]
#[openapi(
    info(title = "codecgate", license(name = "Apache-2.0", identifier = "Apache-2.0")),
    paths(
        products::list_products,
        products::create_product,
        products::show_product,
        products::change_product,
        products::delete_product,
        codecs::install_codec,
        codecs::deliver_package,
        codecs::show_codec,
        codecs::list_versions,
        codecs::show_version,
        codecs::activate_version,
        codecs::roll_back,
        trials::show_shadow,
        trials::show_calls,
        redecode::redecode,
        devices::list_devices,
        devices::create_device,
        enrolment::import_devices,
        devices::show_device,
        devices::delete_device,
        uplinks::list_uplinks,
        uplinks::list_device_events,
        uplinks::list_product_events,
        uplinks::list_dead_letters,
        commands::create_command,
        commands::cancel_device_commands,
        commands::list_device_commands,
        commands::list_commands,
        commands::show_command,
        why::show_why,
        commands::cancel_command,
        commands::delete_command,
        batches::create_batch,
        batches::list_batches,
        batches::show_batch,
        batches::list_batch_commands,
        batches::retry_batch,
        batches::cancel_batch,
        batches::delete_batch,
        subscriptions::create_subscription,
        subscriptions::list_subscriptions,
        subscriptions::show_subscription,
        subscriptions::delete_subscription,
        subscriptions::test_subscription,
        events::follow_events,
        traces::list_traces,
        traces::begin_trace,
        traces::show_trace,
        traces::end_trace,
        traces::begin_device_trace,
        traces::show_device_trace,
        traces::end_device_trace,
        health::show_health,
        metrics::scrape,
    ),
    components(schemas(ProblemBody)),
    tags(
        (name = "products", description = "Profiles and settings"),
        (name = "codecs", description = "Codec versions: delivered, put to work, taken back"),
        (name = "devices", description = "Who is let in"),
        (name = "events", description = "What devices said and what became of it"),
        (name = "commands", description = "What devices are told"),
        (name = "batches", description = "One command for many devices"),
        (name = "subscriptions", description = "Who gets events pushed"),
        (name = "traces", description = "One device's exchange, step by step"),
        (name = "gateway", description = "How the gateway is"),
    ),
    security(("key" = [])),
    modifiers(&KeyAndCodes)
)]
struct Gateway;

/// Adds what is the same everywhere: the bearer key, the table of stable codes, and the problem that each refusal is.
struct KeyAndCodes;

impl Modify for KeyAndCodes {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let mut about = String::from(
            "A gateway for NB-IoT / LwM2M devices: products and codecs, devices, commands, events.\n\n\
             Times are RFC 3339 in UTC. Listings have `items` and, unless it is the last page, `next`: the cursor of the next page. \
             Every refusal is an RFC 9457 problem with a stable `code`:\n\n| code | status | title |\n|---|---|---|\n",
        );
        for code in Code::ALL {
            let (text, status, title) = code.row();
            about.push_str(&format!("| {text} | {} | {title} |\n", status.as_u16()));
        }
        about.push_str("\nA codec that is not admitted has the `E1xxx` code of its refusal, with status 422.\n");
        document.info.description = Some(about);
        let key = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        document.components.get_or_insert_default().add_security_scheme("key", key);
        for (path, item) in &mut document.paths.paths {
            let operations = [&mut item.get, &mut item.post, &mut item.put, &mut item.patch, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                explain_answers(&mut operation.responses.responses, path.starts_with("/api/"));
            }
        }
    }
}

/// Every answer has a description (OpenAPI 3.1 demands it), every refusal of the API the problem as its body.
fn explain_answers(answers: &mut BTreeMap<String, RefOr<Response>>, refuses: bool) {
    let problem = || ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
    if refuses {
        let other = ResponseBuilder::new().description("Refused, for example for want of a key").build();
        answers.insert("default".to_owned(), RefOr::T(other));
    }
    for (status, answer) in answers {
        let RefOr::T(answer) = answer else { continue };
        if status.starts_with('2') {
            if answer.description.is_empty() {
                answer.description = if status == "201" { "Created".to_owned() } else { "The answer".to_owned() };
            }
        } else if refuses {
            answer.content.insert("application/problem+json".to_owned(), RefOr::T(problem()));
        }
    }
}

/// Bytes as they are.
pub(super) struct Binary;

impl PartialSchema for Binary {
    fn schema() -> RefOr<Schema> {
        let format = SchemaFormat::KnownFormat(KnownFormat::Binary);
        RefOr::T(Schema::Object(ObjectBuilder::new().schema_type(Type::String).format(Some(format)).build()))
    }
}
impl ToSchema for Binary {}

/// A type that is one of some texts.
fn one_of(texts: impl IntoIterator<Item = &'static str>, about: &str) -> RefOr<Schema> {
    let object = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(texts)).description(Some(about));
    RefOr::T(Schema::Object(object.build()))
}

fn text(about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(about))
}

fn flag(about: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean).description(Some(about))
}

fn required(object: ObjectBuilder, names: &[&str]) -> RefOr<Schema> {
    RefOr::T(Schema::Object(names.iter().copied().fold(object, ObjectBuilder::required).build()))
}

impl PartialSchema for EndpointFormat {
    fn schema() -> RefOr<Schema> {
        one_of(["imei", "urn-imei", "urn-imei-imsi", "any"], "How the devices of a product name themselves; `any` when not said")
    }
}
impl ToSchema for EndpointFormat {}

impl PartialSchema for PowerMode {
    fn schema() -> RefOr<Schema> {
        one_of(["psm", "edrx", "drx"], "When a device listens: after it spoke, in long intervals, always; `psm` when not said")
    }
}
impl ToSchema for PowerMode {}

impl PartialSchema for DeviceState {
    fn schema() -> RefOr<Schema> {
        one_of(DeviceState::ALL.map(DeviceState::as_str), "Where a device stands")
    }
}
impl ToSchema for DeviceState {}

impl PartialSchema for ModeFrom {
    fn schema() -> RefOr<Schema> {
        one_of(["product", "device", "binding"], "Who decided a power mode: product, device, or the binding of its registration")
    }
}
impl ToSchema for ModeFrom {}

impl PartialSchema for EventKind {
    fn schema() -> RefOr<Schema> {
        one_of(EventKind::ALL.map(EventKind::as_str), "What an event tells")
    }
}
impl ToSchema for EventKind {}

impl PartialSchema for trace::Kind {
    fn schema() -> RefOr<Schema> {
        one_of(trace::Kind::ALL.map(trace::Kind::as_str), "Which part of the gateway tells a step")
    }
}
impl ToSchema for trace::Kind {
    fn name() -> std::borrow::Cow<'static, str> {
        "StepKind".into()
    }
}

impl PartialSchema for Outcome {
    fn schema() -> RefOr<Schema> {
        one_of(Outcome::ALL.map(Outcome::as_str), "How a step went")
    }
}
impl ToSchema for Outcome {}

impl PartialSchema for Turn {
    fn schema() -> RefOr<Schema> {
        one_of(Turn::ALL.map(Turn::as_str), "Whose move it is: who does something next")
    }
}
impl ToSchema for Turn {}

impl PartialSchema for VersionState {
    fn schema() -> RefOr<Schema> {
        one_of(
            VersionState::ALL.map(VersionState::as_str),
            "Where a codec version stands: never at work so far, at work, was at work",
        )
    }
}
impl ToSchema for VersionState {}

impl PartialSchema for ChangeKind {
    fn schema() -> RefOr<Schema> {
        one_of(ChangeKind::ALL.map(ChangeKind::as_str), "What kind of change")
    }
}
impl ToSchema for ChangeKind {}

impl PartialSchema for Change {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new()
            .description(Some("One change from a profile to another"))
            .property("kind", ChangeKind::schema())
            .property("place", text("Where, by names: `Meter/commands/SET_VALVE/params/open`"))
            .property("breaking", flag("Whether an application can trip over it"))
            .property("detail", text("What it was and what it is"));
        required(object, &["kind", "place", "breaking", "detail"])
    }
}
impl ToSchema for Change {}

impl PartialSchema for Compatibility {
    fn schema() -> RefOr<Schema> {
        let changes = ArrayBuilder::new().items(Change::schema()).description(Some("All changes, in the order of the documents"));
        let object = ObjectBuilder::new()
            .description(Some("What changes from one profile to another; descriptions for people do not count"))
            .property("breaking", flag("Whether one of the changes is breaking"))
            .property("changes", changes);
        required(object, &["breaking", "changes"])
    }
}
impl ToSchema for Compatibility {}

impl PartialSchema for CommandState {
    fn schema() -> RefOr<Schema> {
        one_of(CommandState::ALL.map(CommandState::as_str), "Where a command stands")
    }
}
impl ToSchema for CommandState {}

impl PartialSchema for Activity {
    fn schema() -> RefOr<Schema> {
        let about =
            "What a subscription does: it sends or has nothing to send, tries again after a failure, leaves its receiver alone";
        one_of(["delivering", "retrying", "paused"], about)
    }
}
impl ToSchema for Activity {}

impl PartialSchema for Severity {
    fn schema() -> RefOr<Schema> {
        one_of(["error", "warning"], "Whether the document is refused for it")
    }
}
impl ToSchema for Severity {}

impl PartialSchema for Mistake {
    fn schema() -> RefOr<Schema> {
        let object = ObjectBuilder::new()
            .description(Some("One deviation of a document"))
            .property("file", text("Which file, or `body` for the request's"))
            .property("pointer", text("JSON pointer into it, empty for the whole file"))
            .property("severity", Severity::schema())
            .property("code", text("Stable"))
            .property("reason", text("What is wrong"))
            .property("fix", text("What to do"));
        required(object, &["file", "pointer", "severity", "code", "reason", "fix"])
    }
}
impl ToSchema for Mistake {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_document_is_the_generated_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.json");
        let generated = document();
        if std::env::var_os("UPDATE_EXPECTED").is_some() {
            std::fs::write(path, &generated).unwrap();
        }
        let committed = std::fs::read_to_string(path).unwrap_or_default();
        assert!(committed == generated, "openapi.json is not what the routes say; run this test with UPDATE_EXPECTED=1");
    }

    #[test]
    fn the_document_is_openapi_3_1_and_every_reference_leads_somewhere() {
        let document: serde_json::Value = serde_json::from_str(&document()).unwrap();
        assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
        for (path, operations) in document["paths"].as_object().unwrap() {
            for (method, operation) in operations.as_object().unwrap() {
                for (status, answer) in operation["responses"].as_object().unwrap() {
                    assert_ne!(answer["description"].as_str().unwrap_or_default(), "", "{method} {path}: {status}");
                }
            }
        }
        let mut references = Vec::new();
        collect_references(&document, &mut references);
        assert!(!references.is_empty());
        for reference in references {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference}");
        }
    }

    fn collect_references(value: &serde_json::Value, found: &mut Vec<String>) {
        match value {
            serde_json::Value::Object(members) => {
                for (name, member) in members {
                    match member.as_str().filter(|_| name == "$ref") {
                        Some(reference) => found.push(reference.to_owned()),
                        None => collect_references(member, found),
                    }
                }
            }
            serde_json::Value::Array(items) => items.iter().for_each(|item| collect_references(item, found)),
            _ => {}
        }
    }

    #[test]
    fn texts_of_enums_are_those_of_serde() {
        fn check<T: serde::Serialize + ToSchema>(values: &[T]) {
            let schema = serde_json::to_value(T::schema()).unwrap();
            let values = serde_json::to_value(values).unwrap();
            assert_eq!(schema["enum"], values, "{}", T::name());
        }
        check(&[EndpointFormat::Imei, EndpointFormat::UrnImei, EndpointFormat::UrnImeiImsi, EndpointFormat::Any]);
        check(&[PowerMode::Psm, PowerMode::Edrx, PowerMode::Drx]);
        check(&DeviceState::ALL);
        check(&[ModeFrom::Product, ModeFrom::Device, ModeFrom::Binding]);
        check(&EventKind::ALL);
        check(&CommandState::ALL);
        check(&VersionState::ALL);
        check(&ChangeKind::ALL);
        check(&[Activity::Delivering, Activity::Retrying, Activity::Paused]);
        check(&[Severity::Error, Severity::Warning]);
    }
}
