//! `store export` and `store import`: opens a data folder that no gateway is running on, and passes lines through.

use std::fs::{self, File};
use std::io::{self, BufRead, BufReader, BufWriter, Write};
use std::path::Path;

use super::args::{ExportArgs, RestoreArgs};
use super::{Exit, Failure, Streams};
use crate::clock;
use crate::config::Config;
use crate::store::Store;

pub(super) fn export(args: &ExportArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    // Opening would make a store where there is none.
    fs::read_dir(&args.data).map_err(|error| Failure::unreadable(&args.data, error))?;
    if !Store::exists(&args.data) {
        return Err(Failure::usage(format!("{} holds no store", args.data.display())).hint("name the data folder of a gateway"));
    }
    let store = open(&args.data)?;
    let lines = match &args.output {
        Some(path) => to_file(&store, path)?,
        None => {
            let mut out = BufWriter::new(&mut *streams.out);
            let lines = store.export(&mut out).map_err(|error| failed("export", &args.data).because(error))?;
            out.flush()?;
            lines
        }
    };
    store.close().map_err(|error| failed("close", &args.data).because(error))?;
    writeln!(streams.err, "exported {lines} records of {}", args.data.display())?;
    Ok(Exit::Done)
}

pub(super) fn import(args: &RestoreArgs, streams: &mut Streams<'_>) -> Result<Exit, Failure> {
    let mut input: Box<dyn BufRead> = if args.input == Path::new("-") {
        Box::new(BufReader::new(io::stdin()))
    } else {
        Box::new(BufReader::new(File::open(&args.input).map_err(|error| Failure::unreadable(&args.input, error))?))
    };
    fs::create_dir_all(&args.data).map_err(|error| Failure::unwritable(&args.data, error))?;
    let store = open(&args.data)?;
    let lines = store.import(&mut *input).map_err(|error| {
        failed("import into", &args.data)
            .because(error)
            .hint("import takes the file of `store export`, into a folder without records")
    })?;
    store.close().map_err(|error| failed("close", &args.data).because(error))?;
    writeln!(streams.err, "imported {lines} records into {}", args.data.display())?;
    Ok(Exit::Done)
}

/// Beside its place first: a file of that name is always a whole export.
fn to_file(store: &Store, path: &Path) -> Result<u64, Failure> {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    let part = Path::new(&name);
    let file = File::create(part).map_err(|error| Failure::unwritable(part, error))?;
    let mut out = BufWriter::new(file);
    let lines = store.export(&mut out).map_err(|error| failed("export to", path).because(error))?;
    let file = out.into_inner().map_err(|error| Failure::unwritable(part, error.into_error()))?;
    file.sync_all().and_then(|()| fs::rename(part, path)).map_err(|error| Failure::unwritable(path, error))?;
    Ok(lines)
}

fn open(data: &Path) -> Result<Store, Failure> {
    Store::open(data, &Config::default().store_config(), clock::wall()).map_err(|error| {
        Failure::failed(format!("cannot open the store in {}", data.display()))
            .because(error)
            .hint("stop the gateway that runs on it first; only one program can have it open")
    })
}

fn failed(what: &str, path: &Path) -> Failure {
    Failure::failed(format!("cannot {what} {}", path.display()))
}
