//! Verifies that encryption covers every entity that requires it, that only its keys open it, and that it
//! leaves no plain text on disk.

mod clinic;
mod files;
mod keys;
mod leaks;
mod recovery;
mod rekey;
mod sealed;
mod tampering;
mod whole;
