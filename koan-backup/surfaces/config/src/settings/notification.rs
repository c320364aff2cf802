//! The settings of a target of notifications.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::{SecretText, private_address_schema, secret_schema};

/// A target of notifications. Options that its kind does not have are refused.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NotificationSettings {
    /// The kind of the target.
    pub(crate) kind: TargetSetting,
    /// The address: `https://…` of a webhook or check, `smtps://user@host` or `smtp://user@host?tls=required` of a
    /// mail server. Only its host is displayed.
    #[schemars(schema_with = "private_address_schema")]
    pub(crate) url: SecretText,
    /// Webhook: the secret that signs the notifications, of at least 16 bytes. E-mail: the password of the user.
    #[serde(default)]
    #[schemars(schema_with = "secret_schema")]
    pub(crate) secret: Option<SecretText>,
    /// What the target receives. The default is `failure`, `warning` and `recovery`, and for a check `start`,
    /// `success` and `failure`.
    pub(crate) events: Option<Vec<EventSetting>>,
    /// E-mail: the address of the sender.
    pub(crate) from: Option<String>,
    /// E-mail: the addresses of the receivers.
    pub(crate) to: Option<Vec<String>>,
}

/// A kind of target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TargetSetting {
    /// A signed webhook.
    Webhook,
    /// Pings of a service that reports when a backup does not run, such as healthchecks.io.
    HealthCheck,
    /// E-mail through a mail server.
    Email,
}

/// An event of which a target is notified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum EventSetting {
    /// A backup started.
    Start,
    /// A backup was completed.
    Success,
    /// A backup was completed with warnings.
    Warning,
    /// A backup failed, or a verification found a fault.
    Failure,
    /// A backup was completed after the previous one of its series had failed.
    Recovery,
}

impl EventSetting {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Start => "start",
            Self::Success => "success",
            Self::Warning => "warning",
            Self::Failure => "failure",
            Self::Recovery => "recovery",
        }
    }
}
