//! Layouts: a JSON document that says how messages are written becomes a codec component, or every mistake in it is told at once.
//!
//! Pure: texts in, bytes out. The format is `profiles/layout.schema.json`, its rules are told in `plugin-sdk/LAYOUTS.md`, the codes in
//! `profiles/README.md`. What a layout can say and how it is interpreted is the SDK's; here it is joined with a [`Profile`] and
//! written into the interpreter that this program carries (REFERENCE B.6, E.5).
//!
//! ```text
//! text --schema, shape--> messages --join (profile)--> layout --directions--> CheckedLayout --slot--> component
//! ```

mod answer;
mod directions;
mod document;
mod examples;
mod join;
mod message;
mod rows;
#[cfg(test)]
mod service_tables;
mod shape;
#[cfg(test)]
mod tests;

use std::sync::LazyLock;

use codecgate_sdk::layout::slot::{self, Unfit};
use codecgate_sdk::layout::{Layout, to_bytes};
use serde_json::Value as Json;

use crate::profile::{At, DocumentSchema, Findings, Mistake, Profile, code, read_json};

pub use rows::{MessageTable, Row};

/// The text of `profiles/layout.schema.json`, for tools and editors.
pub const SCHEMA: &str = include_str!("../../../profiles/layout.schema.json");

/// The interpreter of layouts, finished but for the layout. The build script makes it of `plugins/layout`.
const INTERPRETER: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/interpreter.wasm"));

// A constant that is computed.
static STRUCTURE: LazyLock<Result<DocumentSchema, String>> = LazyLock::new(|| DocumentSchema::compile(SCHEMA));

/// A layout that is whole and fits its profile.
#[derive(Debug, Clone)]
pub struct CheckedLayout {
    layout: Layout,
    warnings: Vec<Mistake>,
    tables: Vec<MessageTable>,
}

impl CheckedLayout {
    /// Reads a document in the format of `profiles/layout.schema.json` and joins it with the profile of its product. `file` is named in
    /// mistakes.
    ///
    /// # Errors
    /// All mistakes and warnings, if one of them is an error.
    pub fn parse(file: &str, json: &str, profile: &Profile) -> Result<Self, Vec<Mistake>> {
        let at = At::file(file);
        let mut findings = Findings::default();
        let Some(value) = read_json(&at, json.as_bytes(), &mut findings) else { return Err(findings.into_list()) };
        DocumentSchema::examine(&STRUCTURE, &at, &value, &mut findings);
        let parsed = compiled(&at, &value, profile, &mut findings);
        match parsed {
            Some((layout, tables)) if !findings.has_errors() => {
                let size = to_bytes(&layout).len();
                if size > slot::ROOM {
                    let reason = format!("the layout has {size} bytes, the interpreter has room for {}", slot::ROOM);
                    findings.error(
                        &at,
                        code::LAYOUT_TOO_LARGE,
                        reason,
                        "shorten names and lists of words, or write the codec in Rust",
                    );
                }
                // What the checks here let through and the interpreter would not take is a bug, and is told as one.
                if let Err(flaw) = layout.check() {
                    findings.error(&at, code::LAYOUT_NOT_INTERPRETED, flaw.to_string(), "report this bug, with the layout");
                }
                let warnings = findings.verdict()?;
                Ok(Self { layout, warnings, tables })
            }
            _ => Err(findings.into_list()),
        }
    }

    /// The layout itself, to decode and encode natively.
    #[must_use]
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// What is doubtful and taken nevertheless.
    #[must_use]
    pub fn warnings(&self) -> &[Mistake] {
        &self.warnings
    }

    /// The messages for people, with an example of each.
    #[must_use]
    pub fn tables(&self) -> &[MessageTable] {
        &self.tables
    }

    /// The codec as a component: the interpreter with this layout in its slot. Some 100 us.
    ///
    /// # Errors
    /// [`Unfit`], which cannot be: the layout was measured before.
    pub fn component(&self) -> Result<Vec<u8>, Unfit> {
        let mut component = INTERPRETER.to_vec();
        slot::fill(&mut component, &self.layout)?;
        Ok(component)
    }
}

fn compiled(at: &At, value: &Json, profile: &Profile, findings: &mut Findings) -> Option<(Layout, Vec<MessageTable>)> {
    let document = document::read(value)?;
    let (layout, places) = join::join(at, &document, profile, findings);
    if document.is_whole() {
        directions::examine(at, &document, &layout, &places, findings);
    }
    if findings.has_errors() {
        return None;
    }
    let tables = rows::tables(&document, &layout, &places);
    Some((layout, tables))
}
