//! A client of the API.

use std::ops::Deref;

use koan_backup::KoanBuilder;
use koan_backup::MemoryEvents;
use koan_backup::http::HttpOptions;
use koan_backup_http_tests::{ADMIN, Server, event_store, with_streams};
use koan_backup_tests::wait;
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

/// A server with ten users and orders, and a client.
pub(crate) struct Client {
    pub(crate) server: Server,
    pub(crate) folder: TempDir,
    remote: Remote,
}

/// A client of a server, which may be in another process.
#[derive(Clone, Debug)]
pub(crate) struct Remote {
    url: String,
    http: reqwest::Client,
}

/// A response with its body as JSON.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Value,
}

impl Client {
    pub(crate) async fn start() -> Self {
        let folder = TempDir::new().expect("a folder");
        let server = Server::start(folder.path()).await.expect("the server starts");
        Self { remote: Remote::new(&server.url), server, folder }
    }

    /// Starts a server with these options.
    pub(crate) async fn open(
        options: impl FnOnce(HttpOptions) -> HttpOptions,
        configure: impl FnOnce(KoanBuilder) -> KoanBuilder,
    ) -> Self {
        let folder = TempDir::new().expect("a folder");
        let database = rusqlite::Connection::open(folder.path().join("shop.db")).expect("a database");
        koan_backup_http_tests::create_tables(&database, 10).expect("the tables are created");
        let server = Server::open(folder.path(), options, configure).await.expect("the server starts");
        Self { remote: Remote::new(&server.url), server, folder }
    }

    /// Starts a server that has event streams as well: orders, and encrypted patients.
    pub(crate) async fn with_streams() -> (Self, MemoryEvents) {
        Self::with_streams_and(|options| options).await
    }

    /// Starts a server with event streams and these options.
    pub(crate) async fn with_streams_and(
        options: impl FnOnce(HttpOptions) -> HttpOptions,
    ) -> (Self, MemoryEvents) {
        let store = event_store().expect("an event store");
        let configure = |builder| with_streams(builder, &store).expect("the key is valid");
        (Self::open(options, configure).await, store)
    }

    /// Starts a request without a token, to an address that begins with the host.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.server.application_url))
    }
}

impl Deref for Client {
    type Target = Remote;

    fn deref(&self) -> &Remote {
        &self.remote
    }
}

impl Remote {
    /// Creates a client of the API at an address.
    pub(crate) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), http: reqwest::Client::new() }
    }

    /// Starts a request with a token.
    pub(crate) fn request(&self, method: Method, path: &str, token: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.url)).bearer_auth(token)
    }

    /// Sends a `GET` request as an admin.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        answer(self.request(Method::GET, path, ADMIN)).await
    }

    /// Sends a `POST` request as an admin.
    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, path, ADMIN).json(body)).await
    }

    /// Makes a backup and returns its id.
    pub(crate) async fn backup(&self, name: &str) -> String {
        let made = self.post("/api/backup/all?wait=true", &json!({ "name": name })).await;
        assert_eq!(made.status, StatusCode::OK, "the backup is made: {made:?}");
        made.body["backupId"].as_str().expect("the result contains the id").to_owned()
    }

    /// Makes a single backup of an order and returns its id.
    pub(crate) async fn stream_backup(&self, object: &str, id: &str) -> String {
        let made = self.post(&format!("/api/streams/{object}/{id}/backup?wait=true"), &json!({})).await;
        assert_eq!(made.status, StatusCode::OK, "the single backup is made: {made:?}");
        made.body["id"].as_str().expect("the result contains the id").to_owned()
    }

    /// Waits until an operation has ended, and returns it.
    pub(crate) async fn ended(&self, operation: &Value) -> Value {
        let id = operation["operationId"].as_str().expect("an operation has an id").to_owned();
        let mut last = Value::Null;
        wait::until("the operation ends", async || {
            last = self.get(&format!("/api/backup/operations/{id}")).await.body;
            !last["completedAt"].is_null()
        })
        .await;
        last
    }
}

/// Sends a request and parses the body of the response.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response: Response = request.send().await.expect("the server answers");
    let status = response.status();
    let text = response.text().await.expect("the body can be read");
    let body = if text.is_empty() {
        Value::Null
    } else {
        serde_json::from_str(&text).unwrap_or(Value::String(text))
    };
    Answer { status, body }
}

impl Answer {
    /// Asserts that the response is a problem of this kind, and returns its text.
    pub(crate) fn problem(&self, status: StatusCode, code: &str) -> String {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(self.body["type"], format!("urn:koan-backup:problem:{code}"), "{self:?}");
        assert_eq!(self.body["status"], status.as_u16(), "{self:?}");
        format!(
            "{}; {}",
            self.body["detail"].as_str().unwrap_or_default(),
            self.body["help"].as_str().unwrap_or_default()
        )
    }
}
