//! One function per rule: a file and a table in, complaints out. Reads no file.

use std::collections::BTreeSet;
use std::fmt;

use crate::Layer;
use crate::source::Source;

/// A rule that is broken, and where.
#[derive(Debug, PartialEq)]
pub(crate) struct Complaint {
    path: String,
    /// From 1.
    line: usize,
    text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.text)
    }
}

fn complain(source: &Source, line: usize, text: impl Into<String>) -> Complaint {
    Complaint { path: source.path.clone(), line, text: text.into() }
}

/// `crate::x` and `codecgate::x` paths lead only to layers above, or to what the table adds.
pub(crate) fn layers(source: &Source, table: &[Layer]) -> Vec<Complaint> {
    let me = source.module();
    if me == "lib" || source.is_tests() {
        return Vec::new();
    }
    let row_of = |module: &str| table.iter().position(|layer| layer.modules.contains(&module));
    let Some(row) = row_of(me) else {
        return vec![complain(source, 1, format!("the module `{me}` is in no layer: add it to the table"))];
    };
    let also: Vec<&str> =
        table.iter().flat_map(|layer| layer.also).filter(|(who, _)| *who == me).map(|(_, whom)| *whom).collect();
    let may = |other: &str| other == me || also.contains(&other) || row_of(other).is_some_and(|theirs| theirs < row);
    let broken = named_modules(&source.code).into_iter().filter(|(_, other)| !may(other));
    broken.map(|(line, other)| complain(source, line, format!("`{me}` must not name `{other}`"))).collect()
}

/// First segments after `crate::`, also in `use crate::{a, b::{c}}`.
fn named_modules(code: &str) -> BTreeSet<(usize, String)> {
    let mut found = BTreeSet::new();
    for (start, mark) in code.match_indices("crate::").chain(code.match_indices("codecgate::")) {
        if code.get(..start).is_some_and(|before| before.ends_with(is_name)) {
            continue;
        }
        let line = 1 + code.bytes().take(start).filter(|byte| *byte == b'\n').count();
        let rest = code.get(start + mark.len()..).unwrap_or_default();
        let segments = match rest.strip_prefix('{') {
            Some(group) => group_heads(group),
            None => vec![head(rest)],
        };
        // A capital is an item of the crate root, and there is none but modules.
        found.extend(segments.into_iter().filter(|name| name.starts_with(char::is_lowercase)).map(|name| (line, name)));
    }
    found
}

/// Heads of the paths in `a, b::{c, d}}`, up to the brace that closes the group.
fn group_heads(group: &str) -> Vec<String> {
    let (mut depth, mut heads, mut current) = (0_usize, Vec::new(), String::new());
    for c in group.chars() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => heads.push(head(std::mem::take(&mut current).trim())),
            c if depth == 0 => current.push(c),
            _ => {}
        }
    }
    heads.push(head(current.trim()));
    heads.retain(|head| !head.is_empty());
    heads
}

fn head(path: &str) -> String {
    path.chars().take_while(|c| is_name(*c)).collect()
}

fn is_name(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// No line of code names one of these.
pub(crate) fn purity(source: &Source, impure: &[&str]) -> Vec<Complaint> {
    if source.is_tests() {
        return Vec::new();
    }
    let lines = source.code.lines().enumerate();
    let found = lines.flat_map(|(at, line)| impure.iter().filter(|word| names(line, word)).map(move |word| (at + 1, *word)));
    found.map(|(line, word)| complain(source, line, format!("pure code must not name `{word}`"))).collect()
}

/// Crates that belong to other folders are not named here. Tests may use them as tools, such as a receiver for a webhook.
pub(crate) fn crates(source: &Source, table: &[(&str, &[&str])]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    if source.is_tests() {
        return complaints;
    }
    for (name, folders) in table.iter().filter(|(_, folders)| !folders.contains(&source.module())) {
        let named = |line: &str| names(line, &format!("{name}::")) || names(line, &format!("use {name}"));
        for (at, _) in source.code.lines().enumerate().filter(|(_, line)| named(line)) {
            complaints.push(complain(source, at + 1, format!("`{name}` belongs to {}", folders.join(", "))));
        }
    }
    complaints
}

/// A table that names what is no dependency any more holds nothing.
pub(crate) fn dependencies(manifest: &str, table: &[(&str, &[&str])]) -> Vec<Complaint> {
    let known: Vec<String> =
        manifest.lines().filter_map(|line| line.split_once(" = ")).map(|(name, _)| name.replace('-', "_")).collect();
    let missing = table.iter().filter(|(name, _)| !known.iter().any(|dependency| dependency == name));
    let text = |name: &str| format!("`{name}` is in the table of outside crates and no dependency");
    missing.map(|(name, _)| Complaint { path: "runtime/Cargo.toml".to_owned(), line: 1, text: text(name) }).collect()
}

/// A word stands in a line of code as a whole: `rand` is not in `operand`, nor `sled` in `self.sled`.
fn names(line: &str, word: &str) -> bool {
    let ends_open = word.ends_with(':');
    let is_crate = word.trim_end_matches(':').chars().all(|c| c.is_lowercase() || c == '_');
    line.match_indices(word).any(|(at, _)| {
        let before = line.get(..at).unwrap_or_default();
        let after = line.get(at + word.len()..).unwrap_or_default();
        let continues = before.ends_with(|c| is_name(c) || c == '.') || (is_crate && inside_path(before));
        let starts = word.starts_with('.') || !continues;
        starts && (ends_open || !after.starts_with(is_name))
    })
}

/// `crate::rand` or `other::rand` is another thing than `rand`; `::rand` is the crate.
fn inside_path(before: &str) -> bool {
    before.strip_suffix("::").is_some_and(|path| path.ends_with(is_name) && !path.ends_with("use "))
}

/// At most so many lines.
pub(crate) fn length(source: &Source, most: usize) -> Vec<Complaint> {
    let lines = source.text.lines().count();
    if lines <= most { Vec::new() } else { vec![complain(source, most, format!("{lines} lines are more than {most}"))] }
}

/// The first line says what the file is.
pub(crate) fn opening(source: &Source) -> Vec<Complaint> {
    let first = source.text.lines().next().unwrap_or_default();
    let says = first.strip_prefix("//! ").is_some_and(|words| words.len() >= 10 && !words.starts_with("(front door"));
    if says { Vec::new() } else { vec![complain(source, 1, "opens with `//!` and what it is")] }
}

/// File, function and type names contain no empty words. Functions of tests are sentences and may.
pub(crate) fn words(source: &Source, empty: &[&str], given: &[(&str, &str)]) -> Vec<Complaint> {
    let mut complaints = Vec::new();
    let mut hold = |line: usize, name: &str| {
        if given.iter().all(|(given, _)| *given != name) {
            let getter = name.starts_with("get_").then(|| "get_".to_owned());
            let bad = getter.or_else(|| parts(name).into_iter().find(|part| empty.contains(&part.as_str())));
            complaints.extend(bad.map(|bad| complain(source, line, format!("`{name}`: `{bad}` says nothing"))));
        }
    };
    for segment in source.path.trim_end_matches(".rs").split('/') {
        hold(1, segment);
    }
    let sentences = source.is_tests() || source.path.starts_with("tests/");
    for (at, line) in source.code.lines().enumerate() {
        let tokens: Vec<&str> = line.split(|c| !is_name(c)).filter(|token| !token.is_empty()).collect();
        for pair in tokens.windows(2) {
            if let [keyword, name] = pair
                && ["fn", "struct", "enum", "trait", "type", "mod", "union"].contains(keyword)
                && !(sentences && *keyword == "fn")
            {
                hold(at + 1, name);
            }
        }
    }
    complaints
}

/// `read_HTTPHeader2` is read, http, header2: between underscores, hyphens and before capitals.
fn parts(name: &str) -> Vec<String> {
    let (mut parts, mut before) = (vec![String::new()], '_');
    for c in name.chars() {
        let border = !is_name(c) || c == '_' || (c.is_uppercase() && before.is_lowercase());
        if border {
            parts.push(String::new());
        }
        if let Some(last) = parts.last_mut().filter(|_| c.is_alphanumeric()) {
            last.extend(c.to_lowercase());
        }
        before = c;
    }
    parts
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &[Layer] = &[
        Layer { name: "words", modules: &["model"], also: &[] },
        Layer { name: "outside", modules: &["store", "codec", "webhook"], also: &[("webhook", "store")] },
        Layer { name: "top", modules: &["app", "main"], also: &[] },
    ];

    fn at(path: &str, text: &str) -> Source {
        Source::new(path, text)
    }

    fn complained(complaints: &[Complaint], expected: &[(usize, &str)]) {
        assert_eq!(complaints.len(), expected.len(), "{complaints:#?}");
        for (complaint, (line, word)) in complaints.iter().zip(expected) {
            assert!(complaint.line == *line && complaint.text.contains(word), "{complaint} is not about {word} in line {line}");
        }
    }

    #[test]
    fn a_module_that_names_a_later_layer_is_found() {
        let text = "use crate::model::Value;\nuse crate::{app, model::{self, Event}};\nfn f() { crate::codec::call() }\nuse crate::store::S;\n";
        complained(&layers(&at("runtime/src/store/mod.rs", text), TABLE), &[(2, "`app`"), (3, "`codec`")]);
        complained(&layers(&at("runtime/src/model/value.rs", "//! x\nuse crate::store::S;\n"), TABLE), &[(2, "`store`")]);
        complained(&layers(&at("runtime/src/webhook/mod.rs", "use crate::store::S;\nuse my_crate::app;\n"), TABLE), &[]);
        complained(&layers(&at("runtime/src/main.rs", "fn main() { codecgate::cli::main() }"), TABLE), &[(1, "`cli`")]);
        complained(&layers(&at("runtime/src/novel.rs", ""), TABLE), &[(1, "in no layer")]);
    }

    #[test]
    fn tests_may_name_what_they_like() {
        let text = "#[cfg(test)]\nmod tests { use crate::app; }\n";
        assert_eq!(layers(&at("runtime/src/store/mod.rs", text), TABLE), []);
        assert_eq!(layers(&at("runtime/src/store/tests.rs", "use crate::app;"), TABLE), []);
    }

    #[test]
    fn impure_code_is_found() {
        let impure = ["tokio", "std::fs", "Instant::now", "SystemTime", "rand", ".elapsed"];
        let text = "use std::net::SocketAddr;\nuse tokio::time;\nlet x = std::fs::read(p);\nlet t = std::time::Instant::now();\n\
                    fn operand(rand: Rand) {}\nlet s = t.elapsed();\nuse std::time::SystemTime;\n// rand\n";
        let found = purity(&at("runtime/src/coap/mod.rs", text), &impure);
        complained(&found, &[(2, "tokio"), (3, "std::fs"), (4, "Instant::now"), (5, "rand"), (6, "elapsed"), (7, "SystemTime")]);
    }

    #[test]
    fn an_outside_crate_in_a_second_folder_is_found() {
        let table: &[(&str, &[&str])] = &[("sled", &["store"]), ("zip", &["profile"])];
        let text =
            "use sled::Db;\nlet x = a.iter().zip(b); crate::sled::x(); self.sled.flush();\nfn f(db: &sled::Db) {}\nuse sled;\n";
        complained(&crates(&at("runtime/src/api/mod.rs", text), table), &[(1, "sled"), (3, "sled"), (4, "sled")]);
        assert_eq!(crates(&at("runtime/src/store/log.rs", text), table), []);
        complained(&dependencies("[dependencies]\nsled = { workspace = true }\n", table), &[(1, "zip")]);
    }

    #[test]
    fn long_files_and_silent_files_are_found() {
        complained(&length(&at("a.rs", "a\nb\nc\n"), 2), &[(2, "3 lines")]);
        assert_eq!(length(&at("a.rs", "a\nb\n"), 2), []);
        for silent in ["", "use a;\n", "//!\n", "//! (front door of x)\n", "/// Something that is said.\n"] {
            assert_eq!(opening(&at("a.rs", silent)).len(), 1, "{silent}");
        }
        assert_eq!(opening(&at("a.rs", "//! Something that is said.\n")), []);
    }

    #[test]
    fn empty_words_are_found() {
        let given = [("app_data", "reason")];
        let text = "pub struct DataStore;\nfn get_value() {}\nfn forget() { let data = 1; self.get() }\nfn app_data() {}\nmod device_info {}\nfn update_rates() {}\n";
        let found = words(&at("runtime/src/util/mod.rs", text), &["data", "info", "util"], &given);
        complained(&found, &[(1, "util"), (1, "DataStore"), (2, "get_value"), (5, "device_info")]);
        let found = words(
            &at("runtime/src/store/tests.rs", "struct DataMaker;\nfn two_run_in_one_process() {}"),
            &["data", "process"],
            &[],
        );
        complained(&found, &[(1, "DataMaker")]);
    }
}
