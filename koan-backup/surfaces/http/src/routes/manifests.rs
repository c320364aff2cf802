//! The backups of all entities: lists, manifests, deletion and protection.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::access::extractor::{Admin, Operator, Viewer};
use crate::backups::{self, Accepted};
use crate::problem::{Problem, ProblemDocument};
use crate::requests::list::ListParameters;
use crate::requests::profile::{DeleteParameters, ProfileParameter};
use crate::requests::{BackupPath, JsonBody, QueryParameters, check_reason};
use crate::responses::{BackupPage, manifest_document};
use crate::state::AppState;

/// The body of a request that pins a backup.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct PinBody {
    /// Why the backup must be kept.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// Whether a backup is pinned.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PinDocument {
    /// The id of the backup.
    id: String,
    /// Whether the backup is pinned after the request.
    pinned: bool,
    /// Whether it was pinned before the request; null if this is not known.
    was_pinned: Option<bool>,
}

/// Lists the backups of all storage profiles, newest first, in pages.
#[utoipa::path(
    get, path = "/api/backup/manifests", tag = "backups", operation_id = "listBackups", params(ListParameters),
    responses(
        (status = 200, description = "One page of the list", body = BackupPage),
        (status = 422, description = "A parameter is not valid", body = ProblemDocument),
    )
)]
pub(super) async fn list(
    _: Viewer,
    State(shared): AppState,
    QueryParameters(parameters): QueryParameters<ListParameters>,
) -> Result<Json<BackupPage>, Problem> {
    super::entity::page(&shared, &parameters, None).await.map(Json)
}

/// Returns the manifest of a backup, which is given by its id, the last eight digits of its id, or a name (its newest
/// backup).
#[utoipa::path(
    get, path = "/api/backup/manifests/{backup}", tag = "backups", operation_id = "readManifest",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name"), ProfileParameter),
    responses(
        (status = 200, description = "The manifest", body = Object),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "Several backups have these digits, or the manifest is damaged", body = ProblemDocument),
    )
)]
pub(super) async fn manifest(
    _: Viewer,
    State(shared): AppState,
    backup: BackupPath,
    QueryParameters(parameters): QueryParameters<ProfileParameter>,
) -> Result<Json<Value>, Problem> {
    let profile = parameters.storage_profile.as_deref();
    let manifest = backups::find(&shared.koan, &backup, profile, Accepted::Any, &[]).await?;
    let profile = profile.map_or_else(|| backups::default_profile(&shared.koan), str::to_owned);
    manifest_document(&shared, &manifest, &profile).await.map(Json)
}

/// Deletes a backup with its archive. The path contains its complete id.
#[utoipa::path(
    delete, path = "/api/backup/manifests/{backup}", tag = "backups", operation_id = "deleteBackup",
    params(("backup" = String, Path, description = "The complete id"), DeleteParameters),
    responses(
        (status = 204, description = "The backup and its archive have been removed"),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "The backup is pinned, in use, or the last good one", body = ProblemDocument),
        (status = 422, description = "The path does not contain an id", body = ProblemDocument),
    )
)]
pub(super) async fn delete(
    _: Admin,
    State(shared): AppState,
    backup: BackupPath,
    QueryParameters(parameters): QueryParameters<DeleteParameters>,
) -> Result<StatusCode, Problem> {
    let mut delete = shared.koan.delete(backup.id()?);
    if let Some(profile) = &parameters.storage_profile {
        delete = delete.from_profile(profile);
    }
    if parameters.even_if_last == Some(true) {
        delete = delete.even_if_last();
    }
    delete.await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Pins a backup, so that neither retention nor a deletion removes it.
#[utoipa::path(
    put, path = "/api/backup/manifests/{backup}/pin", tag = "backups", operation_id = "pinBackup",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name"), ProfileParameter),
    request_body = PinBody,
    responses(
        (status = 200, description = "The backup is pinned", body = PinDocument),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 422, description = "The reason is missing", body = ProblemDocument),
    )
)]
pub(super) async fn pin(
    _: Operator,
    State(shared): AppState,
    backup: BackupPath,
    QueryParameters(parameters): QueryParameters<ProfileParameter>,
    JsonBody(body): JsonBody<PinBody>,
) -> Result<Json<PinDocument>, Problem> {
    check_reason(&body.reason)?;
    let profile = parameters.storage_profile.as_deref();
    let id = backups::find(&shared.koan, &backup, profile, Accepted::Any, &[]).await?.id;
    shared.koan.pin(id, profile, &body.reason).await?;
    Ok(Json(PinDocument { id: id.to_string(), pinned: true, was_pinned: None }))
}

/// Removes the pin of a backup.
#[utoipa::path(
    delete, path = "/api/backup/manifests/{backup}/pin", tag = "backups", operation_id = "unpinBackup",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name"), ProfileParameter),
    responses(
        (status = 200, description = "The backup is not pinned", body = PinDocument),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
    )
)]
pub(super) async fn unpin(
    _: Admin,
    State(shared): AppState,
    backup: BackupPath,
    QueryParameters(parameters): QueryParameters<ProfileParameter>,
) -> Result<Json<PinDocument>, Problem> {
    let profile = parameters.storage_profile.as_deref();
    let id = backups::find(&shared.koan, &backup, profile, Accepted::Any, &[]).await?.id;
    let was_pinned = shared.koan.unpin(id, profile).await?;
    Ok(Json(PinDocument { id: id.to_string(), pinned: false, was_pinned: Some(was_pinned) }))
}
