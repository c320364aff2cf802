//! A stream of events ends when its caller loses the right to read it.

use std::path::PathBuf;
use std::sync::Mutex;
use std::sync::mpsc::{Sender, channel};

use koan_backup::http::{Role, Tokens};
use koan_backup::{Event, Listener};
use reqwest::{Method, Response, StatusCode};
use serde_json::json;
use tempfile::TempDir;

use crate::client::{Client, answer};

/// A server with a backup that waits at a gate, and the tokens of its file.
struct Held {
    client: Client,
    /// The secret of the token that is revoked.
    reader: String,
    /// The entry of the token that remains.
    remaining: String,
    /// The path of the events of the backup.
    path: String,
    tokens: TempDir,
    /// The backup continues when this value is dropped.
    _gate: Sender<()>,
}

impl Held {
    async fn start() -> Self {
        let tokens = tempfile::tempdir().expect("a folder");
        let (reader, entry) = Tokens::generate("reader", Role::Viewer).expect("a token");
        let (starter, remaining) = Tokens::generate("ci", Role::Operator).expect("a token");
        let file = tokens.path().join("tokens.toml");
        std::fs::write(&file, format!("{entry}{remaining}")).expect("the file is written");
        let loaded = Tokens::file(&file).expect("the file is valid");
        let (gate, opened) = channel();
        let opened = Mutex::new(opened);
        let listener = Listener::new(move |event| {
            if matches!(event, Event::BackupStarted { .. }) {
                tokio::task::block_in_place(|| opened.lock().expect("not poisoned").recv().ok());
            }
        });
        let client =
            Client::open(|options| options.tokens(loaded), |builder| builder.observe(listener)).await;
        let started = client.request(Method::POST, "/api/backup/all", starter.expose()).json(&json!({}));
        let started = answer(started).await;
        assert_eq!(started.status, StatusCode::ACCEPTED, "{started:?}");
        let path =
            format!("/api/backup/operations/{}/events", started.body["operationId"].as_str().expect("an id"));
        let (reader, remaining) = (reader.expose().to_owned(), remaining.to_string());
        Self { client, reader, remaining, path, tokens, _gate: gate }
    }

    fn tokens_file(&self) -> PathBuf {
        self.tokens.path().join("tokens.toml")
    }

    /// Removes the token of the reader.
    fn revoke(&self) {
        let new = self.tokens.path().join("new.toml");
        std::fs::write(&new, &self.remaining).expect("the file is written");
        std::fs::rename(&new, self.tokens_file()).expect("the file is replaced");
    }
}

/// Waits until a stream ends, although its operation does not.
async fn until_ended(mut events: Response) {
    assert_eq!(events.status(), StatusCode::OK);
    while let Some(chunk) = events.chunk().await.expect("the stream ends without an error") {
        let text = String::from_utf8_lossy(&chunk).into_owned();
        assert!(!text.contains("event: end"), "the operation has ended: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_ends_when_its_token_is_revoked() {
    let held = Held::start().await;
    let events = held.client.request(Method::GET, &held.path, &held.reader).send().await;
    let mut events = events.expect("the server answers");
    assert!(events.chunk().await.expect("an event").is_some(), "the stream begins with the state");
    held.revoke();
    until_ended(events).await;
    let refused = answer(held.client.request(Method::GET, &held.path, &held.reader)).await;
    refused.problem(StatusCode::UNAUTHORIZED, "unauthenticated");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_stream_ends_when_its_session_ends() {
    let held = Held::start().await;
    let body = json!({ "token": held.reader });
    let signed_in = held.client.bare(Method::POST, "/ops/session").json(&body).send().await;
    let signed_in = signed_in.expect("the server answers");
    let cookie = signed_in.headers()["set-cookie"].to_str().expect("text").to_owned();
    let cookie = cookie.split(';').next().expect("a value").to_owned();
    let of_session = |method: Method, path: &str| {
        held.client.bare(method, &format!("/ops{path}")).header("cookie", &cookie)
    };
    let mut events = of_session(Method::GET, &held.path).send().await.expect("the server answers");
    assert!(events.chunk().await.expect("an event").is_some(), "the stream begins with the state");
    let signed_out = answer(of_session(Method::DELETE, "/session")).await;
    assert_eq!(signed_out.status, StatusCode::NO_CONTENT, "{signed_out:?}");
    until_ended(events).await;
}
