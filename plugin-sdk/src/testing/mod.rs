//! Vectors: hex on one side, meaning on the other, in JSON files that lie beside a codec.
//!
//! The same files run here, natively, and through the built component in the gateway's admission, so nothing in them is
//! Rust. A file is a list of objects:
//!
//! | key | of | meaning |
//! |---|---|---|
//! | `name` | both | unique in the folder; what a failure is reported under |
//! | `source` | both | the URL it was published at, or `written for this codec` |
//! | `direction` | both | `decode` or `encode` |
//! | `attributes` | both, optional | attributes of the device, `{"layout": "array"}` |
//! | `endpoint` | both, optional | endpoint client name of the device |
//! | `received` | both, optional | time of arrival, RFC 3339; 2024-01-01T00:00:00Z when not given |
//! | `hex` | decode | the payload; spaces are allowed |
//! | `parts` | decode | the payload instead of `hex`, field by field ([`parts`]) |
//! | `messages` | decode | list of `{"report": ..}` and `{"response": ..}`, in order |
//! | `command` | encode | `{"service", "name", "mid", "hasMore", "params"}`; `hasMore` defaults to false, `params` to `{}` |
//! | `reportAck` | encode | `{"uplink": hex, "errcode", "hasMore"}` instead of `command`; both default to 0 and false |
//! | `hex` | encode | the bytes, or null when nothing is to be sent |
//! | `error` | both | `{"kind": "truncated", "offset": 7}` instead of the meaning; without `offset` any place will do |
//!
//! A report is `{"service", "kind", "eventTime", "values", "hasMore"}`, `kind` defaults to `report`, `eventTime` to the time of
//! arrival, `hasMore` to false. A response is `{"mid", "errcode", "command", "values"}`; without `command` the frame does not tell it.
//! Names are those of the codec's tables. Bytes are base64, times RFC 3339. A payload comes from `/19/0/0` over CoAP with content
//! format 42.

mod compare;
pub mod parts;
mod run;
mod time;
mod vector;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::codec::Codec;
use crate::device::platform::{CARD, Card};

/// 2024-01-01T00:00:00Z, when a vector's payload arrives if the vector does not say.
pub const RECEIVED_MS: u64 = 1_704_067_200_000;

/// Runs every `*.json` in a folder: what the one test of a codec calls.
///
/// ```text
/// #[test]
/// fn vectors() {
///     codecgate_sdk::testing::run_vectors::<MeterCodec>(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"));
/// }
/// ```
///
/// # Panics
/// With every difference between what was expected and what came, or when there is no vector.
#[expect(clippy::panic, reason = "it is an assertion")]
pub fn run_vectors<C: Codec>(folder: impl AsRef<Path>) {
    if let Err(failures) = check_vectors::<C>(folder.as_ref()) {
        panic!("vectors failed:\n{}", failures.join("\n"));
    }
}

/// Runs every `*.json` in a folder. Returns how many vectors there were.
///
/// # Errors
/// Every failure, readable; an empty or unreadable folder is one.
pub fn check_vectors<C: Codec>(folder: &Path) -> Result<usize, Vec<String>> {
    let files = files(folder).map_err(|error| vec![format!("{}: {error}", folder.display())])?;
    let mut vectors = Vec::new();
    let mut failures = Vec::new();
    for file in files {
        let place = file.file_name().unwrap_or_default().to_string_lossy().into_owned();
        match std::fs::read_to_string(&file) {
            Ok(text) => match vector::parse(&place, &text) {
                Ok(list) => vectors.extend(list),
                Err(failure) => failures.push(failure),
            },
            Err(error) => failures.push(format!("{place}: {error}")),
        }
    }
    finish(vectors.len(), &folder.display().to_string(), failures, run::all::<C>(&vectors))
}

/// Runs the vectors in one JSON text; `place` is what failures call it. Returns how many there were.
///
/// # Errors
/// Every failure, readable; a list without vectors is one.
pub fn check_vector_text<C: Codec>(place: &str, json: &str) -> Result<usize, Vec<String>> {
    match vector::parse(place, json) {
        Ok(vectors) => finish(vectors.len(), place, Vec::new(), run::all::<C>(&vectors)),
        Err(failure) => Err(vec![failure]),
    }
}

/// Calls `body` as if for a device with this endpoint client name and these attributes, on this thread.
pub fn with_device<T>(endpoint: &str, attributes: &[(&str, &str)], body: impl FnOnce() -> T) -> T {
    let attributes: BTreeMap<_, _> = attributes.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    with_card(Card { endpoint: endpoint.to_owned(), attributes }, body)
}

fn with_card<T>(card: Card, body: impl FnOnce() -> T) -> T {
    /// Puts the card back, also when the body panics.
    struct Back(Card);
    impl Drop for Back {
        fn drop(&mut self) {
            CARD.set(std::mem::take(&mut self.0));
        }
    }
    let _back = Back(CARD.replace(card));
    body()
}

fn files(folder: &Path) -> std::io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "json") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

fn finish(count: usize, place: &str, before: Vec<String>, ran: Vec<String>) -> Result<usize, Vec<String>> {
    let mut failures = before;
    failures.extend(ran);
    if count == 0 && failures.is_empty() {
        failures.push(format!("{place}: there is no vector"));
    }
    if failures.is_empty() { Ok(count) } else { Err(failures) }
}

#[cfg(test)]
mod tests;
