//! See `codecgate_tests::fuzz::layout`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codecgate_tests::fuzz::layout(bytes));
