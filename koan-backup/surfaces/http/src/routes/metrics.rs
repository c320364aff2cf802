//! The metrics of the context.

use axum::Extension;
use axum::extract::State;
use axum::http::header;
use axum::response::IntoResponse;
use koan_backup_metrics::{CONTENT_TYPE, Metrics};

use crate::access::extractor::Viewer;
use crate::state::AppState;

/// Returns the metrics in the OpenMetrics format, for a scraper with a token.
#[utoipa::path(
    get, path = "/metrics", tag = "service", operation_id = "metrics",
    responses((
        status = 200, description = "The metrics", body = String,
        content_type = "application/openmetrics-text; version=1.0.0; charset=utf-8",
    ))
)]
pub(super) async fn metrics(
    _: Viewer,
    State(shared): AppState,
    Extension(metrics): Extension<Metrics>,
) -> impl IntoResponse {
    metrics.refresh(&shared.koan).await;
    ([(header::CONTENT_TYPE, CONTENT_TYPE)], metrics.encode())
}
