//! `plugin push`, `promote`, `rollback` and `versions`: what CI/CD does with a running gateway.

use std::fs;
use std::path::Path;

use reqwest::Method;
use serde_json::Value;

use super::args::{GatewayArgs, PromoteArgs, PushArgs, RollbackArgs, VersionsArgs};
use super::remote::{Remote, at, list, query, text};
use super::{Exit, Failure, Streams, layout, plugin, profile};
use crate::codec::{Codec, Host};
use crate::config::Config;
use crate::package::{Manifest, Package, Parts, Wishes};

const PACKAGE: &str = "application/vnd.codecgate.codec";

/// What is sent.
enum Freight {
    Component(Vec<u8>),
    Package(Vec<u8>),
}

pub(super) fn push(args: &PushArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    // Before anything is built: a wrong key or address is told at once.
    let remote = remote(&args.gateway)?;
    let freight = load(&args.path, streams)?;
    let flag = |flag: bool| flag.then_some("true");
    let query = query(&[
        ("candidate", flag(args.candidate)),
        ("acceptBreaking", flag(args.accept_breaking)),
        ("create", flag(args.create)),
        ("comment", args.comment.as_deref()),
    ]);
    let of_product = |product: &str| Ok::<_, Failure>(format!("/api/v1/products/{}/codec{query}", remote.product(product)?));
    let told = &match (freight, &args.product) {
        (Freight::Package(file), None) => remote.send(Method::POST, &format!("/api/v1/packages{query}"), PACKAGE, file)?,
        (Freight::Package(file), Some(product)) => remote.send(Method::PUT, &of_product(product)?, PACKAGE, file)?,
        (Freight::Component(file), Some(product)) => remote.send(Method::PUT, &of_product(product)?, "application/wasm", file)?,
        (Freight::Component(_), None) => {
            return Err(Failure::usage(format!(
                "{} is a bare component and does not say which product it is for",
                args.path.display()
            ))
            .hint("add --product ID or --product manufacturerId/model, or push the folder or a package"));
        }
    };
    for check in list(told, "checks") {
        writeln!(streams.err, "{:<8}{:<13}{}", text(check, "outcome"), text(check, "check"), text(check, "detail"))?;
        for finding in list(check, "findings") {
            let (code, file, pointer) = (text(finding, "code"), text(finding, "file"), text(finding, "pointer"));
            writeln!(streams.err, "        [{code}] {file}#{pointer}: {}", text(finding, "reason"))?;
        }
    }
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

/// Delivers a package to the product that it names, which is made if it is not there; returns its number.
pub(super) fn deliver(remote: &Remote, path: &Path, streams: &mut Streams<'_>) -> Result<u64, Failure> {
    let Freight::Package(file) = load(path, streams)? else {
        return Err(Failure::usage(format!("{} is no folder of a codec and no package", path.display())));
    };
    let told = &remote.send(Method::POST, "/api/v1/packages?create=true", PACKAGE, file)?;
    let product = at(told, "productId").as_u64().ok_or_else(|| Failure::failed("the gateway names no product"))?;
    writeln!(streams.err, "product {product} has codec {} {}", text(told, "name"), text(told, "version"))?;
    Ok(product)
}

/// A folder is built and packed; a file is taken as it is, by what it begins with.
fn load(path: &Path, streams: &mut Streams<'_>) -> Result<Freight, Failure> {
    if path.is_dir() {
        return pack(path, streams).map(Freight::Package);
    }
    let file = fs::read(path).map_err(|error| Failure::unreadable(path, error))?;
    Ok(if file.starts_with(b"PK") { Freight::Package(file) } else { Freight::Component(file) })
}

/// The package of a codec crate or a layout: component, profile, vectors, the layout, and `codec.toml`, which is written from the others where there is
/// none.
pub(super) fn pack(dir: &Path, streams: &mut Streams<'_>) -> Result<Vec<u8>, Failure> {
    let built = plugin::component(dir, streams)?;
    let component = fs::read(&built).map_err(|error| Failure::unreadable(&built, error))?;
    let read = |path: &Path| fs::read_to_string(path).map_err(|error| Failure::unreadable(path, error));
    let (profile, manifest) = (profile::load(&dir.join("profile.json"), streams)?, dir.join("codec.toml"));
    let manifest = if manifest.is_file() {
        read(&manifest)?
    } else {
        let refused = |refusal| Failure::failed("the component is not admitted").because(refusal);
        let host = Host::new(Config::default().limits(), None).map_err(refused)?;
        let codec = host.load(&component).map_err(refused)?;
        let (version, interface) = (codec.description().version.clone(), Codec::INTERFACE_VERSION.to_owned());
        Manifest { product: profile.key(), version, interface, wishes: Wishes::default() }.to_toml()
    };
    let mut vectors = Vec::new();
    let folder = dir.join("vectors");
    if folder.is_dir() {
        let entries = fs::read_dir(&folder).map_err(|error| Failure::unreadable(&folder, error))?;
        for entry in entries {
            let path = entry?.path();
            if path.extension().is_some_and(|ending| ending == "json") {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                vectors.push((name, read(&path)?));
            }
        }
    }
    let parts = Parts { manifest, component, profile: read(&dir.join("profile.json"))?, vectors, layout: layout::text(dir)? };
    let package = Package::new(parts).map_err(|mistakes| {
        let told: String = mistakes.iter().map(|mistake| format!("\n{}", profile::shown(mistake))).collect();
        Failure::failed(format!("{} cannot be packed:{told}", dir.display()))
    })?;
    package.write().map_err(|why| Failure::failed(format!("{} cannot be packed: {why}", dir.display())))
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
