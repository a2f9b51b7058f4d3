//! Borders: what a component may import, what it must export and describe, and that a built one has no WASI import.

use codecgate::codec::{Host, Limits, Refusal};

use super::{COMPONENT, host};

fn refusal(component: &[u8]) -> Refusal {
    host(Limits::default()).load(component).expect_err("it is not admitted")
}

/// The hostile component with another behaviour of `describe` (four letters).
fn describing(mode: &str) -> Vec<u8> {
    let mark = b"describe-mode:";
    let mut component = COMPONENT.clone();
    let at = component.windows(mark.len()).position(|window| window == mark).expect("the mark is in the component");
    component[at + mark.len()..at + mark.len() + mode.len()].copy_from_slice(mode.as_bytes());
    component
}

/// A component by hand: imports empty instances of these names and exports the first again under `export`.
/// Sections: 7 type, 10 import, 11 export (WebAssembly/component-model, design/mvp/Binary.md).
fn component(imports: &[&str], export: Option<&str>) -> Vec<u8> {
    let name = |name: &str| [&[0, u8::try_from(name.len()).expect("short")], name.as_bytes()].concat();
    let section = |id: u8, count: usize, body: &[u8]| {
        let length = u8::try_from(body.len() + 1).expect("short");
        assert!(length < 0x80, "one byte of LEB128");
        [&[id, length, u8::try_from(count).expect("few")], body].concat()
    };
    let mut bytes = b"\0asm\x0d\0\x01\0".to_vec();
    bytes.extend(section(7, 1, &[0x42, 0]));
    let body: Vec<u8> = imports.iter().flat_map(|import| [name(import), vec![5, 0]].concat()).collect();
    bytes.extend(section(10, imports.len(), &body));
    if let Some(export) = export {
        bytes.extend(section(11, 1, &[name(export), vec![5, 0, 0]].concat()));
    }
    bytes
}

/// Looks for the text in the whole file: an import cannot hide from that.
fn mentions(component: &[u8], text: &[u8]) -> bool {
    component.windows(text.len()).any(|window| window == text)
}

#[test]
fn a_built_component_has_no_wasi_import() {
    assert!(COMPONENT.starts_with(b"\0asm\x0d\0\x01\0"), "a component, not a core module");
    assert!(mentions(&COMPONENT, b"codecgate:codec/log@1.0.0"));
    assert!(!mentions(&COMPONENT, b"wasi:"));
    assert!(!mentions(&COMPONENT, b"wasi_snapshot_preview1"));
}

#[test]
fn a_good_component_is_described_and_named_by_its_digest() {
    let codec = host(Limits::default()).load(&COMPONENT).unwrap();
    assert_eq!(codec.digest().len(), 64);
    let description = codec.description();
    assert_eq!((description.services[0].id.as_str(), description.services[0].properties.len()), ("Meter", 6));
    assert_eq!(description.commands[0].name, "SET_VALVE");
}

#[test]
fn every_foreign_import_is_named_and_the_missing_export_too() {
    let refusal = refusal(&component(&["wasi:cli/environment@0.2.6", "wasi:io/poll@0.2.6"], None));
    assert_eq!(refusal.code, "E1010");
    for told in ["wasi:cli/environment@0.2.6", "wasi:io/poll@0.2.6", "E1020", "found nothing"] {
        assert!(refusal.cause.contains(told), "{refusal}");
    }
    assert!(refusal.fix.contains("wasm32-unknown-unknown"), "{refusal}");
}

#[test]
fn another_version_of_the_interface_is_told_from_none() {
    let later = refusal(&component(&["codecgate:codec/log@2.0.0"], Some("codecgate:codec/codec@2.1.0")));
    assert_eq!(later.code, "E1011");
    assert!(later.cause.contains("E1021") && later.cause.contains("codecgate:codec/codec@2.1.0"), "{later}");
    let none = refusal(&component(&["codecgate:codec/log@1.0.0"], Some("acme:meter/codec@1.0.0")));
    assert_eq!(none.code, "E1020");
    assert!(none.cause.contains("found `acme:meter/codec@1.0.0`"), "{none}");
}

#[test]
fn an_interface_without_its_functions_is_refused_with_their_names() {
    let refusal = refusal(&component(&["codecgate:codec/device@1.0.0"], Some("codecgate:codec/codec@1.0.0")));
    assert_eq!(refusal.code, "E1022");
    assert!(["`describe`", "`decode`", "`encode`"].iter().all(|name| refusal.cause.contains(name)), "{refusal}");
}

#[test]
fn a_describe_that_fails_is_refused_for_what_it_did() {
    let trapped = refusal(&describing("trap"));
    assert_eq!(trapped.code, "E1030");
    assert!(trapped.cause.contains("describe"), "{trapped}");
    assert_eq!(refusal(&describing("loop")).code, "E1031");
    assert_eq!(refusal(&describing("huge")).code, "E1032");
    let twin = refusal(&describing("twin"));
    assert_eq!(twin.code, "E1040");
    assert!(twin.cause.contains("`volume` twice"), "{twin}");
}

#[test]
fn a_component_whose_memory_does_not_fit_is_refused() {
    let host = Host::new(Limits { memory_bytes: 64 << 10, ..Limits::default() }, None).unwrap();
    let refusal = host.load(&COMPONENT).unwrap_err();
    assert!(["E1005", "E1033"].contains(&refusal.code), "{refusal}");
    assert!(refusal.cause.contains("memory"), "{refusal}");
}

/// The same code in another component: 3 bytes of a custom section more.
fn sibling() -> Vec<u8> {
    [&COMPONENT[..], b"\x00\x02\x01x"].concat()
}

#[test]
fn a_second_start_finds_the_compiled_code() {
    let folder = tempfile::tempdir().unwrap();
    let files = || {
        let mut files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        files.into_iter().map(|path| (std::fs::read(&path).unwrap(), path)).collect::<Vec<_>>()
    };
    let start = || Host::new(Limits::default(), Some(folder.path())).unwrap();
    start().load(&COMPONENT).unwrap();
    assert_eq!(files().len(), 3, "the key, the code, and that the component was checked");
    start().load(&sibling()).unwrap();
    assert_eq!(files().len(), 4, "one more was checked, and its code was there");
    let before = files();
    let codec = start().load(&COMPONENT).unwrap();
    assert_eq!(codec.description().name, "hostile");
    assert_eq!(files(), before);
}

#[test]
fn a_flipped_byte_in_the_cache_is_detected_and_compiled_again() {
    let folder = tempfile::tempdir().unwrap();
    let start = || Host::new(Limits::default(), Some(folder.path())).unwrap();
    start().load(&COMPONENT).unwrap();
    let code = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().path());
    let code = code.max_by_key(|path| std::fs::metadata(path).unwrap().len()).unwrap();
    let good = std::fs::read(&code).unwrap();
    for at in [60, good.len() / 2, good.len() - 1] {
        let mut bad = good.clone();
        bad[at] ^= 0x10;
        std::fs::write(&code, &bad).unwrap();
        assert_eq!(start().load(&COMPONENT).unwrap().description().name, "hostile");
        assert!(std::fs::read(&code).unwrap() == good, "byte {at}: it was not compiled again");
    }
}

#[test]
fn a_folder_that_cannot_be_used_costs_time_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a file, not a folder");
    std::fs::write(&file, "").unwrap();
    let host = Host::new(Limits::default(), Some(&file)).unwrap();
    assert!(host.load(&COMPONENT).is_ok());
}
