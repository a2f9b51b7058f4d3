//! `profile check` and `profile import` over the samples that the repository ships.

use std::path::PathBuf;

use codecgate_tests::root;
use serde_json::Value;

use super::{Ran, codecgate};

fn samples(folder: &str, ending: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("profiles").join(folder)).unwrap().map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = entries.filter(|path| path.to_string_lossy().ends_with(ending)).collect();
    found.sort();
    assert!(!found.is_empty());
    found
}

fn check(folder: &str, args: &[&str]) -> Ran {
    codecgate(folder, ["profile", "check"].iter().chain(args))
}

/// A broken sample's name and the exact report beside it.
fn broken() -> Vec<(String, Vec<Value>)> {
    let reports = samples("broken", ".expected.json").into_iter();
    let pairs = reports.map(|report| {
        let stem = report.file_name().unwrap().to_string_lossy().trim_end_matches(".expected.json").to_owned();
        let zip = format!("{stem}.zip");
        let sample = if report.with_file_name(&zip).exists() { zip } else { format!("{stem}.json") };
        (sample, serde_json::from_slice(&std::fs::read(report).unwrap()).unwrap())
    });
    pairs.collect()
}

#[test]
fn good_profiles_and_packages_pass() {
    let good = [
        "parking-sensor.json",
        "huawei/WaterMeter_Acme01_WM1.zip",
        "huawei/Tracker_Acme01_TR7.zip",
        "../plugins/water-meter/profile.json",
        "../plugins/smoke-detector/profile.json",
    ];
    let ran = check("profiles", &good);
    assert_eq!((ran.code, ran.err.as_str()), (Some(0), ""), "{ran:?}");
    for file in good {
        assert!(ran.out.contains(&format!("{file}: ok, product ")), "{}", ran.out);
    }
}

#[test]
fn every_mistake_of_a_broken_sample_is_told_with_place_reason_and_fix() {
    for (sample, report) in broken() {
        let ran = check("profiles/broken", &[&sample]);
        assert_eq!(ran.code, Some(1), "{sample}: {ran:?}");
        for mistake in &report {
            let member = |name: &str| mistake[name].as_str().unwrap();
            let anchor = if member("pointer").is_empty() { "" } else { "#" };
            let (severity, code, file) = (member("severity"), member("code"), member("file"));
            let told = format!("  {severity}[{code}] {file}{anchor}{}: {}\n", member("pointer"), member("reason"));
            assert!(ran.out.contains(&told), "{sample}: {told:?} is not in\n{}", ran.out);
            assert!(ran.out.contains(&format!("    fix: {}\n", member("fix"))), "{sample}: {}", ran.out);
        }
        assert_eq!(ran.out.lines().count(), 1 + 2 * report.len(), "{sample}: {}", ran.out);
    }
}

#[test]
fn json_output_is_one_document_with_the_same_mistakes() {
    let broken = broken();
    let mut args = vec!["--json", "../parking-sensor.json"];
    args.extend(broken.iter().map(|(sample, _)| sample.as_str()));
    let ran = check("profiles/broken", &args);
    assert_eq!((ran.code, ran.err.as_str()), (Some(1), ""));
    let verdicts: Vec<Value> = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(verdicts.len(), 1 + broken.len());
    assert_eq!((&verdicts[0]["ok"], &verdicts[0]["mistakes"]), (&Value::Bool(true), &Value::Array(Vec::new())));
    for (verdict, (sample, report)) in verdicts.iter().skip(1).zip(&broken) {
        assert_eq!((&verdict["file"], &verdict["ok"]), (&Value::from(sample.as_str()), &Value::Bool(false)));
        assert_eq!(verdict["mistakes"], Value::Array(report.clone()), "{sample}");
    }
}

#[test]
fn what_import_writes_passes_the_check() {
    let folder = tempfile::tempdir().unwrap();
    for package in samples("huawei", ".zip") {
        let name = package.file_name().unwrap().to_str().unwrap();
        let profile = folder.path().join(name).with_extension("json");
        let profile = profile.to_str().unwrap();
        let needs_lenience = name.starts_with("TestDevice");
        let mut args = vec!["profile", "import", name, "-o", profile];
        if needs_lenience {
            let strict = codecgate("profiles/huawei", &args);
            assert_eq!((strict.code, strict.out.as_str()), (Some(1), ""), "{strict:?}");
            assert!(strict.err.contains("fix: ") && !std::path::Path::new(profile).exists(), "{strict:?}");
            args.push("--lenient");
        }
        let ran = codecgate("profiles/huawei", &args);
        assert_eq!((ran.code, ran.out.as_str()), (Some(0), ""), "{ran:?}");
        let checked = check("profiles", &[profile]);
        assert_eq!(checked.code, Some(0), "{name}: {checked:?}");

        args.retain(|arg| *arg != "-o" && *arg != profile);
        let shown = codecgate("profiles/huawei", &args);
        assert_eq!(shown.out, std::fs::read_to_string(profile).unwrap(), "standard output has the same bytes");
    }
}
