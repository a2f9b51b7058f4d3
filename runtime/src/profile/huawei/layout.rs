//! Which file of a package is what: the device document and the service documents, found also under names that people
//! misspell (REFERENCE A.1: the tree, and the tolerance seen in the wild). Reads no JSON.

use std::collections::BTreeSet;

use super::super::mistake::{At, code, quote};
use super::super::suggest::nearest;
use super::Import;
use super::archive::Archive;

/// The documents of a package.
#[derive(Debug, Default)]
pub(super) struct PackageFiles {
    pub(super) device: Option<PackageFile>,
    pub(super) services: Vec<ServiceFile>,
    /// Folders below `service/`, with or without a document.
    pub(super) service_folders: BTreeSet<String>,
}

#[derive(Debug)]
pub(super) struct PackageFile {
    pub(super) path: String,
    pub(super) contents: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct ServiceFile {
    /// Name of its folder below `service/`; none if it lies directly in `service/`.
    pub(super) folder: Option<String>,
    pub(super) file: PackageFile,
}

const DEVICE_FILE: &str = "devicetype-capability.json";
const SERVICE_FILE: &str = "servicetype-capability.json";
const DEVICE_DISPLAY: &str = "devicetype-display.json";
const SERVICE_DISPLAY: &str = "servicetype-display.json";

/// Sorts the files of a package.
pub(super) fn sort(package: &At, archive: Archive, import: &mut Import) -> PackageFiles {
    let Archive { files, folders } = archive;
    let outer = outer_folder(files.keys());
    if let Some(outer) = &outer {
        let reason = format!("the folders profile and service lie in an outer folder {}", quote(outer));
        import.deviation(package, code::UNEXPECTED_ENTRY, reason, "pack the two folders themselves, not the folder around them");
    }
    let inside = |path: &str| match &outer {
        Some(outer) => path.strip_prefix(outer.as_str())?.strip_prefix('/').map(str::to_owned),
        None => Some(path.to_owned()),
    };
    let mut found = PackageFiles::default();
    for (path, contents) in files {
        if let Some(inner) = inside(&path) {
            place(&inner, PackageFile { path, contents }, &mut found, import);
        }
    }
    for folder in folders {
        let Some(inner) = inside(&folder) else { continue };
        let parts: Vec<&str> = inner.split('/').collect();
        match parts.as_slice() {
            [top] if top_of(top).is_none() && outer.as_deref() != Some(folder.as_str()) => extra_top(top, import),
            [top, service, ..] if top_of(top) == Some(Top::Service) => {
                found.service_folders.insert((*service).to_owned());
            }
            _ => {}
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Top {
    Profile,
    Service,
}

/// What a folder at the top is, misspelt or not.
fn top_of(name: &str) -> Option<Top> {
    match nearest(name, ["profile", "service"]) {
        Some("profile") => Some(Top::Profile),
        Some("service") => Some(Top::Service),
        _ => None,
    }
}

fn place(inner: &str, file: PackageFile, found: &mut PackageFiles, import: &mut Import) {
    let at = At::file(&file.path);
    let parts: Vec<&str> = inner.split('/').collect();
    let (Some(first), Some(name)) = (parts.first().copied(), parts.last().copied()) else { return };
    let top = match (top_of(first), parts.len()) {
        (Some(top), 2..) => top,
        (_, 1) => {
            let fix = "the package has the two folders profile and service and nothing beside them";
            return import.deviation(&at, code::UNEXPECTED_ENTRY, "a file beside the folders profile and service", fix);
        }
        _ => return extra_top(first, import),
    };
    let proper = if top == Top::Profile { "profile" } else { "service" };
    misspelt(&At::file(first), first, proper, import);
    match top {
        Top::Profile => match spelling(name, [DEVICE_FILE, DEVICE_DISPLAY]) {
            Some(DEVICE_FILE) if parts.len() == 2 => {
                misspelt(&at, name, DEVICE_FILE, import);
                if found.device.replace(file).is_some() {
                    import.error(&at, code::DUPLICATE_ENTRY, "a second device document", "keep one devicetype-capability.json");
                }
            }
            Some(DEVICE_DISPLAY) if parts.len() == 2 => {}
            _ => stray(&at, import),
        },
        Top::Service => match spelling(name, [SERVICE_FILE, SERVICE_DISPLAY]) {
            Some(SERVICE_DISPLAY) => {}
            Some(SERVICE_FILE) => {
                misspelt(&at, name, SERVICE_FILE, import);
                place_service(&parts, file, found, import);
            }
            _ => stray(&at, import),
        },
    }
}

fn place_service(parts: &[&str], file: PackageFile, found: &mut PackageFiles, import: &mut Import) {
    let at = At::file(&file.path);
    let folder = match parts {
        [_, folder, inner, _] => {
            if nearest(inner, ["profile"]).is_none() {
                return stray(&at, import);
            }
            misspelt(&at, inner, "profile", import);
            Some((*folder).to_owned())
        }
        [_, folder, _] => {
            let fix = format!("move it to service/{folder}/profile/{SERVICE_FILE}");
            import.deviation(&at, code::MISPLACED_SERVICE_FILE, "the folder profile around the file is missing", fix);
            Some((*folder).to_owned())
        }
        [_, _] => {
            let fix = format!("move it to service/SERVICETYPE/profile/{SERVICE_FILE}");
            import.deviation(&at, code::MISPLACED_SERVICE_FILE, "the file lies directly in the folder service", fix);
            None
        }
        _ => return stray(&at, import),
    };
    if let Some(folder) = &folder {
        found.service_folders.insert(folder.clone());
        if found.services.iter().any(|other| other.folder.as_ref() == Some(folder)) {
            let reason = format!("a second document of the service {}", quote(folder));
            return import.error(&at, code::DUPLICATE_ENTRY, reason, format!("keep one {SERVICE_FILE}"));
        }
    }
    found.services.push(ServiceFile { folder, file });
}

/// The known name that a file's name means: `x.json.json`, other case, a slip of a letter.
fn spelling(name: &str, known: [&'static str; 2]) -> Option<&'static str> {
    let mut stem = name;
    while let Some(shorter) = stem.strip_suffix(".json").filter(|shorter| shorter.ends_with(".json")) {
        stem = shorter;
    }
    nearest(stem, known)
}

fn misspelt(at: &At, given: &str, proper: &str, import: &mut Import) {
    if given != proper {
        let reason = format!("{} is not the name {}", quote(given), quote(proper));
        import.deviation(at, code::MISSPELT_ENTRY, reason, format!("rename it to {proper}; case counts"));
    }
}

fn stray(at: &At, import: &mut Import) {
    let fix =
        format!("remove it; a package has profile/{DEVICE_FILE} and service/SERVICETYPE/profile/{SERVICE_FILE} and nothing else");
    import.deviation(at, code::UNEXPECTED_ENTRY, "no file of a profile package, or not at its place", fix);
}

fn extra_top(name: &str, import: &mut Import) {
    let reason = format!("{} beside the folders profile and service", quote(name));
    import.deviation(
        &At::file(name),
        code::UNEXPECTED_ENTRY,
        reason,
        "the package has these two folders and nothing beside them",
    );
}

/// The one folder that everything lies in, if it is neither profile nor service and the two lie in it.
fn outer_folder<'a>(paths: impl Iterator<Item = &'a String>) -> Option<String> {
    let mut outer: Option<&str> = None;
    let mut holds_top = false;
    for path in paths {
        let (first, rest) = path.split_once('/')?;
        if top_of(first).is_some() || outer.is_some_and(|outer| outer != first) {
            return None;
        }
        outer = Some(first);
        holds_top |= rest.split_once('/').is_some_and(|(second, _)| top_of(second).is_some());
    }
    outer.filter(|_| holds_top).map(str::to_owned)
}
