//! `koan.catalog().recent(7).await?`

use std::collections::{BTreeMap, BTreeSet};
use std::future::IntoFuture;
use std::ops::RangeBounds;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, Stream};
use jiff::Timestamp;

use super::{Koan, RecoverBuilder};
use crate::archive::BackupStatus;
use crate::catalog::{
    self, Acknowledgement, Acknowledgements, CatalogEntry, CatalogHealth, CatalogPage, CatalogStatistics,
    Expectations, Filter, HealthInput, Order, Origin, OriginFilter, SizeDrop, SortBy, UnreadableManifest,
};
use crate::entity::Entity;
use crate::foundation::error::{Error, ErrorKind, Result};
use crate::foundation::id::BackupId;
use crate::foundation::identity::ApplicationIdentity;
use crate::operations::maintenance::{self, verifications};
use crate::operations::prune::Survey;
use crate::operations::recover;

/// All the backups in all the storage profiles. Manifests that were read before are not read again.
///
/// A manifest that cannot be read does not hide the others: [`unreadable`](Self::unreadable) and
/// [`health`](Self::health) report it.
///
/// # Errors
/// Every method fails where a profile cannot be listed or read: an incomplete list is never given.
#[derive(Clone, Debug)]
pub struct Catalog {
    koan: Koan,
}

impl Catalog {
    pub(super) fn new(koan: Koan) -> Self {
        Self { koan }
    }

    /// All backups, newest first.
    pub async fn all(&self) -> Result<Vec<CatalogEntry>> {
        Ok(self.query().await?.entries)
    }

    /// The backups that began within so many days before now, newest first.
    pub async fn recent(&self, days: u32) -> Result<Vec<CatalogEntry>> {
        let age = Duration::from_secs(u64::from(days) * 86_400);
        Ok(self.query().last(age).await?.entries)
    }

    /// The newest backup of this application, if there is one. Backups of older versions that record no
    /// environment are considered if there are no others.
    pub async fn latest(&self) -> Result<Option<CatalogEntry>> {
        match self.query().of(&[Origin::Own]).first().await? {
            Some(entry) => Ok(Some(entry)),
            None => self.query().of(&[Origin::Unidentified]).first().await,
        }
    }

    /// The backup of an id; in several profiles, that in the first of them.
    pub async fn get(&self, id: BackupId) -> Result<CatalogEntry> {
        let found = self.all().await?.into_iter().filter(|entry| entry.id() == id);
        let profiles = &self.koan.environment.storages;
        let place = |entry: &CatalogEntry| profiles.iter().position(|(name, _)| name == entry.profile());
        found.min_by_key(place).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("no backup has the id {id}; `koan.catalog().all()` lists those that are"),
            )
        })
    }

    /// The backups of a name, newest first: those of this application, and those of older versions that
    /// record no environment.
    pub async fn by_name(&self, name: impl Into<String>) -> Result<Vec<CatalogEntry>> {
        Ok(self.query().of(&[Origin::Own, Origin::Unidentified]).name(name).await?.entries)
    }

    /// Begins to ask for some of them.
    pub fn query(&self) -> CatalogQuery {
        CatalogQuery { catalog: self.clone(), filter: Filter::default(), profiles: Vec::new(), within: None }
    }

    /// Counts and sizes of the backups of this application, and of those of older versions that record no
    /// environment.
    pub async fn statistics(&self) -> Result<CatalogStatistics> {
        Ok(catalog::statistics(&self.query().of(&[Origin::Own, Origin::Unidentified]).await?.entries))
    }

    /// When each backup was verified last: read back from its storage after it was published, by
    /// [`verify_after`](super::BackupBuilder::verify_after) or by maintenance. With the storage profile.
    ///
    /// # Errors
    /// A storage cannot be read, or a record there is damaged.
    pub async fn verifications(&self) -> Result<BTreeMap<(String, BackupId), Timestamp>> {
        let mut all = BTreeMap::new();
        for (profile, storage) in &self.koan.environment.storages {
            let verified = verifications::read_all(storage).await?;
            all.extend(verified.into_iter().map(|(id, record)| ((profile.clone(), id), record.verified_at)));
        }
        Ok(all)
    }

    /// Accepts that entities have fewer records in a backup than in the backup before it. Until then the loss
    /// is a problem in the [health](Self::health), and a retention keeps the last backup from before. Returns
    /// what was accepted. Acknowledging a backup again replaces the reason.
    ///
    /// # Errors
    /// There is no reason, no such backup, nothing was lost in it, it is that of another application, or the
    /// storage refuses.
    pub async fn acknowledge(&self, id: BackupId, reason: &str) -> Result<Vec<SizeDrop>> {
        if reason.trim().is_empty() {
            return Err(Error::new(
                ErrorKind::Configuration,
                "an acknowledgement needs a reason: why the records are not missed",
            ));
        }
        let environment = &self.koan.environment;
        let entry = self.get(id).await?;
        if entry.manifest().producer.origin(&environment.identity) == Origin::Other {
            let by = entry.manifest().producer.description();
            let text = format!("backup {id} was made by {by}; acknowledge its losses there");
            return Err(Error::new(ErrorKind::Conflict, text));
        }
        let all = self.all().await?;
        let own = all.iter().map(CatalogEntry::manifest).filter(|manifest| {
            manifest.status.is_complete() && manifest.producer.origin(&environment.identity) != Origin::Other
        });
        // Every decrease, whatever is called most later.
        let canonical = |name: &str| environment.canonical(name);
        let mut lost = catalog::losses(own, canonical, 0, &Acknowledgements::default());
        lost.retain(|loss| loss.backup == id);
        let now = environment.clock.now();
        let Some(acknowledgement) = Acknowledgement::new(&lost, &entry.manifest().producer, reason, now)
        else {
            let text = format!("backup {id} has no entity with fewer records than in the backup before it");
            return Err(Error::new(ErrorKind::NotFound, text));
        };
        // Each profile is pruned on its own.
        for entry in all.iter().filter(|entry| entry.id() == id) {
            acknowledgement.write(environment.storage(Some(entry.profile()))?, id).await?;
        }
        Ok(lost)
    }

    /// Whether the backups of this application are what is expected of them.
    pub async fn health(&self, expected: &Expectations) -> Result<CatalogHealth> {
        let environment = &self.koan.environment;
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
        let included = environment.inventory.included.iter();
        let covered: BTreeSet<_> = included.map(|entity| entity.entity.clone()).collect();
        let (entries, own) = (self.all().await?, &environment.identity);
        let input = HealthInput {
            entries,
            own,
            covered,
            verified,
            acknowledged,
            incomplete_tasks,
            unlisted,
            unreadable,
        };
        Ok(catalog::health(input, expected, |name| environment.canonical(name), now))
    }

    /// The manifests that cannot be read, each with its storage profile.
    pub async fn unreadable(&self) -> Result<Vec<(String, UnreadableManifest)>> {
        let environment = &self.koan.environment;
        let mut unreadable = Vec::new();
        for (name, storage) in &environment.storages {
            let listing = environment.manifests.all(name, storage).await?;
            unreadable.extend(listing.unreadable.into_iter().map(|manifest| (name.clone(), manifest)));
        }
        Ok(unreadable)
    }

    /// Begins to recover archives that no manifest names: each is verified, and its manifest is published
    /// again.
    pub fn recover(&self) -> RecoverBuilder {
        RecoverBuilder::new(self.koan.clone())
    }

    /// The backups of these profiles, or of all, in no order.
    async fn entries(&self, profiles: &[String]) -> Result<Vec<CatalogEntry>> {
        let environment = &self.koan.environment;
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

/// Some of the backups: awaited it gives a page of them, newest first unless it is sorted otherwise. Several
/// conditions must all hold.
#[derive(Clone, Debug)]
#[must_use = "nothing is looked for before it is awaited"]
pub struct CatalogQuery {
    catalog: Catalog,
    filter: Filter,
    profiles: Vec<String>,
    within: Option<Duration>,
}

macro_rules! words {
    ($($(#[$doc:meta])+ $method:ident => $field:ident),* $(,)?) => {
        $($(#[$doc])+
        pub fn $method<S: Into<String>>(mut self, words: impl IntoIterator<Item = S>) -> Self {
            self.filter.$field.extend(words.into_iter().map(Into::into));
            self
        })*
    };
}

impl CatalogQuery {
    words! {
        /// Those that have one of these tags.
        any_tag => any_tags,
        /// Those that have all of these tags.
        all_tags => all_tags,
        /// Those that hold an entity of each of these names.
        containing => entities,
        /// Those that hold an entity of one of these providers, by its name in the application.
        providers => providers,
    }

    /// Those that hold this type.
    pub fn containing_type<T: Entity>(mut self) -> Self {
        self.filter.types.push((T::descriptor().type_path(), T::descriptor().name().to_owned()));
        self
    }

    /// Those of this name.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.filter.names.push(name.into());
        self
    }

    /// Those of this application in this environment.
    pub fn from_application(
        mut self,
        application: impl Into<String>,
        environment: impl Into<String>,
    ) -> Self {
        let application = ApplicationIdentity::asked_for(application, environment);
        self.filter.of = Some(OriginFilter { application, origins: &[Origin::Own] });
        self
    }

    /// Those of the application of this context, of these origins.
    fn of(mut self, origins: &'static [Origin]) -> Self {
        let application = self.catalog.koan.environment.identity.clone();
        self.filter.of = Some(OriginFilter { application, origins });
        self
    }

    /// Those in these storage profiles.
    pub fn profiles<S: Into<String>>(mut self, names: impl IntoIterator<Item = S>) -> Self {
        self.profiles.extend(names.into_iter().map(Into::into));
        self
    }

    /// Those that began in this range of time.
    pub fn between(mut self, range: impl RangeBounds<Timestamp>) -> Self {
        self.filter.from = Some(range.start_bound().cloned());
        self.filter.to = Some(range.end_bound().cloned());
        self
    }

    /// Those that began within this time before now.
    pub fn last(mut self, age: Duration) -> Self {
        self.within = Some(age);
        self
    }

    /// Those that ended so.
    pub fn statuses(mut self, statuses: impl IntoIterator<Item = BackupStatus>) -> Self {
        self.filter.statuses.extend(statuses);
        self
    }

    /// Those whose archives have so many bytes.
    pub fn size_bytes(mut self, range: impl RangeBounds<u64>) -> Self {
        self.filter.sizes = Some((range.start_bound().cloned(), range.end_bound().cloned()));
        self
    }

    /// Those that were completed without a warning, and of which no damage is known. One that was never
    /// verified may be damaged all the same.
    pub fn healthy(mut self) -> Self {
        self.filter.healthy = Some(true);
        self
    }

    /// Those that failed, were completed with warnings, or were found to be damaged by maintenance or by a
    /// retention.
    pub fn requiring_attention(mut self) -> Self {
        self.filter.healthy = Some(false);
        self
    }

    /// Those whose name, description or one of whose tags holds this text, whatever its case.
    pub fn text(mut self, text: impl Into<String>) -> Self {
        self.filter.text = Some(text.into());
        self
    }

    /// In this order.
    pub fn sort_by(mut self, sort: SortBy, order: Order) -> Self {
        (self.filter.sort, self.filter.order) = (sort, order);
        self
    }

    /// Without the first so many.
    pub fn skip(mut self, count: usize) -> Self {
        self.filter.skip = count;
        self
    }

    /// At most so many.
    pub fn take(mut self, count: usize) -> Self {
        self.filter.take = Some(count);
        self
    }

    /// The first of them, if there is one.
    ///
    /// # Errors
    /// As for the [catalog](Catalog).
    pub async fn first(self) -> Result<Option<CatalogEntry>> {
        Ok(self.take(1).await?.entries.into_iter().next())
    }

    /// One after the other. An error is the only item then.
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
        Box::pin(async move {
            if let Some(age) = self.within {
                let now = self.catalog.koan.environment.clock.now();
                let from = now.checked_sub(age).unwrap_or(Timestamp::MIN);
                self.filter.since = Some(from);
            }
            let entries = self.catalog.entries(&self.profiles).await?;
            Ok(self.filter.page(entries))
        })
    }
}
