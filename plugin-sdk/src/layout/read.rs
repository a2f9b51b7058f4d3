//! From bytes to values. Every read is bounded, so that no layout and no payload can make it trap.

use super::number::{decimal, parsed, parsed_whole, rounded};
use super::{Content, Field, Kind, Layout, Length, Lengths, Mark, Meaning, Message, Role, Shape, base64};
use crate::Reader;
use crate::error::{Error, ErrorKind, Result};
use crate::wire::{self, ReportKind, Response, Value};

/// Times that fields may repeat: the host takes no more messages of one payload.
const MOST_TIMES: i64 = 255;
/// Registers of a message.
pub(super) const REGISTERS: usize = 16;

pub(super) fn decode(layout: &Layout, payload: &[u8]) -> Result<Vec<wire::Message>> {
    read(layout, recognise(layout, payload)?, payload)
}

pub(super) fn interpret(layout: &Layout, message: usize, payload: &[u8]) -> Result<Vec<wire::Message>> {
    let message = layout.messages.get(message).ok_or_else(|| Error::new(ErrorKind::Other, "the layout has no such message"))?;
    read(layout, message, payload)
}

/// The first message, of those that devices send, whose marks are all there.
pub(super) fn recognise<'l>(layout: &'l Layout, payload: &[u8]) -> Result<&'l Message> {
    let up = || layout.messages.iter().filter(|message| message.is_up());
    up().find(|message| marked(&message.marks, payload)).ok_or_else(|| unknown(up(), payload))
}

pub(super) fn marked(marks: &[Mark], payload: &[u8]) -> bool {
    marks.iter().all(|mark| {
        let rest = payload.get(usize::from(mark.offset)..).unwrap_or_default();
        rest.len() >= mark.bytes.len() && same(&mark.bytes, rest)
    })
}

/// Compares as many bytes as the shorter has. They are so few that a call would cost more.
#[inline]
fn same(one: &[u8], other: &[u8]) -> bool {
    one.iter().zip(other).all(|(one, other)| one == other)
}

/// What to say where no message fits: the place at which the message that fits best is left, and what stands there.
#[cold]
#[inline(never)]
fn unknown<'l>(messages: impl Iterator<Item = &'l Message>, payload: &[u8]) -> Error {
    let missed = messages.filter_map(|message| message.marks.iter().find(|mark| !marked(std::slice::from_ref(mark), payload)));
    let first = missed.max_by_key(|mark| mark.offset);
    let Some(mark) = first else { return Error::new(ErrorKind::Unsupported, "the layout has no message that devices send") };
    let (offset, width) = (usize::from(mark.offset), mark.bytes.len());
    match payload.get(offset..offset.saturating_add(width)) {
        None => {
            let left = payload.len().saturating_sub(offset);
            Error::new(ErrorKind::Truncated, format!("message id: {width} bytes wanted, {left} left")).at(offset)
        }
        Some(found) => {
            let found: String = found.iter().map(|byte| format!("{byte:02X}")).collect();
            Error::new(ErrorKind::BadField, format!("no message has 0x{found} here")).at(offset)
        }
    }
}

fn read(layout: &Layout, message: &Message, payload: &[u8]) -> Result<Vec<wire::Message>> {
    let (end, lengths) = (payload.len(), layout.lengths);
    let mut frame = Frame { payload, at: 0, end, bounded: false, lengths, message, counts: [0; REGISTERS] };
    let mut seen = Seen::new(message, false, None);
    let from = message.group.map_or(message.fields.len(), |group| group.from.into());
    let (once, repeated) = message.fields.split_at_checked(from).unwrap_or_default();
    for field in once {
        let ended = frame.at >= frame.end;
        // A device that failed often sends nothing after the error code.
        if ended && (field.optional || seen.errcode != 0) {
            break;
        }
        frame.field(field, &mut seen)?;
    }
    let Some(group) = message.group else {
        frame.close()?;
        return Ok(seen.told());
    };
    let count = group.count.map(|register| frame.counts.get(usize::from(register)).copied().unwrap_or_default());
    let (event_time, has_more) = (seen.event_time, seen.has_more);
    let mut messages = seen.told();
    messages.retain(has_values);
    for time in 0.. {
        let begin = frame.at;
        if count.map_or(begin >= frame.end, |count| time >= count) {
            break;
        }
        if time >= MOST_TIMES {
            let detail = format!("{}: its fields repeat more than {MOST_TIMES} times", message.name);
            return Err(Error::new(ErrorKind::BadField, detail).at(begin));
        }
        let mut seen = Seen::new(message, has_more, event_time);
        repeated.iter().try_for_each(|field| frame.field(field, &mut seen))?;
        messages.extend(seen.told().into_iter().filter(has_values));
        // What takes no bytes would repeat for ever.
        if frame.at == begin {
            break;
        }
    }
    frame.close()?;
    Ok(messages)
}

fn has_values(message: &wire::Message) -> bool {
    !matches!(message, wire::Message::Report(report) if report.fields.is_empty())
}

/// The messages that it will say, without values.
fn empty(message: &Message) -> Vec<wire::Message> {
    let report = |services: &[u16], kind: ReportKind| {
        let report = |service: &u16| {
            let fields = Vec::new();
            wire::Message::Report(wire::Report { service: *service, kind, event_time: None, fields, has_more: false })
        };
        services.iter().map(report).collect()
    };
    match &message.kind {
        Kind::Report { services } => report(services, ReportKind::Report),
        Kind::Event { services } => report(services, ReportKind::Event),
        Kind::Response { command } | Kind::Command { command } => {
            vec![wire::Message::Response(Response { mid: 0, errcode: 0, command: Some(*command), fields: Vec::new() })]
        }
    }
}

/// What was read so far.
struct Seen {
    messages: Vec<wire::Message>,
    /// The values of the first message, nearly always the only one.
    first: Vec<wire::Field>,
    mid: u16,
    errcode: u8,
    has_more: bool,
    event_time: Option<u64>,
}

impl Seen {
    fn new(message: &Message, has_more: bool, event_time: Option<u64>) -> Self {
        // Enough for nearly all; a list grows where it is not.
        let first = Vec::with_capacity(message.fields.len().min(24));
        Self { messages: empty(message), first, mid: 0, errcode: 0, has_more, event_time }
    }

    /// The messages with what goes for all of their values.
    fn told(mut self) -> Vec<wire::Message> {
        if let Some(fields) = self.messages.first_mut().map(fields_of) {
            *fields = self.first;
        }
        for told in &mut self.messages {
            match told {
                wire::Message::Report(report) => {
                    report.event_time = self.event_time;
                    report.has_more = self.has_more;
                }
                wire::Message::Response(response) => {
                    response.mid = self.mid;
                    response.errcode = self.errcode;
                }
            }
        }
        self.messages
    }

    #[inline]
    fn push(&mut self, part: u8, index: u16, value: Value) {
        let fields = match part {
            0 => Some(&mut self.first),
            part => self.messages.get_mut(usize::from(part)).map(fields_of),
        };
        if let Some(fields) = fields {
            fields.push(wire::Field { index, value });
        }
    }
}

fn fields_of(message: &mut wire::Message) -> &mut Vec<wire::Field> {
    match message {
        wire::Message::Report(report) => &mut report.fields,
        wire::Message::Response(response) => &mut response.fields,
    }
}

/// A payload that is read from front to back.
struct Frame<'a> {
    payload: &'a [u8],
    at: usize,
    /// Where the message ends, as far as is known.
    end: usize,
    /// A payload length said so; check values come after it.
    bounded: bool,
    lengths: Lengths,
    message: &'a Message,
    counts: [i64; REGISTERS],
}

impl<'a> Frame<'a> {
    #[inline]
    fn field(&mut self, field: &Field, seen: &mut Seen) -> Result<()> {
        let start = self.at;
        match &field.shape {
            Shape::Number { width, signed, little, meaning } => {
                let raw = integer(self.take(field, (*width).into())?, *signed, *little);
                let Some(raw) = raw else {
                    return Err(self.refuse(field, start, "the number is above 9223372036854775807, which no value can hold"));
                };
                if let Some(count) = field.counts.and_then(|register| self.counts.get_mut(usize::from(register))) {
                    *count = raw;
                }
                self.number(field, start, raw, meaning, seen)
            }
            Shape::Float { width, little, places } => {
                let value = float(self.take(field, (*width).into())?, *little, *places);
                if let Role::Value { part, index } = field.role {
                    seen.push(part, index, value.map_or(Value::Null, Value::Number));
                }
                Ok(())
            }
            Shape::Chunk { length, content, pad } => {
                let bytes = self.chunk(field, *length)?;
                let Role::Value { part, index } = field.role else { return Ok(()) };
                let value = match bytes {
                    Some(bytes) => self.content(field, start, unpadded(bytes, *pad), *content)?,
                    None => Value::Null,
                };
                seen.push(part, index, value);
                Ok(())
            }
            Shape::BcdTime { ahead } => {
                let digits = self.take(field, 6)?;
                let time = Reader::new(digits).bcd_time(*ahead);
                let time = time.map_err(|error| self.refuse(field, start, &error.detail))?;
                self.time(field, time.0, seen);
                Ok(())
            }
            Shape::Constant => {
                let found = self.take(field, field.default.len())?;
                if self.lengths == Lengths::Strict && field.role == Role::Nothing && !same(found, &field.default) {
                    return Err(self.refuse(field, start, "another constant is expected"));
                }
                Ok(())
            }
            Shape::Padding { count } => self.take(field, (*count).into()).map(drop),
            Shape::PayloadLength { width, little, adjust } => {
                let declared = integer(self.take(field, (*width).into())?, false, *little).unwrap_or(i64::MAX);
                self.bounded(field, start, declared - i64::from(*adjust))
            }
            Shape::Check { algorithm, from, little } => {
                if self.bounded {
                    self.close()?;
                    (self.at, self.end) = (self.end, self.payload.len());
                }
                let start = self.at;
                let covered = self.payload.get(usize::from(*from)..start).unwrap_or_default();
                let computed = algorithm.of(covered);
                let sent = integer(self.take(field, algorithm.width())?, false, *little);
                if sent == Some(computed.into()) {
                    return Ok(());
                }
                let detail =
                    format!("{} of {}: the bytes do not fit it, something was changed on the way", field.name, self.message.name);
                Err(Error::new(ErrorKind::Checksum, detail).at(start))
            }
        }
    }

    #[inline]
    fn number(&mut self, field: &Field, start: usize, raw: i64, meaning: &Meaning, seen: &mut Seen) -> Result<()> {
        match field.role {
            Role::Value { part, index } => {
                let value = match meaning {
                    Meaning::Integer => Value::Integer(raw),
                    Meaning::Whole { factor, shift } => {
                        let whole = raw.checked_add(*shift).and_then(|shifted| shifted.checked_mul(*factor));
                        Value::Integer(whole.ok_or_else(|| self.refuse(field, start, "the number is beyond 64 bits"))?)
                    }
                    Meaning::Flag => Value::Boolean(raw != 0),
                    Meaning::Scaled(scale) => Value::Number(scale.value(raw)),
                    Meaning::Choice(words) => match words.iter().find(|(number, _)| *number == raw) {
                        Some((_, word)) => Value::Text(word.clone()),
                        None if self.lengths == Lengths::Lenient => Value::Null,
                        None => return Err(self.refuse(field, start, "the number stands for no word of the list")),
                    },
                    Meaning::Seconds => Value::Timestamp(milliseconds(raw, 1_000)),
                    Meaning::Milliseconds => Value::Timestamp(milliseconds(raw, 1)),
                };
                seen.push(part, index, value);
            }
            Role::Mid => match u16::try_from(raw) {
                Ok(mid) => seen.mid = mid,
                Err(_) => return Err(self.refuse(field, start, "a mid has two bytes")),
            },
            // Whatever is not 0 is a failure, also what does not fit.
            Role::Errcode => seen.errcode = u8::try_from(raw).unwrap_or(u8::MAX),
            Role::HasMore => seen.has_more = raw != 0,
            Role::EventTime => {
                let factor = if matches!(meaning, Meaning::Milliseconds) { 1 } else { 1_000 };
                seen.event_time = Some(milliseconds(raw, factor));
            }
            Role::Nothing | Role::Received | Role::Echo { .. } => {}
        }
        Ok(())
    }

    fn time(&self, field: &Field, time: u64, seen: &mut Seen) {
        match field.role {
            Role::Value { part, index } => seen.push(part, index, Value::Timestamp(time)),
            Role::EventTime => seen.event_time = Some(time),
            _ => {}
        }
    }

    /// The message ends so many bytes from here, a check value excepted.
    fn bounded(&mut self, field: &Field, start: usize, count: i64) -> Result<()> {
        let Ok(count) = usize::try_from(count) else { return Err(self.refuse(field, start, "the length is too small")) };
        let left = self.end.saturating_sub(self.at).saturating_sub(self.trailer());
        if count > left {
            let detail = format!("{} of {}: {count} bytes announced, {left} left", field.name, self.message.name);
            return Err(Error::new(ErrorKind::Truncated, detail).at(start));
        }
        if count < left && self.lengths == Lengths::Strict {
            let detail = format!("{} of {}: {count} bytes announced, {left} there", field.name, self.message.name);
            return Err(Error::new(ErrorKind::BadField, detail).at(self.at + count));
        }
        self.end = self.at + count;
        self.bounded = true;
        Ok(())
    }

    /// Bytes of the check values.
    fn trailer(&self) -> usize {
        let width = |field: &Field| if let Shape::Check { algorithm, .. } = field.shape { algorithm.width() } else { 0 };
        self.message.fields.iter().map(width).sum()
    }

    /// Refuses what follows the last field, where lengths are strict.
    fn close(&self) -> Result<()> {
        if self.lengths == Lengths::Lenient || self.at >= self.end {
            return Ok(());
        }
        let detail = format!("{} bytes after the end of {}", self.end - self.at, self.message.name);
        Err(Error::new(ErrorKind::BadField, detail).at(self.at))
    }

    /// The next bytes. What is cut short is an error.
    #[inline]
    fn take(&mut self, field: &Field, count: usize) -> Result<&'a [u8]> {
        let end = self.at.saturating_add(count);
        match self.payload.get(self.at..end) {
            Some(bytes) if end <= self.end => {
                self.at = end;
                Ok(bytes)
            }
            _ => Err(self.truncated(field, count)),
        }
    }

    /// The bytes of a text or byte string; none where they are cut short and that is no error.
    fn chunk(&mut self, field: &Field, length: Length) -> Result<Option<&'a [u8]>> {
        let left = self.end.saturating_sub(self.at);
        let count = match length {
            Length::Fixed(count) => usize::from(count),
            Length::Rest if self.bounded => left,
            Length::Rest => left.saturating_sub(self.trailer()),
            Length::Prefix { width, little } => {
                let count = integer(self.take(field, width.into())?, false, little);
                count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX)
            }
            Length::Counted { register, difference } => {
                let told = self.counts.get(usize::from(register)).copied().unwrap_or_default();
                match usize::try_from(told.saturating_sub(difference.into())) {
                    Ok(count) => count,
                    Err(_) if self.lengths == Lengths::Lenient => return Ok(None),
                    Err(_) => return Err(self.refuse(field, self.at, "its length is less than the difference")),
                }
            }
        };
        if self.lengths == Lengths::Lenient && count > self.end.saturating_sub(self.at) {
            self.at = self.end;
            return Ok(None);
        }
        self.take(field, count).map(Some)
    }

    fn content(&self, field: &Field, start: usize, bytes: &[u8], content: Content) -> Result<Value> {
        Ok(match content {
            Content::Latin1 => Value::Text(latin1(bytes)),
            Content::Bytes => Value::Bytes(bytes.to_vec()),
            Content::Base64 => Value::Text(base64::encode(bytes)),
            Content::Whole | Content::Decimal => {
                let number = match content {
                    Content::Whole => parsed_whole(bytes).map(Value::Integer),
                    _ => parsed(bytes).map(Value::Number),
                };
                match number {
                    Some(number) => number,
                    None if self.lengths == Lengths::Lenient => Value::Null,
                    None => return Err(self.refuse(field, start, "the text is no number")),
                }
            }
            Content::Bcd => match Reader::new(bytes).bcd(bytes.len()) {
                Ok(digits) => Value::Text(digits),
                Err(error) => return Err(self.refuse(field, start, &error.detail)),
            },
            Content::Utf8 | Content::Json => match std::str::from_utf8(bytes) {
                Ok(text) if content == Content::Json => Value::Json(text.to_owned()),
                Ok(text) => Value::Text(text.to_owned()),
                Err(_) => return Err(self.refuse(field, start, "not UTF-8")),
            },
        })
    }

    #[cold]
    #[inline(never)]
    fn truncated(&self, field: &Field, wanted: usize) -> Error {
        let left = self.end.saturating_sub(self.at);
        let detail = format!("{} of {}: {wanted} bytes wanted, {left} left", field.name, self.message.name);
        Error::new(ErrorKind::Truncated, detail).at(self.at)
    }

    #[cold]
    #[inline(never)]
    fn refuse(&self, field: &Field, offset: usize, why: &str) -> Error {
        Error::new(ErrorKind::BadField, format!("{} of {}: {why}", field.name, self.message.name)).at(offset)
    }
}

/// None above the largest value.
#[inline]
fn integer(bytes: &[u8], signed: bool, little: bool) -> Option<i64> {
    let fold = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    let number = match (bytes, little) {
        // The usual widths without a loop.
        ([byte], _) => u64::from(*byte),
        ([a, b], false) => u16::from_be_bytes([*a, *b]).into(),
        ([a, b, c, d], false) => u32::from_be_bytes([*a, *b, *c, *d]).into(),
        (bytes, false) => bytes.iter().fold(0, fold),
        (bytes, true) => bytes.iter().rev().fold(0, fold),
    };
    if !signed {
        return i64::try_from(number).ok();
    }
    let unused = u32::try_from(bytes.len()).ok().and_then(|width| 64_u32.checked_sub(width * 8)).unwrap_or(0);
    Some(if unused > 63 { 0 } else { (number << unused).cast_signed() >> unused })
}

/// None for what is no number.
fn float(bytes: &[u8], little: bool, places: Option<u8>) -> Option<f64> {
    let value = if let Some(bytes) = bytes.first_chunk::<8>() {
        let value = if little { f64::from_le_bytes(*bytes) } else { f64::from_be_bytes(*bytes) };
        places.map_or(value, |places| rounded(value, places))
    } else {
        let bytes = bytes.first_chunk::<4>()?;
        decimal(if little { f32::from_le_bytes(*bytes) } else { f32::from_be_bytes(*bytes) }, places)
    };
    Some(value).filter(|value| value.is_finite())
}

fn milliseconds(raw: i64, factor: u64) -> u64 {
    u64::try_from(raw).unwrap_or_default().saturating_mul(factor)
}

fn unpadded(bytes: &[u8], pad: Option<u8>) -> &[u8] {
    let Some(pad) = pad else { return bytes };
    let length = bytes.iter().rposition(|byte| *byte != pad).map_or(0, |last| last + 1);
    bytes.get(..length).unwrap_or_default()
}

/// One character a byte. Plain ASCII, the usual case, is copied whole.
fn latin1(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if bytes.is_ascii() => text.to_owned(),
        _ => bytes.iter().copied().map(char::from).collect(),
    }
}
