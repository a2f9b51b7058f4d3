//! TLV: instances, resources and resource instances, nested (LwM2M Core 1.1 7.4.5). States no types.

use super::super::path::{Level, Path};
use super::{Basis, ContentError, Datum, Format, MAX_VALUES, Odd, Place, Types, Value, guess, inside, too_many};

/// Bits 7 and 6 of the first byte.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Instance = 0x00,
    ResourceInstance = 0x40,
    Multiple = 0x80,
    Resource = 0xc0,
}

impl Shape {
    fn of(first: u8) -> Self {
        match first >> 6 {
            0 => Self::Instance,
            1 => Self::ResourceInstance,
            2 => Self::Multiple,
            _ => Self::Resource,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Instance => "an object instance",
            Self::ResourceInstance => "a resource instance",
            Self::Multiple => "a multiple resource",
            Self::Resource => "a resource",
        }
    }
}

/// Values below `base`. A resource in an answer to an object is one of instance 0, as 1.0 allows for objects of one instance.
pub(super) fn decode(format: Format, base: &Path, payload: &[u8], types: Types<'_>) -> Result<Vec<Datum>, ContentError> {
    if base.level() == Level::Root {
        return Err(Odd::new("TLV for several objects", "SenML").at(format, Place::Whole));
    }
    let mut walk = Walk { format, base: *base, types, found: Vec::new() };
    walk.list(None, payload, 0)?;
    Ok(walk.found)
}

struct Walk<'t> {
    format: Format,
    base: Path,
    types: Types<'t>,
    found: Vec<Datum>,
}

impl Walk<'_> {
    /// The entries of `bytes`, which begin at `offset` of the payload and lie within `parent`.
    fn list(&mut self, parent: Option<Path>, mut bytes: &[u8], mut offset: usize) -> Result<(), ContentError> {
        while !bytes.is_empty() {
            let Entry { shape, id, value, rest } = Entry::first(bytes).map_err(|odd| odd.at(self.format, Place::Byte(offset)))?;
            let path = self.place(parent, shape, id).map_err(|odd| odd.at(self.format, Place::Byte(offset)))?;
            let inner = offset + (bytes.len() - rest.len() - value.len());
            match shape {
                Shape::Instance | Shape::Multiple if !value.is_empty() => self.list(Some(path), value, inner)?,
                Shape::Instance | Shape::Multiple if self.base.contains(&path) => {
                    self.keep(Datum::new(path, Value::None), offset)?;
                }
                // Around what was asked, and it is not there.
                Shape::Instance | Shape::Multiple => {}
                Shape::Resource | Shape::ResourceInstance => {
                    let datum = self.typed(path, value).map_err(|odd| odd.at(self.format, Place::Byte(inner)))?;
                    self.keep(datum, offset)?;
                }
            }
            offset += bytes.len() - rest.len();
            bytes = rest;
        }
        Ok(())
    }

    /// Where an entry belongs, by what it lies in or else by what was asked.
    fn place(&self, parent: Option<Path>, shape: Shape, id: u16) -> Result<Path, Odd> {
        let ids = self.base.ids();
        let upper = |level: usize| Path::new(ids.get(..level).unwrap_or(ids)).ok();
        let holder = match (shape, parent) {
            (Shape::Instance, None) => upper(1),
            (Shape::Resource | Shape::Multiple, None) if self.base.level() == Level::Object => self.base.child(0),
            (Shape::Resource | Shape::Multiple, None) => upper(2),
            (Shape::Resource | Shape::Multiple, Some(parent)) if parent.level() == Level::Instance => Some(parent),
            (Shape::ResourceInstance, None) if self.base.level() >= Level::Resource => upper(3),
            (Shape::ResourceInstance, Some(parent)) if parent.level() == Level::Resource => Some(parent),
            _ => None,
        };
        let within = parent.map_or_else(|| format!("an answer to {}", self.base), |parent| parent.to_string());
        let holder = holder.ok_or_else(|| {
            Odd::new(
                format!("{} in {within}", shape.name()),
                "instances hold resources, multiple resources hold resource instances",
            )
        })?;
        let path = holder.child(id).ok_or_else(|| Odd::new(format!("identifier {id}"), "0 to 65534"))?;
        if path.contains(&self.base) { Ok(path) } else { inside(&self.base, path) }
    }

    fn typed(&self, path: Path, value: &[u8]) -> Result<Datum, Odd> {
        let path = inside(&self.base, path)?;
        match (self.types)(&path) {
            Some(kind) => Ok(Datum::new(path, Value::from_bytes(kind, value)?)),
            None => Ok(Datum { basis: Basis::Guessed, ..Datum::new(path, guess::guess(value)) }),
        }
    }

    fn keep(&mut self, datum: Datum, offset: usize) -> Result<(), ContentError> {
        if self.found.len() >= MAX_VALUES {
            return Err(ContentError { place: Place::Byte(offset), ..too_many(self.format) });
        }
        self.found.push(datum);
        Ok(())
    }
}

/// One entry and what is behind it.
struct Entry<'p> {
    shape: Shape,
    id: u16,
    value: &'p [u8],
    rest: &'p [u8],
}

impl<'p> Entry<'p> {
    fn first(bytes: &'p [u8]) -> Result<Self, Odd> {
        let cut = || Odd::new("the end within a header", "type, identifier of 1 or 2 bytes, length of 0 to 3 bytes");
        let (first, rest) = bytes.split_first().ok_or_else(cut)?;
        let wide = usize::from(first >> 5 & 1) + 1;
        let (id, rest) = rest.split_at_checked(wide).ok_or_else(cut)?;
        let (length, rest) = rest.split_at_checked(usize::from(first >> 3 & 3)).ok_or_else(cut)?;
        let number = |bytes: &[u8]| bytes.iter().fold(0, |number: usize, byte| number << 8 | usize::from(*byte));
        let length = if length.is_empty() { usize::from(first & 7) } else { number(length) };
        let id = u16::try_from(number(id)).map_err(|_| cut())?;
        let (value, rest) = rest.split_at_checked(length).ok_or_else(|| {
            Odd::new(format!("a length of {length} with {} bytes left", rest.len()), "as many bytes as the length says")
        })?;
        Ok(Self { shape: Shape::of(*first), id, value, rest })
    }
}

/// Values at and below `base`, in the order of their paths.
pub(super) fn encode(format: Format, base: &Path, values: &[Datum]) -> Result<Vec<u8>, ContentError> {
    let mut sorted: Vec<&Datum> = values.iter().collect();
    sorted.sort_by_key(|datum| datum.path);
    build(base, &sorted).map_err(|odd| odd.at(format, Place::Whole))
}

fn build(base: &Path, sorted: &[&Datum]) -> Result<Vec<u8>, Odd> {
    if let Some(datum) = sorted.iter().find(|datum| datum.time.is_some()) {
        return Err(Odd::new(format!("a value of {} with a time", datum.path), "SenML or LwM2M JSON, which have a place for it"));
    }
    if let Some([twice, _]) = sorted.windows(2).find(|pair| matches!(pair, [a, b] if a.path == b.path)) {
        return Err(Odd::new(format!("two values of {}", twice.path), "one each"));
    }
    match base.level() {
        Level::Root => Err(Odd::new("values of several objects", "SenML")),
        Level::Object => grouped(base, sorted, instance),
        Level::Instance => match sorted {
            [nothing] if nothing.path == *base => Ok(Vec::new()),
            _ => grouped(base, sorted, resource),
        },
        Level::Resource if sorted.is_empty() => Ok(Vec::new()),
        Level::Resource => resource(base, sorted),
        Level::ResourceInstance => {
            sorted.iter().map(|datum| leaf(Shape::ResourceInstance, datum)).collect::<Result<Vec<_>, _>>().map(|all| all.concat())
        }
    }
}

/// One entry for each child of `parent`.
fn grouped(parent: &Path, sorted: &[&Datum], write: fn(&Path, &[&Datum]) -> Result<Vec<u8>, Odd>) -> Result<Vec<u8>, Odd> {
    let child = |datum: &Datum| datum.path.ids().get(parent.ids().len()).and_then(|id| parent.child(*id));
    let mut out = Vec::new();
    for group in sorted.chunk_by(|a, b| child(a) == child(b)) {
        let path = group.first().and_then(|datum| child(datum));
        let path = path.ok_or_else(|| Odd::new(format!("a value of {parent} itself"), "values of what is in it"))?;
        out.extend(write(&path, group)?);
    }
    Ok(out)
}

fn instance(path: &Path, group: &[&Datum]) -> Result<Vec<u8>, Odd> {
    // An instance that is only named has no resources.
    let inner = match group {
        [nothing] if nothing.path == *path => empty(nothing)?,
        _ => grouped(path, group, resource)?,
    };
    wrap(Shape::Instance, path, &inner)
}

fn resource(path: &Path, group: &[&Datum]) -> Result<Vec<u8>, Odd> {
    match group {
        [datum] if datum.path == *path && datum.value != Value::None => leaf(Shape::Resource, datum),
        [nothing] if nothing.path == *path => wrap(Shape::Multiple, path, &empty(nothing)?),
        _ => {
            let inner = grouped(path, group, |_, group| match group {
                [datum] => leaf(Shape::ResourceInstance, datum),
                _ => Err(Odd::new("two values of a resource instance", "one")),
            })?;
            wrap(Shape::Multiple, path, &inner)
        }
    }
}

fn empty(datum: &Datum) -> Result<Vec<u8>, Odd> {
    match datum.value {
        Value::None => Ok(Vec::new()),
        _ => Err(Odd::new(format!("a value of the instance {}", datum.path), "values of its resources")),
    }
}

fn leaf(shape: Shape, datum: &Datum) -> Result<Vec<u8>, Odd> {
    wrap(shape, &datum.path, &datum.value.to_bytes())
}

fn wrap(shape: Shape, path: &Path, value: &[u8]) -> Result<Vec<u8>, Odd> {
    let id = path.ids().last().copied().unwrap_or_default().to_be_bytes();
    let id = if let [0, low] = id { vec![low] } else { id.to_vec() };
    let too_long = || Odd::new(format!("{} bytes of {path}", value.len()), "fewer than 2^24");
    let length = u32::try_from(value.len()).ok().filter(|length| *length < 1 << 24).ok_or_else(too_long)?;
    let (in_type, length) = match length.to_be_bytes() {
        [0, 0, 0, low] if low < 8 => (low, vec![]),
        [0, 0, 0, low] => (1 << 3, vec![low]),
        [0, 0, middle, low] => (2 << 3, vec![middle, low]),
        [_, high, middle, low] => (3 << 3, vec![high, middle, low]),
    };
    let first = shape as u8 | if id.len() == 2 { 0x20 } else { 0 } | in_type;
    Ok([&[first], id.as_slice(), &length, value].concat())
}
