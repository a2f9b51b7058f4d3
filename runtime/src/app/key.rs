//! Keys and randomness at start: the API key of a fresh gateway, the key of tokens and locations, the seed of the LwM2M server.

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use anyhow::{Context, bail};

use crate::lwm2m::Names;
use crate::model::Secret;

/// The configured keys, or the one in `<data>/api-key`, which is made at the first start and readable by its owner only.
pub(super) fn api_keys(data: &Path, configured: &[Secret]) -> anyhow::Result<Vec<Secret>> {
    if !configured.is_empty() {
        return Ok(configured.to_vec());
    }
    let mut random = [0_u8; 24];
    fill(&mut random)?;
    let path = data.join("api-key");
    let text = kept(data, "api-key", &format!("cg_{}", hex::encode(random)))?;
    let key = text.trim();
    if key.len() < 16 {
        bail!("{} holds no API key (at least 16 characters); delete it to get a new one", path.display());
    }
    Ok(vec![Secret::new(key)])
}

/// The secret behind tokens and locations, in `<data>/token-key`. Without it every device would have to register anew.
pub(super) fn names(data: &Path) -> anyhow::Result<Names> {
    let text = kept(data, "token-key", &hex::encode(seed()?))?;
    let secret = hex::decode(text.trim()).ok().and_then(|bytes| <[u8; 32]>::try_from(bytes).ok());
    let path = data.join("token-key");
    let why =
        "holds no key (64 hex digits); restore it from a backup, or delete it: then devices are known again by what is stored";
    secret.map(Names::new).with_context(|| format!("{} {why}", path.display()))
}

/// What a file says; made with this text, readable by its owner only, if it is not there.
fn kept(data: &Path, name: &str, fresh: &str) -> anyhow::Result<String> {
    let path = data.join(name);
    if !path.exists() {
        let temporary = data.join(format!("{name}.new"));
        let open = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&temporary);
        let mut file = open.with_context(|| format!("cannot write {}", temporary.display()))?;
        file.write_all(format!("{fresh}\n").as_bytes())?;
        file.sync_all()?;
        fs::rename(&temporary, &path)?;
        tracing::info!(path = %path.display(), "made a key");
    }
    fs::read_to_string(&path).with_context(|| format!("cannot read the key in {}", path.display()))
}

/// Randomness for tokens, locations and jitter.
///
/// # Errors
/// The system gives none.
pub fn seed() -> anyhow::Result<[u8; 32]> {
    let mut seed = [0_u8; 32];
    fill(&mut seed)?;
    Ok(seed)
}

fn fill(bytes: &mut [u8]) -> anyhow::Result<()> {
    getrandom::fill(bytes).map_err(|error| anyhow::anyhow!("the system gives no randomness: {error}"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_first_start_makes_a_key_and_the_second_finds_it() {
        let data = tempfile::tempdir().unwrap();
        let first = api_keys(data.path(), &[]).unwrap();
        let again = api_keys(data.path(), &[]).unwrap();
        assert_eq!(first[0].expose(), again[0].expose());
        assert!(first[0].expose().starts_with("cg_") && first[0].expose().len() == 51);
        let mode = fs::metadata(data.path().join("api-key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let numbers = |names: Names| names.seal(crate::model::DeviceId(1), crate::lwm2m::Use::Location, 1);
        assert_eq!(numbers(names(data.path()).unwrap()), numbers(names(data.path()).unwrap()));
        fs::write(data.path().join("token-key"), "x").unwrap();
        assert!(names(data.path()).unwrap_err().to_string().contains("token-key holds no key"));
        let given = api_keys(data.path(), &[Secret::new("0123456789abcdef")]).unwrap();
        assert_eq!(given[0].expose(), "0123456789abcdef");
    }
}
