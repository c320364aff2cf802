//! The settings of the server: those of the flags, then those of the configuration, then the defaults.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use koan_backup_config::HttpServer;
use koan_backup_core::Result;
use koan_backup_http::{AuditLog, HttpOptions, Role, Tokens};

use super::flags::ServerFlags;
use super::listening::ServerLimits;
use crate::failure::{Failure, Outcome};

/// The address without a setting. The port is one that no well-known program uses.
const LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 8484);
/// The number of connections without a setting: enough for many downloads at the same time, and below the number of
/// files that a process can open on most systems.
const MAX_CONNECTIONS: usize = 512;
/// The time limit for clients without a setting.
const CLIENT_TIMEOUT: Duration = Duration::from_secs(30);

/// Who may use the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum ServerAccess {
    /// Callers with a token of this file.
    Tokens(PathBuf),
    /// Programs on this machine, with this role.
    ThisMachine(Role),
}

/// The settings of the server.
#[derive(Debug)]
pub(crate) struct ServerSettings {
    pub(crate) listen: SocketAddr,
    pub(crate) access: ServerAccess,
    pub(crate) audit_log: Option<PathBuf>,
    pub(crate) public_path: String,
    pub(crate) trust_proxy: bool,
    pub(crate) allow_origins: Vec<String>,
    pub(crate) several_replicas: bool,
    pub(crate) max_running_operations: Option<NonZeroUsize>,
    pub(crate) max_queued_operations: Option<NonZeroUsize>,
    pub(crate) max_body_bytes: Option<NonZeroUsize>,
    pub(crate) limits: ServerLimits,
}

impl ServerSettings {
    /// Determines the settings from the flags and the configuration.
    ///
    /// # Errors
    /// The server could be reached by other machines without a token, or a flag has no effect.
    pub(crate) fn new(flags: &ServerFlags, configured: &HttpServer) -> Outcome<Self> {
        let listen = flags.listen.or(configured.listen).unwrap_or(LISTEN);
        let trust_proxy = flags.trust_proxy || configured.trust_proxy;
        // A role of the flags says that there are to be no tokens; tokens of the flags replace a configured role.
        let access = match (flags.tokens.as_ref().or(configured.tokens.as_ref()), flags.role) {
            (Some(_), Some(_)) => {
                let text = "--role has no effect, because the server has tokens, and each token has a role";
                return Err(Failure::usage(text, "omit --role, or the file of tokens"));
            }
            (Some(tokens), None) => ServerAccess::Tokens(tokens.clone()),
            (None, role) => {
                let configured = configured.role_without_tokens.map(str::parse).transpose()?;
                ServerAccess::ThisMachine(role.or(configured).unwrap_or(Role::Viewer))
            }
        };
        if matches!(access, ServerAccess::ThisMachine(_)) {
            let remedy = "create a token with `token NAME --role operator --file tokens.toml`, and add \
                          --tokens tokens.toml";
            if !listen.ip().is_loopback() {
                let text = format!("other machines can reach {listen}, and the server has no tokens");
                return Err(Failure::usage(text, remedy));
            }
            if trust_proxy {
                let text = "callers behind a proxy need tokens, and the server has none";
                return Err(Failure::usage(text, remedy));
            }
        }
        let mut allow_origins = configured.allow_origins.clone();
        if !flags.allow_origins.is_empty() {
            allow_origins.clone_from(&flags.allow_origins);
        }
        let connections = flags.max_connections.or(configured.max_connections);
        let limits = ServerLimits {
            connections: connections.map_or(MAX_CONNECTIONS, NonZeroUsize::get),
            client_timeout: flags.client_timeout.or(configured.client_timeout).unwrap_or(CLIENT_TIMEOUT),
        };
        if limits.client_timeout.is_zero() {
            return Err(Failure::usage("--client-timeout is 0 seconds", "set a longer time, such as 30s"));
        }
        Ok(Self {
            listen,
            access,
            audit_log: flags.audit_log.clone().or_else(|| configured.audit_log.clone()),
            public_path: flags
                .public_path
                .clone()
                .or_else(|| configured.public_path.clone())
                .unwrap_or_else(|| "/".to_owned()),
            trust_proxy,
            allow_origins,
            several_replicas: flags.several_replicas || configured.several_replicas,
            max_running_operations: flags.max_running.or(configured.max_running_operations),
            max_queued_operations: flags.max_queued.or(configured.max_queued_operations),
            max_body_bytes: flags.max_body.or(configured.max_body_bytes),
            limits,
        })
    }

    /// Reads the file of tokens, opens the audit log, and returns the options of the router. It blocks.
    ///
    /// # Errors
    /// The file of tokens cannot be used, or the audit log cannot be written.
    pub(crate) fn options(&self) -> Result<HttpOptions> {
        let mut options = HttpOptions::new().public_path(&self.public_path);
        options = match &self.access {
            ServerAccess::Tokens(path) => options.tokens(Tokens::file(path)?),
            ServerAccess::ThisMachine(role) => options.without_tokens_on_loopback(*role),
        };
        if let Some(path) = &self.audit_log {
            options = options.audit(AuditLog::file(path)?);
        }
        if self.trust_proxy {
            options = options.trust_proxy();
        }
        if self.several_replicas {
            options = options.several_replicas();
        }
        if let Some(operations) = self.max_running_operations {
            options = options.max_running_operations(operations.get());
        }
        if let Some(operations) = self.max_queued_operations {
            options = options.max_queued_operations(operations.get());
        }
        if let Some(bytes) = self.max_body_bytes {
            options = options.max_body_bytes(bytes.get());
        }
        Ok(self.allow_origins.iter().fold(options, HttpOptions::allow_origin))
    }
}
