//! The series of backups of the application, each with its newest backups.

use std::collections::BTreeMap;
use std::future::IntoFuture as _;

use jiff::{SignedDuration, Timestamp};
use koan_backup_core::catalog::{CatalogEntry, Order, SortBy};
use koan_backup_core::{BackupId, Koan, Result};

/// The times at which backups were verified, by storage profile and id.
pub(crate) type Verifications = BTreeMap<(String, BackupId), Timestamp>;

/// How many sizes a series has.
pub(crate) const MAX_SIZES: usize = 30;

/// The largest difference between two clocks. A backup whose time is further in the future is not the last good one, as
/// for the health of the catalog.
const MAX_CLOCK_SKEW: SignedDuration = SignedDuration::from_secs(5 * 60);

/// What is known about the content of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verified {
    /// A verification found it to be valid.
    At(Timestamp),
    /// A verification found damage.
    Damaged,
    /// It was never verified.
    Never,
}

impl Verified {
    /// Returns what is known about a backup. The record of a verification that found damage proves nothing.
    pub(crate) fn of(entry: &CatalogEntry, verifications: &Verifications) -> Self {
        match verifications.get(&(entry.profile().to_owned(), entry.id())) {
            _ if entry.damage().is_some() => Self::Damaged,
            Some(at) => Self::At(*at),
            None => Self::Never,
        }
    }

    fn at(self) -> Option<Timestamp> {
        match self {
            Self::At(at) => Some(at),
            Self::Damaged | Self::Never => None,
        }
    }
}

/// One series of backups.
#[derive(Debug)]
pub(crate) struct Series {
    newest: CatalogEntry,
    /// The newest complete backup that is not known to be damaged.
    pub(crate) last_good: Option<CatalogEntry>,
    /// When a verification last found a backup of the series to be valid.
    pub(crate) last_verified_at: Option<Timestamp>,
    /// The times and sizes of the newest complete backups, newest first, without copies.
    pub(crate) sizes: Vec<(Timestamp, u64)>,
}

impl Series {
    /// Returns the newest backup, also if it failed.
    pub(crate) fn newest(&self) -> &CatalogEntry {
        &self.newest
    }

    fn add(&mut self, entry: &CatalogEntry, verifications: &Verifications, now: Timestamp) {
        self.last_verified_at = self.last_verified_at.max(Verified::of(entry, verifications).at());
        let manifest = entry.manifest();
        if !manifest.status.is_complete() {
            return;
        }
        let is_in_future = manifest.created_at.duration_since(now) > MAX_CLOCK_SKEW;
        if entry.damage().is_none() && !is_in_future {
            self.last_good.get_or_insert_with(|| entry.clone());
        }
        let size = (manifest.created_at, entry.size_bytes());
        // Copies of a backup follow each other, because the entries are sorted by time.
        if self.sizes.len() < MAX_SIZES && self.sizes.last() != Some(&size) {
            self.sizes.push(size);
        }
    }
}

/// Returns the series of the application by name, and the verifications. Backups of other applications in the same
/// storage are not considered.
pub(crate) async fn own(koan: &Koan) -> Result<(BTreeMap<String, Series>, Verifications)> {
    let (catalog, now) = (koan.catalog(), Timestamp::now());
    let query = catalog.own().sort_by(SortBy::Time, Order::Descending).into_future();
    // Each of these lists folders of the storage, so they run at the same time.
    let (found, verifications) = futures::try_join!(query, catalog.verifications())?;
    let mut all: BTreeMap<String, Series> = BTreeMap::new();
    for entry in &found.entries {
        let series = all.entry(entry.manifest().series_name().to_string()).or_insert_with(|| Series {
            newest: entry.clone(),
            last_good: None,
            last_verified_at: None,
            sizes: Vec::new(),
        });
        series.add(entry, &verifications, now);
    }
    Ok((all, verifications))
}
