//! See `codecgate_tests::fuzz::interpreter`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codecgate_tests::fuzz::interpreter(bytes));
