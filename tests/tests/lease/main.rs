//! Tests leases through the public interface: which process may work on a subject in a storage profile.

mod backups;
mod cancelled;
mod clock;
mod downloads;
mod lost;
mod processes;
mod providers;
mod recovered;
mod removing;
mod restores;
mod shop;
mod stopped;
mod stores;

koan_backup::entity_backup_scope!(mode = All);
