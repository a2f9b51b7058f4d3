//! A version becomes what the flows use: its profile checked, its codec loaded, both joined. Reads files, writes nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use super::ShadowRuns;
use super::pulse::Pulse;
use super::{Catalog, CatalogError, Table, first};
use crate::admission::lowered;
use crate::clock;
use crate::codec::Codec;
use crate::model::{CodecVersion, Product, ProductId, VersionNumber, VersionState, Wishes};
use crate::profile::{Mistake, Plan, Profile};
use crate::store::StoreError;

/// A product as the flows use it.
pub struct ActiveProduct {
    /// As stored; `profile` and `codec` are those of this version.
    pub product: Product,
    /// The number of the version; none = the product has no codec.
    pub version: Option<VersionNumber>,
    /// Checked.
    pub profile: Profile,
    /// What speaks its bytes.
    pub codec: Slot,
    /// The newest version that was never at work and is newer than this one: it decodes live traffic in the shadow.
    pub candidate: Option<VersionNumber>,
    /// Members `"codec"`, `"version"` and `"profile"` of a message's provenance, as JSON without braces: digests, 16 hex digits
    /// each, and the number.
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
    /// Joined. Products of one family share it.
    pub plan: Arc<Plan>,
    /// What is known of its calls.
    pub pulse: Arc<Pulse>,
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

/// Codecs in memory by digest: two products with one component share it, and a version that was just admitted is not loaded
/// again to be put to work. Plans by what they are joined from: a family of products that differ in their names only works on one,
/// which stays in the processor's caches.
#[derive(Default)]
pub(super) struct Loaded {
    codecs: Mutex<HashMap<String, Weak<Codec>>>,
    plans: Mutex<HashMap<blake3::Hash, Weak<Plan>>>,
}

impl Loaded {
    fn find(&self, digest: &str) -> Option<Arc<Codec>> {
        self.codecs.lock().unwrap_or_else(PoisonError::into_inner).get(digest).and_then(Weak::upgrade)
    }

    pub(super) fn keep(&self, codec: &Arc<Codec>) {
        let mut codecs = self.codecs.lock().unwrap_or_else(PoisonError::into_inner);
        codecs.retain(|_, codec| codec.strong_count() > 0);
        codecs.insert(codec.digest().to_owned(), Arc::downgrade(codec));
    }
}

impl Loaded {
    /// The plan of a profile and a codec.
    pub(super) fn plan(&self, profile: &Profile, codec: &Codec) -> Result<Arc<Plan>, Vec<Mistake>> {
        let parts = format!("{:?}{:?}", profile.services(), codec.description());
        let key = blake3::hash(parts.as_bytes());
        let lock = || self.plans.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(plan) = lock().get(&key).and_then(Weak::upgrade) {
            return Ok(plan);
        }
        let plan = Arc::new(Plan::join(profile, codec.description())?);
        let mut plans = lock();
        plans.retain(|_, plan| plan.strong_count() > 0);
        plans.insert(key, Arc::downgrade(&plan));
        Ok(plan)
    }
}

/// The product as it is with this version at work.
pub(super) fn as_of(product: Product, version: &CodecVersion) -> Product {
    Product { profile: version.profile.clone(), codec: Some(version.component.clone()), ..product }
}

impl Catalog {
    /// Loads many products on all cores.
    pub(super) fn load_all(&self, products: Vec<Product>) -> Result<Table, CatalogError> {
        let workers = std::thread::available_parallelism().map_or(1, usize::from).min(products.len()).max(1);
        let mut shares: Vec<Vec<Product>> = (0..workers).map(|_| Vec::new()).collect();
        for (product, share) in products.into_iter().zip((0..workers).cycle()) {
            shares.get_mut(share).into_iter().for_each(|list| list.push(product.clone()));
        }
        let load = |share: Vec<Product>| -> Result<Vec<_>, CatalogError> {
            share
                .into_iter()
                .map(|product| {
                    let (id, number) = (product.id, product.versions.active);
                    let wishes = self.wishes(id, number)?;
                    Ok((id, Arc::new(self.build(product, number, &wishes)?)))
                })
                .collect()
        };
        let load = &load;
        let loaded: Vec<_> = std::thread::scope(|scope| {
            let threads: Vec<_> = shares.into_iter().map(|share| scope.spawn(move || load(share))).collect();
            threads.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
        });
        let mut table = Table::new();
        for share in loaded {
            let share = share.map_err(|_| StoreError::Fatal("a thread that loads products panicked".to_owned()))?;
            table.extend(share?);
        }
        Ok(table)
    }

    /// The lower limits that the package of a stored version asked for.
    pub(super) fn wishes(&self, id: ProductId, version: Option<VersionNumber>) -> Result<Wishes, CatalogError> {
        let Some(number) = version else { return Ok(Wishes::default()) };
        Ok(self.store.version(id, number)?.map(|version| version.wishes).unwrap_or_default())
    }

    /// A product with the codec that it names. A codec that does not load is told, not an error.
    pub(super) fn build(
        &self,
        product: Product,
        version: Option<VersionNumber>,
        wishes: &Wishes,
    ) -> Result<ActiveProduct, CatalogError> {
        let profile = Profile::parse("profile.json", &product.profile)
            .map_err(|mistakes| StoreError::Corrupt { what: "profile", why: first(&mistakes) })?;
        let slot = match &product.codec {
            None => Slot::Transparent,
            Some(digest) => {
                let of = (product.id, version.unwrap_or(VersionNumber(0)));
                let pulse = || self.pulses.of(of, || Pulse::new(self.rules.breaker, self.rules.shadow, clock::monotonic()));
                let codec = self.codec(digest).map(|codec| limited(codec, wishes));
                let joined = codec.and_then(|codec| match self.loaded.plan(&profile, &codec) {
                    Ok(plan) => Ok(Box::new(ActiveCodec { codec, plan, pulse: pulse() })),
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
        let provenance = provenance(&product, version);
        let candidate = self.newest_candidate(&product)?;
        Ok(ActiveProduct { product, version, profile, codec: slot, candidate, provenance })
    }

    /// Only one that came after the version at work: an older one was passed over.
    fn newest_candidate(&self, product: &Product) -> Result<Option<VersionNumber>, CatalogError> {
        let Some(active) = product.versions.active.filter(|active| active.0 < product.versions.last) else { return Ok(None) };
        if self.rules.shadow == ShadowRuns::Off {
            return Ok(None);
        }
        let versions = self.store.versions(product.id)?;
        let newer = versions.iter().map(|version| version.number).filter(|number| *number > active);
        Ok(newer.filter(|number| product.versions.state_of(*number) == VersionState::Candidate).max())
    }

    fn codec(&self, digest: &str) -> Result<Arc<Codec>, String> {
        if let Some(codec) = self.loaded.find(digest) {
            return Ok(codec);
        }
        let component = self.store.file(digest).map_err(|error| error.to_string())?;
        let component = component.ok_or_else(|| format!("the component {digest} is missing from the store's files"))?;
        let codec = self.bench.host.load(&component).map_err(|refusal| refusal.to_string())?;
        self.loaded.keep(&codec);
        Ok(codec)
    }
}

/// The codec under the limits that its package asked for, where they are lower than the host's.
fn limited(codec: Arc<Codec>, wishes: &Wishes) -> Arc<Codec> {
    if wishes.is_empty() {
        return codec;
    }
    let limits = lowered(codec.limits(), wishes);
    Arc::new(codec.with_limits(limits))
}

/// The first 16 hex digits of a digest: what events name it by.
pub(super) fn short(digest: &str) -> String {
    digest.chars().take(16).collect()
}

fn provenance(product: &Product, version: Option<VersionNumber>) -> String {
    let profile = short(&blake3::hash(product.profile.as_bytes()).to_hex());
    match (&product.codec, version) {
        (Some(digest), Some(number)) => {
            format!("\"codec\":\"{}\",\"version\":{number},\"profile\":\"{profile}\"", short(digest))
        }
        (Some(digest), None) => format!("\"codec\":\"{}\",\"profile\":\"{profile}\"", short(digest)),
        (None, _) => format!("\"profile\":\"{profile}\""),
    }
}
