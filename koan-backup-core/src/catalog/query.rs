//! Which of the backups, in which order, and how many.

use std::cmp::Reverse;
use std::ops::{Bound, RangeBounds};

use jiff::Timestamp;

use super::entry::CatalogEntry;
use super::origin::Origin;
use crate::archive::{BackupStatus, EntityManifest};
use crate::foundation::identity::ApplicationIdentity;

/// What backups are sorted by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SortBy {
    /// When they began.
    #[default]
    Time,
    /// Their names, then when they began.
    Name,
    /// Bytes of their archives.
    Size,
    /// How long they took.
    Duration,
}

/// Which comes first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Order {
    /// The newest, largest or longest.
    #[default]
    Descending,
    /// The oldest, smallest or shortest.
    Ascending,
}

/// Some of the backups that were asked for.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct CatalogPage {
    /// Those that were taken, in the order that was asked for.
    pub entries: Vec<CatalogEntry>,
    /// How many there are before any is skipped.
    pub total: usize,
}

/// Whose backups are asked for.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) application: ApplicationIdentity,
    pub(crate) origins: &'static [Origin],
}

/// What is asked for. What is left out asks for nothing.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Whose backups.
    pub(crate) of: Option<Asked>,
    pub(crate) since: Option<Timestamp>,
    pub(crate) from: Option<Bound<Timestamp>>,
    pub(crate) to: Option<Bound<Timestamp>>,
    pub(crate) names: Vec<String>,
    pub(crate) any_tags: Vec<String>,
    pub(crate) all_tags: Vec<String>,
    pub(crate) entities: Vec<String>,
    /// The paths of types, and their names for archives that are sealed as a whole, whose envelopes have no paths.
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
    /// Those of `entries` that are asked for.
    pub(crate) fn page(&self, mut entries: Vec<CatalogEntry>) -> CatalogPage {
        entries.retain(|entry| self.matches(entry));
        match self.sort {
            SortBy::Time => self.sorted(&mut entries, |_| ()),
            SortBy::Name => self.sorted(&mut entries, |entry| entry.manifest().name.clone()),
            SortBy::Size => self.sorted(&mut entries, CatalogEntry::size_bytes),
            SortBy::Duration => self.sorted(&mut entries, |entry| entry.manifest().duration_ms),
        }
        let total = entries.len();
        let entries = entries.into_iter().skip(self.skip).take(self.take.unwrap_or(usize::MAX)).collect();
        CatalogPage { entries, total }
    }

    /// Sorts by a key, then by time. Keys are taken once each: manifests lie all over the memory.
    fn sorted<K: Ord>(&self, entries: &mut [CatalogEntry], key: impl Fn(&CatalogEntry) -> K) {
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
        let is_of = |asked: &Asked| asked.origins.contains(&manifest.producer.origin(&asked.application));
        self.of.as_ref().is_none_or(is_of)
            && time.contains(&manifest.created_at)
            && (self.names.is_empty() || self.names.iter().any(|name| manifest.name.as_str() == name))
            && (self.any_tags.is_empty() || self.any_tags.iter().any(has_tag))
            && self.all_tags.iter().all(has_tag)
            && self.entities.iter().all(|name| any_entity(&|entity| &entity.entity == name))
            && self.types.iter().all(|wanted| any_entity(&|entity| is_type(entity, wanted)))
            && self.since.is_none_or(|since| manifest.created_at >= since)
            && (self.providers.is_empty() || any_entity(&|entity| self.providers.contains(&entity.provider)))
            && (self.statuses.is_empty() || self.statuses.contains(&manifest.status))
            && self.sizes.is_none_or(|sizes| sizes.contains(&entry.size_bytes()))
            && self.healthy.is_none_or(|healthy| entry.is_healthy() == healthy)
            && self.text.as_ref().is_none_or(|text| speaks_of(entry, text))
    }
}

fn is_type(entity: &EntityManifest, (path, name): &(String, String)) -> bool {
    if entity.type_path.is_empty() { &entity.entity == name } else { &entity.type_path == path }
}

/// Whether name, description or a tag holds the text, whatever its case.
fn speaks_of(entry: &CatalogEntry, text: &str) -> bool {
    let text = text.to_lowercase();
    let manifest = entry.manifest();
    let words = std::iter::once(manifest.name.as_str()).chain(manifest.description.as_deref());
    words.chain(manifest.tags.iter().map(String::as_str)).any(|words| words.to_lowercase().contains(&text))
}
