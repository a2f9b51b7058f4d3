//! What a decoded payload says, in the author's types: reports, event reports and answers to commands.

use std::marker::PhantomData;

use crate::codec::Codec;
use crate::fields::{Fields, Service, service_index};
use crate::value::Timestamp;
use crate::wire::{self, ReportKind};

/// The messages of one payload, in order. A service that the codec does not list in [`Codec::Services`] does not compile.
#[derive(Debug)]
pub struct Messages<C> {
    list: Vec<wire::Message>,
    codec: PhantomData<fn() -> C>,
}

impl<C: Codec> Messages<C> {
    /// None yet; a payload may well say nothing.
    #[must_use]
    pub fn new() -> Self {
        Self { list: Vec::new(), codec: PhantomData }
    }

    /// Just one.
    #[must_use]
    pub fn of(message: impl IntoMessage<C>) -> Self {
        let mut messages = Self { list: Vec::with_capacity(1), codec: PhantomData };
        messages.push(message);
        messages
    }

    /// Adds one at the end.
    pub fn push(&mut self, message: impl IntoMessage<C>) {
        self.list.push(message.into_message());
    }

    /// As they cross the border.
    #[must_use]
    pub fn into_wire(self) -> Vec<wire::Message> {
        self.list
    }
}

impl<C: Codec> Default for Messages<C> {
    fn default() -> Self {
        Self::new()
    }
}

/// What can be pushed into the [`Messages`] of a codec: a service's struct, a [`Report`], an [`Answer`].
pub trait IntoMessage<C> {
    /// As it crosses the border.
    fn into_message(self) -> wire::Message;
}

/// Values of one service, with what a plain struct cannot say: kind, time, more to come.
#[derive(Debug, Clone, PartialEq)]
pub struct Report<S> {
    values: S,
    kind: ReportKind,
    event_time: Option<Timestamp>,
    has_more: bool,
}

impl<S: Service> Report<S> {
    /// Property values, taken at the time of arrival.
    #[must_use]
    pub fn of(values: S) -> Self {
        Self { values, kind: ReportKind::Report, event_time: None, has_more: false }
    }

    /// An alarm or a fault.
    #[must_use]
    pub fn event(values: S) -> Self {
        Self { kind: ReportKind::Event, ..Self::of(values) }
    }

    /// The device says when: a reading out of its backlog.
    #[must_use]
    pub fn at(self, time: Timestamp) -> Self {
        Self { event_time: Some(time), ..self }
    }

    /// Whether the device says that further uplinks follow at once.
    #[must_use]
    pub fn more(self, has_more: bool) -> Self {
        Self { has_more, ..self }
    }
}

impl<C: Codec, S: Service> IntoMessage<C> for Report<S> {
    #[inline]
    fn into_message(self) -> wire::Message {
        wire::Message::Report(wire::Report {
            service: const { service_index(<C::Services as crate::Services>::TABLE, S::ID) },
            kind: self.kind,
            event_time: self.event_time.map(|time| time.0),
            fields: self.values.into_fields(),
            has_more: self.has_more,
        })
    }
}

impl<C: Codec, S: Service> IntoMessage<C> for S {
    #[inline]
    fn into_message(self) -> wire::Message {
        IntoMessage::<C>::into_message(Report::of(self))
    }
}

/// The device's answer to a command. Made by [`CommandRef::answer`] when the frame tells which command it answers.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    response: wire::Response,
}

impl Answer {
    /// An answer whose frame tells only the `mid`; the host finds the command by it.
    #[must_use]
    pub fn new(mid: u16, errcode: u8) -> Self {
        Self { response: wire::Response { mid, errcode, command: None, fields: Vec::new() } }
    }
}

impl<C: Codec> IntoMessage<C> for Answer {
    fn into_message(self) -> wire::Message {
        wire::Message::Response(self.response)
    }
}

/// One command of the table, typed by its response. `#[derive(Commands)]` makes one for each variant: `SetValve` gets
/// `SET_VALVE`.
#[derive(Debug)]
pub struct CommandRef<R> {
    index: u16,
    response: PhantomData<fn(R)>,
}

impl<R: Fields> CommandRef<R> {
    pub(crate) const fn new(index: u16) -> Self {
        Self { index, response: PhantomData }
    }

    /// The device's answer to this command: `errcode` 0 is success; a device that failed often sends no values.
    #[must_use]
    pub fn answer(&self, mid: u16, errcode: u8, values: Option<R>) -> Answer {
        let fields = values.map(R::into_fields).unwrap_or_default();
        Answer { response: wire::Response { mid, errcode, command: Some(self.index), fields } }
    }
}
