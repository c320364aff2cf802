//! Fuzzes the codec with arbitrary lines and rows, for records with fields of many types.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| koan_backup_fuzz::codec::run(input));
