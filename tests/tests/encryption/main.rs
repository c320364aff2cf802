//! What must be encrypted is, opens with its keys and with nothing else, and leaves no trace of itself.

mod clinic;
mod files;
mod keys;
mod leaks;
mod recovery;
mod rekey;
mod sealed;
mod tampering;
mod whole;
