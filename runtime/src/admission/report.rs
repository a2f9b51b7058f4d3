//! What admission found, as lines for people and as JSON for machines.

use std::fmt;

use serde::Serialize;

use crate::profile::{Mistake, Severity};

/// Every check, in the order in which they were made.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
    /// What each vector cost, where vectors were run.
    pub costs: Vec<VectorCost>,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Check {
    /// A word: `package`, `signature`, `component`, `profile`, `tables`, `vectors`, `determinism`, `limits`.
    pub check: &'static str,
    /// How it went.
    pub outcome: Outcome,
    /// What was seen, in a line.
    pub detail: String,
    /// What is wrong or doubtful.
    pub findings: Vec<Mistake>,
}

/// How a check went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Nothing is wrong.
    Passed,
    /// Something is wrong: there are findings.
    Refused,
    /// It could not be made, since an earlier one refused.
    Skipped,
}

/// What one vector cost.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VectorCost {
    /// Path of its document.
    pub document: String,
    /// Its name.
    pub vector: String,
    /// Executed instructions, roughly, of a pristine instance: the same on every machine.
    pub fuel: u64,
    /// Memory of the instance after the call, bytes.
    pub memory_bytes: usize,
}

impl Report {
    /// Whether nothing was refused.
    #[must_use]
    pub fn is_admitted(&self) -> bool {
        self.checks.iter().all(|check| check.outcome == Outcome::Passed)
    }

    /// Errors and warnings of all checks.
    pub fn findings(&self) -> impl Iterator<Item = &Mistake> {
        self.checks.iter().flat_map(|check| &check.findings)
    }

    /// Errors of all checks.
    pub fn refusals(&self) -> impl Iterator<Item = &Mistake> {
        self.findings().filter(|finding| finding.severity == Severity::Error)
    }

    /// The check of this name.
    #[must_use]
    pub fn check(&self, name: &str) -> Option<&Check> {
        self.checks.iter().find(|check| check.check == name)
    }

    /// Notes a check that was made: refused if one of the findings is an error.
    pub(super) fn made(&mut self, check: &'static str, detail: impl Into<String>, findings: Vec<Mistake>) {
        let refused = findings.iter().any(|finding| finding.severity == Severity::Error);
        let outcome = if refused { Outcome::Refused } else { Outcome::Passed };
        self.checks.push(Check { check, outcome, detail: detail.into(), findings });
    }

    /// Notes a check that could not be made.
    pub(super) fn skipped(&mut self, check: &'static str, why: &str) {
        self.checks.push(Check { check, outcome: Outcome::Skipped, detail: why.to_owned(), findings: Vec::new() });
    }
}

/// One line a check, its findings indented below it.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for Check { check, outcome, detail, findings } in &self.checks {
            let mark = match outcome {
                Outcome::Passed => "ok     ",
                Outcome::Refused => "REFUSED",
                Outcome::Skipped => "skipped",
            };
            writeln!(f, "{mark} {check:<12} {detail}")?;
            for finding in findings {
                for line in finding.to_string().lines() {
                    writeln!(f, "          {line}")?;
                }
            }
        }
        Ok(())
    }
}
