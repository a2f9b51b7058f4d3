//! Typed access to vendor JSON in which a missing or mistyped key is told at its place. Knows no key by name.

use serde_json::{Map, Value as Json};

use super::super::mistake::{At, code, quote};
use super::super::structure::shown;
use super::super::suggest;
use super::Import;

/// An object of a vendor document and its place.
pub(super) struct Node<'a> {
    pub(super) at: At,
    pub(super) map: &'a Map<String, Json>,
}

impl<'a> Node<'a> {
    /// The value as an object, told if it is none.
    pub(super) fn new(at: At, value: &'a Json, import: &mut Import) -> Option<Self> {
        let Some(map) = value.as_object() else {
            let reason = format!("expected an object, found {}", shown(value));
            import.error(&at, code::VENDOR_KEY, reason, "write {...}");
            return None;
        };
        Some(Self { at, map })
    }

    /// The value of a key; null counts as missing.
    pub(super) fn value(&self, key: &str) -> Option<&'a Json> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    /// A text that must be there and not be empty.
    pub(super) fn required_text(&self, key: &str, import: &mut Import) -> Option<&'a str> {
        match self.value(key) {
            Some(Json::String(text)) if !text.trim().is_empty() => Some(text),
            Some(Json::String(_)) => {
                import.error(&self.at.key(key), code::VENDOR_KEY, format!("`{key}` is empty"), "write the name");
                None
            }
            Some(other) => {
                let reason = format!("`{key}` is {}, expected a text", shown(other));
                import.error(&self.at.key(key), code::VENDOR_KEY, reason, "write a text in double quotes");
                None
            }
            None => {
                let keys: Vec<&str> = self.map.keys().map(String::as_str).collect();
                let similar = suggest::nearest(key, keys).map(|near| format!("; did you mean it with `{near}`?"));
                let fix = format!("add `{key}`{}", similar.unwrap_or_default());
                import.error(&self.at, code::VENDOR_KEY, format!("`{key}` is missing"), fix);
                None
            }
        }
    }

    /// A text that may be missing. Empty text and the text "null" count as missing (REFERENCE A.4.1).
    pub(super) fn optional_text(&self, key: &str, import: &mut Import) -> Option<&'a str> {
        match self.value(key)? {
            Json::String(text) => Some(text.as_str()).filter(|text| !text.is_empty() && *text != "null"),
            other => {
                let reason = format!("`{key}` is {}, expected a text", shown(other));
                import.deviation(&self.at.key(key), code::VENDOR_KEY, reason, "write a text in double quotes, or null");
                None
            }
        }
    }

    /// A list that must be there (FAQ 4.1.1.3: in square brackets).
    pub(super) fn required_list(&self, key: &str, import: &mut Import) -> &'a [Json] {
        if self.map.contains_key(key) {
            return self.optional_list(key, import);
        }
        let keys: Vec<&str> = self.map.keys().map(String::as_str).collect();
        let similar = suggest::nearest(key, keys).map(|near| format!("; did you mean it with `{near}`?"));
        let fix = format!("add \"{key}\": []{}", similar.unwrap_or_default());
        import.deviation(&self.at, code::VENDOR_KEY, format!("`{key}` is missing"), fix);
        &[]
    }

    /// A list that may be missing or null; anything else is told.
    pub(super) fn optional_list(&self, key: &str, import: &mut Import) -> &'a [Json] {
        match self.value(key) {
            None => &[],
            Some(Json::Array(list)) => list,
            Some(other) => {
                let reason = format!("`{key}` is {}, not an array", shown(other));
                let fix = format!("write \"{key}\": [ ... ], also for one entry (FAQ 4.1.1.3)");
                import.error(&self.at.key(key), code::NOT_AN_ARRAY, reason, fix);
                &[]
            }
        }
    }

    /// Tells keys that are not among the known ones; they are not read.
    pub(super) fn only(&self, known: &[&str], import: &mut Import) {
        for key in self.map.keys().filter(|key| !known.contains(&key.as_str())) {
            let reason = format!("the key {} is not known and not read", quote(key));
            import.warning(&self.at.key(key), code::UNKNOWN_VENDOR_KEY, reason, suggest::advice(key, known));
        }
    }
}
