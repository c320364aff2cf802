//! Restores and viability checks.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::start::start;
use crate::access::extractor::Operator;
use crate::orders::{BackupSelection, Confirmation, RestoreRequest, ViabilityRequest};
use crate::problem::{Problem, ProblemDocument};
use crate::requests::restore::{EntityRestoreBody, RestoreBody};
use crate::requests::wait::{Wait, WaitParameters};
use crate::requests::{BackupPath, EntityPath, JsonBody};
use crate::responses::OperationDocument;
use crate::state::AppState;

/// Starts a restore of all entities of a backup, or of those in the body. A restore needs the role `admin`, a dry run the
/// role `operator`.
#[utoipa::path(
    post, path = "/api/backup/restore/{backup}", tag = "restore", operation_id = "restore",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name (its newest backup)"), WaitParameters),
    request_body = Option<RestoreBody>,
    responses(
        (status = 202, description = "The restore was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "Another restore writes into this provider, or the backup cannot be restored", body = ProblemDocument),
        (status = 422, description = "The body is not valid, or the confirmation is missing", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn restore(
    Operator(principal): Operator,
    State(shared): AppState,
    backup: BackupPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<RestoreBody>,
) -> Result<Response, Problem> {
    let request = RestoreRequest {
        backup: BackupSelection::Any(backup),
        order: body.order()?,
        confirmation: Confirmation::OfDeletions,
    };
    start(&shared, &principal, &headers, wait, request).await
}

/// Starts a check of whether a restore would succeed. It writes nothing.
#[utoipa::path(
    post, path = "/api/backup/restore/{backup}/test", tag = "restore", operation_id = "testRestore",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name (its newest backup)"), WaitParameters),
    request_body = Option<RestoreBody>,
    responses(
        (status = 202, description = "The check was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "The backup cannot be read", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn test(
    Operator(principal): Operator,
    State(shared): AppState,
    backup: BackupPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<RestoreBody>,
) -> Result<Response, Problem> {
    let request = ViabilityRequest { backup, order: body.order()? };
    start(&shared, &principal, &headers, wait, request).await
}

/// Starts a restore of the entity from a backup. Without `overwriteExisting`, existing records are kept.
#[utoipa::path(
    post, path = "/backup/{entity}/{at}/restore", tag = "restore", operation_id = "restoreEntity",
    params(
        ("entity" = String, Path, description = "The name of the entity or of its table"),
        ("at" = String, Path, description = "An id, its last eight digits, `latest`, or a time such as 2025-10-02T15-30-45Z"),
        WaitParameters,
    ),
    request_body = Option<EntityRestoreBody>,
    responses(
        (status = 202, description = "The restore was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such entity, backup or profile", body = ProblemDocument),
        (status = 409, description = "Several backups started in this second, or another restore writes into this provider", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn restore_at(
    Operator(principal): Operator,
    State(shared): AppState,
    EntityPath(entity): EntityPath,
    backup: BackupPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<EntityRestoreBody>,
) -> Result<Response, Problem> {
    let order = body.order(&entity.name);
    let request = RestoreRequest {
        backup: BackupSelection::OfEntity(entity.name, backup),
        order,
        confirmation: Confirmation::OfDeletions,
    };
    start(&shared, &principal, &headers, wait, request).await
}

/// Starts a restore of the entity from a backup.
#[utoipa::path(
    post, path = "/api/{entity}/restore/{backup}", tag = "restore", operation_id = "restoreOneEntity",
    params(
        ("entity" = String, Path, description = "The name of the entity or of its table"),
        ("backup" = String, Path, description = "An id, its last eight digits, or a name (its newest backup)"),
        WaitParameters,
    ),
    request_body = Option<RestoreBody>,
    responses(
        (status = 202, description = "The restore was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such entity, backup or profile", body = ProblemDocument),
        (status = 409, description = "Another restore writes into this provider, or the backup cannot be restored", body = ProblemDocument),
        (status = 422, description = "The body is not valid, or the confirmation is missing", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn restore_entity(
    Operator(principal): Operator,
    State(shared): AppState,
    EntityPath(entity): EntityPath,
    backup: BackupPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<RestoreBody>,
) -> Result<Response, Problem> {
    let order = body.order()?.only(&entity.name)?;
    let request = RestoreRequest {
        backup: BackupSelection::Any(backup),
        order,
        confirmation: Confirmation::OfDeletions,
    };
    start(&shared, &principal, &headers, wait, request).await
}
