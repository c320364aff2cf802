//! Verifications, copies, rewrites for other recipients, recovery and maintenance.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::Deserialize;
use utoipa::ToSchema;

use super::start::start;
use crate::access::extractor::{Admin, Operator};
use crate::orders::{CopyOrder, MaintenanceOrder, RecoverOrder, RekeyOrder, VerifyOrder};
use crate::problem::{Problem, ProblemDocument};
use crate::requests::backup::selected;
use crate::requests::wait::{Wait, WaitParameters};
use crate::requests::{BackupPath, JsonBody};
use crate::responses::OperationDocument;
use crate::state::AppState;

/// The body of a verification. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VerifyBody {
    /// The name of the storage profile. Without this field, the default profile is used.
    storage_profile: Option<String>,
    /// The names of the entities. Without this field, the whole backup is verified.
    #[schema(min_items = 1)]
    entity_types: Option<Vec<String>>,
    /// The percentage of the blocks of each entity that is verified. Without this field, all blocks are.
    #[schema(minimum = 1, maximum = 100)]
    sample_percent: Option<u8>,
}

/// The body of a copy.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CopyBody {
    /// The name of the storage profile that receives the copy.
    to_profile: String,
    /// The name of the storage profile of the backup. Without this field, the default profile is used.
    from_profile: Option<String>,
}

/// The body of a request about a backup in a storage profile. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProfileBody {
    /// The name of the storage profile. Without this field, the default profile is used.
    pub(super) storage_profile: Option<String>,
}

/// The body of a recovery. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RecoverBody {
    /// The names of the storage profiles. Without this field, all profiles are examined.
    #[schema(min_items = 1)]
    storage_profiles: Option<Vec<String>>,
}

/// The body of a maintenance run. Every field is optional.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MaintenanceBody {
    /// The names of the storage profiles. Without this field, all profiles are maintained.
    #[schema(min_items = 1)]
    storage_profiles: Option<Vec<String>>,
    /// Whether backups are removed as the retention policy of the application requires. It needs the role `admin`.
    retention: Option<bool>,
    /// Whether one backup of each profile is verified. It is, unless this field is `false`.
    verification: Option<bool>,
}

/// Starts the verification of a backup.
#[utoipa::path(
    post, path = "/api/backup/verify/{backup}", tag = "backups", operation_id = "verify",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name (its newest backup)"), WaitParameters),
    request_body = Option<VerifyBody>,
    responses(
        (status = 202, description = "The verification was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it; the backup is valid if it has no `issues`", body = Object),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "The backup is damaged, or a key is missing", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn verify(
    Operator(principal): Operator,
    State(shared): AppState,
    backup: BackupPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<VerifyBody>,
) -> Result<Response, Problem> {
    let order = VerifyOrder {
        backup,
        profile: body.storage_profile,
        entities: selected("entityTypes", body.entity_types)?,
        sample_percent: body.sample_percent,
    };
    start(&shared, &principal, &headers, wait, order).await
}

/// Starts a copy of a backup into another storage profile.
#[utoipa::path(
    post, path = "/api/backup/copy/{backup}", tag = "storage", operation_id = "copy",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name (its newest completed backup)"), WaitParameters),
    request_body = CopyBody,
    responses(
        (status = 202, description = "The copy was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn copy(
    Operator(principal): Operator,
    State(shared): AppState,
    backup: BackupPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<CopyBody>,
) -> Result<Response, Problem> {
    let order = CopyOrder { backup, from_profile: body.from_profile, to_profile: body.to_profile };
    start(&shared, &principal, &headers, wait, order).await
}

/// Starts to rewrite a backup for the recipients of the application.
#[utoipa::path(
    post, path = "/api/backup/rekey/{backup}", tag = "storage", operation_id = "rekey",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name (its newest backup)"), WaitParameters),
    request_body = Option<ProfileBody>,
    responses(
        (status = 202, description = "The work was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such backup or profile", body = ProblemDocument),
        (status = 409, description = "A key is missing, or the backup is in use", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn rekey(
    Admin(principal): Admin,
    State(shared): AppState,
    backup: BackupPath,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<ProfileBody>,
) -> Result<Response, Problem> {
    let order = RekeyOrder { backup, profile: body.storage_profile };
    start(&shared, &principal, &headers, wait, order).await
}

/// Starts a recovery: unlisted archives are verified, and their manifests are published again.
#[utoipa::path(
    post, path = "/api/backup/recover", tag = "storage", operation_id = "recover",
    params(WaitParameters), request_body = Option<RecoverBody>,
    responses(
        (status = 202, description = "The recovery was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such profile", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn recover(
    Admin(principal): Admin,
    State(shared): AppState,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<RecoverBody>,
) -> Result<Response, Problem> {
    let order = RecoverOrder { profiles: selected("storageProfiles", body.storage_profiles)? };
    start(&shared, &principal, &headers, wait, order).await
}

/// Starts one maintenance run.
#[utoipa::path(
    post, path = "/api/backup/maintenance", tag = "storage", operation_id = "maintain",
    params(WaitParameters), request_body = Option<MaintenanceBody>,
    responses(
        (status = 202, description = "The maintenance was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such profile", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn maintenance(
    Operator(principal): Operator,
    State(shared): AppState,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<MaintenanceBody>,
) -> Result<Response, Problem> {
    let order = MaintenanceOrder {
        profiles: selected("storageProfiles", body.storage_profiles)?,
        retention: body.retention.unwrap_or_default(),
        verification: body.verification.unwrap_or(true),
    };
    start(&shared, &principal, &headers, wait, order).await
}
