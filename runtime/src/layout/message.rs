//! The fields of one message in their row: names, places, lengths, roles. Knows no profile and no other message.

use std::collections::BTreeSet;

use super::document::{Document, FieldDoc, MessageDoc, RoleWord};
use super::shape::{Base, Draft, Extent, draft};
use crate::profile::{At, Findings, advice, code, quote};

/// Most bytes of a payload.
const MOST_BYTES: usize = 0xFFFF;

/// In which kind of message a field stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    Report,
    Response,
    Command,
    Answer,
}

/// Where the fields of a message stand in the document.
#[derive(Debug, Clone)]
pub(super) struct List {
    once: At,
    repeated: At,
    /// The first field that repeats.
    from: usize,
}

impl List {
    pub(super) fn of(message: &MessageDoc, at: &At) -> Self {
        let from = message.repeat.as_ref().map_or(usize::MAX, |repeat| repeat.from);
        Self { once: at.key("fields"), repeated: at.key("repeat").key("fields"), from }
    }

    /// Without fields that repeat.
    pub(super) fn plain(at: At) -> Self {
        Self { repeated: at.clone(), once: at, from: usize::MAX }
    }

    pub(super) fn item(&self, index: usize) -> At {
        match index.checked_sub(self.from) {
            Some(repeated) => self.repeated.item(repeated),
            None => self.once.item(index),
        }
    }

    pub(super) fn repeats(&self, index: usize) -> bool {
        index >= self.from
    }
}

/// A field with its place.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    /// Position in the document.
    pub(super) index: usize,
    pub(super) name: String,
    pub(super) role: RoleWord,
    pub(super) draft: Draft,
    /// From the first byte; none where the payload tells.
    pub(super) offset: Option<usize>,
    /// Bytes in front that nothing is said of.
    pub(super) gap: usize,
    /// It is the length of the field that reads this register.
    pub(super) counts: Option<u8>,
    /// Its length is in this register.
    pub(super) counted: Option<u8>,
}

/// The fields in their row. Those that make no sense by themselves are left out.
pub(super) fn place(
    document: &Document,
    fields: &[Option<FieldDoc>],
    within: Within,
    at: &List,
    findings: &mut Findings,
) -> Vec<Placed> {
    let mut placed: Vec<Placed> = Vec::new();
    let mut names = BTreeSet::new();
    // The place is known as long as every field in front has a known length.
    let mut position = Some(0_usize);
    let mut optional = false;
    for (index, field) in fields.iter().enumerate() {
        let spot = at.item(index);
        if at.repeats(index) {
            position = None;
            if field.as_ref().is_some_and(|field| field.optional) {
                let reason = "a field that repeats cannot be missing";
                findings.error(&spot.key("optional"), code::OPTIONAL_ORDER, reason, "remove `optional`");
            }
        }
        let Some(field) = field else {
            position = None;
            continue;
        };
        if !names.insert(field.name.as_str()) {
            let reason = format!("another field of the message is called {}", quote(&field.name));
            findings.error(&spot.key("name"), code::DUPLICATE_FIELD, reason, "rename it; `target` names the property");
        }
        if optional && !field.optional {
            let reason = format!("{} must be there, and a field in front of it may be missing", quote(&field.name));
            findings.error(&spot, code::OPTIONAL_ORDER, reason, "make it optional too, or move it to the front");
        }
        optional |= field.optional;
        let Some(draft) = draft(field, document, &spot, findings) else {
            position = None;
            continue;
        };
        let gap = gap(field, &draft, position, &spot, findings);
        let offset = position.map(|position| position + gap);
        let role = role(field, &draft, within, &spot, findings);
        position = offset.and_then(|offset| Some(offset + draft.size?));
        let name = field.name.clone();
        placed.push(Placed { index, name, role, draft, offset, gap, counts: None, counted: None });
    }
    let bytes = |place: &Placed| place.gap + place.draft.size.unwrap_or(0) + place.draft.default.len();
    if placed.iter().map(bytes).sum::<usize>() > MOST_BYTES {
        let reason = format!("the fields have more than {MOST_BYTES} bytes together");
        findings.error(&at.once, code::LAYOUT_LENGTH, reason, "correct `length` or `offset`: a payload has at most that many");
    }
    lengths(fields, &mut placed, at, findings);
    once(&placed, at, findings);
    placed
}

/// Holds an explicit offset against the place that follows from the fields in front; the bytes between are padding.
fn gap(field: &FieldDoc, draft: &Draft, position: Option<usize>, at: &At, findings: &mut Findings) -> usize {
    let Some(text) = &field.offset else { return 0 };
    let at = at.key("offset");
    let (start, end) = match text.split_once('-') {
        Some((start, end)) => (start.parse::<usize>().ok(), end.parse::<usize>().ok()),
        None => (text.parse().ok(), None),
    };
    let Some(start) = start else { return 0 };
    if let Some(end) = end {
        let fits = draft.size.is_none_or(|size| end.checked_sub(start) == Some(size));
        if !fits || end <= start {
            let size = draft.size.unwrap_or(1);
            let reason = format!("{} has {size} bytes, {} are not", quote(&field.name), quote(text));
            let fix = format!("write `{start}-{}`: the end is not included", start + size);
            findings.error(&at, code::OFFSET_CONTRADICTS, reason, fix);
        }
    }
    let Some(position) = position else {
        let reason = format!("where {} begins depends on the payload", quote(&field.name));
        findings.error(&at, code::OFFSET_UNKNOWN, reason, "leave `offset` out: fields follow each other");
        return 0;
    };
    if start < position {
        let reason = format!("{} begins at {start}, the field in front of it ends at {position}", quote(&field.name));
        let fix = format!("write `{position}`, or leave `offset` out: fields follow each other, in the order of their bytes");
        findings.error(&at, code::OFFSET_OVERLAP, reason, fix);
    }
    start.saturating_sub(position)
}

/// What the value is for: what is written, or what the name says.
fn role(field: &FieldDoc, draft: &Draft, within: Within, at: &At, findings: &mut Findings) -> RoleWord {
    use RoleWord as R;
    if matches!(draft.base, Base::Constant | Base::Padding { .. } | Base::Check(_)) {
        return R::Unmapped;
    }
    let known = |role: R| match role {
        R::Value => within != Within::Answer,
        R::Unmapped | R::MessageId | R::PayloadLength => true,
        R::Mid => matches!(within, Within::Command | Within::Response),
        R::Errcode => matches!(within, Within::Response | Within::Answer),
        R::HasMore => within != Within::Response,
        R::EventTime => within == Within::Report,
        R::ReceivedTime => within == Within::Answer,
    };
    let by_name = match field.name.as_str() {
        "messageId" => R::MessageId,
        "mid" => R::Mid,
        "errcode" => R::Errcode,
        "hasMore" => R::HasMore,
        "eventTime" => R::EventTime,
        "payloadLength" => R::PayloadLength,
        "receivedTime" => R::ReceivedTime,
        _ => R::Value,
    };
    let fits = |role: R| match role {
        R::Value | R::Unmapped => true,
        R::MessageId | R::PayloadLength => true,
        R::Mid | R::Errcode | R::HasMore => draft.is_integer(),
        R::EventTime | R::ReceivedTime => matches!(draft.base, Base::Time { .. } | Base::BcdTime),
    };
    let role = match field.role {
        Some(role) => role,
        // A property may have the name of a role that means nothing here.
        None if known(by_name) && (fits(by_name) || field.target.is_none()) => by_name,
        None if within == Within::Answer => R::Unmapped,
        None => R::Value,
    };
    if !known(role) || !fits(role) {
        let reason = format!("{} cannot have its role here", quote(&field.name));
        let fix = match role {
            R::EventTime | R::ReceivedTime => "a time has type unix, unixMs or bcdTime, and stands in a report or an answer",
            R::Errcode => "errcode is an integer of a response or an answer",
            R::Mid => "mid is an integer of a command or its response",
            _ => "give it another role, or none",
        };
        findings.error(at, code::ROLE_MISPLACED, reason, fix);
    }
    if role == R::PayloadLength && !(draft.counts() && draft.size.is_some_and(|size| size <= 4)) {
        let fix = "give it type int8u, int16u or int32u";
        findings.error(at, code::ROLE_MISPLACED, "a payload length is an unsigned integer of at most 4 bytes", fix);
    }
    role
}

/// Joins values of variable length with their length fields.
fn lengths(fields: &[Option<FieldDoc>], placed: &mut [Placed], at: &List, findings: &mut Findings) {
    let mut next = 0_u8;
    for position in 0..placed.len() {
        let Some(field) = placed.get(position) else { continue };
        let by_field = matches!(&field.draft.base, Base::Text(Extent::ByField) | Base::Bytes(Extent::ByField));
        let wanted = fields.get(field.index).and_then(Option::as_ref).and_then(|field| field.length_field.clone());
        let (true, Some(wanted)) = (by_field, wanted) else { continue };
        let (name, spot) = (quote(&field.name), at.item(field.index).key("lengthField"));
        let Some(found) = placed.iter().position(|other| other.name == wanted) else {
            let known: Vec<&str> =
                placed.iter().take(position).filter(|other| other.draft.counts()).map(|other| other.name.as_str()).collect();
            let reason = format!("the message has no field {} that could be the length of {name}", quote(&wanted));
            findings.error(&spot, code::LENGTH_FIELD, reason, advice(&wanted, &known));
            continue;
        };
        if found >= position {
            let reason = format!("{} stands behind {name}, whose length it is", quote(&wanted));
            findings.error(&spot, code::LENGTH_FIELD_AFTER, reason, "put it in front");
            continue;
        }
        let Some(length) = placed.get_mut(found) else { continue };
        if !length.draft.counts() || !matches!(length.role, RoleWord::Value | RoleWord::Unmapped) {
            let reason = format!("{} is no plain unsigned integer", quote(&wanted));
            findings.error(&spot, code::LENGTH_FIELD, reason, "give it type int8u or int16u");
            continue;
        }
        if length.counts.is_some() || next >= 16 {
            let reason = format!("{} is the length of another value already", quote(&wanted));
            findings.error(&spot, code::LENGTH_FIELD_TWICE, reason, "give each value its own length field, at most 16 a message");
            continue;
        }
        // It says nothing to applications.
        (length.counts, length.role) = (Some(next), RoleWord::Unmapped);
        if let Some(field) = placed.get_mut(position) {
            field.counted = Some(next);
        }
        next += 1;
    }
}

/// Makes an earlier number the count of the fields that repeat: the register that it gets.
pub(super) fn count(wanted: &str, placed: &mut [Placed], list: &List, at: &At, findings: &mut Findings) -> Option<u8> {
    let taken = placed.iter().filter(|field| field.counts.is_some()).count();
    let usable = |field: &&mut Placed| {
        let plain = matches!(field.role, RoleWord::Value | RoleWord::Unmapped) && field.draft.counts();
        field.name == wanted && plain && field.counts.is_none() && !list.repeats(field.index)
    };
    let register = u8::try_from(taken).ok().filter(|register| *register < 16);
    let (Some(field), Some(register)) = (placed.iter_mut().find(usable), register) else {
        let reason = format!("{} is no earlier unsigned integer that could be the count", quote(wanted));
        findings.error(at, code::LENGTH_FIELD, reason, "name one that stands in front of the fields that repeat");
        return None;
    };
    (field.counts, field.role) = (Some(register), RoleWord::Unmapped);
    Some(register)
}

/// Each role but value and unmapped stands once.
fn once(placed: &[Placed], at: &List, findings: &mut Findings) {
    for (position, field) in placed.iter().enumerate() {
        if matches!(field.role, RoleWord::Value | RoleWord::Unmapped) {
            continue;
        }
        if let Some(first) = placed.iter().take(position).find(|earlier| earlier.role == field.role) {
            let reason = format!("{} and {} have the same role", quote(&first.name), quote(&field.name));
            let fix = "give one of them `\"role\": \"value\"` or `\"role\": \"unmapped\"`";
            findings.error(&at.item(field.index), code::ROLE_TWICE, reason, fix);
        }
    }
}
