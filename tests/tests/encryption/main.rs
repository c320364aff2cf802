//! Verifies that every entity that requires encryption is encrypted, that only the private keys of its
//! recipients decrypt it, and that no content of encrypted records leaks.

mod clinic;
mod files;
mod keys;
mod leaks;
mod recovery;
mod rekey;
mod sealed;
mod tampering;
mod whole;
