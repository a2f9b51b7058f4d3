//! Decoding again: dead letters, or whatever a product's devices sent in a span of time, with a version of choice. First a
//! preview that writes nothing, then a new generation beside the old one.
//!
//! Runs on the caller's thread, a blocking one; one piece at a time, from cursor to cursor. Nothing about a run is stored: a
//! piece that was cut off by a crash is asked for again, and what it had committed is skipped, since every correction is one
//! commit and names the version that made it. The bytes stay on the original event; a correction only names it. Commands are not
//! touched: what was answered years ago moves nothing today.

mod piece;
mod source;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::Value;

use crate::catalog::{Catalog, CatalogError};
use crate::codec::Host;
use crate::model::{Actor, DeviceId, EventId, ProductId, Timestamp, VersionNumber};
use crate::shadow::compare::Difference;
use crate::store::{Store, StoreError};

/// Longest time of one piece.
const PIECE: Duration = Duration::from_secs(10);

/// Which uplinks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Selection {
    /// Those that could not be decoded, newest first.
    DeadLetters,
    /// All that arrived from `from` until before `to`. Of one device newest first, else oldest first.
    Span {
        /// The first moment.
        from: Timestamp,
        /// The first moment after it.
        to: Timestamp,
    },
}

/// What is done with what is found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Nothing.
    Preview,
    /// It is written down as the next generation, for the record.
    Record,
    /// As `Record`, and pushed to subscriptions as `corrected`.
    Emit,
}

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// Whose devices.
    pub product: ProductId,
    /// Only this one.
    pub device: Option<DeviceId>,
    /// Which uplinks.
    pub selection: Selection,
    /// With which version; none = the one at work.
    pub version: Option<VersionNumber>,
    /// What is done.
    pub mode: Mode,
    /// Where an earlier piece ended.
    pub cursor: Option<EventId>,
    /// Most uplinks of this piece.
    pub limit: usize,
    /// Who asks.
    pub by: Actor,
}

/// What became of an uplink.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Fate {
    /// It was a dead letter, or had no codec, and says something now.
    Repaired,
    /// It says something else now.
    Changed,
    /// It says the same.
    Unchanged,
    /// The version cannot decode it; what was known of it stays.
    Failed,
    /// What is known of it was made by this very version.
    Skipped,
}

/// An uplink that says something else now, or cannot be decoded.
#[derive(Debug, Clone, PartialEq)]
pub struct Example {
    /// The event that carries the bytes.
    pub original: EventId,
    /// When they came.
    pub time: Timestamp,
    /// From whom.
    pub device: DeviceId,
    /// The bytes.
    pub payload: Vec<u8>,
    /// What became of it.
    pub fate: Fate,
    /// What was known of it; none = it was not decoded.
    pub before: Option<Value>,
    /// What the version makes of it, or why not.
    pub after: Result<Value, String>,
    /// Where the two differ.
    pub differences: Vec<Difference>,
}

/// What a piece came to.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    /// The version that decoded.
    pub version: Option<VersionNumber>,
    /// Uplinks that were looked at: the sum of the next five.
    pub looked_at: u64,
    /// See [`Fate`].
    pub repaired: u64,
    /// See [`Fate`].
    pub changed: u64,
    /// See [`Fate`].
    pub unchanged: u64,
    /// See [`Fate`].
    pub failed: u64,
    /// See [`Fate`].
    pub skipped: u64,
    /// Events that were written.
    pub written: u64,
    /// A few of each fate but unchanged and skipped.
    pub examples: Vec<Example>,
    /// Where the next piece begins; none = that was all.
    pub next: Option<EventId>,
}

/// Why nothing was decoded again.
#[derive(Debug, thiserror::Error)]
pub enum RedecodeError {
    /// One is enough.
    #[error("the uplinks of product {0} are being decoded again already")]
    Busy(ProductId),
    /// It decodes nothing.
    #[error("product {0} has no codec at work, and no version was named")]
    NoCodec(ProductId),
    /// The version cannot be had.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// The store did not do it. What was written before stays.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Decodes again. One per gateway.
pub struct Redecoder {
    store: Store,
    catalog: Arc<Catalog>,
    host: Arc<Host>,
    busy: Mutex<HashSet<ProductId>>,
}

impl Redecoder {
    /// Over the parts of a gateway.
    #[must_use]
    pub fn new(store: Store, catalog: Arc<Catalog>, host: Arc<Host>) -> Self {
        Self { store, catalog, host, busy: Mutex::default() }
    }

    /// Works out one piece; ask again from [`Report::next`] on. Blocks for up to some 10 s.
    ///
    /// # Errors
    /// [`RedecodeError`]. After one of the store a part of the piece may be written: ask for the same piece again.
    pub fn run(&self, request: &Request, now: Timestamp) -> Result<Report, RedecodeError> {
        let _turn = Turn::take(&self.busy, request.product)?;
        let active = self.catalog.active(request.product).ok_or(CatalogError::NoProduct(request.product))?;
        let edition = match request.version {
            Some(number) if Some(number) != active.version => self.catalog.edition(request.product, number)?,
            _ => active,
        };
        let codec = edition.codec().ok_or(RedecodeError::NoCodec(request.product))?;
        piece::work(&self.store, &self.host, (&edition, codec), request, now)
    }
}

/// While this lives nobody else decodes the product's uplinks again.
struct Turn<'a> {
    busy: &'a Mutex<HashSet<ProductId>>,
    product: ProductId,
}

impl<'a> Turn<'a> {
    fn take(busy: &'a Mutex<HashSet<ProductId>>, product: ProductId) -> Result<Self, RedecodeError> {
        if busy.lock().unwrap_or_else(PoisonError::into_inner).insert(product) {
            Ok(Self { busy, product })
        } else {
            Err(RedecodeError::Busy(product))
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        self.busy.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.product);
    }
}
