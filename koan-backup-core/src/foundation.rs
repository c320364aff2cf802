//! The types that all other modules use: errors, ids, clock, cancellation, values, schemas, canonical text,
//! digests and buffers. The crate `koan-backup-entity` contains errors, values, schemas and canonical text.

pub(crate) mod blocking;
pub(crate) mod bounded_file;
pub(crate) mod buffers;
pub(crate) mod cancellation;
pub(crate) mod child_group;
pub(crate) mod clock;
pub(crate) mod consistency;
pub(crate) mod digest;
pub(crate) mod id;
pub(crate) mod identity;
pub(crate) mod json;
pub(crate) mod lines;
pub(crate) mod names;
pub(crate) mod own_thread;
#[doc(hidden)]
pub mod owner_lock;
#[doc(hidden)]
pub mod private_files;
pub(crate) mod published_file;
pub(crate) mod runtime;
pub(crate) mod series;
pub(crate) mod similar_path;

pub(crate) use koan_backup_entity::__engine::{error, hex, schema, value};
