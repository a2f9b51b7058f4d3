//! What a document may say, and which answers are one.

use proptest::prelude::*;
use serde_json::json;

use super::document::canonical;
use super::*;
use crate::model::FaultKind;

#[test]
fn every_mistake_of_a_document_is_told() {
    let document = r#"[
        {"name": "a", "source": "x", "direction": "decode", "hex": "0G", "messages": []},
        {"name": "b", "source": "x", "direction": "decode", "hex": "00"},
        {"name": "c", "source": "x", "direction": "encode", "reportAck": {"uplink": "00"}},
        {"name": "d", "source": "x", "direction": "encode", "command": {"service": "S", "name": "N", "mid": 1}, "hex": null, "error": {"kind": "other"}},
        {"name": "e", "source": " ", "direction": "decode", "hex": "", "messages": []},
        {"name": "f", "source": "x", "direction": "decode", "hex": "", "mesages": []},
        {"name": "g", "source": "x", "direction": "decode", "hex": "", "error": {"kind": "lazy"}},
        {"name": "h", "source": "x", "direction": "decode", "hex": "", "messages": [{"report": {"service": "S", "eventTime": "noon"}}]},
        {"name": "i", "source": "x", "direction": "decode", "hex": "", "messages": []},
        {"name": "i", "source": "x", "direction": "decode", "hex": "", "messages": []},
        {"direction": "sideways"}
    ]"#;
    let mistakes = parse(document).unwrap_err();
    let places: Vec<&str> = mistakes.iter().map(|mistake| mistake.split(':').next().unwrap()).collect();
    assert_eq!(places, ["`a`", "`b`", "`c`", "`d`", "`e`", "`f`", "`g`", "`h`", "`i`", "vector 10"], "{mistakes:#?}");
    assert!(parse("{}").is_err());
}

#[test]
fn a_payload_is_hex_or_parts() {
    let parse_one = |payload: &str| {
        parse(&format!(r#"[{{"name": "a", "source": "s", "direction": "decode", {payload} "messages": []}}]"#))
            .map(|list| list[0].ask.clone())
    };
    let parts = r#""parts": ["02", {"u16": 314}, {"sum8": true}],"#;
    assert_eq!(parse_one(parts), Ok(Ask::Decode(vec![2, 1, 58, 61])));
    assert_eq!(parse_one(r#""hex": "02 013A 3D","#), parse_one(parts));
    for (payload, told) in
        [("", "either `hex` or `parts`"), (r#""hex": "00", "parts": [],"#, "either"), (r#""parts": [{"u8": 256}],"#, "part 0")]
    {
        let mistakes = parse_one(payload).unwrap_err();
        assert!(mistakes.len() == 1 && mistakes[0].contains(told), "{payload}: {mistakes:?}");
    }
}

#[test]
fn the_guide_s_vectors_are_vectors_and_its_two_forms_of_a_payload_are_one() {
    let guide = include_str!("../../../plugin-sdk/VECTORS.md");
    let (_, rest) = guide.split_once("```json\n").unwrap();
    let (block, _) = rest.split_once("```").unwrap();
    let vectors = parse(block).unwrap_or_else(|mistakes| panic!("{mistakes:#?}"));
    assert_eq!((vectors.len(), &vectors[0].ask), (4, &vectors[1].ask));
}

#[test]
fn nothing_to_send_is_not_the_same_as_saying_nothing() {
    let vectors = parse(
        r#"[{"name": "a", "source": "x", "direction": "encode", "reportAck": {"uplink": "00 01", "errcode": 1}, "hex": null}]"#,
    );
    let vectors = vectors.unwrap();
    assert_eq!(vectors[0].expected, Answer::Bytes(None));
    assert_eq!(vectors[0].ask, Ask::Ack { uplink: vec![0, 1], errcode: 1, has_more: false });
}

#[test]
fn equal_meanings_are_equal() {
    let one = json!({"a": 1, "b": [2.0, null]});
    assert!(same(&one, &json!({"b": [2, null], "a": 1.0})));
    for other in [json!({"a": 1}), json!({"a": 1, "b": [2]}), json!({"a": 1, "b": [2, 0]}), json!({"a": "1", "b": [2, null]})] {
        assert!(!same(&one, &other), "{other}");
    }
    let spelt = |time: &str, extra: &str| {
        let report = format!(r#"{{"report": {{"service": "S", "eventTime": "{time}", "values": {{}}{extra}}}}}"#);
        canonical(serde_json::from_str(&report).unwrap()).unwrap()
    };
    assert_eq!(spelt("20240101T000000Z", ""), spelt("2024-01-01T00:00:00Z", r#", "kind": "report", "hasMore": false"#));
    assert_ne!(spelt("20240101T000000Z", ""), spelt("20240101T000000Z", r#", "hasMore": true"#));
}

#[test]
fn a_fault_may_leave_open_where_it_is() {
    let fault = |offset| Answer::Fault(Fault { kind: FaultKind::Truncated, offset });
    assert!(holds(&fault(None), &fault(Some(3))) && holds(&fault(Some(3)), &fault(Some(3))));
    assert!(!holds(&fault(Some(3)), &fault(Some(4))) && !holds(&fault(Some(3)), &fault(None)));
    assert!(!holds(&fault(None), &Answer::Bytes(None)));
}

const GOOD: &str = r#"[{"name":"a","source":"x","direction":"decode","hex":"0a 0B","messages":[{"report":{"service":"S","values":{"p":1.5}}}]},
{"name":"b","source":"x","direction":"encode","command":{"service":"S","name":"C","mid":7,"params":{"q":"ä"}},"hex":null}]"#;

proptest! {
    #[test]
    fn any_text_is_read_or_refused(text in "\\PC{0,200}") {
        prop_assert!(parse(&text).is_ok() || !parse(&text).unwrap_err().is_empty());
    }

    #[test]
    fn a_damaged_document_is_read_or_refused(at in 0..GOOD.len(), with in any::<char>()) {
        let at = GOOD.floor_char_boundary(at);
        let damaged: String = GOOD[..at].chars().chain([with]).chain(GOOD[at..].chars().skip(1)).collect();
        if let Err(mistakes) = parse(&damaged) {
            prop_assert!(!mistakes.is_empty() && mistakes.iter().all(|mistake| !mistake.is_empty()));
        }
    }
}
