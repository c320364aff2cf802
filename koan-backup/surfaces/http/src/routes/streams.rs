//! Single backups of event streams.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use axum::response::Response;

use super::start::start;
use crate::access::extractor::{Admin, Operator, Viewer};
use crate::access::{Principal, Role};
use crate::orders::{
    Confirmation, StreamBackupOrder, StreamBackupsOrder, StreamCleanupOrder, StreamRestoreOrder,
    StreamVerifyOrder,
};
use crate::problem::{Problem, ProblemDocument};
use crate::requests::backup::selected;
use crate::requests::profile::ProfileParameter;
use crate::requests::streams::{
    ObjectPath, StreamBackupBody, StreamBackupPath, StreamBackupsBody, StreamCleanupBody, StreamCloneBody,
    StreamListParameters, StreamPageParameters, StreamPath, StreamRestoreBody,
};
use crate::requests::wait::{Wait, WaitParameters};
use crate::requests::{JsonBody, QueryParameters};
use crate::responses::{OperationDocument, StreamBackupItem, StreamBackupList, StreamTypes};
use crate::routes::storage::ProfileBody;
use crate::state::{AppState, Shared};
use crate::streams;

/// Lists the declared object names, with what their event stores can contain.
#[utoipa::path(
    get, path = "/api/streams", tag = "streams", operation_id = "listStreams",
    responses((status = 200, description = "The object names", body = StreamTypes))
)]
pub(super) async fn types(_: Viewer, State(shared): AppState) -> Json<StreamTypes> {
    Json(StreamTypes::new(shared.koan.capabilities()))
}

/// Starts single backups of all aggregates with an object name, or of those in the body. Each backup is independent of the
/// others; the result lists those that were made and those that failed.
#[utoipa::path(
    post, path = "/api/streams/{object}/backup", tag = "streams", operation_id = "backupStreams",
    params(("object" = String, Path, description = "The object name"), WaitParameters),
    request_body = Option<StreamBackupsBody>,
    responses(
        (status = 202, description = "The backups were accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such object name or profile", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn back_up_many(
    Operator(principal): Operator,
    State(shared): AppState,
    ObjectPath(object): ObjectPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<StreamBackupsBody>,
) -> Result<Response, Problem> {
    let (bulk, settings) = body.settings()?;
    start(&shared, &principal, &headers, wait, StreamBackupsOrder { object, bulk, settings }).await
}

/// Starts a single backup of one aggregate.
#[utoipa::path(
    post, path = "/api/streams/{object}/{id}/backup", tag = "streams", operation_id = "backupStream",
    params(
        ("object" = String, Path, description = "The object name"),
        ("id" = String, Path, description = "The object id"),
        WaitParameters,
    ),
    request_body = Option<StreamBackupBody>,
    responses(
        (status = 202, description = "The backup was accepted", body = OperationDocument),
        (status = 200, description = "The backup, if the client waits for it", body = Object),
        (status = 404, description = "There is no such object name, aggregate or profile", body = ProblemDocument),
        (status = 422, description = "The body is not valid, or the event store does not have a required part", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn back_up(
    Operator(principal): Operator,
    State(shared): AppState,
    StreamPath { object, id }: StreamPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<StreamBackupBody>,
) -> Result<Response, Problem> {
    let order = StreamBackupOrder { object, id, settings: body.settings()? };
    start(&shared, &principal, &headers, wait, order).await
}

/// Starts the restore of an aggregate from a single backup.
#[utoipa::path(
    post, path = "/api/streams/{object}/{id}/restore/{backup}", tag = "streams", operation_id = "restoreStream",
    params(
        ("object" = String, Path, description = "The object name"),
        ("id" = String, Path, description = "The object id"),
        ("backup" = String, Path, description = "The complete id of a single backup of this aggregate"),
        WaitParameters,
    ),
    request_body = Option<StreamRestoreBody>,
    responses(
        (status = 202, description = "The restore was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such object name, backup or profile", body = ProblemDocument),
        (status = 409, description = "The aggregate exists, the backup is of another aggregate, or it cannot be restored", body = ProblemDocument),
        (status = 422, description = "The body is not valid, or the confirmation is missing", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn restore(
    Admin(principal): Admin,
    State(shared): AppState,
    StreamPath { object, id }: StreamPath,
    StreamBackupPath(backup): StreamBackupPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<StreamRestoreBody>,
) -> Result<Response, Problem> {
    let order = StreamRestoreOrder {
        object,
        id,
        backup,
        clone_as: None,
        settings: body.settings()?,
        confirmation: Confirmation::OfDeletions,
    };
    start(&shared, &principal, &headers, wait, order).await
}

/// Starts the restore of a clone: the aggregate of a single backup gets another object id, and the source is not changed.
#[utoipa::path(
    post, path = "/api/streams/{object}/{id}/clone/{backup}", tag = "streams", operation_id = "cloneStream",
    params(
        ("object" = String, Path, description = "The object name"),
        ("id" = String, Path, description = "The object id of the source"),
        ("backup" = String, Path, description = "The complete id of a single backup of the source"),
        WaitParameters,
    ),
    request_body = StreamCloneBody,
    responses(
        (status = 202, description = "The clone was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such object name, backup or profile", body = ProblemDocument),
        (status = 409, description = "An aggregate with the object id of the clone exists, the backup is of another aggregate, or it cannot be restored", body = ProblemDocument),
        (status = 422, description = "The body is not valid, or the confirmation is missing", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn clone(
    Admin(principal): Admin,
    State(shared): AppState,
    StreamPath { object, id }: StreamPath,
    StreamBackupPath(backup): StreamBackupPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<StreamCloneBody>,
) -> Result<Response, Problem> {
    let (target, settings) = body.settings()?;
    let order = StreamRestoreOrder {
        object,
        id,
        backup,
        clone_as: Some(target),
        settings,
        confirmation: Confirmation::OfDeletions,
    };
    start(&shared, &principal, &headers, wait, order).await
}

/// Lists the single backups of one aggregate, newest first, in pages.
#[utoipa::path(
    get, path = "/api/streams/{object}/{id}/backups", tag = "streams", operation_id = "listBackupsOfStream",
    params(
        ("object" = String, Path, description = "The object name"),
        ("id" = String, Path, description = "The object id"),
        StreamPageParameters,
    ),
    responses(
        (status = 200, description = "One page of the list", body = StreamBackupList),
        (status = 404, description = "There is no such object name or profile, or neither the aggregate nor a backup of it exists", body = ProblemDocument),
        (status = 422, description = "A parameter is not valid", body = ProblemDocument),
    )
)]
pub(super) async fn list_of(
    Viewer(principal): Viewer,
    State(shared): AppState,
    path: StreamPath,
    QueryParameters(parameters): QueryParameters<StreamPageParameters>,
) -> Result<Json<StreamBackupList>, Problem> {
    let of = streams::of(&shared, &path.object)?;
    let list = page(&shared, &principal, &parameters.of(path.clone())).await?;
    // Whether a stream exists says whether a guessed id is right.
    let may_know = principal.role() >= Role::Operator || streams::shows_ids(&shared, &path.object);
    if list.is_empty() && may_know {
        streams::require_existing(&of, &path.id).await?;
    }
    Ok(Json(list))
}

/// Lists the single backups in all storage profiles, newest first, in pages.
#[utoipa::path(
    get, path = "/api/stream-backups", tag = "streams", operation_id = "listStreamBackups", params(StreamListParameters),
    responses(
        (status = 200, description = "One page of the list", body = StreamBackupList),
        (status = 404, description = "There is no such profile", body = ProblemDocument),
        (status = 422, description = "A parameter is not valid", body = ProblemDocument),
    )
)]
pub(super) async fn list(
    Viewer(principal): Viewer,
    State(shared): AppState,
    QueryParameters(parameters): QueryParameters<StreamListParameters>,
) -> Result<Json<StreamBackupList>, Problem> {
    page(&shared, &principal, &parameters).await.map(Json)
}

async fn page(
    shared: &Shared,
    principal: &Principal,
    parameters: &StreamListParameters,
) -> Result<StreamBackupList, Problem> {
    let page = parameters.page()?;
    let query = streams::query_for(&shared.koan, principal.role());
    let found = parameters.apply(query)?.await?;
    Ok(StreamBackupList::new(page, found, principal.role()))
}

/// Returns the description of a single backup.
#[utoipa::path(
    get, path = "/api/stream-backups/{backup}", tag = "streams", operation_id = "readStreamBackup",
    params(("backup" = String, Path, description = "The complete id"), ProfileParameter),
    responses(
        (status = 200, description = "The backup", body = StreamBackupItem),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "The `.meta` of the backup is damaged", body = ProblemDocument),
        (status = 422, description = "The path does not contain an id", body = ProblemDocument),
    )
)]
pub(super) async fn read(
    Viewer(principal): Viewer,
    State(shared): AppState,
    StreamBackupPath(backup): StreamBackupPath,
    QueryParameters(parameters): QueryParameters<ProfileParameter>,
) -> Result<Json<StreamBackupItem>, Problem> {
    let handle = streams::find(&shared, backup, parameters.storage_profile.as_deref()).await?;
    Ok(Json(StreamBackupItem::new(handle, principal.role())))
}

/// Starts the verification of a single backup.
#[utoipa::path(
    post, path = "/api/stream-backups/{backup}/verify", tag = "streams", operation_id = "verifyStreamBackup",
    params(("backup" = String, Path, description = "The complete id"), WaitParameters),
    request_body = Option<ProfileBody>,
    responses(
        (status = 202, description = "The verification was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "The backup is damaged", body = ProblemDocument),
        (status = 422, description = "The body is not valid, or the path does not contain an id", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn verify(
    Operator(principal): Operator,
    State(shared): AppState,
    StreamBackupPath(backup): StreamBackupPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<ProfileBody>,
) -> Result<Response, Problem> {
    let order = StreamVerifyOrder { backup, profile: body.storage_profile };
    start(&shared, &principal, &headers, wait, order).await
}

/// Deletes a single backup, or finishes a deletion that left its content.
#[utoipa::path(
    delete, path = "/api/stream-backups/{backup}", tag = "streams", operation_id = "deleteStreamBackup",
    params(("backup" = String, Path, description = "The complete id"), ProfileParameter),
    responses(
        (status = 204, description = "The backup has been removed"),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "The backup is being restored", body = ProblemDocument),
        (status = 422, description = "The path does not contain an id", body = ProblemDocument),
    )
)]
pub(super) async fn delete(
    _: Admin,
    State(shared): AppState,
    StreamBackupPath(backup): StreamBackupPath,
    QueryParameters(parameters): QueryParameters<ProfileParameter>,
) -> Result<StatusCode, Problem> {
    streams::delete(&shared, backup, parameters.storage_profile.as_deref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Starts the removal of the expired single backups. The only backup of a stream that exists is kept.
#[utoipa::path(
    post, path = "/api/stream-backups/cleanup", tag = "streams", operation_id = "cleanUpStreamBackups",
    params(WaitParameters), request_body = Option<StreamCleanupBody>,
    responses(
        (status = 202, description = "The removal was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such profile", body = ProblemDocument),
        (status = 422, description = "The body is not valid, or the confirmation is missing", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn clean_up(
    Admin(principal): Admin,
    State(shared): AppState,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<StreamCleanupBody>,
) -> Result<Response, Problem> {
    let order = StreamCleanupOrder {
        profiles: selected("storageProfiles", body.storage_profiles)?,
        including_last: body.including_last.unwrap_or_default(),
        confirm: body.confirm,
    };
    start(&shared, &principal, &headers, wait, order).await
}
