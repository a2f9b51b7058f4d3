//! What the checks tell of submissions that hold no codec that works; those that do are in `tests/codec`.

use super::*;
use crate::package::{Package, Parts, PrivateKey, Root};

const MANIFEST: &str = "interface = \"2.0.0\"\nmanufacturerId = \"Acme01\"\nmodel = \"WM1\"\nversion = \"1\"\n";

fn bench(policy: Policy) -> Bench {
    Bench { host: Host::new(Limits::default(), None).unwrap(), policy }
}

fn key() -> PrivateKey {
    PrivateKey::from_seed(&[3; 32])
}

/// A package of a component that exports nothing, with a profile and vectors that have mistakes.
fn package() -> Package {
    let parts = Parts {
        manifest: MANIFEST.to_owned(),
        component: b"\0asm\x0d\0\x01\0".to_vec(),
        profile: "{\"manufacturerId\": 1}".to_owned(),
        vectors: vec![("a.json".to_owned(), "[{}]".to_owned())],
        layout: None,
    };
    Package::new(parts).unwrap()
}

fn codes(verdict: &Verdict) -> Vec<&'static str> {
    verdict.report.findings().map(|finding| finding.code).collect()
}

#[test]
fn everything_that_can_be_known_is_told_at_once() {
    let verdict = admit(&Submission::Package(&package().write().unwrap()), &bench(Policy::default()));
    let told = codes(&verdict);
    for code in ["E1020", "E1126", "E1130", "E2003", "E2004"] {
        assert!(told.contains(&code), "{code} is not among {told:?}");
    }
    assert!(verdict.admitted.is_none() && !verdict.report.is_admitted());
    let outcome = |name| verdict.report.check(name).map(|check| check.outcome);
    assert_eq!(outcome("package"), Some(Outcome::Passed));
    assert_eq!(outcome("signature"), Some(Outcome::Passed), "none is asked for");
    assert_eq!(outcome("tables"), Some(Outcome::Skipped));
    assert_eq!(outcome("determinism"), Some(Outcome::Skipped));
}

#[test]
fn the_report_is_lines_for_people_and_json_for_machines() {
    let report = admit(&Submission::Package(b"PK, said the fox"), &bench(Policy::default())).report;
    let text = report.to_string();
    assert!(text.starts_with("REFUSED package"), "{text}");
    assert!(text.contains("error[E1102]") && text.contains("fix: ") && text.contains("skipped signature"), "{text}");
    let json = serde_json::to_value(&report).unwrap();
    assert_eq!(json["checks"][0]["outcome"], "refused");
    assert_eq!(json["checks"][0]["findings"][0]["code"], "E1102");
}

#[test]
fn a_signature_counts_only_where_its_key_is_trusted() {
    let mut signed = package();
    signed.sign(&key());
    let bytes = signed.write().unwrap();
    let trust = Trust { roots: vec![Root { name: "acme".into(), key: key().public() }] };
    let told = |bytes: &[u8], trust: &Trust, require_signature| {
        let verdict = admit(&Submission::Package(bytes), &bench(Policy { trust: trust.clone(), require_signature }));
        let check = verdict.report.check("signature").unwrap();
        (check.outcome, check.findings.iter().map(|finding| finding.code).collect::<Vec<_>>())
    };
    let nobody = Trust::default();
    assert_eq!(told(&bytes, &trust, true), (Outcome::Passed, vec![]));
    assert_eq!(told(&bytes, &nobody, false), (Outcome::Passed, vec!["E1172"]));
    assert_eq!(told(&bytes, &nobody, true), (Outcome::Refused, vec!["E1172", "E1173"]));
    assert_eq!(told(&package().write().unwrap(), &trust, true), (Outcome::Refused, vec!["E1173"]));
    let bare = Submission::Loose { component: b"", profile: "{}", vectors: &[] };
    let verdict = admit(&bare, &bench(Policy { trust, require_signature: true }));
    assert!(codes(&verdict).contains(&"E1173"), "a bare component is never signed");
}

#[test]
fn a_wish_lowers_a_limit_and_never_raises_one() {
    let host = Limits::default();
    let wishes = Wishes { memory_mib: Some(4), deadline_ms: Some(99), messages: Some(8), fresh: true, ..Wishes::default() };
    let limits = lowered(&host, &wishes);
    assert_eq!((limits.memory_bytes, limits.deadline_ms, limits.messages), (4 << 20, host.deadline_ms, 8));
    assert_eq!((limits.isolation, limits.log_lines), (Isolation::Fresh, host.log_lines));
}
