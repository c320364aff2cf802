//! Lists of backups.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use koan_backup_core::BackupId;
use koan_backup_core::archive::BackupStatus;
use koan_backup_core::catalog::{CatalogEntry, CatalogPage};
use serde::Serialize;
use utoipa::ToSchema;

use super::duration_text;
use crate::requests::list::Page;

/// One page of a list of backups.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupPage {
    /// The backups on this page.
    items: Vec<BackupItem>,
    /// The number of backups on all pages.
    total_count: usize,
    /// The number of this page, from 1.
    page: usize,
    /// The maximum number of backups on a page.
    page_size: usize,
    /// The number of pages.
    total_pages: usize,
    /// Whether there is a next page.
    has_next: bool,
    /// Whether there is a previous page.
    has_previous: bool,
    /// The backups that are not listed because their manifests cannot be read, with the reasons.
    unreadable: Vec<UnreadableBackup>,
}

/// A backup whose manifest cannot be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnreadableBackup {
    /// The id of the backup.
    id: String,
    /// The storage profile.
    storage_profile: String,
    /// Why the manifest cannot be read.
    problem: String,
}

/// A backup in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct BackupItem {
    /// The id of the backup.
    id: String,
    /// The name of the backup.
    name: String,
    /// The series of the backup: retention and health treat its backups together.
    series: String,
    /// The description of the backup.
    description: Option<String>,
    /// The tags of the backup.
    tags: Vec<String>,
    /// When the backup started.
    created_at: Timestamp,
    /// When the backup ended.
    completed_at: Timestamp,
    /// The duration as `hh:mm:ss.fff`.
    duration: String,
    /// How the backup ended.
    #[schema(value_type = String)]
    status: BackupStatus,
    /// The size of the archive.
    size_bytes: u64,
    /// The number of entities.
    entity_count: usize,
    /// The number of records of all entities.
    record_count: u64,
    /// The name of the storage profile.
    storage_profile: String,
    /// The path of the archive in the storage profile, if the backup has one.
    archive_file_name: Option<String>,
    /// The version of the archive format.
    version: String,
    /// Whether the archive or some of its entries are encrypted.
    encrypted: bool,
    /// When the backup was last verified, if it was. If the verification found damage, `damage` describes it.
    verified_at: Option<Timestamp>,
    /// Whether the backup was completed without a warning and has no known damage.
    healthy: bool,
    /// The known damage.
    damage: Option<String>,
}

impl BackupPage {
    pub(crate) fn new(
        page: Page,
        found: &CatalogPage,
        verified: &BTreeMap<(String, BackupId), Timestamp>,
        unreadable: impl IntoIterator<Item = (String, String, String)>,
    ) -> Self {
        let total_pages = found.total.div_ceil(page.size);
        let unreadable = unreadable.into_iter();
        Self {
            items: found.entries.iter().map(|entry| BackupItem::new(entry, verified)).collect(),
            total_count: found.total,
            page: page.number,
            page_size: page.size,
            total_pages,
            has_next: page.number < total_pages,
            has_previous: page.number > 1 && total_pages > 0,
            unreadable: unreadable
                .map(|(id, storage_profile, problem)| UnreadableBackup { id, storage_profile, problem })
                .collect(),
        }
    }
}

impl BackupItem {
    pub(crate) fn new(entry: &CatalogEntry, verified: &BTreeMap<(String, BackupId), Timestamp>) -> Self {
        let manifest = entry.manifest();
        let entities: BTreeSet<_> = manifest.entities.iter().map(|entity| &entity.entity).collect();
        Self {
            id: manifest.id.to_string(),
            name: manifest.name.to_string(),
            series: manifest.series_name().to_string(),
            description: manifest.description.clone(),
            tags: manifest.tags.clone(),
            created_at: manifest.created_at,
            completed_at: manifest.completed_at,
            duration: duration_text(manifest.duration_ms),
            status: manifest.status,
            size_bytes: entry.size_bytes(),
            entity_count: entities.len(),
            record_count: manifest.verification.total_item_count,
            storage_profile: entry.profile().to_owned(),
            archive_file_name: manifest.archive.as_ref().map(|archive| archive.file.clone()),
            version: manifest.format_version.to_string(),
            encrypted: manifest.encryption.is_some(),
            verified_at: verified.get(&(entry.profile().to_owned(), entry.id())).copied(),
            healthy: entry.is_healthy(),
            damage: entry.damage().map(str::to_owned),
        }
    }
}
