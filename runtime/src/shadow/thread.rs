//! The thread: loads versions into the metered host, decodes, and writes down what it found. Owns its instances; no shard waits
//! for it.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::sync::mpsc::Receiver;

use super::{Board, Job, Made, Run, Sample, Side};
use crate::catalog::{ActiveCodec, ActiveProduct, Catalog, Site};
use crate::clock;
use crate::codec::{CallError, Codec, Cost, Host, Instances, Limits};
use crate::model::{ProductId, Timestamp, VersionNumber};
use crate::store::Store;
use crate::uplink;

/// Codecs that are kept loaded; each was compiled for the metered host.
const LOADED: usize = 32;
/// Looks at traps in a second; each costs milliseconds, or a whole deadline.
const LOOKS_PER_SECOND: u32 = 4;
/// Codecs that are compiled in a second only to count fuel.
const WEIGHINGS_PER_SECOND: u32 = 1;

pub(super) struct Worker {
    store: Store,
    catalog: Arc<Catalog>,
    limits: Limits,
    board: Arc<Board>,
    /// Made with the first job: it takes address space that most gateways never need.
    bench: Option<Bench>,
    /// The candidate of each product in the form of the flows.
    candidates: HashMap<ProductId, (VersionNumber, Arc<ActiveProduct>)>,
    looks: Budget,
    weighings: Budget,
}

/// So many in a second, and no more.
#[derive(Default)]
struct Budget {
    second: u64,
    spent: u32,
}

impl Budget {
    fn spend(&mut self, most: u32) -> bool {
        let second = clock::wall().0 / 1_000;
        if self.second != second {
            *self = Self { second, spent: 0 };
        }
        self.spent += 1;
        self.spent <= most
    }
}

/// The metered host and what is loaded into it.
struct Bench {
    host: Arc<Host>,
    instances: Instances,
    /// By digest, with the number of the last use.
    codecs: HashMap<String, (Arc<Codec>, u64)>,
    uses: u64,
}

impl Worker {
    pub(super) fn new(store: Store, catalog: Arc<Catalog>, limits: Limits, board: Arc<Board>) -> Self {
        Self {
            store,
            catalog,
            limits,
            board,
            bench: None,
            candidates: HashMap::new(),
            looks: Budget::default(),
            weighings: Budget::default(),
        }
    }

    pub(super) fn run(mut self, jobs: &Receiver<Job>) {
        while let Ok(job) = jobs.recv() {
            if self.board.stopping.load(Ordering::Relaxed) {
                return;
            }
            match job {
                Job::Compare(sample, candidate) => self.compare(&sample, candidate),
                Job::Weigh(sample) => self.weigh(&sample),
                Job::Explain(sample, site) => self.explain(&sample, &site),
                Job::Stop => return,
            }
        }
    }

    fn compare(&mut self, sample: &Sample, candidate: VersionNumber) {
        let id = sample.product.product.id;
        let Some(active) = sample.product.version else { return };
        {
            let mut runs = self.board.lock();
            let now = Timestamp(sample.origin.received_ms);
            let run = runs.entry(id).or_insert_with(|| Run::new(candidate, active, now));
            // What was decoded before a switch may still come: it says nothing about the newer run.
            if (run.candidate, run.active) != (candidate, active) {
                if candidate < run.candidate {
                    return;
                }
                *run = Run::new(candidate, active, now);
            }
            if run.obstacle.is_some() {
                return;
            }
        }
        let sides = self.sides(sample, candidate);
        let mut runs = self.board.lock();
        let Some(run) = runs.get_mut(&id) else { return };
        match sides {
            Ok(Some((active, candidate))) => {
                let place = (Timestamp(sample.origin.received_ms), sample.device, sample.payload.as_slice());
                run.add(place, active, candidate);
            }
            Ok(None) => {}
            Err(why) => {
                tracing::warn!(product = %sample.product.product.key, candidate = %candidate, why, "a candidate cannot be tried");
                run.obstacle = Some(why);
            }
        }
    }

    /// What both versions make of the sample; none = the candidate is gone.
    fn sides(&mut self, sample: &Sample, number: VersionNumber) -> Result<Option<(Side, Side)>, String> {
        let Some(active) = sample.product.codec() else { return Ok(None) };
        let candidate = match self.candidate(sample.product.product.id, number) {
            Ok(candidate) => candidate,
            // It was pruned a moment ago: the next sample names another, or none.
            Err(_) if matches!(self.store.version(sample.product.product.id, number), Ok(None)) => return Ok(None),
            Err(why) => return Err(why),
        };
        let Some(codec) = candidate.codec() else { return Ok(None) };
        let first = self.decode(active, sample)?;
        let second = self.decode(codec, sample)?;
        Ok(Some((first, second)))
    }

    fn candidate(&mut self, product: ProductId, number: VersionNumber) -> Result<Arc<ActiveProduct>, String> {
        if let Some((known, edition)) = self.candidates.get(&product)
            && *known == number
        {
            return Ok(Arc::clone(edition));
        }
        let edition = self.catalog.edition(product, number).map_err(|error| error.to_string())?;
        if self.candidates.len() >= LOADED {
            self.candidates.clear();
        }
        self.candidates.insert(product, (number, Arc::clone(&edition)));
        Ok(edition)
    }

    fn decode(&mut self, codec: &ActiveCodec, sample: &Sample) -> Result<Side, String> {
        let metered = self.metered(codec.codec.digest())?;
        let Some(bench) = &mut self.bench else { return Err("there is no metered host".to_owned()) };
        let begun = clock::monotonic();
        let answer = bench.instances.decode(&metered, &sample.card, &sample.payload, &sample.origin);
        let took = clock::monotonic().saturating_duration_since(begun);
        let cost = match &answer {
            Err(CallError::TooLarge { what: "payload", .. }) => Cost::default(),
            _ => bench.instances.last_cost(),
        };
        if let Some(fuel) = cost.fuel {
            codec.pulse.weighed(fuel);
        }
        let _unread = bench.instances.take_log();
        let received = Timestamp(sample.origin.received_ms);
        let find = |mid| uplink::sent_before(&self.store, sample.device, mid, received).ok().flatten();
        let made = match answer {
            Ok(messages) => match uplink::content(codec, &messages, received.0, find) {
                Ok(content) => Made::Content(content),
                Err(why) => Made::Nothing { code: "broken-promise".to_owned(), detail: why },
            },
            Err(error) => Made::Nothing { code: code_of(&error).to_owned(), detail: error.to_string() },
        };
        Ok(Side { made, cost, took })
    }

    /// Decodes it only for what that costs.
    fn weigh(&mut self, sample: &Sample) {
        let Some(codec) = sample.product.codec() else { return };
        let loaded = self.bench.as_ref().is_some_and(|bench| bench.codecs.contains_key(codec.codec.digest()));
        // With a thousand products only some are loaded at a time: none is compiled a second time for this, and not all at once.
        if !loaded && (codec.pulse.was_weighed() || !self.weighings.spend(WEIGHINGS_PER_SECOND)) {
            return;
        }
        if let Err(why) = self.decode(codec, sample) {
            tracing::debug!(product = %sample.product.product.key, why, "an uplink cannot be weighed");
        }
    }

    /// Runs a payload that trapped once more, where file and line are known.
    fn explain(&mut self, sample: &Sample, site: &Site) {
        let Some(codec) = sample.product.codec() else { return };
        if !self.looks.spend(LOOKS_PER_SECOND) {
            // It stays without file and line; the next restart, or the next version, looks again.
            return;
        }
        match self.metered(codec.codec.digest()) {
            Ok(metered) => {
                let Some(bench) = &mut self.bench else { return };
                let answer = bench.instances.decode(&metered, &sample.card, &sample.payload, &sample.origin);
                let _unread = bench.instances.take_log();
                let frames = match answer {
                    Err(CallError::Trap { frames, .. }) => frames,
                    _ => Vec::new(),
                };
                tracing::error!(
                    product = %sample.product.product.key, version = ?sample.product.version.map(|number| number.0),
                    endpoint = %sample.card.endpoint, function = site.function, frames = frames.join(" < "),
                    "a codec ends in a {}: {}; to see it again: {}", site.code, site.message, uplink::run_line(&sample.payload),
                );
                codec.pulse.explained(site, frames);
            }
            Err(why) => tracing::warn!(product = %sample.product.product.key, why, "a trap cannot be looked at"),
        }
    }

    /// A version in the metered host.
    fn metered(&mut self, digest: &str) -> Result<Arc<Codec>, String> {
        let bench = match &mut self.bench {
            Some(bench) => bench,
            empty => {
                let host = Host::metered(self.limits.clone()).map_err(|refusal| refusal.to_string())?;
                let instances = Instances::new(Arc::clone(&host));
                empty.insert(Bench { host, instances, codecs: HashMap::new(), uses: 0 })
            }
        };
        bench.uses += 1;
        let uses = bench.uses;
        if let Some((codec, used)) = bench.codecs.get_mut(digest) {
            *used = uses;
            return Ok(Arc::clone(codec));
        }
        let component = self.store.file(digest).map_err(|error| error.to_string())?;
        let component = component.ok_or_else(|| format!("the component {digest} is missing from the store's files"))?;
        let codec = bench.host.load(&component).map_err(|refusal| refusal.to_string())?;
        if bench.codecs.len() >= LOADED
            && let Some(oldest) = bench.codecs.iter().min_by_key(|(_, (_, used))| *used).map(|(digest, _)| digest.clone())
        {
            bench.codecs.remove(&oldest);
        }
        bench.codecs.insert(digest.to_owned(), (Arc::clone(&codec), uses));
        Ok(codec)
    }
}

/// The code of a dead letter.
fn code_of(error: &CallError) -> &'static str {
    match error {
        CallError::Refused(fault) => fault.kind.as_str(),
        CallError::Trap { .. } => "trap",
        CallError::Deadline { .. } | CallError::OutOfFuel { .. } => "deadline",
        CallError::TooLarge { .. } => "too-large",
    }
}
