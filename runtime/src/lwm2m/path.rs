//! The path of an object, an instance, a resource or a resource instance (LwM2M Core 1.1 7.1).

use std::fmt;
use std::str::FromStr;

/// Greatest identifier; 65535 is reserved (LwM2M Core 1.1 7.1).
pub const MAX_ID: u16 = 65_534;

/// Up to four identifiers, `/3/0/6/1`. A parent comes before what is below it, siblings by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Path {
    ids: [u16; 4],
    len: u8,
}

/// How deep a path leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// `/`, of composite operations only.
    Root,
    /// `/3`
    Object,
    /// `/3/0`
    Instance,
    /// `/3/0/6`
    Resource,
    /// `/3/0/6/1`
    ResourceInstance,
}

impl Path {
    /// `/`
    pub const ROOT: Self = Self { ids: [0; 4], len: 0 };

    /// A path of up to four identifiers.
    ///
    /// # Errors
    /// There are more, or one is 65535.
    pub fn new(ids: &[u16]) -> Result<Self, BadPath> {
        ids.iter().try_fold(Self::ROOT, |path, id| path.child(*id)).ok_or_else(|| {
            let text: String = ids.iter().map(|id| format!("/{id}")).collect();
            BadPath(text)
        })
    }

    /// The identifiers, from the object on.
    #[must_use]
    pub fn ids(&self) -> &[u16] {
        self.ids.get(..usize::from(self.len)).unwrap_or_default()
    }

    /// How deep it leads.
    #[must_use]
    pub fn level(&self) -> Level {
        match self.len {
            0 => Level::Root,
            1 => Level::Object,
            2 => Level::Instance,
            3 => Level::Resource,
            _ => Level::ResourceInstance,
        }
    }

    /// The object.
    #[must_use]
    pub fn object(&self) -> Option<u16> {
        self.ids().first().copied()
    }

    /// The object instance.
    #[must_use]
    pub fn instance(&self) -> Option<u16> {
        self.ids().get(1).copied()
    }

    /// The resource.
    #[must_use]
    pub fn resource(&self) -> Option<u16> {
        self.ids().get(2).copied()
    }

    /// The resource instance.
    #[must_use]
    pub fn resource_instance(&self) -> Option<u16> {
        self.ids().get(3).copied()
    }

    /// One level down; none below a resource instance, or if the identifier is 65535.
    #[must_use]
    pub fn child(&self, id: u16) -> Option<Self> {
        let mut child = *self;
        *child.ids.get_mut(usize::from(self.len))? = id;
        child.len += 1;
        (id <= MAX_ID).then_some(child)
    }

    /// One level up; none above the root.
    #[must_use]
    pub fn parent(&self) -> Option<Self> {
        let len = self.len.checked_sub(1)?;
        let mut parent = Self { len, ..*self };
        *parent.ids.get_mut(usize::from(len))? = 0;
        Some(parent)
    }

    /// Whether `other` is this or below it.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.ids().starts_with(self.ids())
    }

    /// The deepest path that contains both.
    #[must_use]
    pub fn shared(&self, other: &Self) -> Self {
        let ids = self.ids().iter().zip(other.ids()).take_while(|(a, b)| a == b);
        ids.fold(Self::ROOT, |path, (id, _)| path.child(*id).unwrap_or(path))
    }

    /// As Uri-Path options carry it.
    #[must_use]
    pub fn segments(&self) -> Vec<String> {
        self.ids().iter().map(u16::to_string).collect()
    }
}

/// `/3/0/9`; the root is `/`.
impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.ids() {
            [] => f.write_str("/"),
            ids => ids.iter().try_for_each(|id| write!(f, "/{id}")),
        }
    }
}

/// Takes `/3/0/9` and `3/0/9`; the root is `/`.
impl FromStr for Path {
    type Err = BadPath;

    fn from_str(text: &str) -> Result<Self, BadPath> {
        if text == "/" {
            return Ok(Self::ROOT);
        }
        let bad = || BadPath(text.chars().take(64).collect());
        let number = |segment: &str| -> Option<u16> {
            let plain = segment.bytes().all(|b| b.is_ascii_digit()) && (segment == "0" || !segment.starts_with('0'));
            if plain { segment.parse().ok() } else { None }
        };
        let mut segments = text.strip_prefix('/').unwrap_or(text).split('/');
        segments.try_fold(Self::ROOT, |path, segment| path.child(number(segment)?)).ok_or_else(bad)
    }
}

impl serde::Serialize for Path {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for Path {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is no path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no path: write object/instance/resource/resource instance as far as needed, such as /3/0/9, each 0 to 65534")]
pub struct BadPath(pub String);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn paths_are_read_and_written() {
        for (text, ids, level) in [
            ("/", &[][..], Level::Root),
            ("/3", &[3], Level::Object),
            ("/3/0", &[3, 0], Level::Instance),
            ("/3303/0/5700", &[3_303, 0, 5_700], Level::Resource),
            ("/65534/65534/65534/65534", &[MAX_ID; 4], Level::ResourceInstance),
        ] {
            let path: Path = text.parse().unwrap();
            assert_eq!((path.ids(), path.level(), path.to_string().as_str()), (ids, level, text));
            assert_eq!(serde_json::from_str::<Path>(&serde_json::to_string(&path).unwrap()).unwrap(), path);
        }
        assert_eq!("3/0/1".parse::<Path>(), Path::new(&[3, 0, 1]));
        let path: Path = "/3/0/6/1".parse().unwrap();
        assert_eq!((path.object(), path.instance()), (Some(3), Some(0)));
        assert_eq!((path.resource(), path.resource_instance()), (Some(6), Some(1)));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for text in ["", "//", "/3/", "/3//0", "/a", "/-1", "/+1", "/03", "/65535", "/65536", "/1/2/3/4/5", "/3 ", "\u{0663}"] {
            assert!(text.parse::<Path>().is_err(), "{text}");
        }
        assert!(Path::new(&[1, 2, 3, 4, 5]).is_err() && Path::new(&[65_535]).is_err());
    }

    #[test]
    fn paths_know_what_is_below_them() {
        let path = |text: &str| text.parse::<Path>().unwrap();
        assert!(path("/3").contains(&path("/3/0/9")) && path("/3").contains(&path("/3")) && Path::ROOT.contains(&path("/3")));
        assert!(!path("/3/0").contains(&path("/3")) && !path("/3/0").contains(&path("/3/1/0")));
        assert_eq!(path("/3/0/9").shared(&path("/3/0/1")), path("/3/0"));
        assert_eq!(path("/3/0").shared(&path("/4/0")), Path::ROOT);
        assert_eq!(path("/3/5").parent(), Some(path("/3")));
        assert_eq!(Path::ROOT.parent(), None);
        let mut paths = ["/3/1", "/3/0/1", "/10", "/3", "/3/0"].map(path);
        paths.sort_unstable();
        assert_eq!(paths.map(|path| path.to_string()), ["/3", "/3/0", "/3/0/1", "/3/1", "/10"]);
    }

    proptest! {
        #[test]
        fn a_path_is_read_as_it_is_written(ids in proptest::collection::vec(0..=MAX_ID, 0..=4)) {
            let path = Path::new(&ids).unwrap();
            prop_assert_eq!(path.to_string().parse::<Path>(), Ok(path));
            prop_assert_eq!(path.parent().and_then(|parent| parent.child(*ids.last()?)).unwrap_or(path), path);
        }

        #[test]
        fn any_text_is_a_path_or_refused(text in "[/0-9a]{0,12}") {
            if let Ok(path) = text.parse::<Path>() {
                prop_assert!(path.to_string().ends_with(text.trim_start_matches('/')));
            }
        }
    }
}
