//! Tests directories of JSON files that other programs and restores write.

mod fixture;
mod foreign;
mod full_disk;
mod keeping;
mod processes;
mod recovery;
mod values;

koan_backup::entity_backup_scope!(mode = All);
