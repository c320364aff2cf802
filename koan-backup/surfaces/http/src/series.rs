//! The series of backups, each with its newest backups.

use std::collections::BTreeMap;

use jiff::Timestamp;
use koan_backup_core::catalog::{CatalogEntry, Order, SortBy};
use koan_backup_core::{BackupId, Koan, Result};

/// The times at which backups were verified, by storage profile and id.
pub(crate) type Verifications = BTreeMap<(String, BackupId), Timestamp>;

/// One series of backups.
#[derive(Debug)]
pub(crate) struct Series {
    newest: CatalogEntry,
    /// The newest complete backup.
    pub(crate) last_success: Option<CatalogEntry>,
    /// When a verification last found a backup of the series to be valid.
    pub(crate) last_verified_at: Option<Timestamp>,
    /// The times and sizes of the newest complete backups, newest first, without copies.
    pub(crate) sizes: Vec<(Timestamp, u64)>,
}

/// How many sizes a series has.
pub(crate) const MAX_SIZES: usize = 30;

impl Series {
    /// Returns the newest backup, also if it failed.
    pub(crate) fn newest(&self) -> &CatalogEntry {
        &self.newest
    }

    fn add(&mut self, entry: &CatalogEntry, verifications: &Verifications) {
        self.last_verified_at = self.last_verified_at.max(verified_at(entry, verifications));
        if !entry.manifest().status.is_complete() {
            return;
        }
        self.last_success.get_or_insert_with(|| entry.clone());
        let size = (entry.manifest().created_at, entry.size_bytes());
        // Copies of a backup follow each other, because the entries are sorted by time.
        if self.sizes.len() < MAX_SIZES && self.sizes.last() != Some(&size) {
            self.sizes.push(size);
        }
    }
}

/// Returns when a backup was found to be valid. The record of a verification that found damage proves nothing.
pub(crate) fn verified_at(entry: &CatalogEntry, verifications: &Verifications) -> Option<Timestamp> {
    let at = verifications.get(&(entry.profile().to_owned(), entry.id()));
    at.copied().filter(|_| entry.damage().is_none())
}

/// Returns the series by name, and the verifications.
pub(crate) async fn all(koan: &Koan) -> Result<(BTreeMap<String, Series>, Verifications)> {
    let catalog = koan.catalog();
    let entries = catalog.query().sort_by(SortBy::Time, Order::Descending).await?.entries;
    let verifications = catalog.verifications().await?;
    let mut all: BTreeMap<String, Series> = BTreeMap::new();
    for entry in &entries {
        let series = all.entry(entry.manifest().series_name().to_string()).or_insert_with(|| Series {
            newest: entry.clone(),
            last_success: None,
            last_verified_at: None,
            sizes: Vec::new(),
        });
        series.add(entry, &verifications);
    }
    Ok((all, verifications))
}
