//! See `codecgate_tests::fuzz::transfer`.
#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| codecgate_tests::fuzz::transfer(bytes));
