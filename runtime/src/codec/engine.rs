//! The engine and the host: how guest code is compiled and where its memory comes from. Settings and the measurements
//! behind them. Knows nothing of what a component exports; that is `admission`.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wasmtime::component::HasSelf;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, Linker, PoolingAllocationConfig, WasmBacktraceDetails, component,
};

use super::admission::Shelf;
use super::cache::Cache;
use super::direct;
use super::guest::Guest;
use super::ticker::Ticker;
use super::wit::Plugin;
use super::{Limits, Refusal};

/// Instances that can live at one time. A slot costs address space only (4 GiB) until it is used.
const SLOTS: u32 = 2_048;
/// Slots that idle instances never take: calls without reuse, admissions, tools.
const SPARE_SLOTS: usize = 128;
/// Idle instances of one worker where the operating system gives no pool.
const IDLE_WITHOUT_POOL: usize = 256;
/// Core modules, memories and tables of one component. What wit-component emits has 3, 1 and 1-2.
const CORE_INSTANCES: u32 = 16;
/// Bytes of a released memory that stay resident, to be wiped in place rather than given back.
const KEEP_RESIDENT: usize = 256 << 10;

/// Fuel (executed instructions, roughly) that a call gets where it is metered: what a fast machine executes in 10 ms.
pub(super) const FUEL: u64 = 25_000_000;
/// How much longer than its fuel lasts a metered call may take: there, fuel decides and time is the safety net.
const METERED_DEADLINE_FACTOR: u64 = 20;

/// Compiles and admits components. One per gateway; owns the epoch ticker. Any number can live in one process.
pub struct Host {
    pub(super) engine: Engine,
    pub(super) linker: component::Linker<Guest>,
    pub(super) direct_linker: Linker<Guest>,
    pub(super) limits: Limits,
    pub(super) cache: Option<Cache>,
    pub(super) shelf: Shelf,
    /// Live `Instances`: they share the slots.
    pub(super) workers: AtomicUsize,
    /// What each call gets, where calls are metered.
    pub(super) fuel: Option<u64>,
    pooled: bool,
    _ticker: Ticker,
}

impl Host {
    /// A host with these limits. `cache` = folder for compiled code that only the gateway writes; it is created if missing. A
    /// folder that cannot be used costs a warning and compile time at each start, nothing else.
    ///
    /// # Errors
    /// `E1090` when the machine can run no guest code at all: no memory for an engine, no thread.
    pub fn new(limits: Limits, cache: Option<&Path>) -> Result<Arc<Self>, Refusal> {
        Self::start(limits, cache, Metering::Off)
    }

    /// A host for checks and explanations, never for live traffic: calls are metered ([`Instances::last_cost`](super::Instances::last_cost)
    /// tells the same fuel on every machine, and running out of it is [`CallError::OutOfFuel`](super::CallError::OutOfFuel)), and a trap
    /// tells file and line where the component carries them. Calls cost some tenths more, traps milliseconds.
    ///
    /// # Errors
    /// As [`Host::new`].
    pub fn metered(limits: Limits) -> Result<Arc<Self>, Refusal> {
        let deadline_ms = limits.deadline_ms.saturating_mul(METERED_DEADLINE_FACTOR);
        Self::start(Limits { deadline_ms, ..limits }, None, Metering::On)
    }

    fn start(limits: Limits, cache: Option<&Path>, metering: Metering) -> Result<Arc<Self>, Refusal> {
        let failed = |error: wasmtime::Error| cannot_start(&format!("{error:#}"));
        let (engine, pooled) = engine(&limits, metering).map_err(failed)?;
        let mut linker = component::Linker::new(&engine);
        Plugin::add_to_linker::<Guest, HasSelf<Guest>>(&mut linker, |guest| guest).map_err(failed)?;
        let mut direct_linker = Linker::new(&engine);
        direct::add_imports(&mut direct_linker).map_err(failed)?;
        let cache = cache.and_then(|folder| {
            Cache::open(folder)
                .inspect_err(|error| {
                    tracing::warn!(folder = %folder.display(), %error, "no cache of compiled codecs; every start compiles them again");
                })
                .ok()
        });
        let ticker = Ticker::start(&engine).map_err(|error| cannot_start(&error.to_string()))?;
        let fuel = (metering == Metering::On).then_some(FUEL);
        let workers = AtomicUsize::new(0);
        Ok(Arc::new(Self {
            engine,
            linker,
            direct_linker,
            limits,
            cache,
            shelf: Shelf::default(),
            workers,
            fuel,
            pooled,
            _ticker: ticker,
        }))
    }

    /// The bounds that every guest of this host has.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.limits
    }

    /// Idle instances that one worker may keep, so that all workers together leave slots free.
    pub(super) fn idle_cap(&self) -> usize {
        if !self.pooled {
            return IDLE_WITHOUT_POOL;
        }
        let workers = self.workers.load(Ordering::Relaxed).max(1);
        let slots = usize::try_from(SLOTS).unwrap_or(usize::MAX);
        (slots.saturating_sub(SPARE_SLOTS) / workers).max(1)
    }
}

impl std::fmt::Debug for Host {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Host").field("limits", &self.limits).field("pooled", &self.pooled).finish_non_exhaustive()
    }
}

fn cannot_start(cause: &str) -> Refusal {
    Refusal {
        code: "E1090",
        cause: format!("the codec host cannot start: {cause}"),
        fix: "give the process more address space (ulimit -v) or threads".into(),
    }
}

/// Whether fuel is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Metering {
    Off,
    On,
}

/// The fastest engine that this machine can have, and whether it pools.
fn engine(limits: &Limits, metering: Metering) -> wasmtime::Result<(Engine, bool)> {
    if metering == Metering::On {
        let mut config = settings();
        config.consume_fuel(true).wasm_backtrace_details(WasmBacktraceDetails::Enable);
        return Engine::new(&config).map(|engine| (engine, false));
    }
    // Wiping pages in place halves the cost of a fresh instance, but only where the kernel (6.7) can tell which were written.
    match pooled(limits, KEEP_RESIDENT, Enabled::Yes) {
        Ok(engine) => return Ok((engine, true)),
        Err(error) => tracing::debug!(error = %format!("{error:#}"), "no pool with PAGEMAP_SCAN"),
    }
    match pooled(limits, 0, Enabled::No) {
        Ok(engine) => return Ok((engine, true)),
        Err(error) => tracing::warn!(
            error = %format!("{error:#}"),
            "no address space for pooled codec instances; allocating on demand, fresh instances cost more"
        ),
    }
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::OnDemand);
    // Where the pool does not fit, 4 GiB reservations would not either.
    config.memory_reservation(u64::try_from(limits.memory_bytes).unwrap_or(u64::MAX));
    Engine::new(&config).map(|engine| (engine, false))
}

fn pooled(limits: &Limits, keep_resident: usize, pagemap_scan: Enabled) -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(SLOTS)
        .total_core_instances(SLOTS * 4)
        .total_memories(SLOTS)
        .total_tables(SLOTS * 2)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(1)
        .max_tables_per_component(4)
        .max_component_instance_size(1 << 20)
        .max_core_instance_size(1 << 20)
        .max_memory_size(limits.memory_bytes)
        .linear_memory_keep_resident(keep_resident)
        .table_keep_resident(keep_resident / 4)
        .pagemap_scan(pagemap_scan);
    let mut config = settings();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

fn settings() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        // Component-model async triples the cost of a call, even unused.
        .concurrency_support(false)
        .epoch_interruption(true)
        // Function names come from the name section; DWARF would cost 1.5 ms per trap, which a hostile codec could ask for.
        .wasm_backtrace_details(WasmBacktraceDetails::Disable)
        // The same bytes decode to the same bits on every machine.
        .cranelift_nan_canonicalization(true)
        .relaxed_simd_deterministic(true);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn workers_share_the_slots_and_always_have_one() {
        let host = Host::new(Limits::default(), None).unwrap();
        let alone = host.idle_cap();
        host.workers.store(4, Ordering::Relaxed);
        assert!(host.idle_cap() <= alone);
        host.workers.store(100_000, Ordering::Relaxed);
        assert_eq!(host.idle_cap(), 1);
    }

    #[test]
    fn two_hosts_live_in_one_process() {
        let first = Host::new(Limits::default(), None).unwrap();
        let second = Host::new(Limits { memory_bytes: 1 << 20, ..Limits::default() }, None).unwrap();
        assert_ne!(first.limits().memory_bytes, second.limits().memory_bytes);
    }

    #[test]
    fn hosts_codecs_and_instances_cross_threads() {
        fn shared<T: Send + Sync>() {}
        fn sent<T: Send>() {}
        shared::<Host>();
        shared::<super::super::Codec>();
        sent::<super::super::Instances>();
    }
}
