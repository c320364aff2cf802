//! The names that most applications use: `use koan_backup::prelude::*;`

pub use koan_backup_core::Entity;
pub use koan_backup_core::{
    ArchiveEncryption, Backup, BackupRef, Compression, ConflictMode, EntityBackup, Error, ErrorKind,
    Inventory, Keys, Koan, Recipients, Restore, RestoreLevel, Result, Storage,
};
pub use koan_backup_derive::{Entity, entity_backup_scope};

#[cfg(feature = "json")]
pub use koan_backup_json::JsonFiles;
#[cfg(feature = "memory")]
pub use koan_backup_memory::Memory;
#[cfg(feature = "postgres")]
pub use koan_backup_postgres::Postgres;
#[cfg(feature = "sqlite")]
pub use koan_backup_sqlite::Sqlite;
