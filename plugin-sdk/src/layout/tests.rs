//! Laws of layouts: what is written is read again, nothing traps, what was damaged is refused; and the designer's rules for lengths.

use proptest::prelude::*;

use super::*;
use crate::error::ErrorKind;
use crate::wire;
use crate::wire::Value;

fn field(name: &str, role: Role, shape: Shape) -> Field {
    Field { name: name.to_owned(), role, shape, default: Vec::new(), optional: false, counts: None }
}

fn value(name: &str, index: u16, shape: Shape) -> Field {
    field(name, Role::Value { part: 0, index }, shape)
}

fn number(width: u8) -> Shape {
    Shape::Number { width, signed: false, little: false, meaning: Meaning::Integer }
}

fn chunk(length: Length, content: Content) -> Shape {
    Shape::Chunk { length, content, pad: None }
}

fn columns(fields: &[Field]) -> Vec<Column> {
    let column = |field: &Field| {
        let value_type = match &field.shape {
            Shape::Number { meaning: Meaning::Flag, .. } => ValueType::Boolean,
            Shape::Number { meaning: Meaning::Scaled(_), .. } | Shape::Float { .. } => ValueType::Number,
            Shape::Number { meaning: Meaning::Choice(_), .. } => ValueType::Text,
            Shape::Number { meaning: Meaning::Seconds | Meaning::Milliseconds, .. } | Shape::BcdTime { .. } => {
                ValueType::Timestamp
            }
            Shape::Chunk { content: Content::Bytes, .. } => ValueType::Bytes,
            Shape::Chunk { content: Content::Json, .. } => ValueType::Json,
            Shape::Chunk { content: Content::Whole, .. } => ValueType::Integer,
            Shape::Chunk { content: Content::Decimal, .. } => ValueType::Number,
            Shape::Chunk { .. } => ValueType::Text,
            _ => ValueType::Integer,
        };
        matches!(field.role, Role::Value { .. }).then(|| Column { name: field.name.clone(), value_type })
    };
    fields.iter().filter_map(column).collect()
}

/// A layout with one report of these fields; values are numbered in order.
fn report(lengths: Lengths, fields: Vec<Field>) -> Layout {
    let services = vec![Service { id: "S".to_owned(), properties: columns(&fields) }];
    let kind = Kind::Report { services: vec![0] };
    let message = Message { name: "m".to_owned(), kind, marks: Vec::new(), fields, group: None, answer: None };
    let (name, version) = ("test".to_owned(), "1.0.0".to_owned());
    let layout = Layout { name, version, lengths, services, commands: Vec::new(), messages: vec![message] };
    layout.check().unwrap();
    layout
}

/// The values that the one report says, in the order of its fields.
fn values(layout: &Layout, payload: &[u8]) -> Result<Vec<Value>> {
    match layout.decode(payload)?.as_slice() {
        [wire::Message::Report(report)] => Ok(report.fields.iter().map(|field| field.value.clone()).collect()),
        other => panic!("one report expected, got {other:?}"),
    }
}

fn text(text: &str) -> Value {
    Value::Text(text.to_owned())
}

#[test]
fn lenient_lengths_make_null_and_cut() {
    let layout = report(
        Lengths::Lenient,
        vec![
            value("a", 0, number(1)),
            value("b", 1, chunk(Length::Fixed(3), Content::Latin1)),
            value("c", 2, chunk(Length::Fixed(2), Content::Base64)),
        ],
    );
    let read = |payload: &[u8]| values(&layout, payload).unwrap();
    assert_eq!(read(b"\x07abc\x01\x02"), [Value::Integer(7), text("abc"), text("AQI=")]);
    assert_eq!(
        read(b"\x07\x01\xFFc\x01\x02\x03\x04"),
        [Value::Integer(7), text("\u{1}\u{ff}c"), text("AQI=")],
        "the rest is cut"
    );
    assert_eq!(read(b"\x07abc\x01"), [Value::Integer(7), text("abc"), Value::Null]);
    assert_eq!(read(b"\x07ab"), [Value::Integer(7), Value::Null, Value::Null], "what follows a short text is missing too");
    let error = values(&layout, b"").unwrap_err();
    assert_eq!(error.to_string(), "truncated at byte 0: a of m: 1 bytes wanted, 0 left");
}

#[test]
fn strict_lengths_are_errors_with_a_place() {
    let layout = report(
        Lengths::Strict,
        vec![
            field("length", Role::Nothing, Shape::PayloadLength { width: 2, little: false, adjust: 0 }),
            value("a", 0, number(1)),
            value("b", 1, chunk(Length::Prefix { width: 2, little: false }, Content::Latin1)),
        ],
    );
    assert_eq!(values(&layout, b"\0\x05\x07\0\x02ab").unwrap(), [Value::Integer(7), text("ab")]);
    for (payload, told) in [
        (&b"\0\x05\x07\0\x02a"[..], "truncated at byte 0: length of m: 5 bytes announced, 4 left"),
        (b"\0\x05\x07\0\x02ab!", "bad-field at byte 7: length of m: 5 bytes announced, 6 there"),
        (b"\0\x05\x07\0\x01ab", "bad-field at byte 6: 1 bytes after the end of m"),
        (b"\0\x05\x07\0\x03ab", "truncated at byte 5: b of m: 3 bytes wanted, 2 left"),
        (b"\0", "truncated at byte 0: length of m: 2 bytes wanted, 1 left"),
    ] {
        assert_eq!(values(&layout, payload).unwrap_err().to_string(), told);
    }
}

#[test]
fn a_length_field_counts_with_its_difference() {
    let mut length = field("length", Role::Nothing, number(1));
    length.counts = Some(3);
    let counted = chunk(Length::Counted { register: 3, difference: 2 }, Content::Latin1);
    let layout = report(Lengths::Lenient, vec![length, value("t", 0, counted), value("n", 1, number(1))]);
    assert_eq!(values(&layout, b"\x04ab\x09").unwrap(), [text("ab"), Value::Integer(9)]);
    assert_eq!(values(&layout, b"\x02\x09").unwrap(), [text(""), Value::Integer(9)]);
    assert_eq!(values(&layout, b"\x01\x09").unwrap(), [Value::Null, Value::Integer(9)], "less than the difference");
    let fields = vec![wire::Field { index: 0, value: text("xyz") }, wire::Field { index: 1, value: Value::Integer(9) }];
    let mut given = Given { parts: vec![fields], ..Given::default() };
    assert_eq!(layout.compose(0, &mut given).unwrap(), b"\x05xyz\x09");
}

#[test]
fn repeated_fields_are_reports_of_their_own() {
    let mut count = field("count", Role::Nothing, number(1));
    count.counts = Some(0);
    let time =
        field("time", Role::EventTime, Shape::Number { width: 4, signed: false, little: false, meaning: Meaning::Seconds });
    let mut layout = report(Lengths::Strict, vec![value("head", 0, number(1)), count, time, value("n", 1, number(1))]);
    layout.messages[0].group = Some(Group { from: 2, count: Some(0) });
    layout.check().unwrap();
    let said = |layout: &Layout, payload: &[u8]| -> Result<Vec<(Option<u64>, u16, Value)>> {
        let told = |message: wire::Message| match message {
            wire::Message::Report(report) => (report.event_time, report.fields[0].index, report.fields[0].value.clone()),
            other => panic!("{other:?}"),
        };
        Ok(layout.decode(payload)?.into_iter().map(told).collect())
    };
    let reading = |time: u64, number: i64| (Some(time * 1_000), 1, Value::Integer(number));
    let head = (None, 0, Value::Integer(9));
    assert_eq!(said(&layout, &[9, 2, 0, 0, 0, 5, 7, 0, 0, 0, 6, 8]).unwrap(), [head.clone(), reading(5, 7), reading(6, 8)]);
    assert_eq!(said(&layout, &[9, 0]).unwrap(), std::slice::from_ref(&head));
    assert_eq!(
        said(&layout, &[9, 2, 0, 0, 0, 5, 7]).unwrap_err().to_string(),
        "truncated at byte 7: time of m: 4 bytes wanted, 0 left"
    );
    assert_eq!(said(&layout, &[9, 0, 1]).unwrap_err().kind, ErrorKind::BadField);
    layout.messages[0].group = Some(Group { from: 2, count: None });
    assert_eq!(said(&layout, &[9, 77, 0, 0, 0, 5, 7]).unwrap(), [head, reading(5, 7)], "up to the end");
    assert!(said(&layout, &[0; 2_000]).unwrap_err().to_string().contains("more than 255 times"));
    layout.messages[0].group = Some(Group { from: 4, count: None });
    assert!(layout.check().is_err());
    assert_eq!(from_bytes(&to_bytes(&layout)).map_err(|damage| matches!(damage, Damage::Flawed(_))), Err(true));
}

#[test]
fn check_values_are_written_and_held() {
    for algorithm in [Algorithm::Modbus, Algorithm::Crc32, Algorithm::Sum8, Algorithm::X25, Algorithm::Sum16] {
        let layout = report(
            Lengths::Strict,
            vec![
                field("length", Role::Nothing, Shape::PayloadLength { width: 1, little: false, adjust: 0 }),
                value("n", 0, number(3)),
                field("check", Role::Nothing, Shape::Check { algorithm, from: 0, little: true }),
            ],
        );
        let fields = vec![wire::Field { index: 0, value: Value::Integer(0x01_0203) }];
        let mut frame = layout.compose(0, &mut Given { parts: vec![fields], ..Given::default() }).unwrap();
        assert_eq!(values(&layout, &frame).unwrap(), [Value::Integer(0x01_0203)], "{algorithm:?}");
        frame[2] ^= 0x40;
        let error = values(&layout, &frame).unwrap_err();
        assert_eq!((error.kind, error.offset), (ErrorKind::Checksum, Some(4)), "{algorithm:?}");
    }
}

#[test]
fn what_is_no_parameter_is_refused_by_name() {
    let layout =
        report(Lengths::Lenient, vec![value("level", 0, number(1)), value("blob", 1, chunk(Length::Fixed(2), Content::Base64))]);
    let compose = |level: Value, blob: &str| {
        let fields = vec![wire::Field { index: 0, value: level }, wire::Field { index: 1, value: text(blob) }];
        layout.compose(0, &mut Given { parts: vec![fields], ..Given::default() }).map_err(|error| error.to_string())
    };
    assert_eq!(compose(Value::Integer(7), "AQI="), Ok(vec![7, 1, 2]));
    assert_eq!(compose(Value::Integer(256), "AQI="), Err("bad-parameter: level: 256 does not fit 1 bytes unsigned".to_owned()));
    assert!(compose(Value::Integer(7), "Bj").unwrap_err().contains("blob: the text is no base64"));
    assert!(compose(Value::Null, "AQI=").unwrap_err().contains("level: nothing given"));
}

#[test]
fn a_slot_is_filled_and_a_damaged_one_refused() {
    let layout = report(Lengths::Strict, vec![value("a", 0, number(8))]);
    let mut component = [&b"code"[..], &slot::empty(), b"more code"].concat();
    let at = 4;
    assert_eq!(slot::read(&component[at..]), Err(Damage::Absent));
    slot::fill(&mut component, &layout).unwrap();
    assert_eq!(slot::read(&component[at..]), Ok(layout.clone()));
    let compact = to_bytes(&layout);
    for place in at + 20..at + 28 + compact.len() {
        let mut damaged = component.clone();
        damaged[place] ^= 0x10;
        assert!(slot::read(&damaged[at..]).is_err(), "byte {place}");
    }
    // A shorter layout leaves nothing of a longer one.
    let short = report(Lengths::Strict, Vec::new());
    let mut again = component.clone();
    slot::fill(&mut again, &short).unwrap();
    let mut fresh = [&b"code"[..], &slot::empty(), b"more code"].concat();
    slot::fill(&mut fresh, &short).unwrap();
    assert_eq!(again, fresh);
    assert_eq!(slot::fill(&mut b"no slot".to_vec(), &layout), Err(slot::Unfit::NoSlot));
    let mut two = [component.as_slice(), component.as_slice()].concat();
    assert_eq!(slot::fill(&mut two, &layout), Err(slot::Unfit::NoSlot));
    let many = (0..1_000).map(|index| value("a name of some length", index, number(1))).collect();
    let refused = slot::fill(&mut component, &report(Lengths::Strict, many)).unwrap_err();
    assert!(matches!(refused, slot::Unfit::TooLarge { room: slot::ROOM, .. }), "{refused}");
}

#[test]
fn what_points_outside_is_no_layout() {
    let flaw = |change: &dyn Fn(&mut Layout)| {
        let mut layout = report(Lengths::Strict, vec![value("a", 0, number(1))]);
        change(&mut layout);
        assert!(matches!(from_bytes(&to_bytes(&layout)), Err(Damage::Flawed(_))));
        layout.check().unwrap_err().reason
    };
    let of_field = |change: fn(&mut Field)| flaw(&|layout| change(&mut layout.messages[0].fields[0]));
    assert!(of_field(|field| field.role = Role::Value { part: 0, index: 1 }).contains("does not exist"));
    assert!(of_field(|field| field.role = Role::Value { part: 1, index: 0 }).contains("does not exist"));
    assert!(of_field(|field| field.shape = number(9)).contains("width"));
    assert!(of_field(|field| field.shape = chunk(Length::Rest, Content::Bytes)).contains("promised"));
    assert!(of_field(|field| field.counts = Some(0)).contains("length"));
    let long = |layout: &mut Layout| {
        let padding = || field("p", Role::Nothing, Shape::Padding { count: 0xFFFF });
        layout.messages[0].fields.extend([padding(), padding()]);
    };
    assert!(flaw(&long).contains("longer than a payload"));
    assert!(flaw(&|layout| layout.messages[0].kind = Kind::Report { services: vec![1] }).contains("service"));
    assert!(flaw(&|layout| layout.messages[0].kind = Kind::Command { command: 0 }).contains("service or a command"));
    assert!(flaw(&|layout| layout.messages[0].marks.push(Mark { offset: 0, bytes: Vec::new() })).contains("mark"));
}

/// A field with a value that it can hold.
fn any_field() -> impl Strategy<Value = (Shape, Value)> {
    let integer = (1_u8..=8, any::<(bool, bool, i64)>()).prop_map(|(width, (signed, little, number))| {
        let unused = 64 - 8 * u32::from(width);
        let number = if signed { number >> unused } else { (number.cast_unsigned() >> unused).cast_signed() & i64::MAX };
        (Shape::Number { width, signed, little, meaning: Meaning::Integer }, Value::Integer(number))
    });
    let scaled = (any::<(bool, i16)>(), 0_i32..5, -500_i64..500).prop_map(|((little, raw), places, shift)| {
        let scale = Scale::new(10_f64.powi(-places), shift).unwrap();
        let shape = Shape::Number { width: 2, signed: true, little, meaning: Meaning::Scaled(scale) };
        (shape, Value::Number(scale.value(raw.into())))
    });
    let whole = (any::<i16>(), -500_i64..500, prop::sample::select(vec![-3_i64, 1, 10, 128])).prop_map(|(raw, shift, factor)| {
        let shape = Shape::Number { width: 2, signed: true, little: false, meaning: Meaning::Whole { factor, shift } };
        (shape, Value::Integer((i64::from(raw) + shift) * factor))
    });
    let flag = any::<bool>().prop_map(|flag| {
        (Shape::Number { width: 1, signed: false, little: false, meaning: Meaning::Flag }, Value::Boolean(flag))
    });
    let choice = prop::sample::select(vec!["off", "on", "eco"]).prop_map(|word| {
        let words = vec![(0, "off".to_owned()), (1, "on".to_owned()), (-3, "eco".to_owned())];
        (Shape::Number { width: 2, signed: true, little: false, meaning: Meaning::Choice(words) }, text(word))
    });
    let time = any::<(u32, bool)>().prop_map(|(seconds, milliseconds)| {
        let (width, meaning) = if milliseconds { (8, Meaning::Milliseconds) } else { (4, Meaning::Seconds) };
        (Shape::Number { width, signed: false, little: false, meaning }, Value::Timestamp(u64::from(seconds) * 1_000))
    });
    let bcd_time =
        (946_684_800_u64..4_102_444_800, -720_i16..=720).prop_filter_map("a year of two digits", |(seconds, ahead)| {
            let wall = seconds.checked_add_signed(i64::from(ahead) * 60)?;
            (946_684_800..4_102_444_800).contains(&wall).then(|| (Shape::BcdTime { ahead }, Value::Timestamp(seconds * 1_000)))
        });
    let float = (any::<f32>(), any::<bool>()).prop_filter_map("a number", |(float, little)| {
        let value = Value::Number(super::number::decimal(float, None));
        float.is_finite().then_some((Shape::Float { width: 4, little, places: None }, value))
    });
    let double = any::<f64>().prop_filter_map("a number", |float| {
        float.is_finite().then_some((Shape::Float { width: 8, little: false, places: None }, Value::Number(float)))
    });
    let bytes = || prop::collection::vec(any::<u8>(), 0..20);
    let prefixed = (bytes(), 1_u8..=2, any::<bool>())
        .prop_map(|(bytes, width, little)| (chunk(Length::Prefix { width, little }, Content::Bytes), Value::Bytes(bytes)));
    let fixed = bytes().prop_map(|bytes| {
        let count = u16::try_from(bytes.len()).unwrap();
        (chunk(Length::Fixed(count), Content::Base64), text(&super::base64::encode(&bytes)))
    });
    let padded = "[!-~]{0,9}".prop_map(|letters| {
        (Shape::Chunk { length: Length::Fixed(9), content: Content::Latin1, pad: Some(b' ') }, text(&letters))
    });
    let utf8 = ".{0,6}".prop_map(|letters| (chunk(Length::Prefix { width: 1, little: false }, Content::Utf8), text(&letters)));
    let number = any::<i32>().prop_map(|number| {
        let shape = Shape::Chunk { length: Length::Fixed(14), content: Content::Decimal, pad: Some(b' ') };
        (shape, Value::Number(f64::from(number) / 100.0))
    });
    let written = any::<i64>()
        .prop_map(|number| (chunk(Length::Prefix { width: 1, little: false }, Content::Whole), Value::Integer(number)));
    let digits = "[0-9]{8}".prop_map(|digits| (chunk(Length::Fixed(4), Content::Bcd), text(&digits)));
    prop_oneof![
        4 => integer, 1 => whole, 1 => scaled, 1 => flag, 1 => choice, 1 => time, 1 => bcd_time, 1 => float, 1 => double, 1 => prefixed,
        1 => fixed, 1 => padded, 1 => utf8, 1 => number, 1 => written, 1 => digits
    ]
}

/// A whole message and what it says.
fn any_layout() -> impl Strategy<Value = (Layout, Vec<Value>)> {
    let algorithm =
        prop::sample::select(vec![Algorithm::Modbus, Algorithm::X25, Algorithm::Sum8, Algorithm::Crc32, Algorithm::Xor8]);
    let extras = (any::<(bool, bool, bool, bool)>(), algorithm, -3_i16..9, prop::collection::vec(any::<u8>(), 0..20));
    (prop::collection::vec(any_field(), 1..9), extras).prop_map(
        |(list, ((strict, bounded, checked, counted), algorithm, difference, tail))| {
            let (mut fields, mut said) = (Vec::new(), Vec::new());
            let mut start = field("start", Role::Nothing, Shape::Constant);
            start.default = vec![0x68];
            fields.push(start);
            if bounded {
                fields.push(field(
                    "payload",
                    Role::Nothing,
                    Shape::PayloadLength { width: 2, little: false, adjust: difference },
                ));
            }
            for (position, (shape, value_of)) in list.into_iter().enumerate() {
                fields.push(value(&format!("f{position}"), u16::try_from(position).unwrap(), shape));
                said.push(value_of);
            }
            if counted {
                let mut length = field("length", Role::Nothing, number(2));
                length.counts = Some(0);
                // Never below zero, or the length could not be written.
                let shape = chunk(Length::Counted { register: 0, difference: difference.max(0) }, Content::Bytes);
                fields.extend([length, value("counted", u16::try_from(said.len()).unwrap(), shape)]);
                said.push(Value::Bytes(tail));
            }
            fields.push(field("padding", Role::Nothing, Shape::Padding { count: 2 }));
            if checked {
                fields.push(field("check", Role::Nothing, Shape::Check { algorithm, from: 1, little: strict }));
            }
            (report(if strict { Lengths::Strict } else { Lengths::Lenient }, fields), said)
        },
    )
}

fn composed(layout: &Layout, said: &[Value]) -> Option<Vec<u8>> {
    let index = |position: usize| u16::try_from(position).unwrap();
    let fields = said.iter().enumerate().map(|(position, value)| wire::Field { index: index(position), value: value.clone() });
    layout.compose(0, &mut Given { parts: vec![fields.collect()], ..Given::default() }).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn what_is_written_is_read((layout, said) in any_layout()) {
        let Some(frame) = composed(&layout, &said) else {
            // Only a payload length that the adjustment takes below zero cannot be written.
            let below = |field: &Field| matches!(field.shape, Shape::PayloadLength { adjust, .. } if adjust < 0);
            prop_assert!(layout.messages[0].fields.iter().any(below));
            return Ok(());
        };
        prop_assert_eq!(values(&layout, &frame).unwrap(), said);
        // Whatever is cut off is either refused or, where that is the rule, null.
        for length in 0..frame.len() {
            let cut = values(&layout, &frame[..length]);
            let nulls = cut.as_ref().is_ok_and(|values| layout.lengths == Lengths::Lenient && values.contains(&Value::Null));
            prop_assert!(cut.is_err() || nulls || layout.lengths == Lengths::Lenient, "{} of {} bytes", length, frame.len());
        }
    }

    #[test]
    fn the_compact_form_comes_back((layout, _) in any_layout()) {
        let bytes = to_bytes(&layout);
        prop_assert_eq!(from_bytes(&bytes), Ok(layout));
        for length in 0..bytes.len() {
            prop_assert!(from_bytes(&bytes[..length]).is_err());
        }
    }

    #[test]
    fn no_bytes_trap_the_interpreter(
        (layout, said) in any_layout(),
        payload in prop::collection::vec(any::<u8>(), 0..60),
        flip in any::<prop::sample::Index>(),
    ) {
        drop(layout.decode(&payload));
        drop(layout.encode(crate::wire::Downlink::ReportAck { uplink: payload, errcode: 0, has_more: false }, 0));
        if let Some(mut frame) = composed(&layout, &said) {
            let bit = flip.index(frame.len() * 8);
            frame[bit / 8] ^= 1 << (bit % 8);
            drop(layout.decode(&frame));
        }
    }

    #[test]
    fn a_damaged_layout_is_refused_or_interpreted_without_a_trap(
        (layout, said) in any_layout(),
        at in any::<prop::sample::Index>(),
        with: u8,
        payload in prop::collection::vec(any::<u8>(), 0..40),
    ) {
        let mut bytes = to_bytes(&layout);
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(other) = from_bytes(&bytes) {
            drop(other.decode(&payload));
            drop(composed(&other, &said));
        }
        drop(from_bytes(&payload));
    }
}
