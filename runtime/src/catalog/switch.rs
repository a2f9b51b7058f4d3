//! Switching: a version is put to work or taken back, in one transaction with its event, and then swapped in.

use std::sync::Arc;

use serde_json::json;

use super::edition::{as_of, short};
use super::{Breaking, Catalog, CatalogError, Kept, Slot};
use crate::model::{Actor, CodecVersion, DeviceId, EventKind, NewEvent, Product, ProductId, Timestamp, VersionNumber};
use crate::profile::{Compatibility, Profile};
use crate::store::{Commit, Expect, StoreError, Write};

/// Times that a decision is made again because the product changed meanwhile.
const ATTEMPTS: usize = 8;

/// How a version came to work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum How {
    /// With its upload.
    Upload,
    /// By its number.
    Promote,
    /// The one after it was taken back.
    Rollback,
}

impl How {
    /// All ways.
    pub const ALL: [Self; 3] = [Self::Upload, Self::Promote, Self::Rollback];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upload => "upload",
            Self::Promote => "promote",
            Self::Rollback => "rollback",
        }
    }
}

/// Who wants a switch, and why.
#[derive(Debug, Clone)]
pub struct Order {
    /// Who.
    pub by: Actor,
    /// Why, in the words of who wants it.
    pub comment: Option<String>,
    /// What if the profile breaks what applications rely on. A rollback does not ask.
    pub breaking: Breaking,
}

/// What a switch did.
#[derive(Debug, Clone)]
pub struct Switch {
    /// The version at work now.
    pub version: CodecVersion,
    /// The one before it; none = there was none, or it is the same.
    pub from: Option<VersionNumber>,
    /// Whether anything changed: it may have been at work already.
    pub changed: bool,
    /// From the profile before to the profile now.
    pub compatibility: Compatibility,
}

impl Catalog {
    /// Puts a stored version to work, a candidate for the first time or a retired one again.
    ///
    /// # Errors
    /// [`CatalogError::NoVersion`], [`CatalogError::Breaking`], [`CatalogError::Unloadable`]: nothing has changed then.
    pub async fn activate(
        self: &Arc<Self>,
        id: ProductId,
        number: VersionNumber,
        order: Order,
        now: Timestamp,
    ) -> Result<Switch, CatalogError> {
        let catalog = Arc::clone(self);
        off_reactor(move || {
            catalog.change(id, |mut product| {
                let version = catalog.version(id, number)?;
                let compatibility = catalog.compare(&product, &version)?;
                if product.versions.active == Some(number) {
                    return Ok(Decision::Leave(Switch { version, from: None, changed: false, compatibility }));
                }
                if compatibility.breaking && order.breaking != Breaking::Accept {
                    return Err(CatalogError::Breaking(compatibility));
                }
                let was = product.clone();
                product.versions.activate(number, now);
                catalog.switch(&was, product, version, compatibility, (How::Promote, &order), now)
            })
        })
        .await
    }

    /// Takes the version at work back and puts the one that it replaced to work again.
    ///
    /// # Errors
    /// [`CatalogError::NothingToRollBack`], [`CatalogError::Unloadable`]: nothing has changed then.
    pub async fn roll_back(self: &Arc<Self>, id: ProductId, order: Order, now: Timestamp) -> Result<Switch, CatalogError> {
        let catalog = Arc::clone(self);
        off_reactor(move || catalog.change(id, |product| catalog.back(product, &order, now))).await
    }

    /// As [`Catalog::roll_back`], but only if this version is still the one at work; none = it is not.
    ///
    /// # Errors
    /// As [`Catalog::roll_back`].
    pub async fn roll_back_from(
        self: &Arc<Self>,
        id: ProductId,
        number: VersionNumber,
        order: Order,
        now: Timestamp,
    ) -> Result<Option<Switch>, CatalogError> {
        let catalog = Arc::clone(self);
        off_reactor(move || {
            catalog.change(id, |product| {
                if product.versions.active != Some(number) {
                    return Ok(Decision::Leave(None));
                }
                catalog.back(product, &order, now).map(|decision| decision.map(Some))
            })
        })
        .await
    }

    fn back(&self, mut product: Product, order: &Order, now: Timestamp) -> Result<Decision<Switch>, CatalogError> {
        let (id, was) = (product.id, product.clone());
        let number = product.versions.roll_back(now).ok_or(CatalogError::NothingToRollBack(id))?;
        let version = self.version(id, number)?;
        let compatibility = self.compare(&was, &version)?;
        self.switch(&was, product, version, compatibility, (How::Rollback, order), now)
    }

    /// From the profile of the version at work to that of another. Nothing changes where no codec is at work.
    ///
    /// # Errors
    /// [`CatalogError::Store`] when a stored profile cannot be read.
    pub fn compare(&self, product: &Product, version: &CodecVersion) -> Result<Compatibility, CatalogError> {
        if product.versions.active.is_none() || product.profile == version.profile {
            return Ok(Compatibility::default());
        }
        let parse = |text: &str| {
            let why = |mistakes: Vec<_>| StoreError::Corrupt { what: "profile", why: super::first(&mistakes) };
            Profile::parse("profile.json", text).map_err(why)
        };
        Ok(Compatibility::between(&parse(&product.profile)?, &parse(&version.profile)?))
    }

    fn version(&self, id: ProductId, number: VersionNumber) -> Result<CodecVersion, CatalogError> {
        self.store.version(id, number)?.ok_or(CatalogError::NoVersion { product: id, number })
    }

    fn switch(
        &self,
        was: &Product,
        product: Product,
        version: CodecVersion,
        compatibility: Compatibility,
        (how, order): (How, &Order),
        now: Timestamp,
    ) -> Result<Decision<Switch>, CatalogError> {
        let (product, kept) = self.at_work(product, &version)?;
        let event = switched(was, &version, (how, order), compatibility.breaking, now);
        let told = Switch { version, from: was.versions.active, changed: true, compatibility };
        Ok(Decision::Do(Box::new(Change { product, writes: Vec::new(), event: Some((how, event)), kept, told })))
    }

    /// The product with this version at work, if it loads; the codec stays loaded while the second part lives.
    pub(super) fn at_work(&self, product: Product, version: &CodecVersion) -> Result<(Product, Kept), CatalogError> {
        let product = as_of(product, version);
        let edition = self.build(product.clone(), Some(version.number), &version.wishes)?;
        match edition.codec {
            Slot::Active(active) => {
                let device_type = edition.profile.device_type().to_owned();
                Ok((Product { device_type, ..product }, Some(active.codec)))
            }
            Slot::Broken(why) => Err(CatalogError::Unloadable { number: version.number, why }),
            Slot::Transparent => Ok((product, None)),
        }
    }

    /// Reads, decides, commits; again when the product changed meanwhile. Then prunes, swaps, and removes what nobody needs.
    pub(super) fn change<T>(
        &self,
        id: ProductId,
        decide: impl Fn(Product) -> Result<Decision<T>, CatalogError>,
    ) -> Result<T, CatalogError> {
        for _ in 0..ATTEMPTS {
            let stored = self.store.product(id)?.ok_or(CatalogError::NoProduct(id))?;
            let Change { mut product, mut writes, event, kept, told } = match decide(stored.doc)? {
                Decision::Leave(told) => return Ok(told),
                Decision::Do(change) => *change,
            };
            let pruned = self.prune(&mut product, &mut writes)?;
            writes.push(Write::PutProduct(product, Expect::Version(stored.version)));
            let (how, events) = event.map_or((None, Vec::new()), |(how, event)| (Some(how), vec![event]));
            match self.store.commit_blocking(Commit { events, writes }) {
                Ok(()) => {}
                Err(StoreError::Conflict(_)) => continue,
                Err(error) => return Err(error.into()),
            }
            // Also without a switch: the candidate may be another.
            self.refresh(id, how)?;
            if let Some(how) = how {
                self.census.switched(how);
            }
            drop(kept);
            self.pulses.retain(id, |number| !pruned.iter().any(|version| version.number == number));
            self.shelf.clear(pruned.iter().flat_map(|version| version.files()));
            return Ok(told);
        }
        Err(CatalogError::Store(StoreError::Conflict("product")))
    }

    /// What is kept no longer, with the writes that remove it.
    fn prune(&self, product: &mut Product, writes: &mut Vec<Write>) -> Result<Vec<CodecVersion>, CatalogError> {
        let mut versions = self.store.versions(product.id)?;
        let new = writes.iter().filter_map(|write| match write {
            Write::PutVersion(version) => Some(version.number),
            _ => None,
        });
        let numbers: Vec<VersionNumber> = versions.iter().map(|version| version.number).chain(new).collect();
        let surplus = product.versions.surplus(&numbers, self.rules.keep);
        versions.retain(|version| surplus.contains(&version.number));
        for version in &versions {
            product.versions.forget(version.number);
            writes.push(Write::DeleteVersion(product.id, version.number));
        }
        Ok(versions)
    }
}

/// What is to be done with a product.
pub(super) enum Decision<T> {
    /// Nothing: it is as it should be.
    Leave(T),
    /// One commit.
    Do(Box<Change<T>>),
}

/// One commit, and what it is told as.
pub(super) struct Change<T> {
    /// The product as it will be.
    pub(super) product: Product,
    /// Beside it.
    pub(super) writes: Vec<Write>,
    /// The version at work changes with it.
    pub(super) event: Option<(How, NewEvent)>,
    /// Not to be loaded twice.
    pub(super) kept: Kept,
    /// For the caller.
    pub(super) told: T,
}

impl<T> Decision<T> {
    fn map<U>(self, tell: impl FnOnce(T) -> U) -> Decision<U> {
        match self {
            Self::Leave(told) => Decision::Leave(tell(told)),
            Self::Do(change) => {
                let Change { product, writes, event, kept, told } = *change;
                Decision::Do(Box::new(Change { product, writes, event, kept, told: tell(told) }))
            }
        }
    }
}

/// The event of a switch.
pub(super) fn switched(
    was: &Product,
    to: &CodecVersion,
    (how, order): (How, &Order),
    breaking: bool,
    now: Timestamp,
) -> NewEvent {
    let from = was.versions.active.map(|number| {
        let profile = blake3::hash(was.profile.as_bytes()).to_hex();
        json!({ "version": number, "codec": was.codec.as_deref().map(short), "profile": short(&profile) })
    });
    let body = json!({
        "from": from,
        "to": { "version": to.number, "codec": short(&to.component), "profile": short(&to.profile_digest) },
        "how": how.as_str(),
        "who": order.by.to_string(),
        "comment": order.comment,
        "breaking": breaking,
    });
    NewEvent {
        kind: EventKind::CodecSwitched,
        device: DeviceId::NONE,
        endpoint: String::new(),
        product: was.id,
        time: now,
        raw: None,
        body: body.to_string(),
    }
}

/// Runs what compiles or waits for the disk on a blocking thread; it ends even if nobody waits for it any more.
pub(super) async fn off_reactor<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, CatalogError> + Send + 'static,
) -> Result<T, CatalogError> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|gone| CatalogError::Store(StoreError::Fatal(gone.to_string())))?
}
