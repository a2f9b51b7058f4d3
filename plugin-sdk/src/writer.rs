//! The mirror of [`Reader`](crate::Reader): what one writes the other reads. Writes that cannot fail chain; a value that
//! does not fit its width is a [`ErrorKind::BadParameter`](crate::ErrorKind::BadParameter).

use crate::crc::Crc16;
use crate::error::{Error, Result};

/// Bytes of a downlink, written in order. Numbers are big-endian unless the name ends in `_le`.
///
/// ```
/// # use codecgate_sdk::{Writer, crc};
/// let frame = Writer::new().u8(0x81).u16(7).crc16(&crc::CCITT_FALSE).into_bytes();
/// assert_eq!(frame.len(), 5);
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Writer {
    bytes: Vec<u8>,
}

macro_rules! numbers {
    ($($name:ident $name_le:ident $type:ty, $what:literal;)*) => { $(
        #[doc = concat!($what, ", big-endian.")]
        #[must_use]
        pub fn $name(self, value: $type) -> Self {
            self.bytes(&value.to_be_bytes())
        }

        #[doc = concat!($what, ", little-endian.")]
        #[must_use]
        pub fn $name_le(self, value: $type) -> Self {
            self.bytes(&value.to_le_bytes())
        }
    )* };
}

impl Writer {
    /// An empty frame.
    #[must_use]
    pub fn new() -> Self {
        Self { bytes: Vec::with_capacity(32) }
    }

    /// The frame as it is now.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The finished frame.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The bytes as they are.
    #[must_use]
    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.bytes.extend_from_slice(bytes);
        self
    }

    /// One unsigned byte.
    #[must_use]
    pub fn u8(self, value: u8) -> Self {
        self.bytes(&[value])
    }

    /// One signed byte.
    #[must_use]
    pub fn i8(self, value: i8) -> Self {
        self.u8(value.cast_unsigned())
    }

    numbers! {
        u16 u16_le u16, "Two bytes, unsigned";
        i16 i16_le i16, "Two bytes, signed";
        u32 u32_le u32, "Four bytes, unsigned";
        i32 i32_le i32, "Four bytes, signed";
        u64 u64_le u64, "Eight bytes, unsigned";
        i64 i64_le i64, "Eight bytes, signed";
        f32 f32_le f32, "Four bytes, IEEE 754";
        f64 f64_le f64, "Eight bytes, IEEE 754";
    }

    /// Three bytes, unsigned, big-endian.
    ///
    /// # Errors
    /// `bad-parameter` above 0xFF_FFFF
    pub fn u24(self, value: u32) -> Result<Self> {
        match value.to_be_bytes() {
            [0, low @ ..] => Ok(self.bytes(&low)),
            _ => Err(Error::bad_parameter(format!("{value} does not fit 3 bytes"))),
        }
    }

    /// Three bytes, unsigned, little-endian.
    ///
    /// # Errors
    /// `bad-parameter` above 0xFF_FFFF
    pub fn u24_le(self, value: u32) -> Result<Self> {
        match value.to_le_bytes() {
            [low @ .., 0] => Ok(self.bytes(&low)),
            _ => Err(Error::bad_parameter(format!("{value} does not fit 3 bytes"))),
        }
    }

    /// Three bytes, signed, big-endian.
    ///
    /// # Errors
    /// `bad-parameter` outside -0x80_0000..=0x7F_FFFF
    pub fn i24(self, value: i32) -> Result<Self> {
        let [_, low @ ..] = signed24(value)?.to_be_bytes();
        Ok(self.bytes(&low))
    }

    /// Three bytes, signed, little-endian.
    ///
    /// # Errors
    /// `bad-parameter` outside -0x80_0000..=0x7F_FFFF
    pub fn i24_le(self, value: i32) -> Result<Self> {
        let [low @ .., _] = signed24(value)?.to_le_bytes();
        Ok(self.bytes(&low))
    }

    /// ASCII text in exactly `count` bytes, filled up with 0x00.
    ///
    /// # Errors
    /// `bad-parameter` when the text is longer or not ASCII
    pub fn ascii(self, text: &str, count: usize) -> Result<Self> {
        if !text.is_ascii() || text.len() > count {
            return Err(Error::bad_parameter(format!("{text:?} is not ASCII of at most {count} bytes")));
        }
        let mut written = self.bytes(text.as_bytes());
        written.bytes.resize(written.bytes.len() + count - text.len(), 0);
        Ok(written)
    }

    /// Decimal digits packed into exactly `count` bytes, with zeros in front: `"567"` in 4 bytes is `00 00 05 67`.
    ///
    /// # Errors
    /// `bad-parameter` when there are more digits than fit, or something else than digits
    pub fn bcd(mut self, digits: &str, count: usize) -> Result<Self> {
        let places = count.saturating_mul(2);
        if digits.len() > places || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(Error::bad_parameter(format!("{digits:?} is not at most {places} decimal digits")));
        }
        let zeros = std::iter::repeat_n(b'0', places - digits.len());
        let mut nibbles = zeros.chain(digits.bytes()).map(|byte| byte - b'0');
        while let (Some(high), Some(low)) = (nibbles.next(), nibbles.next()) {
            self.bytes.push((high << 4) | low);
        }
        Ok(self)
    }

    /// Bit fields as (width, value), high bit first, filled up with zeros to whole bytes.
    ///
    /// # Errors
    /// `bad-parameter` when a value does not fit its width, or the widths pass 64 bits
    pub fn bits<const N: usize>(self, fields: [(u32, u64); N]) -> Result<Self> {
        let mut word = 0u64;
        let mut total = 0u32;
        for (width, value) in fields {
            total = total.saturating_add(width);
            if total > 64 {
                return Err(Error::bad_parameter(format!("{total} bits in one write, at most 64")));
            }
            if 64 - value.leading_zeros() > width {
                return Err(Error::bad_parameter(format!("{value} does not fit {width} bits")));
            }
            word = word.checked_shl(width).unwrap_or(0) | value;
        }
        let whole = total.next_multiple_of(8);
        let bytes = (word << (whole - total)).to_be_bytes();
        Ok(self.bytes(bytes.get(8 - whole as usize / 8..).unwrap_or_default()))
    }

    /// The CRC-16 of all bytes so far, high byte first.
    #[must_use]
    pub fn crc16(self, crc: &Crc16) -> Self {
        let sum = crc.of(&self.bytes);
        self.u16(sum)
    }

    /// The CRC-16 of all bytes so far, low byte first.
    #[must_use]
    pub fn crc16_le(self, crc: &Crc16) -> Self {
        let sum = crc.of(&self.bytes);
        self.u16_le(sum)
    }
}

fn signed24(value: i32) -> Result<i32> {
    if (-0x80_0000..=0x7F_FFFF).contains(&value) {
        return Ok(value);
    }
    Err(Error::bad_parameter(format!("{value} does not fit 3 bytes")))
}
