//! Settings of a product that are no part of a codec version: they change without a switch.

use std::sync::Arc;

use super::switch::{Change, Decision, off_reactor};
use super::{Catalog, CatalogError};
use crate::model::{Product, ProductId};

impl Catalog {
    /// Changes settings of a product as it stands, with `edit`, which may refuse and may be asked again.
    ///
    /// # Errors
    /// [`CatalogError::NoProduct`], [`CatalogError::Store`]. Inside: what `edit` refuses with; nothing has changed then.
    pub async fn configure<E: Send + 'static>(
        self: &Arc<Self>,
        id: ProductId,
        edit: impl Fn(&mut Product) -> Result<(), E> + Send + 'static,
    ) -> Result<Result<Product, E>, CatalogError> {
        let catalog = Arc::clone(self);
        off_reactor(move || {
            catalog.change(id, |mut product| match edit(&mut product) {
                Err(refusal) => Ok(Decision::Leave(Err(refusal))),
                Ok(()) => {
                    let told = Ok(product.clone());
                    Ok(Decision::Do(Box::new(Change { product, writes: Vec::new(), event: None, kept: None, told })))
                }
            })
        })
        .await
    }
}
