//! Why? For a command or an uplink one sentence that says where it stands, whose move it is and what to do, with the evidence; in English
//! and in Chinese. The questions are those that users of the closed platforms have to ask their vendor (FAQ 4.1.3.6-4.1.3.14, 4.2.1.7-9).
//!
//! Pure: facts and `now` in, a verdict out. Reads no store and knows no wire; who gathers the facts is `api`.

mod command;
#[cfg(test)]
mod tests;
mod uplink;
mod words;

use serde::Serialize;

pub use command::{Addressee, CommandFacts, command};
pub use uplink::{UplinkFacts, uplink};

/// Who can bring it further.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Turn {
    /// The author of the codec.
    Codec,
    /// The gateway, by itself.
    Gateway,
    /// The operator of the mobile network.
    Network,
    /// The device, its module or its owner.
    Device,
    /// The application.
    Application,
    /// It is over, or as far as it can come.
    Nobody,
}

/// The same in two languages.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Words {
    /// English.
    pub en: String,
    /// Chinese.
    pub zh: String,
}

impl Words {
    pub(crate) fn new(en: impl Into<String>, zh: impl Into<String>) -> Self {
        Self { en: en.into(), zh: zh.into() }
    }
}

/// A fact that the verdict rests on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// Stable, such as `sent` or `deviceState`.
    pub name: &'static str,
    /// As text; times are RFC 3339.
    pub value: String,
}

/// Where it stands, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verdict {
    /// Stable, such as `device-asleep`.
    pub code: &'static str,
    /// Whose move it is.
    pub turn: Turn,
    /// One sentence.
    pub why: Words,
    /// What to do; none where waiting is all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub advice: Option<Words>,
    /// What the sentence was made from.
    pub evidence: Vec<Evidence>,
}

impl Verdict {
    fn new(code: &'static str, turn: Turn, why: Words) -> Self {
        Self { code, turn, why, advice: None, evidence: Vec::new() }
    }

    fn advise(mut self, en: impl Into<String>, zh: impl Into<String>) -> Self {
        self.advice = Some(Words::new(en, zh));
        self
    }

    fn with(mut self, name: &'static str, value: impl ToString) -> Self {
        self.evidence.push(Evidence { name, value: value.to_string() });
        self
    }

    fn with_some(self, name: &'static str, value: Option<impl ToString>) -> Self {
        match value {
            Some(value) => self.with(name, value),
            None => self,
        }
    }
}
