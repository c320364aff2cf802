//! Server-sent events, which end when their caller may not read them any more.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse as _, Response};
use futures::{Stream, StreamExt as _};

use crate::access::Principal;
use crate::state::Shared;

/// How often it is checked that the caller may still read the events.
const ACCESS_INTERVAL: Duration = Duration::from_secs(2);

/// How long a stream of events is silent at most, so that proxies do not close it.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// Returns the response with the events. `request` and `caller` are those of the request.
pub(crate) fn respond(
    shared: &Shared,
    request: Parts,
    caller: Principal,
    events: impl Stream<Item = Event> + Send + 'static,
) -> Response {
    let access = Arc::clone(&shared.access);
    let revoked = async move {
        while access.still_permits(&request, &caller).await {
            tokio::time::sleep(ACCESS_INTERVAL).await;
        }
    };
    let events = events.map(Ok::<_, Infallible>).take_until(Box::pin(revoked));
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}
