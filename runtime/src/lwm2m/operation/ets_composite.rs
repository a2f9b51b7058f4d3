//! The server's side of the OMA enabler tests for LwM2M 1.1 (OMA-ETS-LightweightM2M-V1_1), by number: what is sent and what is made
//! of the answer, with bytes written by hand. Here: the rest, from 229 on.

use super::super::content::{Attributes, ObjectLink, Value};
use super::tests::{composite, ends, hex, path, read, refused, sends, settings, takes, text, values, write};
use super::*;
use crate::lwm2m::{Reply, oma};

#[test]
fn ets_229_read_composite() {
    let operation = Operation::ReadComposite { paths: composite(&["/3/0/0", "/3/0/9", "/1/0/1"]) };
    let payload = hex("83 A1 00 66 2F332F302F30 A1 00 66 2F332F302F39 A1 00 66 2F312F302F31");
    sends(&operation, "FETCH /", [Some(112), Some(112), None], &payload);
    takes(
        &operation,
        Format::SenmlJson,
        br#"[{"n":"/3/0/0","vs":"ACME"},{"n":"/3/0/9","v":95},{"n":"/1/0/1","v":60}]"#,
        &[("/3/0/0", text("ACME")), ("/3/0/9", Value::Integer(95)), ("/1/0/1", Value::Integer(60))],
    );
}

#[test]
fn ets_230_write_composite() {
    let given = values(&[("/3/0/14", text("+02")), ("/1/0/2", Value::Integer(1))]);
    let operation = Operation::WriteComposite { values: given };
    let payload = hex("82 A2 00 67 2F332F302F3134 03 63 2B3032 A2 00 66 2F312F302F32 02 01");
    sends(&operation, "iPATCH /", [Some(112), None, None], &payload);
    ends(&operation, Code::CHANGED, &Outcome::Done);
}

#[test]
fn ets_231_read_in_senml_json() {
    let operation = read("/3/0", Format::SenmlJson);
    sends(&operation, "GET /3/0", [None, Some(110), None], &[]);
    let payload = br#"[{"bn":"/3/0/","n":"0","vs":"ACME"},{"n":"6/0","v":1},{"n":"22/0","vlo":"10:3"}]"#;
    let link = Value::Link(ObjectLink { object: 10, instance: 3 });
    takes(
        &operation,
        Format::SenmlJson,
        payload,
        &[("/3/0/0", text("ACME")), ("/3/0/6/0", Value::Integer(1)), ("/3/0/22/0", link)],
    );
}

#[test]
fn ets_232_read_in_senml_cbor() {
    let operation = read("/3/0", Format::SenmlCbor);
    sends(&operation, "GET /3/0", [None, Some(112), None], &[]);
    let payload = hex("82 A3 21 65 2F332F302F 00 61 30 03 64 41434D45 A2 00 61 39 02 185F");
    takes(&operation, Format::SenmlCbor, &payload, &[("/3/0/0", text("ACME")), ("/3/0/9", Value::Integer(95))]);
}

#[test]
fn ets_233_write_in_senml_cbor() {
    let payload = hex("83 A3 21 65 2F312F302F 00 61 32 02 1865 A2 00 61 33 02 19044D A2 00 61 36 04 F5");
    sends(&settings(Format::SenmlCbor), "POST /1/0", [Some(112), None, None], &payload);
}

#[test]
fn ets_234_write_in_senml_json() {
    let payload = br#"[{"bn":"/1/0/","n":"2","v":101},{"n":"3","v":1101},{"n":"6","vb":true}]"#;
    sends(&settings(Format::SenmlJson), "POST /1/0", [Some(110), None, None], payload);
}

#[test]
fn ets_235_read_composite_of_the_root() {
    let operation = Operation::ReadComposite { paths: vec![Path::ROOT] };
    sends(&operation, "FETCH /", [Some(112), Some(112), None], &hex("81 A1 00 61 2F"));
    let payload = br#"[{"bn":"/1/0/","n":"0","v":101},{"bn":"/3/0/","n":"9","v":95},{"bn":"/3303/0/","n":"5700","v":21.5}]"#;
    let expected = [("/1/0/0", Value::Integer(101)), ("/3/0/9", Value::Integer(95)), ("/3303/0/5700", Value::Float(21.5))];
    takes(&operation, Format::SenmlJson, payload, &expected);
}

#[test]
fn ets_236_read_composite_of_what_is_partly_there() {
    let operation = Operation::ReadComposite { paths: composite(&["/1/0/1", "/3339/0/5522", "/3353/0/6030"]) };
    takes(&operation, Format::SenmlCbor, &hex("81 A2 00 66 2F312F302F31 02 183C"), &[("/1/0/1", Value::Integer(60))]);
}

#[test]
fn ets_237_read_without_a_wanted_format() {
    let operation = read("/3", None);
    sends(&operation, "GET /3", [None, None, None], &[]);
    takes(&operation, Format::SenmlCbor, &hex("81 A2 00 66 2F332F302F39 02 185F"), &[("/3/0/9", Value::Integer(95))]);
    // Some devices do not say what they answer.
    for (at, payload, expected) in [
        ("/3", hex("C1 09 5F"), ("/3/0/9", Value::Integer(95))),
        ("/3/0/9", b"95".to_vec(), ("/3/0/9", Value::Integer(95))),
        ("/19/0/0", vec![0, 1], ("/19/0/0", Value::Opaque(vec![0, 1]))),
    ] {
        let reply = Reply { code: Code::CONTENT, content_format: None, observe: None, payload };
        assert_eq!(read(at, None).outcome(&reply, &oma::kind), Outcome::Values(values(&[expected])), "{at}");
    }
}

#[test]
fn ets_241_execute() {
    let operation = Operation::Execute { path: path("/3/0/4"), arguments: String::new() };
    sends(&operation, "POST /3/0/4", [None, None, None], &[]);
    ends(&operation, Code::CHANGED, &Outcome::Done);
    assert!(!operation.is_idempotent());
    let operation = Operation::Execute { path: path("/5/0/2"), arguments: "0='http://h/f',1".into() };
    sends(&operation, "POST /5/0/2", [Some(0), None, None], b"0='http://h/f',1");
}

#[test]
fn ets_256_a_write_that_the_device_refuses() {
    // A resource that is only read is asked all the same: the device's own word counts.
    let operation = write("/3/0/0", Writing::Replace, Format::Text, &[("/3/0/0", text("Me"))]);
    sends(&operation, "PUT /3/0/0", [Some(0), None, None], b"Me");
    for code in [Code::METHOD_NOT_ALLOWED, Code::BAD_REQUEST, Code::UNSUPPORTED_FORMAT, Code::NOT_FOUND] {
        ends(&operation, code, &refused(code));
    }
}

#[test]
fn ets_257_write_composite_of_several_instances() {
    let given = [("/3/0/14", text("+02")), ("/1/0/1", Value::Integer(61)), ("/16/0/0/1", text("b"))];
    let json = Offer::parse("1.1", Some("110"));
    let ask = Operation::WriteComposite { values: values(&given) }.ask(&json).unwrap();
    let expected = br#"[{"n":"/3/0/14","vs":"+02"},{"n":"/1/0/1","v":61},{"n":"/16/0/0/1","vs":"b"}]"#;
    assert_eq!((ask.code, ask.content_format, ask.payload.as_slice()), (Code::IPATCH, Some(110), expected.as_slice()));
}

#[test]
fn ets_260_discover() {
    let operation = Operation::Discover { path: path("/3") };
    sends(&operation, "GET /3", [None, Some(40), None], &[]);
    let payload = b"</3>;ver=1.1;pmin=10,</3/0>,</3/0/0>,</3/0/6>;dim=2,</3/0/9>;pmax=60".to_vec();
    let reply = Reply { code: Code::CONTENT, content_format: Some(40), observe: None, payload };
    let Outcome::Links(links) = operation.outcome(&reply, &oma::kind) else { panic!("no links") };
    assert_eq!(links.iter().map(|link| link.path).collect::<Vec<_>>(), composite(&["/3", "/3/0", "/3/0/0", "/3/0/6", "/3/0/9"]));
    assert_eq!((links[0].attributes.pmin, links[3].dimension, links[4].attributes.pmax), (Some(10), Some(2), Some(60)));
}

#[test]
fn ets_261_write_attributes_of_a_multiple_resource() {
    let attributes = Attributes { pmin: Some(10), pmax: Some(200), gt: Some(50.0), ..Attributes::default() };
    let operation = Operation::WriteAttributes { path: path("/3/0/6"), attributes, unset: vec!["lt".into()] };
    sends(&operation, "PUT /3/0/6?pmin=10&pmax=200&gt=50&lt", [None, None, None], &[]);
    ends(&operation, Code::CHANGED, &Outcome::Done);
    let reply =
        |payload: &[u8]| Reply { code: Code::CONTENT, content_format: Some(40), observe: None, payload: payload.to_vec() };
    let discover = Operation::Discover { path: path("/3/0/6") };
    let Outcome::Links(links) = discover.outcome(&reply(b"</3/0/6>;dim=2;pmin=10;pmax=200;gt=50"), &oma::kind) else { panic!() };
    assert_eq!(links[0].attributes, Attributes { pmin: Some(10), pmax: Some(200), gt: Some(50.0), ..Attributes::default() });
}

#[test]
fn ets_280_read_composite_that_succeeds() {
    let operation = Operation::ReadComposite { paths: composite(&["/3/0/0", "/3/0/1", "/4/0"]) };
    let payload = br#"[{"bn":"/3/0/","n":"0","vs":"ACME"},{"n":"1","vs":"M1"},{"bn":"/4/0/","n":"0","v":7},{"n":"1/0","v":7}]"#;
    let expected =
        [("/3/0/0", text("ACME")), ("/3/0/1", text("M1")), ("/4/0/0", Value::Integer(7)), ("/4/0/1/0", Value::Integer(7))];
    takes(&operation, Format::SenmlJson, payload, &expected);
}

#[test]
fn ets_281_read_composite_that_succeeds_in_part() {
    let operation = Operation::ReadComposite { paths: composite(&["/3/0/0", "/9/0"]) };
    takes(&operation, Format::SenmlJson, br#"[{"n":"/3/0/0","vs":"ACME"}]"#, &[("/3/0/0", text("ACME"))]);
    takes(&operation, Format::SenmlJson, b"[]", &[]);
    ends(&operation, Code::NOT_FOUND, &refused(Code::NOT_FOUND));
}

#[test]
fn ets_301_observe_and_notify() {
    let period = Attributes { pmin: Some(5), pmax: Some(15), ..Attributes::default() };
    let attributes = Operation::WriteAttributes { path: path("/3/0/7"), attributes: period, unset: Vec::new() };
    sends(&attributes, "PUT /3/0/7?pmin=5&pmax=15", [None, None, None], &[]);
    let operation = Operation::Observe { path: path("/3/0/7"), format: None };
    sends(&operation, "GET /3/0/7", [None, None, Some(0)], &[]);
    // A notification has the shape of the first answer.
    let volts = [("/3/0/7/0", Value::Integer(3_800)), ("/3/0/7/1", Value::Integer(5_000))];
    takes(&operation, Format::Tlv, &hex("88 07 08 42 00 0ED8 42 01 1388"), &volts);
    ends(&operation, Code::CONTENT, &Outcome::Values(Vec::new()));
}

/// The RST itself is of the message layer; what is left to say here is that the observation was like any other.
#[test]
fn ets_302_303_cancel_of_an_observation() {
    let operation = Operation::CancelObserve { path: path("/3/0/7") };
    sends(&operation, "GET /3/0/7", [None, None, Some(1)], &[]);
    takes(&operation, Format::Tlv, &hex("84 07 42 00 0ED8"), &[("/3/0/7/0", Value::Integer(3_800))]);
    ends(&operation, Code::CHANGED, &Outcome::Done);
}

#[test]
fn ets_304_305_observe_composite_and_cancel() {
    let paths = composite(&["/3/0/7", "/3/0/8"]);
    let payload = hex("82 A2 21 65 2F332F302F 00 61 37 A1 00 61 38");
    let operation = Operation::ObserveComposite { paths: paths.clone() };
    sends(&operation, "FETCH /", [Some(112), Some(112), Some(0)], &payload);
    let expected = [("/3/0/7/0", Value::Integer(3_800)), ("/3/0/8/0", Value::Integer(125))];
    takes(&operation, Format::SenmlJson, br#"[{"bn":"/3/0/","n":"7/0","v":3800},{"n":"8/0","v":125}]"#, &expected);
    sends(&Operation::CancelObserveComposite { paths }, "FETCH /", [Some(112), Some(112), Some(1)], &payload);
}

/// What a Send carries is read as an answer to the root.
#[test]
fn ets_306_311_send() {
    let payload =
        br#"[{"bn":"/3303/0/","bt":1700000000,"n":"5700","v":21.5},{"n":"5700","v":21,"t":-60},{"bn":"/3/0/","n":"9","v":95}]"#;
    let found = super::super::content::decode(Format::SenmlJson, &Path::ROOT, payload, &oma::kind).unwrap();
    let told: Vec<(String, Value, Option<f64>)> =
        found.into_iter().map(|datum| (datum.path.to_string(), datum.value, datum.time)).collect();
    assert_eq!(
        told,
        [
            ("/3303/0/5700".into(), Value::Float(21.5), Some(1.7e9)),
            ("/3303/0/5700".into(), Value::Float(21.0), Some(1_699_999_940.0)),
            ("/3/0/9".into(), Value::Integer(95), Some(1.7e9)),
        ]
    );
}

#[test]
fn ets_307_mute_send() {
    let operation = write("/1/0/23", Writing::Replace, Format::Text, &[("/1/0/23", Value::Boolean(true))]);
    sends(&operation, "PUT /1/0/23", [Some(0), None, None], b"1");
}

#[test]
fn ets_308_create_under_an_observe_composite() {
    let inner = values(&[("/16/1/0/0", text("a"))]);
    let operation = Operation::Create { path: path("/16"), instance: Some(1), values: inner.clone(), format: Some(Format::Tlv) };
    sends(&operation, "POST /16", [Some(11_542), None, None], &hex("05 01 83 00 41 00 61"));
    ends(&operation, Code::CREATED, &Outcome::Done);
    assert!(!operation.is_idempotent());
    // The device chooses the number.
    let operation = Operation::Create { path: path("/16"), instance: None, values: inner, format: Some(Format::Tlv) };
    sends(&operation, "POST /16", [Some(11_542), None, None], &hex("83 00 41 00 61"));
    let operation = Operation::Create { path: path("/19"), instance: Some(0), values: Vec::new(), format: Some(Format::Tlv) };
    sends(&operation, "POST /19", [Some(11_542), None, None], &hex("00 00"));
}

#[test]
fn ets_309_delete_under_an_observe_composite() {
    let operation = Operation::Delete { path: path("/16/1") };
    sends(&operation, "DELETE /16/1", [None, None, None], &[]);
    ends(&operation, Code::DELETED, &Outcome::Done);
    ends(&operation, Code::METHOD_NOT_ALLOWED, &refused(Code::METHOD_NOT_ALLOWED));
}

#[test]
fn ets_310_modify_under_an_observe_composite() {
    let operation = write("/16/1/0", Writing::Update, Format::SenmlCbor, &[("/16/1/0/1", text("b"))]);
    sends(&operation, "POST /16/1/0", [Some(112), None, None], &hex("81 A3 21 68 2F31362F312F302F 00 61 31 03 61 62"));
}
