//! The router of the HTTP API, and its end.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Redirect};
use axum::routing::get;
use koan_backup_core::{Koan, Result, SystemClock};
use tokio::sync::Semaphore;

use crate::access::audit::path::ShownObjects;
use crate::access::gate::{Access, AccessSettings};
use crate::access::layer::protect;
use crate::access::peer::ProxyTrust;
use crate::access::request_body::BodyLimits;
use crate::access::response_headers::restrict_browsers;
use crate::access::sign_in;
use crate::docs;
use crate::entities::RoutedEntities;
use crate::links::Links;
use crate::openapi;
#[cfg(feature = "sqlite")]
use crate::operations::SqliteOperationStore;
use crate::operations::{OperationLimits, OperationStore, Operations, ProfileOperationStore};
use crate::options::{HttpOptions, Replicas};
use crate::page;
use crate::problem::{Problem, ProblemKind};
use crate::routes;
use crate::schemas::SchemaCache;
use crate::state::Shared;

/// The number of comparisons of backups that run at the same time.
const MAX_COMPARISONS: usize = 4;

/// The HTTP API of a context. [`router`] creates it.
#[derive(Clone, Debug)]
#[must_use = "the API is not reachable until its router is served"]
pub struct BackupApi {
    router: Router,
    shared: Arc<Shared>,
}

/// Creates the HTTP API of a context.
///
/// ```no_run
/// use axum::Router;
/// use koan_backup_http::{HttpOptions, Tokens, router};
///
/// # async fn run(koan: koan_backup_core::Koan) -> Result<(), Box<dyn std::error::Error>> {
/// let options = HttpOptions::new().public_path("/ops").tokens(Tokens::file("tokens.toml")?);
/// let backup = router(koan, options).await?;
/// let app: Router = Router::new().nest("/ops", backup.router());
/// let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
/// let service = app.into_make_service_with_connect_info::<std::net::SocketAddr>();
/// let stopped = async move {
///     tokio::signal::ctrl_c().await.ok();
///     // Streams of events and waiting requests end only when the operations have ended.
///     backup.shutdown().await.ok();
/// };
/// axum::serve(listener, service).with_graceful_shutdown(stopped).await?;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Nobody could use the API, because there are neither tokens nor an authenticator; two entities have the same name in
/// paths; or the store of operations cannot be opened.
pub async fn router(koan: Koan, options: HttpOptions) -> Result<BackupApi> {
    let links = Links::new(options.public_path.as_deref().unwrap_or("/"))?;
    let entities = RoutedEntities::of(&koan)?;
    let allow_origins = options.allowed_origins()?;
    let mut body = BodyLimits::default();
    if let Some(bytes) = options.max_body_bytes {
        body.max_bytes = bytes;
    }
    let access = Access::new(AccessSettings {
        tokens: options.tokens,
        authenticator: options.authenticator,
        audit: options.audit,
        proxy_trust: if options.trust_proxy { ProxyTrust::ForwardedFor } else { ProxyTrust::default() },
        public_path: links.cookie_path().to_owned(),
        loopback: options.loopback,
        body,
        allow_origins,
        shown_objects: shown_objects(&koan),
    })?;
    let mut limits = OperationLimits::default();
    if let Some(running) = options.max_running {
        limits = limits.running(running);
    }
    if let Some(queued) = options.max_queued {
        limits = limits.queued(queued);
    }
    let store = operation_store(&koan, options.replicas).await?;
    let operations = Operations::open(store, limits, Arc::new(SystemClock));
    let access = Arc::new(access);
    let shared = Arc::new(Shared {
        koan,
        entities,
        links,
        operations,
        comparisons: Semaphore::new(MAX_COMPARISONS),
        schemas: SchemaCache::default(),
        access: Arc::clone(&access),
    });
    let routes = routes::protected(&access);
    #[cfg(feature = "metrics")]
    let routes = match options.metrics {
        Some(metrics) => routes.merge(routes::of_metrics(metrics)),
        None => routes,
    };
    let (protected, protected_api) = routes.split_for_parts();
    let (public, public_api) = routes::public().split_for_parts();
    let mut document = protected_api;
    document.merge(public_api);
    document.merge(sign_in::document());
    document.merge(routes::parameter_types());
    let document = openapi::complete(document, &shared.links);
    let protected = shared
        .entities
        .all()
        .iter()
        .fold(protected, |router, entity| router.merge(routes::of_entity(entity)));
    let protected = protected.merge(docs::route(&document, &shared.links)).merge(openapi::route(&document));
    let protected = protected.merge(page::protected()).with_state(Arc::clone(&shared));
    let public = public.merge(page::public(access.mount())).with_state(Arc::clone(&shared));
    let router = protect(&access, protected, public);
    let router = router.layer(from_fn_with_state(Arc::clone(&shared), page::present));
    Ok(BackupApi { router, shared })
}

/// Returns the object names of the event streams that are not encrypted.
fn shown_objects(koan: &Koan) -> ShownObjects {
    let streams = koan.capabilities().event_streams.into_iter();
    streams.filter(|(_, streams)| !streams.encrypt).map(|(object, _)| object).collect()
}

/// Opens the store of operations: a file in the state directory, or documents in the default storage profile.
async fn operation_store(koan: &Koan, replicas: Replicas) -> Result<Arc<dyn OperationStore>> {
    #[cfg(feature = "sqlite")]
    if replicas == Replicas::One {
        return Ok(Arc::new(SqliteOperationStore::open(koan.state_directory()).await?));
    }
    tracing::debug!(target: "koan::backup::http", ?replicas, "operations are stored in the default storage profile");
    Ok(Arc::new(ProfileOperationStore::open(koan)?))
}

impl BackupApi {
    /// Returns the router, which an application nests at the public path: `Router::new().nest("/ops", api.router())`.
    pub fn router(&self) -> Router {
        self.router.clone()
    }

    /// Returns the router of a server that has no other routes: those of the API at the public path, a redirect from the
    /// root to the web page, and a problem for every other path.
    pub fn server(&self) -> Router {
        let links = &self.shared.links;
        let routes = match links.cookie_path() {
            "/" => self.router(),
            path => Router::new().nest(path, self.router()),
        };
        let page = links.to(page::ROOT);
        routes.route("/", get(move || std::future::ready(Redirect::to(&page)))).fallback(async || {
            let problem = Problem::new(ProblemKind::NotFound, "there is no such route");
            restrict_browsers(problem.into_response()).await
        })
    }

    /// Ends the streams of events, refuses new operations, cancels those that run, and waits until they have stopped.
    ///
    /// # Errors
    /// The end of an operation could not be recorded within the time limit.
    pub async fn shutdown(&self) -> Result<()> {
        self.shared.operations.shutdown().await
    }
}
