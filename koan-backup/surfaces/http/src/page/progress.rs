//! The progress of an operation as server-sent events, whose data is HTML.

use std::sync::Arc;

use axum::extract::State;
use axum::http::request::Parts;
use axum::response::Response;
use axum::response::sse::Event;
use futures::StreamExt as _;
use futures::stream;

use super::frame::View;
use super::operation;
use crate::access::extractor::Viewer;
use crate::event_stream;
use crate::operations::{EventKind, OperationId};
use crate::problem::Problem;
use crate::requests::PathParameters;
use crate::state::AppState;

/// Returns the stream. Each event `progress` has the new progress; the event `end` is the last one.
pub(super) async fn stream(
    Viewer(caller): Viewer,
    State(shared): AppState,
    path: PathParameters,
    request: Parts,
) -> Result<Response, Problem> {
    let id = OperationId::of_path(&path)?;
    if shared.operations.get(id).await?.status.is_final() {
        // The screen was rendered just before the end. One event lets it be read again.
        let end = stream::iter([Event::default().event("end").data("end")]);
        return Ok(event_stream::respond(&shared, request, caller, end));
    }
    let events = shared.operations.events(id, None).await?;
    let (view_shared, view_caller) = (Arc::clone(&shared), caller.clone());
    let events = events.map(move |event| {
        let html =
            operation::progress(&View::new(&view_shared, &view_caller), &event.operation).into_string();
        let kind = if event.kind == EventKind::End { "end" } else { "progress" };
        Event::default().event(kind).data(html)
    });
    Ok(event_stream::respond(&shared, request, caller, events))
}
