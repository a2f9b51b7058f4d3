//! The binary: hands the arguments to the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    codecgate::cli::main(std::env::args_os())
}
