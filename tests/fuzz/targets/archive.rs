//! Any bytes in the place of an archive, and archives that were forged.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| koan_backup_fuzz::archive::run(input));
