//! Mounts the HTTP API in an application with its own routes: below `/ops`, or at the root.
//!
//! ```sh
//! cargo run --example http              # http://127.0.0.1:8080/ops
//! cargo run --example http -- --root    # http://127.0.0.1:8080
//! ```
//!
//! The program prints the token of an admin.
#![expect(clippy::print_stdout, reason = "an example prints its results")]

use std::net::SocketAddr;
use std::path::Path;

use axum::Router;
use axum::extract::Path as PathOf;
use axum::http::{StatusCode, Uri};
use axum::routing::get;
use koan_backup::http::{BackupApi, HttpOptions, Role, Tokens, router};
use koan_backup::prelude::*;
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

entity_backup_scope!(mode = All);

#[derive(Debug, Serialize, Deserialize, Entity)]
#[entity(table = "users")]
pub(crate) struct User {
    id: i64,
    name: String,
}

/// Where the application mounts the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// Below `/ops`, apart from the routes of the application.
    Nested,
    /// At the root, where `/api/users/backups` of the API is beside `/api/users/{id}` of the application.
    Merged,
}

/// The application, and the token of an admin.
pub(crate) struct Application {
    pub(crate) router: Router,
    pub(crate) api: BackupApi,
    pub(crate) token: String,
}

/// Creates the application. Its database and its backups are in `folder`.
pub(crate) async fn application(
    folder: &Path,
    place: Place,
) -> Result<Application, Box<dyn std::error::Error>> {
    let koan = Koan::builder()
        .application("users")
        .environment("example")
        .provider(Sqlite::open(folder.join("users.db"))?)
        .storage(Storage::local(folder.join("backups"))?)
        .state_directory(folder.join("state"))
        .build()
        .await?;
    // The file contains only the hash of the token.
    let (token, entry) = Tokens::generate("root", Role::Admin)?;
    let tokens = folder.join("tokens.toml");
    Tokens::add_to_file(&tokens, &entry)?;
    let mut options = HttpOptions::new().tokens(Tokens::file(tokens)?);
    if place == Place::Nested {
        options = options.public_path("/ops");
    }
    let api = router(koan, options).await?;
    let own = Router::new()
        .route("/about", get(async || "the application"))
        .route("/api/users/{id}", get(async |PathOf(id): PathOf<String>| format!("user {id}")))
        .fallback(async |uri: Uri| {
            (StatusCode::NOT_FOUND, format!("the application has no page {}", uri.path()))
        });
    let router = match place {
        Place::Nested => own.nest("/ops", api.router()),
        Place::Merged => own.merge(api.router()),
    };
    Ok(Application { router, api, token: token.expose().to_owned() })
}

/// Serves the application until `stopped`. What runs then is cancelled, and its end is recorded.
pub(crate) async fn serve(
    application: Application,
    listener: TcpListener,
    stopped: impl Future<Output = ()> + Send + 'static,
) -> Result<(), Box<dyn std::error::Error>> {
    let api = application.api;
    let shutdown = async move {
        stopped.await;
        // Streams of events and waiting requests end only when the operations have ended.
        if let Err(error) = api.shutdown().await {
            println!("{error}");
        }
    };
    // The audit log and the limit for wrong tokens need the addresses of the clients.
    let service = application.router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(shutdown).await?;
    Ok(())
}

/// Creates the database of the application.
pub(crate) fn create_users(folder: &Path) -> rusqlite::Result<()> {
    rusqlite::Connection::open(folder.join("users.db"))?.execute_batch(
        "CREATE TABLE users (id INTEGER PRIMARY KEY, name TEXT NOT NULL);
         INSERT INTO users VALUES (1, 'Ada'), (2, 'Björk'), (3, 'Chloé');",
    )
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let place = match std::env::args().nth(1).as_deref() {
        Some("--root") => Place::Merged,
        _ => Place::Nested,
    };
    let folder = tempfile::tempdir()?;
    create_users(folder.path())?;
    let application = application(folder.path(), place).await?;
    let listener = TcpListener::bind("127.0.0.1:8080").await?;
    println!("listening at http://{}, token {}", listener.local_addr()?, application.token);
    let stopped = async { tokio::signal::ctrl_c().await.unwrap_or_default() };
    serve(application, listener, stopped).await
}
