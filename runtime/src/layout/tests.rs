//! What layouts are refused for, each code once; the vendor's questions about them; and the samples through the real admission.

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use codecgate_sdk::wire::{self, Downlink, Value};
use serde_json::json;

use super::*;
use crate::admission::{Bench, Policy, Submission, admit};
use crate::codec::{Host, Limits};
use crate::profile::Severity;

fn profile() -> Profile {
    let field = |name: &str, field_type: &str| json!({ "name": name, "type": field_type });
    let document = json!({
        "manufacturerId": "A", "model": "M", "deviceType": "D",
        "services": [
            {
                "serviceId": "Meter",
                "properties": [field("level", "int"), field("value", "decimal"), field("text", "string"), field("blob", "bytes"),
                    field("open", "boolean"), field("time", "dateTime"), field("type", "int"), field("int", "int")],
                "commands": [
                    { "name": "SET", "params": [field("level", "int"), field("word", "string")], "response": [field("state", "int")] },
                    { "name": "PING" }
                ]
            },
            { "serviceId": "Battery", "properties": [field("level", "int")] }
        ]
    });
    Profile::parse("profile.json", &document.to_string()).unwrap()
}

fn parse(document: &Json) -> Result<CheckedLayout, Vec<Mistake>> {
    CheckedLayout::parse("layout.json", &document.to_string(), &profile())
}

/// The codes of all errors and warnings, with their pointers.
fn told(document: &Json) -> Vec<(&'static str, String)> {
    let mistakes = match parse(document) {
        Ok(layout) => layout.warnings().to_vec(),
        Err(mistakes) => mistakes,
    };
    assert!(mistakes.iter().all(|mistake| mistake.reason.len() > 8 && mistake.fix.len() > 4), "{mistakes:#?}");
    mistakes.into_iter().map(|mistake| (mistake.code, mistake.pointer)).collect()
}

fn of_messages(messages: &Json) -> Json {
    json!({ "version": "1.0.0", "messages": messages })
}

/// One report of these fields.
fn report(fields: &Json) -> Json {
    json!({ "name": "m", "kind": "report", "service": "Meter", "fields": fields })
}

fn id(default: &str) -> Json {
    json!({ "name": "messageId", "type": "int8u", "default": default })
}

#[track_caller]
fn refused(document: &Json, expected: &[(&str, &str)]) {
    let told = told(document);
    let told: Vec<(&str, &str)> = told.iter().map(|(code, pointer)| (*code, pointer.as_str())).collect();
    assert_eq!(told, expected);
}

#[track_caller]
fn fields_refused(fields: &Json, expected: &[(&str, &str)]) {
    refused(&of_messages(&json!([report(fields)])), expected);
}

#[test]
fn structure_is_told_together_with_the_rest() {
    refused(
        &json!({ "messages": [report(&json!([
            { "name": "level", "type": "uint8" },
            { "name": "levle", "type": "int8u" },
            { "name": "text", "type": "string" },
            { "name": "open", "type": "bool", "lenght": 1 }
        ]))] }),
        &[
            ("E2003", ""),
            ("E2005", "/messages/0/fields/0/type"),
            ("E2002", "/messages/0/fields/3/lenght"),
            ("E2508", "/messages/0/fields/2"),
            ("E2504", "/messages/0/fields/1/name"),
        ],
    );
    assert_eq!(told(&json!([]))[0].0, "E2004");
    assert!(CheckedLayout::parse("l", "{", &profile()).unwrap_err()[0].code == "E2001");
}

#[test]
fn a_field_by_itself() {
    fields_refused(&json!([{ "name": "level", "type": "int8u", "default": "8g" }]), &[("E2509", "/messages/0/fields/0/default")]);
    fields_refused(
        &json!([{ "name": "level", "type": "int8u", "default": "0x1234" }]),
        &[("E2510", "/messages/0/fields/0/default")],
    );
    fields_refused(&json!([{ "name": "level", "type": "int8u", "length": 1 }]), &[("E2507", "/messages/0/fields/0/length")]);
    fields_refused(&json!([{ "name": "text", "type": "varstring" }]), &[("E2514", "/messages/0/fields/0")]);
    fields_refused(&json!([{ "name": "value", "type": "int8u", "scale": 0 }]), &[("E2528", "/messages/0/fields/0/scale")]);
    fields_refused(
        &json!([{ "name": "value", "type": "int8u", "scale": 0.5, "add": 0.3 }]),
        &[("E2528", "/messages/0/fields/0/scale")],
    );
    fields_refused(
        &json!([{ "name": "text", "type": "int8u", "values": { "0": "a", "256": "b", "1": "a", "x": "c" } }]),
        &[
            ("E2527", "/messages/0/fields/0/values/256"),
            ("E2527", "/messages/0/fields/0/values/1"),
            ("E2527", "/messages/0/fields/0/values/x"),
        ],
    );
    fields_refused(&json!([{ "name": "c", "type": "const" }]), &[("E2510", "/messages/0/fields/0")]);
    fields_refused(&json!([{ "name": "c", "type": "check" }]), &[("E2508", "/messages/0/fields/0")]);
}

#[test]
fn fields_in_their_row() {
    let level = |name: &str, offset: &str| json!({ "name": name, "type": "int8u", "target": "level", "offset": offset });
    fields_refused(
        &json!([level("a", "0-1"), level("a", "1-2")]),
        &[("E2502", "/messages/0/fields/1/name"), ("E2533", "/messages/0/fields/1")],
    );
    fields_refused(&json!([level("a", "0-2")]), &[("E2512", "/messages/0/fields/0/offset")]);
    let value = json!({ "name": "value", "type": "int16u", "offset": "1-3" });
    fields_refused(&json!([{ "name": "level", "type": "int16u" }, value]), &[("E2511", "/messages/0/fields/1/offset")]);
    let text = json!({ "name": "text", "type": "varstring", "prefix": 1 });
    fields_refused(&json!([text, value]), &[("E2513", "/messages/0/fields/1/offset")]);
    let by = json!({ "name": "text", "type": "varstring", "lengthField": "length" });
    let length = |word: &str| json!({ "name": "length", "type": word });
    fields_refused(
        &json!([by, length("int8u")]),
        &[("E2515", "/messages/0/fields/0/lengthField"), ("E2504", "/messages/0/fields/1/name")],
    );
    fields_refused(&json!([by]), &[("E2514", "/messages/0/fields/0/lengthField")]);
    let told_codes =
        |fields: Json| -> Vec<&str> { told(&of_messages(&json!([report(&fields)]))).iter().map(|(code, _)| *code).collect() };
    assert_eq!(told_codes(json!([length("int8s"), by])), ["E2514", "E2504"]);
    let other = json!({ "name": "blob", "type": "variant", "lengthField": "length" });
    assert_eq!(told_codes(json!([length("int8u"), by, other])), ["E2516"]);
    let optional = json!({ "name": "level", "type": "int8u", "optional": true });
    assert_eq!(told_codes(json!([optional, { "name": "value", "type": "int16u" }])), ["E2526"]);
    let time = |name: &str| json!({ "name": name, "type": "unix", "role": "eventTime" });
    assert_eq!(told_codes(json!([time("a"), time("b")])), ["E2525"]);
    assert_eq!(told_codes(json!([{ "name": "a", "type": "int8u", "role": "errcode" }])), ["E2524"]);
    let long = json!({ "name": "p", "type": "padding", "length": 65_535 });
    assert_eq!(told_codes(json!([long, { "name": "level", "type": "int8u" }])), ["E2508"]);
    // Bytes that nothing is said of are padding.
    let layout = parse(&of_messages(&json!([report(&json!([level("level", "2-3")]))]))).unwrap();
    assert_eq!(layout.tables()[0].example.as_deref(), Some("000001"));
}

#[test]
fn fields_that_repeat_are_reports_of_their_own() {
    let document = |repeat: Json| {
        let mut report = report(&json!([id("1"), { "name": "count", "type": "int8u" }]));
        report["repeat"] = repeat;
        of_messages(&json!([report]))
    };
    let reading = json!([{ "name": "eventTime", "type": "unix" }, { "name": "value", "type": "int16s", "scale": 0.1 }]);
    let layout = parse(&document(json!({ "count": "count", "fields": reading }))).unwrap();
    assert_eq!(layout.tables()[0].example.as_deref(), Some("010165BA36400001"));
    let said = layout.layout().decode(&[1, 2, 0, 0, 0, 5, 0, 233, 0, 0, 0, 6, 0, 7]).unwrap();
    let readings = said.iter().map(|message| match message {
        wire::Message::Report(report) => (report.event_time, report.fields[0].value.clone()),
        other => panic!("{other:?}"),
    });
    assert_eq!(readings.collect::<Vec<_>>(), [(Some(5_000), Value::Number(23.3)), (Some(6_000), Value::Number(0.7))]);
    assert_eq!(told_codes(&document(json!({ "count": "none", "fields": reading }))), ["E2514", "E2504"]);
    assert_eq!(
        told_codes(&document(json!({ "count": "count", "fields": [{ "name": "level", "type": "int8u", "optional": true }] }))),
        ["E2526"]
    );
    let wrong = document(json!({ "count": "count", "fields": [{ "name": "levle", "type": "int8u" }] }));
    assert_eq!(told(&wrong), [("E2504", "/messages/0/repeat/fields/0/name".to_owned())]);
    let command = json!({ "name": "PING", "kind": "command", "fields": [], "repeat": { "fields": [{ "name": "x", "type": "padding", "length": 1 }] } });
    assert_eq!(told_codes(&of_messages(&json!([command]))), ["E2507"]);
}

fn told_codes(document: &Json) -> Vec<&'static str> {
    told(document).into_iter().map(|(code, _)| code).collect()
}

#[test]
fn values_and_the_profile() {
    let field = |name: &str, word: &str| json!({ "name": name, "type": word });
    fields_refused(&json!([field("levle", "int8u")]), &[("E2504", "/messages/0/fields/0/name")]);
    for (name, word) in [("text", "int8u"), ("level", "float"), ("time", "int32u"), ("blob", "unix"), ("open", "float")] {
        fields_refused(&json!([field(name, word)]), &[("E2506", "/messages/0/fields/0/type")]);
    }
    fields_refused(&json!([{ "name": "level", "type": "int8u", "scale": 0.1 }]), &[("E2506", "/messages/0/fields/0/type")]);
    let shifted = json!([report(&json!([{ "name": "level", "type": "int8u", "scale": 2, "add": -128 }]))]);
    let said = parse(&of_messages(&shifted)).unwrap().layout().decode(&[25]).unwrap();
    assert!(format!("{said:?}").contains("Integer(-78)"), "{said:?}");
    // A decimal that is written as text (FAQ 4.1.1.5).
    let written = json!([report(&json!([{ "name": "value", "type": "string", "length": 5 }]))]);
    let layout = parse(&of_messages(&written)).unwrap();
    assert_eq!((values(&layout, b"-12.5"), values(&layout, b"1,5  ")), (vec![Value::Number(-12.5)], vec![Value::Null]));
    refused(
        &of_messages(&json!([{ "name": "m", "kind": "report", "service": "Metre", "fields": [field("level", "int8u")] }])),
        &[("E2503", "/messages/0/fields/0/service"), ("E2503", "/messages/0/service")],
    );
    refused(
        &of_messages(&json!([{ "name": "c", "kind": "command", "command": "SAT", "fields": [] }])),
        &[("E2505", "/messages/0/command")],
    );
    refused(
        &of_messages(&json!([{ "name": "r", "kind": "response", "command": "SET", "fields": [] }])),
        &[("E2532", "/messages/0")],
    );
    let two = |word: &str, values: Json| {
        json!([
            { "name": "a", "kind": "report", "service": "Meter", "fields": [id("1"), { "name": "text", "type": "string", "length": 1 }] },
            { "name": "b", "kind": "report", "service": "Meter", "fields": [id("2"), { "name": "open", "type": word, "values": values }] }
        ])
    };
    assert_eq!(told(&of_messages(&two("int8u", json!({ "0": "no" }))))[0].0, "E2506");
    // A decimal that one message scales is a number with a fraction in all.
    let layout = parse(&of_messages(&json!([
        { "name": "a", "kind": "report", "service": "Meter", "fields": [id("1"), { "name": "value", "type": "int8u" }] },
        { "name": "b", "kind": "report", "service": "Meter", "fields": [id("2"), { "name": "value", "type": "int8u", "scale": 0.5 }] }
    ])));
    assert!(layout.is_ok(), "{layout:?}");
}

#[test]
fn answers_are_at_reports_and_know_their_fields() {
    let answered = |answer: Json| {
        let mut report = report(&json!([id("1"), { "name": "level", "type": "int8u" }]));
        report["answer"] = answer;
        of_messages(&json!([report]))
    };
    assert_eq!(told(&answered(json!("AAAA000G")))[0].0, "E2509");
    assert_eq!(told(&answered(json!({ "fields": [{ "name": "x", "type": "int8u", "echo": "lvl" }] })))[0].0, "E2530");
    assert_eq!(told(&answered(json!({ "fields": [], "when": { "field": "lvl", "is": 1 } })))[0].0, "E2529");
    let mut command = json!({ "name": "PING", "kind": "command", "fields": [], "answer": true });
    assert_eq!(told(&of_messages(&json!([command])))[0].0, "E2529");
    command["answer"] = Json::Null;
    let layout =
        parse(&answered(json!({ "fields": [id("0x81"), { "name": "again", "type": "int8u", "echo": "level" }] }))).unwrap();
    let ack = Downlink::ReportAck { uplink: vec![1, 77], errcode: 0, has_more: false };
    assert_eq!(layout.layout().encode(ack, 0).unwrap(), Some(vec![0x81, 77]));
}

#[test]
fn what_is_too_large_is_told() {
    let fields: Vec<Json> = (0..900)
        .map(|n| json!({ "name": format!("a field of some length, number {n}"), "type": "padding", "length": 1 }))
        .collect();
    refused(&of_messages(&json!([report(&json!(fields))])), &[("E2535", "")]);
}

/// "Deployment of the plug-in failed": four causes, each told by its own code here; Java's keywords are fine.
#[test]
fn faq_4_1_2_2_each_reason_for_a_failed_build_has_its_code() {
    let messages = |second: Json| {
        of_messages(&json!([
            { "name": "a", "kind": "report", "service": "Meter", "fields": [id("0x01"), { "name": "level", "type": "int8u" }] },
            { "name": "b", "kind": "report", "service": "Meter", "fields": second }
        ]))
    };
    let level = json!({ "name": "level", "type": "int8u" });
    assert_eq!(told(&messages(json!([id("0x01"), level]))), [("E2518", "/messages/1/fields/0/default".to_owned())]);
    assert_eq!(told(&messages(json!([level, id("0x02")])))[0], ("E2519", "/messages/1/fields/1".to_owned()));
    let text = json!({ "name": "messageId", "type": "string", "length": 1, "default": "0x02" });
    assert_eq!(told(&messages(json!([text, level])))[0], ("E2517", "/messages/1/fields/0/type".to_owned()));
    assert_eq!(told(&messages(json!([id("x2"), level])))[0], ("E2509", "/messages/1/fields/0/default".to_owned()));
    let keywords = json!([id("0x02"), { "name": "type", "type": "int8u" }, { "name": "int", "type": "int8u" }]);
    assert_eq!(told(&messages(keywords)), []);
}

/// The values of the one report that the layout makes of a payload.
fn values(layout: &CheckedLayout, payload: &[u8]) -> Vec<Value> {
    match layout.layout().decode(payload).unwrap().as_slice() {
        [wire::Message::Report(report)] => report.fields.iter().map(|field| field.value.clone()).collect(),
        other => panic!("one report expected, got {other:?}"),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

/// "How are string and varstring coded?" As ASCII; what the FAQ leaves open (too short, too long, not printable) is written down.
#[test]
fn faq_4_1_2_3_texts_are_coded_byte_by_byte() {
    let layout = |fields: Json| parse(&of_messages(&json!([report(&fields)]))).unwrap();
    let fixed = layout(json!([{ "name": "text", "type": "string", "length": 6 }]));
    assert_eq!(values(&fixed, b"123456"), [text("123456")]);
    assert_eq!(values(&fixed, b"12345678"), [text("123456")]);
    assert_eq!(values(&fixed, b"\x0112345"), [text("\u{1}12345")]);
    assert_eq!(values(&fixed, b"1"), [Value::Null]);
    let length = json!({ "name": "length", "type": "int8u" });
    let variable = layout(json!([length, { "name": "text", "type": "varstring", "lengthField": "length", "difference": 1 }]));
    assert_eq!(values(&variable, b"\x02A"), [text("A")]);
    assert_eq!(values(&variable, b"\x03A"), [Value::Null]);
}

/// "How are array and variant coded?" As base64; a property of type bytes takes the bytes themselves.
#[test]
fn faq_4_1_2_4_arrays_are_base64_or_bytes() {
    let layout = |target: &str| {
        let field = json!({ "name": "array", "type": "array", "length": 5, "target": target });
        parse(&of_messages(&json!([report(&json!([field]))]))).unwrap()
    };
    assert_eq!(values(&layout("text"), b"\x11\x22\x33\x44\x55"), [text("ESIzRFU=")]);
    assert_eq!(values(&layout("text"), b"\x11\x22\x33\x44"), [Value::Null]);
    assert_eq!(values(&layout("blob"), b"\x11\x22\x33\x44\x55\x66"), [Value::Bytes(vec![0x11, 0x22, 0x33, 0x44, 0x55])]);
}

/// A command fails with "broken Base64 encoding" in a log that the user had to find.
#[test]
fn faq_4_1_3_6_broken_base64_is_told_with_the_parameter() {
    let array = json!({ "name": "word", "type": "array", "length": 2 });
    let layout = parse(&of_messages(&json!([{ "name": "SET", "kind": "command", "fields": [array] }]))).unwrap();
    let command = |word: &str| {
        let fields = vec![wire::Field { index: 0, value: text(word) }];
        layout.layout().encode(Downlink::Command { index: 0, mid: 1, has_more: false, fields }, 0)
    };
    assert_eq!(command("AQI="), Ok(Some(vec![1, 2])));
    let refusal = command("Bj").unwrap_err().to_string();
    assert!(refusal.starts_with("bad-parameter: word: ") && refusal.contains("base64"), "{refusal}");
}

/// "The device does not get the answer to its report": the box "add response field" was not ticked.
#[test]
fn faq_4_1_3_10_an_answer_is_sent_where_the_layout_has_one() {
    let ack = || Downlink::ReportAck { uplink: vec![1, 7], errcode: 0, has_more: true };
    let mut report = report(&json!([id("1"), { "name": "level", "type": "int8u" }]));
    assert_eq!(parse(&of_messages(&json!([report]))).unwrap().layout().encode(ack(), 0), Ok(None));
    report["answer"] = json!(true);
    assert_eq!(parse(&of_messages(&json!([report]))).unwrap().layout().encode(ack(), 0), Ok(Some(vec![0xAA, 0xAA, 0, 0])));
}

/// "Does an online plug-in support transparent data?" No, there; here all bytes can be one value.
#[test]
fn faq_4_1_2_5_a_payload_is_passed_on_as_it_is() {
    let layout = parse(&of_messages(&json!([report(&json!([{ "name": "text", "type": "variant", "rest": true }]))]))).unwrap();
    let said = layout.layout().decode(b"Magenta").unwrap();
    let [wire::Message::Report(report)] = said.as_slice() else { panic!("{said:?}") };
    assert_eq!(report.fields[0].value, Value::Text("TWFnZW50YQ==".to_owned()));
}

/// "How is the address field (messageId) used?" Responses count as reports, answers as commands.
#[test]
fn faq_4_1_2_6_messages_of_one_direction_are_told_apart() {
    let fields = |first: Json| json!([first, { "name": "level", "type": "int8u" }]);
    let bare = json!([{ "name": "level", "type": "int8u" }]);
    let one = |fields: &Json| json!({ "name": "a", "kind": "report", "service": "Meter", "fields": fields });
    let response = |id: Json| {
        json!({ "name": "r", "kind": "response", "command": "SET", "fields":
        [id, { "name": "mid", "type": "int16u" }, { "name": "errcode", "type": "int8u" }] })
    };
    let command = |name: &str, default: &str| {
        json!({ "name": name, "kind": "command", "command": name, "fields":
        [id(default), { "name": "mid", "type": "int16u" }] })
    };
    assert_eq!(told(&of_messages(&json!([one(&bare), command("SET", "8"), response(id("1"))])))[0].0, "E2520");
    assert_eq!(told(&of_messages(&json!([one(&fields(id("1"))), command("SET", "8"), response(id("1"))])))[0].0, "E2518");
    assert_eq!(told(&of_messages(&json!([one(&fields(id("1"))), command("SET", "8"), response(id("2"))]))), []);
    assert_eq!(told(&of_messages(&json!([command("SET", "8"), command("PING", "8")])))[0].0, "E2518");
    // A report and a command may have one id: they go different ways.
    assert_eq!(told(&of_messages(&json!([one(&fields(id("8"))), command("SET", "8")]))), []);
    let mut answered = one(&fields(id("1")));
    answered["answer"] = json!({ "fields": [id("8")] });
    assert_eq!(told(&of_messages(&json!([answered, command("SET", "8")])))[0].0, "E2518");
    answered["answer"] = json!({ "fields": [{ "name": "errcode", "type": "int8u" }] });
    let warned = parse(&of_messages(&json!([answered, command("SET", "8")]))).unwrap();
    assert_eq!((warned.warnings()[0].code, warned.warnings()[0].severity), ("E2520", Severity::Warning));
}

/// "How is the response to a command made?" With mid in both, at one position (also FAQ 4.1.3.12: the state never turned successful).
#[test]
fn faq_4_1_2_7_a_response_finds_its_command_by_mid() {
    let mid = json!({ "name": "mid", "type": "int16u" });
    let errcode = json!({ "name": "errcode", "type": "int8u" });
    let pair = |down: Json, up: Json| {
        of_messages(&json!([
            { "name": "SET", "kind": "command", "fields": down },
            { "name": "r", "kind": "response", "command": "SET", "fields": up }
        ]))
    };
    assert_eq!(told(&pair(json!([mid]), json!([errcode]))), [("E2521", "/messages/1/fields".to_owned())]);
    assert_eq!(told(&pair(json!([]), json!([mid, errcode]))), [("E2521", "/messages/0/fields".to_owned())]);
    assert_eq!(told(&pair(json!([mid]), json!([errcode, mid]))), [("E2522", "/messages/1/fields/1".to_owned())]);
    let short = json!({ "name": "mid", "type": "int8u" });
    assert_eq!(told(&pair(json!([short]), json!([short, errcode])))[0].0, "E2523");
    assert_eq!(told(&pair(json!([mid]), json!([mid]))), [("E2537", "/messages/1/fields".to_owned())]);
    let second = json!({ "name": "r2", "kind": "response", "command": "SET", "fields": [id("2"), mid, errcode] });
    let mut twice = pair(json!([id("9"), mid]), json!([id("1"), mid, errcode]));
    twice["messages"].as_array_mut().unwrap().push(second);
    assert_eq!(told(&twice)[0].0, "E2531");
    let layout = parse(&pair(json!([mid]), json!([mid, errcode]))).unwrap();
    let command = Downlink::Command { index: 0, mid: 0x1234, has_more: false, fields: Vec::new() };
    assert_eq!(layout.layout().encode(command, 0).unwrap(), Some(vec![0x12, 0x34]));
    let said = layout.layout().decode(&[0x12, 0x34, 1]).unwrap();
    assert!(
        matches!(&said[..], [wire::Message::Response(response)] if response.mid == 0x1234 && response.errcode == 1),
        "{said:?}"
    );
}

/// "Can the platform be switched to little-endian?" No, there; here for a layout or for one field.
#[test]
fn faq_4_1_3_13_byte_order_is_big_unless_it_is_said_to_be_little() {
    let fields = json!([{ "name": "level", "type": "int16u" }, { "name": "type", "type": "int16u", "byteOrder": "little" },
        { "name": "int", "type": "int16u", "byteOrder": "big" }]);
    let read = |order: Option<&str>| {
        let mut document = of_messages(&json!([report(&fields)]));
        if let Some(order) = order {
            document["byteOrder"] = order.into();
        }
        let said = parse(&document).unwrap().layout().decode(&[1, 2, 1, 2, 1, 2]).unwrap();
        let [wire::Message::Report(report)] = said.as_slice() else { panic!("{said:?}") };
        report.fields.iter().map(|field| field.value.clone()).collect::<Vec<_>>()
    };
    assert_eq!(read(None), [0x0102, 0x0201, 0x0102].map(Value::Integer));
    assert_eq!(read(Some("little")), [0x0201, 0x0201, 0x0102].map(Value::Integer));
}

static HOST: LazyLock<std::sync::Arc<Host>> = LazyLock::new(|| Host::new(Limits::default(), None).unwrap());

fn samples() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins/layouts");
    let mut samples: Vec<PathBuf> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).filter(|path| path.is_dir()).collect();
    samples.sort();
    samples
}

fn sample(folder: &Path) -> (CheckedLayout, String) {
    let read = |name: &str| std::fs::read_to_string(folder.join(name)).unwrap();
    let profile = read("profile.json");
    let checked = Profile::parse("profile.json", &profile).unwrap();
    let layout = CheckedLayout::parse(&folder.display().to_string(), &read("layout.json"), &checked);
    let layout =
        layout.unwrap_or_else(|mistakes| panic!("{}", mistakes.iter().map(|mistake| format!("{mistake}\n")).collect::<String>()));
    (layout, profile)
}

/// Every sample is an ordinary codec: component, tables, vectors, determinism, limits.
#[test]
fn the_samples_pass_the_admission_of_the_gateway() {
    let bench = Bench { host: HOST.clone(), policy: Policy::default() };
    assert!(samples().len() >= 9);
    for folder in samples() {
        let (layout, profile) = sample(&folder);
        assert!(layout.tables().iter().all(|table| table.example.is_some()), "{:#?}", layout.tables());
        let component = layout.component().unwrap();
        let mut vectors = Vec::new();
        for entry in std::fs::read_dir(folder.join("vectors")).unwrap() {
            let path = entry.unwrap().path();
            vectors.push((path.display().to_string(), std::fs::read_to_string(&path).unwrap()));
        }
        let verdict = admit(&Submission::Loose { component: &component, profile: &profile, vectors: &vectors }, &bench);
        assert!(verdict.report.is_admitted(), "{}\n{}", folder.display(), verdict.report);
        assert!(verdict.report.costs.len() >= 2, "{}", folder.display());
    }
}

/// The bytes in the slot are checked before they are believed: such a component tells why at its first call, `describe`.
#[test]
fn a_damaged_slot_is_refused() {
    let (layout, _) = sample(&samples()[0]);
    let component = layout.component().unwrap();
    let compact = to_bytes(layout.layout());
    let at = component.windows(compact.len()).position(|bytes| bytes == compact).unwrap();
    for place in [at, at + compact.len() / 2, at - 1, at - 5] {
        let mut damaged = component.clone();
        damaged[place] ^= 1;
        let refusal = HOST.load(&damaged).map(|_| ()).unwrap_err();
        assert_eq!(refusal.code, "E1030", "{refusal}");
    }
    assert_eq!(HOST.load(INTERPRETER).map(|_| ()).unwrap_err().code, "E1030", "without a layout it describes nothing");
}
