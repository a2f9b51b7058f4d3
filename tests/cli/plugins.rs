//! `plugin test` and `plugin run` over the sample codecs.

use serde_json::{Value, json};

use super::codecgate;

#[test]
fn the_vectors_of_the_samples_pass() {
    for plugin in ["plugins/water-meter", "plugins/smoke-detector"] {
        let ran = codecgate(".", ["plugin", "test", plugin]);
        assert_eq!(ran.code, Some(0), "{plugin}: {ran:?}");
        assert!(ran.out.contains(" passed, 0 failed; component ") && !ran.out.contains("FAIL"), "{}", ran.out);
    }
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
}
