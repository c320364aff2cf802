//! The documentation of the API as a page. It is rendered here from the OpenAPI document and needs no script: Swagger
//! UI would add about 10 MB of vendored scripts to each program, and needs styles that the policy of the page forbids.

mod html;
mod operation;
mod page;
mod schema;
mod subject;
mod table;

use std::sync::Arc;

use axum::Router;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE};
use axum::routing::get;
use utoipa::openapi::OpenApi;

use crate::access::extractor::Viewer;
use crate::links::Links;
use crate::state::Shared;

/// The style of the page.
const STYLE: &str = include_str!("docs/style.css");

/// Returns the routes of the page and of its style.
pub(crate) fn route(document: &OpenApi, links: &Links) -> Router<Arc<Shared>> {
    let document = serde_json::to_value(document).unwrap_or_default();
    let page = page::render(&document, &links.to("/docs/style.css"));
    let page = move |_: Viewer| {
        let page = page.clone();
        async move { ([(CONTENT_TYPE, "text/html; charset=utf-8")], page) }
    };
    let style = async |_: Viewer| {
        ([(CONTENT_TYPE, "text/css; charset=utf-8"), (CACHE_CONTROL, "private, max-age=3600")], STYLE)
    };
    Router::new().route("/docs", get(page)).route("/docs/style.css", get(style))
}
