//! Any line and any row as records of rich types.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| koan_backup_fuzz::codec::run(input));
