//! CRC-16 and CRC-32 in the variants that meters use. Tables are computed by the compiler.
//!
//! Parameters and check values as in the catalogue of parametrised CRC algorithms
//! (<https://reveng.sourceforge.io/crc-catalogue/16.htm>). Sums and parities are in [`sums`](crate::sums).

/// A CRC-16 algorithm with its table (512 bytes).
#[derive(Debug)]
pub struct Crc16 {
    table: [u16; 256],
    start: u16,
    /// What the register is combined with at the end.
    end: u16,
    order: BitOrder,
}

/// A CRC-32 algorithm, low bit first, with its table (1 KiB).
#[derive(Debug)]
pub struct Crc32 {
    table: [u32; 256],
}

#[derive(Debug, Clone, Copy)]
enum BitOrder {
    HighFirst,
    LowFirst,
}

/// CRC-16/CCITT-FALSE (IBM-3740): polynomial 0x1021, start 0xFFFF. Sent high byte first.
pub static CCITT_FALSE: Crc16 = Crc16 { table: high_first(0x1021), start: 0xFFFF, end: 0, order: BitOrder::HighFirst };

/// CRC-16/MODBUS: polynomial 0x8005 reflected, start 0xFFFF. Sent low byte first.
pub static MODBUS: Crc16 = Crc16 { table: low_first(0xA001), start: 0xFFFF, end: 0, order: BitOrder::LowFirst };

/// CRC-16/XMODEM: polynomial 0x1021, start 0. Sent high byte first. Often called just CCITT.
pub static XMODEM: Crc16 = Crc16 { table: high_first(0x1021), start: 0, end: 0, order: BitOrder::HighFirst };

/// CRC-16/KERMIT, the true CRC-CCITT: polynomial 0x1021 reflected, start 0. Sent low byte first.
pub static KERMIT: Crc16 = Crc16 { table: low_first(0x8408), start: 0, end: 0, order: BitOrder::LowFirst };

/// CRC-16/X-25 (IBM-SDLC, ISO-HDLC): polynomial 0x1021 reflected, start and end 0xFFFF. Sent low byte first; DLMS/COSEM uses it.
pub static X25: Crc16 = Crc16 { table: low_first(0x8408), start: 0xFFFF, end: 0xFFFF, order: BitOrder::LowFirst };

/// CRC-16/ARC (IBM): polynomial 0x8005 reflected, start 0. Sent low byte first.
pub static ARC: Crc16 = Crc16 { table: low_first(0xA001), start: 0, end: 0, order: BitOrder::LowFirst };

/// CRC-32 (ISO-HDLC, Ethernet, zip): polynomial 0x04C1_1DB7 reflected, start and end 0xFFFF_FFFF.
pub static CRC32: Crc32 = Crc32 { table: low_first_32(0xEDB8_8320) };

impl Crc16 {
    /// The check value of `bytes`.
    #[must_use]
    pub fn of(&self, bytes: &[u8]) -> u16 {
        // In 32 bits: what is shifted above the sixteenth is never looked at, and WebAssembly has no narrower numbers.
        let start = u32::from(self.start);
        let crc = match self.order {
            BitOrder::HighFirst => bytes.iter().fold(start, |crc, byte| (crc << 8) ^ self.entry((crc >> 8) ^ u32::from(*byte))),
            BitOrder::LowFirst => bytes.iter().fold(start, |crc, byte| (crc >> 8) ^ self.entry(crc ^ u32::from(*byte))),
        };
        let [_, _, high, low] = crc.to_be_bytes();
        u16::from_be_bytes([high, low]) ^ self.end
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "eight bits cannot reach past 256 entries")]
    fn entry(&self, bits: u32) -> u32 {
        u32::from(self.table[(bits & 0xFF) as usize])
    }
}

impl Crc32 {
    /// The check value of `bytes`.
    #[must_use]
    #[expect(clippy::indexing_slicing, reason = "eight bits cannot reach past 256 entries")]
    pub fn of(&self, bytes: &[u8]) -> u32 {
        !bytes.iter().fold(u32::MAX, |crc, byte| (crc >> 8) ^ self.table[((crc ^ u32::from(*byte)) & 0xFF) as usize])
    }
}

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "0..256, and run by the compiler only")]
const fn high_first(polynomial: u16) -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = (byte as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ polynomial };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "0..256, and run by the compiler only")]
const fn low_first(polynomial: u16) -> [u16; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ polynomial };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[expect(clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "0..256, and run by the compiler only")]
const fn low_first_32(polynomial: u32) -> [u32; 256] {
    let mut table = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        let mut crc = byte as u32;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 0 { crc >> 1 } else { (crc >> 1) ^ polynomial };
            bit += 1;
        }
        table[byte] = crc;
        byte += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        assert_eq!(CCITT_FALSE.of(b"123456789"), 0x29B1);
        assert_eq!(MODBUS.of(b"123456789"), 0x4B37);
        assert_eq!(XMODEM.of(b"123456789"), 0x31C3);
        assert_eq!(KERMIT.of(b"123456789"), 0x2189);
        assert_eq!(X25.of(b"123456789"), 0x906E);
        assert_eq!(ARC.of(b"123456789"), 0xBB3D);
        assert_eq!(CRC32.of(b"123456789"), 0xCBF4_3926);
        assert_eq!((CCITT_FALSE.of(b""), X25.of(b""), CRC32.of(b"")), (0xFFFF, 0, 0));
    }
}
