//! Pushing: bytes are admitted on a blocking thread and become a version, a candidate or put to work at once.
//!
//! The same content is pushed once however often it comes: a version is known by its component, its profile and its package.

use std::sync::Arc;

use super::shelf::Pin;
use super::switch::{Change, Decision, How, Order, off_reactor, switched};
use super::{ActiveProduct, Catalog, CatalogError, NewProduct, taken};
use crate::codec::Codec;
use crate::model::{Actor, CodecVersion, EndpointFormat, PowerMode, Product, ProductId, Timestamp, VersionNumber, VersionState};
use crate::profile::{Compatibility, Plan, Profile};
use crate::store::{Commit, Expect, StoreError, Write};

/// What is pushed.
pub enum Content {
    /// A bare component, for the profile that the product has.
    Component(Vec<u8>),
    /// A component with its profile.
    Unit {
        /// As it is.
        component: Vec<u8>,
        /// Checked.
        profile: Profile,
        /// The package that both came in.
        parcel: Option<Parcel>,
    },
}

/// A package whose signature was looked at.
pub struct Parcel {
    /// Its digest, hex.
    pub digest: String,
    /// Who signed it, if somebody trusted did.
    pub signer: Option<String>,
    /// As it came.
    pub file: Vec<u8>,
}

impl Content {
    fn component(&self) -> &[u8] {
        match self {
            Self::Component(component) | Self::Unit { component, .. } => component,
        }
    }

    fn parcel(&self) -> Option<&Parcel> {
        match self {
            Self::Unit { parcel, .. } => parcel.as_ref(),
            Self::Component(_) => None,
        }
    }
}

/// What if there is no product of the name that a unit is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Missing {
    /// Nothing is changed.
    Refuse,
    /// It is created.
    Create {
        /// How its devices name themselves.
        endpoint_format: EndpointFormat,
        /// When its devices listen.
        power_mode: PowerMode,
    },
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
    /// `current` = the profile that a bare component is for.
    fn new(content: &Content, current: &str) -> Self {
        let profile = match content {
            Content::Component(_) => current.to_owned(),
            Content::Unit { profile, .. } => profile.to_json(),
        };
        Self {
            component: blake3::hash(content.component()).to_hex().to_string(),
            profile_digest: blake3::hash(profile.as_bytes()).to_hex().to_string(),
            profile,
            package: content.parcel().map(|parcel| parcel.digest.clone()),
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
    package: Option<Pin>,
}

/// A unit that found its place in a product.
struct Placed {
    version: CodecVersion,
    novelty: Novelty,
    replaced: Option<VersionNumber>,
    compatibility: Compatibility,
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

    /// The same for the product that the unit's own profile names. A bare component names none: [`CatalogError::Nameless`].
    ///
    /// # Errors
    /// As [`Catalog::push`]; [`CatalogError::NoSuchKey`] when there is no such product and none is to be made.
    pub async fn deliver(self: &Arc<Self>, push: Push, missing: Missing, now: Timestamp) -> Result<Pushed, CatalogError> {
        let _turn = self.admissions.acquire().await;
        let catalog = Arc::clone(self);
        off_reactor(move || {
            let Content::Unit { profile, .. } = &push.content else { return Err(CatalogError::Nameless) };
            let key = profile.key();
            for _ in 0..2 {
                if let Some(found) = catalog.store.product_by_key(&key)? {
                    return catalog.take_in(found.doc.id, &push, now);
                }
                match missing {
                    Missing::Refuse => return Err(CatalogError::NoSuchKey(key)),
                    Missing::Create { endpoint_format, power_mode } => {
                        let new = NewProduct { profile: profile.clone(), endpoint_format, power_mode };
                        match catalog.found(&new, &push, now) {
                            // Somebody else made it meanwhile.
                            Err(CatalogError::Exists(_)) => {}
                            done => return done,
                        }
                    }
                }
            }
            Err(CatalogError::Exists(key.to_string()))
        })
        .await
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
        if let Content::Unit { profile, .. } = &push.content
            && profile.key() != product.key
        {
            return Err(CatalogError::OtherProduct { package: profile.key(), product: product.key });
        }
        let unit = Unit::new(&push.content, &product.profile);
        let is_known = self.store.versions(id)?.iter().any(|version| unit.is(version));
        let admitted = if is_known { None } else { Some(self.admit(&push.content, &unit.profile)?) };
        let placed = self.change(id, |product| self.place(product, &unit, admitted.as_ref(), push, now))?;
        self.pushed(placed)
    }

    /// A new product with this unit as its first version, in one transaction.
    fn found(&self, new: &NewProduct, push: &Push, now: Timestamp) -> Result<Pushed, CatalogError> {
        let product = self.fresh(new, now);
        let unit = Unit::new(&push.content, &product.profile);
        let admitted = self.admit(&push.content, &unit.profile)?;
        let Decision::Do(change) = self.place(product, &unit, Some(&admitted), push, now)? else {
            return Err(CatalogError::Store(StoreError::Conflict("product")));
        };
        let Change { product, mut writes, event, kept, told } = *change;
        writes.insert(0, Write::PutProduct(product.clone(), Expect::Absent));
        let (how, events) = event.map_or((None, Vec::new()), |(how, event)| (Some(how), vec![event]));
        let made = self.store.commit_blocking(Commit { events, writes });
        made.map_err(|error| taken(error, &product.key))?;
        self.refresh(product.id, None)?;
        how.into_iter().for_each(|how| self.census.switched(how));
        drop(kept);
        self.pushed(told)
    }

    fn pushed(&self, placed: Placed) -> Result<Pushed, CatalogError> {
        let Placed { version, novelty, replaced, compatibility } = placed;
        let edition = self.edition(version.product, version.number)?;
        let state = edition.product.versions.state_of(version.number);
        Ok(Pushed { version, state, novelty, replaced, compatibility, edition })
    }

    /// Compiles and checks a component against a profile; its file is stored, but no version.
    fn admit(&self, content: &Content, profile: &str) -> Result<Admitted, CatalogError> {
        let codec = self.host.load(content.component())?;
        let profile = Profile::parse("profile.json", profile).map_err(CatalogError::Mismatch)?;
        Plan::join(&profile, codec.description()).map_err(CatalogError::Mismatch)?;
        self.loaded.keep(&codec);
        let component = self.shelf.put(content.component())?;
        let package = content.parcel().map(|parcel| self.shelf.put(&parcel.file)).transpose()?;
        Ok(Admitted { codec, component, package })
    }

    /// Decides what a unit becomes in a product as it is at this moment.
    fn place(
        &self,
        was: Product,
        unit: &Unit,
        admitted: Option<&Admitted>,
        push: &Push,
        now: Timestamp,
    ) -> Result<Decision<Placed>, CatalogError> {
        let mut product = was.clone();
        let known = self.store.versions(was.id)?.into_iter().find(|version| unit.is(version));
        let novelty = if known.is_some() { Novelty::Known } else { Novelty::New };
        let is_bare = matches!(push.content, Content::Component(_));
        let version = match (known, admitted) {
            (Some(version), _) => version,
            (None, Some(admitted)) if !is_bare || unit.profile == was.profile => {
                record(product.versions.give(), &was, unit, admitted, push, now)
            }
            // Admitted for a profile that the product has no longer, or known once and pruned meanwhile.
            _ => return Err(CatalogError::Store(StoreError::Conflict("product"))),
        };
        let compatibility = self.compare(&was, &version)?;
        let aim = match (push.aim, push.order.breaking) {
            (Aim::Active, Breaking::Refuse) if compatibility.breaking => return Err(CatalogError::Breaking(compatibility)),
            (Aim::Active, Breaking::Hold) if compatibility.breaking => Aim::Candidate,
            (aim, _) => aim,
        };
        let is_active = was.versions.active == Some(version.number);
        if novelty == Novelty::Known && (is_active || aim == Aim::Candidate) {
            return Ok(Decision::Leave(Placed { version, novelty, replaced: None, compatibility }));
        }
        let writes = if novelty == Novelty::New { vec![Write::PutVersion(version.clone())] } else { Vec::new() };
        if aim == Aim::Candidate {
            let told = Placed { version, novelty, replaced: None, compatibility };
            return Ok(Decision::Do(Box::new(Change { product, writes, event: None, kept: None, told })));
        }
        product.versions.activate(version.number, now);
        let (product, kept) = self.at_work(product, &version)?;
        let event = switched(&was, &version, (How::Upload, &push.order), compatibility.breaking, now);
        let told = Placed { version, novelty, replaced: was.versions.active, compatibility };
        Ok(Decision::Do(Box::new(Change { product, writes, event: Some((How::Upload, event)), kept, told })))
    }
}

/// The record of a new version.
fn record(
    number: VersionNumber,
    product: &Product,
    unit: &Unit,
    admitted: &Admitted,
    push: &Push,
    now: Timestamp,
) -> CodecVersion {
    let description = admitted.codec.description();
    CodecVersion {
        product: product.id,
        number,
        component: admitted.component.digest().to_owned(),
        profile: unit.profile.clone(),
        profile_digest: unit.profile_digest.clone(),
        package: unit.package.clone(),
        package_file: admitted.package.as_ref().map(|pin| pin.digest().to_owned()),
        signer: push.content.parcel().and_then(|parcel| parcel.signer.clone()),
        name: description.name.clone(),
        version: description.version.clone(),
        size: push.content.component().len() as u64,
        uploaded: now,
        uploaded_by: push.order.by.clone(),
        comment: push.order.comment.clone(),
    }
}
