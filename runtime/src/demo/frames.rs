//! What the demo's devices say: frames of the two sample products, as their READMEs describe them.

use serde_json::{Value, json};

/// Service and name of the command that the demo sends to a water meter.
pub(super) const COMMAND: (&str, &str) = ("Meter", "SET_REPORT_PERIOD");

/// Its parameters.
pub(super) fn command_params() -> Value {
    json!({ "minutes": 15 })
}

/// A report of the water meter, 20 bytes: a reading that grows, a temperature that wanders below zero.
pub(super) fn meter_report(serial: u8, n: u32) -> Vec<u8> {
    let mut frame = vec![0x01, 0x01, 0x00, 0x20, 0x26, serial];
    frame.extend((12_000 + u32::from(serial) * 1_000 + n * 7).to_be_bytes());
    let wander = i16::try_from(n % 50).unwrap_or_default();
    frame.extend((42 + wander).to_be_bytes());
    frame.extend((25 - wander).to_be_bytes());
    frame.extend(3_612_u16.to_be_bytes());
    frame.extend([0xA9, 0x01]);
    seal(frame)
}

/// A report whose CRC does not fit: what a bad radio hop or a firmware bug sends.
pub(super) fn corrupt_report(serial: u8) -> Vec<u8> {
    let mut frame = meter_report(serial, 0);
    if let Some(byte) = frame.get_mut(7) {
        *byte ^= 0x5A;
    }
    frame
}

/// The meter's answer to a command: mid and command copied, errcode 0, the value that is now set.
pub(super) fn meter_answer(command: &[u8]) -> Option<Vec<u8>> {
    match command {
        [id @ (0x81 | 0x82), _version, mid_high, mid_low, _flags, value @ .., _crc_high, _crc_low] => {
            let mut frame = vec![0x03, 0x01, *mid_high, *mid_low, *id, 0];
            frame.extend(value);
            Some(seal(frame))
        }
        _ => None,
    }
}

/// A report of the smoke detector, 4 bytes: id 0, level, temperature.
pub(super) fn smoke_report(n: u32) -> Vec<u8> {
    let [.., level] = (n % 4).to_be_bytes();
    let [.., high, low] = (300 + n % 40).to_be_bytes();
    vec![0x00, level, high, low]
}

/// Appends CRC-16/CCITT-FALSE.
fn seal(mut frame: Vec<u8>) -> Vec<u8> {
    let crc = frame.iter().fold(0xFFFF_u16, |crc, byte| {
        (0..8).fold(crc ^ (u16::from(*byte) << 8), |crc, _| if crc & 0x8000 == 0 { crc << 1 } else { (crc << 1) ^ 0x1021 })
    });
    frame.extend(crc.to_be_bytes());
    frame
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_crc() {
        assert_eq!(seal(b"123456789".to_vec()).split_off(9), [0x29, 0xB1]);
    }

    #[test]
    fn an_answer_copies_mid_and_value() {
        let command = seal(vec![0x82, 1, 0x00, 0x07, 0, 0x00, 0x0F]);
        let answer = meter_answer(&command).unwrap();
        assert_eq!(answer[..8], [0x03, 1, 0x00, 0x07, 0x82, 0, 0x00, 0x0F]);
        assert_eq!(meter_answer(&[0x80, 1]), None);
    }
}
