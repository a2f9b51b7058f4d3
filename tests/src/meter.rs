//! Frames of the sample water meter, written down from its README and not from its codec, so that the two check each other.

use serde_json::{Value, json};

/// Property with the cumulative reading, m3.
pub const READING: &str = "reading";
/// Service and name of the valve command.
pub const VALVE: (&str, &str) = ("Meter", "SET_VALVE");
/// Service, name and parameter of the period command.
pub const PERIOD: (&str, &str, &str) = ("Meter", "SET_REPORT_PERIOD", "minutes");

/// Parameters of the valve command.
#[must_use]
pub fn valve(open: bool) -> Value {
    json!({ "open": open })
}

/// A report of this many litres; 20 bytes.
#[must_use]
pub fn frame(litres: u32) -> Vec<u8> {
    let mut frame = vec![0x01, 0x01, 0x12, 0x34, 0x56, 0x78];
    frame.extend(litres.to_be_bytes());
    frame.extend(120_i16.to_be_bytes());
    frame.extend((-35_i16).to_be_bytes());
    frame.extend(3_600_u16.to_be_bytes());
    frame.extend([0xA6, 0x01]);
    sealed(frame)
}

/// The device's answer to the bytes of a command: mid and command are copied from it.
///
/// # Panics
/// When the bytes are no command of the meter.
#[must_use]
pub fn answer(command: &[u8], errcode: u8) -> Vec<u8> {
    assert!(matches!(command.first(), Some(0x81 | 0x82)) && command.len() > 7, "{}", hex::encode(command));
    let mut frame = vec![0x03, 0x01, command[2], command[3], command[0], errcode];
    if errcode == 0 {
        frame.extend(&command[5..command.len() - 2]);
    }
    sealed(frame)
}

/// Appends CRC-16/CCITT-FALSE (polynomial 0x1021, begins with 0xFFFF).
fn sealed(mut frame: Vec<u8>) -> Vec<u8> {
    let mut crc = 0xFFFF_u16;
    for byte in &frame {
        crc ^= u16::from(*byte) << 8;
        for _ in 0..8 {
            crc = if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 };
        }
    }
    frame.extend(crc.to_be_bytes());
    frame
}
