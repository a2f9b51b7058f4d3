//! Messages joined with the profile: every value finds its property, parameter or response field, and the type in which it crosses
//! the border to the host.

use std::collections::BTreeSet;

use codecgate_sdk::layout::{Answer, Column, Command, Field, Group, Kind, Layout, Lengths, Mark, Message, Role, Service};
use codecgate_sdk::wire::ValueType;

use super::answer::answer;
use super::document::{Document, FieldDoc, KindWord, MessageDoc, RoleWord};
use super::message::{List, Placed, Within, count, place};
use super::shape::Base;
use crate::profile::{At, CommandSpec, FieldSpec, FieldType, Findings, Profile, advice, code, quote};

mod types;

pub(super) use types::push;

/// An answer, if one could be made, and its fields.
pub(super) type Answered = (Option<Answer>, Vec<Placed>);

/// The placed fields of a message and of its answer.
#[derive(Debug, Default)]
pub(super) struct Rows {
    pub(super) fields: Vec<Placed>,
    pub(super) answer: Vec<Placed>,
}

/// What all messages fill together.
pub(super) struct Join<'d> {
    pub(super) document: &'d Document,
    profile: &'d Profile,
    services: Vec<Service>,
    commands: Vec<Command>,
    /// Service and property that some message reads with a fraction.
    fractions: BTreeSet<(String, String)>,
}

/// A layout with all messages that could be made, and their rows in the order of the document.
pub(super) fn join(at: &At, document: &Document, profile: &Profile, findings: &mut Findings) -> (Layout, Vec<Rows>) {
    let mut join = Join { document, profile, services: Vec::new(), commands: Vec::new(), fractions: fractions(document) };
    let list = at.key("messages");
    let mut names = BTreeSet::new();
    for (index, message) in document.messages.iter().enumerate() {
        let Some(message) = message else { continue };
        if !names.insert(message.name.as_str()) {
            let reason = format!("another message is called {}", quote(&message.name));
            findings.error(&list.item(index).key("name"), code::DUPLICATE_MESSAGE, reason, "rename or remove one");
        }
        if message.kind == KindWord::Command {
            join.enlist(index, message, &list.item(index), findings);
        }
    }
    let (mut messages, mut rows) = (Vec::new(), Vec::new());
    for (index, message) in document.messages.iter().enumerate() {
        let (made, row) = match message {
            Some(message) => join.message(message, &list.item(index), findings),
            None => (None, Rows::default()),
        };
        messages.extend(made);
        rows.push(row);
    }
    let name = document.name.clone().unwrap_or_else(|| profile.key().model);
    let lengths = if document.strict { Lengths::Strict } else { Lengths::Lenient };
    let (services, commands) = (join.services, join.commands);
    (Layout { name, version: document.version.clone(), lengths, services, commands, messages }, rows)
}

/// Where one message reads a decimal with a fraction, all read it as a number with a fraction.
fn fractions(document: &Document) -> BTreeSet<(String, String)> {
    let mut found = BTreeSet::new();
    for message in document.messages.iter().flatten() {
        for field in message.fields.iter().flatten() {
            if field.scale.is_some()
                || field.add.is_some()
                || matches!(field.word.as_str(), "float" | "double" | "string" | "varstring")
            {
                let service = field.service.clone().or_else(|| message.service.clone()).unwrap_or_default();
                found.insert((service, target(field).to_owned()));
            }
        }
    }
    found
}

fn target(field: &FieldDoc) -> &str {
    field.target.as_deref().unwrap_or(&field.name)
}

impl<'d> Join<'d> {
    /// Puts a command into the table.
    fn enlist(&mut self, index: usize, message: &MessageDoc, at: &At, findings: &mut Findings) {
        let name = message.command.as_deref().unwrap_or(&message.name);
        let Some((service, command)) = self.command(message, name, at, findings) else { return };
        if self.commands.iter().any(|known| known.service == service && known.name == command.name) {
            let reason = format!("another message is the command {}", quote(name));
            findings.error(at, code::COMMAND_TWICE, reason, "remove one");
            return;
        }
        let (name, params, response) = (command.name.clone(), Vec::new(), Vec::new());
        self.commands.push(Command { service, name, params, response, message: u16::try_from(index).unwrap_or(u16::MAX) });
    }

    /// The profile's command of this name.
    fn command(&self, message: &MessageDoc, name: &str, at: &At, findings: &mut Findings) -> Option<(String, &'d CommandSpec)> {
        let all =
            self.profile.services().iter().flat_map(|service| service.commands.iter().map(move |command| (service, command)));
        let wanted = |service: &str| message.service.as_deref().is_none_or(|wanted| wanted == service);
        let found: Vec<_> =
            all.clone().filter(|(service, command)| command.name == name && wanted(&service.service_id)).collect();
        match found.as_slice() {
            [(service, command)] => Some((service.service_id.clone(), command)),
            [] => {
                self.service(message.service.as_deref(), &at.key("service"), findings);
                let known: Vec<&str> = all.map(|(_, command)| command.name.as_str()).collect();
                let reason = format!("the profile has no command {}", quote(name));
                findings.error(&at.key("command"), code::LAYOUT_COMMAND, reason, advice(name, &known));
                None
            }
            _ => {
                let reason = format!("several services of the profile have a command {}", quote(name));
                findings.error(at, code::LAYOUT_SERVICE, reason, "say which one in `service`");
                None
            }
        }
    }

    /// Tells a service that does not exist.
    fn service(&self, id: Option<&str>, at: &At, findings: &mut Findings) -> Option<&'d crate::profile::Service> {
        let id = id?;
        let found = self.profile.service(id);
        if found.is_none() {
            let known: Vec<&str> = self.profile.services().iter().map(|service| service.service_id.as_str()).collect();
            findings.error(at, code::LAYOUT_SERVICE, format!("the profile has no service {}", quote(id)), advice(id, &known));
        }
        found
    }

    fn message(&mut self, message: &MessageDoc, at: &At, findings: &mut Findings) -> (Option<Message>, Rows) {
        let within = match message.kind {
            KindWord::Report | KindWord::Event => Within::Report,
            KindWord::Response => Within::Response,
            KindWord::Command => Within::Command,
        };
        let list = List::of(message, at);
        let mut placed = place(self.document, &message.fields, within, &list, findings);
        let counted = message.repeat.as_ref().and_then(|repeat| repeat.count.as_deref());
        let register = counted.and_then(|wanted| count(wanted, &mut placed, &list, &at.key("repeat").key("count"), findings));
        if message.repeat.is_some() && within != Within::Report {
            let reason = "only fields of reports and events repeat";
            findings.error(&at.key("repeat"), code::LAYOUT_KEY, reason, "remove `repeat`");
        }
        let made = match within {
            Within::Report | Within::Answer => self.report(message, &placed, at, findings),
            Within::Response | Within::Command => self.of_command(message, &placed, at, findings),
        };
        let (answer, rows) = match &message.answer {
            Some(_) if within != Within::Report => {
                let reason = "only reports and events are answered";
                findings.error(&at.key("answer"), code::ANSWER_MISPLACED, reason, "put it at a report");
                (None, Vec::new())
            }
            Some(written) => answer(self.document, written, &placed, &at.key("answer"), findings),
            None => (None, Vec::new()),
        };
        let made = made.map(|(kind, fields)| {
            let group = message.repeat.as_ref().and_then(|repeat| {
                // Padding was put between, so that positions in the document are others.
                let behind = placed.iter().filter(|place| place.index >= repeat.from).count();
                let from = u16::try_from(fields.len().checked_sub(behind)?).ok()?;
                Some(Group { from, count: register })
            });
            let marks = if message.kind.is_up() { marks(&placed) } else { Vec::new() };
            Message { name: message.name.clone(), kind, marks, fields, group, answer }
        });
        (made, Rows { fields: placed, answer: rows })
    }

    fn report(
        &mut self,
        message: &MessageDoc,
        placed: &[Placed],
        at: &At,
        findings: &mut Findings,
    ) -> Option<(Kind, Vec<Field>)> {
        if message.service.is_none() && placed.iter().any(|field| field.role == RoleWord::Value) {
            let known: Vec<&str> = self.profile.services().iter().map(|service| service.service_id.as_str()).collect();
            let fix = format!("write `service`, the service of the profile that the values belong to; {}", advice("", &known));
            findings.error(at, code::LAYOUT_SERVICE, "the message names no service", fix);
        }
        // A message without values still tells that its service was heard.
        let mut parts: Vec<u16> = Vec::new();
        let mut fields = Vec::new();
        let mut taken = BTreeSet::new();
        let list = List::of(message, at);
        for place in placed {
            let spot = list.item(place.index);
            let written = message.fields.get(place.index)?.as_ref()?;
            let (mut role, mut promised) = (role(place.role), None);
            if place.role == RoleWord::Value {
                let id = written.service.as_deref().or(message.service.as_deref());
                let found = self.service(id, &spot.key("service"), findings);
                let Some(service) = found else { continue };
                let name = target(written);
                let Some(spec) = find(&service.properties, name, "property", &service.service_id, &spot, findings) else {
                    continue;
                };
                if !taken.insert((service.service_id.as_str(), name)) {
                    twice(name, &spot, findings);
                }
                let fraction = self.fractions.contains(&(service.service_id.clone(), name.to_owned()));
                let Some(value_type) = types::promised(written, place, spec, fraction, &spot, findings) else { continue };
                let position = table_of(&mut self.services, &service.service_id);
                let part = parts.iter().position(|known| usize::from(*known) == position).unwrap_or_else(|| {
                    parts.push(u16::try_from(position).unwrap_or(u16::MAX));
                    parts.len() - 1
                });
                let table = self.services.get_mut(position).map(|service| &mut service.properties)?;
                let index = column(table, name, value_type, &spot, findings);
                role = Role::Value { part: u8::try_from(part).unwrap_or(u8::MAX), index };
                promised = Some(value_type);
            }
            types::push(written, place, role, promised, &spot, &mut fields, findings);
        }
        if parts.is_empty() {
            let service = self.service(message.service.as_deref(), &at.key("service"), findings)?;
            let position = table_of(&mut self.services, &service.service_id);
            parts.push(u16::try_from(position).ok()?);
        }
        let services = parts;
        let kind = if message.kind == KindWord::Event { Kind::Event { services } } else { Kind::Report { services } };
        Some((kind, fields))
    }

    fn of_command(
        &mut self,
        message: &MessageDoc,
        placed: &[Placed],
        at: &At,
        findings: &mut Findings,
    ) -> Option<(Kind, Vec<Field>)> {
        let down = message.kind == KindWord::Command;
        let name = match &message.command {
            Some(name) => name.as_str(),
            None if down => message.name.as_str(),
            None => {
                let fix = "write `command`, the name of the command that it answers";
                findings.error(at, code::LAYOUT_COMMAND, "the response names no command", fix);
                return None;
            }
        };
        // What is wrong with the name of a command was told when it was put into the table.
        let found = if down {
            self.command(message, name, at, &mut Findings::default())
        } else {
            self.command(message, name, at, findings)
        };
        let (service, spec) = found?;
        let Some(position) = self.commands.iter().position(|known| known.service == service && known.name == spec.name) else {
            let reason = format!("no message encodes the command {}", quote(name));
            findings.error(at, code::RESPONSE_WITHOUT_COMMAND, reason, "add a message of kind command");
            return None;
        };
        let list = List::of(message, at);
        let mut fields = Vec::new();
        let mut taken = BTreeSet::new();
        for place in placed {
            let spot = list.item(place.index);
            let written = message.fields.get(place.index)?.as_ref()?;
            let (mut role, mut promised) = (role(place.role), None);
            if place.role == RoleWord::Value {
                let (specs, what) = if down { (&spec.params, "parameter") } else { (&spec.response, "response field") };
                let name = target(written);
                let Some(spec) = find(specs, name, what, &spec.name, &spot, findings) else { continue };
                if !taken.insert(name) {
                    twice(name, &spot, findings);
                }
                let fraction = written.scale.is_some() || written.add.is_some();
                let Some(value_type) = types::promised(written, place, spec, fraction, &spot, findings) else { continue };
                let command = self.commands.get_mut(position)?;
                let table = if down { &mut command.params } else { &mut command.response };
                let index = column(table, name, value_type, &spot, findings);
                role = Role::Value { part: 0, index };
                promised = Some(value_type);
            }
            types::push(written, place, role, promised, &spot, &mut fields, findings);
        }
        let command = u16::try_from(position).ok()?;
        Some((if down { Kind::Command { command } } else { Kind::Response { command } }, fields))
    }
}

/// Constants and ids at known places: what the message is known by.
pub(super) fn marks(placed: &[Placed]) -> Vec<Mark> {
    let known = placed.iter().filter(|field| field.role == RoleWord::MessageId || field.draft.base == Base::Constant);
    let mark = |field: &Placed| {
        let offset = u16::try_from(field.offset?).ok()?;
        let bytes = field.draft.default.clone();
        (!bytes.is_empty() && bytes.len() <= 64).then_some(Mark { offset, bytes })
    };
    known.filter_map(mark).collect()
}

pub(super) fn role(word: RoleWord) -> Role {
    match word {
        RoleWord::Mid => Role::Mid,
        RoleWord::Errcode => Role::Errcode,
        RoleWord::HasMore => Role::HasMore,
        RoleWord::EventTime => Role::EventTime,
        RoleWord::ReceivedTime => Role::Received,
        RoleWord::Value | RoleWord::MessageId | RoleWord::PayloadLength | RoleWord::Unmapped => Role::Nothing,
    }
}

fn find<'p>(specs: &'p [FieldSpec], name: &str, what: &str, of: &str, at: &At, findings: &mut Findings) -> Option<&'p FieldSpec> {
    let found = specs.iter().find(|spec| spec.name == name);
    if found.is_none() {
        let known: Vec<&str> = specs.iter().map(|spec| spec.name.as_str()).collect();
        let reason = format!("{} has no {what} {} in the profile", quote(of), quote(name));
        let fix = format!("{}; bytes that mean nothing to applications have the role `unmapped`", advice(name, &known));
        findings.error(&at.key("name"), code::LAYOUT_VALUE, reason, fix);
    }
    found
}

fn twice(name: &str, at: &At, findings: &mut Findings) {
    let reason = format!("another field of the message is {} too", quote(name));
    findings.error(at, code::VALUE_TWICE, reason, "give one of them another `target`, or the role `unmapped`");
}

fn table_of(services: &mut Vec<Service>, id: &str) -> usize {
    services.iter().position(|service| service.id == id).unwrap_or_else(|| {
        services.push(Service { id: id.to_owned(), properties: Vec::new() });
        services.len() - 1
    })
}

fn column(table: &mut Vec<Column>, name: &str, value_type: ValueType, at: &At, findings: &mut Findings) -> u16 {
    let position = match table.iter().position(|column| column.name == name) {
        Some(position) => {
            if table.get(position).is_some_and(|column| column.value_type != value_type) {
                let reason = format!("another message reads {} as another type", quote(name));
                findings.error(at, code::VALUE_TYPES_DIFFER, reason, "read it the same way in both");
            }
            position
        }
        None => {
            table.push(Column { name: name.to_owned(), value_type });
            table.len() - 1
        }
    };
    u16::try_from(position).unwrap_or(u16::MAX)
}

/// The word of a profile's type, for reasons.
fn word(field_type: FieldType) -> &'static str {
    field_type.as_str()
}
