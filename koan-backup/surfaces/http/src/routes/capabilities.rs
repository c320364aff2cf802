//! What the application can back up, and what it covers.

use axum::Json;
use axum::extract::State;
use koan_backup_core::report::ContextCapabilities;

use crate::access::extractor::Viewer;
use crate::state::AppState;

/// Returns the entities, providers and storage profiles of the application, and what each can do.
#[utoipa::path(
    get, path = "/backup/capabilities", tag = "coverage", operation_id = "capabilities",
    responses((status = 200, description = "The capabilities", body = Object))
)]
pub(super) async fn capabilities(_: Viewer, State(shared): AppState) -> Json<ContextCapabilities> {
    Json(shared.koan.capabilities())
}
