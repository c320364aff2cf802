//! The orders of work on archives and storage profiles: verification, copy, rekey, recovery and maintenance.

use std::sync::Arc;

use serde::Serialize;

use super::{Findings, Order, Prepared, reported, require_profile, succeeded};
use crate::access::{Principal, Role};
use crate::backups::{self, Accepted};
use crate::operations::OperationKind;
use crate::problem::{Problem, ProblemKind};
use crate::requests::BackupPath;
use crate::state::Shared;

/// The verification of a backup.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct VerifyOrder {
    pub(crate) backup: BackupPath,
    pub(crate) profile: Option<String>,
    /// The names of the entities; empty for the whole backup.
    pub(crate) entities: Vec<String>,
    pub(crate) sample_percent: Option<u8>,
}

/// A copy of a backup into another storage profile.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct CopyOrder {
    pub(crate) backup: BackupPath,
    pub(crate) from_profile: Option<String>,
    pub(crate) to_profile: String,
}

/// The rewriting of a backup for the recipients of the application.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RekeyOrder {
    pub(crate) backup: BackupPath,
    pub(crate) profile: Option<String>,
}

/// A recovery of unlisted archives.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RecoverOrder {
    /// The names of the storage profiles; empty for all.
    pub(crate) profiles: Vec<String>,
}

/// One maintenance run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct MaintenanceOrder {
    /// The names of the storage profiles; empty for all.
    pub(crate) profiles: Vec<String>,
    /// Whether backups are removed as the retention policy of the application requires.
    pub(crate) retention: bool,
    /// Whether one backup of each profile is verified.
    pub(crate) verification: bool,
}

impl Order for VerifyOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::Verify
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        if self.sample_percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
            return Err(Problem::new(ProblemKind::Invalid, "`samplePercent` must be a number from 1 to 100"));
        }
        self.entities.iter().try_for_each(|entity| shared.entities.require(entity))?;
        let profile = self.profile.as_deref();
        let manifest = backups::find(&shared.koan, &self.backup, profile, Accepted::WithArchive, &[]).await?;
        let (koan, id, profile) = (shared.koan.clone(), manifest.id, profile.map(str::to_owned));
        let prepared = Prepared::new(move |context| async move {
            let mut verify = koan.verify(id).cancel_on(context.cancel_token()).on_event(context.listener());
            if let Some(profile) = &self.profile {
                verify = verify.from_profile(profile);
            }
            if !self.entities.is_empty() {
                verify = verify.entities(&self.entities);
            }
            if let Some(percent) = self.sample_percent {
                verify = verify.sample_percent(percent);
            }
            let report = verify.await?.require_valid()?;
            let findings = Findings::unless_empty([report.undecrypted.is_empty(), report.notes.is_empty()]);
            succeeded(&report, findings)
        });
        Ok(prepared.of(&manifest, profile))
    }
}

impl Order for CopyOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::Copy
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        require_profile(shared, &self.to_profile)?;
        let profile = self.from_profile.as_deref();
        let manifest = backups::find(&shared.koan, &self.backup, profile, Accepted::Completed, &[]).await?;
        let (koan, id, profile) = (shared.koan.clone(), manifest.id, profile.map(str::to_owned));
        let prepared = Prepared::new(move |context| async move {
            let mut copy = koan.copy(id).to_profile(&self.to_profile);
            if let Some(profile) = &self.from_profile {
                copy = copy.from_profile(profile);
            }
            let report = copy.cancel_on(context.cancel_token()).on_event(context.listener()).await?;
            succeeded(&report, Findings::unless_empty([report.warnings.is_empty()]))
        });
        Ok(prepared.of(&manifest, profile))
    }
}

impl Order for RekeyOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::Rekey
    }

    fn role(&self) -> Role {
        Role::Admin
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        let profile = self.profile.as_deref();
        let manifest = backups::find(&shared.koan, &self.backup, profile, Accepted::WithArchive, &[]).await?;
        let (koan, id, profile) = (shared.koan.clone(), manifest.id, profile.map(str::to_owned));
        let prepared = Prepared::new(move |context| async move {
            let mut rekey = koan.rekey(id);
            if let Some(profile) = &self.profile {
                rekey = rekey.from_profile(profile);
            }
            let report = rekey.cancel_on(context.cancel_token()).on_event(context.listener()).await?;
            succeeded(&report, Findings::unless_empty([report.warnings.is_empty()]))
        });
        Ok(prepared.of(&manifest, profile))
    }
}

impl Order for RecoverOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::Recover
    }

    fn role(&self) -> Role {
        Role::Admin
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        self.profiles.iter().try_for_each(|profile| require_profile(shared, profile))?;
        let koan = shared.koan.clone();
        Ok(Prepared::new(move |context| async move {
            let mut recover = koan.catalog().recover().cancel_on(context.cancel_token());
            if !self.profiles.is_empty() {
                recover = recover.profiles(&self.profiles);
            }
            // An archive that could not be recovered is an error, as in the command line.
            succeeded(&recover.await?.require_all()?, Findings::None)
        }))
    }
}

impl Order for MaintenanceOrder {
    fn kind(&self) -> OperationKind {
        OperationKind::Maintenance
    }

    fn role(&self) -> Role {
        if self.retention { Role::Admin } else { Role::Operator }
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        if self.retention && shared.koan.retention_policy().is_none() {
            let text = "`retention` is true, but the application has no retention policy";
            return Err(Problem::new(ProblemKind::Invalid, text));
        }
        self.profiles.iter().try_for_each(|profile| require_profile(shared, profile))?;
        let shared = Arc::clone(shared);
        Ok(Prepared::new(move |context| async move {
            let mut maintenance = shared.koan.maintenance().cancel_on(context.cancel_token());
            if !self.retention {
                maintenance = maintenance.without_retention();
            }
            if !self.verification {
                maintenance = maintenance.without_verification();
            }
            if !self.profiles.is_empty() {
                maintenance = maintenance.profiles(&self.profiles);
            }
            let report = maintenance.await?;
            // A task that another process prevented was not performed.
            reported(&shared, &report, Findings::unless_empty([report.is_clean(), !report.is_busy()]))
        }))
    }
}
