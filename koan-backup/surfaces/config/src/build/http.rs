//! The HTTP server.

use super::Build;
use crate::http_server::HttpServer;

impl Build<'_> {
    /// Returns the settings of the HTTP server. Problems are collected.
    pub(super) fn http(&mut self) -> HttpServer {
        let settings = &self.loaded.settings.http;
        let listen = settings.listen.as_deref().and_then(|text| {
            if let Ok(address) = text.parse() {
                return Some(address);
            }
            let message = format!("`http.listen` is not an address and a port: `{}`", text.escape_debug());
            self.refuse("http.listen", message, "for example `127.0.0.1:8484` or `[::1]:8484`");
            None
        });
        if settings.public_path.as_ref().is_some_and(|path| !path.starts_with('/')) {
            self.refuse(
                "http.public_path",
                "`http.public_path` does not begin with `/`",
                "for example `/ops`",
            );
        }
        let client_timeout = settings.client_timeout.map(|time| time.0);
        if client_timeout.is_some_and(|time| time.is_zero()) {
            self.refuse("http.client_timeout", "`http.client_timeout` is 0 seconds", "set a longer time");
        }
        if settings.tokens.is_some() && settings.role_without_tokens.is_some() {
            let message = "`http.role_without_tokens` has no effect, because `http.tokens` is set";
            self.refuse("http.role_without_tokens", message, "remove one of them");
        }
        HttpServer {
            listen,
            tokens: settings.tokens.clone(),
            role_without_tokens: settings.role_without_tokens.map(|role| role.as_str()),
            audit_log: settings.audit_log.clone(),
            public_path: settings.public_path.clone(),
            trust_proxy: settings.trust_proxy.unwrap_or_default(),
            allow_origins: settings.allow_origins.clone().unwrap_or_default(),
            several_replicas: settings.several_replicas.unwrap_or_default(),
            max_running_operations: settings.max_running_operations,
            max_queued_operations: settings.max_queued_operations,
            max_body_bytes: settings.max_body_bytes,
            max_connections: settings.max_connections,
            client_timeout,
        }
    }

    /// Checks the settings of the HTTP server, and that this program has one.
    pub(super) fn check_http(&mut self) {
        self.http();
        let is_set = self.loaded.layers.merged.get("http").is_some_and(|node| !node.entries().is_empty());
        if is_set && !cfg!(feature = "http") {
            let message = "the server needs the feature `http`, which is not enabled";
            self.refuse("http", message, "add it: koan-backup = { features = [\"http\"] }");
        }
    }
}
