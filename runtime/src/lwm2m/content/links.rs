//! The answer to a Discover: paths with attributes in CoRE link format (RFC 6690, LwM2M Core 1.1 6.3.2, 7.3).

use std::fmt::Write as _;
use std::str::FromStr;

use super::super::path::Path;
use super::{ContentError, Format, MAX_PAYLOAD_BYTES, MAX_VALUES, Odd, Place, clip};

/// Attributes that say when a device notifies (LwM2M Core 1.1 7.3.2).
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Attributes {
    /// Least seconds between two notifications.
    pub pmin: Option<u32>,
    /// Most seconds between two notifications.
    pub pmax: Option<u32>,
    /// Notify when the value crosses this upwards or downwards.
    pub gt: Option<f64>,
    /// The same at another value, below `gt`.
    pub lt: Option<f64>,
    /// Notify when the value changed by as much.
    pub st: Option<f64>,
    /// Least seconds between two evaluations.
    pub epmin: Option<u32>,
    /// Most seconds between two evaluations.
    pub epmax: Option<u32>,
}

impl Attributes {
    /// Those that are there, as `pmin=10`.
    #[must_use]
    pub fn parameters(&self) -> Vec<String> {
        let whole = [("pmin", self.pmin), ("pmax", self.pmax), ("epmin", self.epmin), ("epmax", self.epmax)];
        let whole = whole.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)));
        let numbers = [("gt", self.gt), ("lt", self.lt), ("st", self.st)];
        whole.chain(numbers.into_iter().filter_map(|(name, value)| Some(format!("{name}={}", value?)))).collect()
    }

    /// Takes `pmin=10`; false if it is none of these attributes.
    fn take(&mut self, name: &str, value: &str) -> Result<bool, Odd> {
        match name {
            "pmin" => self.pmin = Some(read(name, value)?),
            "pmax" => self.pmax = Some(read(name, value)?),
            "epmin" => self.epmin = Some(read(name, value)?),
            "epmax" => self.epmax = Some(read(name, value)?),
            "gt" => self.gt = Some(finite(name, value)?),
            "lt" => self.lt = Some(finite(name, value)?),
            "st" => self.st = Some(finite(name, value)?),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

/// One link.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// What it leads to; below the device's root, wherever that lies.
    pub path: Path,
    /// When it is notified.
    pub attributes: Attributes,
    /// `ver`, the version of an object.
    pub version: Option<String>,
    /// `dim`, how many instances a multiple resource has.
    pub dimension: Option<u32>,
    /// `ssid`, the short id of the server that a security or server instance is for.
    pub server: Option<u16>,
    /// `uri` of that server.
    pub uri: Option<String>,
    /// All others as they came, without quotation marks.
    pub others: Vec<(String, Option<String>)>,
}

impl Link {
    /// A link without attributes.
    #[must_use]
    pub fn new(path: Path) -> Self {
        let attributes = Attributes::default();
        Self { path, attributes, version: None, dimension: None, server: None, uri: None, others: Vec::new() }
    }

    fn take(&mut self, name: &str, value: Option<&str>) -> Result<(), Odd> {
        match (name, value) {
            (name, Some(value)) if self.attributes.take(name, value)? => {}
            ("ver", Some(value)) => self.version = Some(value.to_owned()),
            ("dim", Some(value)) => self.dimension = Some(read(name, value)?),
            ("ssid", Some(value)) => self.server = Some(read(name, value)?),
            ("uri", Some(value)) => self.uri = Some(value.to_owned()),
            _ => self.others.push((name.to_owned(), value.map(str::to_owned))),
        }
        Ok(())
    }
}

fn read<T: FromStr>(name: &str, value: &str) -> Result<T, Odd> {
    let plain = value.bytes().all(|b| b.is_ascii_digit());
    let number = plain.then(|| value.parse().ok()).flatten();
    number.ok_or_else(|| Odd::new(format!("{name}={}", clip(value)), format!("a whole number as {name}")))
}

fn finite(name: &str, value: &str) -> Result<f64, Odd> {
    super::value::decimal(value).ok_or_else(|| Odd::new(format!("{name}={}", clip(value)), format!("a decimal number as {name}")))
}

/// The links of an answer. Links that lead to no object, such as one to the root, are left out.
///
/// # Errors
/// Not link format, or more than [`MAX_VALUES`] links, with its place.
pub fn links(payload: &[u8]) -> Result<Vec<Link>, ContentError> {
    let at = |place: usize, odd: Odd| odd.at(Format::Link, Place::Byte(place));
    let text =
        std::str::from_utf8(payload).map_err(|error| at(error.valid_up_to(), Odd::new("a byte that is not UTF-8", "UTF-8")))?;
    if text.len() > MAX_PAYLOAD_BYTES {
        return Err(at(0, Odd::new(format!("{} bytes", text.len()), format!("at most {MAX_PAYLOAD_BYTES}"))));
    }
    let mut found = Vec::new();
    let mut offset = 0;
    for piece in pieces(text, ',') {
        let begin = offset + (piece.len() - piece.trim_start().len());
        offset += piece.len() + 1;
        let piece = piece.trim_matches(|c: char| c == '\0' || c.is_ascii_whitespace());
        if piece.is_empty() && found.is_empty() && text.len() < offset {
            continue;
        }
        if found.len() >= MAX_VALUES {
            return Err(at(begin, Odd::new(format!("more than {MAX_VALUES} links"), "fewer")));
        }
        found.extend(link(piece).map_err(|odd| at(begin, odd))?);
    }
    Ok(found)
}

/// `</3/0/9>;pmin=10;ver="1.1"`
fn link(text: &str) -> Result<Option<Link>, Odd> {
    let broken = || Odd::new(format!("`{}`", clip(text)), "a link such as </3/0>;pmin=10");
    let (target, attributes) = text.strip_prefix('<').and_then(|rest| rest.split_once('>')).ok_or_else(broken)?;
    let mut attributes = pieces(attributes, ';');
    if attributes.next().is_some_and(|before| !before.trim().is_empty()) {
        return Err(broken());
    }
    // What stands before the numbers is the device's root.
    let segments = target.split('/').filter(|segment| !segment.is_empty());
    let numbers: Vec<&str> = segments.skip_while(|segment| !segment.bytes().all(|b| b.is_ascii_digit())).collect();
    if numbers.is_empty() {
        return Ok(None);
    }
    let path = numbers.join("/").parse().map_err(|error: super::super::path::BadPath| Odd::new(error.to_string(), "a path"))?;
    let mut link = Link::new(path);
    for attribute in attributes {
        let (name, value) = match attribute.split_once('=') {
            Some((name, value)) => (name.trim(), Some(value.trim())),
            None => (attribute.trim(), None),
        };
        let unquoted = value.map(|value| value.strip_prefix('"').and_then(|value| value.strip_suffix('"')).unwrap_or(value));
        if !name.is_empty() {
            link.take(name, unquoted)?;
        }
    }
    Ok(Some(link))
}

/// Split at a mark that is not inside quotation marks or angle brackets.
fn pieces(text: &str, mark: char) -> impl Iterator<Item = &str> {
    let (mut quoted, mut bracketed) = (false, false);
    text.split(move |c: char| {
        match c {
            '"' if !bracketed => quoted = !quoted,
            '<' if !quoted => bracketed = true,
            '>' if !quoted => bracketed = false,
            _ => {}
        }
        c == mark && !quoted && !bracketed
    })
}

/// The payload that lists links, as a device writes it.
#[must_use]
pub fn write_links(links: &[Link]) -> Vec<u8> {
    let mut out = String::new();
    for link in links {
        let comma = if out.is_empty() { "" } else { "," };
        let _ = write!(out, "{comma}<{}>", link.path);
        for parameter in link.attributes.parameters() {
            let _ = write!(out, ";{parameter}");
        }
        let _ = link.version.iter().try_for_each(|version| write!(out, ";ver={version}"));
        let _ = link.dimension.iter().try_for_each(|dimension| write!(out, ";dim={dimension}"));
        let _ = link.server.iter().try_for_each(|server| write!(out, ";ssid={server}"));
        let _ = link.uri.iter().try_for_each(|uri| write!(out, ";uri=\"{uri}\""));
        for (name, value) in &link.others {
            let _ = match value {
                Some(value) => write!(out, ";{name}=\"{value}\""),
                None => write!(out, ";{name}"),
            };
        }
    }
    out.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(payload: &str) -> Vec<Link> {
        links(payload.as_bytes()).unwrap()
    }

    /// The answers to Discover in LwM2M Core 1.1 6.3.2 have these shapes.
    #[test]
    fn links_with_attributes() {
        let found = listed(r#"</3>;ver=1.2;pmin=10,</3/0>,</3/0/6>;dim=8;gt=50;lt=42.2;st=0.5,</3/0/9>;pmax=60;epmin=1;epmax=9"#);
        assert_eq!(found.iter().map(|link| link.path.to_string()).collect::<Vec<_>>(), ["/3", "/3/0", "/3/0/6", "/3/0/9"]);
        assert_eq!((found[0].version.as_deref(), found[0].attributes.pmin), (Some("1.2"), Some(10)));
        assert_eq!(found[1], Link::new("/3/0".parse().unwrap()));
        assert_eq!((found[2].dimension, found[2].attributes.gt), (Some(8), Some(50.0)));
        assert_eq!((found[2].attributes.lt, found[2].attributes.st), (Some(42.2), Some(0.5)));
        assert_eq!(found[3].attributes.parameters(), ["pmax=60", "epmin=1", "epmax=9"]);
        let found = listed(r#"</0/1>;ssid=101;uri="coap://a,b;c:5683", </lwm2m/1/0>;title="x>y";obs,</>;rt="oma.lwm2m""#);
        assert_eq!((found[0].server, found[0].uri.as_deref()), (Some(101), Some("coap://a,b;c:5683")));
        assert_eq!(found[1].path, "/1/0".parse().unwrap());
        assert_eq!(found[1].others, [("title".into(), Some("x>y".into())), ("obs".into(), None)]);
        assert_eq!(found.len(), 2);
        assert!(listed("").is_empty() && listed("\0").is_empty());
    }

    #[test]
    fn what_is_no_link_is_refused_with_its_place() {
        for (payload, at) in [
            ("hello", 0),
            ("</3>,/4", 5),
            ("</3>, </3/0/9>;pmin=x", 6),
            ("</3/0", 0),
            ("</3>x", 0),
            ("</3>,,</4>", 5),
            ("</1/2/3/4/5>", 0),
        ] {
            let error = links(payload.as_bytes()).unwrap_err();
            assert_eq!(error.place, Place::Byte(at), "{payload}: {error}");
        }
        assert_eq!(links(b"</3>\xff").unwrap_err().place, Place::Byte(4));
        assert!(links(["</3>"; MAX_VALUES + 1].join(",").as_bytes()).is_err());
    }
}
