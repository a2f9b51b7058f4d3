//! The one trait that an author implements, and the calls through it. The component, the vector runner and a bench all
//! come in by [`decode`] and [`encode`] below, so what is tested natively is what runs in the gateway.

use crate::error::{Error, Result};
use crate::fields::{Commands, Services};
use crate::message::Messages;
use crate::reader::Reader;
use crate::wire::{Description, Downlink, Message, Origin};

/// A codec: a pure function between bytes and values. It keeps nothing between calls, and has no clock.
pub trait Codec: Sized {
    /// What it reports: a [`Service`](crate::Service) or a tuple of them.
    type Services: Services;
    /// What it can be asked: an enum with `#[derive(Commands)]`, or [`NoCommands`](crate::NoCommands).
    type Commands: Commands;

    /// What a device's payload says.
    ///
    /// # Errors
    /// Any [`Error`]; the payload becomes a dead letter with it.
    fn decode(frame: &mut Reader<'_>, origin: &Origin) -> Result<Messages<Self>>;

    /// The bytes of a command. No bytes = nothing is sent.
    ///
    /// # Errors
    /// Any [`Error`]; the command fails with it.
    fn encode(_command: Self::Commands, _envelope: Envelope, _origin: &Origin) -> Result<Vec<u8>> {
        Err(Error::unsupported("this codec encodes no commands"))
    }

    /// The bytes of the application-level answer to a report, for devices that want one. No bytes = nothing is sent,
    /// which is what happens unless a codec says otherwise.
    ///
    /// # Errors
    /// Any [`Error`]; no answer is sent then.
    fn acknowledge(_report: &Received<'_>, _origin: &Origin) -> Result<Vec<u8>> {
        Ok(Vec::new())
    }
}

/// What goes with a command besides its parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Envelope {
    /// 1..65535. The device's answer must bring it back, or the command is never known to have succeeded.
    pub mid: u16,
    /// More commands wait: a sleepy device should stay awake.
    pub has_more: bool,
}

/// A payload that the gateway has taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Received<'a> {
    /// The payload as it came.
    pub uplink: &'a [u8],
    /// 0 = decoded, 1 = not decoded.
    pub errcode: u8,
    /// Commands wait for this device.
    pub has_more: bool,
}

/// Name and version of a codec; [`export!`](crate::export) takes them from the author's `Cargo.toml`.
pub trait Exported: Codec {
    /// Package name.
    const NAME: &'static str;
    /// Package version.
    const VERSION: &'static str;
}

/// Makes a type the codec of this package: `struct MyCodec; codecgate_sdk::export!(MyCodec);`, once, in `lib.rs`.
#[macro_export]
macro_rules! export {
    ($codec:ident) => {
        impl $crate::Exported for $codec {
            const NAME: &'static str = env!("CARGO_PKG_NAME");
            const VERSION: &'static str = env!("CARGO_PKG_VERSION");
        }

        // Natively nothing else may use a private codec, and it is not dead for that.
        const _: () = {
            let _ = $crate::describe::<$codec>;
            let _ = $crate::decode::<$codec>;
            let _ = $crate::encode::<$codec>;
            let _ = || $codec;
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            type Component = $crate::guest::Component<$codec>;
    $crate::guest::bindings::export_component!(Component with_types_in $crate::guest::bindings);
        };
    };
}

/// Makes this package the interpreter of the layout in a slot: `codecgate_sdk::export_interpreter!();`, once, in `lib.rs`.
#[macro_export]
macro_rules! export_interpreter {
    () => {
        /// Overwritten in the finished component.
        static SLOT: [u8; $crate::layout::slot::SIZE] = $crate::layout::slot::empty();

        // Natively nothing reads it.
        const _: () = {
            let _ = || &SLOT;
        };

        #[cfg(target_arch = "wasm32")]
        const _: () = {
            struct Own;
            impl $crate::guest::Slot for Own {
                fn bytes() -> &'static [u8] {
                    // The compiler must not take what it sees here for what will be there.
                    ::std::hint::black_box(&SLOT)
                }
            }
            type Component = $crate::guest::Interpreter<Own>;
    $crate::guest::bindings::export_component!(Component with_types_in $crate::guest::bindings);
        };
    };
}

/// The tables of a codec.
#[must_use]
pub fn describe<C: Exported>() -> Description {
    Description { name: C::NAME, version: C::VERSION, services: C::Services::TABLE, commands: C::Commands::TABLE }
}

/// Decodes a payload.
///
/// # Errors
/// As the codec says.
pub fn decode<C: Codec>(payload: &[u8], origin: &Origin) -> Result<Vec<Message>> {
    C::decode(&mut Reader::new(payload), origin).map(Messages::into_wire)
}

/// Encodes a command or the answer to a report; none = send nothing.
///
/// # Errors
/// [`ErrorKind::UnknownCommand`](crate::ErrorKind::UnknownCommand) or
/// [`ErrorKind::BadParameter`](crate::ErrorKind::BadParameter) before the codec sees it; else as the codec says.
pub fn encode<C: Codec>(downlink: Downlink, origin: &Origin) -> Result<Option<Vec<u8>>> {
    let bytes = match downlink {
        Downlink::Command { index, mid, has_more, fields } => {
            C::encode(C::Commands::from_fields(index, fields)?, Envelope { mid, has_more }, origin)?
        }
        Downlink::ReportAck { uplink, errcode, has_more } => {
            C::acknowledge(&Received { uplink: &uplink, errcode, has_more }, origin)?
        }
    };
    Ok((!bytes.is_empty()).then_some(bytes))
}
