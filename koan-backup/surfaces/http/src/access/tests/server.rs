//! A server with a few routes for each role, and a client that sends exactly the bytes of a test.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::access::audit::entry::AuditObject;
use crate::access::extractor::{Admin, Operator, Viewer};
use crate::access::gate::{Access, AccessSettings};
use crate::access::layer::{changing_get, protect};
use crate::access::role::Role;
use crate::access::tokens::Tokens;
use crate::problem::{Problem, ProblemKind};

/// A server that mounts the routes below `/ops`, and the secrets of its tokens.
pub(super) struct Server {
    pub(super) address: SocketAddr,
    pub(super) access: Arc<Access>,
    /// How many changes were made.
    changes: Arc<AtomicUsize>,
}

/// The secrets of a token for each role.
pub(super) struct Secrets {
    pub(super) viewer: String,
    pub(super) operator: String,
    pub(super) admin: String,
}

/// Creates a token for each role.
pub(super) fn tokens() -> (Secrets, Tokens) {
    let mut tokens = Tokens::new();
    let mut secret = |name, role| {
        let (secret, entry) = Tokens::generate(name, role).expect("a token is generated");
        tokens = std::mem::take(&mut tokens).entry(entry).expect("the token is added");
        secret.expose().to_owned()
    };
    let secrets = Secrets {
        viewer: secret("reader", Role::Viewer),
        operator: secret("ci", Role::Operator),
        admin: secret("root", Role::Admin),
    };
    (secrets, tokens)
}

/// Settings with a token for each role.
pub(super) fn settings() -> (Secrets, AccessSettings) {
    let (secrets, tokens) = tokens();
    (secrets, AccessSettings { tokens, public_path: "/ops".to_owned(), ..AccessSettings::default() })
}

/// Starts a server with a token for each role.
pub(super) async fn start() -> (Secrets, Server) {
    let (secrets, settings) = settings();
    (secrets, Server::start(settings).await)
}

impl Server {
    pub(super) async fn start(settings: AccessSettings) -> Self {
        let access = Arc::new(Access::new(settings).expect("the settings are valid"));
        let changes = Arc::new(AtomicUsize::new(0));
        let router = Router::new().nest("/ops", routes(&access, Arc::clone(&changes)));
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address");
        let service = router.into_make_service_with_connect_info::<SocketAddr>();
        // The task ends with the runtime of the test.
        tokio::spawn(async move { axum::serve(listener, service).await });
        Self { address, access, changes }
    }

    pub(super) fn changes(&self) -> usize {
        self.changes.load(Ordering::SeqCst)
    }

    /// Sends a request, and receives its answer. `headers` are complete lines.
    pub(super) async fn send(&self, method: &str, target: &str, headers: &[&str], body: &str) -> Answer {
        let mut head = format!("{method} {target} HTTP/1.1\r\nConnection: close\r\n");
        if !headers.iter().any(|line| line.to_ascii_lowercase().starts_with("host:")) {
            head += &format!("Host: {}\r\n", self.address);
        }
        let is_chunked =
            headers.iter().any(|line| line.to_ascii_lowercase().starts_with("transfer-encoding:"));
        if !body.is_empty() && !is_chunked {
            head += &format!("Content-Length: {}\r\n", body.len());
        }
        for line in headers {
            head += line;
            head += "\r\n";
        }
        self.raw(format!("{head}\r\n{body}").as_bytes()).await
    }

    pub(super) async fn get(&self, target: &str, headers: &[&str]) -> Answer {
        self.send("GET", target, headers, "").await
    }

    pub(super) async fn post(&self, target: &str, headers: &[&str]) -> Answer {
        self.send("POST", target, headers, "").await
    }

    /// Sends bytes, and receives until the server closes the connection.
    pub(super) async fn raw(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(self.address).await.expect("the server accepts connections");
        // A server that refuses a request may close the connection before it has received all.
        stream.write_all(bytes).await.ok();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.ok();
        Answer::parse(&answer)
    }

    /// Starts a session, and returns the header line with its cookie.
    pub(super) async fn sign_in(&self, token: &str) -> String {
        let body = format!("{{\"token\": \"{token}\"}}");
        let answer = self.send("POST", "/ops/session", &["Content-Type: application/json"], &body).await;
        assert_eq!(answer.status, 200, "the sign-in failed: {answer:?}");
        format!("Cookie: {}", answer.cookie())
    }
}

/// Waits until a request is refused.
pub(super) async fn until_refused(server: &Server, header: &str) {
    for _ in 0..600 {
        if server.get("/ops/records", &[header]).await.status == 401 {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the request is accepted still");
}

/// An answer of the server. The status is 0 if the server closed the connection without one.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: u16,
    head: String,
    pub(super) body: String,
}

impl Answer {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let (head, body) = text.split_once("\r\n\r\n").unwrap_or((&text, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Self { status, head: head.to_owned(), body: body.to_owned() }
    }

    pub(super) fn header(&self, name: &str) -> Option<&str> {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(found, _)| found.eq_ignore_ascii_case(name)).map(|(_, value)| value).next()
    }

    /// Returns name and value of the session cookie.
    pub(super) fn cookie(&self) -> &str {
        let cookie = self.header("set-cookie").expect("the answer sets a cookie");
        cookie.split(';').next().unwrap_or_default()
    }
}

fn routes(access: &Arc<Access>, changes: Arc<AtomicUsize>) -> Router {
    let create_by_get = get(create).layer(from_fn_with_state(Arc::clone(access), changing_get));
    let protected = Router::new()
        .route("/records", get(read))
        .route("/backup/create", post(create))
        .route("/backup/{entity}/create", create_by_get)
        .route("/backup/{id}", delete(remove))
        .route("/body", post(receive))
        .route("/fail", post(fail))
        .route("/hang", post(async |_: Operator| std::future::pending::<()>().await))
        .route("/without-role", get(async || "without role"))
        .with_state(changes);
    protect(access, protected, Router::new().route("/healthz", get(async || "alive")))
}

async fn read(Viewer(caller): Viewer) -> String {
    format!("records for {}", caller.name())
}

async fn create(_: Operator, State(changes): State<Arc<AtomicUsize>>) -> Response {
    let number = changes.fetch_add(1, Ordering::SeqCst);
    let mut response = "created".into_response();
    response.extensions_mut().insert(AuditObject(format!("operation {number}\n")));
    response
}

async fn remove(_: Admin, State(changes): State<Arc<AtomicUsize>>) -> &'static str {
    changes.fetch_add(1, Ordering::SeqCst);
    "removed"
}

async fn receive(_: Operator, body: Bytes) -> String {
    format!("{} bytes", body.len())
}

async fn fail(_: Operator) -> Problem {
    Problem::new(ProblemKind::Storage, "the storage failed")
}
