//! Integers of 1 to 8 bytes whose width is known only when the codec runs, or is unusual: 5, 6, 7 bytes. Both orders, both signs.

use crate::error::{Error, ErrorKind, Result};
use crate::{Reader, Writer};

impl Reader<'_> {
    /// `count` bytes (0 to 8), unsigned, big-endian.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]; [`ErrorKind::Other`] above 8 bytes
    pub fn uint(&mut self, count: usize) -> Result<u64> {
        Ok(self.wide(count)?.iter().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// `count` bytes (0 to 8), unsigned, little-endian.
    ///
    /// # Errors
    /// As [`Reader::uint`]
    pub fn uint_le(&mut self, count: usize) -> Result<u64> {
        Ok(self.wide(count)?.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    }

    /// `count` bytes (0 to 8), two's complement, big-endian.
    ///
    /// # Errors
    /// As [`Reader::uint`]
    pub fn int(&mut self, count: usize) -> Result<i64> {
        self.uint(count).map(|number| extended(number, count))
    }

    /// `count` bytes (0 to 8), two's complement, little-endian.
    ///
    /// # Errors
    /// As [`Reader::uint`]
    pub fn int_le(&mut self, count: usize) -> Result<i64> {
        self.uint_le(count).map(|number| extended(number, count))
    }

    fn wide(&mut self, count: usize) -> Result<&[u8]> {
        if count > 8 {
            return Err(Error::new(ErrorKind::Other, format!("an integer of {count} bytes, at most 8")).at(self.offset()));
        }
        self.bytes(count)
    }
}

impl Writer {
    /// `count` bytes, unsigned, big-endian.
    ///
    /// # Errors
    /// `bad-parameter` when the value does not fit
    pub fn uint(self, value: u64, count: usize) -> Result<Self> {
        let bytes = value.to_be_bytes();
        let (head, tail) = bytes.split_at_checked(8_usize.saturating_sub(count)).unwrap_or_default();
        if head.iter().any(|byte| *byte != 0) || count > 8 { Err(unfit(value, count)) } else { Ok(self.bytes(tail)) }
    }

    /// `count` bytes, unsigned, little-endian.
    ///
    /// # Errors
    /// As [`Writer::uint`]
    pub fn uint_le(self, value: u64, count: usize) -> Result<Self> {
        let bytes = value.to_le_bytes();
        let (head, tail) = bytes.split_at_checked(count).ok_or_else(|| unfit(value, count))?;
        if tail.iter().any(|byte| *byte != 0) { Err(unfit(value, count)) } else { Ok(self.bytes(head)) }
    }

    /// `count` bytes, two's complement, big-endian.
    ///
    /// # Errors
    /// As [`Writer::uint`]
    pub fn int(self, value: i64, count: usize) -> Result<Self> {
        self.uint(narrowed(value, count)?, count)
    }

    /// `count` bytes, two's complement, little-endian.
    ///
    /// # Errors
    /// As [`Writer::uint`]
    pub fn int_le(self, value: i64, count: usize) -> Result<Self> {
        self.uint_le(narrowed(value, count)?, count)
    }
}

/// Carries the sign of a number of `count` bytes up.
fn extended(number: u64, count: usize) -> i64 {
    let unused = unused_bits(count);
    if unused > 63 { 0 } else { (number << unused).cast_signed() >> unused }
}

/// Cuts the copies of the sign off, if nothing but them is cut.
fn narrowed(value: i64, count: usize) -> Result<u64> {
    let unused = unused_bits(count);
    let cut = if unused > 63 { 0 } else { value.cast_unsigned() << unused >> unused };
    if extended(cut, count) == value { Ok(cut) } else { Err(unfit(value, count)) }
}

fn unused_bits(count: usize) -> u32 {
    u32::try_from(8 - count.min(8)).map_or(0, |bytes| bytes * 8)
}

fn unfit(value: impl std::fmt::Display, count: usize) -> Error {
    Error::bad_parameter(format!("{value} does not fit {count} bytes"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn odd_widths_keep_their_sign() {
        let mut reader = Reader::new(&[0xff, 0xff, 0xff, 0xff, 0xfe, 1, 2, 3, 4, 5, 6]);
        assert_eq!(reader.int(5).unwrap(), -2);
        assert_eq!(reader.uint_le(6).unwrap(), 0x0605_0403_0201);
        assert_eq!(Reader::new(&[1]).uint(2).unwrap_err().to_string(), "truncated at byte 0: 2 bytes wanted, 1 left");
        assert_eq!(Reader::new(&[0; 9]).uint(9).unwrap_err().kind, ErrorKind::Other);
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        assert!(Writer::new().uint(1 << 40, 5).is_err() && Writer::new().uint_le(1 << 40, 5).is_err());
        assert!(Writer::new().int(128, 1).is_err() && Writer::new().int(-129, 1).is_err());
        assert!(Writer::new().uint(0, 9).is_err() && Writer::new().uint_le(0, 9).is_err());
        assert_eq!(Writer::new().int(-128, 1).unwrap().into_bytes(), [0x80]);
    }

    proptest! {
        #[test]
        fn integers_of_every_width_come_back(value: i64, count in 1_usize..9) {
            let shift = 64 - 8 * u32::try_from(count).unwrap();
            let (signed, unsigned) = (value >> shift, value.cast_unsigned() >> shift);
            let frame = Writer::new().int(signed, count)?.int_le(signed, count)?.uint(unsigned, count)?.uint_le(unsigned, count)?;
            let frame = frame.into_bytes();
            let mut r = Reader::new(&frame);
            prop_assert_eq!((r.int(count)?, r.int_le(count)?), (signed, signed));
            prop_assert_eq!((r.uint(count)?, r.uint_le(count)?), (unsigned, unsigned));
            r.finish()?;
        }
    }
}
