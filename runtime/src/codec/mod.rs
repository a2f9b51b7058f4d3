//! The codec host: compiles components, keeps instances, bounds them. The only module that names wasmtime.
//!
//! A codec is a WebAssembly component that speaks `wit/v1`. It is a pure function in a sandbox: no WASI, bounded
//! memory, time, output and log. Whatever it does wrong touches the one call that it did it in: a trap or a deadline drops
//! the instance, and the next call gets another. This module knows nothing of profiles, products or the store.
//!
//! ```text
//! component bytes -> Host::load -> Arc<Codec>       admission.rs, cache.rs, tables.rs
//! worker          -> Instances::decode / encode     instances.rs, guest.rs, faults.rs
//! one call        -> callee.rs: the core module (direct/) or the component through wasmtime (wit.rs, convert.rs)
//! Host            -> engine, epoch ticker           engine.rs, ticker.rs
//! ```

mod admission;
mod anatomy;
mod cache;
mod callee;
mod convert;
mod direct;
mod engine;
mod faults;
mod guest;
mod instances;
mod tables;
mod ticker;
mod wit;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use admission::{Codec, MAX_COMPONENT_BYTES, MAX_TABLE_ENTRIES};
pub use anatomy::Anatomy;
pub use engine::Host;
pub use instances::Instances;

use crate::model::{CodecFault, Endpoint};

/// Bounds of a guest; `Default` gives the documented ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Linear memory of an instance, bytes.
    pub memory_bytes: usize,
    /// Processor time that a call may use, milliseconds (1 ms resolution). Time in which the operating system runs something
    /// else does not count, so that a busy machine does not fail a codec that is well; after [`Limits::STALL_FACTOR`] times as
    /// much wall-clock time the call ends in any case.
    pub deadline_ms: u64,
    /// Largest payload, bytes.
    pub payload_bytes: usize,
    /// Most messages of one decode.
    pub messages: usize,
    /// Most bytes of values in one answer: text and byte values by their length, any other value 8.
    pub output_bytes: usize,
    /// Most log lines of one call.
    pub log_lines: usize,
    /// Calls after which an instance is replaced.
    pub calls_per_instance: u32,
    /// Whether an instance serves many calls.
    pub isolation: Isolation,
}

impl Limits {
    /// A call ends after this many times [`Limits::deadline_ms`] of wall-clock time, however little processor time it got.
    pub const STALL_FACTOR: u64 = 100;
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory_bytes: 16 << 20,
            deadline_ms: 10,
            payload_bytes: 64 << 10,
            messages: 256,
            output_bytes: 1 << 20,
            log_lines: 16,
            calls_per_instance: 10_000,
            isolation: Isolation::Reused,
        }
    }
}

/// Whether an instance serves many calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// One instance serves many calls.
    Reused,
    /// Every call gets a pristine one: some 20 us more, and nothing can pass from one device to another.
    Fresh,
}

/// How a codec is called. Both ways give the same answers; the direct one costs a quarter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallPath {
    /// The functions of the core module that the component wraps are called by the canonical ABI.
    Direct,
    /// The component is called through wasmtime: it is more than a wrapper of one core module.
    Component,
}

/// What one call cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cost {
    /// Executed instructions, roughly, and the same on every machine; none where calls are not metered ([`Host::metered`]).
    pub fuel: Option<u64>,
    /// Linear memory of the instance after the call, bytes.
    pub memory_bytes: usize,
}

/// Why a component was not admitted, or why the host does not start.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {cause}; {fix}")]
pub struct Refusal {
    /// Stable, `E1xxx`; the first one where several things are wrong.
    pub code: &'static str,
    /// What is wrong: everything that could be known at once, each with its code from the second on.
    pub cause: String,
    /// What to do.
    pub fix: String,
}

/// What a codec may ask of the device it is called for.
#[derive(Debug, Clone)]
pub struct DeviceCard {
    /// Endpoint client name.
    pub endpoint: Endpoint,
    /// The operator's attributes.
    pub attributes: Arc<BTreeMap<String, String>>,
}

/// A line that the guest logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// `debug`, `info`, `warn`, `error`
    pub level: &'static str,
    /// At most [`LogLine::MAX_BYTES`], cut at a character.
    pub text: String,
}

impl LogLine {
    /// Most bytes of a line (`wit/v1`, `log`).
    pub const MAX_BYTES: usize = 256;
}

/// Why a call gave no answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// The codec refused in its own words.
    #[error("{}{}: {}", .0.kind.as_str(), .0.offset.map(|at| format!(" at byte {at}")).unwrap_or_default(), .0.detail)]
    Refused(CodecFault),
    /// The guest trapped; its instance was dropped.
    #[error("the codec trapped in {function}: {message}")]
    Trap {
        /// The author's innermost function, demangled, and the export it was called from: `meter::parse, called by decode`.
        function: String,
        /// Panic text if the guest told one, else the trap.
        message: String,
        /// The author's functions, innermost first, each with file and line where the host and the component can tell.
        frames: Vec<String>,
    },
    /// The guest ran past its deadline; its instance was dropped.
    #[error("the codec ran for more than {deadline_ms} ms in {function}")]
    Deadline {
        /// The author's innermost function, demangled, and the export it was called from.
        function: String,
        /// The limit, milliseconds of processor time.
        deadline_ms: u64,
    },
    /// The guest used up its fuel, in a host that meters; its instance was dropped.
    #[error("the codec used up {fuel} units of fuel in {function}")]
    OutOfFuel {
        /// The author's innermost function, demangled, and the export it was called from.
        function: String,
        /// What a call gets.
        fuel: u64,
    },
    /// The payload or the answer passes a limit.
    #[error("{what}: {size} is more than the limit of {limit}")]
    TooLarge {
        /// Of what there is too much.
        what: &'static str,
        /// How much, at least.
        size: usize,
        /// The limit.
        limit: usize,
    },
}
