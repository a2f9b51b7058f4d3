//! Admission: whether a codec may go to work. One implementation for the author's command line, CI and the gateway.
//!
//! [`admit`] takes a package, or a component with a profile, and tells all that can be known at once as a [`Report`] of checks. What
//! was admitted comes out in the form in which it is put to work. It compiles and runs guest code: call it on a blocking
//! thread. What a package is, is known by `package`; what a component must be, by `codec`; what a profile must be, by `profile`.
//!
//! ```text
//! bytes -> package, signature -> component (header .. describe) -> profile -> tables -> vectors -> determinism -> limits
//!          steps.rs                                                               proof.rs, runner.rs
//! ```

mod proof;
mod report;
mod runner;
mod steps;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use crate::codec::{Codec, Host, Isolation, Limits};
use crate::package::{Manifest, Trust, Wishes};
use crate::profile::{Plan, Profile};

pub use report::{Check, Outcome, Report, VectorCost};
pub use runner::{Ran, Runner};

/// What is handed in.
#[derive(Debug, Clone, Copy)]
pub enum Submission<'a> {
    /// A `*.codec` file.
    Package(&'a [u8]),
    /// Its parts without a package around them: a crate that was just built, or a component for the profile that a product has.
    Loose {
        /// The component.
        component: &'a [u8],
        /// Text of the profile.
        profile: &'a str,
        /// Path and text of each document of vectors.
        vectors: &'a [(String, String)],
    },
}

/// Whose signatures are asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Policy {
    /// Who is trusted.
    pub trust: Trust,
    /// Whether a package must be signed by one of them. A bare component is never signed.
    pub require_signature: bool,
}

/// Where admission runs, and under which policy.
#[derive(Debug, Clone)]
pub struct Bench {
    /// The host that the codec will work in: its limits are the production limits.
    pub host: Arc<Host>,
    /// On signatures.
    pub policy: Policy,
}

/// What was admitted, ready to be put to work.
#[derive(Debug)]
pub struct Admitted {
    /// Loaded into the host of the bench.
    pub codec: Arc<Codec>,
    /// Checked.
    pub profile: Profile,
    /// The profile as it was handed in.
    pub profile_text: String,
    /// Profile and codec, joined.
    pub plan: Plan,
    /// Bytes of the component.
    pub component: Vec<u8>,
    /// Of a package.
    pub manifest: Option<Manifest>,
    /// Digest of the package's content, hex.
    pub package: Option<String>,
    /// Trusted names that signed it.
    pub signers: Vec<String>,
    /// The host's limits, lowered by the package's wishes.
    pub limits: Limits,
}

/// The whole answer.
#[derive(Debug)]
pub struct Verdict {
    /// Every check, in order.
    pub report: Report,
    /// None if a check refused.
    pub admitted: Option<Box<Admitted>>,
}

/// Checks a submission. Blocks: some 0.2 s for a codec of usual size, at most some 20 s for one that makes trouble.
#[must_use]
pub fn admit(submission: &Submission<'_>, bench: &Bench) -> Verdict {
    steps::run(submission, bench)
}

/// The limits that a codec works under: its own wishes, where they are lower.
#[must_use]
pub fn lowered(limits: &Limits, wishes: &Wishes) -> Limits {
    let least = |own: usize, wish: Option<usize>| wish.map_or(own, |wish| wish.min(own));
    Limits {
        memory_bytes: least(limits.memory_bytes, wishes.memory_mib.map(|mib| mib.saturating_mul(1 << 20))),
        deadline_ms: wishes.deadline_ms.map_or(limits.deadline_ms, |wish| wish.min(limits.deadline_ms)),
        payload_bytes: least(limits.payload_bytes, wishes.payload_bytes),
        messages: least(limits.messages, wishes.messages),
        output_bytes: least(limits.output_bytes, wishes.output_bytes),
        log_lines: least(limits.log_lines, wishes.log_lines),
        calls_per_instance: wishes
            .calls_per_instance
            .map_or(limits.calls_per_instance, |wish| wish.min(limits.calls_per_instance)),
        isolation: if wishes.fresh { Isolation::Fresh } else { limits.isolation },
    }
}
