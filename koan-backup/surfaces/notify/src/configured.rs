//! The targets of a configuration.

use koan_backup_config::{Configuration, NotificationTarget, NotificationTargetKind};
use koan_backup_core::Result;

use crate::email::Email;
use crate::health_check::HealthCheck;
use crate::notification::NotificationKind;
use crate::notifier::{Notifier, NotifierBuilder};
use crate::target::Target;
use crate::webhook::Webhook;

impl NotifierBuilder {
    /// Adds the targets of the table `notifications` of a configuration.
    ///
    /// # Errors
    /// A secret cannot be read, or a target is not valid. The error names the target, and contains no secret.
    pub fn configuration(self, configuration: &Configuration) -> Result<Self> {
        let mut builder = self;
        for target in configuration.notifications()? {
            let configured = configured(&target)
                .map_err(|error| error.context(format!("`notifications.{}` is not valid", target.name)))?;
            builder = builder.target(target.name, configured);
        }
        Ok(builder)
    }
}

impl Notifier {
    /// Starts a notifier with the targets of the table `notifications` of a configuration.
    ///
    /// ```
    /// use koan_backup::config::ConfigurationSources;
    /// use koan_backup::notify::Notifier;
    ///
    /// # fn main() -> koan_backup::Result<()> {
    /// # let runtime = tokio::runtime::Runtime::new().expect("a runtime starts");
    /// # let _entered = runtime.enter();
    /// let configuration = ConfigurationSources::new()
    ///     .fixed("notifications.cron.kind", "health_check")
    ///     .fixed("notifications.cron.url", "https://hc-ping.com/5a1b…")
    ///     .load()?;
    /// let notifier = Notifier::configured(&configuration)?;
    /// assert_eq!(notifier.report().targets[0].name, "cron");
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// The errors of [`NotifierBuilder::configuration`] and of [`NotifierBuilder::start`].
    pub fn configured(configuration: &Configuration) -> Result<Self> {
        Self::builder().configuration(configuration)?.start()
    }
}

/// Returns a configured target.
fn configured(target: &NotificationTarget) -> Result<Target> {
    let kinds = match &target.events {
        Some(events) => {
            Some(events.iter().map(|event| event.parse()).collect::<Result<Vec<NotificationKind>>>()?)
        }
        None => None,
    };
    let secret = target.secret.as_deref();
    Ok(match target.kind {
        NotificationTargetKind::Webhook => {
            let webhook = Webhook::new(&target.url, secret.unwrap_or_default())?;
            kinds.into_iter().fold(webhook, Webhook::on).into()
        }
        NotificationTargetKind::Email => {
            let receivers = target.to.iter().map(String::as_str);
            let email =
                Email::new(&target.url, secret, target.from.as_deref().unwrap_or_default(), receivers)?;
            kinds.into_iter().fold(email, Email::on).into()
        }
        NotificationTargetKind::HealthCheck => {
            kinds.into_iter().fold(HealthCheck::new(&target.url)?, HealthCheck::on).into()
        }
        kind => {
            let text = format!("this version cannot notify a target of the kind {kind:?}");
            return Err(koan_backup_core::Error::new(koan_backup_core::ErrorKind::Unsupported, text));
        }
    })
}
