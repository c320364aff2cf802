//! The backups of one entity.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::Value;

use crate::access::extractor::{Admin, Viewer};
use crate::backups;
use crate::problem::{Problem, ProblemDocument, ProblemKind};
use crate::requests::list::ListParameters;
use crate::requests::profile::{DeleteParameters, ProfileParameter};
use crate::requests::{BackupPath, EntityPath, QueryParameters};
use crate::responses::{BackupPage, manifest_document};
use crate::state::{AppState, Shared};

/// Returns one page of the backups, of all entities or of one.
pub(super) async fn page(
    shared: &Shared,
    parameters: &ListParameters,
    entity: Option<&str>,
) -> Result<BackupPage, Problem> {
    let page = parameters.page()?;
    let catalog = shared.koan.catalog();
    let mut query = parameters.apply(catalog.query())?;
    if let Some(entity) = entity {
        query = query.containing(entity);
    }
    let found = query.await?;
    let verified = catalog.verifications_of(&found.entries).await?;
    let unreadable = found
        .unreadable
        .iter()
        .map(|(profile, backup)| (backup.id.to_string(), profile.clone(), backup.problem.clone()));
    Ok(BackupPage::new(page, &found, &verified, unreadable))
}

/// Lists the backups that contain the entity, newest first, in pages.
#[utoipa::path(
    get, path = "/backup/{entity}", tag = "entities", operation_id = "listEntityBackups",
    params(("entity" = String, Path, description = "The name of the entity or of its table"), ListParameters),
    responses(
        (status = 200, description = "One page of the list", body = BackupPage),
        (status = 404, description = "There is no such entity", body = ProblemDocument),
        (status = 422, description = "A parameter is not valid", body = ProblemDocument),
    )
)]
pub(super) async fn list(
    _: Viewer,
    State(shared): AppState,
    EntityPath(entity): EntityPath,
    QueryParameters(parameters): QueryParameters<ListParameters>,
) -> Result<Json<BackupPage>, Problem> {
    page(&shared, &parameters, Some(&entity.name)).await.map(Json)
}

/// Lists the backups that contain the entity, newest first, in pages.
#[utoipa::path(
    get, path = "/api/{entity}/backups", tag = "entities", operation_id = "listBackupsOfEntity",
    params(("entity" = String, Path, description = "The name of the entity or of its table"), ListParameters),
    responses(
        (status = 200, description = "One page of the list", body = BackupPage),
        (status = 404, description = "There is no such entity", body = ProblemDocument),
        (status = 422, description = "A parameter is not valid", body = ProblemDocument),
    )
)]
pub(super) async fn api_list(
    _: Viewer,
    State(shared): AppState,
    EntityPath(entity): EntityPath,
    QueryParameters(parameters): QueryParameters<ListParameters>,
) -> Result<Json<BackupPage>, Problem> {
    page(&shared, &parameters, Some(&entity.name)).await.map(Json)
}

/// Returns the manifest of a backup of the entity, which is given by its id, the last eight digits of its id, `latest`, or
/// the second in which it started.
#[utoipa::path(
    get, path = "/backup/{entity}/{at}/info", tag = "entities", operation_id = "readEntityManifest",
    params(
        ("entity" = String, Path, description = "The name of the entity or of its table"),
        ("at" = String, Path, description = "An id, its last eight digits, `latest`, or a time such as 2025-10-02T15-30-45Z"),
        ProfileParameter,
    ),
    responses(
        (status = 200, description = "The manifest", body = Object),
        (status = 404, description = "There is no such entity, backup or profile", body = ProblemDocument),
        (status = 409, description = "Several backups started in this second", body = ProblemDocument),
    )
)]
pub(super) async fn info(
    _: Viewer,
    State(shared): AppState,
    EntityPath(entity): EntityPath,
    backup: BackupPath,
    QueryParameters(parameters): QueryParameters<ProfileParameter>,
) -> Result<Json<Value>, Problem> {
    let profile = parameters.storage_profile.as_deref();
    let manifest = backups::find_of_entity(&shared.koan, &entity.name, &backup, profile).await?;
    let profile = profile.map_or_else(|| backups::default_profile(&shared.koan), str::to_owned);
    manifest_document(&shared, &manifest, &profile).await.map(Json)
}

/// Deletes a backup with its archive, if it contains no other entity.
#[utoipa::path(
    delete, path = "/backup/{entity}/{at}", tag = "entities", operation_id = "deleteEntityBackup",
    params(
        ("entity" = String, Path, description = "The name of the entity or of its table"),
        ("at" = String, Path, description = "The complete id"),
        DeleteParameters,
    ),
    responses(
        (status = 204, description = "The backup and its archive have been removed"),
        (status = 404, description = "There is no such entity, backup or profile", body = ProblemDocument),
        (status = 409, description = "The backup contains other entities, which are listed, or it is protected", body = ProblemDocument),
        (status = 422, description = "The path does not contain an id", body = ProblemDocument),
    )
)]
pub(super) async fn delete(
    _: Admin,
    State(shared): AppState,
    EntityPath(entity): EntityPath,
    backup: BackupPath,
    QueryParameters(parameters): QueryParameters<DeleteParameters>,
) -> Result<StatusCode, Problem> {
    let id = backup.id()?;
    let profile = parameters.storage_profile.as_deref();
    let manifest = backups::find_of_entity(&shared.koan, &entity.name, &backup, profile).await?;
    let mut others: Vec<_> =
        manifest.entities.iter().map(|stored| shared.koan.current_entity_name(&stored.entity)).collect();
    others.retain(|name| *name != entity.name);
    others.sort_unstable();
    others.dedup();
    if !others.is_empty() {
        let text = format!(
            "backup {id} contains other entities than `{}`, which would be deleted as well",
            entity.name
        );
        return Err(Problem::new(ProblemKind::Conflict, text)
            .with_help(format!(
                "delete the backup with all its entities by `DELETE {}`",
                shared.links.to(&format!("/api/backup/manifests/{id}"))
            ))
            .with_others(others));
    }
    let mut delete = shared.koan.delete(id);
    if let Some(profile) = profile {
        delete = delete.from_profile(profile);
    }
    if parameters.even_if_last == Some(true) {
        delete = delete.even_if_last();
    }
    delete.await?;
    Ok(StatusCode::NO_CONTENT)
}
