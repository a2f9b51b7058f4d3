//! Codecs written as WebAssembly text: a core module that a test can bend at one place, wrapped as any toolchain wraps it. What the
//! canonical ABI asks of memory is written here by hand, for `wit/v1` (component-model, design/mvp/CanonicalABI.md).

use std::path::Path;
use std::sync::LazyLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::{Resolve, WorldId};

/// A codec of one service `S` with the integer `p`, which decodes everything to nothing and sends nothing.
pub(super) struct Text {
    /// Of the memory, in pages of 64 KiB.
    pub(super) pages: u64,
    /// Elements of the table.
    pub(super) elements: u64,
    /// Functions, globals, a start function: whatever stands beside the exports.
    pub(super) beside: String,
    /// Body of `describe`: leaves the address of a description.
    pub(super) describe: String,
    /// Body of `decode`: leaves the address of a result. The payload is `$at` and `$length`.
    pub(super) decode: String,
    /// Body of `encode`: leaves the address of a result.
    pub(super) encode: String,
    /// Body of `cabi_realloc`: leaves the address of `$size` bytes.
    pub(super) realloc: String,
    /// Body of the function that is told when the answer of `decode` was read.
    pub(super) after_decode: String,
    /// Words of 4 bytes in memory, from [`RESULT`] on.
    pub(super) result: Vec<u32>,
    /// Words of 4 bytes from [`DESCRIPTION`] on.
    pub(super) description: Vec<u32>,
}

/// Where the result of `decode` lies.
pub(super) const RESULT: u32 = 2_048;
/// Where the description lies.
pub(super) const DESCRIPTION: u32 = 1_024;
/// Where the texts lie.
pub(super) const TEXTS: u32 = 1_280;
const TEXT: &str = "S1.0.0p\\ff\\fe";
/// An address that no memory of these tests has.
pub(super) const OUTSIDE: u32 = 0xffff_fff0;

impl Default for Text {
    fn default() -> Self {
        Self {
            pages: 2,
            elements: 1,
            beside: String::new(),
            describe: format!("i32.const {DESCRIPTION}"),
            decode: format!("i32.const {RESULT}"),
            encode: "i32.const 3072".into(),
            realloc: "i32.const 65536".into(),
            after_decode: String::new(),
            result: vec![],
            description: vec![
                // name, version, services, commands: address and length
                TEXTS,
                1,
                TEXTS + 1,
                5,
                DESCRIPTION + 32,
                1,
                0,
                0,
                // the service: id, properties
                TEXTS,
                1,
                DESCRIPTION + 48,
                1,
                // the property: name, type (2: integer)
                TEXTS + 6,
                1,
                2,
            ],
        }
    }
}

impl Text {
    /// A report with one field: value of this kind (`wit/v1`, `value`) with these first words.
    pub(super) fn answers(kind: u32, words: [u32; 2]) -> Self {
        let (message, field) = (RESULT + 16, RESULT + 64);
        let mut result = vec![0; 24];
        result[..3].copy_from_slice(&[0, message, 1]);
        // a message of 48 bytes: its kind; from byte 8 the report: service, event time at 8, fields at 24
        result[4 + 8..4 + 10].copy_from_slice(&[field, 1]);
        // a field of 24 bytes: index; from byte 8 the value: kind, from byte 8 what it is
        result[16 + 2] = kind;
        result[16 + 4..16 + 6].copy_from_slice(&words);
        Self { result, ..Self::default() }
    }

    /// The core module.
    fn module(&self) -> String {
        let Self { pages, elements, beside, describe, decode, encode, realloc, after_decode, .. } = self;
        let (description, result) = (hex_words(&self.description), hex_words(&self.result));
        let interface = "codecgate:codec/codec@1.0.0";
        format!(
            r#"(module
  (import "codecgate:codec/log@1.0.0" "log" (func $log (param i32 i32 i32)))
  (import "codecgate:codec/device@1.0.0" "attribute" (func $attribute (param i32 i32 i32)))
  (memory (export "memory") {pages})
  (table $table {elements} funcref)
  (data (i32.const {DESCRIPTION}) "{description}")
  (data (i32.const {TEXTS}) "{TEXT}")
  (data (i32.const {RESULT}) "{result}")
  {beside}
  (func (export "cabi_realloc") (param $old i32) (param $had i32) (param $align i32) (param $size i32) (result i32) {realloc})
  (func (export "{interface}#describe") (result i32) {describe})
  (func $decode (export "{interface}#decode")
    (param $at i32) (param $length i32) (param i32 i32 i32 i32 i32 i64) (result i32) {decode})
  (func (export "cabi_post_{interface}#decode") (param i32) {after_decode})
  (func (export "{interface}#encode") (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i64) (result i32) {encode}))"#
        )
    }

    /// The component, as wit-component makes it of the output of any compiler.
    pub(super) fn component(&self) -> Vec<u8> {
        let text = self.module();
        let mut module = wat::parse_str(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let (resolve, world) = &*WORLD;
        embed_component_metadata(&mut module, resolve, *world, StringEncoding::UTF8).expect("a world for the module");
        let encoder = ComponentEncoder::default().validate(false).module(&module);
        encoder.and_then(|mut encoder| encoder.encode()).unwrap_or_else(|error| panic!("{error:?}\n{text}"))
    }
}

static WORLD: LazyLock<(Resolve, WorldId)> = LazyLock::new(|| {
    let mut resolve = Resolve::default();
    let (package, _) = resolve.push_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/v1")).expect("wit/v1 is well");
    let world = resolve.select_world(&[package], Some("plugin")).expect("the world of codecs");
    (resolve, world)
});

fn hex_words(words: &[u32]) -> String {
    words.iter().flat_map(|word| word.to_le_bytes()).map(|byte| format!("\\{byte:02x}")).collect()
}
