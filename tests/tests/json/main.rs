//! Directories of JSON files, as other programs write them and as a restore leaves them.

mod fixture;
mod foreign;
mod full_disk;
mod keeping;
mod processes;
mod recovery;
mod values;

koan_backup::entity_backup_scope!(mode = All);
