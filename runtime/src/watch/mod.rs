//! A folder whose files are delivered: what CI copies there is admitted and put to work, or explained beside the file.
//!
//! The folder is looked at again and again (notifications get lost on network file systems, looking does not). A file is taken
//! when two looks in a row find it alike. An accepted one moves to `accepted/`; a refused one stays, with `NAME.refused.txt`
//! beside it, and is tried again when it changes. A profile that breaks what applications rely on makes a candidate, told in
//! `accepted/NAME.candidate.txt`. The same content delivered again is nothing new. Knows no HTTP.

mod report;
mod seen;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::catalog::{Aim, Breaking, Catalog, CatalogError, Content, Missing, Order, Push, Pushed};
use crate::model::{Actor, ProductId, ProductKey, Timestamp, VersionState};
use crate::store::{Store, StoreError};

use seen::{Found, Seen};

/// Time between two looks.
pub const LOOK: Duration = Duration::from_millis(500);
/// Most bytes of a file that is taken.
const MAX_BYTES: u64 = 32 << 20;
/// Where accepted files go.
const ACCEPTED: &str = "accepted";

/// The folder, and what was found in it so far.
pub struct Watch {
    folder: PathBuf,
    catalog: Arc<Catalog>,
    store: Store,
    clock: fn() -> Timestamp,
    missing: Missing,
    seen: Seen,
}

/// Why a file was not taken.
enum Stop {
    /// It is at fault: the report says why.
    Refused(String),
    /// The gateway is: it is tried again.
    Later(String),
}

impl Watch {
    /// Makes the folder if it is missing. `missing` = what if a package names a product that there is not.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn new(
        folder: &Path,
        catalog: Arc<Catalog>,
        store: Store,
        missing: Missing,
        clock: fn() -> Timestamp,
    ) -> io::Result<Self> {
        fs::create_dir_all(folder.join(ACCEPTED))?;
        Ok(Self { folder: folder.to_owned(), catalog, store, clock, missing, seen: Seen::default() })
    }

    /// Looks once and delivers what is ready. Not cancel-safe: a file may be delivered and not yet moved; delivering it again
    /// does no harm.
    pub async fn look(&mut self) {
        let folder = self.folder.clone();
        let found = match off_reactor(move || list(&folder)).await {
            Ok(found) => found,
            Err(error) => {
                tracing::warn!(folder = %self.folder.display(), %error, "the watched folder cannot be read");
                return;
            }
        };
        for name in self.seen.ready(found) {
            match self.deliver(&name).await {
                Ok(pushed) => self.accepted(&name, &pushed).await,
                Err(Stop::Refused(why)) => self.refused(&name, why).await,
                Err(Stop::Later(why)) => {
                    self.seen.forget(&name);
                    tracing::warn!(file = name, why, "a file of the watched folder is tried again later");
                }
            }
        }
    }

    async fn deliver(&self, name: &str) -> Result<Pushed, Stop> {
        let (path, store, asked) = (self.folder.join(name), self.store.clone(), name.to_owned());
        let read = off_reactor(move || Ok((fs::read(&path)?, product_of(&store, &asked))));
        let (bytes, product) = read.await.map_err(|error| Stop::Later(error.to_string()))?;
        let product = product.map_err(|error| Stop::Later(error.to_string()))?;
        let order = Order { by: Actor::Watch, comment: Some(name.to_owned()), breaking: Breaking::Hold };
        let push = |content| Push { content, aim: Aim::Active, order };
        let now = (self.clock)();
        let pushed = match (name.ends_with(".wasm"), product) {
            (false, _) => self.catalog.deliver(push(Content::Package(bytes)), self.missing, now).await,
            (true, Some(product)) => self.catalog.push(product, push(Content::Component(bytes)), now).await,
            (true, None) => return Err(Stop::Refused(report::nameless(name))),
        };
        pushed.map_err(|error| match error {
            CatalogError::Store(StoreError::Busy | StoreError::Conflict(_) | StoreError::Fatal(_)) => {
                Stop::Later(error.to_string())
            }
            error => Stop::Refused(report::refusal(&error)),
        })
    }

    async fn accepted(&mut self, name: &str, pushed: &Pushed) {
        let (number, product) = (pushed.version.number, pushed.version.product);
        tracing::info!(file = name, %product, version = %number, state = pushed.state.as_str(), "took a file of the watched folder");
        let held = (pushed.state == VersionState::Candidate).then(|| report::held(pushed));
        let (folder, own) = (self.folder.clone(), name.to_owned());
        let moved = off_reactor(move || {
            let accepted = folder.join(ACCEPTED);
            fs::create_dir_all(&accepted)?;
            match held {
                Some(text) => fs::write(accepted.join(format!("{own}.candidate.txt")), text)?,
                None => gone(&accepted.join(format!("{own}.candidate.txt")))?,
            }
            gone(&report_path(&folder, &own))?;
            fs::rename(folder.join(&own), accepted.join(&own))
        });
        if let Err(error) = moved.await {
            tracing::warn!(file = name, %error, "an accepted file cannot be moved; it is delivered again when it changes");
        }
    }

    async fn refused(&self, name: &str, why: String) {
        tracing::warn!(file = name, why, "a file of the watched folder is refused");
        let (path, text) = (report_path(&self.folder, name), format!("{name} is refused.\n\n{why}\n"));
        if let Err(error) = off_reactor(move || fs::write(path, text)).await {
            tracing::warn!(file = name, %error, "the report on a refused file cannot be written");
        }
    }
}

fn report_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.refused.txt"))
}

fn gone(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Files that may be delivered; hidden ones are half of a copy.
fn list(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let Ok(name) = entry.file_name().into_string() else { continue };
        let ending = Path::new(&name).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if name.starts_with('.') || !["codec", "zip", "wasm"].contains(&ending) {
            continue;
        }
        // It may be gone since.
        let Ok(meta) = fs::metadata(entry.path()) else { continue };
        if meta.is_file() && meta.len() <= MAX_BYTES {
            found.push(Found { name, size: meta.len(), modified: meta.modified()? });
        }
    }
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// The product that a bare component's name tells: its number, or `manufacturerId_model`.
fn product_of(store: &Store, name: &str) -> Result<Option<ProductId>, StoreError> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    if let Ok(number) = stem.parse() {
        return Ok(store.product(ProductId(number))?.map(|found| found.doc.id));
    }
    // Either part may have underscores of its own.
    for (at, _) in stem.match_indices('_') {
        let (Some(manufacturer), Some(model)) = (stem.get(..at), stem.get(at + 1..)) else { continue };
        let key = ProductKey { manufacturer_id: manufacturer.to_owned(), model: model.to_owned() };
        if let Some(found) = store.product_by_key(&key)? {
            return Ok(Some(found.doc.id));
        }
    }
    Ok(None)
}

async fn off_reactor<T: Send + 'static>(work: impl FnOnce() -> io::Result<T> + Send + 'static) -> io::Result<T> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}
