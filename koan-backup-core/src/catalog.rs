//! Which backups exist, and what is known of them without opening one.

pub(crate) mod beside;
mod cache;
pub(crate) mod damage;
mod entry;
mod health;
pub(crate) mod latest;
mod query;
mod reference;
mod statistics;
mod stored;

pub(crate) use cache::ManifestCache;
pub use entry::CatalogEntry;
pub use health::{CatalogHealth, Expectations, Shrunk, StaleEntity, Undone};
pub(crate) use health::{VerificationRecord, health};
pub(crate) use query::Filter;
pub use query::{CatalogPage, Order, SortBy};
pub use reference::BackupRef;
pub(crate) use statistics::statistics;
pub use statistics::{CatalogStatistics, EntityStatistic, Growth, ProfileStatistic};
pub(crate) use stored::{MAX_MANIFEST_BYTES, StoredBackup, find, list, published};

/// Manifests that are read at once: a store that is far away answers each after a while.
const READS_AT_ONCE: usize = 64;
