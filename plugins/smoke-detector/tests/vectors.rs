//! The vectors natively, and the designer's field rules as laws.

use codecgate_sdk::wire::{Downlink, Field, Message, Value};
use codecgate_sdk::{Origin, decode, encode, testing};
use proptest::prelude::*;
use smoke_detector::SmokeDetectorCodec;

#[test]
fn vectors() {
    testing::run_vectors::<SmokeDetectorCodec>(concat!(env!("CARGO_MANIFEST_DIR"), "/vectors"));
}

/// The fields of the one report of a payload.
fn fields(layout: &str, payload: &[u8]) -> Option<Vec<Field>> {
    let decoded = testing::with_device("", &[("layout", layout)], || {
        decode::<SmokeDetectorCodec>(payload, &Origin::app_data(testing::RECEIVED_MS))
    });
    let decoded = decoded.ok()?;
    let [Message::Report(report)] = decoded.as_slice() else { return None };
    Some(report.fields.clone())
}

const OTHER: u16 = 2;

proptest! {
    #[test]
    fn no_bytes_panic(layout in "string|array|bare|", bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = fields(&layout, &bytes);
    }

    #[test]
    fn a_fixed_text_is_cut_or_null(bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        let value = match bytes.get(..6) {
            Some(kept) => Value::Text(kept.iter().copied().map(char::from).collect()),
            None => Value::Null,
        };
        let payload = [&[2], bytes.as_slice()].concat();
        prop_assert_eq!(fields("string", &payload), Some(vec![Field { index: OTHER, value }]));
    }

    #[test]
    fn a_variable_array_is_base64_or_null(length in 0u8..12, bytes in prop::collection::vec(any::<u8>(), 0..12)) {
        use base64::Engine as _;
        let value = match bytes.get(..length.into()) {
            Some(kept) => Value::Text(base64::engine::general_purpose::STANDARD.encode(kept)),
            None => Value::Null,
        };
        let payload = [&[3, length], bytes.as_slice()].concat();
        prop_assert_eq!(fields("array", &payload), Some(vec![Field { index: OTHER, value }]));
    }

    #[test]
    fn every_alarm_value_is_one_byte(value: i64, mid in 1u16..) {
        let fields = vec![Field { index: 0, value: Value::Integer(value) }];
        let downlink = Downlink::Command { index: 0, mid, has_more: false, fields };
        let frame = encode::<SmokeDetectorCodec>(downlink, &Origin::app_data(0));
        prop_assert_eq!(frame.ok(), u8::try_from(value).ok().map(|byte| Some(vec![byte])));
    }
}
