//! Where a vendor's product has no codec that can be brought: what a profile says, as the beginning of a codec in Rust, and as the beginning
//! of a layout. Both are to be finished by somebody who has the device's document; neither pretends to know a byte.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use serde_json::{Map, Value as Json, json};

use super::{CommandSpec, FieldSpec, FieldType, Profile, Service};

/// Words that Rust keeps for itself and that `r#` frees; and those that it does not (the Rust Reference, "Keywords").
const RAW: [&str; 47] = [
    "as", "async", "await", "break", "const", "continue", "dyn", "else", "enum", "extern", "false", "fn", "for", "gen", "if",
    "impl", "in", "let", "loop", "match", "mod", "move", "mut", "pub", "ref", "return", "static", "struct", "trait", "true",
    "type", "unsafe", "use", "where", "while", "abstract", "become", "box", "do", "final", "macro", "override", "priv", "try",
    "typeof", "unsized", "virtual",
];
const NEVER: [&str; 5] = ["crate", "self", "super", "Self", "yield"];

/// `src/lib.rs` of a crate that compiles, describes exactly this profile, and refuses every payload until somebody writes how it is read.
#[must_use]
pub fn rust_skeleton(profile: &Profile) -> String {
    let mut text = String::new();
    let key = profile.key();
    let _ = write!(
        text,
        "//! The codec of {key}, to be ported: types and names are those of profile.json, the bytes are in the document of the device\n\
         //! or in the vendor's codec. `decode` and `encode` refuse everything until they are written.\n\n\
         use codecgate_sdk::prelude::*;\n"
    );
    let mut taken = BTreeSet::new();
    let mut services = Vec::new();
    for service in profile.services().iter().filter(|service| !service.properties.is_empty()) {
        let name = unique(&camel(&service.service_id, "Service"), &mut taken);
        structure(
            &mut text,
            &name,
            &format!("#[derive(Default, Service)]\n#[service({:?})]", service.service_id),
            &service.properties,
        );
        services.push(name);
    }
    let commands: Vec<(&Service, &CommandSpec)> =
        profile.services().iter().flat_map(|service| service.commands.iter().map(move |command| (service, command))).collect();
    let mut variants = String::new();
    let mut names = BTreeSet::new();
    for (service, command) in &commands {
        let variant = unique(&camel(&command.name, "Command"), &mut names);
        let mut attribute = format!("{:?}, service = {:?}", command.name, service.service_id);
        if !command.response.is_empty() {
            let name = unique(&format!("{variant}Response"), &mut taken);
            structure(&mut text, &name, "#[derive(Default, Fields)]", &command.response);
            let _ = write!(attribute, ", response = {name}");
        }
        let _ = writeln!(variants, "    /// {}", said(command.description.as_deref(), &command.name));
        let _ = writeln!(variants, "    #[command({attribute})]");
        if command.params.is_empty() {
            let _ = writeln!(variants, "    {variant},");
        } else {
            let _ = writeln!(variants, "    {variant} {{");
            members(&mut variants, &command.params, "        ", "");
            let _ = writeln!(variants, "    }},");
        }
    }
    let codec = unique("ProductCodec", &mut taken);
    if !commands.is_empty() {
        let _ = write!(text, "\n/// What the device can be asked.\n#[derive(Commands)]\npub enum Command {{\n{variants}}}\n");
    }
    let services = match services.as_slice() {
        [] => "()".to_owned(),
        [one] => one.clone(),
        several => format!("({})", several.join(", ")),
    };
    let asked = if commands.is_empty() { "NoCommands" } else { "Command" };
    let _ = write!(
        text,
        "\n/// The codec of this package.\npub struct {codec};\ncodecgate_sdk::export!({codec});\n\n\
         impl Codec for {codec} {{\n    type Services = {services};\n    type Commands = {asked};\n\n\
         \x20   fn decode(frame: &mut Reader<'_>, _: &Origin) -> Result<Messages<Self>> {{\n\
         \x20       Err(frame.refuse(ErrorKind::Unsupported, \"decode is not ported yet\"))\n    }}\n\n\
         \x20   fn encode(_: {asked}, _: Envelope, _: &Origin) -> Result<Vec<u8>> {{\n\
         \x20       Err(Error::new(ErrorKind::Unsupported, \"encode is not ported yet\"))\n    }}\n}}\n\n\
         #[cfg(test)]\nmod tests {{\n    #[test]\n    fn vectors() {{\n\
         \x20       codecgate_sdk::testing::run_vectors::<super::{codec}>(concat!(env!(\"CARGO_MANIFEST_DIR\"), \"/vectors\"));\n    }}\n}}\n"
    );
    text
}

fn structure(text: &mut String, name: &str, head: &str, specs: &[FieldSpec]) {
    let _ = writeln!(text, "\n/// See profile.json.\n{head}\npub struct {name} {{");
    members(text, specs, "    ", "pub ");
    let _ = writeln!(text, "}}");
}

fn members(text: &mut String, specs: &[FieldSpec], indent: &str, public: &str) {
    let mut taken = BTreeSet::new();
    for spec in specs {
        let name = unique(&snake(&spec.name), &mut taken);
        let _ = writeln!(text, "{indent}/// {}", said(spec.description.as_deref(), &limits(spec)));
        let _ = writeln!(text, "{indent}#[field({:?})]", spec.name);
        let _ = writeln!(text, "{indent}{public}{name}: Option<{}>,", rust_type(spec.field_type));
    }
}

fn rust_type(field_type: FieldType) -> &'static str {
    match field_type {
        FieldType::Int | FieldType::Long => "i64",
        FieldType::Decimal => "f64",
        FieldType::String | FieldType::Enum => "String",
        FieldType::DateTime => "Timestamp",
        FieldType::JsonObject | FieldType::StringList => "Json",
        FieldType::Boolean => "bool",
        FieldType::Bytes => "Vec<u8>",
    }
}

/// One line for a comment.
fn said(description: Option<&str>, otherwise: &str) -> String {
    let text = description.filter(|text| !text.trim().is_empty()).unwrap_or(otherwise);
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn limits(spec: &FieldSpec) -> String {
    let mut text = spec.field_type.as_str().to_owned();
    for (word, number) in [("from", &spec.min), ("to", &spec.max), ("in steps of", &spec.step)] {
        if let Some(number) = number {
            let _ = write!(text, " {word} {number}");
        }
    }
    if let Some(unit) = &spec.unit {
        let _ = write!(text, " {unit}");
    }
    text
}

/// `currentReading`, `SET_VALVE` and `NBWaterMeter` as `current_reading`, `set_valve`, `nb_water_meter`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    let chars: Vec<char> = name.chars().collect();
    for (at, c) in chars.iter().enumerate() {
        let before = at.checked_sub(1).and_then(|at| chars.get(at));
        let after = chars.get(at + 1);
        let starts = c.is_uppercase()
            && before.is_some_and(|before| {
                before.is_lowercase() || before.is_ascii_digit() || after.is_some_and(|next| next.is_lowercase())
            });
        if starts && !out.ends_with('_') {
            out.push('_');
        }
        if c.is_ascii_alphanumeric() {
            out.push(c.to_ascii_lowercase());
        } else if !out.ends_with('_') {
            out.push('_');
        }
    }
    let out = out.trim_matches('_').to_owned();
    if out.is_empty() || NEVER.contains(&out.as_str()) || out.starts_with(|c: char| c.is_ascii_digit()) {
        return format!("field_{out}").trim_end_matches('_').to_owned();
    }
    if RAW.contains(&out.as_str()) { format!("r#{out}") } else { out }
}

fn camel(name: &str, otherwise: &str) -> String {
    let plain = snake(name);
    let words = plain.trim_start_matches("r#").split('_').filter(|word| !word.is_empty());
    let out: String = words
        .map(|word| {
            let mut chars = word.chars();
            chars.next().map(|first| first.to_ascii_uppercase().to_string() + chars.as_str()).unwrap_or_default()
        })
        .collect();
    if out.is_empty() || NEVER.contains(&out.as_str()) || PRELUDE.contains(&out.as_str()) {
        format!("{out}{otherwise}")
    } else {
        out
    }
}

/// What the SDK and Rust call so.
const PRELUDE: [&str; 24] = [
    "Answer",
    "Choice",
    "Codec",
    "Command",
    "Commands",
    "Envelope",
    "Error",
    "ErrorKind",
    "Fields",
    "Json",
    "Length",
    "Messages",
    "NoCommands",
    "Nullable",
    "Option",
    "Origin",
    "Reader",
    "Received",
    "Report",
    "Result",
    "Service",
    "String",
    "Timestamp",
    "Writer",
];

/// The name, with a number where it is taken.
fn unique(name: &str, taken: &mut BTreeSet<String>) -> String {
    let mut found = name.to_owned();
    let mut number = 2;
    while !taken.insert(found.clone()) {
        found = format!("{name}{number}");
        number += 1;
    }
    found
}

/// A layout that names every value of the profile once, in the order of the profile, with widths that are guesses. It is a beginning:
/// offsets, widths and message ids are in the document of the device.
#[must_use]
pub fn layout_skeleton(profile: &Profile) -> String {
    let mut messages = Vec::new();
    let mut up = 0_u8;
    for service in profile.services().iter().filter(|service| !service.properties.is_empty()) {
        let fields = [id(up)].into_iter().chain(guesses(&service.properties)).collect::<Vec<_>>();
        messages.push(json!({ "name": service.service_id, "kind": "report", "service": service.service_id, "fields": fields }));
        up = up.saturating_add(1);
    }
    let mut down = 0_u8;
    for service in profile.services() {
        for command in &service.commands {
            let mid = json!({ "name": "mid", "type": "int16u" });
            let of = |kind: &str, name: String, fields: Vec<Json>| json!({ "name": name, "kind": kind, "service": service.service_id, "command": command.name, "fields": fields });
            let fields = [id(down), mid.clone()].into_iter().chain(guesses(&command.params)).collect();
            messages.push(of("command", command.name.clone(), fields));
            down = down.saturating_add(1);
            if !command.response.is_empty() {
                let errcode = json!({ "name": "errcode", "type": "int8u" });
                let fields = [id(up), mid, errcode].into_iter().chain(guesses(&command.response)).collect();
                messages.push(of("response", format!("{} response", command.name), fields));
                up = up.saturating_add(1);
            }
        }
    }
    let layout = json!({ "name": profile.key().model, "version": "0.1.0", "messages": messages });
    serde_json::to_string_pretty(&layout).unwrap_or_default()
}

fn id(number: u8) -> Json {
    json!({ "name": "messageId", "type": "int8u", "default": format!("0x{number:02X}") })
}

fn guesses(specs: &[FieldSpec]) -> impl Iterator<Item = Json> {
    specs.iter().filter_map(guess)
}

/// None = a layout has no type for it.
fn guess(spec: &FieldSpec) -> Option<Json> {
    let mut field = Map::new();
    // A property that is called as a field with a role.
    let is_special =
        ["messageId", "mid", "errcode", "hasMore", "eventTime", "payloadLength", "receivedTime"].contains(&spec.name.as_str());
    let name = if is_special { format!("{} value", spec.name) } else { spec.name.clone() };
    field.insert("name".to_owned(), name.into());
    let mut put = |key: &str, value: Json| drop(field.insert(key.to_owned(), value));
    match spec.field_type {
        FieldType::Int => put("type", "int32s".into()),
        FieldType::Long => put("type", "int64s".into()),
        FieldType::Decimal => put("type", "float".into()),
        FieldType::Boolean => put("type", "bool".into()),
        FieldType::DateTime => put("type", "unix".into()),
        FieldType::String => match spec.max_length {
            Some(length) if length <= 255 => {
                put("type", "string".into());
                put("length", length.into());
                put("pad", "00".into());
            }
            _ => {
                put("type", "varstring".into());
                put("prefix", 2.into());
            }
        },
        FieldType::Enum => {
            let words = spec.enum_values.iter().flatten().enumerate();
            put("type", "int8u".into());
            put("values", words.map(|(at, word)| (at.to_string(), Json::from(word.clone()))).collect::<Map<_, _>>().into());
        }
        FieldType::Bytes => {
            put("type", "variant".into());
            put("prefix", 2.into());
        }
        FieldType::JsonObject | FieldType::StringList => return None,
    }
    if is_special {
        put("target", spec.name.clone().into());
        put("role", "value".into());
    }
    Some(Json::Object(field))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_those_of_rust() {
        for (name, expected) in [
            ("currentReading", "current_reading"),
            ("SET_VALVE", "set_valve"),
            ("NBWaterMeter", "nb_water_meter"),
            ("type", "r#type"),
            ("self", "field_self"),
            ("2nd", "field_2nd"),
            ("温度", "field"),
            ("a.b", "a_b"),
        ] {
            assert_eq!(snake(name), expected, "{name}");
        }
        assert_eq!((camel("SET_VALVE", "Command").as_str(), camel("Report", "Service").as_str()), ("SetValve", "ReportService"));
    }

    #[test]
    fn what_two_names_become_is_told_apart() {
        let document = json!({
            "manufacturerId": "A", "model": "M", "deviceType": "D",
            "services": [{ "serviceId": "S", "properties": [{ "name": "a.b", "type": "int" }, { "name": "a_b", "type": "enum", "enum": ["x"] }] }]
        });
        let profile = Profile::parse("profile.json", &document.to_string()).unwrap();
        let text = rust_skeleton(&profile);
        assert!(text.contains("pub a_b: Option<i64>") && text.contains("pub a_b2: Option<String>"), "{text}");
        assert!(text.contains("type Commands = NoCommands;"), "{text}");
    }
}
