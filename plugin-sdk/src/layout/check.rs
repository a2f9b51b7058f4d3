//! Whether a layout can be interpreted. Whether it makes sense is a matter of who made it; here nothing points outside.

use std::fmt;

use super::read::REGISTERS;
use super::{Column, Content, Field, Kind, Layout, Length, Mark, Meaning, Message, Role, Shape};
use crate::wire::ValueType;

/// Why a layout cannot be interpreted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Flaw {
    /// Name of the message, empty where it is none of one message.
    pub message: String,
    /// Name of the field, empty where it is none of one field.
    pub field: String,
    /// In words.
    pub reason: &'static str,
}

impl fmt::Display for Flaw {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in [&self.field, &self.message] {
            if !place.is_empty() {
                write!(f, "{place}: ")?;
            }
        }
        f.write_str(self.reason)
    }
}

impl std::error::Error for Flaw {}

pub(super) fn check(layout: &Layout) -> Result<(), Flaw> {
    for (position, command) in layout.commands.iter().enumerate() {
        let kind = layout.messages.get(usize::from(command.message)).map(|message| &message.kind);
        let fits = matches!(kind, Some(Kind::Command { command }) if usize::from(*command) == position);
        if !fits {
            return Err(Flaw { message: command.name.clone(), field: String::new(), reason: "the command has no message" });
        }
    }
    layout.messages.iter().try_for_each(|message| of_message(layout, message))
}

fn of_message(layout: &Layout, message: &Message) -> Result<(), Flaw> {
    let flaw = |field: &str, reason| Flaw { message: message.name.clone(), field: field.to_owned(), reason };
    let tables: Option<Vec<&[Column]>> = match &message.kind {
        Kind::Report { services } | Kind::Event { services } => {
            let service = |index: &u16| layout.services.get(usize::from(*index)).map(|service| service.properties.as_slice());
            services.iter().map(service).collect()
        }
        Kind::Response { command } => layout.commands.get(usize::from(*command)).map(|command| vec![command.response.as_slice()]),
        Kind::Command { command } => layout.commands.get(usize::from(*command)).map(|command| vec![command.params.as_slice()]),
    };
    let Some(tables) = tables.filter(|tables| !tables.is_empty() && tables.len() <= 16) else {
        return Err(flaw("", "it names a service or a command that does not exist"));
    };
    of_fields(&message.fields, &tables).map_err(|(field, reason)| flaw(field, reason))?;
    if message.marks.iter().any(|mark| !good(mark)) {
        return Err(flaw("", "a mark is empty or too long"));
    }
    if let Some(group) = &message.group {
        let told = group.count.is_none_or(|count| usize::from(count) < REGISTERS);
        let some = usize::from(group.from) < message.fields.len();
        if !told || !some || !matches!(message.kind, Kind::Report { .. } | Kind::Event { .. }) {
            return Err(flaw("", "its repeated fields are none that can be"));
        }
    }
    let Some(answer) = &message.answer else { return Ok(()) };
    if !matches!(message.kind, Kind::Report { .. } | Kind::Event { .. }) {
        return Err(flaw("", "only reports are answered"));
    }
    if answer.when.iter().any(|mark| !good(mark)) {
        return Err(flaw("", "a mark is empty or too long"));
    }
    of_fields(&answer.fields, &[]).map_err(|(field, reason)| flaw(field, reason))
}

fn good(mark: &Mark) -> bool {
    !mark.bytes.is_empty() && mark.bytes.len() <= 64
}

fn of_fields<'f>(fields: &'f [Field], tables: &[&[Column]]) -> Result<(), (&'f str, &'static str)> {
    if fields.len() > 1_024 {
        return Err(("", "more than 1,024 fields"));
    }
    // What is written must have room in a payload, and in the memory of an instance.
    if fields.iter().map(|field| fixed(&field.shape).saturating_add(field.default.len())).sum::<usize>() > 0xFFFF {
        return Err(("", "longer than a payload can be"));
    }
    let mut known = [false; REGISTERS];
    let mut payload = false;
    for field in fields {
        let refuse = |reason| Err((field.name.as_str(), reason));
        if let Role::Value { part, index } = field.role {
            let column = tables.get(usize::from(part)).and_then(|table| table.get(usize::from(index)));
            let Some(column) = column else { return refuse("it names a value that does not exist") };
            if !carries(&field.shape, column.value_type) {
                return refuse("it cannot have the type that is promised");
            }
        }
        if let Some(register) = field.counts {
            let Some(register) = known.get_mut(usize::from(register)) else { return refuse("no such register") };
            *register = true;
            if !matches!(field.shape, Shape::Number { signed: false, .. }) || field.role != Role::Nothing {
                return refuse("only an unsigned number that is nothing else can be a length");
            }
        }
        let width_fits = match &field.shape {
            Shape::Number { meaning: Meaning::Whole { factor: 0, .. }, .. } => false,
            Shape::Number { width, .. } => (1..=8).contains(width),
            Shape::Float { width, .. } => matches!(width, 4 | 8),
            Shape::Chunk { length: Length::Prefix { width, .. }, .. } => matches!(width, 1 | 2),
            Shape::Chunk { length: Length::Counted { register, .. }, .. } => {
                known.get(usize::from(*register)).copied().unwrap_or(false)
            }
            Shape::PayloadLength { width, .. } => (1..=4).contains(width) && !std::mem::replace(&mut payload, true),
            Shape::BcdTime { ahead } => (-1_440..=1_440).contains(ahead),
            Shape::Chunk { .. } | Shape::Constant | Shape::Padding { .. } | Shape::Check { .. } => true,
        };
        if !width_fits {
            return refuse("its width or length is none that can be");
        }
    }
    Ok(())
}

/// Bytes that the layout alone decides on.
fn fixed(shape: &Shape) -> usize {
    match shape {
        Shape::Padding { count } | Shape::Chunk { length: Length::Fixed(count), .. } => usize::from(*count),
        _ => 0,
    }
}

/// Whether what the shape reads is of the promised type.
fn carries(shape: &Shape, promised: ValueType) -> bool {
    let read = match shape {
        Shape::Number { meaning, .. } => match meaning {
            Meaning::Integer | Meaning::Whole { .. } => ValueType::Integer,
            Meaning::Flag => ValueType::Boolean,
            Meaning::Scaled(_) => ValueType::Number,
            Meaning::Choice(_) => ValueType::Text,
            Meaning::Seconds | Meaning::Milliseconds => ValueType::Timestamp,
        },
        Shape::Float { .. } => ValueType::Number,
        Shape::Chunk { content, .. } => match content {
            Content::Latin1 | Content::Utf8 | Content::Base64 | Content::Bcd => ValueType::Text,
            Content::Json => ValueType::Json,
            Content::Bytes => ValueType::Bytes,
            Content::Whole => ValueType::Integer,
            Content::Decimal => ValueType::Number,
        },
        Shape::BcdTime { .. } => ValueType::Timestamp,
        Shape::Constant | Shape::Padding { .. } | Shape::PayloadLength { .. } | Shape::Check { .. } => return false,
    };
    read == promised
}
