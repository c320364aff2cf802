//! The restore: what, what it would be refused for, what would change, and the confirmation.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use koan_backup_core::archive::BackupStatus;
use koan_backup_core::catalog::{Order, SortBy};

use super::choices::{Choices, Selected, Shown};
use super::form::{Chosen, Form, go_to, submit};
use super::frame::View;
use super::{form, restore_steps};
use crate::access::extractor::{Admin, Operator, Viewer};
use crate::backups::{self, Accepted};
use crate::operations::{Operation, OperationKind};
use crate::orders::{BackupSelection, Confirmation, RestoreRequest, ViabilityRequest, restore_targets};
use crate::problem::{Problem, ProblemKind};
use crate::requests::{BackupPath, QueryParameters};
use crate::state::{AppState, Shared};

/// How many backups can be selected on the screen. Others are selected in the list of backups.
const SELECTABLE: usize = 50;

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
    let choices = of_form(choices, &shared).await?;
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
    let choices = of_form(choices, &shared).await?;
    let visit = choices.visit.as_deref().unwrap_or_default();
    form::start(&shared, &caller, visit, request(&choices, false)?).await
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

/// Returns the choices of a form, in which a person must have selected an entity. If all are selected, the address
/// does not list them.
async fn of_form(choices: Choices, shared: &Shared) -> Result<Choices, Problem> {
    let mut choices = choices.cleaned();
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
