//! `codec.toml`: whose codec it is, which version, which interface it speaks, and wishes for lower limits.
//!
//! ```toml
//! interface = "1.0.0"
//! manufacturerId = "Acme01"
//! model = "WM1"
//! version = "1.2.0"
//!
//! [limits]                # optional; a wish above the gateway's own limit changes nothing
//! memory_mib = 4
//! isolation = "fresh"
//! ```

use std::ops::RangeInclusive;

use toml::{Table, Value};

use super::{MANIFEST, mistake};
use crate::model::{ProductKey, Wishes};
use crate::profile::{Mistake, Severity};

/// A manifest in which every key is known and every value possible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Whose codec it is; the profile says the same.
    pub product: ProductKey,
    /// Of the codec; `describe` says the same.
    pub version: String,
    /// Version of `wit` that it was built against, such as `1.0.0`.
    pub interface: String,
    /// Limits lower than the gateway's.
    pub wishes: Wishes,
}

/// Most characters of a version.
const VERSION_CHARS: usize = 64;

impl Manifest {
    /// The document.
    #[must_use]
    pub fn to_toml(&self) -> String {
        // A JSON text is a TOML text.
        let text = |text: &str| serde_json::Value::from(text).to_string();
        let mut toml = format!(
            "interface = {}\nmanufacturerId = {}\nmodel = {}\nversion = {}\n",
            text(&self.interface),
            text(&self.product.manufacturer_id),
            text(&self.product.model),
            text(&self.version)
        );
        let Wishes { memory_mib, deadline_ms, payload_bytes, messages, output_bytes, log_lines, calls_per_instance, fresh } =
            &self.wishes;
        let mut lines: Vec<String> = [
            ("memory_mib", memory_mib.map(|n| n.to_string())),
            ("deadline_ms", deadline_ms.map(|n| n.to_string())),
            ("payload_bytes", payload_bytes.map(|n| n.to_string())),
            ("messages", messages.map(|n| n.to_string())),
            ("output_bytes", output_bytes.map(|n| n.to_string())),
            ("log_lines", log_lines.map(|n| n.to_string())),
            ("calls_per_instance", calls_per_instance.map(|n| n.to_string())),
        ]
        .into_iter()
        .filter_map(|(key, value)| value.map(|value| format!("{key} = {value}\n")))
        .collect();
        lines.extend(fresh.then(|| "isolation = \"fresh\"\n".to_owned()));
        if !lines.is_empty() {
            toml.push_str("\n[limits]\n");
            toml.push_str(&lines.concat());
        }
        toml
    }
}

/// Reads the document; none if there is a mistake.
pub(super) fn parse(bytes: &[u8], mistakes: &mut Vec<Mistake>) -> Option<Manifest> {
    // What is no UTF-8 was told when the zip was read.
    let text = std::str::from_utf8(bytes).ok()?;
    let table: Table = match toml::from_str(text) {
        Ok(table) => table,
        Err(error) => {
            let line = 1 + text.bytes().take(error.span().map_or(0, |span| span.start)).filter(|byte| *byte == b'\n').count();
            let reason = format!("line {line} is not TOML: {}", error.message());
            mistakes.push(mistake(MANIFEST, "E1120", reason, "write `key = \"text\"`, one a line"));
            return None;
        }
    };
    let before = mistakes.len();
    let mut reader = Reader { table: &table, path: "", known: Vec::new(), mistakes };
    let interface = reader.text("interface", "the version of wit that it was built against, such as \"1.0.0\"", is_version);
    let manufacturer = reader.text("manufacturerId", "the manufacturerId of the profile", is_plain);
    let model = reader.text("model", "the model of the profile", is_plain);
    let version = reader.text("version", "the version of the codec, such as \"1.2.0\"", is_version);
    let wishes = limits(&mut reader);
    reader.finish();
    if mistakes.len() > before {
        return None;
    }
    let product = ProductKey { manufacturer_id: manufacturer?, model: model? };
    Some(Manifest { product, version: version?, interface: interface?, wishes })
}

fn limits(top: &mut Reader<'_>) -> Wishes {
    let none = Table::new();
    top.known.push("limits");
    let table = match top.table.get("limits") {
        None => &none,
        Some(Value::Table(table)) => table,
        Some(other) => {
            top.refuse("limits", other, "a table: [limits]");
            &none
        }
    };
    let mut reader = Reader { table, path: "/limits", known: Vec::new(), mistakes: &mut *top.mistakes };
    let wishes = Wishes {
        memory_mib: reader.count("memory_mib", 1..=1_024),
        deadline_ms: reader.count("deadline_ms", 1..=60_000),
        payload_bytes: reader.count("payload_bytes", 1..=1_048_576),
        messages: reader.count("messages", 1..=65_536),
        output_bytes: reader.count("output_bytes", 1_024..=16_777_216),
        log_lines: reader.count("log_lines", 0..=1_024),
        calls_per_instance: reader.count("calls_per_instance", 1..=1_000_000_000),
        fresh: reader.is_fresh(),
    };
    reader.finish();
    wishes
}

/// A table that is read key by key.
struct Reader<'a> {
    table: &'a Table,
    /// JSON pointer of the table.
    path: &'static str,
    known: Vec<&'static str>,
    mistakes: &'a mut Vec<Mistake>,
}

impl Reader<'_> {
    /// A text that must be there.
    fn text(&mut self, key: &'static str, what: &str, fits: fn(&str) -> bool) -> Option<String> {
        self.known.push(key);
        match self.table.get(key) {
            None => {
                self.tell(key, "E1122", format!("`{key}` is missing"), format!("add it: {what}"));
                None
            }
            Some(Value::String(text)) if fits(text) => Some(text.clone()),
            Some(other) => {
                self.refuse(key, other, what);
                None
            }
        }
    }

    /// A whole number that may be there.
    fn count<T: TryFrom<i64> + PartialOrd + std::fmt::Display>(
        &mut self,
        key: &'static str,
        allowed: RangeInclusive<T>,
    ) -> Option<T> {
        self.known.push(key);
        let value = self.table.get(key)?;
        let number = value.as_integer().and_then(|number| T::try_from(number).ok()).filter(|number| allowed.contains(number));
        if number.is_none() {
            self.refuse(key, value, &format!("a whole number from {} to {}", allowed.start(), allowed.end()));
        }
        number
    }

    fn is_fresh(&mut self) -> bool {
        self.known.push("isolation");
        match self.table.get("isolation") {
            None => false,
            Some(Value::String(word)) if word == "fresh" => true,
            Some(Value::String(word)) if word == "reused" => false,
            Some(other) => {
                self.refuse("isolation", other, "\"fresh\" or \"reused\"");
                false
            }
        }
    }

    fn refuse(&mut self, key: &str, found: &Value, allowed: &str) {
        let found: String = shown(found).chars().take(80).collect();
        self.tell(key, "E1123", format!("`{key}` is {found}"), format!("expected: {allowed}"));
    }

    fn tell(&mut self, key: &str, code: &'static str, reason: String, fix: String) {
        let pointer = format!("{}/{key}", self.path);
        self.mistakes.push(Mistake { file: MANIFEST.to_owned(), pointer, severity: Severity::Error, code, reason, fix });
    }

    /// The keys that nobody asked for.
    fn finish(mut self) {
        let strangers: Vec<String> = self.table.keys().filter(|key| !self.known.contains(&key.as_str())).cloned().collect();
        for key in strangers {
            let key: String = key.chars().take(80).collect();
            let fix = format!("known here: {}", self.known.join(", "));
            self.tell(&key, "E1121", format!("`{key}` is no key of {MANIFEST}"), fix);
        }
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("{text:?}"),
        Value::Integer(number) => number.to_string(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(flag) => flag.to_string(),
        other => format!("a {}", other.type_str()),
    }
}

/// Visible ASCII without what paths, shells and lists take for their own.
fn is_version(text: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '+' | '_');
    (1..=VERSION_CHARS).contains(&text.len()) && text.chars().all(plain)
}

fn is_plain(text: &str) -> bool {
    !text.is_empty() && text.len() <= 256 && !text.chars().any(char::is_control)
}
