//! Vendor packages from `profiles/`: the good ones, each broken one with its committed report, and mutated bytes.

use std::fs;
use std::io::{Cursor, Write as _};

use proptest::prelude::*;
use serde_json::Value as Json;
use zip::write::SimpleFileOptions;

use super::super::mistake::{Mistake, Severity, code};
use super::super::tests::{expect_report, sample};
use super::{Imported, Strictness, import_huawei};

fn package(path: &str) -> (String, Vec<u8>) {
    let name = path.rsplit('/').next().unwrap().to_owned();
    (name, fs::read(sample(path)).unwrap())
}

fn import(path: &str, strictness: Strictness) -> Result<Imported, Vec<Mistake>> {
    let (name, bytes) = package(path);
    import_huawei(&name, &bytes, strictness)
}

/// A stored zip of text files.
fn pack(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
    for (name, text) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(text.as_bytes()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

const DEVICE: &str = r#"{"devices":[{"manufacturerId":"A_1","manufacturerName":"A","model":"M_2","protocolType":"CoAP",
    "deviceType":"Lamp","serviceTypeCapabilities":[{"serviceId":"Light","serviceType":"Light","option":null}]}]}"#;
const LIGHT: &str = r#"{"services":[{"serviceType":"Light","description":null,"commands":null,
    "properties":[{"propertyName":"level","dataType":"int","min":"1","max":"0","step":"0","unit":"null"}]}]}"#;

#[test]
fn the_minimal_package_passes_strictly() {
    let Imported { profile, warnings } = import("huawei/WaterMeter_Acme01_WM1.zip", Strictness::Strict).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(profile.summary(), "WaterMeter Acme01/WM1: 1 service, 1 property, 1 command");
    let expected = serde_json::json!({
        "manufacturerId": "Acme01", "manufacturerName": "Acme", "model": "WM1", "deviceType": "WaterMeter",
        "protocolType": "LWM2M",
        "capabilities": {
            "upgradeCapability": { "supportUpgrade": true, "upgradeProtocolType": "PCP" },
            "fwUpgradeCapability": { "supportUpgrade": false, "upgradeProtocolType": "LWM2M" }
        },
        "services": [{
            "serviceId": "Meter", "description": "Meter",
            "properties": [{ "name": "currentReading", "type": "decimal", "required": true, "min": 0, "max": 999_999,
                "step": 0.001, "unit": "m3", "method": "RE" }],
            "commands": [{ "name": "SET_PERIOD",
                "params": [{ "name": "value", "type": "int", "required": true, "min": 1, "max": 24, "step": 1, "unit": "h" }],
                "response": [{ "name": "result", "type": "int", "required": true, "min": 0, "max": 255, "step": 1 }] }]
        }]
    });
    assert_eq!(serde_json::from_str::<Json>(&profile.to_json()).unwrap(), expected);
}

#[test]
fn the_universal_services_pass_strictly() {
    let Imported { profile, warnings } = import("huawei/Tracker_Acme01_TR7.zip", Strictness::Strict).unwrap();
    assert_eq!(warnings, []);
    assert_eq!(profile.summary(), "Tracker Acme01/TR7: 5 services, 9 properties, 18 commands");
}

#[test]
fn deviations_seen_in_the_field_are_forgiven_when_lenient() {
    let path = "huawei/TestDevice_Acme01_TestDevice.zip";
    let Imported { profile, warnings } = import(path, Strictness::Lenient).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    assert_eq!(profile.key().model, "TestDevice", "deviceType stands in");
    assert_eq!(profile.warnings(), warnings);
    let services: Vec<_> = profile.services().iter().map(|service| service.service_id.as_str()).collect();
    assert_eq!(services, ["Level", "Raw", "Time"]);
    let level = &profile.services()[0].properties[0];
    assert_eq!((level.max.as_ref(), level.unit.as_deref(), level.field_type.as_str()), (None, None, "decimal"));
    let status = &profile.services()[0].properties[1];
    assert_eq!((status.min.as_ref(), status.max.as_ref(), status.max_length), (None, None, Some(16)));
    expect_report("huawei/TestDevice_Acme01_TestDevice.lenient.json", &warnings);
    let strict = import(path, Strictness::Strict).unwrap_err();
    assert_eq!(strict.len(), warnings.len(), "the same list, but as errors");
    assert!(strict.iter().filter(|mistake| mistake.severity == Severity::Error).count() >= 9);
}

#[test]
fn each_broken_package_has_its_committed_report() {
    let mut names: Vec<String> = fs::read_dir(sample("broken"))
        .unwrap()
        .filter_map(|entry| entry.unwrap().file_name().into_string().ok())
        .filter(|name| name.ends_with(".zip"))
        .collect();
    names.sort();
    assert_eq!(names.len(), 14);
    for name in names {
        let mistakes = import(&format!("broken/{name}"), Strictness::Strict).map(|_| &name).unwrap_err();
        expect_report(&format!("broken/{}.expected.json", name.trim_end_matches(".zip")), &mistakes);
    }
}

#[test]
fn what_leniency_forgives_is_chosen() {
    for (name, forgiven) in [
        ("WaterMeter_Acme01_HiddenFiles.zip", true),
        ("WaterMeter_Acme01_OuterFolder.zip", true),
        ("WaterMeter_Acme01_MinAboveMax.zip", true),
        ("WaterMeter_Acme02_WM1.zip", false),
        ("WaterMeter_Acme01_DuplicateProperty.zip", false),
        ("WaterMeter_Acme01_UnknownType.zip", false),
        ("WaterMeter_Acme01_CommandsNotArray.zip", false),
        ("WaterMeter_Acme01_UnsafeNames.zip", false),
    ] {
        let result = import(&format!("broken/{name}"), Strictness::Lenient);
        assert_eq!(result.is_ok(), forgiven, "{name}: {result:#?}");
    }
}

#[test]
fn names_may_contain_underscores_and_copies_are_forgiven() {
    let zip =
        pack(&[("profile/devicetype-capability.json", DEVICE), ("service/Light/profile/servicetype-capability.json", LIGHT)]);
    for (name, strict, lenient) in [
        ("Lamp_A_1_M_2.zip", true, true),
        ("C:\\fakepath\\Lamp_A_1_M_2.zip", true, true),
        ("Lamp_A_1_M_2.ZIP", false, true),
        ("lamp_a_1_m_2.zip", false, true),
        ("Lamp_A_1_M_2 (1).zip", false, true),
        ("Lamp_A_M_2.zip", false, false),
        ("Lamp_A_1_M_2.rar", false, false),
        ("", false, false),
    ] {
        assert_eq!(import_huawei(name, &zip, Strictness::Strict).is_ok(), strict, "{name}");
        assert_eq!(import_huawei(name, &zip, Strictness::Lenient).is_ok(), lenient, "{name}");
    }
}

#[test]
fn the_editors_habits_are_understood() {
    let zip =
        pack(&[("profile/devicetype-capability.json", DEVICE), ("service/Light/profile/servicetype-capability.json", LIGHT)]);
    let Imported { profile, warnings } = import_huawei("Lamp_A_1_M_2.zip", &zip, Strictness::Strict).unwrap();
    let level = &profile.services()[0].properties[0];
    assert_eq!(level.min.as_ref().and_then(serde_json::Number::as_i64), Some(1), "numeric text");
    assert_eq!((level.max.as_ref(), level.step.as_ref(), level.unit.as_deref()), (None, None, None));
    assert_eq!(warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), [code::MIN_ABOVE_MAX]);
}

#[test]
fn what_is_no_package_is_named() {
    for (bytes, code, word) in [
        (b"7z\xbc\xaf\x27\x1c..".as_slice(), code::NOT_A_ZIP, "7-Zip"),
        (b"", code::NOT_A_ZIP, "empty"),
        (b"{\"devices\": []}", code::NOT_A_ZIP, "JSON"),
        (b"PK\x03\x04 cut off", code::DAMAGED_ZIP, "cannot be read"),
    ] {
        let mistakes = import_huawei("A_B_C.zip", bytes, Strictness::Lenient).unwrap_err();
        assert_eq!(mistakes[0].code, code);
        assert!(mistakes[0].reason.contains(word), "{}", mistakes[0]);
    }
}

#[test]
fn bombs_are_refused() {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    let zeros = vec![0_u8; 1 << 20];
    for index in 0..20 {
        zip.start_file(format!("profile/{index}.json"), SimpleFileOptions::default()).unwrap();
        for _ in 0..4 {
            zip.write_all(&zeros).unwrap();
        }
    }
    let bomb = zip.finish().unwrap().into_inner();
    assert!(bomb.len() < 200_000, "{}", bomb.len());
    let told = |bytes: &[u8]| {
        import_huawei("A_B_C.zip", bytes, Strictness::Lenient).unwrap_err().iter().map(|one| one.code).collect::<Vec<_>>()
    };
    assert_eq!(told(&bomb), [code::PACKAGE_TOO_BIG]);
    let names: Vec<String> = (0..1500).map(|index| format!("service/{index}")).collect();
    let many: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), "")).collect();
    assert_eq!(told(&pack(&many)), [code::PACKAGE_TOO_BIG]);
    assert_eq!(told(&vec![b'P'; super::MAX_PACKAGE_BYTES + 1]), [code::PACKAGE_TOO_BIG]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// Bytes changed, cut or put in: always an answer, and an error list has an error.
    #[test]
    fn mutated_packages_are_answered(
        which in 0_usize..3,
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<Option<prop::sample::Index>>(),
    ) {
        let paths = ["huawei/WaterMeter_Acme01_WM1.zip", "huawei/Tracker_Acme01_TR7.zip", "huawei/TestDevice_Acme01_TestDevice.zip"];
        let (name, mut bytes) = package(paths[which]);
        for (position, value) in changes {
            let position = position.index(bytes.len());
            bytes[position] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        for strictness in [Strictness::Strict, Strictness::Lenient] {
            if let Err(mistakes) = import_huawei(&name, &bytes, strictness) {
                prop_assert!(mistakes.iter().any(|mistake| mistake.severity == Severity::Error));
            }
        }
    }

    /// The documents inside changed: the zip is whole, what it says is not.
    #[test]
    fn mutated_documents_are_answered(
        in_device in any::<bool>(),
        cut in any::<prop::sample::Index>(),
        with in prop::sample::select(vec!["null", "[]", "{}", "\"\"", "-1", "1e400", "[{}]", "\u{feff}", "\"x_y/z\""]),
        width in 0_usize..40,
    ) {
        let mut texts = [DEVICE.to_owned(), LIGHT.to_owned()];
        let text = &mut texts[usize::from(!in_device)];
        let from = cut.index(text.len());
        let to = (from + width).min(text.len());
        text.replace_range(from..to, with);
        let zip = pack(&[
            ("profile/devicetype-capability.json", &texts[0]),
            ("service/Light/profile/servicetype-capability.json", &texts[1]),
        ]);
        for strictness in [Strictness::Strict, Strictness::Lenient] {
            if let Err(mistakes) = import_huawei("Lamp_A_1_M_2.zip", &zip, strictness) {
                prop_assert!(mistakes.iter().any(|mistake| mistake.severity == Severity::Error));
            }
        }
    }

    #[test]
    fn any_bytes_are_answered(bytes in any::<Vec<u8>>(), name in any::<String>()) {
        let _ = import_huawei(&name, &bytes, Strictness::Lenient);
        let _ = import_huawei(&name, &[b"PK".as_slice(), &bytes].concat(), Strictness::Lenient);
    }
}
