//! What the derive macros implement: the tables of services and commands as constants, and the way from structs to
//! indexed fields and back.

use crate::error::{Error, ErrorKind, Result};
use crate::message::CommandRef;
use crate::wire::{CommandDescription, Field, FieldDescription, ServiceDescription};

/// A struct whose fields go to the host: `#[derive(Fields)]`, or `#[derive(Service)]` which brings it along.
pub trait Fields {
    /// Names and types in index order.
    const FIELDS: &'static [FieldDescription];
    /// The values with their indices.
    fn into_fields(self) -> Vec<Field>;
}

/// A service of the profile: `#[derive(Service)] #[service("Meter")]`.
pub trait Service: Fields {
    /// `serviceId` of the profile.
    const ID: &'static str;
}

/// What a codec reports: one [`Service`], or a tuple of up to twelve.
pub trait Services {
    /// The table, in index order.
    const TABLE: &'static [ServiceDescription];
}

/// The commands of a codec: `#[derive(Commands)]` on an enum, one variant each; or [`NoCommands`].
pub trait Commands: Sized {
    /// The table, in index order.
    const TABLE: &'static [CommandDescription];
    /// The command with its parameters.
    ///
    /// # Errors
    /// [`ErrorKind::UnknownCommand`] past the table; [`ErrorKind::BadParameter`]
    fn from_fields(index: u16, fields: Vec<Field>) -> Result<Self>;
}

/// For codecs that only listen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoCommands {}

impl Commands for NoCommands {
    const TABLE: &'static [CommandDescription] = &[];
    fn from_fields(index: u16, _: Vec<Field>) -> Result<Self> {
        Err(unknown_command(index))
    }
}

/// The response of a command that answers with an errcode and nothing else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoFields;

impl Fields for NoFields {
    const FIELDS: &'static [FieldDescription] = &[];
    fn into_fields(self) -> Vec<Field> {
        Vec::new()
    }
}

impl<S: Service> Services for S {
    const TABLE: &'static [ServiceDescription] = &[describe::<S>()];
}

macro_rules! tuples {
    ($($($name:ident)+;)*) => { $(
        impl<$($name: Service),+> Services for ($($name,)+) {
            const TABLE: &'static [ServiceDescription] = &[$(describe::<$name>()),+];
        }
    )* };
}
tuples! {
    A; A B; A B C; A B C D; A B C D E; A B C D E F; A B C D E F G; A B C D E F G H; A B C D E F G H I;
    A B C D E F G H I J; A B C D E F G H I J K; A B C D E F G H I J K L;
}

const fn describe<S: Service>() -> ServiceDescription {
    ServiceDescription { id: S::ID, properties: S::FIELDS }
}

/// The index of a service in a table; evaluated by the compiler, so that a service which a codec does not list does not
/// compile.
#[expect(clippy::panic, clippy::indexing_slicing, clippy::cast_possible_truncation, reason = "run by the compiler only")]
pub(crate) const fn service_index(table: &[ServiceDescription], id: &str) -> u16 {
    assert!(table.len() <= 65_535, "more services than an index can name");
    let mut found = None;
    let mut at = 0;
    while at < table.len() {
        if same(table[at].id.as_bytes(), id.as_bytes()) {
            assert!(found.is_none(), "two types in Codec::Services have the same service id");
            found = Some(at as u16);
        }
        at += 1;
    }
    match found {
        Some(index) => index,
        None => panic!("this service is not listed in Codec::Services"),
    }
}

#[expect(clippy::indexing_slicing, reason = "run by the compiler only")]
const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut at = 0;
    while at < a.len() {
        if a[at] != b[at] {
            return false;
        }
        at += 1;
    }
    true
}

/// The refusal of an index past the table; what the derive macro calls.
#[doc(hidden)]
#[must_use]
pub fn unknown_command(index: u16) -> Error {
    Error::new(ErrorKind::UnknownCommand, format!("no command has the index {index}"))
}

/// The refusal of a parameter past the table; what the derive macro calls.
#[doc(hidden)]
#[must_use]
pub fn unknown_parameter(index: u16) -> Error {
    Error::bad_parameter(format!("no parameter has the index {index}"))
}

/// Makes a [`CommandRef`]; what the derive macro calls.
#[doc(hidden)]
#[must_use]
pub const fn command_ref<R: Fields>(index: u16) -> CommandRef<R> {
    CommandRef::new(index)
}
