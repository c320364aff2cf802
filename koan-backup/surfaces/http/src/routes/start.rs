//! Starts the operation of a request, and creates the response.

use std::sync::Arc;

use axum::Json;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::BoxFuture;
use koan_backup_core::Result;
use serde::Serialize;

use crate::access::Principal;
use crate::access::audit::object::StartedOperation;
use crate::operations::{
    Initiator, NewOperation, Operation, OperationKind, OperationStatus, SubmissionOrigin, WorkContext,
    WorkResult,
};
use crate::problem::{Problem, ProblemKind};
use crate::requests::wait::Wait;
use crate::responses::OperationDocument;
use crate::state::Shared;

/// The maximum length of an idempotency key.
const MAX_KEY_LENGTH: usize = 255;

/// A request that starts an operation, or repeats an earlier one.
#[derive(Debug)]
pub(super) enum Begun<'a> {
    /// The request starts an operation.
    New(Start<'a>),
    /// The request has the `Idempotency-Key` and the content of an earlier one. This is the response.
    Repeated(Response),
}

/// A request that starts an operation.
#[derive(Debug)]
pub(super) struct Start<'a> {
    answer: Answer<'a>,
    operation: NewOperation,
}

/// How a request is answered.
#[derive(Clone, Copy, Debug)]
struct Answer<'a> {
    shared: &'a Arc<Shared>,
    wait: Wait,
}

impl<'a> Start<'a> {
    /// Begins an operation that `principal` starts. `request` is what the client sent: a repeated request with the same
    /// `Idempotency-Key` must have the same. It is called before names in the request are resolved, because they may
    /// refer to something else when a request is repeated.
    pub(super) async fn begin(
        shared: &'a Arc<Shared>,
        principal: &Principal,
        kind: OperationKind,
        headers: &HeaderMap,
        wait: Wait,
        request: &impl Serialize,
    ) -> Result<Begun<'a>, Problem> {
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
        let answer = Answer { shared, wait };
        match shared.operations.repeated(&operation).await? {
            Some(repeated) => Ok(Begun::Repeated(answer.to(repeated, SubmissionOrigin::Repeated).await?)),
            None => Ok(Begun::New(Self { answer, operation })),
        }
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
        let submitted = self.answer.shared.operations.submit(self.operation, work).await?;
        self.answer.to(submitted.operation, submitted.origin).await
    }
}

impl Answer<'_> {
    /// Creates the response with an operation, or with its result if the client waits.
    async fn to(self, operation: Operation, origin: SubmissionOrigin) -> Result<Response, Problem> {
        StartedOperation::record(operation.id.to_string());
        let mut response = match self.wait {
            Wait::No => accepted(self.shared, &operation),
            Wait::UntilFinished => finished(self.shared, self.shared.operations.wait(operation.id).await?)?,
        };
        if origin == SubmissionOrigin::Repeated {
            let repeated = HeaderName::from_static("idempotency-replayed");
            response.headers_mut().insert(repeated, HeaderValue::from_static("true"));
        }
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
