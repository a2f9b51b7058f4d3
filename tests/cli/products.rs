//! Products of other platforms, brought whole; and the vendor's codec messages.

use std::path::Path;

use serde_json::{Value, json};

use super::codecgate;

fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap()
}

#[test]
fn a_service_table_becomes_a_product_that_passes_and_a_table_again() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("传感器 CT1");
    let (dir, shown) = (dir.as_path(), dir.to_str().unwrap());
    let imported = codecgate(".", ["product", "import", "profiles/ctwing/Sensor_Acme01_CT1.csv", "-o", shown]);
    assert_eq!(imported.code, Some(0), "{imported:?}");
    assert!(imported.err.contains("to do: ") && text(&dir.join("IMPORTED.md")).contains("# Acme01/CT1"), "{}", imported.err);
    let tested = codecgate(".", ["plugin", "test", shown]);
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.out.contains("6 passed, 0 failed; 0 broken"), "{}", tested.out);
    let ran = codecgate(".", ["plugin", "run", shown, "--hex", "020001000841CC000042700000"]);
    let messages: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(messages[0]["report"]["values"], json!({ "temperature_data": 25.5, "humidity_data": 60.0 }));

    let profile = dir.join("profile.json");
    let table = folder.path().join("table.json");
    let exported = codecgate(".", ["product", "export", profile.to_str().unwrap(), "-o", table.to_str().unwrap()]);
    assert_eq!(exported.code, Some(0), "{exported:?}");
    let again = folder.path().join("again");
    let imported = codecgate(".", ["product", "import", table.to_str().unwrap(), "-o", again.to_str().unwrap()]);
    assert_eq!(imported.code, Some(0), "{imported:?}");
    for file in ["profile.json", "layout.json", "vectors/examples.json"] {
        assert_eq!(text(&again.join(file)), text(&dir.join(file)), "{file}");
    }
    let taken = codecgate(".", ["product", "import", table.to_str().unwrap(), "-o", shown]);
    assert!(taken.code == Some(2) && taken.err.contains("not an empty folder"), "{taken:?}");
}

#[test]
fn a_package_with_a_jar_becomes_a_crate_that_builds_and_one_without_a_layout() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("vendor");
    std::fs::create_dir(&source).unwrap();
    let package = codecgate_tests::root().join("profiles/huawei/WaterMeter_Acme01_WM1.zip");
    std::fs::copy(package, source.join("WaterMeter_Acme01_WM1.zip")).unwrap();
    let import = |name: &str| {
        let dir = folder.path().join(name);
        let ran = codecgate(".", ["product", "import", source.to_str().unwrap(), "-o", dir.to_str().unwrap()]);
        assert_eq!(ran.code, Some(0), "{ran:?}");
        (dir, ran.err)
    };
    let (plain, told) = import("plain");
    assert!(told.contains("is a guess"), "{told}");
    let tested = codecgate(".", ["plugin", "test", plain.to_str().unwrap()]);
    assert!(tested.code == Some(0) && tested.out.contains(" passed, 0 failed; 0 broken"), "{tested:?}");

    std::fs::write(source.join("WaterMeter-Acme01-WM1-1.0.0.jar"), b"PK").unwrap();
    let (port, told) = import("port");
    assert!(told.contains("WaterMeter-Acme01-WM1-1.0.0.jar needs porting"), "{told}");
    let tested = codecgate(".", ["plugin", "test", "--component-only", port.to_str().unwrap()]);
    assert!(tested.code == Some(0) && tested.out.contains("1 passed, 0 failed; 0 broken"), "{tested:?}");
}

/// The vendor's own words for the samples of its smoke detector (vectors of `plugins/layouts/smoke-detector-string`).
#[test]
fn the_vendor_s_messages_are_told_and_understood() {
    let run = |rest: &[&str]| {
        codecgate(".", [&["plugin", "run", "plugins/layouts/smoke-detector-string", "--format", "huawei"], rest].concat())
    };
    let report = run(&["--hex", "0001013A"]);
    let told: Value = serde_json::from_str(&report.out).unwrap();
    let data = json!([{ "serviceId": "smokedetector", "serviceData": { "level": 1, "temperature": 314 } }]);
    assert_eq!(told, json!({ "msgType": "deviceReq", "hasMore": 0, "data": data }));
    let command = json!({
        "identifier": null, "msgType": "cloudReq", "serviceId": "smokedetector", "cmd": "SET_ALARM", "paras": { "value": 1 },
        "hasMore": "0", "mid": "3"
    });
    let sent = run(&["--message", &command.to_string()]);
    assert_eq!((sent.code, sent.out.trim()), (Some(0), "01"), "{sent:?}");
    let answer = run(&["--message", r#"{"msgType":"cloudRsp","request":[0,1,1,58],"errcode":0,"hasMore":0}"#]);
    assert_eq!((answer.code, answer.out.trim()), (Some(0), "AAAA0000"), "{answer:?}");
    let wrong = run(&["--message", r#"{"msgType":"cloudReq","mid":0}"#]);
    assert!(wrong.code == Some(2) && wrong.err.contains("`serviceId`") && wrong.err.contains("`mid`"), "{wrong:?}");
}
