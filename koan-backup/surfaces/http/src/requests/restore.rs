//! Requests that start a restore.

use koan_backup_core::builders::RestoreBuilder;
use koan_backup_core::{BackupId, ConflictMode, Koan, RestoreLevel};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::fields::{BATCH_SIZE, check_count, check_number, invalid};
use crate::problem::{Problem, ProblemKind};

/// What happens to a record whose key exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Conflict {
    /// The record of the archive replaces the existing record.
    Overwrite,
    /// The existing record is kept.
    Keep,
    /// The restore fails.
    Fail,
}

/// Which objects the database may suspend so that the restore is faster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) enum OptimizationLevel {
    /// As many as possible.
    Fast,
    /// Those that other users of the database hardly notice.
    Balanced,
    /// None.
    Safe,
}

/// The body of `POST /backup/{entity}/{at}/restore`. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EntityRestoreBody {
    /// Whether a record of the archive replaces an existing record with the same key. Without this field, existing
    /// records are kept.
    overwrite_existing: Option<bool>,
    /// Whether vectors are restored. No entity has vectors yet, so both values have the same effect.
    #[expect(dead_code, reason = "both values have the same effect until entities have vectors")]
    restore_vectors: Option<bool>,
    /// Whether the restore only compares the records and writes nothing.
    dry_run: Option<bool>,
    /// The name of the storage profile that contains the backup. Without this field, the default profile is used.
    storage_profile: Option<String>,
}

/// The body of a restore. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RestoreBody {
    /// The name of the storage profile that contains the backup. Without this field, the default profile is used.
    pub(crate) storage_profile: Option<String>,
    /// The names of the entities. Without this field, every entity of the backup is restored.
    #[schema(min_items = 1)]
    pub(crate) entity_types: Option<Vec<String>>,
    /// The set into which the records are written.
    pub(crate) target_set: Option<String>,
    /// Whether records that are not in the backup are deleted. Requires `confirm`.
    pub(crate) replace_existing: Option<bool>,
    /// What happens to a record whose key exists. Without this field, the setting of the application is used.
    pub(crate) conflict_mode: Option<Conflict>,
    /// How many records are written in one batch.
    #[schema(minimum = 100, maximum = 10000)]
    pub(crate) batch_size: Option<usize>,
    /// Whether the backup is verified before the first write. It is, unless this field is `false`.
    pub(crate) validate_before_restore: Option<bool>,
    /// Whether the database may use its bulk load. It may, unless this field or `useBulkMode` is `false`.
    pub(crate) optimize_for_bulk_insert: Option<bool>,
    /// Whether constraints may be suspended. They may, unless this field is `false`.
    pub(crate) disable_constraints: Option<bool>,
    /// Whether indexes may be suspended. They may, unless this field is `false`.
    pub(crate) disable_indexes: Option<bool>,
    /// Whether the database may use its bulk load. It may, unless this field or `optimizeForBulkInsert` is `false`.
    pub(crate) use_bulk_mode: Option<bool>,
    /// Which objects the database may suspend so that the restore is faster.
    pub(crate) optimization_level: Option<OptimizationLevel>,
    /// A restore is complete or has no effect, so that `true` is refused with the status 422.
    pub(crate) continue_on_error: Option<bool>,
    /// Whether the restore only compares the records and writes nothing.
    pub(crate) dry_run: Option<bool>,
    /// The name of the database into which the backup is restored (of the provider, if its database has no name).
    /// Required with `replaceExisting`, unless it is a dry run.
    pub(crate) confirm: Option<String>,
}

/// A restore that a request asks for, validated.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct RestoreOrder {
    pub(crate) profile: Option<String>,
    pub(crate) entities: Vec<String>,
    target_set: Option<String>,
    pub(crate) replace_existing: bool,
    conflict: Option<Conflict>,
    batch_size: Option<usize>,
    skip_verification: bool,
    without_bulk_mode: bool,
    keep_constraints: bool,
    keep_indexes: bool,
    level: Option<OptimizationLevel>,
    pub(crate) dry_run: bool,
    #[serde(skip)]
    pub(crate) confirm: Option<String>,
}

impl EntityRestoreBody {
    /// Validates the body of a restore of one entity.
    pub(crate) fn order(self, entity: &str) -> RestoreOrder {
        let Self { overwrite_existing, dry_run, storage_profile, .. } = self;
        let conflict = if overwrite_existing == Some(true) { Conflict::Overwrite } else { Conflict::Keep };
        RestoreOrder {
            profile: storage_profile,
            entities: vec![entity.to_owned()],
            conflict: Some(conflict),
            dry_run: dry_run.unwrap_or_default(),
            ..RestoreOrder::default()
        }
    }
}

impl RestoreBody {
    /// Validates the body.
    pub(crate) fn order(self) -> Result<RestoreOrder, Problem> {
        if self.continue_on_error == Some(true) {
            return Err(Problem::new(
                ProblemKind::Unsupported,
                "`continueOnError` is true, but a restore is complete or has no effect",
            )
            .with_help("omit the field, or restore some of the entities by `entityTypes`"));
        }
        if self.replace_existing == Some(true)
            && matches!(self.conflict_mode, Some(Conflict::Keep | Conflict::Fail))
        {
            return Err(invalid(
                "conflictMode",
                "must be `overwrite` or omitted if `replaceExisting` is true, which keeps no existing record",
            ));
        }
        check_number("batchSize", self.batch_size, &BATCH_SIZE)?;
        let entities = match self.entity_types {
            Some(names) if names.is_empty() => {
                return Err(invalid(
                    "entityTypes",
                    "must not be empty; omit it in order to restore every entity",
                ));
            }
            names => names.unwrap_or_default(),
        };
        check_count("entityTypes", entities.len())?;
        let disabled = |field: Option<bool>| field == Some(false);
        Ok(RestoreOrder {
            profile: self.storage_profile,
            entities,
            target_set: self.target_set,
            replace_existing: self.replace_existing.unwrap_or_default(),
            conflict: self.conflict_mode,
            batch_size: self.batch_size,
            skip_verification: disabled(self.validate_before_restore),
            without_bulk_mode: disabled(self.optimize_for_bulk_insert) || disabled(self.use_bulk_mode),
            keep_constraints: disabled(self.disable_constraints),
            keep_indexes: disabled(self.disable_indexes),
            level: self.optimization_level,
            dry_run: self.dry_run.unwrap_or_default(),
            confirm: self.confirm,
        })
    }
}

impl RestoreOrder {
    /// Restricts the restore to one entity, for the routes of an entity.
    pub(crate) fn only(mut self, entity: &str) -> Result<Self, Problem> {
        if self.entities.iter().any(|name| name != entity) {
            return Err(invalid(
                "entityTypes",
                format!("must be omitted, because the path selects `{entity}`"),
            ));
        }
        self.entities = vec![entity.to_owned()];
        Ok(self)
    }

    /// Returns the builder of the restore.
    pub(crate) fn builder(&self, koan: &Koan, backup: BackupId) -> RestoreBuilder {
        let mut restore = koan.restore(backup).entities(&self.entities);
        if let Some(profile) = &self.profile {
            restore = restore.from_profile(profile);
        }
        if let Some(set) = &self.target_set {
            restore = restore.to_set(set);
        }
        if self.replace_existing {
            restore = restore.replace_existing();
        }
        if let Some(conflict) = self.conflict {
            restore = restore.on_conflict(conflict.mode());
        }
        if let Some(records) = self.batch_size {
            restore = restore.batch_size(records);
        }
        if let Some(level) = self.level {
            restore = restore.level(level.level());
        }
        if self.skip_verification {
            restore = restore.without_verification();
        }
        if self.without_bulk_mode {
            restore = restore.without_bulk_mode();
        }
        if self.keep_constraints {
            restore = restore.keep_constraints();
        }
        if self.keep_indexes {
            restore = restore.keep_indexes();
        }
        if self.dry_run { restore.dry_run() } else { restore }
    }
}

impl Conflict {
    pub(crate) fn mode(self) -> ConflictMode {
        match self {
            Self::Overwrite => ConflictMode::Overwrite,
            Self::Keep => ConflictMode::Keep,
            Self::Fail => ConflictMode::Fail,
        }
    }
}

impl OptimizationLevel {
    fn level(self) -> RestoreLevel {
        match self {
            Self::Fast => RestoreLevel::Fast,
            Self::Balanced => RestoreLevel::Balanced,
            Self::Safe => RestoreLevel::Safe,
        }
    }
}
