//! Times as devices send them: seconds or milliseconds since 1970, or the digits of a clock on the wall.

use crate::calendar::{DAY_MS, date, days};
use crate::error::{Error, ErrorKind, Result};
use crate::{Reader, Timestamp, Writer};

/// How far a device's clock is ahead of UTC, minutes: 480 for China.
pub type UtcOffset = i16;

const MINUTE_MS: i64 = 60_000;

impl Reader<'_> {
    /// Four bytes, seconds since 1970-01-01T00:00:00Z, big-endian.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    pub fn unix(&mut self) -> Result<Timestamp> {
        self.u32().map(Timestamp::from_secs)
    }

    /// [`Reader::unix`], little-endian.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    pub fn unix_le(&mut self) -> Result<Timestamp> {
        self.u32_le().map(Timestamp::from_secs)
    }

    /// Eight bytes, milliseconds since 1970-01-01T00:00:00Z, big-endian.
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]
    pub fn unix_ms(&mut self) -> Result<Timestamp> {
        self.u64().map(Timestamp)
    }

    /// Six bytes of decimal digits, year to second: `24 01 31 12 00 00` is 2024-01-31 12:00:00 on the device's clock.
    ///
    /// ```
    /// # use codecgate_sdk::{Reader, Timestamp};
    /// let time = Reader::new(&[0x70, 0x01, 0x01, 0x08, 0x00, 0x01]).bcd_time(480);
    /// assert!(time.is_ok());
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Truncated`]; [`ErrorKind::BadField`] at the first byte that is no digits or no such part of a time, or at the first
    /// where the day does not exist or lies before 1970
    pub fn bcd_time(&mut self, ahead: UtcOffset) -> Result<Timestamp> {
        self.clock_digits(2_000, ahead)
    }

    /// [`Reader::bcd_time`] with the century in a byte of its own: seven bytes.
    ///
    /// # Errors
    /// As [`Reader::bcd_time`]
    pub fn bcd_time_century(&mut self, ahead: UtcOffset) -> Result<Timestamp> {
        let century = self.two_digits(0, 99)?;
        self.clock_digits(century * 100, ahead)
    }

    fn clock_digits(&mut self, century: u64, ahead: UtcOffset) -> Result<Timestamp> {
        let start = self.offset();
        let year = century + self.two_digits(0, 99)?;
        let (month, day) = (self.two_digits(1, 12)?, self.two_digits(1, 31)?);
        let (hour, minute, second) = (self.two_digits(0, 23)?, self.two_digits(0, 59)?, self.two_digits(0, 59)?);
        let wall = days(year, month, day).map(|days| days * DAY_MS + (hour * 3_600 + minute * 60 + second) * 1_000);
        let utc = wall.and_then(|wall| wall.checked_add_signed(-i64::from(ahead) * MINUTE_MS));
        utc.map(Timestamp).ok_or_else(|| {
            let detail = format!("{year:04}-{month:02}-{day:02} is no day, or before 1970");
            Error::new(ErrorKind::BadField, detail).at(start)
        })
    }

    fn two_digits(&mut self, least: u64, most: u64) -> Result<u64> {
        let byte = self.u8()?;
        let (high, low) = (byte >> 4, byte & 0x0F);
        let number = u64::from(high) * 10 + u64::from(low);
        if high > 9 || low > 9 || !(least..=most).contains(&number) {
            return Err(self.refuse(ErrorKind::BadField, format!("0x{byte:02X} is not two digits from {least:02} to {most:02}")));
        }
        Ok(number)
    }
}

impl Writer {
    /// Four bytes, seconds since 1970-01-01T00:00:00Z, big-endian.
    ///
    /// # Errors
    /// `bad-parameter` after 2106-02-07
    pub fn unix(self, time: Timestamp) -> Result<Self> {
        let seconds =
            u32::try_from(time.0 / 1_000).map_err(|_| Error::bad_parameter("a time after 2106 does not fit 4 bytes"))?;
        Ok(self.u32(seconds))
    }

    /// Six bytes of decimal digits, year to second, on a clock that is `ahead` of UTC.
    ///
    /// # Errors
    /// `bad-parameter` outside the years 2000 to 2099
    pub fn bcd_time(self, time: Timestamp, ahead: UtcOffset) -> Result<Self> {
        let unfit = || Error::bad_parameter("two digits hold the years 2000 to 2099 only");
        let wall = time.0.checked_add_signed(i64::from(ahead) * MINUTE_MS).ok_or_else(unfit)?;
        let (year, month, day) = date(wall / DAY_MS);
        let of_century = year.checked_sub(2_000).filter(|year| *year < 100).ok_or_else(unfit)?;
        let second = wall / 1_000;
        let parts = [of_century, month, day, second / 3_600 % 24, second / 60 % 60, second % 60];
        Ok(self.bytes(&parts.map(|part| {
            let part = u8::try_from(part).unwrap_or_default();
            ((part / 10) << 4) | (part % 10)
        })))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2024-01-31T12:00:00Z
    const NOON: Timestamp = Timestamp(1_706_702_400_000);

    #[test]
    fn a_wall_clock_is_turned_into_utc() {
        assert_eq!(Reader::new(&[0x24, 0x01, 0x31, 0x12, 0x00, 0x00]).bcd_time(0), Ok(NOON));
        assert_eq!(Reader::new(&[0x24, 0x01, 0x31, 0x20, 0x00, 0x00]).bcd_time(480), Ok(NOON));
        assert_eq!(Reader::new(&[0x20, 0x24, 0x01, 0x31, 0x05, 0x30, 0x00]).bcd_time_century(-390), Ok(NOON));
        assert_eq!(Writer::new().bcd_time(NOON, 480).unwrap().into_bytes(), [0x24, 0x01, 0x31, 0x20, 0x00, 0x00]);
    }

    #[test]
    fn times_that_are_none_are_told_at_their_byte() {
        let refused = |digits: &[u8]| Reader::new(digits).bcd_time(0).unwrap_err().to_string();
        assert_eq!(refused(&[0x24, 0x13, 1, 0, 0, 0]), "bad-field at byte 1: 0x13 is not two digits from 01 to 12");
        assert_eq!(refused(&[0x24, 0x02, 0x1A, 0, 0, 0]), "bad-field at byte 2: 0x1A is not two digits from 01 to 31");
        assert_eq!(refused(&[0x23, 0x02, 0x29, 0, 0, 0]), "bad-field at byte 0: 2023-02-29 is no day, or before 1970");
        assert_eq!(refused(&[0x23, 0x02]), "truncated at byte 2: 1 bytes wanted, 0 left");
        assert!(Reader::new(&[0x19, 0x69, 0x12, 0x31, 0, 0, 0]).bcd_time_century(0).is_err());
        assert!(Writer::new().bcd_time(Timestamp(0), 0).is_err());
        assert!(Writer::new().unix(Timestamp(u64::MAX)).is_err());
    }

    proptest! {
        #[test]
        fn times_come_back(seconds in 946_684_800_u32..4_102_444_800, ahead in -720_i16..841) {
            let time = Timestamp::from_secs(seconds);
            let frame = Writer::new().unix(time)?.u32_le(seconds).u64(time.0).into_bytes();
            let mut r = Reader::new(&frame);
            prop_assert_eq!((r.unix()?, r.unix_le()?, r.unix_ms()?), (time, time, time));
            if let Ok(frame) = Writer::new().bcd_time(time, ahead) {
                prop_assert_eq!(Reader::new(frame.as_bytes()).bcd_time(ahead)?, time);
            }
        }

        #[test]
        fn no_digits_panic(bytes in prop::collection::vec(any::<u8>(), 0..9), ahead: i16) {
            drop(Reader::new(&bytes).bcd_time(ahead));
            drop(Reader::new(&bytes).bcd_time_century(ahead));
        }
    }
}
