//! Signed webhooks.

use jiff::Timestamp;
use koan_backup_core::Result;
use reqwest::Client;
use reqwest::header::CONTENT_TYPE;

use crate::address::HttpAddress;
use crate::delivery::{DeliveryProblem, send};
use crate::notification::{Notification, NotificationKind};
use crate::signature::SigningKey;

/// A webhook: an HTTP request with the notification as JSON, which is signed.
///
/// The headers are those of [Standard Webhooks](https://www.standardwebhooks.com), for which there are libraries in
/// many languages: `webhook-id`, which is the same in every attempt, `webhook-timestamp` in seconds since 1970, and
/// `webhook-signature`, which is `v1,` and the HMAC-SHA256 of `{id}.{timestamp}.{body}` in base64. Without a library,
/// a receiver verifies a request in a few lines, here in Python with the raw body as `bytes`:
///
/// ```python
/// id, timestamp = headers["webhook-id"], headers["webhook-timestamp"]
/// signed = f"{id}.{timestamp}.".encode() + body
/// expected = "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()
/// if not hmac.compare_digest(expected, headers["webhook-signature"]): refuse()
/// if abs(time.time() - int(timestamp)) > 300: refuse()
/// ```
///
/// The secret is text of at least 16 bytes, or `whsec_` with bytes in base64. Redirects are not followed.
#[derive(Clone, Debug)]
pub struct Webhook {
    address: HttpAddress,
    key: SigningKey,
    pub(crate) kinds: Vec<NotificationKind>,
}

impl Webhook {
    /// Creates a webhook that receives failures, warnings and recoveries.
    ///
    /// # Errors
    /// The address is not a URL of the web, or the secret is too short. The error contains neither.
    pub fn new(address: &str, secret: &str) -> Result<Self> {
        use NotificationKind::{Failure, Recovery, Warning};
        let (address, key) = (HttpAddress::new(address)?, SigningKey::new(secret)?);
        Ok(Self { address, key, kinds: vec![Failure, Warning, Recovery] })
    }

    /// Selects what the webhook receives.
    pub fn on(mut self, kinds: impl IntoIterator<Item = NotificationKind>) -> Self {
        self.kinds = kinds.into_iter().collect();
        self
    }

    pub(crate) async fn deliver(
        &self,
        client: &Client,
        notification: &Notification,
    ) -> Result<(), DeliveryProblem> {
        let body = serde_json::to_vec(notification)
            .map_err(|_| DeliveryProblem::permanent("the notification cannot be written as JSON"))?;
        let (id, timestamp) = (notification.id.to_string(), Timestamp::now().as_second().to_string());
        let signature = self.key.sign(&id, &timestamp, &body);
        let request = client
            .post(self.address.url().clone())
            .header(CONTENT_TYPE, "application/json")
            .header("webhook-id", id)
            .header("webhook-timestamp", timestamp)
            .header("webhook-signature", signature)
            .body(body);
        send(request, self.address.host()).await
    }
}
