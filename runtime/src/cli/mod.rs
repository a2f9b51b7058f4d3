//! The command line: arguments in, one of the gateway's tools run, an exit code out.
//!
//! It decides how results and mistakes look on a terminal; what they are is decided by the modules that it calls. Exit
//! codes: 0 = done, 1 = a check or the work failed, 2 = wrong use or configuration. Results go to standard output,
//! complaints to standard error.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

use clap::Parser;

mod args;
mod bench;
pub mod build;
mod device;
mod failure;
mod fleet;
mod gateway;
mod layout;
mod new;
mod package;
mod plugin;
mod product;
mod profile;
mod prove;
mod redecode;
mod remote;
mod ship;
mod simulate;
mod store;
#[cfg(test)]
mod tests;
mod trace;
mod why;

pub use args::{DemoArgs, ServeArgs, SimulateArgs};
pub use failure::{Exit, Failure};

use args::{Cli, Command, DeviceCommand, LayoutCommand, PluginCommand, ProductCommand, ProfileCommand, StoreCommand};

/// Where a command writes.
pub(crate) struct Streams<'a> {
    /// Results.
    pub(crate) out: &'a mut dyn Write,
    /// Complaints and progress.
    pub(crate) err: &'a mut dyn Write,
}

/// Runs the whole program.
#[must_use]
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let (mut out, mut err) = (std::io::stdout(), std::io::stderr());
    run(args, &mut out, &mut err).into()
}

/// Runs the whole program with other outputs than the process's own.
pub fn run(args: impl IntoIterator<Item = OsString>, out: &mut dyn Write, err: &mut dyn Write) -> Exit {
    let command = match Cli::try_parse_from(args) {
        Ok(cli) => cli.command,
        Err(error) if error.use_stderr() => {
            let _ = write!(err, "{error}");
            return Exit::Usage;
        }
        // --help and --version
        Err(shown) => {
            let _ = write!(out, "{shown}");
            return Exit::Done;
        }
    };
    let ended = dispatch(command, &mut Streams { out, err });
    // A reader that left before the last words learns the end from the exit code all the same.
    let flushed = out.flush().or_else(|error| if error.kind() == ErrorKind::BrokenPipe { Ok(()) } else { Err(error) });
    match ended.and_then(|exit| Ok(flushed.map(|()| exit)?)) {
        Ok(exit) => exit,
        Err(failure) => {
            failure.tell(err);
            failure.exit
        }
    }
}

fn dispatch(command: Command, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    match command {
        Command::Serve(args) => gateway::serve(&args),
        Command::Demo(args) => gateway::demo(&args),
        Command::Simulate(args) => simulate::simulate(&args, streams),
        Command::Profile(ProfileCommand::Check(args)) => profile::check(&args, streams),
        Command::Profile(ProfileCommand::Import(args)) => profile::import(&args, streams),
        Command::Device(DeviceCommand::Import(args)) => device::import(&args, streams),
        Command::Product(ProductCommand::Import(args)) => product::import(&args, streams),
        Command::Product(ProductCommand::Export(args)) => product::export(&args, streams),
        Command::Plugin(PluginCommand::New(args)) => new::new(&args, streams),
        Command::Plugin(PluginCommand::Layout(LayoutCommand::Check(args))) => layout::check(&args, streams),
        Command::Plugin(PluginCommand::Layout(LayoutCommand::Build(args))) => layout::build(&args, streams),
        Command::Plugin(PluginCommand::Layout(LayoutCommand::Explain(args))) => layout::explain(&args, streams),
        Command::Plugin(PluginCommand::Check(args)) => package::check(&args, streams),
        Command::Plugin(PluginCommand::Inspect(args)) => package::inspect(&args, streams),
        Command::Plugin(PluginCommand::Keygen(args)) => package::keygen(&args, streams),
        Command::Plugin(PluginCommand::Sign(args)) => package::sign(&args, streams),
        Command::Plugin(PluginCommand::Verify(args)) => package::verify(&args, streams),
        Command::Explain(args) => package::explain(&args, streams),
        Command::Plugin(PluginCommand::Build(args)) => plugin::build(&args, streams),
        Command::Plugin(PluginCommand::Test(args)) => prove::test(&args, streams),
        Command::Plugin(PluginCommand::Bench(args)) => bench::bench(&args, streams),
        Command::Plugin(PluginCommand::Run(args)) => plugin::run(&args, streams),
        Command::Plugin(PluginCommand::Push(args)) => ship::push(&args, streams),
        Command::Plugin(PluginCommand::Promote(args)) => ship::promote(&args, streams),
        Command::Plugin(PluginCommand::Rollback(args)) => ship::rollback(&args, streams),
        Command::Plugin(PluginCommand::Versions(args)) => ship::versions(&args, streams),
        Command::Device(DeviceCommand::Trace(args)) => trace::trace(&args, streams),
        Command::Why(args) => why::why(&args, streams),
        Command::Redecode(args) => redecode::redecode(&args, streams),
        Command::Store(StoreCommand::Export(args)) => store::export(&args, streams),
        Command::Store(StoreCommand::Import(args)) => store::import(&args, streams),
    }
}
