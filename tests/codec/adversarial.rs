//! Components from text that break every rule that a compiler of an honest codec keeps. Each is refused, or the call that it breaks
//! is explained; a good codec in the same host decodes before and after, and the memory comes back.

use codecgate::codec::{CallError, CallPath, Host, Isolation, Limits};
use codecgate::model::{Downlink, Message, Origin, Value};

use super::text::{DESCRIPTION, OUTSIDE, RESULT, TEXTS, Text};
use super::{Bench, COMPONENT, NESTED, card, frame, host};

/// A deadline that a busy machine reaches with honest work only if it is very busy.
const PATIENT: u64 = 1_000;

fn refused(text: &Text, code: &str, told: &str) {
    for component in [text.component(), [&text.component(), NESTED].concat()] {
        let host = host(Limits::default());
        let refusal = host.load(&component).expect_err(told);
        assert_eq!(refusal.code, code, "{refusal}");
        assert!(refusal.cause.contains(told), "{refusal}");
        assert!(host.load(&COMPONENT).is_ok(), "the host admits others");
    }
}

/// Calls it in both ways; each time a good codec of the same host is well afterwards.
fn contained(text: &Text, deadline_ms: u64, call: impl Fn(&mut Bench) -> CallError, expected: impl Fn(&CallError) -> bool) {
    let component = text.component();
    for (component, path) in [(component.clone(), CallPath::Direct), ([&component, NESTED].concat(), CallPath::Component)] {
        let host = host(Limits { deadline_ms, ..Limits::default() });
        let mut good = Bench::of(&COMPONENT, host.clone());
        let mut bad = Bench::of(&component, host);
        assert_eq!(bad.codec.path(), path);
        for _ in 0..3 {
            let error = call(&mut bad);
            assert!(expected(&error), "{path:?}: {error}");
            assert!(good.decode(&frame()).is_ok(), "{path:?}");
        }
    }
}

fn decodes(bench: &mut Bench) -> CallError {
    bench.decode(&[1, 2, 3]).expect_err("it misbehaves")
}

fn encodes(bench: &mut Bench) -> CallError {
    let command = Downlink::Command { index: 0, mid: 1, has_more: false, fields: vec![] };
    bench.instances.encode(&bench.codec, &card(), command, &Origin::app_data(0)).expect_err("it misbehaves")
}

fn is_deadline(error: &CallError) -> bool {
    matches!(error, CallError::Deadline { .. })
}

fn is_trap(error: &CallError) -> bool {
    matches!(error, CallError::Trap { .. })
}

const LOOP: &str = "(loop $l (br $l)) unreachable";

#[test]
fn the_codec_from_text_is_a_good_one_where_nothing_is_bent() {
    let component = Text::default().component();
    for component in [component.clone(), [&component, NESTED].concat()] {
        let mut bench = Bench::of(&component, host(Limits::default()));
        assert_eq!(bench.decode(&[1]), Ok(vec![]));
    }
    let mut bench = Bench::of(&Text::answers(2, [7, 0]).component(), host(Limits::default()));
    assert_eq!(bench.value(&[1]), Value::Integer(7));
}

#[test]
fn an_endless_loop_in_any_export_ends_at_the_deadline() {
    contained(&Text { decode: LOOP.into(), ..Text::default() }, 10, decodes, is_deadline);
    contained(&Text { encode: LOOP.into(), ..Text::default() }, 10, encodes, is_deadline);
    // What the host calls on its own to hand the payload over, and to tell that the answer was read.
    contained(&Text { realloc: LOOP.into(), ..Text::default() }, 10, decodes, is_deadline);
    contained(&Text { after_decode: "(loop $l (br $l))".into(), ..Text::default() }, 10, decodes, is_deadline);
    refused(&Text { describe: LOOP.into(), ..Text::default() }, "E1031", "describe");
}

#[test]
fn a_start_function_is_held_to_the_limits() {
    let start = |body: &str| Text { beside: format!("(func $start {body}) (start $start)"), ..Text::default() };
    refused(&start("(loop $l (br $l))"), "E1033", "instance");
    refused(&start("unreachable"), "E1033", "instance");
    let grows = "(loop $l (br_if $l (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    refused(&start(grows), "E1033", "instance");
}

#[test]
fn memory_and_tables_end_at_their_limits() {
    refused(&Text { pages: 257, ..Text::default() }, "E1033", "16842752 bytes of memory");
    refused(&Text { elements: 10_000_000, ..Text::default() }, "E1034", "10000002 elements");
    let told = |error: &CallError| matches!(error, CallError::Trap { message, .. } if message.contains("the limit is"));
    let memory = "(loop $l (drop (memory.grow (i32.const 1))) (br $l)) unreachable";
    contained(&Text { decode: memory.into(), ..Text::default() }, PATIENT, decodes, told);
    // A table that cannot grow says -1, and this guest gives up then.
    let table = "(loop $l (br_if $l (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
    contained(&Text { decode: table.into(), ..Text::default() }, PATIENT, decodes, is_trap);
}

#[test]
fn recursion_without_end_overflows_the_guest_s_stack_only() {
    let deep = "(call $decode (local.get $at) (local.get $length) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) \
                (i32.const 0) (i64.const 0)) (i32.add (i32.const 1))";
    contained(
        &Text { decode: deep.into(), ..Text::default() },
        PATIENT,
        decodes,
        |error| matches!(error, CallError::Trap { message, .. } if message.contains("stack")),
    );
}

#[test]
fn answers_that_lie_outside_of_memory_or_are_none_are_refused() {
    let texts = [
        ("a result outside", Text { decode: format!("i32.const {OUTSIDE}"), ..Text::default() }),
        ("a result at the last byte", Text { decode: "i32.const 131068".into(), ..Text::default() }),
        ("a result that is not aligned", Text { decode: format!("i32.const {}", RESULT + 1), ..Text::default() }),
        ("a result of no kind", Text { result: vec![9], ..Text::default() }),
        ("messages outside", Text { result: vec![0, OUTSIDE, 1], ..Text::default() }),
        ("messages that are not aligned", Text { result: vec![0, RESULT + 17, 1], ..Text::default() }),
        ("more messages than memory", Text { result: vec![0, RESULT, 200], pages: 1, ..Text::default() }),
        ("a message of no kind", Text { result: vec![0, RESULT + 16, 1, 0, 7], ..Text::default() }),
        ("a value of no kind", Text::answers(8, [0, 0])),
        ("a text that is not UTF-8", Text::answers(4, [TEXTS + 7, 2])),
        ("a text outside", Text::answers(4, [OUTSIDE, 4])),
        ("bytes around the end of all addresses", Text::answers(5, [u32::MAX, u32::MAX])),
        ("JSON that is not UTF-8", Text::answers(7, [TEXTS + 7, 2])),
        ("an error of no kind", Text { result: vec![1, 0xff], ..Text::default() }),
        ("an error whose text is outside", Text { result: vec![1, 0, OUTSIDE, 9], ..Text::default() }),
    ];
    for (what, text) in texts {
        contained(&text, PATIENT, decodes, |error| {
            assert!(matches!(error, CallError::Trap { .. } | CallError::TooLarge { .. }), "{what}: {error}");
            true
        });
    }
}

#[test]
fn a_field_index_past_the_table_is_the_codec_s_and_no_panic() {
    let mut text = Text::answers(2, [7, 0]);
    text.result[16] = 0xffff;
    let mut bench = Bench::of(&text.component(), host(Limits::default()));
    let messages = bench.decode(&[1]).unwrap();
    assert!(matches!(&messages[..], [Message::Report(report)] if report.fields[0].index == 0xffff), "{messages:?}");
}

#[test]
fn memory_that_the_guest_gives_for_a_payload_must_be_there() {
    for address in [OUTSIDE, 131_072, 131_071] {
        let text = Text { realloc: format!("i32.const {address}"), ..Text::default() };
        contained(&text, PATIENT, decodes, is_trap);
    }
}

#[test]
fn what_a_guest_hands_to_the_host_s_functions_is_checked() {
    let logs = |level: u32, at: u32, length: u32| Text {
        decode: format!("(call $log (i32.const {level}) (i32.const {at}) (i32.const {length})) i32.const {RESULT}"),
        ..Text::default()
    };
    contained(&logs(0, OUTSIDE, 100), PATIENT, decodes, is_trap);
    contained(&logs(9, TEXTS, 1), PATIENT, decodes, is_trap);
    contained(&logs(1, TEXTS + 7, 2), PATIENT, decodes, is_trap);
    contained(&logs(1, TEXTS, u32::MAX), PATIENT, decodes, is_trap);
    let asks = |at: u32, length: u32, into: u32| Text {
        decode: format!("(call $attribute (i32.const {at}) (i32.const {length}) (i32.const {into})) i32.const {RESULT}"),
        ..Text::default()
    };
    contained(&asks(OUTSIDE, 1, 4_096), PATIENT, decodes, is_trap);
    contained(&asks(TEXTS, 1, OUTSIDE), PATIENT, decodes, is_trap);
    contained(&asks(TEXTS + 7, 2, 4_096), PATIENT, decodes, is_trap);
}

#[test]
fn a_description_that_is_none_is_refused() {
    let described = |at: usize, word: u32| {
        let mut text = Text::default();
        text.description[at] = word;
        text
    };
    refused(&Text { describe: "unreachable".into(), ..Text::default() }, "E1030", "describe");
    refused(&Text { describe: format!("i32.const {OUTSIDE}"), ..Text::default() }, "E1030", "describe");
    refused(&described(0, OUTSIDE), "E1030", "describe");
    // Services: more than memory holds, or than the host takes.
    refused(&described(5, 60_000), "E1030", "describe");
    refused(&described(4, DESCRIPTION + 33), "E1030", "describe");
    // The name of the property is not UTF-8; its type is none.
    let mut not_a_text = described(12, TEXTS + 7);
    not_a_text.description[13] = 2;
    refused(&not_a_text, "E1030", "describe");
    refused(&described(14, 77), "E1030", "describe");
    refused(&described(13, 0), "E1042", "a name of 0 bytes");
}

#[test]
fn imports_and_exports_of_other_shapes_are_refused() {
    let component = |text: &str| wat::parse_str(text).unwrap();
    let refusal = |text: &str| host(Limits::default()).load(&component(text)).expect_err("it is not admitted");
    let wasi = refusal(r#"(component (import "wasi:cli/environment@0.2.6" (instance (export "get-environment" (func)))))"#);
    assert_eq!(wasi.code, "E1010");
    assert!(wasi.cause.contains("wasi:cli/environment@0.2.6"), "{wasi}");
    let bare = refusal(r#"(component (import "clock" (func (result u64))))"#);
    assert_eq!(bare.code, "E1010", "{bare}");
    let typed = |export: &str| {
        format!(
            r#"(component
                 (import "codecgate:codec/log@1.0.0" (instance (export "log" (func (param "text" string)))))
                 (core module $m (func (export "f") (result i32) i32.const 0))
                 (core instance $i (instantiate $m))
                 (func $f (result u32) (canon lift (core func $i "f")))
                 (instance $codec (export "describe" (func $f)) (export "decode" (func $f)) (export "encode" (func $f)))
                 (export "{export}" (instance $codec)))"#
        )
    };
    let shapes = refusal(&typed("codecgate:codec/codec@1.0.0"));
    assert!(["E1011", "E1022"].contains(&shapes.code), "{shapes}");
}

#[test]
fn machine_code_of_the_gateway_s_own_cache_is_no_component() {
    let folder = tempfile::tempdir().unwrap();
    Host::new(Limits::default(), Some(folder.path())).unwrap().load(&COMPONENT).unwrap();
    let files = std::fs::read_dir(folder.path()).unwrap().map(|entry| std::fs::read(entry.unwrap().path()).unwrap());
    let file = files.max_by_key(Vec::len).unwrap();
    let code = file.windows(4).position(|window| window == b"\x7fELF").expect("wasmtime wraps machine code in ELF");
    assert_eq!(host(Limits::default()).load(&file[code..]).expect_err("it is machine code").code, "E1003");
    assert_eq!(host(Limits::default()).load(&file).expect_err("it is a file of the cache").code, "E1001");
}

#[test]
fn no_beginning_of_a_component_and_no_bit_turned_over_hurts_the_host() {
    let good = Text::answers(2, [7, 0]).component();
    let host = Host::new(Limits { isolation: Isolation::Fresh, ..Limits::default() }, None).unwrap();
    for end in (0..good.len()).step_by(7) {
        assert!(host.load(&good[..end]).is_err(), "the first {end} bytes");
    }
    let mut admitted = 0;
    for at in (0..good.len()).step_by(5) {
        let mut bent = good.clone();
        bent[at] ^= 1 << (at % 8);
        // Where it is admitted, a name or a constant changed, and whatever it answers is an answer or an error.
        if let Ok(codec) = host.load(&bent) {
            admitted += 1;
            let mut bench = Bench { codec, ..Bench::of(&good, host.clone()) };
            drop(bench.decode(&[1, 2, 3]));
        }
    }
    assert!(admitted > 0, "some bits mean nothing");
    assert_eq!(Bench::of(&good, host).value(&[1]), Value::Integer(7));
}

#[test]
fn memory_comes_back_from_codecs_that_misbehave() {
    let host = Host::new(Limits { deadline_ms: PATIENT, ..Limits::default() }, None).unwrap();
    let bomb = "(loop $l (memory.fill (i32.shl (memory.grow (i32.const 1)) (i32.const 16)) (i32.const 1) (i32.const 65536)) (br $l)) \
                unreachable";
    let mut bench = Bench::of(&Text { decode: bomb.into(), ..Text::default() }.component(), host);
    let bombs = |bench: &mut Bench| (0..20).for_each(|_| assert!(is_trap(&decodes(bench))));
    bombs(&mut bench);
    let before = resident_bytes();
    (0..5).for_each(|_| bombs(&mut bench));
    let grown = resident_bytes().saturating_sub(before);
    // A hundred calls touched 1.6 GB; other tests of this binary run beside.
    assert!(grown < 256 << 20, "{grown} bytes stayed");
}

/// What this machine's memory holds of the process; 0 where nobody tells.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap_or(0) * 1_024
}
