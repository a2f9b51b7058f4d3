//! The server's side of the OMA enabler tests for LwM2M 1.1 (OMA-ETS-LightweightM2M-V1_1), by number: what is sent and what is made
//! of the answer, with bytes written by hand. Here: reads and writes of one object.

use super::super::content::{Attributes, Value};
use super::tests::{composite, ends, hex, offer, path, read, refused, sends, settings, takes, text, values, write};
use super::*;

#[test]
fn ets_201_read_in_text() {
    let operation = read("/3/0/0", Format::Text);
    sends(&operation, "GET /3/0/0", [None, Some(0), None], &[]);
    takes(&operation, Format::Text, b"Open Mobile Alliance", &[("/3/0/0", text("Open Mobile Alliance"))]);
    takes(&read("/3/0/9", Format::Text), Format::Text, b"95", &[("/3/0/9", Value::Integer(95))]);
    takes(&read("/3/0/13", Format::Text), Format::Text, b"1367491215", &[("/3/0/13", Value::Time(1_367_491_215))]);
}

#[test]
fn ets_203_read_in_tlv() {
    let operation = read("/3/0", Format::Tlv);
    sends(&operation, "GET /3/0", [None, Some(11_542), None], &[]);
    takes(
        &operation,
        Format::Tlv,
        &hex("C4 00 41434D45 86 06 41 00 01 41 01 05 C1 09 5F C4 0D 5182428F"),
        &[
            ("/3/0/0", text("ACME")),
            ("/3/0/6/0", Value::Integer(1)),
            ("/3/0/6/1", Value::Integer(5)),
            ("/3/0/9", Value::Integer(95)),
            ("/3/0/13", Value::Time(1_367_491_215)),
        ],
    );
}

#[test]
fn ets_204_read_in_json() {
    let operation = read("/3/0", Format::Json);
    sends(&operation, "GET /3/0", [None, Some(11_543), None], &[]);
    takes(
        &operation,
        Format::Json,
        br#"{"bn":"/3/0/","e":[{"n":"0","sv":"ACME"},{"n":"6/1","v":5},{"n":"9","v":95}]}"#,
        &[("/3/0/0", text("ACME")), ("/3/0/6/1", Value::Integer(5)), ("/3/0/9", Value::Integer(95))],
    );
}

#[test]
fn ets_205_write_in_text() {
    let operation = write("/1/0/1", Writing::Replace, Format::Text, &[("/1/0/1", Value::Integer(300))]);
    sends(&operation, "PUT /1/0/1", [Some(0), None, None], b"300");
    ends(&operation, Code::CHANGED, &Outcome::Done);
    let storing = write("/1/0/6", Writing::Replace, Format::Text, &[("/1/0/6", Value::Boolean(true))]);
    sends(&storing, "PUT /1/0/6", [Some(0), None, None], b"1");
}

#[test]
fn ets_211_read_in_cbor() {
    let operation = read("/3/0/0", Format::Cbor);
    sends(&operation, "GET /3/0/0", [None, Some(60), None], &[]);
    takes(&operation, Format::Cbor, &hex("64 41434D45"), &[("/3/0/0", text("ACME"))]);
    takes(&read("/3/0/9", Format::Cbor), Format::Cbor, &hex("185F"), &[("/3/0/9", Value::Integer(95))]);
}

#[test]
fn ets_212_write_in_cbor() {
    let operation = write("/1/0/1", Writing::Replace, Format::Cbor, &[("/1/0/1", Value::Integer(300))]);
    sends(&operation, "PUT /1/0/1", [Some(60), None, None], &hex("19012C"));
    let storing = write("/1/0/6", Writing::Replace, Format::Cbor, &[("/1/0/6", Value::Boolean(true))]);
    sends(&storing, "PUT /1/0/6", [Some(60), None, None], &hex("F5"));
}

#[test]
fn ets_215_write_in_tlv() {
    sends(&settings(Format::Tlv), "POST /1/0", [Some(11_542), None, None], &hex("C1 02 65 C2 03 044D C1 06 01"));
}

#[test]
fn ets_220_write_in_json() {
    let payload = br#"{"bn":"/1/0/","e":[{"n":"2","v":101},{"n":"3","v":1101},{"n":"6","bv":true}]}"#;
    sends(&settings(Format::Json), "POST /1/0", [Some(11_543), None, None], payload);
}

#[test]
fn ets_221_the_security_object_is_never_asked() {
    let secret = values(&[("/0/0/5", Value::Opaque(vec![1]))]);
    for operation in [
        read("/0", None),
        read("/0/0", None),
        read("/0/0/0", None),
        Operation::Observe { path: path("/0/0"), format: None },
        Operation::Discover { path: path("/0") },
        Operation::Write { path: path("/0/0/5"), writing: Writing::Replace, values: secret.clone(), format: None },
        Operation::Execute { path: path("/0/0/4"), arguments: String::new() },
        Operation::Create { path: path("/0"), instance: Some(1), values: Vec::new(), format: None },
        Operation::Delete { path: path("/0/0") },
        Operation::ReadComposite { paths: composite(&["/3/0/0", "/0/0"]) },
        Operation::WriteComposite { values: secret },
        Operation::WriteAttributes {
            path: path("/0"),
            attributes: Attributes { pmin: Some(1), ..Attributes::default() },
            unset: Vec::new(),
        },
    ] {
        let mistakes = operation.ask(&offer()).unwrap_err();
        assert!(mistakes.iter().any(|mistake| mistake.reason.contains("Security")), "{operation:?}: {mistakes:?}");
    }
    ends(&read("/1/0", None), Code::UNAUTHORIZED, &refused(Code::UNAUTHORIZED));
}

#[test]
fn ets_222_read_of_an_object() {
    let operation = read("/1", None);
    sends(&operation, "GET /1", [None, None, None], &[]);
    takes(
        &operation,
        Format::Tlv,
        &hex("06 00 C1 00 65 C1 01 3C 03 01 C1 00 66"),
        &[("/1/0/0", Value::Integer(101)), ("/1/0/1", Value::Integer(60)), ("/1/1/0", Value::Integer(102))],
    );
    ends(&operation, Code::CONTENT, &Outcome::Values(Vec::new()));
    ends(&operation, Code::NOT_FOUND, &refused(Code::NOT_FOUND));
}

#[test]
fn ets_223_read_of_an_object_instance() {
    let operation = read("/1/0", None);
    sends(&operation, "GET /1/0", [None, None, None], &[]);
    takes(
        &operation,
        Format::SenmlJson,
        br#"[{"bn":"/1/0/","n":"0","v":101},{"n":"7","vs":"U"}]"#,
        &[("/1/0/0", Value::Integer(101)), ("/1/0/7", text("U"))],
    );
}

#[test]
fn ets_224_read_of_a_resource() {
    let operation = read("/1/0/0", None);
    sends(&operation, "GET /1/0/0", [None, None, None], &[]);
    takes(&operation, Format::Text, b"101", &[("/1/0/0", Value::Integer(101))]);
    takes(&operation, Format::Tlv, &hex("C1 00 65"), &[("/1/0/0", Value::Integer(101))]);
}

#[test]
fn ets_225_read_of_a_resource_instance() {
    let operation = read("/3/0/11/0", None);
    sends(&operation, "GET /3/0/11/0", [None, None, None], &[]);
    takes(&operation, Format::Text, b"0", &[("/3/0/11/0", Value::Integer(0))]);
    takes(&operation, Format::SenmlCbor, &hex("81 A2 00 69 2F332F302F31312F30 02 00"), &[("/3/0/11/0", Value::Integer(0))]);
}

#[test]
fn ets_226_write_partial_update_of_an_object_instance() {
    let given = [("/1/0/1", Value::Integer(61)), ("/1/0/6", Value::Boolean(false))];
    let operation = write("/1/0", Writing::Update, Format::Tlv, &given);
    sends(&operation, "POST /1/0", [Some(11_542), None, None], &hex("C1 01 3D C1 06 00"));
    ends(&operation, Code::CHANGED, &Outcome::Done);
}

#[test]
fn ets_227_write_replace_of_a_resource() {
    let operation = write("/1/0/2", Writing::Replace, Format::Tlv, &[("/1/0/2", Value::Integer(5))]);
    sends(&operation, "PUT /1/0/2", [Some(11_542), None, None], &hex("C1 02 05"));
    // All instances of a multiple resource at once.
    let given = [("/16/0/0/0", text("a")), ("/16/0/0/1", text("b"))];
    let operation = write("/16/0/0", Writing::Replace, Format::Tlv, &given);
    sends(&operation, "PUT /16/0/0", [Some(11_542), None, None], &hex("86 00 41 00 61 41 01 62"));
}

#[test]
fn ets_228_write_of_a_resource_instance() {
    let operation = write("/16/0/0/1", Writing::Replace, Format::Text, &[("/16/0/0/1", text("b"))]);
    sends(&operation, "PUT /16/0/0/1", [Some(0), None, None], b"b");
}
