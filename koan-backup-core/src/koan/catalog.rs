//! The catalog and the builder of a query: `koan.catalog().recent(7).await?`.

use std::collections::{BTreeMap, BTreeSet};
use std::future::IntoFuture;
use std::ops::RangeBounds;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, Stream};
use jiff::Timestamp;

use super::RecoverBuilder;
use super::context::ContextRef;
use super::names::Names;
use crate::archive::BackupStatus;
use crate::catalog::{
    self, Acknowledgement, Acknowledgements, CatalogEntry, CatalogHealth, CatalogPage, CatalogStatistics,
    Expectations, Filter, HealthInput, Order, Origin, OriginFilter, SizeDrop, SortBy, UnreadableManifest,
};
use crate::entity::Entity;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::runtime::{in_runtime, require_timers};
use crate::operations::maintenance::{self, verifications};
use crate::operations::prune::Survey;
use crate::operations::recover;

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
        CatalogQuery {
            catalog: self.clone(),
            filter: Filter::default(),
            profiles: Vec::new(),
            max_age: None,
            origins: None,
        }
    }

    /// Returns a query of the backups of this application, and of those of older versions that record no
    /// environment.
    pub(super) fn own(&self) -> CatalogQuery {
        self.query().with_origins(&[Origin::Own, Origin::Unidentified])
    }

    /// Returns counts and sizes of the backups of this application, including backups of older versions that
    /// record no environment.
    pub async fn statistics(&self) -> Result<CatalogStatistics> {
        Ok(catalog::statistics(&self.own().await?.entries))
    }

    /// Returns when each backup, identified by storage profile and id, was verified last: read back from its
    /// storage by [`verify_after`](super::BackupBuilder::verify_after) or by maintenance.
    ///
    /// # Errors
    /// A storage cannot be read, or a record there is damaged.
    pub async fn verifications(&self) -> Result<BTreeMap<(String, BackupId), Timestamp>> {
        require_timers()?;
        let mut all = BTreeMap::new();
        for (profile, storage) in &self.koan.environment()?.storages {
            let verified = verifications::read_all(storage).await?;
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
        let (mut verified, mut incomplete_tasks, mut unlisted, mut unreadable) =
            (Vec::new(), Vec::new(), Vec::new(), Vec::new());
        let mut acknowledged = Acknowledgements::default();
        let now = environment.clock.now();
        for (profile, storage) in &environment.storages {
            verified.extend(verifications::read_all(storage).await?);
            incomplete_tasks.extend(maintenance::incomplete_tasks(profile, storage, now).await?);
            acknowledged.add(Acknowledgements::read(storage).await?);
            let survey = Survey::take(storage, &environment.clock).await?;
            let found = recover::unlisted(environment, storage, &survey).await?;
            unlisted.extend(found.into_iter().map(|archive| (profile.clone(), archive)));
            unreadable.extend(survey.unreadable.into_iter().map(|manifest| (profile.clone(), manifest)));
        }
        let inventory = environment.inventory.get();
        let included = inventory.included.iter();
        let covered: BTreeSet<_> = included.map(|entity| entity.entity.clone()).collect();
        let (entries, identity) = (self.all().await?, &environment.identity);
        let input = HealthInput {
            entries,
            identity,
            covered,
            verified,
            acknowledged,
            incomplete_tasks,
            unlisted,
            unreadable,
        };
        Ok(catalog::health(input, expected, |name| environment.canonical(name), now))
    }

    /// Returns the manifests that cannot be read, each with its storage profile.
    pub async fn unreadable(&self) -> Result<Vec<(String, UnreadableManifest)>> {
        require_timers()?;
        let environment = self.koan.environment()?;
        let mut unreadable = Vec::new();
        for (name, storage) in &environment.storages {
            let listing = environment.manifests.all(name, storage).await?;
            unreadable.extend(listing.unreadable.into_iter().map(|manifest| (name.clone(), manifest)));
        }
        Ok(unreadable)
    }

    /// Recovers unlisted archives: verifies each archive, and publishes its manifest again.
    pub fn recover(&self) -> RecoverBuilder {
        RecoverBuilder::new(self.koan.clone())
    }

    /// Returns the backups of these profiles, or of all profiles if `profiles` is empty, in any order.
    async fn entries(&self, profiles: &[String]) -> Result<Vec<CatalogEntry>> {
        let environment = self.koan.environment()?;
        let mut entries = Vec::new();
        for name in profiles {
            environment.storage(Some(name))?;
        }
        for (name, storage) in &environment.storages {
            if profiles.is_empty() || profiles.contains(name) {
                let listing = environment.manifests.all(name, storage).await?;
                entries.extend(listing.entries);
            }
        }
        Ok(entries)
    }
}

/// A query of the catalog. Awaiting it returns a page of backups, newest first by default. A backup is
/// selected only if it meets all conditions.
///
/// ```
/// use koan_backup::catalog::{Order, SortBy};
/// # koan_backup_shop::run(async |koan| {
/// let page = koan
///     .catalog()
///     .query()
///     .name("nightly")
///     .containing(["User"])
///     .healthy()
///     .sort_by(SortBy::Size, Order::Descending)
///     .take(10)
///     .await?;
/// println!("{} of {} backups", page.entries.len(), page.total);
/// # assert_eq!(page.total, 2);
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
#[must_use = "a query does nothing until it is awaited"]
pub struct CatalogQuery {
    catalog: Catalog,
    filter: Filter,
    profiles: Vec<String>,
    max_age: Option<Duration>,
    /// The origins that are selected, relative to the application of the context.
    origins: Option<&'static [Origin]>,
}

macro_rules! text_setters {
    ($($(#[$doc:meta])+ $method:ident => $field:ident),* $(,)?) => {
        $($(#[$doc])+
        pub fn $method<Count>(mut self, values: impl Names<Count>) -> Self {
            self.filter.$field.extend(values.into_names());
            self
        })*
    };
}

impl CatalogQuery {
    text_setters! {
        /// Selects backups that have this tag, or at least one of these tags.
        any_tag => any_tags,
        /// Selects backups that have this tag, or all of these tags.
        all_tags => all_tags,
        /// Selects backups that contain the entity with this name, or all entities with these names.
        containing => entities,
        /// Selects backups that contain an entity of this provider, or of one of these providers.
        providers => providers,
    }

    /// Selects backups that contain this entity.
    pub fn containing_type<T: Entity>(mut self) -> Self {
        self.filter.types.push((T::descriptor().type_path(), T::descriptor().name().to_owned()));
        self
    }

    /// Selects backups with this name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.filter.names.push(name.into());
        self
    }

    /// Selects backups of the given application in the given environment.
    pub fn from_application(
        mut self,
        application: impl Into<String>,
        environment: impl Into<String>,
    ) -> Self {
        let application = ApplicationIdentity::unvalidated(application, environment);
        self.filter.origin = Some(OriginFilter { application, origins: &[Origin::Own] });
        self
    }

    /// Selects backups with these origins, relative to the application of this context.
    fn with_origins(mut self, origins: &'static [Origin]) -> Self {
        self.origins = Some(origins);
        self
    }

    /// Selects backups in one or several storage profiles.
    pub fn profiles<Count>(mut self, names: impl Names<Count>) -> Self {
        self.profiles.extend(names.into_names());
        self
    }

    /// Selects backups that started in this range of time.
    pub fn between(mut self, range: impl RangeBounds<Timestamp>) -> Self {
        self.filter.from = Some(range.start_bound().cloned());
        self.filter.to = Some(range.end_bound().cloned());
        self
    }

    /// Selects backups that started at most this long ago.
    pub fn last(mut self, age: Duration) -> Self {
        self.max_age = Some(age);
        self
    }

    /// Selects backups with one of these statuses.
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = BackupStatus>) -> Self {
        self.filter.statuses.extend(statuses);
        self
    }

    /// Selects backups whose archives have a size in this range.
    pub fn size_bytes(mut self, range: impl RangeBounds<u64>) -> Self {
        self.filter.sizes = Some((range.start_bound().cloned(), range.end_bound().cloned()));
        self
    }

    /// Selects backups that were completed without a warning and have no known damage. A backup that was
    /// never verified may still be damaged.
    pub fn healthy(mut self) -> Self {
        self.filter.healthy = Some(true);
        self
    }

    /// Selects backups that failed, were completed with warnings, or have known damage.
    pub fn requiring_attention(mut self) -> Self {
        self.filter.healthy = Some(false);
        self
    }

    /// Selects backups whose name, description or tags contain this text, ignoring case.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.filter.text = Some(text.into());
        self
    }

    /// Sets the property by which the backups are sorted, and the direction.
    pub fn sort_by(mut self, sort: SortBy, order: Order) -> Self {
        (self.filter.sort, self.filter.order) = (sort, order);
        self
    }

    /// Skips the first `count` backups.
    pub fn skip(mut self, count: usize) -> Self {
        self.filter.skip = count;
        self
    }

    /// Returns at most `count` backups.
    pub fn take(mut self, count: usize) -> Self {
        self.filter.take = Some(count);
        self
    }

    /// Returns the first backup, if there is one.
    ///
    /// # Errors
    /// The errors of every method of the [catalog](Catalog).
    pub async fn first(self) -> Result<Option<CatalogEntry>> {
        Ok(self.take(1).await?.entries.into_iter().next())
    }

    /// Returns the backups as a stream. If the query fails, the error is the only item.
    pub fn stream(self) -> impl Stream<Item = Result<CatalogEntry>> + Send {
        let page = async move {
            match self.await {
                Ok(page) => page.entries.into_iter().map(Ok).collect(),
                Err(error) => vec![Err(error)],
            }
        };
        futures::StreamExt::flatten(stream::once(async move { stream::iter(page.await) }))
    }
}

impl IntoFuture for CatalogQuery {
    type Output = Result<CatalogPage>;
    type IntoFuture = BoxFuture<'static, Self::Output>;

    fn into_future(mut self) -> Self::IntoFuture {
        in_runtime(async move {
            let environment = self.catalog.koan.environment()?;
            if let Some(origins) = self.origins {
                let application = environment.identity.clone();
                self.filter.origin = Some(OriginFilter { application, origins });
            }
            if let Some(age) = self.max_age {
                let now = environment.clock.now();
                let earliest = now.checked_sub(age).unwrap_or(Timestamp::MIN);
                self.filter.earliest = Some(earliest);
            }
            let entries = self.catalog.entries(&self.profiles).await?;
            Ok(self.filter.page(entries))
        })
    }
}
