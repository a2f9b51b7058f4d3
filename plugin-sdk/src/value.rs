//! Which Rust types a field may have, and what they become on the border. Knows no service and no command.

use std::borrow::Cow;

use crate::error::{Error, Result};
use crate::wire::{Value, ValueType};

/// A type that a property or a response field may have.
///
/// `Option<T>`: `None` leaves the field out. [`Nullable<T>`]: it is there, as null.
pub trait IntoValue {
    /// What the host is told of the type.
    const TYPE: ValueType;
    /// The value, or nothing if the field is to be left out.
    fn into_value(self) -> Option<Value>;
}

/// A type that a parameter may have.
///
/// `Option<T>`: a parameter that is absent or null is `None`; without `Option` it is refused.
pub trait FromValue: Sized {
    /// What the host is told of the type.
    const TYPE: ValueType;
    /// Reads the value.
    ///
    /// # Errors
    /// Why it does not fit, such as `"70000 does not fit u16"`.
    fn from_value(value: Option<Value>) -> std::result::Result<Self, Cow<'static, str>>;
}

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// From the seconds that most devices count.
    #[must_use]
    pub fn from_secs(seconds: u32) -> Self {
        Self(u64::from(seconds) * 1_000)
    }
}

/// A field that is told as null when it has no value, where a bare `Option` would leave it out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Nullable<T>(pub Option<T>);

/// JSON text. The host checks it against the profile's schema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Json(pub String);

macro_rules! integers {
    ($($type:ty)*) => { $(
        impl IntoValue for $type {
            const TYPE: ValueType = ValueType::Integer;
            #[inline]
            fn into_value(self) -> Option<Value> {
                Some(Value::Integer(i64::from(self)))
            }
        }

        impl FromValue for $type {
            const TYPE: ValueType = ValueType::Integer;
            fn from_value(value: Option<Value>) -> std::result::Result<Self, Cow<'static, str>> {
                match value {
                    Some(Value::Integer(number)) => Self::try_from(number)
                        .map_err(|_| format!(concat!("{} does not fit ", stringify!($type)), number).into()),
                    other => Err(unfit("an integer", other.as_ref())),
                }
            }
        }
    )* };
}
integers! { u8 i8 u16 i16 u32 i32 i64 }

macro_rules! wrapped {
    ($($type:ty, $kind:ident, $wanted:literal, $wrap:expr, $unwrap:expr;)*) => { $(
        impl IntoValue for $type {
            const TYPE: ValueType = ValueType::$kind;
            #[inline]
            fn into_value(self) -> Option<Value> {
                Some(Value::$kind($unwrap(self)))
            }
        }

        impl FromValue for $type {
            const TYPE: ValueType = ValueType::$kind;
            fn from_value(value: Option<Value>) -> std::result::Result<Self, Cow<'static, str>> {
                match value {
                    Some(Value::$kind(inner)) => Ok($wrap(inner)),
                    other => Err(unfit($wanted, other.as_ref())),
                }
            }
        }
    )* };
}
wrapped! {
    bool, Boolean, "true or false", std::convert::identity, std::convert::identity;
    String, Text, "text", std::convert::identity, std::convert::identity;
    Vec<u8>, Bytes, "bytes", std::convert::identity, std::convert::identity;
    Timestamp, Timestamp, "a time", Timestamp, |time: Timestamp| time.0;
    Json, Json, "JSON", Json, |json: Json| json.0;
}

impl IntoValue for f64 {
    const TYPE: ValueType = ValueType::Number;
    #[inline]
    fn into_value(self) -> Option<Value> {
        Some(Value::Number(self))
    }
}

/// A whole number is taken for a number with a fraction: applications write `20` for 20.0.
impl FromValue for f64 {
    const TYPE: ValueType = ValueType::Number;
    fn from_value(value: Option<Value>) -> std::result::Result<Self, Cow<'static, str>> {
        match value {
            Some(Value::Number(number)) => Ok(number),
            #[expect(clippy::cast_precision_loss, reason = "a double is what the parameter is declared to be")]
            Some(Value::Integer(number)) => Ok(number as f64),
            other => Err(unfit("a number", other.as_ref())),
        }
    }
}

impl IntoValue for f32 {
    const TYPE: ValueType = ValueType::Number;
    #[inline]
    fn into_value(self) -> Option<Value> {
        Some(Value::Number(f64::from(self)))
    }
}

/// For texts out of a table, such as the names of states.
impl IntoValue for &'static str {
    const TYPE: ValueType = ValueType::Text;
    fn into_value(self) -> Option<Value> {
        Some(Value::Text(self.to_owned()))
    }
}

impl<T: IntoValue> IntoValue for Option<T> {
    const TYPE: ValueType = T::TYPE;
    #[inline]
    fn into_value(self) -> Option<Value> {
        self.and_then(T::into_value)
    }
}

impl<T: IntoValue> IntoValue for Nullable<T> {
    const TYPE: ValueType = T::TYPE;
    #[inline]
    fn into_value(self) -> Option<Value> {
        Some(self.0.and_then(T::into_value).unwrap_or(Value::Null))
    }
}

impl<T: FromValue> FromValue for Option<T> {
    const TYPE: ValueType = T::TYPE;
    fn from_value(value: Option<Value>) -> std::result::Result<Self, Cow<'static, str>> {
        match value {
            None | Some(Value::Null) => Ok(None),
            some => T::from_value(some).map(Some),
        }
    }
}

/// Reads one parameter; what the derive macro calls.
///
/// # Errors
/// [`ErrorKind::BadParameter`](crate::ErrorKind::BadParameter) with the parameter's name
#[doc(hidden)]
pub fn parameter<T: FromValue>(name: &'static str, value: Option<Value>) -> Result<T> {
    T::from_value(value).map_err(|why| Error::bad_parameter(format!("{name}: {why}")))
}

/// The refusal of a value of another type; what the derive macros call.
#[doc(hidden)]
#[must_use]
pub fn unfit(wanted: &str, value: Option<&Value>) -> Cow<'static, str> {
    match value {
        None | Some(Value::Null) => format!("{wanted} wanted, nothing given").into(),
        Some(value) => format!("{wanted} wanted, {} given", name(value)).into(),
    }
}

/// Not the value itself: it may be long, and the code that prints numbers is a fifth of a small component.
fn name(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Boolean(_) => "true or false",
        Value::Integer(_) => "an integer",
        Value::Number(_) => "a number",
        Value::Text(_) => "another text",
        Value::Bytes(_) => "bytes",
        Value::Timestamp(_) => "a time",
        Value::Json(_) => "JSON",
    }
}
