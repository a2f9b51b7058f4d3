//! The SDK's tutorial, word for word: its files are written, its commands are run, in their order, by a shell.
//!
//! Two words are changed: the ports, so that the test runs beside anything else.

use std::fmt::Write as _;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::{Command, Stdio};

use codecgate_tests::root;

use super::PROGRAM;

const FENCE: &str = "```";

/// A shell script of everything that the text tells its reader to do.
fn script(text: &str) -> String {
    let mut script = String::from("set -euo pipefail\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n");
    let mut blocks = 0;
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        let Some(kind) = line.strip_prefix(FENCE) else { continue };
        let body: Vec<&str> = lines.by_ref().take_while(|line| *line != FENCE).collect();
        let body = body.join("\n");
        if let Some((_, file)) = kind.split_once("file=") {
            writeln!(script, "cat > '{file}' <<'END_OF_FILE'\n{body}\nEND_OF_FILE").unwrap();
            blocks += 1;
        } else if kind == "sh" {
            writeln!(script, "{body}").unwrap();
            blocks += 1;
        }
    }
    assert!(blocks >= 6, "the tutorial has its files and commands: {blocks}");
    script
}

#[test]
fn the_tutorial_does_what_it_says() {
    let text = std::fs::read_to_string(root().join("plugin-sdk/TUTORIAL.md")).unwrap();
    let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port().to_string();
    let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port().to_string();
    let script = script(&text).replace("8080", &tcp).replace("5683", &udp);
    let folder = tempfile::tempdir().unwrap();
    let tools = Path::new(PROGRAM).parent().unwrap();
    let path = format!("{}:{}", tools.display(), std::env::var("PATH").unwrap());
    let ran = Command::new("bash")
        .args(["-c", &script])
        .current_dir(folder.path())
        .env("PATH", path)
        .env("CODECGATE_GATEWAY", format!("http://127.0.0.1:{tcp}"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (out, err) = (String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success(), "{}\n--- out\n{out}\n--- err\n{err}", ran.status);
    assert!(out.contains("5 passed, 0 failed"), "the component passes its vectors: {out}");
    assert!(out.contains("\"temperature\":23.3"), "the gateway tells what the sensor said: {out}");
}
