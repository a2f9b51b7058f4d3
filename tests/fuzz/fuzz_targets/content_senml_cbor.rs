//! See `codecgate_tests::fuzz::content_senml_cbor`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codecgate_tests::fuzz::content_senml_cbor(bytes));
