//! Calls the core module of a codec directly, by the canonical ABI of `wit/v1`, instead of through wasmtime's component calls.
//!
//! The component model's border is the contract, and wasmtime 48 pays half a microsecond for it in each call, more than a small codec
//! takes to decode. `wit/v1` is frozen and small, so its three functions and two imports are written down here: flat arguments,
//! `cabi_realloc`, results read in place. Admission still has wasmtime check the component (types, imports, exports); only
//! calls go this way, and only for components that are nothing but a wrapper (`wrapper`). All others take wasmtime's way.
//! Everything is safe Rust on slices of the guest's memory: a guest that lies about a pointer is told so, and hurts its own call.

mod imports;
mod lift;
mod lower;
#[cfg(test)]
mod tests;
mod wrapper;

use wasmtime::{Instance, InstancePre, Memory, Store, TypedFunc};

pub(super) use imports::add_to as add_imports;
pub(super) use wrapper::{core_module, hollow};

use super::guest::Guest;
use super::{CallError, Limits};
use crate::model::{Description, Downlink, Message, Origin};
use lift::Lift;
use lower::Lower;

/// Names in a core module that wit-component lifts (WebAssembly/component-model, `BuildTargets.md`).
const DESCRIBE: &str = "codecgate:codec/codec@1.0.0#describe";
const DECODE: &str = "codecgate:codec/codec@1.0.0#decode";
const ENCODE: &str = "codecgate:codec/codec@1.0.0#encode";
const MEMORY: &str = "memory";
const REALLOC: &str = "cabi_realloc";
const LOG: &str = "codecgate:codec/log@1.0.0";
const DEVICE: &str = "codecgate:codec/device@1.0.0";
/// What the core module may import: interface and function.
const IMPORTS: [(&str, &str); 3] = [(LOG, "log"), (DEVICE, "endpoint"), (DEVICE, "attribute")];

fn post_return(export: &str) -> String {
    format!("cabi_post_{export}")
}

/// `origin`, flat.
type FlatOrigin = (i32, i32, i32, i32, i32, i64);
/// Payload and `origin`.
type DecodeParams = (i32, i32, i32, i32, i32, i32, i32, i64);
/// `downlink` (case and the widest of its cases, five slots) and `origin`.
type EncodeParams = (i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i32, i64);

/// Old pointer, old size, alignment, size -> pointer.
type Realloc = TypedFunc<(i32, i32, i32, i32), i32>;
/// Frees the result of an export.
type PostReturn = Option<TypedFunc<i32, ()>>;

/// The exports of one instance.
pub(super) struct Exports {
    memory: Memory,
    realloc: Realloc,
    describe: TypedFunc<(), i32>,
    decode: TypedFunc<DecodeParams, i32>,
    encode: TypedFunc<EncodeParams, i32>,
    post_describe: PostReturn,
    post_decode: PostReturn,
    post_encode: PostReturn,
}

impl Exports {
    /// A pristine instance.
    ///
    /// # Errors
    /// As for a component: no room, too much memory, a trap at the start; also when an export is missing or of another type.
    pub(super) fn open(pre: &InstancePre<Guest>, store: &mut Store<Guest>) -> wasmtime::Result<Self> {
        let instance = pre.instantiate(&mut *store)?;
        let memory = instance.get_memory(&mut *store, MEMORY).ok_or_else(|| wasmtime::Error::msg("it exports no memory"))?;
        Ok(Self {
            memory,
            realloc: instance.get_typed_func(&mut *store, REALLOC)?,
            describe: instance.get_typed_func(&mut *store, DESCRIBE)?,
            decode: instance.get_typed_func(&mut *store, DECODE)?,
            encode: instance.get_typed_func(&mut *store, ENCODE)?,
            post_describe: post(&instance, store, DESCRIBE)?,
            post_decode: post(&instance, store, DECODE)?,
            post_encode: post(&instance, store, ENCODE)?,
        })
    }

    pub(super) fn describe(&self, store: &mut Store<Guest>, limits: &Limits) -> wasmtime::Result<Result<Description, CallError>> {
        let at = self.describe.call(&mut *store, ())?;
        self.finish(store, at, &self.post_describe, |lift| lift.description(at, limits))
    }

    pub(super) fn decode(
        &self,
        store: &mut Store<Guest>,
        payload: &[u8],
        origin: &Origin,
        limits: &Limits,
    ) -> wasmtime::Result<Result<Vec<Message>, CallError>> {
        let (pointer, length) = self.lower(store).list(payload)?;
        let (transport, object, instance, resource, format, received) = lower::origin(origin);
        let params = (pointer, length, transport, object, instance, resource, format, received);
        let at = self.decode.call(&mut *store, params)?;
        self.finish(store, at, &self.post_decode, |lift| lift.decoded(at, limits))
    }

    pub(super) fn encode(
        &self,
        store: &mut Store<Guest>,
        downlink: &Downlink,
        origin: &Origin,
        limits: &Limits,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, CallError>> {
        let [case, a, b, c, d, e] = self.lower(store).downlink(downlink)?;
        let (transport, object, instance, resource, format, received) = lower::origin(origin);
        let params = (case, a, b, c, d, e, transport, object, instance, resource, format, received);
        let at = self.encode.call(&mut *store, params)?;
        self.finish(store, at, &self.post_encode, |lift| lift.encoded(at, limits))
    }

    fn lower<'a>(&'a self, store: &'a mut Store<Guest>) -> Lower<'a> {
        Lower { store, memory: self.memory, realloc: &self.realloc }
    }

    /// Reads the result, then lets the guest free it. An answer that breaks the ABI is an error of the instance.
    fn finish<T>(
        &self,
        store: &mut Store<Guest>,
        at: i32,
        post_return: &PostReturn,
        read: impl FnOnce(&Lift<'_>) -> Result<T, lift::Unfit>,
    ) -> wasmtime::Result<Result<T, CallError>> {
        let answer = match read(&Lift(self.memory.data(&*store))) {
            Ok(answer) => Ok(answer),
            Err(lift::Unfit::Call(error)) => Err(error),
            Err(lift::Unfit::Lie(lie)) => return Err(lie.into()),
        };
        if let Some(post_return) = post_return {
            post_return.call(&mut *store, at)?;
        }
        Ok(answer)
    }
}

fn post(instance: &Instance, store: &mut Store<Guest>, export: &str) -> wasmtime::Result<PostReturn> {
    let name = post_return(export);
    match instance.get_func(&mut *store, &name) {
        Some(function) => Ok(Some(function.typed(&*store)?)),
        None => Ok(None),
    }
}
