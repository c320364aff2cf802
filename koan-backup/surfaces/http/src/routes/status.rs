//! What runs now, and the last backup of each name.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use koan_backup_core::archive::BackupStatus;
use serde::Serialize;
use utoipa::ToSchema;

use crate::access::Role;
use crate::access::extractor::Viewer;
use crate::problem::Problem;
use crate::responses::OperationDocument;
use crate::series::{self, Series};
use crate::state::AppState;

/// What runs now, and the state of each series of backups.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct StatusDocument {
    /// The name and the role of the caller.
    caller: CallerDocument,
    /// The operations that have not ended, newest first.
    operations: Vec<OperationDocument>,
    /// The series by name.
    names: BTreeMap<String, NameStatus>,
    /// The problems of the backups; empty if everything is as expected.
    problems: Vec<String>,
    /// The problems of the server: a file of tokens that cannot be used, or an audit log that cannot be written.
    server_problems: Vec<String>,
}

/// The caller of a request.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct CallerDocument {
    /// The name, as in the file of tokens or from the application.
    name: String,
    /// The role.
    role: Role,
}

/// The state of one series of backups.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct NameStatus {
    /// The id of the newest backup.
    last_backup_id: String,
    /// When the newest backup started.
    last_backup_at: Timestamp,
    /// How the newest backup ended.
    #[schema(value_type = String)]
    status: BackupStatus,
    /// When the newest complete backup started that is not known to be damaged.
    last_success_at: Option<Timestamp>,
    /// When a verification last found a backup of the series to be valid.
    last_verified_at: Option<Timestamp>,
    /// Whether the newest backup was completed without a warning and has no known damage.
    healthy: bool,
}

impl NameStatus {
    fn new(series: &Series) -> Self {
        let newest = series.newest();
        let manifest = newest.manifest();
        Self {
            last_backup_id: manifest.id.to_string(),
            last_backup_at: manifest.created_at,
            status: manifest.status,
            last_success_at: series.last_good.as_ref().map(|entry| entry.manifest().created_at),
            last_verified_at: series.last_verified_at,
            healthy: newest.is_healthy(),
        }
    }
}

/// Returns the operations that have not ended, and the last backup, verification and health of each series.
#[utoipa::path(
    get, path = "/api/backup/status", tag = "backups", operation_id = "status",
    responses((status = 200, description = "The status", body = StatusDocument))
)]
pub(super) async fn status(
    Viewer(caller): Viewer,
    State(shared): AppState,
) -> Result<Json<StatusDocument>, Problem> {
    let (all, _) = series::own(&shared.koan).await?;
    let names = all.into_iter().map(|(name, series)| (name, NameStatus::new(&series))).collect();
    let health = shared.koan.catalog().health(shared.koan.expectations()).await?;
    let unfinished = shared.operations.unfinished().await?;
    Ok(Json(StatusDocument {
        caller: CallerDocument { name: caller.name().to_owned(), role: caller.role() },
        operations: unfinished
            .iter()
            .map(|operation| OperationDocument::new(operation, &shared.links))
            .collect(),
        names,
        problems: health.problems,
        server_problems: shared.access.problems(),
    }))
}
