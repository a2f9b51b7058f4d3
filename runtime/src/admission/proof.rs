//! What a codec shows by running: that its vectors hold under the production limits, that it is a function, and what it costs.
//!
//! Each vector is asked four times: in an instance that serves all of them, forwards and then backwards, and twice in a pristine
//! instance of a metered host. Equal answers show that nothing is kept between calls, equal fuel that nothing is left to chance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::report::VectorCost;
use super::runner::{Ran, Runner};
use super::steps::finding;
use crate::clock;
use crate::codec::{Codec, Host, Isolation, Limits, Refusal};
use crate::profile::{Mistake, Plan, Severity};
use crate::vectors::{Answer, Vector, holds};

/// Vectors of a package.
const MAX_VECTORS: usize = 4_096;
/// After so many traps and deadlines nothing more is asked.
const MAX_BROKEN: usize = 8;
/// All calls together end after this; a vector takes some microseconds.
const PATIENCE: Duration = Duration::from_secs(15);
/// Findings told of one kind; the rest is counted.
const TOLD: usize = 20;

/// A document of vectors that has no mistake.
pub(super) struct Document {
    pub(super) path: String,
    pub(super) vectors: Vec<Vector>,
}

/// What the vectors showed.
#[derive(Default)]
pub(super) struct Proof {
    pub(super) run: usize,
    pub(super) vectors: Vec<Mistake>,
    pub(super) determinism: Vec<Mistake>,
    pub(super) limits: Vec<Mistake>,
    pub(super) costs: Vec<VectorCost>,
    pub(super) slowest: Duration,
    /// Whether every vector was asked in every way.
    pub(super) complete: bool,
}

/// Runs everything. `limits` are the host's, lowered by the wishes of the package.
pub(super) fn prove(
    documents: &[Document],
    codec: &Arc<Codec>,
    plan: &Plan,
    host: &Arc<Host>,
    limits: &Limits,
    component: &[u8],
) -> Proof {
    let all: Vec<Asked<'_>> = documents
        .iter()
        .flat_map(|document| document.vectors.iter().enumerate().map(|(at, vector)| Asked { path: &document.path, at, vector }))
        .collect();
    let mut proof = Proof::default();
    if all.len() > MAX_VECTORS {
        let reason = format!("{} vectors, at most {MAX_VECTORS} are run", all.len());
        proof.vectors.push(finding("vectors", "E1132", reason, "keep those that differ in kind"));
        return proof;
    }
    // The version will work under these.
    let own;
    let codec = if limits == codec.limits() {
        if all.is_empty() {
            // A metered host compiles the component once more: not for nothing.
            return proof;
        }
        codec
    } else {
        own = Arc::new(codec.with_limits(limits.clone()));
        &own
    };
    let mut patience = Patience { broken: 0, until: clock::monotonic() + PATIENCE };
    // First, since nothing runs where no instance fits the limits.
    let (meter, metered_codec) = match metered(component, limits) {
        Ok(made) => made,
        Err(refusals) => {
            proof.limits.extend(refusals.into_iter().map(super::steps::refused));
            return proof;
        }
    };
    if let Some(answers) = reused(&all, codec, plan, host, &mut proof, &mut patience) {
        pristine(&all, &answers, &metered_codec, plan, &meter, limits, &mut proof, &mut patience);
    }
    proof
}

struct Asked<'a> {
    path: &'a str,
    at: usize,
    vector: &'a Vector,
}

impl Asked<'_> {
    fn finding(&self, code: &'static str, reason: impl Into<String>, fix: &str) -> Mistake {
        let reason = format!("`{}`: {}", self.vector.name, reason.into());
        Mistake { pointer: format!("/{}", self.at), ..finding(self.path, code, reason, fix) }
    }
}

/// Ends the run of a codec that makes trouble.
struct Patience {
    broken: usize,
    until: Instant,
}

impl Patience {
    fn is_over(&mut self, ran: &Ran, proof: &mut Proof) -> bool {
        self.broken += usize::from(matches!(ran.answer, Answer::Broken(_)));
        let over = self.broken >= MAX_BROKEN || clock::monotonic() > self.until;
        if over {
            let reason = "too many calls trapped, or all took too long: the rest was not run";
            proof.vectors.push(finding("vectors", "E1143", reason, "make the codec answer each vector within microseconds"));
        }
        over
    }
}

/// One instance serves all vectors, forwards and backwards, under the production limits. The answers of the first pass.
fn reused(
    all: &[Asked<'_>],
    codec: &Arc<Codec>,
    plan: &Plan,
    host: &Arc<Host>,
    proof: &mut Proof,
    patience: &mut Patience,
) -> Option<Vec<Answer>> {
    let mut runner = Runner::new(codec, plan, host);
    let mut answers = Vec::with_capacity(all.len());
    for asked in all {
        let ran = runner.run(asked.vector);
        proof.run += 1;
        proof.slowest = proof.slowest.max(ran.took);
        tell(&mut proof.vectors, judge(asked, &ran));
        if patience.is_over(&ran, proof) {
            return None;
        }
        answers.push(ran.answer);
    }
    for (asked, first) in all.iter().zip(&answers).rev() {
        let ran = runner.run(asked.vector);
        if !alike(first, &ran.answer) {
            let reason = format!("first {first}, and when asked again in the same instance {}", ran.answer);
            tell(&mut proof.determinism, [asked.finding("E1150", reason, KEEP_NOTHING)]);
        }
        if patience.is_over(&ran, proof) {
            return None;
        }
    }
    Some(answers)
}

const KEEP_NOTHING: &str = "a codec is a function: keep no counter, cache or last value in a static or thread-local";

fn judge(asked: &Asked<'_>, ran: &Ran) -> Option<Mistake> {
    if holds(&asked.vector.expected, &ran.answer) {
        return None;
    }
    let log: String = ran.log.iter().map(|line| format!("; it logged {}: {}", line.level, line.text)).collect();
    let (code, fix) = match &ran.answer {
        Answer::Broken(_) => ("E1141", "a codec refuses what it cannot read; it never traps and never runs long"),
        Answer::Contradiction(_) => {
            ("E1142", "answer with the indices and types that `describe` tells, and name what the profile names")
        }
        _ => ("E1140", "correct the codec, or the vector if the device's document says so"),
    };
    Some(asked.finding(code, format!("expected {}, got {}{log}", asked.vector.expected, ran.answer), fix))
}

/// A host that meters under the codec's own limits, every call in a pristine instance. It lives for this admission only: a second
/// engine at rest would cost the gateway memory and a thread.
fn metered(component: &[u8], limits: &Limits) -> Result<(Arc<Host>, Arc<Codec>), Vec<Refusal>> {
    let meter = Host::metered(Limits { isolation: Isolation::Fresh, ..limits.clone() }).map_err(|refusal| vec![refusal])?;
    let codec = meter.admit(component)?;
    Ok((meter, codec))
}

#[expect(clippy::too_many_arguments, reason = "the parts of one proof, taken apart by `prove` alone")]
fn pristine(
    all: &[Asked<'_>],
    answers: &[Answer],
    codec: &Arc<Codec>,
    plan: &Plan,
    meter: &Arc<Host>,
    limits: &Limits,
    proof: &mut Proof,
    patience: &mut Patience,
) {
    let mut runner = Runner::new(codec, plan, meter);
    for (asked, answer) in all.iter().zip(answers) {
        let (once, twice) = (runner.run(asked.vector), runner.run(asked.vector));
        if !alike(&once.answer, &twice.answer) || !alike(answer, &once.answer) {
            let other = if alike(answer, &once.answer) { &twice.answer } else { &once.answer };
            let reason = format!("{answer}, and in a pristine instance {other}");
            tell(&mut proof.determinism, [asked.finding("E1151", reason, KEEP_NOTHING)]);
        } else if once.cost.fuel != twice.cost.fuel {
            let shown = |ran: &Ran| ran.cost.fuel.map_or_else(|| "none".to_owned(), |fuel| fuel.to_string());
            let reason = format!("the same answer cost {} and {} units of fuel", shown(&once), shown(&twice));
            tell(&mut proof.determinism, [asked.finding("E1152", reason, KEEP_NOTHING)]);
        }
        let (fuel, memory_bytes) = (once.cost.fuel.unwrap_or_default(), once.cost.memory_bytes);
        tell(&mut proof.limits, watermark(asked, fuel, memory_bytes, limits));
        let (document, vector) = (asked.path.to_owned(), asked.vector.name.clone());
        proof.costs.push(VectorCost { document, vector, fuel, memory_bytes });
        if patience.is_over(&once, proof) {
            return;
        }
    }
    proof.complete = true;
}

/// What is near a limit will pass it with another payload.
fn watermark(asked: &Asked<'_>, fuel: u64, memory_bytes: usize, limits: &Limits) -> Option<Mistake> {
    let (code, reason, fix) = if fuel > Host::FUEL_PER_CALL / 2 {
        let reason = format!("{fuel} units of fuel, more than half of what a call may use");
        ("E1161", reason, "make the codec do less per payload")
    } else if memory_bytes > limits.memory_bytes / 4 * 3 {
        let reason = format!("{memory_bytes} bytes of memory, more than three quarters of the limit of {}", limits.memory_bytes);
        ("E1160", reason, "use less memory, or wish for no lower limit in codec.toml")
    } else {
        return None;
    };
    Some(Mistake { severity: Severity::Warning, ..asked.finding(code, reason, fix) })
}

/// Equal to the last bit of every value.
fn alike(left: &Answer, right: &Answer) -> bool {
    left.to_string() == right.to_string()
}

/// Adds findings up to a number that a person reads.
fn tell(list: &mut Vec<Mistake>, findings: impl IntoIterator<Item = Mistake>) {
    list.extend(findings.into_iter().take(TOLD.saturating_sub(list.len())));
}
