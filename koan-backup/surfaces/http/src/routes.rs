//! The routes, by subject.

mod backup;
mod capabilities;
mod catalog;
mod create;
mod download;
mod entity;
mod manifests;
#[cfg(feature = "metrics")]
mod metrics;
mod operations;
mod restore;
mod retention;
mod service;
mod start;
mod status;
mod storage;
mod streams;

use std::sync::Arc;

use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Extension, Router};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::access::gate::Access;
use crate::access::layer::changing_get;
use crate::entities::RoutedEntity;
use crate::requests::list;
use crate::state::Shared;

/// Returns the routes that need a caller. Each of their handlers requires a role.
pub(crate) fn protected(access: &Arc<Access>) -> OpenApiRouter<Arc<Shared>> {
    let changing_by_get = OpenApiRouter::new()
        .routes(routes!(create::post, create::get))
        .routes(routes!(create::get_entity))
        .route_layer(from_fn_with_state(Arc::clone(access), changing_get));
    OpenApiRouter::new()
        .merge(changing_by_get)
        .routes(routes!(capabilities::capabilities))
        .routes(routes!(entity::list))
        .routes(routes!(entity::info))
        .routes(routes!(entity::delete))
        .routes(routes!(download::of_entity))
        .routes(routes!(restore::restore_at))
        .routes(routes!(backup::all))
        .routes(routes!(backup::selective))
        .routes(routes!(restore::restore))
        .routes(routes!(restore::test))
        .routes(routes!(backup::entity))
        .routes(routes!(entity::api_list))
        .routes(routes!(restore::restore_entity))
        .routes(routes!(manifests::list))
        .routes(routes!(manifests::manifest, manifests::delete))
        .routes(routes!(manifests::pin, manifests::unpin))
        .routes(routes!(download::of_backup))
        .routes(routes!(storage::verify))
        .routes(routes!(storage::copy))
        .routes(routes!(storage::rekey))
        .routes(routes!(storage::recover))
        .routes(routes!(storage::maintenance))
        .routes(routes!(streams::types))
        .routes(routes!(streams::back_up_many))
        .routes(routes!(streams::back_up))
        .routes(routes!(streams::restore))
        .routes(routes!(streams::clone))
        .routes(routes!(streams::list_of))
        .routes(routes!(streams::list))
        .routes(routes!(streams::read, streams::delete))
        .routes(routes!(streams::verify))
        .routes(routes!(streams::clean_up))
        .routes(routes!(status::status))
        .routes(routes!(catalog::statistics))
        .routes(routes!(catalog::inventory))
        .routes(routes!(catalog::refresh_inventory))
        .routes(routes!(catalog::health))
        .routes(routes!(catalog::diff))
        .routes(routes!(catalog::acknowledge))
        .routes(routes!(operations::list))
        .routes(routes!(operations::read))
        .routes(routes!(operations::events))
        .routes(routes!(operations::cancel))
        .routes(routes!(retention::plan))
        .routes(routes!(retention::apply))
}

/// Returns the route of the metrics.
#[cfg(feature = "metrics")]
pub(crate) fn of_metrics(metrics: koan_backup_metrics::Metrics) -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(metrics::metrics)).layer(Extension(metrics))
}

/// Returns the description of the types that only query parameters have, which the router does not collect.
pub(crate) fn parameter_types() -> utoipa::openapi::OpenApi {
    #[derive(OpenApi)]
    #[openapi(components(schemas(
        list::StatusFilter,
        list::SortProperty,
        list::SortDirection,
        operations::StateFilter
    )))]
    struct ParameterTypes;
    ParameterTypes::openapi()
}

/// Returns the routes that need no caller.
pub(crate) fn public() -> OpenApiRouter<Arc<Shared>> {
    OpenApiRouter::new().routes(routes!(service::alive)).routes(routes!(service::ready))
}

/// Returns the routes of `/api/{entity}` with the names of one entity in the place of the variable. A router that an
/// application merges with its own `/api/users/{id}` would otherwise answer `/api/users/backups` by the application.
pub(crate) fn of_entity(entity: &RoutedEntity) -> Router<Arc<Shared>> {
    let mut names: Vec<String> =
        entity.spellings.iter().flat_map(|name| [name.clone(), name.to_lowercase()]).collect();
    names.retain(|name| is_plain_segment(name));
    names.sort_unstable();
    names.dedup();
    names.into_iter().fold(Router::new(), |router, name| {
        let routes = Router::new()
            .route(&format!("/api/{name}/backup"), post(backup::entity))
            .route(&format!("/api/{name}/backups"), get(entity::api_list))
            .route(&format!("/api/{name}/restore/{{backup}}"), post(restore::restore_entity))
            .layer(Extension(entity.clone()));
        router.merge(routes)
    })
}

/// Returns whether a name needs no encoding in a path, and is no variable of a router.
fn is_plain_segment(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'-')
}
