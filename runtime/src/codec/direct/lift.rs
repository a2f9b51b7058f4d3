//! Reads results out of a guest's memory, as the canonical ABI lays out the types of `wit/v1` (32-bit memory, UTF-8).
//!
//! Trusts nothing: every pointer is checked against the memory, every case against its variant, every text is UTF-8, and an answer
//! is measured against the limits while it is read, before it is copied.

use crate::codec::convert::{self, SCALAR_BYTES};
use crate::codec::guest::STRUCTURE_BYTES;
use crate::codec::{CallError, Limits};
use crate::model::{
    CodecFault, CommandDescription, Description, FaultKind, Field, FieldDescription, Message, Report, ReportKind, Response,
    ServiceDescription, Value, ValueType,
};

/// A result that breaks the canonical ABI. Only code that no compiler made of `wit/v1` gives one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(super) enum Lie {
    #[error("the answer breaks the canonical ABI: a pointer leads out of the memory")]
    OutOfBounds,
    #[error("the answer breaks the canonical ABI: a pointer is not aligned")]
    Misaligned,
    #[error("the answer breaks the canonical ABI: a variant has no such case")]
    Case,
    #[error("the answer breaks the canonical ABI: a text is not UTF-8")]
    Utf8,
}

/// Why a result is no answer.
#[derive(Debug, PartialEq)]
pub(super) enum Unfit {
    /// The instance is broken.
    Lie(Lie),
    /// The guest refused, or said too much; the instance is well.
    Call(CallError),
}

impl From<Lie> for Unfit {
    fn from(lie: Lie) -> Self {
        Self::Lie(lie)
    }
}

impl From<CallError> for Unfit {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// A guest's memory.
pub(super) struct Lift<'a>(pub(super) &'a [u8]);

/// One record of known size, read by offset.
type Record<const N: usize> = [u8; N];

/// Bytes of the records.
const FIELD: usize = 24;
const MESSAGE: usize = 48;
const CODEC_ERROR: usize = 20;
const SERVICE: usize = 16;
const COMMAND: usize = 32;
const FIELD_DESCRIPTION: usize = 12;

/// What was read of an answer, and what may be.
struct Budget {
    /// Bytes of values.
    used: usize,
    limit: usize,
    /// Bytes of records in the guest's memory, which texts and lists of no length have too.
    structure: usize,
}

impl Budget {
    fn new(limits: &Limits) -> Self {
        Self { used: 0, limit: limits.output_bytes, structure: 0 }
    }

    /// Records that are about to be read; told before anything is allocated for them.
    fn records(&mut self, count: usize, bytes: usize) -> Result<(), CallError> {
        self.structure = self.structure.saturating_add(count.saturating_mul(bytes));
        if self.structure > self.limit.saturating_add(STRUCTURE_BYTES) {
            return Err(CallError::TooLarge { what: "answer", size: self.limit.saturating_add(1), limit: self.limit });
        }
        Ok(())
    }

    fn take(&mut self, bytes: usize) -> Result<(), CallError> {
        self.used = self.used.saturating_add(bytes);
        convert::within("answer", self.used, self.limit)
    }
}

impl<'a> Lift<'a> {
    /// `result<list<message>, codec-error>`
    pub(super) fn decoded(&self, at: i32, limits: &Limits) -> Result<Vec<Message>, Unfit> {
        let result: &Record<4> = self.record(at.cast_unsigned(), 4)?;
        let payload = at.cast_unsigned().wrapping_add(4);
        match result {
            [0, ..] => {
                let (pointer, count) = pair(self.record(payload, 4)?);
                convert::within("messages", usize_of(count), limits.messages)?;
                let mut budget = Budget::new(limits);
                let messages = self.records::<MESSAGE>(pointer, count, 8)?;
                let mut read = Vec::with_capacity(messages.len());
                for message in messages {
                    read.push(self.message(message, &mut budget)?);
                }
                Ok(read)
            }
            [1, ..] => Err(self.fault(payload)?),
            _ => Err(Lie::Case.into()),
        }
    }

    /// `result<option<list<u8>>, codec-error>`
    pub(super) fn encoded(&self, at: i32, limits: &Limits) -> Result<Option<Vec<u8>>, Unfit> {
        let result: &Record<4> = self.record(at.cast_unsigned(), 4)?;
        let payload = at.cast_unsigned().wrapping_add(4);
        match result {
            [0, ..] => {
                let option: &Record<12> = self.record(payload, 4)?;
                match option {
                    [0, ..] => Ok(None),
                    [1, _, _, _, rest @ ..] => {
                        let (pointer, length) = pair(rest);
                        convert::within("downlink", usize_of(length), limits.payload_bytes)?;
                        Ok(Some(self.bytes(pointer, length)?.to_vec()))
                    }
                    _ => Err(Lie::Case.into()),
                }
            }
            [1, ..] => Err(self.fault(payload)?),
            _ => Err(Lie::Case.into()),
        }
    }

    /// `description`
    pub(super) fn description(&self, at: i32, limits: &Limits) -> Result<Description, Unfit> {
        let record: &Record<32> = self.record(at.cast_unsigned(), 4)?;
        let mut budget = Budget::new(limits);
        let [name, version, services, commands] = quarters(record);
        Ok(Description {
            name: self.name(name, &mut budget)?,
            version: self.name(version, &mut budget)?,
            services: self.service_table(services, &mut budget)?,
            commands: self.command_table(commands, &mut budget)?,
        })
    }

    fn service_table(&self, list: [u8; 8], budget: &mut Budget) -> Result<Vec<ServiceDescription>, Unfit> {
        let (pointer, count) = pair(&list);
        let mut table = Vec::new();
        for record in self.records::<SERVICE>(pointer, count, 4)? {
            budget.records(1, SERVICE)?;
            let [id, properties] = halves(record);
            table.push(ServiceDescription { id: self.name(id, budget)?, properties: self.table(properties, budget)? });
        }
        Ok(table)
    }

    fn command_table(&self, list: [u8; 8], budget: &mut Budget) -> Result<Vec<CommandDescription>, Unfit> {
        let (pointer, count) = pair(&list);
        let mut table = Vec::new();
        for record in self.records::<COMMAND>(pointer, count, 4)? {
            budget.records(1, COMMAND)?;
            let [service, name, params, response] = quarters(record);
            table.push(CommandDescription {
                service: self.name(service, budget)?,
                name: self.name(name, budget)?,
                params: self.table(params, budget)?,
                response: self.table(response, budget)?,
            });
        }
        Ok(table)
    }

    fn table(&self, list: [u8; 8], budget: &mut Budget) -> Result<Vec<FieldDescription>, Unfit> {
        let (pointer, count) = pair(&list);
        let mut table = Vec::new();
        for record in self.records::<FIELD_DESCRIPTION>(pointer, count, 4)? {
            budget.records(1, FIELD_DESCRIPTION)?;
            let [a, b, c, d, e, f, g, h, value_type, ..] = *record;
            let name = self.name([a, b, c, d, e, f, g, h], budget)?;
            table.push(FieldDescription { name, value_type: type_of(value_type)? });
        }
        Ok(table)
    }

    fn name(&self, text: [u8; 8], budget: &mut Budget) -> Result<String, Unfit> {
        let (pointer, length) = pair(&text);
        budget.take(usize_of(length))?;
        Ok(self.text(pointer, length)?.to_owned())
    }

    /// `message`: case at 0, report or response at 8.
    fn message(&self, record: &Record<MESSAGE>, budget: &mut Budget) -> Result<Message, Unfit> {
        let (case, body) = (record[0], &record[8..]);
        match (case, body) {
            (0, [s0, s1, kind, _, _, _, _, _, timed, _, _, _, _, _, _, _, rest @ ..]) => {
                let [time, fields, tail] = thirds(rest)?;
                Ok(Message::Report(Report {
                    service: u16::from_le_bytes([*s0, *s1]),
                    kind: match kind {
                        0 => ReportKind::Report,
                        1 => ReportKind::Event,
                        _ => return Err(Lie::Case.into()),
                    },
                    event_time: option(*timed)?.then_some(u64::from_le_bytes(time)),
                    fields: self.fields(fields, budget)?,
                    has_more: tail[0] != 0,
                }))
            }
            (1, [m0, m1, errcode, _, told, _, c0, c1, rest @ ..]) => {
                let fields = rest.first_chunk().ok_or(Lie::OutOfBounds)?;
                Ok(Message::Response(Response {
                    mid: u16::from_le_bytes([*m0, *m1]),
                    errcode: *errcode,
                    command: option(*told)?.then_some(u16::from_le_bytes([*c0, *c1])),
                    fields: self.fields(*fields, budget)?,
                }))
            }
            _ => Err(Lie::Case.into()),
        }
    }

    fn fields(&self, list: [u8; 8], budget: &mut Budget) -> Result<Vec<Field>, Unfit> {
        let (pointer, count) = pair(&list);
        let records = self.records::<FIELD>(pointer, count, 8)?;
        budget.records(records.len(), FIELD)?;
        let mut fields = Vec::with_capacity(records.len());
        for record in records {
            self.field(record, &mut fields, budget)?;
        }
        Ok(fields)
    }

    /// `field`: index at 0, case of the value at 8, its payload at 16. Each case is written where it stays: moving a value that was
    /// just written costs more than reading it.
    #[inline]
    fn field(&self, record: &Record<FIELD>, fields: &mut Vec<Field>, budget: &mut Budget) -> Result<(), Unfit> {
        let [i0, i1, _, _, _, _, _, _, case, _, _, _, _, _, _, _, payload @ ..] = record;
        let (index, word) = (u16::from_le_bytes([*i0, *i1]), u64::from_le_bytes(*payload));
        let mut push = |value| fields.push(Field { index, value });
        match case {
            4 | 5 | 7 => {
                let (pointer, length) = pair(payload);
                budget.take(usize_of(length))?;
                match case {
                    4 => push(Value::Text(self.text(pointer, length)?.to_owned())),
                    5 => push(Value::Bytes(self.bytes(pointer, length)?.to_vec())),
                    _ => push(Value::Json(self.text(pointer, length)?.to_owned())),
                }
                return Ok(());
            }
            0 => push(Value::Null),
            1 => push(Value::Boolean(word & 0xff != 0)),
            2 => push(Value::Integer(word.cast_signed())),
            3 => push(Value::Number(f64::from_bits(word))),
            6 => push(Value::Timestamp(word)),
            _ => return Err(Lie::Case.into()),
        }
        Ok(budget.take(SCALAR_BYTES)?)
    }

    /// `codec-error`: kind at 0, detail at 4, offset at 12.
    fn fault(&self, at: u32) -> Result<Unfit, Lie> {
        let record: &Record<CODEC_ERROR> = self.record(at, 4)?;
        let [kind, _, _, _, a, b, c, d, e, f, g, h, placed, _, _, _, offset @ ..] = *record;
        let kind = match kind {
            0 => FaultKind::Truncated,
            1 => FaultKind::Checksum,
            2 => FaultKind::UnsupportedVersion,
            3 => FaultKind::BadField,
            4 => FaultKind::UnknownCommand,
            5 => FaultKind::BadParameter,
            6 => FaultKind::Unsupported,
            7 => FaultKind::Other,
            _ => return Err(Lie::Case),
        };
        let (pointer, length) = pair(&[a, b, c, d, e, f, g, h]);
        let detail = convert::detail(self.text(pointer, length)?);
        let offset = option(placed)?.then_some(u32::from_le_bytes(offset));
        Ok(Unfit::Call(CallError::Refused(CodecFault { kind, detail, offset })))
    }

    pub(super) fn text(&self, pointer: u32, length: u32) -> Result<&'a str, Lie> {
        std::str::from_utf8(self.bytes(pointer, length)?).map_err(|_| Lie::Utf8)
    }

    fn bytes(&self, pointer: u32, length: u32) -> Result<&'a [u8], Lie> {
        let start = usize_of(pointer);
        start.checked_add(usize_of(length)).and_then(|end| self.0.get(start..end)).ok_or(Lie::OutOfBounds)
    }

    /// Alignments are powers of two.
    fn record<const N: usize>(&self, pointer: u32, align: u32) -> Result<&'a Record<N>, Lie> {
        if pointer & (align - 1) != 0 {
            return Err(Lie::Misaligned);
        }
        self.0.get(usize_of(pointer)..).and_then(<[u8]>::first_chunk).ok_or(Lie::OutOfBounds)
    }

    fn records<const N: usize>(&self, pointer: u32, count: u32, align: u32) -> Result<&'a [Record<N>], Lie> {
        if pointer & (align - 1) != 0 {
            return Err(Lie::Misaligned);
        }
        let (start, length) = (usize_of(pointer), usize_of(count).checked_mul(N).ok_or(Lie::OutOfBounds)?);
        let bytes = start.checked_add(length).and_then(|end| self.0.get(start..end)).ok_or(Lie::OutOfBounds)?;
        Ok(bytes.as_chunks().0)
    }
}

fn option(case: u8) -> Result<bool, Lie> {
    match case {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Lie::Case),
    }
}

fn type_of(case: u8) -> Result<ValueType, Lie> {
    Ok(match case {
        0 => ValueType::Boolean,
        1 => ValueType::Integer,
        2 => ValueType::Number,
        3 => ValueType::Text,
        4 => ValueType::Bytes,
        5 => ValueType::Timestamp,
        6 => ValueType::Json,
        _ => return Err(Lie::Case),
    })
}

/// Pointer and length.
fn pair(bytes: &[u8; 8]) -> (u32, u32) {
    let [a, b, c, d, e, f, g, h] = *bytes;
    (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]))
}

/// A record of `2 * 8` bytes as two pairs.
fn halves(record: &[u8; 16]) -> [[u8; 8]; 2] {
    let (chunks, _) = record.as_chunks();
    chunks.first_chunk().copied().unwrap_or_default()
}

fn quarters(record: &[u8; 32]) -> [[u8; 8]; 4] {
    let (chunks, _) = record.as_chunks();
    chunks.first_chunk().copied().unwrap_or_default()
}

fn thirds(record: &[u8]) -> Result<[[u8; 8]; 3], Lie> {
    let (chunks, _) = record.as_chunks();
    chunks.first_chunk().copied().ok_or(Lie::OutOfBounds)
}

/// A 32-bit number as an index; the hosts that wasmtime runs on have 64-bit ones.
fn usize_of(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}
