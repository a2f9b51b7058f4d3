//! The vectors natively, and the laws that no list of vectors can show.

use codecgate_sdk::wire::{Downlink, Field, Message, Value};
use codecgate_sdk::{Origin, Writer, crc, decode, describe, encode, testing};
use proptest::prelude::*;
use water_meter::WaterMeter;

#[test]
fn vectors() {
    testing::run_vectors::<WaterMeter>(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"));
}

#[test]
fn tables_follow_from_the_types() {
    let description = describe::<WaterMeter>();
    assert_eq!(description.name, "water-meter");
    let services: Vec<_> = description.services.iter().map(|service| (service.id, service.properties.len())).collect();
    assert_eq!(services, [("Meter", 8), ("Alarm", 2)]);
    let commands: Vec<_> = description.commands.iter().map(|command| command.name).collect();
    assert_eq!(commands, ["SET_VALVE", "SET_REPORT_PERIOD"]);
}

fn origin() -> Origin {
    Origin::app_data(testing::RECEIVED_MS)
}

/// A frame with the right CRC, so that the fields behind it are reached.
fn sealed(bytes: &[u8]) -> Vec<u8> {
    Writer::new().bytes(bytes).crc16(&crc::CCITT_FALSE).into_bytes()
}

proptest! {
    #[test]
    fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = decode::<WaterMeter>(&bytes, &origin());
        let _ = encode::<WaterMeter>(Downlink::ReportAck { uplink: bytes, errcode: 1, has_more: true }, &origin());
    }

    #[test]
    fn no_sealed_bytes_panic(id in 0u8..6, bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = decode::<WaterMeter>(&sealed(&[&[id, 1], bytes.as_slice()].concat()), &origin());
    }

    #[test]
    fn a_damaged_report_is_never_taken(litres: u32, byte in 2usize..20, bit in 0u8..8) {
        let mut frame = sealed(
            &Writer::new().u8(1).u8(1).u32(0x1234_5678).u32(litres).u32(0).u32(0).into_bytes());
        prop_assert!(decode::<WaterMeter>(&frame, &origin()).is_ok());
        frame[byte] ^= 1 << bit;
        let error = decode::<WaterMeter>(&frame, &origin()).unwrap_err();
        prop_assert_eq!(error.kind.as_str(), "checksum");
    }

    #[test]
    fn an_answer_brings_back_what_the_command_said(mid in 1u16.., open: bool, has_more: bool) {
        let fields = vec![Field { index: 0, value: Value::Boolean(open) }];
        let frame = encode::<WaterMeter>(Downlink::Command { index: 0, mid, has_more, fields: fields.clone() }, &origin())
            .unwrap().unwrap();
        // What the meter does: the same mid and value in an answer.
        let answer = sealed(&[0x03, 1, frame[2], frame[3], frame[0], 0, frame[5]]);
        let messages = decode::<WaterMeter>(&answer, &origin()).unwrap();
        let [Message::Response(response)] = messages.as_slice() else { panic!("{messages:?}") };
        prop_assert_eq!((response.mid, response.errcode, response.command), (mid, 0, Some(0)));
        prop_assert_eq!(&response.fields, &fields);
    }

    #[test]
    fn no_parameters_panic(index in 0u16..4, field in 0u16..3, number: i64, text in ".{0,8}") {
        for value in [Value::Null, Value::Integer(number), Value::Boolean(true), Value::Text(text)] {
            let fields = vec![Field { index: field, value }];
            let _ = encode::<WaterMeter>(Downlink::Command { index, mid: 1, has_more: false, fields }, &origin());
        }
    }
}
