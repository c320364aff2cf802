//! Fuzzes the readers of archives with arbitrary bytes and with forged archives.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| koan_backup_fuzz::archive::run(input));
