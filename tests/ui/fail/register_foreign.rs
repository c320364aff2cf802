//! A type of another crate, which cannot be registered.

koan_backup::register!(std::time::Duration, name = "Duration", key = "secs: u64");

fn main() {}
