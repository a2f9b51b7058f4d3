//! See `codecgate_tests::fuzz::content_json`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codecgate_tests::fuzz::content_json(bytes));
