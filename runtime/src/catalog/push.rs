//! Pushing: bytes are admitted on a blocking thread and become a version, a candidate or put to work at once.
//!
//! The same content is pushed once however often it comes: a version is known by its component, its profile and its package.

use std::sync::Arc;

use super::edition::as_of;
use super::shelf::Pin;
use super::switch::{Decision, How, Order, off_reactor, switched};
use super::{ActiveProduct, Catalog, CatalogError};
use crate::codec::Codec;
use crate::model::{Actor, CodecVersion, Product, ProductId, Timestamp, VersionNumber, VersionState};
use crate::profile::{Compatibility, Plan, Profile};
use crate::store::{StoreError, Write};

/// What is pushed.
pub enum Content {
    /// A bare component, for the profile that the product has.
    Component(Vec<u8>),
}

/// What a pushed version is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aim {
    /// Put to work at once.
    Active,
    /// Kept until it is promoted.
    Candidate,
}

/// What if the profile breaks what applications rely on ([`Compatibility`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Breaking {
    /// Nothing is changed.
    Refuse,
    /// It may.
    Accept,
    /// It becomes a candidate, for a person to decide.
    Hold,
}

/// A delivery.
pub struct Push {
    /// What.
    pub content: Content,
    /// What it is to be.
    pub aim: Aim,
    /// Who, why, and what if it breaks something.
    pub order: Order,
}

/// Whether the content was new.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Novelty {
    /// A version was made of it.
    New,
    /// It was there.
    Known,
}

/// What became of a delivery.
pub struct Pushed {
    /// The version that it is.
    pub version: CodecVersion,
    /// Where the version stands now.
    pub state: VersionState,
    /// Whether the content was new.
    pub novelty: Novelty,
    /// The version that was at work before, if this one took its place.
    pub replaced: Option<VersionNumber>,
    /// From the profile that was at work to this one's.
    pub compatibility: Compatibility,
    /// The version as the flows use it.
    pub edition: Arc<ActiveProduct>,
}

/// What a version is made of, before it has a number.
struct Unit {
    component: String,
    profile: String,
    profile_digest: String,
    /// Digest of the package.
    package: Option<String>,
}

impl Unit {
    fn of_component(component: &[u8], product: &Product) -> Self {
        Self {
            component: blake3::hash(component).to_hex().to_string(),
            profile: product.profile.clone(),
            profile_digest: blake3::hash(product.profile.as_bytes()).to_hex().to_string(),
            package: None,
        }
    }

    /// A bare component adds nothing to a package that holds it.
    fn is(&self, version: &CodecVersion) -> bool {
        self.component == version.component
            && self.profile_digest == version.profile_digest
            && (self.package.is_none() || self.package == version.package)
    }
}

/// A unit that was admitted now. Its files stay while this lives.
struct Admitted {
    codec: Arc<Codec>,
    component: Pin,
    size: u64,
}

impl Catalog {
    /// Admits what is pushed, stores it as a version and, if it is asked for, puts it to work, all while traffic runs.
    ///
    /// # Errors
    /// [`CatalogError::Refused`], [`CatalogError::Mismatch`], [`CatalogError::OtherProduct`] and [`CatalogError::Breaking`] say
    /// what is wrong; nothing has changed then.
    pub async fn push(self: &Arc<Self>, id: ProductId, push: Push, now: Timestamp) -> Result<Pushed, CatalogError> {
        // The semaphore is never closed.
        let _turn = self.admissions.acquire().await;
        let catalog = Arc::clone(self);
        off_reactor(move || catalog.take_in(id, &push, now)).await
    }

    /// A bare component, put to work at once by a tool that knows what it does.
    ///
    /// # Errors
    /// As [`Catalog::push`].
    pub async fn install(
        self: &Arc<Self>,
        id: ProductId,
        component: Vec<u8>,
        now: Timestamp,
    ) -> Result<CodecVersion, CatalogError> {
        let order = Order { by: Actor::Tool, comment: None, breaking: Breaking::Accept };
        let push = Push { content: Content::Component(component), aim: Aim::Active, order };
        Ok(self.push(id, push, now).await?.version)
    }

    fn take_in(&self, id: ProductId, push: &Push, now: Timestamp) -> Result<Pushed, CatalogError> {
        let product = self.store.product(id)?.ok_or(CatalogError::NoProduct(id))?.doc;
        let Content::Component(component) = &push.content;
        let unit = Unit::of_component(component, &product);
        let is_known = self.store.versions(id)?.iter().any(|version| unit.is(version));
        let admitted = if is_known { None } else { Some(self.admit(component, &unit.profile)?) };
        let (version, novelty, replaced, compatibility) =
            self.change(id, |product| self.place(product, &unit, admitted.as_ref(), push, now))?;
        let edition = self.edition(id, version.number)?;
        let state =
            self.store.product(id)?.map_or(VersionState::Candidate, |stored| stored.doc.versions.state_of(version.number));
        Ok(Pushed { version, state, novelty, replaced, compatibility, edition })
    }

    /// Compiles and checks a component against a profile; its file is stored, but no version.
    fn admit(&self, component: &[u8], profile: &str) -> Result<Admitted, CatalogError> {
        let codec = self.host.load(component)?;
        let profile = Profile::parse("profile.json", profile).map_err(CatalogError::Mismatch)?;
        Plan::join(&profile, codec.description()).map_err(CatalogError::Mismatch)?;
        self.loaded.keep(&codec);
        let pin = self.shelf.put(component)?;
        Ok(Admitted { codec, component: pin, size: component.len() as u64 })
    }

    /// Decides what a unit becomes in a product as it is at this moment.
    #[expect(clippy::type_complexity, reason = "the four parts of the answer, taken apart at once")]
    fn place(
        &self,
        product: Product,
        unit: &Unit,
        admitted: Option<&Admitted>,
        push: &Push,
        now: Timestamp,
    ) -> Result<Decision<(CodecVersion, Novelty, Option<VersionNumber>, Compatibility)>, CatalogError> {
        let was = product.clone();
        let mut product = product;
        let known = self.store.versions(product.id)?.into_iter().find(|version| unit.is(version));
        let novelty = if known.is_some() { Novelty::Known } else { Novelty::New };
        let version = match (known, admitted) {
            (Some(version), _) => version,
            // It was admitted for a profile that the product has no longer, or it was known and is pruned.
            (None, None) => return Err(CatalogError::Store(StoreError::Conflict("product"))),
            (None, Some(_)) if unit.package.is_none() && unit.profile != was.profile => {
                return Err(CatalogError::Store(StoreError::Conflict("product")));
            }
            (None, Some(admitted)) => record(&mut product, unit, admitted, &push.order, now),
        };
        let compatibility = self.compare(&was, &version)?;
        let is_active = was.versions.active == Some(version.number);
        let aim = match (push.aim, push.order.breaking) {
            (Aim::Active, Breaking::Refuse) if compatibility.breaking => return Err(CatalogError::Breaking(compatibility)),
            (Aim::Active, Breaking::Hold) if compatibility.breaking => Aim::Candidate,
            (aim, _) => aim,
        };
        if novelty == Novelty::Known && (is_active || aim == Aim::Candidate) {
            return Ok(Decision::Leave((version, novelty, None, compatibility)));
        }
        let writes = if novelty == Novelty::New { vec![Write::PutVersion(version.clone())] } else { Vec::new() };
        if aim == Aim::Candidate {
            let told = (version, novelty, None, compatibility);
            return Ok(Decision::Do { product, writes, event: None, kept: None, told });
        }
        product.versions.activate(version.number, now);
        let product = as_of(product, &version);
        let edition = self.build(product.clone(), Some(version.number))?;
        if let super::Slot::Broken(why) = edition.codec {
            return Err(CatalogError::Unloadable { number: version.number, why });
        }
        let product = Product { device_type: edition.profile.device_type().to_owned(), ..product };
        let event = switched(&was, &version, How::Upload, &push.order, compatibility.breaking, now);
        let kept = edition.codec().map(|active| Arc::clone(&active.codec));
        let told = (version, novelty, was.versions.active, compatibility);
        Ok(Decision::Do { product, writes, event: Some((How::Upload, event)), kept, told })
    }
}

/// The record of a new version.
fn record(product: &mut Product, unit: &Unit, admitted: &Admitted, order: &Order, now: Timestamp) -> CodecVersion {
    let description = admitted.codec.description();
    CodecVersion {
        product: product.id,
        number: product.versions.give(),
        component: admitted.component.digest().to_owned(),
        profile: unit.profile.clone(),
        profile_digest: unit.profile_digest.clone(),
        package: unit.package.clone(),
        package_file: None,
        signer: None,
        name: description.name.clone(),
        version: description.version.clone(),
        size: admitted.size,
        uploaded: now,
        uploaded_by: order.by.clone(),
        comment: order.comment.clone(),
    }
}
