//! The catalog: `koan.catalog().recent(7).await?`.

mod query;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;

pub use self::query::CatalogQuery;
use super::RecoverBuilder;
use super::context::ContextRef;
use crate::catalog::stream_backups::{StreamBackupHealth, damaged, survey};
use crate::catalog::{
    self, Acknowledgement, Acknowledgements, CatalogEntry, CatalogHealth, CatalogStatistics, Expectations,
    HealthInput, Origin, SizeDrop, StreamBackupStatistic, UnreadableManifest,
};
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::runtime::require_timers;
use crate::operations::maintenance::{self, verifications};
use crate::operations::recover;
use crate::storage::Storage;

/// The catalog of the backups in all storage profiles. Manifests are cached.
///
/// A manifest that cannot be read does not prevent the listing of the other backups;
/// [`unreadable`](Self::unreadable) and [`health`](Self::health) report it.
///
/// ```
/// use std::time::Duration;
///
/// use koan_backup::catalog::Expectations;
/// # koan_backup_shop::run(async |koan| {
/// let catalog = koan.catalog();
/// let newest = catalog.latest().await?;
/// let of_this_week = catalog.recent(7).await?;
/// assert_eq!(catalog.by_name("nightly").await?.len(), 2);
/// assert_eq!(catalog.statistics().await?.backups, of_this_week.len());
///
/// let expected = Expectations::new().every(Duration::from_secs(24 * 3600));
/// assert!(catalog.health(&expected).await?.problems.is_empty());
/// # assert!(newest.is_some());
/// # Ok(())
/// # });
/// ```
///
/// # Errors
/// Every method fails if a profile cannot be listed or read; an incomplete list is never returned.
#[derive(Clone, Debug)]
pub struct Catalog {
    koan: ContextRef,
}

impl Catalog {
    pub(super) fn new(koan: ContextRef) -> Self {
        Self { koan }
    }

    /// Returns all backups, newest first.
    pub async fn all(&self) -> Result<Vec<CatalogEntry>> {
        Ok(self.query().await?.entries)
    }

    /// Returns the backups that started within this number of days, newest first.
    pub async fn recent(&self, days: u32) -> Result<Vec<CatalogEntry>> {
        let age = Duration::from_secs(u64::from(days) * 86_400);
        Ok(self.query().last(age).await?.entries)
    }

    /// Returns the newest backup of this application, if there is one. Backups of older versions that record
    /// no environment are considered only if there are no other backups.
    pub async fn latest(&self) -> Result<Option<CatalogEntry>> {
        match self.query().with_origins(&[Origin::Own]).first().await? {
            Some(entry) => Ok(Some(entry)),
            None => self.query().with_origins(&[Origin::Unidentified]).first().await,
        }
    }

    /// Returns the backup with this id. If several profiles contain it, the entry of the first of these
    /// profiles is returned.
    pub async fn get(&self, id: BackupId) -> Result<CatalogEntry> {
        let found = self.all().await?.into_iter().filter(|entry| entry.id() == id);
        let profiles = &self.koan.environment()?.storages;
        let position = |entry: &CatalogEntry| profiles.iter().position(|(name, _)| name == entry.profile());
        found.min_by_key(position).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("no backup has the id {id}; `koan.catalog().all()` lists the existing ones"),
            )
        })
    }

    /// Returns the backups of this application with a name, newest first, including backups of older versions
    /// that record no environment.
    pub async fn by_name(&self, name: impl Into<String>) -> Result<Vec<CatalogEntry>> {
        Ok(self.own().name(name).await?.entries)
    }

    /// Returns a query, which selects some of the backups.
    pub fn query(&self) -> CatalogQuery {
        CatalogQuery::new(self.clone())
    }

    /// Returns a query of the backups of this application, and of those of older versions that record no
    /// environment.
    pub fn own(&self) -> CatalogQuery {
        self.query().with_origins(&[Origin::Own, Origin::Unidentified])
    }

    /// Returns counts and sizes of the backups of this application, including backups of older versions that
    /// record no environment.
    pub async fn statistics(&self) -> Result<CatalogStatistics> {
        let mut statistics = catalog::statistics(&self.own().await?.entries);
        let (environment, mut streams) = (self.koan.environment()?, StreamBackupHealth::default());
        let now = environment.clock.now();
        for (profile, storage) in &environment.storages {
            self.add_stream_backups(profile, storage, now, &mut streams).await?;
        }
        statistics.stream_backups = StreamBackupStatistic::of(&streams);
        Ok(statistics)
    }

    /// Returns when each backup, identified by storage profile and id, was verified last: read back from its
    /// storage by [`verify_after`](super::BackupBuilder::verify_after) or by maintenance.
    ///
    /// # Errors
    /// A storage cannot be read, or a record there is damaged.
    pub async fn verifications(&self) -> Result<BTreeMap<(String, BackupId), Timestamp>> {
        require_timers()?;
        let environment = self.koan.environment()?;
        let mut all = BTreeMap::new();
        for (profile, storage) in &environment.storages {
            let verified = verifications::known(&environment.verifications, profile, storage).await?;
            all.extend(verified.into_iter().map(|(id, record)| ((profile.clone(), id), record.verified_at)));
        }
        Ok(all)
    }

    /// Returns when each of these backups was verified last, as [`verifications`](Self::verifications) does for all
    /// backups. Only the records of these backups are read, so that a page of a long list needs few reads.
    ///
    /// ```
    /// # koan_backup_shop::run(async |koan| {
    /// let page = koan.catalog().query().take(10).await?;
    /// let verified = koan.catalog().verifications_of(&page.entries).await?;
    /// assert!(verified.len() <= page.entries.len());
    /// # Ok(())
    /// # });
    /// ```
    ///
    /// # Errors
    /// A storage cannot be read.
    pub async fn verifications_of(
        &self,
        entries: &[CatalogEntry],
    ) -> Result<BTreeMap<(String, BackupId), Timestamp>> {
        require_timers()?;
        let mut all = BTreeMap::new();
        for (profile, storage) in &self.koan.environment()?.storages {
            let of_profile = entries.iter().filter(|entry| entry.profile() == profile);
            let ids: Vec<_> = of_profile.map(CatalogEntry::id).collect();
            let verified = verifications::read(storage, ids).await?;
            all.extend(verified.into_iter().map(|(id, record)| ((profile.clone(), id), record.verified_at)));
        }
        Ok(all)
    }

    /// Acknowledges that entities have fewer records in a backup than in the previous one. Until then the
    /// loss is a problem in the [health](Self::health), and retention keeps the last backup before the loss.
    /// Returns the acknowledged losses. A second acknowledgement of a backup replaces the first.
    ///
    /// # Errors
    /// The reason is empty, there is no such backup, it has no loss, it belongs to another application, or
    /// the storage fails.
    pub async fn acknowledge(&self, id: BackupId, reason: &str) -> Result<Vec<SizeDrop>> {
        catalog::require_reason(reason)?;
        let environment = self.koan.environment()?;
        let entry = self.get(id).await?;
        if entry.manifest().producer.origin(&environment.identity) == Origin::Other {
            let producer = entry.manifest().producer.description();
            let text =
                format!("backup {id} was made by {producer}; acknowledge its losses in that application");
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        let all = self.all().await?;
        let own = all.iter().map(CatalogEntry::manifest).filter(|manifest| {
            manifest.status.is_complete() && manifest.producer.origin(&environment.identity) != Origin::Other
        });
        // The percentage is 0, so that every decrease is acknowledged: a later health check may expect any
        // percentage.
        let canonical = |name: &str| environment.canonical(name);
        let mut lost = catalog::losses(own, canonical, 0, &Acknowledgements::default());
        lost.retain(|loss| loss.backup == id);
        let now = environment.clock.now();
        let Some(acknowledgement) = Acknowledgement::new(&lost, &entry.manifest().producer, reason, now)
        else {
            let text = format!("backup {id} has no entity with fewer records than in the previous backup");
            return Err(Error::new(ErrorKind::NotFound, text));
        };
        // Each profile needs its own record, because each is pruned separately.
        for entry in all.iter().filter(|entry| entry.id() == id) {
            acknowledgement.write(environment.storage(Some(entry.profile()))?, id).await?;
        }
        Ok(lost)
    }

    /// Compares the backups of this application with the expectations.
    pub async fn health(&self, expected: &Expectations) -> Result<CatalogHealth> {
        require_timers()?;
        let environment = self.koan.environment()?;
        let (mut verified, mut incomplete_tasks, mut unlisted) = (Vec::new(), Vec::new(), Vec::new());
        let (mut entries, mut unreadable) = (Vec::new(), Vec::new());
        let mut acknowledged = Acknowledgements::default();
        let (now, mut stream_backups) = (environment.clock.now(), StreamBackupHealth::default());
        for (profile, storage) in &environment.storages {
            verified.extend(verifications::known(&environment.verifications, profile, storage).await?);
            incomplete_tasks.extend(maintenance::incomplete_tasks(profile, storage, now).await?);
            self.add_stream_backups(profile, storage, now, &mut stream_backups).await?;
            acknowledged.add(Acknowledgements::read(storage).await?);
            let found = recover::listed_and_unlisted(environment, profile, storage).await?;
            entries.extend(found.listing.entries);
            unlisted.extend(found.unlisted.into_iter().map(|archive| (profile.clone(), archive)));
            unreadable
                .extend(found.listing.unreadable.into_iter().map(|manifest| (profile.clone(), manifest)));
        }
        let inventory = environment.inventory.get();
        let included = inventory.included.iter();
        let covered: BTreeSet<_> = included.map(|entity| entity.entity.clone()).collect();
        let identity = &environment.identity;
        let input = HealthInput {
            entries,
            identity,
            covered,
            verified,
            acknowledged,
            incomplete_tasks,
            unlisted,
            unreadable,
            stream_backups,
            expired_streams: self.koan.defaults().maintenance.expired_streams(),
        };
        Ok(catalog::health(input, expected, |name| environment.canonical(name), now))
    }

    /// Returns the manifests that cannot be read, each with its storage profile. A [page](crate::catalog::CatalogPage)
    /// of a query also has those of its profiles.
    pub async fn unreadable(&self) -> Result<Vec<(String, UnreadableManifest)>> {
        require_timers()?;
        Ok(self.listed(&[]).await?.unreadable)
    }

    /// Recovers unlisted archives: verifies each archive, and publishes its manifest again.
    pub fn recover(&self) -> RecoverBuilder {
        RecoverBuilder::new(self.koan.clone())
    }

    /// Adds the single backups of a profile to the health.
    async fn add_stream_backups(
        &self,
        profile: &str,
        storage: &Storage,
        now: Timestamp,
        health: &mut StreamBackupHealth,
    ) -> Result<()> {
        let environment = self.koan.environment()?;
        let found = survey(profile, storage, &environment.identity, now).await?;
        found.add_to(health, profile, &damaged(storage).await?, now);
        Ok(())
    }

    /// Returns the backups of these profiles, or of all profiles if `profiles` is empty, in any order.
    async fn listed(&self, profiles: &[String]) -> Result<ListedBackups> {
        let environment = self.koan.environment()?;
        let mut found = ListedBackups::default();
        for name in profiles {
            environment.storage(Some(name))?;
        }
        for (name, storage) in &environment.storages {
            if profiles.is_empty() || profiles.contains(name) {
                let listing = environment.manifests.all(name, storage).await?;
                found.entries.extend(listing.entries);
                found
                    .unreadable
                    .extend(listing.unreadable.into_iter().map(|manifest| (name.clone(), manifest)));
            }
        }
        Ok(found)
    }
}

/// The backups of several storage profiles, and the manifests that cannot be read, each with its profile.
#[derive(Debug, Default)]
struct ListedBackups {
    entries: Vec<CatalogEntry>,
    unreadable: Vec<(String, UnreadableManifest)>,
}
