//! What is typed, what comes back, and with which exit code.

use std::time::Duration;

use clap::{CommandFactory, Parser};

use super::args::{bytes, duration};
use super::*;
use crate::model::PowerMode;

fn typed(line: &str) -> (Exit, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let args = std::iter::once("codecgate").chain(line.split_whitespace()).map(OsString::from);
    let exit = run(args, &mut out, &mut err);
    (exit, String::from_utf8(out).unwrap(), String::from_utf8(err).unwrap())
}

fn parsed(line: &str) -> Command {
    Cli::try_parse_from(std::iter::once("codecgate").chain(line.split_whitespace())).unwrap().command
}

fn simulate(line: &str) -> SimulateArgs {
    match parsed(&format!("simulate --server 127.0.0.1:5683 {line}")) {
        Command::Simulate(args) => *args,
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_definition_of_the_arguments_holds_together() {
    Cli::command().debug_assert();
}

#[test]
fn every_documented_line_can_be_typed() {
    for line in [
        "serve",
        "serve --config c.toml --data d --coap 127.0.0.1:0 --http [::1]:0",
        "demo",
        "demo --for 20s --data d",
        "profile check a.json b.zip --lenient --json",
        "profile import a_b_c.zip -o c.json --lenient",
        "plugin build plugins/water-meter -o w.wasm",
        "plugin test plugins/water-meter",
        "plugin run plugins/water-meter --hex 0A17",
        "plugin run --hex 0A17 plugins/water-meter",
        "plugin run --command SET_VALVE --service Valve --params {\"open\":true} --mid 7 plugins/water-meter",
        "simulate --server 127.0.0.1:5683 --endpoint a --hex 00 --hex 01 --count 3 --every 10s --power psm --non",
        "plugin push plugins/water-meter --gateway http://127.0.0.1:8080 --key 0123456789abcdef",
        "plugin push w.wasm --product Acme01/WM1 --candidate --accept-breaking --comment why",
        "plugin push w.codec --create",
        "plugin promote 3 --product 1 --accept-breaking",
        "plugin rollback --product 1 --comment oops",
        "plugin versions --product Acme01/WM1 --json",
        "store export --data d -o f",
        "store import --data d f",
    ] {
        parsed(line);
    }
}

#[test]
fn wrong_use_ends_with_2_and_help_with_0() {
    for line in [
        "",
        "dance",
        "serve --coap nowhere",
        "demo --for soon",
        "profile check",
        "plugin run d",
        "plugin run d --hex 00 --command X",
        "plugin run d --command X --mid 0",
        "plugin run d --hex 0",
        "plugin promote --product 1",
        "plugin rollback",
        "plugin versions --product 1 --gateway nowhere --key k",
        "simulate --server 127.0.0.1:1 --endpoint a --hex 00 --con --non",
        "store import --data d",
    ] {
        let (exit, out, err) = typed(line);
        assert_eq!((exit, out.as_str()), (Exit::Usage, ""), "{line}");
        assert!(err.starts_with("error: ") || err.contains("Usage"), "{line}: {err}");
    }
    let (exit, out, err) = typed("plugin run --help");
    assert_eq!((exit, err.as_str()), (Exit::Done, ""));
    assert!(out.contains("--params"));
    assert!(typed("--version").1.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn a_configuration_with_mistakes_ends_with_2_and_tells_them_all() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("c.toml");
    std::fs::write(&file, "[coap]\nlisten = 5683\nlissen = 1\n").unwrap();
    let (exit, _, err) = typed(&format!("serve --config {}", file.display()));
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("coap.listen") && err.contains("coap.lissen") && err.contains("hint: "), "{err}");
    let (exit, _, err) = typed("serve --config /nowhere/c.toml");
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("because: /nowhere/c.toml cannot be read\n  because: No such file"), "{err}");
}

#[test]
fn arguments_of_serve_override_the_configuration() {
    let Command::Serve(args) = parsed("serve --data d --coap 127.0.0.1:0 --http [::1]:81") else { panic!() };
    let config = gateway::configuration(&args).unwrap();
    assert_eq!(config.data_dir, std::path::Path::new("d"));
    assert_eq!((config.coap.listen.to_string(), config.http.listen.to_string()), ("127.0.0.1:0".into(), "[::1]:81".into()));
}

#[test]
fn a_file_that_is_not_there_is_named() {
    for line in ["profile check /nowhere/p.json", "profile import /nowhere/a_b_c.zip", "store import --data /tmp /nowhere/f"] {
        let (exit, _, err) = typed(line);
        assert_eq!(exit, Exit::Usage, "{line}");
        assert!(err.contains("/nowhere/") && err.contains("because: No such file"), "{line}: {err}");
    }
    assert_eq!(typed("store export --data /nowhere/data").0, Exit::Usage);
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("notes.txt"), "not ours").unwrap();
    let (exit, _, err) = typed(&format!("store export --data {}", folder.path().display()));
    assert_eq!(exit, Exit::Usage);
    assert!(err.contains("holds no store"), "{err}");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was made in it");
    let (exit, _, err) = typed(&format!("plugin build {}", folder.path().display()));
    assert_eq!(exit, Exit::Usage, "{err}");
    assert!(err.contains("no Cargo.toml"), "{err}");
}

#[test]
fn durations_and_hex() {
    for (text, millis) in [("20s", 20_000), ("250ms", 250), ("5m", 300_000), ("1.5h", 5_400_000)] {
        assert_eq!(duration(text), Ok(Duration::from_millis(millis)));
    }
    for text in ["", "20", "s", "-1s", "0s", "5 fortnights", "infs", "nans", "1e400s"] {
        assert!(duration(text).is_err(), "{text}");
    }
    assert_eq!(bytes("0A 0b:0c").map(|bytes| bytes.0), Ok(vec![10, 11, 12]));
    assert!(bytes("0").is_err() && bytes("zz").is_err());
}

fn plan(line: &str) -> Result<fleet::Plan, String> {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    fleet::plan(&simulate(line), &mut Streams { out: &mut out, err: &mut err }).map_err(|failure| failure.to_string())
}

#[test]
fn simulated_devices_count_up() {
    let names = |line: &str| {
        plan(&format!("{line} --hex 00")).map(|plan| plan.fleet.endpoints.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(names("--endpoint meter").unwrap(), ["meter"]);
    assert_eq!(names("--endpoint m009 --count 2").unwrap(), ["m009", "m010"]);
    assert_eq!(names(&format!("--endpoint {}", "9".repeat(40))).unwrap(), ["9".repeat(40)]);
    assert!(names(&format!("--endpoint {} --count 2", "9".repeat(128))).is_err());
    let fleet = plan("--endpoint a --hex 00 --hex 01 --power edrx").unwrap().fleet;
    let payloads = vec![vec![0], vec![1]];
    assert_eq!((fleet.confirmable, fleet.modes, fleet.payloads), (true, vec![(PowerMode::Edrx, 1)], payloads));
    assert!(!plan("--endpoint a --hex 00 --non").unwrap().fleet.confirmable);
}

#[test]
fn all_mistakes_of_a_fleet_are_told_at_once() {
    let told =
        plan("--hex 0 --count 0 --power off --lwm2m 2 --loss 101 --block 17 --every now --sockets 2 --via send").err().unwrap();
    for word in [
        "endpoint: is missing",
        "hex: `0` is no hex",
        "count: `0` is no whole number from 1",
        "power: `off` is no power mode",
        "lwm2m: `2` is no version",
        "loss: `101` is no percentage",
        "block: `17` is no size",
        "every: `now` is no time",
        "via: Send came with LwM2M 1.1",
        "sockets: only psm devices",
    ] {
        assert!(told.contains(word), "{word}: {told}");
    }
}

#[test]
fn a_file_says_what_the_flags_say_and_flags_go_before_it() {
    let folder = tempfile::tempdir().unwrap();
    let written = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        format!("--fleet {}", path.display())
    };
    let toml =
        written("fleet.toml", "endpoint = \"m1\"\ncount = 3\nhex = [\"00\", \"01\"]\nloss = 2.5\nrebind-silence = \"30s\"\n");
    let of_file = plan(&toml).unwrap();
    assert_eq!((of_file.fleet.endpoints.len(), of_file.fleet.payloads.len(), of_file.conditions.loss), (3, 2, 0.025));
    assert_eq!(of_file.fleet.rebind.silence, Some(Duration::from_secs(30)));
    assert_eq!(plan(&format!("{toml} --count 5")).unwrap().fleet.endpoints.len(), 5);
    let json = written("fleet.json", r#"{"endpoint": "m1", "hex": "00", "seed": 7, "countt": 1, "jitter": []}"#);
    let told = plan(&json).err().unwrap();
    assert!(told.contains("countt: does not exist") && told.contains("jitter: `[]` is neither"), "{told}");
    let broken = written("broken.toml", "endpoint = ");
    assert!(plan(&broken).err().unwrap().contains("neither TOML nor JSON"));
}

#[test]
fn payloads_come_from_the_vectors_of_a_codec() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/water-meter");
    let of_folder = plan(&format!("--endpoint m --vectors {}", folder.display())).unwrap();
    assert!(of_folder.fleet.payloads.iter().any(|payload| payload.len() == 20), "{:?}", of_folder.fleet.payloads);
    assert_eq!(of_folder.vectors, Some(folder));
}

#[test]
fn causes_are_told_once_and_a_closed_pipe_is_no_complaint() {
    let told = |failure: Failure| {
        let mut err = Vec::new();
        failure.tell(&mut err);
        String::from_utf8(err).unwrap()
    };
    let cause = anyhow::anyhow!("disk on fire").context("cannot write the log");
    assert_eq!(
        told(Failure::failed("cannot stop").because(cause).hint("use water")),
        "error: cannot stop\n  because: cannot write the log\n  because: disk on fire\nhint: use water\n"
    );
    assert_eq!(told(anyhow::anyhow!("alone").into()), "error: alone\n");
    assert_eq!(told(std::io::Error::from(std::io::ErrorKind::BrokenPipe).into()), "");
}
