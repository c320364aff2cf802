//! Starts the operation of a request, and creates the response.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use koan_backup_core::Result;
use serde::Serialize;

use crate::access::Principal;
use crate::access::audit::entry::AuditObject;
use crate::operations::{
    Initiator, NewOperation, Operation, OperationKind, OperationStatus, WorkContext, WorkResult,
};
use crate::problem::{Problem, ProblemKind};
use crate::requests::wait::Wait;
use crate::responses::OperationDocument;
use crate::state::Shared;

/// The maximum length of an idempotency key.
const MAX_KEY_LENGTH: usize = 255;

/// The request that starts an operation.
#[derive(Debug)]
pub(super) struct Start<'a> {
    shared: &'a Arc<Shared>,
    operation: NewOperation,
    wait: Wait,
}

impl<'a> Start<'a> {
    /// Creates an operation that `principal` starts. `request` identifies the work: a second request with the same
    /// `Idempotency-Key` must have the same.
    pub(super) fn new(
        shared: &'a Arc<Shared>,
        principal: &Principal,
        kind: OperationKind,
        headers: &HeaderMap,
        wait: Wait,
        request: &impl Serialize,
    ) -> Result<Self, Problem> {
        let initiator = Initiator { name: principal.identity(), role: principal.role().to_string() };
        let mut operation = NewOperation::new(kind, initiator);
        if let Some(key) = headers.get("idempotency-key") {
            let key = key.to_str().ok().filter(|key| !key.is_empty() && key.len() <= MAX_KEY_LENGTH);
            let key = key.ok_or_else(|| {
                let text =
                    format!("`Idempotency-Key` must have 1 to {MAX_KEY_LENGTH} visible ASCII characters");
                Problem::new(ProblemKind::Malformed, text)
            })?;
            let request = serde_json::to_vec(&(kind, request)).map_err(|_| {
                Problem::new(ProblemKind::Internal, "the request could not be compared with earlier requests")
            })?;
            operation = operation.idempotency_key(key, &request);
        }
        Ok(Self { shared, operation, wait })
    }

    /// Describes the operation further.
    pub(super) fn describe(mut self, describe: impl FnOnce(NewOperation) -> NewOperation) -> Self {
        self.operation = describe(self.operation);
        self
    }

    /// Starts the work on a task of its own. The response contains the operation, or the result if the client waits.
    pub(super) async fn run(
        self,
        work: impl FnOnce(WorkContext) -> BoxFuture<'static, Result<WorkResult>> + Send + 'static,
    ) -> Result<Response, Problem> {
        let (shared, wait) = (self.shared, self.wait);
        let operation = shared.operations.submit(self.operation, work).await?.operation;
        let id = operation.id;
        let mut response = match wait {
            Wait::No => accepted(shared, &operation),
            Wait::UntilFinished => {
                let ended = shared.operations.wait(id).await?;
                finished(shared, ended).unwrap_or_else(IntoResponse::into_response)
            }
        };
        response.extensions_mut().insert(AuditObject(id.to_string()));
        Ok(response)
    }
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
        OperationStatus::Cancelled => Err(ended(ProblemKind::Cancelled, "the operation was cancelled")),
        OperationStatus::Interrupted => {
            Err(ended(ProblemKind::Unavailable, "the process that ran the operation has stopped"))
        }
        OperationStatus::Failed => Err(operation
            .error
            .as_ref()
            .and_then(Problem::from_document)
            .unwrap_or_else(|| ended(ProblemKind::Internal, "the operation failed"))),
        OperationStatus::Queued | OperationStatus::Running | OperationStatus::Cancelling => {
            Ok(accepted(shared, &operation))
        }
    }
}

/// Serializes a result.
pub(super) fn value(result: &impl Serialize) -> Result<serde_json::Value> {
    serde_json::to_value(result).map_err(|error| {
        koan_backup_core::Error::with_source(
            koan_backup_core::ErrorKind::Internal,
            "the result of the operation could not be serialized",
            error,
        )
    })
}
