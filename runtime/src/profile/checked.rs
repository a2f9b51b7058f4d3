//! The checked [`Profile`]: a document in which everything fits, with its limits compiled.
//!
//! There is one way to make one, [`build`]; importers go through it as well.

use std::sync::Arc;

use serde_json::Value as Json;

use crate::model::{ProductKey, ReportKind};

use super::check::Check;
use super::document::{CommandSpec, Document, Service};
use super::mistake::{At, Findings, Mistake, code, quote};
use super::params::Coercion;
use super::{meaning, params, structure, suggest};

/// A profile that is valid. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Profile {
    inner: Arc<Inner>,
    warnings: Arc<[Mistake]>,
}

#[derive(Debug)]
struct Inner {
    document: Document,
    services: Vec<ServiceChecks>,
}

/// The compiled limits of a service; positions are those of the document.
#[derive(Debug)]
pub(super) struct ServiceChecks {
    pub(super) properties: Vec<Check>,
    pub(super) commands: Vec<CommandChecks>,
}

#[derive(Debug)]
pub(super) struct CommandChecks {
    pub(super) params: Vec<Check>,
    pub(super) response: Vec<Check>,
}

impl Profile {
    /// Reads a document in the format of `profiles/schema.json`. `file` is named in mistakes. What is only doubtful is kept
    /// in [`Profile::warnings`].
    ///
    /// # Errors
    /// All mistakes and warnings of the document, if one of them is an error.
    pub fn parse(file: &str, json: &str) -> Result<Self, Vec<Mistake>> {
        let at = At::file(file);
        let mut findings = Findings::default();
        match structure::read_json(&at, json.as_bytes(), &mut findings) {
            Some(value) => build(&at, value, findings),
            None => Err(findings.into_list()),
        }
    }

    /// The document again, pretty JSON in the format of `profiles/schema.json`, keys in the order of the format.
    #[must_use]
    pub fn to_json(&self) -> String {
        // A document of texts, numbers and JSON values always has a JSON form.
        serde_json::to_string_pretty(&self.inner.document).unwrap_or_default()
    }

    /// The pair that is unique in an installation.
    #[must_use]
    pub fn key(&self) -> ProductKey {
        let Document { manufacturer_id, model, .. } = &self.inner.document;
        ProductKey { manufacturer_id: manufacturer_id.clone(), model: model.clone() }
    }

    /// `deviceType`
    #[must_use]
    pub fn device_type(&self) -> &str {
        &self.inner.document.device_type
    }

    /// `manufacturerName`, for people.
    #[must_use]
    pub fn manufacturer_name(&self) -> Option<&str> {
        self.inner.document.manufacturer_name.as_deref()
    }

    /// `protocolType`, as the vendor wrote it.
    #[must_use]
    pub fn protocol_type(&self) -> Option<&str> {
        self.inner.document.protocol_type.as_deref()
    }

    /// The services, in the order of the document.
    #[must_use]
    pub fn services(&self) -> &[Service] {
        &self.inner.document.services
    }

    /// The service with this id.
    #[must_use]
    pub fn service(&self, id: &str) -> Option<&Service> {
        self.services().iter().find(|service| service.service_id == id)
    }

    /// What was doubtful in the document and taken nevertheless.
    #[must_use]
    pub fn warnings(&self) -> &[Mistake] {
        &self.warnings
    }

    /// One line for people: `WaterMeter Acme01/WM1: 2 services, 7 properties, 2 commands`.
    #[must_use]
    pub fn summary(&self) -> String {
        let count = |number: usize, one: &str, many: &str| format!("{number} {}", if number == 1 { one } else { many });
        let services = self.services();
        let properties = services.iter().map(|service| service.properties.len()).sum();
        let commands = services.iter().map(|service| service.commands.len()).sum();
        format!(
            "{} {}: {}, {}, {}",
            self.device_type(),
            self.key(),
            count(services.len(), "service", "services"),
            count(properties, "property", "properties"),
            count(commands, "command", "commands")
        )
    }

    /// Checks a command's parameters against the profile, for the moment at which an application asks. Coercions and codes
    /// are those of [`super::Plan::params`].
    ///
    /// # Errors
    /// Every mistake: `/service`, `/name` or `/params/...` of a file called `command`.
    pub fn check_params(&self, service: &str, command: &str, params: &Json, coercion: Coercion) -> Result<(), Vec<Mistake>> {
        let at = At::file("command");
        let mut findings = Findings::default();
        let Some((spec, checks)) = self.entries().find(|(spec, _)| spec.service_id == service) else {
            let known: Vec<&str> = self.services().iter().map(|known| known.service_id.as_str()).collect();
            let reason = format!("the profile has no service {}", quote(service));
            findings.error(&at.key("service"), code::NO_SERVICE, reason, suggest::advice(service, &known));
            return Err(findings.into_list());
        };
        let mut commands = spec.commands.iter().zip(&checks.commands);
        let Some((_, checks)) = commands.find(|(known, _)| known.name == command) else {
            let known: Vec<&str> = spec.commands.iter().map(|known| known.name.as_str()).collect();
            let reason = format!("the service {} has no command {}", quote(service), quote(command));
            findings.error(&at.key("name"), code::NO_COMMAND, reason, suggest::advice(command, &known));
            return Err(findings.into_list());
        };
        params::bind(&checks.params, &[], params, coercion).map(drop)
    }

    /// The same profile with the warnings of the document that it was imported from.
    pub(super) fn with_warnings(&self, warnings: Vec<Mistake>) -> Self {
        Self { warnings: warnings.into(), ..self.clone() }
    }

    /// The services with their compiled limits.
    pub(super) fn entries(&self) -> impl Iterator<Item = (&Service, &ServiceChecks)> {
        self.services().iter().zip(&self.inner.services)
    }
}

impl Service {
    /// Property values or alarms; property values if the document does not say.
    #[must_use]
    pub fn report_kind(&self) -> ReportKind {
        self.kind.unwrap_or(ReportKind::Report)
    }

    /// The command with this name.
    #[must_use]
    pub fn command(&self, name: &str) -> Option<&CommandSpec> {
        self.commands.iter().find(|command| command.name == name)
    }
}

/// Turns a JSON value into a profile, or tells everything that is wrong with it, after what was found before.
pub(super) fn build(at: &At, value: Json, mut findings: Findings) -> Result<Profile, Vec<Mistake>> {
    structure::examine(at, &value, &mut findings);
    meaning::examine(at, &value, &mut findings);
    if findings.has_errors() {
        return Err(findings.into_list());
    }
    // What the schema lets through and the types do not: whole numbers written as 1.0.
    let document = match serde_json::from_value::<Document>(value) {
        Ok(document) => document,
        Err(error) => {
            findings.error(at, code::STRUCTURE, error.to_string(), "write whole numbers without a fraction");
            return Err(findings.into_list());
        }
    };
    let Some(services) = document.services.iter().map(compile).collect::<Option<Vec<_>>>() else {
        findings.error(at, code::BAD_VALUE_SCHEMA, "a `schema` cannot be compiled", "write a JSON Schema of draft 2020-12");
        return Err(findings.into_list());
    };
    let warnings = findings.verdict()?;
    Ok(Profile { inner: Arc::new(Inner { document, services }), warnings: warnings.into() })
}

fn compile(service: &Service) -> Option<ServiceChecks> {
    let properties = service.properties.iter().map(Check::compile).collect::<Option<_>>()?;
    let commands = service.commands.iter().map(|command| {
        let params = command.params.iter().map(Check::compile).collect::<Option<_>>()?;
        let response = command.response.iter().map(Check::compile).collect::<Option<_>>()?;
        Some(CommandChecks { params, response })
    });
    Some(ServiceChecks { properties, commands: commands.collect::<Option<_>>()? })
}
