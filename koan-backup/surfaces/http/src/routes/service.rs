//! Whether the process is alive and ready.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header;
use axum::response::IntoResponse;

use crate::state::AppState;

/// Returns 200 while the process answers requests. It needs no token and has no detail.
#[utoipa::path(
    get, path = "/healthz", tag = "service", operation_id = "alive", security(()),
    responses((status = 200, description = "The process is alive", body = String, content_type = "text/plain"))
)]
pub(super) async fn alive() -> impl IntoResponse {
    ([(header::CACHE_CONTROL, "no-store")], "alive\n")
}

/// Returns 200 if operations can be started, and 503 otherwise. It needs no token and has no detail.
#[utoipa::path(
    get, path = "/readyz", tag = "service", operation_id = "ready", security(()),
    responses(
        (status = 200, description = "Operations can be started", body = String, content_type = "text/plain"),
        (status = 503, description = "The server is stopping, or operations cannot be stored", body = String, content_type = "text/plain"),
    )
)]
pub(super) async fn ready(State(shared): AppState) -> impl IntoResponse {
    match shared.operations.is_ready().await {
        true => (StatusCode::OK, [(header::CACHE_CONTROL, "no-store")], "ready\n"),
        false => (StatusCode::SERVICE_UNAVAILABLE, [(header::CACHE_CONTROL, "no-store")], "not ready\n"),
    }
}
