//! The runner must fail, and say where.

use super::*;
use crate::prelude::*;

#[derive(Service)]
#[service("Tank")]
struct Tank {
    fill_level: u8,
    #[field("remark")]
    note: Nullable<String>,
    pump: Option<Pump>,
}

#[derive(Choice)]
enum Pump {
    On,
    #[choice("stand by")]
    StandBy,
}

#[derive(Commands)]
enum Command {
    #[command(service = "Tank")]
    SetPump { pump: Pump, minutes: Option<u8> },
}

struct TankCodec;

impl Codec for TankCodec {
    type Services = Tank;
    type Commands = Command;

    fn decode(frame: &mut Reader<'_>, _: &Origin) -> Result<Messages<Self>> {
        let fill_level = frame.u8()?;
        if fill_level == 0xFF {
            return Ok(Messages::of(Answer::new(frame.u16()?, frame.u8()?)));
        }
        let pump = match frame.u8()? {
            0 => None,
            1 => Some(Pump::On),
            _ => Some(Pump::StandBy),
        };
        let note = (frame.remaining() > 0).then(|| frame.ascii(frame.remaining())).transpose()?;
        Ok(Messages::of(Tank { fill_level, note: Nullable(note), pump }))
    }

    fn encode(command: Command, envelope: Envelope, _: &Origin) -> Result<Vec<u8>> {
        let Command::SetPump { pump, minutes } = command;
        let pump = match pump {
            Pump::On => 1,
            Pump::StandBy => 2,
        };
        Ok(Writer::new().u16(envelope.mid).u8(pump).u8(minutes.unwrap_or(0)).into_bytes())
    }

    fn acknowledge(report: &Received<'_>, _: &Origin) -> Result<Vec<u8>> {
        Ok(if device::endpoint() == "silent" { Vec::new() } else { vec![0xAC, report.errcode, report.has_more.into()] })
    }
}

fn run(vector: &str) -> std::result::Result<usize, Vec<String>> {
    check_vector_text::<TankCodec>("here", &format!(r#"[{{"name": "v", "source": "written for this test", {vector}}}]"#))
}

fn refused(vector: &str, wanted: &str) {
    let failures = run(vector).unwrap_err().join("\n");
    assert!(failures.contains(wanted), "{failures}");
}

#[test]
fn what_fits_passes() {
    for vector in [
        r#""direction": "decode", "hex": "07 01 41", "messages": [{"report": {"service": "Tank", "values": {"fillLevel": 7.0, "remark": "A", "pump": "ON"}}}]"#,
        r#""direction": "decode", "hex": "0700", "messages": [{"report": {"service": "Tank", "values": {"fillLevel": 7, "remark": null}}}]"#,
        r#""direction": "decode", "hex": "FF000301", "messages": [{"response": {"mid": 3, "errcode": 1}}]"#,
        r#""direction": "decode", "hex": "07", "error": {"kind": "truncated", "offset": 1}"#,
        r#""direction": "encode", "command": {"service": "Tank", "name": "SET_PUMP", "mid": 9, "params": {"pump": "stand by"}}, "hex": "00090200""#,
        r#""direction": "encode", "command": {"service": "Tank", "name": "SET_PUMP", "mid": 9, "params": {}}, "error": {"kind": "bad-parameter"}"#,
        r#""direction": "encode", "command": {"service": "Tank", "name": "SET_PUMP", "mid": 9, "params": {"pump": "off"}}, "error": {"kind": "bad-parameter"}"#,
        r#""direction": "encode", "command": {"service": "Tank", "name": "SET_PUMP", "mid": 9, "params": {"pump": "ON", "minutes": 300}}, "error": {"kind": "bad-parameter"}"#,
        r#""direction": "encode", "reportAck": {"uplink": "0700", "hasMore": true}, "hex": "ac0001""#,
        r#""direction": "encode", "endpoint": "silent", "reportAck": {"uplink": "0700"}, "hex": null"#,
    ] {
        assert_eq!(run(vector), Ok(1), "{vector}");
    }
}

#[test]
fn what_differs_is_told_with_its_place() {
    refused(
        r#""direction": "decode", "hex": "0701", "messages": [{"report": {"service": "Tank", "values": {"fillLevel": 8, "pump": "ON"}}}]"#,
        "at /0/report/values/fillLevel: expected 8, got 7\n    at /0/report/values/remark: expected nothing, got null",
    );
    refused(r#""direction": "decode", "hex": "0701", "messages": []"#, "at /0: expected nothing, got {");
    refused(
        r#""direction": "decode", "hex": "07", "error": {"kind": "truncated", "offset": 0}"#,
        "expected the error truncated at byte 0\n    got      truncated at byte 1: 1 bytes wanted, 0 left",
    );
    refused(r#""direction": "decode", "hex": "0700", "error": {"kind": "checksum"}"#, "expected the error checksum");
    refused(r#""direction": "encode", "reportAck": {"uplink": "0700"}, "hex": null"#, r#"expected null, got "AC0000""#);
}

#[test]
fn what_tests_nothing_fails() {
    refused(r#""direction": "decode", "hex": "0700""#, "either `messages` or `error`");
    refused(r#""direction": "encode", "reportAck": {"uplink": "00"}"#, "either `hex` (or null) or `error`");
    refused(r#""direction": "decode", "hex": "0G", "messages": []"#, "is not hex");
    refused(r#""direction": "decode", "hex": "00", "mesages": []"#, "unknown field `mesages`");
    refused(r#""direction": "decode", "hex": "00", "messages": [{"report": {"servce": "Tank"}}]"#, r#"no key "servce""#);
    refused(r#""direction": "encode", "command": {"service": "Tank", "name": "FLY", "mid": 1}, "hex": null"#, "FLY");
    let empty = check_vector_text::<TankCodec>("here", "[]").unwrap_err();
    assert_eq!(empty, ["here: there is no vector"]);
    let folder = tempfile::tempdir().unwrap();
    let empty = check_vectors::<TankCodec>(folder.path()).unwrap_err().join("\n");
    assert!(empty.contains("there is no vector"), "{empty}");
    assert!(check_vectors::<TankCodec>(&folder.path().join("none")).is_err());
}

#[test]
fn attributes_are_those_of_the_device_and_gone_afterwards() {
    let seen = with_device("866971030000000", &[("layout", "array")], || (device::endpoint(), device::attribute("layout")));
    assert_eq!(seen, ("866971030000000".to_owned(), Some("array".to_owned())));
    assert_eq!((device::endpoint(), device::attribute("layout")), (String::new(), None));
}
