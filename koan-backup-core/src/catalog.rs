//! Which backups exist, and what is known of them without opening one.

pub(crate) mod beside;
mod cache;
pub(crate) mod damage;
mod entry;
mod health;
mod query;
mod reference;
pub(crate) mod removal_record;
mod statistics;
mod stored;
pub(crate) mod unlisted;
mod unreadable;

pub(crate) use cache::ManifestCache;
pub use entry::CatalogEntry;
pub use health::{CatalogHealth, Expectations, Shrunk, StaleEntity, Undone};
pub(crate) use health::{Seen, VerificationRecord, health};
pub(crate) use query::Filter;
pub use query::{CatalogPage, Order, SortBy};
pub use reference::BackupRef;
pub use removal_record::RemovalReason;
pub(crate) use statistics::statistics;
pub use statistics::{CatalogStatistics, EntityStatistic, Growth, ProfileStatistic};
pub(crate) use stored::{StoredBackup, StoredManifests, find, list, list_all, parse, published};
pub use unlisted::{UnlistedArchive, UnlistedState};
pub use unreadable::UnreadableManifest;

/// Manifests that are read at once: a store that is far away answers each after a while.
const READS_AT_ONCE: usize = 64;
