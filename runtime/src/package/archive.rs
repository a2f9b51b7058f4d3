//! The zip around a package: files with expected names and bounded sizes, or the reasons why not. Knows the names of the files
//! and how large each may be, and nothing of what they say but that texts are UTF-8.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Cursor, Read as _, Write as _};

use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

use super::{COMPONENT, HOW_TO_PACK, LAYOUT, MANIFEST, MAX_PACKAGE_BYTES, PROFILE, SIGNATURE, VECTORS, mistake};
use crate::profile::Mistake;

/// Entries of the zip.
const MAX_ENTRIES: usize = 256;
/// Unpacked bytes of all files together.
const MAX_UNPACKED_BYTES: usize = 32 << 20;
/// Bytes of a path.
const MAX_PATH_BYTES: usize = 200;
const DEFLATE_LEVEL: i64 = 6;
/// Bytes of the record that ends a zip without a comment.
const END_RECORD: usize = 22;

/// Unpacks every file with a good name; the rest is told.
pub(super) fn unpack(bytes: &[u8], mistakes: &mut Vec<Mistake>) -> BTreeMap<String, Vec<u8>> {
    let mut files = BTreeMap::new();
    let Some(mut zip) = open(bytes, mistakes) else { return files };
    let (mut left, mut seen) = (MAX_UNPACKED_BYTES, BTreeSet::new());
    for index in 0..zip.len() {
        let Some(path) = admit(&zip, index, mistakes) else { continue };
        if !seen.insert(path.to_lowercase()) {
            let reason = "the package has this name twice, perhaps in another case";
            mistakes.push(mistake(&path, "E1105", reason, "give every file a name of its own"));
            continue;
        }
        let most = most_bytes(&path).unwrap_or_default();
        // One byte more than allowed, to see that there is more.
        let room = most.min(left).saturating_add(1);
        let mut contents = Vec::new();
        let read = zip.by_index(index).map_err(|error| error.to_string()).and_then(|entry| {
            let room = u64::try_from(room).unwrap_or(u64::MAX);
            entry.take(room).read_to_end(&mut contents).map_err(|error| error.to_string())
        });
        left = left.saturating_sub(contents.len());
        match read {
            Err(error) => {
                mistakes.push(mistake(&path, "E1102", format!("the entry cannot be unpacked: {error}"), "pack or copy it again"));
            }
            Ok(_) if contents.len() > most => mistakes.push(too_large(&path, most)),
            Ok(_) if left == 0 => {
                let reason = format!("the files have more than {MAX_UNPACKED_BYTES} bytes together when unpacked");
                mistakes.push(mistake("", "E1103", reason, "pack fewer or smaller vectors"));
                return files;
            }
            Ok(_) => {
                mistakes.extend(encoding(&path, &contents));
                files.insert(path, contents);
            }
        }
    }
    files
}

/// The same bounds for files that are to be packed.
pub(super) fn check(files: &BTreeMap<String, Vec<u8>>) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (path, contents) in files {
        match most_bytes(path) {
            None => mistakes.push(unknown(path)),
            Some(most) if contents.len() > most => mistakes.push(too_large(path, most)),
            Some(_) => mistakes.extend(encoding(path, contents)),
        }
        mistakes.extend(unsafe_path(path));
    }
    let names: BTreeSet<String> = files.keys().map(|path| path.to_lowercase()).collect();
    if names.len() < files.len() {
        mistakes.push(mistake("", "E1105", "two files differ by case only", "give every file a name of its own"));
    }
    // One entry is left for the signatures.
    if files.len() >= MAX_ENTRIES || files.values().map(Vec::len).sum::<usize>() >= MAX_UNPACKED_BYTES {
        let reason = format!("a package has at most {} files and {MAX_UNPACKED_BYTES} bytes", MAX_ENTRIES - 1);
        mistakes.push(mistake("", "E1103", reason, "pack fewer or smaller vectors"));
    }
    mistakes
}

/// The same files give the same bytes: sorted, without times, one level of compression.
pub(super) fn pack(files: &BTreeMap<String, Vec<u8>>, signatures: Option<&[u8]>) -> Result<Vec<u8>, String> {
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(DEFLATE_LEVEL))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let all = files.iter().map(|(path, contents)| (path.as_str(), contents.as_slice()));
    for (path, contents) in all.chain(signatures.map(|text| (SIGNATURE, text))) {
        zip.start_file(path, options).map_err(|error| error.to_string())?;
        zip.write_all(contents).map_err(|error| error.to_string())?;
    }
    zip.finish().map(Cursor::into_inner).map_err(|error| error.to_string())
}

fn open<'a>(bytes: &'a [u8], mistakes: &mut Vec<Mistake>) -> Option<ZipArchive<Cursor<&'a [u8]>>> {
    let refused = if bytes.len() > MAX_PACKAGE_BYTES {
        let reason = format!("{} bytes, a package has at most {MAX_PACKAGE_BYTES}", bytes.len());
        mistake("", "E1103", reason, "check what else was packed; a codec is built without debug information")
    } else if !bytes.starts_with(b"PK") {
        let start = hex::encode(bytes.get(..8).unwrap_or(bytes));
        mistake("", "E1101", format!("no zip: it begins with `{start}`"), HOW_TO_PACK)
    } else if !ends_plainly(bytes) {
        mistake("", "E1102", "the zip is cut off, or something follows its end", "copy it again; nothing may be appended to it")
    } else {
        match ZipArchive::new(Cursor::new(bytes)) {
            Ok(zip) if zip.offset() != 0 => {
                mistake("", "E1102", "something stands in front of the zip", "copy it again; nothing may be put in front of it")
            }
            Ok(zip) if zip.has_duplicate_names() => {
                mistake("", "E1105", "the zip has several entries with one name", "pack each file once")
            }
            Ok(zip) if zip.len() > MAX_ENTRIES => {
                mistake("", "E1103", format!("{} entries, a package has at most {MAX_ENTRIES}", zip.len()), "pack fewer vectors")
            }
            Ok(zip) => return Some(zip),
            Err(error) => mistake("", "E1102", format!("the zip cannot be read: {error}"), "pack or copy it again"),
        }
    };
    mistakes.push(refused);
    None
}

/// The end record is the last thing in the file and has no comment.
fn ends_plainly(bytes: &[u8]) -> bool {
    let record = bytes.len().checked_sub(END_RECORD).and_then(|at| bytes.get(at..));
    record.is_some_and(|record| record.starts_with(b"PK\x05\x06") && record.ends_with(&[0, 0]))
}

/// The path of an entry that is to be read; none if it is not, for a reason that was told, or because it is a folder.
fn admit(zip: &ZipArchive<Cursor<&[u8]>>, index: usize, mistakes: &mut Vec<Mistake>) -> Option<String> {
    let entry = match zip.by_index_data(index) {
        Ok(entry) => entry,
        Err(error) => {
            mistakes.push(mistake("", "E1102", format!("entry {index} cannot be read: {error}"), "pack or copy it again"));
            return None;
        }
    };
    let Ok(path) = std::str::from_utf8(entry.name_raw()) else {
        let shown: String = String::from_utf8_lossy(entry.name_raw()).chars().take(80).collect();
        let fix = "pack with `codecgate plugin build`, which writes names as UTF-8";
        mistakes.push(mistake(&shown, "E1110", "the name is not UTF-8", fix));
        return None;
    };
    let before = mistakes.len();
    mistakes.extend(unsafe_path(path));
    if entry.is_symlink() {
        mistakes.push(mistake(&shown(path), "E1108", "the entry is a link", "pack the file itself"));
    }
    if entry.encrypted() {
        mistakes.push(mistake(&shown(path), "E1107", "the entry is encrypted", "pack without a password"));
    }
    if !matches!(entry.compression(), CompressionMethod::Stored | CompressionMethod::Deflated) {
        let reason = format!("packed by {}; a package uses deflate or none", entry.compression());
        mistakes.push(mistake(&shown(path), "E1107", reason, HOW_TO_PACK));
    }
    // Other tools write an entry for the folder itself; it says nothing.
    if mistakes.len() > before || path == VECTORS {
        return None;
    }
    if most_bytes(path).is_none() {
        mistakes.push(unknown(path));
        return None;
    }
    Some(path.to_owned())
}

/// How large the file of this name may be; none for a name that has no place in a package.
fn most_bytes(path: &str) -> Option<usize> {
    Some(match path {
        MANIFEST | SIGNATURE => 64 << 10,
        COMPONENT => 16 << 20,
        PROFILE | LAYOUT => 1 << 20,
        _ => {
            let name = path.strip_prefix(VECTORS)?.strip_suffix(".json")?;
            if name.is_empty() || name.starts_with('.') || name.contains('/') {
                return None;
            }
            4 << 20
        }
    })
}

/// A path that could mean something outside the package, or that no line of text can hold.
fn unsafe_path(path: &str) -> Option<Mistake> {
    let reason = if path.len() > MAX_PATH_BYTES {
        format!("the name has {} bytes, at most {MAX_PATH_BYTES}", path.len())
    } else if path.starts_with('/') || path.contains(':') {
        "the path is absolute".to_owned()
    } else if path.contains('\\') {
        "the path has backslashes".to_owned()
    } else if path.split('/').any(|part| part == ".." || part == ".") || path.contains("//") {
        "the path climbs or has empty parts".to_owned()
    } else if path.is_empty() || path.chars().any(char::is_control) {
        "the name is empty or has control characters".to_owned()
    } else {
        return None;
    };
    Some(mistake(&shown(path), "E1104", reason, "name files as a package does: `vectors/good frames.json`"))
}

fn unknown(path: &str) -> Mistake {
    let fix = format!(
        "a package holds {MANIFEST}, {COMPONENT}, {PROFILE}, {VECTORS}NAME.json, {LAYOUT} and {SIGNATURE}; {HOW_TO_PACK}"
    );
    mistake(&shown(path), "E1106", "a file that does not belong into a package", fix)
}

fn too_large(path: &str, most: usize) -> Mistake {
    let fix = if path == COMPONENT { "build with --release, without debug information" } else { "make it smaller or split it" };
    mistake(path, "E1103", format!("more than {most} bytes when unpacked"), fix)
}

fn encoding(path: &str, contents: &[u8]) -> Option<Mistake> {
    if path == COMPONENT {
        return None;
    }
    let error = std::str::from_utf8(contents).err()?;
    let reason = format!("byte {} is not UTF-8", error.valid_up_to());
    Some(mistake(path, "E1110", reason, "save the file in the encoding UTF-8 (not GBK, not UTF-16)"))
}

/// A name in a size and form that a line can take.
fn shown(path: &str) -> String {
    path.chars().take(80).flat_map(|c| if c.is_control() { c.escape_default().collect::<Vec<_>>() } else { vec![c] }).collect()
}
