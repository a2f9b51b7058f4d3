//! The promise of the first page: a codec with six values and one command fits on one screen and runs natively.

use codecgate_sdk::{describe, testing};

#[path = "../examples/six_fields.rs"]
mod six_fields;

const SOURCE: &str = include_str!("../examples/six_fields.rs");

#[test]
fn six_values_and_a_command_fit_on_one_screen() {
    assert!(SOURCE.lines().count() <= 60, "{} lines", SOURCE.lines().count());
}

#[test]
fn the_readme_shows_the_example_as_it_is() {
    let readme = include_str!("../README.md");
    assert!(readme.contains(SOURCE), "README.md and examples/six_fields.rs differ");
}

#[test]
fn the_example_decodes_and_encodes() {
    let vectors = r#"[
        {"name": "report", "source": "written for this codec", "direction": "decode",
         "hex": "01 12340567 00003039 FFF4 FFCB 0E10 01", "messages": [{"report": {"service": "Meter", "values":
         {"serialNumber": "12340567", "reading": 12.345, "flow": -12, "temperature": -5.3, "batteryVoltage": 3600, "valveOpen": true}}}]},
        {"name": "answer", "source": "written for this codec", "direction": "decode", "hex": "02 0007 00 01",
         "messages": [{"response": {"mid": 7, "errcode": 0, "command": "SET_VALVE", "values": {"open": true}}}]},
        {"name": "command", "source": "written for this codec", "direction": "encode", "hex": "81 0007 01",
         "command": {"service": "Meter", "name": "SET_VALVE", "mid": 7, "params": {"open": true}}},
        {"name": "cut short", "source": "written for this codec", "direction": "decode", "hex": "01 1234",
         "error": {"kind": "truncated", "offset": 1}}
    ]"#;
    assert_eq!(testing::check_vector_text::<six_fields::MeterCodec>("example", vectors), Ok(4));
    assert_eq!(describe::<six_fields::MeterCodec>().commands.len(), 1);
}
