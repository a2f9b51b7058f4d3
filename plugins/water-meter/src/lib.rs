//! The codec of the water meter WM20: readings, a backlog, alarms, two commands. The frames are described in `README.md`
//! beside this crate; this file refuses to know anything of how they travel.
//!
//! ```text
//! 0x01 report   20 bytes  id, version, serial BCD[4], litres u32, flow i16, 0.1 C i16, mV u16, dBm i8, status u8, crc u16
//! 0x02 backlog            id, version, serial BCD[4], more+count u8, count x (s u32, litres u32, flow i16, 0.1 C i16), crc u16
//! 0x03 answer             id, version, mid u16, command u8, errcode u8, [value], crc u16
//! 0x80 acknowledgement    id, version, answered id u8, errcode u8, flags u8, crc u16
//! 0x81 SET_VALVE          id, version, mid u16, flags u8, open u8, crc u16
//! 0x82 SET_REPORT_PERIOD  id, version, mid u16, flags u8, minutes u16, crc u16
//! ```

use codecgate_sdk::crc::CCITT_FALSE;
use codecgate_sdk::prelude::*;

const VERSION: u8 = 1;

const REPORT: u8 = 0x01;
const BACKLOG: u8 = 0x02;
const ANSWER: u8 = 0x03;
const DIAGNOSTICS: u8 = 0x04;
const ACKNOWLEDGEMENT: u8 = 0x80;
const SET_VALVE: u8 = 0x81;
const SET_REPORT_PERIOD: u8 = 0x82;

/// Bytes before the CRC of a report.
const REPORT_LENGTH: usize = 18;
/// Bytes of a backlog before its first reading, and of one reading.
const BACKLOG_HEAD: usize = 7;
const READING: usize = 12;
/// Top bit of a backlog's count: another frame follows at once.
const MORE: u8 = 0x80;

const STATUS_OPEN: u8 = 0x01;
const STATUS_LEAK: u8 = 0x02;
const STATUS_TAMPER: u8 = 0x04;
const STATUS_BATTERY_LOW: u8 = 0x08;
/// The meter stays awake until it is acknowledged.
const STATUS_ACKNOWLEDGE: u8 = 0x10;
/// Where the status stands in a report.
const STATUS_AT: usize = 17;

/// What the meter measures. A reading out of the backlog has only the first four.
#[derive(Service)]
#[service("Meter")]
pub struct Meter {
    /// Eight digits, as printed on the case.
    pub serial_number: String,
    /// m3 since the meter was built, to the litre.
    pub reading: f64,
    /// Litres an hour, negative when water runs back.
    pub flow: i16,
    /// Degrees Celsius.
    pub temperature: f64,
    /// Millivolts.
    pub battery_voltage: Option<u16>,
    /// dBm.
    pub signal_strength: Option<i8>,
    /// State of the valve.
    pub valve_open: Option<bool>,
    /// The battery should be changed.
    pub battery_low: Option<bool>,
}

/// What needs a person: told as an event report, beside the report.
#[derive(Service)]
#[service("Alarm")]
pub struct Alarm {
    /// Water runs without a pause.
    pub leak: bool,
    /// The case was opened, or a magnet was held to it.
    pub tamper: bool,
}

/// What the meter can be asked.
#[derive(Debug, Commands)]
pub enum Command {
    /// Opens or closes the valve.
    #[command(service = "Meter", response = Valve)]
    SetValve {
        /// true = open
        open: bool,
    },
    /// Sets the time between two reports.
    #[command(service = "Meter", response = Period)]
    SetReportPeriod {
        /// 1..=1440, and it must divide a day: the meter reports at fixed times of day.
        minutes: u16,
    },
}

/// The valve after SET_VALVE.
#[derive(Fields)]
pub struct Valve {
    /// true = open
    pub open: bool,
}

/// The period after SET_REPORT_PERIOD.
#[derive(Fields)]
pub struct Period {
    /// Minutes between two reports.
    pub minutes: u16,
}

/// The codec of this package.
pub struct WaterMeter;
codecgate_sdk::export!(WaterMeter);

impl Codec for WaterMeter {
    type Services = (Meter, Alarm);
    type Commands = Command;

    fn decode(frame: &mut Reader<'_>, _: &Origin) -> Result<Messages<Self>> {
        let id = frame.u8()?;
        let version = frame.u8()?;
        if version != VERSION {
            return Err(frame.refuse(ErrorKind::UnsupportedVersion, format!("version {version}, this codec speaks {VERSION}")));
        }
        let messages = match id {
            REPORT => report(frame)?,
            BACKLOG => backlog(frame)?,
            ANSWER => answer(frame)?,
            DIAGNOSTICS => return Err(Error::unsupported("diagnostics are for the manufacturer only").at(0)),
            id => return Err(Error::new(ErrorKind::BadField, format!("no message has the id 0x{id:02X}")).at(0)),
        };
        frame.skip(2)?; // the CRC, checked before the fields
        frame.finish()?;
        Ok(messages)
    }

    fn encode(command: Command, envelope: Envelope, _: &Origin) -> Result<Vec<u8>> {
        let head = |id| Writer::new().u8(id).u8(VERSION).u16(envelope.mid).u8(envelope.has_more.into());
        let frame = match command {
            Command::SetValve { open } => head(SET_VALVE).u8(open.into()),
            Command::SetReportPeriod { minutes } => {
                if minutes == 0 || 1440 % minutes != 0 {
                    return Err(Error::bad_parameter(format!("minutes: {minutes} does not divide a day of 1440 minutes")));
                }
                head(SET_REPORT_PERIOD).u16(minutes)
            }
        };
        Ok(frame.crc16(&CCITT_FALSE).into_bytes())
    }

    fn acknowledge(report: &Received<'_>, _: &Origin) -> Result<Vec<u8>> {
        let id = match report.uplink {
            [BACKLOG, ..] => BACKLOG,
            [REPORT, ..] if report.uplink.get(STATUS_AT).is_some_and(|status| status & STATUS_ACKNOWLEDGE != 0) => REPORT,
            // It did not ask, or it answered a command, which is the end of a conversation.
            _ => return Ok(Vec::new()),
        };
        let frame = Writer::new().u8(ACKNOWLEDGEMENT).u8(VERSION).u8(id).u8(report.errcode).u8(report.has_more.into());
        Ok(frame.crc16(&CCITT_FALSE).into_bytes())
    }
}

fn report(frame: &mut Reader<'_>) -> Result<Messages<WaterMeter>> {
    frame.check_crc16(&CCITT_FALSE, REPORT_LENGTH)?;
    let serial_number = frame.bcd(4)?;
    let reading = cubic_metres(frame.u32()?);
    let flow = frame.i16()?;
    let temperature = celsius(frame.i16()?);
    let battery_voltage = Some(frame.u16()?);
    let signal_strength = Some(frame.i8()?);
    let status = frame.u8()?;
    let is = |bit| status & bit != 0;
    let mut messages = Messages::of(Meter {
        serial_number,
        reading,
        flow,
        temperature,
        battery_voltage,
        signal_strength,
        valve_open: Some(is(STATUS_OPEN)),
        battery_low: Some(is(STATUS_BATTERY_LOW)),
    });
    if is(STATUS_LEAK | STATUS_TAMPER) {
        messages.push(Report::event(Alarm { leak: is(STATUS_LEAK), tamper: is(STATUS_TAMPER) }));
    }
    Ok(messages)
}

fn backlog(frame: &mut Reader<'_>) -> Result<Messages<WaterMeter>> {
    let serial_number = frame.bcd(4)?;
    let count = frame.u8()?;
    let (has_more, count) = (count & MORE != 0, count & !MORE);
    if count == 0 {
        return Err(frame.refuse(ErrorKind::BadField, "a backlog of no readings"));
    }
    frame.check_crc16(&CCITT_FALSE, BACKLOG_HEAD + READING * usize::from(count))?;
    let mut messages = Messages::new();
    for _ in 0..count {
        let time = Timestamp::from_secs(frame.u32()?);
        let reading = Meter {
            serial_number: serial_number.clone(),
            reading: cubic_metres(frame.u32()?),
            flow: frame.i16()?,
            temperature: celsius(frame.i16()?),
            battery_voltage: None,
            signal_strength: None,
            valve_open: None,
            battery_low: None,
        };
        messages.push(Report::of(reading).at(time).more(has_more));
    }
    Ok(messages)
}

fn answer(frame: &mut Reader<'_>) -> Result<Messages<WaterMeter>> {
    let mid = frame.u16()?;
    if mid == 0 {
        return Err(frame.refuse(ErrorKind::BadField, "no command has the mid 0"));
    }
    let command = frame.u8()?;
    let value_length = match command {
        SET_VALVE => 1,
        SET_REPORT_PERIOD => 2,
        _ => return Err(frame.refuse(ErrorKind::UnknownCommand, format!("an answer to the command 0x{command:02X}"))),
    };
    let errcode = frame.u8()?;
    let has_value = errcode == 0;
    frame.check_crc16(&CCITT_FALSE, frame.offset() + if has_value { value_length } else { 0 })?;
    let answer = if command == SET_VALVE {
        let valve = has_value.then(|| frame.u8().map(|open| Valve { open: open != 0 })).transpose()?;
        Command::SET_VALVE.answer(mid, errcode, valve)
    } else {
        let period = has_value.then(|| frame.u16().map(|minutes| Period { minutes })).transpose()?;
        Command::SET_REPORT_PERIOD.answer(mid, errcode, period)
    };
    Ok(Messages::of(answer))
}

/// 12345 litres = 12.345 m3, the double nearest to it.
fn cubic_metres(litres: u32) -> f64 {
    f64::from(litres) / 1000.0
}

fn celsius(tenths: i16) -> f64 {
    f64::from(tenths) / 10.0
}
