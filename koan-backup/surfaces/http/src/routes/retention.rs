//! Retention: the plan, and its application.

use axum::Json;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::Response;
use koan_backup_core::retention::RetentionPlan;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::start::start;
use crate::access::extractor::{Admin, Viewer};
use crate::orders::{RetentionOrder, plan_hash, plan_retention};
use crate::problem::{Problem, ProblemDocument};
use crate::requests::profile::ProfileParameter;
use crate::requests::wait::{Wait, WaitParameters};
use crate::requests::{JsonBody, QueryParameters};
use crate::responses::OperationDocument;
use crate::state::AppState;

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
#[derive(Debug, Deserialize, ToSchema)]
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
    let (_, plan) = plan_retention(&shared, parameters.storage_profile.as_deref()).await?;
    let removed = plan.decisions.iter().filter(|decision| decision.removed.is_some()).count();
    Ok(Json(PlanDocument { hash: plan_hash(&plan), removed, plan }))
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
    let order = RetentionOrder { hash: body.hash, profile: body.storage_profile };
    start(&shared, &principal, &headers, wait, order).await
}
