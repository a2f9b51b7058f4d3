//! The stable codes of refusals with cause and fix: what `codecgate explain E1007` prints.
//!
//! Codes of components, packages and admission (E1xxx) are told here; those of profiles (E2xxx) in `profiles/README.md`, which is
//! read. A test holds that every code in the sources is told and that every code told is in the sources.

mod table;

use std::fmt;

/// Where the profile codes are told.
const PROFILES: &str = include_str!("../../../profiles/README.md");

/// What a code means.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct Explanation {
    /// `E1007`
    pub code: &'static str,
    /// What it was refused for, in general; the refusal itself tells the case.
    pub cause: &'static str,
    /// What to do.
    pub fix: &'static str,
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}\n  fix: {}", self.code, self.cause, self.fix)
    }
}

/// The explanation of a code, in any case: `e1007` will do.
#[must_use]
pub fn explain(code: &str) -> Option<Explanation> {
    all().find(|explanation| explanation.code.eq_ignore_ascii_case(code))
}

/// Every code, in order.
pub fn all() -> impl Iterator<Item = Explanation> {
    let own = table::TABLE.iter().map(|&(code, cause, fix)| Explanation { code, cause, fix });
    own.chain(PROFILES.lines().filter_map(row))
}

/// `| E2001 | cause | fix |`
fn row(line: &'static str) -> Option<Explanation> {
    let mut cells = line.strip_prefix("| ")?.strip_suffix(" |")?.split(" | ");
    let (code, cause, fix) = (cells.next()?, cells.next()?, cells.next()?);
    let is_code = code.starts_with('E') && code.len() == 5;
    is_code.then_some(Explanation { code, cause, fix })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::*;

    /// Codes in the code of a folder, its tests, comments and the table itself left out.
    fn used(folder: &Path, codes: &mut BTreeSet<String>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            if path.is_dir() {
                if name != "explain" {
                    used(&path, codes);
                }
                continue;
            }
            if !name.ends_with(".rs") || name.contains("tests") {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                let quoted = line.split('"').skip(1).step_by(2);
                let is_code = |text: &&str| {
                    text.len() == 5
                        && (text.starts_with("E1") || text.starts_with("E2"))
                        && text[1..].bytes().all(|b| b.is_ascii_digit())
                };
                codes.extend(quoted.filter(is_code).map(str::to_owned));
            }
        }
    }

    #[test]
    fn every_code_in_the_sources_is_explained_and_every_explained_code_is_in_the_sources() {
        let mut codes = BTreeSet::new();
        used(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut codes);
        let explained: BTreeSet<String> = all().map(|explanation| explanation.code.to_owned()).collect();
        assert!(codes.len() > 80, "{codes:?}");
        let silent: Vec<&String> = codes.difference(&explained).collect();
        let unused: Vec<&String> = explained.difference(&codes).collect();
        assert!(silent.is_empty() && unused.is_empty(), "not explained: {silent:?}; explained and not used: {unused:?}");
    }

    #[test]
    fn codes_are_in_order_and_each_stands_once() {
        let codes: Vec<&str> = all().map(|explanation| explanation.code).collect();
        assert!(codes.is_sorted_by(|left, right| left < right), "{codes:?}");
        assert!(all().all(|explanation| explanation.cause.len() > 8 && !explanation.fix.is_empty()));
    }

    #[test]
    fn a_code_of_each_kind_is_explained() {
        assert!(explain("e1007").unwrap().to_string().starts_with("E1007: "));
        assert_eq!(explain("E2106").unwrap().fix, "swap or correct them");
        assert_eq!(explain("E9999"), None);
        assert_eq!(explain(""), None);
    }
}
