//! Tests directories as storage profiles and as databases: which files are durable, who may read them, and
//! whether a directory is the same one that was used before.
#![cfg(target_os = "linux")]

mod durability;
mod fixture;
mod journal;
mod marks;
mod misspelt;
mod modes;
mod opening;
mod roots;
mod verification;

koan_backup::entity_backup_scope!(mode = All);
