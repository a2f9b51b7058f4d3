//! Bit fields, one after the other, across byte borders. For a few fields in one group [`Reader::bits`] is shorter.

use crate::error::{Error, ErrorKind, Result};
use crate::{Reader, Writer};

/// Which bit of a byte comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BitOrder {
    /// The highest; a field's first bit is its highest. What radio and telecom frames do.
    HighFirst,
    /// The lowest; a field's first bit is its lowest. What microcontrollers do with packed structs.
    LowFirst,
}

/// A cursor over the bits of some bytes; [`Reader::bit_fields`] makes it.
#[derive(Debug, Clone)]
pub struct Bits<'a> {
    bytes: &'a [u8],
    /// Offset of the first byte in the payload.
    offset: usize,
    order: BitOrder,
    /// Bits that were read.
    at: usize,
}

impl<'a> Reader<'a> {
    /// The next `count` bytes as bit fields. Bits that nobody takes are passed over.
    ///
    /// ```
    /// # use codecgate_sdk::{Reader, bits::BitOrder};
    /// let mut status = Reader::new(&[0b1_011_0101, 0b0000_0001]).bit_fields(2, BitOrder::HighFirst)?;
    /// assert_eq!((status.flag()?, status.take(3)?, status.take(12)?), (true, 0b011, 0b0101_0000_0001));
    /// # Ok::<(), codecgate_sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    pub fn bit_fields(&mut self, count: usize, order: BitOrder) -> Result<Bits<'a>> {
        let offset = self.offset();
        Ok(Bits { bytes: self.bytes(count)?, offset, order, at: 0 })
    }
}

impl Bits<'_> {
    /// Bits that are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        (self.bytes.len() * 8).saturating_sub(self.at)
    }

    /// The next `width` bits (0 to 64) as an unsigned number.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] with the byte in which the field begins; [`ErrorKind::Other`] above 64 bits
    pub fn take(&mut self, width: u32) -> Result<u64> {
        let place = self.offset + self.at / 8;
        if width > 64 {
            return Err(Error::new(ErrorKind::Other, format!("a field of {width} bits, at most 64")).at(place));
        }
        let end = self.at + width as usize;
        if end > self.bytes.len() * 8 {
            let detail = format!("{width} bits wanted, {} left", self.remaining());
            return Err(Error::new(ErrorKind::Truncated, detail).at(place));
        }
        let bits = (self.at..end).map(|at| (at, self.bytes.get(at / 8).copied().unwrap_or_default()));
        let number = match self.order {
            BitOrder::HighFirst => bits.fold(0, |number, (at, byte)| number << 1 | u64::from(byte >> (7 - at % 8) & 1)),
            BitOrder::LowFirst => {
                (0..).zip(bits).fold(0, |number, (place, (at, byte)): (u32, _)| number | u64::from(byte >> (at % 8) & 1) << place)
            }
        };
        self.at = end;
        Ok(number)
    }

    /// The next bit.
    ///
    /// # Errors
    /// As [`Bits::take`]
    pub fn flag(&mut self) -> Result<bool> {
        self.take(1).map(|bit| bit == 1)
    }

    /// The next `width` bits in two's complement.
    ///
    /// # Errors
    /// As [`Bits::take`]
    pub fn signed(&mut self, width: u32) -> Result<i64> {
        let number = self.take(width)?;
        let unused = 64 - width;
        Ok(if width == 0 { 0 } else { (number << unused).cast_signed() >> unused })
    }

    /// Leaves out `width` bits.
    ///
    /// # Errors
    /// As [`Bits::take`]
    pub fn skip(&mut self, width: u32) -> Result<()> {
        self.take(width).map(drop)
    }
}

impl Writer {
    /// Bit fields as (width, value) in this order of bits, filled up with zeros to whole bytes.
    ///
    /// # Errors
    /// `bad-parameter` when a value does not fit its width
    pub fn bit_fields(self, order: BitOrder, fields: &[(u32, u64)]) -> Result<Self> {
        let mut bytes = Vec::new();
        let mut at = 0_usize;
        for (width, value) in fields {
            if *width > 64 || 64 - value.leading_zeros() > *width {
                return Err(Error::bad_parameter(format!("{value} does not fit {width} bits")));
            }
            for place in 0..*width {
                if at.is_multiple_of(8) {
                    bytes.push(0_u8);
                }
                let (bit, mask) = match order {
                    BitOrder::HighFirst => (value >> (width - 1 - place) & 1, 0x80 >> (at % 8)),
                    BitOrder::LowFirst => (value >> place & 1, 1 << (at % 8)),
                };
                if let Some(byte) = bytes.last_mut().filter(|_| bit == 1) {
                    *byte |= mask;
                }
                at += 1;
            }
        }
        Ok(self.bytes(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn low_bits_come_first_where_they_are_said_to() {
        let mut bits = Reader::new(&[0b1010_0101, 0b0000_0011]).bit_fields(2, BitOrder::LowFirst).unwrap();
        assert_eq!((bits.take(4).unwrap(), bits.take(6).unwrap(), bits.signed(2).unwrap()), (0b0101, 0b11_1010, 0));
        bits.skip(4).unwrap();
        assert_eq!(bits.take(1).unwrap_err().to_string(), "truncated at byte 2: 1 bits wanted, 0 left");
    }

    #[test]
    fn the_place_is_that_of_the_payload() {
        let mut reader = Reader::new(&[9, 0xff]);
        reader.u8().unwrap();
        let mut bits = reader.bit_fields(1, BitOrder::HighFirst).unwrap();
        assert_eq!(bits.signed(3).unwrap(), -1);
        assert_eq!(bits.take(6).unwrap_err().offset, Some(1));
        assert_eq!(bits.take(65).unwrap_err().kind, ErrorKind::Other);
        assert_eq!(reader.bit_fields(1, BitOrder::HighFirst).unwrap_err().offset, Some(2));
    }

    proptest! {
        #[test]
        fn fields_come_back(fields in prop::collection::vec((0_u32..65, any::<u64>()), 0..9), low: bool) {
            let order = if low { BitOrder::LowFirst } else { BitOrder::HighFirst };
            let fields: Vec<_> = fields.into_iter().map(|(width, value)| (width, value.checked_shr(64 - width).unwrap_or(0))).collect();
            let frame = Writer::new().bit_fields(order, &fields)?.into_bytes();
            let mut bits = Reader::new(&frame).bit_fields(frame.len(), order)?;
            for (width, value) in fields {
                prop_assert_eq!(bits.take(width)?, value);
            }
            prop_assert!(bits.remaining() < 8);
        }
    }
}
