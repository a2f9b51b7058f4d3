//! `plugin check`, `inspect`, `keygen`, `sign` and `verify`, and `explain`: what an author and CI do with a package before it is
//! delivered. The checks are those of the gateway.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use serde_json::json;

use super::args::{CheckPluginArgs, ExplainArgs, InspectArgs, KeygenArgs, SignArgs, TrustArgs, VerifyArgs};
use super::{Exit, Failure, Streams, ship};
use crate::admission::{Bench, Policy, Submission, admit};
use crate::codec::Host;
use crate::config::Config;
use crate::explain::{all, explain as explanation};
use crate::package::{Package, PrivateKey, PublicKey, Root, Signed, Trust};
use crate::profile::Mistake;

/// The admission of the gateway over a package, or over a folder that is built and packed first.
pub(super) fn check(args: &CheckPluginArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let package = load(&args.path, streams)?;
    let refused = |refusal| Failure::failed("the codec host does not start").because(refusal);
    let host = Host::new(Config::default().limits(), None).map_err(refused)?;
    let policy = Policy { trust: trust(&args.trust)?, require_signature: args.require_signature };
    let verdict = admit(&Submission::Package(&package), &Bench { host, policy });
    let report = verdict.report;
    if args.json {
        let json = serde_json::to_string_pretty(&report).map_err(std::io::Error::from)?;
        writeln!(streams.out, "{json}")?;
    } else {
        write!(streams.out, "{report}")?;
        for cost in &report.costs {
            let (fuel, memory) = (cost.fuel, cost.memory_bytes >> 10);
            writeln!(streams.out, "fuel {fuel:>10}  memory {memory:>6} KiB  {}: {}", cost.document, cost.vector)?;
        }
    }
    if report.is_admitted() {
        return Ok(Exit::Done);
    }
    writeln!(streams.err, "not admitted; `codecgate explain CODE` tells more of a code")?;
    Ok(Exit::Failed)
}

/// What a package holds, without running any of it.
pub(super) fn inspect(args: &InspectArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let package = read(&load(&args.path, streams)?, &args.path)?;
    let signatures = package.signatures().iter().map(|signature| signature.key.to_string());
    let shown = json!({
        "product": package.manifest().product.to_string(),
        "version": package.manifest().version,
        "interface": package.manifest().interface,
        "digest": package.digest(),
        "files": package.digests(),
        "signatures": signatures.collect::<Vec<_>>(),
    });
    let text = serde_json::to_string_pretty(&shown).map_err(std::io::Error::from)?;
    writeln!(streams.out, "{text}")?;
    Ok(Exit::Done)
}

/// Makes a key: the private half in a file that only its owner reads, the public half to standard output.
pub(super) fn keygen(args: &KeygenArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let mut seed = [0; 32];
    getrandom::fill(&mut seed).map_err(|error| Failure::failed(format!("no randomness: {error}")))?;
    let key = PrivateKey::from_seed(&seed);
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&args.output).and_then(|mut file| writeln!(file, "{}", key.reveal()));
    written.map_err(|error| Failure::unwritable(&args.output, error))?;
    writeln!(streams.out, "{}", key.public())?;
    writeln!(streams.err, "the private key is in {}; keep it where only the release job reads it", args.output.display())?;
    Ok(Exit::Done)
}

pub(super) fn sign(args: &SignArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let file = fs::read(&args.package).map_err(|error| Failure::unreadable(&args.package, error))?;
    let mut package = read(&file, &args.package)?;
    let text = fs::read_to_string(&args.key).map_err(|error| Failure::unreadable(&args.key, error))?;
    let key = PrivateKey::parse(&text).map_err(|why| Failure::usage(format!("{}: {why}", args.key.display())))?;
    package.sign(&key);
    let signed = package.write().map_err(|why| Failure::failed(format!("the package cannot be written: {why}")))?;
    replace(&args.package, &signed)?;
    writeln!(streams.out, "{} signed {} by {}", args.package.display(), package.digest(), key.public())?;
    Ok(Exit::Done)
}

pub(super) fn verify(args: &VerifyArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let file = fs::read(&args.package).map_err(|error| Failure::unreadable(&args.package, error))?;
    let package = read(&file, &args.package)?;
    let mut trusted = false;
    let said = package.verify(&trust(&args.trust)?);
    for signed in &said {
        match signed {
            Signed::By(name) => {
                trusted = true;
                writeln!(streams.out, "ok       signed by {name}")?;
            }
            Signed::ByStranger(key) => writeln!(streams.out, "unknown  signed by {key}, which is not trusted here")?,
            Signed::Broken(key) => writeln!(streams.out, "BROKEN   not what {key} signed")?,
        }
    }
    if said.is_empty() {
        writeln!(streams.out, "the package is not signed")?;
    }
    let broken = said.iter().any(|signed| matches!(signed, Signed::Broken(_)));
    Ok(if trusted && !broken { Exit::Done } else { Exit::Failed })
}

/// One code, or all of them.
pub(super) fn explain(args: &ExplainArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let Some(code) = &args.code else {
        for explanation in all() {
            writeln!(streams.out, "{explanation}")?;
        }
        return Ok(Exit::Done);
    };
    match explanation(code) {
        Some(explanation) => writeln!(streams.out, "{explanation}")?,
        None => return Err(Failure::usage(format!("there is no code {code}")).hint("`codecgate explain` lists all")),
    }
    Ok(Exit::Done)
}

fn load(path: &Path, streams: &mut Streams<'_>) -> Result<Vec<u8>, Failure> {
    if path.is_dir() {
        return ship::pack(path, streams);
    }
    fs::read(path).map_err(|error| Failure::unreadable(path, error))
}

fn read(file: &[u8], path: &Path) -> Result<Package, Failure> {
    Package::read(file).map_err(|mistakes: Vec<Mistake>| {
        let told: String = mistakes.iter().map(|mistake| format!("\n{mistake}")).collect();
        Failure::failed(format!("{} is no package:{told}", path.display()))
    })
}

/// `NAME=KEY` from the command line.
fn trust(args: &TrustArgs) -> Result<Trust, Failure> {
    let root = |text: &String| {
        let (name, key) = text.split_once('=').unwrap_or(("command line", text));
        let key = PublicKey::parse(key).map_err(|why| Failure::usage(format!("--trust {text}: {why}")))?;
        Ok(Root { name: name.to_owned(), key })
    };
    Ok(Trust { roots: args.trust.iter().map(root).collect::<Result<_, Failure>>()? })
}

/// Whole or not at all: a package that was being signed is never half a file.
pub(super) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Failure> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let temporary = path.with_file_name(name);
    let written = fs::write(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    written.map_err(|error| {
        drop(fs::remove_file(&temporary));
        Failure::unwritable(path, error)
    })
}
