//! `plugin push`, `promote`, `rollback` and `versions`: what CI/CD does with a running gateway.

use std::fs;
use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use super::args::{GatewayArgs, PromoteArgs, PushArgs, RollbackArgs, VersionsArgs};
use super::remote::{Remote, at, list, query, text};
use super::{Exit, Failure, Streams, plugin, profile};

/// What is sent, and the product that it is for as far as it tells.
struct Cargo {
    media_type: &'static str,
    body: Vec<u8>,
    product: Option<String>,
}

pub(super) fn push(args: &PushArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    // Before anything is built: a wrong key or address is told at once.
    let remote = remote(&args.gateway)?;
    let cargo = load(&args.path, streams)?;
    let product = args.product.clone().or(cargo.product).ok_or_else(|| {
        Failure::usage(format!("{} does not say which product it is for", args.path.display()))
            .hint("add --product ID or --product manufacturerId/model")
    })?;
    let product = remote.product(&product)?;
    let flag = |flag: bool| flag.then_some("true");
    let query = query(&[
        ("candidate", flag(args.candidate)),
        ("acceptBreaking", flag(args.accept_breaking)),
        ("comment", args.comment.as_deref()),
    ]);
    let path = format!("/api/v1/products/{product}/codec{query}");
    let told = &remote.send(Method::PUT, &path, cargo.media_type, cargo.body)?;
    let known = if at(told, "known") == true { ", which was there already" } else { "" };
    let replaced = at(told, "replaced").as_u64().map(|number| format!(", in place of version {number}")).unwrap_or_default();
    writeln!(
        streams.out,
        "version {} of product {} is {}: {} {}, {} bytes{known}{replaced}",
        at(told, "number"),
        at(told, "productId"),
        text(told, "state"),
        text(told, "name"),
        text(told, "version"),
        at(told, "size"),
    )?;
    changes(at(told, "compatibility"), streams)?;
    for warning in list(told, "warnings").filter_map(Value::as_str) {
        writeln!(streams.err, "warning: {warning}")?;
    }
    Ok(Exit::Done)
}

pub(super) fn promote(args: &PromoteArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let remote = remote(&args.gateway)?;
    let product = remote.product(&args.product)?;
    let flag = args.accept_breaking.then_some("true");
    let query = query(&[("acceptBreaking", flag), ("comment", args.comment.as_deref())]);
    switched(&remote.post(&format!("/api/v1/products/{product}/codec/versions/{}/activate{query}", args.version))?, streams)
}

pub(super) fn rollback(args: &RollbackArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let remote = remote(&args.gateway)?;
    let product = remote.product(&args.product)?;
    let query = query(&[("comment", args.comment.as_deref())]);
    switched(&remote.post(&format!("/api/v1/products/{product}/codec/rollback{query}"))?, streams)
}

pub(super) fn versions(args: &VersionsArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let remote = remote(&args.gateway)?;
    let product = remote.product(&args.product)?;
    let page = &remote.get(&format!("/api/v1/products/{product}/codec/versions"))?;
    if args.json {
        let json = serde_json::to_string_pretty(at(page, "items")).map_err(std::io::Error::from)?;
        writeln!(streams.out, "{json}")?;
        return Ok(Exit::Done);
    }
    let mut rows =
        vec![["VERSION", "STATE", "CODEC", "DIGEST", "UPLOADED", "BY", "SIGNER", "COMMENT"].map(str::to_owned).to_vec()];
    for item in list(page, "items") {
        rows.push(vec![
            at(item, "number").to_string(),
            text(item, "state").to_owned(),
            format!("{} {}", text(item, "name"), text(item, "version")),
            text(item, "digest").chars().take(16).collect(),
            text(item, "uploaded").to_owned(),
            text(item, "uploadedBy").to_owned(),
            text(item, "signer").to_owned(),
            text(item, "comment").to_owned(),
        ]);
    }
    if rows.len() == 1 {
        writeln!(streams.err, "product {product} has no codec: its uplinks are passed on as they come")?;
        return Ok(Exit::Done);
    }
    table(&rows, streams)?;
    Ok(Exit::Done)
}

fn remote(args: &GatewayArgs) -> Result<Remote, Failure> {
    Remote::new(&args.gateway, args.key.as_deref())
}

/// A folder is built; a file is taken as it is, by what it begins with.
fn load(path: &Path, streams: &mut Streams<'_>) -> Result<Cargo, Failure> {
    if path.is_dir() {
        let built = plugin::component(path)?;
        let body = fs::read(&built).map_err(|error| Failure::unreadable(&built, error))?;
        let profile = profile::load(&path.join("profile.json"), streams)?;
        return Ok(Cargo { media_type: "application/wasm", body, product: Some(profile.key().to_string()) });
    }
    let body = fs::read(path).map_err(|error| Failure::unreadable(path, error))?;
    Ok(Cargo { media_type: "application/wasm", body, product: None })
}

fn switched(told: &Value, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let version = at(told, "activeVersion");
    match at(told, "replaced").as_u64() {
        _ if at(told, "changed") == false => writeln!(streams.out, "version {version} is at work already")?,
        Some(before) => writeln!(streams.out, "version {version} is at work, in place of version {before}")?,
        None => writeln!(streams.out, "version {version} is at work")?,
    }
    changes(at(told, "compatibility"), streams)?;
    Ok(Exit::Done)
}

/// What applications would notice, one change a line.
fn changes(report: &Value, streams: &mut Streams<'_>) -> Result<(), Failure> {
    for change in list(report, "changes") {
        let breaking = if at(change, "breaking") == true { " (breaking)" } else { "" };
        let (kind, place, detail) = (text(change, "kind"), text(change, "place"), text(change, "detail"));
        writeln!(streams.out, "  {kind} {place}: {detail}{breaking}")?;
    }
    Ok(())
}

/// Columns as wide as their widest cell; the last one is not padded.
fn table(rows: &[Vec<String>], streams: &mut Streams<'_>) -> Result<(), Failure> {
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in rows {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
        writeln!(streams.out, "{}", cells.collect::<Vec<_>>().join("  ").trim_end())?;
    }
    Ok(())
}
