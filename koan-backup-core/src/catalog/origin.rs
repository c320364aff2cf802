//! The origin of a backup: this application, another one, or unknown.

use crate::archive::{Manifest, Producer};
use crate::foundation::identity::ApplicationIdentity;

/// The origin of a backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// The backup was made by this application in this environment.
    Own,
    /// The backup was made by an older version. Its manifest contains no environment and no name of another
    /// application, so every application that shares the profile may have made it.
    Unidentified,
    /// The backup was made by another application, or in another environment.
    Other,
}

impl Producer {
    /// Returns the producer of the backups that this program makes for an application.
    pub(crate) fn of_application(identity: &ApplicationIdentity) -> Self {
        Self {
            name: "koan-backup".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            application: Some(identity.application().to_owned()),
            environment: Some(identity.environment().to_owned()),
            host: gethostname::gethostname().into_string().ok().filter(|host| !host.is_empty()),
        }
    }

    /// Returns the origin of a backup, as seen by the application `own`.
    pub(crate) fn origin(&self, own: &ApplicationIdentity) -> Origin {
        let is_application = |own: &str| self.application.as_deref() == Some(own);
        match self.environment.as_deref() {
            Some(environment) if is_application(own.application()) && environment == own.environment() => {
                Origin::Own
            }
            None if self.application.is_none() || is_application(own.application()) => Origin::Unidentified,
            _ => Origin::Other,
        }
    }

    /// Returns a description of the application, for messages.
    pub(crate) fn description(&self) -> String {
        let application = self.application.as_deref().unwrap_or("(no name)");
        match &self.environment {
            Some(environment) => ApplicationIdentity::unvalidated(application, environment).to_string(),
            None => format!("application `{}`, environment unknown", application.escape_debug()),
        }
    }
}

/// Returns a note for the user, if another application made the backup or may have made it.
pub(super) fn origin_note(manifest: &Manifest, own: &ApplicationIdentity) -> Option<String> {
    let id = manifest.id;
    match manifest.producer.origin(own) {
        Origin::Own => None,
        Origin::Unidentified => Some(format!(
            "backup {id} was made by an older version that recorded no environment; it is used as a backup \
             of {own}, but another application in the same storage profile may have made it"
        )),
        Origin::Other => Some(format!(
            "backup {id} was made by {}, and the current application is {own}",
            manifest.producer.description()
        )),
    }
}
