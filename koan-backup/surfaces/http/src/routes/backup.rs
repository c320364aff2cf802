//! Backups of all entities, of selected entities, and of one entity.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::start::{Begun, Start, value};
use crate::access::Principal;
use crate::access::extractor::Operator;
use crate::operations::{OperationKind, WorkResult};
use crate::problem::{Problem, ProblemDocument};
use crate::requests::backup::{BackupBody, BackupOrder};
use crate::requests::wait::{Wait, WaitParameters};
use crate::requests::{EntityPath, JsonBody};
use crate::responses::{BackupResult, OperationDocument};
use crate::state::{AppState, Shared};

/// Starts the operation of a backup.
pub(super) async fn start(
    shared: &Arc<Shared>,
    principal: &Principal,
    headers: &HeaderMap,
    wait: Wait,
    order: BackupOrder,
) -> Result<Response, Problem> {
    let begun = Start::begin(shared, principal, OperationKind::Backup, headers, wait, &order).await?;
    let start = match begun {
        Begun::New(start) => start,
        Begun::Repeated(response) => return Ok(response),
    };
    let koan = shared.koan.clone();
    // The names are checked before the operation is accepted, so that a mistake is an error of the request.
    for entity in order.entities.iter().chain(&order.excluded_entities) {
        shared.entities.require(entity)?;
    }
    if let Some(profile) = &order.profile {
        require_profile(shared, profile)?;
    }
    let name = order.name.clone().unwrap_or_else(|| koan.default_backup_name().to_string());
    let (triggered_by, reason) = (principal.identity(), order.reason.clone());
    let start = start.describe(|operation| {
        let operation = operation.backup_name(name);
        match &order.reason {
            Some(reason) => operation.reason(reason),
            None => operation,
        }
    });
    start
        .run(move |context| {
            Box::pin(async move {
                let mut backup = order.builder(&koan).triggered_by(triggered_by);
                if let Some(reason) = reason {
                    backup = backup.reason(reason);
                }
                let backup = backup.cancel_on(context.cancel_token()).on_event(context.listener());
                // With `continueOnError`, a backup with a failed entity exists and is not complete.
                let report = backup.await?.require_complete()?;
                let result = value(&BackupResult::from(&report))?;
                Ok(match report.warnings().is_empty() {
                    true => WorkResult::completed(result),
                    false => WorkResult::completed_with_warnings(result),
                })
            })
        })
        .await
}

/// Returns a problem if there is no storage profile with this name.
pub(super) fn require_profile(shared: &Shared, profile: &str) -> Result<(), Problem> {
    let profiles = shared.koan.capabilities().profiles;
    if profiles.iter().any(|known| known.name == profile) {
        return Ok(());
    }
    let names: Vec<_> = profiles.iter().map(|known| format!("`{}`", known.name)).collect();
    Err(Problem::new(crate::problem::ProblemKind::NotFound, "no storage profile has the name in the request")
        .with_help(format!("the storage profiles are {}", names.join(", "))))
}

/// Starts a backup of all covered entities.
#[utoipa::path(
    post, path = "/api/backup/all", tag = "create", operation_id = "backupAll",
    params(WaitParameters), request_body = BackupBody,
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
    request_body = BackupBody,
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
