//! Verifications, copies, rewrites for other recipients, recovery and maintenance.

use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::start::{Begun, Start, value};
use crate::access::Role;
use crate::access::extractor::{Admin, Operator};
use crate::backups::{self, Accepted};
use crate::operations::{OperationKind, WorkResult};
use crate::problem::{Problem, ProblemDocument, ProblemKind};
use crate::requests::backup::selected;
use crate::requests::wait::{Wait, WaitParameters};
use crate::requests::{BackupPath, JsonBody};
use crate::responses::OperationDocument;
use crate::state::AppState;

/// The body of a verification. Every field is optional.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct VerifyBody {
    /// The name of the storage profile. Without this field, the default profile is used.
    storage_profile: Option<String>,
    /// The names of the entities. Without this field, the whole backup is verified.
    entity_types: Option<Vec<String>>,
    /// The percentage of the blocks of each entity that is verified. Without this field, all blocks are.
    #[schema(minimum = 1, maximum = 100)]
    sample_percent: Option<u8>,
}

/// The body of a copy.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct CopyBody {
    /// The name of the storage profile that receives the copy.
    to_profile: String,
    /// The name of the storage profile of the backup. Without this field, the default profile is used.
    from_profile: Option<String>,
}

/// The body of a request about a backup in a storage profile. Every field is optional.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ProfileBody {
    /// The name of the storage profile. Without this field, the default profile is used.
    storage_profile: Option<String>,
}

/// The body of a recovery. Every field is optional.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct RecoverBody {
    /// The names of the storage profiles. Without this field, all profiles are examined.
    storage_profiles: Option<Vec<String>>,
}

/// The body of a maintenance run. Every field is optional.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct MaintenanceBody {
    /// The names of the storage profiles. Without this field, all profiles are maintained.
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
    request_body = VerifyBody,
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
    if body.sample_percent.is_some_and(|percent| !(1..=100).contains(&percent)) {
        return Err(Problem::new(ProblemKind::Invalid, "`samplePercent` must be a number from 1 to 100"));
    }
    let request = (&backup.0, &body);
    let begun = Start::begin(&shared, &principal, OperationKind::Verify, &headers, wait, &request).await?;
    let start = match begun {
        Begun::New(start) => start,
        Begun::Repeated(response) => return Ok(response),
    };
    let entities = selected("entityTypes", body.entity_types.clone())?;
    entities.iter().try_for_each(|entity| shared.entities.require(entity))?;
    let profile = body.storage_profile.as_deref();
    let manifest = backups::find(&shared.koan, &backup, profile, Accepted::WithArchive, &[]).await?;
    let (koan, id) = (shared.koan.clone(), manifest.id);
    start
        .describe(|operation| operation.backup_name(manifest.name.to_string()).backup_id(id))
        .run(move |context| {
            Box::pin(async move {
                let mut verify =
                    koan.verify(id).cancel_on(context.cancel_token()).on_event(context.listener());
                if let Some(profile) = &body.storage_profile {
                    verify = verify.from_profile(profile);
                }
                if !entities.is_empty() {
                    verify = verify.entities(&entities);
                }
                if let Some(percent) = body.sample_percent {
                    verify = verify.sample_percent(percent);
                }
                let report = verify.await?.require_valid()?;
                let result = value(&report)?;
                Ok(match report.undecrypted.is_empty() && report.notes.is_empty() {
                    true => WorkResult::completed(result),
                    false => WorkResult::completed_with_warnings(result),
                })
            })
        })
        .await
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
    let request = (&backup.0, &body);
    let begun = Start::begin(&shared, &principal, OperationKind::Copy, &headers, wait, &request).await?;
    let start = match begun {
        Begun::New(start) => start,
        Begun::Repeated(response) => return Ok(response),
    };
    super::backup::require_profile(&shared, &body.to_profile)?;
    let profile = body.from_profile.as_deref();
    let manifest = backups::find(&shared.koan, &backup, profile, Accepted::Completed, &[]).await?;
    let (koan, id) = (shared.koan.clone(), manifest.id);
    start
        .describe(|operation| operation.backup_name(manifest.name.to_string()).backup_id(id))
        .run(move |context| {
            Box::pin(async move {
                let mut copy = koan.copy(id).to_profile(&body.to_profile);
                if let Some(profile) = &body.from_profile {
                    copy = copy.from_profile(profile);
                }
                let report = copy.cancel_on(context.cancel_token()).on_event(context.listener()).await?;
                let result = value(&report)?;
                Ok(match report.warnings.is_empty() {
                    true => WorkResult::completed(result),
                    false => WorkResult::completed_with_warnings(result),
                })
            })
        })
        .await
}

/// Starts to rewrite a backup for the recipients of the application.
#[utoipa::path(
    post, path = "/api/backup/rekey/{backup}", tag = "storage", operation_id = "rekey",
    params(("backup" = String, Path, description = "An id, its last eight digits, or a name (its newest backup)"), WaitParameters),
    request_body = ProfileBody,
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
    let request = (&backup.0, &body);
    let begun = Start::begin(&shared, &principal, OperationKind::Rekey, &headers, wait, &request).await?;
    let start = match begun {
        Begun::New(start) => start,
        Begun::Repeated(response) => return Ok(response),
    };
    let profile = body.storage_profile.as_deref();
    let manifest = backups::find(&shared.koan, &backup, profile, Accepted::WithArchive, &[]).await?;
    let (koan, id) = (shared.koan.clone(), manifest.id);
    start
        .describe(|operation| operation.backup_name(manifest.name.to_string()).backup_id(id))
        .run(move |context| {
            Box::pin(async move {
                let mut rekey = koan.rekey(id);
                if let Some(profile) = &body.storage_profile {
                    rekey = rekey.from_profile(profile);
                }
                let report = rekey.cancel_on(context.cancel_token()).on_event(context.listener()).await?;
                let result = value(&report)?;
                Ok(match report.warnings.is_empty() {
                    true => WorkResult::completed(result),
                    false => WorkResult::completed_with_warnings(result),
                })
            })
        })
        .await
}

/// Starts a recovery: unlisted archives are verified, and their manifests are published again.
#[utoipa::path(
    post, path = "/api/backup/recover", tag = "storage", operation_id = "recover",
    params(WaitParameters), request_body = RecoverBody,
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
    let begun = Start::begin(&shared, &principal, OperationKind::Recover, &headers, wait, &body).await?;
    let start = match begun {
        Begun::New(start) => start,
        Begun::Repeated(response) => return Ok(response),
    };
    let profiles = selected("storageProfiles", body.storage_profiles.clone())?;
    for profile in &profiles {
        super::backup::require_profile(&shared, profile)?;
    }
    let koan = shared.koan.clone();
    start
        .run(move |context| {
            Box::pin(async move {
                let mut recover = koan.catalog().recover().cancel_on(context.cancel_token());
                if !profiles.is_empty() {
                    recover = recover.profiles(&profiles);
                }
                // An archive that could not be recovered is an error, as in the command line.
                Ok(WorkResult::completed(value(&recover.await?.require_all()?)?))
            })
        })
        .await
}

/// Starts one maintenance run.
#[utoipa::path(
    post, path = "/api/backup/maintenance", tag = "storage", operation_id = "maintain",
    params(WaitParameters), request_body = MaintenanceBody,
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
    let with_retention = body.retention.unwrap_or_default();
    if with_retention {
        principal.require(Role::Admin)?;
        if shared.koan.retention_policy().is_none() {
            return Err(Problem::new(
                ProblemKind::Invalid,
                "`retention` is true, but the application has no retention policy",
            ));
        }
    }
    let begun = Start::begin(&shared, &principal, OperationKind::Maintenance, &headers, wait, &body).await?;
    let start = match begun {
        Begun::New(start) => start,
        Begun::Repeated(response) => return Ok(response),
    };
    let profiles = selected("storageProfiles", body.storage_profiles.clone())?;
    for profile in &profiles {
        super::backup::require_profile(&shared, profile)?;
    }
    let koan = shared.koan.clone();
    start
        .run(move |context| {
            Box::pin(async move {
                let mut maintenance = koan.maintenance().cancel_on(context.cancel_token());
                if !with_retention {
                    maintenance = maintenance.without_retention();
                }
                if body.verification == Some(false) {
                    maintenance = maintenance.without_verification();
                }
                if !profiles.is_empty() {
                    maintenance = maintenance.profiles(&profiles);
                }
                let report = maintenance.await?;
                let result = value(&report)?;
                // A task that another process prevented was not performed.
                Ok(match report.is_clean() && !report.is_busy() {
                    true => WorkResult::completed(result),
                    false => WorkResult::completed_with_warnings(result),
                })
            })
        })
        .await
}
