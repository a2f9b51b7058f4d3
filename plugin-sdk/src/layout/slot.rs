//! The slot: a marked place in the static memory of the interpreter component, into which a layout is written afterwards.
//!
//! ```text
//! mark 16 bytes | room u32 | length u32 | CRC-32 of the bytes u32 | bytes, filled up with 0xAA        little-endian
//! ```
//!
//! Writing there changes bytes of one data segment and nothing else: the code stays as it was compiled and checked.

use super::{Damage, Layout, from_bytes, to_bytes};
use crate::crc::CRC32;

/// Most bytes of a compact layout.
pub const ROOM: usize = 16 * 1024;
/// Bytes of a slot.
pub const SIZE: usize = HEAD + ROOM;

const MARK: &[u8; 16] = b"codecgate:layout";
/// Where the bytes begin.
const HEAD: usize = 28;
const FILLING: u8 = 0xAA;

/// A slot without a layout, as the component is compiled. Filled with what is not 0, or it would have no bytes in the component.
#[must_use]
#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "run by the compiler only")]
pub const fn empty() -> [u8; SIZE] {
    let mut slot = [FILLING; SIZE];
    let mut at = 0;
    while at < MARK.len() {
        slot[at] = MARK[at];
        at += 1;
    }
    let room = (ROOM as u32).to_le_bytes();
    let mut byte = 0;
    while byte < 4 {
        slot[16 + byte] = room[byte];
        slot[20 + byte] = 0;
        byte += 1;
    }
    slot
}

/// Why a layout cannot be written into a component.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unfit {
    /// The component has no slot, or several.
    NoSlot,
    /// The layout is too large.
    TooLarge {
        /// Bytes of the compact layout.
        bytes: usize,
        /// Bytes that there are.
        room: usize,
    },
}

impl std::fmt::Display for Unfit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSlot => f.write_str("the component is no interpreter of layouts: it has no slot for one"),
            Self::TooLarge { bytes, room } => write!(f, "the layout has {bytes} bytes, the slot has room for {room}"),
        }
    }
}

impl std::error::Error for Unfit {}

/// Writes a layout into a finished component: the bytes are changed in place, some 100 us.
///
/// # Errors
/// [`Unfit`]; nothing was changed then.
pub fn fill(component: &mut [u8], layout: &Layout) -> Result<(), Unfit> {
    let mut found = component.windows(MARK.len()).enumerate().filter(|(_, bytes)| bytes == MARK);
    let (Some((at, _)), None) = (found.next(), found.next()) else { return Err(Unfit::NoSlot) };
    let slot = component.get_mut(at..).ok_or(Unfit::NoSlot)?;
    let room = number(slot, 16).and_then(|room| usize::try_from(room).ok()).ok_or(Unfit::NoSlot)?;
    let compact = to_bytes(layout);
    let length = u32::try_from(compact.len()).ok().filter(|_| compact.len() <= room);
    let length = length.ok_or(Unfit::TooLarge { bytes: compact.len(), room })?;
    let body = slot.get_mut(20..HEAD + room).ok_or(Unfit::NoSlot)?;
    body.fill(FILLING);
    let written = length.to_le_bytes().into_iter().chain(CRC32.of(&compact).to_le_bytes()).chain(compact);
    body.iter_mut().zip(written).for_each(|(place, byte)| *place = byte);
    Ok(())
}

/// The layout in a slot, as the interpreter reads it.
///
/// # Errors
/// [`Damage`]
pub fn read(slot: &[u8]) -> Result<Layout, Damage> {
    let length = number(slot, 20).and_then(|length| usize::try_from(length).ok()).ok_or(Damage::Absent)?;
    let compact = slot.get(HEAD..).and_then(|body| body.get(..length)).ok_or(Damage::Changed)?;
    if compact.is_empty() {
        return Err(Damage::Absent);
    }
    if number(slot, 24) != Some(CRC32.of(compact)) {
        return Err(Damage::Changed);
    }
    from_bytes(compact)
}

fn number(slot: &[u8], at: usize) -> Option<u32> {
    slot.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes))
}
