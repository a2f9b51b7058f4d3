//! Profiles: a JSON document becomes a checked [`Profile`], or every mistake in it is told at once.
//!
//! Pure: bytes in, values out. Knows neither the store nor a codec's machine, only its tables ([`crate::model::Description`]).
//! The format is `profiles/schema.json`, the codes are told in `profiles/README.md` (REFERENCE A, B.6.4, G, J).
//!
//! ```text
//! text --structure--> JSON value --meaning--> Profile --join (codec's tables)--> Plan --> reports as JSON, parameters as fields
//! zip  --huawei-----^   service table --ctwing--> Profile and the text of its layout
//! ```

mod check;
mod checked;
mod compare;
mod ctwing;
mod document;
mod huawei;
mod json_text;
mod meaning;
mod mistake;
mod params;
mod plan;
mod skeleton;
mod structure;
mod suggest;
mod write;

#[cfg(test)]
mod plan_tests;
#[cfg(test)]
mod tests;

pub use checked::Profile;
pub use compare::{Change, ChangeKind, Compatibility};
pub use ctwing::{Identity, ThingModel, import_service_table, to_csv, to_json};
pub use document::{CommandSpec, FieldSpec, FieldType, Layout, Service};
pub use huawei::{Imported, MAX_PACKAGE_BYTES, Strictness, import_huawei};
pub use mistake::{Mistake, Severity, code};
pub use params::Coercion;
pub use plan::Plan;
pub use skeleton::{layout_skeleton, rust_skeleton};
pub use structure::{MAX_DOCUMENT_BYTES, SCHEMA};

/// For other documents that are told of in the same way.
pub(crate) use mistake::{At, Findings, quote};
pub(crate) use structure::{DocumentSchema, read_json};
pub(crate) use suggest::advice;
