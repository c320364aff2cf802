//! The targets of notifications.

use reqwest::Client;

use crate::delivery::DeliveryProblem;
use crate::email::Email;
use crate::health_check::HealthCheck;
use crate::notification::{Notification, NotificationKind};
use crate::webhook::Webhook;

/// A target of notifications.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Target {
    /// A signed webhook.
    Webhook(Webhook),
    /// Pings of a service that reports when a backup does not run.
    HealthCheck(HealthCheck),
    /// E-mail.
    Email(Box<Email>),
}

impl From<Webhook> for Target {
    fn from(webhook: Webhook) -> Self {
        Self::Webhook(webhook)
    }
}

impl From<HealthCheck> for Target {
    fn from(check: HealthCheck) -> Self {
        Self::HealthCheck(check)
    }
}

impl From<Email> for Target {
    fn from(email: Email) -> Self {
        Self::Email(Box::new(email))
    }
}

impl Target {
    /// Returns what the target receives.
    pub(crate) fn kinds(&self) -> &[NotificationKind] {
        match self {
            Self::Webhook(webhook) => &webhook.kinds,
            Self::HealthCheck(check) => &check.kinds,
            Self::Email(email) => &email.kinds,
        }
    }

    /// Delivers a notification once.
    pub(crate) async fn deliver(
        &self,
        client: &Client,
        notification: &Notification,
    ) -> Result<(), DeliveryProblem> {
        match self {
            Self::Webhook(webhook) => webhook.deliver(client, notification).await,
            Self::HealthCheck(check) => check.deliver(client, notification).await,
            Self::Email(email) => email.deliver(notification).await,
        }
    }
}
