//! Pushing: bytes are admitted on a blocking thread and become a version, a candidate or put to work at once.
//!
//! The same content is pushed once however often it comes: a version is known by its component, its profile and its package.

use std::sync::Arc;

use super::shelf::Pin;
use super::switch::{Change, Decision, How, Order, off_reactor, switched};
use super::{ActiveProduct, Catalog, CatalogError, NewProduct, taken};
use crate::admission::{Report, Submission, admit};
use crate::codec::Codec;
use crate::model::{
    Actor, CodecVersion, EndpointFormat, PowerMode, Product, ProductId, ProductKey, Timestamp, VersionNumber, VersionState,
    Wishes,
};
use crate::package::Package;
use crate::profile::{Compatibility, Profile};
use crate::store::{Commit, Expect, StoreError, Write};

/// What is pushed.
pub enum Content {
    /// A bare component, for the profile that the product has.
    Component(Vec<u8>),
    /// A `*.codec` file.
    Package(Vec<u8>),
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
    /// What admission saw; none = the content was known and not looked at again.
    pub report: Option<Report>,
}

/// What a delivery says of itself, before it is admitted.
enum Offer<'a> {
    Component(&'a [u8]),
    Package { file: &'a [u8], package: Box<Package>, profile: Profile },
}

impl Offer<'_> {
    fn component(&self) -> &[u8] {
        match self {
            Self::Component(component) => component,
            Self::Package { package, .. } => package.component(),
        }
    }

    /// Whom it is for; a bare component does not say.
    fn key(&self) -> Option<ProductKey> {
        match self {
            Self::Component(_) => None,
            Self::Package { profile, .. } => Some(profile.key()),
        }
    }
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
    fn new(offer: &Offer<'_>, current: &str) -> Self {
        let (profile, package) = match offer {
            Offer::Component(_) => (current.to_owned(), None),
            Offer::Package { package, profile, .. } => (profile.to_json(), Some(package.digest())),
        };
        Self {
            component: blake3::hash(offer.component()).to_hex().to_string(),
            profile_digest: blake3::hash(profile.as_bytes()).to_hex().to_string(),
            profile,
            package,
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
struct Entrant {
    codec: Arc<Codec>,
    component: Pin,
    package: Option<Pin>,
    signer: Option<String>,
    wishes: Wishes,
    report: Report,
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
    /// [`CatalogError::NotAdmitted`], [`CatalogError::OtherProduct`] and [`CatalogError::Breaking`] say what is wrong; nothing has
    /// changed then.
    pub async fn push(self: &Arc<Self>, id: ProductId, push: Push, now: Timestamp) -> Result<Pushed, CatalogError> {
        // The semaphore is never closed.
        let _turn = self.admissions.acquire().await;
        let catalog = Arc::clone(self);
        off_reactor(move || catalog.take_in(id, &push, now)).await
    }

    /// The same for the product that the package names. A bare component names none: [`CatalogError::Nameless`].
    ///
    /// # Errors
    /// As [`Catalog::push`]; [`CatalogError::NoSuchKey`] when there is no such product and none is to be made.
    pub async fn deliver(self: &Arc<Self>, push: Push, missing: Missing, now: Timestamp) -> Result<Pushed, CatalogError> {
        let _turn = self.admissions.acquire().await;
        let catalog = Arc::clone(self);
        off_reactor(move || {
            let offer = catalog.unwrap(&push.content)?;
            let key = offer.key().ok_or(CatalogError::Nameless)?;
            for _ in 0..2 {
                if let Some(found) = catalog.store.product_by_key(&key)? {
                    return catalog.take_in(found.doc.id, &push, now);
                }
                match (missing, &offer) {
                    (Missing::Create { endpoint_format, power_mode }, Offer::Package { profile, .. }) => {
                        let new = NewProduct {
                            profile: profile.clone(),
                            endpoint_format,
                            power_mode,
                            habits: Default::default(),
                            observe: Vec::new(),
                        };
                        match catalog.found(&new, &offer, &push, now) {
                            // Somebody else made it meanwhile.
                            Err(CatalogError::Exists(_)) => {}
                            done => return done,
                        }
                    }
                    _ => return Err(CatalogError::NoSuchKey(key)),
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
        let offer = self.unwrap(&push.content)?;
        if let Some(package) = offer.key().filter(|key| *key != product.key) {
            return Err(CatalogError::OtherProduct { package, product: product.key });
        }
        let unit = Unit::new(&offer, &product.profile);
        let is_known = self.store.versions(id)?.iter().any(|version| unit.is(version));
        let entrant = if is_known { None } else { Some(self.admit(&offer, &unit)?) };
        let placed = self.change(id, |product| self.place(product, &unit, entrant.as_ref(), push, now))?;
        self.pushed(placed, entrant)
    }

    /// A new product with this unit as its first version, in one transaction.
    fn found(&self, new: &NewProduct, offer: &Offer<'_>, push: &Push, now: Timestamp) -> Result<Pushed, CatalogError> {
        let product = self.fresh(new, now);
        let unit = Unit::new(offer, &product.profile);
        let entrant = self.admit(offer, &unit)?;
        let Decision::Do(change) = self.place(product, &unit, Some(&entrant), push, now)? else {
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
        self.pushed(told, Some(entrant))
    }

    fn pushed(&self, placed: Placed, entrant: Option<Entrant>) -> Result<Pushed, CatalogError> {
        let Placed { version, novelty, replaced, compatibility } = placed;
        let edition = self.edition(version.product, version.number)?;
        let state = edition.product.versions.state_of(version.number);
        let report = entrant.map(|entrant| entrant.report);
        Ok(Pushed { version, state, novelty, replaced, compatibility, edition, report })
    }

    /// Reads as much as says whether it is known. What cannot be read is admitted in vain, for the sake of its report.
    fn unwrap<'a>(&self, content: &'a Content) -> Result<Offer<'a>, CatalogError> {
        let file = match content {
            Content::Component(component) => return Ok(Offer::Component(component)),
            Content::Package(file) => file,
        };
        let read = Package::read(file).and_then(|package| Ok((Profile::parse("profile.json", package.profile())?, package)));
        match read {
            Ok((profile, package)) => Ok(Offer::Package { file, package: Box::new(package), profile }),
            Err(_) => Err(CatalogError::NotAdmitted(admit(&Submission::Package(file), &self.bench).report)),
        }
    }

    /// Everything that admission asks; the files are stored, but no version.
    fn admit(&self, offer: &Offer<'_>, unit: &Unit) -> Result<Entrant, CatalogError> {
        let verdict = match offer {
            Offer::Package { file, .. } => admit(&Submission::Package(file), &self.bench),
            Offer::Component(component) => {
                admit(&Submission::Loose { component, profile: &unit.profile, vectors: &[] }, &self.bench)
            }
        };
        let Some(admitted) = verdict.admitted else { return Err(CatalogError::NotAdmitted(verdict.report)) };
        self.loaded.keep(&admitted.codec);
        let component = self.shelf.put(&admitted.component)?;
        let package = match offer {
            Offer::Package { file, .. } => Some(self.shelf.put(file)?),
            Offer::Component(_) => None,
        };
        let signer = (!admitted.signers.is_empty()).then(|| admitted.signers.join(", "));
        let wishes = admitted.manifest.map(|manifest| manifest.wishes).unwrap_or_default();
        Ok(Entrant { codec: admitted.codec, component, package, signer, wishes, report: verdict.report })
    }

    /// Decides what a unit becomes in a product as it is at this moment.
    fn place(
        &self,
        was: Product,
        unit: &Unit,
        entrant: Option<&Entrant>,
        push: &Push,
        now: Timestamp,
    ) -> Result<Decision<Placed>, CatalogError> {
        let mut product = was.clone();
        let known = self.store.versions(was.id)?.into_iter().find(|version| unit.is(version));
        let novelty = if known.is_some() { Novelty::Known } else { Novelty::New };
        let is_bare = unit.package.is_none();
        let version = match (known, entrant) {
            (Some(version), _) => version,
            (None, Some(entrant)) if !is_bare || unit.profile == was.profile => {
                record(product.versions.give(), &was, unit, entrant, (&push.order, now))
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
    entrant: &Entrant,
    (order, now): (&Order, Timestamp),
) -> CodecVersion {
    let description = entrant.codec.description();
    CodecVersion {
        product: product.id,
        number,
        component: entrant.component.digest().to_owned(),
        profile: unit.profile.clone(),
        profile_digest: unit.profile_digest.clone(),
        package: unit.package.clone(),
        wishes: entrant.wishes.clone(),
        package_file: entrant.package.as_ref().map(|pin| pin.digest().to_owned()),
        signer: entrant.signer.clone(),
        name: description.name.clone(),
        version: description.version.clone(),
        size: entrant.component.size(),
        uploaded: now,
        uploaded_by: order.by.clone(),
        comment: order.comment.clone(),
    }
}
