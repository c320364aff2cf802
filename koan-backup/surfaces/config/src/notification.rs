//! A configured target of notifications.

use std::fmt;

use crate::secret::{HIDDEN, address_without_path};

/// A target of notifications, as it is configured, for the surface that sends them.
///
/// Its debug text contains the host of the address only, and no secret.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct NotificationTarget {
    /// The name of the target.
    pub name: String,
    /// The kind of the target.
    pub kind: NotificationTargetKind,
    /// The address, which may contain a secret.
    pub url: String,
    /// The secret that signs a webhook, or the password of a mail server.
    pub secret: Option<String>,
    /// The names of the events of which the target is notified; the default of its kind if it is `None`.
    pub events: Option<Vec<&'static str>>,
    /// The sender of e-mail.
    pub from: Option<String>,
    /// The receivers of e-mail.
    pub to: Vec<String>,
}

/// The kind of a target of notifications.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum NotificationTargetKind {
    /// A signed webhook.
    Webhook,
    /// Pings of a service that reports when a backup does not run.
    HealthCheck,
    /// E-mail.
    Email,
}

impl fmt::Debug for NotificationTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NotificationTarget")
            .field("name", &self.name)
            .field("kind", &self.kind)
            .field("url", &address_without_path(&self.url))
            .field("secret", &self.secret.as_ref().map(|_| HIDDEN))
            .field("events", &self.events)
            .field("from", &self.from)
            .field("to", &self.to)
            .finish()
    }
}
