//! The value of a Block1 or Block2 option (RFC 7959 2.2): which piece of a body this is. Knows no body.

/// Largest size exponent: blocks of 1024 bytes.
pub const MAX_SZX: u8 = 6;

/// One piece of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Block {
    /// Its number, counted in blocks of this size; 20 bits.
    pub num: u32,
    /// Do others follow (M)?
    pub more: bool,
    /// Size exponent, 0 to 6: 16 to 1024 bytes.
    pub szx: u8,
}

impl Block {
    /// The piece that begins at a byte. None where 20 bits are too few, or the byte is not the first of a block.
    #[must_use]
    pub fn at(offset: usize, more: bool, szx: u8) -> Option<Self> {
        let szx = szx.min(MAX_SZX);
        let size = size_of(szx);
        let num = u32::try_from(offset / size).ok().filter(|num| *num < 1 << 20)?;
        offset.is_multiple_of(size).then_some(Self { num, more, szx })
    }

    /// From the option's number. None for the reserved size exponent 7 and for what has more than 24 bits.
    #[must_use]
    pub fn read(value: u32) -> Option<Self> {
        let [0, _, _, low] = value.to_be_bytes() else { return None };
        let szx = low & 0x07;
        (szx <= MAX_SZX).then_some(Self { num: value >> 4, more: low & 0x08 != 0, szx })
    }

    /// The option's number.
    #[must_use]
    pub fn value(self) -> u32 {
        (self.num << 4) | (u32::from(self.more) << 3) | u32::from(self.szx.min(MAX_SZX))
    }

    /// Bytes of a full block, 16 to 1024.
    #[must_use]
    pub fn size(self) -> usize {
        size_of(self.szx)
    }

    /// Where it begins in the body, below 1 GiB.
    #[must_use]
    pub fn offset(self) -> usize {
        usize::try_from(self.num).unwrap_or(usize::MAX).saturating_mul(self.size())
    }

    /// Is it less than the body? Number 0 without the More bit is the whole (RFC 7959 2.2).
    #[must_use]
    pub fn is_partial(self) -> bool {
        self.more || self.num > 0
    }
}

fn size_of(szx: u8) -> usize {
    16 << szx.min(MAX_SZX)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn values_of_the_rfc() {
        for (value, num, more, szx, offset) in [
            (0x00, 0, false, 0, 0),
            (0x0e, 0, true, 6, 0),
            (0x1e, 1, true, 6, 1024),
            (0x32, 3, false, 2, 192),
            (0xff_fff6, 0xf_ffff, false, 6, 0x3fff_fc00),
        ] {
            let block = Block::read(value).unwrap();
            assert_eq!(block, Block { num, more, szx });
            assert_eq!((block.offset(), block.value()), (offset, value));
        }
        assert_eq!(Block::read(0x07), None, "the size exponent 7 is reserved");
        assert_eq!(Block::read(0x0100_0000), None);
        assert_eq!(Block::at(100, false, 2), None, "no block begins there");
        assert_eq!(Block::at(usize::MAX & !0x3ff, false, 6), None, "no number is as large");
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(num in 0..1_u32 << 20, more: bool, szx in 0..7_u8) {
            let block = Block { num, more, szx };
            prop_assert_eq!(Block::read(block.value()), Some(block));
            prop_assert_eq!(Block::at(block.offset(), more, szx), Some(block));
        }
    }
}
