//! The real binary as an operator runs it: started, asked over its API, ended by a signal or killed.
//!
//! The caller says where the binary is: cargo tells only the tests of its own package.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};

use crate::Api;

/// `codecgate serve` on a data folder; killed when it is dropped.
pub struct Binary {
    child: Child,
    api: Api,
    coap: SocketAddr,
}

impl Binary {
    /// Starts it and waits until it says that it serves. Its log is beside the data folder.
    ///
    /// # Panics
    /// When it does not serve; shows its log.
    #[must_use]
    pub fn start(program: &str, data: &Path, coap: SocketAddr) -> Self {
        Self::start_with(program, data, coap, &[])
    }

    /// The same with more arguments, such as `--config FILE`.
    ///
    /// # Panics
    /// As [`Binary::start`].
    #[must_use]
    pub fn start_with(program: &str, data: &Path, coap: SocketAddr, more: &[&OsStr]) -> Self {
        let log_path = data.with_extension("log");
        let log = File::options().create(true).append(true).open(&log_path).expect("a log");
        let mut child = Command::new(program)
            .args(["serve", "--http", "127.0.0.1:0", "--coap", &coap.to_string(), "--data"])
            .arg(data)
            .args(more)
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .expect("the binary starts");
        let mut line = String::new();
        let out = child.stdout.take().expect("its output is piped");
        BufReader::new(out).read_line(&mut line).expect("its output is text");
        let told = || std::fs::read_to_string(&log_path).unwrap_or_default();
        let (Some(coap), Some(http)) = (address(&line, "coap://"), address(&line, "http://")) else {
            panic!("it does not serve: {line:?}\n{}", told())
        };
        let key = std::fs::read_to_string(data.join("api-key")).expect("a key was made");
        Self { child, api: Api::new(format!("http://{http}"), key.trim()), coap }
    }

    /// Resident memory of the process, MiB (Linux).
    ///
    /// # Panics
    /// When the system does not tell.
    #[must_use]
    pub fn resident_mib(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).expect("its status");
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("its resident memory");
        line.trim().trim_end_matches(" kB").parse::<u64>().expect("a number") / 1_024
    }

    /// Its API.
    #[must_use]
    pub fn api(&self) -> &Api {
        &self.api
    }

    /// Where devices are heard.
    #[must_use]
    pub fn coap_addr(&self) -> SocketAddr {
        self.coap
    }

    /// Asks it to end by a signal such as `TERM`, and waits until it has.
    ///
    /// # Panics
    /// When it cannot be asked.
    #[must_use]
    pub fn end(mut self, signal: &str) -> ExitStatus {
        tell(self.child.id(), signal);
        self.child.wait().expect("it ends")
    }

    /// kill -9
    pub fn kill(self) {
        drop(self);
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        // After `end` there is nobody left to kill.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Sends a signal such as `TERM` to a child that was not waited for yet.
///
/// # Panics
/// When there is no shell.
pub fn tell(child: u32, signal: &str) {
    let sent = Command::new("sh").args(["-c", &format!("kill -{signal} {child}")]).status().expect("a shell");
    assert!(sent.success(), "{signal} is not sent");
}

fn address(line: &str, scheme: &str) -> Option<SocketAddr> {
    let (_, rest) = line.split_once(scheme)?;
    rest.split([' ', ',']).next()?.parse().ok()
}
