//! The zip around a package: entries with safe names and bounded sizes, or the reason why not.
//!
//! Nothing is written anywhere and nothing that the archive says of itself is believed: sizes are counted while unpacking.
//! Knows nothing of what the files are for.

use std::collections::BTreeMap;
use std::io::{Cursor, Read as _};

use zip::ZipArchive;

use super::super::mistake::{At, code, quote};
use super::super::structure::MAX_DOCUMENT_BYTES;
use super::Import;

/// Most bytes of a package.
pub const MAX_PACKAGE_BYTES: usize = 4 << 20;
const MAX_ENTRIES: usize = 1024;
const MAX_UNPACKED_BYTES: usize = 8 << 20;

/// What a package holds, hidden entries left out.
#[derive(Debug, Default)]
pub(super) struct Archive {
    /// Path with `/`, contents. Files only.
    pub(super) files: BTreeMap<String, Vec<u8>>,
    /// Paths of explicit folder entries, without the closing `/`.
    pub(super) folders: Vec<String>,
}

/// Unpacks. `None` if nothing of use came out; the reason was told.
pub(super) fn open(package: &At, bytes: &[u8], import: &mut Import) -> Option<Archive> {
    if bytes.len() > MAX_PACKAGE_BYTES {
        let reason = format!("the package has {} bytes, at most {MAX_PACKAGE_BYTES} are read", bytes.len());
        import.error(package, code::PACKAGE_TOO_BIG, reason, "a profile is a few small JSON files: check what else is packed");
        return None;
    }
    if !bytes.starts_with(b"PK") {
        let fix = "unpack it, and pack the folders profile and service as a zip (FAQ 4.1.1.2)";
        import.error(package, code::NOT_A_ZIP, format!("the file is {}, not a zip", kind_of(bytes)), fix);
        return None;
    }
    let mut zip = match ZipArchive::new(Cursor::new(bytes)) {
        Ok(zip) => zip,
        Err(error) => {
            let reason = format!("the zip cannot be read: {error}");
            import.error(package, code::DAMAGED_ZIP, reason, "pack it again, or copy it again: it may be cut off");
            return None;
        }
    };
    if zip.len() > MAX_ENTRIES {
        let reason = format!("the package has {} entries, at most {MAX_ENTRIES} are read", zip.len());
        import.error(package, code::PACKAGE_TOO_BIG, reason, "a profile is a few small JSON files: check what else is packed");
        return None;
    }
    if zip.has_duplicate_names() {
        let fix = "pack the folders again with each file once";
        import.error(package, code::DUPLICATE_ENTRY, "two entries of the zip have the same name", fix);
    }
    let mut archive = Archive::default();
    let mut left = MAX_UNPACKED_BYTES;
    for index in 0..zip.len() {
        if left == 0 {
            let reason = format!("the package unpacks to more than {MAX_UNPACKED_BYTES} bytes");
            import.error(
                package,
                code::PACKAGE_TOO_BIG,
                reason,
                "a profile is a few small JSON files: check what else is packed",
            );
            return None;
        }
        unpack(package, &mut zip, index, &mut left, &mut archive, import);
    }
    Some(archive)
}

fn unpack(
    package: &At,
    zip: &mut ZipArchive<Cursor<&[u8]>>,
    index: usize,
    left: &mut usize,
    archive: &mut Archive,
    import: &mut Import,
) {
    let damaged = |import: &mut Import, at: &At, error: &dyn std::fmt::Display| {
        import.error(
            at,
            code::DAMAGED_ZIP,
            format!("the entry cannot be read: {error}"),
            "pack the folders again as a plain zip",
        );
    };
    let (raw_name, encrypted, is_link) = match zip.by_index_data(index) {
        Ok(entry) => {
            let name =
                entry.name().map_or_else(|_| String::from_utf8_lossy(entry.name_raw()).into_owned(), |name| name.into_owned());
            (name, entry.encrypted(), entry.is_symlink())
        }
        Err(error) => return damaged(import, package, &error),
    };
    let path = raw_name.replace('\\', "/");
    let at = At::file(&path);
    if !is_safe(&path) || is_link {
        let reason = format!("the entry {} points outside the package or is no plain file", quote(&raw_name));
        import.error(&at, code::UNSAFE_ENTRY, reason, "pack plain files with names relative to the folder");
        return;
    }
    if is_hidden(&path) {
        let fix =
            "delete hidden files before packing, on a Mac with `zip -r NAME.zip profile service -x '.*' -x '*/.*'` (FAQ 4.1.1.3)";
        import.deviation(&at, code::HIDDEN_ENTRY, format!("{} is a hidden file", quote(&path)), fix);
        return;
    }
    if path != raw_name {
        import.deviation(
            &at,
            code::LAX_SPELLING,
            "the entry's name has backslashes",
            "pack with a tool that writes `/` in names",
        );
    }
    if let Some(folder) = path.strip_suffix('/') {
        archive.folders.push(folder.to_owned());
        return;
    }
    if encrypted {
        import.error(&at, code::ENCRYPTED_ENTRY, "the entry is encrypted", "pack without a password");
        return;
    }
    let mut contents = Vec::new();
    // One byte more than allowed, to see that there is more; what is larger than a document is refused when it is read as one.
    let most = (*left).min(MAX_DOCUMENT_BYTES + 1);
    let read = match zip.by_index(index) {
        Ok(entry) => entry.take(u64::try_from(most).unwrap_or(u64::MAX)).read_to_end(&mut contents),
        Err(error) => return damaged(import, &at, &error),
    };
    match read {
        Ok(count) => *left = left.saturating_sub(count),
        Err(error) => return damaged(import, &at, &error),
    }
    if archive.files.insert(path, contents).is_some() {
        import.error(&at, code::DUPLICATE_ENTRY, "the zip has this file twice", "pack the folders again with each file once");
    }
}

/// Relative, without `..`, without drive letter, without empty or control characters.
fn is_safe(path: &str) -> bool {
    let body = path.strip_suffix('/').unwrap_or(path);
    let plain = !body.is_empty() && body.len() <= 512 && !body.chars().any(|c| c.is_control() || c == ':');
    plain && body.split('/').all(|part| !part.is_empty() && part != "..")
}

fn is_hidden(path: &str) -> bool {
    const LEFTOVERS: [&str; 3] = ["__MACOSX", "Thumbs.db", "desktop.ini"];
    path.split('/').any(|part| part.starts_with('.') || LEFTOVERS.iter().any(|name| part.eq_ignore_ascii_case(name)))
}

/// What a file is by its first bytes.
fn kind_of(bytes: &[u8]) -> &'static str {
    const KINDS: [(&[u8], &str); 7] = [
        (b"Rar!\x1a\x07", "a RAR archive"),
        (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive"),
        (b"\x1f\x8b", "a gzip file"),
        (b"BZh", "a bzip2 file"),
        (b"\xfd7zXZ\0", "an xz file"),
        (b"{", "JSON text"),
        (b"\xca\xfe\xba\xbe", "a Java class"),
    ];
    if bytes.is_empty() {
        return "empty";
    }
    if bytes.get(257..262) == Some(b"ustar") {
        return "a tar archive";
    }
    KINDS.iter().find(|(magic, _)| bytes.starts_with(magic)).map_or("something else", |(_, kind)| kind)
}
