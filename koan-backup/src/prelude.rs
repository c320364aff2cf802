//! The names that most applications use: `use koan_backup::prelude::*;`
//!
//! [`Result`] is the result of this library, and takes every other type of error as well, so that the usual
//! signature of `main` compiles:
//!
//! ```
//! use koan_backup::prelude::*;
//!
//! fn recipients(key: &str) -> Result<Recipients> {
//!     Recipients::key(key)
//! }
//!
//! fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p";
//!     println!("{:?}", recipients(key)?.public_keys());
//!     Ok(())
//! }
//! ```

pub use koan_backup_core::Entity;
pub use koan_backup_core::event_store::EventStream;
pub use koan_backup_core::{
    ArchiveEncryption, Backup, BackupRef, Compression, ConflictMode, EntityBackup, Error, ErrorKind,
    Inventory, Keys, Koan, Recipients, Restore, RestoreLevel, Result, Retention, Storage,
};
pub use koan_backup_derive::{Entity, EventStream, entity_backup_scope};

#[cfg(feature = "config")]
pub use koan_backup_config::{BuilderConfig, KoanConfig};
#[cfg(feature = "json")]
pub use koan_backup_json::JsonFiles;
#[cfg(feature = "memory")]
pub use koan_backup_memory::Memory;
#[cfg(feature = "postgres")]
pub use koan_backup_postgres::Postgres;
#[cfg(feature = "sqlite")]
pub use koan_backup_sqlite::Sqlite;
