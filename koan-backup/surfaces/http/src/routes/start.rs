//! Starts the operation of a request, and creates the response.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

use crate::access::Principal;
use crate::access::audit::object::StartedOperation;
use crate::operations::{Operation, OperationStatus, SubmissionOrigin};
use crate::orders::{self, Order};
use crate::problem::{Problem, ProblemKind};
use crate::requests::wait::Wait;
use crate::responses::OperationDocument;
use crate::state::Shared;

/// Carries out an order. The response contains the operation, or the result if the client waits for it.
pub(super) async fn start(
    shared: &Arc<Shared>,
    principal: &Principal,
    headers: &HeaderMap,
    wait: Wait,
    order: impl Order,
) -> Result<Response, Problem> {
    let key = headers.get("idempotency-key").map(|key| key.to_str().unwrap_or_default());
    let submitted = orders::submit(shared, principal, key, order).await?;
    let operation = submitted.operation;
    StartedOperation::record(operation.id.to_string());
    let mut response = match wait {
        Wait::No => accepted(shared, &operation),
        Wait::UntilFinished => finished(shared, shared.operations.wait(operation.id).await?)?,
    };
    if submitted.origin == SubmissionOrigin::Repeated {
        let repeated = HeaderName::from_static("idempotency-replayed");
        response.headers_mut().insert(repeated, HeaderValue::from_static("true"));
    }
    Ok(response)
}

/// Creates the response with an operation that has been accepted.
fn accepted(shared: &Shared, operation: &Operation) -> Response {
    let location = shared.links.to(&format!("/api/backup/operations/{}", operation.id));
    let mut response =
        (StatusCode::ACCEPTED, Json(OperationDocument::new(operation, &shared.links))).into_response();
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

/// Creates the response with the result of an operation that has ended.
fn finished(shared: &Shared, operation: Operation) -> Result<Response, Problem> {
    let address = shared.links.to(&format!("/api/backup/operations/{}", operation.id));
    let ended = |kind, text: &str| Problem::new(kind, text).with_help(format!("see `{address}`"));
    match operation.status {
        OperationStatus::Completed | OperationStatus::CompletedWithWarnings => {
            Ok(Json(operation.result.unwrap_or_default()).into_response())
        }
        OperationStatus::Interrupted => {
            Err(ended(ProblemKind::Unavailable, "the process that ran the operation has stopped"))
        }
        OperationStatus::Failed | OperationStatus::Cancelled => Err(operation
            .error
            .as_ref()
            .and_then(Problem::from_document)
            .unwrap_or_else(|| ended(ProblemKind::Internal, "the operation failed"))),
        OperationStatus::Queued | OperationStatus::Running | OperationStatus::Cancelling => {
            Ok(accepted(shared, &operation))
        }
    }
}
