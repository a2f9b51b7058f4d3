//! Properties, parameters and response fields of a vendor document (REFERENCE A.4.1-A.4.3) as fields of ours.
//!
//! The editors of the platforms leave numbers as text, limits without meaning and the word "null"; what that means is
//! decided here, once.

use serde_json::{Map, Number, Value as Json};

use super::super::document::FieldType;
use super::super::mistake::{At, code, quote};
use super::super::structure::{alias, shown};
use super::super::suggest;
use super::Import;
use super::reader::Node;

/// The platform's words and what they are here.
const TYPES: [(&str, FieldType); 9] = [
    ("int", FieldType::Int),
    ("long", FieldType::Long),
    ("decimal", FieldType::Decimal),
    ("string", FieldType::String),
    ("DateTime", FieldType::DateTime),
    ("jsonObject", FieldType::JsonObject),
    ("enum", FieldType::Enum),
    ("boolean", FieldType::Boolean),
    ("string list", FieldType::StringList),
];

/// What a field is called in its document.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Property,
    Parameter,
}

/// Converts a list of fields; `ours` is the place of the list in our document.
pub(super) fn read_list(list: &[Json], theirs: &At, ours: &At, role: Role, import: &mut Import) -> Vec<Json> {
    let mut fields = Vec::with_capacity(list.len());
    for (index, entry) in list.iter().enumerate() {
        let Some(node) = Node::new(theirs.item(index), entry, import) else { continue };
        // Entries that were left out shift the ones behind, so the position is that among the converted.
        let place = ours.item(fields.len());
        fields.extend(read(&node, &place, role, import));
    }
    fields
}

fn read(node: &Node<'_>, ours: &At, role: Role, import: &mut Import) -> Option<Json> {
    const LIMITS: [&str; 8] = ["dataType", "required", "min", "max", "step", "maxLength", "unit", "enumList"];
    let name_key = if role == Role::Property { "propertyName" } else { "paraName" };
    let mut known = vec![name_key];
    known.extend(LIMITS);
    known.push("description");
    if role == Role::Property {
        known.push("method");
    }
    node.only(&known, import);
    let name = node.required_text(name_key, import);
    let field_type = read_type(node, import);
    let mut field = Map::new();
    let origins = &mut import.origins;
    origins.add(ours, &node.at);
    for (our_key, their_key) in
        [("name", name_key), ("type", "dataType"), ("min", "min"), ("max", "max"), ("enum", "enumList"), ("unit", "unit")]
    {
        origins.add(&ours.key(our_key), &node.at.key(their_key));
    }
    field.insert("name".to_owned(), name?.into());
    field.insert("type".to_owned(), field_type.as_str().into());
    if read_flag(node, "required", import) {
        field.insert("required".to_owned(), true.into());
    }
    if field_type.is_numeric() {
        read_limits(node, &mut field, import);
    }
    if field_type.has_length()
        && let Some(most) = read_number(node, "maxLength", import).and_then(|most| most.as_u64()).filter(|most| *most > 0)
    {
        field.insert("maxLength".to_owned(), most.into());
    }
    if let Some(unit) = node.optional_text("unit", import) {
        field.insert("unit".to_owned(), unit.into());
    }
    let values = read_values(node, import);
    if !values.is_empty() {
        field.insert("enum".to_owned(), values.into());
    }
    if role == Role::Property
        && let Some(method) = read_method(node, import)
    {
        field.insert("method".to_owned(), method.into());
    }
    if let Some(description) = node.optional_text("description", import) {
        field.insert("description".to_owned(), description.into());
    }
    Some(Json::Object(field))
}

/// The type; text stands in for one that was told to be wrong, so that the rest of the field is still examined.
fn read_type(node: &Node<'_>, import: &mut Import) -> FieldType {
    let Some(word) = node.required_text("dataType", import) else { return FieldType::String };
    let at = node.at.key("dataType");
    if let Some((_, field_type)) = TYPES.iter().find(|(known, _)| *known == word) {
        return *field_type;
    }
    if word == "double" {
        let fix = "write decimal, the type that the platform documents";
        import.warning(&at, code::LAX_SPELLING, "`double` is read as decimal", fix);
        return FieldType::Decimal;
    }
    let squeezed: String = word.chars().filter(|c| c.is_alphanumeric()).collect();
    let lax =
        FieldType::ALL.into_iter().find(|known| *known != FieldType::Bytes && known.as_str().eq_ignore_ascii_case(&squeezed));
    if let Some(field_type) = lax {
        let proper = TYPES.iter().find(|(_, known)| *known == field_type).map_or("", |(word, _)| word);
        let reason = format!("{} is written {}", quote(word), quote(proper));
        import.deviation(&at, code::LAX_SPELLING, reason, format!("write {proper}; case counts"));
        return field_type;
    }
    let words: Vec<&str> = TYPES.iter().map(|(word, _)| *word).collect();
    let meant = alias(word).and_then(FieldType::named).and_then(|meant| TYPES.iter().find(|(_, known)| *known == meant));
    let advice = meant.map_or_else(|| suggest::advice(word, &words), |(word, _)| format!("did you mean `{word}`?"));
    let fix = format!("{advice} (FAQ 4.1.1.5 tells which type is for what)");
    import.error(&at, code::UNKNOWN_TYPE, format!("there is no data type {}", quote(word)), fix);
    FieldType::String
}

/// `min`, `max`, `step` of a numeric field. `max` 0 with `min` above 0 is the editors' way to say "no upper limit".
fn read_limits(node: &Node<'_>, field: &mut Map<String, Json>, import: &mut Import) {
    let min = read_number(node, "min", import);
    let mut max = read_number(node, "max", import);
    let as_f64 = |number: &Option<Number>| number.as_ref().and_then(Number::as_f64);
    if let (Some(low), Some(high)) = (as_f64(&min), as_f64(&max))
        && low > high
    {
        if high == 0.0 {
            let reason = format!("min {low} with max 0 is read as: no upper limit");
            import.warning(&node.at.key("max"), code::MIN_ABOVE_MAX, reason, "write the largest value, or null");
            max = None;
        } else {
            let reason = format!("min {low} is above max {high}: no value fits");
            let fix = "swap them, or correct one; in a lenient import both are left out";
            import.deviation(&node.at.key("min"), code::MIN_ABOVE_MAX, reason, fix);
            field.extend(read_step(node, import));
            return;
        }
    }
    field.extend(min.map(|min| ("min".to_owned(), Json::Number(min))));
    field.extend(max.map(|max| ("max".to_owned(), Json::Number(max))));
    field.extend(read_step(node, import));
}

fn read_step(node: &Node<'_>, import: &mut Import) -> Option<(String, Json)> {
    let step = read_number(node, "step", import)?;
    let value = step.as_f64()?;
    if value < 0.0 {
        let reason = format!("a step of {step} is no step");
        import.deviation(&node.at.key("step"), code::BAD_LIMIT, reason, "write a number above 0, or 0 for none");
    }
    (value > 0.0).then(|| ("step".to_owned(), Json::Number(step)))
}

/// A number or a text that is one; both occur (REFERENCE A.4.1). Empty text and "null" count as missing.
fn read_number(node: &Node<'_>, key: &str, import: &mut Import) -> Option<Number> {
    let value = node.value(key)?;
    let number = match value {
        Json::Number(number) => Some(number.clone()),
        Json::String(text) if text.is_empty() || text == "null" => return None,
        Json::String(text) => serde_json::from_str(text.trim()).ok(),
        _ => None,
    };
    if number.is_none() {
        let reason = format!("`{key}` is {}, expected a number", shown(value));
        import.deviation(&node.at.key(key), code::BAD_LIMIT, reason, "write a number, or null for none");
    }
    number
}

fn read_flag(node: &Node<'_>, key: &str, import: &mut Import) -> bool {
    match node.value(key) {
        None => false,
        Some(Json::Bool(flag)) => *flag,
        Some(other) => {
            let reason = format!("`{key}` is {}, expected true or false", shown(other));
            import.deviation(&node.at.key(key), code::VENDOR_KEY, reason, "write true or false without quotes");
            other.as_str().is_some_and(|text| text.eq_ignore_ascii_case("true"))
        }
    }
}

/// `enumList`; some packages write the alternatives as one text with commas (FAQ 4.1.1.5).
fn read_values(node: &Node<'_>, import: &mut Import) -> Vec<String> {
    let text_of = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match node.value("enumList") {
        None => Vec::new(),
        Some(Json::Array(list)) => list.iter().map(text_of).collect(),
        Some(Json::String(text)) if text.is_empty() || text == "null" => Vec::new(),
        Some(other) => {
            let reason = format!("`enumList` is {}, not an array", shown(other));
            let fix = "write [\"a\", \"b\"]";
            if let Json::String(text) = other {
                import.deviation(&node.at.key("enumList"), code::NOT_AN_ARRAY, reason, fix);
                return text.split(',').map(|part| part.trim().to_owned()).collect();
            }
            import.error(&node.at.key("enumList"), code::NOT_AN_ARRAY, reason, fix);
            Vec::new()
        }
    }
}

fn read_method(node: &Node<'_>, import: &mut Import) -> Option<String> {
    let given = node.optional_text("method", import)?;
    let at = node.at.key("method");
    let letters: String = given.to_ascii_uppercase();
    let plain = letters.chars().all(|letter| "RWE".contains(letter));
    let repeated = "RWE".chars().any(|letter| letters.matches(letter).count() > 1);
    if !plain || repeated {
        let reason = format!("{} is no combination of R, W and E", quote(given));
        import.error(&at, code::BAD_METHOD, reason, "write R (readable), W (writable), E (reported), such as RE");
        return None;
    }
    if letters != given {
        import.deviation(&at, code::LAX_SPELLING, "the letters are capitals", format!("write {letters}"));
    }
    Some(letters)
}
