//! Tests what is recorded and announced about operations: who started a backup, how each operation ended, and which
//! listeners receive it.

mod ends;
mod observers;
mod shop;
mod triggers;
mod verifications;

koan_backup::entity_backup_scope!(mode = All);
