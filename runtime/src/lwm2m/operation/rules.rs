//! What may be asked at all, before a device is bothered with it (LwM2M Core 1.1 6.3, 6.4, 7.3). What a certain device has and
//! allows is for the device to say.

use std::fmt::Display;

use super::super::content::{Attributes, Datum, Format, Kind, MAX_VALUES, Mistake};
use super::super::oma::{self, Operations};
use super::super::path::{Level, MAX_ID, Path};
use super::{Offer, Operation, Writing, is_value};

/// Objects with credentials: only a bootstrap server may ask for them (LwM2M Core 1.1 6.1.7, Appendix E.1).
const SECRET: [(u16, &str); 2] = [(0, "Security"), (21, "OSCORE")];
/// Its one instance is always there (LwM2M Core 1.1 6.3.8).
const DEVICE: u16 = 3;
/// Attributes that a Write-Attributes may unset.
const ATTRIBUTES: [&str; 7] = ["pmin", "pmax", "gt", "lt", "st", "epmin", "epmax"];

pub(super) fn mistakes(operation: &Operation, offer: &Offer) -> Vec<Mistake> {
    let mut check = Check { offer, found: Vec::new() };
    match operation {
        Operation::Read { path, .. } | Operation::Observe { path, .. } | Operation::CancelObserve { path } => {
            check.path(path, operation, Level::Object..=Level::ResourceInstance);
            check.readable(path);
        }
        Operation::Discover { path } => check.path(path, operation, Level::Object..=Level::Resource),
        Operation::Write { path, writing, values, .. } => check.write(path, *writing, values, operation),
        Operation::Execute { path, arguments } => check.execute(path, arguments, operation),
        Operation::Create { path, instance, values, format } => {
            check.create(path, *instance, values, operation);
            if instance.is_none() && format.is_some_and(|format| !matches!(format, Format::Tlv | Format::TlvLegacy)) {
                check.add("instance", "needs the number of the instance, which only TLV can leave to the device");
            }
        }
        Operation::Delete { path } => check.delete(path, operation),
        Operation::WriteAttributes { path, attributes, unset } => {
            check.path(path, operation, Level::Object..=Level::ResourceInstance);
            check.attributes(path, attributes, unset);
        }
        Operation::ReadComposite { paths }
        | Operation::ObserveComposite { paths }
        | Operation::CancelObserveComposite { paths } => check.composite(paths, operation),
        Operation::WriteComposite { values } => {
            check.version(operation.name(), "1.1", (1, 1));
            check.values(values);
            if values.is_empty() {
                check.add(operation.name(), "no values, expected at least one");
            }
        }
    }
    check.found
}

struct Check<'o> {
    offer: &'o Offer,
    found: Vec<Mistake>,
}

impl Check<'_> {
    fn add(&mut self, at: impl Display, reason: impl Into<String>) {
        self.found.push(Mistake::new(at, reason));
    }

    fn version(&mut self, what: &str, needed: &str, version: (u8, u8)) {
        if !self.offer.speaks(version.0, version.1) {
            let (major, minor) = self.offer.version;
            self.add(what, format!("needs LwM2M {needed}, the device speaks {major}.{minor}"));
        }
    }

    /// The levels that an operation has, and the objects that no server may ask for.
    fn path(&mut self, path: &Path, operation: &Operation, levels: std::ops::RangeInclusive<Level>) {
        if !levels.contains(&path.level()) {
            let (first, last) = (level(*levels.start()), level(*levels.end()));
            let expected = if first == last { first.to_owned() } else { format!("{first} to {last}") };
            self.add(path, format!("{} of {}, expected {expected}", operation.name(), level(path.level())));
        } else if path.level() == Level::ResourceInstance {
            self.version("a resource instance", "1.1", (1, 1));
        }
        self.secret(path);
    }

    fn secret(&mut self, path: &Path) {
        if let Some((_, name)) = SECRET.iter().find(|(id, _)| path.object() == Some(*id)) {
            self.add(path, format!("the {name} object is for bootstrap servers only; devices answer 4.01"));
        }
    }

    fn readable(&mut self, path: &Path) {
        if oma::resource(path).is_some_and(|resource| resource.operations == Operations::Execute) {
            self.add(path, "is executed and has no value");
        }
    }

    /// Values that are written: resources of their type, each once.
    fn values(&mut self, values: &[Datum]) {
        if values.len() > MAX_VALUES {
            self.add("values", format!("{} values, expected at most {MAX_VALUES}", values.len()));
            return;
        }
        let mut paths: Vec<&Path> = values.iter().map(|datum| &datum.path).collect();
        paths.sort_unstable();
        for pair in paths.windows(2) {
            match pair {
                [a, b] if a == b => self.add(a, "is there twice"),
                [a, b] if a.contains(b) && is_value(a) => self.add(a, format!("has a value and the instance {b}")),
                _ => {}
            }
        }
        for datum in values {
            self.secret(&datum.path);
            if !is_value(&datum.path) {
                self.add(datum.path, "is no resource and has no value itself");
                continue;
            }
            self.readable(&datum.path);
            match (oma::kind(&datum.path), datum.value.kind()) {
                (_, None) => self.add(datum.path, "has no value"),
                (Some(expected), Some(kind)) if expected != kind => {
                    self.add(datum.path, format!("a value of type {}, expected {}", kind.name(), expected.name()));
                }
                _ => {}
            }
        }
    }

    fn below(&mut self, path: &Path, values: &[Datum]) {
        for datum in values.iter().filter(|datum| !path.contains(&datum.path)) {
            self.add(datum.path, format!("does not lie in {path}"));
        }
    }

    fn write(&mut self, path: &Path, writing: Writing, values: &[Datum], operation: &Operation) {
        let last = if writing == Writing::Replace { Level::ResourceInstance } else { Level::Resource };
        self.path(path, operation, Level::Instance..=last);
        if writing == Writing::Update && path.level() == Level::Resource {
            self.version("Write (partial update) of a resource", "1.1", (1, 1));
        }
        if values.is_empty() && (writing == Writing::Update || path.level() != Level::Instance) {
            self.add(path, "no values, expected at least one");
        }
        self.below(path, values);
        self.values(values);
    }

    fn execute(&mut self, path: &Path, arguments: &str, operation: &Operation) {
        self.path(path, operation, Level::Resource..=Level::Resource);
        let known = oma::resource(path).map(|resource| resource.operations);
        if known.is_some_and(|operations| !matches!(operations, Operations::Execute | Operations::None)) {
            self.add(path, "has a value and is not executed");
        }
        if !are_arguments(arguments) {
            self.add("arguments", format!("`{arguments}`, expected digits 0 to 9 with values, such as 0='5',1"));
        }
    }

    fn create(&mut self, path: &Path, instance: Option<u16>, values: &[Datum], operation: &Operation) {
        self.path(path, operation, Level::Object..=Level::Object);
        if instance.is_some_and(|id| id > MAX_ID) {
            self.add("instance", format!("{}, expected at most {MAX_ID}", MAX_ID + 1));
        }
        self.below(path, values);
        self.values(values);
        let wanted = instance.or_else(|| values.first().and_then(|datum| datum.path.instance()));
        for datum in values.iter().filter(|datum| is_value(&datum.path) && datum.path.instance() != wanted) {
            self.add(datum.path, format!("lies in another instance than {}", wanted.unwrap_or_default()));
        }
    }

    fn delete(&mut self, path: &Path, operation: &Operation) {
        if path.level() == Level::ResourceInstance {
            self.version("Delete of a resource instance", "1.2", (1, 2));
            self.secret(path);
        } else {
            self.path(path, operation, Level::Instance..=Level::Instance);
        }
        if path.object() == Some(DEVICE) && path.level() == Level::Instance {
            self.add(path, "the Device object's instance cannot be deleted");
        }
    }

    fn attributes(&mut self, path: &Path, attributes: &Attributes, unset: &[String]) {
        let set = attributes.parameters();
        if set.is_empty() && unset.is_empty() {
            self.add(path, format!("no attributes, expected some of {}", ATTRIBUTES.join(", ")));
        }
        for name in unset {
            if !ATTRIBUTES.contains(&name.as_str()) {
                self.add(name, format!("no attribute, expected one of {}", ATTRIBUTES.join(", ")));
            } else if set.iter().any(|parameter| parameter.split('=').next() == Some(name)) {
                self.add(name, "is set and unset");
            }
        }
        let Attributes { pmin, pmax, gt, lt, st, epmin, epmax } = *attributes;
        if epmin.is_some() || epmax.is_some() {
            self.version("epmin and epmax", "1.1", (1, 1));
        }
        for (name, least, most) in [("pmin and pmax", pmin, pmax), ("epmin and epmax", epmin, epmax)] {
            // A pmax of 0 stands for none (LwM2M Core 1.1 7.3.2).
            if let (Some(least), Some(most)) = (least, most.filter(|most| *most > 0))
                && least > most
            {
                self.add(name, format!("{least} and {most}, expected the least first"));
            }
        }
        let numeric = |kind| matches!(kind, Kind::Integer | Kind::Unsigned | Kind::Float);
        if gt.or(lt).or(st).is_some() && (!is_value(path) || oma::kind(path).is_some_and(|kind| !numeric(kind))) {
            self.add(path, "gt, lt and st are for resources that are numbers");
        }
        if let (Some(gt), Some(lt)) = (gt, lt)
            && lt + 2.0 * st.unwrap_or(0.0) >= gt
        {
            self.add("lt", format!("lt {lt} plus twice the step must lie below gt {gt}"));
        }
        if st.is_some_and(|st| st <= 0.0) {
            self.add("st", "expected a step above 0");
        }
    }

    fn composite(&mut self, paths: &[Path], operation: &Operation) {
        self.version(operation.name(), "1.1", (1, 1));
        if paths.is_empty() || paths.len() > MAX_VALUES {
            self.add(operation.name(), format!("{} paths, expected 1 to {MAX_VALUES}", paths.len()));
        }
        for path in paths.iter().take(MAX_VALUES) {
            self.secret(path);
            self.readable(path);
        }
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Root => "the root",
        Level::Object => "an object",
        Level::Instance => "an object instance",
        Level::Resource => "a resource",
        Level::ResourceInstance => "a resource instance",
    }
}

/// `0='5',1`: digits, each with a text that has no quotation mark (LwM2M Core 1.1 6.3.5).
fn are_arguments(text: &str) -> bool {
    let mut rest = text;
    if rest.is_empty() {
        return true;
    }
    loop {
        let Some(behind) = rest.strip_prefix(|c: char| c.is_ascii_digit()) else { return false };
        rest = match behind.strip_prefix("='").map(|value| value.split_once('\'')) {
            Some(Some((value, behind))) if value.bytes().all(|b| (0x21..0x7f).contains(&b)) => behind,
            Some(_) => return false,
            None => behind,
        };
        match rest.strip_prefix(',') {
            Some(next) => rest = next,
            None => return rest.is_empty(),
        }
    }
}
