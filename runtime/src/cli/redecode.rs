//! `redecode`: stored uplinks are decoded again by a running gateway, piece by piece until there are no more.

use reqwest::Method;
use serde_json::{Value, json};

use super::args::RedecodeArgs;
use super::remote::{Remote, at, list, text};
use super::{Exit, Failure, Streams};

/// Uplinks of one piece.
const PIECE: u64 = 500;
/// Examples that are shown of all pieces together.
const EXAMPLES: usize = 10;
/// Members of a report that are counts.
const COUNTS: [&str; 7] = ["lookedAt", "repaired", "changed", "unchanged", "failed", "skipped", "written"];

pub(super) fn redecode(args: &RedecodeArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    if args.emit && !args.commit {
        return Err(Failure::usage("a preview emits nothing").hint("add --commit, or leave --emit out"));
    }
    let remote = Remote::new(&args.gateway.gateway, args.gateway.key.as_deref())?;
    let product = remote.product(&args.product)?;
    let path = format!("/api/v1/products/{product}/redecode");
    let mut sums = [0_u64; COUNTS.len()];
    let mut cursor = args.cursor.clone().map_or(Value::Null, Value::String);
    let mut shown = 0;
    let version = loop {
        let body = json!({
            "deadLetters": args.from.is_none(), "from": args.from, "to": args.to, "device": args.device, "version": args.version,
            "mode": if args.commit { "commit" } else { "preview" }, "emit": args.emit, "cursor": cursor, "limit": PIECE,
        });
        let piece = remote.send(Method::POST, &path, "application/json", body.to_string().into_bytes());
        let piece = piece.map_err(|failure| go_on_from(failure, &cursor))?;
        for (sum, name) in sums.iter_mut().zip(COUNTS) {
            *sum = sum.saturating_add(at(&piece, name).as_u64().unwrap_or_default());
        }
        for example in list(&piece, "examples").take(EXAMPLES.saturating_sub(shown)) {
            shown += 1;
            tell(example, streams)?;
        }
        match at(&piece, "next") {
            Value::String(next) => cursor = Value::String(next.clone()),
            _ => break at(&piece, "version").clone(),
        }
    };
    let counts = COUNTS.iter().zip(sums).map(|(name, sum)| format!("{name} {sum}"));
    writeln!(streams.out, "version {version}: {}", counts.collect::<Vec<_>>().join(", "))?;
    if !args.commit {
        writeln!(streams.err, "nothing was written; add --commit to keep what was repaired and changed")?;
    }
    Ok(Exit::Done)
}

/// What was done stays; the rest begins at the cursor.
fn go_on_from(failure: Failure, cursor: &Value) -> Failure {
    match cursor.as_str() {
        Some(cursor) => failure.hint(format!("go on with --cursor {cursor}")),
        None => failure,
    }
}

fn tell(example: &Value, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let (outcome, original, payload) = (text(example, "outcome"), text(example, "original"), text(example, "payload"));
    writeln!(streams.out, "{outcome} {original} of device {}: {payload}", at(example, "deviceId"))?;
    match text(example, "error") {
        "" => writeln!(streams.out, "    {}", at(example, "after"))?,
        error => writeln!(streams.out, "    {error}")?,
    }
    for difference in list(example, "differences") {
        let (path, from, to) = (text(difference, "path"), at(difference, "from"), at(difference, "to"));
        writeln!(streams.out, "    {path}: {from} -> {to}")?;
    }
    Ok(())
}
