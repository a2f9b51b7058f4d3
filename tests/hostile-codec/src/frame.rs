//! A 20-byte water-meter frame with six values and a CRC. The bench compiles the same file natively, so that guest and
//! host do the same work.

/// Length of a frame.
pub const LENGTH: usize = 20;

/// What a frame says.
pub struct Reading {
    /// Litres.
    pub volume: i64,
    /// Litres an hour.
    pub flow: f64,
    /// Degrees Celsius.
    pub temperature: f64,
    /// Millivolts.
    pub battery: i64,
    /// Whether the valve is open.
    pub valve_open: bool,
    /// Days since 1970.
    pub day: u64,
}

/// Why a frame says nothing, and where.
pub enum Fault {
    /// It ends before this offset.
    Truncated(u32),
    /// The CRC at this offset does not fit.
    Checksum(u32),
}

/// CRC-16/MODBUS by table, as codecs do it.
pub fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xffff, |crc, byte| (crc >> 8) ^ CRC_TABLE[usize::from((crc ^ u16::from(*byte)) as u8)])
}

const CRC_TABLE: [u16; 256] = {
    let mut table = [0; 256];
    let mut at = 0;
    while at < table.len() {
        let mut crc = at as u16;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 1 == 1 { (crc >> 1) ^ 0xa001 } else { crc >> 1 };
            bit += 1;
        }
        table[at] = crc;
        at += 1;
    }
    table
};

/// Reads a frame.
pub fn parse(payload: &[u8]) -> Result<Reading, Fault> {
    let Some(frame) = payload.first_chunk::<LENGTH>() else { return Err(Fault::Truncated(payload.len() as u32)) };
    let [.., crc_low, crc_high] = *frame;
    if crc16(&frame[..LENGTH - 2]) != u16::from_le_bytes([crc_low, crc_high]) {
        return Err(Fault::Checksum(LENGTH as u32 - 2));
    }
    let [_, _, v0, v1, v2, v3, f0, f1, f2, f3, t0, t1, b0, b1, status, d0, d1, ..] = *frame;
    Ok(Reading {
        volume: i64::from(u32::from_be_bytes([v0, v1, v2, v3])),
        flow: f64::from(i32::from_be_bytes([f0, f1, f2, f3])) / 100.0,
        temperature: f64::from(i16::from_be_bytes([t0, t1])) / 10.0,
        battery: i64::from(u16::from_be_bytes([b0, b1])),
        valve_open: status & 1 == 1,
        day: u64::from(u16::from_be_bytes([d0, d1])),
    })
}
