//! Drives `device.py` and `coap_node.js`: lines of commands in, lines of JSON out. Knows nothing of CoAP.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Stdio;

use codecgate_tests::patience;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

const INSTALL: &str = "python3 -m venv target/ci-venv && target/ci-venv/bin/pip install aiocoap==0.4.17, \
                       then set CODECGATE_PYTHON=$PWD/target/ci-venv/bin/python";

const INSTALL_NODE: &str = "npm install --prefix target/ci-npm --ignore-scripts coap-node@0.2.5, \
                            then set CODECGATE_NODE_MODULES=$PWD/target/ci-npm/node_modules";

fn script(name: &str) -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("foreign").join(name)
}

/// A device in a process of its own; ended when dropped.
pub(crate) struct Device {
    child: Child,
    input: ChildStdin,
    lines: Lines<BufReader<ChildStdout>>,
    /// Events that came while another was awaited: the Observe may be there before the answer to the Register is looked at.
    early: Vec<Value>,
}

impl Device {
    /// Starts one that registers at once.
    pub(crate) fn start(server: SocketAddr, endpoint: &str) -> Self {
        let python = std::env::var("CODECGATE_PYTHON").unwrap_or_else(|_| "python3".to_owned());
        let known = std::process::Command::new(&python).args(["-c", "import aiocoap"]).output();
        assert!(known.is_ok_and(|known| known.status.success()), "`{python}` has no aiocoap: {INSTALL}");
        let mut command = Command::new(python);
        command.arg(script("device.py")).args([&format!("coap://{server}"), "--ep", endpoint]);
        Self::run(command)
    }

    /// Starts npm's coap-node, which registers at once.
    pub(crate) fn coap_node(server: SocketAddr, endpoint: &str) -> Self {
        let modules = std::env::var("CODECGATE_NODE_MODULES").unwrap_or_default();
        assert!(Path::new(&modules).join("coap-node").is_dir(), "`{modules}` has no coap-node: {INSTALL_NODE}");
        let mut command = Command::new("node");
        command.arg(script("coap_node.js")).args([&server.ip().to_string(), &server.port().to_string(), endpoint]);
        Self::run(command)
    }

    fn run(mut command: Command) -> Self {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, lines: BufReader::new(output).lines(), early: Vec::new() }
    }

    /// Gives it a command.
    pub(crate) async fn tell(&mut self, command: &str) {
        self.input.write_all(format!("{command}\n").as_bytes()).await.unwrap();
    }

    /// The next event of this name, whatever else happens meanwhile, except a failure.
    pub(crate) async fn event(&mut self, name: &str) -> Value {
        if let Some(position) = self.early.iter().position(|event| event["event"] == name) {
            return self.early.remove(position);
        }
        let found = timeout(patience(), async {
            while let Some(line) = self.lines.next_line().await.unwrap() {
                let event: Value = serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error} in {line}"));
                if event["event"] == name {
                    return event;
                }
                assert!(event["event"] != "failed", "waiting for {name}: {event}");
                self.early.push(event);
            }
            panic!("the device stopped before `{name}`")
        });
        found.await.unwrap_or_else(|_| panic!("no `{name}` within {:?}", patience()))
    }

    /// Stops it; it must have been content.
    pub(crate) async fn end(mut self) {
        self.tell("end").await;
        let status = timeout(patience(), self.child.wait()).await.expect("the device stops").unwrap();
        assert!(status.success(), "{status}");
    }
}
