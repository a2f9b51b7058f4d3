//! A Rust file as the rules see it: its text without comments, string contents and test modules.

use std::fs;
use std::path::{Path, PathBuf};

/// A file of the repository.
pub(crate) struct Source {
    /// Relative to the repository, with `/`.
    pub(crate) path: String,
    /// As it is.
    pub(crate) text: String,
    /// Line by line as in `text`, with comments, string contents and `#[cfg(test)]` modules blanked out.
    pub(crate) code: String,
}

impl Source {
    pub(crate) fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), text: text.to_owned(), code: without_tests(&without_words(text)) }
    }

    /// All `*.rs` files below some folders, sorted. Folders named `target` are not entered.
    pub(crate) fn below(root: &Path, folders: &[&str]) -> Vec<Self> {
        let mut paths = Vec::new();
        for folder in folders {
            collect(&root.join(folder), &mut paths);
        }
        paths.sort();
        let read = |path: &PathBuf| {
            let relative = path.strip_prefix(root).unwrap().to_string_lossy().replace('\\', "/");
            Self::new(&relative, &fs::read_to_string(path).unwrap())
        };
        paths.iter().map(read).collect()
    }

    /// Top-level module of `runtime/src`: `store` of `runtime/src/store/mod.rs`, `clock` of `runtime/src/clock.rs`.
    pub(crate) fn module(&self) -> &str {
        let inside = self.path.strip_prefix("runtime/src/").unwrap_or(&self.path);
        let first = inside.split('/').next().unwrap_or(inside);
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// A file of tests only, beside the code that it tests.
    pub(crate) fn is_tests(&self) -> bool {
        let name = self.path.rsplit('/').next().unwrap_or(&self.path).trim_end_matches(".rs");
        name == "tests" || name.ends_with("_tests") || name.starts_with("tests_") || self.path.contains("/tests/")
    }
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "target") {
            collect(&path, paths);
        } else if path.extension().is_some_and(|end| end == "rs") {
            paths.push(path);
        }
    }
}

/// Blanks out comments and the contents of strings and characters; lines stay where they are.
fn without_words(text: &str) -> String {
    let chars: Vec<char> = text.chars().collect();
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let (mut out, mut i) = (String::with_capacity(text.len()), 0);
    let blank = |c: char| if c == '\n' { '\n' } else { ' ' };
    while i < chars.len() {
        let begins_name = i == 0 || !(at(i - 1).is_alphanumeric() || at(i - 1) == '_');
        let raw = raw_string(&chars, i).filter(|_| begins_name);
        let end = if at(i) == '/' && at(i + 1) == '/' {
            (i..chars.len()).find(|&j| at(j) == '\n').unwrap_or(chars.len())
        } else if at(i) == '/' && at(i + 1) == '*' {
            (i + 2..chars.len()).find(|&j| at(j) == '*' && at(j + 1) == '/').map_or(chars.len(), |j| j + 2)
        } else if let Some(end) = raw {
            end
        } else if at(i) == '"' {
            quoted(&chars, i, '"')
        } else if at(i) == '\'' && (at(i + 1) == '\\' || at(i + 2) == '\'') {
            quoted(&chars, i, '\'')
        } else {
            out.push(at(i));
            i += 1;
            continue;
        };
        out.extend((i..end).map(|j| blank(at(j))));
        i = end;
    }
    out
}

/// End of the raw string that begins at `start`, if one does: r"..", br#".."#.
fn raw_string(chars: &[char], start: usize) -> Option<usize> {
    let at = |i: usize| chars.get(i).copied().unwrap_or('\0');
    let mut i = start + usize::from(at(start) == 'b');
    if at(i) != 'r' {
        return None;
    }
    i += 1;
    let hashes = (i..).take_while(|&j| at(j) == '#').count();
    i += hashes;
    if at(i) != '"' {
        return None;
    }
    let closes = |j: usize| at(j) == '"' && (1..=hashes).all(|n| at(j + n) == '#');
    Some((i + 1..chars.len()).find(|&j| closes(j)).map_or(chars.len(), |j| j + 1 + hashes))
}

fn quoted(chars: &[char], start: usize, mark: char) -> usize {
    let mut i = start + 1;
    while let Some(&c) = chars.get(i) {
        match c {
            '\\' => i += 2,
            c if c == mark => return i + 1,
            _ => i += 1,
        }
    }
    chars.len()
}

/// Blanks out every item behind `#[cfg(test)]`: a module with its braces, or a line that ends with `;`.
fn without_tests(code: &str) -> String {
    const MARK: &str = "#[cfg(test)]";
    let mut out = String::with_capacity(code.len());
    let mut rest = code;
    while let Some(start) = rest.find(MARK) {
        let (before, item) = rest.split_at(start);
        out.push_str(before);
        let end = item_end(item);
        out.extend(item.chars().take(end).map(|c| if c == '\n' { '\n' } else { ' ' }));
        rest = item.char_indices().nth(end).map_or("", |(byte, _)| item.split_at(byte).1);
    }
    out.push_str(rest);
    out
}

/// In characters.
fn item_end(item: &str) -> usize {
    let mut depth = 0_usize;
    for (position, c) in item.chars().enumerate() {
        match c {
            '{' => depth += 1,
            '}' if depth <= 1 => return position + 1,
            '}' => depth -= 1,
            ';' if depth == 0 => return position + 1,
            _ => {}
        }
    }
    item.chars().count()
}

#[test]
fn comments_strings_and_tests_are_not_code() {
    let text = "//! use crate::a;\nlet s = \"use crate::b; \\\" }\"; let r = r#\"crate::c \"#;\nlet c = '\"'; fn life<'a>(x: &'a str) {}\n/* crate::d\n*/ \
                #[cfg(test)]\nmod tests {\n  use crate::e; fn f() { }\n}\n#[cfg(test)]\nuse crate::g;\nuse crate::h;\n";
    let source = Source::new("runtime/src/store/mod.rs", text);
    for gone in ["a;", "b;", "crate::c", "crate::d", "crate::e", "crate::g"] {
        assert!(!source.code.contains(gone), "{gone} in {}", source.code);
    }
    assert!(source.code.contains("use crate::h;") && source.code.contains("fn life<'a>(x: &'a str) {}"), "{}", source.code);
    assert_eq!(source.code.lines().count(), text.lines().count());
    assert_eq!(source.module(), "store");
}
