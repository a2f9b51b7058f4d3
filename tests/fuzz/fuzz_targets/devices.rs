//! See `codecgate_tests::fuzz::devices`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codecgate_tests::fuzz::devices(bytes));
