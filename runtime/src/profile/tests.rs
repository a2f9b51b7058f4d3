//! Documents of our own format: what passes, what is told, and that nothing panics.

use std::path::PathBuf;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::{Mistake, Profile, SCHEMA, Severity, code};

/// A file of the repository's `profiles/`.
pub(super) fn sample(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../profiles").join(path)
}

/// Compares a report with the committed one; `UPDATE_EXPECTED=1` writes it instead.
pub(super) fn expect_report(expected: &str, mistakes: &[Mistake]) {
    let path = sample(expected);
    let report = serde_json::to_string_pretty(mistakes).unwrap() + "\n";
    if std::env::var_os("UPDATE_EXPECTED").is_some() {
        std::fs::write(&path, report).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert_eq!(report, committed, "{}: run with UPDATE_EXPECTED=1 if the change is meant", path.display());
}

fn profile_with(service: Json) -> Json {
    json!({ "manufacturerId": "Acme01", "model": "WM1", "deviceType": "WaterMeter", "services": [service] })
}

fn parse(value: &Json) -> Result<Profile, Vec<Mistake>> {
    Profile::parse("profile.json", &value.to_string())
}

/// (pointer, code) of everything told.
fn told(value: &Json) -> Vec<(String, &'static str)> {
    let list = match parse(value) {
        Ok(profile) => profile.warnings().to_vec(),
        Err(mistakes) => mistakes,
    };
    list.into_iter().map(|mistake| (mistake.pointer, mistake.code)).collect()
}

#[test]
fn the_sample_passes_and_round_trips() {
    let text = std::fs::read_to_string(sample("parking-sensor.json")).unwrap();
    let profile = Profile::parse("parking-sensor.json", &text).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    assert_eq!(profile.warnings(), []);
    assert_eq!(profile.summary(), "ParkingSensor Acme01/PS2: 3 services, 10 properties, 1 command");
    assert_eq!(profile.key().to_string(), "Acme01/PS2");
    let again = profile.to_json();
    assert_eq!(serde_json::from_str::<Json>(&again).unwrap(), serde_json::from_str::<Json>(&text).unwrap());
    assert_eq!(Profile::parse("again", &again).unwrap().to_json(), again);
}

#[test]
fn broken_documents_have_the_committed_reports() {
    for name in ["several-mistakes", "malformed"] {
        let text = std::fs::read_to_string(sample(&format!("broken/{name}.json"))).unwrap();
        let mistakes = Profile::parse(&format!("{name}.json"), &text).unwrap_err();
        expect_report(&format!("broken/{name}.expected.json"), &mistakes);
    }
}

#[test]
fn each_rule_is_told_at_its_place() {
    let property = |field: Json| profile_with(json!({ "serviceId": "Meter", "properties": [field] }));
    let base = "/services/0/properties/0";
    for (document, expected) in [
        (property(json!({ "name": "a", "type": "int", "min": 2, "max": 1 })), vec![("/min", code::MIN_ABOVE_MAX)]),
        (property(json!({ "name": "a", "type": "enum" })), vec![("", code::EMPTY_ENUM)]),
        (property(json!({ "name": "a", "type": "enum", "enum": [] })), vec![("", code::EMPTY_ENUM)]),
        (property(json!({ "name": "a", "type": "int", "step": 0 })), vec![("/step", code::ZERO_STEP)]),
        (property(json!({ "name": "a", "type": "int", "step": -1 })), vec![("/step", code::OUT_OF_BOUNDS)]),
        (property(json!({ "name": "a", "type": "int", "maxLength": 4 })), vec![("/maxLength", code::NO_EFFECT)]),
        (property(json!({ "name": "a", "type": "string", "min": 1 })), vec![("/min", code::NO_EFFECT)]),
        (property(json!({ "name": "A", "type": "string" })), vec![("/name", code::NAMING_STYLE)]),
        (property(json!({ "name": "a", "type": "bool" })), vec![("/type", code::NOT_ALLOWED)]),
        (property(json!({ "name": "a", "type": "int", "method": "RX" })), vec![("/method", code::BAD_TEXT)]),
        (property(json!({ "name": "a" })), vec![("", code::MISSING_KEY)]),
        (property(json!({ "name": 7, "type": "int" })), vec![("/name", code::WRONG_TYPE)]),
        (property(json!({ "name": "a", "type": "int", "minimum": 1 })), vec![("/minimum", code::UNKNOWN_KEY)]),
        (
            property(json!({ "name": "a", "type": "jsonObject", "schema": { "type": 3 } })),
            vec![("/schema", code::BAD_VALUE_SCHEMA)],
        ),
        (
            property(json!({ "name": "a", "type": "jsonObject", "schema": { "$ref": "https://example.com/s.json" } })),
            vec![("/schema", code::BAD_VALUE_SCHEMA)],
        ),
        (property(json!({ "name": "a", "type": "enum", "enum": ["x", "x"] })), vec![("/enum/1", code::REPEATED_ENUM_VALUE)]),
    ] {
        let expected: Vec<_> = expected.into_iter().map(|(tail, code)| (format!("{base}{tail}"), code)).collect();
        assert_eq!(told(&document), expected, "{document}");
    }
}

#[test]
fn names_and_numbers_are_unique_in_their_scope() {
    let document = json!({
        "manufacturerId": "Acme01", "model": "WM1", "deviceType": "WaterMeter",
        "services": [
            { "serviceId": "Meter", "number": 1, "properties": [{ "name": "a", "type": "int" }, { "name": "a", "type": "int" }] },
            { "serviceId": "Meter", "number": 1, "commands": [
                { "name": "SET", "params": [{ "name": "a", "type": "int" }, { "name": "a", "type": "int" }] },
                { "name": "SET", "responseNumber": 1, "response": [{ "name": "a", "type": "int" }, { "name": "a", "type": "int" }] }
            ] }
        ]
    });
    let told = told(&document);
    for (pointer, code) in [
        ("/services/1/serviceId", code::DUPLICATE_SERVICE),
        ("/services/0/properties/1/name", code::DUPLICATE_PROPERTY),
        ("/services/1/commands/1/name", code::DUPLICATE_COMMAND),
        ("/services/1/commands/0/params/1/name", code::DUPLICATE_PARAMETER),
        ("/services/1/commands/1/response/1/name", code::DUPLICATE_PARAMETER),
        ("/services/1/number", code::DUPLICATE_NUMBER),
        ("/services/1/commands/1/responseNumber", code::DUPLICATE_NUMBER),
    ] {
        assert!(told.contains(&(pointer.to_owned(), code)), "{pointer} {code}: {told:?}");
    }
    assert_eq!(told.len(), 7);
}

#[test]
fn a_misspelt_key_is_answered_with_the_nearest() {
    let document = profile_with(json!({ "serviceId": "Meter", "propertys": [] }));
    let mistakes = parse(&document).unwrap_err();
    let mistake = mistakes.iter().find(|mistake| mistake.code == code::UNKNOWN_KEY).unwrap();
    assert_eq!(mistake.pointer, "/services/0/propertys");
    assert_eq!(mistake.fix, "did you mean `properties`?");
    assert_eq!(mistake.reason, "`propertys` is no key of a service");
}

#[test]
fn malformed_json_is_told_with_line_and_column() {
    for (text, line, fix) in [
        ("{\n  \"a\": 1,\n}", "line 3, column 1", "remove the comma before"),
        ("{\"a\": [1, 2", "line 1, column 11", "ends too early"),
        ("{\"a\": 1 \"b\": 2}", "line 1, column 9", "put a comma in front"),
        ("// profile\n{}", "line 1, column 1", "remove the comment"),
        ("", "line 1, column 0", "ends too early"),
    ] {
        let mistakes = Profile::parse("p.json", text).unwrap_err();
        assert_eq!(mistakes.len(), 1);
        assert_eq!(mistakes[0].code, code::NOT_JSON);
        assert!(mistakes[0].reason.contains(line), "{:?}", mistakes[0]);
        assert!(mistakes[0].fix.contains(fix), "{:?}", mistakes[0]);
    }
}

#[test]
fn a_mistake_prints_place_reason_and_fix() {
    let mistakes =
        parse(&profile_with(json!({ "serviceId": "Meter", "properties": [{ "name": "a", "type": "enum" }] }))).unwrap_err();
    assert_eq!(
        mistakes[0].to_string(),
        "error[E2107] profile.json#/services/0/properties/0: an enum needs the list of its values\n  \
         fix: add `enum` with the allowed texts, or choose type string"
    );
}

/// The README is where people look codes up.
#[test]
fn every_code_is_in_the_readme_and_no_other() {
    let readme = std::fs::read_to_string(sample("README.md")).unwrap();
    let listed: Vec<&str> =
        readme.lines().filter_map(|line| line.strip_prefix("| E")).filter_map(|line| line.split(' ').next()).collect();
    let known: Vec<&str> = code::ALL.iter().filter_map(|code| code.strip_prefix('E')).collect();
    assert_eq!(listed, known);
    let mut sorted = known.clone();
    sorted.dedup();
    assert!(sorted.is_sorted() && sorted.len() == known.len());
}

#[test]
fn every_key_of_the_schema_is_explained() {
    fn walk(node: &Json, path: &str) {
        for (key, entry) in node.get("properties").and_then(Json::as_object).into_iter().flatten() {
            let explained = entry.get("$ref").is_some() || (entry.get("title").is_some() && entry.get("description").is_some());
            assert!(explained, "{path}/{key}");
            walk(entry, &format!("{path}/{key}"));
        }
    }
    let schema: Json = serde_json::from_str(SCHEMA).unwrap();
    walk(&schema, "");
    for (name, node) in schema["$defs"].as_object().unwrap() {
        assert!(node.get("title").is_some() && node.get("description").is_some(), "{name}");
        walk(node, name);
    }
}

/// Any JSON value of some depth, with keys that the format knows, so that it gets past the first rule.
fn documents() -> impl Strategy<Value = Json> {
    let keys = prop::sample::select(vec![
        "services",
        "serviceId",
        "properties",
        "commands",
        "params",
        "response",
        "name",
        "type",
        "min",
        "max",
        "step",
        "enum",
        "schema",
        "number",
        "layout",
        "model",
        "manufacturerId",
        "deviceType",
        "x~/y",
    ]);
    let words = prop::sample::select(vec!["int", "enum", "jsonObject", "Meter", "", "RE", "\u{0}\"\\"]);
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        words.prop_map(Json::from),
    ];
    leaf.prop_recursive(6, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Json::from),
            prop::collection::btree_map(keys.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|map| Json::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn any_text_is_answered(text in any::<String>()) {
        let _ = Profile::parse("p.json", &text);
    }

    #[test]
    fn any_value_is_answered_with_places_that_exist(value in documents()) {
        let whole = json!({ "manufacturerId": "a", "model": "b", "deviceType": "C", "services": value.clone() });
        for document in [value, whole] {
            match parse(&document) {
                Ok(profile) => prop_assert!(Profile::parse("again", &profile.to_json()).is_ok()),
                Err(mistakes) => {
                    prop_assert!(mistakes.iter().any(|mistake| mistake.severity == Severity::Error));
                    for mistake in mistakes {
                        prop_assert!(document.pointer(&mistake.pointer).is_some(), "{mistake:?}");
                    }
                }
            }
        }
    }
}
