//! The server of the shop.

use std::error::Error;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use axum::Router;
use axum::routing::get;
use koan_backup::http::{BackupApi, HttpOptions, Role, Tokens, router};
use koan_backup::prelude::*;
use koan_backup::{KoanBuilder, Storage};
use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// The token of a viewer.
pub const VIEWER: &str = "koan_viewer-viewer-viewer-viewer-viewer-viewer";
/// The token of an operator.
pub const OPERATOR: &str = "koan_operator-operator-operator-operator-oper";
/// The token of an admin.
pub const ADMIN: &str = "koan_admin-admin-admin-admin-admin-admin-admin";

/// A running server with a database and a storage profile in a folder.
#[derive(Debug)]
pub struct Server {
    /// The address of the API, without a slash at its end.
    pub url: String,
    /// The address of the application's own routes.
    pub application_url: String,
    /// The context of the server.
    pub koan: Koan,
    /// The API.
    pub api: BackupApi,
    folder: PathBuf,
    task: JoinHandle<()>,
}

impl Server {
    /// Starts a server in an empty folder, with ten users and orders.
    pub async fn start(folder: &Path) -> Result<Self, Box<dyn Error>> {
        let database = Connection::open(folder.join("shop.db"))?;
        crate::create_tables(&database, 10)?;
        Self::open(folder, |options| options, |builder| builder).await
    }

    /// Starts a server in a folder with a database.
    pub async fn open(
        folder: &Path,
        options: impl FnOnce(HttpOptions) -> HttpOptions,
        configure: impl FnOnce(KoanBuilder) -> KoanBuilder,
    ) -> Result<Self, Box<dyn Error>> {
        let builder = Koan::builder()
            .application("shop")
            .environment("test")
            .provider(Sqlite::open(folder.join("shop.db"))?)
            .storage(Storage::local(folder.join("backups"))?)
            .state_directory(folder.join("state"));
        let koan = configure(builder).build().await?;
        let tokens = Tokens::new()
            .token("reader", Role::Viewer, &sha256(VIEWER))?
            .token("ci", Role::Operator, &sha256(OPERATOR))?
            .token("root", Role::Admin, &sha256(ADMIN))?;
        let api =
            router(koan.clone(), options(HttpOptions::new().public_path("/ops").tokens(tokens))).await?;
        let application = Router::new()
            .route("/api/users/{id}", get(async || "a user of the application"))
            .nest("/ops", api.router());
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let service = application.into_make_service_with_connect_info::<SocketAddr>();
        let task = tokio::spawn(async move {
            // The task ends with the test.
            let _ = axum::serve(listener, service).await;
        });
        let application_url = format!("http://{address}");
        Ok(Self {
            url: format!("{application_url}/ops"),
            application_url,
            koan,
            api,
            folder: folder.to_owned(),
            task,
        })
    }

    /// Opens the database of the shop.
    pub fn database(&self) -> rusqlite::Result<Connection> {
        Connection::open(self.folder.join("shop.db"))
    }

    /// Stops the server without waiting for its operations, as the end of its process does for its connections.
    pub fn close_connections(&self) {
        self.task.abort();
    }
}

/// Returns the SHA-256 of a token as hexadecimal digits.
fn sha256(token: &str) -> String {
    Sha256::digest(token).iter().map(|byte| format!("{byte:02x}")).collect()
}
