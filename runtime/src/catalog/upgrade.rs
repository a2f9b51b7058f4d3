//! Records of an older codecgate become versions: its codecs had a digest and no number, and one profile for all.

use super::{Catalog, CatalogError};
use crate::model::{Actor, CodecVersion, Product, Wishes};
use crate::store::{Commit, Expect, Versioned, Write};

impl Catalog {
    /// Numbers the codecs of a product in the order in which they were uploaded; the one at work stays at work. Products that
    /// have their versions come back as they are.
    pub(super) fn upgrade(&self, stored: Versioned<Product>) -> Result<Product, CatalogError> {
        let Versioned { doc: mut product, version } = stored;
        if product.codec.is_none() || product.versions.active.is_some() {
            return Ok(product);
        }
        let mut codecs = self.store.codecs(product.id)?;
        // The one at work last, so that a rollback goes to the one before it.
        codecs.sort_by_key(|codec| (product.codec.as_deref() == Some(&codec.digest), codec.uploaded));
        let profile_digest = blake3::hash(product.profile.as_bytes()).to_hex().to_string();
        let mut writes = Vec::new();
        for codec in codecs {
            let number = product.versions.give();
            product.versions.activate(number, codec.uploaded);
            writes.push(Write::PutVersion(CodecVersion {
                product: product.id,
                number,
                component: codec.digest,
                profile: product.profile.clone(),
                profile_digest: profile_digest.clone(),
                package: None,
                wishes: Wishes::default(),
                package_file: None,
                signer: None,
                name: codec.name,
                version: codec.version,
                size: codec.size,
                uploaded: codec.uploaded,
                uploaded_by: Actor::Tool,
                comment: None,
            }));
        }
        if writes.is_empty() {
            // Its record is missing: the product works on, without a number.
            return Ok(product);
        }
        tracing::info!(product = %product.key, versions = writes.len(), "numbered the codecs of an older codecgate");
        writes.push(Write::PutProduct(product.clone(), Expect::Version(version)));
        self.store.commit_blocking(Commit { events: Vec::new(), writes })?;
        Ok(product)
    }
}
