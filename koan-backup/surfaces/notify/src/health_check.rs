//! Pings of a service that reports when a backup does not run.

use koan_backup_core::Result;
use reqwest::Client;

use crate::address::HttpAddress;
use crate::delivery::{DeliveryProblem, send};
use crate::notification::{Notification, NotificationKind};

/// A check of [healthchecks.io](https://healthchecks.io) or of a service with the same addresses, which reports when
/// a backup fails or does not run at all.
///
/// A start pings `{address}/start`, a failure `{address}/fail` with the error as its body, and everything else
/// `{address}`, each with the id of the backup as `?rid=`, so that the service measures the duration.
#[derive(Clone, Debug)]
pub struct HealthCheck {
    address: HttpAddress,
    pub(crate) kinds: Vec<NotificationKind>,
}

impl HealthCheck {
    /// Creates a check that is pinged at the start, after success and after failure. Warnings and recoveries are
    /// successes.
    ///
    /// # Errors
    /// The address is not a URL of the web. The error does not contain it.
    pub fn new(address: &str) -> Result<Self> {
        use NotificationKind::{Failure, Start, Success};
        Ok(Self { address: HttpAddress::new(address)?, kinds: vec![Start, Success, Failure] })
    }

    /// Selects at which events the check is pinged.
    pub fn on(mut self, kinds: impl IntoIterator<Item = NotificationKind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    pub(crate) async fn deliver(
        &self,
        client: &Client,
        notification: &Notification,
    ) -> Result<(), DeliveryProblem> {
        let segment = match notification.kind {
            NotificationKind::Start => Some("start"),
            NotificationKind::Failure => Some("fail"),
            _ => None,
        };
        let run = notification.backup_id.map(|id| id.to_string());
        let url = self.address.with(segment, run.as_deref().map(|run| ("rid", run)));
        send(client.post(url).body(notification.error.clone().unwrap_or_default()), self.address.host()).await
    }
}
