//! The answer to a report: fixed bytes, or fields of its own (REFERENCE B.6.1). It knows the report's fields, for what is sent back.

use codecgate_sdk::layout::{Answer, Field, Mark, Role, Shape};

use super::document::{AnswerDoc, Document, FieldDoc, RoleWord, WhenDoc};
use super::join::{Answered, push, role};
use super::message::{List, Placed, Within, place};
use super::shape::{Base, hex};
use crate::profile::{At, Findings, advice, code, quote};

/// The answer and its fields in their row.
pub(super) fn answer(document: &Document, written: &AnswerDoc, report: &[Placed], at: &At, findings: &mut Findings) -> Answered {
    match written {
        AnswerDoc::Hex(text) => {
            let fixed = hex(text, at, findings).map(|bytes| {
                let field = Field {
                    name: "answer".to_owned(),
                    role: Role::Nothing,
                    shape: Shape::Constant,
                    default: bytes,
                    optional: false,
                    counts: None,
                };
                Answer { when: Vec::new(), fields: vec![field] }
            });
            (fixed, Vec::new())
        }
        AnswerDoc::Fields { when, fields } => {
            let list = List::plain(at.key("fields"));
            let mut placed = place(document, fields, Within::Answer, &list, findings);
            let mut made = Vec::new();
            for place in &mut placed {
                let spot = list.item(place.index);
                let Some(field) = fields.get(place.index).and_then(Option::as_ref) else { continue };
                if place.role == RoleWord::MessageId {
                    inherit(place, report);
                }
                if let Some(name) = &field.echo {
                    echo(field, place, name, report, &spot, &mut made, findings);
                } else {
                    push(field, place, role(place.role), None, &spot, &mut made, findings);
                }
            }
            let when = when.as_ref().and_then(|when| condition(when, report, &at.key("when"), findings));
            (Some(Answer { when: when.into_iter().collect(), fields: made }), placed)
        }
    }
}

/// An answer without an id of its own has that of its report.
fn inherit(answer: &mut Placed, report: &[Placed]) {
    let id = report.iter().find(|field| field.role == RoleWord::MessageId);
    if let Some(id) = id.filter(|id| answer.draft.default.is_empty() && id.draft.size == answer.draft.size) {
        answer.draft.default.clone_from(&id.draft.default);
    }
}

fn echo(
    field: &FieldDoc,
    placed: &Placed,
    name: &str,
    report: &[Placed],
    at: &At,
    fields: &mut Vec<Field>,
    findings: &mut Findings,
) {
    let found = report.iter().find(|known| known.name == name);
    let offset = found.and_then(|known| known.offset.filter(|_| known.draft.size == placed.draft.size));
    let (Some(offset), Some(size)) = (offset.and_then(|offset| u16::try_from(offset).ok()), placed.draft.size) else {
        let known: Vec<&str> = report.iter().filter(|known| known.offset.is_some()).map(|known| known.name.as_str()).collect();
        let reason = format!("the report has no field {} of this length at a fixed place", quote(name));
        findings.error(&at.key("echo"), code::ECHO_UNKNOWN, reason, advice(name, &known));
        return;
    };
    let default = if placed.draft.default.is_empty() { vec![0; size] } else { placed.draft.default.clone() };
    let (name, role, shape) = (field.name.clone(), Role::Echo { offset }, Shape::Constant);
    fields.push(Field { name, role, shape, default, optional: false, counts: None });
}

fn condition(when: &WhenDoc, report: &[Placed], at: &At, findings: &mut Findings) -> Option<Mark> {
    let found = report.iter().find(|field| field.name == when.field);
    let mark = found.and_then(|field| {
        let Base::Integer { width, .. } = field.draft.base else { return bool_mark(field, when.is) };
        let all = when.is.to_be_bytes();
        let mut bytes = all.get(8_usize.saturating_sub(width.into())..)?.to_vec();
        if field.draft.little {
            bytes.reverse();
        }
        Some(Mark { offset: u16::try_from(field.offset?).ok()?, bytes })
    });
    if mark.is_none() {
        let known: Vec<&str> = report.iter().filter(|field| field.offset.is_some()).map(|field| field.name.as_str()).collect();
        let reason = format!("the report has no number {} at a fixed place", quote(&when.field));
        findings.error(&at.key("field"), code::ANSWER_MISPLACED, reason, advice(&when.field, &known));
    }
    mark
}

fn bool_mark(field: &Placed, is: i64) -> Option<Mark> {
    let offset = u16::try_from(field.offset.filter(|_| field.draft.base == Base::Bool)?).ok()?;
    Some(Mark { offset, bytes: vec![u8::try_from(is).ok()?] })
}
