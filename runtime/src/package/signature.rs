//! `SIGNATURE`: Ed25519 signatures over the digest list, each with the key that made it.
//!
//! One line a signature: `ed25519 PUBLICKEY SIGNATURE`, both hex. The key in the file proves nothing but which key it was: who is
//! trusted is said by [`Trust`]. A private key is written as one line, `ed25519-private:HEX`, a public one as `ed25519:HEX`.

use std::fmt;

use ed25519_dalek::{Signer as _, SigningKey, VerifyingKey};

use super::trust::Trust;
use super::{SIGNATURE, mistake};
use crate::profile::Mistake;

/// Signatures of one package.
const MAX_SIGNATURES: usize = 64;
const PUBLIC: &str = "ed25519:";
const PRIVATE: &str = "ed25519-private:";

/// What somebody is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PublicKey([u8; 32]);

impl PublicKey {
    /// `ed25519:` and 64 hex digits.
    ///
    /// # Errors
    /// In words, what is expected.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected =
            || format!("no public key: expected `{PUBLIC}` and 64 hex digits, as `codecgate plugin keygen` writes them");
        let bytes = text.trim().strip_prefix(PUBLIC).and_then(array).ok_or_else(expected)?;
        // Keys of small order sign everything.
        let key = VerifyingKey::from_bytes(&bytes).ok().filter(|key| !key.is_weak());
        key.map(|_| Self(bytes)).ok_or_else(|| "no point of the curve, or a weak one: make another key".to_owned())
    }

    /// 16 hex digits that people can compare.
    #[must_use]
    pub fn id(&self) -> String {
        blake3::hash(&self.0).to_hex().chars().take(16).collect()
    }
}

impl fmt::Display for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PUBLIC}{}", hex::encode(self.0))
    }
}

/// What signs. Never shown by `Debug`.
pub struct PrivateKey(SigningKey);

impl PrivateKey {
    /// From 32 random bytes.
    #[must_use]
    pub fn from_seed(seed: &[u8; 32]) -> Self {
        Self(SigningKey::from_bytes(seed))
    }

    /// `ed25519-private:` and 64 hex digits.
    ///
    /// # Errors
    /// In words, without what was found.
    pub fn parse(text: &str) -> Result<Self, String> {
        let seed = text.trim().strip_prefix(PRIVATE).and_then(array);
        seed.map(|seed| Self::from_seed(&seed)).ok_or_else(|| format!("no private key: expected `{PRIVATE}` and 64 hex digits"))
    }

    /// The line that [`PrivateKey::parse`] reads. A secret.
    #[must_use]
    pub fn reveal(&self) -> String {
        format!("{PRIVATE}{}", hex::encode(self.0.to_bytes()))
    }

    /// The key that others check with.
    #[must_use]
    pub fn public(&self) -> PublicKey {
        PublicKey(self.0.verifying_key().to_bytes())
    }

    pub(super) fn sign(&self, message: &[u8]) -> Signature {
        Signature { key: self.public(), bytes: self.0.sign(message).to_bytes() }
    }
}

impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("PrivateKey").field(&self.public()).finish()
    }
}

/// One line of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signature {
    /// The key that it says it was made with.
    pub key: PublicKey,
    bytes: [u8; 64],
}

/// What a signature says of a content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signed {
    /// It fits, and this is the trusted name of its key.
    By(String),
    /// It fits, and nobody trusts its key.
    ByStranger(PublicKey),
    /// It does not fit: the content was changed after it was signed, or the signature was.
    Broken(PublicKey),
}

impl Signature {
    pub(super) fn check(&self, message: &[u8], trust: &Trust) -> Signed {
        let signature = ed25519_dalek::Signature::from_bytes(&self.bytes);
        let fits = VerifyingKey::from_bytes(&self.key.0).is_ok_and(|key| key.verify_strict(message, &signature).is_ok());
        match trust.name(&self.key) {
            _ if !fits => Signed::Broken(self.key),
            Some(name) => Signed::By(name.to_owned()),
            None => Signed::ByStranger(self.key),
        }
    }
}

pub(super) fn write(signatures: &[Signature]) -> String {
    signatures.iter().map(|one| format!("ed25519 {} {}\n", hex::encode(one.key.0), hex::encode(one.bytes))).collect()
}

pub(super) fn parse(bytes: &[u8]) -> Result<Vec<Signature>, Mistake> {
    let fix = "sign the package again with `codecgate plugin sign`";
    let text = std::str::from_utf8(bytes).map_err(|_| mistake(SIGNATURE, "E1170", "no text", fix))?;
    let mut signatures: Vec<Signature> = Vec::new();
    for (number, line) in text.lines().enumerate() {
        let line_number = number + 1;
        let Some(signature) = parse_line(line) else {
            let reason = format!("line {line_number} is not `ed25519 KEY SIGNATURE`");
            return Err(mistake(SIGNATURE, "E1170", reason, fix));
        };
        if signatures.iter().any(|earlier| earlier.key == signature.key) || signatures.len() >= MAX_SIGNATURES {
            let reason = format!("line {line_number}: a key signs twice, or there are more than {MAX_SIGNATURES} signatures");
            return Err(mistake(SIGNATURE, "E1170", reason, fix));
        }
        signatures.push(signature);
    }
    if signatures.is_empty() { Err(mistake(SIGNATURE, "E1170", "the file is empty", fix)) } else { Ok(signatures) }
}

fn parse_line(line: &str) -> Option<Signature> {
    let mut words = line.split(' ');
    let (kind, key, bytes) = (words.next()?, words.next()?, words.next()?);
    if kind != "ed25519" || words.next().is_some() {
        return None;
    }
    Some(Signature { key: PublicKey(array(key)?), bytes: array(bytes)? })
}

/// Exactly so many bytes, in lower-case hex, so that there is one way to write each.
fn array<const N: usize>(digits: &str) -> Option<[u8; N]> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
    hex::decode(digits).ok().filter(|_| plain)?.try_into().ok()
}
