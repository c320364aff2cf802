//! Retention: the plan, and its application.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use koan_backup_core::Retention;
use koan_backup_core::retention::RetentionPlan;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use utoipa::ToSchema;

use super::start::{Begun, Start, value};
use crate::access::extractor::{Admin, Viewer};
use crate::operations::{OperationKind, WorkResult};
use crate::problem::{Problem, ProblemDocument, ProblemKind};
use crate::requests::profile::ProfileParameter;
use crate::requests::wait::{Wait, WaitParameters};
use crate::requests::{JsonBody, QueryParameters};
use crate::responses::OperationDocument;
use crate::state::{AppState, Shared};

/// A retention plan with the hash that its application requires.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct PlanDocument {
    /// The hash of the decisions. It changes if another backup is to be removed or kept.
    hash: String,
    /// The number of backups that are removed.
    removed: usize,
    /// The decisions about all considered backups, newest first, with the reasons.
    #[schema(value_type = Object)]
    plan: RetentionPlan,
}

/// The body of the application of a plan.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct ApplyBody {
    /// The hash of the plan that was read before.
    hash: String,
    /// The name of the storage profile. Without this field, the default profile is used.
    storage_profile: Option<String>,
}

/// Returns which backups the retention policy of the application keeps and which it removes, and why.
#[utoipa::path(
    get, path = "/api/backup/retention/plan", tag = "storage", operation_id = "planRetention", params(ProfileParameter),
    responses(
        (status = 200, description = "The plan", body = PlanDocument),
        (status = 404, description = "There is no such profile", body = ProblemDocument),
        (status = 409, description = "The application has no retention policy", body = ProblemDocument),
    )
)]
pub(super) async fn plan(
    _: Viewer,
    State(shared): AppState,
    QueryParameters(parameters): QueryParameters<ProfileParameter>,
) -> Result<Json<PlanDocument>, Problem> {
    let (_, plan) = make(&shared, parameters.storage_profile.as_deref()).await?;
    let removed = plan.decisions.iter().filter(|decision| decision.removed.is_some()).count();
    Ok(Json(PlanDocument { hash: hash(&plan), removed, plan }))
}

/// Starts to remove the backups that a plan removes. The body contains the hash of the plan.
#[utoipa::path(
    post, path = "/api/backup/retention/apply", tag = "storage", operation_id = "applyRetention",
    params(WaitParameters), request_body = ApplyBody,
    responses(
        (status = 202, description = "The removal was accepted", body = OperationDocument),
        (status = 200, description = "The report, if the client waits for it", body = Object),
        (status = 404, description = "There is no such profile", body = ProblemDocument),
        (status = 409, description = "The plan has changed, or the application has no retention policy", body = ProblemDocument),
        (status = 422, description = "The body is not valid", body = ProblemDocument),
        (status = 429, description = "Too many operations wait", body = ProblemDocument),
    )
)]
pub(super) async fn apply(
    Admin(principal): Admin,
    State(shared): AppState,
    headers: HeaderMap,
    wait: Wait,
    JsonBody(body): JsonBody<ApplyBody>,
) -> Result<Response, Problem> {
    let begun = Start::begin(&shared, &principal, OperationKind::Retention, &headers, wait, &body).await?;
    let start = match begun {
        Begun::New(start) => start,
        Begun::Repeated(response) => return Ok(response),
    };
    let (policy, plan) = make(&shared, body.storage_profile.as_deref()).await?;
    if hash(&plan) != body.hash {
        return Err(Problem::new(ProblemKind::Conflict, "the retention plan has changed since it was read")
            .with_help("read the plan again, and apply it with its new hash"));
    }
    let koan = shared.koan.clone();
    start
        .run(move |context| {
            Box::pin(async move {
                let mut retention = koan.retention(policy).cancel_on(context.cancel_token());
                if let Some(profile) = &plan.profile {
                    retention = retention.in_profile(profile);
                }
                let report = retention.apply(&plan).await?;
                let result = value(&report)?;
                Ok(match report.damaged.is_empty() && report.foreign_files.is_empty() {
                    true => WorkResult::completed(result),
                    false => WorkResult::completed_with_warnings(result),
                })
            })
        })
        .await
}

/// Makes the plan of the application's policy.
async fn make(shared: &Shared, profile: Option<&str>) -> Result<(Retention, RetentionPlan), Problem> {
    let policy = shared.koan.retention_policy().cloned().ok_or_else(|| {
        Problem::new(ProblemKind::Conflict, "the application has no retention policy")
            .with_help("set one in the configuration, or by `KoanBuilder::retention_policy`")
    })?;
    if let Some(profile) = profile {
        super::backup::require_profile(shared, profile)?;
    }
    let mut retention = shared.koan.retention(policy.clone());
    if let Some(profile) = profile {
        retention = retention.in_profile(profile);
    }
    Ok((policy, retention.plan().await?))
}

/// Returns the hash of the decisions of a plan: of each backup its id and whether it is removed.
fn hash(plan: &RetentionPlan) -> String {
    let mut hash = Sha256::new();
    hash.update(plan.profile.as_deref().unwrap_or_default());
    for decision in &plan.decisions {
        hash.update(decision.id.as_uuid().as_bytes());
        hash.update([u8::from(decision.removed.is_some())]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}
