//! What messages of one direction must have in common, and where they must differ (REFERENCE B.6.3; FAQ 4.1.2.2, 4.1.2.6, 4.1.2.7).

use codecgate_sdk::layout::{Kind, Layout, Mark};

use super::document::{Document, KindWord, MessageDoc, RoleWord};
use super::join::{Rows, marks};
use super::message::{List, Placed};
use super::shape::Base;
use crate::profile::{At, Findings, code, quote};

/// A message that goes into one direction; answers go down like commands.
struct Traveller<'a> {
    name: String,
    at: List,
    whole: At,
    fields: &'a [Placed],
    marks: Vec<Mark>,
    kind: Option<KindWord>,
}

/// Examines a document all of whose messages have the right structure.
pub(super) fn examine(at: &At, document: &Document, layout: &Layout, rows: &[Rows], findings: &mut Findings) {
    let list = at.key("messages");
    let all: Vec<(usize, &MessageDoc, &Rows)> = document
        .messages
        .iter()
        .zip(rows)
        .enumerate()
        .filter_map(|(index, (message, rows))| Some((index, message.as_ref()?, rows)))
        .collect();
    let (mut up, mut down) = (Vec::new(), Vec::new());
    for (index, message, rows) in &all {
        let at = list.item(*index);
        let (name, fields) = (quote(&message.name), rows.fields.as_slice());
        let traveller = Traveller {
            name,
            at: List::of(message, &at),
            whole: at.key("fields"),
            fields,
            marks: marks(fields),
            kind: Some(message.kind),
        };
        if message.kind.is_up() {
            up.push(traveller)
        } else {
            down.push(traveller)
        }
        if !rows.answer.is_empty() {
            let (name, fields) = (format!("the answer of {}", quote(&message.name)), rows.answer.as_slice());
            let at = at.key("answer").key("fields");
            down.push(Traveller { name, at: List::plain(at.clone()), whole: at, fields, marks: marks(fields), kind: None });
        }
    }
    for direction in [&up, &down] {
        ids(direction, findings);
    }
    apart(&up, findings);
    apart(&down, findings);
    pairs(&list, &all, layout, findings);
}

/// messageId: an integer with a default, at one position, each value once.
fn ids(direction: &[Traveller<'_>], findings: &mut Findings) {
    let id = |traveller: &Traveller<'_>| traveller.fields.iter().find(|field| field.role == RoleWord::MessageId).cloned();
    let known: Vec<(&Traveller<'_>, Placed)> = direction.iter().filter_map(|one| Some((one, id(one)?))).collect();
    for (traveller, field) in &known {
        let at = traveller.at.item(field.index);
        if !matches!(field.draft.base, Base::Integer { .. }) {
            let reason = format!("messageId of {} is no integer", traveller.name);
            findings.error(&at.key("type"), code::MESSAGE_ID_TYPE, reason, "give it type int8u, or a wider one");
        } else if field.draft.default.is_empty() {
            let reason = format!("messageId of {} has no default, so nothing is known by it", traveller.name);
            findings.error(&at, code::MESSAGE_ID_TYPE, reason, "write its value in `default`, such as `0x01`");
        } else if field.offset.is_none() {
            let reason = format!("where messageId of {} stands depends on the payload", traveller.name);
            findings.error(&at, code::MESSAGE_ID_POSITION, reason, "put it in front of what has a variable length");
        }
    }
    let Some((first, wanted)) = known.first() else { return };
    let place = |field: &Placed| (field.offset, field.draft.size);
    for (position, (traveller, field)) in known.iter().enumerate().skip(1) {
        let at = traveller.at.item(field.index);
        if place(field) != place(wanted) && field.offset.is_some() && wanted.offset.is_some() {
            let reason =
                format!("messageId is at {} in {}, and at {} in {}", shown(field), traveller.name, shown(wanted), first.name);
            findings.error(&at, code::MESSAGE_ID_POSITION, reason, "put it at the same offset, with the same type");
        }
        let same = |(other, id): &&(&Traveller<'_>, Placed)| {
            // Two reports may well be answered in one way.
            let answers = traveller.kind.is_none() && other.kind.is_none();
            id.draft.default == field.draft.default && place(id) == place(field) && !answers
        };
        let taken = known.iter().take(position).find(same).filter(|_| !field.draft.default.is_empty());
        if let Some((other, _)) = taken {
            let id = hex::encode_upper(&field.draft.default);
            let reason = format!("{} and {} both have the messageId 0x{id}", other.name, traveller.name);
            let fix = "give each its own; responses count as reports, answers as commands";
            findings.error(&at.key("default"), code::MESSAGE_ID_DUPLICATE, reason, fix);
        }
    }
}

fn shown(field: &Placed) -> String {
    match (field.offset, field.draft.size) {
        (Some(start), Some(size)) => format!("{start}-{}", start + size),
        _ => "no fixed place".to_owned(),
    }
}

/// Some byte tells each from each. What goes down is told apart by the device, which may have other means: only a warning where an
/// answer is concerned.
fn apart(direction: &[Traveller<'_>], findings: &mut Findings) {
    for (position, one) in direction.iter().enumerate() {
        for other in direction.iter().take(position) {
            let ids = [one, other].map(|one| one.fields.iter().find(|field| field.role == RoleWord::MessageId));
            let told = matches!(ids, [Some(one), Some(other)] if one.draft.default == other.draft.default);
            // Equal ids were told as that, and answers meet in different places.
            if told || differ(&one.marks, &other.marks) || (one.kind.is_none() && other.kind.is_none()) {
                continue;
            }
            let reason = format!("nothing tells {} from {}", one.name, other.name);
            let fix = "give both a field `messageId` at the same position, with a `default` of its own";
            if one.kind.is_none() || other.kind.is_none() {
                findings.warning(&one.whole, code::AMBIGUOUS_MESSAGES, reason, fix);
            } else {
                findings.error(&one.whole, code::AMBIGUOUS_MESSAGES, reason, fix);
            }
        }
    }
}

/// Some place has one byte in one and another in the other.
fn differ(one: &[Mark], other: &[Mark]) -> bool {
    let bytes = |marks: &[Mark]| -> Vec<(usize, u8)> {
        marks
            .iter()
            .flat_map(|mark| mark.bytes.iter().enumerate().map(|(at, byte)| (usize::from(mark.offset) + at, *byte)))
            .collect()
    };
    let theirs = bytes(other);
    bytes(one).iter().any(|(at, byte)| theirs.iter().any(|(place, other)| place == at && other != byte))
}

/// Commands and their responses: mid in both, at one position.
fn pairs(list: &At, all: &[(usize, &MessageDoc, &Rows)], layout: &Layout, findings: &mut Findings) {
    let role = |rows: &Rows, role: RoleWord| rows.fields.iter().find(|field| field.role == role).cloned();
    let kind = |index: usize| layout.messages.get(index).map(|message| &message.kind);
    for (index, message, rows) in all {
        let at = list.item(*index).key("fields");
        let name = quote(&message.name);
        if let Some(mid) = role(rows, RoleWord::Mid).filter(|mid| mid.draft.size != Some(2)) {
            let reason = format!("mid of {name} has not two bytes");
            findings.error(&at.item(mid.index).key("type"), code::MID_TYPE, reason, "give it type int16u");
        }
        let Some(Kind::Response { command }) = kind(*index) else { continue };
        let earlier = all.iter().any(|(other, _, _)| other < index && kind(*other) == kind(*index));
        if earlier {
            let reason = format!("{name} is the second response to its command");
            findings.error(&at, code::COMMAND_TWICE, reason, "remove one");
        }
        if role(rows, RoleWord::Errcode).is_none() {
            let reason = format!("{name} has no errcode: every response counts as success");
            findings.warning(&at, code::NO_ERRCODE, reason, "add a field `errcode`, if the device sends one");
        }
        let asked = layout.commands.get(usize::from(*command)).map(|command| usize::from(command.message));
        let Some((number, asked, theirs)) = all.iter().find(|(index, _, _)| Some(*index) == asked) else { continue };
        let mids = [(*index, &name, role(rows, RoleWord::Mid)), (*number, &quote(&asked.name), role(theirs, RoleWord::Mid))];
        for (index, name, mid) in &mids {
            if mid.is_none() {
                let reason = format!("{name} has no mid: the response cannot be matched to its command");
                let fix = "add a field `mid` of type int16u to the command and to the response, at the same position";
                findings.error(&list.item(*index).key("fields"), code::MID_MISSING, reason, fix);
            }
        }
        if let [(_, _, Some(mid)), (_, other, Some(theirs))] = &mids
            && (mid.offset, mid.draft.size) != (theirs.offset, theirs.draft.size)
        {
            let reason = format!("mid is at {} in {name}, and at {} in {other}", shown(mid), shown(theirs));
            let fix = "nothing, if devices do so; vendors' designers want it at the same offset in both";
            findings.warning(&at.item(mid.index), code::MID_POSITION, reason, fix);
        }
    }
}
