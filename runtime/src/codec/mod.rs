//! The codec host: compiles components, keeps instances, bounds them. The only module that names wasmtime.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::{CodecFault, Description, Downlink, Endpoint, Message, Origin};

/// Bounds of a guest; the defaults are those of DESIGN 5.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Linear memory, bytes.
    pub memory_bytes: usize,
    /// Wall-clock deadline of a call, milliseconds (1 ms resolution).
    pub deadline_ms: u64,
    /// Largest payload, bytes.
    pub payload_bytes: usize,
    /// Most messages of one decode.
    pub messages: usize,
    /// Most bytes of text and byte values in one answer.
    pub output_bytes: usize,
    /// Most log lines of one call.
    pub log_lines: usize,
    /// Calls after which an instance is replaced.
    pub calls_per_instance: u32,
    /// Whether an instance serves many calls.
    pub isolation: Isolation,
}

/// Whether an instance serves many calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Isolation {
    /// One instance serves many calls.
    Reused,
    /// Every call gets a pristine one.
    Fresh,
}

/// Compiles and admits components. One per gateway; owns the epoch ticker.
pub struct Host {}

/// A compiled codec version: immutable, shared, swapped whole.
pub struct Codec {}

/// Why a component was not admitted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{code}: {cause}; {fix}")]
pub struct Refusal {
    /// Stable, `E1xxx`.
    pub code: &'static str,
    /// What is wrong.
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
    /// At most 256 bytes.
    pub text: String,
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
        /// Innermost guest function, demangled.
        function: String,
        /// Panic text if the guest told one, else the trap.
        message: String,
    },
    /// The guest ran past its deadline; its instance was dropped.
    #[error("the codec ran for more than {deadline_ms} ms in {function}")]
    Deadline {
        /// Innermost guest function, demangled.
        function: String,
        /// The limit.
        deadline_ms: u64,
    },
    /// The payload or the answer passes a limit.
    #[error("{what}: {size} is more than the limit of {limit}")]
    TooLarge {
        /// Of what there is too much.
        what: &'static str,
        /// How much.
        size: usize,
        /// The limit.
        limit: usize,
    },
}

/// Instances of one worker thread. Not shared; a worker owns its own.
pub struct Instances {}

#[expect(clippy::unimplemented, unused_variables, missing_docs, clippy::missing_errors_doc, reason = "skeleton")]
impl Host {
    /// `cache` = folder for compiled code that only the gateway writes.
    pub fn new(limits: Limits, cache: Option<&std::path::Path>) -> Result<Arc<Self>, Refusal> {
        unimplemented!()
    }
    /// Admits a component: header, imports, exports, describe. Compiling takes tens of milliseconds: call on a blocking thread.
    pub fn load(self: &Arc<Self>, component: &[u8]) -> Result<Arc<Codec>, Refusal> {
        unimplemented!()
    }
    pub fn limits(&self) -> &Limits {
        unimplemented!()
    }
}

#[expect(clippy::unimplemented, missing_docs, reason = "skeleton")]
impl Codec {
    /// blake3 of the component, hex.
    pub fn digest(&self) -> &str {
        unimplemented!()
    }
    pub fn description(&self) -> &Description {
        unimplemented!()
    }
}

#[expect(clippy::unimplemented, unused_variables, missing_docs, clippy::missing_errors_doc, reason = "skeleton")]
impl Instances {
    pub fn new(host: Arc<Host>) -> Self {
        unimplemented!()
    }
    pub fn decode(
        &mut self,
        codec: &Arc<Codec>,
        device: &DeviceCard,
        payload: &[u8],
        origin: &Origin,
    ) -> Result<Vec<Message>, CallError> {
        unimplemented!()
    }
    /// none = send nothing.
    pub fn encode(
        &mut self,
        codec: &Arc<Codec>,
        device: &DeviceCard,
        downlink: Downlink,
        origin: &Origin,
    ) -> Result<Option<Vec<u8>>, CallError> {
        unimplemented!()
    }
    /// What the guest logged in the last call, and how many lines were dropped.
    pub fn take_log(&mut self) -> (Vec<LogLine>, u32) {
        unimplemented!()
    }
}
