//! Backups by the routes of the first original design, by `POST` and by `GET`.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::start::start;
use crate::access::extractor::Operator;
use crate::problem::{Problem, ProblemDocument};
use crate::requests::backup::{CreateBody, CreateParameters};
use crate::requests::wait::{Wait, WaitParameters};
use crate::requests::{EntityPath, JsonBody, QueryParameters};
use crate::responses::{BackupResult, OperationDocument};
use crate::state::AppState;

/// Starts a backup of all covered entities, or of those in the body.
#[utoipa::path(
    post, path = "/backup/create", tag = "create", operation_id = "createBackup",
    params(WaitParameters), request_body = Option<CreateBody>,
    responses(
        (status = 202, description = "The backup was accepted", body = OperationDocument),
        (status = 200, description = "The result, if the client waits for it", body = BackupResult),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn post(
    Operator(principal): Operator,
    State(shared): AppState,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<CreateBody>,
) -> Result<Response, Problem> {
    start(&shared, &principal, &headers, wait, body.order()?).await
}

/// Starts a backup by a link. The request needs the same right as `POST`, and must not come from another site.
#[utoipa::path(
    get, path = "/backup/create", tag = "create", operation_id = "createBackupByLink", params(CreateParameters),
    responses(
        (status = 202, description = "The backup was accepted", body = OperationDocument),
        (status = 200, description = "The result, if the client waits for it", body = BackupResult),
        (status = 403, description = "The request comes from another site, or fetches in advance", body = ProblemDocument),
        (status = 422, description = "A parameter is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn get(
    Operator(principal): Operator,
    State(shared): AppState,
    headers: HeaderMap,
    QueryParameters(parameters): QueryParameters<CreateParameters>,
) -> Result<Response, Problem> {
    let wait = Wait::requested(&headers, parameters.wait);
    start(&shared, &principal, &headers, wait, parameters.order()?).await
}

/// Starts a backup of the entity by a link. The request needs the same right as `POST`, and must not come from another
/// site.
#[utoipa::path(
    get, path = "/backup/{entity}/create", tag = "create", operation_id = "createEntityBackupByLink",
    params(("entity" = String, Path, description = "The name of the entity or of its table"), CreateParameters),
    responses(
        (status = 202, description = "The backup was accepted", body = OperationDocument),
        (status = 200, description = "The result, if the client waits for it", body = BackupResult),
        (status = 403, description = "The request comes from another site, or fetches in advance", body = ProblemDocument),
        (status = 404, description = "There is no such entity", body = ProblemDocument),
        (status = 422, description = "A parameter is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn get_entity(
    Operator(principal): Operator,
    State(shared): AppState,
    EntityPath(entity): EntityPath,
    headers: HeaderMap,
    QueryParameters(parameters): QueryParameters<CreateParameters>,
) -> Result<Response, Problem> {
    let wait = Wait::requested(&headers, parameters.wait);
    let order = parameters.order()?.only(&entity.name, "entities")?;
    start(&shared, &principal, &headers, wait, order).await
}
