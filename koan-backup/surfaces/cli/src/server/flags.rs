//! The flags of the server.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use koan_backup_http::Role;

use crate::arguments;
use crate::failure::Outcome;
use crate::session::Session;

/// The flags of the server. Each replaces a setting of the configuration.
#[derive(Args, Clone, Debug)]
pub(crate) struct ServerFlags {
    /// Listen on this address and port, by default 127.0.0.1:8484; port 0 is a free port
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) listen: Option<SocketAddr>,
    /// Read the tokens of callers from this file; `token` adds one
    #[arg(long, value_name = "FILE")]
    pub(crate) tokens: Option<PathBuf>,
    /// Without tokens, give programs on this machine this role: viewer (the default), operator or admin
    #[arg(long, value_name = "ROLE")]
    pub(crate) role: Option<Role>,
    /// Append every change to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) audit_log: Option<PathBuf>,
    /// Serve the routes below this path, such as /ops
    #[arg(long, value_name = "PATH")]
    pub(crate) public_path: Option<String>,
    /// Take the address of a caller from X-Forwarded-For, which a proxy in front of the server adds
    #[arg(long)]
    pub(crate) trust_proxy: bool,
    /// Let scripts of this site send requests with a token (repeatable)
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    pub(crate) allow_origins: Vec<String>,
    /// Store operations in the default storage profile, where several machines see them
    #[arg(long)]
    pub(crate) several_replicas: bool,
    /// Run at most this number of operations at the same time, by default 4
    #[arg(long, value_name = "OPERATIONS")]
    pub(crate) max_running: Option<NonZeroUsize>,
    /// Let at most this number of operations wait, by default 64
    #[arg(long, value_name = "OPERATIONS")]
    pub(crate) max_queued: Option<NonZeroUsize>,
    /// Refuse a body of more than this number of bytes, by default 1 MiB
    #[arg(long, value_name = "BYTES")]
    pub(crate) max_body: Option<NonZeroUsize>,
    /// Serve at most this number of connections at the same time, by default 512
    #[arg(long, value_name = "CONNECTIONS")]
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// Close a connection that takes longer to send the head of a request or to accept bytes, by default 30s
    #[arg(long, value_name = "TIME", value_parser = arguments::duration)]
    pub(crate) client_timeout: Option<Duration>,
}

impl ServerFlags {
    /// Refuses flags that would change a setting which the application has fixed.
    ///
    /// # Errors
    /// The application has fixed one of the settings.
    pub(crate) fn refuse_fixed(&self, session: &Session<'_>) -> Outcome<()> {
        session.refuse_fixed([
            self.listen.map(|_| ("--listen", "http.listen")),
            self.tokens.as_ref().map(|_| ("--tokens", "http.tokens")),
            self.role.map(|_| ("--role", "http.role_without_tokens")),
            self.audit_log.as_ref().map(|_| ("--audit-log", "http.audit_log")),
            self.public_path.as_ref().map(|_| ("--public-path", "http.public_path")),
            self.trust_proxy.then_some(("--trust-proxy", "http.trust_proxy")),
            self.allow_origins.first().map(|_| ("--allow-origin", "http.allow_origins")),
            self.several_replicas.then_some(("--several-replicas", "http.several_replicas")),
            self.max_running.map(|_| ("--max-running", "http.max_running_operations")),
            self.max_queued.map(|_| ("--max-queued", "http.max_queued_operations")),
            self.max_body.map(|_| ("--max-body", "http.max_body_bytes")),
            self.max_connections.map(|_| ("--max-connections", "http.max_connections")),
            self.client_timeout.map(|_| ("--client-timeout", "http.client_timeout")),
        ])
    }
}
