//! Restores and viability checks.

use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use koan_backup_core::archive::Manifest;

use super::start::{Start, value};
use crate::access::Principal;
use crate::access::extractor::Operator;
use crate::backups;
use crate::operations::{OperationKind, WorkResult};
use crate::problem::{Problem, ProblemDocument, ProblemKind};
use crate::requests::restore::{EntityRestoreBody, RestoreBody, RestoreOrder};
use crate::requests::wait::{Wait, WaitParameters};
use crate::requests::{BackupPath, EntityPath, JsonBody};
use crate::responses::OperationDocument;
use crate::state::{AppState, Shared};

/// What every request of this module has beside its body.
struct Requested<'a> {
    shared: &'a Arc<Shared>,
    principal: &'a Principal,
    headers: &'a HeaderMap,
    wait: Wait,
}

/// Starts a restore of all entities of a backup, or of those in the body. A restore needs the role `admin`, a dry run the
/// role `operator`.
#[utoipa::path(
    post, path = "/api/backup/restore/{backup}", tag = "restore", operation_id = "restore",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name (its newest backup)"), WaitParameters),
    request_body = RestoreBody,
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
    let requested = Requested { shared: &shared, principal: &principal, headers: &headers, wait };
    let order = body.order()?;
    let manifest = backups::find(&shared.koan, &backup, order.profile.as_deref()).await?;
    requested.start(order, manifest).await
}

/// Starts a check of whether a restore would succeed. It writes nothing.
#[utoipa::path(
    post, path = "/api/backup/restore/{backup}/test", tag = "restore", operation_id = "testRestore",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name (its newest backup)"), WaitParameters),
    request_body = RestoreBody,
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
    let order = body.order()?;
    let manifest = backups::find(&shared.koan, &backup, order.profile.as_deref()).await?;
    let (koan, id) = (shared.koan.clone(), manifest.id);
    Start::new(&shared, &principal, OperationKind::Viability, &headers, wait, &(id, &order))?
        .describe(|operation| operation.backup_name(manifest.name.to_string()).backup_id(id))
        .run(move |context| {
            Box::pin(async move {
                let check = order.builder(&koan, id).cancel_on(context.cancel_token());
                Ok(WorkResult::completed(value(&check.viability().await?)?))
            })
        })
        .await
}

/// Starts a restore of the entity from a backup. Without `overwriteExisting`, existing records are kept.
#[utoipa::path(
    post, path = "/backup/{entity}/{at}/restore", tag = "restore", operation_id = "restoreEntity",
    params(
        ("entity" = String, Path, description = "The name of the entity or of its table"),
        ("at" = String, Path, description = "An id, its last eight digits, `latest`, or a time such as 2025-10-02T15-30-45Z"),
        WaitParameters,
    ),
    request_body = EntityRestoreBody,
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
    let requested = Requested { shared: &shared, principal: &principal, headers: &headers, wait };
    let order = body.order(&entity.name);
    let profile = order.profile.as_deref();
    let manifest = backups::find_of_entity(&shared.koan, &entity.name, &backup, profile).await?;
    requested.start(order, manifest).await
}

/// Starts a restore of the entity from a backup.
#[utoipa::path(
    post, path = "/api/{entity}/restore/{backup}", tag = "restore", operation_id = "restoreOneEntity",
    params(
        ("entity" = String, Path, description = "The name of the entity or of its table"),
        ("backup" = String, Path, description = "An id, its last eight digits, or a name (its newest backup)"),
        WaitParameters,
    ),
    request_body = RestoreBody,
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
    let requested = Requested { shared: &shared, principal: &principal, headers: &headers, wait };
    let order = body.order()?.only(&entity.name)?;
    let manifest = backups::find(&shared.koan, &backup, order.profile.as_deref()).await?;
    requested.start(order, manifest).await
}

impl Requested<'_> {
    /// Starts the operation of a restore or of a dry run.
    async fn start(self, order: RestoreOrder, manifest: Manifest) -> Result<Response, Problem> {
        if !order.dry_run {
            self.principal.require(crate::access::Role::Admin)?;
        }
        let (koan, id) = (self.shared.koan.clone(), manifest.id);
        let contained = manifest.entities.iter().map(|stored| stored.entity.as_str());
        let selected =
            contained.filter(|name| order.entities.is_empty() || order.entities.iter().any(|e| e == name));
        let capabilities = koan.capabilities();
        let targets = capabilities.providers_of(selected);
        let names: Vec<_> = targets.iter().map(|target| target.target_name().to_owned()).collect();
        check_confirmation(&order, &names)?;
        let providers: Vec<_> = targets.iter().map(|target| target.name.clone()).collect();
        let start = Start::new(
            self.shared,
            self.principal,
            OperationKind::Restore,
            self.headers,
            self.wait,
            &(id, &order),
        )?;
        start
            .describe(|operation| {
                operation.backup_name(manifest.name.to_string()).backup_id(id).providers(providers)
            })
            .run(move |context| {
                Box::pin(async move {
                    let restore = order.builder(&koan, id);
                    let restore = restore.cancel_on(context.cancel_token()).on_event(context.listener());
                    let report = restore.await?;
                    let result = value(&report)?;
                    Ok(match report.findings.is_empty() {
                        true => WorkResult::completed(result),
                        false => WorkResult::completed_with_warnings(result),
                    })
                })
            })
            .await
    }
}

/// Requires the names of the databases in which a restore deletes records.
fn check_confirmation(order: &RestoreOrder, targets: &[String]) -> Result<(), Problem> {
    if !order.replace_existing || order.dry_run {
        return Ok(());
    }
    let mut expected: Vec<_> = targets.iter().map(String::as_str).collect();
    let mut confirmed: Vec<_> =
        order.confirm.as_deref().unwrap_or_default().split(',').map(str::trim).collect();
    expected.sort_unstable();
    confirmed.sort_unstable();
    if expected == confirmed {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::Invalid,
        "`confirm` must be the name of the database, because `replaceExisting` deletes records there",
    )
    .with_help(format!("the databases are: {}; separate several names by commas", targets.join(", "))))
}
