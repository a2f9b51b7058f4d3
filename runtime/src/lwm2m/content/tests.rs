//! Payloads written by hand from the specifications, and laws of all formats.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::lwm2m::path::MAX_ID;

fn path(text: &str) -> Path {
    text.parse().unwrap()
}

fn unknown(_: &Path) -> Option<Kind> {
    None
}

fn device(path: &Path) -> Option<Kind> {
    match path.ids() {
        [3, _, 0..=3 | 14..=16, ..] => Some(Kind::Text),
        [3, _, 6..=11, ..] => Some(Kind::Integer),
        [3, _, 13] => Some(Kind::Time),
        [65, _, 1] => Some(Kind::Link),
        [66, _, 0] => Some(Kind::Text),
        [66, _, 1] => Some(Kind::Float),
        [19, _, 0, ..] => Some(Kind::Opaque),
        _ => None,
    }
}

fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace([' ', '\n'], "")).unwrap()
}

fn check(format: Format, base: &str, payload: &[u8], expected: &[(&str, Value)]) {
    let values = decode(format, &path(base), payload, &device).unwrap_or_else(|error| panic!("{base}: {error}"));
    let expected: Vec<Datum> = expected.iter().map(|(at, value)| Datum::new(path(at), value.clone())).collect();
    assert_eq!(values, expected);
}

/// The example of a single object instance in LwM2M Core 1.1 7.4.5, as resources and within an object instance.
#[test]
fn the_device_object_in_tlv() {
    let resources = hex("C8 00 14 4F70656E204D6F62696C6520416C6C69616E6365
                         C8 01 16 4C69676874776569676874204D324D20436C69656E74
                         C8 02 09 333435303030313233
                         C3 03 312E30
                         86 06 41 00 01 41 01 05
                         88 07 08 42 00 0ED8 42 01 1388
                         87 08 41 00 7D 42 01 0384
                         C1 09 64
                         C1 0A 0F
                         83 0B 41 00 00
                         C4 0D 5182428F
                         C6 0E 2B30323A3030
                         C1 10 55");
    let values = [
        ("/3/0/0", Value::Text("Open Mobile Alliance".into())),
        ("/3/0/1", Value::Text("Lightweight M2M Client".into())),
        ("/3/0/2", Value::Text("345000123".into())),
        ("/3/0/3", Value::Text("1.0".into())),
        ("/3/0/6/0", Value::Integer(1)),
        ("/3/0/6/1", Value::Integer(5)),
        ("/3/0/7/0", Value::Integer(3_800)),
        ("/3/0/7/1", Value::Integer(5_000)),
        ("/3/0/8/0", Value::Integer(125)),
        ("/3/0/8/1", Value::Integer(900)),
        ("/3/0/9", Value::Integer(100)),
        ("/3/0/10", Value::Integer(15)),
        ("/3/0/11/0", Value::Integer(0)),
        ("/3/0/13", Value::Time(1_367_491_215)),
        ("/3/0/14", Value::Text("+02:00".into())),
        ("/3/0/16", Value::Text("U".into())),
    ];
    check(Format::Tlv, "/3/0", &resources, &values);
    check(Format::TlvLegacy, "/3", &resources, &values);
    let instance = [&[0x08, 0x00, 0x79], resources.as_slice()].concat();
    assert_eq!(resources.len(), 0x79);
    check(Format::Tlv, "/3", &instance, &values);
    check(Format::Tlv, "/3/0", &instance, &values);
    let data: Vec<Datum> = values.iter().map(|(at, value)| Datum::new(path(at), value.clone())).collect();
    assert_eq!(encode(Format::Tlv, &path("/3/0"), &data), Ok(resources));
    assert_eq!(encode(Format::Tlv, &path("/3"), &data), Ok(instance));
}

#[test]
fn several_instances_and_wide_headers_in_tlv() {
    check(
        Format::Tlv,
        "/65",
        &hex("06 00 C4 01 0042 0000 06 01 C4 01 0042 0001"),
        &[
            ("/65/0/1", Value::Link(ObjectLink { object: 66, instance: 0 })),
            ("/65/1/1", Value::Link(ObjectLink { object: 66, instance: 1 })),
        ],
    );
    // An identifier of 16 bits, 0x1644 = 5700, of a type that nobody knows.
    let values = decode(Format::Tlv, &path("/3303/0/5700"), &hex("E4 1644 41AC0001"), &unknown).unwrap();
    assert!(matches!(values.as_slice(), [Datum { value: Value::Float(_), basis: Basis::Guessed, .. }]), "{values:?}");
    for (length, header) in [(7, "C7 00"), (8, "C8 00 08"), (255, "C8 00 FF"), (256, "D0 00 0100"), (65_536, "D8 00 010000")] {
        let data = [Datum::new(path("/19/0/0"), Value::Opaque(vec![0xaa; length]))];
        let payload = encode(Format::Tlv, &path("/19/0/0"), &data).unwrap();
        assert!(payload.starts_with(&hex(header)), "{length}");
        assert_eq!(decode(Format::Tlv, &path("/19/0/0"), &payload, &device).unwrap(), data);
    }
    // A resource instance is named by what was asked, or by the multiple resource around it.
    for payload in ["41 01 05", "83 06 41 01 05", "08 00 05 83 06 41 01 05"] {
        check(Format::Tlv, "/3/0/6/1", &hex(payload), &[("/3/0/6/1", Value::Integer(5))]);
    }
    // Instances and resources with nothing in them, as a Create sends them.
    check(Format::Tlv, "/19", &hex("00 00 02 01 80 00"), &[("/19/0", Value::None), ("/19/1/0", Value::None)]);
    check(Format::Tlv, "/19", &[], &[]);
    check(Format::Tlv, "/19/0/0", &hex("00 00"), &[]);
}

#[test]
fn broken_tlv_is_refused_with_its_place() {
    for (base, payload, at, words) in [
        ("/3/0", "C1", 0, "header"),
        ("/3/0", "C1 09 64 C8 00", 3, "header"),
        ("/3/0", "C1 09 64 C8 00 14 4F", 3, "length of 20 with 1"),
        ("/3/0", "C3 09 010203", 2, "3 bytes of a value of type integer"),
        ("/3/0", "41 00 05", 0, "a resource instance in an answer to /3/0"),
        ("/3/0", "86 06 C1 00 01 C1 01 05", 2, "a resource in /3/0/6"),
        ("/3/0", "02 00 00 00", 2, "an object instance in /3/0"),
        ("/3/0", "E1 FFFF 01", 0, "65535"),
        ("/3/0/9", "C1 0A 64", 0, "/3/0/10"),
        ("/3/0", "03 01 C1 09 64", 0, "/3/1"),
        ("/3/0/6/1", "41 02 05", 0, "/3/0/6/2"),
        ("/", "C1 09 64", 0, "several objects"),
    ] {
        let error = decode(Format::Tlv, &path(base), &hex(payload), &device).unwrap_err();
        assert!(error.to_string().contains(words), "{payload}: {error}");
        assert!(error.place == Place::Byte(at) || base == "/", "{payload}: {error}");
    }
    let many = [0xc0, 0].repeat(MAX_VALUES + 1);
    assert!(decode(Format::Tlv, &path("/3/0"), &many, &unknown).unwrap_err().to_string().contains("more than 4096"));
}

/// Shapes of LwM2M Core 1.1 7.4.4: base names in any place, times relative to a base.
#[test]
fn senml_in_json() {
    check(
        Format::SenmlJson,
        "/3/0",
        br#"[{"bn":"/3/0/","n":"0","vs":"Open Mobile Alliance"},{"n":"9","v":95},{"n":"13","v":1367491215},{"n":"6/0","v":1}]"#,
        &[
            ("/3/0/0", Value::Text("Open Mobile Alliance".into())),
            ("/3/0/9", Value::Integer(95)),
            ("/3/0/13", Value::Time(1_367_491_215)),
            ("/3/0/6/0", Value::Integer(1)),
        ],
    );
    check(
        Format::SenmlJson,
        "/",
        br#"[{"n":"/65/0/1","vlo":"66:0"},{"bn":"/19/0/","n":"0/1","vd":"-_8"},{"n":"0/2","vd":"AQI="},{"bn":"/1/0/6","vb":true}]"#,
        &[
            ("/65/0/1", Value::Link(ObjectLink { object: 66, instance: 0 })),
            ("/19/0/0/1", Value::Opaque(vec![0xfb, 0xff])),
            ("/19/0/0/2", Value::Opaque(vec![1, 2])),
            ("/1/0/6", Value::Boolean(true)),
        ],
    );
    let payload =
        br#"[{"bver":10,"bn":"/66/0/1","bt":1.5e9,"bv":20,"v":2.5,"t":-5,"u":"Cel"},{"v":1},{"bt":0,"bv":0.5,"v":1,"s":7}]"#;
    let values = decode(Format::SenmlJson, &path("/66"), payload, &device).unwrap();
    let told: Vec<(Option<f64>, &Value)> = values.iter().map(|datum| (datum.time, &datum.value)).collect();
    let expected = [(Some(1_499_999_995.0), 22.5), (Some(1.5e9), 21.0), (Some(0.0), 1.5)];
    assert_eq!(told, expected.map(|(time, value)| (time, Value::Float(value))).iter().map(|(t, v)| (*t, v)).collect::<Vec<_>>());
}

#[test]
fn broken_senml_is_refused_with_its_place() {
    for (payload, place, words) in [
        ("{}", Place::Text(1, 0), "list of records"),
        ("[", Place::Text(1, 1), "EOF"),
        ("[5]", Place::Entry(0), "an object"),
        (r#"[{"n":"/3/0/9","v":1},{"n":"/4/0/9","v":"x"}]"#, Place::Entry(1), "a number"),
        (r#"[{"n":"/4/0/9","v":1}]"#, Place::Entry(0), "values of /3"),
        (r#"[{"n":"/3/0/9","v":1,"vs":"1"}]"#, Place::Entry(0), "second value"),
        (r#"[{"n":"/3/0/9","x_":1}]"#, Place::Entry(0), "`x_`"),
        (r#"[{"bver":11,"n":"/3/0/9"}]"#, Place::Entry(0), "version 11"),
        (r#"[{"n":"/3/0","v":1}]"#, Place::Entry(0), "a value of /3/0"),
        (r#"[{"n":"urn:dev:1","v":1}]"#, Place::Entry(0), "a path"),
        (r#"[{"n":"/3/0/9","v":1e999}]"#, Place::Entry(0), "a number"),
    ] {
        let error = decode(Format::SenmlJson, &path("/3"), payload.as_bytes(), &device).unwrap_err();
        assert!(error.to_string().contains(words), "{payload}: {error}");
        assert!(error.place == place, "{payload}: {error}");
    }
    for (payload, at, words) in [
        ("", 0, "end"),
        ("a0", 0, "list of records"),
        ("81a200", 3, "end"),
        ("81a1020000", 4, "behind the list"),
        ("81a202f402f4", 4, "a number"),
        ("81a162785f00", 5, "`x_`"),
        ("81a1200b", 4, "version 11"),
    ] {
        let error = decode(Format::SenmlCbor, &path("/3"), &hex(payload), &device).unwrap_err();
        assert!(error.to_string().contains(words), "{payload}: {error}");
        assert!(
            matches!(error.place, Place::Byte(byte) if byte.abs_diff(at) <= 1) || words == "version 11",
            "{payload}: {error}"
        );
    }
}

#[test]
fn senml_in_cbor() {
    // [{-2: "/3/0/", 0: "0", 3: "Open"}, {0: "9", 2: 95}, {0: "13", 2: 1367491215}, {0: "22", "vlo": "66:0"}]
    let payload = hex("84 A3 21 65 2F332F302F 00 61 30 03 64 4F70656E
                       A2 00 61 39 02 185F
                       A2 00 62 3133 02 1A5182428F
                       A2 00 62 3232 63 766C6F 64 36363A30");
    let values = [
        ("/3/0/0", Value::Text("Open".into())),
        ("/3/0/9", Value::Integer(95)),
        ("/3/0/13", Value::Time(1_367_491_215)),
        ("/3/0/22", Value::Link(ObjectLink { object: 66, instance: 0 })),
    ];
    check(Format::SenmlCbor, "/3/0", &payload, &values);
    let data: Vec<Datum> = values.iter().map(|(at, value)| Datum::new(path(at), value.clone())).collect();
    assert_eq!(encode(Format::SenmlCbor, &path("/3"), &data), Ok(payload));
    // Lists and maps without a length, text in pieces, a half float, labels that nobody needs.
    let payload = hex("9F BF 21 7F 62 2F36 62 362F FF 00 63 302F31 02 F9 3E00 01 63 43656C 05 F5 FF FF");
    check(Format::SenmlCbor, "/66", &payload, &[("/66/0/1", Value::Float(1.5))]);
}

/// Found by damage: nothing of the root was put below the deepest name in common.
#[test]
fn an_empty_root_beside_values_stays_the_root() {
    let values = [Datum::new(path("/3/0/6/1"), Value::Text("Open".to_owned())), Datum::new(Path::ROOT, Value::None)];
    for format in [Format::SenmlCbor, Format::SenmlJson] {
        let written = encode(format, &Path::ROOT, &values).unwrap();
        assert_eq!(decode(format, &Path::ROOT, &written, &unknown).unwrap(), values, "{format:?}");
    }
}

#[test]
fn json_of_version_1_0() {
    check(
        Format::Json,
        "/3/0",
        br#"{"bn":"/3/0/","e":[{"n":"0","sv":"Open"},{"n":"6/1","v":5},{"n":"9","v":100.0},{"n":"13","v":1367491215}]}"#,
        &[
            ("/3/0/0", Value::Text("Open".into())),
            ("/3/0/6/1", Value::Integer(5)),
            ("/3/0/9", Value::Integer(100)),
            ("/3/0/13", Value::Time(1_367_491_215)),
        ],
    );
    check(Format::JsonLegacy, "/19/0", br#"{"e":[{"n":"0","sv":"AQI="}]}"#, &[("/19/0/0", Value::Opaque(vec![1, 2]))]);
    let values = decode(Format::Json, &path("/66/0/1"), br#"{"bn":"/66/0/1","bt":100,"e":[{"v":1.5,"t":-5},{"v":2}]}"#, &device);
    let told: Vec<(Option<f64>, Value)> = values.unwrap().into_iter().map(|datum| (datum.time, datum.value)).collect();
    assert_eq!(told, [(Some(95.0), Value::Float(1.5)), (Some(100.0), Value::Float(2.0))]);
    for (payload, place) in [
        (r#"{"bn":"/3/0/"}"#, Place::Whole),
        (r#"{"e":5}"#, Place::Whole),
        (r#"{"e":[{"n":"9","v":1,"sv":"1"}]}"#, Place::Entry(0)),
        (r#"{"e":[{"n":"9","v":1},{"bv":1}]}"#, Place::Entry(1)),
    ] {
        assert_eq!(decode(Format::Json, &path("/3/0"), payload.as_bytes(), &device).unwrap_err().place, place, "{payload}");
    }
}

#[test]
fn formats_of_one_value() {
    check(Format::Text, "/3/0/9", b"95", &[("/3/0/9", Value::Integer(95))]);
    check(Format::Text, "/19/0/0", b"AQI=", &[("/19/0/0", Value::Opaque(vec![1, 2]))]);
    check(Format::Opaque, "/19/0/0", &[1, 2], &[("/19/0/0", Value::Opaque(vec![1, 2]))]);
    check(Format::Cbor, "/3/0/13", &hex("1A5182428F"), &[("/3/0/13", Value::Time(1_367_491_215))]);
    check(Format::Cbor, "/65/0/1", b"\x64\x36\x36:0", &[("/65/0/1", Value::Link(ObjectLink { object: 66, instance: 0 }))]);
    let guessed = decode(Format::Text, &path("/33000/0/1"), b"21.5", &unknown).unwrap();
    assert_eq!((&guessed[0].value, guessed[0].basis), (&Value::Text("21.5".into()), Basis::Guessed));
    assert!(decode(Format::Text, &path("/3/0"), b"95", &device).unwrap_err().to_string().contains("one value for /3/0"));
    assert_eq!(decode(Format::Text, &path("/3/0/0"), b"ab\xff", &device).unwrap_err().place, Place::Byte(2));
    for (format, value) in
        [(Format::Opaque, Value::Integer(5)), (Format::Text, Value::Float(f64::NAN)), (Format::Link, Value::None)]
    {
        assert!(encode(format, &path("/3/0/9"), &[Datum::new(path("/3/0/9"), value)]).is_err(), "{format}");
    }
    assert!(encode(Format::Text, &path("/3/0/9"), &[]).is_err());
    assert!(encode(Format::Tlv, &path("/3/0"), &[Datum::new(path("/4/0/1"), Value::Integer(1))]).is_err());
}

#[test]
fn formats_have_numbers() {
    for format in Format::ALL {
        assert_eq!(Format::from_number(format.number()), Some(format));
    }
    assert_eq!(Format::from_number(43), None);
    assert_eq!(Format::Tlv.to_string(), "TLV (11542)");
    assert_eq!(Format::ALL.map(Format::number), [0, 40, 42, 60, 110, 112, 11_542, 1_542, 11_543, 1_543]);
}

fn any_value() -> impl Strategy<Value = Value> {
    prop_oneof![
        ".{0,12}".prop_map(Value::Text),
        any::<i64>().prop_map(Value::Integer),
        (-300_i64..300).prop_map(Value::Integer),
        any::<u64>().prop_map(Value::Unsigned),
        any::<f32>().prop_filter("finite", |f| f.is_finite()).prop_map(|f| Value::Float(f.into())),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::Float),
        any::<bool>().prop_map(Value::Boolean),
        vec(any::<u8>(), 0..300).prop_map(Value::Opaque),
        any::<i64>().prop_map(Value::Time),
        any::<(u16, u16)>().prop_map(|(object, instance)| Value::Link(ObjectLink { object, instance })),
    ]
}

/// Values of resources, single and multiple, below one object, each path once, in order.
fn several_values() -> impl Strategy<Value = Vec<Datum>> {
    let at = (0..3_u16, prop_oneof![0..12_u16, 5_700..5_712_u16, Just(MAX_ID)], 0..3_u16);
    vec((at, any_value()), 1..12).prop_map(|items| {
        let mut data: Vec<Datum> = items
            .into_iter()
            .map(|((instance, resource, inner), value)| {
                // Even ones are multiple.
                let ids = [3_300, instance, resource, inner];
                Datum::new(Path::new(&ids[..if resource % 2 == 0 { 4 } else { 3 }]).unwrap(), value)
            })
            .collect();
        data.sort_by_key(|datum| datum.path);
        data.dedup_by_key(|datum| datum.path);
        data
    })
}

fn returns(format: Format, base: &Path, data: &[Datum]) -> Result<(), TestCaseError> {
    let types = |path: &Path| data.iter().find(|datum| datum.path == *path).and_then(|datum| datum.value.kind());
    let payload = encode(format, base, data).map_err(|error| TestCaseError::fail(error.to_string()))?;
    let decoded = decode(format, base, &payload, &types).map_err(|error| TestCaseError::fail(error.to_string()))?;
    prop_assert_eq!(decoded.as_slice(), data, "{}", String::from_utf8_lossy(&payload));
    Ok(())
}

const OF_SEVERAL: [Format; 6] =
    [Format::Tlv, Format::TlvLegacy, Format::SenmlJson, Format::SenmlCbor, Format::Json, Format::JsonLegacy];

proptest! {
    #[test]
    fn values_come_back_from_every_format(data in several_values()) {
        for format in OF_SEVERAL {
            returns(format, &path("/3300"), &data)?;
        }
    }

    #[test]
    fn one_value_comes_back_from_every_format(value in any_value()) {
        for base in ["/3300/0/1", "/3300/0/1/7"] {
            let data = [Datum::new(path(base), value.clone())];
            for format in OF_SEVERAL.into_iter().chain([Format::Text, Format::Cbor]) {
                returns(format, &path(base), &data)?;
            }
        }
    }

    #[test]
    fn times_and_asked_paths_come_back_from_senml(data in several_values(), time in proptest::option::of(-1e9..1e9_f64)) {
        let data: Vec<Datum> = data.into_iter().enumerate().map(|(at, datum)| {
            let value = if at % 3 == 0 { Value::None } else { datum.value };
            Datum { time, value, ..datum }
        }).collect();
        for format in [Format::SenmlJson, Format::SenmlCbor, Format::Json] {
            returns(format, &Path::ROOT, &data)?;
        }
    }

    #[test]
    fn values_come_back_from_the_notation(value in any_value()) {
        // What RFC 3339 writes is read as the same moment.
        let at = path("/3300/0/1");
        let read = from_json(&at, &to_json(&value), &|_| value.kind()).map_err(|mistakes| TestCaseError::fail(format!("{mistakes:?}")))?;
        prop_assert_eq!(read, [Datum::new(at, value)]);
    }

    #[test]
    fn any_bytes_are_values_or_refused(bytes in vec(any::<u8>(), 0..80), depth in 0..5_usize) {
        let base = Path::new(&[3_u16, 0, 6, 1][..depth.min(4)]).unwrap();
        for format in Format::ALL {
            if let Ok(values) = decode(format, &base, &bytes, &device) {
                prop_assert!(values.iter().all(|datum| base.contains(&datum.path)), "{format}");
            }
        }
        let _ = links(&bytes);
    }

    #[test]
    fn any_text_is_values_or_refused(text in r#"[\[\]{}:,"/ntvbsde0-9.<>;=_-]{0,60}"#) {
        for format in Format::ALL {
            let _ = decode(format, &path("/3"), text.as_bytes(), &device);
        }
        let _ = links(text.as_bytes());
    }

    #[test]
    fn links_come_back(paths in vec(vec(0..=MAX_ID, 1..=4), 0..6), pmin in any::<Option<u32>>(), gt in proptest::option::of(-1e6..1e6_f64)) {
        let all: Vec<Link> = paths.iter().enumerate().map(|(at, ids)| {
            let mut link = Link::new(Path::new(ids).unwrap());
            link.attributes = Attributes { pmin, gt, ..Attributes::default() };
            link.version = (at % 2 == 0).then(|| "1.1".to_owned());
            link.server = (at % 3 == 0).then_some(101);
            link.uri = (at % 3 == 0).then(|| "coap://a;b,c".to_owned());
            link.others = vec![("obs".to_owned(), None), ("title".to_owned(), Some("x, y".to_owned()))];
            link
        }).collect();
        prop_assert_eq!(links(&write_links(&all)), Ok(all));
    }
}
