//! The description of the API as OpenAPI 3.1.

mod problems;
mod roles;

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::extensions::ExtensionsBuilder;
use utoipa::openapi::path::{HttpMethod, Operation, OperationBuilder};
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Content, InfoBuilder, ObjectBuilder, OpenApi, PathItem, ResponseBuilder, SecurityRequirement,
    Server, Type,
};

use crate::access::extractor::Viewer;
use crate::links::Links;
use crate::state::Shared;

/// The member of an operation with the lowest role that may call it.
pub(crate) const ROLE: &str = "x-koan-role";

/// Returns the route of the document.
pub(crate) fn route(document: &OpenApi) -> Router<Arc<Shared>> {
    let json = document.to_json().unwrap_or_default();
    let answer = move |_: Viewer| {
        let json = json.clone();
        async move { ([(header::CONTENT_TYPE, "application/json")], json) }
    };
    Router::new().route("/openapi.json", get(answer))
}

/// Completes the description of the routes: what is the same for all of them, and the documentation itself.
pub(crate) fn complete(mut document: OpenApi, links: &Links) -> OpenApi {
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
    for (path, id, summary, media_type) in DOCUMENTATION {
        let item = PathItem::new(HttpMethod::Get, documentation(id, summary, media_type));
        document.paths.paths.insert(path.to_owned(), item);
    }
    for item in document.paths.paths.values_mut() {
        for (method, operation) in operations(item) {
            problems::add(method, operation);
            // A route that declares its own security needs no caller.
            if operation.security.is_none() {
                let role = roles::of(operation.operation_id.as_deref().unwrap_or_default());
                operation.extensions = Some(ExtensionsBuilder::new().add(ROLE, role.name()).build());
            }
        }
    }
    let no_scopes: [&str; 0] = [];
    document.security = Some(vec![
        SecurityRequirement::new("token", no_scopes),
        SecurityRequirement::new("session", no_scopes),
    ]);
    document
}

/// The routes of the documentation: path, id, summary and media type.
const DOCUMENTATION: [(&str, &str, &str, &str); 3] = [
    ("/openapi.json", "openApi", "Returns this description.", "application/json"),
    ("/docs", "documentation", "Returns this description as a page.", "text/html; charset=utf-8"),
    ("/docs/style.css", "documentationStyle", "Returns the style of the page.", "text/css; charset=utf-8"),
];

fn documentation(id: &str, summary: &str, media_type: &str) -> Operation {
    let kind = if media_type == "application/json" { Type::Object } else { Type::String };
    let content = Content::new(Some(ObjectBuilder::new().schema_type(kind)));
    let response = ResponseBuilder::new().description("The documentation").content(media_type, content);
    OperationBuilder::new()
        .tag("service")
        .operation_id(Some(id))
        .summary(Some(summary))
        .response("200", response.build())
        .build()
}

/// Returns the operations of a path with their methods.
fn operations(item: &mut PathItem) -> Vec<(HttpMethod, &mut Operation)> {
    let PathItem { get, put, post, delete, .. } = item;
    let all = [
        (HttpMethod::Get, get),
        (HttpMethod::Put, put),
        (HttpMethod::Post, post),
        (HttpMethod::Delete, delete),
    ];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?))).collect()
}
