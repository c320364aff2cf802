//! Operations: their state, their events, and their cancellation.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::response::sse::Event;
use axum::response::{IntoResponse as _, Response};
use futures::stream::StreamExt as _;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::access::extractor::{Operator, Viewer};
use crate::event_stream;
use crate::operations::{OperationEvent, OperationId, OperationQuery, OperationStatus};
use crate::problem::{Problem, ProblemDocument, ProblemKind};
use crate::requests::{PathParameters, QueryParameters};
use crate::responses::OperationDocument;
use crate::state::AppState;

/// The state of an operation, as a query parameter.
#[derive(Clone, Copy, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) enum StateFilter {
    /// The operation waits for its turn.
    Queued,
    /// The work runs.
    Running,
    /// A cancellation was requested, and the work has not stopped yet.
    Cancelling,
    /// The work succeeded.
    Completed,
    /// The work succeeded, and its result contains warnings.
    CompletedWithWarnings,
    /// The work failed.
    Failed,
    /// The work has stopped, and nothing was published or committed.
    Cancelled,
    /// The process that ran the work has stopped.
    Interrupted,
}

/// The query parameters of the list of operations.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct OperationsParameters {
    /// Only operations in this state; the parameter can be repeated.
    #[serde(default)]
    #[param(inline)]
    state: Vec<StateFilter>,
    /// Only operations that were created before the operation with this id: `next` of the previous page.
    before: Option<String>,
    /// The number of operations on a page.
    #[param(minimum = 1, maximum = 100)]
    page_size: Option<u32>,
}

/// One page of the list of operations.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct OperationsDocument {
    /// The operations, newest first, without their results.
    items: Vec<OperationDocument>,
    /// The id for the parameter `before` of the next page; null on the last page.
    next: Option<String>,
}

/// Lists operations, newest first.
#[utoipa::path(
    get, path = "/api/backup/operations", tag = "operations", operation_id = "listOperations", params(OperationsParameters),
    responses(
        (status = 200, description = "One page of the list", body = OperationsDocument),
        (status = 422, description = "A parameter is not valid", body = ProblemDocument),
    )
)]
pub(super) async fn list(
    _: Viewer,
    State(shared): AppState,
    QueryParameters(parameters): QueryParameters<OperationsParameters>,
) -> Result<Json<OperationsDocument>, Problem> {
    let mut query = OperationQuery::default().statuses(parameters.state.iter().map(|state| state.status()));
    if let Some(before) = &parameters.before {
        let id = before
            .parse()
            .map_err(|_| Problem::new(ProblemKind::Invalid, "`before` is not the id of an operation"))?;
        query = query.before(id);
    }
    if let Some(size) = parameters.page_size {
        if !(1..=OperationQuery::MAX_LIMIT).contains(&size) {
            return Err(Problem::new(ProblemKind::Invalid, "`pageSize` must be a number from 1 to 100"));
        }
        query = query.limit(size);
    }
    let page = shared.operations.list(&query).await?;
    Ok(Json(OperationsDocument {
        items: page
            .operations
            .iter()
            .map(|operation| OperationDocument::new(operation, &shared.links))
            .collect(),
        next: page.next.map(|id| id.to_string()),
    }))
}

/// Returns an operation with its result.
#[utoipa::path(
    get, path = "/api/backup/operations/{id}", tag = "operations", operation_id = "readOperation",
    params(("id" = String, Path, description = "The id of the operation")),
    responses(
        (status = 200, description = "The operation", body = OperationDocument),
        (status = 404, description = "There is no such operation", body = ProblemDocument),
    )
)]
pub(super) async fn read(
    _: Viewer,
    State(shared): AppState,
    path: PathParameters,
) -> Result<Json<OperationDocument>, Problem> {
    let operation = shared.operations.get(OperationId::of_path(&path)?).await?;
    Ok(Json(OperationDocument::new(&operation, &shared.links)))
}

/// Returns the events of an operation as server-sent events. Each has a number (`id`), a type (`status`, `progress` or
/// `end`) and the operation as JSON. The header `Last-Event-ID` continues a stream. It also ends when the token or the
/// session of the caller is no longer valid.
#[utoipa::path(
    get, path = "/api/backup/operations/{id}/events", tag = "operations", operation_id = "followOperation",
    params(
        ("id" = String, Path, description = "The id of the operation"),
        ("Last-Event-ID" = Option<String>, Header, description = "The number of the last event that was received"),
    ),
    responses(
        (status = 200, description = "The events", body = String, content_type = "text/event-stream"),
        (status = 204, description = "The operation has ended, and no event follows"),
        (status = 400, description = "`Last-Event-ID` is not a number", body = ProblemDocument),
        (status = 404, description = "There is no such operation", body = ProblemDocument),
    )
)]
pub(super) async fn events(
    Viewer(caller): Viewer,
    State(shared): AppState,
    path: PathParameters,
    parts: Parts,
) -> Result<Response, Problem> {
    let id = OperationId::of_path(&path)?;
    let last = parts.headers.get("last-event-id").map(|value| {
        let number = value.to_str().ok().and_then(|text| text.parse().ok());
        number.ok_or_else(|| {
            Problem::new(ProblemKind::Malformed, "`Last-Event-ID` is not the number of an event")
        })
    });
    let last = last.transpose()?;
    let operation = shared.operations.get(id).await?;
    if operation.status.is_final() && last.is_some_and(|last| last >= operation.sequence) {
        // A browser connects again after the end of a stream, unless there is no content.
        return Ok(StatusCode::NO_CONTENT.into_response());
    }
    let events = shared.operations.events(id, last).await?;
    let links = shared.links.clone();
    let events = events.map(move |OperationEvent { sequence, kind, operation }| {
        let document = OperationDocument::new(&operation, &links);
        let data = serde_json::to_string(&document).unwrap_or_default();
        Event::default().id(sequence.to_string()).event(kind.name()).data(data)
    });
    Ok(event_stream::respond(&shared, parts, caller, events))
}

/// Requests that an operation stops. It is cancelled once its work has stopped. An operator cancels its own operations,
/// an admin all.
#[utoipa::path(
    post, path = "/api/backup/operations/{id}/cancel", tag = "operations", operation_id = "cancelOperation",
    params(("id" = String, Path, description = "The id of the operation")),
    responses(
        (status = 202, description = "The cancellation was requested", body = OperationDocument),
        (status = 404, description = "There is no such operation", body = ProblemDocument),
        (status = 409, description = "The operation has ended; `detail` contains its status", body = ProblemDocument),
    )
)]
pub(super) async fn cancel(
    Operator(principal): Operator,
    State(shared): AppState,
    path: PathParameters,
) -> Result<(StatusCode, Json<OperationDocument>), Problem> {
    let id = OperationId::of_path(&path)?;
    let operation = shared.operations.get(id).await?;
    principal.require_cancellation_right(&operation.started_by.name)?;
    let operation = shared.operations.cancel(id, &principal.identity()).await?;
    Ok((StatusCode::ACCEPTED, Json(OperationDocument::new(&operation, &shared.links))))
}

impl StateFilter {
    fn status(self) -> OperationStatus {
        match self {
            Self::Queued => OperationStatus::Queued,
            Self::Running => OperationStatus::Running,
            Self::Cancelling => OperationStatus::Cancelling,
            Self::Completed => OperationStatus::Completed,
            Self::CompletedWithWarnings => OperationStatus::CompletedWithWarnings,
            Self::Failed => OperationStatus::Failed,
            Self::Cancelled => OperationStatus::Cancelled,
            Self::Interrupted => OperationStatus::Interrupted,
        }
    }
}
