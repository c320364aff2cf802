//! The progress of an operation as server-sent events, whose data is HTML.

use std::convert::Infallible;
use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::StreamExt as _;

use super::frame::View;
use super::operation;
use crate::access::extractor::Viewer;
use crate::operations::{EventKind, OperationId};
use crate::problem::Problem;
use crate::requests::PathParameters;
use crate::routes::KEEP_ALIVE;
use crate::state::AppState;

/// Returns the stream. Each event `progress` has the new progress; the event `end` is the last one.
pub(super) async fn stream(
    Viewer(caller): Viewer,
    State(shared): AppState,
    path: PathParameters,
) -> Result<Response, Problem> {
    let id = OperationId::of_path(&path)?;
    if shared.operations.get(id).await?.status.is_final() {
        // The screen was rendered just before the end. One event lets it be read again.
        let end = futures::stream::iter([Ok::<_, Infallible>(Event::default().event("end").data("end"))]);
        return Ok((StatusCode::OK, Sse::new(end)).into_response());
    }
    let events = shared.operations.events(id, None).await?;
    let shared = Arc::clone(&shared);
    let events = events.map(move |event| {
        let html = operation::progress(&View::new(&shared, &caller), &event.operation).into_string();
        let kind = if event.kind == EventKind::End { "end" } else { "progress" };
        Ok::<_, Infallible>(Event::default().event(kind).data(html))
    });
    Ok(Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response())
}
