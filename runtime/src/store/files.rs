//! Files by the hash of their content, outside sled: components, and whatever else is too large for a record. Knows no document.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};

use super::StoreError;

/// The folder of files. A file is never changed; who removes one sees to it that no record that names it is on its way.
#[derive(Debug)]
pub(super) struct Files {
    dir: PathBuf,
    /// Makes names of unfinished files unique.
    next: AtomicU64,
}

impl Files {
    /// Opens the folder and clears what was never finished.
    pub(super) fn open(dir: PathBuf) -> Result<Self, StoreError> {
        let clear = || -> io::Result<()> {
            for entry in fs::read_dir(&dir)? {
                let entry = entry?;
                if entry.file_name().to_string_lossy().starts_with("unfinished-") {
                    fs::remove_file(entry.path())?;
                }
            }
            Ok(())
        };
        clear().map_err(|fault| StoreError::Fatal(format!("clearing {}: {fault}", dir.display())))?;
        Ok(Self { dir, next: AtomicU64::new(0) })
    }

    /// Durable when it returns the digest.
    pub(super) fn put(&self, bytes: &[u8]) -> Result<String, StoreError> {
        let digest = blake3::hash(bytes).to_hex().to_string();
        if let Ok(Some(_)) = self.read(&digest) {
            return Ok(digest);
        }
        let unfinished = self.dir.join(format!("unfinished-{}", self.next.fetch_add(1, Ordering::Relaxed)));
        let write = || -> io::Result<()> {
            let mut file = File::create_new(&unfinished)?;
            file.write_all(bytes)?;
            file.sync_all()?;
            fs::rename(&unfinished, self.dir.join(&digest))?;
            #[cfg(unix)]
            File::open(&self.dir)?.sync_all()?;
            Ok(())
        };
        write().map_err(|fault| {
            // Best effort: the next open clears it too.
            let _ = fs::remove_file(&unfinished);
            StoreError::Fatal(format!("writing a file of {} bytes to {}: {fault}", bytes.len(), self.dir.display()))
        })?;
        Ok(digest)
    }

    /// The bytes with that digest; none when there are none, or when it is no digest.
    pub(super) fn read(&self, digest: &str) -> Result<Option<Vec<u8>>, StoreError> {
        if !is_digest(digest) {
            return Ok(None);
        }
        let path = self.dir.join(digest);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(fault) => return Err(StoreError::Fatal(format!("reading {}: {fault}", path.display()))),
        };
        if blake3::hash(&bytes).to_hex().as_str() == digest {
            Ok(Some(bytes))
        } else {
            Err(StoreError::Corrupt { what: "file", why: format!("{} does not hash to its name", path.display()) })
        }
    }

    /// Removes the file; tells whether there was one.
    pub(super) fn remove(&self, digest: &str) -> Result<bool, StoreError> {
        if !is_digest(digest) {
            return Ok(false);
        }
        let path = self.dir.join(digest);
        match fs::remove_file(&path) {
            Ok(()) => Ok(true),
            Err(fault) if fault.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(fault) => Err(StoreError::Fatal(format!("removing {}: {fault}", path.display()))),
        }
    }

    /// Digests of all files, in order.
    pub(super) fn list(&self) -> Result<Vec<String>, StoreError> {
        let entries = fs::read_dir(&self.dir).map_err(|fault| StoreError::Fatal(format!("listing files: {fault}")))?;
        let mut names: Vec<String> =
            entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).filter(|name| name.len() == 64).collect();
        names.sort();
        Ok(names)
    }
}

fn is_digest(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_found_by_its_hash_and_a_damaged_one_is_refused_and_healed() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("unfinished-7"), b"half").unwrap();
        let files = Files::open(dir.path().to_owned()).unwrap();
        let digest = files.put(b"component").unwrap();
        assert_eq!(files.put(b"component").unwrap(), digest);
        assert_eq!(files.read(&digest).unwrap().as_deref(), Some(&b"component"[..]));
        assert_eq!(files.list().unwrap(), [&*digest]);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        for wrong in ["", "../../etc/passwd", &"A".repeat(64), &"0".repeat(64)] {
            assert_eq!(files.read(wrong).unwrap(), None);
        }
        fs::write(dir.path().join(&digest), b"componenT").unwrap();
        assert!(matches!(files.read(&digest), Err(StoreError::Corrupt { .. })));
        files.put(b"component").unwrap();
        assert!(files.read(&digest).unwrap().is_some());
        assert!(files.remove(&digest).unwrap() && !files.remove(&digest).unwrap() && !files.remove("../lock").unwrap());
        assert_eq!(files.read(&digest).unwrap(), None);
    }
}
