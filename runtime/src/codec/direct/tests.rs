//! Results laid out by hand, byte by byte, and memories that hold anything.

use proptest::prelude::*;

use super::lift::{Lie, Lift, Unfit};
use crate::codec::{CallError, Limits};
use crate::model::{CodecFault, FaultKind, Field, Message, Report, ReportKind, Response, Value};

/// A memory with parts at places.
fn memory(parts: &[(usize, &[u8])]) -> Vec<u8> {
    let mut memory = vec![0xee; 512];
    for (at, part) in parts {
        memory[*at..*at + part.len()].copy_from_slice(part);
    }
    memory
}

/// Little-endian words.
fn words(words: &[u32]) -> Vec<u8> {
    words.iter().flat_map(|word| word.to_le_bytes()).collect()
}

/// Index, case, payload.
fn field(index: u16, case: u8, payload: u64) -> Vec<u8> {
    let mut field = [0xee; 24];
    field[..2].copy_from_slice(&index.to_le_bytes());
    field[8] = case;
    field[16..].copy_from_slice(&payload.to_le_bytes());
    field.to_vec()
}

/// One report at 64 with its fields at 128, its result at 16.
fn reported(fields: &[Vec<u8>]) -> Vec<u8> {
    let count = u32::try_from(fields.len()).unwrap();
    let mut message = [0xee; 48];
    message[0] = 0;
    message[8..10].copy_from_slice(&3_u16.to_le_bytes());
    message[10] = 1;
    message[16] = 1;
    message[24..32].copy_from_slice(&99_u64.to_le_bytes());
    message[32..40].copy_from_slice(&words(&[128, count]));
    message[40] = 1;
    memory(&[(16, &words(&[0, 64, 1])), (64, &message), (128, &fields.concat())])
}

fn decoded(memory: &[u8]) -> Result<Vec<Message>, Unfit> {
    Lift(memory).decoded(16, &Limits::default())
}

fn text_at(pointer: u64, length: u64) -> u64 {
    pointer | length << 32
}

#[test]
fn a_report_is_read_where_the_abi_puts_it() {
    let mut memory = reported(&[
        field(0, 0, 7),
        field(1, 1, 1),
        field(2, 2, (-5_i64).cast_unsigned()),
        field(3, 3, 1.5_f64.to_bits()),
        field(4, 4, text_at(400, 3)),
        field(5, 5, text_at(400, 2)),
        field(6, 6, 1_000),
        field(7, 7, text_at(404, 2)),
    ]);
    memory[400..406].copy_from_slice("é!\0[]".as_bytes());
    let values = [
        Value::Null,
        Value::Boolean(true),
        Value::Integer(-5),
        Value::Number(1.5),
        Value::Text("é!".into()),
        Value::Bytes("é".into()),
        Value::Timestamp(1_000),
        Value::Json("[]".into()),
    ];
    let fields = (0..).zip(values).map(|(index, value)| Field { index, value }).collect();
    let report = Report { service: 3, kind: ReportKind::Event, event_time: Some(99), fields, has_more: true };
    assert_eq!(decoded(&memory), Ok(vec![Message::Report(report)]));
}

#[test]
fn a_response_and_an_error_are_read_where_the_abi_puts_them() {
    let mut message = [0xee; 48];
    message[0] = 1;
    message[8..16].copy_from_slice(&[0x34, 0x12, 5, 0, 1, 0, 2, 0]);
    message[16..24].copy_from_slice(&words(&[8, 0]));
    let answered = memory(&[(16, &words(&[0, 64, 1])), (64, &message)]);
    let response = Response { mid: 0x1234, errcode: 5, command: Some(2), fields: vec![] };
    assert_eq!(decoded(&answered), Ok(vec![Message::Response(response)]));

    let refused = memory(&[(16, &words(&[1, 3, 100, 2, 1, 7])), (100, b"no")]);
    let fault = CodecFault { kind: FaultKind::BadField, detail: "no".into(), offset: Some(7) };
    assert_eq!(decoded(&refused), Err(Unfit::Call(CallError::Refused(fault))));
}

#[test]
fn bytes_to_send_or_none_are_told_apart() {
    let encoded = |parts: &[u32]| Lift(&memory(&[(16, &words(parts)), (100, b"abc")])).encoded(16, &Limits::default());
    assert_eq!(encoded(&[0, 1, 100, 3]), Ok(Some(b"abc".to_vec())));
    assert_eq!(encoded(&[0, 0, 100, 3]), Ok(None));
    assert_eq!(encoded(&[0, 2, 100, 3]), Err(Unfit::Lie(Lie::Case)));
    assert_eq!(encoded(&[0, 1, 511, 3]), Err(Unfit::Lie(Lie::OutOfBounds)));
}

#[test]
fn every_lie_is_found_out() {
    let lie = |memory: &[u8]| match decoded(memory) {
        Err(Unfit::Lie(lie)) => lie,
        other => panic!("{other:?}"),
    };
    assert_eq!(lie(&memory(&[(16, &words(&[2]))])), Lie::Case);
    assert_eq!(lie(&memory(&[(16, &words(&[0, 66, 1]))])), Lie::Misaligned);
    assert_eq!(lie(&memory(&[(16, &words(&[0, 488, 1]))])), Lie::OutOfBounds);
    assert_eq!(lie(&memory(&[(16, &words(&[0, u32::MAX - 7, 1]))])), Lie::OutOfBounds);
    assert_eq!(lie(&memory(&[(16, &words(&[0, 64, 1])), (64, &[9; 48])])), Lie::Case);
    assert_eq!(lie(&reported(&[field(0, 8, 0)])), Lie::Case);
    assert_eq!(lie(&reported(&[field(0xff, 4, text_at(128, 1))])), Lie::Utf8);
    assert_eq!(Lift(&[0; 64]).decoded(18, &Limits::default()), Err(Unfit::Lie(Lie::Misaligned)));
    assert_eq!(Lift(&[0; 64]).decoded(-4, &Limits::default()), Err(Unfit::Lie(Lie::OutOfBounds)));
}

#[test]
fn one_list_told_over_and_over_is_counted_every_time() {
    // 256 messages that share one list of 20,000 nulls: 480 KB in the guest, 123 MB if it were believed.
    let mut memory = vec![0; 1 << 20];
    memory[16..28].copy_from_slice(&words(&[0, 64, 256]));
    for message in 0..256 {
        let at = 64 + message * 48;
        memory[at + 32..at + 40].copy_from_slice(&words(&[0x8000, 20_000]));
    }
    let expected = CallError::TooLarge { what: "answer", size: (1 << 20) + 8, limit: 1 << 20 };
    assert_eq!(decoded(&memory), Err(Unfit::Call(expected)));
}

proptest! {
    #[test]
    fn no_memory_makes_a_reader_panic(
        mut memory in proptest::collection::vec(prop_oneof![Just(0_u8), Just(1), 0_u8..16, any::<u8>()], 0..512),
        at in any::<i32>(), near in 0_i32..64,
    ) {
        let limits = Limits::default();
        for at in [at, near, near & !3] {
            drop(Lift(&memory).decoded(at, &limits));
            drop(Lift(&memory).encoded(at, &limits));
            drop(Lift(&memory).description(at, &limits));
        }
        // Small pointers lead further into it.
        for word in memory.chunks_mut(4) {
            word.iter_mut().skip(1).for_each(|byte| *byte = 0);
        }
        drop(Lift(&memory).decoded(near & !7, &limits));
        drop(Lift(&memory).description(near & !7, &limits));
    }
}
