//! Holds the tables of a description against themselves: names that are there and differ. Whether they fit a profile is
//! found out where both are known, not here.

use std::collections::BTreeSet;

use super::Refusal;
use super::admission::MAX_TABLE_ENTRIES;
use crate::model::{Description, FieldDescription};

/// Most bytes of a name in a table.
const NAME_BYTES: usize = 256;

/// Everything that is wrong with the tables.
pub(super) fn check(description: &Description) -> Vec<Refusal> {
    let mut wrong = Vec::new();
    names(&mut wrong, "services", description.services.iter().map(|service| service.id.clone()));
    let commands = description.commands.iter().map(|command| format!("{}.{}", command.service, command.name));
    names(&mut wrong, "commands", commands);
    for service in &description.services {
        fields(&mut wrong, &format!("properties of service `{}`", shown(&service.id)), &service.properties);
    }
    for command in &description.commands {
        let whose = format!("command `{}.{}`", shown(&command.service), shown(&command.name));
        for part in [&command.service, &command.name] {
            name(&mut wrong, &whose, part);
        }
        fields(&mut wrong, &format!("parameters of {whose}"), &command.params);
        fields(&mut wrong, &format!("response fields of {whose}"), &command.response);
    }
    wrong
}

fn fields(wrong: &mut Vec<Refusal>, table: &str, fields: &[FieldDescription]) {
    names(wrong, table, fields.iter().map(|field| field.name.clone()));
}

fn names(wrong: &mut Vec<Refusal>, table: &str, entries: impl ExactSizeIterator<Item = String>) {
    let count = entries.len();
    if count > MAX_TABLE_ENTRIES {
        wrong.push(Refusal {
            code: "E1041",
            cause: format!("the table of {table} has {count} entries, an index reaches {MAX_TABLE_ENTRIES}"),
            fix: "describe fewer of them".into(),
        });
        return;
    }
    let mut seen = BTreeSet::new();
    for entry in entries {
        name(wrong, &format!("the table of {table}"), &entry);
        if seen.contains(&entry) {
            wrong.push(Refusal {
                code: "E1040",
                cause: format!("the table of {table} names `{}` twice", shown(&entry)),
                fix: "give each entry a name of its own".into(),
            });
        }
        seen.insert(entry);
    }
}

fn name(wrong: &mut Vec<Refusal>, place: &str, name: &str) {
    if name.is_empty() || name.len() > NAME_BYTES {
        wrong.push(Refusal {
            code: "E1042",
            cause: format!("{place} has a name of {} bytes", name.len()),
            fix: format!("names have 1 to {NAME_BYTES} bytes"),
        });
    }
}

/// A guest's text, in a size and form that a log can take.
fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_debug).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{CommandDescription, ServiceDescription, ValueType};

    fn field(name: &str) -> FieldDescription {
        FieldDescription { name: name.into(), value_type: ValueType::Integer }
    }

    fn described() -> Description {
        Description {
            name: "meter".into(),
            version: "1".into(),
            services: vec![ServiceDescription { id: "Meter".into(), properties: vec![field("volume"), field("battery")] }],
            commands: vec![CommandDescription {
                service: "Meter".into(),
                name: "SET_VALVE".into(),
                params: vec![field("open")],
                response: vec![field("open")],
            }],
        }
    }

    fn codes(description: &Description) -> Vec<&'static str> {
        check(description).iter().map(|refusal| refusal.code).collect()
    }

    #[test]
    fn tables_with_names_that_differ_pass() {
        assert_eq!(check(&described()), []);
    }

    #[test]
    fn every_mistake_is_told_at_once() {
        let mut description = described();
        description.services[0].properties.push(field("volume"));
        description.services.push(description.services[0].clone());
        description.commands[0].params.push(field(""));
        description.commands[0].response.push(field("open"));
        assert_eq!(codes(&description), ["E1040", "E1040", "E1040", "E1042", "E1040"]);
        assert!(check(&description)[0].cause.contains("`Meter` twice"));
    }

    #[test]
    fn one_command_name_may_stand_in_two_services() {
        let mut description = described();
        let mut other = description.commands[0].clone();
        other.service = "Valve".into();
        description.commands.push(other);
        assert_eq!(codes(&description), [""; 0]);
    }

    #[test]
    fn a_table_that_an_index_cannot_reach_is_refused() {
        let mut description = described();
        description.services[0].properties = (0..=MAX_TABLE_ENTRIES).map(|n| field(&n.to_string())).collect();
        assert_eq!(codes(&description), ["E1041"]);
    }
}
