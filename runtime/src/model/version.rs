//! Codec versions: numbered within a product, immutable, component and profile as one unit.
//!
//! A [`CodecVersion`] is never rewritten. Which one is at work, and where a rollback goes, is the product's [`VersionLine`];
//! both change in one transaction. Pure; knows no file and no store.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{ProductId, Timestamp};

/// Number of a codec version within its product: 1, 2, 3 ... Never given again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionNumber(pub u32);

impl fmt::Display for VersionNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Where a version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum VersionState {
    /// Admitted and stored, never at work so far.
    Candidate,
    /// At work.
    Active,
    /// Was at work; kept, so that it can be again.
    Retired,
}

impl VersionState {
    /// All states.
    pub const ALL: [Self; 3] = [Self::Candidate, Self::Active, Self::Retired];

    /// The stable text.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Candidate => "candidate",
            Self::Active => "active",
            Self::Retired => "retired",
        }
    }
}

/// Who changed something: an API key, the watched folder, a policy of the gateway, or a tool over it.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub enum Actor {
    /// `key:` and the first 8 hex digits of the key's blake3.
    Key(String),
    /// The watched folder.
    Watch,
    /// A rule of the gateway, such as an automatic rollback.
    Policy,
    /// Whatever else has the parts of a gateway in its hands: the demo, a bench, an older codecgate.
    Tool,
}

impl fmt::Display for Actor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(fingerprint) => write!(f, "key:{fingerprint}"),
            Self::Watch => f.write_str("watch"),
            Self::Policy => f.write_str("policy"),
            Self::Tool => f.write_str("tool"),
        }
    }
}

impl From<Actor> for String {
    fn from(actor: Actor) -> Self {
        actor.to_string()
    }
}

impl From<String> for Actor {
    fn from(text: String) -> Self {
        match text.as_str() {
            "watch" => Self::Watch,
            "policy" => Self::Policy,
            other => other.strip_prefix("key:").map_or(Self::Tool, |fingerprint| Self::Key(fingerprint.to_owned())),
        }
    }
}

/// Limits that the author asks for; none = the gateway's own. They only ever lower.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Wishes {
    /// Linear memory, MiB.
    pub memory_mib: Option<usize>,
    /// Time of a call, milliseconds.
    pub deadline_ms: Option<u64>,
    /// Largest payload.
    pub payload_bytes: Option<usize>,
    /// Most messages of a decode.
    pub messages: Option<usize>,
    /// Most bytes of values of an answer.
    pub output_bytes: Option<usize>,
    /// Most log lines of a call.
    pub log_lines: Option<usize>,
    /// Calls after which an instance is replaced.
    pub calls_per_instance: Option<u32>,
    /// Every call gets a pristine instance.
    pub fresh: bool,
}

impl Wishes {
    /// Whether nothing is wished.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What a product team shipped: a component and the profile that it was admitted with. Component and package lie in the
/// store's files under their digests.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CodecVersion {
    /// Whose version it is.
    pub product: ProductId,
    /// Its number within the product.
    pub number: VersionNumber,
    /// blake3 of the component, hex.
    pub component: String,
    /// The profile document (JSON text as in `profiles/schema.json`). It was valid when it was stored.
    pub profile: String,
    /// blake3 of the profile text, hex.
    pub profile_digest: String,
    /// Digest of the package that it came in, hex; none = it came as a bare component.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Lower limits that the package asks for.
    #[serde(default, skip_serializing_if = "Wishes::is_empty")]
    pub wishes: Wishes,
    /// blake3 of the package's file, hex; there exactly when `package` is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package_file: Option<String>,
    /// Who signed the package, if somebody trusted did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
    /// The codec's own name.
    pub name: String,
    /// The codec's own version.
    pub version: String,
    /// Bytes of the component.
    pub size: u64,
    /// When it was uploaded.
    pub uploaded: Timestamp,
    /// Who uploaded it.
    pub uploaded_by: Actor,
    /// What the uploader said about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comment: Option<String>,
}

impl CodecVersion {
    /// The files of the store that it needs.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.component.as_str()).chain(self.package_file.as_deref())
    }
}

/// How a version ceased to be at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Exit {
    /// Another one was put in its place: a rollback may come back to it.
    Replaced,
    /// It was taken back: a rollback does not come back to it.
    RolledBack,
}

/// A version that was at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retired {
    /// Which.
    pub number: VersionNumber,
    /// Until when.
    pub until: Timestamp,
    /// How it ceased.
    pub how: Exit,
}

/// The versions of a product by what they do. Part of the product, so that a switch is one write.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct VersionLine {
    /// The one at work; none = transparent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub active: Option<VersionNumber>,
    /// Since when it is at work.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<Timestamp>,
    /// Those that were, the latest last.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub retired: Vec<Retired>,
    /// Highest number ever given.
    #[serde(default)]
    pub last: u32,
}

impl VersionLine {
    /// A number that no version of this product has or had.
    pub fn give(&mut self) -> VersionNumber {
        self.last = self.last.saturating_add(1);
        VersionNumber(self.last)
    }

    /// Puts a version to work; a rollback will come back to the one that was.
    pub fn activate(&mut self, number: VersionNumber, now: Timestamp) {
        self.switch(number, Exit::Replaced, now);
    }

    /// Where a rollback goes: the version that was replaced last. None = there is nothing to go back to.
    #[must_use]
    pub fn rollback_target(&self) -> Option<VersionNumber> {
        self.retired.iter().rev().find(|retired| retired.how == Exit::Replaced).map(|retired| retired.number)
    }

    /// Takes the version at work back and puts the one before it to work; gives that one's number.
    pub fn roll_back(&mut self, now: Timestamp) -> Option<VersionNumber> {
        let target = self.rollback_target()?;
        self.switch(target, Exit::RolledBack, now);
        Some(target)
    }

    fn switch(&mut self, number: VersionNumber, how: Exit, now: Timestamp) {
        if self.active == Some(number) {
            return;
        }
        self.retired.retain(|retired| retired.number != number);
        self.retired.extend(self.active.map(|number| Retired { number, until: now, how }));
        self.active = Some(number);
        self.since = Some(now);
    }

    /// Where a version stands.
    #[must_use]
    pub fn state_of(&self, number: VersionNumber) -> VersionState {
        if self.active == Some(number) {
            VersionState::Active
        } else if self.retired.iter().any(|retired| retired.number == number) {
            VersionState::Retired
        } else {
            VersionState::Candidate
        }
    }

    /// The version does not exist any more. The one at work cannot be forgotten.
    pub fn forget(&mut self, number: VersionNumber) {
        self.retired.retain(|retired| retired.number != number);
    }

    /// Versions beyond the `keep` that retired last, and beyond the `keep` newest candidates of `all`.
    #[must_use]
    pub fn surplus(&self, all: &[VersionNumber], keep: usize) -> Vec<VersionNumber> {
        let retired = self.retired.iter().map(|retired| retired.number);
        let mut surplus: Vec<VersionNumber> = retired.take(self.retired.len().saturating_sub(keep)).collect();
        let mut candidates: Vec<VersionNumber> =
            all.iter().copied().filter(|number| self.state_of(*number) == VersionState::Candidate).collect();
        candidates.sort_unstable();
        candidates.truncate(candidates.len().saturating_sub(keep));
        surplus.extend(candidates);
        surplus
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(moves: &[u32]) -> VersionLine {
        let mut line = VersionLine::default();
        for (at, number) in (1..).zip(moves) {
            line.last = line.last.max(*number);
            line.activate(VersionNumber(*number), Timestamp(at));
        }
        line
    }

    fn numbers(list: &[VersionNumber]) -> Vec<u32> {
        list.iter().map(|number| number.0).collect()
    }

    #[test]
    fn a_rollback_goes_one_back_each_time_and_never_to_what_was_taken_back() {
        let mut line = line(&[1, 2, 3]);
        assert_eq!(line.roll_back(Timestamp(9)), Some(VersionNumber(2)));
        assert_eq!(line.state_of(VersionNumber(3)), VersionState::Retired);
        assert_eq!(line.roll_back(Timestamp(10)), Some(VersionNumber(1)));
        assert_eq!(line.roll_back(Timestamp(11)), None, "3 and 2 were taken back");
        assert_eq!((line.active, line.since), (Some(VersionNumber(1)), Some(Timestamp(10))));
        line.activate(VersionNumber(3), Timestamp(12));
        assert_eq!(line.rollback_target(), Some(VersionNumber(1)));
        assert_eq!(line.give(), VersionNumber(4), "numbers go on");
    }

    #[test]
    fn putting_the_active_one_to_work_again_changes_nothing() {
        let mut changed = line(&[1, 2]);
        let before = changed.clone();
        changed.activate(VersionNumber(2), Timestamp(50));
        assert_eq!(changed, before);
    }

    #[test]
    fn what_retired_longest_ago_and_the_oldest_candidates_are_surplus() {
        let line = line(&[1, 2, 3, 1, 4]);
        let all: Vec<VersionNumber> = (1..=7).map(VersionNumber).collect();
        assert_eq!(numbers(&line.surplus(&all, 2)), [2, 5], "1 was at work again after 2 and 3");
        assert_eq!(numbers(&line.surplus(&all, 1)), [2, 3, 5, 6]);
        assert!(line.surplus(&all, 9).is_empty());
    }

    #[test]
    fn actors_are_texts() {
        for actor in [Actor::Key("1a2b3c4d".to_owned()), Actor::Watch, Actor::Policy, Actor::Tool] {
            assert_eq!(Actor::from(String::from(actor.clone())), actor);
        }
        assert_eq!(serde_json::to_string(&Actor::Key("ab".to_owned())).unwrap(), "\"key:ab\"");
    }

    #[test]
    fn a_line_of_a_record_without_versions_is_the_empty_one() {
        assert_eq!(serde_json::from_str::<VersionLine>("{}").unwrap(), VersionLine::default());
    }
}
