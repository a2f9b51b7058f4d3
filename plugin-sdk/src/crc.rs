//! CRC-16 in the two variants that meters use. Tables are computed by the compiler.
//!
//! Parameters and check values as in the catalogue of parametrised CRC algorithms
//! (<https://reveng.sourceforge.io/crc-catalogue/16.htm>).

/// A CRC-16 algorithm with its table (512 bytes).
#[derive(Debug)]
pub struct Crc16 {
    table: [u16; 256],
    start: u16,
    order: BitOrder,
}

#[derive(Debug, Clone, Copy)]
enum BitOrder {
    HighFirst,
    LowFirst,
}

/// CRC-16/CCITT-FALSE (IBM-3740): polynomial 0x1021, start 0xFFFF. Sent high byte first.
pub static CCITT_FALSE: Crc16 = Crc16 { table: high_first(0x1021), start: 0xFFFF, order: BitOrder::HighFirst };

/// CRC-16/MODBUS: polynomial 0x8005 reflected, start 0xFFFF. Sent low byte first.
pub static MODBUS: Crc16 = Crc16 { table: low_first(0xA001), start: 0xFFFF, order: BitOrder::LowFirst };

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
        u16::from_be_bytes([high, low])
    }

    #[inline]
    #[expect(clippy::indexing_slicing, reason = "eight bits cannot reach past 256 entries")]
    fn entry(&self, bits: u32) -> u32 {
        u32::from(self.table[(bits & 0xFF) as usize])
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_values_of_the_catalogue() {
        assert_eq!(CCITT_FALSE.of(b"123456789"), 0x29B1);
        assert_eq!(MODBUS.of(b"123456789"), 0x4B37);
        assert_eq!(CCITT_FALSE.of(b""), 0xFFFF);
    }
}
