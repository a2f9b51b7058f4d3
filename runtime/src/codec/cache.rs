//! Compiled code on disk, so that a restart does not compile every codec again.
//!
//! `Component::deserialize` checks nothing: what it is given runs as machine code. So each file carries a MAC under a key that
//! lies beside it, readable by the gateway alone; a file whose MAC does not fit is not opened but compiled anew. Whatever goes
//! wrong here costs time and never an admission. Knows nothing of what a component exports.
//!
//! File `<key>.compiled`: 8 bytes magic, 32 bytes blake3 MAC over key and the rest, 1 byte that says what the rest is: machine code, and how
//! it is called, or nothing, which vouches that a component was checked whose code lies under its core module's name. The key
//! names the component or module, the engine's settings and the target, so another wasmtime or another setting is a miss.

use std::fs::{self, File, OpenOptions};
use std::hash::{Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use super::callee::Compiled;

const MAGIC: &[u8; 8] = b"cgcode\x00\x03";
const MAC_BYTES: usize = 32;
/// How it is called.
const DIRECT: u8 = b'd';
const COMPONENT: u8 = b'c';
/// It is not called: it vouches.
const CHECKED: u8 = b'v';
const SECRET_FILE: &str = "mac.key";
const ENDING: &str = "compiled";
/// Files kept, two for most codecs; beyond that the ones written longest ago go.
const MAX_FILES: usize = 8_192;

/// A file that is this long half written belongs to a process that was killed.
const ABANDONED: Duration = Duration::from_secs(3_600);

/// A folder of compiled components.
#[derive(Debug)]
pub(super) struct Cache {
    folder: PathBuf,
    secret: [u8; MAC_BYTES],
}

impl Cache {
    /// Creates the folder and its secret where they are missing.
    ///
    /// # Errors
    /// The folder cannot be created, read or written.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let secret = secret(folder)?;
        let cache = Self { folder: folder.to_owned(), secret };
        cache.prune()?;
        Ok(cache)
    }

    /// The compiled component or module, if it lies here untouched.
    pub(super) fn load(&self, engine: &Engine, digest: &blake3::Hash) -> Option<Compiled> {
        let (called, code) = self.read(&key(engine, digest))?;
        #[expect(unsafe_code, reason = "the MAC shows that these bytes came from `serialize` of this very engine")]
        let compiled = unsafe {
            match called {
                DIRECT => Module::deserialize(engine, code).map(Compiled::Direct),
                COMPONENT => Component::deserialize(engine, code).map(Compiled::Component),
                _ => return None,
            }
        };
        compiled.inspect_err(|error| tracing::debug!(%error, "compiled codec of another engine")).ok()
    }

    /// Keeps what was compiled; what goes wrong is told in the log only.
    pub(super) fn store(&self, engine: &Engine, digest: &blake3::Hash, compiled: &Compiled) {
        let (called, code) = match compiled {
            Compiled::Direct(module) => (DIRECT, module.serialize()),
            Compiled::Component(component) => (COMPONENT, component.serialize()),
        };
        let kept = code.map_err(io::Error::other).and_then(|code| self.write(&key(engine, digest), called, &code));
        if let Err(error) = kept {
            tracing::warn!(folder = %self.folder.display(), %error, "compiled codec not kept; it is compiled again at the next start");
        }
    }

    /// Whether this component passed the checks that need no instance.
    pub(super) fn vouches(&self, engine: &Engine, digest: &blake3::Hash) -> bool {
        self.read(&key(engine, digest)).is_some_and(|(what, _)| what == CHECKED)
    }

    /// Remembers that it passed.
    pub(super) fn vouch(&self, engine: &Engine, digest: &blake3::Hash) {
        if let Err(error) = self.write(&key(engine, digest), CHECKED, &[]) {
            tracing::warn!(folder = %self.folder.display(), %error, "check of a codec not kept; it is checked again at the next start");
        }
    }

    /// What a file is and holds, if nobody else wrote it.
    fn read(&self, key: &blake3::Hash) -> Option<(u8, Vec<u8>)> {
        let path = self.path(key);
        let mut file = fs::read(&path).ok()?;
        let rest = file.strip_prefix(MAGIC).and_then(|rest| rest.split_first_chunk::<MAC_BYTES>());
        // Comparing `Hash` with bytes takes the same time wherever they differ.
        let Some((_, rest)) = rest.filter(|(mac, rest)| self.mac(key, rest) == **mac) else {
            tracing::warn!(file = %path.display(), "compiled codec was changed by someone else; compiling it again");
            return None;
        };
        let what = *rest.first()?;
        let code = file.split_off(MAGIC.len() + MAC_BYTES + 1);
        Some((what, code))
    }

    fn write(&self, key: &blake3::Hash, what: u8, code: &[u8]) -> io::Result<()> {
        let mac = self.mac(key, &[&[what], code].concat());
        self.replace(&self.path(key), &[MAGIC, mac.as_bytes(), &[what], code])
    }

    fn path(&self, key: &blake3::Hash) -> PathBuf {
        self.folder.join(format!("{}.{ENDING}", key.to_hex()))
    }

    fn mac(&self, key: &blake3::Hash, code: &[u8]) -> blake3::Hash {
        blake3::Hasher::new_keyed(&self.secret).update(key.as_bytes()).update(code).finalize()
    }

    /// Whole or not at all: a reader never sees half a file.
    fn replace(&self, path: &Path, parts: &[&[u8]]) -> io::Result<()> {
        let temporary = temporary(path)?;
        write_private(&temporary, parts)
            .and_then(|()| fs::rename(&temporary, path))
            .inspect_err(|_| drop(fs::remove_file(&temporary)))
    }

    /// Removes the oldest files beyond [`MAX_FILES`], and what a killed process left half written.
    fn prune(&self) -> io::Result<()> {
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.folder)? {
            let path = entry?.path();
            let written = fs::metadata(&path).and_then(|found| found.modified()).ok();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("new") if written.and_then(|at| at.elapsed().ok()) > Some(ABANDONED) => drop(fs::remove_file(&path)),
                Some(ENDING) => kept.push((written, path)),
                _ => {}
            }
        }
        kept.sort();
        let surplus = kept.len().saturating_sub(MAX_FILES);
        for (_, path) in kept.into_iter().take(surplus) {
            drop(fs::remove_file(path));
        }
        Ok(())
    }
}

/// Names a compiled artefact: the component, and everything that its compilation depended on.
fn key(engine: &Engine, digest: &blake3::Hash) -> blake3::Hash {
    let mut state = Blake3(blake3::Hasher::new_derive_key("codecgate 2026 compiled codec"));
    state.0.update(digest.as_bytes());
    std::env::consts::ARCH.hash(&mut state);
    std::env::consts::OS.hash(&mut state);
    // Compiler, its flags, the engine's settings, and the version of wasmtime.
    engine.precompile_compatibility_hash().hash(&mut state);
    state.0.finalize()
}

/// blake3 as a std hasher: unlike std's own it gives the same value in every build.
struct Blake3(blake3::Hasher);

impl Hasher for Blake3 {
    fn write(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    fn finish(&self) -> u64 {
        let hash = self.0.finalize();
        hash.as_bytes().first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes))
    }
}

/// The folder's secret; a new one where there is none or where others could have read or written it.
fn secret(folder: &Path) -> io::Result<[u8; MAC_BYTES]> {
    let path = folder.join(SECRET_FILE);
    if let Some(secret) = existing_secret(&path)? {
        return Ok(secret);
    }
    let secret: [u8; MAC_BYTES] = random()?;
    let temporary = temporary(&path)?;
    write_private(&temporary, &[&secret])?;
    // A link fails where another host was faster, and then its secret is the one to use.
    let linked = fs::hard_link(&temporary, &path);
    drop(fs::remove_file(&temporary));
    match linked {
        Ok(()) => Ok(secret),
        Err(error) => existing_secret(&path)?.ok_or(error),
    }
}

fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// A name beside `path` that nobody else has.
fn temporary(path: &Path) -> io::Result<PathBuf> {
    Ok(path.with_extension(format!("{}.new", hex::encode(random::<8>()?))))
}

/// None where there is none; an unfit one is removed.
fn existing_secret(path: &Path) -> io::Result<Option<[u8; MAC_BYTES]>> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !is_private(path)? {
        tracing::warn!(file = %path.display(), "others can read the key of the compiled codecs; making a new one");
        return fs::remove_file(path).map(|()| None);
    }
    match bytes.try_into() {
        Ok(secret) => Ok(Some(secret)),
        Err(_) => fs::remove_file(path).map(|()| None),
    }
}

#[cfg(unix)]
fn is_private(path: &Path) -> io::Result<bool> {
    use std::os::unix::fs::PermissionsExt as _;
    Ok(fs::metadata(path)?.permissions().mode() & 0o077 == 0)
}

#[cfg(not(unix))]
fn is_private(_path: &Path) -> io::Result<bool> {
    Ok(true)
}

fn write_private(path: &Path, parts: &[&[u8]]) -> io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file: File = options.open(path)?;
    parts.iter().try_for_each(|part| file.write_all(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The smallest component there is: a header.
    const EMPTY: &[u8] = b"\0asm\x0d\0\x01\0";

    fn compiled() -> (Engine, blake3::Hash, Compiled) {
        let engine = Engine::default();
        let component = Component::new(&engine, EMPTY).unwrap();
        (engine, blake3::hash(EMPTY), Compiled::Component(component))
    }

    fn only_file(folder: &Path) -> PathBuf {
        let mut files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.find(|path| path.extension().is_some_and(|ending| ending == ENDING)).unwrap()
    }

    #[test]
    fn what_was_stored_is_found_again_by_another_host() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, digest, component) = compiled();
        Cache::open(folder.path()).unwrap().store(&engine, &digest, &component);
        let again = Cache::open(folder.path()).unwrap();
        assert!(again.load(&engine, &digest).is_some());
        assert!(again.load(&engine, &blake3::hash(b"another")).is_none());
        assert!(!again.vouches(&engine, &digest), "code is no voucher");
    }

    #[test]
    fn a_voucher_is_found_again_and_is_no_code() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, digest, _) = compiled();
        let cache = Cache::open(folder.path()).unwrap();
        assert!(!cache.vouches(&engine, &digest));
        cache.vouch(&engine, &digest);
        assert!(Cache::open(folder.path()).unwrap().vouches(&engine, &digest));
        assert!(cache.load(&engine, &digest).is_none());
    }

    #[test]
    fn a_changed_byte_anywhere_is_a_miss() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, digest, component) = compiled();
        let cache = Cache::open(folder.path()).unwrap();
        cache.store(&engine, &digest, &component);
        let path = only_file(folder.path());
        let good = fs::read(&path).unwrap();
        for at in [0, MAGIC.len(), MAGIC.len() + MAC_BYTES, good.len() - 1] {
            let mut bad = good.clone();
            bad[at] ^= 1;
            fs::write(&path, &bad).unwrap();
            assert!(cache.load(&engine, &digest).is_none(), "byte {at}");
        }
        fs::write(&path, &good[..20]).unwrap();
        assert!(cache.load(&engine, &digest).is_none(), "cut short");
        fs::write(&path, &good).unwrap();
        assert!(cache.load(&engine, &digest).is_some());
    }

    #[test]
    fn a_file_under_another_component_s_name_is_a_miss() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, digest, component) = compiled();
        let cache = Cache::open(folder.path()).unwrap();
        cache.store(&engine, &digest, &component);
        let other = blake3::hash(b"another");
        fs::rename(only_file(folder.path()), cache.path(&key(&engine, &other))).unwrap();
        assert!(cache.load(&engine, &other).is_none());
    }

    #[test]
    fn an_engine_with_other_settings_does_not_find_it() {
        let folder = tempfile::tempdir().unwrap();
        let (engine, digest, component) = compiled();
        let cache = Cache::open(folder.path()).unwrap();
        cache.store(&engine, &digest, &component);
        let other = Engine::new(wasmtime::Config::new().epoch_interruption(true)).unwrap();
        assert!(cache.load(&other, &digest).is_none());
    }

    #[cfg(unix)]
    #[test]
    fn a_key_that_others_can_read_is_replaced() {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let first = Cache::open(folder.path()).unwrap().secret;
        assert_eq!(Cache::open(folder.path()).unwrap().secret, first);
        let path = folder.path().join(SECRET_FILE);
        assert!(is_private(&path).unwrap());
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        assert_ne!(Cache::open(folder.path()).unwrap().secret, first);
        assert!(is_private(&path).unwrap());
    }

    #[test]
    fn hosts_that_start_at_once_agree_on_one_key() {
        let folder = tempfile::tempdir().unwrap();
        let secrets: Vec<_> = std::thread::scope(|scope| {
            let open = || Cache::open(folder.path()).unwrap().secret;
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).collect()
        });
        assert!(secrets.iter().all(|secret| *secret == secrets[0]));
    }

    #[test]
    fn half_written_files_of_a_killed_process_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let left = folder.path().join("abc.1-0.new");
        fs::write(&left, b"half").unwrap();
        Cache::open(folder.path()).unwrap();
        assert!(left.exists(), "perhaps another process is writing it");
        let file = File::options().write(true).open(&left).unwrap();
        file.set_modified(std::time::UNIX_EPOCH).unwrap();
        Cache::open(folder.path()).unwrap();
        assert!(!left.exists());
    }
}
