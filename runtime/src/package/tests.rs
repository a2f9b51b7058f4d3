//! Packages: what is written can be read, the same content gives the same bytes, and every trick is refused.

use std::io::{Cursor, Write as _};

use proptest::prelude::*;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use super::*;
use crate::model::ProductKey;

const MANIFEST_TEXT: &str = "interface = \"1.0.0\"\nmanufacturerId = \"Acme01\"\nmodel = \"WM1\"\nversion = \"1.2.0\"\n";

fn parts() -> Parts {
    Parts {
        manifest: MANIFEST_TEXT.to_owned(),
        component: b"\0asm\x0d\0\x01\0".to_vec(),
        profile: "{}".to_owned(),
        vectors: vec![("b.json".to_owned(), "[]".to_owned()), ("水表 1.json".to_owned(), "[]".to_owned())],
        layout: None,
    }
}

/// A zip of these entries, as they are.
fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in entries {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(contents).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn good() -> Vec<(&'static str, &'static [u8])> {
    vec![(MANIFEST, MANIFEST_TEXT.as_bytes()), (COMPONENT, b"\0asm\x0d\0\x01\0"), (PROFILE, b"{}")]
}

fn codes(bytes: &[u8]) -> Vec<&'static str> {
    match Package::read(bytes) {
        Ok(_) => vec![],
        Err(mistakes) => {
            assert!(mistakes.iter().all(|mistake| !mistake.reason.is_empty() && !mistake.fix.is_empty()));
            mistakes.iter().map(|mistake| mistake.code).collect()
        }
    }
}

fn key(seed: u8) -> PrivateKey {
    PrivateKey::from_seed(&[seed; 32])
}

fn trusting(names: &[(&str, u8)]) -> Trust {
    Trust { roots: names.iter().map(|(name, seed)| Root { name: (*name).to_owned(), key: key(*seed).public() }).collect() }
}

#[test]
fn what_is_written_is_read_and_the_same_content_gives_the_same_bytes() {
    let package = Package::new(parts()).unwrap();
    let bytes = package.write().unwrap();
    let again = Package::read(&bytes).unwrap();
    assert_eq!(again.manifest().product, ProductKey { manufacturer_id: "Acme01".into(), model: "WM1".into() });
    assert_eq!((again.component(), again.profile(), again.layout()), (package.component(), "{}", None));
    let names: Vec<&str> = again.vectors().map(|(path, _)| path).collect();
    assert_eq!(names, ["vectors/b.json", "vectors/水表 1.json"]);
    let mut turned = parts();
    turned.vectors.reverse();
    let turned = Package::new(turned).unwrap();
    assert_eq!((turned.write().unwrap(), turned.digest()), (bytes, package.digest()));
}

#[test]
fn another_tool_s_zip_has_the_same_digest() {
    let mut plain = parts();
    plain.vectors.clear();
    let package = Package::new(plain).unwrap();
    let mut entries = good();
    entries.reverse();
    assert_eq!(Package::read(&zipped(&entries)).unwrap().digest(), package.digest());
}

#[test]
fn everything_that_is_missing_or_wrong_is_told_at_once() {
    let mut read =
        codes(&zipped(&[(MANIFEST, b"interface = 1\nmodle = \"x\"\n[limits]\nmemory_mib = 0\nspeed = 1\n"), ("notes.txt", b"")]));
    read.sort_unstable();
    assert_eq!(read, ["E1106", "E1109", "E1109", "E1121", "E1121", "E1122", "E1122", "E1122", "E1123", "E1123"]);
    assert_eq!(codes(b"not a zip"), ["E1101"]);
    assert_eq!(codes(b""), ["E1101"]);
    let mut latin = good();
    latin[2] = (PROFILE, b"{\"a\": \"\xe4\"}");
    assert_eq!(codes(&zipped(&latin)), ["E1110"]);
}

#[test]
fn paths_that_mean_something_outside_are_refused() {
    for (path, code) in [
        ("/etc/passwd", "E1104"),
        ("../codec.toml", "E1104"),
        ("vectors/../../a.json", "E1104"),
        ("C:/a.json", "E1104"),
        ("vectors\\a.json", "E1104"),
        ("vectors//a.json", "E1104"),
        ("vectors/a\n.json", "E1104"),
        ("vectors/deep/a.json", "E1106"),
        ("vectors/.hidden.json", "E1106"),
        ("vectors/a.txt", "E1106"),
        ("__MACOSX/codec.toml", "E1106"),
        ("Codec.wasm", "E1106"),
    ] {
        let mut entries = good();
        entries.push((path, b"[]"));
        assert_eq!(codes(&zipped(&entries)), [code], "{path}");
    }
    let long = format!("vectors/{}.json", "a".repeat(200));
    assert!(codes(&zipped(&[(&long, b"[]")])).contains(&"E1104"));
}

#[test]
fn names_that_differ_in_case_only_are_one() {
    let mut entries = good();
    entries.extend([("vectors/a.json", &b"[]"[..]), ("vectors/A.json", b"[]")]);
    assert_eq!(codes(&zipped(&entries)), ["E1105"]);
    // The writer refuses a second entry of one name, so the second one gets its name afterwards.
    let mut twice = good();
    twice.extend([("vectors/a.json", &b"[]"[..]), ("vectors/b.json", b"[]")]);
    let bytes = zipped(&twice);
    let bytes: Vec<u8> = replace(&bytes, b"vectors/b.json", b"vectors/a.json");
    assert_eq!(codes(&bytes), ["E1105"]);
}

fn replace(bytes: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = bytes.to_vec();
    while let Some(at) = replaced.windows(from.len()).position(|window| window == from) {
        replaced[at..at + from.len()].copy_from_slice(to);
    }
    replaced
}

#[test]
fn links_and_folders_and_foreign_compression_are_told_apart() {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in good() {
        zip.start_file(name, SimpleFileOptions::default()).unwrap();
        zip.write_all(contents).unwrap();
    }
    zip.add_directory("vectors/", SimpleFileOptions::default()).unwrap();
    let bytes = zip.finish().unwrap().into_inner();
    assert_eq!(codes(&bytes), [""; 0], "the folder of the vectors may be an entry");
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    zip.add_symlink("vectors/a.json", "/etc/passwd", SimpleFileOptions::default()).unwrap();
    assert!(codes(&zip.finish().unwrap().into_inner()).contains(&"E1108"));
    // Method 12 is bzip2: offset 8 of the local header, 10 of the central one.
    let mut foreign = zipped(&good());
    for (mark, offset) in [(b"PK\x03\x04", 8), (b"PK\x01\x02", 10)] {
        let at = foreign.windows(4).position(|window| window == mark).unwrap();
        foreign[at + offset] = 12;
    }
    assert!(codes(&foreign).contains(&"E1107"));
}

#[test]
fn bombs_are_stopped_while_they_unpack() {
    let zeros = vec![0_u8; 5 << 20];
    let mut entries = good();
    entries.push(("vectors/bomb.json", &zeros));
    let bomb = zipped(&entries);
    assert!(bomb.len() < 100 << 10);
    assert_eq!(codes(&bomb), ["E1103"]);
    let spaces = vec![b' '; 4 << 20];
    let names: Vec<String> = (0..9).map(|n| format!("vectors/{n}.json")).collect();
    let mut many = good();
    many.extend(names.iter().map(|name| (name.as_str(), spaces.as_slice())));
    assert!(codes(&zipped(&many)).contains(&"E1103"));
    let names: Vec<String> = (0..300).map(|n| format!("vectors/{n}.json")).collect();
    let mut crowd = good();
    crowd.extend(names.iter().map(|name| (name.as_str(), &b"[]"[..])));
    assert_eq!(codes(&zipped(&crowd)), ["E1103"]);
    assert_eq!(codes(&vec![b'P'; MAX_PACKAGE_BYTES + 1]), ["E1103"]);
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, contents) in good() {
        zip.start_file(name, stored).unwrap();
        zip.write_all(contents).unwrap();
    }
    assert_eq!(codes(&zip.finish().unwrap().into_inner()), [""; 0]);
}

#[test]
fn nothing_may_stand_before_or_after_the_zip() {
    let bytes = Package::new(parts()).unwrap().write().unwrap();
    assert_eq!(codes(&[b"PK", bytes.as_slice()].concat()), ["E1102"]);
    assert_eq!(codes(&[bytes.as_slice(), b"x"].concat()), ["E1102"]);
    assert_eq!(codes(&[bytes.as_slice(), bytes.as_slice()].concat()), ["E1102"]);
}

#[test]
fn no_beginning_of_a_package_is_one() {
    let bytes = Package::new(parts()).unwrap().write().unwrap();
    for length in 0..bytes.len() {
        assert!(!codes(&bytes[..length]).is_empty(), "{length}");
    }
}

#[test]
fn signatures_say_who_and_that_nothing_was_changed() {
    let mut package = Package::new(parts()).unwrap();
    package.sign(&key(1));
    package.sign(&key(2));
    package.sign(&key(2));
    let package = Package::read(&package.write().unwrap()).unwrap();
    let trust = trusting(&[("acme", 1)]);
    assert_eq!(package.verify(&trust), [Signed::By("acme".into()), Signed::ByStranger(key(2).public())]);
    let mut changed = Parts { profile: "{ }".into(), ..parts() };
    let mut other = Package::new(std::mem::take(&mut changed)).unwrap();
    other.signatures = package.signatures.clone();
    let other = Package::read(&other.write().unwrap()).unwrap();
    assert_eq!(other.verify(&trust), [Signed::Broken(key(1).public()), Signed::Broken(key(2).public())]);
    assert_eq!(Package::new(parts()).unwrap().verify(&trust), []);
}

#[test]
fn a_signature_file_is_strict() {
    let mut package = Package::new(parts()).unwrap();
    package.sign(&key(1));
    let line = signature::write(&package.signatures);
    let read = |text: &str| signature::parse(text.as_bytes()).map(|found| found.len()).map_err(|mistake| mistake.code);
    assert_eq!(read(&line), Ok(1));
    for bad in [
        String::new(),
        format!("{line}{line}"),
        line.to_uppercase(),
        line.replace("ed25519", "rsa"),
        format!("{line}\n"),
        "x".into(),
    ] {
        assert_eq!(read(&bad), Err("E1170"), "{bad}");
    }
}

#[test]
fn keys_are_read_and_the_private_one_is_not_shown() {
    let private = key(7);
    assert_eq!(PublicKey::parse(&private.public().to_string()), Ok(private.public()));
    assert_eq!(PrivateKey::parse(&private.reveal()).unwrap().public(), private.public());
    assert!(!format!("{private:?}").contains(&"07".repeat(32)));
    let zero = format!("ed25519:{}", "00".repeat(32));
    for bad in ["", "ed25519:00", "rsa:00", zero.as_str()] {
        assert!(PublicKey::parse(bad).is_err(), "{bad}");
    }
    assert!(PrivateKey::parse(&private.public().to_string()).is_err());
}

#[test]
fn a_manifest_is_written_as_it_is_read() {
    let wishes = Wishes { memory_mib: Some(4), deadline_ms: Some(5), messages: Some(16), fresh: true, ..Wishes::default() };
    let product = ProductKey { manufacturer_id: "Ac\"me\\01".into(), model: "水表".into() };
    let manifest = Manifest { product, version: "1.2.0-rc.1".into(), interface: "1.0.0".into(), wishes };
    let mut mistakes = Vec::new();
    assert_eq!(manifest::parse(manifest.to_toml().as_bytes(), &mut mistakes), Some(manifest), "{mistakes:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let zip_like = [b"PK\x03\x04", bytes.as_slice()].concat();
        prop_assert!(!codes(&bytes).is_empty() && !codes(&zip_like).is_empty());
    }

    #[test]
    fn a_damaged_package_is_refused_or_says_the_same(at in any::<prop::sample::Index>(), with in any::<u8>()) {
        let package = Package::new(parts()).unwrap();
        let mut bytes = package.write().unwrap();
        let at = at.index(bytes.len());
        bytes[at] = with;
        if let Ok(read) = Package::read(&bytes) {
            prop_assert!(read.digest() == package.digest() || read.vectors().count() == 2);
        }
    }

    #[test]
    fn any_manifest_is_read_or_refused(text in "\\PC{0,120}") {
        let mut mistakes = Vec::new();
        prop_assert_eq!(manifest::parse(text.as_bytes(), &mut mistakes).is_some(), mistakes.is_empty());
    }
}
