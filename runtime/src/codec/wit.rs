//! The bindings generated from `wit/v1`. Nothing outside this folder sees them: `convert` turns them into the words of
//! `model`. The interface is frozen; another version gets a folder and bindings of its own.

#![expect(unreachable_pub, reason = "generated code")]

wasmtime::component::bindgen!({
    path: "../wit/v1",
    world: "plugin",
});

pub use self::codecgate::codec::{device, log, types};
