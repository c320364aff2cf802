//! The query parameters of lists.

use jiff::Timestamp;
use koan_backup_core::archive::BackupStatus;
use koan_backup_core::builders::CatalogQuery;
use koan_backup_core::catalog::{Order, SortBy};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use super::fields::{PAGE_SIZE, check_number, invalid};
use crate::problem::Problem;

/// The size of a page without the parameter `pageSize`.
const DEFAULT_PAGE_SIZE: usize = 50;
/// The largest number of a page.
const MAX_PAGE: usize = 1_000_000;

/// How a backup ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum StatusFilter {
    /// Everything that was requested is in the archive.
    Completed,
    /// Everything that was requested is in the archive, and there are warnings.
    CompletedWithWarnings,
    /// Something that was requested is not in the archive.
    Failed,
    /// The backup was cancelled.
    Cancelled,
}

/// The property by which a list is sorted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) enum SortProperty {
    /// The time at which the backup started.
    #[default]
    CreatedAt,
    /// The name.
    Name,
    /// The size of the archive.
    SizeBytes,
    /// The duration of the backup.
    Duration,
}

/// The direction of a sorted list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum SortDirection {
    /// The smallest or oldest first.
    Asc,
    /// The largest or newest first.
    #[default]
    Desc,
}

/// The query parameters of a list of backups.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ListParameters {
    /// Only backups with this tag. If the parameter is repeated, a backup must have all of the tags.
    #[serde(default)]
    tags: Vec<String>,
    /// Only backups that contain this entity. If the parameter is repeated, a backup must contain all of the entities.
    #[serde(default)]
    entity_types: Vec<String>,
    /// Only backups that started at this time or later.
    date_from: Option<Timestamp>,
    /// Only backups that started at this time or earlier.
    date_to: Option<Timestamp>,
    /// Only backups with this status; the parameter can be repeated.
    #[serde(default)]
    #[param(inline)]
    statuses: Vec<StatusFilter>,
    /// Only backups that were completed without a warning and have no known damage.
    healthy: Option<bool>,
    /// Only backups that failed, have warnings, or have known damage.
    requiring_attention: Option<bool>,
    /// Only backups whose name, description or tags contain this text.
    search: Option<String>,
    /// Only backups in this storage profile; the parameter can be repeated.
    #[serde(default)]
    storage_profiles: Vec<String>,
    /// The number of the page, from 1.
    #[param(minimum = 1, maximum = 1000000)]
    page: Option<usize>,
    /// The number of backups on a page.
    #[param(minimum = 1, maximum = 100)]
    page_size: Option<usize>,
    /// The property by which the list is sorted.
    #[param(inline)]
    sort_by: Option<SortProperty>,
    /// The direction in which the list is sorted.
    #[param(inline)]
    sort_direction: Option<SortDirection>,
}

/// The requested page of a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// The number, from 1.
    pub(crate) number: usize,
    /// The number of items on the page.
    pub(crate) size: usize,
}

/// Returns the page that the parameters `page` and `pageSize` request.
pub(crate) fn page(page: Option<usize>, page_size: Option<usize>) -> Result<Page, Problem> {
    check_number("page", page, &(1..=MAX_PAGE))?;
    check_number("pageSize", page_size, &PAGE_SIZE)?;
    Ok(Page { number: page.unwrap_or(1), size: page_size.unwrap_or(DEFAULT_PAGE_SIZE) })
}

impl ListParameters {
    /// Returns the requested page.
    pub(crate) fn page(&self) -> Result<Page, Problem> {
        page(self.page, self.page_size)
    }

    /// Restricts a query of the catalog to the requested backups, and sorts it.
    pub(crate) fn apply(&self, query: CatalogQuery) -> Result<CatalogQuery, Problem> {
        let mut query = query
            .all_tags(&self.tags)
            .containing(&self.entity_types)
            .profiles(&self.storage_profiles)
            .statuses(self.statuses.iter().map(|status| status.status()));
        query = match (self.date_from, self.date_to) {
            (Some(from), Some(to)) if from > to => {
                return Err(invalid("dateFrom", "must not be later than `dateTo`"));
            }
            (Some(from), Some(to)) => query.between(from..=to),
            (Some(from), None) => query.between(from..),
            (None, Some(to)) => query.between(..=to),
            (None, None) => query,
        };
        query = match (self.healthy, self.requiring_attention) {
            (Some(healthy), Some(attention)) if healthy == attention => {
                return Err(invalid("healthy", "and `requiringAttention` exclude each other"));
            }
            (Some(true), _) | (_, Some(false)) => query.healthy(),
            (_, Some(true)) | (Some(false), _) => query.requiring_attention(),
            (None, None) => query,
        };
        if let Some(text) = &self.search {
            query = query.text(text);
        }
        let order = match self.sort_direction.unwrap_or_default() {
            SortDirection::Asc => Order::Ascending,
            SortDirection::Desc => Order::Descending,
        };
        let page = self.page()?;
        let property = self.sort_by.unwrap_or_default().property();
        Ok(query.sort_by(property, order).skip((page.number - 1).saturating_mul(page.size)).take(page.size))
    }
}

impl StatusFilter {
    fn status(self) -> BackupStatus {
        match self {
            Self::Completed => BackupStatus::Completed,
            Self::CompletedWithWarnings => BackupStatus::CompletedWithWarnings,
            Self::Failed => BackupStatus::Failed,
            Self::Cancelled => BackupStatus::Cancelled,
        }
    }
}

impl SortProperty {
    fn property(self) -> SortBy {
        match self {
            Self::CreatedAt => SortBy::Time,
            Self::Name => SortBy::Name,
            Self::SizeBytes => SortBy::Size,
            Self::Duration => SortBy::Duration,
        }
    }
}
