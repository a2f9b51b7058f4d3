//! `plugin test` and `plugin run` over the sample codecs.

use serde_json::{Value, json};

use super::codecgate;

#[test]
fn the_vectors_of_the_samples_pass() {
    for plugin in ["plugins/water-meter", "plugins/smoke-detector"] {
        let ran = codecgate(".", ["plugin", "test", "--component-only", plugin]);
        assert_eq!(ran.code, Some(0), "{plugin}: {ran:?}");
        assert!(
            ran.out.contains(" passed, 0 failed; 0 broken; component ")
                && ran.out.contains(" fuel ")
                && !ran.out.contains("FAIL"),
            "{}",
            ran.out
        );
    }
}

#[test]
fn each_vector_is_measured() {
    let ran = codecgate(".", ["plugin", "bench", "plugins/smoke-detector", "--calls", "100"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let fuel = |line: &&str| line.split_whitespace().rev().nth(1).and_then(|cell| cell.parse::<u64>().ok());
    assert!(ran.out.lines().filter_map(|line| fuel(&line)).filter(|fuel| *fuel > 100).count() >= 40, "{}", ran.out);
}

#[test]
fn a_payload_is_decoded_and_a_bad_one_explained() {
    let sample = std::fs::read_to_string(codecgate_tests::root().join("plugins/water-meter/sample.hex")).unwrap();
    let ran = codecgate(".", ["plugin", "run", "plugins/water-meter", "--hex", sample.trim()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let messages: Value = serde_json::from_str(&ran.out).unwrap();
    assert_eq!(messages[0]["report"]["values"]["serialNumber"], "12345678", "{messages}");

    let ran = codecgate(".", ["plugin", "run", "plugins/water-meter", "--hex", "0101"]);
    assert_eq!((ran.code, ran.out.as_str()), (Some(1), ""), "{ran:?}");
    assert!(ran.err.contains("cannot be decoded") && ran.err.contains("because: truncated at byte"), "{}", ran.err);
}

#[test]
fn a_command_is_encoded_and_a_wrong_one_explained() {
    let run = |rest: &[&str]| codecgate(".", ["plugin", "run", "plugins/water-meter"].iter().chain(rest));
    let ran = run(&["--command", "SET_VALVE", "--params", r#"{"open": true}"#, "--mid", "1"]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let shown: Value = serde_json::from_str(&ran.out).unwrap();
    // plugins/water-meter/vectors/commands.json, "open the valve"
    assert_eq!(shown, json!({ "service": "Meter", "command": "SET_VALVE", "mid": 1, "hex": "81010001000112d0" }));

    let wrong = run(&["--command", "SET_VALVE", "--params", r#"{"open": "yes", "speed": 1}"#]);
    assert_eq!((wrong.code, wrong.out.as_str()), (Some(2), ""), "{wrong:?}");
    assert!(wrong.err.contains("open") && wrong.err.contains("speed"), "both mistakes: {}", wrong.err);
    let unknown = run(&["--command", "EXPLODE"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains("SET_VALVE") && unknown.err.contains("SET_REPORT_PERIOD"), "{}", unknown.err);
    let refused = run(&["--command", "SET_REPORT_PERIOD", "--params", r#"{"minutes": 7}"#]);
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.err.contains("bad-parameter"), "{}", refused.err);
}

/// From nothing to a tested component, in a folder whose name is neither ASCII nor one word.
#[test]
fn a_new_codec_passes_its_vector_wherever_it_lies() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("水表 codecs").join("my meter");
    let place = place.to_str().unwrap();
    let made = codecgate(".", ["plugin", "new", "my-meter", "--path", place]);
    assert_eq!(made.code, Some(0), "{made:?}");
    assert!(made.err.contains("codecgate plugin test '"), "{}", made.err);
    let tested = codecgate(".", ["plugin", "test", place]);
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.out.contains("1 passed, 0 failed"), "{}", tested.out);
    let ran =
        codecgate(".", ["plugin", "run", place, "--command", "SET_PERIOD", "--params", r#"{"minutes": 5}"#, "--mid", "258"]);
    assert!(ran.out.contains("8101020005"), "{ran:?}");
    let again = codecgate(".", ["plugin", "new", "my-meter", "--path", place]);
    assert_eq!(again.code, Some(2), "{again:?}");
    assert!(again.err.contains("not an empty folder"), "{}", again.err);

    // A bug tells where it is, though what is shipped has no tables of lines.
    let file = std::path::Path::new(place).join("src/lib.rs");
    let source =
        std::fs::read_to_string(&file).unwrap().replace("match frame.u8()? {", "match frame.u8()? { 0x77 => inner(frame),");
    let bug = "\n#[inline(never)]\nfn inner(frame: &mut Reader<'_>) -> Messages<SensorCodec> {\n    let all = [1_u8; 3];\n    \
               assert!(all[usize::from(frame.u8().unwrap())] > 5);\n    Messages::new()\n}\n";
    std::fs::write(&file, source + bug).unwrap();
    let trapped = codecgate(".", ["plugin", "run", place, "--hex", "7709"]);
    assert_eq!(trapped.code, Some(1), "{trapped:?}");
    let line = trapped.err.lines().find(|line| line.starts_with("  at my_meter::inner")).expect("the author's function");
    assert!(line.contains("src/lib.rs:"), "{}", trapped.err);
}

/// Packed, signed, checked as the gateway does, and found out when it was changed; all in a folder with a name that is not ASCII.
#[test]
fn faq_4_1_2_12_a_package_is_signed_checked_and_its_change_noticed_whatever_its_path() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("签名 keys");
    std::fs::create_dir(&place).unwrap();
    let at = |name: &str| place.join(name).to_str().unwrap().to_owned();
    let (package, key) = (at("水表.codec"), at("release.key"));
    let built = codecgate(".", ["plugin", "build", "plugins/water-meter", "--package", &package]);
    assert_eq!(built.code, Some(0), "{built:?}");
    assert!(built.err.contains(" of code in ") && built.err.contains("imports nothing but codecgate:codec/"), "{}", built.err);
    let made = codecgate(".", ["plugin", "keygen", &key]);
    let public = made.out.trim();
    assert!(public.starts_with("ed25519:"), "{made:?}");
    assert_eq!(codecgate(".", ["plugin", "keygen", &key]).code, Some(2), "a key is never overwritten");

    let trust = format!("release={public}");
    let check = || codecgate(".", ["plugin", "check", &package, "--require-signature", "--trust", &trust]);
    let unsigned = check();
    assert_eq!(unsigned.code, Some(1), "{unsigned:?}");
    assert!(unsigned.out.contains("REFUSED signature"), "{}", unsigned.out);
    assert_eq!(codecgate(".", ["plugin", "sign", &package, "--key", &key]).code, Some(0));
    let signed = check();
    assert_eq!(signed.code, Some(0), "{signed:?}");
    for part in ["package", "signature", "component", "profile", "tables", "vectors", "determinism", "limits"] {
        assert!(signed.out.contains(&format!("ok      {part}")), "{part}: {}", signed.out);
    }
    assert!(signed.out.contains("fuel "), "what each vector costs: {}", signed.out);
    let verified = codecgate(".", ["plugin", "verify", &package, "--trust", &trust]);
    assert!(verified.code == Some(0) && verified.out.contains("signed by release"), "{verified:?}");
    let stranger = codecgate(".", ["plugin", "verify", &package]);
    assert!(stranger.code == Some(1) && stranger.out.contains("not trusted"), "{stranger:?}");
    let shown = codecgate(".", ["plugin", "inspect", &package]);
    let shown: Value = serde_json::from_str(&shown.out).unwrap();
    assert_eq!((&shown["product"], &shown["signatures"][0]), (&json!("Codecgate/WM20"), &json!(public)), "{shown}");

    let mut bytes = std::fs::read(&package).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&package, bytes).unwrap();
    let changed = check();
    assert_eq!(changed.code, Some(1), "{changed:?}");
    assert!(changed.out.contains("REFUSED"), "{}", changed.out);
}

#[test]
fn codes_are_explained() {
    let one = codecgate(".", ["explain", "e1010"]);
    assert!(one.code == Some(0) && one.out.contains("E1010") && one.out.contains("fix: "), "{one:?}");
    assert_eq!(codecgate(".", ["explain", "E9999"]).code, Some(2));
    let all = codecgate(".", ["explain"]);
    assert!(all.out.lines().filter(|line| line.starts_with('E')).count() > 40, "{}", all.out);
}

/// A codec without code goes all the ways of one with code: checked, explained, proven, packed with its source, admitted.
#[test]
fn a_layout_is_checked_explained_proven_and_packed() {
    let street = "plugins/layouts/street-light";
    let checked = codecgate(".", ["plugin", "layout", "check", street]);
    assert_eq!((checked.code, checked.out.trim()), (Some(0), "plugins/layouts/street-light/layout.json: ok"), "{checked:?}");
    let explained = codecgate(".", ["plugin", "layout", "explain", street]);
    assert_eq!(explained.code, Some(0), "{explained:?}");
    let guide = std::fs::read_to_string(codecgate_tests::root().join("plugin-sdk/LAYOUTS.md")).unwrap();
    let block = |kind: &str| guide.split_once(kind).unwrap().1.split_once("```").unwrap().0.to_owned();
    for line in block("```text\n").lines() {
        assert!(explained.out.contains(line), "{line} is not in\n{}", explained.out);
    }
    let tested = codecgate(".", ["plugin", "test", street]);
    assert_eq!(tested.code, Some(0), "{tested:?}");
    assert!(tested.out.contains("8 passed, 0 failed; 0 broken; component "), "{}", tested.out);
    let ran = codecgate(".", ["plugin", "run", street, "--command", "SET_LED", "--params", r#"{"led": "ON"}"#, "--mid", "7"]);
    assert!(ran.out.contains("0300074f4e20"), "{ran:?}");

    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let (package, component) = (at("light.codec"), at("light.wasm"));
    let built = codecgate(".", ["plugin", "layout", "build", street, "-o", &component, "--package", &package]);
    assert_eq!(built.code, Some(0), "{built:?}");
    let admitted = codecgate(".", ["plugin", "check", &package]);
    assert!(admitted.code == Some(0) && admitted.out.contains("ok      determinism"), "{admitted:?}");
    assert!(codecgate(".", ["plugin", "inspect", &package]).out.contains("layout.json"), "the source travels along");
    let again = codecgate(".", ["plugin", "layout", "explain", &package]);
    assert_eq!((again.code, &again.out), (Some(0), &explained.out), "and can be read out of it");

    let own = folder.path().join("layout.json");
    std::fs::write(&own, block("```json\n")).unwrap();
    std::fs::copy(codecgate_tests::root().join(street).join("profile.json"), folder.path().join("profile.json")).unwrap();
    let check = || codecgate(".", ["plugin", "layout", "check", own.to_str().unwrap()]);
    let as_told = check();
    assert_eq!(as_told.code, Some(0), "{as_told:?}");
    let misspelt = json!({ "version": "1", "messages": [{ "name": "m", "kind": "report", "service": "Lihgt", "fields": [] }] });
    std::fs::write(&own, misspelt.to_string()).unwrap();
    let refused = check();
    assert_eq!(refused.code, Some(1), "{refused:?}");
    assert!(refused.out.contains("error[E2503]") && refused.out.contains("did you mean `Light`?"), "{}", refused.out);
}
