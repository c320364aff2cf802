//! Requests that start a backup.

use std::collections::BTreeMap;

use koan_backup_core::builders::BackupBuilder;
use koan_backup_core::{BackupName, Compression, Koan};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::fields::{
    BATCH_SIZE, CONCURRENCY, MAX_DESCRIPTION_LENGTH, NAME_LENGTH, check_count, check_length, check_number,
    invalid,
};
use crate::problem::{Problem, ProblemKind};

/// What a backup contains. Until vectors are supported, only `data` exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    /// The records.
    Data,
    /// The vectors of the records. A request with this source is refused with the status 422.
    Vectors,
}

/// How much effort a backup spends on compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum CompressionLevel {
    /// Deflate at level 6.
    Optimal,
    /// Deflate at level 1.
    Fastest,
    /// No compression.
    NoCompression,
    /// Deflate at level 9.
    SmallestSize,
}

/// The body of `POST /backup/create`. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateBody {
    /// The names of the entities. Without this field, all covered entities are backed up.
    #[schema(min_items = 1)]
    entities: Option<Vec<String>>,
    /// What the backup contains. Without this field: everything that is supported.
    #[schema(min_items = 1)]
    include: Option<Vec<Source>>,
    /// The name of the backup. Without this field, the default name of the application is used.
    #[schema(min_length = 1, max_length = 128)]
    name: Option<String>,
    /// A description, which the list of backups displays.
    #[schema(max_length = 1000)]
    description: Option<String>,
    /// The tags by which the backup can be found.
    tags: Option<Vec<String>>,
    /// Additional data of the caller.
    metadata: Option<BTreeMap<String, String>>,
    /// The name of the storage profile. Without this field, the default profile is used.
    storage_profile: Option<String>,
    /// Why the backup is made.
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

/// The query parameters of `GET /backup/create`, with the meaning of the fields of the body of `POST`.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct CreateParameters {
    /// The name of an entity; the parameter can be repeated.
    #[serde(default)]
    entities: Vec<String>,
    /// What the backup contains; the parameter can be repeated.
    #[serde(default)]
    include: Vec<Source>,
    /// The name of the backup.
    #[param(min_length = 1, max_length = 128)]
    name: Option<String>,
    /// A description.
    #[param(max_length = 1000)]
    description: Option<String>,
    /// A tag; the parameter can be repeated.
    #[serde(default)]
    tags: Vec<String>,
    /// The name of the storage profile.
    storage_profile: Option<String>,
    /// Why the backup is made.
    #[param(max_length = 1000)]
    reason: Option<String>,
    /// Whether the response contains the result of the operation.
    pub(crate) wait: Option<bool>,
}

/// The body of a backup of all or of selected entities. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BackupBody {
    /// The name of the backup. Without this field, the default name of the application is used.
    #[schema(min_length = 1, max_length = 128)]
    pub(crate) name: Option<String>,
    /// A description, which the list of backups displays.
    #[schema(max_length = 1000)]
    pub(crate) description: Option<String>,
    /// The tags by which the backup can be found.
    pub(crate) tags: Option<Vec<String>>,
    /// Additional data of the caller.
    pub(crate) metadata: Option<BTreeMap<String, String>>,
    /// The name of the storage profile. Without this field, the default profile is used.
    pub(crate) storage_profile: Option<String>,
    /// The names of the entities. A selective backup requires entities or providers.
    #[schema(min_items = 1)]
    pub(crate) entity_types: Option<Vec<String>>,
    /// The names of entities that are not backed up.
    #[schema(min_items = 1)]
    pub(crate) exclude_entity_types: Option<Vec<String>>,
    /// The names or kinds of the providers whose entities are backed up.
    #[schema(min_items = 1)]
    pub(crate) include_providers: Option<Vec<String>>,
    /// The names or kinds of the providers whose entities are not backed up.
    #[schema(min_items = 1)]
    pub(crate) exclude_providers: Option<Vec<String>>,
    /// How many entities are read at the same time.
    #[schema(minimum = 1, maximum = 20)]
    pub(crate) max_concurrency: Option<usize>,
    /// Whether the other entities are backed up if one fails. The status of the backup is then `failed`.
    pub(crate) continue_on_error: Option<bool>,
    /// How many rows are read in one batch.
    #[schema(minimum = 100, maximum = 10000)]
    pub(crate) batch_size: Option<usize>,
    /// Whether the records are compressed. Without this field, the setting of the application is used.
    pub(crate) compress_data: Option<bool>,
    /// How much effort is spent on compression.
    pub(crate) compression_level: Option<CompressionLevel>,
    /// Whether the published backup is read back and verified.
    pub(crate) verify_after_backup: Option<bool>,
    /// Whether the archive contains the schemas of the entities.
    pub(crate) include_schema_snapshot: Option<bool>,
    /// Why the backup is made.
    #[schema(max_length = 1000)]
    pub(crate) reason: Option<String>,
}

/// A backup that a request asks for, validated.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct BackupOrder {
    pub(crate) name: Option<String>,
    description: Option<String>,
    tags: Vec<String>,
    metadata: BTreeMap<String, String>,
    pub(crate) profile: Option<String>,
    pub(crate) entities: Vec<String>,
    pub(crate) excluded_entities: Vec<String>,
    providers: Vec<String>,
    excluded_providers: Vec<String>,
    max_concurrency: Option<usize>,
    batch_size: Option<usize>,
    continue_on_error: bool,
    #[serde(skip)]
    compression: Option<Compression>,
    compression_level: Option<CompressionLevel>,
    verify_after: Option<bool>,
    include_schemas: Option<bool>,
    pub(crate) reason: Option<String>,
}

impl CreateBody {
    /// Validates the body.
    pub(crate) fn order(self) -> Result<BackupOrder, Problem> {
        if self.include.as_ref().is_some_and(Vec::is_empty) {
            return Err(invalid(
                "include",
                "must not be empty; omit it in order to back up everything that is supported",
            ));
        }
        check_sources(&self.include.unwrap_or_default())?;
        BackupOrder {
            name: self.name,
            description: self.description,
            tags: self.tags.unwrap_or_default(),
            metadata: self.metadata.unwrap_or_default(),
            profile: self.storage_profile,
            entities: selected("entities", self.entities)?,
            reason: self.reason,
            ..BackupOrder::default()
        }
        .checked()
    }
}

impl CreateParameters {
    /// Validates the parameters.
    pub(crate) fn order(self) -> Result<BackupOrder, Problem> {
        check_sources(&self.include)?;
        BackupOrder {
            name: self.name,
            description: self.description,
            tags: self.tags,
            profile: self.storage_profile,
            entities: self.entities,
            reason: self.reason,
            ..BackupOrder::default()
        }
        .checked()
    }
}

impl BackupBody {
    /// Validates the body of a backup of all entities that are not excluded.
    pub(crate) fn order(self) -> Result<BackupOrder, Problem> {
        let (compression, compression_level) = match (self.compress_data, self.compression_level) {
            (Some(true), Some(CompressionLevel::NoCompression)) => {
                return Err(invalid(
                    "compressionLevel",
                    "must not be `NoCompression` if `compressData` is true",
                ));
            }
            (Some(false), level @ (None | Some(CompressionLevel::NoCompression))) => {
                (Some(Compression::stored()), level)
            }
            (Some(false), Some(_)) => {
                return Err(invalid(
                    "compressionLevel",
                    "must be `NoCompression` or omitted if `compressData` is false",
                ));
            }
            (_, Some(level)) => (Some(level.compression()?), Some(level)),
            (_, None) => (None, None),
        };
        BackupOrder {
            name: self.name,
            description: self.description,
            tags: self.tags.unwrap_or_default(),
            metadata: self.metadata.unwrap_or_default(),
            profile: self.storage_profile,
            entities: selected("entityTypes", self.entity_types)?,
            excluded_entities: selected("excludeEntityTypes", self.exclude_entity_types)?,
            providers: selected("includeProviders", self.include_providers)?,
            excluded_providers: selected("excludeProviders", self.exclude_providers)?,
            max_concurrency: self.max_concurrency,
            batch_size: self.batch_size,
            continue_on_error: self.continue_on_error.unwrap_or_default(),
            compression,
            compression_level,
            verify_after: self.verify_after_backup,
            include_schemas: self.include_schema_snapshot,
            reason: self.reason,
        }
        .checked()
    }

    /// Validates the body of a backup of selected entities, which must select something.
    pub(crate) fn selective_order(self) -> Result<BackupOrder, Problem> {
        let order = self.order()?;
        let selects =
            [&order.entities, &order.providers, &order.excluded_entities, &order.excluded_providers];
        if selects.iter().all(|names| names.is_empty()) {
            return Err(invalid(
                "entityTypes",
                "is required: a selective backup selects or excludes entities or providers",
            )
            .with_help("use `/api/backup/all` for a backup of all entities"));
        }
        Ok(order)
    }
}

impl BackupOrder {
    /// Restricts the backup to one entity, for the routes of an entity.
    pub(crate) fn only(mut self, entity: &str, field: &str) -> Result<Self, Problem> {
        if self.entities.iter().any(|name| name != entity) {
            return Err(invalid(field, format!("must be omitted, because the path selects `{entity}`")));
        }
        self.entities = vec![entity.to_owned()];
        Ok(self)
    }

    /// Returns the builder of the backup.
    pub(crate) fn builder(&self, koan: &Koan) -> BackupBuilder {
        let name = self.name.clone().unwrap_or_else(|| koan.default_backup_name().to_string());
        let mut backup = koan
            .backup(name)
            .tags(&self.tags)
            .entities(&self.entities)
            .exclude(&self.excluded_entities)
            .providers(&self.providers)
            .exclude_providers(&self.excluded_providers);
        for (key, value) in &self.metadata {
            backup = backup.metadata(key, value);
        }
        if let Some(description) = &self.description {
            backup = backup.description(description);
        }
        if let Some(profile) = &self.profile {
            backup = backup.to_profile(profile);
        }
        if let Some(entities) = self.max_concurrency {
            backup = backup.max_concurrency(entities);
        }
        if let Some(rows) = self.batch_size {
            backup = backup.batch_size(rows);
        }
        if let Some(compression) = self.compression {
            backup = backup.compression(compression);
        }
        if self.continue_on_error {
            backup = backup.continue_on_error();
        }
        if self.include_schemas == Some(false) {
            backup = backup.without_schemas();
        }
        match self.verify_after {
            Some(true) => backup.verify_after(),
            Some(false) => backup.without_verification(),
            None => backup,
        }
    }

    fn checked(self) -> Result<Self, Problem> {
        if let Some(name) = &self.name {
            check_length("name", name, NAME_LENGTH)?;
            BackupName::new(name.as_str())
                .map_err(|error| invalid("name", format!("is not valid: {error}")))?;
        }
        for (field, text) in [("description", &self.description), ("reason", &self.reason)] {
            check_length(field, text.as_deref().unwrap_or_default(), 0..=MAX_DESCRIPTION_LENGTH)?;
        }
        check_number("maxConcurrency", self.max_concurrency, &CONCURRENCY)?;
        check_number("batchSize", self.batch_size, &BATCH_SIZE)?;
        check_count("tags", self.tags.len())?;
        check_count("metadata", self.metadata.len())?;
        Ok(self)
    }
}

impl CompressionLevel {
    fn compression(self) -> Result<Compression, Problem> {
        match self {
            Self::Optimal => Ok(Compression::deflate(6)?),
            Self::Fastest => Ok(Compression::deflate(1)?),
            Self::NoCompression => Ok(Compression::stored()),
            Self::SmallestSize => Ok(Compression::deflate(9)?),
        }
    }
}

/// Refuses vectors.
fn check_sources(sources: &[Source]) -> Result<(), Problem> {
    if sources.contains(&Source::Vectors) {
        return Err(Problem::new(
            ProblemKind::Unsupported,
            "`include` contains `vectors`, which no entity has",
        )
        .with_help("omit `include`, or request `data`"));
    }
    Ok(())
}

/// Returns the names of a list. An empty list would select nothing, so it is refused.
pub(crate) fn selected(field: &str, names: Option<Vec<String>>) -> Result<Vec<String>, Problem> {
    match names {
        Some(names) if names.is_empty() => {
            Err(invalid(field, "must not be empty; omit it in order to select everything"))
        }
        names => {
            let names = names.unwrap_or_default();
            check_count(field, names.len())?;
            Ok(names)
        }
    }
}
