//! The configured HTTP server.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

/// The settings of the HTTP server, as they are configured, for the surface that runs it. A setting that is not
/// configured is `None`, `false` or empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct HttpServer {
    /// The address to listen on.
    pub listen: Option<SocketAddr>,
    /// The file of the tokens of callers.
    pub tokens: Option<PathBuf>,
    /// The name of the role of programs on this machine, if there is no file of tokens.
    pub role_without_tokens: Option<&'static str>,
    /// The file to which changes are logged.
    pub audit_log: Option<PathBuf>,
    /// The path below which the routes are.
    pub public_path: Option<String>,
    /// Whether a proxy in front of the server adds the addresses of callers.
    pub trust_proxy: bool,
    /// The sites whose scripts may send requests with a token.
    pub allow_origins: Vec<String>,
    /// Whether operations are stored in the default storage profile.
    pub several_replicas: bool,
    /// How many operations run at the same time.
    pub max_running_operations: Option<NonZeroUsize>,
    /// How many operations wait for their turn.
    pub max_queued_operations: Option<NonZeroUsize>,
    /// The maximum size of the body of a request.
    pub max_body_bytes: Option<NonZeroUsize>,
    /// How many connections are served at the same time.
    pub max_connections: Option<NonZeroUsize>,
    /// How long a client may take to send the head of a request, and to accept a part of a response.
    pub client_timeout: Option<Duration>,
}
