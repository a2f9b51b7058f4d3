//! A profile as a service table again, in both forms. What a table has no word for is told.

use serde_json::{Map, Value as Json, json};

use super::convert::RADIO;
use super::words::{Kind, Word};
use super::{At, Findings, code};
use crate::model::ReportKind;
use crate::profile::mistake::quote;
use crate::profile::{FieldSpec, FieldType, Mistake, Profile};

/// One message of the table.
struct Row<'p> {
    id: u16,
    identifier: String,
    name: Option<&'p str>,
    kind: Kind,
    command: Option<&'p str>,
    params: Vec<(&'p FieldSpec, Word, Option<u16>)>,
}

/// The table as JSON.
///
/// # Errors
/// Everything that a table cannot say.
pub fn to_json(file: &str, profile: &Profile) -> Result<String, Vec<Mistake>> {
    let services: Vec<Json> = rows(file, profile)?.iter().map(service).collect();
    let key = profile.key();
    let table = json!({
        "manufacturerId": key.manufacturer_id, "model": key.model, "deviceType": profile.device_type(), "services": services,
    });
    Ok(serde_json::to_string_pretty(&table).unwrap_or_default())
}

/// The table as CSV, a line for each parameter.
///
/// # Errors
/// Everything that a table cannot say.
pub fn to_csv(file: &str, profile: &Profile) -> Result<String, Vec<Mistake>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    let head = "serviceId,service,serviceName,kind,command,parameter,parameterName,type,length,min,max,step,unit";
    let mut written = out.write_record(head.split(','));
    for row in rows(file, profile)? {
        let service = [
            row.id.to_string(),
            row.identifier.clone(),
            row.name.unwrap_or_default().to_owned(),
            row.kind.as_str().to_owned(),
            row.command.unwrap_or_default().to_owned(),
        ];
        let params = row.params.iter().map(|(spec, word, length)| {
            let number = |number: &Option<serde_json::Number>| number.as_ref().map(ToString::to_string).unwrap_or_default();
            [
                spec.name.clone(),
                spec.description.clone().unwrap_or_default(),
                word.as_str().to_owned(),
                length.map(|length| length.to_string()).unwrap_or_default(),
                number(&spec.min),
                number(&spec.max),
                number(&spec.step),
                spec.unit.clone().unwrap_or_default(),
            ]
        });
        let mut lines: Vec<_> = params.collect();
        if lines.is_empty() {
            lines.push(std::array::from_fn(|_| String::new()));
        }
        for line in lines {
            written = written.and_then(|()| out.write_record(service.iter().chain(&line)));
        }
    }
    let text = written.ok().and_then(|()| out.into_inner().ok()).and_then(|bytes| String::from_utf8(bytes).ok());
    // Writing into memory does not fail.
    Ok(text.unwrap_or_default())
}

fn rows<'p>(file: &str, profile: &'p Profile) -> Result<Vec<Row<'p>>, Vec<Mistake>> {
    let at = At::file(file).key("services");
    let mut findings = Findings::default();
    let mut rows = Vec::new();
    for (index, service) in profile.services().iter().enumerate() {
        let at = at.item(index);
        let kind = match (service.kind, service.service_type.as_deref()) {
            (Some(ReportKind::Event), _) => Kind::EventReport,
            (_, Some(RADIO)) => Kind::RadioReport,
            _ => Kind::DataReport,
        };
        if !service.properties.is_empty() {
            let id = numbered(service.number, &at, &service.service_id, &mut findings);
            rows.push(Row {
                id,
                identifier: service.service_id.clone(),
                name: service.description.as_deref(),
                kind,
                command: None,
                params: params(&service.properties, &at.key("properties"), &mut findings),
            });
        }
        for (index, command) in service.commands.iter().enumerate() {
            let at = at.key("commands").item(index);
            let id = numbered(command.number, &at, &command.name, &mut findings);
            let name = command.description.as_deref().or(service.description.as_deref());
            rows.push(Row {
                id,
                identifier: command.name.clone(),
                name,
                kind: Kind::Command,
                command: None,
                params: params(&command.params, &at.key("params"), &mut findings),
            });
            if let Some(id) = command.response_number {
                rows.push(Row {
                    id,
                    identifier: format!("{}_response", command.name),
                    name: None,
                    kind: Kind::Response,
                    command: Some(&command.name),
                    params: params(&command.response, &at.key("response"), &mut findings),
                });
            }
        }
    }
    findings.verdict().map(|_| rows)
}

fn numbered(number: Option<u16>, at: &At, name: &str, findings: &mut Findings) -> u16 {
    if number.is_none() {
        let reason = format!("{} has no number, and in a table each service has one", quote(name));
        findings.error(at, code::BAD_SERVICE_ID, reason, "add `number`, as the platform gave it");
    }
    number.unwrap_or_default()
}

fn params<'p>(specs: &'p [FieldSpec], at: &At, findings: &mut Findings) -> Vec<(&'p FieldSpec, Word, Option<u16>)> {
    let mut params = Vec::new();
    for (index, spec) in specs.iter().enumerate() {
        let length = spec.layout.as_ref().and_then(|layout| layout.length);
        let word = match spec.field_type {
            FieldType::Int | FieldType::Long => Word::Int,
            FieldType::Decimal if length == Some(8) => Word::Double,
            FieldType::Decimal => Word::Float,
            FieldType::Boolean => Word::Bool,
            FieldType::DateTime => Word::Timestamp,
            FieldType::String => Word::Text,
            FieldType::Bytes => Word::Binary,
            other => {
                let reason = format!("{} is {}, which a table has no word for", quote(&spec.name), other.as_str());
                findings.error(&at.item(index), code::UNKNOWN_TYPE, reason, format!("a table has {}", Word::all()));
                continue;
            }
        };
        let length = length.or(if spec.field_type == FieldType::Long { Some(8) } else { None });
        params.push((spec, word, length));
    }
    params
}

fn service(row: &Row<'_>) -> Json {
    let mut json = Map::new();
    json.insert("serviceId".to_owned(), row.id.into());
    json.insert("identifier".to_owned(), row.identifier.clone().into());
    let mut add = |key: &str, value: Option<&str>| value.map(|value| json.insert(key.to_owned(), value.into()));
    add("name", row.name);
    add("kind", Some(row.kind.as_str()));
    add("command", row.command);
    let params = row.params.iter().map(|(spec, word, length)| {
        let mut json = Map::new();
        json.insert("identifier".to_owned(), spec.name.clone().into());
        let texts = [("name", spec.description.as_deref()), ("type", Some(word.as_str())), ("unit", spec.unit.as_deref())];
        for (key, text) in texts {
            if let Some(text) = text {
                json.insert(key.to_owned(), text.into());
            }
        }
        if let Some(length) = length {
            json.insert("length".to_owned(), (*length).into());
        }
        for (key, number) in [("min", &spec.min), ("max", &spec.max), ("step", &spec.step)] {
            if let Some(number) = number {
                json.insert(key.to_owned(), Json::Number(number.clone()));
            }
        }
        Json::Object(json)
    });
    let params: Vec<Json> = params.collect();
    json.insert("params".to_owned(), params.into());
    Json::Object(json)
}
