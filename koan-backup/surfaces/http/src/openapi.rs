//! The description of the API as OpenAPI 3.1.

use std::sync::Arc;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::openapi::{
    Components, Content, InfoBuilder, OpenApi, PathItem, Ref, RefOr, ResponseBuilder, SecurityRequirement,
    Server,
};

use crate::access::extractor::Viewer;
use crate::links::Links;
use crate::state::Shared;

/// The media type of problems.
const PROBLEM: &str = "application/problem+json";

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
    document.paths.paths.values_mut().for_each(|item| {
        operations(item).into_iter().for_each(add_problems);
    });
    let no_scopes: [&str; 0] = [];
    document.security = Some(vec![
        SecurityRequirement::new("token", no_scopes),
        SecurityRequirement::new("session", no_scopes),
    ]);
    document
}

/// Returns the operations of a path.
fn operations(item: &mut PathItem) -> Vec<&mut Operation> {
    let PathItem { get, put, post, delete, .. } = item;
    [get, put, post, delete].into_iter().flatten().collect()
}

/// Declares the media type of problems, and that every route can answer with another problem, for example without a token.
fn add_problems(operation: &mut Operation) {
    let responses = &mut operation.responses.responses;
    let problems = responses.iter_mut().filter(|(status, _)| status.starts_with(['4', '5']));
    for (_, response) in problems {
        if let RefOr::T(response) = response
            && let Some(content) = response.content.shift_remove("application/json")
        {
            response.content.insert(PROBLEM.to_owned(), content);
        }
    }
    let content = Content::new(Some(Ref::from_schema_name("Problem")));
    let other = ResponseBuilder::new().description("Another problem").content(PROBLEM, content).build();
    responses.insert("default".to_owned(), RefOr::T(other));
}
