//! Bytes of a payload, read in order. Whoever reads past the end gets [`ErrorKind::Truncated`] with the offset through
//! `?`; no read can panic. Knows nothing of any frame.

use crate::crc::Crc16;
use crate::error::{Error, ErrorKind, Result};

/// A cursor over a payload. Numbers are big-endian unless the name ends in `_le`.
///
/// The offset in a [`ErrorKind::Truncated`] is that of the field which does not fit, not of the payload's end.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    payload: &'a [u8],
    at: usize,
    /// Where the last field read began: what [`Reader::refuse`] points at.
    field: usize,
}

macro_rules! numbers {
    ($($name:ident $name_le:ident $type:ty, $what:literal;)*) => { $(
        #[doc = concat!($what, ", big-endian.\n\n# Errors\n[`ErrorKind::Truncated`]")]
        #[inline]
        pub fn $name(&mut self) -> Result<$type> {
            self.array().map(<$type>::from_be_bytes)
        }

        #[doc = concat!($what, ", little-endian.\n\n# Errors\n[`ErrorKind::Truncated`]")]
        #[inline]
        pub fn $name_le(&mut self) -> Result<$type> {
            self.array().map(<$type>::from_le_bytes)
        }
    )* };
}

impl<'a> Reader<'a> {
    /// A reader at the first byte of `payload`.
    #[must_use]
    pub fn new(payload: &'a [u8]) -> Self {
        Self { payload, at: 0, field: 0 }
    }

    /// The whole payload, read or not.
    #[must_use]
    pub fn payload(&self) -> &'a [u8] {
        self.payload
    }

    /// Offset of the next byte.
    #[must_use]
    pub fn offset(&self) -> usize {
        self.at
    }

    /// The bytes that are left, without reading them.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.payload.get(self.at..).unwrap_or_default()
    }

    /// How many bytes are left.
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.payload.len().saturating_sub(self.at)
    }

    /// One unsigned byte.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    #[inline]
    pub fn u8(&mut self) -> Result<u8> {
        self.array().map(|[byte]| byte)
    }

    /// One signed byte.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    #[inline]
    pub fn i8(&mut self) -> Result<i8> {
        self.u8().map(u8::cast_signed)
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
    /// [`ErrorKind::Truncated`]
    #[inline]
    pub fn u24(&mut self) -> Result<u32> {
        self.array().map(|[a, b, c]| u32::from_be_bytes([0, a, b, c]))
    }

    /// Three bytes, unsigned, little-endian.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    #[inline]
    pub fn u24_le(&mut self) -> Result<u32> {
        self.array().map(|[a, b, c]| u32::from_le_bytes([a, b, c, 0]))
    }

    /// Three bytes, signed, big-endian.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    #[inline]
    pub fn i24(&mut self) -> Result<i32> {
        self.array().map(|[a, b, c]| i32::from_be_bytes([a, b, c, 0]) >> 8)
    }

    /// Three bytes, signed, little-endian.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    #[inline]
    pub fn i24_le(&mut self) -> Result<i32> {
        self.array().map(|[a, b, c]| i32::from_le_bytes([0, a, b, c]) >> 8)
    }

    /// The next `count` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    #[inline]
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8]> {
        let Some(bytes) = self.rest().get(..count) else { return Err(self.truncated(count)) };
        self.field = self.at;
        self.at += count;
        Ok(bytes)
    }

    /// Leaves out `count` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    pub fn skip(&mut self, count: usize) -> Result<()> {
        self.bytes(count).map(drop)
    }

    /// `count` bytes of ASCII text, control characters included.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]; [`ErrorKind::BadField`] at the first byte above 0x7F
    pub fn ascii(&mut self, count: usize) -> Result<String> {
        let bytes = self.bytes(count)?;
        match bytes.iter().position(|byte| !byte.is_ascii()) {
            None => Ok(bytes.iter().copied().map(char::from).collect()),
            Some(place) => Err(Error::new(ErrorKind::BadField, "not ASCII").at(self.field + place)),
        }
    }

    /// `count` bytes of text, one character per byte: 0x00..0xFF become U+0000..U+00FF.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    pub fn latin1(&mut self, count: usize) -> Result<String> {
        Ok(self.bytes(count)?.iter().copied().map(char::from).collect())
    }

    /// `count` bytes of packed decimal digits, high nibble first, leading zeros kept: `12 34 05 67` is `"12340567"`.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]; [`ErrorKind::BadField`] at the first byte that holds a nibble above 9
    pub fn bcd(&mut self, count: usize) -> Result<String> {
        let bytes = self.bytes(count)?;
        let mut digits = vec![b'0'; 2 * bytes.len()];
        for (place, (byte, pair)) in bytes.iter().zip(digits.as_chunks_mut().0).enumerate() {
            let (high, low) = (byte >> 4, byte & 0x0F);
            if high > 9 || low > 9 {
                return Err(Error::new(ErrorKind::BadField, format!("0x{byte:02X} is not BCD")).at(self.field + place));
            }
            *pair = [b'0' + high, b'0' + low];
        }
        Ok(String::from_utf8(digits).unwrap_or_default())
    }

    /// Bit fields, high bit first, out of as many whole bytes as they need; what is left of the last byte is passed over.
    ///
    /// ```
    /// # use codecgate_sdk::Reader;
    /// let [open, leak, level] = Reader::new(&[0b1_0_00_1001]).bits([1, 1, 6])?;
    /// assert_eq!((open, leak, level), (1, 0, 9));
    /// # Ok::<(), codecgate_sdk::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]; [`ErrorKind::Other`] if the widths pass 64 bits
    pub fn bits<const N: usize>(&mut self, widths: [u32; N]) -> Result<[u64; N]> {
        let total = widths.iter().fold(0u32, |sum, width| sum.saturating_add(*width));
        if total > 64 {
            return Err(Error::new(ErrorKind::Other, format!("{total} bits in one read, at most 64")).at(self.at));
        }
        let bytes = self.bytes(total.div_ceil(8) as usize)?;
        let word = bytes.iter().fold(0u64, |word, byte| (word << 8) | u64::from(*byte));
        let mut left = total.next_multiple_of(8);
        Ok(widths.map(|width| {
            left -= width;
            if width == 0 { 0 } else { (word >> left) & (u64::MAX >> (64 - width)) }
        }))
    }

    /// Checks that the first `length` bytes of the payload are followed by their CRC-16, high byte first. Reads nothing:
    /// called before the fields, it keeps a damaged frame from being refused for a wrong reason.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] at the end of a payload that is shorter; [`ErrorKind::Checksum`] at the CRC
    pub fn check_crc16(&self, crc: &Crc16, length: usize) -> Result<()> {
        self.check(crc, length, u16::from_be_bytes)
    }

    /// [`Reader::check_crc16`] for a CRC sent low byte first, as MODBUS does.
    ///
    /// # Errors
    /// As [`Reader::check_crc16`]
    pub fn check_crc16_le(&self, crc: &Crc16, length: usize) -> Result<()> {
        self.check(crc, length, u16::from_le_bytes)
    }

    /// Refuses bytes after the last field.
    ///
    /// # Errors
    /// [`ErrorKind::BadField`] at the first of them
    pub fn finish(&self) -> Result<()> {
        match self.remaining() {
            0 => Ok(()),
            left => Err(Error::new(ErrorKind::BadField, format!("{left} bytes after the end of the frame")).at(self.at)),
        }
    }

    /// A refusal that points at the field read last.
    #[must_use]
    pub fn refuse(&self, kind: ErrorKind, detail: impl Into<std::borrow::Cow<'static, str>>) -> Error {
        Error::new(kind, detail).at(self.field)
    }

    #[inline]
    fn array<const N: usize>(&mut self) -> Result<[u8; N]> {
        let Some(bytes) = self.payload.get(self.at..).and_then(<[u8]>::first_chunk::<N>) else {
            return Err(self.truncated(N));
        };
        self.field = self.at;
        self.at += N;
        Ok(*bytes)
    }

    fn check(&self, crc: &Crc16, length: usize, order: fn([u8; 2]) -> u16) -> Result<()> {
        let Some((covered, sent)) = self
            .payload
            .split_at_checked(length)
            .and_then(|(covered, rest)| rest.first_chunk::<2>().map(|sent| (covered, order(*sent))))
        else {
            let wanted = length.saturating_add(2);
            let detail = format!("a frame of {wanted} bytes wanted, {} there", self.payload.len());
            return Err(Error::new(ErrorKind::Truncated, detail).at(self.payload.len()));
        };
        let computed = crc.of(covered);
        if computed == sent {
            return Ok(());
        }
        let detail = format!("CRC of the bytes is 0x{computed:04X}, the frame says 0x{sent:04X}");
        Err(Error::new(ErrorKind::Checksum, detail).at(length))
    }

    #[cold]
    fn truncated(&self, wanted: usize) -> Error {
        Error::new(ErrorKind::Truncated, format!("{wanted} bytes wanted, {} left", self.remaining())).at(self.at)
    }
}
