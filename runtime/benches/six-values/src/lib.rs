//! A 20-byte frame with six values and a CRC, read with the SDK as any codec does it. The decode bench calls it natively and
//! as a component. Knows nothing of who measures it.

use codecgate_sdk::crc::MODBUS;
use codecgate_sdk::prelude::*;

/// Bytes of a frame.
const FRAME: usize = 20;
/// Milliseconds.
const DAY: u64 = 86_400_000;

/// What a frame says.
#[derive(Service)]
#[service("Meter")]
pub struct Meter {
    /// Litres.
    pub volume: u32,
    /// Litres an hour.
    pub flow: f64,
    /// Degrees Celsius.
    pub temperature: f64,
    /// Millivolts.
    pub battery: u16,
    /// State of the valve.
    pub valve_open: bool,
    /// Midnight of the day that the reading is of.
    pub day: Timestamp,
}

/// The codec.
pub struct SixValues;
codecgate_sdk::export!(SixValues);

impl Codec for SixValues {
    type Services = Meter;
    type Commands = NoCommands;

    fn decode(frame: &mut Reader<'_>, _: &Origin) -> Result<Messages<Self>> {
        frame.check_crc16_le(&MODBUS, FRAME - 2)?;
        frame.skip(2)?;
        let meter = Meter {
            volume: frame.u32()?,
            flow: f64::from(frame.i32()?) / 100.0,
            temperature: f64::from(frame.i16()?) / 10.0,
            battery: frame.u16()?,
            valve_open: frame.u8()? & 1 != 0,
            day: Timestamp(u64::from(frame.u16()?) * DAY),
        };
        frame.skip(3)?; // a spare byte and the CRC, which was checked first
        frame.finish()?;
        Ok(Messages::of(meter))
    }
}
