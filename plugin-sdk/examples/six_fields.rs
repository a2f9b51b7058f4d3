//! A water meter in one screen: six values up, one command down, its answer up, tested.
use codecgate_sdk::prelude::*;

#[derive(Service)]
#[service("Meter")]
struct Meter {
    serial_number: String, // "serialNumber" in the profile
    reading: f64,
    flow: i16,
    temperature: f64,
    battery_voltage: u16,
    valve_open: bool,
}

#[derive(Commands)]
enum Command {
    #[command("SET_VALVE", service = "Meter", response = Valve)]
    SetValve { open: bool },
}

#[derive(Fields)]
struct Valve {
    open: bool,
}

struct MeterCodec;
codecgate_sdk::export!(MeterCodec);

impl Codec for MeterCodec {
    type Services = Meter;
    type Commands = Command;

    fn decode(frame: &mut Reader<'_>, _: &Origin) -> Result<Messages<Self>> {
        match frame.u8()? {
            1 => Ok(Messages::of(Meter {
                serial_number: frame.bcd(4)?,
                reading: f64::from(frame.u32()?) / 1000.0,
                flow: frame.i16()?,
                temperature: f64::from(frame.i16()?) / 10.0,
                battery_voltage: frame.u16()?,
                valve_open: frame.u8()? & 1 != 0,
            })),
            2 => {
                let (mid, errcode, open) = (frame.u16()?, frame.u8()?, frame.u8()? != 0);
                Ok(Messages::of(Command::SET_VALVE.answer(mid, errcode, Some(Valve { open }))))
            }
            id => Err(frame.refuse(ErrorKind::BadField, format!("message id {id}"))),
        }
    }

    fn encode(command: Command, envelope: Envelope, _: &Origin) -> Result<Vec<u8>> {
        let Command::SetValve { open } = command;
        Ok(Writer::new().u8(0x81).u16(envelope.mid).u8(open.into()).into_bytes())
    }
}

#[test]
fn vectors() {
    codecgate_sdk::testing::run_vectors::<MeterCodec>("examples/six_fields");
}
