//! The check values that are no CRC: sums and parities of all bytes. And the checks of every kind on a frame.

use crate::crc::Crc32;
use crate::error::{Error, ErrorKind, Result};
use crate::{Reader, Writer};

/// Sum of all bytes, modulo 256. The two's complement of it (`wrapping_neg`) is the LRC of MODBUS ASCII.
#[must_use]
pub fn sum8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(*byte))
}

/// Sum of all bytes, modulo 65,536.
#[must_use]
pub fn sum16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |sum, byte| sum.wrapping_add(u16::from(*byte)))
}

/// Exclusive or of all bytes (BCC).
#[must_use]
pub fn xor8(bytes: &[u8]) -> u8 {
    bytes.iter().fold(0, |sum, byte| sum ^ byte)
}

impl Reader<'_> {
    /// Checks that the first `length` bytes of the payload are followed by the [`sum8`] of those from `start` on. Reads nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] at the end of a payload that is shorter; [`ErrorKind::Checksum`] at the sum
    pub fn check_sum8(&self, start: usize, length: usize) -> Result<()> {
        self.check_bytes(start, length, |bytes| [sum8(bytes)])
    }

    /// [`Reader::check_sum8`] for a [`sum16`], high byte first.
    ///
    /// # Errors
    /// As [`Reader::check_sum8`]
    pub fn check_sum16(&self, start: usize, length: usize) -> Result<()> {
        self.check_bytes(start, length, |bytes| sum16(bytes).to_be_bytes())
    }

    /// [`Reader::check_sum8`] for an [`xor8`].
    ///
    /// # Errors
    /// As [`Reader::check_sum8`]
    pub fn check_xor8(&self, start: usize, length: usize) -> Result<()> {
        self.check_bytes(start, length, |bytes| [xor8(bytes)])
    }

    /// Checks that the first `length` bytes of the payload are followed by their CRC-32, high byte first. Reads nothing.
    ///
    /// # Errors
    /// As [`Reader::check_sum8`]
    pub fn check_crc32(&self, crc: &Crc32, length: usize) -> Result<()> {
        self.check_bytes(0, length, |bytes| crc.of(bytes).to_be_bytes())
    }

    /// [`Reader::check_crc32`] for a CRC sent low byte first.
    ///
    /// # Errors
    /// As [`Reader::check_sum8`]
    pub fn check_crc32_le(&self, crc: &Crc32, length: usize) -> Result<()> {
        self.check_bytes(0, length, |bytes| crc.of(bytes).to_le_bytes())
    }

    fn check_bytes<const N: usize>(&self, start: usize, length: usize, of: impl Fn(&[u8]) -> [u8; N]) -> Result<()> {
        let payload = self.payload();
        let covered = payload.get(start..length);
        let sent = payload.get(length..).and_then(<[u8]>::first_chunk::<N>);
        let (Some(covered), Some(sent)) = (covered, sent) else {
            let detail = format!("a frame of {} bytes wanted, {} there", length.saturating_add(N), payload.len());
            return Err(Error::new(ErrorKind::Truncated, detail).at(payload.len()));
        };
        let computed = of(covered);
        if computed == *sent {
            return Ok(());
        }
        let hex = |bytes: [u8; N]| bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>();
        let detail = format!("check value of the bytes is {}, the frame says {}", hex(computed), hex(*sent));
        Err(Error::new(ErrorKind::Checksum, detail).at(length))
    }
}

impl Writer {
    /// The [`sum8`] of all bytes so far.
    #[must_use]
    pub fn sum8(self) -> Self {
        let sum = sum8(self.as_bytes());
        self.u8(sum)
    }

    /// The [`sum16`] of all bytes so far, high byte first.
    #[must_use]
    pub fn sum16(self) -> Self {
        let sum = sum16(self.as_bytes());
        self.u16(sum)
    }

    /// The [`xor8`] of all bytes so far.
    #[must_use]
    pub fn xor8(self) -> Self {
        let sum = xor8(self.as_bytes());
        self.u8(sum)
    }

    /// The CRC-32 of all bytes so far, high byte first.
    #[must_use]
    pub fn crc32(self, crc: &Crc32) -> Self {
        let sum = crc.of(self.as_bytes());
        self.u32(sum)
    }

    /// The CRC-32 of all bytes so far, low byte first.
    #[must_use]
    pub fn crc32_le(self, crc: &Crc32) -> Self {
        let sum = crc.of(self.as_bytes());
        self.u32_le(sum)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::crc::CRC32;

    #[test]
    fn sums_wrap_and_parities_do_not() {
        assert_eq!((sum8(&[0xFF, 2]), sum16(&[0xFF, 2]), xor8(&[0xFF, 2])), (1, 0x101, 0xFD));
        assert_eq!(sum8(b"\xF7\x03\x13\x89\x00\x0A").wrapping_neg(), 0x60, "LRC of the MODBUS specification");
    }

    #[test]
    fn a_wrong_check_value_is_told_with_both() {
        let error = Reader::new(&[0x68, 1, 2, 9]).check_sum8(1, 3).unwrap_err();
        assert_eq!(error.to_string(), "checksum at byte 3: check value of the bytes is 03, the frame says 09");
        assert_eq!(Reader::new(&[1, 2]).check_crc32(&CRC32, 2).unwrap_err().offset, Some(2));
        assert_eq!(Reader::new(&[1, 2]).check_sum8(5, 3).unwrap_err().kind, ErrorKind::Truncated);
        assert_eq!(Reader::new(&[1, 2]).check_sum8(2, 1).unwrap_err().kind, ErrorKind::Truncated);
        assert_eq!(Reader::new(&[1, 2]).check_sum16(0, usize::MAX).unwrap_err().kind, ErrorKind::Truncated);
    }

    proptest! {
        #[test]
        fn what_is_written_checks_out(bytes in prop::collection::vec(any::<u8>(), 0..40)) {
            let length = bytes.len();
            let sealed = || Writer::new().bytes(&bytes);
            Reader::new(sealed().sum8().as_bytes()).check_sum8(0, length)?;
            Reader::new(sealed().sum16().as_bytes()).check_sum16(0, length)?;
            Reader::new(sealed().xor8().as_bytes()).check_xor8(0, length)?;
            Reader::new(sealed().crc32(&CRC32).as_bytes()).check_crc32(&CRC32, length)?;
            Reader::new(sealed().crc32_le(&CRC32).as_bytes()).check_crc32_le(&CRC32, length)?;
        }
    }
}
