//! The words of the gateway: values that are valid or do not exist.
//!
//! Knows nothing of sockets, stores or codecs; names std and the derive crates only. Every other module speaks in these.

mod batch;
mod command;
mod deadlines;
mod device;
mod event;
mod habits;
mod paged;
mod progress;
mod time;
mod value;
mod version;
mod work;

pub use batch::{Batch, BatchId, Blueprint, Phase, Target};
pub use command::{Command, CommandId};
pub use deadlines::Deadlines;
pub use device::{
    Asker, BadEndpoint, CommandRules, Device, DeviceId, Endpoint, EndpointFormat, Moves, Observation, PowerMode, Product,
    ProductId, ProductKey, Registration, Secret,
};
pub use event::{Event, EventId, EventKind, NewEvent, Scope, Subscription, SubscriptionId};
pub use habits::Habits;
pub use paged::Paged;
pub use progress::{CommandState, Failure, Reason, Transition};
pub use time::{BadTime, Timestamp};
pub use value::{
    CodecFault, CommandDescription, Description, Downlink, FaultKind, Field, FieldDescription, Message, Origin, Report,
    ReportKind, Response, ServiceDescription, Transport, Value, ValueType,
};
pub use version::{Actor, CodecVersion, Exit, Retired, VersionLine, VersionNumber, VersionState, Wishes};
pub use work::{Repeat, Sending, Wire, Work};
