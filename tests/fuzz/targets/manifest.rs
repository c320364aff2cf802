//! Any bytes in the place of a published manifest, and manifests that were altered.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| koan_backup_fuzz::manifest::run(input));
