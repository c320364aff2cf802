//! Coverage, statistics, health and comparisons.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use koan_backup_core::Inventory;
use koan_backup_core::catalog::CatalogHealth;
use koan_backup_core::catalog::SizeDrop;
use koan_backup_core::report::BackupDiff;
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};

use crate::access::cross_site::same_site_get;
use crate::access::extractor::{Admin, Operator, Viewer};
use crate::backups::{self, Accepted};
use crate::comparisons::Comparison;
use crate::problem::{Problem, ProblemDocument};
use crate::requests::{BackupPath, JsonBody, PathParameters, QueryParameters, check_reason};
use crate::responses::StatisticsDocument;
use crate::state::AppState;

/// The query parameters of a comparison.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct DiffParameters {
    /// The name of the storage profile of the first backup.
    before_profile: Option<String>,
    /// The name of the storage profile of the second backup.
    after_profile: Option<String>,
    /// Only this entity; the parameter can be repeated.
    #[serde(default)]
    entity_types: Vec<String>,
}

/// The body of an acknowledgement.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct AcknowledgeBody {
    /// Why the records are not needed.
    #[schema(min_length = 1, max_length = 1000)]
    reason: String,
}

/// Returns the inventory: which entities, tables and columns are covered, excluded or uncovered.
#[utoipa::path(
    get, path = "/api/backup/inventory", tag = "coverage", operation_id = "inventory",
    responses((status = 200, description = "The inventory", body = Object))
)]
pub(super) async fn inventory(_: Viewer, State(shared): AppState) -> Json<Inventory> {
    Json(Inventory::clone(&shared.koan.inventory()))
}

/// Describes the databases again, and returns the new inventory. It contains, for example, a table that was created
/// after the start. It changes nothing that is stored; the role is that of an operator, because it reads the databases.
#[utoipa::path(
    post, path = "/api/backup/inventory/refresh", tag = "coverage", operation_id = "refreshInventory",
    responses(
        (status = 200, description = "The new inventory", body = Object),
        (status = 502, description = "A database cannot be read; the inventory is unchanged", body = ProblemDocument),
    )
)]
pub(super) async fn refresh_inventory(
    _: Operator,
    State(shared): AppState,
) -> Result<Json<Inventory>, Problem> {
    Ok(Json(Inventory::clone(&*shared.koan.refresh_inventory().await?)))
}

/// Returns counts and sizes of the backups in all storage profiles.
#[utoipa::path(
    get, path = "/api/backup/statistics", tag = "backups", operation_id = "statistics",
    responses((status = 200, description = "The statistics", body = StatisticsDocument))
)]
pub(super) async fn statistics(
    _: Viewer,
    State(shared): AppState,
) -> Result<Json<StatisticsDocument>, Problem> {
    let catalog = shared.koan.catalog();
    let statistics = catalog.statistics().await?;
    let healthy = catalog.own().healthy().take(0).await?.total;
    Ok(Json(StatisticsDocument::new(&statistics, healthy)))
}

/// Compares the backups with what is expected of them. The response has the status 200 also if there are problems.
#[utoipa::path(
    get, path = "/api/backup/health", tag = "backups", operation_id = "health",
    responses((status = 200, description = "The health of the backups; `problems` is empty if there are none", body = Object))
)]
pub(super) async fn health(_: Viewer, State(shared): AppState) -> Result<Json<CatalogHealth>, Problem> {
    Ok(Json(shared.koan.catalog().health(shared.koan.expectations()).await?))
}

/// Compares two backups: which records were added, removed or changed. Records of encrypted entities need the keys.
#[utoipa::path(
    get, path = "/api/backup/diff/{before}/{after}", tag = "backups", operation_id = "diff",
    params(
        ("before" = String, Path, description = "An id, its last eight digits, or a name"),
        ("after" = String, Path, description = "An id, its last eight digits, or a name"),
        DiffParameters,
    ),
    responses(
        (status = 200, description = "The counts of the differences of each entity", body = Object),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "A key is missing, or an archive cannot be read", body = ProblemDocument),
        (status = 422, description = "A parameter is not valid", body = ProblemDocument),
        (status = 429, description = "Too many comparisons run", body = ProblemDocument),
    )
)]
pub(super) async fn diff(
    _: Viewer,
    State(shared): AppState,
    path: PathParameters,
    headers: HeaderMap,
    QueryParameters(parameters): QueryParameters<DiffParameters>,
) -> Result<Json<BackupDiff>, Problem> {
    // It reads two archives, so that a page of another site cannot ask a browser for it.
    same_site_get(&headers)?;
    let comparison = Comparison {
        before: path.get("before")?,
        before_profile: parameters.before_profile.as_deref(),
        after: path.get("after")?,
        after_profile: parameters.after_profile.as_deref(),
        entities: &parameters.entity_types,
    };
    Ok(Json(comparison.run(&shared).await?))
}

/// Accepts that entities have fewer records in a backup than in the previous one.
#[utoipa::path(
    post, path = "/api/backup/acknowledge/{backup}", tag = "backups", operation_id = "acknowledge",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name")),
    request_body = AcknowledgeBody,
    responses(
        (status = 200, description = "The acknowledged losses", body = Vec<Object>),
        (status = 404, description = "There is no such backup, or it has no loss", body = ProblemDocument),
        (status = 422, description = "The reason is missing", body = ProblemDocument),
    )
)]
pub(super) async fn acknowledge(
    _: Admin,
    State(shared): AppState,
    backup: BackupPath,
    JsonBody(body): JsonBody<AcknowledgeBody>,
) -> Result<Json<Vec<SizeDrop>>, Problem> {
    check_reason(&body.reason)?;
    let id = backups::find(&shared.koan, &backup, None, Accepted::Any, &[]).await?.id;
    Ok(Json(shared.koan.catalog().acknowledge(id, &body.reason).await?))
}
