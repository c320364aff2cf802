//! Verifies that encryption covers every entity that requires it, that only its keys open it, and that no
//! content of encrypted records leaks.

mod clinic;
mod files;
mod keys;
mod leaks;
mod recovery;
mod rekey;
mod sealed;
mod tampering;
mod whole;
