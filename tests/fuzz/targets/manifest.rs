//! Fuzzes the parser of published manifests with arbitrary bytes and with altered manifests.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| koan_backup_fuzz::manifest::run(input));
