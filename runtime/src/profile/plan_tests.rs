//! Profile and codec joined: mismatches, report texts, violations, parameters.

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use crate::model::{
    CommandDescription, Description, Field, FieldDescription, Report, ReportKind, Response, ServiceDescription, Timestamp, Value,
    ValueType,
};

use super::{Coercion, Mistake, Plan, Profile, code};

const NOON: u64 = 1_706_702_400_000;

fn profile() -> Profile {
    let document = json!({
        "manufacturerId": "Acme01", "model": "WM1", "deviceType": "WaterMeter",
        "services": [{
            "serviceId": "Meter",
            "properties": [
                { "name": "reading", "type": "decimal", "required": true, "min": 0, "max": 100, "step": 0.1 },
                { "name": "count", "type": "int", "min": -5, "max": 5 },
                { "name": "valve", "type": "enum", "enum": ["open", "closed"] },
                { "name": "leak", "type": "boolean" },
                { "name": "flag", "type": "int" },
                { "name": "at", "type": "dateTime" },
                { "name": "raw", "type": "bytes", "maxLength": 4 },
                { "name": "note", "type": "string", "maxLength": 3 },
                { "name": "extra", "type": "jsonObject",
                  "schema": { "type": "object", "required": ["x"], "properties": { "x": { "type": "integer" } } } },
                { "name": "tags", "type": "stringList" },
                { "name": "big", "type": "long" }
            ],
            "commands": [{
                "name": "SET",
                "params": [
                    { "name": "value", "type": "int", "required": true, "min": 1, "max": 24 },
                    { "name": "ratio", "type": "decimal" },
                    { "name": "mode", "type": "enum", "enum": ["a", "b"] },
                    { "name": "on", "type": "boolean" },
                    { "name": "at", "type": "dateTime" },
                    { "name": "key", "type": "bytes", "maxLength": 2 },
                    { "name": "plan", "type": "jsonObject", "schema": { "required": ["x"] } },
                    { "name": "spare", "type": "string" }
                ],
                "response": [{ "name": "result", "type": "int", "required": true, "max": 1 }]
            }]
        }]
    });
    Profile::parse("profile.json", &document.to_string()).unwrap()
}

fn fields(list: &[(&str, ValueType)]) -> Vec<FieldDescription> {
    list.iter().map(|(name, value_type)| FieldDescription { name: (*name).to_owned(), value_type: *value_type }).collect()
}

/// The codec's own order is not the profile's.
fn description() -> Description {
    use ValueType as T;
    Description {
        name: "meter".to_owned(),
        version: "1".to_owned(),
        services: vec![ServiceDescription {
            id: "Meter".to_owned(),
            properties: fields(&[
                ("count", T::Integer),
                ("reading", T::Number),
                ("valve", T::Text),
                ("leak", T::Boolean),
                ("flag", T::Boolean),
                ("at", T::Timestamp),
                ("raw", T::Bytes),
                ("note", T::Text),
                ("extra", T::Json),
                ("tags", T::Json),
                ("big", T::Integer),
            ]),
        }],
        commands: vec![CommandDescription {
            service: "Meter".to_owned(),
            name: "SET".to_owned(),
            params: fields(&[
                ("mode", T::Text),
                ("value", T::Integer),
                ("ratio", T::Number),
                ("on", T::Boolean),
                ("at", T::Timestamp),
                ("key", T::Bytes),
                ("plan", T::Json),
            ]),
            response: fields(&[("result", T::Integer)]),
        }],
    }
}

fn plan() -> Plan {
    Plan::join(&profile(), &description()).unwrap()
}

fn report(values: Vec<(u16, Value)>) -> Report {
    let fields = values.into_iter().map(|(index, value)| Field { index, value }).collect();
    Report { service: 0, kind: ReportKind::Report, event_time: None, fields, has_more: false }
}

fn written(values: Vec<(u16, Value)>) -> (usize, String) {
    let mut out = String::new();
    let count = plan().write_report(&report(values), NOON, &mut out).unwrap();
    (count, out)
}

#[test]
fn a_report_is_written_as_documented() {
    let (count, text) = written(vec![
        (1, Value::Number(12.5)),
        (0, Value::Integer(-3)),
        (2, Value::Text("open".to_owned())),
        (3, Value::Boolean(true)),
        (4, Value::Boolean(true)),
        (5, Value::Timestamp(NOON)),
        (6, Value::Bytes(vec![1, 2, 3])),
        (7, Value::Null),
        (8, Value::Json("{ \"x\" : 1 }".to_owned())),
        (9, Value::Json("[\"a\"]".to_owned())),
        (10, Value::Integer(i64::MAX)),
    ]);
    assert_eq!(
        text,
        "{\"service\":\"Meter\",\"eventTime\":\"2024-01-31T12:00:00.000Z\",\"values\":{\"reading\":12.5,\"count\":-3,\
         \"valve\":\"open\",\"leak\":true,\"flag\":1,\"at\":\"2024-01-31T12:00:00.000Z\",\"raw\":\"AQID\",\"note\":null,\
         \"extra\":{\"x\":1},\"tags\":[\"a\"],\"big\":9223372036854775807}}"
    );
    assert_eq!(count, 0);
}

#[test]
fn a_report_appends_and_takes_the_device_time() {
    let mut out = "before".to_owned();
    let timed = Report { event_time: Some(0), ..report(vec![(1, Value::Number(1.0))]) };
    plan().write_report(&timed, NOON, &mut out).unwrap();
    assert_eq!(out, "before{\"service\":\"Meter\",\"eventTime\":\"1970-01-01T00:00:00.000Z\",\"values\":{\"reading\":1.0}}");
    out.clear();
    let impossible = Report { event_time: Some(u64::MAX), ..timed };
    assert_eq!(plan().write_report(&impossible, NOON, &mut out), Ok(1));
    assert!(out.contains("\"eventTime\":\"2024-01-31T12:00:00.000Z\",\"values\":{\"reading\":1.0},\"violations\":"), "{out}");
}

#[test]
fn a_violation_marks_a_value_and_keeps_it() {
    let reading = (1, Value::Number(1.0));
    let text = |text: &str| Value::Text(text.to_owned());
    for (value, property, code, kept) in [
        ((1, Value::Number(100.5)), "reading", "max", json!(100.5)),
        ((1, Value::Number(-0.1)), "reading", "min", json!(-0.1)),
        ((1, Value::Number(1.05)), "reading", "step", json!(1.05)),
        ((1, Value::Number(f64::NAN)), "reading", "not-finite", Json::Null),
        ((1, Value::Null), "reading", "null", Json::Null),
        ((0, Value::Integer(6)), "count", "max", json!(6)),
        ((0, Value::Integer(-6)), "count", "min", json!(-6)),
        ((2, text("ajar")), "valve", "enum", json!("ajar")),
        ((5, Value::Timestamp(u64::MAX / 2)), "at", "format", Json::Bool(true)),
        ((6, Value::Bytes(vec![0; 5])), "raw", "length", json!("AAAAAAA=")),
        ((7, text("long")), "note", "length", json!("long")),
        ((8, Value::Json("{}".to_owned())), "extra", "schema", json!({})),
        ((8, Value::Json("{\"x\":1.5}".to_owned())), "extra", "schema", json!({ "x": 1.5 })),
        ((9, Value::Json("[1]".to_owned())), "tags", "format", json!([1])),
    ] {
        let mut values = vec![value];
        if property != "reading" {
            values.push(reading.clone());
        }
        let (count, out) = written(values);
        let parsed: Json = serde_json::from_str(&out).unwrap();
        assert_eq!(count, 1, "{out}");
        assert_eq!(parsed["violations"][0]["property"], property, "{out}");
        assert_eq!(parsed["violations"][0]["code"], code, "{out}");
        if kept != Json::Bool(true) {
            assert_eq!(parsed["values"][property], kept, "{out}");
        }
    }
}

#[test]
fn three_characters_may_be_nine_bytes() {
    assert_eq!(written(vec![(1, Value::Number(1.0)), (7, Value::Text("水表号".to_owned()))]).0, 0);
}

#[test]
fn the_noise_of_an_f32_is_no_step_violation() {
    assert_eq!(written(vec![(1, Value::Number(f64::from(12.3_f32)))]).0, 0);
}

#[test]
fn missing_and_repeated_fields_are_violations() {
    let (count, out) = written(vec![(0, Value::Integer(1)), (0, Value::Integer(2))]);
    let parsed: Json = serde_json::from_str(&out).unwrap();
    assert_eq!(count, 2);
    assert_eq!(parsed["values"], json!({ "count": 1 }));
    let codes: Vec<_> = parsed["violations"].as_array().unwrap().iter().map(|one| (&one["property"], &one["code"])).collect();
    assert_eq!(codes, [(&json!("count"), &json!("duplicate")), (&json!("reading"), &json!("missing"))]);
}

#[test]
fn a_broken_promise_is_an_error_and_leaves_the_text_alone() {
    for values in [
        vec![(1, Value::Integer(1))],
        vec![(0, Value::Text("1".to_owned()))],
        vec![(99, Value::Null)],
        vec![(8, Value::Json("{".to_owned()))],
        vec![(8, Value::Json(format!("{}1{}", "[".repeat(100), "]".repeat(100))))],
    ] {
        let mut out = "before".to_owned();
        assert!(plan().write_report(&report(values.clone()), NOON, &mut out).is_err(), "{values:?}");
        assert_eq!(out, "before");
    }
    let stranger = Report { service: 7, ..report(Vec::new()) };
    assert!(plan().write_report(&stranger, NOON, &mut String::new()).is_err());
}

#[test]
fn a_response_is_an_object_of_its_fields() {
    let response = |errcode, fields| Response { mid: 7, errcode, command: None, fields };
    let result = |value| vec![Field { index: 0, value: Value::Integer(value) }];
    let mut out = String::new();
    assert_eq!(plan().write_response(0, &response(0, result(1)), &mut out), Ok(0));
    assert_eq!(out, "{\"result\":1}");
    assert_eq!(plan().write_response(0, &response(0, result(2)), &mut String::new()), Ok(1));
    assert_eq!(plan().write_response(0, &response(0, Vec::new()), &mut String::new()), Ok(1), "required");
    assert_eq!(plan().write_response(0, &response(1, Vec::new()), &mut String::new()), Ok(0), "an error needs no fields");
    assert!(plan().write_response(1, &response(0, Vec::new()), &mut String::new()).is_err());
}

fn places(mistakes: &[Mistake]) -> Vec<(&str, &str)> {
    mistakes.iter().map(|mistake| (mistake.pointer.as_str(), mistake.code)).collect()
}

#[test]
fn every_mismatch_of_a_codec_is_told() {
    let mut wrong = description();
    wrong.services[0].properties[0].name = "cuont".to_owned();
    wrong.services[0].properties[1].value_type = ValueType::Text;
    wrong.services[0].properties[3].name = "valve".to_owned();
    wrong.services.push(ServiceDescription { id: "Metre".to_owned(), properties: Vec::new() });
    wrong.commands[0].params[1].name = "valeu".to_owned();
    wrong.commands[0].response[0].name = "outcome".to_owned();
    wrong.commands.push(CommandDescription { name: "GET".to_owned(), ..wrong.commands[0].clone() });
    let mistakes = Plan::join(&profile(), &wrong).unwrap_err();
    let errors: Vec<_> = places(&mistakes).into_iter().filter(|(_, code)| *code != code::CODEC_PARTIAL).collect();
    assert_eq!(
        errors,
        [
            ("/services/0/properties/0/name", code::CODEC_PROPERTY),
            ("/services/0/properties/1/type", code::CODEC_TYPE),
            ("/services/0/properties/3/name", code::CODEC_DUPLICATE),
            ("/services/1/id", code::CODEC_SERVICE),
            ("/commands/0/params/1/name", code::CODEC_PARAMETER),
            ("/commands/0/response/0/name", code::CODEC_RESPONSE),
            ("/commands/1/name", code::CODEC_COMMAND),
        ]
    );
    assert_eq!(mistakes[0].fix, "did you mean `count`?");
    let pointed = serde_json::to_value(&wrong).unwrap();
    assert!(mistakes.iter().all(|mistake| pointed.pointer(&mistake.pointer).is_some()), "{mistakes:#?}");
}

/// The vendor's rule of thumb, with the codec's types of ours; what does not fit is told with those that do.
#[test]
fn faq_4_1_1_5_each_type_of_a_profile_names_the_types_a_codec_may_have() {
    use ValueType as T;
    let all = [T::Boolean, T::Integer, T::Number, T::Text, T::Bytes, T::Timestamp, T::Json];
    for (word, fitting) in [
        ("int", &[T::Boolean, T::Integer][..]),
        ("long", &[T::Integer]),
        ("decimal", &[T::Integer, T::Number]),
        ("string", &[T::Text, T::Bytes]),
        ("enum", &[T::Text]),
        ("dateTime", &[T::Text, T::Timestamp]),
        ("jsonObject", &[T::Json]),
        ("boolean", &[T::Boolean]),
        ("stringList", &[T::Json]),
        ("bytes", &[T::Bytes]),
    ] {
        let mut spec = json!({ "name": "x", "type": word });
        if word == "enum" {
            spec["enum"] = json!(["a"]);
        }
        let document = json!({
            "manufacturerId": "A", "model": "M", "deviceType": "D", "services": [{ "serviceId": "S", "properties": [spec] }]
        });
        let profile = Profile::parse("profile.json", &document.to_string()).unwrap();
        for value_type in all {
            let description = Description {
                services: vec![ServiceDescription { id: "S".into(), properties: fields(&[("x", value_type)]) }],
                commands: vec![],
                ..description()
            };
            match Plan::join(&profile, &description) {
                Ok(_) => assert!(fitting.contains(&value_type), "{word} of {value_type:?}"),
                Err(mistakes) => {
                    assert!(!fitting.contains(&value_type), "{word} of {value_type:?}");
                    let [mistake] = mistakes.as_slice() else { panic!("{mistakes:#?}") };
                    assert_eq!(mistake.code, code::CODEC_TYPE);
                }
            }
        }
    }
}

#[test]
fn a_partial_codec_joins_with_warnings() {
    let mut partial = description();
    partial.services[0].properties.remove(1);
    partial.commands.clear();
    let plan = Plan::join(&profile(), &partial).unwrap();
    assert_eq!(places(plan.warnings()), [("/services/0/properties", code::CODEC_PARTIAL), ("/commands", code::CODEC_PARTIAL)]);
    assert_eq!(plan.command("Meter", "SET"), None);
    let mut out = String::new();
    assert_eq!(plan.write_report(&report(Vec::new()), NOON, &mut out), Ok(0), "what the codec never gives is not missed: {out}");
}

#[test]
fn parameters_are_coerced_into_the_codecs_order() {
    let given = json!({
        "value": "12", "ratio": 2, "mode": "b", "on": "true", "at": "20240131T120000Z", "key": "AQI=", "plan": { "x": 1 }
    });
    let index = plan().command("Meter", "SET").unwrap();
    assert_eq!(plan().command_name(index), Some(("Meter", "SET")));
    let values: Vec<_> = plan().params(index, &given).unwrap().into_iter().map(|field| (field.index, field.value)).collect();
    assert_eq!(
        values,
        [
            (0, Value::Text("b".to_owned())),
            (1, Value::Integer(12)),
            (2, Value::Number(2.0)),
            (3, Value::Boolean(true)),
            (4, Value::Timestamp(Timestamp::parse("2024-01-31T12:00:00Z").unwrap().0)),
            (5, Value::Bytes(vec![1, 2])),
            (6, Value::Json("{\"x\":1}".to_owned())),
        ]
    );
    assert_eq!(plan().params(index, &json!({ "value": 3.0, "on": null })).unwrap().len(), 1);
}

#[test]
fn wrong_parameters_are_told_all_at_once() {
    let given = json!({
        "vaule": 1, "ratio": "x", "mode": "c", "on": 2, "at": "yesterday", "key": "AQIDBA==", "plan": {}, "spare": "x"
    });
    let index = plan().command("Meter", "SET").unwrap();
    let mistakes = plan().params(index, &given).unwrap_err();
    assert!(mistakes.iter().all(|mistake| mistake.file == "command"));
    assert_eq!(
        places(&mistakes),
        [
            ("/params/vaule", code::UNKNOWN_PARAMETER),
            ("/params/spare", code::PARAMETER_NOT_ENCODED),
            ("/params/mode", code::PARAMETER_LIMIT),
            ("/params/value", code::MISSING_PARAMETER),
            ("/params/ratio", code::PARAMETER_TYPE),
            ("/params/on", code::PARAMETER_TYPE),
            ("/params/at", code::PARAMETER_TYPE),
            ("/params/key", code::PARAMETER_LIMIT),
            ("/params/plan", code::PARAMETER_LIMIT),
        ]
    );
    for (value, code) in [
        (json!(0), code::PARAMETER_LIMIT),
        (json!(25), code::PARAMETER_LIMIT),
        (json!(1.5), code::PARAMETER_TYPE),
        (json!("12h"), code::PARAMETER_TYPE),
        (json!(1e300), code::PARAMETER_TYPE),
        (json!([1]), code::PARAMETER_TYPE),
    ] {
        let mistakes = plan().params(index, &json!({ "value": value })).unwrap_err();
        assert_eq!(places(&mistakes), [("/params/value", code)], "{value}");
    }
    assert_eq!(places(&plan().params(index, &json!([1])).unwrap_err()), [("/params", code::PARAMS_NOT_OBJECT)]);
    assert_eq!(places(&plan().params(9, &json!({})).unwrap_err()), [("/name", code::NO_COMMAND)]);
}

#[test]
fn a_profile_checks_parameters_without_a_codec() {
    let profile = profile();
    assert_eq!(
        profile.check_params("Meter", "SET", &json!({ "value": "12", "spare": "x", "key": "AQI=" }), Coercion::Lenient),
        Ok(())
    );
    for (service, command, params, expected) in [
        ("Metre", "SET", json!({}), ("/service", code::NO_SERVICE)),
        ("Meter", "SETT", json!({}), ("/name", code::NO_COMMAND)),
        ("Meter", "SET", json!({}), ("/params/value", code::MISSING_PARAMETER)),
        ("Meter", "SET", json!({ "value": 99 }), ("/params/value", code::PARAMETER_LIMIT)),
        ("Meter", "SET", json!({ "value": 9, "key": "%" }), ("/params/key", code::PARAMETER_TYPE)),
        ("Meter", "SET", json!({ "value": 9, "at": "noon" }), ("/params/at", code::PARAMETER_LIMIT)),
    ] {
        assert_eq!(places(&profile.check_params(service, command, &params, Coercion::Lenient).unwrap_err()), [expected]);
    }
}

#[test]
fn a_strict_reading_shows_what_to_write() {
    let profile = profile();
    let strict = |params: &serde_json::Value| profile.check_params("Meter", "SET", params, Coercion::Strict);
    let right = json!({ "value": 12.0, "ratio": 2, "mode": "b", "on": true, "at": "20240131T120000Z", "spare": "x" });
    assert_eq!(strict(&right), Ok(()));
    let loose = json!({ "value": "12", "ratio": "2.5", "on": "true", "spare": 7 });
    let mistakes = strict(&loose).unwrap_err();
    let fixes: Vec<_> = mistakes.iter().map(|mistake| mistake.fix.split_once(", or").unwrap().0).collect();
    assert_eq!(fixes, ["write \"value\": 12", "write \"ratio\": 2.5", "write \"on\": true", "write \"spare\": \"7\""]);
    assert!(mistakes.iter().all(|mistake| mistake.code == code::PARAMETER_TYPE));
    assert_eq!(profile.check_params("Meter", "SET", &loose, Coercion::Lenient), Ok(()));
}

fn values() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Boolean),
        any::<i64>().prop_map(Value::Integer),
        any::<f64>().prop_map(Value::Number),
        any::<String>().prop_map(Value::Text),
        any::<Vec<u8>>().prop_map(Value::Bytes),
        any::<u64>().prop_map(Value::Timestamp),
        prop_oneof![any::<String>(), any::<String>().prop_map(|text| json!({ "k": [text] }).to_string())].prop_map(Value::Json),
    ]
}

fn type_of(value: &Value) -> ValueType {
    match value {
        Value::Boolean(_) => ValueType::Boolean,
        Value::Null | Value::Integer(_) => ValueType::Integer,
        Value::Number(_) => ValueType::Number,
        Value::Text(_) => ValueType::Text,
        Value::Bytes(_) => ValueType::Bytes,
        Value::Timestamp(_) => ValueType::Timestamp,
        Value::Json(_) => ValueType::Json,
    }
}

proptest! {
    /// Any names, any values of the promised types: valid JSON with every value in it.
    #[test]
    fn a_report_is_valid_json_whatever_the_values(
        list in prop::collection::btree_map("[^\\x00-\\x1f\\x7f]{1,12}", values(), 0..8),
        service in "[^\\x00-\\x1f\\x7f]{1,12}",
        event_time in any::<Option<u64>>(),
        received in 0_u64..4_000_000_000_000,
    ) {
        let word = |value: &Value| match type_of(value) {
            ValueType::Boolean => "boolean",
            ValueType::Integer => "long",
            ValueType::Number => "decimal",
            ValueType::Text => "string",
            ValueType::Bytes => "bytes",
            ValueType::Timestamp => "dateTime",
            ValueType::Json => "jsonObject",
        };
        let properties: Vec<Json> = list.iter().map(|(name, value)| json!({ "name": name, "type": word(value) })).collect();
        let document = json!({
            "manufacturerId": "a", "model": "b", "deviceType": "C", "services": [{ "serviceId": service, "properties": properties }]
        });
        let profile = Profile::parse("p.json", &document.to_string()).unwrap();
        let properties = list.iter().map(|(name, value)| FieldDescription { name: name.clone(), value_type: type_of(value) });
        let services = vec![ServiceDescription { id: service.clone(), properties: properties.collect() }];
        let described = Description { name: String::new(), version: String::new(), services, commands: Vec::new() };
        let plan = Plan::join(&profile, &described).unwrap();
        let fields = list.values().enumerate().map(|(index, value)| (u16::try_from(index).unwrap(), value.clone())).collect();
        let given = Report { event_time, ..report(fields) };
        let mut out = String::new();
        match plan.write_report(&given, received, &mut out) {
            Ok(count) => {
                let parsed: Json = serde_json::from_str(&out).unwrap();
                prop_assert_eq!(&parsed["service"], &Json::from(service));
                prop_assert!(Timestamp::parse(parsed["eventTime"].as_str().unwrap()).is_ok());
                prop_assert_eq!(parsed["values"].as_object().unwrap().len(), list.len());
                prop_assert_eq!(parsed["violations"].as_array().map_or(0, Vec::len), count);
            }
            Err(_) => {
                prop_assert_eq!(out, "");
                prop_assert!(list.values().any(|value| matches!(value, Value::Json(_))));
            }
        }
    }

    #[test]
    fn any_fields_are_answered(indices in prop::collection::vec((0_u16..14, values()), 0..14)) {
        let mut out = String::new();
        if plan().write_report(&report(indices), NOON, &mut out).is_ok() {
            prop_assert!(serde_json::from_str::<Json>(&out).is_ok(), "{out}");
        }
    }
}
