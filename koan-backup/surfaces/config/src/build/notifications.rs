//! The targets of notifications.

use super::Build;
use crate::key_path;
use crate::notification::{NotificationTarget, NotificationTargetKind};
use crate::secret::SecretText;
use crate::settings::{EventSetting, NotificationSettings, TargetSetting};

/// The keys that every target has.
const COMMON_KEYS: [&str; 3] = ["kind", "url", "events"];

impl Build<'_> {
    /// Returns the targets, sorted by their names. Problems are collected.
    pub(super) fn notifications(&mut self) -> Vec<NotificationTarget> {
        let settings = &self.loaded.settings;
        let targets = settings.notifications.iter();
        targets.filter_map(|(name, settings)| self.notification(name, settings)).collect()
    }

    /// Checks that this program can send what is configured. The secrets are not read, because a notification that
    /// cannot be sent never prevents a backup.
    pub(super) fn check_notifications(&mut self) {
        let settings = &self.loaded.settings.notifications;
        for (name, settings) in settings {
            self.checked(name, settings);
        }
        if let (false, Some(name)) = (cfg!(feature = "notify"), settings.keys().next()) {
            let key = key_path::display(&["notifications".to_owned(), name.clone()]);
            let message = "notifications need the feature `notify`, which is not enabled";
            self.refuse(&key, message, "add it: koan-backup = { features = [\"notify\"] }");
        }
    }

    fn notification(&mut self, name: &str, settings: &NotificationSettings) -> Option<NotificationTarget> {
        let kind = self.checked(name, settings)?;
        let key = key_path::display(&["notifications".to_owned(), name.to_owned()]);
        let url_key = format!("{key}.url");
        let url = self.accept(&url_key, settings.url.read(&self.loaded.limits))?;
        self.check_scheme(&url_key, &url, kind)?;
        let secret = match &settings.secret {
            Some(secret) => Some(self.accept(&format!("{key}.secret"), secret.read(&self.loaded.limits))?),
            None => None,
        };
        let events = settings.events.as_ref();
        Some(NotificationTarget {
            name: name.to_owned(),
            kind,
            url,
            secret,
            events: events.map(|events| events.iter().copied().map(EventSetting::as_str).collect()),
            from: settings.from.clone(),
            to: settings.to.clone().unwrap_or_default(),
        })
    }

    /// Checks which keys are set, and returns the kind of the target.
    fn checked(&mut self, name: &str, settings: &NotificationSettings) -> Option<NotificationTargetKind> {
        let path = ["notifications".to_owned(), name.to_owned()];
        let key = key_path::display(&path);
        let (kind, own, needed): (_, &[&str], &[&str]) = match settings.kind {
            TargetSetting::Webhook => (NotificationTargetKind::Webhook, &["secret"], &["secret"]),
            TargetSetting::HealthCheck => (NotificationTargetKind::HealthCheck, &[], &[]),
            TargetSetting::Email => {
                (NotificationTargetKind::Email, &["secret", "from", "to"], &["from", "to"])
            }
        };
        let known: Vec<_> = COMMON_KEYS.iter().chain(own).copied().collect();
        if self.has_other_keys(&path, &known, described(kind)) {
            return None;
        }
        for needed in needed {
            if self.loaded.layers.merged.at(&path).and_then(|node| node.get(needed)).is_none() {
                let message = format!("`{key}` is {} and has no `{needed}`", described(kind));
                self.refuse(&key, message, &format!("set `{key}.{needed}`"));
                return None;
            }
        }
        if let SecretText::Text(url) = &settings.url {
            self.check_scheme(&format!("{key}.url"), url, kind)?;
        }
        Some(kind)
    }

    fn check_scheme(&mut self, key: &str, url: &str, kind: NotificationTargetKind) -> Option<()> {
        let schemes: [&str; 2] = match kind {
            NotificationTargetKind::Email => ["smtps://", "smtp://"],
            _ => ["https://", "http://"],
        };
        if schemes.iter().any(|scheme| url.starts_with(scheme)) {
            return Some(());
        }
        let message = format!("`{key}` is not an address of {}", described(kind));
        self.refuse(key, message, &format!("it begins with `{}`", schemes.join("` or `")));
        None
    }
}

fn described(kind: NotificationTargetKind) -> &'static str {
    match kind {
        NotificationTargetKind::Webhook => "a webhook",
        NotificationTargetKind::HealthCheck => "a check",
        NotificationTargetKind::Email => "e-mail",
    }
}
