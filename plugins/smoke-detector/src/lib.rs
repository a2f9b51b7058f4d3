//! The codec of the smoke detector SD1: the sample device of a well-known graphical codec designer, byte for byte. The
//! layouts and their public sources are in `README.md` beside this crate.
//!
//! The published samples are one device in three products whose layouts contradict each other (message 0x02 is a text in one
//! and an array in another, a third has no message ids). No payload tells which it is, so the operator does: the device
//! attribute `layout` is `string` (also when it is not set), `array` or `bare`. The last section of this file has the designer's rules for
//! fields; they refuse to know any message.
//!
//! ```text
//! layout         0x00                        0x02                  0x03
//! string, array  id, level u8, temperature u16
//! string                                     id, string[6]         id, length u8, varstring
//! array                                      id, array[5]          id, length u8, variant
//! bare           level u8, temperature u16, and no id
//! command SET_ALARM: value u8      answer to a report: AA AA, errcode u8, commands wait u8
//! ```

use codecgate_sdk::prelude::*;

const LEVEL: u8 = 0x00;
const FIXED: u8 = 0x02;
const VARIABLE: u8 = 0x03;

const STRING_LENGTH: usize = 6;
const ARRAY_LENGTH: usize = 5;

/// The one service of the published samples. A message fills what it has.
#[derive(Default, Service)]
#[service("smokedetector")]
pub struct SmokeDetector {
    /// Smoke level.
    pub level: Option<u8>,
    /// As the device counts it; the samples give no unit.
    pub temperature: Option<u16>,
    /// Null when the message has it and it is cut short.
    #[field("other_info")]
    pub other: Option<Nullable<String>>,
}

/// What the detector can be asked.
#[derive(Debug, Commands)]
pub enum Command {
    /// Turns the siren on or off. The frame has no room for a mid, so no answer can be matched.
    #[command(service = "smokedetector")]
    SetAlarm {
        /// 1 = on
        value: u8,
    },
}

/// Which product the device belongs to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Layout {
    String,
    Array,
    Bare,
}

impl Layout {
    fn of_device() -> Result<Self> {
        match device::attribute("layout").as_deref() {
            None | Some("string") => Ok(Self::String),
            Some("array") => Ok(Self::Array),
            Some("bare") => Ok(Self::Bare),
            Some(other) => {
                let detail = format!("the device attribute layout is {other:?}; it can be string, array or bare");
                Err(Error::new(ErrorKind::Other, detail))
            }
        }
    }
}

/// The codec of this package.
pub struct SmokeDetectorCodec;
codecgate_sdk::export!(SmokeDetectorCodec);

impl Codec for SmokeDetectorCodec {
    type Services = SmokeDetector;
    type Commands = Command;

    fn decode(frame: &mut Reader<'_>, _: &Origin) -> Result<Messages<Self>> {
        let layout = Layout::of_device()?;
        if layout == Layout::Bare {
            return level(frame);
        }
        match frame.u8()? {
            LEVEL => level(frame),
            FIXED if layout == Layout::String => Ok(other(fixed(frame, STRING_LENGTH).map(text))),
            FIXED => Ok(other(fixed(frame, ARRAY_LENGTH).map(base64))),
            VARIABLE if layout == Layout::String => Ok(other(variable(frame)?.map(text))),
            VARIABLE => Ok(other(variable(frame)?.map(base64))),
            id => Err(frame.refuse(ErrorKind::BadField, format!("no message has the id 0x{id:02X}"))),
        }
    }

    fn encode(command: Command, _: Envelope, _: &Origin) -> Result<Vec<u8>> {
        let Command::SetAlarm { value } = command;
        Ok(vec![value])
    }

    fn acknowledge(report: &Received<'_>, _: &Origin) -> Result<Vec<u8>> {
        // A product without message ids has one message up and one down, and an answer would be a second one down.
        if Layout::of_device()? == Layout::Bare {
            return Ok(Vec::new());
        }
        Ok(vec![0xAA, 0xAA, report.errcode, report.has_more.into()])
    }
}

fn level(frame: &mut Reader<'_>) -> Result<Messages<SmokeDetectorCodec>> {
    let (level, temperature) = (Some(frame.u8()?), Some(frame.u16()?));
    Ok(Messages::of(SmokeDetector { level, temperature, other: None }))
}

fn other(value: Option<String>) -> Messages<SmokeDetectorCodec> {
    Messages::of(SmokeDetector { other: Some(Nullable(value)), ..SmokeDetector::default() })
}

// The designer's rules for fields. An integer that does not fit is an error; a text or an array that does not fit is null, and what
// comes after the last field is not looked at.

/// `string[n]` and `array[n]`: none when fewer than `length` bytes are left.
fn fixed<'a>(frame: &mut Reader<'a>, length: usize) -> Option<&'a [u8]> {
    frame.bytes(length).ok()
}

/// `varstring` and `variant`: the length in one byte before.
fn variable<'a>(frame: &mut Reader<'a>) -> Result<Option<&'a [u8]>> {
    let length = frame.u8()?;
    Ok(fixed(frame, length.into()))
}

/// One character for each byte, also for those that cannot be printed (U+0001, U+00FF).
fn text(bytes: &[u8]) -> String {
    bytes.iter().copied().map(char::from).collect()
}

/// RFC 4648 section 4, with padding.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let word = group.iter().fold(0u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - group.len()));
        for place in 0..4 {
            let index = (word >> (18 - 6 * place)) & 0x3F;
            let letter = LETTERS.get(index as usize).copied().filter(|_| place <= group.len());
            text.push(letter.map_or('=', char::from));
        }
    }
    text
}
