//! Products at work: the stored product, its checked profile and its loaded codec, swapped whole.

use std::sync::Arc;

use crate::codec::{Codec, Host, Refusal};
use crate::model::{EndpointFormat, PowerMode, Product, ProductId, Timestamp};
use crate::profile::{Mistake, Plan, Profile};
use crate::store::{CodecRecord, Store, StoreError};

/// A product as the flows use it.
pub struct ActiveProduct {
    /// As stored.
    pub product: Product,
    /// Checked.
    pub profile: Profile,
    /// Loaded; none = transparent.
    pub codec: Option<ActiveCodec>,
}

/// A codec version joined with the product's profile.
pub struct ActiveCodec {
    /// Compiled.
    pub codec: Arc<Codec>,
    /// Joined.
    pub plan: Plan,
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
    #[error("a product with manufacturerId and model {0} already exists")]
    Exists(String),
    /// Devices exist (FAQ 4.1.1.6).
    #[error("product {product} still has {devices} devices; delete them first")]
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

/// All products at work.
pub struct Catalog {}

#[expect(
    clippy::unimplemented,
    unused_variables,
    missing_docs,
    clippy::missing_errors_doc,
    clippy::unused_async,
    reason = "skeleton"
)]
impl Catalog {
    /// Loads every stored product and its active codec.
    pub fn open(store: Store, host: Arc<Host>) -> Result<Arc<Self>, CatalogError> {
        unimplemented!()
    }
    pub fn active(&self, id: ProductId) -> Option<Arc<ActiveProduct>> {
        unimplemented!()
    }
    pub async fn create(&self, new: NewProduct, now: Timestamp) -> Result<Product, CatalogError> {
        unimplemented!()
    }
    /// Admits the component, joins it with the profile, stores it, makes it the active one. Calls in flight finish on the old one.
    pub async fn install(&self, id: ProductId, component: Vec<u8>, now: Timestamp) -> Result<CodecRecord, CatalogError> {
        unimplemented!()
    }
    pub async fn delete(&self, id: ProductId) -> Result<(), CatalogError> {
        unimplemented!()
    }
}
