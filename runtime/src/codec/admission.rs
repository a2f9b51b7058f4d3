//! Admission: what a component must be before it may decode anything. Header, size, imports, exports, a first call of
//! `describe`, tables. Each refusal has a stable code, the cause and the fix. Knows nothing of profiles or packages.
//!
//! | code | refused because |
//! |---|---|
//! | E1001 | no WebAssembly at all |
//! | E1002 | a core module, not a component |
//! | E1003 | machine code compiled beforehand |
//! | E1004 | too large |
//! | E1005 | does not validate, or needs what the host does not offer |
//! | E1006 | its sections do not add up: cut off or changed |
//! | E1007 | a function or the number of modules is too much for the compiler |
//! | E1010 | imports something that is not on the list |
//! | E1011 | imports something on the list in another version or shape |
//! | E1020 | exports no codec |
//! | E1021 | exports another version of the codec interface |
//! | E1022 | exports the codec interface in another shape |
//! | E1030 | `describe` trapped |
//! | E1031 | `describe` ran too long |
//! | E1032 | `describe` answered too much |
//! | E1033 | no instance can be made of it, for one because its memory is too large |
//! | E1034 | its tables are too large |
//! | E1040 | a name stands twice in a table |
//! | E1041 | a table has more entries than an index can reach |
//! | E1042 | a name is empty or too long |
//! | E1090 | the host itself cannot start |

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use wasmtime::component::{Component, types::ComponentItem};
use wasmtime::{Engine, Module, Precompiled};

use super::anatomy::Anatomy;
use super::callee::{Callable, Compiled};
use super::direct;
use super::engine::{FUEL, Host};
use super::faults::Export;
use super::instances::Seat;
use super::tables;
use super::wit::PluginPre;
use super::{CallError, CallPath, Limits, Refusal};
use crate::model::Description;

/// Largest component, bytes. A large Rust codec has 300 KB.
pub const MAX_COMPONENT_BYTES: usize = 16 << 20;
/// Most entries of a table of the description: what a `u16` index can reach.
pub const MAX_TABLE_ENTRIES: usize = 0xffff;

/// `describe` is called once in the life of a version and may build large tables: so many times the deadline of a call.
const DESCRIBE_FACTOR: u64 = 10;

/// What a codec may import, without version.
const IMPORTS: [&str; 3] = ["codecgate:codec/types", "codecgate:codec/log", "codecgate:codec/device"];
/// What it must export, without version, and the version that is spoken.
const INTERFACE: &str = "codecgate:codec/codec";
const INTERFACE_VERSION: &str = "1.0.0";
const HOW_TO_BUILD: &str = "build for wasm32-unknown-unknown with `codecgate plugin build`";

/// A compiled codec version: immutable, shared, swapped whole.
pub struct Codec {
    pub(super) code: Arc<Code>,
    digest: String,
    /// Keeps the epoch ticker alive for as long as this code can run.
    _host: Arc<Host>,
}

/// What is run. Components that wrap the same core module share it, and with it machine code and instances: a family of
/// products that is spoken by one codec costs what one product costs.
pub(super) struct Code {
    pub(super) callable: Arc<Callable>,
    pub(super) limits: Limits,
    description: Description,
}

/// The code of all live codecs, by blake3 of what is run.
#[derive(Default)]
pub(super) struct Shelf(Mutex<HashMap<blake3::Hash, Weak<Code>>>);

impl Shelf {
    fn find(&self, digest: &blake3::Hash) -> Option<Arc<Code>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(digest).and_then(Weak::upgrade)
    }

    /// The code that is found from now on: the one given, or one that another thread put there before.
    fn put(&self, digest: blake3::Hash, code: Code) -> Arc<Code> {
        let mut shelf = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(earlier) = shelf.get(&digest).and_then(Weak::upgrade) {
            return earlier;
        }
        shelf.retain(|_, code| code.strong_count() > 0);
        let code = Arc::new(code);
        shelf.insert(digest, Arc::downgrade(&code));
        code
    }
}

impl Codec {
    /// The version of `wit/v1` that this host speaks.
    pub const INTERFACE_VERSION: &str = INTERFACE_VERSION;

    /// Whether a codec built against this version of the interface is spoken with.
    #[must_use]
    pub fn speaks(version: &str) -> bool {
        speaks(version)
    }

    /// blake3 of the component, hex.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// The bounds of its calls.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.code.limits
    }

    /// The same codec under other limits; its instances are its own then. Memory cannot pass what the host gives.
    #[must_use]
    pub fn with_limits(&self, limits: Limits) -> Self {
        let callable = Arc::clone(&self.code.callable);
        let code = Code { callable, limits, description: self.code.description.clone() };
        Self { code: Arc::new(code), digest: self.digest.clone(), _host: Arc::clone(&self._host) }
    }

    /// How it is called.
    #[must_use]
    pub fn path(&self) -> CallPath {
        self.code.callable.path()
    }

    /// The tables that it described itself with.
    #[must_use]
    pub fn description(&self) -> &Description {
        &self.code.description
    }
}

impl std::fmt::Debug for Codec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Codec").field("digest", &self.digest).field("description", self.description()).finish_non_exhaustive()
    }
}

/// Where the code of a component came from.
enum Found {
    /// Another live codec runs it.
    Shared(Arc<Code>),
    Compiled(Compiled),
}

impl Host {
    /// Fuel that a call gets in a metered host.
    pub const FUEL_PER_CALL: u64 = FUEL;

    /// As [`Host::admit`], for those who want one reason.
    ///
    /// # Errors
    /// A [`Refusal`] with a code of the table above; everything that is wrong is in its cause.
    pub fn load(self: &Arc<Self>, component: &[u8]) -> Result<Arc<Codec>, Refusal> {
        self.admit(component).map_err(fold)
    }

    /// Admits a component: header, structure, imports, exports, describe. Compiling takes tens of milliseconds, from the cache it
    /// is one: call on a blocking thread.
    ///
    /// # Errors
    /// At least one [`Refusal`] with a code of the table above: all that could be known.
    pub fn admit(self: &Arc<Self>, component: &[u8]) -> Result<Arc<Codec>, Vec<Refusal>> {
        check_header(component)?;
        let digest = blake3::hash(component);
        let core = direct::core_module(component);
        let run = core.map_or(digest, blake3::hash);
        let code = match self.find(&digest, &run, component, core)? {
            Found::Shared(code) => code,
            Found::Compiled(compiled) => {
                let callable = compiled.link(self).map_err(|error| does_not_compile(&error))?;
                let description = self.describe(&callable)?;
                none(tables::check(&description))?;
                let (callable, limits) = (Arc::new(callable), self.limits.clone());
                self.shelf.put(run, Code { callable, limits, description })
            }
        };
        Ok(Arc::new(Codec { code, digest: digest.to_hex().to_string(), _host: Arc::clone(self) }))
    }

    /// What lies in the cache was checked when it was put there; the key names the component and these very settings.
    fn find(
        &self,
        digest: &blake3::Hash,
        run: &blake3::Hash,
        component: &[u8],
        core: Option<&[u8]>,
    ) -> Result<Found, Vec<Refusal>> {
        let refused = |error| does_not_compile(&error);
        let Some(core) = core else {
            if let Some(code) = self.shelf.find(run) {
                return Ok(Found::Shared(code));
            }
            if let Some(compiled) = self.cached(digest) {
                return Ok(Found::Compiled(compiled));
            }
            none(Anatomy::read(component)?.check(&self.limits))?;
            let compiled = Component::from_binary(&self.engine, component).map_err(refused)?;
            self.check_shape(&compiled)?;
            return Ok(Found::Compiled(self.keep(digest, Compiled::Component(compiled))));
        };
        let vouched = self.cache.as_ref().is_some_and(|cache| cache.vouches(&self.engine, digest));
        if !vouched {
            none(Anatomy::read(component)?.check(&self.limits))?;
            // wasmtime checks types and borders on a component without code, so that nothing is compiled twice.
            let hollow = direct::hollow(component).unwrap_or_else(|| component.to_vec());
            self.check_shape(&Component::from_binary(&self.engine, &hollow).map_err(refused)?)?;
        }
        let found = match self.shelf.find(run) {
            Some(code) => Found::Shared(code),
            None => Found::Compiled(match self.cached(run) {
                Some(compiled) => compiled,
                None => self.keep(run, Compiled::Direct(Module::from_binary(&self.engine, core).map_err(refused)?)),
            }),
        };
        if let Some(cache) = self.cache.as_ref().filter(|_| !vouched) {
            cache.vouch(&self.engine, digest);
        }
        Ok(found)
    }

    fn keep(&self, digest: &blake3::Hash, compiled: Compiled) -> Compiled {
        if let Some(cache) = &self.cache {
            cache.store(&self.engine, digest, &compiled);
        }
        compiled
    }

    fn cached(&self, digest: &blake3::Hash) -> Option<Compiled> {
        self.cache.as_ref().and_then(|cache| cache.load(&self.engine, digest))
    }

    /// Names and types of everything that the component imports and exports.
    fn check_shape(&self, component: &Component) -> Result<(), Vec<Refusal>> {
        check_borders(&self.engine, component)?;
        let pre = self.linker.instantiate_pre(component).map_err(|error| {
            refusal(
                "E1011",
                format!("an import has another shape than the host's: {error:#}"),
                "build against wit/v1 as released",
            )
        })?;
        PluginPre::new(pre).map(drop).map_err(|error| {
            vec![refusal(
                "E1022",
                format!("the export {INTERFACE} has another shape: {error:#}"),
                "build against wit/v1 as released",
            )]
        })
    }

    fn describe(&self, callable: &Callable) -> Result<Description, Refusal> {
        let limits = Limits { deadline_ms: self.limits.deadline_ms.saturating_mul(DESCRIBE_FACTOR), ..self.limits.clone() };
        let mut seat = Seat::open(callable, self, &limits).map_err(|error| {
            refusal(
                "E1033",
                format!("no instance can be made of it: {error:#}"),
                "static data and stack must fit the memory limit",
            )
        })?;
        let answer = seat.call(Export::Describe, &limits, None, |callee, store, limits| callee.describe(store, limits));
        match answer.flatten() {
            Ok(answer) => Ok(answer),
            Err(error @ (CallError::Deadline { .. } | CallError::OutOfFuel { .. })) => {
                Err(refusal("E1031", error.to_string(), "`describe` returns fixed tables; compute nothing in it"))
            }
            Err(error @ CallError::TooLarge { .. }) => {
                Err(refusal("E1032", format!("`describe`: {error}"), "describe fewer or shorter names"))
            }
            Err(error @ (CallError::Trap { .. } | CallError::Refused(_))) => {
                Err(refusal("E1030", error.to_string(), "run the codec's native tests; `describe` must always answer"))
            }
        }
    }
}

fn does_not_compile(error: &wasmtime::Error) -> Refusal {
    refusal("E1005", format!("the component does not compile: {error:#}"), HOW_TO_BUILD)
}

/// Header of a component: magic, version 13, layer 1.
fn check_header(component: &[u8]) -> Result<(), Refusal> {
    if let Some(kind) = Engine::detect_precompiled(component) {
        let kind = match kind {
            Precompiled::Component => "component",
            Precompiled::Module => "module",
        };
        let cause = format!("this is a {kind} compiled beforehand (.cwasm): machine code that nothing could check");
        return Err(refusal("E1003", cause, "upload the component itself (.wasm)"));
    }
    match component {
        _ if component.len() > MAX_COMPONENT_BYTES => {
            let cause = format!("{} bytes, the limit is {MAX_COMPONENT_BYTES}", component.len());
            Err(refusal("E1004", cause, "build with --release, without debug information"))
        }
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', 1, 0, 0, 0, ..] => {
            Err(refusal("E1002", "this is a core WebAssembly module, not a component".into(), HOW_TO_BUILD))
        }
        [] => Err(refusal("E1001", "the file is empty".into(), HOW_TO_BUILD)),
        _ => {
            let start = hex::encode(component.get(..8).unwrap_or(component));
            Err(refusal("E1001", format!("this is no WebAssembly: it begins with {start}"), HOW_TO_BUILD))
        }
    }
}

/// Holds the names of imports and exports against the lists; finds everything at once.
fn check_borders(engine: &Engine, component: &Component) -> Result<(), Vec<Refusal>> {
    let border = component.component_type();
    let mut wrong = Vec::new();
    for (name, _) in border.imports(engine) {
        let (interface, version) = split(name);
        if !IMPORTS.contains(&interface) {
            wrong.push(refusal(
                "E1010",
                format!("it imports `{name}`; a codec may import nothing but log and device"),
                "build for wasm32-unknown-unknown: a codec has no clock, files, network or randomness",
            ));
        } else if !speaks(version) {
            wrong.push(refusal(
                "E1011",
                format!("it imports `{name}`; this gateway speaks {INTERFACE_VERSION}"),
                "build against wit/v1, or update the gateway",
            ));
        }
    }
    let exports: Vec<&str> = border.exports(engine).map(|(name, _)| name).collect();
    let codec = border.exports(engine).find(|(name, _)| split(name).0 == INTERFACE);
    match codec {
        None => {
            let found = if exports.is_empty() { "nothing".to_owned() } else { format!("`{}`", exports.join("`, `")) };
            wrong.push(refusal(
                "E1020",
                format!("it exports no `{INTERFACE}@{INTERFACE_VERSION}`; found {found}"),
                "implement the codec trait of the SDK and export it",
            ));
        }
        Some((name, _)) if !speaks(split(name).1) => wrong.push(refusal(
            "E1021",
            format!("it exports `{name}`; this gateway speaks {INTERFACE_VERSION}"),
            "build against wit/v1, or update the gateway",
        )),
        Some((name, export)) => {
            let ComponentItem::ComponentInstance(instance) = export.ty else {
                return Err(
                    refusal("E1022", format!("the export `{name}` is no interface"), "build against wit/v1 as released").into()
                );
            };
            for function in ["describe", "decode", "encode"] {
                if instance.get_export(engine, function).is_none() {
                    let cause = format!("the interface `{name}` has no function `{function}`");
                    wrong.push(refusal("E1022", cause, "build against wit/v1 as released"));
                }
            }
        }
    }
    none(wrong)
}

/// `a:b/c@1.0.0` -> name and version.
fn split(name: &str) -> (&str, &str) {
    name.split_once('@').unwrap_or((name, ""))
}

/// Later versions of the same major one only add functions, and a codec that needs an added one fails to link.
fn speaks(version: &str) -> bool {
    version.split('.').next() == INTERFACE_VERSION.split('.').next()
}

fn refusal(code: &'static str, cause: String, fix: &str) -> Refusal {
    Refusal { code, cause, fix: fix.into() }
}

/// Nothing is wrong, or everything that is.
fn none(wrong: Vec<Refusal>) -> Result<(), Vec<Refusal>> {
    if wrong.is_empty() { Ok(()) } else { Err(wrong) }
}

impl From<Refusal> for Vec<Refusal> {
    fn from(refusal: Refusal) -> Self {
        vec![refusal]
    }
}

/// One refusal that tells all that is wrong.
fn fold(wrong: Vec<Refusal>) -> Refusal {
    let mut wrong = wrong.into_iter();
    let nothing = || refusal("E1090", "refused without a reason".into(), "report this bug");
    let mut all = wrong.next().unwrap_or_else(nothing);
    for next in wrong {
        if next.code == all.code {
            all.cause = format!("{}; {}", all.cause, next.cause);
        } else {
            all.cause = format!("{}; {}: {}", all.cause, next.code, next.cause);
        }
        if !all.fix.contains(&next.fix) {
            all.fix = format!("{}; {}", all.fix, next.fix);
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(bytes: &[u8]) -> &'static str {
        check_header(bytes).err().map_or("admitted", |refusal| refusal.code)
    }

    #[test]
    fn headers_are_told_apart() {
        assert_eq!(code(b""), "E1001");
        assert_eq!(code(b"PK\x03\x04 a zip"), "E1001");
        assert_eq!(code(b"\0asm"), "E1001");
        assert_eq!(code(b"\0asm\x01\0\0\0"), "E1002");
        assert_eq!(code(b"\0asm\x0d\0\x01\0"), "admitted");
        assert_eq!(code(&vec![0; MAX_COMPONENT_BYTES + 1]), "E1004");
    }

    #[test]
    fn code_compiled_beforehand_is_refused_before_anything_is_read_of_it() {
        let host = Host::new(Limits::default(), None).unwrap();
        let compiled = Component::new(&host.engine, b"\0asm\x0d\0\x01\0").unwrap().serialize().unwrap();
        assert_eq!(host.load(&compiled).unwrap_err().code, "E1003");
    }

    #[test]
    fn an_empty_component_hears_what_it_lacks() {
        let host = Host::new(Limits::default(), None).unwrap();
        let refusal = host.load(b"\0asm\x0d\0\x01\0").unwrap_err();
        assert_eq!(refusal.code, "E1020");
        assert!(refusal.cause.contains("codecgate:codec/codec@1.0.0") && refusal.cause.contains("found nothing"), "{refusal}");
    }

    #[test]
    fn a_broken_component_is_refused_with_the_place() {
        let host = Host::new(Limits::default(), None).unwrap();
        let refusal = host.load(b"\0asm\x0d\0\x01\0\xff\xff").unwrap_err();
        assert_eq!(refusal.code, "E1006");
        assert!(refusal.cause.contains("offset"), "{refusal}");
    }

    #[test]
    fn several_refusals_become_one_that_tells_all() {
        let all = fold(vec![
            refusal("E1010", "a".into(), "do x"),
            refusal("E1010", "b".into(), "do x"),
            refusal("E1020", "c".into(), "do y"),
        ]);
        assert_eq!(all.to_string(), "E1010: a; b; E1020: c; do x; do y");
    }
}
