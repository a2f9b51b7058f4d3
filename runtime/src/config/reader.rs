//! Reads a TOML document key by key and remembers every mistake, with its line. Knows no key by itself.

use std::cell::RefCell;
use std::fmt;
use std::net::SocketAddr;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// One mistake of a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Line of the document, from 1.
    pub line: usize,
    /// Path of the key, such as `coap.listen`; empty when the document is no TOML.
    pub key: String,
    /// What stands there. Of a secret only how long it is.
    pub found: String,
    /// What could stand there.
    pub allowed: String,
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, found, allowed } = self;
        let separator = if key.is_empty() { "" } else { ": " };
        write!(f, "line {line}: {key}{separator}found {found}; expected {allowed}")
    }
}

/// A document that is TOML; whether its keys are good is found out by reading them.
pub(super) struct Document<'a> {
    text: &'a str,
    root: Spanned<DeTable<'a>>,
    mistakes: RefCell<Vec<Mistake>>,
    known: RefCell<Vec<String>>,
    tables: RefCell<Vec<String>>,
}

/// A table of the document. Absent tables read as empty.
pub(super) struct Section<'d> {
    document: &'d Document<'d>,
    path: String,
    table: Option<&'d DeTable<'d>>,
    line: usize,
}

impl<'a> Document<'a> {
    /// All syntax errors at once.
    pub(super) fn parse(text: &'a str) -> Result<Self, Vec<Mistake>> {
        let (root, errors) = DeTable::parse_recoverable(text);
        if errors.is_empty() {
            let (mistakes, known, tables) = (RefCell::default(), RefCell::default(), RefCell::default());
            return Ok(Self { text, root, mistakes, known, tables });
        }
        let broken = |error: toml::de::Error| {
            let line = line_of(text, error.span().map_or(0, |span| span.start));
            let written = text.lines().nth(line - 1).unwrap_or_default().trim();
            // A broken line may hold a key of the API: its value is not repeated.
            let shown = written.split('=').next().unwrap_or_default().trim();
            Mistake { line, key: String::new(), found: format!("`{shown}`"), allowed: format!("TOML ({})", error.message()) }
        };
        Err(errors.into_iter().map(broken).collect())
    }

    pub(super) fn root(&self) -> Section<'_> {
        Section { document: self, path: String::new(), table: Some(self.root.get_ref()), line: 1 }
    }

    /// Every path that was asked for.
    #[cfg(test)]
    pub(super) fn known(&self) -> Vec<String> {
        self.known.borrow().clone()
    }

    /// After all keys were read: the mistakes so far, and the keys that nobody asked for.
    pub(super) fn finish(self) -> Result<(), Vec<Mistake>> {
        self.unknown(self.root.get_ref(), "");
        let mut mistakes = self.mistakes.into_inner();
        mistakes.sort_by_key(|mistake| mistake.line);
        if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
    }

    fn unknown(&self, table: &DeTable<'_>, path: &str) {
        for (key, value) in table {
            let full = join(path, key.get_ref());
            if self.tables.borrow().contains(&full) {
                if let Some(inner) = value.get_ref().as_table() {
                    self.unknown(inner, &full);
                }
            } else if !self.known.borrow().contains(&full) {
                let allowed = self.nearest(&full, path);
                self.mistake(key.span(), &full, "a key that does not exist".to_owned(), allowed);
            }
        }
    }

    /// The key that was probably meant: the same name elsewhere, or the closest spelling; else all that may stand in this table.
    fn nearest(&self, full: &str, path: &str) -> String {
        let (known, tables) = (self.known.borrow(), self.tables.borrow());
        let last = |text: &str| text.rsplit('.').next().unwrap_or_default().to_owned();
        let distance = |candidate: &String| {
            let moved = if last(candidate) == last(full) { 1 } else { usize::MAX };
            edits(full, candidate).min(moved)
        };
        let best = known.iter().chain(tables.iter()).min_by_key(|candidate| distance(candidate));
        match best {
            Some(best) if distance(best) <= 1 + full.len() / 4 => format!("`{best}` perhaps"),
            _ => {
                let parent = |candidate: &&String| candidate.rsplit_once('.').map_or("", |(parent, _)| parent) == path;
                let here: Vec<String> = known.iter().chain(tables.iter()).filter(parent).map(|key| last(key)).collect();
                format!("one of {}", here.join(", "))
            }
        }
    }

    fn mistake(&self, at: Range<usize>, key: &str, found: String, allowed: String) {
        let line = line_of(self.text, at.start);
        self.mistakes.borrow_mut().push(Mistake { line, key: key.to_owned(), found, allowed });
    }
}

impl<'d> Section<'d> {
    pub(super) fn section(&self, name: &str) -> Section<'d> {
        let path = join(&self.path, name);
        self.document.tables.borrow_mut().push(path.clone());
        let entry = self.table.and_then(|table| table.get_key_value(name));
        let line = entry.map_or(self.line, |(key, _)| line_of(self.document.text, key.span().start));
        let table = entry.and_then(|(_, value)| {
            let table = value.get_ref().as_table();
            if table.is_none() {
                self.document.mistake(value.span(), &path, found(value.get_ref()), format!("a table: [{path}]"));
            }
            table
        });
        Section { document: self.document, path, table, line }
    }

    /// A whole number within a range.
    pub(super) fn count<T>(&self, name: &str, allowed: RangeInclusive<T>, default: T) -> T
    where
        T: TryFrom<i64> + PartialOrd + fmt::Display,
    {
        let words = format!("a whole number from {} to {}", allowed.start(), allowed.end());
        let take = |value: &DeValue<'_>| {
            let integer = value.as_integer()?;
            let number = i64::from_str_radix(integer.as_str(), integer.radix()).ok()?;
            T::try_from(number).ok().filter(|number| allowed.contains(number))
        };
        self.take(name, &words, take).unwrap_or(default)
    }

    /// A number within a range, with or without a fraction.
    pub(super) fn number(&self, name: &str, allowed: RangeInclusive<f64>, default: f64) -> f64 {
        let words = format!("a number from {} to {}", allowed.start(), allowed.end());
        let take = |value: &DeValue<'_>| {
            let text =
                value.as_float().map(|float| float.as_str()).or_else(|| value.as_integer().map(|integer| integer.as_str()));
            text?.parse::<f64>().ok().filter(|number| allowed.contains(number))
        };
        self.take(name, &words, take).unwrap_or(default)
    }

    /// Seconds, with or without a fraction.
    pub(super) fn seconds(&self, name: &str, allowed: RangeInclusive<f64>, default: Duration) -> Duration {
        let seconds = self.number(name, allowed, default.as_secs_f64());
        Duration::try_from_secs_f64(seconds).unwrap_or(default)
    }

    /// Whole milliseconds.
    pub(super) fn millis(&self, name: &str, allowed: RangeInclusive<u64>, default: Duration) -> Duration {
        let millis = u64::try_from(default.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(self.count(name, allowed, millis))
    }

    pub(super) fn flag(&self, name: &str, default: bool) -> bool {
        self.take(name, "true or false", DeValue::as_bool).unwrap_or(default)
    }

    /// An IP address and a port.
    pub(super) fn address(&self, name: &str, default: SocketAddr) -> SocketAddr {
        let words = "an IP address and a port, such as \"127.0.0.1:8080\" or \"[::]:5683\"; port 0 = any free one";
        self.take(name, words, |value| value.as_str()?.parse().ok()).unwrap_or(default)
    }

    pub(super) fn one_of<T: Copy>(&self, name: &str, choices: &[(&str, T)], default: T) -> T {
        let words: Vec<String> = choices.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        let take = |value: &DeValue<'_>| {
            let text = value.as_str()?;
            choices.iter().find(|(word, _)| *word == text).map(|(_, choice)| *choice)
        };
        self.take(name, &words.join(" or "), take).unwrap_or(default)
    }

    /// A text that `check` takes; its error says what would be taken.
    pub(super) fn text<T>(&self, name: &str, allowed: &str, check: impl Fn(&str) -> Result<T, String>) -> Option<T> {
        let value = self.value(name)?;
        match value.get_ref().as_str().map(check) {
            Some(Ok(taken)) => Some(taken),
            Some(Err(allowed)) => self.refuse(name, value, &allowed),
            None => self.refuse(name, value, allowed),
        }
    }

    /// Texts that no message repeats.
    pub(super) fn secrets(&self, name: &str, allowed: &str, fits: impl Fn(&str) -> bool) -> Option<Vec<String>> {
        let value = self.value(name)?;
        let full = join(&self.path, name);
        let Some(list) = value.get_ref().as_array() else {
            self.document.mistake(value.span(), &full, format!("a {}", value.get_ref().type_str()), allowed.to_owned());
            return None;
        };
        let mut texts = Vec::new();
        for (position, item) in list.iter().enumerate() {
            match item.get_ref().as_str() {
                Some(text) if fits(text) => texts.push(text.to_owned()),
                other => {
                    let kind = item.get_ref().type_str();
                    let shown =
                        other.map_or(format!("a {kind}"), |text| format!("a text of {} characters", text.chars().count()));
                    self.document.mistake(item.span(), &format!("{full}[{position}]"), shown, allowed.to_owned());
                }
            }
        }
        Some(texts)
    }

    /// Two keys that are good alone contradict each other.
    pub(super) fn contradiction(&self, name: &str, found: &str, allowed: &str) {
        let span = self.table.and_then(|table| table.get(name)).map(Spanned::span);
        let line = span.map_or(self.line, |span| line_of(self.document.text, span.start));
        let (key, found, allowed) = (join(&self.path, name), found.to_owned(), allowed.to_owned());
        self.document.mistakes.borrow_mut().push(Mistake { line, key, found, allowed });
    }

    fn take<T>(&self, name: &str, allowed: &str, take: impl Fn(&DeValue<'d>) -> Option<T>) -> Option<T> {
        let value = self.value(name)?;
        take(value.get_ref()).or_else(|| self.refuse(name, value, allowed))
    }

    fn refuse<T>(&self, name: &str, value: &Spanned<DeValue<'_>>, allowed: &str) -> Option<T> {
        self.document.mistake(value.span(), &join(&self.path, name), found(value.get_ref()), allowed.to_owned());
        None
    }

    fn value(&self, name: &str) -> Option<&'d Spanned<DeValue<'d>>> {
        self.document.known.borrow_mut().push(join(&self.path, name));
        self.table?.get(name)
    }
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// From 1.
fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count()
}

fn found(value: &DeValue<'_>) -> String {
    match value {
        DeValue::String(text) => format!("\"{}\"", text.escape_debug()),
        DeValue::Integer(number) => number.to_string(),
        DeValue::Float(number) => number.to_string(),
        DeValue::Boolean(flag) => flag.to_string(),
        other => format!("a {}", other.type_str()),
    }
}

/// Levenshtein distance.
fn edits(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (i, a) in left.chars().enumerate() {
        let mut next = vec![i + 1];
        for ((b, above), diagonal) in right.iter().zip(row.iter().skip(1)).zip(&row) {
            let beside = next.last().copied().unwrap_or_default();
            next.push((above + 1).min(beside + 1).min(diagonal + usize::from(a != *b)));
        }
        row = next;
    }
    row.last().copied().unwrap_or_default()
}
