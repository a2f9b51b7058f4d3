//! `plugin build` and `plugin run`: the path by which authors make a component and see what it does.
//!
//! The component passes the same admission, limits and join with the profile as in the gateway.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::args::{BuildArgs, Format, RunArgs};
use super::build::{build_component, build_with_lines};
use super::{Exit, Failure, Streams, layout, package, profile, ship};
use crate::admission::Runner;
use crate::clock;
use crate::codec::{Anatomy, CallError, Codec, DeviceCard, Host, Instances};
use crate::config::Config;
use crate::model::{Downlink, Endpoint, Message, Origin, ReportKind};
use crate::profile::{Coercion, Mistake, Plan, Profile};
use crate::vectors::{Answer, Ask, Vector, huawei};

/// The one export of a codec, without its version.
const CODEC: &str = "codecgate:codec/codec@";

pub(super) fn build(args: &BuildArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let built = component(&args.dir, streams)?;
    let anatomy = admitted(&built)?;
    let shown = match &args.output {
        Some(output) => {
            fs::copy(&built, output).map_err(|error| Failure::unwritable(output, error))?;
            output
        }
        None => &built,
    };
    if let Some(package) = &args.package {
        let packed = ship::pack(&args.dir, streams)?;
        package::replace(package, &packed)?;
        writeln!(streams.err, "packed {} bytes into {}", packed.len(), package.display())?;
    }
    let size = fs::metadata(shown).map_err(|error| Failure::unreadable(shown, error))?.len();
    let custom: usize = anatomy.custom.iter().map(|(_, bytes)| bytes).sum();
    writeln!(
        streams.err,
        "built {size} bytes: {} of code in {} functions, {} of static data, {custom} of names; imports nothing but {}",
        anatomy.code_bytes,
        anatomy.functions,
        anatomy.static_bytes,
        anatomy.imports.join(", ")
    )?;
    writeln!(streams.out, "{}", shown.display())?;
    Ok(Exit::Done)
}

/// What was built, if a gateway would take it: a stray import or export is told now and not at the delivery.
fn admitted(built: &Path) -> Result<Anatomy, Failure> {
    let bytes = fs::read(built).map_err(|error| Failure::unreadable(built, error))?;
    let refused = |refusal| Failure::failed("no gateway will take what was built").because(refusal);
    let host = Host::new(Config::default().limits(), None).map_err(refused)?;
    host.load(&bytes).map_err(refused)?;
    let anatomy = Anatomy::read(&bytes).map_err(refused)?;
    let stray: Vec<&str> = anatomy.exports.iter().map(String::as_str).filter(|name| !name.starts_with(CODEC)).collect();
    if stray.is_empty() {
        return Ok(anatomy);
    }
    let failure = Failure::failed(format!("E1023: the component exports more than the codec: {}", stray.join(", ")));
    Err(failure.hint("remove the export: nobody calls it"))
}

pub(super) fn run(args: &RunArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let mut bench = Bench::new(&args.dir, streams)?;
    if args.message.is_some() || args.format == Format::Huawei {
        return vendor(args, &mut bench, streams);
    }
    let answer = match (&args.hex, &args.command) {
        (Some(payload), _) => bench.decode(&payload.0),
        (None, Some(command)) => bench.encode(args, command),
        (None, None) => Err(Failure::usage("nothing to do").hint("give --hex or --command")),
    };
    let (lines, dropped) = bench.instances.take_log();
    for line in lines {
        writeln!(streams.err, "log {}: {}", line.level, line.text)?;
    }
    if dropped > 0 {
        writeln!(streams.err, "log: {dropped} more lines were dropped")?;
    }
    if let (true, Some(payload)) = (bench.trapped, &args.hex) {
        lines_of_trap(&args.dir, &payload.0, &bench, streams)?;
    }
    let text = serde_json::to_string_pretty(&answer?).map_err(std::io::Error::from)?;
    writeln!(streams.out, "{text}")?;
    Ok(Exit::Done)
}

/// Builds the crate once more with tables of lines and lets it trap again, where an engine tells file and line.
fn lines_of_trap(dir: &Path, payload: &[u8], bench: &Bench, streams: &mut Streams<'_>) -> Result<(), Failure> {
    if layout::is_layout(dir) {
        return Ok(());
    }
    let built = build_with_lines(dir, &target_dir(dir).join("lines"))
        .map_err(|error| Failure::failed(format!("{} does not build", dir.display())).because(error))?;
    let bytes = fs::read(&built).map_err(|error| Failure::unreadable(&built, error))?;
    let refused = |refusal| Failure::failed("the component is not admitted").because(refusal);
    let host = Host::metered(bench.host.limits().clone()).map_err(refused)?;
    let codec = host.load(&bytes).map_err(refused)?;
    let again = Instances::new(Arc::clone(&host)).decode(&codec, &bench.card, payload, &Origin::app_data(clock::wall().0));
    if let Err(CallError::Trap { frames, .. }) = again {
        for frame in frames {
            writeln!(streams.err, "  at {frame}")?;
        }
    }
    Ok(())
}

/// The same in the vendor's words.
fn vendor(args: &RunArgs, bench: &mut Bench, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let ask = match (&args.hex, &args.message, &args.command) {
        (Some(payload), ..) => Ask::Decode(payload.0.clone()),
        (None, Some(message), _) => huawei::asked(message).map_err(|wrong| {
            Failure::usage(format!("the message is not understood: {}", wrong.join("; "))).hint("see --help for what it can be")
        })?,
        _ => return Err(Failure::usage("a command in the vendor's words is a cloudReq").hint("give it with --message")),
    };
    let endpoint = bench.card.endpoint.clone();
    let received = clock::wall();
    let vector =
        Vector { name: "run".to_owned(), endpoint, attributes: Arc::default(), received, ask, expected: Answer::Bytes(None) };
    let ran = Runner::new(&bench.codec, &bench.plan, &bench.host).run(&vector);
    for line in &ran.log {
        writeln!(streams.err, "log {}: {}", line.level, line.text)?;
    }
    match ran.answer {
        Answer::Messages(messages) if args.format == Format::Huawei => {
            for message in huawei::told(&messages) {
                writeln!(streams.out, "{message}")?;
            }
        }
        Answer::Messages(messages) => writeln!(streams.out, "{}", Value::from(messages))?,
        Answer::Bytes(Some(bytes)) => writeln!(streams.out, "{}", hex::encode_upper(bytes))?,
        Answer::Bytes(None) => writeln!(streams.err, "the codec sends nothing")?,
        other => {
            if let Some(payload) = &args.hex {
                // The same once more, in the codec's own words.
                bench.decode(&payload.0)?;
            }
            return Err(Failure::failed("the codec gives no answer").because(Gone(other.to_string())));
        }
    }
    Ok(Exit::Done)
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Gone(String);

/// A codec that was admitted and fits the profile beside it.
pub(super) struct Bench {
    pub(super) profile: Profile,
    pub(super) component: Vec<u8>,
    pub(super) host: Arc<Host>,
    pub(super) codec: Arc<Codec>,
    pub(super) plan: Plan,
    instances: Instances,
    card: Arc<DeviceCard>,
    /// The last decode ended so.
    trapped: bool,
}

impl Bench {
    pub(super) fn new(dir: &Path, streams: &mut Streams<'_>) -> Result<Self, Failure> {
        let profile = profile::load(&dir.join("profile.json"), streams)?;
        let built = component(dir, streams)?;
        let bytes = fs::read(&built).map_err(|error| Failure::unreadable(&built, error))?;
        let refused = |refusal| Failure::failed("the component is not admitted").because(refusal);
        let host = Host::new(Config::default().limits(), None).map_err(refused)?;
        let codec = host.load(&bytes).map_err(refused)?;
        let plan = Plan::join(&profile, codec.description()).map_err(|mistakes| {
            let told = mistakes.iter().try_for_each(|mistake| writeln!(streams.err, "{}", profile::shown(mistake)));
            told.map_or_else(Failure::from, |()| {
                Failure::failed("the codec does not fit the profile")
                    .hint("make names and types of the codec and profile.json agree")
            })
        })?;
        let endpoint = Endpoint::new("plugin-run").map_err(|error| Failure::failed("no endpoint").because(error))?;
        let card = Arc::new(DeviceCard { endpoint, attributes: Arc::default() });
        let instances = Instances::new(Arc::clone(&host));
        Ok(Self { profile, component: bytes, host, codec, plan, instances, card, trapped: false })
    }

    fn decode(&mut self, payload: &[u8]) -> Result<Value, Failure> {
        let now = clock::wall();
        let origin = Origin::app_data(now.0);
        let answer = self.instances.decode(&self.codec, &self.card, payload, &origin);
        self.trapped = matches!(answer, Err(CallError::Trap { .. }));
        let messages = answer.map_err(|error| Failure::failed("the payload cannot be decoded").because(error))?;
        let shown = messages.iter().map(|message| self.show(message, now.0));
        shown
            .collect::<Result<Vec<Value>, String>>()
            .map(Value::from)
            .map_err(|why| Failure::failed("the answer contradicts the codec's own tables").because(why))
    }

    fn show(&self, message: &Message, received_ms: u64) -> Result<Value, String> {
        let mut text = String::new();
        Ok(match message {
            Message::Report(report) => {
                self.plan.write_report(report, received_ms, &mut text)?;
                let mut body: Map<String, Value> = serde_json::from_str(&text).map_err(|error| error.to_string())?;
                body.insert("hasMore".to_owned(), report.has_more.into());
                json!({ kind_name(report.kind): body })
            }
            Message::Response(response) => {
                let mut body = Map::new();
                body.insert("mid".to_owned(), response.mid.into());
                body.insert("errcode".to_owned(), response.errcode.into());
                if let Some(index) = response.command {
                    self.plan.write_response(index, response, &mut text)?;
                    let command = self.codec.description().commands.get(usize::from(index));
                    body.insert("command".to_owned(), command.map(|command| command.name.clone()).into());
                    body.insert("values".to_owned(), serde_json::from_str(&text).map_err(|error| error.to_string())?);
                }
                json!({ "response": body })
            }
        })
    }

    fn encode(&mut self, args: &RunArgs, name: &str) -> Result<Value, Failure> {
        let commands = &self.codec.description().commands;
        let wanted = |service: &str| args.service.as_deref().is_none_or(|asked| asked == service);
        let mut found = commands.iter().filter(|command| command.name == name && wanted(&command.service));
        let all = || commands.iter().map(|c| format!("{} of {}", c.name, c.service)).collect::<Vec<_>>().join(", ");
        let service = match (found.next(), found.next()) {
            (Some(command), None) => command.service.clone(),
            (Some(_), Some(_)) => {
                return Err(
                    Failure::usage(format!("several services have a command {name}")).hint(format!("add --service: {}", all()))
                );
            }
            (None, _) => {
                return Err(Failure::usage(format!("the codec has no such command {name}")).hint(format!("it has {}", all())));
            }
        };
        let wrong = |mistakes: Vec<Mistake>| {
            let told: String = mistakes.iter().map(|mistake| format!("\n{}", profile::shown(mistake))).collect();
            Failure::usage(format!("the parameters do not fit the profile:{told}"))
        };
        self.profile.check_params(&service, name, &args.params, Coercion::Lenient).map_err(wrong)?;
        let index = self.plan.command(&service, name).ok_or_else(|| Failure::failed("the plan lacks the command"))?;
        let fields = self.plan.params(index, &args.params).map_err(wrong)?;
        let downlink = Downlink::Command { index, mid: args.mid, has_more: false, fields };
        let origin = Origin::app_data(clock::wall().0);
        let sent = self.instances.encode(&self.codec, &self.card, downlink, &origin);
        let bytes = sent.map_err(|error| Failure::failed("the command cannot be encoded").because(error))?;
        Ok(json!({ "service": service, "command": name, "mid": args.mid, "hex": bytes.map(hex::encode) }))
    }
}

fn kind_name(kind: ReportKind) -> &'static str {
    match kind {
        ReportKind::Report => "report",
        ReportKind::Event => "event",
    }
}

pub(super) fn component(dir: &Path, streams: &mut Streams<'_>) -> Result<PathBuf, Failure> {
    if layout::is_layout(dir) {
        return layout::component(dir, streams);
    }
    if !dir.join("Cargo.toml").is_file() {
        return Err(Failure::usage(format!(
            "{} is no codec crate: it has no Cargo.toml, and no layout.json either",
            dir.display()
        )));
    }
    build_component(dir, &target_dir(dir))
        .map_err(|error| Failure::failed(format!("{} does not build", dir.display())).because(error))
}

/// Where compiled dependencies can be shared: `target/codecs` of the workspace that the crate belongs to, else of the crate.
pub(super) fn target_dir(dir: &Path) -> PathBuf {
    let absolute = fs::canonicalize(dir).unwrap_or_else(|_| dir.to_owned());
    let root = absolute.ancestors().find(|folder| folder.join("Cargo.lock").is_file()).unwrap_or(&absolute);
    root.join("target").join("codecs")
}
