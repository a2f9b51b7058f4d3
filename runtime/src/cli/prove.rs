//! `plugin test`: what a codec says of its vectors, and whether anything can break it.
//!
//! In this order: the crate's own tests natively; the vectors in the gateway's host under production limits, with their cost in fuel;
//! every beginning of every payload, turned-over bits and random bytes, on which a trap or a deadline is a failure; commands with
//! parameters from all over the profile's ranges. Damage is seeded: a failure is the same tomorrow.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::args::TestArgs;
use super::plugin::{Bench, target_dir};
use super::{Exit, Failure, Streams, layout};
use crate::admission::Runner;
use crate::codec::Host;
use crate::config::Config;
use crate::model::{CommandDescription, Endpoint, Timestamp};
use crate::profile::{FieldSpec, FieldType, Profile};
use crate::vectors::mutate::{Dice, bit_flips, random, truncations};
use crate::vectors::{Answer, Ask, CommandAsk, Vector, holds, parse};

/// Beginnings of a very long payload that are tried.
const TRUNCATIONS: usize = 512;
/// Random payloads, and random parameters of each command.
const RANDOM: usize = 2_000;
const SEED: u64 = 0x0c0d_ec9a_7e00_0001;
/// Failures that are shown.
const SHOWN: usize = 8;
/// Longest text that is made up for a parameter without a limit.
const TEXT: u32 = 64;

pub(super) fn test(args: &TestArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    if !args.component_only && !layout::is_layout(&args.dir) {
        native(&args.dir, streams)?;
    }
    let bench = Bench::new(&args.dir, streams)?;
    let documents = documents(&args.dir, streams)?;
    let vectors: Vec<&Vector> = documents.iter().flat_map(|(_, vectors)| vectors).collect();
    if vectors.is_empty() {
        return Err(Failure::failed("there are no vectors").hint(format!("write some in {}", args.dir.join("vectors").display())));
    }
    let failed = meaning(&documents, &bench, streams)?;
    let broken = damage(&vectors, &bench, &args.dir, streams)? + commands(&bench, &args.dir, streams)?;
    writeln!(
        streams.out,
        "{} passed, {failed} failed; {broken} broken; component {}",
        vectors.len() - failed,
        bench.codec.digest()
    )?;
    Ok(if failed + broken == 0 { Exit::Done } else { Exit::Failed })
}

/// The crate's own tests, where the same vectors run without a sandbox.
fn native(dir: &Path, streams: &mut Streams<'_>) -> Result<(), Failure> {
    let manifest =
        fs::canonicalize(dir.join("Cargo.toml")).map_err(|error| Failure::unreadable(&dir.join("Cargo.toml"), error))?;
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let ran = Command::new(cargo)
        .args(["test", "--quiet", "--color=never", "--manifest-path"])
        .arg(&manifest)
        .current_dir(manifest.parent().unwrap_or(dir))
        .env("CARGO_TARGET_DIR", target_dir(dir))
        .output()
        .map_err(|error| Failure::failed("cargo does not start").because(error))?;
    if ran.status.success() {
        writeln!(streams.out, "native tests passed")?;
        return Ok(());
    }
    let said = [ran.stdout, ran.stderr].concat();
    let failure = Failure::failed(format!("the native tests fail\n{}", String::from_utf8_lossy(&said)));
    Err(failure.hint("`cargo test` in the crate shows the same; --component-only leaves them out"))
}

/// Runs the vectors; how many fail.
fn meaning(documents: &[(PathBuf, Vec<Vector>)], bench: &Bench, streams: &mut Streams<'_>) -> Result<usize, Failure> {
    let refused = |refusal| Failure::failed("no host to count fuel in").because(refusal);
    let metered = Host::metered(Config::default().limits()).map_err(refused)?;
    let counted = metered.load(&bench.component).map_err(refused)?;
    let mut live = Runner::new(&bench.codec, &bench.plan, &bench.host);
    let mut failed = 0;
    for (path, vectors) in documents {
        writeln!(streams.out, "{}", path.display())?;
        for vector in vectors {
            let ran = live.run(vector);
            // A pristine instance each: the fuel of a vector does not depend on those before it.
            let cost = Runner::new(&counted, &bench.plan, &metered).run(vector).cost;
            if holds(&vector.expected, &ran.answer) {
                writeln!(streams.out, "  ok    {:<60} fuel {}", vector.name, cost.fuel.unwrap_or_default())?;
            } else {
                failed += 1;
                writeln!(streams.out, "  FAIL  {}", vector.name)?;
                writeln!(streams.out, "        expected {}\n        got      {}", vector.expected, ran.answer)?;
                for line in &ran.log {
                    writeln!(streams.out, "        log {}: {}", line.level, line.text)?;
                }
            }
            for violation in &ran.violations {
                writeln!(streams.out, "        outside the profile: {violation}")?;
            }
        }
    }
    Ok(failed)
}

/// Damaged payloads; how many broke the codec.
fn damage(vectors: &[&Vector], bench: &Bench, dir: &Path, streams: &mut Streams<'_>) -> Result<usize, Failure> {
    let payload = |vector: &&Vector| match &vector.ask {
        Ask::Decode(payload) => Some(payload.clone()),
        Ask::Command(_) | Ask::Ack { .. } => None,
    };
    let payloads: Vec<Vec<u8>> = vectors.iter().filter_map(payload).collect();
    let known: Vec<&[u8]> = payloads.iter().map(Vec::as_slice).collect();
    let Some(frame) = vectors.iter().find(|vector| matches!(vector.ask, Ask::Decode(_))) else { return Ok(0) };
    let cut = known.iter().flat_map(|payload| truncations(payload, TRUNCATIONS)).map(<[u8]>::to_vec);
    let flipped = known.iter().flat_map(|payload| bit_flips(payload));
    let tried = cut.chain(flipped).chain(random(SEED, &known).take(RANDOM));
    let mut runner = Runner::new(&bench.codec, &bench.plan, &bench.host);
    let (mut count, mut broken) = (0_usize, 0_usize);
    for payload in tried {
        count += 1;
        let hex = hex::encode(&payload);
        let asked = Vector { ask: Ask::Decode(payload), ..(*frame).clone() };
        if let Answer::Broken(why) | Answer::Contradiction(why) = runner.run(&asked).answer {
            broken += 1;
            if broken <= SHOWN {
                writeln!(streams.out, "  BROKEN {why}\n         codecgate plugin run {} --hex {hex}", dir.display())?;
            }
        }
    }
    writeln!(streams.out, "{count} damaged payloads, {broken} of them broke the codec")?;
    Ok(broken)
}

/// Commands with parameters from all over their ranges; how many broke the codec.
fn commands(bench: &Bench, dir: &Path, streams: &mut Streams<'_>) -> Result<usize, Failure> {
    let mut runner = Runner::new(&bench.codec, &bench.plan, &bench.host);
    let mut dice = Dice(SEED);
    let (mut count, mut broken) = (0_usize, 0_usize);
    for command in &bench.codec.description().commands {
        let Some(specs) = specs(&bench.profile, &command.service, &command.name) else { continue };
        for _ in 0..RANDOM / 4 {
            count += 1;
            let params: Map<String, Value> = specs.iter().map(|spec| (spec.name.clone(), any(spec, &mut dice))).collect();
            if let Some(why) = breaks(&mut runner, command, &params) {
                broken += 1;
                if broken <= SHOWN {
                    let params = Value::Object(shrunk(&mut runner, command, params));
                    let name = &command.name;
                    writeln!(
                        streams.out,
                        "  BROKEN {why}\n         codecgate plugin run {} --command {name} --params '{params}'",
                        dir.display()
                    )?;
                }
            }
        }
    }
    writeln!(streams.out, "{count} commands with generated parameters, {broken} of them broke the codec")?;
    Ok(broken)
}

/// Why the command breaks the codec, none if it is encoded, the same twice, or refused in the codec's words.
fn breaks(runner: &mut Runner<'_>, command: &CommandDescription, params: &Map<String, Value>) -> Option<String> {
    let ask = CommandAsk {
        service: command.service.clone(),
        name: command.name.clone(),
        mid: 0x1234,
        has_more: false,
        params: params.clone(),
    };
    let vector = Vector {
        name: "generated".to_owned(),
        endpoint: Endpoint::new("plugin-test").ok()?,
        attributes: Arc::default(),
        received: Timestamp(0),
        ask: Ask::Command(ask),
        expected: Answer::Bytes(None),
    };
    let first = runner.run(&vector).answer;
    match &first {
        Answer::Broken(why) => Some(why.clone()),
        // Parameters of the profile that the plan refuses are a matter of the profile's finer limits.
        Answer::Contradiction(_) => None,
        _ => (runner.run(&vector).answer != first).then(|| "the same parameters gave two answers".to_owned()),
    }
}

/// Fewer and smaller parameters that still break it.
fn shrunk(runner: &mut Runner<'_>, command: &CommandDescription, mut params: Map<String, Value>) -> Map<String, Value> {
    for name in params.keys().cloned().collect::<Vec<_>>() {
        for simple in [json!(0), json!(1), json!(false), json!("")] {
            let mut smaller = params.clone();
            smaller.insert(name.clone(), simple);
            if breaks(runner, command, &smaller).is_some() {
                params = smaller;
                break;
            }
        }
    }
    params
}

fn specs<'p>(profile: &'p Profile, service: &str, name: &str) -> Option<&'p [FieldSpec]> {
    let service = profile.services().iter().find(|one| one.service_id == service)?;
    service.commands.iter().find(|command| command.name == name).map(|command| command.params.as_slice())
}

/// A value that the profile allows: often one at a border.
#[expect(clippy::cast_possible_truncation, clippy::cast_precision_loss, reason = "made up inside the range of the profile")]
fn any(spec: &FieldSpec, dice: &mut Dice) -> Value {
    let bound = |number: &Option<serde_json::Number>, otherwise: f64| {
        number.as_ref().and_then(serde_json::Number::as_f64).unwrap_or(otherwise)
    };
    let (min, max) = (bound(&spec.min, -1e9), bound(&spec.max, 1e9));
    let number = |dice: &mut Dice| match dice.below(4) {
        0 => min,
        1 => max,
        _ => min + (max - min) * (dice.below(1 << 20) as f64 / (1 << 20) as f64),
    };
    let length = |dice: &mut Dice| dice.below(u64::from(spec.max_length.unwrap_or(TEXT)) + 1);
    match spec.field_type {
        FieldType::Int | FieldType::Long => json!(number(dice).trunc() as i64),
        FieldType::Decimal => json!(number(dice)),
        FieldType::Boolean => json!(dice.below(2) == 1),
        FieldType::Enum => {
            let values = spec.enum_values.as_deref().unwrap_or_default();
            let at = usize::try_from(dice.below(values.len() as u64)).unwrap_or_default();
            values.get(at).map_or(Value::Null, |value| json!(value))
        }
        FieldType::String => json!((0..length(dice)).map(|_| char::from(b' ' + dice.byte() % 95)).collect::<String>()),
        FieldType::Bytes => {
            use base64::Engine as _;
            let bytes: Vec<u8> = (0..length(dice)).map(|_| dice.byte()).collect();
            json!(base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        FieldType::DateTime => json!(Timestamp(dice.below(4_102_444_800_000)).to_string()),
        FieldType::JsonObject => json!({ "a": dice.below(9) }),
        FieldType::StringList => json!(["a", "b"]),
    }
}

/// All vectors of `DIR/vectors/*.json`, by file name.
pub(super) fn documents(dir: &Path, streams: &mut Streams<'_>) -> Result<Vec<(PathBuf, Vec<Vector>)>, Failure> {
    let folder = dir.join("vectors");
    let entries = fs::read_dir(&folder).map_err(|error| Failure::unreadable(&folder, error))?;
    let mut paths: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    paths.retain(|path| path.extension().is_some_and(|end| end == "json"));
    paths.sort();
    let mut documents = Vec::new();
    let mut mistakes = 0_usize;
    for path in paths {
        let text = fs::read_to_string(&path).map_err(|error| Failure::unreadable(&path, error))?;
        match parse(&text) {
            Ok(vectors) => documents.push((path, vectors)),
            Err(found) => {
                mistakes += found.len();
                for mistake in found {
                    writeln!(streams.err, "{}: {mistake}", path.display())?;
                }
            }
        }
    }
    if mistakes > 0 {
        return Err(Failure::failed(format!("the vectors have {mistakes} mistakes")));
    }
    Ok(documents)
}
