//! Whose signatures count: public keys with names. Where they are written down is not known here.

use super::signature::PublicKey;

/// Somebody who is trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Root {
    /// For people, shown as the signer of a version.
    pub name: String,
    /// What the signatures are checked with.
    pub key: PublicKey,
}

/// Everybody who is trusted. Empty = nobody.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    /// In the order of the configuration.
    pub roots: Vec<Root>,
}

impl Trust {
    /// The name under which a key is trusted.
    #[must_use]
    pub fn name(&self, key: &PublicKey) -> Option<&str> {
        self.roots.iter().find(|root| root.key == *key).map(|root| root.name.as_str())
    }
}
