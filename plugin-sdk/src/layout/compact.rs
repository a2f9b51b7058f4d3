//! A layout as compact bytes and back: a version byte, then numbers as varints (LEB128), texts and lists with their length in front.
//!
//! There is one way to write each layout, and what is read is checked, so that bytes which were changed are refused or are
//! another layout that can be interpreted. Nothing here allocates more than the bytes that it reads can justify.

use std::fmt;

use super::{
    Algorithm, Answer, Column, Command, Content, Field, Flaw, Group, Kind, Layout, Length, Lengths, Mark, Meaning, Message, Role,
    Scale, Service, Shape,
};
use crate::wire::ValueType;

/// Of the compact form.
const VERSION: u8 = 1;

/// Why compact bytes are no layout.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Damage {
    /// No layout was put there.
    Absent,
    /// Written by a later version.
    Version(u8),
    /// Not what was written.
    Changed,
    /// Readable, and cannot be interpreted.
    Flawed(Flaw),
}

impl fmt::Display for Damage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("there is no layout"),
            Self::Version(version) => write!(f, "the layout has format {version}, this interpreter reads {VERSION}"),
            Self::Changed => f.write_str("the layout was damaged"),
            Self::Flawed(flaw) => write!(f, "the layout cannot be interpreted: {flaw}"),
        }
    }
}

impl std::error::Error for Damage {}

/// The compact form.
#[must_use]
pub fn to_bytes(layout: &Layout) -> Vec<u8> {
    let mut bytes = vec![VERSION];
    layout.put(&mut bytes);
    bytes
}

/// Reads the compact form and checks what it says.
///
/// # Errors
/// [`Damage`]
pub fn from_bytes(bytes: &[u8]) -> Result<Layout, Damage> {
    let (version, rest) = bytes.split_first().ok_or(Damage::Absent)?;
    if *version != VERSION {
        return Err(Damage::Version(*version));
    }
    let mut input = Input { rest };
    let layout = Layout::take(&mut input).filter(|_| input.rest.is_empty()).ok_or(Damage::Changed)?;
    layout.check().map_err(Damage::Flawed)?;
    Ok(layout)
}

struct Input<'a> {
    rest: &'a [u8],
}

impl<'a> Input<'a> {
    fn bytes(&mut self, count: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.rest.split_at_checked(count)?;
        self.rest = rest;
        Some(bytes)
    }

    /// A number of elements: each has one byte at least.
    fn count(&mut self) -> Option<usize> {
        usize::try_from(u64::take(self)?).ok().filter(|count| *count <= self.rest.len())
    }
}

trait Compact: Sized {
    fn put(&self, bytes: &mut Vec<u8>);
    fn take(input: &mut Input<'_>) -> Option<Self>;
}

impl Compact for u64 {
    fn put(&self, bytes: &mut Vec<u8>) {
        let mut left = *self;
        while left > 0x7F {
            let [low, ..] = left.to_le_bytes();
            bytes.push(low | 0x80);
            left >>= 7;
        }
        let [low, ..] = left.to_le_bytes();
        bytes.push(low);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let mut number = 0;
        for place in 0..10_u32 {
            let [byte] = *input.bytes(1)?.first_chunk()?;
            let bits = u64::from(byte & 0x7F);
            if place == 9 && bits > 1 {
                return None;
            }
            number |= bits << (7 * place);
            if byte & 0x80 == 0 {
                // A longer way to write the same.
                return (byte != 0 || place == 0).then_some(number);
            }
        }
        None
    }
}

/// Zigzag: small numbers of both signs are short.
impl Compact for i64 {
    fn put(&self, bytes: &mut Vec<u8>) {
        ((self << 1) ^ (self >> 63)).cast_unsigned().put(bytes);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let number = u64::take(input)?;
        Some((number >> 1).cast_signed() ^ -(number & 1).cast_signed())
    }
}

macro_rules! narrow {
    ($($type:ty as $wide:ty),*) => { $(
        impl Compact for $type {
            fn put(&self, bytes: &mut Vec<u8>) {
                <$wide>::from(*self).put(bytes);
            }

            fn take(input: &mut Input<'_>) -> Option<Self> {
                <$wide>::take(input)?.try_into().ok()
            }
        }
    )* };
}
narrow! { u8 as u64, u16 as u64, i16 as i64 }

impl Compact for bool {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.push((*self).into());
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        match input.bytes(1)? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }
}

impl Compact for f64 {
    fn put(&self, bytes: &mut Vec<u8>) {
        bytes.extend_from_slice(&self.to_le_bytes());
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        input.bytes(8)?.first_chunk().map(|bytes| Self::from_le_bytes(*bytes))
    }
}

impl Compact for String {
    fn put(&self, bytes: &mut Vec<u8>) {
        (self.len() as u64).put(bytes);
        bytes.extend_from_slice(self.as_bytes());
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let count = input.count()?;
        std::str::from_utf8(input.bytes(count)?).ok().map(str::to_owned)
    }
}

impl<T: Compact> Compact for Vec<T> {
    fn put(&self, bytes: &mut Vec<u8>) {
        (self.len() as u64).put(bytes);
        self.iter().for_each(|item| item.put(bytes));
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let count = input.count()?;
        (0..count).map(|_| T::take(input)).collect()
    }
}

impl<T: Compact> Compact for Option<T> {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.is_some().put(bytes);
        if let Some(inner) = self {
            inner.put(bytes);
        }
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        if bool::take(input)? { T::take(input).map(Some) } else { Some(None) }
    }
}

impl Compact for (i64, String) {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.0.put(bytes);
        self.1.put(bytes);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        Some((i64::take(input)?, String::take(input)?))
    }
}

impl Compact for Scale {
    fn put(&self, bytes: &mut Vec<u8>) {
        self.factor().put(bytes);
        self.shift().put(bytes);
    }

    fn take(input: &mut Input<'_>) -> Option<Self> {
        let factor = f64::take(input)?;
        Self::new(factor, i64::take(input)?)
    }
}

macro_rules! records {
    ($($name:ident { $($field:ident)+ })*) => { $(
        impl Compact for $name {
            fn put(&self, bytes: &mut Vec<u8>) {
                $(self.$field.put(bytes);)+
            }

            fn take(input: &mut Input<'_>) -> Option<Self> {
                $(let $field = Compact::take(input)?;)+
                Some(Self { $($field),+ })
            }
        }
    )* };
}
records! {
    Layout { name version lengths services commands messages }
    Service { id properties }
    Command { service name params response message }
    Column { name value_type }
    Message { name kind marks fields group answer }
    Group { from count }
    Mark { offset bytes }
    Answer { when fields }
    Field { name role shape default optional counts }
}

macro_rules! choices {
    ($($name:ident { $($tag:literal $variant:ident $({ $($field:ident)+ })? $(($inner:ident))?)+ })*) => { $(
        impl Compact for $name {
            fn put(&self, bytes: &mut Vec<u8>) {
                match self {
                    $(Self::$variant $({ $($field),+ })? $(($inner))? => {
                        bytes.push($tag);
                        $($($field.put(bytes);)+)?
                        $($inner.put(bytes);)?
                    })+
                }
            }

            fn take(input: &mut Input<'_>) -> Option<Self> {
                Some(match u8::take(input)? {
                    $($tag => {
                        $($(let $field = Compact::take(input)?;)+)?
                        $(let $inner = Compact::take(input)?;)?
                        Self::$variant $({ $($field),+ })? $(($inner))?
                    })+
                    _ => return None,
                })
            }
        }
    )* };
}
choices! {
    Lengths { 0 Lenient 1 Strict }
    ValueType { 0 Boolean 1 Integer 2 Number 3 Text 4 Bytes 5 Timestamp 6 Json }
    Kind { 0 Report { services } 1 Event { services } 2 Response { command } 3 Command { command } }
    Role {
        0 Nothing 1 Value { part index } 2 Mid 3 Errcode 4 HasMore 5 EventTime 6 Received 7 Echo { offset }
    }
    Shape {
        0 Number { width signed little meaning }
        1 Float { width little places }
        2 Chunk { length content pad }
        3 BcdTime { ahead }
        4 Constant
        5 Padding { count }
        6 PayloadLength { width little adjust }
        7 Check { algorithm from little }
    }
    Meaning { 0 Integer 1 Flag 2 Scaled(scale) 3 Choice(words) 4 Seconds 5 Milliseconds 6 Whole { factor shift } }
    Length { 0 Fixed(count) 1 Prefix { width little } 2 Counted { register difference } 3 Rest }
    Content { 0 Latin1 1 Utf8 2 Json 3 Base64 4 Bytes 5 Bcd 6 Whole 7 Decimal }
    Algorithm { 0 CcittFalse 1 Modbus 2 Xmodem 3 Kermit 4 X25 5 Arc 6 Crc32 7 Sum8 8 Sum16 9 Xor8 }
}
