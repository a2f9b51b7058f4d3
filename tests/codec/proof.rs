//! What admission makes a codec show by running it: that its vectors hold, and that it is a function.

use codecgate::admission::{Bench, Outcome, Policy, Submission, Verdict, admit};
use codecgate::codec::Limits;
use codecgate::package::{Package, Parts};
use serde_json::{Value, json};

use super::{COMPONENT, frame, host};

/// A profile that the hostile codec's tables fit.
fn profile() -> String {
    let property = |name: &str| json!({ "name": name, "type": "int" });
    let names = ["volume", "flow", "temperature", "battery", "valve", "day"];
    let command = json!({ "name": "SET_VALVE", "params": [{ "name": "open", "type": "boolean" }] });
    let properties: Vec<Value> = names.iter().map(|name| property(name)).collect();
    json!({
        "manufacturerId": "Acme01", "model": "Hostile", "deviceType": "Test",
        "services": [{ "serviceId": "Meter", "properties": properties, "commands": [command] }],
    })
    .to_string()
}

/// A decode vector.
fn vector(name: &str, payload: &[u8], expected: &Value) -> Value {
    let mut vector =
        json!({ "name": name, "source": "written for this test", "direction": "decode", "hex": hex::encode(payload) });
    if let (Some(vector), Some(expected)) = (vector.as_object_mut(), expected.as_object()) {
        vector.extend(expected.clone());
    }
    vector
}

fn values(values: &Value) -> Value {
    json!({ "messages": [{ "report": { "service": "Meter", "values": values } }] })
}

/// Admits the hostile codec with these vectors.
fn prove(vectors: &[Value]) -> Verdict {
    let documents = [("vectors/a.json".to_owned(), Value::from(vectors).to_string())];
    let profile = profile();
    let submission = Submission::Loose { component: &COMPONENT, profile: &profile, vectors: &documents };
    admit(&submission, &Bench { host: host(Limits::default()), policy: Policy::default() })
}

fn codes(verdict: &Verdict) -> Vec<&str> {
    verdict.report.refusals().map(|finding| finding.code).collect()
}

/// A refusal is the same however often it is asked for.
fn honest() -> Value {
    vector("cut off", &frame()[..7], &json!({ "error": { "kind": "truncated", "offset": 7 } }))
}

#[test]
fn a_codec_whose_vectors_hold_is_admitted_and_its_costs_are_told() {
    let verdict = prove(&[honest(), vector("nothing", &[0xff], &json!({ "messages": [] }))]);
    assert!(verdict.report.is_admitted(), "{}", verdict.report);
    let admitted = verdict.admitted.expect("admitted");
    assert_eq!((admitted.codec.digest().len(), admitted.profile.key().model.as_str()), (64, "Hostile"));
    let costs = &verdict.report.costs;
    assert!(costs.len() == 2 && costs.iter().all(|cost| cost.fuel > 0 && cost.memory_bytes > 0), "{costs:?}");
    let again = prove(&[honest(), vector("nothing", &[0xff], &json!({ "messages": [] }))]);
    assert_eq!(&again.report.costs, costs, "fuel is the same every time");
}

#[test]
fn state_kept_between_calls_is_found() {
    let verdict = prove(&[vector("the first call", &[0x0a], &values(&json!({ "volume": 1 })))]);
    assert_eq!(codes(&verdict), ["E1150"], "{}", verdict.report);
    assert_eq!(verdict.report.check("vectors").map(|check| check.outcome), Some(Outcome::Passed));
    // In the one instance it is the second call; in a pristine one the first.
    let second = prove(&[honest(), vector("the second call", &[0x0a], &values(&json!({ "volume": 2 })))]);
    assert!(codes(&second).contains(&"E1151"), "{}", second.report);
}

#[test]
fn what_a_vector_shows_is_told_by_what_it_is() {
    let verdict = prove(&[
        vector("wrong", &[0xff], &values(&json!({ "volume": 7 }))),
        vector("trap", &[0x0c], &json!({ "messages": [] })),
        vector("another type than promised", &[0x05, 0, 0], &json!({ "messages": [] })),
    ]);
    assert_eq!(codes(&verdict), ["E1140", "E1141", "E1142"], "{}", verdict.report);
    let places: Vec<&str> = verdict.report.refusals().map(|finding| finding.pointer.as_str()).collect();
    assert_eq!(places, ["/0", "/1", "/2"]);
    assert!(verdict.admitted.is_none());
}

#[test]
fn a_codec_that_only_makes_trouble_is_given_up() {
    let loops: Vec<Value> = (0..40).map(|n| vector(&format!("loop {n}"), &[0x02], &json!({ "messages": [] }))).collect();
    let verdict = prove(&loops);
    let told = codes(&verdict);
    assert!(told.contains(&"E1143") && told.iter().filter(|code| **code == "E1141").count() == 8, "{}", verdict.report);
    assert!(prove(&[honest()]).report.is_admitted(), "the host is well");
}

#[test]
fn a_package_must_say_what_its_parts_say_and_its_wishes_hold() {
    let package_of = |model: &str, version: &str, limits: &str, vectors: &[Value]| {
        let manifest =
            format!("interface = \"1.0.0\"\nmanufacturerId = \"Acme01\"\nmodel = \"{model}\"\nversion = \"{version}\"\n{limits}");
        let vectors = match vectors {
            [] => vec![],
            some => vec![("截断 1.json".to_owned(), json!(some).to_string())],
        };
        let parts = Parts { manifest, component: COMPONENT.clone(), profile: profile(), vectors, layout: None };
        let bytes = Package::new(parts).map(|package| package.write().expect("it can be written")).expect("no mistake");
        admit(&Submission::Package(&bytes), &Bench { host: host(Limits::default()), policy: Policy::default() })
    };
    let package = |model: &str, version: &str, limits: &str| package_of(model, version, limits, &[honest()]);
    let good = package("Hostile", "1.0.0", "[limits]\nmemory_mib = 2\nmessages = 4\n");
    assert!(good.report.is_admitted(), "{}", good.report);
    let limits = good.admitted.expect("admitted").limits;
    assert_eq!((limits.memory_bytes, limits.messages), (2 << 20, 4));
    assert_eq!(codes(&package("Other", "2", "")), ["E1124", "E1125"]);
    let cramped = package("Hostile", "1.0.0", "[limits]\nmemory_mib = 1\n");
    assert_eq!(codes(&cramped), ["E1033"], "stack and static data of a Rust codec take more: {}", cramped.report);
    let told = cramped.report.to_string();
    assert!(told.contains("no instance fits the limits") && !told.contains("E1131"), "it has vectors: {told}");
    // Where no vector shows it, the instance that cannot be made shows it.
    assert_eq!(codes(&package_of("Hostile", "1.0.0", "[limits]\nmemory_mib = 1\n", &[])), ["E1033"]);
    assert!(package_of("Hostile", "1.0.0", "[limits]\nmemory_mib = 2\n", &[]).report.is_admitted());
    // Vectors are asked under what the package asks for, from the first pass on.
    let terse = package("Hostile", "1.0.0", "[limits]\npayload_bytes = 1\n");
    assert!(codes(&terse).contains(&"E1141"), "{}", terse.report);
    let wide = package("Hostile", "1.0.0", "[limits]\nmemory_mib = 512\n");
    assert!(wide.report.is_admitted() && wide.report.findings().any(|finding| finding.code == "E1162"), "{}", wide.report);
}
