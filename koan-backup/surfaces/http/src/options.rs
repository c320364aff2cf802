//! The options of the router.

use std::sync::Arc;

use crate::access::origins::AllowedOrigins;
use crate::access::{AuditLog, Authenticator, Role, Tokens};

/// The options of [`router`](crate::router).
///
/// ```
/// use koan_backup_http::{HttpOptions, Role, Tokens};
///
/// let (secret, entry) = Tokens::generate("ci", Role::Operator)?;
/// let options = HttpOptions::new().public_path("/ops").tokens(Tokens::new().entry(entry)?);
/// # let _ = (secret, options);
/// # Ok::<(), koan_backup_core::Error>(())
/// ```
#[derive(Default)]
#[must_use = "options have no effect until they are passed to `router`"]
pub struct HttpOptions {
    pub(crate) public_path: Option<String>,
    pub(crate) tokens: Tokens,
    pub(crate) authenticator: Option<Arc<dyn Authenticator>>,
    pub(crate) audit: AuditLog,
    pub(crate) trust_proxy: bool,
    pub(crate) loopback: Option<Role>,
    pub(crate) allow_origins: Vec<String>,
    pub(crate) max_running: Option<usize>,
    pub(crate) max_queued: Option<usize>,
    pub(crate) max_body_bytes: Option<usize>,
    pub(crate) replicas: Replicas,
    #[cfg(feature = "metrics")]
    pub(crate) metrics: Option<koan_backup_metrics::Metrics>,
}

/// Where operations are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Replicas {
    /// In the state directory, for the processes of one machine.
    #[default]
    One,
    /// In the default storage profile, for several machines.
    Several,
}

impl HttpOptions {
    /// Creates options without a caller: at least [`tokens`](Self::tokens) or an
    /// [`authenticator`](Self::authenticator) is required.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the path at which the application nests the router, for example `/ops`. It is the prefix of links and cookies,
    /// because a nested router does not know its own path. Without this setting, it is the root.
    pub fn public_path(mut self, path: impl Into<String>) -> Self {
        self.public_path = Some(path.into());
        self
    }

    /// Sets the tokens of the callers.
    pub fn tokens(mut self, tokens: Tokens) -> Self {
        self.tokens = tokens;
        self
    }

    /// Lets the application authenticate callers that have no token.
    pub fn authenticator(mut self, authenticator: impl Authenticator) -> Self {
        self.authenticator = Some(Arc::new(authenticator));
        self
    }

    /// Sets where changes are logged. Without this setting, they are logged with `tracing` only.
    pub fn audit(mut self, audit: AuditLog) -> Self {
        self.audit = audit;
        self
    }

    /// Takes the address of a caller from the header `X-Forwarded-For`, which a proxy in front of the server sets. Only for
    /// a server that cannot be reached without the proxy.
    pub fn trust_proxy(mut self) -> Self {
        self.trust_proxy = true;
        self
    }

    /// Lets programs on the same machine use the API without a token, with this role. It excludes tokens and an
    /// authenticator, and is for a server that listens on a loopback address.
    pub fn without_tokens_on_loopback(mut self, role: Role) -> Self {
        self.loopback = Some(role);
        self
    }

    /// Lets scripts of this site send requests with a token, for example `https://admin.example.org`. The method can be
    /// called several times.
    pub fn allow_origin(mut self, origin: impl Into<String>) -> Self {
        self.allow_origins.push(origin.into());
        self
    }

    /// Sets how many operations run at the same time. Without this setting, there are 4.
    pub fn max_running_operations(mut self, operations: usize) -> Self {
        self.max_running = Some(operations);
        self
    }

    /// Sets how many operations wait for their turn. Further requests are answered with the status 429. Without this
    /// setting, there are 64.
    pub fn max_queued_operations(mut self, operations: usize) -> Self {
        self.max_queued = Some(operations);
        self
    }

    /// Sets the maximum size of a request's body. Without this setting, it is 1 MiB.
    pub fn max_body_bytes(mut self, bytes: usize) -> Self {
        self.max_body_bytes = Some(bytes);
        self
    }

    /// Stores operations in the default storage profile, so that several machines see the same operations. Without this
    /// setting, they are stored in a file of SQLite in the state directory, if the feature `sqlite` is enabled.
    pub fn several_replicas(mut self) -> Self {
        self.replicas = Replicas::Several;
        self
    }

    /// Serves the metrics of the context at `GET /metrics`, for callers with the role `viewer` or a higher one. The
    /// application has attached them to the context, so that they count its operations. Without this setting, there is
    /// no such route.
    #[cfg(feature = "metrics")]
    pub fn metrics(mut self, metrics: koan_backup_metrics::Metrics) -> Self {
        self.metrics = Some(metrics);
        self
    }

    /// Checks the origins.
    pub(crate) fn allowed_origins(&self) -> koan_backup_core::Result<AllowedOrigins> {
        let mut origins = AllowedOrigins::default();
        for origin in &self.allow_origins {
            origins.add(origin)?;
        }
        Ok(origins)
    }
}

impl std::fmt::Debug for HttpOptions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpOptions")
            .field("public_path", &self.public_path)
            .field("tokens", &self.tokens)
            .finish_non_exhaustive()
    }
}
