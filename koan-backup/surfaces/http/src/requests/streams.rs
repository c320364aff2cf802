//! Requests about single backups of event streams.

mod list;
mod path;

use std::collections::BTreeMap;
use std::time::Duration;

use koan_backup_core::ConflictMode;
use koan_backup_core::streams::{StreamBackupBuilder, StreamBackupsBuilder, StreamRestoreBuilder};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::{CONCURRENCY, MAX_DESCRIPTION_LENGTH, check_count, check_length, check_number, invalid};
use super::restore::Conflict;
use crate::problem::Problem;

pub(crate) use list::{StreamListParameters, StreamPageParameters};
pub(crate) use path::{ObjectPath, StreamBackupPath, StreamPath};

/// The maximum length of the object id of a clone, in characters.
const MAX_OBJECT_ID_LENGTH: usize = 1_000;

/// The body of a backup of one aggregate. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamBackupBody {
    /// Whether the snapshots are included. The backup fails if the event store has no snapshots.
    pub(crate) include_snapshots: Option<bool>,
    /// Whether the terminated streams are included. The backup fails if the event store has no terminated streams.
    pub(crate) include_terminated: Option<bool>,
    /// Whether everything is included that the event store has.
    pub(crate) full: Option<bool>,
    /// Whether the document is omitted. Without this field, it is included if the event store has documents.
    pub(crate) without_document: Option<bool>,
    /// Whether the content is not compressed.
    pub(crate) without_compression: Option<bool>,
    /// The name of the storage profile. Without this field, the default profile is used.
    pub(crate) storage_profile: Option<String>,
    /// The folder of the storage profile that receives the content, for example `eu`.
    pub(crate) folder: Option<String>,
    /// After how many seconds the backup may be removed.
    #[schema(minimum = 0)]
    pub(crate) expires_after_seconds: Option<u64>,
    /// A description for people.
    #[schema(max_length = 1000)]
    pub(crate) description: Option<String>,
    /// The tags by which the backup can be found.
    pub(crate) tags: Option<Vec<String>>,
    /// Additional data of the caller.
    pub(crate) metadata: Option<BTreeMap<String, String>>,
}

/// The body of backups of many aggregates. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamBackupsBody {
    /// The object ids. Without this field, every aggregate with the object name is backed up.
    #[schema(min_items = 1, max_items = 1000)]
    pub(crate) object_ids: Option<Vec<String>>,
    /// How many aggregates are read at the same time.
    #[schema(minimum = 1, maximum = 20)]
    pub(crate) max_concurrency: Option<usize>,
    /// Whether the other aggregates are backed up if one fails.
    pub(crate) continue_on_error: Option<bool>,
    /// Whether the snapshots are included. The backups fail if the event store has no snapshots.
    pub(crate) include_snapshots: Option<bool>,
    /// Whether the terminated streams are included. The backups fail if the event store has no terminated streams.
    pub(crate) include_terminated: Option<bool>,
    /// Whether everything is included that the event store has.
    pub(crate) full: Option<bool>,
    /// Whether the documents are omitted. Without this field, they are included if the event store has documents.
    pub(crate) without_document: Option<bool>,
    /// Whether the contents are not compressed.
    pub(crate) without_compression: Option<bool>,
    /// The name of the storage profile. Without this field, the default profile is used.
    pub(crate) storage_profile: Option<String>,
    /// The folder of the storage profile that receives the contents, for example `eu`.
    pub(crate) folder: Option<String>,
    /// After how many seconds the backups may be removed.
    #[schema(minimum = 0)]
    pub(crate) expires_after_seconds: Option<u64>,
    /// A description for people, which each backup gets.
    #[schema(max_length = 1000)]
    pub(crate) description: Option<String>,
    /// The tags of each backup.
    pub(crate) tags: Option<Vec<String>>,
    /// Additional data of the caller, which each backup gets.
    pub(crate) metadata: Option<BTreeMap<String, String>>,
}

/// The body of a restore of one aggregate. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamRestoreBody {
    /// What happens if the aggregate exists. Without this field, the restore fails.
    pub(crate) conflict_mode: Option<Conflict>,
    /// The name of the database with the event store (of the provider, if its database has no name). Required if
    /// `conflictMode` is `overwrite`.
    pub(crate) confirm: Option<String>,
    /// Whether the file is not verified before the first write. Its hash is still compared before the commit.
    pub(crate) without_verification: Option<bool>,
    /// Whether the document is not restored.
    pub(crate) without_document: Option<bool>,
    /// Whether the snapshots are not restored.
    pub(crate) without_snapshots: Option<bool>,
    /// The name of the storage profile of the backup. Without this field, the default profile is used.
    pub(crate) storage_profile: Option<String>,
    /// A description, which the report contains.
    #[schema(max_length = 1000)]
    pub(crate) description: Option<String>,
}

/// The body of a clone.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamCloneBody {
    /// The object id of the clone.
    #[schema(min_length = 1, max_length = 1000)]
    pub(crate) target_object_id: String,
    /// What happens if an aggregate with the object id of the clone exists. Without this field, the restore fails.
    pub(crate) conflict_mode: Option<Conflict>,
    /// The name of the database with the event store (of the provider, if its database has no name). Required if
    /// `conflictMode` is `overwrite`.
    pub(crate) confirm: Option<String>,
    /// Whether the file is not verified before the first write. Its hash is still compared before the commit.
    pub(crate) without_verification: Option<bool>,
    /// Whether the document is not restored.
    pub(crate) without_document: Option<bool>,
    /// Whether the snapshots are not restored.
    pub(crate) without_snapshots: Option<bool>,
    /// The name of the storage profile of the backup. Without this field, the default profile is used.
    pub(crate) storage_profile: Option<String>,
    /// A description, which the report contains.
    #[schema(max_length = 1000)]
    pub(crate) description: Option<String>,
}

/// The body of the removal of expired single backups. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StreamCleanupBody {
    /// Whether expired backups are removed even if they are the only backups of streams that exist.
    pub(crate) including_last: Option<bool>,
    /// The names of the storage profiles, separated by commas. Required if `includingLast` is true.
    pub(crate) confirm: Option<String>,
    /// The names of the storage profiles. Without this field, all profiles are cleaned up.
    #[schema(min_items = 1)]
    pub(crate) storage_profiles: Option<Vec<String>>,
}

/// What a single backup contains, and where and how it is stored, validated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct StreamBackupSettings {
    include_snapshots: bool,
    include_terminated: bool,
    full: bool,
    without_document: bool,
    without_compression: bool,
    pub(crate) profile: Option<String>,
    folder: Option<String>,
    expires_after_seconds: Option<u64>,
    description: Option<String>,
    tags: Vec<String>,
    metadata: BTreeMap<String, String>,
}

/// How the backups of many aggregates are made, validated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct BulkSettings {
    /// `None` selects every aggregate.
    pub(crate) ids: Option<Vec<String>>,
    pub(crate) max_concurrency: Option<usize>,
    pub(crate) continue_on_error: bool,
}

/// How a single backup is restored, validated.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct StreamRestoreSettings {
    pub(crate) conflict: Option<Conflict>,
    without_verification: bool,
    without_document: bool,
    without_snapshots: bool,
    pub(crate) profile: Option<String>,
    description: Option<String>,
    #[serde(skip)]
    pub(crate) confirm: Option<String>,
}

impl StreamBackupBody {
    /// Validates the body.
    pub(crate) fn settings(self) -> Result<StreamBackupSettings, Problem> {
        check_description(self.description.as_deref())?;
        let (tags, metadata) = (self.tags.unwrap_or_default(), self.metadata.unwrap_or_default());
        check_count("tags", tags.len())?;
        check_count("metadata", metadata.len())?;
        if self.full == Some(true) && self.without_document == Some(true) {
            return Err(invalid("withoutDocument", "cannot be true if `full` is true"));
        }
        Ok(StreamBackupSettings {
            include_snapshots: self.include_snapshots.unwrap_or_default(),
            include_terminated: self.include_terminated.unwrap_or_default(),
            full: self.full.unwrap_or_default(),
            without_document: self.without_document.unwrap_or_default(),
            without_compression: self.without_compression.unwrap_or_default(),
            profile: self.storage_profile,
            folder: self.folder,
            expires_after_seconds: self.expires_after_seconds,
            description: self.description,
            tags,
            metadata,
        })
    }
}

impl StreamBackupsBody {
    /// Validates the body.
    pub(crate) fn settings(self) -> Result<(BulkSettings, StreamBackupSettings), Problem> {
        check_number("maxConcurrency", self.max_concurrency, &CONCURRENCY)?;
        if let Some(ids) = &self.object_ids {
            if ids.is_empty() {
                let text = "must not be empty; omit it in order to back up every aggregate";
                return Err(invalid("objectIds", text));
            }
            check_count("objectIds", ids.len())?;
        }
        let bulk = BulkSettings {
            ids: self.object_ids,
            max_concurrency: self.max_concurrency,
            continue_on_error: self.continue_on_error.unwrap_or_default(),
        };
        let each = StreamBackupBody {
            include_snapshots: self.include_snapshots,
            include_terminated: self.include_terminated,
            full: self.full,
            without_document: self.without_document,
            without_compression: self.without_compression,
            storage_profile: self.storage_profile,
            folder: self.folder,
            expires_after_seconds: self.expires_after_seconds,
            description: self.description,
            tags: self.tags,
            metadata: self.metadata,
        };
        Ok((bulk, each.settings()?))
    }
}

impl StreamRestoreBody {
    /// Validates the body.
    pub(crate) fn settings(self) -> Result<StreamRestoreSettings, Problem> {
        check_description(self.description.as_deref())?;
        Ok(StreamRestoreSettings {
            conflict: self.conflict_mode,
            without_verification: self.without_verification.unwrap_or_default(),
            without_document: self.without_document.unwrap_or_default(),
            without_snapshots: self.without_snapshots.unwrap_or_default(),
            profile: self.storage_profile,
            description: self.description,
            confirm: self.confirm,
        })
    }
}

impl StreamCloneBody {
    /// Validates the body, and returns the object id of the clone.
    pub(crate) fn settings(self) -> Result<(String, StreamRestoreSettings), Problem> {
        check_length("targetObjectId", &self.target_object_id, 1..=MAX_OBJECT_ID_LENGTH)?;
        let body = StreamRestoreBody {
            conflict_mode: self.conflict_mode,
            confirm: self.confirm,
            without_verification: self.without_verification,
            without_document: self.without_document,
            without_snapshots: self.without_snapshots,
            storage_profile: self.storage_profile,
            description: self.description,
        };
        Ok((self.target_object_id, body.settings()?))
    }
}

fn check_description(description: Option<&str>) -> Result<(), Problem> {
    description.map_or(Ok(()), |text| check_length("description", text, 0..=MAX_DESCRIPTION_LENGTH))
}

/// Applies the settings of a backup to the builder of one or of many backups, which have the same methods.
macro_rules! configured {
    ($settings:expr, $builder:expr) => {{
        let (settings, mut builder) = ($settings, $builder);
        if settings.full {
            builder = builder.full();
        }
        if settings.include_snapshots {
            builder = builder.include_snapshots();
        }
        if settings.include_terminated {
            builder = builder.include_terminated();
        }
        if settings.without_document {
            builder = builder.without_document();
        }
        if settings.without_compression {
            builder = builder.without_compression();
        }
        if let Some(profile) = &settings.profile {
            builder = builder.to_profile(profile);
        }
        if let Some(folder) = &settings.folder {
            builder = builder.folder(folder);
        }
        if let Some(seconds) = settings.expires_after_seconds {
            builder = builder.expires_after(Duration::from_secs(seconds));
        }
        if let Some(description) = &settings.description {
            builder = builder.description(description);
        }
        for (key, value) in &settings.metadata {
            builder = builder.metadata(key, value);
        }
        for tag in &settings.tags {
            builder = builder.tag(tag);
        }
        builder
    }};
}

impl StreamBackupSettings {
    /// Applies the settings to the backup of one aggregate.
    pub(crate) fn one(&self, builder: StreamBackupBuilder) -> StreamBackupBuilder {
        configured!(self, builder)
    }

    /// Applies the settings to the backups of many aggregates.
    pub(crate) fn many(&self, builder: StreamBackupsBuilder, bulk: &BulkSettings) -> StreamBackupsBuilder {
        let mut builder = configured!(self, builder);
        if let Some(aggregates) = bulk.max_concurrency {
            builder = builder.max_concurrency(aggregates);
        }
        if bulk.continue_on_error { builder.continue_on_error() } else { builder }
    }
}

impl StreamRestoreSettings {
    /// Applies the settings to a restore.
    pub(crate) fn restore(&self, mut builder: StreamRestoreBuilder) -> StreamRestoreBuilder {
        builder = builder.on_conflict(self.conflict.map_or(ConflictMode::Fail, Conflict::mode));
        if self.without_verification {
            builder = builder.without_verification();
        }
        if self.without_document {
            builder = builder.without_document();
        }
        if self.without_snapshots {
            builder = builder.without_snapshots();
        }
        match &self.description {
            Some(description) => builder.description(description),
            None => builder,
        }
    }
}
