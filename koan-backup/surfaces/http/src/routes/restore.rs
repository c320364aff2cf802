//! Restores and viability checks.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;

use super::start::{Begun, Start, value};
use crate::access::extractor::Operator;
use crate::access::{Principal, Role};
use crate::backups::{self, Accepted};
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
    backup: &'a BackupPath,
}

/// How the path of a request selects the backup.
#[derive(Clone, Copy)]
enum Selected<'a> {
    /// By `{backup}`.
    Backup,
    /// By `{at}`, among the backups of this entity.
    OfEntity(&'a str),
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
    let requested =
        Requested { shared: &shared, principal: &principal, headers: &headers, wait, backup: &backup };
    requested.start(body.order()?, Selected::Backup).await
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
    let request = (&backup.0, &order);
    let begun = Start::begin(&shared, &principal, OperationKind::Viability, &headers, wait, &request).await?;
    let start = match begun {
        Begun::New(start) => start,
        Begun::Repeated(response) => return Ok(response),
    };
    let profile = order.profile.as_deref();
    require_entities(&shared, &order)?;
    let manifest =
        backups::find(&shared.koan, &backup, profile, Accepted::Completed, &order.entities).await?;
    let (koan, id) = (shared.koan.clone(), manifest.id);
    start
        .describe(|operation| operation.backup_name(manifest.name.to_string()).backup_id(id))
        .run(move |context| {
            Box::pin(async move {
                let check = order.builder(&koan, id).cancel_on(context.cancel_token());
                let check = check.on_event(context.listener());
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
    let requested =
        Requested { shared: &shared, principal: &principal, headers: &headers, wait, backup: &backup };
    requested.start(body.order(&entity.name), Selected::OfEntity(&entity.name)).await
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
    let requested =
        Requested { shared: &shared, principal: &principal, headers: &headers, wait, backup: &backup };
    requested.start(body.order()?.only(&entity.name)?, Selected::Backup).await
}

impl Requested<'_> {
    /// Starts the operation of a restore or of a dry run.
    async fn start(self, order: RestoreOrder, selected: Selected<'_>) -> Result<Response, Problem> {
        let Self { shared, principal, headers, wait, backup } = self;
        if !order.dry_run {
            principal.require(Role::Admin)?;
        }
        let request = (&backup.0, &order);
        let start =
            match Start::begin(shared, principal, OperationKind::Restore, headers, wait, &request).await? {
                Begun::New(start) => start,
                Begun::Repeated(response) => return Ok(response),
            };
        require_entities(shared, &order)?;
        let (koan, profile) = (shared.koan.clone(), order.profile.as_deref());
        let manifest = match selected {
            Selected::Backup => {
                backups::find(&koan, backup, profile, Accepted::Completed, &order.entities).await?
            }
            Selected::OfEntity(entity) => backups::find_of_entity(&koan, entity, backup, profile).await?,
        };
        let id = manifest.id;
        let contained = manifest.entities.iter().map(|stored| koan.current_entity_name(&stored.entity));
        let selected: Vec<_> =
            contained.filter(|name| order.entities.is_empty() || order.entities.contains(name)).collect();
        let capabilities = koan.capabilities();
        let targets = capabilities.providers_of(selected.iter().map(String::as_str));
        check_confirmation(&order, targets.iter().map(|target| target.target_name()))?;
        let providers: Vec<_> = targets.iter().map(|target| target.name.clone()).collect();
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

/// Returns a problem if an entity of the request does not exist.
fn require_entities(shared: &Shared, order: &RestoreOrder) -> Result<(), Problem> {
    order.entities.iter().try_for_each(|entity| shared.entities.require(entity))
}

/// Requires the names of the databases in which a restore deletes records, separated by commas.
fn check_confirmation<'a>(
    order: &RestoreOrder,
    targets: impl Iterator<Item = &'a str>,
) -> Result<(), Problem> {
    if !order.replace_existing || order.dry_run {
        return Ok(());
    }
    let expected: BTreeSet<&str> = targets.collect();
    let names = expected.iter().copied().collect::<Vec<_>>().join(", ");
    let confirmed = order.confirm.as_deref().unwrap_or_default();
    let parts: BTreeSet<&str> = confirmed.split(',').map(str::trim).collect();
    // A name may contain a comma.
    if parts == expected || confirmed == names {
        return Ok(());
    }
    Err(Problem::new(
        ProblemKind::Invalid,
        "`confirm` must be the name of the database, because `replaceExisting` deletes records there",
    )
    .with_help(format!("the databases are: {names}; separate several names by commas")))
}
