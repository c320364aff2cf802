//! The description of the API as OpenAPI 3.1.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, OpenApi, SecurityRequirement, Server};

use crate::access::extractor::Viewer;
use crate::links::Links;
use crate::state::Shared;

/// Returns the route of the document.
pub(crate) fn route(document: OpenApi, links: &Links) -> Router<Arc<Shared>> {
    let json = complete(document, links).to_json().unwrap_or_default();
    let answer = move |_: Viewer| {
        let json = json.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], json) }
    };
    Router::new().route("/openapi.json", get(answer))
}

fn complete(mut document: OpenApi, links: &Links) -> OpenApi {
    let description = "Backups of an application's entities: coverage, backups, restores, verification, retention and operations. \
         Errors have the media type `application/problem+json`.";
    document.info = InfoBuilder::new()
        .title("koan-backup")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(description))
        .build();
    let base = links.to("");
    document.servers = Some(vec![Server::new(if base.is_empty() { "/" } else { &base })]);
    let components = document.components.get_or_insert_with(Components::new);
    let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
    components.add_security_scheme("token", SecurityScheme::Http(bearer));
    let session = ApiKeyValue::new("koan_session");
    components.add_security_scheme("session", SecurityScheme::ApiKey(ApiKey::Cookie(session)));
    let no_scopes: [&str; 0] = [];
    document.security = Some(vec![
        SecurityRequirement::new("token", no_scopes),
        SecurityRequirement::new("session", no_scopes),
    ]);
    document
}
