//! Write a codec for codecgate as plain structs and functions.
//!
//! A codec turns a device's bytes into typed values and commands into bytes. The types are the description: their fields
//! are the properties of the profile, in lowerCamel names. There are no bindings to generate, and every test runs with plain
//! `cargo test`; the same crate built for `wasm32-unknown-unknown` is the component that the gateway loads.
//!
//! A whole codec, six values and one command (`examples/six_fields.rs`):
//!
//! ```
#![doc = include_str!("../examples/six_fields.rs")]
//! ```
//!
//! - [`Reader`] and [`Writer`]: bytes in order; reading past the end is `truncated` with the offset, through `?`.
//!   Integers of 1 to 8 bytes in both orders, IEEE floats, BCD, texts and byte strings with their length in front, times.
//! - [`bits`]: bit fields across byte borders; [`scale`]: decimals without binary noise.
//! - [`crc`], [`sums`]: check values of the kinds that meters use.
//! - [`Messages`], [`Report`], [`Answer`]: what a payload says; backlog times, event reports, answers by `mid`.
//! - [`Codec::acknowledge`]: the application-level answer to a report.
//! - [`log`] and [`device`]: the two things a codec may ask of the gateway. It has no clock, no randomness, no files.
//! - [`layout`]: codecs without code, interpreted; `LAYOUTS.md` is for those who write them.
//! - [`testing`]: runs the vectors that lie beside a codec.
//!
//! What this crate refuses to know: any device, any profile, and how the gateway calls it (that is `wit/v1`, and one file
//! here).

#![expect(clippy::test_attr_in_doctest, reason = "the example is shown with its test; as an example it runs it")]

// The derive macros name this crate from outside; its own tests use them too.
#[cfg(test)]
extern crate self as codecgate_sdk;

pub mod bits;
pub mod crc;
pub mod device;
pub mod layout;
pub mod log;
pub mod scale;
pub mod sums;
#[cfg(not(target_arch = "wasm32"))]
pub mod testing;
pub mod wire;

#[cfg(target_arch = "wasm32")]
mod arena;
mod calendar;
mod codec;
mod error;
mod fields;
#[cfg(target_arch = "wasm32")]
#[doc(hidden)]
pub mod guest;
mod message;
mod reader;
mod text;
mod times;
mod value;
mod widths;
mod writer;

pub use codec::{Codec, Envelope, Exported, Received, decode, describe, encode};
pub use codecgate_sdk_derive::{Choice, Commands, Fields, Service};
pub use error::{Error, ErrorKind, Result};
pub use fields::{Commands, Fields, NoCommands, NoFields, Service, Services};
pub use message::{Answer, CommandRef, IntoMessage, Messages, Report};
pub use reader::Reader;
pub use text::Length;
pub use times::UtcOffset;
pub use value::{FromValue, IntoValue, Json, Nullable, Timestamp};
pub use wire::Origin;
pub use writer::Writer;

/// Everything that a codec commonly needs: `use codecgate_sdk::prelude::*;`.
pub mod prelude {
    pub use crate::{
        Answer, Choice, Codec, Commands, Envelope, Error, ErrorKind, Fields, Json, Length, Messages, NoCommands, NoFields,
        Nullable, Origin, Reader, Received, Report, Result, Service, Timestamp, Writer, bits::BitOrder, crc, device, log,
        scale::scaled, sums,
    };
}

/// What the derive macros call. Not for authors.
#[doc(hidden)]
pub mod derived {
    pub use crate::fields::{command_ref, unknown_command, unknown_parameter};
    pub use crate::value::{parameter, unfit};
}
