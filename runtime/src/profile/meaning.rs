//! What the schema cannot say: unique names, limits that contradict each other, limits without effect, names against custom.
//!
//! Works on a JSON value that may still be wrong in structure elsewhere, so that both kinds of mistakes are told at once;
//! whatever has the wrong JSON type is passed over here, `structure` told it.

use std::collections::HashMap;

use serde_json::Value as Json;

use super::document::FieldType;
use super::mistake::{At, Findings, code, quote};
use super::structure::value_validator;

/// Examines a whole document.
pub(super) fn examine(at: &At, document: &Json, findings: &mut Findings) {
    let at = at.key("services");
    let services = items(document, "services");
    unique(&at, services, "serviceId", code::DUPLICATE_SERVICE, "service", findings);
    let mut numbers = HashMap::new();
    for (index, service) in services.iter().enumerate() {
        examine_service(&at.item(index), service, &mut numbers, findings);
    }
}

fn examine_service(at: &At, service: &Json, numbers: &mut HashMap<u64, String>, findings: &mut Findings) {
    upper_camel(&at.key("serviceId"), service.get("serviceId"), findings);
    number(&at.key("number"), service.get("number"), numbers, findings);
    let properties = items(service, "properties");
    let commands = items(service, "commands");
    if properties.is_empty() && commands.is_empty() && service.is_object() {
        let fix = "give it properties or commands, or remove it";
        findings.warning(at, code::EMPTY_SERVICE, "the service has neither properties nor commands", fix);
    }
    let list = at.key("properties");
    unique(&list, properties, "name", code::DUPLICATE_PROPERTY, "property", findings);
    for (index, property) in properties.iter().enumerate() {
        let place = list.item(index);
        lower_camel(&place.key("name"), property.get("name"), findings);
        examine_field(&place, property, findings);
    }
    let list = at.key("commands");
    unique(&list, commands, "name", code::DUPLICATE_COMMAND, "command", findings);
    for (index, command) in commands.iter().enumerate() {
        let place = list.item(index);
        number(&place.key("number"), command.get("number"), numbers, findings);
        number(&place.key("responseNumber"), command.get("responseNumber"), numbers, findings);
        for (key, what) in [("params", "parameter"), ("response", "response field")] {
            let fields = items(command, key);
            unique(&place.key(key), fields, "name", code::DUPLICATE_PARAMETER, what, findings);
            for (position, field) in fields.iter().enumerate() {
                examine_field(&place.key(key).item(position), field, findings);
            }
        }
    }
}

fn examine_field(at: &At, field: &Json, findings: &mut Findings) {
    let limit = |key: &str| field.get(key).filter(|value| value.is_number());
    if let (Some(min), Some(max)) = (limit("min"), limit("max"))
        && min.as_f64() > max.as_f64()
    {
        let reason = format!("min {min} is above max {max}: no value fits");
        findings.error(&at.key("min"), code::MIN_ABOVE_MAX, reason, "swap them, or leave out the one that does not limit");
    }
    if limit("step").and_then(Json::as_f64) == Some(0.0) {
        findings.warning(&at.key("step"), code::ZERO_STEP, "a step of 0 means no step", "leave it out");
    }
    let Some(field_type) = field.get("type").and_then(Json::as_str).and_then(FieldType::named) else {
        return;
    };
    let word = field_type.as_str();
    let mut idle = |key: &str, fits: bool, fix: &str| {
        if !fits && field.get(key).is_some() {
            let reason = format!("`{key}` has no effect on type {word}");
            findings.warning(&at.key(key), code::NO_EFFECT, reason, fix);
        }
    };
    for key in ["min", "max", "step"] {
        idle(key, field_type.is_numeric(), "remove it, or choose type int, long or decimal");
    }
    idle("maxLength", field_type.has_length(), "remove it, or choose type string");
    idle("enum", matches!(field_type, FieldType::Enum | FieldType::String), "remove it, or choose type enum");
    idle("schema", field_type == FieldType::JsonObject, "remove it, or choose type jsonObject");

    let values = items(field, "enum");
    if field_type == FieldType::Enum && values.is_empty() && field.get("enum").is_none_or(Json::is_array) {
        let fix = "add `enum` with the allowed texts, or choose type string";
        findings.error(at, code::EMPTY_ENUM, "an enum needs the list of its values", fix);
    }
    for (index, value) in values.iter().enumerate() {
        if values.iter().take(index).any(|earlier| earlier == value) {
            let reason = format!("{value} is listed twice");
            findings.warning(&at.key("enum").item(index), code::REPEATED_ENUM_VALUE, reason, "remove one");
        }
    }
    if let Some(schema) = field.get("schema").filter(|schema| schema.is_object())
        && let Err(error) = value_validator(schema)
    {
        let fix = "write a JSON Schema of draft 2020-12 without references to other documents";
        findings.error(&at.key("schema"), code::BAD_VALUE_SCHEMA, format!("not usable as a JSON Schema: {error}"), fix);
    }
}

/// The entries of a list, none if it is missing or no list.
fn items<'a>(parent: &'a Json, key: &str) -> &'a [Json] {
    parent.get(key).and_then(Json::as_array).map_or(&[], Vec::as_slice)
}

fn unique(at: &At, list: &[Json], key: &str, code: &'static str, what: &str, findings: &mut Findings) {
    let mut first = HashMap::new();
    for (index, entry) in list.iter().enumerate() {
        let Some(name) = entry.get(key).and_then(Json::as_str) else { continue };
        if let Some(earlier) = first.get(name) {
            let reason = format!("the {what} {} is already defined at position {earlier} of the list", quote(name));
            findings.error(&at.item(index).key(key), code, reason, "rename or remove one of the two");
        } else {
            first.insert(name, index);
        }
    }
}

fn number(at: &At, value: Option<&Json>, seen: &mut HashMap<u64, String>, findings: &mut Findings) {
    let Some(number) = value.and_then(Json::as_u64) else { return };
    if let Some(earlier) = seen.get(&number) {
        let reason = format!("the numeric id {number} is already used at {earlier}");
        findings.error(at, code::DUPLICATE_NUMBER, reason, "give every service, command and response a number of its own");
    } else {
        seen.insert(number, at.pointer.clone());
    }
}

fn upper_camel(at: &At, name: Option<&Json>, findings: &mut Findings) {
    let Some(name) = name.and_then(Json::as_str) else { return };
    if name.starts_with(|first: char| first.is_lowercase() || first.is_ascii_digit()) {
        let reason = format!("service ids begin with a capital letter by custom, {} does not", quote(name));
        findings.warning(at, code::NAMING_STYLE, reason, "rename it if no device or application depends on it");
    }
}

fn lower_camel(at: &At, name: Option<&Json>, findings: &mut Findings) {
    let Some(name) = name.and_then(Json::as_str) else { return };
    if name.starts_with(|first: char| first.is_uppercase() || first.is_ascii_digit()) {
        let reason = format!("property names begin with a small letter by custom, {} does not", quote(name));
        findings.warning(at, code::NAMING_STYLE, reason, "rename it if no device or application depends on it");
    }
}
