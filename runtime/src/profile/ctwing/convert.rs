//! From a table to the documents of ours: one service or command of the profile, and one message of the layout, for each service.

use serde_json::{Map, Number, Value as Json, json};

use super::words::{Kind, Word};
use super::{At, Findings, Param, Service, Table, ThingModel, code};
use crate::profile::Mistake;
use crate::profile::checked;
use crate::profile::mistake::quote;

/// What profile and layout are called in mistakes.
const CONVERTED: &str = "profile.json";
/// `serviceType` of a service that reports radio parameters: the one kind that a profile has no word for.
pub(super) const RADIO: &str = "radio parameters";

pub(super) fn convert(at: &At, table: &Table, mut findings: Findings) -> Result<ThingModel, Vec<Mistake>> {
    let identity = &table.identity;
    let part = |what: &str, value: &Option<String>, findings: &mut Findings| {
        if value.is_none() {
            let fix = "say it in the table, as an option, or name the file deviceType_manufacturerId_model.csv";
            findings.error(at, code::NO_PRODUCT, format!("whose table it is cannot be told: no {what}"), fix);
        }
        value.clone().unwrap_or_default()
    };
    let manufacturer_id = part("manufacturerId", &identity.manufacturer_id, &mut findings);
    let model = part("model", &identity.model, &mut findings);
    let device_type = part("deviceType", &identity.device_type, &mut findings);
    if table.services.is_empty() {
        findings.error(at, code::EMPTY_SERVICE, "the table has no service", "list at least one data report");
    }
    examine(table, &mut findings);
    let pairs = pairs(table, &mut findings);

    let mut services = Vec::new();
    let mut messages = Vec::new();
    for service in &table.services {
        match service.kind {
            Kind::DataReport | Kind::RadioReport | Kind::EventReport => services.push(reported(service)),
            Kind::Command => services.push(commanded(service, pairs.iter().find(|(command, _)| std::ptr::eq(*command, service)))),
            Kind::Response => {}
        }
        messages.push(message(service, &pairs, &mut findings));
    }
    if findings.has_errors() {
        return Err(findings.into_list());
    }
    let document = json!({
        "manufacturerId": manufacturer_id, "model": model, "deviceType": device_type, "protocolType": "LWM2M", "services": services,
    });
    let layout = json!({ "name": model, "version": "1.0.0", "lengths": "strict", "messages": messages });
    // Names begin with a small letter on this platform.
    let is_told = |mistake: &Mistake| mistake.code != code::NAMING_STYLE;
    let profile = checked::build(&At::file(CONVERTED), document, findings)
        .map_err(|mistakes| mistakes.into_iter().filter(is_told).collect::<Vec<_>>())?;
    let warnings = profile.warnings().iter().filter(|mistake| is_told(mistake)).cloned().collect();
    Ok(ThingModel { warnings, layout: serde_json::to_string_pretty(&layout).unwrap_or_default(), profile })
}

/// What no single service can tell.
fn examine(table: &Table, findings: &mut Findings) {
    for (index, service) in table.services.iter().enumerate() {
        let earlier = table.services.get(..index).unwrap_or_default();
        if earlier.iter().any(|other| other.id == service.id) {
            let reason = format!("the id {} has a service already", service.id);
            findings.error(
                &service.at,
                code::DUPLICATE_NUMBER,
                reason,
                "service ids are unique in a product: look again what the platform gave",
            );
        }
        // A response may be called as its command.
        let is_named = |other: &Service| other.identifier == service.identifier;
        if service.kind != Kind::Response && earlier.iter().any(|other| is_named(other) && other.kind != Kind::Response) {
            let reason = format!("a second service is called {}", quote(&service.identifier));
            findings.error(&service.at, code::DUPLICATE_SERVICE, reason, "give each service an identifier of its own");
        }
        for (index, param) in service.params.iter().enumerate() {
            if service.params.iter().take(index).any(|other| other.identifier == param.identifier) {
                let reason =
                    format!("the parameter {} stands in {} a second time", quote(&param.identifier), quote(&service.identifier));
                findings.error(&param.at, code::DUPLICATE_PARAMETER, reason, "keep one");
            }
            width(param, findings);
        }
    }
}

fn width(param: &Param, findings: &mut Findings) {
    let (Some(widths), Some(length)) = (param.word.widths(), param.length) else { return };
    if !widths.contains(&length) {
        let possible: Vec<String> = widths.iter().map(u16::to_string).collect();
        let reason = format!("{} is {} and cannot have {length} bytes", quote(&param.identifier), param.word.as_str());
        findings.error(&param.at.key("length"), code::PARAMETER_LENGTH, reason, format!("possible are {}", possible.join(", ")));
    }
}

/// Each command with its response.
fn pairs<'t>(table: &'t Table, findings: &mut Findings) -> Vec<(&'t Service, &'t Service)> {
    let commands: Vec<&Service> = table.services.iter().filter(|service| service.kind == Kind::Command).collect();
    let mut pairs: Vec<(&Service, &Service)> = Vec::new();
    for response in table.services.iter().filter(|service| service.kind == Kind::Response) {
        let named = |name: &str| commands.iter().copied().find(|command| command.identifier == name);
        let stem =
            ["_response", "_resp", "_rsp", "Response", "Resp"].iter().find_map(|end| response.identifier.strip_suffix(end));
        let found = match &response.command {
            Some(name) => named(name),
            None => named(&response.identifier).or_else(|| stem.and_then(named)).or(match commands.as_slice() {
                [only] => Some(*only),
                _ => None,
            }),
        };
        match found {
            Some(command) if pairs.iter().any(|(other, _)| std::ptr::eq(*other, command)) => {
                let reason =
                    format!("the command {} has a second response {}", quote(&command.identifier), quote(&response.identifier));
                findings.error(&response.at, code::RESPONSE_OF_WHOM, reason, "a command has one response");
            }
            Some(command) => pairs.push((command, response)),
            None => {
                let reason = format!("which command {} answers cannot be told", quote(&response.identifier));
                findings.error(&response.at, code::RESPONSE_OF_WHOM, reason, "name the command's identifier in `command`");
            }
        }
    }
    pairs
}

fn reported(service: &Service) -> Json {
    let mut json = head(service);
    match service.kind {
        Kind::EventReport => drop(json.insert("kind".to_owned(), "event".into())),
        Kind::RadioReport => drop(json.insert("serviceType".to_owned(), RADIO.into())),
        _ => {}
    }
    json.insert("number".to_owned(), service.id.into());
    json.insert("properties".to_owned(), service.params.iter().map(|param| spec(param, false)).collect());
    Json::Object(json)
}

fn commanded(service: &Service, pair: Option<&(&Service, &Service)>) -> Json {
    let mut command = Map::new();
    command.insert("name".to_owned(), service.identifier.clone().into());
    command.insert("number".to_owned(), service.id.into());
    command.insert("params".to_owned(), service.params.iter().map(|param| spec(param, true)).collect());
    if let Some((_, response)) = pair {
        command.insert("response".to_owned(), response.params.iter().map(|param| spec(param, false)).collect());
        command.insert("responseNumber".to_owned(), response.id.into());
    }
    let mut json = head(service);
    json.insert("commands".to_owned(), json!([command]));
    Json::Object(json)
}

fn head(service: &Service) -> Map<String, Json> {
    let mut json = Map::new();
    json.insert("serviceId".to_owned(), service.identifier.clone().into());
    if let Some(name) = &service.name {
        json.insert("description".to_owned(), name.clone().into());
    }
    json
}

/// Bytes of a value; none = it brings its length.
fn bytes(param: &Param) -> Option<u16> {
    param.length.or_else(|| match param.word {
        Word::Int | Word::Unsigned => Some(4),
        Word::Text | Word::Binary => None,
        other => other.widths().and_then(|widths| widths.first().copied()),
    })
}

/// Whether the first bit is no sign: the type says so, or the limits leave no other way.
fn is_unsigned(param: &Param) -> bool {
    match param.word {
        Word::Unsigned => true,
        Word::Enum if param.max.is_none() => true,
        Word::Int | Word::Enum => {
            let bits = u32::from(bytes(param).unwrap_or(4)) * 8;
            let signed_end = 2_f64.powi(i32::try_from(bits).unwrap_or(64) - 1);
            let of = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
            of(&param.min).is_none_or(|min| min >= 0.0) && of(&param.max).is_some_and(|max| max >= signed_end)
        }
        _ => false,
    }
}

/// The field of the profile.
fn spec(param: &Param, required: bool) -> Json {
    let length = bytes(param);
    let field_type = match param.word {
        Word::Int | Word::Unsigned | Word::Enum if length == Some(8) => "long",
        Word::Int | Word::Unsigned | Word::Enum => "int",
        Word::Float | Word::Double => "decimal",
        Word::Bool => "boolean",
        Word::Timestamp => "dateTime",
        Word::Text => "string",
        Word::Binary => "bytes",
    };
    let mut json = Map::new();
    json.insert("name".to_owned(), param.identifier.clone().into());
    json.insert("type".to_owned(), field_type.into());
    if required {
        json.insert("required".to_owned(), true.into());
    }
    // What is unsigned by its type alone keeps that in the limits, so that the table can be told again.
    let end = length
        .filter(|_| matches!(param.word, Word::Unsigned | Word::Enum) && is_unsigned(param))
        .and_then(|bytes| 1_u64.checked_shl(u32::from(bytes) * 8));
    let (least, most) = (end.map(|_| Number::from(0)), end.map(|end| Number::from(end - 1)));
    for (key, number) in [("min", param.min.clone().or(least)), ("max", param.max.clone().or(most)), ("step", param.step.clone())]
    {
        if let Some(number) = number {
            json.insert(key.to_owned(), Json::Number(number));
        }
    }
    if let (Word::Text | Word::Binary, Some(length)) = (param.word, length) {
        json.insert("maxLength".to_owned(), length.into());
    }
    if let Some(unit) = &param.unit {
        json.insert("unit".to_owned(), unit.clone().into());
    }
    if let Some(name) = &param.name {
        json.insert("description".to_owned(), name.clone().into());
    }
    json.insert("layout".to_owned(), length.map_or_else(|| json!({}), |length| json!({ "length": length })));
    Json::Object(json)
}

/// The message of the layout (REFERENCE E.5): kind, service id, task id of commands and responses, length, parameters.
fn message(service: &Service, pairs: &[(&Service, &Service)], findings: &mut Findings) -> Json {
    let mut fields = vec![
        json!({ "name": "(cmd)", "type": "const", "default": format!("{:02X}", service.kind.cmd()) }),
        json!({ "name": "(service id)", "type": "const", "default": format!("{:04X}", service.id) }),
    ];
    if matches!(service.kind, Kind::Command | Kind::Response) {
        fields.push(json!({ "name": "(task id)", "type": "int16u", "role": "mid" }));
    }
    fields.push(json!({ "name": "(length)", "type": "int16u", "role": "payloadLength" }));
    fields.extend(service.params.iter().map(field));
    let mut json = Map::new();
    json.insert("name".to_owned(), service.identifier.clone().into());
    let (kind, of) = match service.kind {
        Kind::DataReport | Kind::RadioReport => ("report", service),
        Kind::EventReport => ("event", service),
        Kind::Command => ("command", service),
        Kind::Response => (
            "response",
            pairs.iter().find(|(_, response)| std::ptr::eq(*response, service)).map_or(service, |(command, _)| *command),
        ),
    };
    json.insert("kind".to_owned(), kind.into());
    match service.kind {
        Kind::Response => {
            if of.identifier == service.identifier {
                json.insert("name".to_owned(), format!("{} response", service.identifier).into());
            }
            json.insert("service".to_owned(), of.identifier.clone().into());
            json.insert("command".to_owned(), of.identifier.clone().into());
        }
        _ => drop(json.insert("service".to_owned(), of.identifier.clone().into())),
    }
    if service.params.len() > 1_000 {
        findings.error(&service.at, code::OUT_OF_BOUNDS, "more than 1000 parameters", "split the service");
    }
    json.insert("fields".to_owned(), fields.into());
    Json::Object(json)
}

fn field(param: &Param) -> Json {
    let name = &param.identifier;
    match (param.word, bytes(param)) {
        (Word::Int | Word::Unsigned | Word::Enum, length) => {
            let sign = if is_unsigned(param) { 'u' } else { 's' };
            json!({ "name": name, "type": format!("int{}{sign}", u32::from(length.unwrap_or(4)) * 8), "role": "value" })
        }
        (Word::Float, _) => json!({ "name": name, "type": "float", "role": "value" }),
        (Word::Double, _) => json!({ "name": name, "type": "double", "role": "value" }),
        (Word::Bool, _) => json!({ "name": name, "type": "bool", "role": "value" }),
        (Word::Timestamp, _) => json!({ "name": name, "type": "unixMs", "role": "value" }),
        (Word::Text, Some(length)) => {
            json!({ "name": name, "type": "string", "length": length, "charset": "utf8", "pad": "00", "role": "value" })
        }
        (Word::Text, None) => json!({ "name": name, "type": "varstring", "prefix": 2, "charset": "utf8", "role": "value" }),
        (Word::Binary, Some(length)) => json!({ "name": name, "type": "array", "length": length, "role": "value" }),
        (Word::Binary, None) => json!({ "name": name, "type": "variant", "prefix": 2, "role": "value" }),
    }
}
