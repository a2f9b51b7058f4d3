//! `device import`: many devices at once into a running gateway, told line by line.

use std::fs;

use reqwest::Method;

use super::args::DeviceImportArgs;
use super::remote::{Remote, at, list, query, text};
use super::{Exit, Failure, Streams};

/// Exit code 1 when a line was refused.
pub(super) fn import(args: &DeviceImportArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let remote = Remote::new(&args.gateway.gateway, args.gateway.key.as_deref())?;
    let file = args.file.display();
    let body = fs::read(&args.file).map_err(|error| Failure::failed(format!("{file} cannot be read")).because(error))?;
    let is_json = args.file.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json"));
    let media_type = if is_json { "application/json" } else { "text/csv" };
    let path = format!("/api/v1/devices/import{}", query(&[("dryRun", args.dry_run.then_some("true"))]));
    let report = &remote.send(Method::POST, &path, media_type, body)?;
    for line in list(report, "lines").filter(|line| text(line, "outcome") == "refused") {
        let (number, endpoint, code) = (at(line, "line"), text(line, "endpoint"), text(line, "code"));
        writeln!(streams.err, "{file}:{number}: {endpoint} [{code}] {}", text(line, "reason"))?;
        writeln!(streams.err, "    fix: {}", text(line, "fix"))?;
    }
    let (created, existing, refused) = (at(report, "created"), at(report, "existing"), at(report, "refused"));
    let would = if args.dry_run { "would be let in" } else { "let in" };
    writeln!(streams.out, "{created} {would}, {existing} there already, {refused} refused")?;
    Ok(if refused.as_u64() == Some(0) { Exit::Done } else { Exit::Failed })
}
