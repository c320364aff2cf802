//! The catalog: the existing backups, and their properties that are known without opening an archive.

pub(crate) mod retention;

mod acknowledgement;
mod cache;
pub(crate) mod damage;
mod entry;
mod health;
mod lookup;
mod losses;
mod opened_backup;
mod origin;
mod overdue;
mod query;
mod reference;
pub(crate) mod removal_record;
mod shared_listing;
pub(crate) mod sidecar;
mod sidecar_cache;
mod size_drop;
mod statistics;
mod stored;
pub(crate) mod stream_backups;
pub(crate) mod unlisted;
mod unreadable;

pub use crate::foundation::series::SeriesName;
pub(crate) use acknowledgement::{Acknowledgement, Acknowledgements, require_reason};
pub(crate) use cache::{Listing, ManifestCache};
pub use entry::CatalogEntry;
pub use health::{CatalogHealth, Expectations, IncompleteTask, StaleEntity};
pub(crate) use health::{HealthInput, VerificationRecord, health};
pub(crate) use lookup::{Lookup, SearchedProfile, find};
pub(crate) use losses::{DEFAULT_LOSS_PERCENT, losses};
pub(crate) use origin::Origin;
pub(crate) use overdue::{Freshness, Overdue, OverdueKind, freshness};
pub use query::{CatalogPage, Order, SortBy};
pub(crate) use query::{Filter, OriginFilter};
pub use reference::BackupRef;
pub use removal_record::RemovalReason;
pub(crate) use sidecar_cache::SidecarCache;
pub use size_drop::SizeDrop;
pub(crate) use statistics::statistics;
pub use statistics::{
    CatalogStatistics, EntityStatistic, Growth, ProfileStatistic, SeriesStatistic, StreamBackupStatistic,
};
pub(crate) use stored::{
    StoredBackup, StoredManifests, find_id, list, list_all, parse, published, published_in_time,
    unreadable_note,
};
pub use unlisted::{UnlistedArchive, UnlistedState};
pub use unreadable::UnreadableManifest;
