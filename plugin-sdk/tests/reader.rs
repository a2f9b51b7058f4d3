//! Laws of reader and writer: what one writes the other reads, and no bytes panic.

use codecgate_sdk::{ErrorKind, Reader, Result, Writer, crc};
use proptest::prelude::*;

/// Every read there is, picked by number.
fn read(reader: &mut Reader<'_>, which: u8, count: usize) -> Result<()> {
    match which {
        0 => reader.u8().map(drop),
        1 => reader.i8().map(drop),
        2 => reader.u16().map(drop),
        3 => reader.i16_le().map(drop),
        4 => reader.u24().map(drop),
        5 => reader.i24_le().map(drop),
        6 => reader.u32_le().map(drop),
        7 => reader.f32().map(drop),
        8 => reader.u64().map(drop),
        9 => reader.f64_le().map(drop),
        10 => reader.bytes(count).map(drop),
        11 => reader.ascii(count).map(drop),
        12 => reader.latin1(count).map(drop),
        13 => reader.bcd(count).map(drop),
        14 => reader.bits([u32::try_from(count % 70).unwrap_or(0), 3, 0, 5]).map(drop),
        15 => reader.check_crc16(&crc::CCITT_FALSE, count),
        16 => reader.check_crc16_le(&crc::MODBUS, count),
        _ => reader.finish(),
    }
}

proptest! {
    #[test]
    fn no_reads_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..40),
        steps in prop::collection::vec((0u8..18, prop_oneof![0usize..12, Just(usize::MAX)]), 0..30),
    ) {
        let mut reader = Reader::new(&bytes);
        for (which, count) in steps {
            let before = reader.offset();
            if let Err(error) = read(&mut reader, which, count) {
                prop_assert!(error.offset.is_none_or(|at| at as usize <= bytes.len() || error.kind == ErrorKind::Checksum));
                if which < 10 {
                    prop_assert_eq!(error.kind, ErrorKind::Truncated);
                    prop_assert_eq!(error.offset, u32::try_from(before).ok());
                    prop_assert_eq!(reader.offset(), before);
                }
            }
            prop_assert_eq!(reader.offset() + reader.remaining(), bytes.len());
        }
    }

    #[test]
    fn numbers_come_back(a: u8, b: i8, c: u16, d: i16, e in 0u32..1 << 24, f in -(1i32 << 23)..1 << 23, g: u32, h: i64, i: f32, j: f64) {
        let frame = Writer::new().u8(a).i8(b).u16(c).u16_le(c).i16(d).i16_le(d).u24(e).unwrap().u24_le(e).unwrap()
            .i24(f).unwrap().i24_le(f).unwrap().u32(g).u32_le(g).i64(h).i64_le(h).f32(i).f32_le(i).f64(j).f64_le(j)
            .crc16_le(&crc::MODBUS).into_bytes();
        let mut r = Reader::new(&frame);
        r.check_crc16_le(&crc::MODBUS, frame.len() - 2).unwrap();
        prop_assert_eq!((r.u8()?, r.i8()?, r.u16()?, r.u16_le()?, r.i16()?, r.i16_le()?), (a, b, c, c, d, d));
        prop_assert_eq!((r.u24()?, r.u24_le()?, r.i24()?, r.i24_le()?), (e, e, f, f));
        prop_assert_eq!((r.u32()?, r.u32_le()?, r.i64()?, r.i64_le()?), (g, g, h, h));
        prop_assert_eq!([r.f32()?, r.f32_le()?].map(f32::to_bits), [i, i].map(f32::to_bits));
        prop_assert_eq!([r.f64()?, r.f64_le()?].map(f64::to_bits), [j, j].map(f64::to_bits));
        r.skip(2)?;
        r.finish()?;
    }

    #[test]
    fn digits_and_texts_come_back(digits in "[0-9]{0,16}", text in "[ -~]{0,12}") {
        let frame = Writer::new().bcd(&digits, 8).unwrap().ascii(&text, 12).unwrap().into_bytes();
        prop_assert_eq!(frame.len(), 20);
        let mut r = Reader::new(&frame);
        prop_assert_eq!(r.bcd(8)?, format!("{digits:0>16}"));
        let padded = r.ascii(12)?;
        prop_assert_eq!(padded.trim_end_matches('\0'), text);
    }

    #[test]
    fn bit_fields_come_back(a in 0u64..2, b in 0u64..8, c in 0u64..1 << 20, d in 0u64..1 << 33) {
        let frame = Writer::new().bits([(1, a), (3, b), (20, c), (33, d)]).unwrap().into_bytes();
        prop_assert_eq!(frame.len(), 8);
        prop_assert_eq!(Reader::new(&frame).bits([1, 3, 20, 33])?, [a, b, c, d]);
        let one = Writer::new().bits([(64, d)]).unwrap().into_bytes();
        prop_assert_eq!(Reader::new(&one).bits([64])?, [d]);
    }
}

#[test]
fn the_offset_is_that_of_the_field() {
    let mut reader = Reader::new(&[1, 2, 3, 4, 5]);
    reader.u32().unwrap();
    let error = reader.u16().unwrap_err();
    assert_eq!(error.to_string(), "truncated at byte 4: 2 bytes wanted, 1 left");
    let error = Reader::new(&[0x12, 0x3A]).bcd(2).unwrap_err();
    assert_eq!(error.to_string(), "bad-field at byte 1: 0x3A is not BCD");
    let error = Reader::new(&[0x41, 0x80]).ascii(2).unwrap_err();
    assert_eq!(error.to_string(), "bad-field at byte 1: not ASCII");
    let error = Reader::new(&[1, 2, 3, 4]).check_crc16(&crc::CCITT_FALSE, 2).unwrap_err();
    assert_eq!((error.kind, error.offset), (ErrorKind::Checksum, Some(2)));
}

#[test]
fn values_that_do_not_fit_are_refused() {
    assert!(Writer::new().u24(1 << 24).is_err());
    assert!(Writer::new().i24(-(1 << 23) - 1).is_err());
    assert!(Writer::new().bcd("123", 1).is_err());
    assert!(Writer::new().bcd("1A", 1).is_err());
    assert!(Writer::new().ascii("abc", 2).is_err());
    assert!(Writer::new().bits([(3, 8)]).is_err());
    assert!(Writer::new().bits([(60, 0), (5, 0)]).is_err());
    assert!(Reader::new(&[0; 9]).bits([60, 5]).is_err());
}
