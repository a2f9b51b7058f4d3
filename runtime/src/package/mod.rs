//! Packages: a `*.codec` file becomes a [`Package`], or every mistake in it is told at once; and the other way round.
//!
//! Pure: bytes in, values out. A package is a zip that holds one version of one product's codec:
//!
//! ```text
//! codec.toml        whose codec it is: product key, version, interface; wishes for lower limits      manifest.rs
//! codec.wasm        the component
//! profile.json      the profile (profiles/schema.json)
//! vectors/*.json    bytes and their meaning
//! layout.json       where the component was made of a layout: its source, optional
//! SIGNATURE         Ed25519 over the digests of all other files, optional                             signature.rs, trust.rs
//! ```
//!
//! Nothing that the zip says of itself is believed (`archive.rs`): sizes are counted while unpacking, names are those above or the
//! package is refused. Whether the component is any good is not known here: `admission` finds out.

mod archive;
mod manifest;
mod signature;
#[cfg(test)]
mod tests;
mod trust;

use std::collections::BTreeMap;
use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

use crate::profile::{Mistake, Severity};

pub use crate::model::Wishes;
pub use manifest::Manifest;
pub use signature::{PrivateKey, PublicKey, Signature, Signed};
pub use trust::{Root, Trust};

/// Most bytes of a package.
pub const MAX_PACKAGE_BYTES: usize = 20 << 20;

/// Names of the files.
pub(crate) const MANIFEST: &str = "codec.toml";
pub(crate) const COMPONENT: &str = "codec.wasm";
pub(crate) const PROFILE: &str = "profile.json";
pub(crate) const LAYOUT: &str = "layout.json";
pub(crate) const SIGNATURE: &str = "SIGNATURE";
pub(crate) const VECTORS: &str = "vectors/";

/// A package whose files are all there and whose manifest and signatures can be read.
#[derive(Debug, Clone)]
pub struct Package {
    /// All files but the signatures, by path.
    files: BTreeMap<String, Vec<u8>>,
    manifest: Manifest,
    signatures: Vec<Signature>,
}

/// What a package is made of.
#[derive(Debug, Clone, Default)]
pub struct Parts {
    /// Text of `codec.toml`.
    pub manifest: String,
    /// The component.
    pub component: Vec<u8>,
    /// Text of `profile.json`.
    pub profile: String,
    /// Name with `.json` and without folder, text.
    pub vectors: Vec<(String, String)>,
    /// Text of `layout.json`.
    pub layout: Option<String>,
}

/// Digests of one file.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct FileDigest {
    /// Path in the package.
    pub path: String,
    /// Bytes.
    pub size: usize,
    /// Hex.
    pub sha256: String,
    /// Hex.
    pub blake3: String,
}

/// What could be read of a package, and everything that is wrong with it: whoever checks further parts goes on with what there is.
#[derive(Debug, Default)]
pub struct Opened {
    /// Files that are known by name and whole, the signatures left out.
    pub files: BTreeMap<String, Vec<u8>>,
    /// None if it is missing or wrong.
    pub manifest: Option<Manifest>,
    /// Empty if there is none or it cannot be read.
    pub signatures: Vec<Signature>,
    /// In the order in which they were found.
    pub mistakes: Vec<Mistake>,
}

/// Reads as much of a package as can be read. Memory: at most the sum of the limits of `archive`, 32 MiB.
#[must_use]
pub fn open(bytes: &[u8]) -> Opened {
    let mut opened = Opened::default();
    let mut files = archive::unpack(bytes, &mut opened.mistakes);
    if let Some(text) = files.remove(SIGNATURE) {
        match signature::parse(&text) {
            Ok(signatures) => opened.signatures = signatures,
            Err(mistake) => opened.mistakes.push(mistake),
        }
    }
    opened.files = files;
    // What could not be unpacked tells nothing of what is missing.
    if opened.files.is_empty() && !opened.mistakes.is_empty() {
        return opened;
    }
    for (name, what) in [(MANIFEST, "whose codec it is"), (COMPONENT, "the component"), (PROFILE, "the profile")] {
        let named = opened.mistakes.iter().any(|mistake| mistake.file == name);
        if !opened.files.contains_key(name) && !named {
            opened.mistakes.push(mistake(name, "E1109", format!("the package has no {name}, {what}"), HOW_TO_PACK));
        }
    }
    if let Some(text) = opened.files.get(MANIFEST) {
        opened.manifest = manifest::parse(text, &mut opened.mistakes);
    }
    opened
}

impl Package {
    /// Reads a package.
    ///
    /// # Errors
    /// Every mistake; the file is the entry's path, empty for the zip itself.
    pub fn read(bytes: &[u8]) -> Result<Self, Vec<Mistake>> {
        let opened = open(bytes);
        match opened.manifest {
            Some(manifest) if opened.mistakes.is_empty() => {
                Ok(Self { files: opened.files, manifest, signatures: opened.signatures })
            }
            _ => Err(opened.mistakes),
        }
    }

    /// Puts a package together, unsigned.
    ///
    /// # Errors
    /// Every mistake, as if the package had been read: what is written can be read.
    pub fn new(parts: Parts) -> Result<Self, Vec<Mistake>> {
        let Parts { manifest: text, component, profile, vectors, layout } = parts;
        let mut files = BTreeMap::from([
            (MANIFEST.to_owned(), text.into_bytes()),
            (COMPONENT.to_owned(), component),
            (PROFILE.to_owned(), profile.into_bytes()),
        ]);
        files.extend(layout.map(|text| (LAYOUT.to_owned(), text.into_bytes())));
        files.extend(vectors.into_iter().map(|(name, text)| (format!("{VECTORS}{name}"), text.into_bytes())));
        let mut mistakes = archive::check(&files);
        let manifest = files.get(MANIFEST).and_then(|text| manifest::parse(text, &mut mistakes));
        match manifest {
            Some(manifest) if mistakes.is_empty() => Ok(Self { files, manifest, signatures: Vec::new() }),
            _ => Err(mistakes),
        }
    }

    /// The zip. The same content and signatures give the same bytes.
    ///
    /// # Errors
    /// In words, when the zip would pass a limit of its format.
    pub fn write(&self) -> Result<Vec<u8>, String> {
        let signatures = signature::write(&self.signatures);
        archive::pack(&self.files, (!self.signatures.is_empty()).then_some(signatures.as_bytes()))
    }

    /// Whose codec it is.
    #[must_use]
    pub fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// Bytes of the component.
    #[must_use]
    pub fn component(&self) -> &[u8] {
        self.files.get(COMPONENT).map_or(&[], Vec::as_slice)
    }

    /// Text of the profile, as it was packed.
    #[must_use]
    pub fn profile(&self) -> &str {
        self.text(PROFILE)
    }

    /// Path and text of each document of vectors, by path.
    pub fn vectors(&self) -> impl Iterator<Item = (&str, &str)> {
        self.files.keys().filter(|path| path.starts_with(VECTORS)).map(|path| (path.as_str(), self.text(path)))
    }

    /// Text of the layout that the component was made of.
    #[must_use]
    pub fn layout(&self) -> Option<&str> {
        self.files.contains_key(LAYOUT).then(|| self.text(LAYOUT))
    }

    /// In the order of the file.
    #[must_use]
    pub fn signatures(&self) -> &[Signature] {
        &self.signatures
    }

    /// blake3 of the digest list, hex: names the content, however it was zipped and whoever signed it.
    #[must_use]
    pub fn digest(&self) -> String {
        digest(&self.files)
    }

    /// Digests of all files but the signatures, by path.
    #[must_use]
    pub fn digests(&self) -> Vec<FileDigest> {
        digests(&self.files)
    }

    /// Adds a signature; an earlier one of the same key is replaced.
    pub fn sign(&mut self, key: &PrivateKey) {
        let signature = key.sign(digest_list(&self.files).as_bytes());
        self.signatures.retain(|earlier| earlier.key != signature.key);
        self.signatures.push(signature);
    }

    /// What each signature says of the content.
    #[must_use]
    pub fn verify(&self, trust: &Trust) -> Vec<Signed> {
        verify(&self.files, &self.signatures, trust)
    }

    fn text(&self, path: &str) -> &str {
        // Texts were checked when the package was made.
        self.files.get(path).and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default()
    }
}

/// What each signature says of these files.
#[must_use]
pub fn verify(files: &BTreeMap<String, Vec<u8>>, signatures: &[Signature], trust: &Trust) -> Vec<Signed> {
    let list = digest_list(files);
    signatures.iter().map(|signature| signature.check(list.as_bytes(), trust)).collect()
}

/// blake3 of the digest list of these files, hex.
#[must_use]
pub fn digest(files: &BTreeMap<String, Vec<u8>>) -> String {
    blake3::hash(digest_list(files).as_bytes()).to_hex().to_string()
}

/// What is signed: a line that says what it is, then one line a file, sorted by path. Paths hold no line breaks.
fn digest_list(files: &BTreeMap<String, Vec<u8>>) -> String {
    let mut list = "codecgate package 1\n".to_owned();
    for FileDigest { path, size, sha256, blake3 } in digests(files) {
        // Writing to a text cannot fail.
        let _ = writeln!(list, "sha256:{sha256} blake3:{blake3} {size} {path}");
    }
    list
}

fn digests(files: &BTreeMap<String, Vec<u8>>) -> Vec<FileDigest> {
    let digest = |(path, contents): (&String, &Vec<u8>)| FileDigest {
        path: path.clone(),
        size: contents.len(),
        sha256: hex::encode(Sha256::digest(contents)),
        blake3: blake3::hash(contents).to_hex().to_string(),
    };
    files.iter().map(digest).collect()
}

const HOW_TO_PACK: &str = "pack with `codecgate plugin build`";

fn mistake(file: &str, code: &'static str, reason: impl Into<String>, fix: impl Into<String>) -> Mistake {
    let (file, pointer, severity) = (file.to_owned(), String::new(), Severity::Error);
    Mistake { file, pointer, severity, code, reason: reason.into(), fix: fix.into() }
}
