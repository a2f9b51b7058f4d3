//! From text to a JSON value with the structure of `profiles/schema.json`, every deviation told with place, reason and fix.
//!
//! The explanations come from the schema's own titles and descriptions, so the schema is the one place that says what a
//! key is for. Knows nothing of what the values mean together: that is `meaning`.

use std::sync::LazyLock;

use jsonschema::error::ValidationErrorKind;
use jsonschema::{ValidationError, Validator};
use serde_json::Value as Json;

use super::mistake::{At, Findings, code, quote};
use super::suggest;

/// The text of `profiles/schema.json`, for tools and editors.
pub const SCHEMA: &str = include_str!("../../../profiles/schema.json");

/// Most bytes of a profile document.
pub const MAX_DOCUMENT_BYTES: usize = 1 << 20;

/// A JSON Schema whose titles and descriptions explain what a document lacks.
pub(crate) struct DocumentSchema {
    schema: Json,
    validator: Validator,
}

impl DocumentSchema {
    /// Why not, in words: for schemas that are part of this program.
    pub(crate) fn compile(text: &str) -> Result<Self, String> {
        let schema: Json = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let validator = value_validator(&schema)?;
        Ok(Self { schema, validator })
    }

    /// Holds a value against it; every deviation is told with place, reason and fix.
    pub(crate) fn examine(schema: &Result<Self, String>, at: &At, value: &Json, findings: &mut Findings) {
        match schema {
            Ok(Self { schema, validator }) => {
                for error in validator.iter_errors(value) {
                    explain(&error, schema, at, findings);
                }
            }
            Err(error) => {
                findings.error(at, code::STRUCTURE, format!("the built-in schema is broken: {error}"), "report this bug")
            }
        }
    }
}

// A constant that is computed: compiling it costs a millisecond, and a gateway reads a thousand profiles when it starts.
static STRUCTURE: LazyLock<Result<DocumentSchema, String>> = LazyLock::new(|| DocumentSchema::compile(SCHEMA));

/// Compiles a JSON Schema that needs nothing from outside and whose patterns run in linear time.
pub(super) fn value_validator(schema: &Json) -> Result<Validator, String> {
    jsonschema::draft202012::options().offline().with_pattern_options(jsonschema::PatternOptions::regex()).build(schema).map_err(
        |error| match error.instance_path().as_str() {
            "" => error.to_string(),
            place => format!("{place}: {error}"),
        },
    )
}

/// Reads JSON text. A mistake names line, column and what stands there.
pub(crate) fn read_json(at: &At, bytes: &[u8], findings: &mut Findings) -> Option<Json> {
    if bytes.len() > MAX_DOCUMENT_BYTES {
        let reason = format!("the file has {} bytes; a profile has at most {MAX_DOCUMENT_BYTES}", bytes.len());
        findings.error(at, code::TOO_BIG, reason, "make the descriptions shorter, or check that it is the right file");
        return None;
    }
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let line = bytes.iter().take(error.valid_up_to()).filter(|byte| **byte == b'\n').count() + 1;
            let reason = format!("line {line} is not UTF-8 (byte {} of the file)", error.valid_up_to());
            findings.error(at, code::NOT_JSON, reason, "save the file in the encoding UTF-8 (not GBK, not UTF-16)");
            return None;
        }
    };
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    if body.len() != text.len() {
        findings.warning(at, code::LAX_SPELLING, "the file begins with a byte order mark", "save it as UTF-8 without BOM");
    }
    match serde_json::from_str(body) {
        Ok(value) => Some(value),
        Err(error) => {
            let what = error.to_string();
            let what = what.split(" at line ").next().unwrap_or_default();
            let near = body.lines().nth(error.line().saturating_sub(1)).unwrap_or_default().trim();
            let shown = if near.is_empty() { String::new() } else { format!(", near {}", quote(near)) };
            let reason = format!("not valid JSON: line {}, column {}: {what}{shown}", error.line(), error.column());
            findings.error(at, code::NOT_JSON, reason, advice_for_syntax(what, near));
            None
        }
    }
}

fn advice_for_syntax(what: &str, near: &str) -> &'static str {
    if near.starts_with("//") || near.starts_with("/*") || near.starts_with('#') {
        "remove the comment: JSON has none"
    } else if what.contains("EOF") {
        "the text ends too early: a bracket, a brace or a quote is not closed (FAQ 4.1.1.3: check the file with a JSON validator)"
    } else if what.contains("trailing comma") {
        "remove the comma before the closing bracket"
    } else if what.contains("trailing characters") {
        "remove what follows the end of the document"
    } else if what.contains("expected `,`") {
        "put a comma in front of it, or close the bracket before"
    } else if what.contains("key must be a string") {
        "write the key in double quotes; after the last entry there is no comma"
    } else if what.contains("control character") {
        "write line breaks and tabs inside a text as \\n and \\t; close the text with a double quote"
    } else if what.contains("recursion limit") {
        "nest less: at most 127 levels"
    } else {
        "correct the text there (FAQ 4.1.1.3: check the file with a JSON validator)"
    }
}

/// Holds a value against `profiles/schema.json`.
pub(super) fn examine(at: &At, value: &Json, findings: &mut Findings) {
    DocumentSchema::examine(&STRUCTURE, at, value, findings);
}

fn explain(error: &ValidationError<'_>, schema: &Json, root: &At, findings: &mut Findings) {
    let at = At { file: root.file.clone(), pointer: error.instance_path().as_str().to_owned() };
    let node = error.schema_path().as_str().rsplit_once('/').and_then(|(parent, _)| schema.pointer(parent));
    let keys = node.and_then(|node| node.get("properties")).and_then(Json::as_object);
    let expected = || node.map_or_else(String::new, |node| describe(node, schema));
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let known: Vec<&str> = keys.map(|keys| keys.keys().map(String::as_str).collect()).unwrap_or_default();
            for key in unexpected {
                let reason = format!("{} is no key of {}", quote(key), title(node));
                findings.error(&at.key(key), code::UNKNOWN_KEY, reason, suggest::advice(key, &known));
            }
        }
        ValidationErrorKind::Required { property } => {
            let key = property.as_str().unwrap_or_default();
            let what = keys.and_then(|keys| keys.get(key)).map_or_else(String::new, |node| describe(node, schema));
            findings.error(&at, code::MISSING_KEY, format!("`{key}` is missing"), format!("add `{key}`: {what}"));
        }
        ValidationErrorKind::Type { .. } => {
            let wanted = node.and_then(|node| node.get("type")).map_or_else(String::new, words);
            let reason = format!("expected {wanted}, found {}", shown(error.instance()));
            findings.error(&at, code::WRONG_TYPE, reason, format!("expected: {}", expected()));
        }
        ValidationErrorKind::Enum { options } => {
            let reason = format!("{} is not possible here", shown(error.instance()));
            let options: Vec<&str> = options.as_array().into_iter().flatten().filter_map(Json::as_str).collect();
            let given = error.instance().as_str().unwrap_or_default();
            let fix = aliases(given).iter().find(|word| options.contains(word));
            let fix = fix.map_or_else(|| suggest::advice(given, &options), |word| format!("did you mean `{word}`?"));
            findings.error(&at, code::NOT_ALLOWED, reason, fix);
        }
        ValidationErrorKind::Pattern { .. } => {
            let reason = format!("{} has not the right form", shown(error.instance()));
            findings.error(&at, code::BAD_TEXT, reason, format!("expected: {}", expected()));
        }
        ValidationErrorKind::MinLength { limit } | ValidationErrorKind::MinItems { limit } => {
            let reason = format!("{} is too short: at least {limit}", shown(error.instance()));
            findings.error(&at, code::OUT_OF_BOUNDS, reason, format!("expected: {}", expected()));
        }
        ValidationErrorKind::MaxLength { limit } | ValidationErrorKind::MaxItems { limit } => {
            let reason = format!("{} is too long: at most {limit}", shown(error.instance()));
            findings.error(&at, code::OUT_OF_BOUNDS, reason, format!("expected: {}", expected()));
        }
        ValidationErrorKind::Minimum { limit } => {
            let reason = format!("{} is too small: at least {limit}", shown(error.instance()));
            findings.error(&at, code::OUT_OF_BOUNDS, reason, format!("expected: {}", expected()));
        }
        ValidationErrorKind::Maximum { limit } => {
            let reason = format!("{} is too large: at most {limit}", shown(error.instance()));
            findings.error(&at, code::OUT_OF_BOUNDS, reason, format!("expected: {}", expected()));
        }
        _ => findings.error(&at, code::STRUCTURE, error.to_string(), format!("expected: {}", expected())),
    }
}

/// What the schema says of a node: its own description, or that of what it refers to.
fn describe(node: &Json, schema: &Json) -> String {
    let own = node.get("description").and_then(Json::as_str);
    let referred = || {
        let target = node.get("$ref")?.as_str()?.strip_prefix('#')?;
        schema.pointer(target)?.get("description")?.as_str()
    };
    own.or_else(referred).unwrap_or("what the schema asks for").to_owned()
}

fn title(node: Option<&Json>) -> String {
    let title = node.and_then(|node| node.get("title")).and_then(Json::as_str).unwrap_or("object");
    format!("a {}", title.to_lowercase())
}

/// The type words of a schema: "string", "object or boolean".
fn words(wanted: &Json) -> String {
    match wanted {
        Json::Array(list) => list.iter().filter_map(Json::as_str).collect::<Vec<_>>().join(" or "),
        other => other.as_str().unwrap_or_default().to_owned(),
    }
}

/// A value as it appears in a reason: its type, and the value itself if it is short.
pub(super) fn shown(value: &Json) -> String {
    match value {
        Json::Null => "null".to_owned(),
        Json::Bool(flag) => format!("boolean `{flag}`"),
        Json::Number(number) => format!("number `{number}`"),
        Json::String(text) => format!("text {}", quote(text)),
        Json::Array(list) => format!("an array of {}", list.len()),
        Json::Object(_) => "an object".to_owned(),
    }
}

/// Type words of other formats: what they are called in a profile, what in a layout.
fn aliases(word: &str) -> &'static [&'static str] {
    match word.to_ascii_lowercase().as_str() {
        "float" | "float32" | "f32" | "real" => &["decimal", "float"],
        "double" | "float64" | "f64" | "number" | "decimal" => &["decimal", "double"],
        "integer" | "int" | "int32" | "i32" => &["int", "int32s"],
        "int8" | "i8" => &["int", "int8s"],
        "int16" | "short" | "i16" => &["int", "int16s"],
        "uint8" | "byte" | "u8" => &["int", "int8u"],
        "uint16" | "u16" | "word" => &["int", "int16u"],
        "uint32" | "u32" | "dword" => &["int", "int32u"],
        "int64" | "i64" | "long" => &["long", "int64s"],
        "uint64" | "u64" => &["long", "int64u"],
        "bool" | "boolean" => &["boolean", "bool"],
        "text" | "str" | "char" | "ascii" => &["string"],
        "varchar" => &["string", "varstring"],
        "datetime" | "date" | "time" | "timestamp" => &["dateTime", "unix"],
        "json" | "object" | "jsonobject" => &["jsonObject"],
        "string list" | "stringlist" => &["stringList"],
        "array" => &["stringList"],
        "binary" | "raw" | "bytes" => &["bytes", "array"],
        "crc" | "crc16" | "checksum" => &["check"],
        "fill" | "reserved" | "skip" => &["padding"],
        "constant" | "fixed" | "hex" => &["const"],
        _ => &[],
    }
}

/// Type words of other formats.
pub(super) fn alias(word: &str) -> Option<&'static str> {
    aliases(word).first().copied()
}
