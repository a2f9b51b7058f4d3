//! A table as JSON: properties defined once, services whose parameters name a property or define one of their own.

use serde_json::{Map, Number, Value as Json};

use super::words::{Kind, Word};
use super::{At, Findings, Identity, Param, Service, Table, code};
use crate::profile::mistake::quote;
use crate::profile::structure::read_json;

const TOP: [&str; 6] = ["manufacturerId", "model", "deviceType", "description", "properties", "services"];
const SERVICE: [&str; 6] = ["serviceId", "identifier", "name", "kind", "command", "params"];
const PARAM: [&str; 8] = ["identifier", "name", "type", "length", "min", "max", "step", "unit"];

/// An object at its place.
struct Node<'a> {
    at: At,
    map: &'a Map<String, Json>,
}

impl<'a> Node<'a> {
    fn of(at: At, json: &'a Json, known: &[&str], findings: &mut Findings) -> Option<Self> {
        let Some(map) = json.as_object() else {
            findings.error(&at, code::WRONG_TYPE, "an object must stand here", format!("with the keys {}", known.join(", ")));
            return None;
        };
        for key in map.keys().filter(|key| !known.contains(&key.as_str())) {
            let reason = format!("the key {} is not known and not read", quote(key));
            findings.warning(&at.key(key), code::UNKNOWN_VENDOR_KEY, reason, format!("known are {}", known.join(", ")));
        }
        Some(Self { at, map })
    }

    fn text(&self, key: &str, findings: &mut Findings) -> Option<String> {
        match self.map.get(key)? {
            Json::Null => None,
            Json::String(text) => Some(text.trim().to_owned()).filter(|text| !text.is_empty()),
            _ => {
                findings.error(&self.at.key(key), code::WRONG_TYPE, "a text must stand here", "put it in quotes");
                None
            }
        }
    }

    fn needed(&self, key: &str, findings: &mut Findings) -> Option<String> {
        let text = self.text(key, findings);
        if text.is_none() && !self.map.get(key).is_some_and(|json| !json.is_string() && !json.is_null()) {
            findings.error(&self.at, code::MISSING_KEY, format!("`{key}` is missing"), format!("add `{key}`"));
        }
        text
    }

    /// A number, or a text that is one: tables that were exported by hand have both.
    fn number(&self, key: &str, findings: &mut Findings) -> Option<Number> {
        let number = match self.map.get(key)? {
            Json::Null => return None,
            Json::Number(number) => Some(number.clone()),
            Json::String(text) if text.trim().is_empty() => return None,
            Json::String(text) => serde_json::from_str(text.trim()).ok(),
            _ => None,
        };
        if number.is_none() {
            findings.error(&self.at.key(key), code::BAD_LIMIT, "a number must stand here", "write 12 or 0.5");
        }
        number
    }

    fn list(&self, key: &str, findings: &mut Findings) -> &'a [Json] {
        match self.map.get(key) {
            None | Some(Json::Null) => &[],
            Some(Json::Array(list)) => list,
            Some(_) => {
                findings.error(&self.at.key(key), code::NOT_AN_ARRAY, "a list must stand here", "put it in square brackets");
                &[]
            }
        }
    }
}

pub(super) fn read(at: &At, bytes: &[u8], findings: &mut Findings) -> Option<Table> {
    let json = read_json(at, bytes, findings)?;
    let top = Node::of(at.clone(), &json, &TOP, findings)?;
    let identity = Identity {
        manufacturer_id: top.text("manufacturerId", findings),
        model: top.text("model", findings),
        device_type: top.text("deviceType", findings),
    };
    let mut properties: Vec<Param> = Vec::new();
    for (index, json) in top.list("properties", findings).iter().enumerate() {
        let Some(property) = param(at.key("properties").item(index), json, findings) else { continue };
        if properties.iter().any(|known| known.identifier == property.identifier) {
            let reason = format!("the property {} stands here a second time", quote(&property.identifier));
            findings.error(&property.at, code::DUPLICATE_PROPERTY, reason, "keep one");
        }
        properties.push(property);
    }
    let services = top.list("services", findings).iter().enumerate();
    let services = services.filter_map(|(index, json)| service(at.key("services").item(index), json, &properties, findings));
    Some(Table { identity, services: services.collect() })
}

fn service(at: At, json: &Json, properties: &[Param], findings: &mut Findings) -> Option<Service> {
    let node = Node::of(at.clone(), json, &SERVICE, findings)?;
    let number = node.number("serviceId", findings);
    let id = number.as_ref().and_then(Number::as_u64).and_then(|id| u16::try_from(id).ok());
    if id.is_none() {
        let reason =
            number.map_or_else(|| "the service has no serviceId".to_owned(), |number| format!("{number} is no service id"));
        findings.error(&at.key("serviceId"), code::BAD_SERVICE_ID, reason, "service ids are whole numbers from 0 to 65535");
    }
    let identifier = node.needed("identifier", findings);
    let word = node.needed("kind", findings);
    let kind = word.as_deref().and_then(Kind::named);
    if let (Some(word), None) = (&word, kind) {
        let reason = format!("{} is no kind of service", quote(word));
        findings.error(&at.key("kind"), code::UNKNOWN_KIND, reason, format!("kinds are {}", Kind::all()));
    }
    let mut params = Vec::new();
    for (index, json) in node.list("params", findings).iter().enumerate() {
        let place = at.key("params").item(index);
        match json {
            Json::String(name) => match properties.iter().find(|property| property.identifier == *name) {
                Some(property) => params.push(Param { at: place, ..property.clone() }),
                None => {
                    let reason = format!("there is no property {}", quote(name));
                    findings.error(&place, code::UNKNOWN_PROPERTY, reason, "define it in `properties`, or write an object here");
                }
            },
            json => params.extend(param(place, json, findings)),
        }
    }
    let (name, command) = (node.text("name", findings), node.text("command", findings));
    Some(Service { at, id: id?, identifier: identifier?, name, kind: kind?, command, params })
}

fn param(at: At, json: &Json, findings: &mut Findings) -> Option<Param> {
    let node = Node::of(at.clone(), json, &PARAM, findings)?;
    let identifier = node.needed("identifier", findings);
    let text = node.needed("type", findings);
    let word = text.as_deref().and_then(Word::named);
    if let (Some(text), None) = (&text, word) {
        let reason = format!("{} is no type", quote(text));
        findings.error(&at.key("type"), code::UNKNOWN_TYPE, reason, format!("types are {}", Word::all()));
    }
    let number = node.number("length", findings);
    let length = number.as_ref().and_then(Number::as_u64).and_then(|length| u16::try_from(length).ok());
    if let (Some(number), None) = (&number, length) {
        let fix = "bytes, or nothing where values bring their length";
        findings.error(&at.key("length"), code::PARAMETER_LENGTH, format!("{number} is no length"), fix);
    }
    let (min, max) = (node.number("min", findings), node.number("max", findings));
    let step = node.number("step", findings);
    let (name, unit) = (node.text("name", findings), node.text("unit", findings));
    Some(Param { at, identifier: identifier?, name, word: word?, length, min, max, step, unit })
}
