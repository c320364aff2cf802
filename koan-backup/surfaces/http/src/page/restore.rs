//! The restore: what, what it would be refused for, what would change, and the confirmation.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use koan_backup_core::archive::BackupStatus;
use koan_backup_core::archive::Manifest;
use koan_backup_core::catalog::{CatalogEntry, Order, SortBy};
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use super::form::{Chosen, Form, filled, go_to, submit};
use super::frame::View;
use super::{address, restore_steps};
use crate::access::extractor::{Admin, Operator, Viewer};
use crate::backups::{self, Accepted};
use crate::hex::hex;
use crate::operations::{Operation, OperationId, OperationKind};
use crate::orders::{BackupSelection, Confirmation, RestoreRequest, ViabilityRequest, restore_targets};
use crate::problem::{Problem, ProblemKind};
use crate::requests::restore::{Conflict, RestoreBody, RestoreOrder};
use crate::requests::{BackupPath, QueryParameters};
use crate::state::{AppState, Shared};

/// How many backups can be selected on the screen. Others are selected in the list of backups.
const SELECTABLE: usize = 50;

/// What a person has chosen so far. It is the address of the screen, and part of each of its forms.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Choices {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) backup: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) profile: Option<String>,
    /// The names of the entities, unless all are chosen.
    #[serde(default)]
    pub(super) entity: Vec<String>,
    /// Whether all entities are chosen, which needs no list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) all: Option<Chosen>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) set: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) mode: Option<Mode>,
    /// The [proof](Choices::proof) of the viability check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) check: Option<String>,
    /// The [proof](Choices::proof) of the dry run.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) preview: Option<String>,
    #[serde(skip_serializing)]
    pub(super) visit: Option<String>,
    #[serde(skip_serializing)]
    pub(super) confirm: Option<String>,
}

/// What happens to the records in the database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Mode {
    /// A record of the backup overwrites an existing one.
    Overwrite,
    /// Existing records are kept.
    Keep,
    /// An existing record refuses the restore.
    Fail,
    /// The database has exactly the records of the backup afterwards.
    Replace,
}

/// What the screen shows.
pub(super) struct Shown {
    pub(super) choices: Choices,
    /// The backups that can be selected, newest first.
    pub(super) selectable: Vec<CatalogEntry>,
    /// The selected backup.
    pub(super) selected: Option<Selected>,
    /// The viability check of the choices, if there is one.
    pub(super) check: Option<Operation>,
    /// The dry run of the choices, if there is one.
    pub(super) preview: Option<Operation>,
}

/// The selected backup, and where it would be restored.
pub(super) struct Selected {
    pub(super) manifest: Manifest,
    /// The current names of its entities.
    pub(super) entities: Vec<String>,
    /// The names of the databases into which the chosen entities are restored.
    pub(super) targets: BTreeSet<String>,
}

impl Choices {
    /// Returns the address of the screen with these choices.
    pub(super) fn address(&self) -> Result<String, Problem> {
        let query = serde_html_form::to_string(self).map_err(|_| {
            Problem::new(ProblemKind::Internal, "the address of the restore cannot be composed")
        })?;
        Ok(format!("/restore?{query}"))
    }

    /// Returns the id of an operation together with a hash of the choices for which it was started, so that the result is
    /// not shown beside other choices.
    fn proof(&self, operation: OperationId) -> Result<String, Problem> {
        let choices = Self { check: None, preview: None, ..self.clone() };
        let text = serde_json::to_vec(&choices).map_err(|_| {
            Problem::new(ProblemKind::Internal, "the choices of the restore cannot be compared")
        })?;
        let hash = hex(&Sha256::digest(text)[..8]);
        Ok(format!("{operation}.{hash}"))
    }

    /// Returns the operation of a proof, if it was started for these choices.
    fn proven(&self, proof: &str) -> Option<OperationId> {
        let operation = proof.split('.').next()?.parse().ok()?;
        (self.proof(operation).ok()? == proof).then_some(operation)
    }

    fn cleaned(self) -> Self {
        let Self { backup, profile, set, check, preview, .. } = self.clone();
        let [mut backup, mut profile, set, check, preview] =
            [backup, profile, set, check, preview].map(filled);
        // The list of backups selects a backup together with its storage profile.
        if let Some((id, Some(of_list))) = backup.as_deref().map(address::locate) {
            (profile, backup) = (Some(of_list.to_owned()), Some(id.to_owned()));
        }
        Self { backup, profile, set, check, preview, ..self }
    }

    fn backup(&self) -> Result<BackupPath, Problem> {
        self.backup.clone().map(BackupPath).ok_or_else(|| {
            Problem::new(ProblemKind::Invalid, "no backup is selected")
                .with_help("select one in the first step")
        })
    }

    /// Returns the order of a restore of these choices.
    fn order(&self, dry_run: bool) -> Result<RestoreOrder, Problem> {
        RestoreBody {
            storage_profile: self.profile.clone(),
            entity_types: Some(self.entity.clone()).filter(|entities| !entities.is_empty()),
            target_set: self.set.clone(),
            replace_existing: Some(self.mode == Some(Mode::Replace)),
            conflict_mode: self.mode.and_then(Mode::conflict),
            dry_run: Some(dry_run),
            confirm: self.confirm.clone(),
            ..RestoreBody::default()
        }
        .order()
    }

    /// Returns the choices of a form, in which a person must have selected an entity. If all are selected, the address
    /// does not list them.
    async fn of_form(self, shared: &Shared) -> Result<Self, Problem> {
        let mut choices = self.cleaned();
        let selected = select(shared, &choices).await?;
        let entities = selected.map(|selected| selected.entities).unwrap_or_default();
        if entities.iter().all(|entity| choices.entity.contains(entity)) || choices.all.is_some() {
            (choices.entity, choices.all) = (Vec::new(), Some(Chosen::Yes));
        }
        if choices.entity.is_empty() && choices.all.is_none() {
            return Err(Problem::new(ProblemKind::Invalid, "no entity is selected")
                .with_help("go back and select at least one entity"));
        }
        Ok(choices)
    }
}

impl Mode {
    fn conflict(self) -> Option<Conflict> {
        match self {
            Self::Overwrite => Some(Conflict::Overwrite),
            Self::Keep => Some(Conflict::Keep),
            Self::Fail => Some(Conflict::Fail),
            Self::Replace => None,
        }
    }
}

/// Returns the screen.
pub(super) async fn show(
    Viewer(caller): Viewer,
    State(shared): AppState,
    QueryParameters(choices): QueryParameters<Choices>,
) -> Result<Response, Problem> {
    let choices = choices.cleaned();
    let complete = [BackupStatus::Completed, BackupStatus::CompletedWithWarnings];
    let query = shared.koan.catalog().own().statuses(complete).sort_by(SortBy::Time, Order::Descending);
    let shown = Shown {
        selectable: query.take(SELECTABLE).await?.entries,
        selected: select(&shared, &choices).await?,
        check: None,
        preview: None,
        choices,
    };
    let shown = with_operations(&shared, shown).await?;
    restore_steps::page(&View::new(&shared, &caller), &shown)
}

/// Starts the check of what the restore would be refused for.
pub(super) async fn check(
    Operator(caller): Operator,
    State(shared): AppState,
    Form(choices): Form<Choices>,
) -> Result<Response, Problem> {
    let choices = choices.of_form(&shared).await?;
    let order = ViabilityRequest { backup: choices.backup()?, order: choices.order(false)? };
    let id = submit(&shared, &caller, choices.visit.as_deref().unwrap_or_default(), order).await?;
    let check = Some(choices.proof(id)?);
    go_to_step(&shared, &Choices { check, preview: None, ..choices }, "check")
}

/// Starts the comparison with the database.
pub(super) async fn preview(
    Operator(caller): Operator,
    State(shared): AppState,
    Form(choices): Form<Choices>,
) -> Result<Response, Problem> {
    let choices = choices.cleaned();
    let id = submit(&shared, &caller, choices.visit.as_deref().unwrap_or_default(), request(&choices, true)?)
        .await?;
    let preview = Some(choices.proof(id)?);
    go_to_step(&shared, &Choices { preview, ..choices }, "change")
}

/// Starts the restore.
pub(super) async fn start(
    Admin(caller): Admin,
    State(shared): AppState,
    Form(choices): Form<Choices>,
) -> Result<Response, Problem> {
    let choices = choices.of_form(&shared).await?;
    let id =
        submit(&shared, &caller, choices.visit.as_deref().unwrap_or_default(), request(&choices, false)?)
            .await?;
    Ok(go_to(&shared, address::operation(id)))
}

fn request(choices: &Choices, dry_run: bool) -> Result<RestoreRequest, Problem> {
    Ok(RestoreRequest {
        backup: BackupSelection::Any(choices.backup()?),
        order: choices.order(dry_run)?,
        confirmation: Confirmation::Always,
    })
}

fn go_to_step(shared: &Arc<Shared>, choices: &Choices, step: &str) -> Result<Response, Problem> {
    Ok(go_to(shared, format!("{}#{step}", choices.address()?)))
}

async fn select(shared: &Shared, choices: &Choices) -> Result<Option<Selected>, Problem> {
    let Some(backup) = &choices.backup else { return Ok(None) };
    let backup = BackupPath(backup.clone());
    let profile = choices.profile.as_deref();
    let manifest = backups::find(&shared.koan, &backup, profile, Accepted::Completed, &[]).await?;
    let mut entities: Vec<_> =
        manifest.entities.iter().map(|stored| shared.koan.current_entity_name(&stored.entity)).collect();
    entities.sort_unstable();
    entities.dedup();
    let targets = restore_targets(shared, &manifest, &choices.entity).1;
    Ok(Some(Selected { manifest, entities, targets }))
}

/// Adds the operations in the address, if they belong to the selected backup.
async fn with_operations(shared: &Shared, mut shown: Shown) -> Result<Shown, Problem> {
    let Some(selected) = &shown.selected else { return Ok(shown) };
    let id = selected.manifest.id;
    let find = async |proof: Option<&String>, kind: OperationKind| -> Result<Option<Operation>, Problem> {
        let Some(proof) = proof else { return Ok(None) };
        let Some(operation) = shown.choices.proven(proof) else { return Ok(None) };
        // An operation that was removed since is not shown, so that an old address still works.
        let operation = match shared.operations.get(operation).await {
            Err(problem) if problem.kind() == ProblemKind::NotFound => return Ok(None),
            found => found?,
        };
        Ok(Some(operation).filter(|operation| operation.kind == kind && operation.backup_id == Some(id)))
    };
    let check = find(shown.choices.check.as_ref(), OperationKind::Viability).await?;
    let preview = find(shown.choices.preview.as_ref(), OperationKind::DryRun).await?;
    (shown.check, shown.preview) = (check, preview);
    Ok(shown)
}
