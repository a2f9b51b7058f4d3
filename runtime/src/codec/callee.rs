//! What is compiled, linked and called: a component through wasmtime, or its core module directly (`direct`). One of both, chosen
//! once when the codec is loaded; nobody after this file sees a difference.

use wasmtime::component::Component;
use wasmtime::{Engine, InstancePre, Module, Store};

use super::direct;
use super::engine::Host;
use super::guest::Guest;
use super::wit::{Plugin, PluginPre};
use super::{CallError, CallPath, Limits, convert};
use crate::model::{Description, Downlink, Message, Origin};

/// Machine code of a codec.
pub(super) enum Compiled {
    Direct(Module),
    Component(Component),
}

impl Compiled {
    /// Linked with the host's imports.
    ///
    /// # Errors
    /// An import or an export has another shape than the host's.
    pub(super) fn link(&self, host: &Host) -> wasmtime::Result<Callable> {
        Ok(match self {
            Self::Direct(module) => Callable::Direct(host.direct_linker.instantiate_pre(module)?),
            Self::Component(component) => Callable::Component(PluginPre::new(host.linker.instantiate_pre(component)?)?),
        })
    }
}

/// A codec that instances can be made of.
pub(super) enum Callable {
    Direct(InstancePre<Guest>),
    Component(PluginPre<Guest>),
}

impl Callable {
    pub(super) fn path(&self) -> CallPath {
        match self {
            Self::Direct(_) => CallPath::Direct,
            Self::Component(_) => CallPath::Component,
        }
    }

    pub(super) fn engine(&self) -> &Engine {
        match self {
            Self::Direct(pre) => pre.module().engine(),
            Self::Component(pre) => pre.engine(),
        }
    }

    /// # Errors
    /// It does not fit the limits, its start function trapped, or the pool has no slot.
    pub(super) fn open(&self, store: &mut Store<Guest>) -> wasmtime::Result<Callee> {
        Ok(match self {
            Self::Direct(pre) => Callee::Direct(Box::new(direct::Exports::open(pre, store)?)),
            Self::Component(pre) => Callee::Component(pre.instantiate(store)?),
        })
    }
}

/// The exports of one instance. The outer error of a call is the engine's: the instance is not to be used again.
pub(super) enum Callee {
    Direct(Box<direct::Exports>),
    Component(Plugin),
}

impl Callee {
    pub(super) fn describe(&self, store: &mut Store<Guest>, limits: &Limits) -> wasmtime::Result<Result<Description, CallError>> {
        match self {
            Self::Direct(exports) => exports.describe(store, limits),
            Self::Component(plugin) => Ok(Ok(convert::description(plugin.codecgate_codec_codec().call_describe(store)?))),
        }
    }

    pub(super) fn decode(
        &self,
        store: &mut Store<Guest>,
        payload: &[u8],
        origin: &Origin,
        limits: &Limits,
    ) -> wasmtime::Result<Result<Vec<Message>, CallError>> {
        match self {
            Self::Direct(exports) => exports.decode(store, payload, origin, limits),
            Self::Component(plugin) => {
                let answer = plugin.codecgate_codec_codec().call_decode(store, payload, convert::origin(origin))?;
                Ok(answer.map_err(convert::fault).and_then(|messages| convert::messages(messages, limits)))
            }
        }
    }

    pub(super) fn encode(
        &self,
        store: &mut Store<Guest>,
        downlink: Downlink,
        origin: &Origin,
        limits: &Limits,
    ) -> wasmtime::Result<Result<Option<Vec<u8>>, CallError>> {
        match self {
            Self::Direct(exports) => exports.encode(store, &downlink, origin, limits),
            Self::Component(plugin) => {
                let downlink = convert::downlink(downlink);
                let answer = plugin.codecgate_codec_codec().call_encode(store, &downlink, convert::origin(origin))?;
                Ok(answer.map_err(convert::fault).and_then(|bytes| {
                    convert::within("downlink", bytes.as_ref().map_or(0, Vec::len), limits.payload_bytes)?;
                    Ok(bytes)
                }))
            }
        }
    }
}
