//! What the tests of operations share, then the rules, the choice of formats and odd answers. The OMA enabler tests are in `ets`
//! and `ets_composite`.

use std::collections::BTreeMap;

use super::super::content::{Attributes, Kind, Value};
use super::*;
use crate::lwm2m::{Reply, oma};

pub(super) fn path(text: &str) -> Path {
    text.parse().unwrap()
}

pub(super) fn hex(text: &str) -> Vec<u8> {
    hex::decode(text.replace([' ', '\n'], "")).unwrap()
}

pub(super) fn text(text: &str) -> Value {
    Value::Text(text.into())
}

/// A 1.1 device that takes everything.
pub(super) fn offer() -> Offer {
    Offer::parse("1.1", Some("0 42 60 110 112 11542 11543"))
}

pub(super) fn values(values: &[(&str, Value)]) -> Vec<Datum> {
    values.iter().map(|(at, value)| Datum::new(path(at), value.clone())).collect()
}

pub(super) fn read(at: &str, format: impl Into<Option<Format>>) -> Operation {
    Operation::Read { path: path(at), format: format.into() }
}

pub(super) fn write(at: &str, writing: Writing, format: impl Into<Option<Format>>, given: &[(&str, Value)]) -> Operation {
    Operation::Write { path: path(at), writing, values: values(given), format: format.into() }
}

pub(super) fn composite(paths: &[&str]) -> Vec<Path> {
    paths.iter().map(|at| path(at)).collect()
}

/// The request of an operation: method and path, then options in the order content format, accept, observe.
#[track_caller]
pub(super) fn sends(operation: &Operation, request: &str, options: [Option<u32>; 3], payload: &[u8]) {
    let ask = operation.ask(&offer()).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let method = match ask.code {
        Code::GET => "GET",
        Code::POST => "POST",
        Code::PUT => "PUT",
        Code::DELETE => "DELETE",
        Code::FETCH => "FETCH",
        Code::IPATCH => "iPATCH",
        other => panic!("{other}"),
    };
    let query = if ask.query.is_empty() { String::new() } else { format!("?{}", ask.query.join("&")) };
    assert_eq!(format!("{method} /{}{query}", ask.path.join("/")), request);
    assert_eq!([ask.content_format.map(u32::from), ask.accept.map(u32::from), ask.observe], options);
    assert_eq!(hex::encode(&ask.payload), hex::encode(payload), "{}", String::from_utf8_lossy(&ask.payload));
}

/// What is made of a 2.05 in a format.
#[track_caller]
pub(super) fn takes(operation: &Operation, format: Format, payload: &[u8], expected: &[(&str, Value)]) {
    let reply = Reply { code: Code::CONTENT, content_format: Some(format.number()), observe: None, payload: payload.to_vec() };
    assert_eq!(operation.outcome(&reply, &oma::kind), Outcome::Values(values(expected)));
}

/// What is made of an answer without a payload.
#[track_caller]
pub(super) fn ends(operation: &Operation, code: Code, expected: &Outcome) {
    let reply = Reply { code, content_format: None, observe: None, payload: Vec::new() };
    assert_eq!(&operation.outcome(&reply, &oma::kind), expected);
}

pub(super) fn refused(code: Code) -> Outcome {
    Outcome::Refused { code, meaning: meaning(code) }
}

/// Several resources of the Server object at once, as the tests 215, 220, 233 and 234 write them.
pub(super) fn settings(format: Format) -> Operation {
    let given = [("/1/0/2", Value::Integer(101)), ("/1/0/3", Value::Integer(1_101)), ("/1/0/6", Value::Boolean(true))];
    write("/1/0", Writing::Update, format, &given)
}

#[test]
fn a_format_is_chosen_from_what_is_offered() {
    let number = values(&[("/1/0/1", Value::Integer(60))]);
    let bytes = values(&[("/19/1/0", Value::Opaque(vec![1]))]);
    let two = values(&[("/1/0/1", Value::Integer(60)), ("/1/0/2", Value::Integer(1))]);
    for (version, formats, single, opaque, several) in [
        ("1.0", None, Format::Tlv, Format::Opaque, Format::Tlv),
        ("1.1", None, Format::SenmlCbor, Format::Opaque, Format::SenmlCbor),
        ("1.0", Some("\"0 42 11542\""), Format::Text, Format::Opaque, Format::Tlv),
        ("1.0.0", Some("11543"), Format::Json, Format::Json, Format::Json),
        ("1.0", Some("1542"), Format::TlvLegacy, Format::TlvLegacy, Format::TlvLegacy),
        ("1.1", Some("60 110"), Format::Cbor, Format::Cbor, Format::SenmlJson),
        ("1.2", Some("11542 112 11544"), Format::SenmlCbor, Format::SenmlCbor, Format::SenmlCbor),
        ("1.1", Some("11542 nonsense"), Format::Tlv, Format::Tlv, Format::Tlv),
    ] {
        let offer = Offer::parse(version, formats);
        let chosen = (
            offer.for_write(&path("/1/0/1"), &number),
            offer.for_write(&path("/19/1/0"), &bytes),
            offer.for_write(&path("/1/0"), &two),
        );
        assert_eq!(chosen, (single, opaque, several), "{version} {formats:?}");
    }
    assert_eq!(Offer::parse("x", None), Offer::default());
    assert_eq!(Offer::parse("1.1", Some("110")).for_composite(), Format::SenmlJson);
    assert_eq!(Offer::default().for_composite(), Format::SenmlCbor);
}

/// Each row: an operation, and a word for each mistake that it has for a 1.0 device.
#[test]
fn what_may_not_be_asked() {
    let old = Offer::default();
    let attributes = |attributes| Operation::WriteAttributes { path: path("/3/0/9"), attributes, unset: vec!["dim".into()] };
    let execute = |at: &str, arguments: &str| Operation::Execute { path: path(at), arguments: arguments.into() };
    let none = Attributes::default();
    for (operation, words) in [
        (read("/", None), vec!["Read of the root, expected an object to a resource instance"]),
        (read("/3/0/4", None), vec!["is executed"]),
        (read("/3/0/6/0", None), vec!["needs LwM2M 1.1, the device speaks 1.0"]),
        (Operation::Discover { path: path("/3/0/6/0") }, vec!["Discover of a resource instance"]),
        (write("/3", Writing::Replace, None, &[("/3/0/14", text("x"))]), vec!["Write of an object"]),
        (write("/3/0", Writing::Update, None, &[]), vec!["no values"]),
        (
            write("/3/0", Writing::Replace, None, &[("/4/0/1", Value::None), ("/3/0/9", text("x"))]),
            vec!["does not lie in /3/0", "has no value", "type text, expected integer"],
        ),
        (
            write("/3/0/6", Writing::Replace, None, &[("/3/0/6", Value::Integer(1)), ("/3/0/6/0", Value::Integer(1))]),
            vec!["has a value and the instance /3/0/6/0"],
        ),
        (write("/3/0/9", Writing::Update, None, &[("/3/0/9", Value::Integer(1))]), vec!["needs LwM2M 1.1"]),
        (execute("/3/0", ""), vec!["Execute of an object instance, expected a resource"]),
        (execute("/3/0/9", "5='"), vec!["is not executed", "`5='`, expected digits"]),
        (
            Operation::Create { path: path("/3/0"), instance: Some(65_535), values: vec![], format: None },
            vec!["Create of", "65535"],
        ),
        (
            Operation::Create { path: path("/16"), instance: Some(1), values: values(&[("/16/2/0", text("a"))]), format: None },
            vec!["lies in another instance than 1"],
        ),
        (
            Operation::Create { path: path("/16"), instance: None, values: vec![], format: Some(Format::SenmlJson) },
            vec!["needs the number"],
        ),
        (Operation::Delete { path: path("/3") }, vec!["Delete of an object"]),
        (Operation::Delete { path: path("/3/0") }, vec!["cannot be deleted"]),
        (Operation::Delete { path: path("/16/0/0/1") }, vec!["needs LwM2M 1.2"]),
        (
            attributes(Attributes { pmin: Some(9), pmax: Some(5), epmin: Some(1), st: Some(-1.0), ..none.clone() }),
            vec!["no attribute", "needs LwM2M 1.1", "9 and 5", "above 0"],
        ),
        (
            attributes(Attributes { lt: Some(5.0), gt: Some(9.0), st: Some(2.0), ..none.clone() }),
            vec!["no attribute", "below gt 9"],
        ),
        (
            Operation::WriteAttributes { path: path("/3/0"), attributes: none.clone(), unset: vec![] },
            vec!["no attributes, expected some"],
        ),
        (Operation::ReadComposite { paths: vec![] }, vec!["needs LwM2M 1.1", "0 paths"]),
        (Operation::WriteComposite { values: values(&[("/3/0", Value::None)]) }, vec!["needs LwM2M 1.1", "is no resource"]),
    ] {
        let told: Vec<String> = operation.mistakes(&old).iter().map(Mistake::to_string).collect();
        assert_eq!(told.len(), words.len(), "{operation:?}: {told:#?}");
        for word in words {
            assert!(told.iter().any(|told| told.contains(word)), "{word}: {told:#?}");
        }
        assert!(operation.ask(&old).is_err());
    }
}

#[test]
fn arguments_of_an_execute() {
    for (arguments, good) in [
        ("", true),
        ("0", true),
        ("0,1,2='x'", true),
        ("5='a=b',0=''", true),
        ("0,", false),
        ("a", false),
        ("0=5", false),
        ("0='5", false),
        ("0='a b'", false),
        ("10", false),
    ] {
        let operation = Operation::Execute { path: path("/3/0/4"), arguments: arguments.into() };
        assert_eq!(operation.mistakes(&offer()).is_empty(), good, "{arguments}");
    }
}

#[test]
fn answers_that_say_something_else() {
    for (operation, code) in [
        (read("/3/0", None), Code::CHANGED),
        (Operation::Delete { path: path("/16/0") }, Code::CHANGED),
        (Operation::Execute { path: path("/3/0/4"), arguments: String::new() }, Code::CONTENT),
    ] {
        let outcome = Outcome::Refused { code, meaning: "answers another question than was asked" };
        ends(&operation, code, &outcome);
    }
    let reply = Reply { code: Code::CONTENT, content_format: Some(43), observe: None, payload: vec![1] };
    let Outcome::Unreadable(error) = read("/3/0", None).outcome(&reply, &oma::kind) else { panic!() };
    assert!(error.to_string().contains("content format 43"), "{error}");
    // Each refusal that LwM2M has says something of its own.
    let codes = [400, 401, 402, 403, 404, 405, 406, 408, 412, 413, 415, 429, 500, 501, 503];
    let meanings: BTreeMap<&str, u16> = codes.map(|number| (meaning(Code::response(number).unwrap()), number)).into();
    assert_eq!(meanings.len(), codes.len());
    assert_eq!(oma::kind(&path("/3/0/9")), Some(Kind::Integer));
}
