//! Event streams and their single backups.

use std::collections::BTreeMap;

use jiff::Timestamp;
use koan_backup_core::event_store::EventStoreCapabilities;
use koan_backup_core::report::ContextCapabilities;
use koan_backup_core::streams::{StreamBackupHandle, StreamBackupPage, StreamCompression, StreamIncludes};
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Role;
use crate::requests::list::Page;

/// The declared object names.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamTypes {
    /// The object names, sorted.
    items: Vec<StreamTypeItem>,
}

/// A declared object name.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamTypeItem {
    /// The object name.
    object: String,
    /// The path of the event type.
    full_type_name: String,
    /// The name of the provider with the event store.
    provider: String,
    /// Whether the backups of the streams are encrypted.
    encrypt: bool,
    /// What the event store can contain.
    #[schema(value_type = Object)]
    event_store: EventStoreCapabilities,
}

/// One page of a list of single backups.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamBackupList {
    /// The backups on this page, newest first.
    items: Vec<StreamBackupItem>,
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
    /// The number of encrypted backups of which it is not known whether they match, because no key decrypts their
    /// descriptions, or the caller is a viewer.
    without_key: usize,
    /// The backups that are not listed because their `.meta` cannot be read, with the reasons.
    unreadable: Vec<UnreadableStreamBackupItem>,
}

/// A single backup whose `.meta` cannot be read.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct UnreadableStreamBackupItem {
    /// The path of the file in the storage profile.
    path: String,
    /// The storage profile.
    storage_profile: String,
    /// Why the file cannot be read.
    problem: String,
}

/// A single backup.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct StreamBackupItem {
    /// The id of the backup.
    id: String,
    /// The object name.
    object: String,
    /// The object id. It is null if the backup is encrypted, and no key decrypts it or the caller is a viewer. Then the
    /// description, the metadata and the tags are missing as well.
    object_id: Option<String>,
    /// The number of events of the active stream.
    event_count: u64,
    /// The version of the last event of the active stream, if it has events.
    stream_version: Option<u64>,
    /// The number of snapshots.
    snapshot_count: u64,
    /// The number of terminated streams.
    terminated_stream_count: u64,
    /// When the stream was opened.
    created_at: Timestamp,
    /// The name of the storage profile.
    storage_profile: String,
    /// The path of the content in the storage profile.
    location: String,
    /// The size of the stored file.
    size_bytes: u64,
    /// The hash of the stored file.
    checksum: String,
    /// What is included beside the events of the active stream.
    #[schema(value_type = Object)]
    includes: StreamIncludes,
    /// How the content is compressed.
    #[schema(value_type = String)]
    compression: StreamCompression,
    /// Whether the backup is encrypted.
    encrypted: bool,
    /// The description.
    description: Option<String>,
    /// Metadata of the application.
    metadata: BTreeMap<String, String>,
    /// The tags.
    tags: Vec<String>,
    /// From when on the backup may be removed.
    expires_at: Option<Timestamp>,
}

impl StreamTypes {
    pub(crate) fn new(capabilities: ContextCapabilities) -> Self {
        let items = capabilities.event_streams.into_iter().map(|(object, streams)| StreamTypeItem {
            object,
            full_type_name: streams.full_type_name,
            provider: streams.provider,
            encrypt: streams.encrypt,
            event_store: streams.event_store,
        });
        Self { items: items.collect() }
    }
}

impl StreamBackupList {
    /// Returns whether it is known that there are no such backups.
    pub(crate) fn is_empty(&self) -> bool {
        self.total_count == 0 && self.without_key == 0
    }

    pub(crate) fn new(page: Page, found: StreamBackupPage, role: Role) -> Self {
        let total_count = found.backups.len();
        let total_pages = total_count.div_ceil(page.size);
        let shown =
            found.backups.into_iter().skip((page.number - 1).saturating_mul(page.size)).take(page.size);
        let unreadable = found.unreadable.into_iter();
        Self {
            items: shown.map(|handle| StreamBackupItem::new(handle, role)).collect(),
            total_count,
            page: page.number,
            page_size: page.size,
            total_pages,
            has_next: page.number < total_pages,
            has_previous: page.number > 1 && total_pages > 0,
            without_key: found.without_key,
            unreadable: unreadable
                .map(|file| UnreadableStreamBackupItem {
                    path: file.path,
                    storage_profile: file.profile,
                    problem: file.problem,
                })
                .collect(),
        }
    }
}

impl StreamBackupItem {
    /// Describes a single backup to a caller. What is encrypted is not shown to a viewer.
    pub(crate) fn new(handle: StreamBackupHandle, role: Role) -> Self {
        let encrypted = handle.is_encrypted();
        let is_shown = !encrypted || role >= Role::Operator;
        Self {
            id: handle.id.to_string(),
            object: handle.object,
            object_id: handle.object_id.filter(|_| is_shown),
            event_count: handle.event_count,
            stream_version: handle.stream_version,
            snapshot_count: handle.snapshot_count,
            terminated_stream_count: handle.terminated_stream_count,
            created_at: handle.created_at,
            storage_profile: handle.profile,
            location: handle.location,
            size_bytes: handle.size_bytes,
            checksum: handle.checksum,
            includes: handle.includes,
            compression: handle.compression,
            encrypted,
            description: handle.description.filter(|_| is_shown),
            metadata: if is_shown { handle.metadata } else { BTreeMap::new() },
            tags: if is_shown { handle.tags } else { Vec::new() },
            expires_at: handle.expires_at,
        }
    }
}
