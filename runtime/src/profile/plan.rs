//! The plan: a profile joined with a codec's tables, arrays of checks indexed as the codec indexes its fields.
//!
//! Joining refuses what would fail at three in the morning. Knows the codec by its tables only.

use serde_json::Value as Json;

use crate::model::{CommandDescription, Description, Field, FieldDescription, ServiceDescription};

use super::check::{Check, carriers, word};
use super::checked::Profile;
use super::json_text::push_text;
use super::mistake::{At, Findings, Mistake, code, quote};
use super::params::Coercion;
use super::{params, suggest};

/// A profile joined with a codec's tables: arrays of checks and names, indexed as the codec indexes its fields.
#[derive(Debug, Clone)]
pub struct Plan {
    pub(super) services: Vec<ServicePlan>,
    pub(super) commands: Vec<CommandPlan>,
    warnings: Vec<Mistake>,
}

#[derive(Debug, Clone)]
pub(super) struct ServicePlan {
    /// `{"service":"Meter","eventTime":`, what every report of the service begins with.
    pub(super) head: String,
    pub(super) properties: Table,
}

#[derive(Debug, Clone)]
pub(super) struct CommandPlan {
    service: String,
    name: String,
    params: Table,
    /// Parameters of the profile that the codec does not take.
    unheard: Vec<String>,
    pub(super) response: Table,
}

/// The fields of one table of the codec, in its order.
#[derive(Debug, Clone, Default)]
pub(super) struct Table {
    pub(super) checks: Vec<Check>,
    /// Positions of the fields that must be there.
    pub(super) required: Vec<usize>,
}

impl Plan {
    /// Refuses what would fail later: a service, property, command or field that the profile lacks, or has with another type.
    /// What the profile has and the codec does not is a warning ([`Plan::warnings`]), so that a codec may be partial.
    ///
    /// # Errors
    /// Every mismatch; the file is `codec`, the pointers go into the codec's description.
    pub fn join(profile: &Profile, description: &Description) -> Result<Self, Vec<Mistake>> {
        let at = At::file("codec");
        let mut findings = Findings::default();
        let list = at.key("services");
        let mut services = Vec::with_capacity(description.services.len());
        for (index, service) in description.services.iter().enumerate() {
            let place = list.item(index);
            if description.services.iter().take(index).any(|earlier| earlier.id == service.id) {
                let reason = format!("the codec lists the service {} twice", quote(&service.id));
                findings.error(&place.key("id"), code::CODEC_DUPLICATE, reason, "put its properties into one list");
            }
            services.extend(join_service(profile, service, &place, &mut findings));
        }
        let list = at.key("commands");
        let mut commands = Vec::with_capacity(description.commands.len());
        for (index, command) in description.commands.iter().enumerate() {
            let place = list.item(index);
            let same = |other: &CommandDescription| other.service == command.service && other.name == command.name;
            if description.commands.iter().take(index).any(same) {
                let reason = format!("the codec lists the command {} twice", quote(&command.name));
                findings.error(&place.key("name"), code::CODEC_DUPLICATE, reason, "remove one");
            }
            commands.extend(join_command(profile, command, &place, &mut findings));
        }
        tell_gaps(profile, description, &at, &mut findings);
        let warnings = findings.verdict()?;
        Ok(Self { services, commands, warnings })
    }

    /// What the profile has and the codec does not know.
    #[must_use]
    pub fn warnings(&self) -> &[Mistake] {
        &self.warnings
    }

    /// The codec's index of a command of the profile.
    #[must_use]
    pub fn command(&self, service: &str, name: &str) -> Option<u16> {
        let position = self.commands.iter().position(|command| command.name == name && command.service == service)?;
        u16::try_from(position).ok()
    }

    /// Service and name of the command with this index.
    #[must_use]
    pub fn command_name(&self, index: u16) -> Option<(&str, &str)> {
        self.commands.get(usize::from(index)).map(|command| (command.service.as_str(), command.name.as_str()))
    }

    /// The parameters as fields in the codec's order, coerced ([`Coercion::Lenient`]) where the platforms coerce: `"12"` for an int (REFERENCE G.11),
    /// `12.0` for an int, `"true"` for a boolean, base64 text for bytes, time text for a timestamp. Null means "not given".
    ///
    /// # Errors
    /// Every mistake: `/params/...` of a file called `command`. Limits of the profile are errors here.
    pub fn params(&self, command: u16, params: &Json) -> Result<Vec<Field>, Vec<Mistake>> {
        let Some(plan) = self.commands.get(usize::from(command)) else {
            let mut findings = Findings::default();
            let reason = format!("the codec has no command number {command}");
            findings.error(&At::file("command").key("name"), code::NO_COMMAND, reason, "ask by name: the codec was changed");
            return Err(findings.into_list());
        };
        params::bind(&plan.params.checks, &plan.unheard, params, Coercion::Lenient)
    }
}

fn join_service(profile: &Profile, service: &ServiceDescription, at: &At, findings: &mut Findings) -> Option<ServicePlan> {
    let Some((_, checks)) = profile.entries().find(|(spec, _)| spec.service_id == service.id) else {
        unknown_service(profile, &service.id, &at.key("id"), findings);
        return None;
    };
    let place = at.key("properties");
    let what = format!("the service {}", quote(&service.id));
    let lack = Lack { code: code::CODEC_PROPERTY, what: "property", of: &what };
    let properties = join_fields(&checks.properties, &service.properties, &place, &lack, findings);
    for check in checks.properties.iter().filter(|check| check.required) {
        if !service.properties.iter().any(|described| described.name == check.name) {
            let reason = format!("the required property {} is not among the codec's", quote(&check.name));
            let fix = "let the codec report it, or make it optional in the profile; reports are not marked for it";
            findings.warning(&place, code::CODEC_PARTIAL, reason, fix);
        }
    }
    let mut head = String::from("{\"service\":");
    push_text(&mut head, &service.id);
    head.push_str(",\"eventTime\":");
    Some(ServicePlan { head, properties })
}

fn join_command(profile: &Profile, command: &CommandDescription, at: &At, findings: &mut Findings) -> Option<CommandPlan> {
    let Some((spec, checks)) = profile.entries().find(|(spec, _)| spec.service_id == command.service) else {
        unknown_service(profile, &command.service, &at.key("service"), findings);
        return None;
    };
    let Some((_, checks)) = spec.commands.iter().zip(&checks.commands).find(|(known, _)| known.name == command.name) else {
        let known: Vec<&str> = spec.commands.iter().map(|known| known.name.as_str()).collect();
        let reason = format!("the service {} has no command {}", quote(&command.service), quote(&command.name));
        findings.error(&at.key("name"), code::CODEC_COMMAND, reason, suggest::advice(&command.name, &known));
        return None;
    };
    let what = format!("the command {}", quote(&command.name));
    let lack = Lack { code: code::CODEC_PARAMETER, what: "parameter", of: &what };
    let params = join_fields(&checks.params, &command.params, &at.key("params"), &lack, findings);
    let lack = Lack { code: code::CODEC_RESPONSE, what: "response field", of: &what };
    let response = join_fields(&checks.response, &command.response, &at.key("response"), &lack, findings);
    let mut unheard = Vec::new();
    for check in &checks.params {
        if !command.params.iter().any(|described| described.name == check.name) {
            let reason = format!("the parameter {} is not among the codec's", quote(&check.name));
            let fix = "let the codec encode it, or remove it from the profile; commands that carry it are refused";
            findings.warning(&at.key("params"), code::CODEC_PARTIAL, reason, fix);
            unheard.push(check.name.clone());
        }
    }
    Some(CommandPlan { service: command.service.clone(), name: command.name.clone(), params, unheard, response })
}

fn unknown_service(profile: &Profile, id: &str, at: &At, findings: &mut Findings) {
    let known: Vec<&str> = profile.services().iter().map(|service| service.service_id.as_str()).collect();
    let reason = format!("the profile has no service {}", quote(id));
    findings.error(at, code::CODEC_SERVICE, reason, suggest::advice(id, &known));
}

/// What to say when a field is not in the profile.
struct Lack<'a> {
    code: &'static str,
    what: &'static str,
    of: &'a str,
}

fn join_fields(known: &[Check], described: &[FieldDescription], at: &At, lack: &Lack<'_>, findings: &mut Findings) -> Table {
    let mut table = Table::default();
    for (index, field) in described.iter().enumerate() {
        let place = at.item(index);
        if described.iter().take(index).any(|earlier| earlier.name == field.name) {
            let reason = format!("the codec lists the {} {} twice", lack.what, quote(&field.name));
            findings.error(&place.key("name"), code::CODEC_DUPLICATE, reason, "remove one");
            continue;
        }
        let Some(check) = known.iter().find(|check| check.name == field.name) else {
            let names: Vec<&str> = known.iter().map(|check| check.name.as_str()).collect();
            let reason = format!("{} has no {} {}", lack.of, lack.what, quote(&field.name));
            findings.error(&place.key("name"), lack.code, reason, suggest::advice(&field.name, &names));
            continue;
        };
        let Some(check) = check.promised_as(field.value_type) else {
            let (given, wanted) = (word(field.value_type), check.field_type.as_str());
            let reason = format!("{} is {wanted} in the profile; the codec's type {given} cannot carry it", quote(&field.name));
            let fix = format!("let the codec give {}, or change the profile", carriers(check.field_type));
            findings.error(&place.key("type"), code::CODEC_TYPE, reason, fix);
            continue;
        };
        if check.required {
            table.required.push(index);
        }
        table.checks.push(check);
    }
    table
}

/// Services and commands of the profile that the codec does not know at all.
fn tell_gaps(profile: &Profile, description: &Description, at: &At, findings: &mut Findings) {
    for service in profile.services() {
        let id = &service.service_id;
        if !service.properties.is_empty() && !description.services.iter().any(|described| described.id == *id) {
            let reason = format!("the codec never reports the service {}", quote(id));
            let fix = "nothing, if devices of this product do not report it";
            findings.warning(&at.key("services"), code::CODEC_PARTIAL, reason, fix);
        }
        for command in &service.commands {
            let same = |other: &CommandDescription| other.service == *id && other.name == command.name;
            if !description.commands.iter().any(same) {
                let reason = format!("the codec does not encode the command {} of {}", quote(&command.name), quote(id));
                let fix = "nothing, if nobody sends it; it will be refused";
                findings.warning(&at.key("commands"), code::CODEC_PARTIAL, reason, fix);
            }
        }
    }
}
