//! Facts of OMA's registry about well-known objects: names, types, operations, how many. Objects that are not here still work;
//! their values are typed by what the formats say.
//!
//! Knows no device: what a device really has is learned from its Register and Discover.

mod core;
mod ipso;

use super::content::Kind;
use super::path::Path;

/// An object.
#[derive(Debug, Clone, Copy)]
pub struct Object {
    /// Its number.
    pub id: u16,
    /// Its name in the registry.
    pub name: &'static str,
    /// Instances it may have.
    pub instances: Instances,
    /// Its resources; of an IPSO object all that IPSO objects share.
    pub resources: &'static [Resource],
}

/// A resource.
#[derive(Debug, Clone, Copy)]
pub struct Resource {
    /// Its number.
    pub id: u16,
    /// Its name in the registry.
    pub name: &'static str,
    /// What a server may do with it.
    pub operations: Operations,
    /// Instances it may have.
    pub instances: Instances,
    /// Its type; none of what is only executed.
    pub kind: Option<Kind>,
}

/// How many.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Instances {
    /// One.
    One,
    /// Any number.
    Many,
}

/// What a server may do with a resource.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operations {
    /// Nothing: it is for the bootstrap server.
    None,
    /// Read, observe.
    Read,
    /// Write.
    Write,
    /// Read, observe, write.
    ReadWrite,
    /// Execute.
    Execute,
}

impl Operations {
    /// Whether values can be read.
    #[must_use]
    pub fn read(self) -> bool {
        matches!(self, Self::Read | Self::ReadWrite)
    }

    /// Whether values can be written.
    #[must_use]
    pub fn write(self) -> bool {
        matches!(self, Self::Write | Self::ReadWrite)
    }
}

/// A row of the tables.
const fn row(id: u16, name: &'static str, operations: Operations, instances: Instances, kind: Option<Kind>) -> Resource {
    Resource { id, name, operations, instances, kind }
}

/// A well-known object.
#[must_use]
pub fn object(id: u16) -> Option<&'static Object> {
    core::OBJECTS.iter().chain(ipso::OBJECTS).find(|object| object.id == id)
}

/// The resource that a path leads to or into. Objects of IPSO's numbers share resources, also those that are not known by name.
#[must_use]
pub fn resource(path: &Path) -> Option<&'static Resource> {
    let (object_id, id) = (path.object()?, path.resource()?);
    let shared = ipso::NUMBERS.contains(&object_id).then_some(ipso::SHARED);
    let resources = object(object_id).map(|object| object.resources).or(shared)?;
    resources.iter().find(|resource| resource.id == id)
}

/// The type of a resource or resource instance: a `Types` of `content`.
#[must_use]
pub fn kind(path: &Path) -> Option<Kind> {
    resource(path)?.kind
}

/// `Device` of `/3/0`, `Battery Level` of `/3/0/9`.
#[must_use]
pub fn name(path: &Path) -> Option<&'static str> {
    match path.resource() {
        Some(_) => resource(path).map(|resource| resource.name),
        None => path.object().and_then(object).map(|object| object.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_in_order_and_whole() {
        let all: Vec<&Object> = core::OBJECTS.iter().chain(ipso::OBJECTS).collect();
        assert!(all.windows(2).all(|pair| pair[0].id < pair[1].id));
        for object in all {
            assert!(object.resources.windows(2).all(|pair| pair[0].id < pair[1].id), "{}", object.name);
            for resource in object.resources {
                let executed = resource.operations == Operations::Execute;
                assert_eq!(resource.kind.is_none(), executed, "{} {}", object.name, resource.name);
            }
        }
    }

    #[test]
    fn facts_of_the_registry() {
        for (path, told, kind) in [
            ("/3/0/9", Some("Battery Level"), Some(Kind::Integer)),
            ("/3/0/6/1", Some("Available Power Sources"), Some(Kind::Integer)),
            ("/3/0/4", Some("Reboot"), None),
            ("/3", Some("Device"), None),
            ("/1/0/23", Some("Mute Send"), Some(Kind::Boolean)),
            ("/19/0/0/3", Some("Data"), Some(Kind::Opaque)),
            ("/3303/0/5700", Some("Sensor Value"), Some(Kind::Float)),
            // An IPSO object whose name is not in the tables.
            ("/3325/0/5700", Some("Sensor Value"), Some(Kind::Float)),
            ("/3325", None, None),
            ("/33000/0/5700", None, None),
            ("/3/0/999", None, None),
        ] {
            let path = path.parse().unwrap();
            assert_eq!((name(&path), super::kind(&path)), (told, kind), "{path}");
        }
        assert_eq!(resource(&"/0/0/5".parse().unwrap()).map(|secret| secret.operations), Some(Operations::None));
        assert!(Operations::ReadWrite.read() && Operations::ReadWrite.write() && !Operations::Execute.read());
    }
}
