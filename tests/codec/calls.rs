//! Misbehaviour in calls: each is explained, and the next call on the same worker is well.

use std::sync::Arc;

use codecgate::codec::{CallError, Codec, Host, Instances, Isolation, Limits};
use codecgate::model::{CodecFault, Downlink, FaultKind, Field, Message, Origin, Value};

use super::{COMPONENT, both, card, frame, host};

/// Does it, checks the explanation, and shows that the next call is served by a pristine instance. The deadline is far, so that a
/// busy machine reaches the limit that is meant.
fn check(payload: &[u8], expected: impl Fn(&CallError) -> bool) {
    check_within(1_000, payload, expected);
}

fn check_within(deadline_ms: u64, payload: &[u8], expected: impl Fn(&CallError) -> bool) {
    both(Limits { deadline_ms, ..Limits::default() }, |bench| {
        assert_eq!(bench.count(), Value::Integer(1));
        let error = bench.decode(payload).expect_err("it misbehaves");
        assert!(expected(&error), "{error}");
        assert_eq!(bench.count(), Value::Integer(1), "the instance was dropped");
        assert!(bench.decode(&frame()).is_ok());
    });
}

#[test]
fn six_values_arrive_typed_and_by_index() {
    both(Limits::default(), |bench| {
        let messages = bench.decode(&frame()).unwrap();
        let [Message::Report(report)] = messages.as_slice() else { panic!("one report expected, got {messages:?}") };
        let values = [
            Value::Integer(1_234_567),
            Value::Number(-1.5),
            Value::Number(21.5),
            Value::Integer(3_600),
            Value::Boolean(true),
            Value::Timestamp(19_675 * 86_400_000),
        ];
        let expected: Vec<Field> = (0..).zip(values).map(|(index, value)| Field { index, value }).collect();
        assert_eq!(report.fields, expected);
    });
}

#[test]
fn a_panic_tells_its_text_and_the_author_s_function() {
    check(b"\x01no such frame", |error| match error {
        CallError::Trap { function, message, .. } => {
            function == "hostile_codec::deep_inside::parse, called by decode"
                && message.contains("no such frame")
                && message.contains("lib.rs")
        }
        _ => false,
    });
}

#[test]
fn a_trap_without_words_tells_the_trap() {
    check(&[0x0c], |error| matches!(error, CallError::Trap { message, .. } if message.contains("unreachable")));
}

#[test]
fn an_endless_loop_is_stopped_and_named() {
    check_within(
        10,
        &[0x02],
        |error| matches!(error, CallError::Deadline { function, deadline_ms: 10 } if function == "hostile_codec::spin, called by decode"),
    );
}

#[test]
fn a_memory_bomb_is_stopped_at_the_limit() {
    check(&[0x03], |error| {
        matches!(error, CallError::Trap { function, message, .. }
            if function == "hostile_codec::bomb, called by decode" && message.contains("the limit is 16777216"))
    });
}

#[test]
fn an_endless_recursion_is_called_one() {
    check(&[0x04], |error| {
        matches!(error, CallError::Trap { function, message, .. }
            if function == "hostile_codec::dig, called by decode" && message.contains("stack overflowed"))
    });
}

#[test]
fn an_answer_past_the_host_s_patience_is_refused_before_it_is_copied() {
    // Time enough to make it: 300,000 values take the guest some 8 ms of a quiet machine.
    both(Limits { deadline_ms: 1_000, ..Limits::default() }, |bench| {
        let error = bench.decode(&[0x0b]).unwrap_err();
        assert!(matches!(error, CallError::TooLarge { what: "answer", limit: 1_048_576, .. }), "{error}");
        assert_eq!(bench.count(), Value::Integer(1), "the instance was dropped");
    });
}

#[test]
fn an_answer_that_is_too_large_is_counted_exactly() {
    both(Limits { output_bytes: 64 << 10, ..Limits::default() }, |bench| {
        assert_eq!(bench.value(&[0x05, 0, 64]), Value::Bytes(vec![0; 64 << 10]));
        let error = bench.decode(&[0x05, 0, 65]).unwrap_err();
        assert_eq!(error, CallError::TooLarge { what: "answer", size: 65 << 10, limit: 64 << 10 });
    });
}

#[test]
fn messages_are_counted() {
    both(Limits::default(), |bench| {
        assert_eq!(bench.decode(&[0x06, 1, 0]).unwrap().len(), 256);
        assert_eq!(bench.decode(&[0x06, 1, 1]), Err(CallError::TooLarge { what: "messages", size: 257, limit: 256 }));
        assert_eq!(bench.count(), Value::Integer(3), "an answer that is too long breaks no instance");
    });
}

#[test]
fn a_payload_past_the_limit_never_reaches_the_guest() {
    both(Limits::default(), |bench| {
        let error = bench.decode(&vec![0xff; 65_537]).unwrap_err();
        assert_eq!(error, CallError::TooLarge { what: "payload", size: 65_537, limit: 65_536 });
        assert_eq!(bench.count(), Value::Integer(1));
    });
}

#[test]
fn a_log_flood_is_cut_and_counted() {
    both(Limits::default(), |bench| {
        bench.decode(&[0x07, 0, 100]).unwrap();
        let (lines, dropped) = bench.instances.take_log();
        assert_eq!((lines.len(), dropped), (16, 84));
        assert!(lines.iter().all(|line| line.level == "info" && line.text.len() == 256));
        assert!(lines[15].text.starts_with("line 15 "));
        assert_eq!(bench.instances.take_log(), (vec![], 0), "taken once");
        bench.decode(&[0x07, 0, 1]).unwrap();
        bench.decode(&frame()).unwrap();
        assert_eq!(bench.instances.take_log(), (vec![], 0), "of the last call only");
    });
}

#[test]
fn what_was_logged_before_a_trap_is_kept() {
    both(Limits::default(), |bench| {
        bench.decode(b"\x01last words").unwrap_err();
        let (lines, _) = bench.instances.take_log();
        assert!(lines.iter().any(|line| line.level == "error" && line.text.contains("last words")), "{lines:?}");
    });
}

#[test]
fn refusals_of_every_kind_keep_kind_detail_and_offset() {
    let kinds = [
        FaultKind::Truncated,
        FaultKind::Checksum,
        FaultKind::UnsupportedVersion,
        FaultKind::BadField,
        FaultKind::UnknownCommand,
        FaultKind::BadParameter,
        FaultKind::Unsupported,
        FaultKind::Other,
    ];
    both(Limits::default(), |bench| {
        for (number, kind) in (0..).zip(kinds) {
            let expected = CodecFault { kind, detail: "because".into(), offset: Some(3) };
            assert_eq!(bench.decode(&[0x08, 0, number]), Err(CallError::Refused(expected)));
        }
        assert_eq!(bench.count(), Value::Integer(9), "a refusal breaks no instance");
    });
}

#[test]
fn a_corrupt_frame_is_refused_with_its_offset() {
    let mut corrupt = frame();
    corrupt[4] ^= 1;
    both(Limits::default(), |bench| {
        assert_eq!(bench.decode(&corrupt).unwrap_err().to_string(), "checksum at byte 18: CRC");
        assert_eq!(bench.decode(&frame()[..7]).unwrap_err().to_string(), "truncated at byte 7: 20 bytes");
    });
}

#[test]
fn a_codec_can_ask_for_its_device_only() {
    both(Limits::default(), |bench| {
        assert_eq!(bench.value(b"\x09floor"), Value::Text("863703030000001 Some(\"3\") 42".into()));
        assert_eq!(bench.value(b"\x09colour"), Value::Text("863703030000001 None 42".into()));
    });
}

#[test]
fn instances_are_reused_and_replaced_after_their_calls() {
    both(Limits { calls_per_instance: 3, ..Limits::default() }, |bench| {
        let counts: Vec<Value> = (0..5).map(|_| bench.count()).collect();
        assert_eq!(counts, [1, 2, 3, 1, 2].map(Value::Integer));
    });
}

#[test]
fn an_instance_whose_memory_grew_is_replaced() {
    both(Limits::default(), |bench| {
        assert_eq!(bench.value(&[0x0d, 24, 0]), Value::Integer(1));
        assert_eq!(bench.count(), Value::Integer(1), "6 MiB were left behind");
    });
}

#[test]
fn nothing_passes_from_call_to_call_in_fresh_instances() {
    both(Limits { isolation: Isolation::Fresh, ..Limits::default() }, |bench| {
        let counts: Vec<Value> = (0..3).map(|_| bench.count()).collect();
        assert_eq!(counts, [1, 1, 1].map(Value::Integer));
    });
}

#[test]
fn workers_have_instances_of_their_own() {
    both(Limits::default(), |first| {
        let mut second = Instances::new(host(Limits::default()));
        assert_eq!(first.count(), Value::Integer(1));
        let other = second.decode(&first.codec, &first.card, &[0x0a], &Origin::app_data(0)).unwrap();
        assert!(matches!(&other[0], Message::Report(report) if report.fields[0].value == Value::Integer(1)));
        assert_eq!(first.count(), Value::Integer(2));
    });
}

#[test]
fn commands_and_acknowledgements_become_bytes_or_nothing() {
    both(Limits::default(), |bench| {
        let mut encode = |downlink| bench.instances.encode(&bench.codec, &bench.card, downlink, &Origin::app_data(0));
        let command = |index| Downlink::Command {
            index,
            mid: 0x0102,
            has_more: false,
            fields: vec![Field { index: 0, value: Value::Boolean(true) }],
        };
        let ack = |errcode| Downlink::ReportAck { uplink: vec![1, 2, 3], errcode, has_more: false };
        assert_eq!(encode(command(0)), Ok(Some(vec![0x51, 1, 2, 1])));
        assert_eq!(encode(command(7)).unwrap_err().to_string(), "unknown-command: no command 7");
        assert_eq!(encode(ack(0)), Ok(None));
        assert_eq!(encode(ack(1)), Ok(Some(vec![0xaa, 1])));
        assert_eq!(encode(ack(2)), Err(CallError::TooLarge { what: "downlink", size: 100_000, limit: 65_536 }));
    });
}

#[test]
fn every_kind_of_parameter_arrives_whole() {
    both(Limits::default(), |bench| {
        let values = [
            Value::Null,
            Value::Boolean(true),
            Value::Integer(i64::MIN),
            Value::Number(-0.5),
            Value::Text("m³".into()),
            Value::Text(String::new()),
            Value::Bytes(vec![0, 255]),
            Value::Timestamp(u64::MAX),
            Value::Json("{}".into()),
        ];
        let fields = (0..).zip(values).map(|(index, value)| Field { index, value }).collect();
        let command = Downlink::Command { index: 1, mid: 0xfffe, has_more: true, fields };
        let origin = Origin { object: 7, instance: 8, resource: 65_535, content_format: None, ..Origin::app_data(u64::MAX) };
        let said = bench.instances.encode(&bench.codec, &bench.card, command, &origin).unwrap().unwrap();
        let said = String::from_utf8(said).unwrap();
        let expected = "Command { index: 1, mid: 65534, has-more: true, fields: [Field { index: 0, value: Value::Null }, \
            Field { index: 1, value: Value::Boolean(true) }, Field { index: 2, value: Value::Integer(-9223372036854775808) }, \
            Field { index: 3, value: Value::Number(-0.5) }, Field { index: 4, value: Value::Text(\"m³\") }, \
            Field { index: 5, value: Value::Text(\"\") }, Field { index: 6, value: Value::Bytes([0, 255]) }, \
            Field { index: 7, value: Value::Timestamp(18446744073709551615) }, \
            Field { index: 8, value: Value::Json(\"{}\") }] } Origin { transport: Transport::Coap, object: 7, instance: 8, \
            resource: 65535, content-format: 65535, received-at: 18446744073709551615 }";
        assert_eq!(said, expected);
    });
}

/// Fuel is what checks go by: it is the same however busy the machine is.
#[test]
fn a_metered_host_counts_the_same_fuel_every_time_and_stops_at_its_end() {
    let host = Host::metered(Limits::default()).unwrap();
    let codec = host.load(&COMPONENT).unwrap();
    let cost = |payload: &[u8]| {
        let mut instances = Instances::new(Arc::clone(&host));
        let answer = instances.decode(&codec, &card(), payload, &Origin::app_data(0));
        (answer, instances.last_cost())
    };
    let (first, second) = (cost(&frame()), cost(&frame()));
    assert_eq!(first, second);
    let fuel = first.1.fuel.unwrap();
    assert!((100..100_000).contains(&fuel), "{fuel}");
    assert!(first.1.memory_bytes >= 1 << 16);
    let (endless, spent) = cost(&[0x02]);
    assert!(
        matches!(&endless, Err(CallError::OutOfFuel { function, .. }) if function == "hostile_codec::spin, called by decode"),
        "{endless:?}"
    );
    assert!(spent.fuel.unwrap() > 1_000_000);
}

#[test]
fn a_trap_tells_the_author_s_functions() {
    both(Limits::default(), |bench| match bench.decode(b"\x01no such frame").unwrap_err() {
        CallError::Trap { frames, .. } => assert_eq!(frames[0], "hostile_codec::deep_inside::parse", "{frames:?}"),
        other => panic!("{other}"),
    });
}

#[test]
fn components_around_one_core_module_share_its_instances() {
    let host = host(Limits::default());
    // A custom section, `x`, that nothing reads: another component, the same code.
    let twin = [COMPONENT.as_slice(), &[0, 2, 1, b'x']].concat();
    let (first, second) = (host.load(&COMPONENT).unwrap(), host.load(&twin).unwrap());
    assert_ne!(first.digest(), second.digest());
    let mut instances = Instances::new(Arc::clone(&host));
    let mut count = |codec: &Arc<Codec>| match instances.decode(codec, &card(), &[0x0a], &Origin::app_data(0)).unwrap().remove(0)
    {
        Message::Report(mut report) => report.fields.remove(0).value,
        Message::Response(_) => panic!("a report is expected"),
    };
    assert_eq!([count(&first), count(&second), count(&first)], [1, 2, 3].map(Value::Integer));
    drop((first, second));
    let again = host.load(&COMPONENT).unwrap();
    assert_eq!(count(&again), Value::Integer(1), "nothing of it outlives the last codec");
}

#[test]
fn a_codec_under_limits_of_its_own_leaves_the_others_theirs() {
    both(Limits::default(), |bench| {
        let lowered = Limits { messages: 2, isolation: Isolation::Fresh, ..Limits::default() };
        let shy = Arc::new(bench.codec.with_limits(lowered));
        let mut ask =
            |codec: &Arc<Codec>, payload: &[u8]| bench.instances.decode(codec, &bench.card, payload, &Origin::app_data(0));
        assert_eq!(ask(&shy, &[0x06, 0, 3]), Err(CallError::TooLarge { what: "messages", size: 3, limit: 2 }));
        assert_eq!(ask(&bench.codec, &[0x06, 0, 3]).unwrap().len(), 3);
        for (codec, expected) in [(&shy, 1), (&bench.codec, 2), (&shy, 1), (&bench.codec, 3)] {
            let messages = ask(codec, &[0x0a]).unwrap();
            let [Message::Report(report)] = messages.as_slice() else { panic!("{messages:?}") };
            assert_eq!(report.fields[0].value, Value::Integer(expected), "a fresh instance each, or one for all");
        }
    });
}
