//! Backups of all entities, of selected entities, and of one entity.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::start::start;
use crate::access::extractor::Operator;
use crate::problem::{Problem, ProblemDocument};
use crate::requests::backup::BackupBody;
use crate::requests::wait::{Wait, WaitParameters};
use crate::requests::{EntityPath, JsonBody};
use crate::responses::{BackupResult, OperationDocument};
use crate::state::AppState;

/// Starts a backup of all covered entities.
#[utoipa::path(
    post, path = "/api/backup/all", tag = "create", operation_id = "backupAll",
    params(WaitParameters), request_body = Option<BackupBody>,
    responses(
        (status = 202, description = "The backup was accepted", body = OperationDocument),
        (status = 200, description = "The result, if the client waits for it", body = BackupResult),
        (status = 404, description = "There is no such storage profile", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn all(
    Operator(principal): Operator,
    State(shared): AppState,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<BackupBody>,
) -> Result<Response, Problem> {
    start(&shared, &principal, &headers, wait, body.order()?).await
}

/// Starts a backup of selected entities. The body selects or excludes entities or providers.
#[utoipa::path(
    post, path = "/api/backup/selective", tag = "create", operation_id = "backupSelective",
    params(WaitParameters), request_body = BackupBody,
    responses(
        (status = 202, description = "The backup was accepted", body = OperationDocument),
        (status = 200, description = "The result, if the client waits for it", body = BackupResult),
        (status = 404, description = "There is no such entity or storage profile", body = ProblemDocument),
        (status = 422, description = "The body is not valid, or selects nothing", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn selective(
    Operator(principal): Operator,
    State(shared): AppState,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<BackupBody>,
) -> Result<Response, Problem> {
    start(&shared, &principal, &headers, wait, body.selective_order()?).await
}

/// Starts a backup of the entity.
#[utoipa::path(
    post, path = "/api/{entity}/backup", tag = "entities", operation_id = "backupEntity",
    params(("entity" = String, Path, description = "The name of the entity or of its table"), WaitParameters),
    request_body = Option<BackupBody>,
    responses(
        (status = 202, description = "The backup was accepted", body = OperationDocument),
        (status = 200, description = "The result, if the client waits for it", body = BackupResult),
        (status = 404, description = "There is no such entity or storage profile", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn entity(
    Operator(principal): Operator,
    State(shared): AppState,
    EntityPath(entity): EntityPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<BackupBody>,
) -> Result<Response, Problem> {
    let order = body.order()?.only(&entity.name, "entityTypes")?;
    start(&shared, &principal, &headers, wait, order).await
}
