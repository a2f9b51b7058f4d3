//! Opening sled and making it keep its word: one gateway per folder, the repair before the open, a sync that is one. Knows no
//! record. (The faults of sled 0.34.7 are in the module docs of `store`.)

use std::fs::{self, File, TryLockError};
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::keys::{self, Kind};
use super::{Durability, StoreConfig, StoreError};

/// What this program writes. A folder with a higher number was written by a newer one.
const SCHEMA: u32 = 1;

/// The step that makes a flushed group durable; tests put a failing one here.
pub(super) type SyncStep = Box<dyn FnMut() -> io::Result<()> + Send>;

/// An open database, and the lock that keeps others out as long as it lives.
#[derive(Debug)]
pub(super) struct Engine {
    pub(super) db: sled::Db,
    pub(super) state: sled::Tree,
    pub(super) dir: PathBuf,
    /// Our own descriptor of the database file.
    file: File,
    _lock: FolderLock,
}

/// Released on purpose, not by closing: a process that is being started at that moment holds a copy of every descriptor.
#[derive(Debug)]
struct FolderLock(File);

impl Drop for FolderLock {
    fn drop(&mut self) {
        if let Err(fault) = self.0.unlock() {
            tracing::warn!(%fault, "the lock of the data folder goes with the process");
        }
    }
}

/// Turns sled's error into ours, with what was being done.
pub(super) fn failed(doing: &'static str) -> impl Fn(sled::Error) -> StoreError {
    move |fault| StoreError::Fatal(format!("{doing}: {fault}"))
}

impl Engine {
    /// Whether a database was ever made in this folder.
    pub(super) fn exists(dir: &Path) -> bool {
        dir.join("sled").is_dir()
    }

    /// Locks the folder, repairs what a kill left behind, opens.
    pub(super) fn open(dir: &Path, config: &StoreConfig) -> Result<(Self, SyncStep), StoreError> {
        let refuse = |why: String| StoreError::Fatal(format!("cannot open the data folder {}: {why}", dir.display()));
        let sled_dir = dir.join("sled");
        fs::create_dir_all(&sled_dir)
            .and_then(|()| fs::create_dir_all(dir.join("files")))
            .map_err(|fault| refuse(format!("{fault}; choose a folder that this user may write to")))?;
        let lock = lock(&dir.join("lock")).map_err(refuse)?;
        remove_half_snapshots(&sled_dir).map_err(|fault| refuse(fault.to_string()))?;

        let flush_every_ms = match config.durability {
            // The committer syncs every group itself.
            Durability::Durable => None,
            Durability::Relaxed => Some(500),
        };
        let cache = config.cache_mib.max(1).saturating_mul(1 << 20);
        let builder = sled::Config::new().path(&sled_dir).cache_capacity(cache).flush_every_ms(flush_every_ms);
        let broken = |fault: String| {
            refuse(format!(
                "its database cannot be read ({fault}); keep a copy of the folder, then start with an empty one and \
                 `codecgate store import` the last export"
            ))
        };
        // sled panics on some kinds of damage.
        let db = catch_unwind(AssertUnwindSafe(|| open_sled(&builder)))
            .map_err(|panic| broken(panic_text(&*panic)))?
            .map_err(|fault| broken(fault.to_string()))?;
        let state = db.open_tree("state").map_err(failed("opening the documents"))?;
        check_schema(&state).map_err(refuse)?;
        let synced = sync_folders(dir, &sled_dir).map_err(|fault| refuse(fault.to_string()))?;
        let file = synced.try_clone().map_err(|fault| refuse(fault.to_string()))?;
        let flushed = db.clone();
        let sync: SyncStep = match config.durability {
            Durability::Durable => Box::new(move || {
                flushed.flush()?;
                synced.sync_data()
            }),
            Durability::Relaxed => Box::new(|| Ok(())),
        };
        Ok((Self { db, state, dir: dir.to_owned(), file, _lock: lock }, sync))
    }

    /// Makes everything durable, whatever is configured; for a stop.
    pub(super) fn settle(&self) -> io::Result<()> {
        self.db.flush()?;
        self.file.sync_all()
    }

    /// Bytes of everything in the folder.
    pub(super) fn disk_bytes(&self) -> u64 {
        folder_bytes(&self.dir)
    }
}

/// sled has a lock of its own, and the folder is ours already: if it is taken, the last owner in this process is still letting go
/// (its background threads, or a process that is being started and holds a copy).
fn open_sled(builder: &sled::Config) -> sled::Result<sled::Db> {
    const TRIES: u32 = 100;
    const PAUSE: Duration = Duration::from_millis(20);
    let is_locked = |fault: &sled::Error| fault.to_string().contains("could not acquire lock");
    for _ in 0..TRIES {
        match builder.open() {
            Err(fault) if is_locked(&fault) => std::thread::sleep(PAUSE),
            opened => return opened,
        }
    }
    builder.open()
}

fn lock(path: &Path) -> Result<FolderLock, String> {
    let file = File::options().create(true).truncate(false).write(true).open(path).map_err(|fault| fault.to_string())?;
    match file.try_lock() {
        Ok(()) => Ok(FolderLock(file)),
        Err(TryLockError::WouldBlock) => Err("another codecgate is using it; stop that one or choose another folder".to_owned()),
        Err(TryLockError::Error(fault)) => Err(format!("it cannot be locked ({fault}); put it on a local disk")),
    }
}

/// A kill while sled writes its snapshot leaves `snap.*.generating`; sled would take it for the newest one and report corruption
/// for ever. The older snapshot and the log hold everything.
fn remove_half_snapshots(sled_dir: &Path) -> io::Result<()> {
    for entry in fs::read_dir(sled_dir)? {
        let entry = entry?;
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with("snap.") && name.ends_with(".generating") {
            tracing::warn!(file = %entry.path().display(), "removing a snapshot that a kill left half written");
            fs::remove_file(entry.path())?;
        }
    }
    Ok(())
}

fn check_schema(state: &sled::Tree) -> Result<(), String> {
    if state.contains_key(import_mark()).map_err(|fault| fault.to_string())? {
        return Err("an import into it did not finish; remove the folder and import again".to_owned());
    }
    let key = keys::key(Kind::Meta, &[b"schema"]);
    let stored = state.get(&key).map_err(|fault| fault.to_string())?;
    let Some(stored) = stored else {
        state.insert(key, &SCHEMA.to_be_bytes()).map_err(|fault| fault.to_string())?;
        return state.flush().map(drop).map_err(|fault| fault.to_string());
    };
    match stored.first_chunk().map(|bytes| u32::from_be_bytes(*bytes)) {
        Some(schema) if schema <= SCHEMA => Ok(()),
        schema => Err(format!(
            "it was written by a newer codecgate (schema {}, this one reads up to {SCHEMA}); run that version, or export with it \
             and import here",
            schema.unwrap_or(u32::MAX)
        )),
    }
}

/// Key that exists while an import runs.
pub(super) fn import_mark() -> Vec<u8> {
    keys::key(Kind::Meta, &[b"import-unfinished"])
}

/// Syncs the database file and the folders that name it; gives the descriptor that later syncs go through. sled's own flush is a
/// `sync_file_range`, which promises nothing; an fdatasync of the same file by any descriptor covers sled's writes.
fn sync_folders(dir: &Path, sled_dir: &Path) -> io::Result<File> {
    let file = File::open(sled_dir.join("db"))?;
    file.sync_all()?;
    #[cfg(unix)]
    for folder in [sled_dir, dir] {
        File::open(folder)?.sync_all()?;
    }
    Ok(file)
}

fn folder_bytes(dir: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => folder_bytes(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.flatten().map(size).sum()
}

/// What a panic said.
pub(super) fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "panicked without a text".to_owned())
}
