#![no_main]

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| ubf_testing::targets::resumes(bytes));
