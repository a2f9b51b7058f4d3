//! Object 19, BinaryAppDataContainer: application payloads in every shape that clients send them in, and the write of a downlink in
//! the shape that a client takes (REFERENCE C.1, C.2; LwM2M_APPDATA 1.0).
//!
//! The specification makes Data a multiple resource; the vendors' clients treat it as a single one and send its bytes plainly.
//! What a payload means is for the product's codec.

use serde::{Deserialize, Serialize};

use crate::coap::Code;

use super::ask::Ask;
use super::content::{ContentError, Datum, Format, Kind, Place, Value, decode, encode};
use super::path::{Level, Path};

/// Number of the object.
pub const OBJECT: u16 = 19;
/// Its resource Data.
const DATA: u16 = 0;
/// Where applications write to.
const DOWNLINK: [u16; 3] = [OBJECT, 1, DATA];

/// What a client sent in object 19.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Container {
    /// The payloads, one for each resource instance, in their order. None of an empty message, which is how clients answer an
    /// Observe before there is anything to tell.
    pub payloads: Vec<Vec<u8>>,
    /// The shape that such a client takes a downlink in, as far as this message tells.
    pub shape: DownShape,
}

impl Container {
    /// Whether the bytes of a message in this format are the payload themselves.
    #[must_use]
    pub fn is_plain(content_format: Option<u16>) -> bool {
        content_format.is_none_or(|number| number == Format::Opaque.number() || number == Format::Text.number())
    }

    /// Reads what came from `path`, the observed object, instance or resource. Without a content format, or with text, the bytes
    /// are the payload as they are: clients that know of one format only do not always name it rightly.
    ///
    /// # Errors
    /// The payload is not what its format says, or holds values that are no bytes.
    pub fn read(path: &Path, content_format: Option<u16>, payload: &[u8]) -> Result<Self, ContentError> {
        if payload.is_empty() {
            return Ok(Self { payloads: Vec::new(), shape: DownShape::Opaque });
        }
        let format = match content_format {
            Some(number) if !Self::is_plain(content_format) => {
                Format::from_number(number).ok_or_else(|| ContentError::unknown_format(number))?
            }
            _ => return Ok(Self { payloads: vec![payload.to_vec()], shape: DownShape::Opaque }),
        };
        let mut values = decode(format, path, payload, &|_| Some(Kind::Opaque))?;
        values.retain(|datum| datum.path.resource() == Some(DATA) && datum.value != Value::None);
        // Stable: records of one path, which differ by their times, stay in order.
        values.sort_by_key(|datum| datum.path);
        let multiple = values.iter().any(|datum| datum.path.level() == Level::ResourceInstance);
        let shape = match (multiple, format) {
            (false, _) => DownShape::Opaque,
            (true, Format::Tlv | Format::TlvLegacy) => DownShape::Tlv,
            (true, _) => DownShape::Instance,
        };
        let payloads = values.into_iter().enumerate().map(|(at, datum)| bytes(format, at, datum));
        Ok(Self { payloads: payloads.collect::<Result<_, _>>()?, shape })
    }
}

fn bytes(format: Format, at: usize, datum: Datum) -> Result<Vec<u8>, ContentError> {
    match datum.value {
        Value::Opaque(bytes) => Ok(bytes),
        Value::Text(text) => Ok(text.into_bytes()),
        other => {
            let found = format!("a value of type {} at {}", other.kind().map_or("none", Kind::name), datum.path);
            Err(ContentError { format: Some(format), place: Place::Entry(at), found, expected: "bytes".into() })
        }
    }
}

/// How a client takes a downlink. Three ways are in use; which one is learned from how a client reports, and from its refusals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DownShape {
    /// PUT /19/1/0, content format 42: the vendors' clients.
    #[default]
    Opaque,
    /// PUT /19/1/0 as a multiple resource of one instance, TLV.
    Tlv,
    /// PUT /19/1/0/0, content format 42: since LwM2M 1.1.
    Instance,
}

impl DownShape {
    /// The write of a payload.
    #[must_use]
    pub fn ask(self, payload: &[u8]) -> Ask {
        let [object, instance, resource] = DOWNLINK.map(|id| id.to_string());
        let opaque = || payload.to_vec();
        match self {
            Self::Opaque => Ask::new(Code::PUT, [object, instance, resource]).with_payload(Format::Opaque.number(), opaque()),
            Self::Tlv => Ask::new(Code::PUT, [object, instance, resource]).with_payload(Format::Tlv.number(), multiple(payload)),
            Self::Instance => {
                Ask::new(Code::PUT, [object, instance, resource, "0".to_owned()]).with_payload(Format::Opaque.number(), opaque())
            }
        }
    }

    /// The shape of such a write, none of another request.
    #[must_use]
    pub fn of(ask: &Ask) -> Option<Self> {
        let shape = match (ask.path.len(), ask.content_format) {
            (4, _) => Self::Instance,
            (_, Some(format)) if format == Format::Tlv.number() => Self::Tlv,
            _ => Self::Opaque,
        };
        let path = DOWNLINK.map(|id| id.to_string());
        (ask.code == Code::PUT && ask.path.starts_with(&path)).then_some(shape)
    }

    /// In words, as a command's failure tells it.
    #[must_use]
    pub fn described(self) -> &'static str {
        match self {
            Self::Opaque => "as opaque to /19/1/0",
            Self::Tlv => "as TLV to /19/1/0",
            Self::Instance => "as opaque to /19/1/0/0",
        }
    }

    /// The shape to try after a refusal of this one, where `first` was tried first. None if the refusal is about something else,
    /// or all were tried.
    #[must_use]
    pub fn after(self, refusal: Code, first: Self) -> Option<Self> {
        let about_shape = match refusal {
            Code::BAD_REQUEST | Code::NOT_ACCEPTABLE | Code::UNSUPPORTED_FORMAT => true,
            // A client of 1.0 knows no paths of four numbers.
            Code::NOT_FOUND | Code::METHOD_NOT_ALLOWED => self == Self::Instance,
            _ => false,
        };
        let next = match self {
            Self::Opaque => Self::Tlv,
            Self::Tlv => Self::Instance,
            Self::Instance => Self::Opaque,
        };
        (about_shape && next != first).then_some(next)
    }
}

/// A multiple resource of one instance. What TLV cannot carry is larger than any datagram, and goes plainly.
fn multiple(payload: &[u8]) -> Vec<u8> {
    let [object, instance, resource] = DOWNLINK;
    let written = Path::new(&DOWNLINK).ok().zip(Path::new(&[object, instance, resource, 0]).ok()).and_then(|(base, at)| {
        let datum = Datum::new(at, Value::Opaque(payload.to_vec()));
        encode(Format::Tlv, &base, &[datum]).ok()
    });
    written.unwrap_or_else(|| payload.to_vec())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        hex::decode(text.replace(' ', "")).unwrap()
    }

    /// Shapes seen of real clients: LiteOS (42), clients that name no format, multiple resources in TLV and SenML, JSON of 1.0.
    #[test]
    fn payloads_of_every_shape() {
        for (at, format, payload, expected, shape) in [
            ("/19/0/0", Some(42), hex("0102"), vec![hex("0102")], DownShape::Opaque),
            ("/19/0/0", None, hex("C10064"), vec![hex("C10064")], DownShape::Opaque),
            ("/19/0/0", Some(0), hex("FF00"), vec![hex("FF00")], DownShape::Opaque),
            ("/19/0/0", Some(42), vec![], vec![], DownShape::Opaque),
            ("/19/0/0", Some(11_542), hex("C2 00 0102"), vec![hex("0102")], DownShape::Opaque),
            ("/19/0/0", Some(1_542), hex("84 00 42 00 0102"), vec![hex("0102")], DownShape::Tlv),
            ("/19/0/0", Some(11_542), hex("86 00 41 01 02 41 00 01"), vec![vec![1], vec![2]], DownShape::Tlv),
            ("/19/0", Some(11_542), hex("83 00 41 00 01 C1 01 05"), vec![vec![1]], DownShape::Tlv),
            ("/19/0/0", Some(11_542), hex("80 00"), vec![], DownShape::Opaque),
            // [{-2: "/19/0/0/", 0: "0", 8: h'0102'}, {0: "1", 8: h'03'}]
            (
                "/19/0/0",
                Some(112),
                hex("82 A3 21 68 2F31392F302F302F 00 61 30 08 42 0102 A2 00 61 31 08 41 03"),
                vec![hex("0102"), hex("03")],
                DownShape::Instance,
            ),
            (
                "/19/0/0",
                Some(110),
                br#"[{"bn":"/19/0/0/","n":"1","vd":"Aw"},{"n":"0","vd":"AQI"}]"#.to_vec(),
                vec![hex("0102"), hex("03")],
                DownShape::Instance,
            ),
            ("/19/0", Some(110), br#"[{"bn":"/19/0/0","vs":"hi"}]"#.to_vec(), vec![b"hi".to_vec()], DownShape::Opaque),
            (
                "/19/0/0",
                Some(11_543),
                br#"{"bn":"/19/0/0/","e":[{"n":"0","sv":"AQI="}]}"#.to_vec(),
                vec![hex("0102")],
                DownShape::Instance,
            ),
            ("/19/0/0", Some(60), hex("42 0102"), vec![hex("0102")], DownShape::Opaque),
        ] {
            let read = Container::read(&at.parse().unwrap(), format, &payload).unwrap_or_else(|error| panic!("{error}"));
            assert_eq!(read, Container { payloads: expected, shape }, "{at} {format:?} {}", hex::encode(&payload));
        }
    }

    #[test]
    fn what_is_no_container_is_refused() {
        for (format, payload) in [
            (11_542, hex("88 00 05 41 00 01")),
            (112, hex("81 A2 00 68 2F31392F302F302F 02 05")),
            (110, b"[{\"n\":\"/3/0/0\",\"vs\":\"x\"}]".to_vec()),
            (40, b"</19/0>".to_vec()),
            (60, hex("05")),
            (50, b"{}".to_vec()),
        ] {
            assert!(Container::read(&"/19/0/0".parse().unwrap(), Some(format), &payload).is_err(), "{format}");
        }
    }

    #[test]
    fn a_downlink_has_the_shape_that_a_client_takes() {
        for (shape, path, format, payload) in [
            (DownShape::Opaque, "19/1/0", 42, "0102"),
            (DownShape::Tlv, "19/1/0", 11_542, "84 00 42 00 0102"),
            (DownShape::Instance, "19/1/0/0", 42, "0102"),
        ] {
            let ask = shape.ask(&[1, 2]);
            assert_eq!((ask.code, ask.path.join("/").as_str(), ask.content_format), (Code::PUT, path, Some(format)));
            assert_eq!(ask.payload, hex(payload));
            assert_eq!(DownShape::of(&ask), Some(shape));
        }
    }

    #[test]
    fn each_shape_is_tried_once() {
        for first in [DownShape::Opaque, DownShape::Tlv, DownShape::Instance] {
            let tried: Vec<DownShape> =
                std::iter::successors(Some(first), |shape| shape.after(Code::UNSUPPORTED_FORMAT, first)).collect();
            assert_eq!(tried.len(), 3, "{tried:?}");
        }
        for (shape, code, next) in [
            (DownShape::Opaque, Code::BAD_REQUEST, Some(DownShape::Tlv)),
            (DownShape::Opaque, Code::NOT_FOUND, None),
            (DownShape::Instance, Code::NOT_FOUND, None),
            (DownShape::Opaque, Code::UNAVAILABLE, None),
            (DownShape::Tlv, Code::NOT_ACCEPTABLE, Some(DownShape::Instance)),
        ] {
            assert_eq!(shape.after(code, DownShape::Opaque), next, "{shape:?} {code}");
        }
        assert_eq!(DownShape::Instance.after(Code::NOT_FOUND, DownShape::Instance), Some(DownShape::Opaque));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(payload in proptest::collection::vec(any::<u8>(), 1..400)) {
            for shape in [DownShape::Opaque, DownShape::Tlv, DownShape::Instance] {
                let ask = shape.ask(&payload);
                let path = ask.path.join("/").parse().unwrap();
                let read = Container::read(&path, ask.content_format, &ask.payload).unwrap();
                prop_assert_eq!(read.payloads, vec![payload.clone()]);
            }
        }

        #[test]
        fn any_report_is_read_or_refused(payload in proptest::collection::vec(any::<u8>(), 0..60), format in proptest::option::of(prop_oneof![0..120_u16, Just(11_542), Just(1_542), Just(11_543)])) {
            let _ = Container::read(&"/19/0/0".parse().unwrap(), format, &payload);
        }
    }
}
