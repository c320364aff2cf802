//! What the buttons of the screens of event streams do.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use koan_backup_core::BackupId;
use serde::Deserialize;

use super::address;
use super::form::{Chosen, Form, go_to, start};
use super::streams::BackupForm;
use crate::access::extractor::{Admin, Operator};
use crate::orders::{
    Confirmation, StreamBackupOrder, StreamBackupsOrder, StreamCleanupOrder, StreamRestoreOrder,
    StreamVerifyOrder,
};
use crate::problem::{Problem, ProblemKind};
use crate::requests::restore::Conflict;
use crate::requests::streams::{
    BulkSettings, StreamBackupBody, StreamBackupPath, StreamCloneBody, StreamRestoreBody,
    StreamRestoreSettings,
};
use crate::state::{AppState, Shared};
use crate::streams;

/// The form of a verification.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct VerifyForm {
    visit: String,
    profile: String,
}

/// The form of a restore.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RestoreForm {
    visit: String,
    profile: String,
    mode: Option<Conflict>,
    confirm: Option<String>,
}

/// The form of a clone.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CloneForm {
    visit: String,
    profile: String,
    target: String,
    mode: Option<Conflict>,
    confirm: Option<String>,
}

/// The form of a deletion.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct DeleteForm {
    profile: String,
    confirmed: Option<String>,
}

/// The form of the removal of expired backups.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CleanupForm {
    visit: String,
    confirmed: Option<Chosen>,
}

/// Starts single backups of one aggregate, or of all aggregates with an object name.
pub(super) async fn back_up(
    Operator(caller): Operator,
    State(shared): AppState,
    Form(form): Form<BackupForm>,
) -> Result<Response, Problem> {
    let BackupForm { visit, object, id, full } = form;
    let settings =
        StreamBackupBody { full: Some(full.is_some()), ..StreamBackupBody::default() }.settings()?;
    // An object id may begin or end with spaces.
    match id.filter(|id| !id.is_empty()) {
        Some(id) => start(&shared, &caller, &visit, StreamBackupOrder { object, id, settings }).await,
        None => {
            let bulk = BulkSettings { continue_on_error: true, ..BulkSettings::default() };
            start(&shared, &caller, &visit, StreamBackupsOrder { object, bulk, settings }).await
        }
    }
}

/// Starts the verification of a single backup.
pub(super) async fn verify(
    Operator(caller): Operator,
    State(shared): AppState,
    StreamBackupPath(backup): StreamBackupPath,
    Form(form): Form<VerifyForm>,
) -> Result<Response, Problem> {
    let order = StreamVerifyOrder { backup, profile: Some(form.profile) };
    start(&shared, &caller, &form.visit, order).await
}

/// Starts the restore of a single backup.
pub(super) async fn restore(
    Admin(caller): Admin,
    State(shared): AppState,
    StreamBackupPath(backup): StreamBackupPath,
    Form(form): Form<RestoreForm>,
) -> Result<Response, Problem> {
    let body = StreamRestoreBody {
        conflict_mode: form.mode,
        confirm: form.confirm,
        storage_profile: Some(form.profile),
        ..StreamRestoreBody::default()
    };
    let order = order(&shared, backup, None, body.settings()?).await?;
    start(&shared, &caller, &form.visit, order).await
}

/// Starts the restore of a clone of a single backup.
pub(super) async fn clone(
    Admin(caller): Admin,
    State(shared): AppState,
    StreamBackupPath(backup): StreamBackupPath,
    Form(form): Form<CloneForm>,
) -> Result<Response, Problem> {
    let body = StreamCloneBody {
        target_object_id: form.target,
        conflict_mode: form.mode,
        confirm: form.confirm,
        without_verification: None,
        without_document: None,
        without_snapshots: None,
        storage_profile: Some(form.profile),
        description: None,
    };
    let (target, settings) = body.settings()?;
    let order = order(&shared, backup, Some(target), settings).await?;
    start(&shared, &caller, &form.visit, order).await
}

/// Returns the restore of the aggregate of a backup. A person always confirms it.
async fn order(
    shared: &Arc<Shared>,
    backup: BackupId,
    clone_as: Option<String>,
    settings: StreamRestoreSettings,
) -> Result<StreamRestoreOrder, Problem> {
    let handle = streams::find(shared, backup, settings.profile.as_deref()).await?;
    let id = streams::known_id(&handle)?.to_owned();
    let confirmation = Confirmation::Always;
    Ok(StreamRestoreOrder { object: handle.object, id, backup, clone_as, settings, confirmation })
}

/// Deletes a single backup.
pub(super) async fn delete(
    _: Admin,
    State(shared): AppState,
    StreamBackupPath(backup): StreamBackupPath,
    Form(form): Form<DeleteForm>,
) -> Result<Response, Problem> {
    if form.confirmed.as_deref() != Some("yes") {
        return Err(Problem::new(ProblemKind::Invalid, "the deletion is not confirmed")
            .with_help("go back and check the box beside the button"));
    }
    match streams::delete(&shared, backup, Some(&form.profile)).await {
        // The first of two clicks has deleted it; the list says whether it exists.
        Err(problem) if problem.kind() == ProblemKind::NotFound => {}
        result => result?,
    }
    let profile = address::encoded(&form.profile);
    Ok(go_to(&shared, format!("/streams?deleted={backup}&from_profile={profile}")))
}

/// Starts the removal of expired single backups in all storage profiles. The only backup of an aggregate that exists is
/// kept.
pub(super) async fn clean_up(
    Admin(caller): Admin,
    State(shared): AppState,
    Form(form): Form<CleanupForm>,
) -> Result<Response, Problem> {
    if form.confirmed.is_none() {
        return Err(Problem::new(ProblemKind::Invalid, "the removal is not confirmed")
            .with_help("go back and check the box beside the button"));
    }
    let order = StreamCleanupOrder { profiles: Vec::new(), including_last: false, confirm: None };
    start(&shared, &caller, &form.visit, order).await
}
