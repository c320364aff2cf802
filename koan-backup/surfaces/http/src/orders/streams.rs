//! The orders of work on single backups of event streams.

use std::collections::BTreeSet;
use std::sync::Arc;

use koan_backup_core::BackupId;
use serde::Serialize;

use super::restore::{Confirmation, check_confirmation, require_names, targets_of};
use super::{Findings, Order, Prepared, reported, require_profile};
use crate::access::{Principal, Role};
use crate::operations::OperationKind;
use crate::problem::{Problem, ProblemKind};
use crate::requests::restore::Conflict;
use crate::requests::streams::{BulkSettings, StreamBackupSettings, StreamRestoreSettings};
use crate::state::Shared;
use crate::streams;

/// The backup of one aggregate.
#[derive(Clone, Serialize)]
pub(crate) struct StreamBackupOrder {
    pub(crate) object: String,
    pub(crate) id: String,
    pub(crate) settings: StreamBackupSettings,
}

/// The backups of many aggregates, each for itself.
#[derive(Clone, Serialize)]
pub(crate) struct StreamBackupsOrder {
    pub(crate) object: String,
    pub(crate) bulk: BulkSettings,
    pub(crate) settings: StreamBackupSettings,
}

/// The restore of a single backup, or of a clone of it.
#[derive(Clone, Serialize)]
pub(crate) struct StreamRestoreOrder {
    pub(crate) object: String,
    /// The object id of the backup.
    pub(crate) id: String,
    pub(crate) backup: BackupId,
    /// The object id of the clone.
    pub(crate) clone_as: Option<String>,
    pub(crate) settings: StreamRestoreSettings,
    #[serde(skip)]
    pub(crate) confirmation: Confirmation,
}

/// The verification of a single backup.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StreamVerifyOrder {
    pub(crate) backup: BackupId,
    pub(crate) profile: Option<String>,
}

/// The removal of the expired single backups.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct StreamCleanupOrder {
    /// The names of the storage profiles; empty for all.
    pub(crate) profiles: Vec<String>,
    /// Whether the only backups of existing streams are removed as well.
    pub(crate) including_last: bool,
    /// The names of the storage profiles, if the only backups are removed as well.
    #[serde(skip)]
    pub(crate) confirm: Option<String>,
}

impl StreamCleanupOrder {
    /// Requires the names of the storage profiles if the only backups of existing streams are removed.
    fn check_confirmation(&self, shared: &Shared) -> Result<(), Problem> {
        if !self.including_last {
            return Ok(());
        }
        let mut expected: BTreeSet<String> = self.profiles.iter().cloned().collect();
        if expected.is_empty() {
            expected.extend(shared.koan.capabilities().profiles.into_iter().map(|profile| profile.name));
        }
        require_names(self.confirm.as_deref().unwrap_or_default(), &expected).map_err(|names| {
            let text = "`confirm` must be the name of the storage profile, because `includingLast` also removes the \
                        only backups of existing streams there";
            Problem::new(ProblemKind::Invalid, text)
                .with_help(format!("the storage profiles are: {names}; separate several names by commas"))
        })
    }
}

impl Order for StreamBackupOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::StreamBackup
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        let Self { object, id, settings } = self;
        if let Some(profile) = &settings.profile {
            require_profile(shared, profile)?;
        }
        let of = streams::of(shared, &object)?;
        streams::require_existing(&of, &id).await?;
        let (name, storage_profile) = (streams::name_of(shared, &object, &id), settings.profile.clone());
        let shared = Arc::clone(shared);
        let prepared = Prepared::new(move |context| async move {
            let progress = context.counter();
            let backup = settings.one(of.backup(id)).cancel_on(context.cancel_token());
            let handle = backup.on_progress(move |read| progress(read.events, read.total_events)).await?;
            reported(&shared, &handle, Findings::None)
        });
        Ok(Prepared { backup_name: Some(name), storage_profile, ..prepared })
    }
}

impl Order for StreamBackupsOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::StreamBackups
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        let Self { object, bulk, settings } = self;
        if let Some(profile) = &settings.profile {
            require_profile(shared, profile)?;
        }
        let of = streams::of(shared, &object)?;
        let storage_profile = settings.profile.clone();
        let shared = Arc::clone(shared);
        let prepared = Prepared::new(move |context| async move {
            let builder = match &bulk.ids {
                Some(ids) => of.backup_many(ids.iter().cloned()),
                None => of.backup_all(),
            };
            let (cancel, progress) = (context.cancel_token(), context.counter());
            let count = |number: usize| u64::try_from(number).unwrap_or(u64::MAX);
            let backups = settings.many(builder, &bulk).cancel_on(cancel.clone());
            let report =
                backups.on_progress(move |made| progress(count(made.processed), count(made.total))).await?;
            let result = reported(&shared, &report, Findings::unless_empty([report.is_fully_successful()]))?;
            let has_failed = report.is_fully_failed() || cancel.is_cancelled();
            Ok(match report.require_success() {
                // The result says what was made before, and what was not.
                Err(error) if has_failed => result.into_failed(error),
                _ => result,
            })
        });
        Ok(Prepared { backup_name: Some(object), storage_profile, ..prepared })
    }
}

impl Order for StreamRestoreOrder {
    fn kind(&self) -> OperationKind {
        if self.clone_as.is_some() { OperationKind::StreamClone } else { OperationKind::StreamRestore }
    }

    fn role(&self) -> Role {
        Role::Admin
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        let Self { object, id, backup, clone_as, settings, confirmation } = self;
        let of = streams::of(shared, &object)?;
        if clone_as.as_ref() == Some(&id) {
            return Err(Problem::new(
                ProblemKind::Invalid,
                "a clone needs another object id than its source",
            )
            .with_help("change `targetObjectId`, or restore the backup"));
        }
        if let Some(profile) = &settings.profile {
            require_profile(shared, profile)?;
        }
        let profile = settings.profile.clone();
        let handle = streams::find_of(shared, backup, profile.as_deref(), &object, &id).await?;
        let (providers, targets) = targets_of(shared, [object.as_str()]);
        if confirmation == Confirmation::Always || settings.conflict == Some(Conflict::Overwrite) {
            check_confirmation(settings.confirm.as_deref().unwrap_or_default(), &targets)?;
        }
        let name = streams::name_from(shared, &handle, Some(clone_as.as_deref().unwrap_or(&id)));
        let shared = Arc::clone(shared);
        let prepared = Prepared::new(move |context| async move {
            let restore = match clone_as {
                Some(target) => of.restore_as(&handle, target),
                None => of.restore(&handle),
            };
            let report = settings.restore(restore).cancel_on(context.cancel_token()).await?;
            reported(&shared, &report, Findings::None)
        });
        Ok(Prepared {
            backup_name: Some(name),
            backup_id: Some(backup),
            storage_profile: profile,
            providers,
            ..prepared
        })
    }
}

impl Order for StreamVerifyOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::StreamVerify
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        let Self { backup, profile } = self;
        if let Some(profile) = &profile {
            require_profile(shared, profile)?;
        }
        let handle = streams::find(shared, backup, profile.as_deref()).await?;
        let name = streams::name_from(shared, &handle, handle.object_id.as_deref());
        let shared = Arc::clone(shared);
        let prepared = Prepared::new(move |context| async move {
            let verify = shared.koan.verify_stream_backup(&handle).cancel_on(context.cancel_token());
            let report = verify.await?.require_valid()?;
            reported(&shared, &report, Findings::unless_empty([report.note.is_none()]))
        });
        let (backup_name, backup_id) = (Some(name), Some(backup));
        Ok(Prepared { backup_name, backup_id, storage_profile: profile, ..prepared })
    }
}

impl Order for StreamCleanupOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::StreamCleanup
    }

    fn role(&self) -> Role {
        Role::Admin
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        self.profiles.iter().try_for_each(|profile| require_profile(shared, profile))?;
        self.check_confirmation(shared)?;
        let shared = Arc::clone(shared);
        Ok(Prepared::new(move |context| async move {
            let mut cleanup = shared.koan.cleanup_expired_stream_backups().cancel_on(context.cancel_token());
            if self.including_last {
                cleanup = cleanup.including_last();
            }
            if !self.profiles.is_empty() {
                cleanup = cleanup.profiles(&self.profiles);
            }
            let report = cleanup.await?;
            let findings = Findings::unless_empty([report.is_complete()]);
            reported(&shared, &report, findings)
        }))
    }
}
