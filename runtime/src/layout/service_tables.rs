//! The other platform's service tables as layouts (REFERENCE E.5), in both directions. The frames are those of
//! `plugins/layouts/compact-binary`, where their sources stand: no frame of this format was found published.

use codecgate_sdk::wire::{Downlink, Message, Value};

use super::{CheckedLayout, code};
use crate::profile::{Identity, import_service_table};

const TABLE: &[u8] = include_bytes!("../../../profiles/ctwing/Sensor_Acme01_CT1.csv");

fn layout() -> CheckedLayout {
    let model = import_service_table("Sensor_Acme01_CT1.csv", TABLE, Identity::default()).unwrap();
    let layout = CheckedLayout::parse("layout.json", &model.layout, &model.profile).unwrap_or_else(|found| panic!("{found:#?}"));
    // This format has no place for the result of a command but the response's own fields.
    assert!(layout.warnings().iter().all(|mistake| mistake.code == code::NO_ERRCODE), "{:#?}", layout.warnings());
    layout
}

/// The values of the only message.
fn values(hex: &str) -> Vec<Value> {
    let messages = layout().layout().decode(&hex::decode(hex).unwrap()).unwrap_or_else(|error| panic!("{error:?}"));
    let [message] = messages.as_slice() else { panic!("{messages:?}") };
    let fields = match message {
        Message::Report(report) => &report.fields,
        Message::Response(response) => {
            assert_eq!((response.mid, response.errcode), (1, 0));
            &response.fields
        }
    };
    fields.iter().map(|field| field.value.clone()).collect()
}

#[test]
fn reports_of_each_kind_are_read() {
    assert_eq!(values("020001000841CC000042700000"), [Value::Number(25.5), Value::Number(60.0)]);
    let signal = values("0300030004FFA5FFFF");
    assert_eq!(signal, [Value::Integer(-91), Value::Integer(65_535)]);
    assert_eq!(values("0703EA00030E1001"), [Value::Integer(3_600), Value::Integer(1)]);
    assert_eq!(values("8623290001000101"), [Value::Integer(1)]);
    let mixed = values("02000200130000002A0102030002 6F6B0000017913276338".replace(' ', "").as_str());
    assert_eq!(mixed[0], Value::Integer(42));
    assert_eq!(mixed[2], Value::Text("ok".into()));
}

#[test]
fn commands_are_written() {
    let layout = layout();
    let fields = vec![codecgate_sdk::wire::Field { index: 0, value: Value::Integer(1) }];
    let command = Downlink::Command { index: 0, mid: 1, has_more: false, fields };
    assert_eq!(layout.layout().encode(command, 0).unwrap(), Some(hex::decode("061F410001000101").unwrap()));
}

#[test]
fn what_does_not_fit_names_service_and_place() {
    let layout = layout();
    for (hex, offset, told) in [
        ("0299990000", 1, ""),
        ("020001000841CC0000427000", 3, "data_report"),
        ("020001000841CC000042700000FF", 13, "data_report"),
        ("020001000741CC0000427000", 9, "data_report"),
        ("02000200130000002A01020300FF6F6B0000017913276338", 14, "sensor_report"),
    ] {
        let error = layout.layout().decode(&hex::decode(hex).unwrap()).unwrap_err();
        assert!(error.offset == Some(offset) && error.detail.contains(told), "{hex}: {error:?}");
    }
}
