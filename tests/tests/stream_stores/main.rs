//! Archives and single backups of event streams: every event store with every kind of storage profile, many backups at the
//! same time, and storage that fails.

mod concurrent;
mod faults;
mod full_disk;
mod matrix;
mod network;
mod repeated;
mod stores;

koan_backup::entity_backup_scope!(mode = None);
