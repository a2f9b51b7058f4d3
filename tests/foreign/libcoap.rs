//! Runs libcoap's `coap-client` and reads the answer's code out of its log.

use std::net::SocketAddr;

use tokio::process::Command;

const INSTALL: &str = "apt-get install libcoap3-bin";
/// Seconds that the client waits.
const WAIT: &str = "20";

/// The client of one gateway.
pub(crate) struct Client {
    program: &'static str,
    server: SocketAddr,
}

impl Client {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let exists = |program: &&str| std::process::Command::new(program).arg("-?").output().is_ok();
        let program = ["coap-client-notls", "coap-client"].into_iter().find(exists);
        Self { program: program.unwrap_or_else(|| panic!("there is no coap-client: {INSTALL}")), server }
    }

    /// One request; the code of its last answer, such as `4.04`, and all that the client said.
    pub(crate) async fn ask(&self, arguments: &[&str], path: &str) -> (Option<String>, String) {
        let uri = format!("coap://{}/{path}", self.server);
        let output = Command::new(self.program).args(["-v", "7", "-B", WAIT]).args(arguments).arg(uri).output().await.unwrap();
        let told = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        (answered(&told), told)
    }
}

/// `v:1 t:ACK c:4.04 i:edc1 ...`: requests have names there, `c:GET`; an empty acknowledgement is `c:0.00`.
fn answered(told: &str) -> Option<String> {
    let mut codes = told.lines().filter_map(|line| line.strip_prefix("v:1 t:")?.split_once(" c:")?.1.split(' ').next());
    codes.rfind(|code| code.starts_with(['2', '4', '5'])).map(str::to_owned)
}

#[test]
fn the_last_answer_is_found() {
    let told = "v:1 t:CON c:GET i:edc1 {01} [ Uri-Path:x ]\n12:00 DEBG received\nv:1 t:ACK c:0.00 i:edc1 {} [ ]\nv:1 t:CON c:4.04 i:0001 {01} [ ]\n";
    assert_eq!(answered(told).as_deref(), Some("4.04"));
    assert_eq!(answered("v:1 t:CON c:GET i:edc1 {01} [ ]"), None);
}
