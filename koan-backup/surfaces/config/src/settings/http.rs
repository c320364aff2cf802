//! The settings of the HTTP server.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::time_span::TimeSpan;

/// The server of the command `serve`.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HttpSettings {
    /// The address and port to listen on. Other addresses than those of this machine need `tokens`.
    #[schemars(extend("default" = "127.0.0.1:8484"))]
    pub(crate) listen: Option<String>,
    /// The file of the tokens of callers. Without it, programs on this machine need no token.
    pub(crate) tokens: Option<PathBuf>,
    /// The role of programs on this machine, if there is no file of tokens.
    #[schemars(extend("default" = "viewer"))]
    pub(crate) role_without_tokens: Option<RoleSetting>,
    /// The file to which changes are logged. Without it, they are only emitted as events of the log.
    pub(crate) audit_log: Option<PathBuf>,
    /// The path below which the routes are.
    #[schemars(extend("default" = "/"))]
    pub(crate) public_path: Option<String>,
    /// Whether the address of a caller is the last one in `X-Forwarded-For`, which a proxy in front of the server adds.
    #[schemars(extend("default" = false))]
    pub(crate) trust_proxy: Option<bool>,
    /// The sites whose scripts may send requests with a token.
    pub(crate) allow_origins: Option<Vec<String>>,
    /// Whether operations are stored in the default storage profile, where several machines see them.
    #[schemars(extend("default" = false))]
    pub(crate) several_replicas: Option<bool>,
    /// How many operations run at the same time.
    #[schemars(extend("default" = 4))]
    pub(crate) max_running_operations: Option<NonZeroUsize>,
    /// How many operations wait for their turn.
    #[schemars(extend("default" = 64))]
    pub(crate) max_queued_operations: Option<NonZeroUsize>,
    /// The maximum size of the body of a request.
    #[schemars(extend("default" = 1_048_576))]
    pub(crate) max_body_bytes: Option<NonZeroUsize>,
    /// How many connections are served at the same time.
    #[schemars(extend("default" = 512))]
    pub(crate) max_connections: Option<NonZeroUsize>,
    /// How long a client may take to send the head of a request, and to accept a part of a response.
    #[schemars(extend("default" = "30s"))]
    pub(crate) client_timeout: Option<TimeSpan>,
}

/// A role of callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RoleSetting {
    /// Reads.
    Viewer,
    /// Reads, and creates what destroys nothing.
    Operator,
    /// Does everything.
    Admin,
}

impl RoleSetting {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Operator => "operator",
            Self::Admin => "admin",
        }
    }
}
