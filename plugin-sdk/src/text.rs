//! Texts and byte strings of a length that stands in the frame, and texts in fields that are filled up.

use crate::error::{Error, ErrorKind, Result};
use crate::{Reader, Writer};

/// The number in front of a byte string that tells its length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Length {
    /// One byte.
    U8,
    /// Two bytes, big-endian.
    U16,
    /// Two bytes, little-endian.
    U16Le,
}

impl<'a> Reader<'a> {
    /// A byte string with its length in front.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`] at the length, or at the first byte where fewer are left than it says
    pub fn prefixed(&mut self, length: Length) -> Result<&'a [u8]> {
        let count = match length {
            Length::U8 => self.u8()?.into(),
            Length::U16 => self.u16()?.into(),
            Length::U16Le => self.u16_le()?.into(),
        };
        self.bytes(count)
    }

    /// `count` bytes of UTF-8.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]; [`ErrorKind::BadField`] at the first byte that is not UTF-8
    pub fn utf8(&mut self, count: usize) -> Result<String> {
        let offset = self.offset();
        utf8(self.bytes(count)?, offset)
    }

    /// UTF-8 with its length in bytes in front.
    ///
    /// # Errors
    /// As [`Reader::prefixed`] and [`Reader::utf8`]
    pub fn prefixed_utf8(&mut self, length: Length) -> Result<String> {
        let bytes = self.prefixed(length)?;
        utf8(bytes, self.offset() - bytes.len())
    }

    /// ASCII in a field of `count` bytes that is filled up with 0x00, 0xFF or spaces: these are cut off at its end.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]; [`ErrorKind::BadField`] at the first byte above 0x7F
    pub fn padded_ascii(&mut self, count: usize) -> Result<String> {
        let offset = self.offset();
        let field = self.bytes(count)?;
        let length = field.iter().rposition(|byte| !matches!(byte, 0x00 | 0xFF | b' ')).map_or(0, |last| last + 1);
        let text = field.get(..length).unwrap_or_default();
        match text.iter().position(|byte| !byte.is_ascii()) {
            None => Ok(text.iter().copied().map(char::from).collect()),
            Some(place) => Err(Error::new(ErrorKind::BadField, "not ASCII").at(offset + place)),
        }
    }
}

fn utf8(bytes: &[u8], offset: usize) -> Result<String> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(text.to_owned()),
        Err(error) => Err(Error::new(ErrorKind::BadField, "not UTF-8").at(offset + error.valid_up_to())),
    }
}

impl Writer {
    /// A byte string, or a text as UTF-8, with its length in front.
    ///
    /// # Errors
    /// `bad-parameter` when it is longer than the length can say
    pub fn prefixed(self, length: Length, bytes: impl AsRef<[u8]>) -> Result<Self> {
        let bytes = bytes.as_ref();
        let most = match length {
            Length::U8 => 0xFF,
            Length::U16 | Length::U16Le => 0xFFFF,
        };
        let count = u16::try_from(bytes.len()).ok().filter(|count| *count <= most);
        let count = count.ok_or_else(|| Error::bad_parameter(format!("{} bytes are more than {most}", bytes.len())))?;
        let [high, low] = count.to_be_bytes();
        let head = match length {
            Length::U8 => self.u8(low),
            Length::U16 => self.bytes(&[high, low]),
            Length::U16Le => self.bytes(&[low, high]),
        };
        Ok(head.bytes(bytes))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_length_that_promises_too_much_is_told_at_the_text() {
        let error = Reader::new(&[0, 5, b'a']).prefixed_utf8(Length::U16).unwrap_err();
        assert_eq!(error.to_string(), "truncated at byte 2: 5 bytes wanted, 1 left");
        assert_eq!(Reader::new(&[5]).prefixed(Length::U16Le).unwrap_err().offset, Some(0));
    }

    #[test]
    fn what_is_not_text_is_told_at_its_byte() {
        assert_eq!(Reader::new(b"a\xFFb").utf8(3).unwrap_err().to_string(), "bad-field at byte 1: not UTF-8");
        assert_eq!(Reader::new(b"\x02a\xFF").prefixed_utf8(Length::U8).unwrap_err().offset, Some(2));
        assert_eq!(Reader::new(b"a\xFFb ").padded_ascii(4).unwrap_err().offset, Some(1));
    }

    #[test]
    fn filling_is_cut_off_and_nothing_else() {
        for field in [b"WM 1\0\0", b"WM 1  ", b"WM 1\xFF\xFF", b"WM 1 \0"] {
            assert_eq!(Reader::new(field).padded_ascii(6).unwrap(), "WM 1");
        }
        assert_eq!(Reader::new(&[0xFF; 4]).padded_ascii(4).unwrap(), "");
    }

    proptest! {
        #[test]
        fn texts_come_back(text in ".{0,60}", bytes in prop::collection::vec(any::<u8>(), 0..256)) {
            let frame = Writer::new().prefixed(Length::U8, &text)?.prefixed(Length::U16, &bytes)?.prefixed(Length::U16Le, &bytes)?;
            let frame = frame.into_bytes();
            let mut r = Reader::new(&frame);
            prop_assert_eq!(r.prefixed_utf8(Length::U8)?, text);
            prop_assert_eq!((r.prefixed(Length::U16)?, r.prefixed(Length::U16Le)?), (&bytes[..], &bytes[..]));
            r.finish()?;
        }
    }
}
