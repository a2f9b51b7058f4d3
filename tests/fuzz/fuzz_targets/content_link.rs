//! See `codecgate_tests::fuzz::content_link`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codecgate_tests::fuzz::content_link(bytes));
