//! What the buttons of the page do.

use axum::extract::State;
use axum::response::{IntoResponse as _, Redirect, Response};
use koan_backup_core::ErrorKind;
use serde::Deserialize;

use super::address;
use super::address::is_screen;
use super::form::{Form, filled, go_to, start};
use crate::access::extractor::{Admin, Operator};
use crate::backups::{self, Accepted};
use crate::operations::OperationId;
use crate::orders::{CopyOrder, VerifyOrder};
use crate::problem::{Problem, ProblemKind};
use crate::requests::backup::BackupBody;
use crate::requests::{BackupPath, PathParameters, check_reason};
use crate::state::AppState;

/// The form of a new backup.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BackupForm {
    visit: String,
    name: Option<String>,
    description: Option<String>,
    reason: Option<String>,
    profile: Option<String>,
}

/// A form about a backup in a storage profile, which starts an operation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OperationForm {
    visit: String,
    profile: String,
    /// The storage profile that receives a copy.
    to: Option<String>,
}

/// A form about a backup in a storage profile, which changes something at once.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ChangeForm {
    profile: String,
    reason: Option<String>,
    confirmed: Option<String>,
}

/// Starts a backup.
pub(super) async fn back_up(
    Operator(caller): Operator,
    State(shared): AppState,
    Form(form): Form<BackupForm>,
) -> Result<Response, Problem> {
    let body = BackupBody {
        name: filled(form.name),
        description: filled(form.description),
        reason: filled(form.reason),
        storage_profile: filled(form.profile),
        ..BackupBody::default()
    };
    start(&shared, &caller, &form.visit, body.order()?).await
}

/// Starts the verification of a backup.
pub(super) async fn verify(
    Operator(caller): Operator,
    State(shared): AppState,
    backup: BackupPath,
    Form(form): Form<OperationForm>,
) -> Result<Response, Problem> {
    let order =
        VerifyOrder { backup, profile: Some(form.profile), entities: Vec::new(), sample_percent: None };
    start(&shared, &caller, &form.visit, order).await
}

/// Starts a copy of a backup.
pub(super) async fn copy(
    Operator(caller): Operator,
    State(shared): AppState,
    backup: BackupPath,
    Form(form): Form<OperationForm>,
) -> Result<Response, Problem> {
    let to_profile = filled(form.to).ok_or_else(|| {
        Problem::new(ProblemKind::Invalid, "the form names no storage profile for the copy")
    })?;
    let order = CopyOrder { backup, from_profile: Some(form.profile), to_profile };
    start(&shared, &caller, &form.visit, order).await
}

/// Pins a backup.
pub(super) async fn pin(
    _: Operator,
    State(shared): AppState,
    backup: BackupPath,
    Form(form): Form<ChangeForm>,
) -> Result<Response, Problem> {
    let reason = form.reason.unwrap_or_default();
    check_reason(&reason)?;
    let id = backups::find(&shared.koan, &backup, Some(&form.profile), Accepted::Any, &[]).await?.id;
    shared.koan.pin(id, Some(&form.profile), &reason).await?;
    Ok(go_to(&shared, address::backup(id, &form.profile)))
}

/// Removes the pin of a backup.
pub(super) async fn unpin(
    _: Admin,
    State(shared): AppState,
    backup: BackupPath,
    Form(form): Form<ChangeForm>,
) -> Result<Response, Problem> {
    let id = backups::find(&shared.koan, &backup, Some(&form.profile), Accepted::Any, &[]).await?.id;
    shared.koan.unpin(id, Some(&form.profile)).await?;
    Ok(go_to(&shared, address::backup(id, &form.profile)))
}

/// Accepts that a backup has fewer records than the one before.
pub(super) async fn acknowledge(
    _: Admin,
    State(shared): AppState,
    backup: BackupPath,
    Form(form): Form<ChangeForm>,
) -> Result<Response, Problem> {
    let reason = form.reason.unwrap_or_default();
    check_reason(&reason)?;
    let id = backup.id()?;
    shared.koan.catalog().acknowledge(id, &reason).await?;
    Ok(go_to(&shared, address::backup(id, &form.profile)))
}

/// Deletes a backup.
pub(super) async fn delete(
    _: Admin,
    State(shared): AppState,
    backup: BackupPath,
    Form(form): Form<ChangeForm>,
) -> Result<Response, Problem> {
    if form.confirmed.as_deref() != Some("yes") {
        return Err(Problem::new(ProblemKind::Invalid, "the deletion is not confirmed")
            .with_help("go back and check the box beside the button"));
    }
    let id = backup.id()?;
    match shared.koan.delete(id).from_profile(&form.profile).await {
        // The first of two clicks has deleted it; the list says whether it exists.
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        result => {
            result?;
        }
    }
    let profile = address::encoded(&form.profile);
    Ok(go_to(&shared, format!("/backups?deleted={id}&from_profile={profile}")))
}

/// The form of a cancellation.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CancelForm {
    /// The screen to which the browser returns.
    to: Option<String>,
}

/// Requests that an operation stops.
pub(super) async fn cancel(
    Operator(caller): Operator,
    State(shared): AppState,
    path: PathParameters,
    Form(form): Form<CancelForm>,
) -> Result<Response, Problem> {
    let id = OperationId::of_path(&path)?;
    let operation = shared.operations.get(id).await?;
    caller.require_cancellation_right(&operation.started_by.name)?;
    match shared.operations.cancel(id, &caller.identity()).await {
        // The operation has ended meanwhile, which its screen shows.
        Err(problem) if problem.kind() == ProblemKind::Conflict => {}
        result => {
            result?;
        }
    }
    Ok(match form.to.filter(|to| is_screen(to)) {
        Some(to) => Redirect::to(&shared.links.to(&to)).into_response(),
        None => go_to(&shared, address::operation(id)),
    })
}
