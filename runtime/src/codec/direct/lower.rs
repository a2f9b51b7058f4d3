//! Writes arguments into a guest's memory, in places that the guest itself hands out (`cabi_realloc`).

use wasmtime::{Memory, Store};

use super::lift::Lie;
use super::{FlatOrigin, Realloc};
use crate::codec::convert::NO_CONTENT_FORMAT;
use crate::codec::guest::Guest;
use crate::model::{Downlink, Field, Origin, Transport, Value};

/// Bytes and alignment of a `field`: index u16 at 0, value at 8 (case u8, then 8 bytes).
const FIELD: usize = 24;
const FIELD_ALIGN: i32 = 8;

/// One guest that is about to be called.
pub(super) struct Lower<'a> {
    pub(super) store: &'a mut Store<Guest>,
    pub(super) memory: Memory,
    pub(super) realloc: &'a Realloc,
}

/// `origin` is passed flat: it costs no memory.
pub(super) fn origin(origin: &Origin) -> FlatOrigin {
    let transport = match origin.transport {
        Transport::Coap => 0,
        Transport::Other => 1,
    };
    (
        transport,
        origin.object.into(),
        origin.instance.into(),
        origin.resource.into(),
        origin.content_format.unwrap_or(NO_CONTENT_FORMAT).into(),
        origin.received_ms.cast_signed(),
    )
}

impl Lower<'_> {
    /// Copies a `list<u8>` or a `string`: pointer and length.
    pub(super) fn list(&mut self, bytes: &[u8]) -> wasmtime::Result<(i32, i32)> {
        let (pointer, length) = self.room(bytes.len(), 1)?;
        self.write(pointer, bytes)?;
        Ok((pointer, length))
    }

    /// `downlink`, flat: the case and five slots, of which a case may leave some at 0.
    pub(super) fn downlink(&mut self, downlink: &Downlink) -> wasmtime::Result<[i32; 6]> {
        match downlink {
            Downlink::Command { index, mid, has_more, fields } => {
                let (pointer, count) = self.fields(fields)?;
                Ok([0, (*index).into(), (*mid).into(), (*has_more).into(), pointer, count])
            }
            Downlink::ReportAck { uplink, errcode, has_more } => {
                let (pointer, length) = self.list(uplink)?;
                Ok([1, pointer, length, (*errcode).into(), (*has_more).into(), 0])
            }
        }
    }

    /// `list<field>`: pointer and count.
    fn fields(&mut self, fields: &[Field]) -> wasmtime::Result<(i32, i32)> {
        let mut written = Vec::with_capacity(fields.len() * FIELD);
        for field in fields {
            let (case, payload) = self.value(&field.value)?;
            written.extend(field.index.to_le_bytes());
            written.extend([0; 6]);
            written.extend(u64::from(case).to_le_bytes());
            written.extend(payload);
        }
        let (pointer, _) = self.room(written.len(), FIELD_ALIGN)?;
        self.write(pointer, &written)?;
        Ok((pointer, size(fields.len())?))
    }

    /// Case and payload of a `value`.
    fn value(&mut self, value: &Value) -> wasmtime::Result<(u8, [u8; 8])> {
        Ok(match value {
            Value::Null => (0, [0; 8]),
            Value::Boolean(value) => (1, u64::from(*value).to_le_bytes()),
            Value::Integer(value) => (2, value.to_le_bytes()),
            Value::Number(value) => (3, value.to_le_bytes()),
            Value::Text(value) => (4, self.pair(value.as_bytes())?),
            Value::Bytes(value) => (5, self.pair(value)?),
            Value::Timestamp(value) => (6, value.to_le_bytes()),
            Value::Json(value) => (7, self.pair(value.as_bytes())?),
        })
    }

    fn pair(&mut self, bytes: &[u8]) -> wasmtime::Result<[u8; 8]> {
        let (pointer, length) = self.list(bytes)?;
        let both = u64::from(pointer.cast_unsigned()) | u64::from(length.cast_unsigned()) << 32;
        Ok(both.to_le_bytes())
    }

    /// Asks the guest for memory: pointer and length.
    fn room(&mut self, length: usize, align: i32) -> wasmtime::Result<(i32, i32)> {
        let length = size(length)?;
        let pointer = self.realloc.call(&mut *self.store, (0, 0, align, length))?;
        // Alignments are powers of two.
        if pointer & (align - 1) != 0 { Err(Lie::Misaligned.into()) } else { Ok((pointer, length)) }
    }

    fn write(&mut self, pointer: i32, bytes: &[u8]) -> wasmtime::Result<()> {
        let memory = self.memory.data_mut(&mut *self.store);
        let start = usize::try_from(pointer.cast_unsigned()).map_err(|_| Lie::OutOfBounds)?;
        let place = memory.get_mut(start..).and_then(|rest| rest.get_mut(..bytes.len())).ok_or(Lie::OutOfBounds)?;
        place.copy_from_slice(bytes);
        Ok(())
    }
}

fn size(length: usize) -> wasmtime::Result<i32> {
    Ok(i32::try_from(length)?)
}
