//! Products at work: the stored product, its checked profile and its loaded codec, swapped whole.
//!
//! Readers take an `Arc` and keep it for the whole uplink, so a call in flight finishes on the version it began with. The
//! store is the truth; what is in memory is rebuilt from it after every change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;

use crate::codec::{Codec, Host, Refusal};
use crate::model::{EndpointFormat, PowerMode, Product, ProductId, Timestamp, VersionLine};
use crate::profile::{Mistake, Plan, Profile};
use crate::store::{CodecRecord, Commit, Expect, Store, StoreError, Write};

/// A product as the flows use it.
pub struct ActiveProduct {
    /// As stored.
    pub product: Product,
    /// Checked.
    pub profile: Profile,
    /// What speaks its bytes.
    pub codec: Slot,
    /// Members `"codec"` and `"profile"` of a message's provenance, as JSON without braces: digests, 16 hex digits each.
    pub provenance: String,
}

/// What speaks a product's bytes.
pub enum Slot {
    /// Nothing: uplinks are passed on as they come.
    Transparent,
    /// A loaded codec version.
    Active(Box<ActiveCodec>),
    /// The stored codec could not be loaded: uplinks become dead letters with this reason until another is installed.
    Broken(String),
}

/// A codec version joined with the product's profile.
pub struct ActiveCodec {
    /// Compiled.
    pub codec: Arc<Codec>,
    /// Joined.
    pub plan: Plan,
}

impl ActiveProduct {
    /// The loaded codec, if there is one.
    #[must_use]
    pub fn codec(&self) -> Option<&ActiveCodec> {
        match &self.codec {
            Slot::Active(active) => Some(active),
            Slot::Transparent | Slot::Broken(_) => None,
        }
    }
}

/// What a new product is made of.
pub struct NewProduct {
    /// Checked.
    pub profile: Profile,
    /// How its devices name themselves.
    pub endpoint_format: EndpointFormat,
    /// When its devices listen.
    pub power_mode: PowerMode,
}

/// Why the catalog refused.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No such product.
    #[error("there is no product {0}")]
    NoProduct(ProductId),
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
    /// The component was not admitted.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The codec's tables do not fit the profile.
    #[error("the codec does not fit the profile ({} mistakes)", .0.len())]
    Mismatch(Vec<Mistake>),
    /// The store did not do it.
    #[error(transparent)]
    Store(#[from] StoreError),
}

type Table = HashMap<ProductId, Arc<ActiveProduct>>;

/// All products at work.
pub struct Catalog {
    store: Store,
    host: Arc<Host>,
    active: ArcSwap<Table>,
    /// Held while one product is read from the store and swapped, never across an await.
    refreshing: Mutex<()>,
}

impl Catalog {
    /// Loads every stored product and its active codec. A codec that no longer loads leaves its product [`Slot::Broken`].
    ///
    /// # Errors
    /// [`CatalogError::Store`] when the store cannot be read.
    pub fn open(store: Store, host: Arc<Host>) -> Result<Arc<Self>, CatalogError> {
        let catalog = Arc::new(Self { store, host, active: ArcSwap::default(), refreshing: Mutex::new(()) });
        for product in catalog.store.products()? {
            catalog.refresh(product.doc.id, None)?;
        }
        Ok(catalog)
    }

    /// A product as it stands now.
    #[must_use]
    pub fn active(&self, id: ProductId) -> Option<Arc<ActiveProduct>> {
        self.active.load().get(&id).cloned()
    }

    /// Stores a new product, transparent until a codec is installed.
    ///
    /// # Errors
    /// [`CatalogError::Exists`] when manufacturerId and model are taken, [`CatalogError::Store`].
    pub async fn create(&self, new: NewProduct, now: Timestamp) -> Result<Product, CatalogError> {
        let product = Product {
            id: self.store.next_product_id(),
            key: new.profile.key(),
            device_type: new.profile.device_type().to_owned(),
            profile: new.profile.to_json(),
            endpoint_format: new.endpoint_format,
            power_mode: new.power_mode,
            codec: None,
            versions: VersionLine::default(),
            created: now,
        };
        let writes = vec![Write::PutProduct(product.clone(), Expect::Absent)];
        self.store.commit(Commit { events: Vec::new(), writes }).await.map_err(|error| match error {
            StoreError::Exists(_) => CatalogError::Exists(product.key.to_string()),
            other => CatalogError::Store(other),
        })?;
        self.refresh(product.id, None)?;
        Ok(product)
    }

    /// Admits the component, joins it with the profile, stores it and makes it the active one, all while traffic runs.
    ///
    /// # Errors
    /// [`CatalogError::Refused`] and [`CatalogError::Mismatch`] say what is wrong with the component; nothing has changed then.
    pub async fn install(
        self: &Arc<Self>,
        id: ProductId,
        component: Vec<u8>,
        now: Timestamp,
    ) -> Result<CodecRecord, CatalogError> {
        let catalog = Arc::clone(self);
        let admitted = tokio::task::spawn_blocking(move || catalog.admit(id, &component)).await;
        let (codec, size) = admitted.map_err(|gone| CatalogError::Store(StoreError::Fatal(gone.to_string())))??;
        let description = codec.description();
        let record = CodecRecord {
            digest: codec.digest().to_owned(),
            product: id,
            name: description.name.clone(),
            version: description.version.clone(),
            size,
            uploaded: now,
        };
        // The version that was read may have been passed by another install; then the newer read decides.
        for _ in 0..8 {
            let stored = self.store.product(id)?.ok_or(CatalogError::NoProduct(id))?;
            let product = Product { codec: Some(record.digest.clone()), ..stored.doc };
            let writes = vec![Write::PutCodec(record.clone()), Write::PutProduct(product, Expect::Version(stored.version))];
            match self.store.commit(Commit { events: Vec::new(), writes }).await {
                Ok(()) => {
                    self.refresh(id, Some(&codec))?;
                    return Ok(record);
                }
                Err(StoreError::Conflict(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(CatalogError::Store(StoreError::Conflict("product")))
    }

    /// Deletes a product that has no devices, so that nothing cascades.
    ///
    /// # Errors
    /// [`CatalogError::InUse`], [`CatalogError::NoProduct`], [`CatalogError::Store`].
    pub async fn delete(&self, id: ProductId) -> Result<(), CatalogError> {
        self.store.product(id)?.ok_or(CatalogError::NoProduct(id))?;
        let devices = self.store.device_count(id)?;
        if devices > 0 {
            return Err(CatalogError::InUse { product: id, devices });
        }
        self.store.commit(Commit { events: Vec::new(), writes: vec![Write::DeleteProduct(id)] }).await?;
        self.refresh(id, None)
    }

    /// Compiles and checks a component against a product; stores the file but changes nothing yet.
    fn admit(&self, id: ProductId, component: &[u8]) -> Result<(Arc<Codec>, u64), CatalogError> {
        let stored = self.store.product(id)?.ok_or(CatalogError::NoProduct(id))?;
        let codec = self.host.load(component)?;
        let profile = Profile::parse("profile.json", &stored.doc.profile).map_err(CatalogError::Mismatch)?;
        Plan::join(&profile, codec.description()).map_err(CatalogError::Mismatch)?;
        self.store.put_file(component)?;
        Ok((codec, component.len() as u64))
    }

    /// Rebuilds one product from the store and swaps it in. `fresh` saves loading a codec that was just compiled.
    fn refresh(&self, id: ProductId, fresh: Option<&Arc<Codec>>) -> Result<(), CatalogError> {
        let _one_at_a_time = self.refreshing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut table: Table = (**self.active.load()).clone();
        match self.store.product(id)? {
            None => drop(table.remove(&id)),
            Some(stored) => {
                let earlier = table.get(&id).and_then(|active| active.codec()).map(|active| Arc::clone(&active.codec));
                let known = fresh.into_iter().chain(earlier.as_ref());
                let active = self.activate(stored.doc, known)?;
                table.insert(id, Arc::new(active));
            }
        }
        self.active.store(Arc::new(table));
        Ok(())
    }

    fn activate<'a>(
        &self,
        product: Product,
        mut known: impl Iterator<Item = &'a Arc<Codec>>,
    ) -> Result<ActiveProduct, CatalogError> {
        let profile = Profile::parse("profile.json", &product.profile)
            .map_err(|mistakes| StoreError::Corrupt { what: "profile", why: first(&mistakes) })?;
        let slot = match product.codec.clone() {
            None => Slot::Transparent,
            Some(digest) => {
                let codec = match known.find(|codec| codec.digest() == digest) {
                    Some(codec) => Ok(Arc::clone(codec)),
                    None => self.load(&digest),
                };
                let joined = codec.and_then(|codec| match Plan::join(&profile, codec.description()) {
                    Ok(plan) => Ok(Box::new(ActiveCodec { codec, plan })),
                    Err(mistakes) => Err(first(&mistakes)),
                });
                joined.map_or_else(
                    |why| {
                        tracing::error!(product = %product.key, codec = %digest, why, "the codec cannot be loaded: its uplinks become dead letters until another is installed");
                        Slot::Broken(why)
                    },
                    Slot::Active,
                )
            }
        };
        let short = |hex: &str| hex.chars().take(16).collect::<String>();
        let profile_digest = short(&blake3::hash(product.profile.as_bytes()).to_hex());
        let provenance = match &product.codec {
            Some(digest) => format!("\"codec\":\"{}\",\"profile\":\"{profile_digest}\"", short(digest)),
            None => format!("\"profile\":\"{profile_digest}\""),
        };
        Ok(ActiveProduct { product, profile, codec: slot, provenance })
    }

    fn load(&self, digest: &str) -> Result<Arc<Codec>, String> {
        let component = self.store.file(digest).map_err(|error| error.to_string())?;
        let component = component.ok_or_else(|| format!("the component {digest} is missing from the store's files"))?;
        self.host.load(&component).map_err(|refusal| refusal.to_string())
    }
}

fn first(mistakes: &[Mistake]) -> String {
    let Some(mistake) = mistakes.first() else { return "unknown mistake".to_owned() };
    format!("{} {}: {} ({} mistakes in all)", mistake.code, mistake.pointer, mistake.reason, mistakes.len())
}
