//! The orders of a restore, a dry run and a viability check.

use std::collections::BTreeSet;
use std::sync::Arc;

use koan_backup_core::archive::Manifest;
use serde::Serialize;

use super::{Findings, Order, Prepared, succeeded};
use crate::access::{Principal, Role};
use crate::backups::{self, Accepted};
use crate::operations::OperationKind;
use crate::problem::{Problem, ProblemKind};
use crate::requests::BackupPath;
use crate::requests::restore::RestoreOrder;
use crate::state::Shared;

/// The backup that a restore reads.
#[derive(Clone, Debug, Serialize)]
pub(crate) enum BackupSelection {
    /// `{backup}`: an id, eight digits of an id, or a name.
    Any(BackupPath),
    /// `{at}`, among the backups of this entity.
    OfEntity(String, BackupPath),
}

/// A restore, or a dry run, of a backup.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct RestoreRequest {
    pub(crate) backup: BackupSelection,
    pub(crate) order: RestoreOrder,
    #[serde(skip)]
    pub(crate) confirmation: Confirmation,
}

/// Which restores need the names of the databases.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Confirmation {
    /// Those that delete records.
    OfDeletions,
    /// All but dry runs.
    Always,
}

/// A check of whether a restore would succeed. It writes nothing.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct ViabilityRequest {
    pub(crate) backup: BackupPath,
    pub(crate) order: RestoreOrder,
}

impl BackupSelection {
    async fn find(&self, shared: &Shared, order: &RestoreOrder) -> Result<Manifest, Problem> {
        let profile = order.profile.as_deref();
        match self {
            Self::Any(backup) => {
                backups::find(&shared.koan, backup, profile, Accepted::Completed, &order.entities).await
            }
            Self::OfEntity(entity, at) => backups::find_of_entity(&shared.koan, entity, at, profile).await,
        }
    }
}

impl Order for RestoreRequest {
    fn kind(&self) -> OperationKind {
        if self.order.dry_run { OperationKind::DryRun } else { OperationKind::Restore }
    }

    fn role(&self) -> Role {
        if self.order.dry_run { Role::Operator } else { Role::Admin }
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        let Self { backup, order, confirmation } = self;
        require_entities(shared, &order)?;
        let manifest = backup.find(shared, &order).await?;
        let (koan, id) = (shared.koan.clone(), manifest.id);
        let (providers, targets) = restore_targets(shared, &manifest, &order.entities);
        if !order.dry_run && (confirmation == Confirmation::Always || order.replace_existing) {
            check_confirmation(order.confirm.as_deref().unwrap_or_default(), &targets)?;
        }
        let profile = order.profile.clone();
        let prepared = Prepared::new(move |context| async move {
            let restore = order.builder(&koan, id);
            let report = restore.cancel_on(context.cancel_token()).on_event(context.listener()).await?;
            succeeded(&report, Findings::unless_empty([report.findings.is_empty()]))
        });
        Ok(Prepared { providers, ..prepared.of(&manifest, profile) })
    }
}

impl Order for ViabilityRequest {
    fn kind(&self) -> OperationKind {
        OperationKind::Viability
    }

    fn role(&self) -> Role {
        Role::Operator
    }

    async fn prepare(self, shared: &Arc<Shared>, _: &Principal) -> Result<Prepared, Problem> {
        let Self { backup, order } = self;
        require_entities(shared, &order)?;
        let profile = order.profile.as_deref();
        let manifest =
            backups::find(&shared.koan, &backup, profile, Accepted::Completed, &order.entities).await?;
        let (koan, id, profile) = (shared.koan.clone(), manifest.id, order.profile.clone());
        let prepared = Prepared::new(move |context| async move {
            let check = order.builder(&koan, id).cancel_on(context.cancel_token());
            let check = check.on_event(context.listener());
            succeeded(&check.viability().await?, Findings::None)
        });
        Ok(prepared.of(&manifest, profile))
    }
}

/// Returns a problem if an entity of the request does not exist.
fn require_entities(shared: &Shared, order: &RestoreOrder) -> Result<(), Problem> {
    order.entities.iter().try_for_each(|entity| shared.entities.require(entity))
}

/// Returns the providers that store the entities of a restore, and the names of their databases, which a person types to
/// confirm it. Without entities, all entities of the backup are restored.
pub(crate) fn restore_targets(
    shared: &Shared,
    manifest: &Manifest,
    entities: &[String],
) -> (Vec<String>, BTreeSet<String>) {
    let contained = manifest.entities.iter().map(|stored| shared.koan.current_entity_name(&stored.entity));
    let selected: Vec<_> = contained.filter(|name| entities.is_empty() || entities.contains(name)).collect();
    targets_of(shared, selected.iter().map(String::as_str))
}

/// Returns the providers that store these entities and event streams, and the names of their databases.
pub(crate) fn targets_of<'a>(
    shared: &Shared,
    names: impl IntoIterator<Item = &'a str>,
) -> (Vec<String>, BTreeSet<String>) {
    let capabilities = shared.koan.capabilities();
    let targets = capabilities.providers_of(names);
    let providers = targets.iter().map(|target| target.name.clone()).collect();
    (providers, targets.iter().map(|target| target.target_name().to_owned()).collect())
}

/// Requires the names of the databases into which a restore writes, separated by commas.
pub(super) fn check_confirmation(confirmed: &str, expected: &BTreeSet<String>) -> Result<(), Problem> {
    let text =
        "`confirm` must be the name of the database, because the restore changes or deletes records there";
    require_names(confirmed, expected).map_err(|names| {
        Problem::new(ProblemKind::Invalid, text)
            .with_help(format!("the databases are: {names}; separate several names by commas"))
    })
}

/// Requires these names, separated by commas. Returns them if the text contains others.
pub(super) fn require_names(confirmed: &str, expected: &BTreeSet<String>) -> Result<(), String> {
    let names = expected.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
    let parts: BTreeSet<String> = confirmed.split(',').map(|part| part.trim().to_owned()).collect();
    // A name may contain a comma.
    if parts == *expected || confirmed.trim() == names { Ok(()) } else { Err(names) }
}
