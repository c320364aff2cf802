//! The builder of a query of the catalog.

use std::future::IntoFuture;
use std::ops::RangeBounds;
use std::time::Duration;

use futures::future::BoxFuture;
use futures::stream::{self, Stream};
use jiff::Timestamp;

use super::super::names::Names;
use super::Catalog;
use crate::archive::BackupStatus;
use crate::catalog::{CatalogEntry, CatalogPage, Filter, Order, Origin, OriginFilter, SortBy};
use crate::entity::Entity;
use crate::foundation::error::Result;
use crate::foundation::identity::ApplicationIdentity;
use crate::foundation::runtime::in_runtime;

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
    pub(super) fn new(catalog: Catalog) -> Self {
        Self { catalog, filter: Filter::default(), profiles: Vec::new(), max_age: None, origins: None }
    }

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

    /// Selects backups with this name, and those of the series with this name.
    pub fn called(mut self, name: impl Into<String>) -> Self {
        self.filter.called = Some(name.into());
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
    pub(super) fn with_origins(mut self, origins: &'static [Origin]) -> Self {
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
            let found = self.catalog.listed(&self.profiles).await?;
            Ok(CatalogPage { unreadable: found.unreadable, ..self.filter.page(found.entries) })
        })
    }
}
