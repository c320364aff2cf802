//! Queries of the catalog: filter, order and page.

use std::cmp::Reverse;
use std::ops::{Bound, RangeBounds};

use jiff::Timestamp;

use super::entry::CatalogEntry;
use super::health::is_called;
use super::origin::Origin;
use super::unreadable::UnreadableManifest;
use crate::archive::{BackupStatus, EntityManifest};
use crate::foundation::identity::ApplicationIdentity;

/// The property by which backups are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SortBy {
    /// The time at which the backups started.
    #[default]
    Time,
    /// The names of the backups, then the time at which they started.
    Name,
    /// The sizes of the archives.
    Size,
    /// The durations of the backups.
    Duration,
}

/// The order in which backups are sorted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The newest, largest or longest backup first; for names, from Z to A.
    #[default]
    Descending,
    /// The oldest, smallest or shortest backup first; for names, from A to Z.
    Ascending,
}

/// A page of the backups that match a query.
///
/// ```
/// # koan_backup_shop::run(async |koan| {
/// let page = koan.catalog().query().skip(1).take(1).await?;
/// assert_eq!((page.entries.len(), page.total), (1, 2));
/// # Ok(())
/// # });
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CatalogPage {
    /// The backups of this page, in the order of the query.
    pub entries: Vec<CatalogEntry>,
    /// The number of backups on all pages.
    pub total: usize,
    /// The manifests in the queried profiles that cannot be read, each with its storage profile. Whether their backups
    /// match the query is not known.
    pub unreadable: Vec<(String, UnreadableManifest)>,
}

/// Selects backups by their origin.
#[derive(Clone, Debug)]
pub(crate) struct OriginFilter {
    pub(crate) application: ApplicationIdentity,
    pub(crate) origins: &'static [Origin],
}

/// A query. A condition that is not set matches every backup.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// The origin of the backups.
    pub(crate) origin: Option<OriginFilter>,
    /// The earliest start, computed from the maximum age. It applies in addition to `from`.
    pub(crate) earliest: Option<Timestamp>,
    pub(crate) from: Option<Bound<Timestamp>>,
    pub(crate) to: Option<Bound<Timestamp>>,
    pub(crate) names: Vec<String>,
    /// The name of backups or of a series.
    pub(crate) called: Option<String>,
    pub(crate) any_tags: Vec<String>,
    pub(crate) all_tags: Vec<String>,
    pub(crate) entities: Vec<String>,
    /// The paths of entity types, each with the entity's name, because envelopes of encrypted archives have
    /// no paths.
    pub(crate) types: Vec<(String, String)>,
    pub(crate) providers: Vec<String>,
    pub(crate) statuses: Vec<BackupStatus>,
    pub(crate) sizes: Option<(Bound<u64>, Bound<u64>)>,
    pub(crate) healthy: Option<bool>,
    pub(crate) text: Option<String>,
    pub(crate) sort: SortBy,
    pub(crate) order: Order,
    pub(crate) skip: usize,
    pub(crate) take: Option<usize>,
}

impl Filter {
    /// Filters and sorts `entries`, and returns the selected page.
    pub(crate) fn page(&self, mut entries: Vec<CatalogEntry>) -> CatalogPage {
        entries.retain(|entry| self.matches(entry));
        match self.sort {
            SortBy::Time => self.sort_entries(&mut entries, |_| ()),
            SortBy::Name => self.sort_entries(&mut entries, |entry| entry.manifest().name.clone()),
            SortBy::Size => self.sort_entries(&mut entries, CatalogEntry::size_bytes),
            SortBy::Duration => self.sort_entries(&mut entries, |entry| entry.manifest().duration_ms),
        }
        let total = entries.len();
        let entries = entries.into_iter().skip(self.skip).take(self.take.unwrap_or(usize::MAX)).collect();
        CatalogPage { entries, total, unreadable: Vec::new() }
    }

    /// Sorts by a key, then by time. Each key is computed only once, because access to many manifests is
    /// slow.
    fn sort_entries<K: Ord>(&self, entries: &mut [CatalogEntry], key: impl Fn(&CatalogEntry) -> K) {
        let key = |entry: &CatalogEntry| (key(entry), entry.manifest().created_at, entry.id());
        match self.order {
            Order::Ascending => entries.sort_by_cached_key(key),
            Order::Descending => entries.sort_by_cached_key(|entry| Reverse(key(entry))),
        }
    }

    fn matches(&self, entry: &CatalogEntry) -> bool {
        let manifest = entry.manifest();
        let time = (self.from.unwrap_or(Bound::Unbounded), self.to.unwrap_or(Bound::Unbounded));
        let has_tag = |tag: &String| manifest.tags.contains(tag);
        let any_entity = |matches: &dyn Fn(&EntityManifest) -> bool| manifest.entities.iter().any(matches);
        let has_origin =
            |filter: &OriginFilter| filter.origins.contains(&manifest.producer.origin(&filter.application));
        self.origin.as_ref().is_none_or(has_origin)
            && time.contains(&manifest.created_at)
            && (self.names.is_empty() || self.names.iter().any(|name| manifest.name.as_str() == name))
            && self.called.as_ref().is_none_or(|name| is_called(entry, name))
            && (self.any_tags.is_empty() || self.any_tags.iter().any(has_tag))
            && self.all_tags.iter().all(has_tag)
            && self.entities.iter().all(|name| any_entity(&|entity| &entity.entity == name))
            && self.types.iter().all(|wanted| any_entity(&|entity| is_type(entity, wanted)))
            && self.earliest.is_none_or(|earliest| manifest.created_at >= earliest)
            && (self.providers.is_empty() || any_entity(&|entity| self.providers.contains(&entity.provider)))
            && (self.statuses.is_empty() || self.statuses.contains(&manifest.status))
            && self.sizes.is_none_or(|sizes| sizes.contains(&entry.size_bytes()))
            && self.healthy.is_none_or(|healthy| entry.is_healthy() == healthy)
            && self.text.as_ref().is_none_or(|text| contains_text(entry, text))
    }
}

fn is_type(entity: &EntityManifest, (path, name): &(String, String)) -> bool {
    if entity.type_path.is_empty() { &entity.entity == name } else { &entity.type_path == path }
}

/// Returns whether the name, the description or a tag contains the text, ignoring case.
fn contains_text(entry: &CatalogEntry, text: &str) -> bool {
    let text = text.to_lowercase();
    let manifest = entry.manifest();
    let texts = std::iter::once(manifest.name.as_str()).chain(manifest.description.as_deref());
    texts
        .chain(manifest.tags.iter().map(String::as_str))
        .any(|content| content.to_lowercase().contains(&text))
}
