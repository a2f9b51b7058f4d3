//! Products at work: the stored product, its checked profile and its loaded codec, swapped whole; and the versions behind them.
//!
//! Readers take an `Arc` and keep it for the whole uplink, so a call in flight finishes on the version it began with. The
//! store is the truth; what is in memory is rebuilt from it after every change.
//!
//! ```text
//! push.rs     bytes -> admitted -> a new version, a candidate or put to work at once
//! switch.rs   activate, roll back: one transaction with its event, then the swap; prunes what is kept no longer
//! settings.rs what changes without a switch
//! edition.rs  a version becomes what the flows use: profile, codec, plan
//! shelf.rs    files of versions, removed when none needs them and none is on its way
//! pulse.rs    how a version's calls end, whether it is left alone; sites.rs where it trapped
//! trial.rs    new versions are judged, and taken back by policy
//! census.rs   how many versions are loaded, how many of them only finish their calls
//! upgrade.rs  records of an older codecgate become versions
//! ```

mod census;
mod edition;
mod pulse;
mod push;
mod settings;
mod shelf;
mod sites;
mod switch;
mod trial;
mod upgrade;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use tokio::sync::Semaphore;

use crate::admission::{Bench, Report};
use crate::breaker;
use crate::codec::Codec;
use crate::model::{
    CommandRules, EndpointFormat, Habits, PowerMode, Product, ProductId, ProductKey, Timestamp, VersionLine, VersionNumber,
};
use crate::profile::{Compatibility, Mistake, Profile};
use crate::store::{Commit, Expect, Store, StoreError, Write};

pub use census::Census;
pub use edition::{ActiveCodec, ActiveProduct, Slot};
pub use pulse::{CallEnd, FUEL_BOUNDS, LATENCY_BOUNDS_US, Pulse, PulseView};
pub use push::{Aim, Breaking, Content, Missing, Novelty, Push, Pushed};
pub use sites::{Seen, Site, SiteView};
pub use switch::{How, Order, Switch};

/// Most admissions at one time: each compiles on all cores, and traffic goes on beside it.
const ADMISSIONS: usize = 2;

/// Whether candidates decode live traffic beside the version at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ShadowRuns {
    /// The newest candidate of each product does.
    On,
    /// None does.
    Off,
}

/// What the operator wants of versions.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// Retired versions, and candidates, that are kept of each product.
    pub keep: usize,
    /// When a version is left alone.
    pub breaker: breaker::Settings,
    /// Whether candidates are tried.
    pub shadow: ShadowRuns,
}

/// What a new product is made of.
pub struct NewProduct {
    /// Checked.
    pub profile: Profile,
    /// How its devices name themselves.
    pub endpoint_format: EndpointFormat,
    /// When its devices listen.
    pub power_mode: PowerMode,
    /// What is known of them beforehand.
    pub habits: Habits,
    /// What is observed of them beside /19/0/0.
    pub observe: Vec<String>,
}

/// Why the catalog refused.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No such product.
    #[error("there is no product {0}")]
    NoProduct(ProductId),
    /// No product of this name.
    #[error("there is no product {0}")]
    NoSuchKey(ProductKey),
    /// A bare component says nothing of its product.
    #[error("a bare component does not say which product it is for")]
    Nameless,
    /// No such version.
    #[error("product {product} has no codec version {number}")]
    NoVersion {
        /// Of which product.
        product: ProductId,
        /// Which.
        number: VersionNumber,
    },
    /// No version was replaced that is still kept.
    #[error("product {0} has no earlier codec version to go back to")]
    NothingToRollBack(ProductId),
    /// (manufacturerId, model) is taken (FAQ 4.1.1.4).
    #[error("a product with manufacturerId/model {0} already exists; delete it first or define another model (FAQ 4.1.1.4)")]
    Exists(String),
    /// Devices exist (FAQ 4.1.1.6).
    #[error("product {product} still has {devices} devices; delete them first (FAQ 4.1.1.6)")]
    InUse {
        /// Which.
        product: ProductId,
        /// How many.
        devices: u64,
    },
    /// The profile breaks what applications rely on, and nobody said that they may break.
    #[error("the profile breaks what applications may rely on ({} changes)", .0.breaks().count())]
    Breaking(Compatibility),
    /// The profile is that of another product.
    #[error("it is made for {package}, the product is {product}")]
    OtherProduct {
        /// Whom it is for.
        package: ProductKey,
        /// Whom it was given to.
        product: ProductKey,
    },
    /// A stored version cannot be put to work.
    #[error("version {number} cannot be loaded: {why}")]
    Unloadable {
        /// Which.
        number: VersionNumber,
        /// Why.
        why: String,
    },
    /// Admission refused it.
    #[error("the codec is not admitted ({} mistakes)", .0.refusals().count())]
    NotAdmitted(Report),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Table = HashMap<ProductId, Arc<ActiveProduct>>;

/// All products at work.
pub struct Catalog {
    store: Store,
    bench: Bench,
    rules: Rules,
    active: ArcSwap<Table>,
    /// Held while one product is read from the store and swapped, never across an await.
    refreshing: Mutex<()>,
    admissions: Semaphore,
    shelf: Arc<shelf::Shelf>,
    loaded: edition::Loaded,
    census: census::Counters,
    pulses: pulse::Pulses,
    trials: trial::Trials,
}

impl Catalog {
    /// Loads every stored product and its active codec into the bench's host, on all cores. A codec that no longer loads leaves its
    /// product
    /// [`Slot::Broken`]. Blocks.
    ///
    /// # Errors
    /// [`CatalogError::Store`] when the store cannot be read.
    pub fn open(store: Store, bench: Bench, rules: Rules) -> Result<Arc<Self>, CatalogError> {
        let catalog = Arc::new(Self {
            shelf: Arc::new(shelf::Shelf::new(store.clone())),
            store,
            bench,
            rules,
            active: ArcSwap::default(),
            refreshing: Mutex::default(),
            admissions: Semaphore::new(ADMISSIONS),
            loaded: edition::Loaded::default(),
            census: census::Counters::default(),
            pulses: pulse::Pulses::default(),
            trials: trial::Trials::default(),
        });
        let mut products = Vec::new();
        for stored in catalog.store.products()? {
            products.push(catalog.upgrade(stored)?);
        }
        catalog.active.store(Arc::new(catalog.load_all(products)?));
        Ok(catalog)
    }

    /// A product as it stands now.
    #[must_use]
    pub fn active(&self, id: ProductId) -> Option<Arc<ActiveProduct>> {
        self.active.load().get(&id).cloned()
    }

    /// A version of a product in the form of the flows, loaded if it is not: for looking at it, or for decoding beside the
    /// active one. Blocks.
    ///
    /// # Errors
    /// [`CatalogError::NoProduct`], [`CatalogError::NoVersion`], [`CatalogError::Unloadable`].
    pub fn edition(&self, id: ProductId, number: VersionNumber) -> Result<Arc<ActiveProduct>, CatalogError> {
        let product = self.store.product(id)?.ok_or(CatalogError::NoProduct(id))?.doc;
        let version = self.store.version(id, number)?.ok_or(CatalogError::NoVersion { product: id, number })?;
        let edition = self.build(edition::as_of(product, &version), Some(number), &version.wishes)?;
        match edition.codec {
            Slot::Broken(why) => Err(CatalogError::Unloadable { number, why }),
            Slot::Active(_) | Slot::Transparent => Ok(Arc::new(edition)),
        }
    }

    /// Stores a new product, transparent until a codec is installed.
    ///
    /// # Errors
    /// [`CatalogError::Exists`] when manufacturerId and model are taken, [`CatalogError::Store`].
    pub async fn create(&self, new: NewProduct, now: Timestamp) -> Result<Product, CatalogError> {
        let product = self.fresh(&new, now);
        let writes = vec![Write::PutProduct(product.clone(), Expect::Absent)];
        self.store.commit(Commit { events: Vec::new(), writes }).await.map_err(|error| taken(error, &product.key))?;
        self.refresh(product.id, None)?;
        Ok(product)
    }

    /// Deletes a product that has no devices, so that nothing cascades but its versions.
    ///
    /// # Errors
    /// [`CatalogError::InUse`], [`CatalogError::NoProduct`], [`CatalogError::Store`].
    pub async fn delete(&self, id: ProductId) -> Result<(), CatalogError> {
        self.store.product(id)?.ok_or(CatalogError::NoProduct(id))?;
        let devices = self.store.device_count(id)?;
        if devices > 0 {
            return Err(CatalogError::InUse { product: id, devices });
        }
        let versions = self.store.versions(id)?;
        self.store.commit(Commit { events: Vec::new(), writes: vec![Write::DeleteProduct(id)] }).await?;
        self.refresh(id, None)?;
        self.pulses.retain(id, |_| false);
        self.shelf.clear(versions.iter().flat_map(|version| version.files()));
        Ok(())
    }

    fn fresh(&self, new: &NewProduct, now: Timestamp) -> Product {
        Product {
            id: self.store.next_product_id(),
            key: new.profile.key(),
            device_type: new.profile.device_type().to_owned(),
            profile: new.profile.to_json(),
            endpoint_format: new.endpoint_format,
            power_mode: new.power_mode,
            habits: new.habits,
            commands: CommandRules::default(),
            observe: new.observe.clone(),
            codec: None,
            versions: VersionLine::default(),
            created: now,
        }
    }

    /// What is known of a version's calls since the start; none = it was not loaded since.
    #[must_use]
    pub fn pulse(&self, id: ProductId, number: VersionNumber) -> Option<Arc<Pulse>> {
        self.pulses.find((id, number))
    }

    /// The pulses of all versions that were loaded since the start, with the keys of their products, in order.
    #[must_use]
    pub fn pulses(&self) -> Vec<(ProductKey, VersionNumber, PulseView)> {
        let table = self.active.load();
        let known = self.pulses.all().into_iter();
        known.filter_map(|((id, number), pulse)| Some((table.get(&id)?.product.key.clone(), number, pulse.view()))).collect()
    }

    /// Rebuilds one product from the store and swaps it in; `how` = another version is at work now.
    fn refresh(&self, id: ProductId, how: Option<How>) -> Result<(), CatalogError> {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table: Table = (**self.active.load()).clone();
        let replaced = match self.store.product(id)? {
            None => table.remove(&id),
            Some(stored) => {
                let number = stored.doc.versions.active;
                let wishes = self.wishes(id, number)?;
                let next = Arc::new(self.build(stored.doc, number, &wishes)?);
                let was = table.insert(id, Arc::clone(&next));
                if let (Some(how), Some(codec)) = (how, next.codec()) {
                    codec.pulse.forgive();
                    self.trials.begin(was.as_deref(), &next, how);
                }
                was
            }
        };
        self.active.store(Arc::new(table));
        self.census.replaced(replaced);
        Ok(())
    }
}

fn taken(error: StoreError, key: &ProductKey) -> CatalogError {
    match error {
        StoreError::Exists(_) => CatalogError::Exists(key.to_string()),
        other => CatalogError::Store(other),
    }
}

/// The first of several mistakes, for a log line.
fn first(mistakes: &[Mistake]) -> String {
    let Some(mistake) = mistakes.first() else { return "unknown mistake".to_owned() };
    format!("{} {}: {} ({} mistakes in all)", mistake.code, mistake.pointer, mistake.reason, mistakes.len())
}

/// A codec that was just compiled stays loaded while this lives.
type Kept = Option<Arc<Codec>>;
