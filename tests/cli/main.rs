//! The binary as it is typed: exit codes, what is told where, and what a stopped or refused start leaves behind.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test stops at any surprise")]

mod plugins;
mod products;
mod profiles;
mod redecode;
mod serve;
mod ship;
mod simulate;
mod store;
mod swaps;
mod trace;
mod tutorial;

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use codecgate_tests::root;

const PROGRAM: &str = env!("CARGO_BIN_EXE_codecgate");

/// How a run ended and what it said.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

/// Runs the binary in a folder of the repository until it ends by itself.
fn codecgate<S: AsRef<OsStr>>(folder: impl AsRef<Path>, args: impl IntoIterator<Item = S>) -> Ran {
    let ran = Command::new(PROGRAM).current_dir(root().join(folder)).args(args).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Ran { code: ran.status.code(), out: text(ran.stdout), err: text(ran.stderr) }
}

#[test]
fn wrong_use_ends_with_2_and_says_what_is_right() {
    for line in ["", "dance", "profile dance", "plugin", "store", "serve --cop 1", "serve --coap nowhere"] {
        let ran = codecgate(".", line.split_whitespace());
        assert_eq!((ran.code, ran.out.as_str()), (Some(2), ""), "{line}: {ran:?}");
        assert!(ran.err.contains("Usage") || ran.err.contains("HOST:PORT"), "{line}: {ran:?}");
    }
    assert_eq!(codecgate(".", ["--version"]).code, Some(0));
    assert_eq!(codecgate(".", ["store", "import", "--help"]).code, Some(0));
}
