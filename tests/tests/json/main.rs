//! Directories of JSON files, written by other programs and by restores.

mod fixture;
mod foreign;
mod full_disk;
mod keeping;
mod processes;
mod recovery;
mod values;

koan_backup::entity_backup_scope!(mode = All);
