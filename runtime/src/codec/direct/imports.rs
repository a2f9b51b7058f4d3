//! The two imports of `wit/v1`, as a core module sees them: flat arguments, texts by pointer and length.

use wasmtime::{Caller, Extern, Linker, Memory};

use super::lift::{Lie, Lift};
use super::{DEVICE, LOG, MEMORY, REALLOC, Realloc};
use crate::codec::guest::Guest;
use crate::codec::wit::{device, log};

/// Defines `log`, `endpoint` and `attribute`.
pub(in crate::codec) fn add_to(linker: &mut Linker<Guest>) -> wasmtime::Result<()> {
    linker.func_wrap(LOG, "log", |mut caller: Caller<'_, Guest>, level: i32, pointer: i32, length: i32| {
        let level = match level {
            0 => log::Level::Debug,
            1 => log::Level::Info,
            2 => log::Level::Warn,
            3 => log::Level::Error,
            _ => return Err(Lie::Case.into()),
        };
        let text = text(&mut caller, pointer, length)?;
        log::Host::log(caller.data_mut(), level, text);
        wasmtime::Result::Ok(())
    })?;
    linker.func_wrap(DEVICE, "endpoint", |mut caller: Caller<'_, Guest>, result: i32| {
        let endpoint = device::Host::endpoint(caller.data_mut());
        let (pointer, length) = give(&mut caller, endpoint.as_bytes())?;
        put(&mut caller, result, &[pointer, length])
    })?;
    linker.func_wrap(DEVICE, "attribute", |mut caller: Caller<'_, Guest>, pointer: i32, length: i32, result: i32| {
        let name = text(&mut caller, pointer, length)?;
        match device::Host::attribute(caller.data_mut(), name) {
            None => put(&mut caller, result, &[0]),
            Some(value) => {
                let (pointer, length) = give(&mut caller, value.as_bytes())?;
                put(&mut caller, result, &[1, pointer, length])
            }
        }
    })?;
    Ok(())
}

fn memory(caller: &mut Caller<'_, Guest>) -> wasmtime::Result<Memory> {
    caller.get_export(MEMORY).and_then(Extern::into_memory).ok_or_else(|| Lie::OutOfBounds.into())
}

/// A text of the guest. Its length is bounded by the guest's memory.
fn text(caller: &mut Caller<'_, Guest>, pointer: i32, length: i32) -> wasmtime::Result<String> {
    let memory = memory(caller)?;
    Ok(Lift(memory.data(&*caller)).text(pointer.cast_unsigned(), length.cast_unsigned())?.to_owned())
}

/// Copies bytes to where the guest wants them: pointer and length.
fn give(caller: &mut Caller<'_, Guest>, bytes: &[u8]) -> wasmtime::Result<(i32, i32)> {
    let length = i32::try_from(bytes.len())?;
    let realloc = caller.get_export(REALLOC).and_then(Extern::into_func);
    let realloc: Realloc = realloc.ok_or(Lie::OutOfBounds)?.typed(&*caller)?;
    let pointer = realloc.call(&mut *caller, (0, 0, 1, length))?;
    write(caller, pointer, bytes)?;
    Ok((pointer, length))
}

/// Writes a result of 32-bit words; the case of an option stands in a byte, which the low one of a word is.
fn put(caller: &mut Caller<'_, Guest>, at: i32, words: &[i32]) -> wasmtime::Result<()> {
    if at & 3 != 0 {
        return Err(Lie::Misaligned.into());
    }
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    write(caller, at, &bytes)
}

fn write(caller: &mut Caller<'_, Guest>, at: i32, bytes: &[u8]) -> wasmtime::Result<()> {
    let memory = memory(caller)?;
    let start = usize::try_from(at.cast_unsigned())?;
    memory.write(&mut *caller, start, bytes).map_err(|_| Lie::OutOfBounds.into())
}
