//! From values to bytes. Lengths, payload lengths and check values are filled in.

use super::number::{printed, whole};
use super::read::{REGISTERS, marked, recognise};
use super::{Content, Field, Layout, Length, Lengths, Meaning, Role, Shape, base64};
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{self, Downlink, Value};
use crate::{Timestamp, Writer};

/// What goes into a message.
#[derive(Debug, Clone, Default)]
pub struct Given<'a> {
    /// Of a command or its response.
    pub mid: u16,
    /// 0 = success.
    pub errcode: u8,
    /// Further messages follow.
    pub has_more: bool,
    /// Milliseconds since 1970.
    pub event_time: Option<u64>,
    /// When the report that is answered arrived.
    pub received_ms: u64,
    /// The report that is answered.
    pub uplink: &'a [u8],
    /// The values of each service of a report; of a command or a response, one list. They are taken out.
    pub parts: Vec<Vec<wire::Field>>,
}

pub(super) fn encode(layout: &Layout, downlink: Downlink, received_ms: u64) -> Result<Option<Vec<u8>>> {
    let bytes = match downlink {
        Downlink::Command { index, mid, has_more, fields } => {
            let Some(command) = layout.commands.get(usize::from(index)) else {
                return Err(Error::new(ErrorKind::UnknownCommand, format!("no command has the index {index}")));
            };
            let mut given = Given { mid, has_more, received_ms, parts: vec![fields], ..Given::default() };
            compose(layout, command.message.into(), &mut given)?
        }
        Downlink::ReportAck { uplink, errcode, has_more } => {
            let answer = recognise(layout, &uplink).ok().and_then(|message| message.answer.as_ref());
            let Some(answer) = answer.filter(|answer| marked(&answer.when, &uplink)) else { return Ok(None) };
            // An answer that cannot say that it went wrong would say that it went well.
            if errcode != 0 && !answer.fields.iter().any(|field| field.role == Role::Errcode) {
                return Ok(None);
            }
            let mut given = Given { errcode, has_more, received_ms, uplink: &uplink, ..Given::default() };
            write(layout, &answer.fields, None, &mut given)?
        }
    };
    Ok((!bytes.is_empty()).then_some(bytes))
}

pub(super) fn compose(layout: &Layout, message: usize, given: &mut Given<'_>) -> Result<Vec<u8>> {
    match layout.messages.get(message) {
        Some(message) => {
            let count = message.group.and_then(|group| group.count);
            write(layout, &message.fields, count, given)
        }
        None => Err(Error::new(ErrorKind::Other, "the layout has no such message")),
    }
}

/// Repeated fields are written once; `count` is the register that says so.
fn write(layout: &Layout, fields: &[Field], count: Option<u8>, given: &mut Given<'_>) -> Result<Vec<u8>> {
    let mut frame = Frame { bytes: Vec::with_capacity(32), lengths: layout.lengths, counts: [None; REGISTERS], payload: None };
    for field in fields {
        if matches!(field.shape, Shape::Check { .. }) {
            frame.close_payload()?;
        }
        frame.field(field, given)?;
    }
    if let Some(place) = count.and_then(|register| frame.counts.get(usize::from(register)).copied().flatten()) {
        frame.fill(place, 1)?;
    }
    frame.close_payload()?;
    Ok(frame.bytes)
}

/// Where a number stands that is filled in later.
#[derive(Clone, Copy)]
struct Place<'a> {
    field: &'a Field,
    at: usize,
    width: u8,
    little: bool,
}

struct Frame<'a> {
    bytes: Vec<u8>,
    lengths: Lengths,
    counts: [Option<Place<'a>>; REGISTERS],
    payload: Option<(Place<'a>, i64)>,
}

impl<'a> Frame<'a> {
    fn field(&mut self, field: &'a Field, given: &mut Given<'_>) -> Result<()> {
        match &field.shape {
            Shape::Number { width, signed, little, meaning } => {
                if let Some(register) = field.counts {
                    let place = Place { field, at: self.bytes.len(), width: *width, little: *little };
                    if let Some(count) = self.counts.get_mut(usize::from(register)) {
                        *count = Some(place);
                    }
                    return self.push(field, 0, *width, false, *little);
                }
                match self.number(field, meaning, given)? {
                    Some(raw) => self.push(field, raw, *width, *signed, *little),
                    None => self.default(field),
                }
            }
            Shape::Float { width, little, .. } => match value(field, given) {
                None => self.default(field),
                Some(value) => self.float(number(field, &value)?, *width, *little),
            },
            Shape::Chunk { length, content, pad } => match value(field, given) {
                None if field.default.is_empty() => self.default(field),
                None => self.chunk(field, field.default.clone(), *length, *pad),
                Some(value) => self.chunk(field, content_bytes(field, value, *content, *length)?, *length, *pad),
            },
            Shape::BcdTime { ahead } => match time(field, given)? {
                None => self.default(field),
                Some(time) => {
                    let digits = Writer::new().bcd_time(Timestamp(time), *ahead);
                    let digits = digits.map_err(|error| refuse(field, &error.detail))?;
                    self.bytes.extend_from_slice(digits.as_bytes());
                    Ok(())
                }
            },
            Shape::Constant => {
                if let Role::Echo { offset } = field.role {
                    // The report was recognised, so that these bytes are there.
                    let echoed = given.uplink.get(usize::from(offset)..).and_then(|rest| rest.get(..field.default.len()));
                    self.bytes.extend_from_slice(echoed.unwrap_or(&field.default));
                } else {
                    self.bytes.extend_from_slice(&field.default);
                }
                Ok(())
            }
            Shape::Padding { count } => {
                self.bytes.resize(self.bytes.len() + usize::from(*count), 0);
                Ok(())
            }
            Shape::PayloadLength { width, little, adjust } => {
                let place = Place { field, at: self.bytes.len(), width: *width, little: *little };
                self.payload = Some((place, i64::from(*adjust)));
                self.push(field, 0, *width, false, *little)
            }
            Shape::Check { algorithm, from, little } => {
                let sum = algorithm.of(self.bytes.get(usize::from(*from)..).unwrap_or_default());
                self.push(field, sum.into(), u8::try_from(algorithm.width()).unwrap_or_default(), false, *little)
            }
        }
    }

    /// The raw number of what the field stands for; none where nothing is given.
    fn number(&self, field: &Field, meaning: &Meaning, given: &mut Given<'_>) -> Result<Option<i64>> {
        let of_time = |time: u64| i64::try_from(if matches!(meaning, Meaning::Milliseconds) { time } else { time / 1_000 });
        Ok(Some(match field.role {
            Role::Mid => given.mid.into(),
            Role::Errcode => given.errcode.into(),
            Role::HasMore => given.has_more.into(),
            Role::EventTime | Role::Received => match time(field, given)? {
                Some(time) => of_time(time).map_err(|_| refuse(field, "the time is too late"))?,
                None => return Ok(None),
            },
            Role::Nothing | Role::Echo { .. } => return Ok(None),
            Role::Value { .. } => {
                let Some(value) = value(field, given) else { return Ok(None) };
                match meaning {
                    Meaning::Integer => integer(field, &value)?,
                    Meaning::Whole { factor, shift } => {
                        let whole = integer(field, &value)?;
                        let raw = whole.checked_div(*factor).and_then(|raw| raw.checked_sub(*shift));
                        raw.filter(|_| whole.checked_rem(*factor) == Some(0))
                            .ok_or_else(|| refuse(field, "no raw number for it"))?
                    }
                    Meaning::Flag => match value {
                        Value::Boolean(flag) => flag.into(),
                        other => i64::from(integer(field, &other)? != 0),
                    },
                    Meaning::Scaled(scale) => scale.raw(&field.name, number(field, &value)?)?,
                    Meaning::Choice(words) => {
                        let Value::Text(word) = &value else { return Err(refuse(field, "one of its words wanted")) };
                        let found = words.iter().find(|(_, known)| known == word);
                        found.ok_or_else(|| refuse(field, "it is not one of the words that are possible"))?.0
                    }
                    Meaning::Seconds | Meaning::Milliseconds => {
                        let Value::Timestamp(time) = value else { return Err(refuse(field, "a time wanted")) };
                        of_time(time).map_err(|_| refuse(field, "the time is too late"))?
                    }
                }
            }
        }))
    }

    fn push(&mut self, field: &Field, raw: i64, width: u8, signed: bool, little: bool) -> Result<()> {
        let all = raw.to_be_bytes();
        let width = usize::from(width.min(8));
        let (head, tail) = all.split_at_checked(8 - width).unwrap_or_default();
        let negative = signed && raw < 0;
        let sign = if negative { 0xFF } else { 0 };
        // The sign must be seen in the bytes that are written, or the number is another one.
        let shown = width == 8 || !signed || tail.first().is_some_and(|top| (top & 0x80 != 0) == negative);
        if (raw < 0 && !signed) || head.iter().any(|byte| *byte != sign) || !shown {
            let what = if signed { "signed" } else { "unsigned" };
            return Err(refuse(field, &format!("{raw} does not fit {width} bytes {what}")));
        }
        let start = self.bytes.len();
        self.bytes.extend_from_slice(tail);
        if little && let Some(written) = self.bytes.get_mut(start..) {
            written.reverse();
        }
        Ok(())
    }

    #[expect(clippy::cast_possible_truncation, reason = "a float of four bytes is what the layout asks for")]
    fn float(&mut self, value: f64, width: u8, little: bool) -> Result<()> {
        match (width, little) {
            (8, false) => self.bytes.extend_from_slice(&value.to_be_bytes()),
            (8, true) => self.bytes.extend_from_slice(&value.to_le_bytes()),
            (_, false) => self.bytes.extend_from_slice(&(value as f32).to_be_bytes()),
            (_, true) => self.bytes.extend_from_slice(&(value as f32).to_le_bytes()),
        }
        Ok(())
    }

    fn chunk(&mut self, field: &Field, mut bytes: Vec<u8>, length: Length, pad: Option<u8>) -> Result<()> {
        match length {
            Length::Fixed(count) => {
                let count = usize::from(count);
                match pad {
                    Some(pad) if bytes.len() < count => bytes.resize(count, pad),
                    // Without a pad the designer's codecs write what they are given.
                    None if self.lengths == Lengths::Lenient => {}
                    _ if bytes.len() == count => {}
                    _ => return Err(refuse(field, &format!("{} bytes given, {count} wanted", bytes.len()))),
                }
            }
            Length::Rest => {}
            Length::Prefix { width, little } => {
                let count = i64::try_from(bytes.len()).unwrap_or(i64::MAX);
                self.push(field, count, width, false, little)?;
            }
            Length::Counted { register, difference } => {
                let place = self.counts.get(usize::from(register)).copied().flatten();
                let place = place.ok_or_else(|| Error::new(ErrorKind::Other, "the length has no place"))?;
                let count = i64::try_from(bytes.len()).unwrap_or(i64::MAX).saturating_add(difference.into());
                self.fill(place, count)?;
            }
        }
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    /// Writes a number into bytes that were left for it.
    fn fill(&mut self, place: Place<'_>, number: i64) -> Result<()> {
        let end = self.bytes.len();
        self.push(place.field, number, place.width, false, place.little)?;
        let written = self.bytes.split_off(end);
        if let Some(bytes) = self.bytes.get_mut(place.at..place.at + usize::from(place.width)) {
            bytes.copy_from_slice(&written);
        }
        Ok(())
    }

    fn close_payload(&mut self) -> Result<()> {
        let Some((place, adjust)) = self.payload.take() else { return Ok(()) };
        let count = self.bytes.len() - place.at - usize::from(place.width);
        self.fill(place, i64::try_from(count).unwrap_or(i64::MAX).saturating_add(adjust))
    }

    /// What is written where nothing is given.
    fn default(&mut self, field: &Field) -> Result<()> {
        if !field.default.is_empty() {
            self.bytes.extend_from_slice(&field.default);
            return Ok(());
        }
        match field.role {
            Role::Value { .. } if !field.optional => Err(refuse(field, "nothing given, and the layout has no default")),
            Role::EventTime => Err(refuse(field, "no time given")),
            Role::Value { .. } => Ok(()),
            _ => {
                let width = match field.shape {
                    Shape::Number { width, .. } | Shape::Float { width, .. } => width.into(),
                    Shape::Chunk { length: Length::Fixed(count), .. } => count.into(),
                    _ => 0,
                };
                self.bytes.resize(self.bytes.len() + width, 0);
                Ok(())
            }
        }
    }
}

/// Takes the value of the field out of what is given; none if there is none, or null.
fn value(field: &Field, given: &mut Given<'_>) -> Option<Value> {
    let Role::Value { part, index } = field.role else { return None };
    let found = given.parts.get_mut(usize::from(part))?.iter_mut().find(|found| found.index == index)?;
    match std::mem::replace(&mut found.value, Value::Null) {
        Value::Null => None,
        value => Some(value),
    }
}

fn time(field: &Field, given: &mut Given<'_>) -> Result<Option<u64>> {
    match field.role {
        Role::EventTime => Ok(given.event_time),
        Role::Received => Ok(Some(given.received_ms)),
        _ => match value(field, given) {
            None => Ok(None),
            Some(Value::Timestamp(time)) => Ok(Some(time)),
            Some(_) => Err(refuse(field, "a time wanted")),
        },
    }
}

fn integer(field: &Field, value: &Value) -> Result<i64> {
    let whole = match value {
        Value::Integer(number) => Some(*number),
        Value::Boolean(flag) => Some((*flag).into()),
        Value::Number(number) => whole(*number),
        _ => None,
    };
    whole.ok_or_else(|| refuse(field, "a whole number wanted"))
}

#[expect(clippy::cast_precision_loss, reason = "a double is what the field stands for")]
fn number(field: &Field, value: &Value) -> Result<f64> {
    match value {
        Value::Number(number) => Ok(*number),
        Value::Integer(number) => Ok(*number as f64),
        _ => Err(refuse(field, "a number wanted")),
    }
}

fn content_bytes(field: &Field, value: Value, content: Content, length: Length) -> Result<Vec<u8>> {
    match (content, value) {
        (Content::Utf8, Value::Text(text)) | (Content::Json, Value::Json(text) | Value::Text(text)) => Ok(text.into_bytes()),
        (Content::Latin1, Value::Text(text)) => {
            let bytes: std::result::Result<_, _> = text.chars().map(|letter| u8::try_from(u32::from(letter))).collect();
            bytes.map_err(|_| refuse(field, "a character has no place in one byte"))
        }
        (Content::Whole, value) => integer(field, &value).map(|number| number.to_string().into_bytes()),
        (Content::Decimal, value) => {
            let text = printed(number(field, &value)?);
            text.map(String::into_bytes).ok_or_else(|| refuse(field, "more decimal places than can be written"))
        }
        (Content::Base64 | Content::Bytes, Value::Bytes(bytes)) => Ok(bytes),
        (Content::Base64, Value::Text(text)) => {
            base64::decode(&text).ok_or_else(|| refuse(field, "the text is no base64 (RFC 4648 with padding), such as AQI="))
        }
        (Content::Bcd, Value::Text(text)) => {
            let count = if let Length::Fixed(count) = length { count.into() } else { text.len().div_ceil(2) };
            bcd(&text, count).ok_or_else(|| refuse(field, "only decimal digits, and no more than there is room for"))
        }
        _ => Err(refuse(field, if content == Content::Bytes { "bytes wanted" } else { "text wanted" })),
    }
}

/// As `Writer::bcd`, whose refusal quotes the text: the code for that would be a tenth of the interpreter.
fn bcd(text: &str, count: usize) -> Option<Vec<u8>> {
    let zeros = count.checked_mul(2)?.checked_sub(text.len())?;
    let mut nibbles = std::iter::repeat_n(b'0', zeros).chain(text.bytes());
    let mut bytes = Vec::with_capacity(count);
    while let (Some(high), Some(low)) = (nibbles.next(), nibbles.next()) {
        let digits = high.is_ascii_digit() && low.is_ascii_digit();
        bytes.push(digits.then(|| (high - b'0') << 4 | (low - b'0'))?);
    }
    Some(bytes)
}

#[cold]
#[inline(never)]
fn refuse(field: &Field, why: &str) -> Error {
    Error::bad_parameter(format!("{}: {why}", field.name))
}
