//! What a new profile means for those who rely on the one before: added, removed, retyped, narrowed, widened.
//!
//! *Breaking* is what an application built for the old profile can trip over: a value that is gone or has another type or unit,
//! a command that is refused from now on. A limit of a property only marks values, so narrowing one breaks nobody; a limit of a
//! parameter refuses commands, so narrowing one does. Things are found by name; a renamed one is removed and added.

use serde::Serialize;
use serde_json::Number;

use super::checked::Profile;
use super::document::{CommandSpec, FieldSpec, FieldType, Service};

/// What changes from one profile to another, in the order of the documents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Compatibility {
    /// Whether one of the changes is breaking.
    pub breaking: bool,
    /// All changes; descriptions for people are not looked at.
    pub changes: Vec<Change>,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Change {
    /// What kind.
    pub kind: ChangeKind,
    /// Where, by names: `Meter/commands/SET_VALVE/params/open`.
    pub place: String,
    /// Whether an application can trip over it.
    pub breaking: bool,
    /// What it was and what it is, in words.
    pub detail: String,
}

/// Kinds of changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ChangeKind {
    /// It was not there.
    Added,
    /// It is not there any more.
    Removed,
    /// It has another type.
    Retyped,
    /// Less is allowed.
    Narrowed,
    /// More is allowed.
    Widened,
    /// It means something else: unit, kind of report, letters of a method.
    Changed,
}

impl ChangeKind {
    /// All kinds.
    pub const ALL: [Self; 6] = [Self::Added, Self::Removed, Self::Retyped, Self::Narrowed, Self::Widened, Self::Changed];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Added => "added",
            Self::Removed => "removed",
            Self::Retyped => "retyped",
            Self::Narrowed => "narrowed",
            Self::Widened => "widened",
            Self::Changed => "changed",
        }
    }
}

impl Compatibility {
    /// Compares two profiles of a product.
    #[must_use]
    pub fn between(old: &Profile, new: &Profile) -> Self {
        let mut report = Self::default();
        if old.device_type() != new.device_type() {
            let detail = format!("the device type was {}, is {}", old.device_type(), new.device_type());
            report.tell(ChangeKind::Changed, "deviceType", false, detail);
        }
        let pairs = pair(old.services(), new.services(), |service| &service.service_id);
        for (name, old, new) in pairs {
            match (old, new) {
                (Some(old), Some(new)) => report.service(name, old, new),
                (Some(_), None) => report.tell(ChangeKind::Removed, name, true, "the service is gone".to_owned()),
                (None, _) => report.tell(ChangeKind::Added, name, false, "a new service".to_owned()),
            }
        }
        report.breaking = report.changes.iter().any(|change| change.breaking);
        report
    }

    /// The breaking changes only.
    pub fn breaks(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.breaking)
    }

    fn tell(&mut self, kind: ChangeKind, place: impl Into<String>, breaking: bool, detail: String) {
        self.changes.push(Change { kind, place: place.into(), breaking, detail });
    }

    fn service(&mut self, name: &str, old: &Service, new: &Service) {
        if old.report_kind() != new.report_kind() {
            self.tell(ChangeKind::Changed, name, true, "it reports as an event now, or no longer does".to_owned());
        }
        for (field, old, new) in pair(&old.properties, &new.properties, |field| &field.name) {
            let place = format!("{name}/properties/{field}");
            match (old, new) {
                (Some(old), Some(new)) => self.field(&place, old, new, Role::Told),
                (Some(_), None) => self.tell(ChangeKind::Removed, place, true, "the property is gone".to_owned()),
                (None, Some(new)) => self.tell(ChangeKind::Added, place, false, format!("a new property, {}", word(new))),
                (None, None) => {}
            }
        }
        for (command, old, new) in pair(&old.commands, &new.commands, |command| &command.name) {
            let place = format!("{name}/commands/{command}");
            match (old, new) {
                (Some(old), Some(new)) => self.command(&place, old, new),
                (Some(_), None) => self.tell(ChangeKind::Removed, place, true, "the command is gone".to_owned()),
                (None, _) => self.tell(ChangeKind::Added, place, false, "a new command".to_owned()),
            }
        }
    }

    fn command(&mut self, place: &str, old: &CommandSpec, new: &CommandSpec) {
        for (field, old, new) in pair(&old.params, &new.params, |field| &field.name) {
            let place = format!("{place}/params/{field}");
            match (old, new) {
                (Some(old), Some(new)) => self.field(&place, old, new, Role::Asked),
                (Some(_), None) => {
                    self.tell(ChangeKind::Removed, place, true, "commands with this parameter are refused".to_owned());
                }
                (None, Some(new)) if new.required => {
                    self.tell(ChangeKind::Added, place, true, "commands without this parameter are refused".to_owned());
                }
                (None, Some(new)) => self.tell(ChangeKind::Added, place, false, format!("a new parameter, {}", word(new))),
                (None, None) => {}
            }
        }
        for (field, old, new) in pair(&old.response, &new.response, |field| &field.name) {
            let place = format!("{place}/response/{field}");
            match (old, new) {
                (Some(old), Some(new)) => self.field(&place, old, new, Role::Told),
                (Some(_), None) => self.tell(ChangeKind::Removed, place, true, "the field of the response is gone".to_owned()),
                (None, Some(new)) => self.tell(ChangeKind::Added, place, false, format!("a new field, {}", word(new))),
                (None, None) => {}
            }
        }
    }

    fn field(&mut self, place: &str, old: &FieldSpec, new: &FieldSpec, role: Role) {
        if old.field_type != new.field_type {
            // Both are whole numbers, and their width is not checked.
            let whole = |field: &FieldSpec| matches!(field.field_type, FieldType::Int | FieldType::Long);
            let detail = format!("it was {}, is {}", word(old), word(new));
            self.tell(ChangeKind::Retyped, place, !(whole(old) && whole(new)), detail);
            if !(old.field_type.is_numeric() && new.field_type.is_numeric()) {
                return;
            }
        }
        if old.unit != new.unit {
            let unit = |field: &FieldSpec| field.unit.clone().unwrap_or_else(|| "none".to_owned());
            // Where nobody told a unit before, telling it changes no value.
            let detail = format!("the unit was {}, is {}", unit(old), unit(new));
            self.tell(ChangeKind::Changed, place, old.unit.is_some(), detail);
        }
        if old.method != new.method {
            let method = |field: &FieldSpec| field.method.clone().unwrap_or_else(|| "none".to_owned());
            let detail = format!("the method was {}, is {}", method(old), method(new));
            self.tell(ChangeKind::Changed, place, false, detail);
        }
        for (kind, detail) in limits(old, new) {
            self.tell(kind, place, kind == ChangeKind::Narrowed && role == Role::Asked, detail);
        }
    }
}

/// Which way a field goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    /// From the device: its limits mark.
    Told,
    /// To the device: its limits refuse.
    Asked,
}

fn word(field: &FieldSpec) -> &'static str {
    field.field_type.as_str()
}

/// What became of the limits of a field.
fn limits(old: &FieldSpec, new: &FieldSpec) -> Vec<(ChangeKind, String)> {
    let mut found = Vec::new();
    match (old.required, new.required) {
        (false, true) => found.push((ChangeKind::Narrowed, "it is required now".to_owned())),
        (true, false) => found.push((ChangeKind::Widened, "it is not required any more".to_owned())),
        _ => {}
    }
    let number = |limit: &Option<Number>| limit.as_ref().and_then(Number::as_f64);
    let shown = |limit: Option<f64>| limit.map_or_else(|| "none".to_owned(), |limit| limit.to_string());
    let length = |limit: Option<u32>| limit.map(f64::from);
    // An absent limit is one that nothing reaches.
    for (name, old, new, sign) in [
        ("min", number(&old.min), number(&new.min), -1.0),
        ("max", number(&old.max), number(&new.max), 1.0),
        ("maxLength", length(old.max_length), length(new.max_length), 1.0),
    ] {
        let reach = |limit: Option<f64>| limit.map_or(f64::INFINITY, |limit| limit * sign);
        if reach(old) != reach(new) {
            let kind = if reach(new) < reach(old) { ChangeKind::Narrowed } else { ChangeKind::Widened };
            found.push((kind, format!("{name} was {}, is {}", shown(old), shown(new))));
        }
    }
    if number(&old.step) != number(&new.step) {
        let kind = if new.step.is_none() { ChangeKind::Widened } else { ChangeKind::Narrowed };
        found.push((kind, format!("step was {}, is {}", shown(number(&old.step)), shown(number(&new.step)))));
    }
    found.extend(choices(old.enum_values.as_deref(), new.enum_values.as_deref()));
    if old.schema != new.schema {
        let (kind, detail) = match &new.schema {
            None => (ChangeKind::Widened, "any value fits it now"),
            Some(_) => (ChangeKind::Narrowed, "its values have another schema"),
        };
        found.push((kind, detail.to_owned()));
    }
    found
}

fn choices(old: Option<&[String]>, new: Option<&[String]>) -> Vec<(ChangeKind, String)> {
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => (old, new),
        (None, Some(_)) => return vec![(ChangeKind::Narrowed, "only some texts are allowed now".to_owned())],
        (Some(_), None) => return vec![(ChangeKind::Widened, "every text is allowed now".to_owned())],
        (None, None) => return Vec::new(),
    };
    let missing =
        |from: &[String], of: &[String]| -> Vec<String> { of.iter().filter(|text| !from.contains(text)).cloned().collect() };
    let mut found = Vec::new();
    for (kind, texts, words) in [
        (ChangeKind::Narrowed, missing(new, old), "no longer allowed"),
        (ChangeKind::Widened, missing(old, new), "allowed as well"),
    ] {
        if !texts.is_empty() {
            found.push((kind, format!("{words}: {}", texts.join(", "))));
        }
    }
    found
}

/// The items of both lists by name: those of the old one in its order, then those that are new.
fn pair<'a, T>(old: &'a [T], new: &'a [T], name: impl Fn(&'a T) -> &'a String) -> Vec<(&'a str, Option<&'a T>, Option<&'a T>)> {
    let find = |list: &'a [T], wanted: &str| list.iter().find(|item| name(item) == wanted);
    let kept = old.iter().map(|item| (name(item).as_str(), Some(item), find(new, name(item))));
    let added = new.iter().filter(|item| find(old, name(item)).is_none()).map(|item| (name(item).as_str(), None, Some(item)));
    kept.chain(added).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn profile(services: &Value) -> Profile {
        let document = json!({ "manufacturerId": "A", "model": "M", "deviceType": "T", "services": services });
        Profile::parse("profile.json", &document.to_string()).unwrap()
    }

    fn meter(property: &Value, param: &Value) -> Profile {
        profile(&json!([{ "serviceId": "Meter", "properties": [property],
            "commands": [{ "name": "SET", "params": [param], "response": [{ "name": "result", "type": "int" }] }] }]))
    }

    /// `kind place breaking` of each change from the first to the second.
    fn changes(old: &Profile, new: &Profile) -> Vec<String> {
        let report = Compatibility::between(old, new);
        assert_eq!(report.breaking, report.breaks().next().is_some());
        let show = |change: &Change| {
            assert!(!change.detail.is_empty());
            format!("{} {}{}", change.kind.as_str(), change.place, if change.breaking { " !" } else { "" })
        };
        report.changes.iter().map(show).collect()
    }

    #[test]
    fn the_same_profile_changes_nothing_and_descriptions_do_not_count() {
        let one = meter(&json!({ "name": "flow", "type": "int", "description": "a" }), &json!({ "name": "p", "type": "int" }));
        let two = meter(&json!({ "name": "flow", "type": "int", "description": "b" }), &json!({ "name": "p", "type": "int" }));
        assert_eq!(changes(&one, &two), [""; 0]);
    }

    #[test]
    fn a_limit_of_a_property_marks_and_a_limit_of_a_parameter_refuses() {
        let field = |max: i64, step: Option<i64>| {
            let mut field = json!({ "name": "x", "type": "int", "min": 0, "max": max });
            if let Some(step) = step {
                field["step"] = step.into();
            }
            field
        };
        let wide = meter(&field(100, None), &field(100, None));
        let narrow = meter(&field(10, None), &field(10, None));
        assert_eq!(changes(&wide, &narrow), ["narrowed Meter/properties/x", "narrowed Meter/commands/SET/params/x !"]);
        assert_eq!(changes(&narrow, &wide), ["widened Meter/properties/x", "widened Meter/commands/SET/params/x"]);
        let stepped = meter(&field(100, Some(2)), &field(100, None));
        assert_eq!(changes(&wide, &stepped), ["narrowed Meter/properties/x"]);
    }

    #[test]
    fn what_is_gone_has_another_type_or_another_unit_breaks() {
        let x = json!({ "name": "x", "type": "int" });
        let old = meter(&json!({ "name": "flow", "type": "int", "unit": "L" }), &x);
        for (property, wanted) in [
            (json!({ "name": "flow", "type": "long", "unit": "L" }), vec!["retyped Meter/properties/flow"]),
            (json!({ "name": "flow", "type": "string", "unit": "L" }), vec!["retyped Meter/properties/flow !"]),
            (json!({ "name": "flow", "type": "int", "unit": "m3" }), vec!["changed Meter/properties/flow !"]),
            (json!({ "name": "rate", "type": "int" }), vec!["removed Meter/properties/flow !", "added Meter/properties/rate"]),
        ] {
            assert_eq!(changes(&old, &meter(&property, &x)), wanted);
        }
        let gone = profile(&json!([{ "serviceId": "Other", "properties": [x] }]));
        assert_eq!(changes(&old, &gone), ["removed Meter !", "added Other"]);
        let alarm = profile(
            &json!([{ "serviceId": "Meter", "kind": "event", "properties": [{ "name": "flow", "type": "int", "unit": "L" }] }]),
        );
        assert_eq!(changes(&old, &alarm), ["changed Meter !", "removed Meter/commands/SET !"]);
    }

    #[test]
    fn a_parameter_breaks_when_it_is_removed_or_must_be_given() {
        let flow = json!({ "name": "flow", "type": "int" });
        let old = meter(&flow, &json!({ "name": "a", "type": "enum", "enum": ["on", "off"] }));
        let more = meter(&flow, &json!({ "name": "a", "type": "enum", "enum": ["on", "off", "auto"] }));
        assert_eq!(changes(&old, &more), ["widened Meter/commands/SET/params/a"]);
        assert_eq!(changes(&more, &old), ["narrowed Meter/commands/SET/params/a !"]);
        let other = meter(&flow, &json!({ "name": "b", "type": "int", "required": true }));
        assert_eq!(changes(&old, &other), ["removed Meter/commands/SET/params/a !", "added Meter/commands/SET/params/b !"]);
    }
}
