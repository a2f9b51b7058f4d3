//! What is written beside a file: why it was refused, or why it waits as a candidate. Text for people; knows no file.

use std::fmt::Write;

use crate::catalog::{CatalogError, Pushed};
use crate::profile::Compatibility;

/// All that is wrong.
pub(super) fn refusal(error: &CatalogError) -> String {
    let mut text = error.to_string();
    match error {
        CatalogError::NotAdmitted(report) => {
            let _ = write!(text, "\n\n{report}");
        }
        CatalogError::Breaking(report) => breaks(&mut text, report),
        _ => {}
    }
    text
}

/// A bare component whose file name leads to no product.
pub(super) fn nameless(name: &str) -> String {
    format!(
        "A bare component says nothing of its product, and `{name}` names none of this gateway's.\n  \
         fix: name the file after the product, `manufacturerId_model.wasm` or `NUMBER.wasm`, or deliver a package"
    )
}

/// It was accepted, but not put to work.
pub(super) fn held(pushed: &Pushed) -> String {
    let (number, product) = (pushed.version.number, pushed.version.product);
    let mut text = format!(
        "Version {number} of product {product} is kept as a candidate: its profile breaks what applications may rely on."
    );
    breaks(&mut text, &pushed.compatibility);
    let _ = write!(
        text,
        "\nPut it to work all the same: POST /api/v1/products/{product}/codec/versions/{number}/activate?acceptBreaking=true\n"
    );
    text
}

fn breaks(text: &mut String, report: &Compatibility) {
    for change in report.breaks() {
        let _ = write!(text, "\n{} {}: {}", change.kind.as_str(), change.place, change.detail);
    }
}
